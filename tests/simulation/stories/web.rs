//! Messages that come by HTTP on their way to carriers: whole or not at all, within the account's window and rate, in turn with its
//! sessions, and each request replied to once.

use trunkline::config::AccountId;
use trunkline::engine::event::SubmitError;
use trunkline::engine::web::{Fate, Message, Reply, Request, State, Status, Submission, Submitted, Tell};
use trunkline::smpp::message_id::MessageId;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::node::In;

pub(super) const A0: AccountId = AccountId(0);

impl Sim {
    /// Messages of so many segments each.
    pub(super) fn messages(&mut self, segments: &[u8]) -> Vec<Message> {
        segments.iter().map(|count| self.web_message("4917000000001", *count, true, Tell::Account)).collect()
    }

    pub(super) fn send_web(&mut self, messages: Vec<Message>) -> u32 {
        self.ask_web(A0, Request::Submit(Submission { messages, key: None }))
    }

    pub(super) fn send_segments(&mut self, segments: &[u8]) -> u32 {
        let messages = self.messages(segments);
        self.send_web(messages)
    }

    pub(super) fn submitted(&mut self, number: u32) -> Option<Vec<Submitted>> {
        let told = self.web_reply(number)?;
        let Reply::Submitted(submitted) = told else { self.fail(&format!("request {number} was told {told:?}")) };
        Some(submitted)
    }

    pub(super) fn fates(&mut self, number: u32) -> Option<Vec<Fate>> {
        self.submitted(number).map(|submitted| submitted.iter().map(|one| one.fate).collect())
    }

    pub(super) fn standing(&mut self, id: MessageId) -> Option<Status> {
        let asked = self.ask_web(A0, Request::Status(id));
        self.run_for(Duration::from_millis(1));
        match self.web_reply(asked) {
            Some(Reply::Status(status)) => status.map(|status| *status),
            other => self.fail(&format!("a status is {other:?}")),
        }
    }

    pub(super) fn found(&mut self, reference: &str) -> Vec<Status> {
        let asked = self.ask_web(A0, Request::Find(reference.into()));
        self.run_for(Duration::from_millis(1));
        match self.web_reply(asked) {
            Some(Reply::Found(found)) => found,
            other => self.fail(&format!("what was found is {other:?}")),
        }
    }
}

#[test]
fn a_message_is_accepted_by_its_carrier_and_known_by_its_id_and_reference() {
    let mut sim = gateway("", "", ONE);
    let mut messages = sim.messages(&[1, 1]);
    messages[0].reference = Some("order".into());
    let asked = sim.send_web(messages);
    sim.run_for(Duration::from_secs(1));
    let submitted = sim.submitted(asked).unwrap();
    assert_eq!(submitted.iter().map(|one| one.fate).collect::<Vec<_>>(), [Fate::Accepted; 2]);
    assert_eq!(sim.seen_by(0), [1, 2]);
    let status = sim.standing(submitted[0].id.unwrap()).unwrap();
    assert_eq!(&*status.destination, b"4917000000001");
    assert!(status.segments[0].accepted > 0);
    assert_eq!(sim.found("order"), [status]);
    assert_eq!(sim.found("ordes"), []);
    assert_eq!(sim.standing(MessageId::new(7)), None);
    sim.end();
}

#[test]
fn of_a_reference_the_newest_hundred_are_found() {
    let mut sim = gateway("", "", ONE);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut messages = sim.messages(&[1; 50]);
        messages.iter_mut().for_each(|message| message.reference = Some("order".into()));
        let asked = sim.send_web(messages);
        sim.run_for(Duration::from_secs(2));
        ids.push(sim.submitted(asked).unwrap().iter().map(|one| one.id.unwrap()).collect::<Vec<_>>());
    }
    for _ in 0..2 {
        let found: Vec<_> = sim.found("order").iter().map(|status| status.id).collect();
        assert_eq!(found.len(), 100);
        assert!(found[..50].iter().all(|id| ids[2].contains(id)) && found[50..].iter().all(|id| ids[1].contains(id)));
        sim.crash(true);
        sim.run_for(Duration::from_secs(10));
    }
    sim.end();
}

#[test]
fn a_batch_is_taken_as_the_window_has_room_and_replied_to_as_a_whole() {
    let mut sim = gateway(", window: 10", ", links: 1", ONE);
    sim.smscs[0].habit.latency_ms = (100, 100);
    let asked = sim.send_segments(&[1; 100]);
    sim.run_for(Duration::from_millis(90));
    assert_eq!(sim.seen_by(0).len(), 10, "no more than the window");
    sim.run_for(Duration::from_millis(600));
    assert!(sim.fates(asked).is_none());
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted; 100]);
    assert_eq!(sim.seen_by(0), (1..=100).collect::<Vec<_>>(), "in order");
    sim.end();
}

