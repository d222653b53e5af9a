//! Messages that came by HTTP on their way to carriers: each segment is a submit of its own, and the request is replied to once
//! every one of them is settled and what is known of its message is durable.
//!
//! A message is judged, routed and counted as a whole, so that none leaves in part because a limit was met in its midst.

use crate::config::{Accept, CarrierId, UnrequestedReceipts};
use crate::engine::account::Account;
use crate::engine::admission::is_expiring;
use crate::engine::context::Context;
use crate::engine::event::{Action, SubmitError};
use crate::engine::limits::Leave;
use crate::engine::message::{Course, Outcome, ShardMessage, SubmitInfo};
use crate::engine::parts::Part;
use crate::engine::policy;
use crate::engine::relay::{Origin, Submit};
use crate::engine::router::{Query, significant};
use crate::engine::slab::{Key, Slab};
use crate::engine::submit::hash_digits;
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

use super::{Caller, Fate, Message, Reply, Request, Submission, Submitted};

/// Requests of one account that are not replied to.
#[derive(Debug, Default)]
pub struct Submissions {
    open: Slab<Open>,
}

#[derive(Debug)]
struct Open {
    caller: Caller,
    messages: Vec<Under>,
    /// Segments that are not settled, of all messages.
    unsettled: usize,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Under {
    pub(super) message: Message,
    /// One for each segment; none when it was refused before it had any.
    pub(super) ids: Vec<MessageId>,
    /// What each came to, `None` while it is not settled.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// Why it was refused as a whole.
    refusal: Option<SubmitError>,
    pub(super) submitted: u32,
}

/// Which segment of which message of which request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    pub submission: Key,
    pub message: u16,
    pub segment: u8,
}

impl Account {
    /// Takes what a request asks. It is replied to by `Action::Reply`, in this turn or later.
    pub fn ask(&mut self, caller: Caller, request: Request, cx: &mut Context<'_>) {
        match request {
            Request::Submit(submission) => self.submit(caller, submission, cx),
            Request::Status(id) => {
                let reply = Reply::Status(self.message_status(id).map(Box::new));
                cx.out.act(Action::Reply { caller, reply });
            }
            Request::Find(reference) => {
                let reply = Reply::Found(self.find_messages(&reference));
                cx.out.act(Action::Reply { caller, reply });
            }
        }
    }

    fn submit(&mut self, caller: Caller, submission: Submission, cx: &mut Context<'_>) {
        let Submission { messages, key: _ } = submission;
        let submitted = cx.unix_seconds();
        let under = |message| Under { message, ids: Vec::new(), outcomes: Vec::new(), refusal: None, submitted };
        let messages: Vec<Under> = messages.into_iter().map(under).collect();
        let count = messages.len();
        let submission = self.submissions.open.insert(Open { caller, messages, unsettled: 0 });
        for message in 0..count {
            self.take_message(submission, message, cx);
        }
        self.reply_if_settled(submission, cx);
    }

    fn take_message(&mut self, submission: Key, at: usize, cx: &mut Context<'_>) {
        self.counts.submits += 1;
        let Some(open) = self.submissions.open.get_mut(submission) else { return };
        let segments = std::mem::take(&mut open.messages[at].message.segments);
        let taken = self.admit_message((submission, at), &segments, cx);
        let Some(open) = self.submissions.open.get_mut(submission) else { return };
        open.messages[at].message.segments = segments;
        if let Err(error) = taken {
            self.counts.count_refused(error.into());
            open.messages[at].refusal = Some(error);
        }
    }

