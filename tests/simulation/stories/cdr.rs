//! Call detail records: what is accepted, refused and over has its line, before anybody hears of it, and once whatever happens.

use std::time::Duration;

use trunkline::engine::cdr::Event;
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::web::A0;
use super::*;
use trunkline::engine::web::{Request, Submission};

use crate::variants::without_mo_rules;

/// The state in a receipt, whichever the carrier drew.
const ENDED: &str = "ENDED";
const CDR: &str = "cdr: {}\n";
/// Destinations that begin with 49 alone have a route.
const GERMANY: &str = "  - when: { destination: \"49*\" }\n    to: [c0]";

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

impl Sim {
    /// Of each line in the files: event, destination, carrier, state, reason.
    fn written(&mut self) -> Vec<[String; 5]> {
        self.run_for(Duration::from_secs(2));
        let lines = self.cdr.lines().into_iter();
        let said = |line: trunkline::engine::cdr::Line<'_>| {
            let [to, carrier, mut state, reason] = [line.to, line.carrier, line.state, line.reason].map(text);
            if ["DELIVRD", "UNDELIV", "EXPIRED"].contains(&&*state) && reason.is_empty() {
                state = ENDED.to_owned();
            }
            [line.event.word().to_owned(), to, carrier, state, reason]
        };
        lines.map(said).collect()
    }

    fn expect_written(&mut self, expected: &[[&str; 5]]) {
        let mut expected: Vec<_> = expected.iter().map(|line| line.map(str::to_owned)).collect();
        let mut written = self.written();
        expected.sort();
        written.sort();
        assert_eq!(written, expected);
        self.audit_cdr();
    }
}

#[test]
fn a_message_has_a_line_when_it_is_accepted_and_one_when_its_receipt_came() {
    for crashes in [None, Some(false), Some(true)] {
        let mut sim = gateway_of("", "", "", ONE, CDR);
        sim.smscs[0].habit.receipt_ms = (3_000, 3_000);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tag = sim.submit(esme, "491700000001", true);
        sim.submit(esme, "491700000002", false);
        sim.run_for(Duration::from_secs(1));
        if let Some(is_power) = crashes {
            sim.run_for(Duration::from_secs(1));
            sim.crash(is_power);
        }
        sim.run_for(Duration::from_secs(10));
        sim.end();
        let accepted = |to: &'static str| ["accepted", to, "c0", "", ""];
        let ended = ["final", "", "c0", ENDED, ""];
        sim.expect_written(&[accepted("491700000001"), accepted("491700000002"), ended]);
        let lines = sim.cdr.lines();
        let of_first: Vec<_> = lines.iter().filter(|line| line.id == sim.esmes[esme].answers[&tag].1).collect();
        assert_eq!((of_first.len(), of_first[0].account, of_first[0].from), (2, &b"a0"[..], &b"ACME"[..]));
        assert!(of_first.iter().all(|line| !line.carrier_id.is_empty() && line.submitted > 0));
        let asks: Vec<_> =
            lines.iter().filter(|line| line.event == Event::Accepted).map(|line| line.asks_receipt).collect();
        assert_eq!((asks.len(), asks.iter().filter(|asks| **asks).count()), (2, 1));
    }
}

#[test]
fn a_refusal_is_answered_when_its_line_is_durable_and_not_before() {
    let mut sim = gateway_of("", ", rate: 5, burst: 1", "", GERMANY, CDR);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.habit.commit_us = (300_000, 300_000);
    let unroutable = sim.submit(esme, "33170000001", true);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.status(esme, unroutable), None, "its line is not durable");
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.status(esme, unroutable), Some(CommandStatus::RINVDSTADR));
    sim.submit(esme, "49170000001", false);
    let throttled = sim.submit(esme, "49170000002", false);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.status(esme, throttled), Some(CommandStatus::RTHROTTLED));
    sim.expect_written(&[
        ["refused", "33170000001", "", "", "no_route"],
        ["accepted", "49170000001", "c0", "", ""],
        ["refused", "49170000002", "", "", "throttled"],
    ]);
    let statuses: Vec<_> = sim.cdr.lines().iter().filter_map(|line| line.status).collect();
    assert_eq!(statuses, [CommandStatus::RINVDSTADR.0, CommandStatus::RTHROTTLED.0]);
    sim.end();
}

#[test]
fn an_unbind_is_answered_behind_the_refusals_before_it() {
    let mut sim = gateway_of("", "", "", GERMANY, CDR);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.habit.commit_us = (300_000, 300_000);
    let tags: Vec<_> = (0..3).map(|_| sim.submit(esme, "33170000001", true)).collect();
    sim.run_for(Duration::from_millis(20));
    crate::soak::end_in_order(&mut sim);
    assert_eq!(sim.count(esme, &tags, CommandStatus::RINVDSTADR), 3);
    assert_eq!(sim.cdr.lines().len(), 3, "a drain ends when the files have everything");
}

