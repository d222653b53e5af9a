//! How messages stand, as documents.

use ::http::Response;
use bytes::Bytes;

use super::problem::{Kind, Problem};
use super::{json_response, times};
use crate::config::Account;
use crate::engine::policy;
use crate::engine::web::{State, Status};
use crate::smpp::view::Address;

pub(super) const STATES: [(State, &str); 9] = [
    (State::Queued, "queued"),
    (State::Accepted, "accepted"),
    (State::Enroute, "enroute"),
    (State::Delivered, "delivered"),
    (State::Expired, "expired"),
    (State::Deleted, "deleted"),
    (State::Undeliverable, "undeliverable"),
    (State::Unknown, "unknown"),
    (State::Rejected, "rejected"),
];

#[must_use]
pub const fn word(state: State) -> &'static str {
    STATES[state as usize].1
}

/// An unknown one and another account's look the same.
pub(super) fn none_such() -> Response<Bytes> {
    Problem::new(Kind::NotFound, "The account has no such message.").response()
}

pub(super) fn one(status: &Status, account: &Account) -> Response<Bytes> {
    let mut out = Vec::with_capacity(256 + status.segments.len() * 128);
    write(status, account, &mut out);
    json_response(out)
}

pub(super) fn several(found: &[Status], account: &Account) -> Response<Bytes> {
    let mut out = b"{\"messages\":[".to_vec();
    for (place, status) in found.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(status, account, &mut out);
    }
    out.extend_from_slice(b"]}");
    json_response(out)
}

/// A message's status as a JSON object.
pub(super) fn write(status: &Status, account: &Account, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(status.id.text(account.message_id).as_bytes());
    out.extend_from_slice(b"\",\"state\":\"");
    out.extend_from_slice(word(status.state).as_bytes());
    out.push(b'"');
    if let Some(reference) = &status.reference {
        write_text("reference", reference, out);
    }
    write_text("to", &String::from_utf8_lossy(&status.destination), out);
    let from = sender(status, account);
    if !from.is_empty() {
        write_text("from", &String::from_utf8_lossy(from), out);
    }
    write_time("submitted", status.submitted, out);
    write_time("finished", status.finished, out);
    out.extend_from_slice(b",\"segments\":[");
    for (place, segment) in status.segments.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b",{\"state\":\"" } else { b"{\"state\":\"" });
        out.extend_from_slice(word(segment.state).as_bytes());
        out.push(b'"');
        if segment.error != 0 {
            out.extend_from_slice(format!(",\"error\":{}", segment.error).as_bytes());
        }
        write_time("accepted", segment.accepted, out);
        write_time("finished", segment.finished, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

/// Whom a message is from: what came without a sender left with the account's own.
pub(super) fn sender<'a>(status: &'a Status, account: &'a Account) -> &'a [u8] {
    let came = Address { ton: 0, npi: 0, digits: &status.source };
    if came.digits.is_empty() { policy::sender(account, came).digits } else { came.digits }
}

/// A member more, of an object begun.
pub(super) fn write_text(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    // A text can always be written, and a vector takes all.
    let _ = serde_json::to_writer(out, text);
}

/// The same of what has happened.
pub(super) fn write_time(name: &str, unix_seconds: u32, out: &mut Vec<u8>) {
    if unix_seconds != 0 {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        out.extend_from_slice(times::rfc3339(unix_seconds).as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::web::SegmentStatus;
    use crate::http::tests::account;
    use crate::smpp::message_id::MessageId;

    #[test]
    fn a_state_is_found_at_its_number() {
        for (number, (state, _)) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, number);
        }
    }

    #[test]
    fn a_status_says_what_has_happened_and_nothing_that_has_not() {
        let segment = |state, error, finished| SegmentStatus { state, error, accepted: 1_795_437_297, finished };
        let mut status = Status {
            id: MessageId::new(0x0123_4567_89AB_CDEF),
            reference: Some("order \"7\"\n\u{1F600}".into()),
            source: (*b"").into(),
            destination: (*b"491701234567").into(),
            state: State::Accepted,
            submitted: 1_795_437_296,
            finished: 0,
            segments: vec![segment(State::Accepted, 0, 0), segment(State::Delivered, 0, 1_795_437_300)],
        };
        let read = |status: &Status, settings: &str| -> Value {
            serde_json::from_slice(one(status, &account(settings)).body()).unwrap()
        };
        assert_eq!(
            read(&status, "default_sender: ACME"),
            json!({
                "id": "0123456789abcdef",
                "state": "accepted",
                "reference": "order \"7\"\n\u{1F600}",
                "to": "491701234567",
                "from": "ACME",
                "submitted": "2026-11-23T12:34:56Z",
                "segments": [
                    { "state": "accepted", "accepted": "2026-11-23T12:34:57Z" },
                    { "state": "delivered", "accepted": "2026-11-23T12:34:57Z", "finished": "2026-11-23T12:35:00Z" },
                ],
            })
        );
        status.reference = None;
        status.source = (*b"CAF\xC9").into();
        status.state = State::Undeliverable;
        status.finished = 1_795_437_301;
        status.segments = vec![segment(State::Undeliverable, 99, 1_795_437_301)];
        let decimal = read(&status, "message_id: decimal");
        assert_eq!(decimal["id"], json!("81985529216486895"));
        assert_eq!(decimal["from"], json!("CAF\u{FFFD}"));
        assert_eq!(decimal["segments"][0]["error"], json!(99));
        assert_eq!((decimal.get("reference"), &decimal["finished"]), (None, &json!("2026-11-23T12:35:01Z")));
        let several = several(&[status.clone(), status], &account(""));
        let several: Value = serde_json::from_slice(several.body()).unwrap();
        assert_eq!(several["messages"].as_array().unwrap().len(), 2);
        assert_eq!(super::several(&[], &account("")).body(), &b"{\"messages\":[]}"[..]);
    }
}
