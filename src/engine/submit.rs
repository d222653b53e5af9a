//! What an ESME sends on a bound session: each PDU and its answer, above all `submit_sm`.
//!
//! A submit is read here and taken or refused in `admission`. Every refusal is a `submit_sm_resp` with its own status; only nonsense
//! costs the session something.

use super::account::Account;
use super::context::Context;
use super::event::{EndReason, SubmitError};
use super::relay::Origin;
use super::session::SessionState;
use super::slab::Key;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::data_sm;
use crate::smpp::frame::Frame;
use crate::smpp::pdu::{self, BindMode};
use crate::smpp::view::SmView;

impl Account {
    /// Takes one PDU of a bound session.
    pub fn handle_frame(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        if self.traced.is_some() {
            self.trace_read(at, frame, cx.now);
        }
        let Some(session) = self.sessions.get_mut(at) else { return };
        if session.state == SessionState::Closing {
            return;
        }
        session.liveness.heard(cx.now);
        match frame.command {
            CommandId::SUBMIT_SM => self.handle_submit(at, frame, cx),
            CommandId::SUBMIT_MULTI
            | CommandId::DATA_SM
            | CommandId::QUERY_SM
            | CommandId::CANCEL_SM
            | CommandId::REPLACE_SM
                if !session.mode.may_submit() =>
            {
                let out = cx.out.write(session.connection);
                let resp = frame.command.response();
                pdu::write_control(resp, CommandStatus::RINVBNDSTS, frame.sequence, out);
                self.spend_error(at, cx);
            }
            CommandId::DATA_SM => self.handle_submit(at, frame, cx),
            CommandId::SUBMIT_MULTI => self.handle_multi(at, frame, cx),
            CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP => self.handle_deliver_resp(at, frame, cx),
            CommandId::ENQUIRE_LINK => {
                let out = cx.out.write(session.connection);
                pdu::write_control(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK, frame.sequence, out);
                self.count_question(at, cx);
            }
            CommandId::ENQUIRE_LINK_RESP | CommandId::GENERIC_NACK => self.handle_control_resp(at, frame, cx),
            CommandId::UNBIND if matches!(session.state, SessionState::Unbinding { .. }) => {
                let (out, resp) = (cx.out.write(session.connection), CommandId::UNBIND_RESP);
                pdu::write_control(resp, CommandStatus::RINVBNDSTS, frame.sequence, out);
                self.spend_error(at, cx);
            }
            CommandId::UNBIND => {
                // Both may say goodbye at once; the ESME's is answered then too.
                session.state = SessionState::Unbinding { sequence: frame.sequence };
                if session.outstanding == 0 {
                    self.finish_unbind(at, cx);
                }
            }
            CommandId::UNBIND_RESP => {
                if matches!(session.state, SessionState::AwaitingUnbindResp { .. }) {
                    self.end_session(at, EndReason::Drained, cx);
                } else {
                    self.unsolicited(at, cx);
                }
            }
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => {
                self.handle_second_bind(at, frame, cx);
            }
            CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => {
                self.handle_operation(at, frame, cx);
                self.count_question(at, cx);
            }
            CommandId::DELIVER_SM => {
                let out = cx.out.write(session.connection);
                pdu::write_deliver_sm_resp(CommandStatus::RINVBNDSTS, frame.sequence, out);
                self.spend_error(at, cx);
            }
            command if command.is_response() => self.unsolicited(at, cx),
            _ => {
                let out = cx.out.write(session.connection);
                pdu::write_control(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID, frame.sequence, out);
                self.spend_error(at, cx);
            }
        }
    }

    fn handle_submit(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        self.counts.submits += 1;
        let taken = self.try_submit(at, frame, cx);
        // Before others have their turn: it counts in the window as long as its answer waits.
        let is_answered_later = taken.is_err_and(|error| self.refuse_behind_line(at, frame, error, cx));
        if self.submissions.has_waiting() {
            self.session_had_its_turn(cx);
        }
        let Some(error) = taken.err().filter(|_| !is_answered_later) else { return };
        self.counts.count_refused(error.into());
        let Some(session) = self.sessions.get(at) else { return };
        let out = cx.out.write(session.connection);
        pdu::write_control(frame.command.response(), error.into(), frame.sequence, out);
        if error.is_malformed() {
            self.spend_error(at, cx);
        }
    }

    fn try_submit(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), SubmitError> {
        self.may_submit(at, cx)?;
        if frame.command == CommandId::DATA_SM {
            let body = data_sm::as_submit(frame.body).map_err(SubmitError::Malformed)?;
            let view = SmView::submit(&body).map_err(SubmitError::Malformed)?;
            return self.take_submit(at, Origin::Data(frame.sequence), &body, &view, cx);
        }
        let view = SmView::submit(frame.body).map_err(SubmitError::Malformed)?;
        self.take_submit(at, Origin::Submit(frame.sequence), frame.body, &view, cx)
    }

    fn handle_second_bind(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        session.rebinds += 1;
        let is_last = session.rebinds >= 3;
        let mode = BindMode::from_command(frame.command).unwrap_or(session.mode);
        let out = cx.out.write(session.connection);
        pdu::write_bind_resp(mode, CommandStatus::RALYBND, frame.sequence, &cx.config.smpp.system_id, None, out);
        if is_last {
            self.end_session(at, EndReason::TooManyErrors, cx);
        } else {
            self.spend_error(at, cx);
        }
    }

    /// An answer to our enquire_link, or a nack of something we sent.
    fn handle_control_resp(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        let is_nack = frame.command == CommandId::GENERIC_NACK;
        if is_nack && session.window.get(frame.sequence).is_some() {
            // A nacked deliver_sm is a refusal like any other, also when its status says nothing.
            let status = if frame.status.is_ok() { CommandStatus::RINVCMDID } else { frame.status };
            self.handle_deliver_resp(at, &Frame { status, ..*frame }, cx);
        } else if !session.window.was_issued(frame.sequence) {
            self.unsolicited(at, cx);
        }
    }

    pub(super) fn unsolicited(&mut self, at: Key, cx: &mut Context<'_>) {
        cx.counts.unsolicited += 1;
        let Some(session) = self.sessions.get_mut(at) else { return };
        if !session.errors.spend_unsolicited(cx.now) {
            self.end_session(at, EndReason::TooManyErrors, cx);
        }
    }

    pub(super) fn spend_error(&mut self, at: Key, cx: &mut Context<'_>) {
        cx.counts.protocol_errors += 1;
        let Some(session) = self.sessions.get_mut(at) else { return };
        if !session.errors.spend_error(cx.now) {
            self.end_session(at, EndReason::TooManyErrors, cx);
        }
    }
}

/// A short, stable hash, good enough to tell two handsets apart.
#[must_use]
pub fn hash_digits(digits: &[u8]) -> u32 {
    let hash = hash_octets(digits);
    (hash >> 32) as u32 ^ hash as u32
}

/// Eight octets at a step, folded by a wide multiplication.
pub(super) fn hash_octets(octets: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = octets.len() as u64;
    let mut mix = |word: u64| {
        let wide = u128::from(hash ^ word) * u128::from(FACTOR);
        hash = (wide >> 64) as u64 ^ wide as u64;
    };
    let (words, rest) = octets.as_chunks::<8>();
    for word in words {
        mix(u64::from_le_bytes(*word));
    }
    mix(rest.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)));
    hash
}
