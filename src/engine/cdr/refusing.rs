//! The lines of submits that were refused, and of those that are stored. A refusal is answered when its line is durable, as an
//! acceptance is; while the journal has no room beyond its reserve, refusals have no lines and are answered at once.

use super::{Event, Line};
use crate::config::CarrierId;
use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::event::SubmitError;
use crate::engine::failures::Failure;
use crate::engine::message::{Outcome, ShardMessage};
use crate::engine::relay::{Origin, Submit};
use crate::engine::session::SessionState;
use crate::engine::slab::Key;
use crate::engine::state_record::SentAs;
use crate::engine::stored_record::StoredSubmit;
use crate::metrics::RefusedReason;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::data_sm;
use crate::smpp::frame::Frame;
use crate::smpp::message_id::MessageId;
use crate::smpp::pdu;
use crate::smpp::receipt::MessageState;

impl Account {
    /// A submit is refused as it came. True when its answer waits for the line.
    pub(in crate::engine) fn refuse_behind_line(
        &mut self,
        at: Key,
        frame: &Frame<'_>,
        error: SubmitError,
        cx: &mut Context<'_>,
    ) -> bool {
        if !keeps_refusals(cx) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(at) else { return false };
        session.outstanding += 1;
        self.refusing += 1;
        let translated;
        let line = match frame.command {
            CommandId::SUBMIT_SM => Line::of_submit(frame.body),
            CommandId::DATA_SM => {
                translated = data_sm::as_submit(frame.body).unwrap_or_default();
                Line::of_submit(&translated)
            }
            _ => Line::default(),
        };
        self.line_of_error(line, error, cx);
        let (account, command, sequence) = (self.id, frame.command.response(), frame.sequence);
        let refused = ShardMessage::Refused { account, session: at, command, sequence, error };
        let own = cx.out.own();
        cx.out.after_records(own).messages.push(refused);
        true
    }

    /// The line of a refused submit is durable: it is answered.
    pub fn refusal_kept(
        &mut self,
        at: Key,
        (command, sequence): (CommandId, SequenceNumber),
        error: SubmitError,
        cx: &mut Context<'_>,
    ) {
        self.refusing -= 1;
        self.counts.count_refused(error.into());
        if let Some(session) = self.sessions.get_mut(at) {
            session.outstanding -= 1;
            pdu::write_control(command, error.into(), sequence, cx.out.write(session.connection));
            let is_last = session.outstanding == 0 && session.state != SessionState::Open;
            if error.is_malformed() {
                self.spend_error(at, cx);
            }
            if is_last {
                self.finish_unbind(at, cx);
            }
        }
        self.share_room(cx);
    }

    /// A submit that had been let in is refused in the end, or in doubt: whom it came from is told behind the line.
    pub(in crate::engine) fn tell_refused(
        &mut self,
        submit: Submit,
        body: &[u8],
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        if !keeps_refusals(cx) {
            return self.tell_origin(&submit, outcome, cx);
        }
        // No carrier has had it: nothing is to be settled with the others of its message.
        let key = self.submits.insert(Submit { part: None, ..submit });
        self.refuse_submit(key, outcome, Line::of_submit(body), cx);
    }

    /// The same of one whose fate its carrier's home learnt. False when it has no line, and is answered at once.
    pub(in crate::engine) fn refuse_at_carrier(
        &mut self,
        key: Key,
        outcome: Outcome,
        sent: &[u8],
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(submit) = self.submits.get(key) else { return false };
        let is_told = outcome == Outcome::InDoubt || !self.has_lost_session(submit);
        if outcome == Outcome::Accepted || submit.info.is_stored() || !is_told || !keeps_refusals(cx) {
            return false;
        }
        let (info, carrier) = (submit.info, submit.carrier);
        let mut sent = sent;
        let addresses = SentAs::read(&mut sent);
        let line = Line {
            from: addresses.map_or(b"", |addresses| addresses.source.digits),
            to: addresses.map_or(b"", |addresses| addresses.destination.digits),
            segments: info.segments,
            asks_receipt: info.wants_receipt,
            carrier: cx.config.carrier(carrier).name.as_bytes(),
            ..Line::default()
        };
        self.refuse_submit(key, outcome, line, cx);
        true
    }

    /// The same of one that no carrier took.
    pub(in crate::engine) fn refuse_returned(&mut self, key: Key, outcome: Outcome, body: &[u8], cx: &mut Context<'_>) {
        let Some(submit) = self.submits.get(key) else { return };
        let (carrier, is_told) = (submit.carrier, !self.has_lost_session(submit));
        self.settled.count(carrier.0, outcome.into());
        if is_told && keeps_refusals(cx) {
            self.refuse_submit(key, outcome, Line::of_submit(body), cx);
        } else {
            self.answer_submit(key, outcome, cx);
        }
    }

