//! Submits whose link is lost before their answer came: in doubt, or sent again where the carrier is set so.

use std::time::Duration;

use trunkline::metrics::{CarrierCounts, ReceiptOutcome};
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;

/// Five submits written to the first carrier, one of whose links then dies before any is answered. The rest is calm.
fn link_dies(carrier: &str, routes: &str) -> (Sim, usize, Vec<u32>) {
    let mut sim = gateway("", carrier, routes);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 5);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.seen_by(0), tags);
    sim.smscs[0].habit.latency_ms = (5, 20);
    let wire = sim.smscs[0].submits[0].1;
    sim.smsc_breaks(0, wire);
    (sim, esme, tags)
}

fn counts(sim: &mut Sim, carrier: usize) -> CarrierCounts {
    sim.nodes[1].shard.carriers().nth(carrier).expect("both carriers live on the second shard").counts.clone()
}

#[test]
fn what_dies_with_its_link_is_in_doubt_and_not_sent_again_unless_asked() {
    let (mut sim, esme, tags) = link_dies(", links: 2", BOTH);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::RUNKNOWNERR), 5);
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (tags, Vec::new()));
    let counts = counts(&mut sim, 0);
    assert_eq!((counts.in_doubt, counts.retried_in_doubt), (5, 0));
}

#[test]
fn what_dies_with_its_link_is_sent_again_on_another_in_order_where_asked() {
    let (mut sim, esme, tags) = link_dies(", links: 2, in_doubt: retry", BOTH);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 5);
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (tags.repeat(2), Vec::new()));
    // Each was accepted twice, and the receipts of the first acceptance are nobody's.
    assert_eq!(sim.esmes[esme].deliveries.len(), 5);
    let counts = counts(&mut sim, 0);
    assert_eq!((counts.in_doubt, counts.retried_in_doubt), (0, 5));
    let nobodys =
        counts.receipts[ReceiptOutcome::Unknown as usize] + counts.receipts[ReceiptOutcome::Unclaimed as usize];
    assert_eq!(nobodys, 5);
}

#[test]
fn without_another_link_it_is_sent_to_the_next_carrier() {
    let (mut sim, esme, tags) = link_dies(", links: 1, in_doubt: retry", BOTH);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 5);
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (tags.clone(), tags));
}

#[test]
fn without_another_carrier_it_stays_in_doubt() {
    let (mut sim, esme, tags) = link_dies(", links: 1, in_doubt: retry", ONE);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::RUNKNOWNERR), 5);
    assert_eq!(sim.seen_by(0), tags);
}

#[test]
fn a_refusal_of_the_second_sending_says_nothing_of_the_first() {
    let (mut sim, esme, tags) = link_dies(", links: 2, in_doubt: retry", ONE);
    sim.smscs[0].habit.refused = 1_000;
    sim.end();
    assert_eq!(sim.seen_by(0).len(), 10);
    assert_eq!(sim.count(esme, &tags, CommandStatus::RUNKNOWNERR), 5);
    assert_eq!(counts(&mut sim, 0).in_doubt, 5);
}

#[test]
fn what_the_next_carrier_refuses_stays_in_doubt_too() {
    for status in ["refused", "rsyserr"] {
        let (mut sim, esme, tags) = link_dies(", links: 1, in_doubt: retry", BOTH);
        let habit = &mut sim.smscs[1].habit;
        *(if status == "refused" { &mut habit.refused } else { &mut habit.rsyserr }) = 1_000;
        sim.end();
        assert_eq!(sim.seen_by(1), tags, "{status}");
        assert_eq!(sim.count(esme, &tags, CommandStatus::RUNKNOWNERR), 5, "{status}");
    }
}

#[test]
fn with_less_than_a_quarter_of_its_time_left_nothing_is_sent_again() {
    let mut sim = gateway_with("response: 4s", "", ", links: 2, in_doubt: retry", BOTH);
    sim.smscs[0].habit.silent = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(3_100));
    let wire = sim.smscs[0].submits[0].1;
    sim.smsc_breaks(0, wire);
    sim.end();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RUNKNOWNERR));
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![tag], Vec::new()));
    assert_eq!(counts(&mut sim, 0).retried_in_doubt, 0);
}

#[test]
fn an_early_receipt_of_the_first_sending_is_neither_claimed_nor_kept() {
    let mut sim = gateway("", ", links: 2, in_doubt: retry", ONE);
    let habit = &mut sim.smscs[0].habit;
    (habit.latency_ms, habit.early, habit.other_link) = ((1_000, 1_000), 1_000, 1_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 40);
    // About half of their receipts have come, half come later.
    sim.run_for(Duration::from_millis(500));
    let first = sim.smscs[0].submits[0].1;
    sim.smsc_breaks(0, first);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 40);
    assert_eq!(sim.esmes[esme].deliveries.len(), 40);
    let retried = counts(&mut sim, 0).retried_in_doubt;
    assert!(retried > 0);
    let receipts = counts(&mut sim, 0).receipts;
    let nobodys = receipts[ReceiptOutcome::Unknown as usize] + receipts[ReceiptOutcome::Unclaimed as usize];
    assert_eq!(nobodys, retried);
    assert_eq!(sim.nodes[1].shard.carriers().map(|carrier| carrier.early.len()).sum::<usize>(), 0);
}

#[test]
fn a_session_that_ends_takes_back_what_waits_to_be_sent_again() {
    let (mut sim, esme, tags) = link_dies(", links: 2, in_doubt: retry, rate: 1, burst: 5", ONE);
    sim.run_for(Duration::from_millis(20));
    assert_eq!(counts(&mut sim, 0).retried_in_doubt, 5);
    sim.esme_aborts(esme);
    sim.end();
    assert_eq!(sim.seen_by(0), tags);
}

#[test]
fn nothing_is_sent_again_for_a_session_that_ended_before_its_link() {
    let mut sim = gateway("", ", links: 2, in_doubt: retry", BOTH);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 5);
    sim.run_for(Duration::from_millis(200));
    sim.esme_aborts(esme);
    sim.run_for(Duration::from_millis(50));
    let wire = sim.smscs[0].submits[0].1;
    sim.smsc_breaks(0, wire);
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (tags, Vec::new()));
    assert_eq!(counts(&mut sim, 0).retried_in_doubt, 0);
}