#[test]
fn what_a_carrier_refuses_or_never_answers_is_refused_with_its_id() {
    let mut sim = gateway_of("response: 4s", "", "", ONE, CDR);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.refused = 1_000;
    let refused = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.status(esme, refused), Some(CommandStatus::RINVDSTADR));
    (sim.smscs[0].habit.refused, sim.smscs[0].habit.latency_ms) = (0, (10_000, 10_000));
    let doubtful = sim.submit(esme, "491700000002", true);
    sim.run_for(Duration::from_secs(8));
    assert_eq!(sim.status(esme, doubtful), Some(CommandStatus::RUNKNOWNERR));
    sim.end();
    sim.expect_written(&[
        ["refused", "491700000001", "c0", "", "carrier_refused"],
        ["refused", "491700000002", "c0", "", "in_doubt"],
    ]);
    assert!(sim.cdr.lines().iter().all(|line| line.id.len() == 16 && line.status.is_some()));
}

#[test]
fn a_session_without_a_carrier_is_refused_for_that() {
    let mut sim = gateway_of("", "", "", ONE, CDR);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.carrier_goes(0);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RSYSERR));
    sim.expect_written(&[["refused", "491700000001", "", "", "carrier_down"]]);
}

#[test]
fn each_destination_of_a_submit_multi_has_its_lines_under_the_one_id() {
    for wants_receipt in [true, false] {
        let mut sim = gateway_of("", "", "", GERMANY, CDR);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let destinations = ["49170000000", "33170000001", "49170000002"].map(str::to_owned);
        let tags = sim.submit_multi(esme, &destinations, wants_receipt);
        sim.run_for(Duration::from_secs(10));
        sim.end();
        let mut expected = vec![
            ["accepted", "49170000000", "c0", "", ""],
            ["accepted", "49170000002", "c0", "", ""],
            ["refused", "33170000001", "", "", "no_route"],
        ];
        if wants_receipt {
            expected.extend([["final", "", "c0", ENDED, ""]; 2]);
        }
        sim.expect_written(&expected);
        let id = sim.esmes[esme].answers[&tags[0]].1.clone();
        let shown = sim.cdr.lines().iter().filter(|line| line.message == id).count();
        assert_eq!(shown, expected.len() - 1);
    }
}

#[test]
fn a_stored_message_is_accepted_when_it_is_stored_and_has_an_end_whatever_becomes_of_it() {
    let mut sim = gateway_of("", ", accept: store, validity: 20s", "", GERMANY, CDR);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit(esme, "491700000001", true);
    sim.submit(esme, "491700000002", false);
    sim.run_for(Duration::from_secs(5));
    sim.carrier_goes(0);
    sim.submit(esme, "491700000003", true);
    sim.run_for(Duration::from_secs(1));
    sim.crash(true);
    sim.run_for(Duration::from_secs(40));
    sim.end();
    let accepted = |to: &'static str| ["accepted", to, "", "", ""];
    sim.expect_written(&[
        accepted("491700000001"),
        ["final", "", "c0", ENDED, ""],
        accepted("491700000002"),
        ["final", "491700000002", "c0", "ACCEPTD", "not_asked"],
        accepted("491700000003"),
        ["final", "491700000003", "", "EXPIRED", "expired"],
    ]);
}

#[test]
fn each_segment_of_a_message_by_http_has_its_lines_and_a_refused_message_one() {
    for accept in ["", ", accept: store"] {
        let mut sim = gateway_of("", accept, "", GERMANY, CDR);
        sim.run_for(Duration::from_secs(1));
        sim.send_segments(&[2]);
        let mut messages = sim.messages(&[3]);
        for body in &mut messages[0].segments {
            let at = body.windows(5).position(|window| window == b"49170").unwrap();
            let mut other = body.to_vec();
            other[at..at + 2].copy_from_slice(b"33");
            *body = other.into();
        }
        sim.ask_web(A0, Request::Submit(Submission { messages, key: None }));
        sim.run_for(Duration::from_secs(10));
        let carrier = if accept.is_empty() { "c0" } else { "" };
        let accepted = ["accepted", "4917000000001", carrier, "", ""];
        let ended = ["final", "", "c0", ENDED, ""];
        let refused = ["refused", "3317000000001", "", "", "no_route"];
        sim.expect_written(&[accepted, accepted, ended, ended, refused]);
        let lines = sim.cdr.lines();
        assert!(lines.iter().all(|line| line.is_http || line.event == Event::Final));
        let segments: Vec<_> =
            lines.iter().filter(|line| line.event == Event::Refused).map(|line| line.segments).collect();
        let mut parts: Vec<_> =
            lines.iter().filter_map(|line| line.part).map(|part| (part.number, part.total)).collect();
        parts.sort_unstable();
        assert_eq!((segments, parts), (vec![3], vec![(1, 2), (2, 2)]));
    }
}

#[test]
fn a_receipt_that_never_comes_ends_its_message_once_with_its_retention() {
    let mut sim = gateway_of("", "", "", ONE, "store: { retention: 1h }\ncdr: {}\n");
    sim.smscs[0].habit.receipt_ms = (40_000_000, 40_000_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(3_600 * 3));
    sim.crash_and_restart(true);
    sim.run_for(Duration::from_secs(3_600 * 3));
    sim.expect_written(&[["accepted", "491700000001", "c0", "", ""], ["final", "", "c0", "UNKNOWN", "no_receipt"]]);
}

