//! Receipts and MO: how they find whose they are, and how long they wait.

use std::time::Duration;

use trunkline::metrics::ReceiptOutcome;
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::habits::EsmeHabit;

#[test]
fn a_receipt_that_outruns_its_submit_sm_resp_still_reaches_the_esme() {
    let mut sim = gateway("", ", links: 2", ONE);
    let habit = &mut sim.smscs[0].habit;
    (habit.early, habit.other_link, habit.latency_ms) = (1_000, 1_000, (200, 300));
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 20);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 20);
    assert_eq!(sim.esmes[esme].deliveries.len(), 20);
}

#[test]
fn hex_answers_and_decimal_receipts_match() {
    let mut sim = gateway("", ", message_id: { response: hex, receipt: decimal }", ONE);
    sim.smscs[0].habit.hex_then_decimal = true;
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_many(esme, 10);
    sim.end();
    assert_eq!(sim.esmes[esme].deliveries.len(), 10);
}

#[test]
fn two_carriers_with_the_same_ids_are_not_crossed() {
    let routes = "  - when: { account: a0 }\n    to: [c0]\n  - to: [c1]";
    let mut sim = gateway("", "", routes);
    for carrier in 0..2 {
        sim.smscs[carrier].habit.receipt_ms = (500, 5_000);
    }
    let (one, other) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    for _ in 0..10 {
        sim.submit(one, "491700000001", true);
        sim.submit(other, "491700000001", true);
        sim.run_for(Duration::from_millis(20));
    }
    sim.end();
    assert_eq!(sim.smscs[0].next_id, sim.smscs[1].next_id);
    assert_eq!((sim.esmes[one].deliveries.len(), sim.esmes[other].deliveries.len()), (10, 10));
}

#[test]
fn receipts_wait_for_an_absent_customer() {
    let mut sim = gateway("", "", ONE);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(transmitter, 5);
    sim.run_for(Duration::from_secs(3_600));
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.end();
    assert_eq!((sim.esmes[transmitter].deliveries.len(), sim.esmes[receiver].deliveries.len()), (0, 5));
}

#[test]
fn a_receipt_does_not_overtake_an_answer_that_its_session_does_not_read() {
    let mut sim = gateway("", "", ONE);
    sim.habit.capacity = 300;
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.esmes[transmitter].stalled_until = sim.now + 10_000_000_000;
    let tags = sim.submit_many(transmitter, 40);
    sim.run_for(Duration::from_secs(1));
    // Some answers wait in the outbox; a session that would take their receipts comes only now.
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.run_for(Duration::from_secs(2));
    assert!(sim.esmes[receiver].deliveries.len() < 40);
    sim.run_for(Duration::from_secs(7));
    let wire = sim.esmes[transmitter].wire.unwrap();
    sim.plan(0, crate::sim::Event::PeerReads(wire));
    sim.end();
    assert_eq!(sim.count(transmitter, &tags, CommandStatus::ROK), 40);
    assert_eq!(sim.esmes[receiver].deliveries.len(), 40);
}

#[test]
fn a_late_answer_after_in_doubt_mutes_its_receipts() {
    let mut sim = gateway_with("response: 4s", "", "", ONE);
    sim.smscs[0].habit.latency_ms = (5_000, 6_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.end();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RUNKNOWNERR));
    assert_eq!(sim.esmes[esme].deliveries.len(), 0);
    let carrier = sim.nodes[1].shard.carriers().next().unwrap();
    assert_eq!(carrier.counts.late_answers, 1);
    assert_eq!(carrier.counts.receipts[ReceiptOutcome::Muted as usize], 1);
}

#[test]
fn a_full_delivery_queue_asks_the_carrier_to_wait() {
    let mut sim = gateway(", delivery_queue: 2", "", ONE);
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(esme, 6);
    sim.run_for(Duration::from_secs(5));
    let refused = (CommandId::DELIVER_SM_RESP, CommandStatus::RX_T_APPN);
    assert!(sim.smscs[0].received.iter().any(|(_, command, status)| (*command, *status) == refused));
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.end();
    assert_eq!(sim.esmes[receiver].deliveries.len(), 6);
}

