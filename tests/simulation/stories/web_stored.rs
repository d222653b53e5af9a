//! Messages that come by HTTP for an account that stores: replied to once they are durable, known as queued until a carrier has them,
//! and told of when they end here, whatever happens between. And how messages sent by SMPP stand, for who asks over HTTP.

use trunkline::config::AccountId;
use trunkline::engine::web::{
    Fate, IdempotencyKey, Message, Reply, Request, State, Status, Submission, Submitted, Tell,
};
use trunkline::smpp::command::CommandId;
use trunkline::smpp::message_id::{MessageId, MessageIdFormat};
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::segment::Mark;

use super::stored::STORE;
use super::*;
use crate::operations::cancel;
use crate::text::{Part, submit_body, valid_for};

const A0: AccountId = AccountId(0);
const SECOND: Duration = Duration::from_secs(1);

fn message(segments: Vec<Vec<u8>>) -> Message {
    let segments = segments.into_iter().map(Vec::into).collect();
    Message { segments, reference: Some("order".into()), tell: Tell::Nobody }
}

/// One of a segment, and one of two.
fn messages() -> Vec<Message> {
    let part = |number| Some(Part { mark: Mark::Udh16, reference: 9, total: 2, number });
    let body = |tag, part| submit_body(tag, "4917000000001", true, 0, 0, part);
    vec![message(vec![body(1, None)]), message(vec![body(2, part(1)), body(3, part(2))])]
}

fn of(messages: Vec<Message>, key: Option<&str>) -> Request {
    let key = key.map(|key| IdempotencyKey { key: key.as_bytes().into(), digest: [1; 32] });
    Request::Submit(Submission { messages, key })
}

impl Sim {
    fn ask_and_wait(&mut self, request: Request) -> Reply {
        let asked = self.ask_web(A0, request);
        for _ in 0..300 {
            if let Some(reply) = self.web_reply(asked) {
                return reply;
            }
            self.run_for(Duration::from_millis(10));
        }
        self.fail(&format!("request {asked} is not replied to"))
    }

    fn stores(&mut self, messages: Vec<Message>, key: Option<&str>) -> Vec<Submitted> {
        let told = self.ask_and_wait(of(messages, key));
        let Reply::Submitted(submitted) = told else { self.fail(&format!("told {told:?}")) };
        submitted
    }

    fn stands(&mut self, id: MessageId) -> Option<Status> {
        let told = self.ask_and_wait(Request::Status(id));
        let Reply::Status(status) = told else { self.fail(&format!("a status is {told:?}")) };
        status.map(|status| *status)
    }

    fn states_of(&mut self, submitted: &[Submitted]) -> Vec<State> {
        submitted.iter().filter_map(|one| Some(self.stands(one.id?)?.state)).collect()
    }
}

#[test]
fn what_is_stored_is_known_as_queued_outlives_crashes_and_is_sent_when_a_carrier_is_there() {
    let mut sim = gateway(", accept: store, validity: 48h", "", ONE);
    sim.smscs[0].habit.receipt_ms = (5_000, 5_000);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let stored = sim.stores(messages(), None);
    assert_eq!(stored.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::Stored; 2]);
    for is_power in [false, true] {
        sim.crash_and_restart(is_power);
        assert_eq!((sim.stored(), sim.states_of(&stored)), (3, vec![State::Queued; 2]));
    }
    // Longer than what is known of a message is kept without a change.
    sim.run_for(Duration::from_secs(30 * 3_600));
    assert_eq!(sim.states_of(&stored), [State::Queued; 2]);
    sim.smscs[0].is_up = true;
    sim.run_until_true(Duration::from_secs(90), |sim| sim.stored() == 0);
    assert_eq!(sim.states_of(&stored), [State::Accepted; 2]);
    sim.run_for(Duration::from_secs(60));
    let status = sim.stands(stored[1].id.unwrap()).unwrap();
    assert!(status.finished > 0 && status.segments.iter().all(|segment| segment.accepted > 0 && segment.finished > 0));
    sim.end_stored();
    assert_eq!((sim.seen_by(0), sim.esmes[esme].deliveries.len()), (vec![1, 2, 3], 0));
}

