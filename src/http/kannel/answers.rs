//! What sendsms is answered, in Kannel's words where it has some: clients compare them.

use std::borrow::Cow;

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA};
use ::http::{Response, StatusCode};
use bytes::Bytes;

use super::query;
use super::reading::Receivers;
use crate::engine::event::SubmitError;
use crate::engine::web::{Fate, Submitted};
use crate::http::problem::Kind;
use crate::smpp::command::CommandStatus;

/// Why nothing was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub why: Cow<'static, str>,
}

const ACCEPTED: &str = "0: Accepted for delivery";
const DENIED: &str = "Number(s) has/have been denied by white- and/or black-lists.";
const NOT_ROUTABLE: &str = "Not routable. Do not try again.";
const TRY_AGAIN: &str = "Temporal failure, try again later.";

impl Refusal {
    pub(super) const UNAUTHORIZED: Self = Self::new(StatusCode::FORBIDDEN, "Authorization failed for sendsms");
    pub(super) const UNKNOWN_TYPE: Self = Self::new(StatusCode::BAD_REQUEST, "Invalid content-type");
    pub(super) const UNSUPPORTED_TYPE: Self =
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported content-type, rejected");
    pub(super) const TEMPORARY: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, TRY_AGAIN);
    pub(super) const DENIED: Self = Self::new(StatusCode::BAD_REQUEST, DENIED);

    pub(super) const fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why: Cow::Borrowed(why) }
    }

    pub(super) const fn bad(why: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// A parameter is not what it must be.
    pub(super) fn wrong(parameter: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: format!("{parameter} field misformed, rejected").into() }
    }

    /// The dlr-url may not be called.
    pub(super) fn callback(kind: Kind, why: &str) -> Self {
        Self { status: kind.status(), why: format!("DLR-URL {why}, rejected").into() }
    }

    pub(super) fn response(self) -> Response<Bytes> {
        response(self.status, Bytes::from(self.why.into_owned()))
    }
}

/// For these methods alone.
pub(super) fn wrong_method() -> Response<Bytes> {
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, Bytes::from_static(b"GET or POST, rejected"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

fn response(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Receivers {
    /// What came of each, and those that were never tried. When one was accepted the request was, and names the others: whoever
    /// sent it all again would send twice to some.
    pub(in crate::http) fn answer(&self, submitted: &[Submitted]) -> Response<Bytes> {
        let refusals: Vec<Option<Refusal>> = submitted.iter().map(|submitted| refusal(submitted.fate)).collect();
        let is_accepted = refusals.iter().any(Option::is_none);
        if !is_accepted {
            // What may be tried again decides.
            let worst = refusals.into_iter().flatten().max_by_key(|refusal| refusal.status);
            return worst.unwrap_or(Refusal::DENIED).response();
        }
        let mut body = ACCEPTED.as_bytes().to_vec();
        let failed = self.numbers.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_some());
        append(" Denied receivers are:", self.denied.iter(), &mut body);
        append(" Failed receivers are:", failed.map(|(receiver, _)| receiver), &mut body);
        response(StatusCode::ACCEPTED, body.into())
    }
}

fn append<'a>(title: &str, receivers: impl Iterator<Item = &'a Vec<u8>>, body: &mut Vec<u8>) {
    for (at, receiver) in receivers.enumerate() {
        body.extend_from_slice(if at == 0 { title.as_bytes() } else { b"" });
        body.push(b' ');
        receiver.iter().for_each(|octet| harmless(*octet, body));
    }
}

/// The answer is called HTML, as by Kannel, and anybody may have written what stands in a link.
fn harmless(octet: u8, body: &mut Vec<u8>) {
    match octet {
        b'<' | b'>' | b'&' => query::encode(&[octet], body),
        _ => body.push(octet),
    }
}

/// `None`: it was accepted.
fn refusal(fate: Fate) -> Option<Refusal> {
    match fate {
        Fate::Accepted | Fate::Stored => None,
        Fate::Refused(status) => Some(refused(status)),
        Fate::Failed(error) => Some(failed(error)),
        Fate::InDoubt => Some(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "In doubt: the SMSC has not answered, the message may have been sent.",
        )),
    }
}

/// By a carrier.
fn refused(status: CommandStatus) -> Refusal {
    match status {
        CommandStatus::RTHROTTLED | CommandStatus::RMSGQFUL | CommandStatus::RSYSERR | CommandStatus::RX_T_APPN => {
            Refusal::TEMPORARY
        }
        _ => Refusal {
            status: StatusCode::FORBIDDEN,
            why: format!("Rejected by the SMSC with 0x{:08x}. Do not try again.", status.0).into(),
        },
    }
}

