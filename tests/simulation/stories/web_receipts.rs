//! Receipts of messages that came by HTTP: how a message stands, whenever and wherever they come; and what callbacks are told of it.

use trunkline::engine::event::SubmitError;
use trunkline::engine::web::{Event, Fate, State, Tell, What, dlr};
use trunkline::smpp::receipt::MessageState;

use super::web::A0;
use super::*;
use crate::restart::IDS;
use crate::text::submit_tag;
use crate::web_habits::Callbacks;

const CALLED: &str = ", callback: { url: \"https://a.example/hook\" }, callback_override: true";

fn called(account: &str, carrier: &str, profiles: &str) -> Sim {
    let mut sim = gateway_of("", &format!("{CALLED}{account}"), carrier, ONE, profiles);
    sim.web.callbacks = Callbacks { within_ms: Some((1, 20)), ..Callbacks::default() };
    sim.smscs[0].habit.state = Some(MessageState::Delivered);
    sim
}

fn kannel(mask: u8) -> Tell {
    Tell::Kannel { url: "http://k.example/?%d".into(), mask }
}

impl Sim {
    fn states_told(&self) -> Vec<(State, u8)> {
        let told = |event: &Event| match &event.what {
            What::Receipt { status, .. } => (status.state, status.dlr_type()),
            What::Message { .. } => panic!("{event:?}"),
        };
        self.web.told.iter().map(|(_, event)| told(event)).collect()
    }

    fn tell_of(&mut self, segments: u8, tell: Tell) -> u32 {
        let message = self.web_message("4917000000001", segments, true, tell);
        self.send_web(vec![message])
    }
}

#[test]
fn a_callback_is_told_once_when_every_segment_is_over() {
    let mut sim = called("", "", "");
    sim.smscs[0].habit.intermediate = 1_000;
    let asked = sim.send_segments(&[3, 1]);
    sim.run_for(Duration::from_secs(1));
    sim.end();
    let submitted = sim.submitted(asked).unwrap();
    assert_eq!(sim.states_told(), [(State::Delivered, dlr::DELIVERED); 2]);
    for one in submitted {
        let status = sim.standing(one.id.unwrap()).unwrap();
        assert!(status.finished > 0 && status.segments.iter().all(|segment| segment.state == State::Delivered));
    }
    let What::Receipt { text, .. } = &sim.web.told[0].1.what else { panic!("a receipt") };
    assert!(text.starts_with(b"id:") && text.windows(7).any(|word| word == b"DELIVRD"));
}

#[test]
fn early_receipts_on_any_link_and_twice_lose_nothing_and_wait_for_the_reply() {
    for segments in [1, 4] {
        let mut sim = called("", ", links: 3", "");
        let habit = &mut sim.smscs[0].habit;
        (habit.early, habit.other_link, habit.duplicate) = (1_000, 1_000, 500);
        (habit.latency_ms, habit.intermediate) = ((20, 400), 500);
        // What a callback is told of before is a breach of A6, which the harness looks for.
        for _ in 0..10 {
            sim.send_segments(&[segments; 5]);
            sim.run_for(Duration::from_millis(300));
        }
        sim.end();
        assert_eq!(sim.web.told.len(), 50);
    }
}

#[test]
fn what_a_receipt_said_before_the_reply_is_told_even_if_the_ids_have_run_out_since() {
    let mut sim = called(", window: 1", "", "");
    sim.habit.ids_ms = (60_000, 60_000);
    (sim.smscs[0].habit.latency_ms, sim.smscs[0].habit.receipt_ms) = ((20, 20), (1, 1));
    for _ in 0..IDS - 5 {
        let message = sim.web_message("4917000000001", 1, false, Tell::Nobody);
        sim.send_web(vec![message]);
        sim.run_for(Duration::from_millis(50));
    }
    let asked = sim.send_segments(&[1; 8]);
    sim.run_for(Duration::from_secs(1));
    let none_left = Fate::Failed(SubmitError::NoIds);
    assert_eq!(sim.fates(asked).unwrap(), [[Fate::Accepted; 5].as_slice(), &[none_left; 3]].concat());
    let own =
        |(_, event): &&(usize, Event)| matches!(&event.what, What::Receipt { status, .. } if status.id == event.id);
    assert_eq!((sim.web.told.len(), sim.web.told.iter().filter(own).count()), (3, 3));
    // The last receipts came when there was none.
    assert_eq!(sim.smscs[0].undelivered.len(), 2);
    sim.run_for(Duration::from_secs(60));
    sim.end();
    assert_eq!(sim.web.told.len(), 5);
}