#[test]
fn early_receipts_wait_for_room_in_a_full_delivery_queue() {
    let mut sim = gateway(", delivery_queue: 2", "", ONE);
    (sim.smscs[0].habit.early, sim.smscs[0].habit.latency_ms) = (1_000, (100, 200));
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(esme, 6);
    sim.run_for(Duration::from_secs(5));
    assert_eq!(sim.smscs[0].undelivered.len(), 0, "early receipts are acknowledged before their submit is answered");
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.end();
    assert_eq!(sim.esmes[receiver].deliveries.len(), 6);
}

#[test]
fn a_receipt_refused_for_now_comes_again_and_one_refused_for_good_does_not() {
    let mut sim = gateway("", "", ONE);
    let mut habit = EsmeHabit::calm(BindMode::Transceiver);
    habit.busy = 1_000;
    let esme = sim.esme("a0", habit);
    sim.run_for(Duration::from_millis(100));
    sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_millis(2_500));
    assert_eq!(sim.esmes[esme].deliveries.len(), 2);
    (sim.esmes[esme].habit.busy, sim.esmes[esme].habit.refuses) = (0, 1_000);
    sim.run_for(Duration::from_secs(600));
    assert_eq!(sim.esmes[esme].deliveries.len(), 3);
    sim.end();
}

#[test]
fn a_final_receipt_follows_its_intermediate() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.intermediate = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit(esme, "491700000001", true);
    sim.end();
    let states: Vec<_> =
        sim.esmes[esme].deliveries.iter().map(|body| body.windows(7).any(|window| window == b"ENROUTE")).collect();
    assert_eq!(states, [true, false]);
}

#[test]
fn mo_reaches_the_account_it_is_routed_to_and_no_other() {
    let mut sim = gateway("", "", ONE);
    let (one, other) = (sim.bound("a0", BindMode::Receiver), sim.bound("a1", BindMode::Transceiver));
    sim.send_mo(0, 0);
    sim.send_mo(1, 1);
    sim.send_mo(0, 1);
    sim.end();
    assert_eq!((sim.esmes[one].deliveries.len(), sim.esmes[other].deliveries.len()), (1, 2));
}

#[test]
fn a_receipt_nobody_asked_for_is_passed_on_only_to_an_account_that_wants_it() {
    for (setting, expected) in [("", 0), (", unrequested_receipts: pass", 1)] {
        let mut sim = gateway(setting, "", ONE);
        sim.smscs[0].habit.sends_unrequested = true;
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tag = sim.submit(esme, "491700000001", false);
        sim.end();
        assert_eq!((sim.status(esme, tag), sim.esmes[esme].deliveries.len()), (Some(CommandStatus::ROK), expected));
    }
}

#[test]
fn a_receipt_nobody_takes_is_given_up_after_the_retention_and_counted() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(71 * 3600));
    let expired = |sim: &mut Sim| -> u64 {
        let shard = &mut sim.nodes[0].shard;
        shard.accounts().map(|account| account.counts.deliveries_expired).sum()
    };
    assert_eq!(expired(&mut sim), 0);
    sim.run_for(Duration::from_secs(3 * 3600));
    assert_eq!(expired(&mut sim), 1);
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.esmes[receiver].deliveries.len(), 0);
}

#[test]
fn a_receipt_counts_as_matched_when_its_account_has_it_and_not_each_time_it_is_put_off() {
    let mut sim = gateway(", delivery_queue: 1", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(esme, 3);
    sim.run_for(Duration::from_secs(20));
    let mut receipts = sim.nodes[1].shard.carriers().map(|carrier| carrier.counts.receipts);
    let receipts = receipts.next().expect("both carriers are at home there");
    assert_eq!(receipts[ReceiptOutcome::Matched as usize], 1);
    assert!(receipts[ReceiptOutcome::Deferred as usize] > 2, "the carrier offers the others again and again");
}
