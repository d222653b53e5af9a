//! Whether an account may submit this: bind mode, policy, validity, route and rate, in this order. What may is given our
//! message_id and handed on.

use super::account::Account;
use super::context::Context;
use super::event::SubmitError;
use super::message::{Course, SubmitInfo};
use super::parts::Part;
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
use crate::smpp::view::{SmView, esm_class};

impl Account {
    /// Whether a session may submit anything now.
    pub(super) fn may_submit(&self, at: Key, cx: &Context<'_>) -> Result<(), SubmitError> {
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
        Ok(())
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
        let config = cx.config.account(self.id);
        check_policy(config, view)?;
        let segments = segment::count_segments(view);
        self.counts.segments += u64::from(segments);
        let deadline = cx.now + cx.config.smpp.timers.response;
        let course = Course { is_expiring: is_expiring(view, deadline, cx)?, ..Course::default() };
        let part = Part::read(view);
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
        let submit = Submit { origin, choice, carrier, part, info, course, refused: None, is_joined: false };
        match &config.force_sender {
            None => self.hand_on(submit, body, cx),
            Some(forced) => self.hand_on(submit, &with_sender(body, view, forced), cx),
        }
    }

    fn hand_on(&mut self, submit: Submit, body: &[u8], cx: &mut Context<'_>) -> Result<(), SubmitError> {
        match cx.config.account(self.id).accept {
            Accept::Relay => self.dispatch(submit, body, cx),
            Accept::Store => self.store(submit, body, cx),
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