#[test]
fn what_is_told_with_a_reply_has_its_place_in_the_queue_from_its_receipt_on() {
    for segments in [1, 3] {
        let mut sim = called(&format!(", delivery_queue: 3, window: {segments}"), "", "");
        (sim.smscs[0].habit.latency_ms, sim.smscs[0].habit.receipt_ms) = ((50, 50), (1, 1));
        let asked = sim.send_segments(&[segments; 12]);
        sim.run_for(Duration::from_millis(550));
        assert!(sim.fates(asked).is_none(), "replied to once all are accepted");
        assert!(sim.smscs[0].undelivered.len() >= 6 * usize::from(segments), "{:?}", sim.smscs[0].undelivered);
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted; 12]);
        sim.end();
        assert_eq!(sim.web.told.len(), 12);
    }
}

#[test]
fn no_more_is_stored_than_its_callback_may_be_told_of() {
    let mut sim = called(", accept: store, validity: 2s, submit_queue: 3, delivery_queue: 3", "", "");
    sim.web.callbacks.fail = 1_000;
    sim.carrier_goes(0);
    let mut fates = Vec::new();
    for _ in 0..9 {
        let asked = sim.send_segments(&[1]);
        sim.run_for(Duration::from_secs(5));
        fates.extend(sim.fates(asked).unwrap());
    }
    assert_eq!(fates, [[Fate::Stored; 6].as_slice(), &[Fate::Failed(SubmitError::QueueFull); 3]].concat());
    sim.web.callbacks.fail = 0;
    sim.smscs[0].is_up = true;
    sim.run_until_quiet(Duration::from_secs(600));
    sim.end();
    assert_eq!(sim.states_told(), [(State::Expired, dlr::UNDELIVERED); 6]);
}

#[test]
fn a_message_is_known_for_as_long_as_its_callback_may_be_told_of_it() {
    const HOUR: Duration = Duration::from_secs(3_600);
    // Receipts are awaited for `retention`, 72 hours, however long it was stored before.
    for (account, stored) in [(", status: 1m", 0), (", status: 1m, accept: store, validity: 72h", 50)] {
        let mut sim = called(account, "", "");
        sim.smscs[0].habit.receipt_ms = (60 * 3_600_000, 60 * 3_600_000);
        if stored > 0 {
            sim.carrier_goes(0);
        }
        sim.send_segments(&[2]);
        sim.run_for(HOUR * stored);
        sim.smscs[0].is_up = true;
        sim.run_for(HOUR * 59);
        assert_eq!(sim.web.told.len(), 0);
        sim.run_for(HOUR * 2);
        assert_eq!(sim.states_told(), [(State::Delivered, dlr::DELIVERED)]);
        sim.end();
    }
}

#[test]
fn the_worst_segment_says_how_a_message_stands() {
    let mut sim = called("", "", "");
    sim.smscs[0].habit.receipt_ms = (100, 100);
    let asked = sim.send_segments(&[2]);
    sim.run_for(Duration::from_millis(50));
    let id = sim.submitted(asked).unwrap()[0].id.unwrap();
    assert_eq!(sim.standing(id).unwrap().state, State::Accepted);
    sim.end();
    assert_eq!(sim.standing(id).unwrap().state, State::Delivered);
    sim.smscs[0].habit.state = Some(MessageState::Expired);
    let asked = sim.send_segments(&[2]);
    sim.run_for(Duration::from_millis(50));
    let id = sim.submitted(asked).unwrap()[0].id.unwrap();
    sim.end();
    assert_eq!(sim.standing(id).unwrap().state, State::Expired);
    assert_eq!(sim.states_told(), [(State::Delivered, dlr::DELIVERED), (State::Expired, dlr::UNDELIVERED)]);
}

#[test]
fn kannels_users_are_told_what_their_mask_asks_for() {
    let all = [(State::Accepted, dlr::ACCEPTED), (State::Enroute, dlr::BUFFERED), (State::Delivered, dlr::DELIVERED)];
    for segments in [1, 3] {
        for mask in [0, 1, 2, 3, 4, 8, 16, 19, 24, 31] {
            let mut sim = called("", "", "");
            sim.smscs[0].habit.intermediate = 1_000;
            (sim.smscs[0].habit.receipt_ms, sim.smscs[0].habit.latency_ms) = ((50, 50), (5, 5));
            sim.tell_of(segments, kannel(mask));
            sim.run_for(Duration::from_secs(1));
            sim.end();
            let is_enroute = |told: &&(State, u8)| told.1 != dlr::BUFFERED || segments == 1;
            let told: Vec<_> = sim.states_told().into_iter().filter(|told| is_enroute(&told)).collect();
            let expected: Vec<_> = all.iter().filter(|told| mask & told.1 != 0).filter(is_enroute).copied().collect();
            assert_eq!(told, expected, "mask {mask}, {segments} segments");
        }
    }
}