#[test]
fn a_crash_at_any_moment_loses_nothing_that_was_stored_and_sends_nothing_twice() {
    for (in_doubt, is_power, key) in [("fail", true, Some("k")), ("fail", false, None), ("retry", false, Some("k"))] {
        let (mut repeated, mut anew) = (0, 0);
        for moment in 0..60 {
            let mut sim = gateway(STORE, &format!(", in_doubt: {in_doubt}, links: 1"), ONE);
            sim.smscs[0].habit.latency_ms = (2, 6);
            let asked = sim.ask_web(A0, of(messages(), key));
            sim.run_for(Duration::from_micros(250 * moment));
            sim.crash_and_restart(is_power);
            let before = sim.web_reply(asked);
            let was_stored = sim.stored() > 0 || !sim.seen_by(0).is_empty();
            sim.run_for(Duration::from_secs(10));
            let submitted = match (before, key) {
                (Some(Reply::Submitted(submitted)), _) => submitted,
                (None, Some(key)) => {
                    let again = sim.stores(messages(), Some(key));
                    let count = if was_stored { &mut repeated } else { &mut anew };
                    *count += 1;
                    again
                }
                (None, None) => continue,
                other => panic!("{moment}: {other:?}"),
            };
            assert_eq!(submitted.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::Stored; 2]);
            sim.end_stored();
            sim.run_for(Duration::from_secs(60));
            for one in &submitted {
                let status = sim.stands(one.id.unwrap()).unwrap();
                assert!(status.finished > 0, "{in_doubt}, {moment}: {status:?}");
                assert!(in_doubt == "fail" || status.state != State::Unknown);
            }
            if in_doubt == "fail" {
                assert!((1..=3).all(|tag| sim.ledger.submits[&tag].accepted_by.len() <= 1), "{moment}");
            }
        }
        assert!(key.is_none() || repeated > 0 && anew > 0, "{in_doubt}: {repeated} told again, {anew} stored anew");
    }
}

#[test]
fn what_ends_here_is_a_status_and_no_receipt_of_smpp() {
    let mut sim = gateway(STORE, "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.carrier_goes(0);
    let body = |tag| submit_body(tag, "4917000000001", true, 0, 0, None);
    let expiring = message(vec![valid_for(&body(1), "000000000020000R")]);
    let stored = sim.stores(vec![expiring, message(vec![body(2)]), message(vec![body(3)])], None);
    let id = stored[1].id.unwrap().text(MessageIdFormat::Hex);
    sim.esme_asks(esme, CommandId::CANCEL_SM, &cancel(id.as_bytes(), "4917000000001"));
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.states_of(&stored), [State::Expired, State::Deleted, State::Queued]);
    sim.smscs[0].habit.refused = 1_000;
    sim.smscs[0].is_up = true;
    sim.run_until_true(Duration::from_secs(90), |sim| sim.stored() == 0);
    sim.run_for(SECOND);
    sim.crash_and_restart(true);
    assert_eq!(sim.states_of(&stored), [State::Expired, State::Deleted, State::Rejected]);
    let status = sim.stands(stored[2].id.unwrap()).unwrap();
    assert!(status.finished > 0 && status.segments[0].error == 11 && status.segments[0].accepted == 0);
    sim.end_stored();
    assert_eq!((sim.told(esme), sim.seen_by(0)), (vec![], vec![3]));
}

#[test]
fn what_is_lost_with_its_link_is_unknown_or_sent_again_as_the_carrier_is_set() {
    for (in_doubt, expected) in [("fail", State::Unknown), ("retry", State::Accepted)] {
        let mut sim = gateway(STORE, &format!(", in_doubt: {in_doubt}"), ONE);
        sim.smscs[0].habit.latency_ms = (500, 500);
        sim.smscs[0].habit.receipt_ms = (600_000, 600_000);
        let body = submit_body(1, "4917000000001", true, 0, 0, None);
        let stored = sim.stores(vec![message(vec![body])], None);
        sim.run_until_true(SECOND, |sim| sim.seen_by(0) == [1]);
        let wire = sim.smscs[0].submits[0].1;
        sim.smsc_breaks(0, wire);
        sim.run_until_true(Duration::from_secs(60), |sim| sim.stored() == 0);
        assert_eq!(sim.states_of(&stored), [expected]);
    }
}

