//! Submits under way, at their account's home: handed to a carrier's home, to the next one when they come back, and answered
//! once their fate is known.

use super::account::Account;
use super::context::Context;
use super::event::SubmitError;
use super::message::{Course, Outcome, ReturnReason, ShardMessage, SubmitInfo};
use super::parts::{Claim, Part};
use super::router::RouteChoice;
use super::session::SessionState;
use super::slab::Key;
use super::time::Instant;
use super::trace::What;
use super::web;
use crate::config::{self, CarrierId};
use crate::metrics::RefusedReason;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::congestion::add_congestion_state;
use crate::smpp::message_id::MessageId;
use crate::smpp::pdu;
use crate::smpp::view::SmView;

/// Whom to tell what became of a submit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A session's submit_sm: its answer has this number, the ESME's own.
    Submit(SequenceNumber),
    /// The same of a data_sm.
    Data(SequenceNumber),
    /// One destination of a submit_multi, by its position.
    Multi { multi: Key, place: u8 },
    /// A segment of a message that came by HTTP.
    Web(web::Place),
    /// The account itself, which keeps it under this key.
    Stored(u64),
}

/// A submit on its way, until its answer is written.
#[derive(Clone, Copy, Debug)]
pub struct Submit {
    pub origin: Origin,
    pub choice: RouteChoice,
    pub part: Option<Part>,
    /// Which of them has it.
    pub carrier: CarrierId,
    pub info: SubmitInfo,
    pub course: Course,
    /// The last carrier's refusal, once one has refused it: what the customer is told when no other takes it.
    pub refused: Option<CommandStatus>,
    /// Its answer waits for nothing but the record of it as a part whose receipt is joined with others'.
    pub is_joined: bool,
    /// The cap of its account that it is under.
    pub cap: Option<u16>,
    /// The id its customer knows it by, when that is another than its own.
    pub shown: Option<MessageId>,
    pub read_at: Instant,
}

impl Account {
    /// The carrier's home settled a submit.
    pub fn submit_done(
        &mut self,
        submit: Key,
        (outcome, answered_at): (Outcome, Instant),
        (is_over, sent): (bool, &[u8]),
        cx: &mut Context<'_>,
    ) {
        if let Some(entry) = self.submits.get_mut(submit) {
            entry.info.wants_receipt &= !is_over;
        }
        let Some(entry) = self.submits.get(submit) else { return };
        let (carrier, info, is_joined) = (entry.carrier, entry.info, entry.is_joined);
        // One id of a submit_multi stands for several messages, whose states would differ; and of what came by HTTP all is known.
        let is_web = info.is_web() || info.is_stored() && self.is_web_segment(info.id);
        let said = sent;
        let sent = if entry.shown.is_some() || is_web || outcome != Outcome::Accepted { &[] } else { sent };
        if !is_joined {
            let is_accepted_part = entry.part.is_some() && outcome == Outcome::Accepted;
            cx.loads.settled(carrier, outcome);
            self.settled.count(carrier.0, outcome.into());
            if outcome == Outcome::Accepted && info.wants_receipt {
                self.counts.committed.observe(cx.now.since(answered_at));
            }
            if self.refuse_at_carrier(submit, outcome, said, cx) {
                return;
            }
            let has_session = self.sessions.get(info.session).is_some();
            let keeps_state = !sent.is_empty();
            if keeps_state && (has_session || info.is_stored()) {
                self.keep_state(info.id, carrier, sent, cx);
            }
            if is_accepted_part && self.join_part(submit, cx) {
                return;
            }
            if keeps_state && has_session {
                // Who has the id may ask for its state, also after a crash.
                let (account, own) = (self.id, cx.out.own());
                return cx.out.after_records(own).messages.push(ShardMessage::StateKept { account, submit });
            }
        }
        self.answer_submit(submit, outcome, cx);
        if !self.joining.is_empty() {
            self.part_answered(info.id, cx);
        }
    }

    pub(super) fn answer_submit(&mut self, submit: Key, outcome: Outcome, cx: &mut Context<'_>) {
        let Some(submit) = self.submits.remove(submit) else { return };
        if self.traced.is_some() {
            self.trace(What::Settled { id: submit.info.id, outcome }, cx.now);
        }
        if let Some(part) = &submit.part {
            // Whose session is gone does not know what became of it, and may send it again.
            let is_lost = self.has_lost_session(&submit);
            let known = if is_lost && outcome == Outcome::Accepted { Outcome::InDoubt } else { outcome };
            self.messages.settled(part, known, cx.now);
        }
        match submit.origin {
            Origin::Stored(key) => {
                let is_over = !submit.info.wants_receipt;
                self.stored_settled((key, submit.carrier, is_over), outcome, submit.course, cx);
            }
            Origin::Submit(_) | Origin::Data(_) | Origin::Multi { .. } | Origin::Web(_) => {
                self.tell_origin(&submit, outcome.after(submit.refused), cx);
            }
        }
    }

