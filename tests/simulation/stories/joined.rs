//! Long messages told of by one receipt: the last part's, or one for all of them.

use std::time::Duration;

use trunkline::config::AccountId;
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::receipt::{self, MessageState};
use trunkline::smpp::segment::Mark;
use trunkline::smpp::view::SmView;

use super::*;
use crate::text::Part;

const ALL: &str = ", receipts: all";
const LAST: &str = ", receipts: last";
const HANDSET: &str = "4917000001";

impl Sim {
    /// Submits these parts of a message of three, and returns their tags.
    pub(super) fn long(&mut self, esme: usize, reference: u16, numbers: &[u8]) -> Vec<u32> {
        numbers.iter().map(|number| self.part(esme, reference, *number, true)).collect()
    }

    pub(super) fn part(&mut self, esme: usize, reference: u16, number: u8, wants_receipt: bool) -> u32 {
        let part = Part { mark: Mark::Udh8, reference, total: 3, number };
        self.submit_as(esme, HANDSET, wants_receipt, 0, 10, Some(part))
    }

    pub(super) fn id_of(&self, esme: usize, tag: u32) -> String {
        let (status, id) = &self.esmes[esme].answers[&tag];
        assert_eq!(*status, CommandStatus::ROK, "T{tag}");
        String::from_utf8_lossy(id).into_owned()
    }

    /// What the receipts of an ESME said, in order: the id, the state, and how many parts of how many were delivered.
    pub(super) fn heard(&self, esme: usize) -> Vec<(String, MessageState, String)> {
        let said = |body: &Vec<u8>| {
            let view = SmView::deliver(body).expect("a deliver_sm");
            let (receipt, details) = (receipt::read(&view).expect("a receipt"), receipt::details(&view));
            let text = |octets: Option<&[u8]>| String::from_utf8_lossy(octets.unwrap_or_default()).into_owned();
            let counts = format!("{}/{}", text(details.delivered), text(details.parts));
            (text(receipt.ids[0]), receipt.state, counts)
        };
        self.esmes[esme].deliveries.iter().map(said).collect()
    }

    /// Receipts held back, and parts known.
    pub(super) fn joined(&mut self, account: usize) -> (usize, usize) {
        let home = self.placement.home_of_account(AccountId(account as u32)).index();
        let account = self.nodes[home].shard.accounts().find(|known| known.id.index() == account);
        account.map(|account| (account.joining.held(), account.joining.len())).expect("an account")
    }

    pub(super) fn correlations(&mut self) -> usize {
        self.nodes.iter_mut().flat_map(|node| node.shard.carriers()).map(|carrier| carrier.correlations.len()).sum()
    }
}

fn delivered(account: &str, carrier: &str) -> Sim {
    let mut sim = gateway(account, carrier, ONE);
    sim.smscs.iter_mut().for_each(|smsc| smsc.habit.state = Some(MessageState::Delivered));
    sim
}

#[test]
fn one_receipt_tells_of_all_parts() {
    let mut sim = delivered(ALL, "");
    let esme = sim.bound("a0", BindMode::Transceiver);
    for (reference, order) in [[1, 2, 3], [3, 1, 2], [2, 3, 1]].into_iter().enumerate() {
        let tags = sim.long(esme, reference as u16, &order);
        sim.end();
        let last = tags[order.iter().position(|number| *number == 3).expect("a last part")];
        let expected = (sim.id_of(esme, last), MessageState::Delivered, "003/003".to_owned());
        assert_eq!((sim.heard(esme).len(), sim.heard(esme).pop()), (reference + 1, Some(expected)));
    }
    assert_eq!(sim.joined(0), (0, 0));
    // A single message is told of as ever.
    sim.submit(esme, HANDSET, true);
    sim.end();
    assert_eq!(sim.heard(esme).len(), 4);
}

#[test]
fn the_last_parts_receipt_tells_of_all_of_them() {
    let mut sim = delivered(LAST, "");
    sim.smscs[0].habit.receipt_ms = (50, 5_000);
    sim.smscs[0].habit.intermediate = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags: Vec<u32> = (0..10).map(|reference| sim.long(esme, reference, &[2, 3, 1])[1]).collect();
    sim.end();
    let mut expected: Vec<_> = tags.iter().map(|tag| sim.id_of(esme, *tag)).collect();
    expected.sort();
    let mut told: Vec<_> =
        sim.heard(esme).into_iter().filter(|(_, state, _)| state.is_final()).map(|told| told.0).collect();
    told.sort();
    assert_eq!(told, expected);
    // The intermediate ones before them are the last parts', too.
    assert!(sim.heard(esme).iter().all(|(id, ..)| expected.contains(id)));
    assert_eq!((sim.joined(0), sim.correlations()), ((0, 0), 0));
}

