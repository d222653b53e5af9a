//! What the gateway writes of itself must harm nobody: not when its reader stops, and not when it is gone.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use trunkline::smpp::pdu::BindMode;

use crate::gateway::{Gateway, http_with};
use crate::peer::{PATIENCE, ROK};

const CONFIG: &str = r#"
accounts:
  acme: { password: secret, shard: 1, max_binds: 10 }
carriers:
  north: { connect: "127.0.0.1:1", system_id: us, password: secret, shard: 0 }
routes:
  - to: north
"#;

/// Two lines of the log, of 100 octets each and more.
fn say_something(gateway: &Gateway) {
    for order in ["pause", "resume"] {
        let answer = http_with(gateway.admin, "POST", &format!("/carriers/north/{order}"), "").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

fn is_served(gateway: &Gateway) {
    assert_eq!(gateway.connect().bind(BindMode::Transceiver, "acme", "secret").status, ROK);
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up_and_a_reader_that_goes_ends_nothing() {
    let mut gateway = Gateway::start_by(CONFIG, |program, _| program.stderr(Stdio::piped()).spawn().unwrap());
    // More than a pipe holds.
    for _ in 0..400 {
        say_something(&gateway);
    }
    is_served(&gateway);

    let log = gateway.child.as_mut().unwrap().stderr.take().unwrap();
    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let _ = tell.send(lines.find(|line| line.contains("events were not logged")));
    });
    assert!(told.recv_timeout(PATIENCE).expect("a reader that comes back").is_some());
    // With that its end of the pipe is closed.
    reader.join().unwrap();
    for _ in 0..3 {
        say_something(&gateway);
    }
    is_served(&gateway);
    gateway.signal(15);
    assert_eq!(gateway.exit_code(PATIENCE), 0);
}
