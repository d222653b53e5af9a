//! Sessions and links: binds, goodbyes, timers, and the end of the process.

use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::pdu::{self, BindMode};

use super::*;
use crate::habits::EsmeHabit;
use crate::soak::drain;

const SECOND: u64 = 1_000_000_000;

fn leaving(mode: BindMode) -> EsmeHabit {
    EsmeHabit { reconnects: false, ..EsmeHabit::calm(mode) }
}

#[test]
fn unbind_waits_for_outstanding_answers() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.latency_ms = (2_000, 2_000);
    let esme = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.run_for(Duration::from_millis(100));
    let tags = sim.submit_many(esme, 3);
    sim.esme_unbinds(esme);
    sim.run_for(Duration::from_secs(1));
    assert!(sim.esmes[esme].wire.is_some());
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 3);
    assert!(sim.esmes[esme].has(CommandId::UNBIND_RESP) && sim.esmes[esme].wire.is_none());
}

#[test]
fn wrong_password_is_answered_late_and_closed() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.esmes[esme].password = "wrong".to_owned();
    let start = sim.now;
    sim.run_for(Duration::from_secs(2));
    let answer = sim.esmes[esme].received[0];
    assert_eq!((answer.1, answer.2), (CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::RINVPASWD));
    assert!((SECOND / 2..SECOND * 11 / 10).contains(&(answer.0 - start)));
    assert_eq!(sim.esmes[esme].ended_at.len(), 1);
}

#[test]
fn a_second_bind_is_refused_and_the_third_closes() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.run_for(Duration::from_millis(100));
    for again in 1..=3 {
        assert!(sim.esmes[esme].wire.is_some(), "closed before the third");
        sim.esme_binds(esme);
        sim.run_for(Duration::from_millis(100));
        let refused = sim.esmes[esme].received.iter().filter(|(_, _, status)| *status == CommandStatus::RALYBND);
        assert_eq!(refused.count(), again);
    }
    assert!(sim.esmes[esme].wire.is_none());
}

#[test]
fn more_binds_than_allowed_are_refused_and_leave_nothing() {
    let mut sim = gateway(", max_binds: 1", "", ONE);
    let first = sim.bound("a0", BindMode::Transceiver);
    let second = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.esmes[second].received[0].2, CommandStatus::RBINDFAIL);
    assert!(sim.esmes[first].is_bound);
    let shard = &mut sim.nodes[0].shard;
    shard.measure();
    assert_eq!((shard.counts.connections, shard.counts.unbound), (1, 0));
}

#[test]
fn a_connection_that_never_binds_is_closed() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.esmes[esme].is_mute = true;
    let start = sim.now;
    sim.run_for(Duration::from_secs(10));
    let ended = sim.esmes[esme].ended_at[0] - start;
    assert!((5 * SECOND..6 * SECOND).contains(&ended), "after {ended} ns");
}

#[test]
fn a_silent_esme_is_asked_twice_and_closed() {
    let mut sim = gateway_with("enquire_link: 10s, response: 10s", "", "", ONE);
    let esme = sim.esme("a0", EsmeHabit { answers_enquiries: false, ..leaving(BindMode::Receiver) });
    let start = sim.now;
    sim.run_for(Duration::from_secs(40));
    let asked: Vec<_> = sim.esmes[esme].received.iter().filter(|one| one.1 == CommandId::ENQUIRE_LINK).collect();
    assert_eq!(asked.len(), 2);
    let ended = sim.esmes[esme].ended_at[0] - start;
    assert!((30 * SECOND..31 * SECOND).contains(&ended), "after {ended} ns");
}

#[test]
fn an_idle_esme_that_answers_is_closed_for_inactivity_only_when_it_says_nothing() {
    let mut sim = gateway_with("enquire_link: 10s, inactivity: 25s", "", "", ONE);
    let esme = sim.bound("a0", BindMode::Receiver);
    sim.run_for(Duration::from_secs(300));
    assert_eq!(sim.esmes[esme].ended_at.len(), 0, "its answers to enquire_link are activity");
}

#[test]
fn a_carrier_that_goes_silent_is_left_and_dialled_again() {
    let mut sim = gateway_with("enquire_link: 10s, response: 10s", "", ", links: 1", ONE);
    let before = sim.smscs[0].links[0].wire;
    sim.smscs[0].links[0].stalled_until = sim.now + 60 * SECOND;
    sim.run_for(Duration::from_secs(40));
    let after: Vec<_> = sim.smscs[0].links.iter().filter(|link| link.mode.is_some()).map(|link| link.wire).collect();
    assert!(after.iter().any(|wire| *wire != before), "{after:?}");
}