    fn refuse_submit(&mut self, key: Key, outcome: Outcome, line: Line<'_>, cx: &mut Context<'_>) {
        let Some(submit) = self.submits.get(key) else { return };
        let told = outcome.after(submit.refused);
        let reason = match told {
            Outcome::Accepted | Outcome::InDoubt => RefusedReason::InDoubt,
            Outcome::Refused(_) => RefusedReason::CarrierRefused,
            Outcome::Failed(error) => error.into(),
        };
        let line = Line {
            event: Event::Refused,
            submitted: cx.submitted_at(&submit.info),
            is_http: submit.info.is_web(),
            status: Some(self.status_of(told, cx).0),
            reason: reason.label().as_bytes(),
            ..line
        };
        cx.write_line(self.id, Some(submit.info.id), submit.shown, line);
        let (account, own) = (self.id, cx.out.own());
        cx.out.after_records(own).messages.push(ShardMessage::SubmitRefused { account, submit: key, outcome });
    }

    /// A submit was refused for this, and its answer waits for what is appended.
    pub(in crate::engine) fn line_of_error(&self, line: Line<'_>, error: SubmitError, cx: &mut Context<'_>) {
        if !keeps_refusals(cx) {
            return;
        }
        let (status, reason): (CommandStatus, RefusedReason) = (error.into(), error.into());
        let (submitted, reason) = (cx.unix_seconds(), reason.label().as_bytes());
        let line = Line { event: Event::Refused, submitted, status: Some(status.0), reason, ..line };
        cx.write_line(self.id, None, None, line);
    }

    /// The same of a message that came by HTTP, by the first of its segments.
    pub(in crate::engine) fn line_of_message(
        &self,
        first: &[u8],
        segments: usize,
        error: SubmitError,
        cx: &mut Context<'_>,
    ) {
        let segments = u16::try_from(segments).unwrap_or(u16::MAX);
        self.line_of_error(Line { segments, part: None, ..Line::of_submit(first).by_http() }, error, cx);
    }

    /// A submit is stored, which for its customer is its acceptance.
    pub(in crate::engine) fn line_of_storing(&self, submit: &Submit, body: &[u8], cx: &mut Context<'_>) {
        if !cx.keeps_cdr() {
            return;
        }
        let info = &submit.info;
        let is_http = matches!(submit.origin, Origin::Web(_));
        let line = Line {
            event: Event::Accepted,
            submitted: cx.submitted_at(info),
            is_http,
            asks_receipt: info.wants_receipt,
            ..Line::of_submit(body)
        };
        cx.write_line(self.id, Some(info.id), submit.shown, line);
    }

    /// A stored submit of which no receipt will come is with a carrier: nothing more will be heard of it.
    pub(in crate::engine) fn line_of_sending(
        &self,
        (id, born, stored): (MessageId, u32, &StoredSubmit<'_>),
        carrier: CarrierId,
        cx: &mut Context<'_>,
    ) {
        if !cx.keeps_cdr() {
            return;
        }
        let line = Line {
            event: Event::Final,
            submitted: born,
            carrier: cx.config.carrier(carrier).name.as_bytes(),
            state: MessageState::Accepted.name().as_bytes(),
            reason: if stored.wants_receipt { b"no_id" } else { b"not_asked" },
            ..Line::of_submit(stored.body)
        };
        cx.write_line(self.id, Some(id), stored.shown, line);
    }

    /// A stored submit ended here.
    pub(in crate::engine) fn line_of_failure(
        &self,
        (id, born, stored): (MessageId, u32, &StoredSubmit<'_>),
        why: Failure,
        cx: &mut Context<'_>,
    ) {
        if !cx.keeps_cdr() {
            return;
        }
        let (reason, status) = match why {
            Failure::Expired => ("expired", None),
            Failure::Rejected(status) => ("carrier_refused", Some(status.0)),
            Failure::Cancelled => ("cancelled", None),
            Failure::InDoubt => ("in_doubt", None),
        };
        let line = Line {
            event: Event::Final,
            submitted: born,
            state: why.state().name().as_bytes(),
            status,
            reason: reason.as_bytes(),
            ..Line::of_submit(stored.body)
        };
        cx.write_line(self.id, Some(id), stored.shown, line);
    }
}

/// Whether a refusal has a line.
fn keeps_refusals(cx: &Context<'_>) -> bool {
    cx.keeps_cdr() && cx.has_room
}