#[test]
fn kannels_users_are_told_of_a_refusal() {
    let refused = vec![(State::Rejected, dlr::REFUSED)];
    for (mask, expected) in [(16, refused.clone()), (2, refused), (13, vec![])] {
        let mut sim = called("", "", "");
        sim.smscs[0].habit.refused = 1_000;
        let asked = sim.tell_of(2, kannel(mask));
        sim.run_for(Duration::from_secs(1));
        assert!(matches!(sim.fates(asked).unwrap()[..], [Fate::Refused(_)]));
        sim.end();
        assert_eq!(sim.states_told(), expected);
    }
}

#[test]
fn who_asked_for_none_is_told_where_the_account_passes_what_nobody_asked_for() {
    for (account, count) in [("", 0), (", unrequested_receipts: pass", 1)] {
        let mut sim = called(account, "", "");
        sim.smscs[0].habit.sends_unrequested = true;
        let message = sim.web_message("4917000000001", 1, false, Tell::Nobody);
        sim.send_web(vec![message]);
        sim.run_for(Duration::from_secs(1));
        sim.end();
        assert_eq!(sim.web.told.len(), count);
    }
}

#[test]
fn a_receipt_is_refused_while_there_is_no_room_for_what_it_would_have_told() {
    let mut sim = called(", delivery_queue: 3", "", "");
    sim.web.callbacks.fail = 1_000;
    sim.smscs[0].habit.receipt_ms = (10, 10);
    sim.send_segments(&[1; 10]);
    sim.run_for(Duration::from_secs(5));
    assert!(sim.smscs[0].undelivered.len() >= 7, "they wait at the carrier: {:?}", sim.smscs[0].undelivered);
    sim.web.callbacks.fail = 0;
    sim.run_until_quiet(Duration::from_secs(600));
    sim.end();
    assert_eq!(sim.web.told.len(), 10);
}

#[test]
fn one_receipt_for_a_whole_message_settles_its_segments() {
    for under in [1, 3] {
        for latency_ms in [(5, 20), (5, 400)] {
            let mut sim = called("", ", links: 2, profile: whole", "  whole: { receipts: { per: message } }\n");
            let habit = &mut sim.smscs[0].habit;
            (habit.one_per_message, habit.latency_ms, habit.receipt_ms) = (Some(under), latency_ms, (0, 0));
            let asked: Vec<_> = (0..10).map(|_| sim.send_segments(&[3])).collect();
            sim.run_for(Duration::from_secs(2));
            sim.end();
            for asked in asked {
                let id = sim.submitted(asked).unwrap()[0].id.unwrap();
                let status = sim.standing(id).unwrap();
                assert!(status.segments.iter().all(|segment| segment.state == State::Delivered), "{status:?}");
            }
            assert_eq!((sim.web.told.len(), sim.books.correlations().len()), (10, 0), "under {under}");
        }
    }
}

#[test]
fn no_moment_of_a_crash_loses_what_was_promised() {
    for early in [0, 1_000] {
        for step in 0..80 {
            let mut sim = called("", ", links: 2", "");
            sim.habit.commit_us = (2_000, 6_000);
            let habit = &mut sim.smscs[0].habit;
            (habit.receipt_ms, habit.early, habit.other_link) = ((5, 20), early, 1_000);
            sim.send_segments(&[1, 3]);
            sim.tell_of(2, kannel(31));
            sim.run_for(Duration::from_micros(5_000 + 1_000 * step));
            sim.crash(step % 2 == 0);
            // Receipts of what nobody was told the ids of go to whoever is there.
            sim.run_for(Duration::from_secs(10));
            sim.bound("a0", trunkline::smpp::pdu::BindMode::Receiver);
            sim.run_until_quiet(QUIET);
            sim.end();
            sim.audit_holdings();
        }
    }
}

#[test]
fn receipts_go_the_way_their_message_came() {
    let mut sim = called("", "", "");
    let esme = sim.bound("a0", trunkline::smpp::pdu::BindMode::Transceiver);
    sim.send_segments(&[2]);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(1));
    sim.end();
    assert_eq!((sim.esmes[esme].deliveries.len(), sim.web.told.len()), (1, 1));
    assert_eq!(submit_tag(&sim.ledger.submits[&tag].body), Some(tag));
    assert_eq!(sim.base.account(A0).name, "a0");
}