    fn admit_message(
        &mut self,
        (submission, at): (Key, usize),
        segments: &[Box<[u8]>],
        cx: &mut Context<'_>,
    ) -> Result<(), SubmitError> {
        if cx.is_draining {
            return Err(SubmitError::Draining);
        }
        if !cx.has_room {
            return Err(SubmitError::StoreFull);
        }
        let config = cx.config.account(self.id);
        let first = segments.first().ok_or(SubmitError::NoIds)?;
        let view = SmView::submit(first).map_err(SubmitError::Malformed)?;
        policy::check(config, self.opt_out.as_deref(), &view)?;
        let count = segments.len() as u32;
        self.counts.segments += u64::from(count);
        let deadline = cx.now + cx.config.smpp.timers.response;
        let course = Course { is_expiring: is_expiring(&view, deadline, cx)?, ..Course::default() };
        let affinity = Part::read(&view).as_ref().map_or(0, Part::affinity);
        let pick = if affinity == 0 { cx.random.draw() } else { u64::from(affinity) };
        let source = policy::sender(config, view.source).digits;
        let (destination, data_coding) = (view.destination.digits, view.data_coding);
        let query = Query { account: self.id, destination, source, data_coding };
        let choice = cx.routes.choose(&query, pick).ok_or(SubmitError::NoRoute)?;
        let ids: Vec<MessageId> = segments.iter().map_while(|_| cx.ids.issue(cx.out)).collect();
        if ids.len() < segments.len() {
            return Err(SubmitError::NoIds);
        }
        let late_at = cx.late_at(deadline);
        let leave = match &mut self.limits {
            Some(limits) => limits.take(config, destination, count, late_at, cx)?,
            None => Leave::FREE,
        };
        let info = SubmitInfo {
            account: self.id,
            submit: Key { slot: 0, generation: 0 },
            session: SubmitInfo::WEB,
            id: ids[0],
            deadline,
            destination: hash_digits(significant(destination)),
            affinity,
            segments: 1,
            priority: view.priority.min(3),
            wants_receipt: view.wants_receipt() || config.unrequested_receipts == UnrequestedReceipts::Pass,
        };
        let Some(open) = self.submissions.open.get_mut(submission) else { return Ok(()) };
        open.unsettled += segments.len();
        open.messages[at].outcomes = vec![None; segments.len()];
        open.messages[at].ids = ids.clone();
        for (segment, (body, id)) in segments.iter().zip(ids).enumerate() {
            let place = Place { submission, message: at as u16, segment: segment as u8 };
            let part = SmView::submit(body).ok().and_then(|view| Part::read(&view));
            let submit = Submit {
                origin: Origin::Web(place),
                choice,
                carrier: CarrierId(0),
                part,
                info: SubmitInfo { id, ..info },
                course,
                refused: None,
                is_joined: false,
                cap: leave.cap,
                shown: None,
            };
            if leave.is_held {
                self.hold(submit, late_at, body, cx);
            } else if let Err(error) = self.hand_on(submit, body, cx) {
                self.tell_origin(&submit, Outcome::Failed(error), cx);
            }
        }
        Ok(())
    }

    /// One segment is settled.
    pub(in crate::engine) fn segment_settled(&mut self, place: Place, outcome: Outcome, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.get_mut(place.submission) else { return };
        open.unsettled -= 1;
        let message = &mut open.messages[usize::from(place.message)];
        message.outcomes[usize::from(place.segment)] = Some(outcome);
        self.count_outcome(outcome);
        self.reply_if_settled(place.submission, cx);
    }

    /// Every segment is settled: the request is replied to once what is known of its messages is durable.
    fn reply_if_settled(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.get(submission).filter(|open| open.unsettled == 0) else { return };
        for message in 0..open.messages.len() {
            self.keep_message(submission, message, cx);
        }
        let (account, own) = (self.id, cx.out.own());
        cx.out.after_records(own).messages.push(ShardMessage::WebKept { account, submission });
    }

    /// What is known of its messages is durable.
    pub fn web_kept(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.remove(submission) else { return };
        let accept = cx.config.account(self.id).accept;
        let reply = Reply::Submitted(open.messages.iter().map(|message| message.submitted(accept)).collect());
        cx.out.act(Action::Reply { caller: open.caller, reply });
    }

    pub(super) fn under_way(&self, submission: Key, message: usize) -> Option<&Under> {
        self.submissions.open.get(submission)?.messages.get(message)
    }
}

impl Under {
    fn submitted(&self, accept: Accept) -> Submitted {
        let id = self.ids.first().copied();
        if let Some(error) = self.refusal {
            return Submitted { id, fate: Fate::Failed(error) };
        }
        let outcomes = || self.outcomes.iter().flatten().copied();
        // A refusal of one segment is the message's: the handset never gets it whole.
        let refused = outcomes().find(|outcome| matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_)));
        let in_doubt = outcomes().find(|outcome| *outcome == Outcome::InDoubt);
        let fate = match refused.or(in_doubt) {
            Some(outcome) => outcome.into(),
            None if accept == Accept::Store => Fate::Stored,
            None => Fate::Accepted,
        };
        Submitted { id, fate }
    }
}