/// By us.
fn failed(error: SubmitError) -> Refusal {
    let forbidden = |why| Refusal::new(StatusCode::FORBIDDEN, why);
    match error {
        SubmitError::NoRoute => forbidden(NOT_ROUTABLE),
        SubmitError::DestinationNotAllowed | SubmitError::OptedOut => Refusal::DENIED,
        SubmitError::SenderNotAllowed => forbidden("Sender is not allowed, rejected"),
        SubmitError::SubmitsDisabled | SubmitError::WrongBindMode => forbidden("The account may not send, rejected"),
        SubmitError::OverCap => forbidden("Too much to this destination for now, rejected"),
        SubmitError::ValidityOver => Refusal::bad("Validity is over, rejected"),
        SubmitError::DistributionList | SubmitError::ReceiptFromEsme => Refusal::bad("Message misformed, rejected"),
        SubmitError::Malformed(status) => Refusal {
            status: StatusCode::BAD_REQUEST,
            why: format!("Message misformed (0x{:08x}), rejected", status.0).into(),
        },
        SubmitError::NoCarrierBound
        | SubmitError::OverRate
        | SubmitError::OverQuota
        | SubmitError::QueueFull
        | SubmitError::WindowFull
        | SubmitError::Expired
        | SubmitError::Draining
        | SubmitError::NoIds
        | SubmitError::StoreFull
        | SubmitError::Withdrawn => Refusal::TEMPORARY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::message_id::MessageId;

    fn told(denied: &[&str], fates: &[Fate]) -> (u16, String) {
        let submitted: Vec<_> =
            fates.iter().map(|fate| Submitted { id: Some(MessageId::new(1)), fate: *fate }).collect();
        let numbers = (0..fates.len()).map(|at| format!("4915{at}").into_bytes()).collect();
        let denied = denied.iter().map(|denied| denied.as_bytes().to_vec()).collect();
        let response = Receivers { numbers, denied }.answer(&submitted);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
        (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
    }

    #[test]
    fn each_fate_has_its_answer() {
        let refused = |status| Fate::Refused(CommandStatus(status));
        for (fate, status, body) in [
            (Fate::Accepted, 202, "0: Accepted for delivery"),
            (Fate::Stored, 202, "0: Accepted for delivery"),
            (Fate::InDoubt, 503, "In doubt: the SMSC has not answered, the message may have been sent."),
            (refused(0x0B), 403, "Rejected by the SMSC with 0x0000000b. Do not try again."),
            (refused(0x58), 503, "Temporal failure, try again later."),
            (refused(0x08), 503, "Temporal failure, try again later."),
            (Fate::Failed(SubmitError::NoRoute), 403, "Not routable. Do not try again."),
            (Fate::Failed(SubmitError::OptedOut), 400, DENIED),
            (Fate::Failed(SubmitError::OverRate), 503, "Temporal failure, try again later."),
            (Fate::Failed(SubmitError::NoCarrierBound), 503, "Temporal failure, try again later."),
            (Fate::Failed(SubmitError::StoreFull), 503, "Temporal failure, try again later."),
            (Fate::Failed(SubmitError::SenderNotAllowed), 403, "Sender is not allowed, rejected"),
            (
                Fate::Failed(SubmitError::Malformed(CommandStatus::RINVDSTADR)),
                400,
                "Message misformed (0x0000000b), rejected",
            ),
        ] {
            assert_eq!(told(&[], &[fate]), (status, body.to_owned()), "{fate:?}");
        }
    }

    #[test]
    fn several_are_accepted_when_one_was_and_the_others_are_named() {
        let (no_route, busy) = (Fate::Failed(SubmitError::NoRoute), Fate::Failed(SubmitError::OverRate));
        assert_eq!(told(&[], &[Fate::Accepted, Fate::Stored]), (202, ACCEPTED.to_owned()));
        let named = "0: Accepted for delivery Denied receivers are: abc 1+2 Failed receivers are: 49150 49152";
        assert_eq!(told(&["abc", "1+2"], &[no_route, Fate::Accepted, busy]), (202, named.to_owned()));
        let markup = "0: Accepted for delivery Denied receivers are: %3Cscript%3E a%26b";
        assert_eq!(told(&["<script>", "a&b"], &[Fate::Accepted]), (202, markup.to_owned()), "no HTML");
        assert_eq!(told(&["abc"], &[no_route, busy, no_route]), (503, TRY_AGAIN.to_owned()));
        assert_eq!(told(&["abc"], &[no_route, no_route]), (403, NOT_ROUTABLE.to_owned()));
        assert_eq!(told(&["abc"], &[]), (400, DENIED.to_owned()));
    }
}
