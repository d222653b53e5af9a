//! What an ESME sends on a bound session: each PDU and its answer, above all `submit_sm`.
//!
//! A submit is checked here (bind mode, form, sender, destination, route, rate), given our message_id, and handed on. Every
//! refusal is a `submit_sm_resp` with its own status; only nonsense costs the session something.

use super::account::{Account, Submit};
use super::context::Context;
use super::event::{EndReason, SubmitError};
use super::message::{Course, SubmitInfo};
use super::parts::Part;
use super::router::{Query, significant};
use super::session::SessionState;
use super::slab::Key;
use super::time::Instant;
use super::validity;
use crate::config::{self, UnrequestedReceipts};
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::Frame;
use crate::smpp::message_id::MessageId;
use crate::smpp::pdu::{self, BindMode};
use crate::smpp::segment;
use crate::smpp::view::{SmView, esm_class};

impl Account {
    /// Takes one PDU of a bound session.
    pub fn handle_frame(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        if session.state == SessionState::Closing {
            return;
        }
        session.liveness.heard(cx.now);
        match frame.command {
            CommandId::SUBMIT_SM => self.handle_submit(at, frame, cx),
            CommandId::DELIVER_SM_RESP => self.handle_deliver_resp(at, frame, cx),
            CommandId::ENQUIRE_LINK => {
                let out = cx.out.write(session.connection);
                pdu::write_control(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK, frame.sequence, out);
            }
            CommandId::ENQUIRE_LINK_RESP | CommandId::GENERIC_NACK => self.handle_control_resp(at, frame, cx),
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
                // No states are kept, so no id is known: the same answer as for another account's.
                let status = match frame.command {
                    CommandId::QUERY_SM => CommandStatus::RQUERYFAIL,
                    CommandId::CANCEL_SM => CommandStatus::RCANCELFAIL,
                    _ => CommandStatus::RREPLACEFAIL,
                };
                let out = cx.out.write(session.connection);
                pdu::write_control(frame.command.response(), status, frame.sequence, out);
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
        let Err(error) = self.try_submit(at, frame, cx) else { return };
        self.counts.count_refused(error.into());
        let Some(session) = self.sessions.get(at) else { return };
        let out = cx.out.write(session.connection);
        pdu::write_submit_sm_resp(error.into(), frame.sequence, b"", out);
        if matches!(error, SubmitError::Malformed(_) | SubmitError::WrongBindMode | SubmitError::ReceiptFromEsme) {
            self.spend_error(at, cx);
        }
    }

    fn try_submit(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), SubmitError> {
        let config = cx.config.account(self.id);
        let session = self.sessions.get(at).ok_or(SubmitError::Withdrawn)?;
        if !session.mode.may_submit() {
            return Err(SubmitError::WrongBindMode);
        }
        // Before the state: a session we said goodbye to is no longer open, which is not the ESME's mistake.
        if cx.is_draining {
            return Err(SubmitError::Draining);
        }
        if session.state != SessionState::Open {
            return Err(SubmitError::WrongBindMode);
        }
        if !cx.has_room {
            return Err(SubmitError::StoreFull);
        }
        let view = SmView::submit(frame.body).map_err(SubmitError::Malformed)?;
        check_policy(config, &view)?;
        let segments = segment::count_segments(&view);
        self.counts.segments += u64::from(segments);
        let deadline = cx.now + cx.config.smpp.timers.response;
        let course = Course { is_expiring: is_expiring(&view, deadline, cx)?, ..Course::default() };
        let part = Part::read(&view);
        let affinity = part.as_ref().map_or(0, Part::affinity);
        let pick = if affinity == 0 { cx.random.draw() } else { u64::from(affinity) };
        let source = config.force_sender.as_ref().map_or(view.source.digits, |forced| forced.as_bytes());
        let (destination, data_coding) = (view.destination.digits, view.data_coding);
        let query = Query { account: self.id, destination, source, data_coding };
        let mut choice = cx.routes.choose(&query, pick).ok_or(SubmitError::NoRoute)?;
        if let Some(carrier) = part.as_ref().and_then(|part| self.messages.carrier(part, cx.now)) {
            cx.routes.begin_with(&mut choice, carrier);
        }
        if let Some(throttle) = &mut self.throttle {
            throttle.take(segments, cx.now).map_err(|_| SubmitError::OverRate)?;
        }
        let id: MessageId = cx.ids.issue(cx.out).ok_or(SubmitError::NoIds)?;
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
        let submit = Submit { sequence: frame.sequence, choice, carrier, part, info, course, refused: None };
        match &config.force_sender {
            None => self.dispatch(submit, frame.body, cx),
            Some(forced) => self.dispatch(submit, &with_sender(frame.body, &view, forced), cx),
        }
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

    fn spend_error(&mut self, at: Key, cx: &mut Context<'_>) {
        cx.counts.protocol_errors += 1;
        let Some(session) = self.sessions.get_mut(at) else { return };
        if !session.errors.spend_error(cx.now) {
            self.end_session(at, EndReason::TooManyErrors, cx);
        }
    }
}

fn check_policy(config: &config::Account, view: &SmView<'_>) -> Result<(), SubmitError> {
    if !config.submit {
        return Err(SubmitError::SubmitsDisabled);
    }
    if view.esm_class & (esm_class::RECEIPT | esm_class::INTERMEDIATE) != 0 {
        return Err(SubmitError::ReceiptFromEsme);
    }
    let allows = |patterns: &Option<Vec<config::Pattern>>, address: &[u8]| {
        patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(address)))
    };
    if config.force_sender.is_none() && !allows(&config.senders, view.source.digits) {
        return Err(SubmitError::SenderNotAllowed);
    }
    if !allows(&config.destinations, view.destination.digits) {
        return Err(SubmitError::DestinationNotAllowed);
    }
    Ok(())
}

