//! Calls to receivers of all kinds.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use glommio::{LocalExecutorBuilder, Placement};
use hyper::Method;

use super::*;
use crate::runtime::resolve::Resolver;

const OURS: &[SocketAddr] = &[];

fn on_executor<T: 'static>(work: impl Future<Output = T>) -> T {
    LocalExecutorBuilder::new(Placement::Unbound).make().unwrap().run(work)
}

fn terms(allow_private: bool) -> Terms<'static> {
    Terms { account: AccountId(0), allow_private, tls: None, listens: OURS }
}

fn outgoing(body: &'static str) -> Outgoing {
    let headers = vec![("webhook-id", "7".to_owned())];
    Outgoing { method: Method::POST, url: String::new(), headers, body: body.into() }
}

fn to(host: &str, port: u16) -> Destination {
    Destination::read(&format!("http://{host}:{port}/sms?x=1"), true).unwrap()
}

/// Reads one request to its end.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut octet = [0];
    while !text.ends_with("BODY") {
        if stream.read(&mut octet).ok()? == 0 {
            return None;
        }
        text.push(char::from(octet[0]));
    }
    Some(text)
}

/// A receiver whose connections, one after the other, get these answers each; then it closes. The requests it got.
fn receiver(answers: Vec<Vec<String>>) -> (u16, thread::JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = move || {
        let serve = |answers: Vec<String>| {
            let mut stream = listener.accept().unwrap().0;
            let mut requests = Vec::new();
            for answer in answers {
                let Some(request) = read_request(&mut stream) else { break };
                requests.push(request);
                let _ = stream.write_all(answer.as_bytes());
            }
            let _ = stream.shutdown(Shutdown::Both);
            requests
        };
        answers.into_iter().map(serve).collect()
    };
    (port, thread::spawn(serving))
}

fn answer(status: &str, rest: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{rest}", rest.len())
}

#[test]
fn a_call_says_what_was_composed_and_gets_the_status() {
    let (port, receiver) = receiver(vec![vec![answer("204 No Content", "")]]);
    let status = on_executor(async move {
        Posting::default().ask(&terms(true), &to("localhost", port), &outgoing("BODY")).await.unwrap()
    });
    assert_eq!(status, StatusCode::NO_CONTENT);
    let requests = receiver.join().unwrap();
    let request = requests[0][0].to_ascii_lowercase();
    assert!(request.starts_with("post /sms?x=1 http/1.1\r\n"), "{request}");
    for header in [&format!("host: localhost:{port}"), "webhook-id: 7", "content-length: 4"] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{request}");
    }
}

#[test]
fn a_redirect_is_an_answer_like_any_other() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("http://{}/", elsewhere.local_addr().unwrap());
    let redirect = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let (port, _receiver) = receiver(vec![vec![redirect]]);
    let status = on_executor(async move {
        Posting::default().ask(&terms(true), &to("127.0.0.1", port), &outgoing("BODY")).await.unwrap()
    });
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert!(elsewhere.accept().is_err(), "nobody went there");
}

#[test]
fn a_connection_is_kept_for_the_next_call_and_a_closed_one_is_replaced() {
    let ok = || answer("200 OK", "taken");
    let (port, receiver) = receiver(vec![vec![ok(), ok()], vec![ok()]]);
    on_executor(async move {
        let posting = Posting::default();
        for _ in 0..3 {
            let status = posting.ask(&terms(true), &to("127.0.0.1", port), &outgoing("BODY")).await.unwrap();
            assert_eq!(status, StatusCode::OK);
        }
    });
    let requests = receiver.join().unwrap();
    assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_connection_is_not_kept_for_another_account_nor_after_a_long_answer() {
    let long = "x".repeat(5 << 10);
    let (port, receiver) =
        receiver(vec![vec![answer("200 OK", &long)], vec![answer("200 OK", "")], vec![answer("200 OK", "")]]);
    on_executor(async move {
        let posting = Posting::default();
        for account in [0, 0, 1] {
            let terms = Terms { account: AccountId(account), ..terms(true) };
            posting.ask(&terms, &to("127.0.0.1", port), &outgoing("BODY")).await.unwrap();
        }
    });
    let requests = receiver.join().unwrap();
    assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_receiver_that_never_answers_is_given_up_and_one_that_never_ends_has_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let posting = || Posting { patience: Duration::from_millis(200), ..Posting::default() };
    let error = on_executor(async move {
        posting().ask(&terms(true), &to("127.0.0.1", port), &outgoing("BODY")).await.unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(listener);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dripping = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        read_request(&mut stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx").unwrap();
        // Until it is closed.
        stream.read(&mut [0]).map_or(0, |count| count)
    });
    let status =
        on_executor(
            async move { posting().ask(&terms(true), &to("127.0.0.1", port), &outgoing("BODY")).await.unwrap() },
        );
    assert_eq!(status, StatusCode::OK);
    assert_eq!(dripping.join().unwrap(), 0);
}

#[test]
fn what_is_no_http_is_no_answer() {
    for said in ["SSH-2.0-OpenSSH_9.6\r\n", "", "HTTP/1.1 200 OK\r\nX"] {
        let (port, _receiver) = receiver(vec![vec![said.to_owned()]]);
        let asked = on_executor(async move {
            Posting::default().ask(&terms(true), &to("127.0.0.1", port), &outgoing("BODY")).await
        });
        assert!(asked.is_err(), "{said:?}");
    }
}

/// However a host is spelled, and whatever its name says: what it resolves to is judged.
#[test]
fn what_must_not_be_reached_is_not_even_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let ours = listener.local_addr().unwrap();
    let port = ours.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
        "[::]",
    ] {
        let error = on_executor(async move {
            Posting::default().ask(&terms(false), &to(host, port), &outgoing("BODY")).await.unwrap_err()
        });
        let why = error.to_string();
        assert!(why.contains("is private or loopback") || why.contains("is link-local"), "{host}: {why}");
    }
    let error = on_executor(async move {
        let listens = [ours];
        let terms = Terms { listens: &listens, ..terms(true) };
        Posting::default().ask(&terms, &to("localhost", port), &outgoing("BODY")).await.unwrap_err()
    });
    assert!(error.to_string().contains("is a listener of this gateway"), "{error}");
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn of_several_addresses_only_those_that_may_be_called_are() {
    let (port, receiver) = receiver(vec![vec![answer("200 OK", "")]]);
    on_executor(async move {
        let lookup = |target: &str| {
            let port = target.rsplit_once(':').unwrap().1;
            Ok(["169.254.169.254", "127.0.0.1"].map(|ip| format!("{ip}:{port}").parse().unwrap()).to_vec())
        };
        let posting = Posting { resolver: Resolver::with(lookup), ..Posting::default() };
        posting.ask(&terms(true), &to("acme.example", port), &outgoing("BODY")).await.unwrap();
    });
    assert_eq!(receiver.join().unwrap()[0].len(), 1);
}

#[test]
fn https_is_not_called_where_nobody_is_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let error = on_executor(async move {
        let to = Destination::read(&url, false).unwrap();
        Posting::default().ask(&terms(true), &to, &outgoing("BODY")).await.unwrap_err()
    });
    assert!(error.to_string().contains("no certificates to trust"), "{error}");
}
