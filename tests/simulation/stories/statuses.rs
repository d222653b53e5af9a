//! What follows a carrier's refusal: once more here, the next carrier, or the customer is told. Exactly one answer, always.

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::node::In;

/// A gateway whose carriers have a profile with these statuses, and an ESME of it.
fn with_statuses(smpp: &str, carrier: &str, routes: &str, statuses: &str) -> (Sim, usize) {
    let profile = format!("  table: {{ statuses: {statuses} }}\n");
    let mut sim = gateway_of(smpp, "", &format!("{carrier}, profile: table"), routes, &profile);
    let esme = sim.bound("a0", BindMode::Transceiver);
    (sim, esme)
}

/// When a carrier saw each submit, in milliseconds since the first.
fn seen_at(sim: &Sim, carrier: usize) -> Vec<u64> {
    let times: Vec<_> = sim.smscs[carrier].submits.iter().map(|(at, ..)| at / 1_000_000).collect();
    times.iter().map(|at| at - times[0]).collect()
}

const AGAIN: &str = "{ ESME_RSYSERR: { then: again, after: 1s, times: 2 } }";

#[test]
fn again_is_here_after_a_wait_so_many_times_and_then_the_next_carrier() {
    let (mut sim, esme) = with_statuses("", "", BOTH, AGAIN);
    sim.smscs[0].habit.rsyserr = 1_000;
    let tag = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![tag; 3], vec![tag]));
    let times = seen_at(&sim, 0);
    assert!((1_000..1_100).contains(&times[1]) && (2_000..2_200).contains(&times[2]), "{times:?}");
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::ROK));
    assert_eq!(sim.esmes[esme].deliveries.len(), 1);
}

#[test]
fn what_waits_to_be_sent_again_holds_nobody_up() {
    let (mut sim, esme) = with_statuses("", ", links: 1, window: 1", ONE, AGAIN);
    sim.smscs[0].habit.rsyserr = 1_000;
    let refused = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(100));
    sim.smscs[0].habit.rsyserr = 0;
    let others = sim.submit_many(esme, 5);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.count(esme, &others, CommandStatus::ROK), 5);
    assert_eq!(sim.status(esme, refused), None);
    sim.end();
    assert_eq!(sim.status(esme, refused), Some(CommandStatus::ROK));
}

#[test]
fn what_waits_to_be_sent_again_counts_in_the_queue() {
    let (mut sim, esme) = with_statuses("", ", queue: 3", ONE, AGAIN);
    sim.smscs[0].habit.rsyserr = 1_000;
    let held = sim.submit_many(esme, 3);
    sim.run_for(Duration::from_millis(100));
    sim.smscs[0].habit.rsyserr = 0;
    // The way is free, but a submit that had to wait would find no room.
    sim.smscs[0].links.iter_mut().for_each(|link| link.stalled_until = sim.now + 500_000_000);
    let others = sim.submit_many(esme, 250);
    sim.end();
    assert_eq!(sim.count(esme, &held, CommandStatus::ROK), 3);
    assert_eq!(sim.count(esme, &others, CommandStatus::RMSGQFUL), 50);
}

#[test]
fn what_waits_to_be_sent_again_is_withdrawn_with_its_session() {
    let (mut sim, esme) = with_statuses("", "", BOTH, AGAIN);
    sim.smscs[0].habit.rsyserr = 1_000;
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(100));
    sim.esme_aborts(esme);
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![tag], vec![]));
}

#[test]
fn what_waits_to_be_sent_again_goes_elsewhere_when_no_link_is_left() {
    let (mut sim, esme) = with_statuses("", ", links: 1", BOTH, AGAIN);
    sim.smscs[0].habit.rsyserr = 1_000;
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(100));
    let wire = sim.smscs[0].submits[0].1;
    sim.smscs[0].is_up = false;
    sim.smsc_breaks(0, wire);
    sim.run_for(Duration::from_millis(100));
    assert_eq!((sim.status(esme, tag), sim.seen_by(1)), (Some(CommandStatus::ROK), vec![tag]));
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!(sim.seen_by(0), [tag]);
}

#[test]
fn after_the_last_carrier_its_status_is_told_as_the_profile_maps_it() {
    let (mut sim, esme) =
        with_statuses("", "", BOTH, "{ ESME_RSYSERR: { as: ESME_RX_T_APPN }, 0x0B: { then: next, as: 0x45A } }");
    for carrier in [0, 1] {
        sim.smscs[carrier].habit.rsyserr = 1_000;
    }
    let tag = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![tag], vec![tag]));
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RX_T_APPN));
    // A carrier that did not take it says nothing of it: what the other said stands.
    let wires: Vec<_> = sim.smscs[1].links.iter().map(|link| link.wire).collect();
    sim.smscs[1].is_up = false;
    for wire in wires {
        sim.smsc_breaks(1, wire);
    }
    sim.run_for(Duration::from_millis(100));
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RX_T_APPN));
    sim.smscs[1].is_up = true;
    sim.end();
}

