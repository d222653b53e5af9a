//! Calls as they go out, octet by octet.

use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::config::{self, AccountId, Surroundings};
use crate::engine::slab::Key;
use crate::engine::web::{SegmentStatus, State, Status, What};
use crate::smpp::message_id::MessageId;

/// The example of Standard Webhooks' own documentation and libraries.
#[test]
fn a_call_is_signed_as_standard_webhooks_has_it() {
    let key = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let body = r#"{"test": 2432232314}"#.to_owned();
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned();
    let secrets = [Secret::new(key), Secret::new("new")];
    let call = signed("https://h/", &secrets, id, body, 1_614_265_330);
    let signatures: Vec<&str> = header(&call, "webhook-signature").unwrap().split(' ').collect();
    assert_eq!(signatures[0], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    // printf '%s' 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -hmac new -binary | base64
    assert_eq!(signatures[1..], ["v1,XlVor52g67coafEFmAiDjPDMvUPchV6NZJbEcXMNqUQ="]);
    assert_eq!(header(&call, "webhook-timestamp"), Some("1614265330"));
}

fn account(fields: &str) -> Account {
    let text = format!("accounts:\n  acme: {{ password: p, {fields} }}\n");
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &|_| Err(String::new()) };
    config::parse(&text, &surroundings).unwrap().config.accounts.remove(0)
}

fn post(target: Target, events: Vec<Event>) -> Post {
    Post { account: AccountId(0), post: Key { slot: 1, generation: 1 }, target, events }
}

fn receipt(id: u64) -> Event {
    let segment = |state, error| SegmentStatus { state, error, accepted: 1_795_437_291, finished: 0 };
    let status = Status {
        id: MessageId::new(0x1234),
        reference: Some("order 7".into()),
        source: b"ACME"[..].into(),
        destination: b"491701234567"[..].into(),
        state: State::Undeliverable,
        submitted: 1_795_437_290,
        finished: 1_795_437_296,
        segments: vec![segment(State::Delivered, 3), segment(State::Undeliverable, 27)],
    };
    let text = b"id:7 stat:UNDELIV err:027"[..].into();
    Event { id: MessageId::new(id), at: 1_795_437_296, what: What::Receipt { status, text } }
}

/// A deliver_sm's body.
fn part(esm_class: u8, data_coding: u8, short_message: &[u8]) -> Box<[u8]> {
    let head =
        [b"\0\x01\x01491701234567\0\x03\x0012345\0", &[esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0][..]].concat();
    [&head[..], &[short_message.len() as u8], short_message].concat().into()
}

fn message(parts: Vec<Box<[u8]>>, total: u8) -> Event {
    Event { id: MessageId::new(0x7_0000_0ABC), at: 1_795_437_296, what: What::Message { parts, total } }
}

fn body(call: &Outgoing) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn header<'a>(call: &'a Outgoing, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn data_of(event: Event) -> Value {
    let account = account("callback: { url: \"https://h/\" }");
    let mut body = body(&compose(&post(Target::Account, vec![event]), &account, 0).unwrap());
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("message"), &json!("2026-11-23T12:34:56Z")));
    body["data"].take()
}

#[test]
fn a_receipt_says_what_became_of_the_message_and_of_each_segment() {
    let account = account("callback: { url: \"https://acme.example/sms\", secret: s }, message_id: decimal");
    let call = compose(&post(Target::Account, vec![receipt(0x1_0000_0000)]), &account, 1_795_437_300).unwrap();
    assert_eq!((call.method.as_str(), call.url.as_str()), ("POST", "https://acme.example/sms"));
    assert_eq!(header(&call, "webhook-id"), Some("4294967296"));
    assert_eq!(header(&call, "webhook-timestamp"), Some("1795437300"));
    assert_eq!(header(&call, "content-type"), Some("application/json"));
    assert!(header(&call, "webhook-signature").unwrap().starts_with("v1,"));
    let segment = |state, error| json!({ "state": state, "error": error, "accepted": "2026-11-23T12:34:51Z" });
    let expected = json!({
        "type": "receipt",
        "timestamp": "2026-11-23T12:34:56Z",
        "data": {
            "id": MessageId::new(0x1234).text(MessageIdFormat::Decimal).to_string(),
            "state": "undeliverable",
            "error": 27,
            "reference": "order 7",
            "from": "ACME",
            "to": "491701234567",
            "submitted": "2026-11-23T12:34:50Z",
            "finished": "2026-11-23T12:34:56Z",
            "segments": [segment("delivered", 3), segment("undeliverable", 27)],
            "text": "id:7 stat:UNDELIV err:027",
        },
    });
    assert_eq!(body(&call), expected);
}

#[test]
fn a_receipt_of_what_came_without_a_sender_names_the_accounts_own() {
    let account = account("callback: { url: \"https://h/\" }, default_sender: OWN");
    let mut event = receipt(1);
    if let What::Receipt { status, .. } = &mut event.what {
        status.source = Box::default();
    }
    assert_eq!(body(&compose(&post(Target::Account, vec![event]), &account, 0).unwrap())["data"]["from"], "OWN");
}