#[test]
fn a_message_is_as_badly_off_as_its_worst_part() {
    let mut sim = delivered(ALL, "");
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.long(esme, 1, &[1]);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.state = Some(MessageState::Expired);
    sim.long(esme, 1, &[2]);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.state = Some(MessageState::Undeliverable);
    assert_eq!((sim.joined(0), sim.heard(esme).len()), ((2, 2), 0));
    let last = sim.long(esme, 1, &[3]);
    sim.end();
    let id = sim.id_of(esme, last[0]);
    assert_eq!(sim.heard(esme), [(id, MessageState::Undeliverable, "001/003".to_owned())]);
}

#[test]
fn receipts_before_their_answers_twice_and_on_any_link_are_joined_as_well() {
    for receipts in [ALL, LAST] {
        let mut sim = delivered(receipts, ", links: 3");
        let habit = &mut sim.smscs[0].habit;
        (habit.early, habit.other_link, habit.latency_ms) = (1_000, 1_000, (100, 300));
        (habit.duplicate, habit.intermediate) = (1_000, 500);
        let esmes = [sim.bound("a0", BindMode::Transceiver), sim.bound("a0", BindMode::Transceiver)];
        for reference in 0..20 {
            for number in [1, 3, 2] {
                let esme = sim.rng.pick(&esmes);
                sim.long(esme, reference, &[number]);
            }
        }
        sim.end();
        let told: Vec<_> = esmes.iter().flat_map(|esme| sim.heard(*esme)).filter(|told| told.1.is_final()).collect();
        assert_eq!(told.len(), 20, "{receipts}");
        // The last part may have been told of before the others were accepted.
        sim.run_for(Duration::from_secs(90));
        assert_eq!((sim.joined(0), sim.correlations()), ((0, 0), 0));
    }
}

#[test]
fn parts_over_two_carriers_are_told_of_together() {
    let mut sim = gateway(ALL, ", links: 1, queue_wait: 1s", BOTH);
    sim.smscs.iter_mut().for_each(|smsc| smsc.habit.state = Some(MessageState::Delivered));
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.long(esme, 1, &[1]);
    sim.run_for(Duration::from_millis(500));
    sim.smscs[0].is_up = false;
    for wire in sim.smscs[0].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
        sim.smsc_breaks(0, wire);
    }
    sim.run_for(Duration::from_millis(50));
    let rest = sim.long(esme, 1, &[2, 3]);
    sim.run_for(Duration::from_secs(3));
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (first, rest.clone()));
    let id = sim.id_of(esme, rest[1]);
    assert_eq!(sim.heard(esme), [(id, MessageState::Delivered, "003/003".to_owned())]);
}

#[test]
fn a_part_that_was_refused_may_be_sent_again_and_counts_as_failed_when_it_is_not() {
    let mut sim = delivered(ALL, "");
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.long(esme, 1, &[1]);
    let second = sim.long(esme, 2, &[1, 3]);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.refused = 1_000;
    sim.long(esme, 1, &[2]);
    sim.long(esme, 2, &[2]);
    sim.run_for(Duration::from_secs(1));
    sim.smscs[0].habit.refused = 0;
    let last = sim.long(esme, 1, &[2, 3]);
    sim.end();
    let first = (sim.id_of(esme, last[1]), MessageState::Delivered, "003/003".to_owned());
    assert_eq!(sim.heard(esme), std::slice::from_ref(&first));
    sim.run_for(Duration::from_secs(90));
    let second = (sim.id_of(esme, second[1]), MessageState::Rejected, "002/003".to_owned());
    assert_eq!((sim.heard(esme), sim.joined(0)), (vec![first, second], (0, 0)));
}

