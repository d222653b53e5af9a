//! Requests with an Idempotency-Key: whatever happens between the first and those that repeat it, they are told the same and nothing
//! is sent twice. That no submit is, the ledger checks throughout.

use trunkline::config::AccountId;
use trunkline::engine::audit::Audited;
use trunkline::engine::event::SubmitError;
use trunkline::engine::web::{
    Fate, IdempotencyKey, Message, Reply, Request, State, Status, Submission, Submitted, Tell,
};
use trunkline::smpp::message_id::MessageId;

use super::*;
use crate::text::submit_body;

const A0: AccountId = AccountId(0);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Messages of one segment each, to `4917000000001` but where a tag says otherwise.
fn messages(tags: &[u32]) -> Vec<Message> {
    let message = |tag: &u32| {
        let body = submit_body(*tag, "4917000000001", true, 0, 0, None);
        Message { segments: vec![body.into()], reference: None, tell: Tell::Nobody }
    };
    tags.iter().map(message).collect()
}

fn keyed(key: &str, messages: Vec<Message>) -> Request {
    // Here a body is known by its messages.
    let digest = [messages.iter().map(|message| message.segments[0].len() as u8).sum(); 32];
    let key = IdempotencyKey { key: key.as_bytes().into(), digest };
    Request::Submit(Submission { messages, key: Some(key) })
}

impl Sim {
    fn ask_keyed(&mut self, key: &str, tags: &[u32]) -> u32 {
        self.ask_web(A0, keyed(key, messages(tags)))
    }

    /// Asks, and waits for what it is told.
    fn told_keyed(&mut self, key: &str, tags: &[u32]) -> Reply {
        let asked = self.ask_keyed(key, tags);
        self.reply_to(asked)
    }

    fn reply_to(&mut self, asked: u32) -> Reply {
        for _ in 0..300 {
            if let Some(reply) = self.web_reply(asked) {
                return reply;
            }
            self.run_for(Duration::from_millis(100));
        }
        self.fail(&format!("request {asked} is not replied to"))
    }

    fn submitted_keyed(&mut self, key: &str, tags: &[u32]) -> Vec<Submitted> {
        let told = self.told_keyed(key, tags);
        let Reply::Submitted(submitted) = told else { self.fail(&format!("{key} was told {told:?}")) };
        submitted
    }

    fn web_status(&mut self, id: MessageId) -> Option<Status> {
        let asked = self.ask_web(A0, Request::Status(id));
        let told = self.reply_to(asked);
        let Reply::Status(status) = told else { self.fail(&format!("a status is {told:?}")) };
        status.map(|status| *status)
    }

    fn accepted_times(&self, tag: u32) -> usize {
        self.ledger.submits[&tag].accepted_by.len()
    }
}

#[test]
fn a_request_that_is_repeated_is_told_the_same_and_sends_nothing() {
    let mut sim = gateway("", "", ONE);
    let first = sim.submitted_keyed("k", &[1, 2]);
    assert_eq!(first.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::Accepted; 2]);
    assert_eq!(sim.submitted_keyed("k", &[1, 2]), first);
    for is_power in [false, true] {
        sim.crash_and_restart(is_power);
        assert_eq!(sim.submitted_keyed("k", &[1, 2]), first);
    }
    let other = sim.submitted_keyed("l", &[3]);
    assert_ne!(other[0].id, first[0].id);
    sim.end();
    assert_eq!(sim.seen_by(0), [1, 2, 3]);
}