#[test]
fn lines_are_written_once_and_without_gaps_wherever_a_process_ends() {
    for crash in 0..40 {
        let mut sim = gateway_of("", "", "", "  - to: [c0, c1]\n    choose: least_loaded", CDR);
        sim.smscs.iter_mut().for_each(|smsc| smsc.habit.receipt_ms = (0, 400));
        let esmes = ["a0", "a1"].map(|account| sim.bound(account, BindMode::Transceiver));
        for _ in 0..3 {
            esmes.iter().for_each(|esme| drop(sim.submit_many(*esme, 20)));
            sim.run_for(Duration::from_millis(7 * crash));
            sim.crash(crash % 2 == 0);
            sim.run_for(Duration::from_secs(30));
        }
        sim.end();
        sim.run_for(Duration::from_secs(2));
        sim.audit_cdr();
        assert!(sim.cdr.lines().len() >= 2 * sim.esmes.iter().map(|esme| esme.answers.len()).sum::<usize>());
    }
}

#[test]
fn lines_of_a_shard_that_is_no_more_come_to_its_file() {
    let mut sim = gateway_of("", "", "", ONE, CDR);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for shards in [1, 3, 2] {
        sim.submit_many(esme, 30);
        sim.run_for(Duration::from_millis(40));
        sim.next_config =
            Some(sim.text.replace("shards: 2", &format!("shards: {shards}")).replace("shard: 1", "shard: auto"));
        sim.crash_and_restart(false);
        sim.run_for(Duration::from_secs(30));
    }
    sim.end();
    sim.run_for(Duration::from_secs(2));
    sim.audit_cdr();
    assert!(sim.cdr.lines().len() > 100);
}

#[test]
fn a_receipt_that_its_customer_will_not_have_or_does_not_fetch_is_not_given_up_without_a_word() {
    let mut sim = gateway_of("", "", "", ONE, "store: { retention: 1h }\ncdr: {}\n");
    let refusing = sim.bound("a0", BindMode::Transceiver);
    sim.esmes[refusing].habit.refuses = 1_000;
    let absent = sim.bound("a1", BindMode::Transmitter);
    sim.submit(refusing, "491700000001", true);
    sim.submit(absent, "491700000002", true);
    sim.run_for(Duration::from_secs(30));
    sim.crash_and_restart(true);
    sim.run_for(Duration::from_secs(3_600 * 3));
    let accepted = |to: &'static str| ["accepted", to, "c0", "", ""];
    sim.expect_written(&[
        accepted("491700000001"),
        ["final", "", "c0", ENDED, ""],
        ["undelivered", "ACME", "", "", "refused"],
        accepted("491700000002"),
        ["final", "", "c0", ENDED, ""],
        ["undelivered", "ACME", "", "", "retention"],
    ]);
}

#[test]
fn nor_one_that_an_operator_purges() {
    let mut sim = gateway_of("", "", "", ONE, CDR);
    let absent = sim.bound("a0", BindMode::Transmitter);
    sim.submit(absent, "491700000001", true);
    sim.run_for(Duration::from_secs(30));
    assert_eq!(sim.purge(A0), 1);
    sim.run_for(Duration::from_secs(2));
    sim.expect_written(&[
        ["accepted", "491700000001", "c0", "", ""],
        ["final", "", "c0", ENDED, ""],
        ["undelivered", "ACME", "", "", "purged"],
    ]);
}

#[test]
fn what_was_stored_has_an_end_though_its_carrier_names_no_id() {
    let mut sim = gateway_of("", ", accept: store", "", ONE, CDR);
    sim.smscs.iter_mut().for_each(|smsc| (smsc.habit.gives_no_id, smsc.habit.sends_receipts) = (true, false));
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit(esme, "491700000001", true);
    sim.submit(esme, "491700000002", false);
    sim.run_for(Duration::from_secs(5));
    sim.expect_written(&[
        ["accepted", "491700000001", "", "", ""],
        ["final", "491700000001", "c0", "ACCEPTD", "no_id"],
        ["accepted", "491700000002", "", "", ""],
        ["final", "491700000002", "c0", "ACCEPTD", "not_asked"],
    ]);
}

#[test]
fn nor_an_mo_that_nobody_was_ever_named_for() {
    let mut sim = gateway_of("", "", "", ONE, "store: { retention: 1h }\ncdr: {}\n");
    let without = without_mo_rules(&sim.text);
    sim.reload(&without);
    sim.run_for(Duration::from_secs(1));
    sim.send_mo(1, 0);
    sim.run_for(Duration::from_secs(3_600 * 3));
    let written = sim.written();
    let said: Vec<_> = written.iter().map(|[event, _, carrier, _, reason]| [&event[..], carrier, reason]).collect();
    assert_eq!(said, [["undelivered", "c1", "retention"]]);
}