    /// Tells whom a submit came from what became of it.
    pub(super) fn tell_origin(&mut self, submit: &Submit, outcome: Outcome, cx: &mut Context<'_>) {
        if let Some(limits) = &mut self.limits {
            limits.settle(outcome, submit.cap, submit.info.segments, cx);
            self.arm_limits(cx);
        }
        match submit.origin {
            Origin::Submit(sequence) => {
                self.answer_session(submit, (CommandId::SUBMIT_SM_RESP, sequence), outcome, cx);
            }
            Origin::Data(sequence) => {
                self.answer_session(submit, (CommandId::DATA_SM_RESP, sequence), outcome, cx);
            }
            Origin::Multi { multi, place } => self.settle_one(multi, (place, submit.read_at), outcome, cx),
            Origin::Web(place) => self.segment_settled(place, outcome, submit.carrier, cx),
            Origin::Stored(_) => {}
        }
        self.share_room(cx);
    }

    /// Whether nobody is there any more to be told.
    pub(super) fn has_lost_session(&self, submit: &Submit) -> bool {
        !submit.info.is_stored() && !submit.info.is_web() && self.sessions.get(submit.info.session).is_none()
    }

    /// Answers a submit_sm or data_sm on its session, if that is still there.
    fn answer_session(
        &mut self,
        submit: &Submit,
        (answer, sequence): (CommandId, SequenceNumber),
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        let (status, info) = (self.status_of(outcome, cx), &submit.info);
        let Some(session) = self.sessions.get_mut(info.session) else {
            self.counts.withdrawn += 1;
            return;
        };
        session.outstanding -= 1;
        let id = info.id.text(cx.config.account(self.id).message_id);
        let out = cx.out.write(session.connection);
        let at = out.len();
        pdu::write_submit_resp(answer, status, sequence, id.as_bytes(), out);
        let (connection, is_told) = (session.connection, status.is_ok() && session.version.has_congestion_state());
        let is_last = session.outstanding == 0 && session.state != SessionState::Open;
        if is_told {
            let congestion = self.congestion(Some(submit.carrier), cx);
            add_congestion_state(congestion, at, cx.out.write(connection));
        }
        self.count_outcome(outcome);
        self.counts.answered.observe(cx.now.since(submit.read_at));
        if is_last {
            self.finish_unbind(info.session, cx);
        }
    }

    /// What the customer is told.
    pub(super) fn status_of(&self, outcome: Outcome, cx: &Context<'_>) -> CommandStatus {
        match outcome {
            Outcome::Accepted => CommandStatus::ROK,
            Outcome::Refused(status) => status,
            Outcome::Failed(error) => error.into(),
            Outcome::InDoubt => cx.config.account(self.id).in_doubt_status,
        }
    }