#[test]
fn a_request_repeated_across_a_crash_at_any_moment_is_told_of_one_id_and_the_carrier_accepts_once() {
    let (mut in_doubt, mut learnt, mut sent_again) = (0, 0, 0);
    for is_power in [false, true] {
        for moment in 0..80 {
            let mut sim = gateway("", ", links: 1", ONE);
            sim.smscs[0].habit.latency_ms = (4, 8);
            sim.smscs[0].habit.receipt_ms = (60_000, 60_000);
            let asked = sim.ask_keyed("k", &[1]);
            sim.run_for(Duration::from_micros(250 * moment));
            sim.crash_and_restart(is_power);
            let before = sim.web_reply(asked);
            sim.run_for(SECOND);
            let seen = sim.seen_by(0).len();
            let again = sim.submitted_keyed("k", &[1]);
            let id = again[0].id.unwrap();
            match (before, again[0].fate) {
                (Some(Reply::Submitted(first)), _) => assert_eq!(first, again, "{moment}"),
                (None, Fate::Accepted) if sim.seen_by(0).len() > seen => sent_again += 1,
                (None, Fate::Accepted) => learnt += 1,
                (None, Fate::InDoubt) => in_doubt += 1,
                other => panic!("{moment}: {other:?}"),
            }
            let state = if again[0].fate == Fate::InDoubt { State::Unknown } else { State::Accepted };
            assert_eq!(sim.web_status(id).map(|status| status.state), Some(state), "{moment}");
            sim.crash_and_restart(is_power);
            assert_eq!(sim.submitted_keyed("k", &[1]), again, "{moment}");
            sim.end();
            assert!(sim.accepted_times(1) <= 1, "{moment}");
            if again[0].fate == Fate::Accepted {
                assert_eq!(sim.accepted_times(1), 1);
                assert!(sim.web_status(id).is_some_and(|status| status.finished > 0), "its receipt came: {moment}");
            }
        }
    }
    println!("{in_doubt} in doubt, {learnt} known to be accepted, {sent_again} sent by the retry");
    assert!(in_doubt > 0 && learnt > 0 && sent_again > 0);
}

#[test]
fn nothing_leaves_before_its_key_is_durable() {
    let mut sim = gateway("", "", ONE);
    let asked = sim.ask_keyed("k", &[1]);
    sim.run_until_true(SECOND, |sim| !sim.seen_by(0).is_empty());
    assert!(sim.web_reply(asked).is_none());
    sim.crash_and_restart(true);
    let again = sim.submitted_keyed("k", &[1]);
    assert!(matches!(again[0].fate, Fate::InDoubt | Fate::Accepted));
    sim.end();
    assert_eq!(sim.seen_by(0), [1]);
}

#[test]
fn another_body_under_a_key_is_refused_and_so_is_the_same_while_the_first_is_open() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.latency_ms = (500, 500);
    let asked = sim.ask_keyed("k", &[1]);
    sim.run_for(Duration::from_millis(100));
    assert!(matches!(sim.told_keyed("k", &[1]), Reply::KeyBusy));
    let asked_again = sim.ask_keyed("k", &[1, 2]);
    sim.run_for(Duration::from_millis(10));
    assert!(matches!(sim.web_reply(asked_again), Some(Reply::KeyReused)));
    let Reply::Submitted(first) = sim.reply_to(asked) else { panic!("not submitted") };
    assert_eq!(sim.submitted_keyed("k", &[1]), first);
    assert!(matches!(sim.told_keyed("k", &[1, 2]), Reply::KeyReused));
    sim.crash_and_restart(false);
    assert!(matches!(sim.told_keyed("k", &[1, 2]), Reply::KeyReused));
    // Keys are the account's own.
    let asked = sim.ask_web(AccountId(1), keyed("k", messages(&[3, 4])));
    let Reply::Submitted(others) = sim.reply_to(asked) else { panic!("not submitted") };
    assert!(others.iter().all(|other| other.fate == Fate::Accepted && other.id != first[0].id));
}

