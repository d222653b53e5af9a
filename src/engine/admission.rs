//! Whether an account may submit this: bind mode, policy, validity, route and limits, in this order, so that what is refused has
//! spent nothing. What may is given our message_id and handed on.

use super::account::Account;
use super::context::Context;
use super::event::SubmitError;
use super::limits::Leave;
use super::message::{Course, Outcome, SubmitInfo};
use super::parts::Part;
use super::policy;
use super::relay::{Origin, Submit};
use super::router::{Query, significant};
use super::session::SessionState;
use super::slab::Key;
use super::submit::hash_digits;
use super::time::Instant;
use super::validity;
use crate::config::{self, Accept, UnrequestedReceipts};
use crate::smpp::message_id::MessageId;
use crate::smpp::segment;
use crate::smpp::version::Version;
use crate::smpp::view::SmView;

impl Account {
    /// Whether a session may submit anything now.
    pub(super) fn may_submit(&self, at: Key, cx: &Context<'_>) -> Result<(), SubmitError> {
        let session = self.sessions.get(at).ok_or(SubmitError::Withdrawn)?;
        if !session.mode.may_submit() {
            return Err(SubmitError::WrongBindMode);
        }
        // Before the state: a session we said goodbye to is no longer open, which is not the ESME's mistake.
        if cx.is_draining || matches!(session.state, SessionState::Leaving { .. }) {
            return Err(SubmitError::Draining);
        }
        if session.state != SessionState::Open {
            return Err(SubmitError::WrongBindMode);
        }
        if !cx.has_room {
            return Err(SubmitError::StoreFull);
        }
        Ok(())
    }

    /// A message_id for what this session submits: of eight digits when it has room for no more.
    pub(super) fn issue_id(&self, at: Key, cx: &mut Context<'_>) -> Option<MessageId> {
        if self.takes_short_ids(at) { cx.ids.issue_short(cx.out) } else { cx.ids.issue(cx.out) }
    }

    fn has_ids(&self, at: Key, cx: &Context<'_>) -> bool {
        if self.takes_short_ids(at) { cx.ids.has_any_short() } else { cx.ids.has_any() }
    }

    fn takes_short_ids(&self, at: Key) -> bool {
        self.sessions.get(at).is_some_and(|session| session.version == Version::V33)
    }

    /// Takes one message to one destination, as a submit_sm's body, or says why not.
    pub(super) fn take_submit(
        &mut self,
        at: Key,
        origin: Origin,
        body: &[u8],
        view: &SmView<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), SubmitError> {
        let taken = self.admit_submit(at, origin, body, view, cx);
        if let Err(error) = taken {
            self.refused(Some(at), error, view, cx);
        }
        taken
    }

    fn admit_submit(
        &mut self,
        at: Key,
        origin: Origin,
        body: &[u8],
        view: &SmView<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), SubmitError> {
        let config = cx.config.account(self.id);
        if self.is_disabled {
            return Err(SubmitError::SubmitsDisabled);
        }
        policy::check(config, self.opt_out.as_deref(), view)?;
        let segments = segment::count_segments(view);
        self.counts.segments += u64::from(segments);
        let deadline = cx.now + cx.config.smpp.timers.response;
        let course = Course { is_expiring: is_expiring(view, deadline, cx)?, ..Course::default() };
        let part = Part::read(view);
        let affinity = part.as_ref().map_or(0, Part::affinity);
        let pick = if affinity == 0 { cx.random.draw() } else { u64::from(affinity) };
        let source = policy::sender(config, view.source).digits;
        let (destination, data_coding) = (view.destination.digits, view.data_coding);
        let query = Query { account: self.id, destination, source, data_coding };
        let mut choice = cx.routes.choose(&query, pick).ok_or(SubmitError::NoRoute)?;
        if let Some(carrier) = part.as_ref().and_then(|part| self.messages.carrier(part, cx.now)) {
            cx.routes.begin_with(&mut choice, carrier);
        }
        if !self.has_ids(at, cx) {
            return Err(SubmitError::NoIds);
        }
        let late_at = cx.late_at(deadline);
        let leave = match &mut self.limits {
            Some(limits) => limits.take(config, destination, segments, late_at, cx)?,
            None => Leave::FREE,
        };
        let id = self.issue_id(at, cx).ok_or(SubmitError::NoIds)?;
        let info = SubmitInfo {
            account: self.id,
            submit: Key { slot: 0, generation: 0 },
            session: at,
            id,
            deadline,
            destination: hash_digits(significant(view.destination.digits)),
            affinity,
            segments: u16::try_from(segments).unwrap_or(u16::MAX),
            priority: view.priority.min(3),
            // What is to be passed on although nobody asked for it needs to be known as well.
            wants_receipt: view.wants_receipt() || config.unrequested_receipts == UnrequestedReceipts::Pass,
        };
        // Its first carrier is known once it leaves.
        let carrier = config::CarrierId(0);
        let (cap, shown) = (leave.cap, self.shown_of(origin));
        let (refused, is_joined, read_at) = (None, false, cx.now);
        let submit = Submit { origin, choice, carrier, part, info, course, refused, is_joined, cap, shown, read_at };
        if leave.is_held {
            self.hold(submit, (segments, late_at), body, cx);
            return Ok(());
        }
        let taken = self.hand_on(submit, body, cx);
        if let Some(limits) = &mut self.limits {
            if let Err(error) = taken {
                limits.settle(Outcome::Failed(error), leave.cap, info.segments, cx);
            }
            self.arm_limits(cx);
        }
        taken
    }

    /// A part goes first where others of its message went.
    pub(super) fn begin_with_others(&self, submit: &mut Submit, cx: &Context<'_>) {
        if let Some(carrier) = submit.part.as_ref().and_then(|part| self.messages.carrier(part, cx.now)) {
            cx.routes.begin_with(&mut submit.choice, carrier);
        }
    }

    /// What may leave now goes to a carrier, or is kept until one has room.
    pub(super) fn hand_on(&mut self, submit: Submit, body: &[u8], cx: &mut Context<'_>) -> Result<(), SubmitError> {
        match (cx.config.account(self.id).accept, submit.origin) {
            (Accept::Relay, _) => self.dispatch(submit, body, cx),
            // What is kept goes by the routes.
            (Accept::Store, origin) if self.submissions.meant_for(origin).is_some() => self.dispatch(submit, body, cx),
            (Accept::Store, Origin::Web(place)) => {
                self.segment_ready(place, submit, body, cx);
                Ok(())
            }
            (Accept::Store, _) => self.store(submit, body, cx),
        }
    }
}

/// Whether its validity ends before its deadline, so that its carrier has to look at it.
pub(super) fn is_expiring(view: &SmView<'_>, deadline: Instant, cx: &Context<'_>) -> Result<bool, SubmitError> {
    if view.validity.is_empty() {
        return Ok(false);
    }
    match validity::end(view.validity, cx.now, cx) {
        Some(end) if end <= cx.now => Err(SubmitError::ValidityOver),
        end => Ok(end.is_some_and(|end| end < deadline)),
    }
}