    pub(super) fn count_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.counts.accepted += 1,
            Outcome::Refused(_) => self.counts.count_refused(RefusedReason::CarrierRefused),
            Outcome::Failed(error) => self.counts.count_refused(error.into()),
            Outcome::InDoubt => self.counts.count_refused(RefusedReason::InDoubt),
        }
    }

    /// The carrier's home could not send it: the next carrier, or a definite refusal.
    pub fn submit_returned(
        &mut self,
        submit: Key,
        deadline: Instant,
        (reason, course): (ReturnReason, Course),
        body: &[u8],
        cx: &mut Context<'_>,
    ) {
        let Some(entry) = self.submits.get_mut(submit) else { return };
        entry.course = course;
        if let ReturnReason::Refused(status) = reason {
            entry.refused = Some(status);
        }
        cx.loads.returned(entry.carrier, reason, cx.now);
        if cx.routes.is_stale(&entry.choice) {
            self.choose_anew(submit, body, cx);
        }
        let Some(entry) = self.submits.get_mut(submit) else { return };
        let is_awaited =
            entry.info.is_stored() || entry.info.is_web() || self.sessions.get(entry.info.session).is_some();
        let next = match &mut entry.part {
            _ if !is_awaited || cx.is_late(deadline, cx.now) || cx.is_draining || !course.may_go_on() => None,
            Some(part) => self.messages.next_carrier(part, &mut entry.choice, reason, cx),
            None => cx.routes.next_carrier(&mut entry.choice, cx.loads, cx.now).map(|carrier| (carrier, Claim::None)),
        };
        if let Some((carrier, claim)) = next {
            let info = entry.info;
            entry.carrier = carrier;
            cx.loads.sent(carrier);
            let submit = *entry;
            if self.traced.is_some() {
                self.trace(What::Handed { id: info.id, carrier }, cx.now);
            }
            submit.announce_shown(carrier, cx);
            let batch = &mut cx.out.prompt[cx.placement.home_of_carrier(carrier).index()];
            let body = batch.add(body);
            batch.messages.push(ShardMessage::Submit { carrier, info, claim, course, body });
            return;
        }
        if let Origin::Stored(key) = entry.origin {
            if let Some(submit) = self.submits.remove(submit)
                && let Some(part) = &submit.part
            {
                self.messages.settled(part, Outcome::Failed(SubmitError::QueueFull), cx.now);
            }
            return self.stored_returned(key, reason, course, cx);
        }
        let outcome = match reason {
            ReturnReason::NotBound => Outcome::Failed(SubmitError::NoCarrierBound),
            ReturnReason::QueueFull => Outcome::Failed(SubmitError::QueueFull),
            ReturnReason::Refused(status) => Outcome::Refused(status),
        };
        self.refuse_returned(submit, outcome.given(course.is_doubtful), body, cx);
    }

    /// The routes are others since it was sent: it goes on by them, but not where it comes from.
    fn choose_anew(&mut self, submit: Key, body: &[u8], cx: &mut Context<'_>) {
        let Some(before) = self.submits.get(submit).copied() else { return };
        // Without a route the choice stays stale, and names nobody.
        let Some(mut choice) = self.choice_for(&before, body, cx) else { return };
        cx.routes.take(&mut choice, before.carrier);
        if let Some(entry) = self.submits.get_mut(submit) {
            entry.choice = choice;
        }
    }

    fn choice_for(&self, submit: &Submit, body: &[u8], cx: &mut Context<'_>) -> Option<RouteChoice> {
        if let Some(carrier) = self.submissions.meant_for(submit.origin) {
            return cx.routes.only(carrier);
        }
        self.route(&SmView::submit(body).ok()?, submit.part.as_ref(), cx)
    }

    /// Hands a checked submit to its carrier's home.
    pub fn dispatch(&mut self, mut submit: Submit, body: &[u8], cx: &mut Context<'_>) -> Result<(), SubmitError> {
        if cx.routes.is_stale(&submit.choice) {
            submit.choice = self.choice_for(&submit, body, cx).ok_or(SubmitError::NoRoute)?;
        }
        let carrier = cx.routes.next_carrier(&mut submit.choice, cx.loads, cx.now).ok_or(SubmitError::NoRoute)?;
        let (part, id) = (submit.part.as_mut(), submit.info.id);
        let claim = part.map_or(Claim::None, |part| {
            part.message = id;
            self.messages.send(part, carrier, cx.now)
        });
        submit.carrier = carrier;
        cx.loads.sent(carrier);
        let key = self.submits.insert(submit);
        let Some(entry) = self.submits.get_mut(key) else { return Ok(()) };
        entry.info.submit = key;
        let (info, course) = (entry.info, entry.course);
        if self.traced.is_some() {
            self.trace(What::Handed { id, carrier }, cx.now);
        }
        if let Some(session) = self.sessions.get_mut(submit.info.session) {
            session.outstanding += 1;
        }
        if let Origin::Multi { multi, .. } = submit.origin {
            self.expect_receipts(multi, &info);
        }
        submit.announce_shown(carrier, cx);
        let batch = &mut cx.out.prompt[cx.placement.home_of_carrier(carrier).index()];
        let body = batch.add(body);
        batch.messages.push(ShardMessage::Submit { carrier, info, claim, course, body });
        Ok(())
    }

    /// A session ended: nobody waits for what it submitted.
    pub(super) fn withdraw(&self, session: Key, cx: &mut Context<'_>) {
        for carrier in 0..cx.config.carriers.len() {
            let carrier = config::CarrierId(carrier as u16);
            let home = cx.placement.home_of_carrier(carrier);
            cx.out.tell(home, ShardMessage::Withdraw { carrier, account: self.id, session });
        }
    }
}