#[test]
fn what_the_window_has_no_room_for_in_time_is_refused() {
    let mut sim = gateway_with("response: 4s", ", window: 2", "", ONE);
    sim.smscs[0].habit.latency_ms = (1_800, 1_800);
    let asked = sim.send_segments(&[1; 6]);
    sim.run_for(Duration::from_secs(6));
    let fates = sim.fates(asked).unwrap();
    let refused = Fate::Failed(SubmitError::WindowFull);
    assert_eq!(fates, [Fate::Accepted, Fate::Accepted, Fate::Accepted, Fate::Accepted, refused, refused]);
    sim.end();
}

#[test]
fn a_message_longer_than_the_window_goes_alone() {
    for window in [1, 3] {
        let mut sim = gateway(&format!(", window: {window}"), "", ONE);
        sim.smscs[0].habit.latency_ms = (50, 50);
        let first = sim.send_segments(&[1]);
        let long = sim.send_segments(&[8]);
        let last = sim.send_segments(&[1]);
        sim.run_for(Duration::from_millis(40));
        assert_eq!(sim.seen_by(0), [1]);
        sim.run_for(Duration::from_millis(60));
        assert_eq!(sim.seen_by(0), (1..=9).collect::<Vec<_>>());
        sim.run_for(Duration::from_secs(1));
        for asked in [first, long, last] {
            assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted]);
        }
        sim.end();
    }
}

#[test]
fn requests_that_wait_have_their_turns_whatever_one_of_them_has_brought() {
    let mut sim = gateway(", window: 2", "", ONE);
    sim.smscs[0].habit.latency_ms = (20, 20);
    let batch = sim.send_segments(&[1; 200]);
    let single = sim.send_segments(&[1]);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.fates(single).unwrap(), [Fate::Accepted]);
    assert!(sim.fates(batch).is_none());
    sim.run_for(Duration::from_secs(4));
    assert_eq!(sim.fates(batch).unwrap(), [Fate::Accepted; 200]);
    sim.end();
}

#[test]
fn sessions_and_requests_take_turns() {
    for segments in [1, 5] {
        let mut sim = gateway(", window: 4", "", ONE);
        sim.smscs[0].habit.latency_ms = (20, 20);
        let esmes = [sim.bound("a0", BindMode::Transceiver), sim.bound("a0", BindMode::Transmitter)];
        let asked: Vec<_> = (0..3).map(|_| sim.send_segments(&[segments; 100])).collect();
        for esme in esmes {
            sim.submit_many(esme, 300);
        }
        sim.run_for(Duration::from_secs(2));
        let is_web = |sim: &Sim, tag: &u32| sim.ledger.is_web(*tag);
        let seen = sim.seen_by(0);
        let web = seen.iter().filter(|tag| is_web(&sim, tag)).count() / usize::from(segments);
        let by_sessions = seen.iter().filter(|tag| !is_web(&sim, tag)).count();
        let share = seen.len() / usize::from(segments) / 4;
        assert!(web > share && by_sessions > share, "{web} messages by HTTP, {by_sessions} by SMPP");
        let answered = esmes.map(|esme| sim.esmes[esme].answers.len());
        assert!(answered.iter().all(|count| *count > by_sessions / 4), "{answered:?} of {by_sessions}");
        // The sessions go first once nothing waits, and nobody is forgotten.
        sim.run_until_quiet(Duration::from_secs(60));
        asked.iter().for_each(|asked| assert!(sim.fates(*asked).is_some()));
        sim.end();
    }
}

#[test]
fn a_session_that_had_its_turn_and_sends_nothing_holds_nobody_up() {
    let mut sim = gateway(", window: 1", "", ONE);
    sim.smscs[0].habit.latency_ms = (50, 50);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let asked = sim.send_segments(&[1; 20]);
    sim.run_for(Duration::from_millis(10));
    // It is not read, and has something else to say.
    sim.esme_sends(esme, &[0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 9]);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted; 20]);
    sim.end();
}

#[test]
fn requests_beyond_what_may_wait_are_refused_at_once() {
    let mut sim = gateway(", window: 1", "", ONE);
    sim.smscs[0].habit.latency_ms = (500, 500);
    let asked: Vec<_> = (0..12).map(|_| sim.send_segments(&[1; 1_000])).collect();
    sim.run_for(Duration::from_millis(100));
    let replied: Vec<_> = asked.iter().filter_map(|asked| sim.fates(*asked)).collect();
    assert_eq!(replied.len(), 2, "ten thousand messages wait");
    assert!(replied.iter().flatten().all(|fate| *fate == Fate::Failed(SubmitError::WindowFull)));
    sim.run_until_quiet(Duration::from_secs(60));
    sim.end();
}

#[test]
fn over_the_rate_a_message_is_refused_as_a_whole() {
    let mut sim = gateway(", rate: 10, burst: 10", "", ONE);
    let asked = sim.send_segments(&[4, 4, 4, 1]);
    sim.run_for(Duration::from_secs(1));
    let refused = Fate::Failed(SubmitError::OverRate);
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted, Fate::Accepted, refused, Fate::Accepted]);
    assert_eq!(sim.seen_by(0).len(), 9);
    sim.end();
}

