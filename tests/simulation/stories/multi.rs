//! One message to several destinations: one id and one answer, a receipt from each of them; and the other PDU a message comes and
//! goes in, data_sm. The ledger sees to it that every receipt has the id the answer had, and none comes before that.

use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::receipt::MessageState;

use super::*;
use crate::net::Toward;

const ROK: CommandStatus = CommandStatus::ROK;

/// By the first digits.
const APART: &str =
    "  - when: { destination: \"48*\" }\n    to: [c1]\n  - when: { destination: \"49*\" }\n    to: [c0]";

impl Sim {
    /// Ids shown for others and kept, of every carrier; and correlations.
    fn shown(&mut self) -> (usize, usize) {
        let carriers = self.nodes.iter_mut().flat_map(|node| node.shard.carriers());
        let kept = carriers.map(|carrier| (carrier.shown.sizes(), carrier.correlations.len()));
        kept.fold((0, 0), |all, ((kept, coming), correlations)| {
            assert_eq!(coming, 0, "nothing is under way");
            (all.0 + kept, all.1 + correlations)
        })
    }

    /// The ids that these were answered with, each once.
    fn ids(&self, esme: usize, tags: &[u32]) -> Vec<Vec<u8>> {
        let mut ids: Vec<_> = tags.iter().map(|tag| self.esmes[esme].answers[tag].1.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    fn answers(&self, esme: usize, command: CommandId) -> Vec<CommandStatus> {
        let of_command =
            |(_, received, status): &(u64, CommandId, CommandStatus)| (*received == command).then_some(*status);
        self.esmes[esme].received.iter().filter_map(of_command).collect()
    }
}

#[test]
fn every_receipt_comes_under_the_one_id_after_a_crash_and_what_was_kept_goes() {
    for (routes, profile) in [(ONE, ""), (APART, ""), (APART, ", profile: odd")] {
        for (is_power, is_moved) in [(false, false), (true, false), (true, true)] {
            let mut sim = gateway("", profile, routes);
            for smsc in &mut sim.smscs {
                (smsc.habit.receipt_ms, smsc.habit.intermediate) = ((5_000, 6_000), 500);
            }
            let esme = sim.bound("a0", BindMode::Transceiver);
            let mut destinations: Vec<_> = (0..10).map(|place| format!("49170000{place:03}")).collect();
            if routes == APART {
                destinations.iter_mut().step_by(2).for_each(|digits| digits.replace_range(..2, "48"));
            }
            let tags = sim.submit_multi(esme, &destinations, true);
            sim.run_for(Duration::from_secs(2));
            assert_eq!((sim.count(esme, &tags, ROK), sim.ids(esme, &tags).len()), (10, 1));
            assert_eq!(sim.answers(esme, CommandId::SUBMIT_MULTI_RESP), [ROK]);
            assert_eq!((sim.seen_by(1).len(), sim.shown()), (if routes == APART { 5 } else { 0 }, (10, 10)));
            if is_moved {
                sim.next_config = Some(crate::variants::vary(&sim.text, 3, &[], || Some(2)));
            }
            sim.crash_and_restart(is_power);
            assert_eq!(sim.shown(), (10, 10));
            sim.run_for(Duration::from_secs(10));
            sim.end();
            assert!(sim.esmes[esme].deliveries.len() > 10, "intermediate ones too");
            assert_eq!(sim.shown(), (0, 0));
            sim.audit_holdings();
        }
    }
}

#[test]
fn the_shown_id_is_written_again_with_the_segments_it_lies_in_and_goes_with_retention() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    // These wait long, while others fill and empty the segments behind.
    sim.smscs[0].habit.sends_receipts = false;
    let tags = sim.submit_to(esme, 20);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.sends_receipts = true;
    for _ in 0..40 {
        sim.submit_many(esme, 30);
        sim.run_for(Duration::from_secs(1));
    }
    sim.crash_and_restart(true);
    assert_eq!(sim.shown(), (20, 20));
    let first = sim.smscs[0].habit.first_id;
    for (at, tag) in tags.iter().enumerate().take(15) {
        let sent = sim.ledger.submits[tag].body.clone();
        sim.plan_receipts(0, *tag, first + at as u64, 0, &sent);
    }
    sim.run_for(Duration::from_secs(10));
    sim.end();
    assert_eq!((sim.esmes[esme].deliveries.len(), sim.shown()), (40 * 30 + 15, (5, 5)));
    sim.run_for(Duration::from_secs(74 * 3_600));
    assert_eq!(sim.shown(), (0, 0));
}

#[test]
fn what_is_submitted_alone_keeps_no_second_id() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.sends_receipts = false;
    let esme = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(esme, 5);
    // Nobody asks for receipts of these.
    sim.submit_multi(esme, &["4917000000000".to_owned(), "4917000000001".to_owned()], false);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.shown(), (0, 5));
}