#[test]
fn an_esme_that_does_not_read_is_closed_and_its_receipts_are_kept() {
    let mut sim = gateway_with("enquire_link: 300s, inactivity: 600s", "", "", ONE);
    sim.habit.capacity = 200;
    let stuck = sim.esme("a0", leaving(BindMode::Receiver));
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.esmes[stuck].stalled_until = u64::MAX;
    sim.submit_many(transmitter, 10);
    sim.run_for(Duration::from_secs(45));
    assert_eq!(sim.nodes[0].shard.accounts().map(|account| account.sessions.len()).sum::<usize>(), 1);
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.end();
    assert_eq!(sim.esmes[receiver].deliveries.len(), 10);
}

#[test]
fn submits_behind_the_bind_are_all_answered() {
    let mut sim = gateway("", "", ONE);
    sim.habit.cut = 900;
    let esme = sim.esme("a0", EsmeHabit { pipelined: 30, ..EsmeHabit::calm(BindMode::Transceiver) });
    sim.run_for(Duration::from_millis(100));
    sim.end();
    assert_eq!(sim.esmes[esme].answers.len(), 30);
    assert!(sim.esmes[esme].answers.values().all(|(status, _)| status.is_ok()));
}

#[test]
fn drain_leaves_nothing_outstanding() {
    let mut sim = gateway("", ", rate: 50, burst: 5", BOTH);
    for account in ["a0", "a1"] {
        sim.esme(account, EsmeHabit { submit_ms: Some((1, 5)), ..EsmeHabit::calm(BindMode::Transceiver) });
    }
    sim.run_for(Duration::from_secs(5));
    drain(&mut sim);
    assert!(sim.esmes.iter().all(|esme| esme.has(CommandId::UNBIND)));
    let said_goodbye = |carrier: usize| sim.smscs[carrier].received.iter().any(|one| one.1 == CommandId::UNBIND);
    assert!(said_goodbye(0) && said_goodbye(1));
}

#[test]
fn goodbyes_may_cross() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.run_for(Duration::from_millis(100));
    for shard in 0..2 {
        sim.give(shard, crate::node::In::DrainCarriers);
    }
    sim.run_for(Duration::from_secs(1));
    sim.habit.delay_us = (100_000, 100_000);
    for shard in 0..2 {
        sim.give(shard, crate::node::In::DrainSessions);
    }
    sim.run_for(Duration::from_millis(50));
    let tag = sim.submit(esme, "491700000001", true);
    sim.esme_unbinds(esme);
    sim.run_for(Duration::from_secs(1));
    let esme = &sim.esmes[esme];
    assert!(esme.has(CommandId::UNBIND) && esme.has(CommandId::UNBIND_RESP) && esme.wire.is_none());
    assert_eq!(esme.answers[&tag].0, CommandStatus::RSYSERR);
}

#[test]
fn who_never_bound_and_does_not_read_is_not_kept_for() {
    let mut sim = gateway("", "", ONE);
    sim.habit.capacity = 2_000;
    let esme = sim.esme("a0", leaving(BindMode::Transceiver));
    sim.esmes[esme].is_mute = true;
    sim.run_for(Duration::from_millis(100));
    sim.esmes[esme].stalled_until = u64::MAX;
    let mut enquiries = Vec::new();
    for sequence in 1..=20_000 {
        pdu::write_control(CommandId::ENQUIRE_LINK, CommandStatus::ROK, SequenceNumber(sequence), &mut enquiries);
    }
    sim.esme_sends(esme, &enquiries);
    sim.run_for(Duration::from_secs(1));
    let shard = &mut sim.nodes[0].shard;
    shard.measure();
    assert_eq!(shard.counts.unbound, 0);
}

#[test]
fn what_has_no_answer_of_its_own_is_nacked() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for (sequence, command) in [(90, CommandId::OUTBIND), (91, CommandId::ALERT_NOTIFICATION)] {
        let mut octets = Vec::new();
        pdu::write_control(command, CommandStatus::ROK, SequenceNumber(sequence), &mut octets);
        sim.esme_sends(esme, &octets);
    }
    sim.run_for(Duration::from_millis(100));
    let received = sim.esmes[esme].received.iter().map(|one| (one.1, one.2)).skip(1).collect::<Vec<_>>();
    assert_eq!(received, [(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID); 2]);
}
