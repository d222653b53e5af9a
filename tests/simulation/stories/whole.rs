//! Carriers that send one receipt for a whole message (`per: message`): every customer hears what he would of one for each part.

use std::time::Duration;

use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::receipt::MessageState;

use super::*;

const WHOLE: &str = "  whole: { receipts: { per: message } }\n";

/// A carrier that sends one receipt for a message, under the id of the part with this number.
fn whole(account: &str, under: u8) -> Sim {
    let mut sim = gateway_of("", account, ", links: 2, profile: whole", ONE, WHOLE);
    let habit = &mut sim.smscs[0].habit;
    (habit.one_per_message, habit.state) = (Some(under), Some(MessageState::Delivered));
    sim
}

fn ids_told(sim: &Sim, esme: usize) -> Vec<String> {
    let mut ids: Vec<_> = sim.heard(esme).into_iter().map(|(id, ..)| id).collect();
    ids.sort();
    ids
}

#[test]
fn each_part_that_asked_has_a_receipt_of_its_own() {
    for under in [1, 3] {
        let mut sim = whole("", under);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let mut tags = sim.long(esme, 1, &[1, 3, 2]);
        sim.end();
        // The same reference again is another message.
        tags.extend(sim.long(esme, 1, &[1, 3, 2]));
        let single = sim.submit(esme, "4917000001", true);
        tags.push(single);
        let asked = [1, 3].map(|number| sim.part(esme, 2, number, true));
        sim.part(esme, 2, 2, false);
        tags.extend(asked);
        sim.end();
        let mut expected: Vec<_> = tags.iter().map(|tag| sim.id_of(esme, *tag)).collect();
        expected.sort();
        assert_eq!(ids_told(&sim, esme), expected, "under {under}");
        // That of a message that may grow is remembered for a while.
        sim.run_for(Duration::from_secs(90));
        assert_eq!((sim.correlations(), sim.joined(0)), (0, (0, 0)));
    }
}

#[test]
fn one_receipt_tells_of_all_parts_or_stands_for_the_last() {
    for (receipts, counts) in [("all", "003/003"), ("last", "001/001")] {
        for under in [1, 2, 3] {
            let mut sim = whole(&format!(", receipts: {receipts}"), under);
            let esme = sim.bound("a0", BindMode::Transceiver);
            let tags = sim.long(esme, 1, &[1, 3, 2]);
            sim.end();
            let expected = (sim.id_of(esme, tags[1]), MessageState::Delivered, counts.to_owned());
            assert_eq!(sim.heard(esme), [expected], "{receipts} under {under}");
            assert_eq!((sim.correlations(), sim.joined(0)), (0, (0, 0)));
        }
    }
}

#[test]
fn a_part_that_is_answered_behind_the_receipt_of_its_message_is_told_of_too() {
    for (receipts, count) in [("", 3), (", receipts: all", 1)] {
        let mut sim = whole(receipts, 3);
        let habit = &mut sim.smscs[0].habit;
        // Answers overtake each other, and the receipt most of them.
        (habit.latency_ms, habit.receipt_ms) = ((5, 400), (0, 0));
        let esme = sim.bound("a0", BindMode::Transceiver);
        for reference in 0..20 {
            sim.long(esme, reference, &[1, 2, 3]);
        }
        sim.end();
        sim.run_for(Duration::from_secs(100));
        sim.end();
        assert_eq!((sim.heard(esme).len(), sim.correlations()), (20 * count, 0), "{receipts}");
        assert!(sim.heard(esme).iter().all(|told| told.1 == MessageState::Delivered));
    }
}

#[test]
fn no_moment_of_a_crash_loses_a_part() {
    for receipts in ["", ", receipts: all"] {
        for step in 0..60 {
            let mut sim = whole(receipts, 3);
            (sim.habit.commit_us, sim.smscs[0].habit.receipt_ms) = ((2_000, 6_000), (5, 20));
            let esme = sim.bound("a0", BindMode::Transceiver);
            let tags = sim.long(esme, 1, &[1, 2, 3]);
            sim.run_for(Duration::from_micros(10_000 + 1_000 * step));
            sim.crash(step % 2 == 0);
            sim.run_until_quiet(QUIET);
            sim.run_for(Duration::from_secs(100));
            sim.end();
            let is_answered = tags.iter().all(|tag| sim.status(esme, *tag).is_some());
            if is_answered && !sim.smscs[0].submits.is_empty() {
                let told = ids_told(&sim, esme);
                let due = if receipts.is_empty() { &tags[..] } else { &tags[2..] };
                assert!(due.iter().all(|tag| told.contains(&sim.id_of(esme, *tag))), "{receipts} {step}: {told:?}");
                assert!(told.len() <= 2 * 3 + 1, "{receipts} {step}: {told:?}");
            }
        }
    }
}

#[test]
fn copies_wait_for_room_in_the_accounts_queue_together() {
    let mut sim = whole(", delivery_queue: 4", 3);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(transmitter, 2);
    sim.run_for(Duration::from_secs(1));
    sim.long(transmitter, 1, &[1, 2, 3]);
    sim.run_for(Duration::from_secs(10));
    let receiver = sim.bound("a0", BindMode::Receiver);
    sim.end();
    assert_eq!((sim.heard(receiver).len(), sim.correlations()), (5, 0));
}