#[test]
fn early_receipts_wait_for_the_answer_to_all_and_come_under_its_id() {
    for (receivers, queue) in [(0, 1_000), (1, 1_000), (1, 3)] {
        let mut sim = gateway(&format!(", delivery_queue: {queue}"), "", APART);
        for smsc in &mut sim.smscs {
            (smsc.habit.early, smsc.habit.intermediate) = (1_000, 500);
        }
        // One carrier answers and sends its receipts long before the other.
        sim.smscs[1].habit.latency_ms = (3_000, 3_000);
        let esme = sim.bound("a0", BindMode::Transceiver);
        for _ in 0..receivers {
            sim.bound("a0", BindMode::Receiver);
        }
        let mut destinations: Vec<_> = (0..6).map(|place| format!("49170000{place:03}")).collect();
        destinations[5].replace_range(..2, "48");
        let tags = sim.submit_multi(esme, &destinations, true);
        sim.run_for(Duration::from_millis(2_500));
        assert_eq!(sim.count(esme, &tags, ROK), 0);
        assert!(sim.esmes.iter().all(|esme| esme.deliveries.is_empty()));
        assert!(sim.smscs[0].undelivered.len() <= 6 * 2 - queue.min(6), "acknowledged as far as there is room");
        // What comes for others meanwhile does not wait.
        sim.smscs[0].habit.early = 0;
        let alone = sim.submit(esme, "4917000000099", true);
        sim.run_for(Duration::from_millis(400));
        let delivered = |sim: &Sim| sim.esmes.iter().map(|esme| esme.deliveries.len()).sum::<usize>();
        if queue > 3 {
            assert_eq!((sim.status(esme, alone), delivered(&sim) > 0), (Some(ROK), true));
        }
        sim.end();
        assert_eq!((sim.count(esme, &tags, ROK), sim.ids(esme, &tags).len()), (6, 1));
        assert!(delivered(&sim) >= 7);
        assert_eq!(sim.shown(), (0, 0));
    }
}

#[test]
fn a_crash_before_the_answer_loses_no_receipt_of_what_was_accepted() {
    for is_power in [false, true] {
        let mut sim = gateway("", "", APART);
        sim.smscs[1].habit.latency_ms = (3_000, 3_000);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let mut destinations: Vec<_> = (0..4).map(|place| format!("49170000{place:03}")).collect();
        destinations[3].replace_range(..2, "48");
        sim.submit_multi(esme, &destinations, true);
        sim.run_for(Duration::from_millis(1_000));
        assert!(sim.smscs[0].undelivered.is_empty() && sim.esmes[esme].deliveries.is_empty());
        sim.crash_and_restart(is_power);
        sim.end();
        // Nobody knows of the fourth, whose carrier had not answered.
        assert_eq!((sim.esmes[esme].deliveries.len(), sim.shown()), (3, (0, 0)));
    }
}

#[test]
fn who_was_not_reached_is_listed_and_the_others_are_not_held_up_by_it() {
    let mut sim = gateway(", destinations: [\"49*\", \"48*\", \"47*\"], rate: 10, burst: 5", "", APART);
    sim.smscs[1].habit.refused = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let digits = ["4900", "4801", "4702", "4603", "4904", "4905", "4906", "4907"];
    let tags = sim.submit_multi(esme, &digits.map(str::to_owned), true);
    sim.end();
    let (unroutable, throttled) = (Some(CommandStatus::RINVDSTADR), Some(CommandStatus::RTHROTTLED));
    let expected = [Some(ROK), unroutable, unroutable, unroutable, Some(ROK), Some(ROK), Some(ROK), throttled];
    assert_eq!(sim.statuses(esme, &tags), expected);
    assert_eq!((sim.answers(esme, CommandId::SUBMIT_MULTI_RESP), sim.esmes[esme].deliveries.len()), (vec![ROK], 4));
    // Everyone's fate is the same: nothing is left to be listed.
    let none = sim.submit_multi(esme, &["4600".to_owned(), "4701".to_owned()], true);
    sim.end();
    assert_eq!(sim.statuses(esme, &none), [unroutable; 2]);
    assert_eq!(sim.answers(esme, CommandId::SUBMIT_MULTI_RESP), [ROK, CommandStatus::RINVDSTADR]);
    assert!(sim.esmes[esme].ended_at.is_empty(), "none of this is nonsense");
}

