//! A carrier whose profile rewrites addresses: its receipts bring back the customer's own, and nothing of them stays behind. What it
//! is sent and what comes back is compared octet by octet, here as in every storm, by the ledger.

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;

impl Sim {
    /// Submits whose own addresses are kept, and correlations, of every carrier.
    fn readdressed(&mut self) -> (usize, usize) {
        let carriers = self.nodes.iter_mut().flat_map(|node| node.shard.carriers());
        let kept = carriers.map(|carrier| (carrier.readdressed.len(), carrier.correlations.len()));
        kept.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }
}

#[test]
fn receipts_bring_the_customers_addresses_after_a_crash_and_they_are_forgotten_then() {
    for (is_power, is_moved) in [(false, false), (true, false), (true, true)] {
        let mut sim = gateway("", ", profile: odd", ONE);
        (sim.smscs[0].habit.receipt_ms, sim.smscs[0].habit.intermediate) = ((5_000, 6_000), 500);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_many(esme, 30);
        sim.run_for(Duration::from_secs(2));
        assert_eq!((sim.count(esme, &tags, CommandStatus::ROK), sim.readdressed()), (30, (30, 30)));
        if is_moved {
            sim.next_config = Some(crate::variants::vary(&sim.text, 3, &[], || Some(2)));
        }
        sim.crash_and_restart(is_power);
        assert_eq!(sim.readdressed(), (30, 30));
        sim.run_for(Duration::from_secs(10));
        sim.end();
        assert!(sim.esmes[esme].deliveries.len() > 30, "intermediate ones too");
        assert_eq!(sim.readdressed(), (0, 0));
        sim.audit_holdings();
    }
}

#[test]
fn addresses_are_written_again_with_the_segments_they_lie_in() {
    let mut sim = gateway("", ", profile: odd", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    // These wait long, while others fill and empty the segments behind.
    sim.smscs[0].habit.sends_receipts = false;
    sim.submit_many(esme, 30);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.sends_receipts = true;
    let written_before = sim.disk.names().count();
    for _ in 0..40 {
        sim.submit_many(esme, 30);
        sim.run_for(Duration::from_secs(1));
    }
    assert!(sim.disk.names().count() < written_before + 20, "old segments go");
    sim.crash_and_restart(true);
    assert_eq!(sim.readdressed(), (30, 30));
    // It numbered them as they came.
    let waiting = sim.seen_by(0)[..30].to_vec();
    let first = sim.smscs[0].habit.first_id;
    for (at, tag) in waiting.iter().enumerate() {
        let sent = crate::text::rewritten(&sim.ledger.submits[tag].body);
        sim.plan_receipts(0, *tag, first + at as u64, 0, &sent);
    }
    sim.run_for(Duration::from_secs(10));
    sim.end();
    assert_eq!((sim.esmes[esme].deliveries.len(), sim.readdressed()), (41 * 30, (0, 0)));
    sim.audit_holdings();
}

#[test]
fn addresses_that_no_receipt_comes_for_go_with_retention() {
    let mut sim = gateway("", ", profile: odd", ONE);
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(esme, 10);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.readdressed(), (10, 10));
    sim.run_for(Duration::from_secs(74 * 3_600));
    assert_eq!(sim.readdressed(), (0, 0));
}

#[test]
fn a_carrier_that_changes_no_address_keeps_none() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(esme, 10);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.readdressed(), (0, 10));
}

#[test]
fn early_receipts_that_wait_for_room_bring_the_customers_addresses_through_crashes_and_moves() {
    for is_power in [false, true] {
        let mut sim = gateway(", delivery_queue: 3", ", profile: odd", ONE);
        let habit = &mut sim.smscs[0].habit;
        (habit.early, habit.intermediate, habit.latency_ms) = (1_000, 1_000, (100, 200));
        let esme = sim.bound("a0", BindMode::Transmitter);
        let tags = sim.submit_many(esme, 20);
        sim.run_for(Duration::from_secs(4));
        assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 20);
        let left = sim.smscs[0].undelivered.len();
        assert!(left < 10, "nearly all came before the answers, and were acknowledged");
        // Other shards, other homes; and one life without the account.
        for (shards, without) in [(3, &[][..]), (1, &["a0"]), (4, &[])] {
            let mut pins = 0;
            sim.next_config = Some(crate::variants::vary(&sim.text, shards, without, || {
                pins += 1;
                Some(pins % shards)
            }));
            sim.crash_and_restart(is_power);
            sim.run_for(Duration::from_secs(3));
        }
        let receiver = sim.bound("a0", BindMode::Receiver);
        sim.end();
        assert!(sim.esmes[receiver].deliveries.len() >= 20);
        // What the carrier sent while there was no such account told it of no submit.
        let (kept, correlated) = sim.readdressed();
        assert!(kept == correlated && kept <= left, "{kept} of {correlated}, {left} came late");
        sim.audit_holdings();
    }
}
