//! An account's rate: what is over it is refused or held back, what is far over it is not read, and nobody beside pays.

use std::time::Duration;

use trunkline::engine::audit::Audited;
use trunkline::metrics::RefusedReason;
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::pdu::{self, BindMode};
use trunkline::smpp::segment::Mark;

use super::*;
use crate::habits::EsmeHabit;
use crate::node::In;
use crate::operations::query;
use crate::text::Part;

const ROK: CommandStatus = CommandStatus::ROK;
const THROTTLED: CommandStatus = CommandStatus::RTHROTTLED;

impl Sim {
    fn held_back(&mut self) -> u64 {
        self.nodes.iter_mut().flat_map(|node| node.shard.accounts()).map(|account| account.counts.held_back).sum()
    }
}

#[test]
fn what_is_over_the_rate_is_held_back_and_goes_on_in_order_and_beyond_the_burst_refused() {
    let mut sim = gateway(", rate: 10, burst: 20, over_rate: delay", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let start = sim.now;
    let tags = sim.submit_many(esme, 50);
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.held_back(), 20);
    assert_eq!((sim.count(esme, &tags, ROK), sim.count(esme, &tags, THROTTLED)), (20, 10));
    sim.run_for(Duration::from_millis(900));
    // What comes meanwhile does not overtake.
    let late = sim.submit(esme, "491700000001", false);
    sim.end();
    assert_eq!(sim.held_back(), 0);
    assert_eq!(sim.statuses(esme, &tags[..40]), [Some(ROK); 40]);
    assert_eq!(sim.statuses(esme, &tags[40..]), [Some(THROTTLED); 10]);
    assert_eq!(sim.seen_by(0), [&tags[..40], &[late]].concat());
    let seen: Vec<u64> = sim.smscs[0].submits.iter().map(|(at, _, _)| (at - start) / 1_000_000).collect();
    for (at, ms) in seen.iter().enumerate().skip(20) {
        let due = (at as u64 - 19) * 100;
        assert!((due..due + 30).contains(ms), "submit {at} at {ms} ms");
    }
}

#[test]
fn what_could_not_leave_in_time_is_not_held_back() {
    let mut sim = gateway_with("response: 8s", ", rate: 1, burst: 50, over_rate: delay", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 100);
    sim.run_for(Duration::from_millis(100));
    // Six seconds' worth: a quarter of the eight is left to the carrier.
    assert_eq!((sim.held_back(), sim.count(esme, &tags, THROTTLED)), (6, 44));
    sim.end();
    assert_eq!(sim.count(esme, &tags, ROK), 56);
}

#[test]
fn what_is_held_back_counts_in_the_window_and_goes_with_its_session() {
    let mut sim = gateway(", rate: 10, burst: 20, window: 5, over_rate: delay", "", ONE);
    sim.smscs[0].habit.sends_receipts = false;
    let leaver = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(leaver, 30);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.held_back(), 5);
    assert!(sim.count(leaver, &tags, ROK) < 30, "the rest is not read");
    sim.esmes[leaver].habit.reconnects = false;
    let wire = sim.esmes[leaver].wire.unwrap_or_default();
    sim.reset(wire);
    sim.run_for(Duration::from_millis(500));
    let seen = sim.seen_by(0).len();
    assert_eq!(sim.held_back(), 0);
    sim.end();
    assert_eq!(sim.seen_by(0).len(), seen, "nothing of it was sent later");
}

#[test]
fn an_unbind_is_answered_behind_what_is_held_back() {
    let mut sim = gateway(", rate: 10, burst: 5, over_rate: delay", "", ONE);
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 10);
    sim.esmes[esme].habit.reconnects = false;
    sim.esme_unbinds(esme);
    sim.end();
    assert_eq!(sim.statuses(esme, &tags), [Some(ROK); 10]);
    assert!(sim.esmes[esme].has(CommandId::UNBIND_RESP));
}

#[test]
fn a_drain_refuses_what_is_held_back_at_once() {
    let mut sim = gateway(", rate: 1, burst: 10, over_rate: delay", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 20);
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.held_back(), 10);
    for shard in 0..2 {
        sim.give(shard, In::DrainCarriers);
    }
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.held_back(), 0);
    assert_eq!(sim.statuses(esme, &tags[10..]), [Some(CommandStatus::RSYSERR); 10]);
}

#[test]
fn ten_seconds_hold_the_rate_and_the_burst_in_segments_to_within_one_message() {
    for over_rate in ["reject", "delay"] {
        for parts in [1, 3] {
            let account = format!(", rate: 60, burst: 12, over_rate: {over_rate}");
            let mut sim = gateway(&account, "", ONE);
            let esme = sim.bound("a0", BindMode::Transmitter);
            let start = sim.now;
            // Ten times the rate; a message of three parts is three submits of a segment each.
            for message in 0..6_000 / u64::from(parts) {
                for number in 1..=parts {
                    let mark = (parts > 1).then_some(Mark::Sar);
                    let part = mark.map(|mark| Part { mark, reference: message as u16, total: parts, number });
                    sim.submit_as(esme, "491701234567", false, 0, 10, part);
                }
                sim.run_until(start + message * 10_000_000_000 / (6_000 / u64::from(parts)));
            }
            sim.run_until(start + 10_000_000_000);
            let passed = sim.smscs[0].submits.len();
            // What is on its way is not seen yet.
            assert!((608..=613).contains(&passed), "{over_rate}, {parts} parts: {passed}, rate 60 and burst 12");
            sim.end();
        }
    }
}