#[test]
fn what_one_carrier_sends_on_to_the_next_keeps_the_one_id() {
    let mut sim = gateway("", "", BOTH);
    sim.smscs[0].habit.rsyserr = 500;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_to(esme, 20);
    sim.end();
    assert_eq!((sim.count(esme, &tags, ROK), sim.ids(esme, &tags).len()), (20, 1));
    assert!((1..20).contains(&sim.seen_by(1).len()) && sim.esmes[esme].deliveries.len() == 20);
}

#[test]
fn destinations_in_doubt_are_listed_with_the_accounts_status() {
    let mut sim = gateway_with("response: 4s", ", in_doubt_status: 0x45", "", APART);
    sim.smscs[1].habit.silent = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_multi(esme, &["4900".to_owned(), "4801".to_owned()], true);
    sim.run_for(Duration::from_secs(6));
    assert_eq!(sim.statuses(esme, &tags), [Some(ROK), Some(CommandStatus(0x45))]);
    sim.smscs[1].habit.silent = 0;
}

#[test]
fn a_window_with_any_room_takes_all_and_then_waits_until_it_has_room_again() {
    let mut sim = gateway(", window: 2", ", links: 1", ONE);
    sim.smscs[0].habit.latency_ms = (100, 100);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let (first, second) = (sim.submit_to(esme, 50), sim.submit_to(esme, 3));
    sim.run_for(Duration::from_millis(80));
    assert_eq!(sim.seen_by(0), first, "the first of them, whole");
    sim.end();
    assert_eq!((sim.count(esme, &first, ROK), sim.count(esme, &second, ROK)), (50, 3));
    let ids = [sim.ids(esme, &first), sim.ids(esme, &second)];
    assert!(ids[0].len() == 1 && ids[1].len() == 1 && ids[0] != ids[1]);
}

#[test]
fn what_waits_when_its_session_ends_is_withdrawn_and_receipts_of_the_rest_come_elsewhere() {
    let mut sim = gateway("", ", links: 1, window: 3", ONE);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    let esme = sim.bound("a0", BindMode::Transmitter);
    let receiver = sim.bound("a0", BindMode::Receiver);
    let tags = sim.submit_to(esme, 10);
    sim.run_for(Duration::from_millis(300));
    sim.esmes[esme].habit.reconnects = false;
    sim.esme_aborts(esme);
    sim.end();
    assert_eq!(sim.seen_by(0), tags[..3]);
    assert_eq!(sim.esmes[receiver].deliveries.len(), 3);
}

#[test]
fn an_unbind_waits_for_the_answer() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.latency_ms = (500, 1_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_to(esme, 5);
    sim.esmes[esme].habit.reconnects = false;
    // The simulated ESME takes an unbind_resp before its answers for a fault.
    sim.esme_unbinds(esme);
    sim.run_for(Duration::from_secs(3));
    assert_eq!((sim.count(esme, &tags, ROK), sim.esmes[esme].has(CommandId::UNBIND_RESP)), (5, true));
    sim.bound("a0", BindMode::Receiver);
    sim.end();
}

