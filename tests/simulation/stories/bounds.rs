//! Store and forward where something else is at its bound: the store, the receipts that wait, the rate, a drain.

use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;

use super::stored::STORE;
use super::*;
use crate::node::In;
use crate::operations::{cancel, replace};
use crate::soak::end_in_order;

#[test]
fn receipts_of_ours_that_nobody_takes_are_bounded_as_well() {
    // That no more wait than both queues hold is checked at every step.
    let mut sim = gateway(", accept: store, submit_queue: 5, delivery_queue: 5", "", ONE);
    sim.smscs[0].habit.refused = 1_000;
    let esme = sim.bound("a0", BindMode::Transmitter);
    let mut tags = Vec::new();
    for _ in 0..10 {
        tags.extend(sim.submit_many(esme, 3));
        sim.run_for(Duration::from_secs(1));
    }
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 10);
    assert_eq!(sim.count(esme, &tags, CommandStatus::RMSGQFUL), 20);
    let taker = sim.bound("a0", BindMode::Receiver);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.told(taker).len(), 10);
    tags.extend(sim.submit_many(esme, 3));
    sim.end_stored();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 13);
}

#[test]
fn what_is_in_doubt_stays_so_while_no_rule_has_a_carrier_for_it() {
    let routes = "  - when: { destination: \"4917*\" }\n    to: c0";
    let mut sim = gateway(", accept: store, validity: 30s", ", in_doubt: retry", routes);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.latency_ms = (500, 500);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.seen_by(0), [tag]);
    sim.next_config = Some(sim.text.replace("4917*", "4916*"));
    sim.crash_and_restart(false);
    sim.run_for(Duration::from_secs(60));
    sim.end_stored();
    assert_eq!(sim.told(esme), [(tag, "UNKNOWN err:000".to_owned())]);
}

#[test]
fn a_full_store_takes_neither_what_was_held_back_nor_a_replacement() {
    let mut sim = gateway(", accept: store, over_rate: delay, rate: 1, burst: 2", "", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 3);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.stored(), 2);
    sim.give(0, In::StoreRoom(false));
    sim.run_for(Duration::from_secs(2));
    assert_eq!((sim.status(esme, tags[2]), sim.stored()), (Some(CommandStatus::RMSGQFUL), 2));
    let id = sim.esmes[esme].answers[&tags[0]].1.clone();
    let asked = [
        sim.esme_asks(esme, CommandId::REPLACE_SM, &replace(&id, "", "x")),
        sim.esme_asks(esme, CommandId::CANCEL_SM, &cancel(&id, "")),
    ];
    sim.run_for(Duration::from_millis(300));
    let statuses = asked.map(|asked| sim.esmes[esme].asked[&asked].as_ref().map(|(status, _)| *status));
    assert_eq!(statuses, [Some(CommandStatus::RREPLACEFAIL), Some(CommandStatus::RCANCELFAIL)]);
    sim.give(0, In::StoreRoom(true));
    sim.smscs[0].is_up = true;
    sim.end_stored();
    assert_eq!(sim.seen_by(0), tags[..2]);
}

#[test]
fn what_is_to_be_sent_again_is_not_given_up_by_a_drain_nor_by_a_slow_carrier() {
    for is_drained in [true, false] {
        let mut sim = gateway(STORE, ", in_doubt: retry, rate: 1, burst: 30, links: 2", ONE);
        let esme = sim.bound("a0", BindMode::Transceiver);
        sim.smscs[0].habit.latency_ms = (500, 500);
        let tag = sim.submit(esme, "491700000001", true);
        sim.run_for(Duration::from_millis(100));
        assert_eq!(sim.seen_by(0), [tag]);
        // What others send uses up the rate.
        let others = sim.submit_many(esme, 30);
        sim.run_for(Duration::from_millis(50));
        let wire = sim.smscs[0].submits[0].1;
        sim.smsc_breaks(0, wire);
        if is_drained {
            sim.run_for(Duration::from_millis(50));
            end_in_order(&mut sim);
            sim.esmes[esme].habit.reconnects = true;
            sim.crash_and_restart(false);
            sim.bound("a0", BindMode::Transceiver);
        }
        sim.end_stored();
        assert_eq!(sim.told(esme), []);
        assert!(others.iter().chain([&tag]).all(|tag| sim.seen_by(0).contains(tag)));
    }
}
