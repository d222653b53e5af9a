//! Messages that came by HTTP on their way to carriers: each segment is a submit of its own, and the request is replied to once
//! every one of them is settled and what is known of its message is durable.
//!
//! A message is judged, routed and counted as a whole, so that none leaves in part because a limit was met in its midst.

use ahash::AHashMap;

use crate::config::{Accept, CarrierId};
use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::event::{Action, SubmitError};
use crate::engine::joined::is_per_message;
use crate::engine::message::{Outcome, ShardMessage};
use crate::engine::slab::{Key, Slab};
use crate::engine::time::Instant;
use crate::smpp::message_id::MessageId;

use super::record::Record;
use super::storing::Ready;
use super::waiting::Line;
use super::{Caller, Fate, IdempotencyKey, Message, Reply, Request, SegmentStatus, State, Submission, Submitted};

/// Requests of one account that are not replied to.
#[derive(Debug, Default)]
pub struct Submissions {
    pub(super) open: Slab<Open>,
    /// Those of which messages wait for room in the window.
    pub(super) line: Line,
    /// Segments that were accepted, whose receipts may come.
    of: AHashMap<MessageId, Place>,
    /// Segments that wait to be durable here, with all of their requests.
    pub(super) to_store: usize,
    /// Events that have their place in the queue, and are kept when their requests are settled.
    pub(super) owed: usize,
}

#[derive(Debug)]
pub(super) struct Open {
    caller: Caller,
    /// Through this carrier alone.
    pub(super) by: Option<CarrierId>,
    asked_at: Instant,
    /// Its customer is answered by then.
    pub(super) deadline: Instant,
    pub(super) messages: Vec<Under>,
    /// The first that waits.
    next: usize,
    /// Segments that are not settled, of all messages.
    unsettled: usize,
    /// What is known of its messages is kept, and it is replied to once that is durable.
    is_kept: bool,
    pub(super) key: Option<IdempotencyKey>,
    /// With a key: the ids of each message's segments, or why it is not sent, as its intent has them.
    pub(super) intended: Vec<Result<Vec<MessageId>, SubmitError>>,
}

/// A message of a request.
#[derive(Debug)]
pub(super) enum Under {
    Waits(Message),
    Refused(SubmitError),
    Taken(Box<Taken>),
}

/// One whose segments are on their way, or settled.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) record: Record,
    /// What each segment came to, `None` while it is not settled.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// A carrier's receipt for all segments it has, while others may yet turn out to be there.
    pub(super) whole: Option<Whole>,
    /// Of the last receipt that came before its request was settled.
    pub(super) text: Box<[u8]>,
    /// Of its account's `owed`.
    pub(super) owed: usize,
    /// Segments that are stored once all are ready.
    pub(super) ready: Vec<Ready>,
    pub(super) is_stored: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    pub(super) carrier: CarrierId,
    pub(super) state: State,
    pub(super) error: u32,
}

/// Which segment of which message of which request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    pub submission: Key,
    pub message: u16,
    pub segment: u8,
}

impl Submissions {
    /// Whether every request was replied to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Segments that wait for nothing but our disk: no window holds them.
    pub(in crate::engine) fn to_store(&self) -> usize {
        self.to_store
    }

    /// Whether a message waits for room in the window.
    pub(in crate::engine) fn has_waiting(&self) -> bool {
        !self.line.is_empty()
    }

    /// Whether sessions are not to be read because it is the turn of one that waits.
    pub(in crate::engine) fn has_turn(&self) -> bool {
        self.line.has_turn()
    }

    /// When what waits is to be looked at.
    pub(in crate::engine) fn next_look(&self) -> Instant {
        self.line.next()
    }

    /// Where a segment is that was accepted.
    pub(super) fn place_of(&self, id: MessageId) -> Option<Place> {
        if self.of.is_empty() { None } else { self.of.get(&id).copied() }
    }