#[test]
fn a_part_whose_answer_was_lost_with_its_session_may_be_sent_again() {
    let mut sim = delivered(ALL, "");
    sim.smscs[0].habit.latency_ms = (500, 500);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.long(esme, 1, &[1]);
    sim.run_for(Duration::from_secs(2));
    sim.long(esme, 1, &[2]);
    sim.run_for(Duration::from_millis(100));
    sim.esme_aborts(esme);
    sim.run_for(Duration::from_secs(10));
    let last = sim.long(esme, 1, &[2, 3]);
    sim.end();
    let told: Vec<_> = sim.heard(esme).into_iter().filter(|told| told.0 == sim.id_of(esme, last[1])).collect();
    assert_eq!(told, [(sim.id_of(esme, last[1]), MessageState::Delivered, "003/003".to_owned())]);
    // The one that was never answered is told of by itself.
    assert_eq!(sim.heard(esme).len(), 2);
}

#[test]
fn only_parts_that_asked_are_told_of() {
    for receipts in [ALL, LAST] {
        let mut sim = delivered(receipts, "");
        let esme = sim.bound("a0", BindMode::Transceiver);
        // As some do: only with the last part.
        let last = [(1, false), (2, false), (3, true)].map(|(number, asks)| sim.part(esme, 1, number, asks))[2];
        // Or only with the first.
        let first = [(1, true), (2, false), (3, false)].map(|(number, asks)| sim.part(esme, 2, number, asks))[0];
        let none = [1, 2, 3].map(|number| sim.part(esme, 3, number, false));
        sim.end();
        assert_eq!(sim.count(esme, &none, CommandStatus::ROK), 3);
        let mut told: Vec<_> = sim.heard(esme).into_iter().map(|(id, ..)| id).collect();
        let mut expected = [last, first].map(|tag| sim.id_of(esme, tag));
        told.sort();
        expected.sort();
        assert_eq!((told, sim.joined(0)), (expected.to_vec(), (0, 0)), "{receipts}");
    }
}

#[test]
fn receipts_nobody_asked_for_are_joined_where_they_are_passed() {
    for receipts in [ALL, LAST] {
        let mut sim = delivered(&format!("{receipts}, unrequested_receipts: pass"), "");
        sim.smscs[0].habit.sends_unrequested = true;
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = [1, 2, 3].map(|number| sim.part(esme, 1, number, false));
        let mixed = [(1, false), (2, false), (3, true)].map(|(number, asks)| sim.part(esme, 2, number, asks));
        sim.end();
        let mut told: Vec<_> = sim.heard(esme).into_iter().map(|(id, ..)| id).collect();
        let mut expected = [tags[2], mixed[2]].map(|tag| sim.id_of(esme, tag));
        told.sort();
        expected.sort();
        assert_eq!((told, sim.joined(0)), (expected.to_vec(), (0, 0)), "{receipts}");
    }
}

#[test]
fn what_is_known_is_told_when_retention_ends() {
    for receipts in [ALL, LAST] {
        let mut sim = delivered(receipts, "");
        let esme = sim.bound("a0", BindMode::Transceiver);
        sim.long(esme, 1, &[1]);
        sim.run_for(Duration::from_secs(1));
        sim.smscs[0].habit.sends_receipts = false;
        let last = sim.long(esme, 1, &[2, 3]);
        sim.run_for(Duration::from_secs(71 * 3_600));
        assert_eq!((sim.heard(esme).len(), sim.joined(0)), (0, (1, 3)));
        sim.run_for(Duration::from_secs(2 * 3_600));
        let id = sim.id_of(esme, last[1]);
        assert_eq!(sim.heard(esme), [(id, MessageState::Unknown, "001/003".to_owned())], "{receipts}");
        assert_eq!((sim.joined(0), sim.correlations()), ((0, 0), 0));
    }
}

#[test]
fn no_moment_of_a_crash_loses_what_was_held_back() {
    for receipts in [ALL, LAST] {
        // Around each answer, receipt and commit, in turn.
        for step in 0..60 {
            let mut sim = delivered(receipts, "");
            (sim.habit.commit_us, sim.smscs[0].habit.receipt_ms) = ((2_000, 6_000), (5, 40));
            let esme = sim.bound("a0", BindMode::Transceiver);
            let mut tags = sim.long(esme, 1, &[2, 3]);
            sim.run_for(Duration::from_millis(20));
            tags.extend(sim.long(esme, 1, &[1]));
            sim.run_for(Duration::from_micros(1_500 * step));
            sim.crash(step % 2 == 0);
            sim.run_until_quiet(QUIET);
            sim.run_for(Duration::from_secs(100));
            sim.end();
            let answered: Vec<_> = tags.iter().filter(|tag| sim.status(esme, **tag).is_some()).collect();
            let told = sim.heard(esme);
            if answered.len() == 3 {
                let last = sim.id_of(esme, tags[1]);
                let of_all = told.iter().filter(|told| told.0 == last && told.1 == MessageState::Delivered).count();
                // Unacknowledged it is sent again, and so is what it was written from when the carrier was not acknowledged.
                assert!((1..=3).contains(&of_all), "{receipts} {step}: {told:?}");
                assert!(told.len() <= 5, "{receipts} {step}: {told:?}");
            }
            // A part that was told of may be known until retention: its receipt was acknowledged, and that was forgotten.
            assert_eq!(sim.joined(0).0, 0, "{receipts} {step}");
        }
    }
}

