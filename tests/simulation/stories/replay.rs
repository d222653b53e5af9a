//! What waited for an absent customer, when it is back: paced, and not in the way of what comes meanwhile.

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::text::item_number;

/// A gateway that holds this many receipts for a0, of which only a transmitter is bound.
fn absent(account: &str, receipts: u32) -> (Sim, usize) {
    let mut sim = gateway(account, "", ONE);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    let mut tags = Vec::new();
    for _ in 0..receipts / 100 {
        // More at once would wait for numbers for their message_ids.
        tags.extend(sim.submit_many(transmitter, 100));
        sim.run_for(Duration::from_millis(100));
    }
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.count(transmitter, &tags, CommandStatus::ROK), tags.len());
    assert_eq!(waiting(&mut sim), tags.len());
    (sim, transmitter)
}

fn waiting(sim: &mut Sim) -> usize {
    sim.nodes[0].shard.accounts().map(|account| account.deliveries.len()).sum()
}

/// Submits, and tells whether the receipt reached this ESME within a third of a second.
fn receipt_comes_at_once(sim: &mut Sim, transmitter: usize, receiver: usize) -> bool {
    let tag = sim.submit(transmitter, "491700099999", true);
    sim.run_for(Duration::from_millis(330));
    let is_of_tag = |body: &Vec<u8>| {
        let item = item_number(body).and_then(|number| sim.ledger.items.get(&number));
        item.and_then(|item| item.receipt.as_ref()).is_some_and(|(other, _)| *other == tag)
    };
    sim.esmes[receiver].deliveries.iter().any(is_of_tag)
}

#[test]
fn a_backlog_takes_half_of_the_rate_and_a_live_receipt_does_not_wait_for_it() {
    let (mut sim, transmitter) = absent(", rate: 100, burst: 500", 500);
    let receiver = sim.bound("a0", BindMode::Receiver);
    for second in 1..=4 {
        sim.run_for(Duration::from_millis(670));
        assert!(receipt_comes_at_once(&mut sim, transmitter, receiver));
        let (came, expected) = (sim.esmes[receiver].deliveries.len(), 5 + second * 51);
        assert!(came.abs_diff(expected) <= 5, "{came} after {second} s, not {expected}");
    }
    sim.run_for(Duration::from_millis(5_600));
    assert!(waiting(&mut sim) > 0, "after 9.6 s of 10");
    sim.run_for(Duration::from_millis(600));
    assert_eq!(waiting(&mut sim), 0, "after 10.2 s");
    assert_eq!(sim.esmes[receiver].deliveries.len(), 504);
    // Oldest first: the carrier numbered them as they came.
    let numbers: Vec<_> = sim.esmes[receiver].deliveries.iter().filter_map(|body| item_number(body)).collect();
    let mut backlog: Vec<_> = numbers.into_iter().filter(|number| *number <= 500).collect();
    assert_eq!(backlog.len(), 500);
    backlog.truncate(100);
    assert!(backlog.iter().all(|number| *number <= 200), "{backlog:?}");
    sim.end();
}

#[test]
fn delivery_rate_paces_the_replay_whatever_the_rate_is() {
    for (account, expected) in
        [(", delivery_rate: 20", 2 + 60), (", rate: 1000, burst: 300, delivery_rate: 20", 2 + 60)]
    {
        let (mut sim, _) = absent(account, 200);
        let receiver = sim.bound("a0", BindMode::Transceiver);
        sim.run_for(Duration::from_secs(3));
        let came = sim.esmes[receiver].deliveries.len();
        assert!(came.abs_diff(expected) <= 2, "{account}: {came}");
        sim.end();
    }
}

#[test]
fn without_any_rate_a_backlog_comes_as_fast_as_it_is_acknowledged() {
    let (mut sim, transmitter) = absent("", 500);
    let receiver = sim.bound("a0", BindMode::Receiver);
    assert!(receipt_comes_at_once(&mut sim, transmitter, receiver));
    assert_eq!(sim.esmes[receiver].deliveries.len(), 501);
    sim.end();
}

#[test]
fn a_customer_that_comes_and_goes_gets_its_backlog_no_faster() {
    let (mut sim, _) = absent(", rate: 100, burst: 500", 300);
    let mut came = 0;
    for _ in 0..10 {
        let receiver = sim.bound("a0", BindMode::Receiver);
        sim.esmes[receiver].habit.reconnects = false;
        sim.run_for(Duration::from_millis(450));
        sim.esme_aborts(receiver);
        sim.run_for(Duration::from_millis(10));
        came += sim.esmes[receiver].deliveries.len();
    }
    assert!((200..=270).contains(&came), "{came} in 5.1 s at 50 a second");
    sim.bound("a0", BindMode::Receiver);
    sim.end();
}

#[test]
fn what_a_bound_customer_is_slow_to_take_is_not_paced() {
    let mut sim = gateway(", rate: 100, burst: 500, delivery_window: 1", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_many(esme, 250);
    sim.run_for(Duration::from_secs(3));
    assert_eq!(sim.esmes[esme].deliveries.len(), 250, "one at a time, a few milliseconds each");
    sim.end();
}

#[test]
fn a_drain_leaves_a_paced_backlog_and_waits_for_what_is_live() {
    let (mut sim, transmitter) = absent(", rate: 100, burst: 500", 500);
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.receipt_ms = (0, 0);
    let tags = sim.submit_many(transmitter, 20);
    sim.run_for(Duration::from_millis(15));
    for shard in 0..2 {
        sim.give(shard, crate::node::In::DrainCarriers);
    }
    sim.run_for(Duration::from_secs(1));
    for shard in 0..2 {
        sim.give(shard, crate::node::In::DrainSessions);
    }
    sim.run_for(Duration::from_secs(1));
    assert!(sim.nodes.iter().all(|node| node.carriers_drained && node.sessions_drained));
    assert_eq!(sim.count(transmitter, &tags, CommandStatus::ROK), 20);
    let live =
        sim.esmes[receiver].deliveries.iter().filter_map(|body| item_number(body)).filter(|number| *number > 500);
    assert_eq!(live.count(), 20);
    assert!(waiting(&mut sim) > 350);
}