#[test]
fn a_message_that_finds_no_room_is_refused_as_a_whole_and_its_key_given_back() {
    let mut sim = gateway(", accept: store, submit_queue: 2", "", ONE);
    sim.carrier_goes(0);
    let first = sim.stores(messages(), Some("k"));
    let full = Fate::Failed(trunkline::engine::event::SubmitError::QueueFull);
    assert_eq!(first.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::Stored, full]);
    assert_eq!((sim.stored(), first[1].id), (1, None));
    // Something of it is stored: the answer is the same again.
    assert_eq!(sim.stores(messages(), Some("k")), first);
    let two = || messages().split_off(1);
    assert_eq!(sim.stores(two(), Some("l"))[0].fate, full);
    sim.smscs[0].is_up = true;
    sim.run_until_true(Duration::from_secs(90), |sim| sim.stored() == 0);
    assert_eq!(sim.stores(two(), Some("l"))[0].fate, Fate::Stored);
    sim.end_stored();
    assert_eq!(sim.seen_by(0), [1, 2, 3]);
}

#[test]
fn who_asks_over_http_is_told_of_what_was_sent_by_smpp_and_only_of_his_own() {
    let mut sim = gateway(", status: 24h", "", ONE);
    sim.smscs[0].habit.receipt_ms = (5_000, 5_000);
    let (own, other) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    let (mine, theirs) = (sim.submit(own, "4917000000001", true), sim.submit(other, "4917000000002", true));
    sim.run_for(SECOND);
    let [mine, theirs] = [(own, mine), (other, theirs)].map(|(esme, tag)| {
        let (_, id) = &sim.esmes[esme].answers[&tag];
        MessageId::parse(id, MessageIdFormat::Hex).unwrap()
    });
    let status = sim.stands(mine).unwrap();
    assert_eq!((status.state, status.segments.len(), status.finished), (State::Enroute, 1, 0));
    assert_eq!((&*status.source, &*status.destination), (&b"ACME"[..], &b"4917000000001"[..]));
    assert!(status.segments[0].accepted > 0 && sim.stands(theirs).is_none());
    sim.run_for(Duration::from_secs(30));
    sim.crash_and_restart(true);
    let status = sim.stands(mine).unwrap();
    assert!(status.finished > 0 && status.segments[0].finished == status.finished);
    assert!(sim.stands(MessageId::new(77 << 40)).is_none());
}

#[test]
fn what_was_stored_by_smpp_is_known_over_http_as_queued_until_a_carrier_has_it() {
    let mut sim = gateway(STORE, "", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "4917000000001", true);
    let several = sim.submit_to(esme, 2);
    sim.run_for(SECOND);
    sim.crash_and_restart(false);
    let ids = [tag, several[0]].map(|tag| {
        let (_, id) = &sim.esmes[esme].answers[&tag];
        MessageId::parse(id, MessageIdFormat::Hex).unwrap()
    });
    for id in ids {
        let status = sim.stands(id).unwrap();
        assert_eq!((status.id, status.state, status.segments.len()), (id, State::Queued, 1));
    }
    sim.smscs[0].is_up = true;
    sim.run_until_true(Duration::from_secs(90), |sim| sim.stored() == 0);
    assert!(ids.into_iter().all(|id| sim.stands(id).is_none()), "without `status` no more is known");
}

#[test]
fn a_session_that_waits_for_what_the_rate_holds_back_goes_on_once_it_is_stored() {
    let mut sim = gateway(", accept: store, over_rate: delay, rate: 4, burst: 4, window: 2", "", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transmitter);
    let long = || {
        let part = |number| Some(Part { mark: Mark::Udh16, reference: 9, total: 4, number });
        let body = |number: u8| submit_body(u32::from(number), "4917000000001", false, 0, 0, part(number));
        message((1..=4).map(body).collect())
    };
    sim.stores(vec![long()], None);
    // The rate is spent: all four are held back, and fill the window.
    let asked = sim.ask_web(A0, of(vec![long()], None));
    let tag = sim.submit(esme, "4917000000002", false);
    sim.run_for(20 * SECOND);
    assert!(sim.web_reply(asked).is_some());
    assert_eq!(sim.count(esme, &[tag], CommandStatus::ROK), 1);
}