#[test]
fn what_is_stored_for_several_is_answered_once_and_sent_and_told_of_under_the_one_id_whatever_happens() {
    for (is_power, is_moved) in [(false, false), (true, false), (true, true)] {
        // Nobody takes what begins with 48.
        let mut sim = gateway(", accept: store, validity: 30s", "", APART);
        sim.smscs[1].habit.refused = 1_000;
        (sim.smscs[0].habit.latency_ms, sim.smscs[0].habit.silent) = ((5, 10), 1_000);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let digits = ["4900", "4801", "4902", "4703", "4904"];
        let tags = sim.submit_multi(esme, &digits.map(str::to_owned), true);
        sim.run_for(Duration::from_millis(10));
        let unroutable = Some(CommandStatus::RINVDSTADR);
        assert_eq!(sim.statuses(esme, &tags), [Some(ROK), Some(ROK), Some(ROK), unroutable, Some(ROK)]);
        assert_eq!(sim.answers(esme, CommandId::SUBMIT_MULTI_RESP), [ROK]);
        if is_moved {
            sim.next_config = Some(crate::variants::vary(&sim.text, 3, &[], || Some(2)));
        }
        sim.crash_and_restart(is_power);
        sim.smscs[0].habit.silent = 0;
        sim.run_for(Duration::from_secs(40));
        sim.end();
        // One each; the ledger compares their ids with that of the answer.
        assert_eq!((sim.esmes[esme].deliveries.len(), sim.shown()), (4, (0, 0)));
        sim.audit_holdings();
    }
}

/// Sends a request that the ledger keeps no book of.
fn raw(sim: &mut Sim, esme: usize, command: CommandId, number: u32, body: &[u8]) {
    let (wire, sequence) = (sim.esmes[esme].wire.expect("it is bound"), SequenceNumber(number));
    let mut out = Vec::new();
    Frame { command, status: ROK, sequence, body }.write(&mut out);
    sim.ledger.by_sequence.insert((wire, number), Vec::new());
    sim.send(wire, Toward::Proxy, &out);
}

#[test]
fn only_nonsense_costs_a_session_anything() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let list = b"\0\x05\0ACME\0\x01\x02friends\0\0\0\0\0\0\x01\0\0\0\x00";
    for number in 0..40 {
        raw(&mut sim, esme, CommandId::SUBMIT_MULTI, 1_000 + number, list);
    }
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.answers(esme, CommandId::SUBMIT_MULTI_RESP), [CommandStatus::RCNTSUBDL; 40]);
    let none = b"\0\x05\0ACME\0\x00\0\0\0\0\0\x01\0\0\0\x00";
    for number in 0..11 {
        raw(&mut sim, esme, CommandId::SUBMIT_MULTI, 2_000 + number, none);
    }
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.answers(esme, CommandId::SUBMIT_MULTI_RESP)[40..], [CommandStatus::RINVNUMDESTS; 11]);
    assert_eq!(sim.esmes[esme].ended_at.len(), 1, "the eleventh within a minute");
}

#[test]
fn a_message_comes_and_goes_as_data_sm() {
    let mut sim = gateway(", deliver_as: data_sm", "", BOTH);
    sim.smscs[0].habit.intermediate = 500;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags: Vec<_> = (0..20).map(|at| sim.submit_data(esme, &format!("49170000{at:03}"), true)).collect();
    sim.run_for(Duration::from_millis(500));
    sim.send_mo(0, 0);
    sim.end();
    assert_eq!((sim.count(esme, &tags, ROK), sim.answers(esme, CommandId::DATA_SM_RESP)), (20, vec![ROK; 20]));
    assert!(sim.esmes[esme].deliveries.len() > 20 && !sim.esmes[esme].has(CommandId::DELIVER_SM));
}

#[test]
fn no_receipt_overtakes_the_answer_when_some_destinations_are_stored_and_others_held_back() {
    for (refused, told) in [(0, "DELIVRD"), (1_000, "REJECTD")] {
        let mut sim = gateway(", accept: store, over_rate: delay, rate: 1, burst: 2", "", ONE);
        let habit = &mut sim.smscs[0].habit;
        (habit.refused, habit.state) = (refused, Some(MessageState::Delivered));
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_to(esme, 4);
        sim.run_for(Duration::from_millis(1_500));
        assert_eq!((sim.status(esme, tags[0]), sim.esmes[esme].deliveries.len()), (None, 0));
        sim.end();
        assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 4);
        let tells = |body: &&Vec<u8>| body.windows(told.len()).any(|octets| octets == told.as_bytes());
        assert_eq!(sim.esmes[esme].deliveries.iter().filter(tells).count(), 4);
    }
}