    pub(super) fn record(&self, place: Place) -> Option<&Record> {
        match self.open.get(place.submission)?.messages.get(usize::from(place.message))? {
            Under::Taken(taken) => Some(&taken.record),
            Under::Waits(_) | Under::Refused(_) => None,
        }
    }

    pub(super) fn taken(&mut self, place: Place) -> Option<&mut Taken> {
        match self.open.get_mut(place.submission)?.messages.get_mut(usize::from(place.message))? {
            Under::Taken(taken) => Some(taken),
            Under::Waits(_) | Under::Refused(_) => None,
        }
    }
}

impl Open {
    /// How many segments the next message has that waits.
    pub(super) fn next_segments(&self) -> Option<usize> {
        match self.messages.get(self.next)? {
            Under::Waits(message) => Some(message.segments.len()),
            Under::Refused(_) | Under::Taken(_) => None,
        }
    }

    fn is_settled(&self) -> bool {
        self.next == self.messages.len() && self.unsettled == 0
    }

    /// What became of each message.
    pub(super) fn answer(&self) -> Vec<Submitted> {
        self.messages.iter().map(Under::submitted).collect()
    }

    /// What its intent says of a message: its ids; none without a key.
    pub(super) fn intended(&self, message: usize) -> Result<Vec<MessageId>, SubmitError> {
        self.intended.get(message).cloned().unwrap_or(Ok(Vec::new()))
    }
}

impl Taken {
    /// Whether something of it was sent, or will be.
    pub(super) fn may_have_left(&self) -> bool {
        self.outcomes.iter().flatten().any(|outcome| matches!(outcome, Outcome::Accepted | Outcome::InDoubt))
    }
}

impl Account {
    /// Takes what a request asks. It is replied to by `Action::Reply`, in this turn or later.
    pub fn ask(&mut self, caller: Caller, request: Request, cx: &mut Context<'_>) {
        let reply = match request {
            Request::Submit(submission) => return self.submit(caller, (submission, None), cx),
            Request::SubmitBy(carrier, submission) => return self.submit(caller, (submission, Some(carrier)), cx),
            Request::Status(id) => Reply::Status(self.message_status(id).map(Box::new)),
            Request::Find(reference) => Reply::Found(self.find_messages(&reference)),
        };
        cx.out.act(Action::Reply { caller, reply });
    }

    fn submit(&mut self, caller: Caller, (submission, by): (Submission, Option<CarrierId>), cx: &mut Context<'_>) {
        let Submission { messages, key } = submission;
        if let Some(reply) = key.as_ref().and_then(|key| self.claim_key(key)) {
            return cx.out.act(Action::Reply { caller, reply });
        }
        let is_relayed = cx.config.account(self.id).accept == Accept::Relay;
        let is_intended = is_relayed && key.is_some();
        let submission = self.open_submission(caller, (messages, key, by), cx);
        if is_intended && self.intend(submission, cx) {
            let (account, own) = (self.id, cx.out.own());
            return cx.out.after_records(own).messages.push(ShardMessage::WebIntended { account, submission });
        }
        self.begin_submission(submission, cx);
    }

    /// A request with its deadline; nothing is done about it before `begin_submission`.
    fn open_submission(
        &mut self,
        caller: Caller,
        (messages, key, by): (Vec<Message>, Option<IdempotencyKey>, Option<CarrierId>),
        cx: &Context<'_>,
    ) -> Key {
        let messages: Vec<Under> = messages.into_iter().map(Under::Waits).collect();
        let deadline = cx.now + cx.config.smpp.timers.response;
        let (next, unsettled, is_kept, intended) = (0, 0, false, Vec::new());
        let asked_at = cx.now;
        let open = Open { caller, by, asked_at, deadline, messages, next, unsettled, is_kept, key, intended };
        self.submissions.open.insert(open)
    }

