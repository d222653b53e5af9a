//! Carriers that lie: what they say that fits nothing harms nobody, and what they owe is settled when they come to themselves.

use std::time::Duration;

use trunkline::metrics::{CarrierCounts, ReceiptOutcome};
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::lies::Lie;
use crate::sim::Event;

fn counts(sim: &mut Sim) -> CarrierCounts {
    sim.nodes[1].shard.carriers().next().expect("the first carrier lives on the second shard").counts.clone()
}

fn binds_seen(sim: &Sim, carrier: usize) -> usize {
    let received = sim.smscs[carrier].received.iter();
    received.filter(|(_, command, _)| *command == CommandId::BIND_TRANSCEIVER).count()
}

#[test]
fn answers_under_numbers_nobody_sent_leave_their_submits_in_doubt_and_the_rest_alone() {
    let mut sim = gateway_with("response: 4s, enquire_link: 60s", "", ", links: 1, window: 20", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.lies.wrong_sequence = 200;
    let tags = sim.submit_many(esme, 15);
    sim.end();
    let in_doubt = sim.count(esme, &tags, CommandStatus::RUNKNOWNERR);
    assert!((1..15).contains(&in_doubt), "{in_doubt}");
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 15 - in_doubt);
    assert_eq!((sim.seen_by(0), sim.esmes[esme].deliveries.len()), (tags, 15 - in_doubt));
}

#[test]
fn receipts_for_nobody_are_acknowledged_and_kept_no_longer_than_somebody_might_claim_them() {
    let mut sim = gateway("", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let habit = &mut sim.smscs[0].habit;
    (habit.latency_ms, habit.lies.stray_ms) = ((2_000, 2_000), Some((1, 3)));
    sim.plan_lies(0);
    sim.run_for(Duration::from_secs(1));
    // Nothing was out: no submit could claim them.
    let unknown = counts(&mut sim).receipts[ReceiptOutcome::Unknown as usize];
    assert!(unknown > 300, "{unknown}");
    let tags = sim.submit_many(esme, 5);
    sim.run_for(Duration::from_millis(1_500));
    let parked = sim.nodes[1].shard.carriers().map(|carrier| carrier.early.len()).sum::<usize>();
    assert!(parked > 300, "{parked}");
    sim.smscs[0].habit.lies.stray_ms = None;
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 5);
    let receipts = counts(&mut sim).receipts;
    assert_eq!(receipts[ReceiptOutcome::Unclaimed as usize], receipts[ReceiptOutcome::Early as usize]);
    assert!(sim.smscs[0].links.iter().all(|link| link.strays.is_empty()), "not all were acknowledged");
    assert_eq!(sim.esmes[esme].deliveries.len(), 5);
}

#[test]
fn garbage_costs_its_link_and_no_other() {
    let mut sim = gateway("", ", links: 2", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.latency_ms = (500, 500);
    let tags = sim.submit_many(esme, 40);
    sim.run_for(Duration::from_millis(100));
    let wire = sim.smscs[0].links[0].wire;
    sim.send(wire, crate::net::Toward::Proxy, &[0xEE; 40]);
    sim.end();
    let on_it = sim.smscs[0].submits.iter().filter(|(_, on, _)| *on == wire).count();
    assert!((1..40).contains(&on_it), "{on_it}");
    assert_eq!(sim.count(esme, &tags, CommandStatus::RUNKNOWNERR), on_it);
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 40 - on_it);
    assert_eq!(binds_seen(&sim, 0), 3);
}

#[test]
fn a_link_that_is_dead_at_the_carriers_end_is_found_out_and_dialled_again() {
    let mut sim = gateway_with("response: 4s, enquire_link: 2s", "", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.lies.vanish_ms = Some((1_000_000, 1_000_000));
    sim.smsc_lies(0, Lie::Vanish);
    assert!(sim.smscs[0].links.is_empty());
    let lost = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(15));
    assert_eq!(sim.status(esme, lost), Some(CommandStatus::RUNKNOWNERR));
    let good = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!(sim.status(esme, good), Some(CommandStatus::ROK));
}

#[test]
fn it_is_found_out_under_load_as_well_where_each_submit_that_stays_out_asks_for_a_sign_of_life() {
    let mut sim = gateway_with("response: 4s, enquire_link: 10s, inactivity: 120s", "", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.esmes[esme].habit.submit_ms = Some((5, 20));
    if let Some(wire) = sim.esmes[esme].wire {
        sim.plan(0, Event::EsmeSubmits(esme, wire));
    }
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.lies.vanish_ms = Some((1_000_000, 1_000_000));
    sim.smsc_lies(0, Lie::Vanish);
    // The first submit stays out for four seconds, and two questions for as long each.
    sim.run_for(Duration::from_secs(16));
    assert_eq!(binds_seen(&sim, 0), 2);
    sim.esmes[esme].habit.submit_ms = None;
    sim.end();
}

#[test]
fn a_carrier_that_knows_us_no_more_is_asked_seldom_and_taken_back() {
    let mut sim = gateway("", ", links: 2", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let habit = &mut sim.smscs[0].habit;
    (habit.refuses_bind, habit.lies.bind_status) = (1_000, Some(CommandStatus::RINVPASWD));
    let asked = binds_seen(&sim, 0);
    for wire in sim.smscs[0].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
        sim.smsc_breaks(0, wire);
    }
    sim.run_for(Duration::from_secs(120));
    assert_eq!(binds_seen(&sim, 0), asked + 2, "once for each link");
    let elsewhere = sim.submit(esme, "491700000001", true);
    sim.smscs[0].habit.refuses_bind = 0;
    sim.run_for(Duration::from_secs(600));
    let back = sim.submit(esme, "491700000002", true);
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (vec![back], vec![elsewhere]));
}

#[test]
fn what_is_throttled_for_a_while_waits_and_none_of_it_is_lost() {
    let mut sim = gateway("", ", links: 1, rate: 50, burst: 10", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].throttles_until = sim.now + 500_000_000;
    let tags = sim.submit_many(esme, 10);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 10);
    assert!(sim.seen_by(0).len() > 10);
}