#[test]
fn what_was_held_back_is_passed_on_by_itself_when_the_account_wants_each() {
    let mut sim = delivered(ALL, "");
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.long(esme, 1, &[1, 2]);
    sim.run_for(Duration::from_secs(1));
    assert_eq!((sim.heard(esme).len(), sim.joined(0)), (0, (2, 2)));
    sim.next_config = Some(sim.text.replace(ALL, ""));
    sim.crash(true);
    sim.run_for(Duration::from_secs(10));
    let mut told: Vec<_> = sim.heard(esme).into_iter().map(|(id, ..)| id).collect();
    let mut expected: Vec<_> = tags.iter().map(|tag| sim.id_of(esme, *tag)).collect();
    told.sort();
    expected.sort();
    assert_eq!((told, sim.joined(0)), (expected, (0, 0)));
}

#[test]
fn beyond_the_accounts_queue_parts_are_told_of_by_themselves() {
    let mut sim = delivered(", receipts: all, delivery_queue: 4", "");
    sim.smscs[0].habit.receipt_ms = (2_000, 2_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.long(esme, 1, &[1, 2, 3]);
    sim.run_for(Duration::from_millis(500));
    // The first part of the second message has room, so the others have it too.
    let together = sim.long(esme, 2, &[1, 2, 3]);
    sim.run_for(Duration::from_millis(500));
    let each = sim.long(esme, 3, &[1, 2, 3]);
    sim.end();
    sim.run_for(Duration::from_secs(100));
    sim.end();
    let heard = sim.heard(esme);
    assert_eq!(heard.len(), 5);
    assert!(heard.iter().all(|(_, state, _)| *state == MessageState::Delivered), "{heard:?}");
    let is_told = |tag: &&u32| heard.iter().any(|(id, ..)| *id == sim.id_of(esme, **tag));
    assert_eq!((together.iter().filter(is_told).count(), each.iter().filter(is_told).count()), (1, 3));
}

#[test]
fn parts_that_are_stored_belong_together_however_long_they_wait() {
    for receipts in [ALL, LAST] {
        let mut sim = delivered(&format!("{receipts}, accept: store"), "");
        sim.smscs[0].is_up = false;
        for wire in sim.smscs[0].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
            sim.smsc_breaks(0, wire);
        }
        let esme = sim.bound("a0", BindMode::Transceiver);
        let mut tags = sim.long(esme, 1, &[1, 2]);
        sim.run_for(Duration::from_secs(30));
        tags.extend(sim.long(esme, 1, &[3]));
        sim.run_for(Duration::from_secs(300));
        sim.crash_and_restart(true);
        assert_eq!((sim.heard(esme).len(), sim.joined(0)), (0, (0, 3)));
        sim.smscs[0].is_up = true;
        sim.end();
        let told = sim.heard(esme);
        assert_eq!((told.len(), &told[0].0, told[0].1), (1, &sim.id_of(esme, tags[2]), MessageState::Delivered));
    }
}

#[test]
fn parts_that_were_never_sent_fail_together() {
    let mut sim = delivered(", receipts: all, accept: store, validity: 60s", "");
    sim.smscs[0].is_up = false;
    for wire in sim.smscs[0].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
        sim.smsc_breaks(0, wire);
    }
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.long(esme, 1, &[1, 2, 3]);
    sim.run_for(Duration::from_secs(90));
    let id = sim.id_of(esme, tags[2]);
    assert_eq!(sim.heard(esme), [(id, MessageState::Expired, "000/003".to_owned())]);
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!(sim.joined(0), (0, 0));
}