#[test]
fn without_a_secret_nothing_is_signed_and_without_a_url_nothing_is_called() {
    let with_url = account("callback: { url: \"https://h/\" }");
    let call = compose(&post(Target::Account, vec![receipt(1)]), &with_url, 0).unwrap();
    assert_eq!(header(&call, "webhook-signature"), None);
    let call = compose(&post(Target::Url("https://other/".into()), vec![receipt(1)]), &with_url, 0).unwrap();
    assert_eq!(call.url, "https://other/");
    assert!(compose(&post(Target::Account, vec![receipt(1)]), &account(""), 0).is_none());
}

#[test]
fn a_message_is_told_as_text_joined_before_it_is_read() {
    assert_eq!(
        data_of(message(vec![part(0, 0, b"Hi @ 5\x1B\x65")], 1)),
        json!({ "id": "0000000700000abc", "from": "491701234567", "to": "12345", "data_coding": 0, "encoding": "gsm",
                "text": "Hi ¡ 5€", "parts": 1, "received": "2026-11-23T12:34:56Z" })
    );
    // An emoji cut in two.
    let (first, second) = (b"\x05\0\x03\x07\x02\x01\0A\xD8\x3D", b"\x05\0\x03\x07\x02\x02\xDE\0\0B");
    let long = data_of(message(vec![part(0x40, 8, first), part(0x40, 8, second)], 2));
    assert_eq!((&long["text"], &long["encoding"], &long["parts"]), (&json!("A\u{1F600}B"), &json!("ucs2"), &json!(2)));
    assert_eq!(long.get("missing"), None);
}

#[test]
fn a_message_that_did_not_come_whole_says_what_is_missing() {
    let third = part(0x40, 0, b"\x05\0\x03\x07\x04\x03three");
    let told = data_of(message(vec![part(0x40, 0, b"\x05\0\x03\x07\x04\x02two "), third], 4));
    assert_eq!((&told["text"], &told["parts"], &told["missing"]), (&json!("two three"), &json!(4), &json!([1, 4])));
    let told = data_of(message(Vec::new(), 2));
    assert_eq!((&told["missing"], told.get("text"), told.get("hex")), (&json!([1, 2]), None, None));
}

#[test]
fn octets_that_are_no_text_are_told_in_hex() {
    let told = data_of(message(vec![part(0x40, 4, b"\x06\x05\x04\x0B\x84\x23\xF0\xFF\0\x7F")], 1));
    assert_eq!((&told["hex"], &told["udh"]), (&json!("ff007f"), &json!("0605040b8423f0")));
    assert_eq!((&told["encoding"], &told["data_coding"], told.get("text")), (&json!("binary"), &json!(4), None));
    // What one part says of itself is not true of another.
    let told = data_of(message(vec![part(0, 0, b"A"), part(0, 8, b"\0B")], 2));
    assert_eq!(told["hex"], "410042");
}

#[test]
fn a_batch_is_known_by_all_its_events() {
    let account = account("callback: { url: \"https://h/\", secret: s, batch: 10 }");
    let call = |events| compose(&post(Target::Account, events), &account, 5).unwrap();
    let both = call(vec![receipt(1), message(vec![part(0, 0, b"A")], 1)]);
    let told = body(&both);
    assert_eq!((&told["type"], &told["timestamp"]), (&json!("batch"), &json!("2026-11-23T12:34:56Z")));
    let kinds: Vec<_> = told["data"].as_array().unwrap().iter().map(|event| (&event["id"], &event["type"])).collect();
    let first = MessageId::new(1).text(MessageIdFormat::Hex).to_string();
    assert_eq!(kinds, [(&json!(first), &json!("receipt")), (&json!("0000000700000abc"), &json!("message"))]);
    assert_eq!(told["data"][1]["data"]["text"], "A");
    let again = call(vec![receipt(1), message(vec![part(0, 0, b"A")], 1)]);
    assert_eq!(header(&both, "webhook-id"), header(&again, "webhook-id"));
    let with_another = call(vec![receipt(1), message(Vec::new(), 1), receipt(2)]);
    assert_ne!(header(&both, "webhook-id"), header(&with_another, "webhook-id"));
    assert_eq!(body(&call(vec![receipt(1)]))["type"], "batch", "one alone comes in the same form");
    let elsewhere = compose(&post(Target::Url("https://other/".into()), vec![receipt(1)]), &account, 5).unwrap();
    assert_eq!(body(&elsewhere)["type"], "receipt");
}

#[test]
fn moments_are_written_with_their_date() {
    // date -u -d @N +%FT%TZ
    for (unix_seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (1_767_225_599, "2025-12-31T23:59:59Z"),
        (u32::MAX, "2106-02-07T06:28:15Z"),
    ] {
        assert_eq!(times::rfc3339(unix_seconds), expected);
    }
}