#[test]
fn when_time_is_up_the_last_refusal_is_told() {
    let again = "{ ESME_RSYSERR: { then: again, after: 2500ms, times: 10 } }";
    let (mut sim, esme) = with_statuses("response: 8s", "", ONE, again);
    sim.smscs[0].habit.rsyserr = 1_000;
    let tag = sim.submit(esme, "491700000001", true);
    sim.end();
    // A quarter of its time must be left.
    assert_eq!(sim.seen_by(0), [tag; 3]);
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RSYSERR));
}

#[test]
fn a_submit_is_sent_eight_times_at_most_whatever_the_table_says() {
    let again = "{ ESME_RSYSERR: { then: again, after: 10ms, times: 10 } }";
    let (mut sim, esme) = with_statuses("", "", BOTH, again);
    for carrier in [0, 1] {
        sim.smscs[carrier].habit.rsyserr = 1_000;
    }
    let tag = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!((sim.seen_by(0).len(), sim.seen_by(1).len()), (8, 0));
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RSYSERR));
}

#[test]
fn a_status_that_slows_down_is_sent_again_and_others_pass_it() {
    let (mut sim, esme) = with_statuses("", ", links: 1, window: 1, rate: 100", ONE, "{ ESME_RSYSERR: slow }");
    sim.smscs[0].habit.queue_full = 1_000;
    let refused = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(1));
    // One subscriber's queue is full: once more at once, then ever more rarely.
    let sendings = sim.seen_by(0).len();
    assert!((4..=7).contains(&sendings), "{sendings} sendings");
    sim.smscs[0].habit.queue_full = 0;
    let others = sim.submit_many(esme, 5);
    sim.end();
    assert_eq!(sim.count(esme, &others, CommandStatus::ROK), 5);
    assert_eq!(sim.status(esme, refused), Some(CommandStatus::ROK));
    sim.smscs[0].habit.rsyserr = 1_000;
    let slowed = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(300));
    sim.smscs[0].habit.rsyserr = 0;
    sim.end();
    assert_eq!(sim.status(esme, slowed), Some(CommandStatus::ROK));
}

#[test]
fn what_makes_a_carrier_hang_up_is_sent_three_times() {
    let mut sim = gateway("", ", links: 6, in_doubt: retry", BOTH);
    for smsc in &mut sim.smscs {
        smsc.habit.silent = 1_000;
    }
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    for _ in 0..10 {
        sim.run_for(Duration::from_millis(100));
        for carrier in [0, 1] {
            if let Some((_, wire, _)) = sim.smscs[carrier].submits.last().copied() {
                sim.smsc_breaks(carrier, wire);
            }
        }
    }
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RUNKNOWNERR));
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![tag; 3], vec![]));
}

#[test]
fn three_sendings_are_three_over_all_carriers() {
    let mut sim = gateway("", ", links: 1, in_doubt: retry", "  - to: [c0, c1]");
    for smsc in &mut sim.smscs {
        smsc.habit.silent = 1_000;
    }
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    for _ in 0..80 {
        sim.run_for(Duration::from_millis(100));
        for carrier in [0, 1] {
            let wires: Vec<_> = sim.smscs[carrier].submits.iter().map(|(_, wire, _)| *wire).collect();
            wires.into_iter().for_each(|wire| sim.smsc_breaks(carrier, wire));
        }
    }
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RUNKNOWNERR));
    sim.end();
    assert!(sim.seen_by(0).len() + sim.seen_by(1).len() <= 3);
}

#[test]
fn what_a_carrier_asks_to_send_again_is_told_when_the_process_drains() {
    let (mut sim, esme) = with_statuses("", "", ONE, AGAIN);
    let habit = &mut sim.smscs[0].habit;
    (habit.latency_ms, habit.throttled) = ((500, 500), 1_000);
    let tags = sim.submit_many(esme, 10);
    sim.run_for(Duration::from_millis(200));
    for shard in 0..2 {
        sim.give(shard, In::DrainCarriers);
    }
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.seen_by(0), tags, "nothing is sent any more");
    assert_eq!(sim.count(esme, &tags, CommandStatus::RTHROTTLED), 10);
    assert!(sim.nodes.iter().all(|node| node.carriers_drained));
}
