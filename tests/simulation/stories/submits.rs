//! Submits on their way out: windows, rates, carriers that refuse, and links that break.

use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::pdu::{self, BindMode};

use super::*;
use crate::net::Toward;

#[test]
fn a_submit_never_written_moves_to_another_link() {
    let mut sim = gateway("", ", links: 2", ONE);
    sim.habit.capacity = 300;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.smscs[0].links[0].wire;
    let second = sim.smscs[0].links[1].wire;
    for link in &mut sim.smscs[0].links {
        link.stalled_until = sim.now + 1_000_000_000;
    }
    let tags = sim.submit_many(esme, 30);
    sim.run_for(Duration::from_millis(500));
    sim.smsc_breaks(0, first);
    sim.run_for(Duration::from_millis(600));
    sim.plan(0, crate::sim::Event::PeerReads(second));
    sim.end();
    let accepted = sim.count(esme, &tags, CommandStatus::ROK);
    let in_doubt = sim.count(esme, &tags, CommandStatus::RUNKNOWNERR);
    assert_eq!(accepted + in_doubt, 30);
    assert!((1..10).contains(&in_doubt), "{in_doubt} in doubt: only what the kernel had begun to take");
}

#[test]
fn a_submit_never_written_is_not_written_by_the_goodbye() {
    let mut sim = gateway("", "", BOTH);
    sim.habit.capacity = 300;
    let esme = sim.bound("a0", BindMode::Transceiver);
    for link in &mut sim.smscs[0].links {
        link.stalled_until = sim.now + 500_000_000;
    }
    let tags = sim.submit_many(esme, 30);
    sim.run_for(Duration::from_millis(300));
    let wires: Vec<_> = sim.smscs[0].links.iter().map(|link| link.wire).collect();
    sim.smscs[0].is_up = false;
    // Now the kernel would take all that waits.
    sim.habit.capacity = 1 << 20;
    for wire in wires {
        sim.smsc_unbinds(0, wire);
    }
    sim.run_for(Duration::from_secs(5));
    sim.smscs[0].is_up = true;
    sim.end();
    let in_doubt = sim.count(esme, &tags, CommandStatus::RUNKNOWNERR);
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK) + in_doubt, 30);
    assert!(sim.seen_by(1).len() >= 30 - in_doubt);
}

#[test]
fn a_written_submit_is_in_doubt_when_its_link_is_lost() {
    let mut sim = gateway("", "", BOTH);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(200));
    let wire = sim.smscs[0].submits[0].1;
    sim.smsc_breaks(0, wire);
    sim.end();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RUNKNOWNERR));
    assert_eq!(sim.seen_by(1), [0; 0]);
}

#[test]
fn a_full_window_pauses_reading_and_resumes() {
    let mut sim = gateway(", window: 2", "", ONE);
    sim.smscs[0].habit.latency_ms = (100, 100);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 20);
    sim.run_for(Duration::from_millis(300));
    assert!(sim.seen_by(0).len() <= 6);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 20);
}

#[test]
fn a_full_window_does_not_stop_the_answers_of_a_receiver() {
    let mut sim = gateway_with("response: 4s", ", window: 1", "", ONE);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.submit(transmitter, "491700000001", true);
    sim.run_for(Duration::from_millis(20));
    sim.smscs[0].habit.silent = 1_000;
    sim.submit_many(transmitter, 3);
    sim.run_for(Duration::from_secs(30));
    assert_eq!(sim.esmes[receiver].deliveries.len(), 1);
    sim.end();
}

#[test]
fn over_rate_is_refused_with_throttled() {
    let mut sim = gateway(", rate: 10, burst: 5", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 20);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 5);
    assert_eq!(sim.count(esme, &tags, CommandStatus::RTHROTTLED), 15);
}

#[test]
fn rsyserr_moves_to_the_next_carrier_and_final_errors_do_not() {
    let mut sim = gateway("", "", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.rsyserr = 1_000;
    let moved = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!(sim.status(esme, moved), Some(CommandStatus::ROK));
    (sim.smscs[0].habit.rsyserr, sim.smscs[0].habit.refused) = (0, 1_000);
    let refused = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!(sim.status(esme, refused), Some(CommandStatus::RINVDSTADR));
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![moved, refused], vec![moved]));
}

#[test]
fn no_carrier_bound_is_rsyserr() {
    let mut sim = gateway("", "", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for carrier in 0..2 {
        sim.smscs[carrier].is_up = false;
        for wire in sim.smscs[carrier].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
            sim.smsc_breaks(carrier, wire);
        }
    }
    sim.run_for(Duration::from_millis(100));
    let tag = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RSYSERR));
}

#[test]
fn throttled_submits_wait_at_the_head() {
    let mut sim = gateway("", ", links: 1, window: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.throttled = 1_000;
    let tags = sim.submit_many(esme, 5);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.throttled = 0;
    sim.end();
    assert_eq!(sim.statuses(esme, &tags), [Some(CommandStatus::ROK); 5]);
    let mut order = sim.seen_by(0);
    assert!(order.len() > 5);
    order.dedup();
    assert_eq!(order, tags);
}

#[test]
fn a_nack_is_never_an_acceptance() {
    let mut sim = gateway("", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    // The status is one the carrier keeps to itself: it takes nothing, and answers as told below.
    (sim.smscs[0].habit.silent, sim.smscs[0].habit.refused) = (1_000, 1_000);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(100));
    let (wire, mut out) = (sim.smscs[0].links[0].wire, Vec::new());
    // The bind took the first number.
    pdu::write_control(CommandId::GENERIC_NACK, CommandStatus::ROK, SequenceNumber(2), &mut out);
    sim.send(wire, Toward::Proxy, &out);
    sim.end();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RSUBMITFAIL));
}

#[test]
fn a_second_answer_under_an_old_number_mutes_nobody() {
    let mut sim = gateway_with("response: 4s, enquire_link: 300s", "", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.silent = 1_000;
    let doubtful = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(6));
    let wire = sim.smscs[0].links[0].wire;
    sim.smsc_breaks(0, wire);
    sim.run_for(Duration::from_secs(3));
    let habit = &mut sim.smscs[0].habit;
    (habit.silent, habit.answers_twice, habit.receipt_ms) = (0, 1_000, (100, 200));
    let good = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!(sim.status(esme, doubtful), Some(CommandStatus::RUNKNOWNERR));
    assert_eq!(sim.status(esme, good), Some(CommandStatus::ROK));
    assert_eq!(sim.esmes[esme].deliveries.len(), 1);
}
