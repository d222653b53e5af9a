//! Steps that many rows take.

use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;

use crate::gateway::Gateway;
use crate::peer::{PATIENCE, Peer};

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
