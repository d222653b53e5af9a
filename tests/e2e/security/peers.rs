//! Steps that many rows take.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;

use crate::gateway::Gateway;
use crate::peer::{PATIENCE, Pdu, Peer, ROK};

/// The stream has lost its place: nothing after it can be trusted.
pub fn is_nacked_and_closed(peer: &mut Peer, octets: &[u8]) {
    peer.send(octets);
    peer.expect_answer(CommandId::GENERIC_NACK, 0x02, 0);
    peer.expect_close();
}

/// It is there, and was told nothing.
pub fn quiet(mut peer: Peer) -> Peer {
    peer.expect_quiet();
    peer
}

/// Resident memory of the gateway.
pub fn resident_kib(gateway: &Gateway) -> u64 {
    let id = gateway.child.as_ref().unwrap().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// It is in the audit log, and a repetition within the minute is not.
pub fn is_audited(gateway: &Gateway, why: &str) {
    let give_up = Instant::now() + PATIENCE;
    let lines = || gateway.log().lines().filter(|line| line.contains("audit") && line.contains(why)).count();
    while lines() == 0 {
        assert!(Instant::now() < give_up, "{why} is not in the log:\n{}", gateway.log());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    // A minute may have begun in between.
    assert!(lines() <= 2, "{}", gateway.log());
}

/// Asks for ever and reads nothing, until the gateway has closed: as much as both kernels' buffers hold, and then some. Submits nobody
/// has a route for are answered at once, and are no flood.
pub fn ask_until_closed(deaf: &Peer) {
    let lost = crate::peer::body("1000", "33", b"no route", |_| {});
    let some = Pdu::new(CommandId::SUBMIT_SM, ROK, 9, &lost).octets().repeat(2_000);
    deaf.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let (mut sent, give_up) = (0, Instant::now() + 4 * PATIENCE);
    loop {
        match (&deaf.stream).write(&some[sent % some.len()..]) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        assert!(Instant::now() < give_up, "still open after {sent} octets");
    }
}
