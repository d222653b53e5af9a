//! The end of the process: what is under way is answered, new messages are refused, and nobody who takes his time holds it up.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;
use trunkline::smpp::command::CommandId;

use super::client::{ACME, Client, get, post, submit};
use crate::carrier::resp;
use crate::gateway::{free_address, http};
use crate::peer::PATIENCE;
use crate::world::Scripted;

const TERM: i32 = 15;

fn stage(keys: &str) -> (Scripted, impl Fn() -> Client) {
    let address = free_address();
    let scripted = Scripted::with("", "", &format!("http: {{ listen: \"{address}\", {keys} }}\ndrain: 10s"));
    (scripted, move || Client::over(TcpStream::connect(address).unwrap()))
}

fn wait_until_draining(scripted: &Scripted) {
    let give_up = Instant::now() + PATIENCE;
    while http(scripted.gateway.admin, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        assert!(Instant::now() < give_up, "it does not drain");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_drain_answers_what_is_under_way_refuses_what_is_new_and_closes_what_waits() {
    let (mut scripted, connect) = stage("");
    let mut idle = connect();
    idle.send(&get(""));
    assert_eq!(idle.answer().status, 200);
    let mut under_way = connect();
    under_way.send(&submit("under way"));
    let asked = scripted.link().expect(CommandId::SUBMIT_SM);
    scripted.gateway.signal(TERM);
    wait_until_draining(&scripted);
    idle.expect_close();
    let give_up = Instant::now() + PATIENCE;
    loop {
        let mut new = connect();
        new.send(&submit("new"));
        let answer = new.answer();
        if answer.header("connection") == Some("close") {
            assert_eq!((answer.status, answer.kind()), (503, "draining".to_owned()));
            assert!(answer.header("retry-after").is_some());
            new.expect_close();
            break;
        }
        assert!(Instant::now() < give_up, "{}", answer.body);
    }
    // Also behind the one under way.
    under_way.send(&submit("behind"));
    scripted.link().send_pdu(&resp(&asked, "n1"));
    let answer = under_way.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{}", answer.body);
    under_way.expect_close();
    let unbind = scripted.link().expect(CommandId::UNBIND);
    scripted.link().answer(&unbind, 0, b"");
    let unbind = scripted.acme.expect(CommandId::UNBIND);
    scripted.acme.answer(&unbind, 0, b"");
    assert_eq!(scripted.gateway.exit_code(PATIENCE), 0);
}

#[test]
fn slow_deaf_and_silent_customers_do_not_hold_up_the_end() {
    let (mut scripted, connect) = stage("");
    let mut silent = connect();
    let mut half_head = connect();
    half_head.send(b"GET / HT");
    let whole = post(ACME, "{}");
    let mut half_body = connect();
    half_body.send(&whole[..whole.len() - 1]);
    let mut deaf = connect();
    SockRef::from(&deaf.stream).set_recv_buffer_size(4096).unwrap();
    deaf.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    for _ in 0..2_000 {
        if std::io::Write::write_all(&mut deaf.stream, &get("")).is_err() {
            break;
        }
    }
    let mut answered = connect();
    answered.send(&get(""));
    assert_eq!(answered.answer().status, 200);
    let started = Instant::now();
    scripted.gateway.signal(TERM);
    let unbind = scripted.link().expect(CommandId::UNBIND);
    scripted.link().answer(&unbind, 0, b"");
    let unbind = scripted.acme.expect(CommandId::UNBIND);
    scripted.acme.answer(&unbind, 0, b"");
    assert_eq!(scripted.gateway.exit_code(PATIENCE), 0);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    silent.expect_close();
}
