//! The admin listener over real sockets: who is answered, and what at most is listened to.

use std::io::{Read, Write};
use std::net::SocketAddr;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::config::{self, Surroundings};
use crate::runtime::live::Current;
use crate::runtime::mailbox::Mailboxes;

fn shards(token: Option<&str>) -> Shards {
    let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
    let text = token.map_or(String::new(), |token| format!("admin: {{ token: {token} }}"));
    let config = config::parse(&text, &surroundings).unwrap().config;
    Shards::new(Current::new(Arc::new(config)), Arc::new(Mailboxes::new(1)))
}

fn serving(token: Option<&str>) -> (SocketAddr, Arc<Health>) {
    serving_with(token, HEAD_DEADLINE)
}

fn serving_with(token: Option<&str>, head_deadline: Duration) -> (SocketAddr, Arc<Health>) {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("trunkline_turns_total", "shard" => "0").absolute(7));
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let health = Arc::new(Health::new(1));
    let (prometheus, shards, reloads) = (Exporter::new(recorder.handle()), shards(token), Reloads::new().0);
    start_with(listener, Arc::clone(&health), prometheus, shards, reloads, head_deadline).unwrap();
    (address, health)
}

/// What the listener says to these bytes, until it closes.
fn said(address: SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Who is turned away is so at once, perhaps before this is written.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(address: SocketAddr, path: &str) -> String {
    said(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn the_probes_follow_the_health_of_the_process() {
    let (address, health) = serving(None);
    let answer = get(address, "/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nstarting\n"), "{answer}");
    health.beat(0, clock::monotonic_ns());
    health.enter(Phase::Ready);
    for path in ["/livez", "/readyz"] {
        let answer = get(address, path);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }
    health.enter(Phase::Draining);
    assert!(get(address, "/readyz").ends_with("\r\n\r\ndraining\n"));
    health.fail("disk full");
    let answer = get(address, "/livez");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("disk full"), "{answer}");
}

#[test]
fn metrics_are_in_the_exposition_format() {
    let (address, _) = serving(None);
    let answer = get(address, "/metrics").to_lowercase();
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
    assert!(answer.contains("trunkline_turns_total{shard=\"0\"} 7\n"), "{answer}");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let (address, _) = serving(None);
    assert!(get(address, "/nothing").starts_with("HTTP/1.1 404 "));
    let answer = said(address, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.to_lowercase().contains("allow: get"), "{answer}");
}

#[test]
fn without_a_token_a_web_page_that_took_our_address_for_its_name_is_told_nothing() {
    let (address, _) = serving(None);
    let with = |host: &str, path: &str| said(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    for host in ["evil.example:9090", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "a b"] {
        for path in ["/", "/metrics", "/status/recent"] {
            assert!(!with(host, path).starts_with("HTTP/1.1 200 "), "{host} {path}");
        }
    }
    for host in [
        "127.0.0.1:9090",
        "localhost",
        "LocalHost:9090",
        "[::1]:9090",
        "192.0.2.7",
        "trunkline.localhost",
        "gateway-1:9090",
    ] {
        assert!(with(host, "/metrics").starts_with("HTTP/1.1 200 "), "{host}");
    }
    assert!(with("gw.example", "/livez").starts_with("HTTP/1.1 200 "), "a balancer's probe");
    assert!(said(address, "GET /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "), "no browser asks so");
    let (address, _) = serving(Some("s3cret"));
    let named = "GET /metrics HTTP/1.1\r\nHost: gw.example:9090\r\nAuthorization: Bearer s3cret\r\n\r\n";
    assert!(said(address, named).starts_with("HTTP/1.1 200 "), "who has the token may come by any name");
}

#[test]
fn what_lies_behind_a_path_that_has_nothing_behind_it_is_not_found() {
    let (address, _) = serving(None);
    for request in [
        "POST /reload/now",
        "POST /send/x",
        "POST /reload/",
        "GET /route/x",
        "GET /sessions/acme",
        "POST /sessions/acme/purge",
    ] {
        let answer = said(address, &format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 404 "), "{request}: {answer}");
    }
    for request in ["POST /reload?dry_run=1", "GET /status?account=acme", "GET /carriers?name=a"] {
        let answer = said(address, &format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
    }
}

#[test]
fn with_a_token_nothing_is_said_without_it() {
    let (address, _) = serving(Some("s3cret"));
    let with = |value: &str| said(address, &format!("GET /metrics HTTP/1.1\r\nAuthorization: {value}\r\n\r\n"));
    assert!(get(address, "/livez").starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/carriers").starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/status/recent").starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/").starts_with("HTTP/1.1 200 "), "the page itself tells nothing");
    for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret"] {
        assert!(with(wrong).starts_with("HTTP/1.1 401 "), "{wrong}");
    }
    assert!(with("Bearer s3cret").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_head_over_8_kib_is_refused_and_the_next_connection_is_served() {
    let (address, _) = serving(None);
    let long = "x".repeat(MAX_HEAD);
    let answer = said(address, &format!("GET /livez HTTP/1.1\r\nX: {long}\r\n\r\n"));
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let (address, _) = serving_with(None, Duration::from_millis(50));
    assert_eq!(said(address, "GET /livez HT"), "");
}

#[test]
fn connections_that_say_nothing_do_not_keep_the_probes_out() {
    let (address, _) = serving_with(None, Duration::from_secs(60));
    let connect = || std::net::TcpStream::connect(address).unwrap();
    let silent: Vec<_> = (0..2 * MAX_CONNECTIONS).map(|_| connect()).collect();
    // Refused ones come back at once, and there are many tries in the time that silence takes.
    let tries = (0..100_000).filter(|_| get(address, "/livez").starts_with("HTTP/1.1 200 "));
    assert_eq!(tries.take(2 * MAX_CONNECTIONS).count(), 2 * MAX_CONNECTIONS);
    drop(silent);
}