    /// Its messages may leave: with a key, its intent is durable.
    pub fn begin_submission(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.get(submission) else { return };
        let (messages, octets) = (open.messages.len(), open.messages.iter().map(Under::octets).sum());
        let late_at = cx.late_at(open.deadline);
        let has_room = self.submissions.line.has_room(messages, octets);
        self.submissions.line.push(submission, messages, octets, late_at);
        if !has_room {
            self.refuse_rest(submission, SubmitError::WindowFull, cx);
        }
        self.pump_requests(cx);
    }

    /// Takes the next message of a request, or refuses it.
    pub(super) fn take_next(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some((at, message)) = self.next_message(submission) else { return };
        let count = message.segments.len();
        self.counts.submits += count as u64;
        let first = message.segments.first().filter(|_| cx.keeps_cdr()).cloned().unwrap_or_default();
        if let Err(error) = self.take_message((submission, at), message, cx) {
            self.line_of_message(&first, count, error, cx);
            (0..count).for_each(|_| self.counts.count_refused(error.into()));
            if let Some(open) = self.submissions.open.get_mut(submission) {
                open.messages[at] = Under::Refused(error);
            }
        }
        self.finish_if_settled(submission, cx);
    }

    /// Refuses whatever of a request still waits.
    pub(super) fn refuse_rest(&mut self, submission: Key, error: SubmitError, cx: &mut Context<'_>) {
        while let Some((_, message)) = self.next_message(submission) {
            let count = message.segments.len();
            self.line_of_message(message.segments.first().map_or(b"", |body| &body[..]), count, error, cx);
            self.counts.submits += count as u64;
            (0..count).for_each(|_| self.counts.count_refused(error.into()));
            if let Some(open) = self.submissions.open.get_mut(submission) {
                open.messages[open.next - 1] = Under::Refused(error);
            }
        }
        self.finish_if_settled(submission, cx);
    }

    /// The next that waits, which waits no more: something else takes its place.
    fn next_message(&mut self, submission: Key) -> Option<(usize, Message)> {
        let open = self.submissions.open.get_mut(submission)?;
        let under = open.messages.get_mut(open.next)?;
        let octets = under.octets();
        let Under::Waits(message) = std::mem::replace(under, Under::Refused(SubmitError::Withdrawn)) else {
            return None;
        };
        open.next += 1;
        self.submissions.line.left(1, octets);
        Some((open.next - 1, message))
    }

    /// A message may go on under these ids: it is `Taken` from now on.
    pub(super) fn message_taken(&mut self, (submission, at): (Key, usize), record: Record) {
        let Some(open) = self.submissions.open.get_mut(submission) else { return };
        let count = record.ids.len();
        open.unsettled += count;
        let (outcomes, text, ready) = (vec![None; count], Box::default(), Vec::new());
        let owed = usize::from(record.tell.hears_of_answer());
        self.submissions.owed += owed;
        let taken = Taken { record, outcomes, whole: None, text, owed, ready, is_stored: false };
        open.messages[at] = Under::Taken(Box::new(taken));
    }

    /// One segment is settled.
    pub(in crate::engine) fn segment_settled(
        &mut self,
        place: Place,
        outcome: Outcome,
        carrier: CarrierId,
        cx: &mut Context<'_>,
    ) {
        let (segment, now) = (usize::from(place.segment), cx.unix_seconds());
        let Some(taken) = self.submissions.taken(place) else { return };
        taken.outcomes[segment] = Some(outcome);
        let is_accepted = outcome == Outcome::Accepted;
        taken.record.set(segment, SegmentStatus::of(outcome, now), now);
        let id = taken.record.ids[segment];
        if is_accepted && is_per_message(carrier, cx) {
            taken.record.set_carrier(segment, &cx.config.carrier(carrier).name);
            if let Some(whole) = taken.whole.filter(|whole| whole.carrier == carrier) {
                let standing = taken.record.status.segments[segment].told(whole.state, whole.error, true, now);
                standing.into_iter().for_each(|standing| taken.record.set(segment, standing, now));
            }
        }
        let told = Some(taken.record.status.segments[segment]).filter(|standing| standing.finished > 0);
        if is_accepted {
            self.submissions.of.insert(id, place);
        }
        self.count_outcome(outcome);
        self.one_settled(place.submission, cx);
        if let Some(told) = told.filter(|_| is_accepted) {
            // No receipt of its own will come.
            let home = cx.placement.home_of_carrier(carrier);
            cx.out.after_records(home).messages.push(ShardMessage::Settled { carrier, id, state: told.state.into() });
        }
    }