#[test]
fn over_the_rate_a_message_waits_as_a_whole_where_the_account_has_it_so() {
    let mut sim = gateway(", rate: 10, burst: 10, over_rate: delay", "", ONE);
    let asked = sim.send_segments(&[8, 8, 30]);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.seen_by(0).len(), 8);
    sim.run_for(Duration::from_millis(300));
    assert_eq!(sim.seen_by(0).len(), 16, "all eight once there is room for them");
    // What is more than the burst goes when nothing is owed.
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.seen_by(0).len(), 46);
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted; 3]);
    sim.end();
}

#[test]
fn what_fails_gives_its_quota_back_by_segments() {
    let mut sim = gateway(", quota: { day: 10 }", "", ONE);
    sim.smscs[0].habit.refused = 1_000;
    let asked = sim.send_segments(&[8]);
    sim.run_for(Duration::from_secs(1));
    assert!(matches!(sim.fates(asked).unwrap()[..], [Fate::Refused(CommandStatus::RINVDSTADR)]));
    sim.smscs[0].habit.refused = 0;
    let asked = sim.send_segments(&[8, 3, 2]);
    sim.run_for(Duration::from_secs(1));
    let refused = Fate::Failed(SubmitError::OverQuota);
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted, refused, Fate::Accepted]);
    sim.end();
}

#[test]
fn what_one_carrier_has_not_the_next_takes() {
    let mut sim = gateway("", "", BOTH);
    sim.smscs[0].habit.rsyserr = 1_000;
    let asked = sim.send_segments(&[3, 1]);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Accepted; 2]);
    assert_eq!(sim.seen_by(1).len(), 4);
    for carrier in [0, 1] {
        sim.smscs[carrier].habit.rsyserr = 1_000;
    }
    let asked = sim.send_segments(&[1]);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.fates(asked).unwrap(), [Fate::Refused(CommandStatus::RSYSERR)]);
    sim.end();
}

#[test]
fn a_message_of_which_a_segment_is_refused_is_refused_and_known_when_others_left() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.latency_ms = (200, 200);
    let asked = sim.send_segments(&[3]);
    sim.run_for(Duration::from_millis(100));
    let (wire, sequence) = {
        let link = sim.smscs[0].links.iter().find(|link| !link.unanswered.is_empty()).unwrap();
        (link.wire, trunkline::smpp::command::SequenceNumber(*link.unanswered.last().unwrap()))
    };
    sim.smsc_answers(0, wire, sequence, CommandStatus::RINVDSTADR, b"");
    // The carrier took it back.
    sim.ledger.submits.get_mut(&3).unwrap().accepted_by.clear();
    sim.run_for(Duration::from_secs(1));
    let submitted = sim.submitted(asked).unwrap();
    assert_eq!(submitted[0].fate, Fate::Refused(CommandStatus::RINVDSTADR));
    let status = sim.standing(submitted[0].id.unwrap()).unwrap();
    assert_eq!(
        (status.state, status.segments[2].state, status.segments[2].error),
        (State::Rejected, State::Rejected, 11)
    );
    assert!(status.finished > 0 && status.segments[0].accepted > 0 && status.segments[2].accepted == 0);
    sim.run_until_quiet(QUIET);
}

#[test]
fn a_drain_refuses_what_waits_and_loses_no_reply() {
    let mut sim = gateway(", window: 2", "", ONE);
    sim.smscs[0].habit.latency_ms = (500, 500);
    let asked = sim.send_segments(&[1; 10]);
    sim.run_for(Duration::from_millis(100));
    for shard in 0..2 {
        sim.give(shard, In::DrainCarriers);
    }
    sim.run_for(Duration::from_millis(100));
    let late = sim.send_segments(&[1]);
    sim.run_until_true(Duration::from_secs(10), |sim| sim.nodes.iter().all(|node| node.carriers_drained));
    for shard in 0..2 {
        sim.give(shard, In::DrainSessions);
    }
    sim.run_until_true(Duration::from_secs(10), |sim| sim.nodes.iter().all(|node| node.sessions_drained));
    let draining = Fate::Failed(SubmitError::Draining);
    let fates = sim.fates(asked).expect("replied to before the process says that it is drained");
    assert_eq!(fates[..2], [Fate::Accepted; 2]);
    assert_eq!(fates[2..], [draining; 8]);
    assert_eq!(sim.fates(late).unwrap(), [draining]);
}

#[test]
fn what_is_known_is_forgotten_a_day_after_its_last_change() {
    for (account, day) in [("", 24), (", status: 2h", 2)] {
        let mut sim = gateway(account, "", ONE);
        let asked = sim.send_segments(&[2]);
        sim.run_for(Duration::from_secs(60));
        let id = sim.submitted(asked).unwrap()[0].id.unwrap();
        sim.end();
        sim.run_for(Duration::from_secs(day * 3_600 - 120));
        assert!(sim.standing(id).is_some());
        sim.run_for(Duration::from_secs(400));
        assert!(sim.standing(id).is_none());
        let kept =
            sim.nodes.iter_mut().flat_map(|node| node.shard.accounts()).map(|it| it.holdings.count()).sum::<usize>();
        assert_eq!(kept, 0);
    }
}