#[test]
fn one_account_far_over_its_rate_costs_another_at_half_of_its_own_nothing() {
    let mut latencies = Vec::new();
    for has_neighbour in [false, true] {
        let mut sim = gateway(", rate: 100, burst: 10, window: 1000", ", rate: 500, links: 1", ONE);
        if has_neighbour {
            for _ in 0..2 {
                sim.esme("a1", EsmeHabit { submit_ms: Some((2, 2)), ..EsmeHabit::calm(BindMode::Transceiver) });
            }
        }
        let quiet = sim.bound("a0", BindMode::Transceiver);
        let mut took = Vec::new();
        for _ in 0..1_000 {
            let (before, tag) = (sim.now, sim.submit(quiet, "491701234567", true));
            while sim.status(quiet, tag).is_none() {
                sim.run_for(Duration::from_micros(100));
            }
            assert_eq!(sim.status(quiet, tag), Some(ROK));
            took.push(sim.now - before);
            sim.run_until(before + 20_000_000);
        }
        took.sort_unstable();
        latencies.push(took[990]);
        if has_neighbour {
            assert!(sim.refused_for(RefusedReason::Throttled) > 10_000);
        }
        for esme in &mut sim.esmes {
            esme.habit.submit_ms = None;
        }
        sim.end();
    }
    assert!(latencies[1] * 2 <= latencies[0] * 3, "p99 alone and beside: {latencies:?} ns");
}

#[test]
fn a_session_far_over_its_rate_is_not_read_for_a_second_and_then_answered() {
    let mut sim = gateway(", rate: 10, burst: 1", "", ONE);
    let flood = EsmeHabit { submit_ms: Some((5, 5)), window: 10_000, ..EsmeHabit::calm(BindMode::Transmitter) };
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.esme("a0", flood);
    sim.run_for(Duration::from_secs(10));
    assert_eq!(sim.audited(), []);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.audited(), [(Audited::Flood, 1)]);
    let answered = sim.esmes[esme].answers.len();
    sim.run_for(Duration::from_millis(400));
    assert_eq!(sim.esmes[esme].answers.len(), answered, "it is not read");
    sim.run_for(Duration::from_secs(1));
    assert!(sim.esmes[esme].answers.len() > answered + 200);
    sim.esmes[esme].habit.submit_ms = None;
    sim.end();
    assert!(sim.esmes[esme].ended_at.is_empty(), "the session stays");
}

#[test]
fn enquire_links_without_a_pause_are_answered_and_then_read_no_further_for_a_second() {
    let mut sim = gateway_with("enquire_link: 600s", "", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let mut flood = Vec::new();
    for sequence in 0..3_000 {
        pdu::write_control(CommandId::ENQUIRE_LINK, ROK, SequenceNumber(sequence), &mut flood);
    }
    sim.esme_sends(esme, &flood);
    let answered = |sim: &Sim| {
        let received = sim.esmes[esme].received.iter();
        received.filter(|(_, command, _)| *command == CommandId::ENQUIRE_LINK_RESP).count()
    };
    for (ms, expected) in [(100, 1_000), (800, 1_000), (300, 2_000), (800, 2_000), (300, 3_000)] {
        sim.run_for(Duration::from_millis(ms));
        assert_eq!(answered(&sim), expected);
    }
    sim.end();
    assert_eq!((sim.esmes[esme].ended_at.len(), sim.audited()[0]), (0, (Audited::Flood, 1)));
}

#[test]
fn queries_without_a_pause_are_answered_and_then_read_no_further_for_a_second() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for _ in 0..3_000 {
        sim.esme_asks(esme, CommandId::QUERY_SM, &query(b"deadbeef"));
    }
    let answered = |sim: &Sim| sim.esmes[esme].asked.values().filter(|answer| answer.is_some()).count();
    for (ms, expected) in [(100, 1_000), (800, 1_000), (300, 2_000), (800, 2_000), (300, 3_000)] {
        sim.run_for(Duration::from_millis(ms));
        assert_eq!(answered(&sim), expected);
    }
    sim.end();
    assert_eq!((sim.esmes[esme].ended_at.len(), sim.audited()[0]), (0, (Audited::Flood, 1)));
}

#[test]
fn a_session_far_over_its_rate_rests_also_when_nothing_it_submits_is_allowed() {
    let mut sim = gateway(", rate: 10, burst: 1, senders: NOBODY", "", ONE);
    let flood = EsmeHabit { submit_ms: Some((5, 5)), window: 10_000, ..EsmeHabit::calm(BindMode::Transmitter) };
    let esme = sim.esme("a0", flood);
    sim.run_for(Duration::from_millis(10_500));
    assert!(sim.audited().contains(&(Audited::Flood, 1)), "{:?}", sim.audited());
    let answered = sim.esmes[esme].answers.len();
    sim.run_for(Duration::from_millis(400));
    assert_eq!(sim.esmes[esme].answers.len(), answered, "it is not read");
    sim.esmes[esme].habit.submit_ms = None;
    sim.end();
    assert!(sim.esmes[esme].ended_at.is_empty(), "the session stays");
}