    /// One segment more is settled, or may be stored.
    pub(super) fn one_settled(&mut self, submission: Key, cx: &mut Context<'_>) {
        if let Some(open) = self.submissions.open.get_mut(submission) {
            open.unsettled -= 1;
        }
        self.finish_if_settled(submission, cx);
    }

    /// Every segment is settled: the request is replied to once what is known of its messages is durable.
    fn finish_if_settled(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.get_mut(submission).filter(|open| open.is_settled()) else { return };
        if std::mem::replace(&mut open.is_kept, true) {
            return;
        }
        for message in 0..open.messages.len() {
            self.message_settled(Place { submission, message: message as u16, segment: 0 }, cx);
        }
        self.settle_key(submission, cx);
        let (account, own) = (self.id, cx.out.own());
        cx.out.after_records(own).messages.push(ShardMessage::WebKept { account, submission });
    }

    /// Keeps what is known of a message, unless nothing of it went out.
    fn message_settled(&mut self, place: Place, cx: &mut Context<'_>) {
        self.store_message(place, cx);
        let Some(taken) = self.submissions.taken(place) else { return };
        taken.record.is_open = false;
        let (went_out, owed) = (taken.may_have_left(), std::mem::take(&mut taken.owed));
        let (record, text) = (taken.record.clone(), std::mem::take(&mut taken.text));
        self.submissions.owed -= owed;
        if went_out {
            self.put_record(&record, cx);
        }
        self.tell_of_settling(&record, &text, place.submission, cx);
    }

    /// What is known of its messages is durable.
    pub fn web_kept(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.remove(submission) else { return };
        cx.out.act(Action::Reply { caller: open.caller, reply: Reply::Submitted(open.answer()) });
        if let Some(key) = &open.key {
            self.close_key(key, cx);
        }
        for under in open.messages {
            if let Under::Taken(taken) = under {
                for id in &taken.record.ids {
                    self.counts.answered.observe(cx.now.since(open.asked_at));
                    self.submissions.of.remove(id);
                }
                self.message_stored(&taken.ready, cx);
            }
        }
        self.release_events(submission, cx);
    }
}

impl Under {
    fn octets(&self) -> usize {
        match self {
            Self::Waits(message) => message.segments.iter().map(|body| body.len()).sum(),
            Self::Refused(_) | Self::Taken(_) => 0,
        }
    }

    fn submitted(&self) -> Submitted {
        let taken = match self {
            Self::Taken(taken) => taken,
            Self::Refused(error) => return Submitted { id: None, fate: Fate::Failed(*error) },
            Self::Waits(_) => return Submitted { id: None, fate: Fate::Failed(SubmitError::Withdrawn) },
        };
        let outcomes = || taken.outcomes.iter().flatten().copied();
        // A refusal of one segment is the message's: the handset never gets it whole.
        let refused = outcomes().find(|outcome| matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_)));
        let in_doubt = outcomes().find(|outcome| *outcome == Outcome::InDoubt);
        let fate = match refused.or(in_doubt) {
            Some(outcome) => outcome.into(),
            None if taken.is_stored => Fate::Stored,
            None => Fate::Accepted,
        };
        Submitted { id: Some(taken.record.status.id), fate }
    }
}