#[test]
fn no_answer_is_repeated_before_it_is_durable() {
    for run in 0..20 {
        let mut sim = gateway("", "", ONE);
        // What a power failure leaves is another each time.
        for _ in 0..run {
            sim.rng.draw();
        }
        // Without a receipt nothing but the answer tells that it was accepted.
        let unreceipted = || {
            let body = submit_body(1, "4917000000001", false, 0, 0, None);
            keyed("k", vec![Message { segments: vec![body.into()], reference: None, tell: Tell::Nobody }])
        };
        let asked = sim.ask_web(A0, unreceipted());
        let mut busy = 0;
        let first = loop {
            sim.run_for(Duration::from_micros(50));
            if let Some(Reply::Submitted(first)) = sim.web_reply(asked) {
                break first;
            }
            let again = sim.ask_web(A0, unreceipted());
            sim.run_for(Duration::from_micros(10));
            match sim.web_reply(again) {
                Some(Reply::KeyBusy) => busy += 1,
                // Whoever is first told of the answer may be this one.
                Some(Reply::Submitted(first)) => break first,
                other => panic!("{other:?}"),
            }
        };
        sim.crash_and_restart(true);
        let asked = sim.ask_web(A0, unreceipted());
        let Reply::Submitted(again) = sim.reply_to(asked) else { panic!("not submitted") };
        assert_eq!((again, busy > 3), (first, true));
    }
}

#[test]
fn a_key_is_forgotten_after_a_day() {
    let mut sim = gateway("", "", ONE);
    let first = sim.submitted_keyed("k", &[1]);
    sim.run_for(DAY - Duration::from_secs(60));
    assert_eq!(sim.submitted_keyed("k", &[1]), first);
    sim.run_for(Duration::from_secs(120));
    let second = sim.submitted_keyed("k", &[2, 3]);
    assert_ne!(second[0].id, first[0].id);
}

#[test]
fn what_may_pass_gives_the_key_back_for_a_real_retry() {
    let mut sim = gateway("", "", ONE);
    sim.carrier_goes(0);
    let down = sim.submitted_keyed("k", &[1]);
    assert_eq!(down[0].fate, Fate::Failed(SubmitError::NoCarrierBound));
    // Not even a crash makes it doubtful.
    sim.crash_and_restart(true);
    sim.smscs[0].is_up = true;
    sim.run_for(Duration::from_secs(60));
    let again = sim.submitted_keyed("k", &[1]);
    assert_eq!(again[0].fate, Fate::Accepted);
    sim.end();
    assert_eq!(sim.seen_by(0), [1]);
}

#[test]
fn a_carriers_last_word_is_repeated_and_what_it_refused_for_now_is_tried_again() {
    for (refused, rsyserr, times) in [(1_000, 0, 1), (0, 1_000, 2)] {
        let mut sim = gateway("", "", ONE);
        sim.smscs[0].habit.refused = refused;
        sim.smscs[0].habit.rsyserr = rsyserr;
        let first = sim.submitted_keyed("k", &[1]);
        assert!(matches!(first[0].fate, Fate::Refused(_)), "{first:?}");
        let again = sim.submitted_keyed("k", &[1]);
        assert_eq!(again == first, times == 1);
        sim.end();
        assert_eq!(sim.seen_by(0).len(), times);
    }
}

#[test]
fn a_batch_of_which_something_was_sent_is_answered_as_it_was() {
    let mut sim = gateway(", rate: 1, burst: 2", "", ONE);
    let first = sim.submitted_keyed("k", &[1, 2, 3]);
    let fates: Vec<_> = first.iter().map(|one| one.fate).collect();
    assert_eq!(fates, [Fate::Accepted, Fate::Accepted, Fate::Failed(SubmitError::OverRate)]);
    sim.run_for(Duration::from_secs(10));
    sim.crash_and_restart(false);
    assert_eq!(sim.submitted_keyed("k", &[1, 2, 3]), first);
    sim.end();
    assert_eq!(sim.seen_by(0), [1, 2]);
}

#[test]
fn operators_are_told_of_what_may_not_be_sent_with_a_key_as_without_one() {
    let mut sim = gateway(", destinations: [\"44*\"]", "", ONE);
    assert_eq!(sim.submitted_keyed("k", &[1])[0].fate, Fate::Failed(SubmitError::DestinationNotAllowed));
    assert_eq!(sim.audited(), [(Audited::Destination, 1)]);
    assert!(sim.seen_by(0).is_empty());
}