/// Whether its validity ends before its deadline, so that its carrier has to look at it.
fn is_expiring(view: &SmView<'_>, deadline: Instant, cx: &Context<'_>) -> Result<bool, SubmitError> {
    if view.validity.is_empty() {
        return Ok(false);
    }
    match validity::end(view.validity, cx.now, cx) {
        Some(end) if end <= cx.now => Err(SubmitError::ValidityOver),
        end => Ok(end.is_some_and(|end| end < deadline)),
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

/// The body with another source address: alphanumeric, or international when it is a number (SMPP 3.4, section 5.2.5).
fn with_sender(body: &[u8], view: &SmView<'_>, sender: &str) -> Vec<u8> {
    let source_at = view.service_type.len() + 1;
    let rest_at = source_at + 2 + view.source.digits.len() + 1;
    let is_number = sender.bytes().all(|octet| octet.is_ascii_digit());
    let mut out = Vec::with_capacity(body.len() + sender.len());
    out.extend_from_slice(&body[..source_at]);
    out.extend_from_slice(if is_number { &[1, 1] } else { &[5, 0] });
    out.extend_from_slice(sender.as_bytes());
    out.push(0);
    out.extend_from_slice(&body[rest_at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_sender_replaces_only_the_source_address() {
        let body = b"CMT\0\x01\x01447\0\x01\x0149170\0\0\0\0\0\0\x01\0\0\0\x02hi\x14\x00\0\x01x";
        let view = SmView::submit(body).unwrap();
        let forced = with_sender(body, &view, "ACME");
        assert_eq!(forced, b"CMT\0\x05\0ACME\0\x01\x0149170\0\0\0\0\0\0\x01\0\0\0\x02hi\x14\x00\0\x01x");
        let numeric = with_sender(body, &view, "12345");
        assert_eq!(SmView::submit(&numeric).unwrap().source.digits, b"12345");
        assert_eq!(SmView::submit(&numeric).unwrap().source.ton, 1);
    }
}
