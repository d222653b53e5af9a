//! Every field right, and wrong in every way, with the field named.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::engine::web::Tell;
use crate::http::fields::Field;
use crate::smpp::view::{SmView, esm_class};

const BASIC: &str = r#""to": "+491701234567", "from": "ACME""#;

/// The settings under which every field is possible.
const ALL_ALLOWED: &str = "callback_override: true, callback: { url: \"https://acme.example/sms\" }";

fn one(more: &str) -> Submission {
    asked(&post(format!("{{{BASIC}, {more}}}")), ALL_ALLOWED).0
}

/// The type of the problem and the field it names.
fn refused(body: impl Into<Bytes>, settings: &str) -> (u16, String, String) {
    let (status, problem) = answered(&post(body), settings);
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(problem["status"], json!(status), "{problem}");
    assert!(!text("title").is_empty() && text("detail").ends_with('.'), "{problem}");
    (status, text("type").strip_prefix("urn:trunkline:").unwrap().to_owned(), text("field"))
}

fn view(submission: &Submission) -> SmView<'_> {
    SmView::submit(&submission.messages[0].segments[0]).unwrap()
}

#[test]
fn the_least_message_is_a_submit() {
    let submission = one(r#""text": "hello""#);
    let view = view(&submission);
    assert_eq!((view.source.ton, view.source.npi, view.source.digits), (5, 0, &b"ACME"[..]));
    assert_eq!((view.destination.ton, view.destination.npi, view.destination.digits), (1, 1, &b"491701234567"[..]));
    assert_eq!((view.short_message, view.data_coding, view.esm_class), (&b"hello"[..], 0, 0));
    assert_eq!((view.registered_delivery, view.priority, view.schedule, view.validity), (0, 0, &b""[..], &b""[..]));
    let message = &submission.messages[0];
    assert_eq!((message.segments.len(), &message.reference, &message.tell), (1, &None, &Tell::Nobody));
    assert!(submission.key.is_none() && submission.messages.len() == 1);
}

#[test]
fn each_field_is_found_in_the_submit() {
    let submission = one(r#""text": "h\u0065llo \ud83d\ude00", "class": 1, "receipt": true, "reference": "order 7",
           "validity": "24h", "priority": 3.0, "schedule": "2026-11-23T14:34:56+01:00", "encoding": "auto""#);
    let read = view(&submission);
    assert_eq!(read.short_message, [0, b'h', 0, b'e', 0, b'l', 0, b'l', 0, b'o', 0, b' ', 0xD8, 0x3D, 0xDE, 0]);
    assert_eq!((read.data_coding, read.registered_delivery, read.priority), (0x19, 1, 3));
    assert_eq!((read.schedule, read.validity), (&b"261123133456000+"[..], &b"000001000000000R"[..]));
    let message = &submission.messages[0];
    assert_eq!((message.reference.as_deref(), &message.tell), (Some("order 7"), &Tell::Account));

    let submission = one(r#""hex": "00fF10", "udh": "0605040B8423F0", "validity": 90"#);
    let read = view(&submission);
    assert_eq!((read.short_message, read.data_coding), (&b"\x06\x05\x04\x0B\x84\x23\xF0\x00\xFF\x10"[..], 4));
    assert_eq!((read.esm_class & esm_class::UDHI, read.validity), (esm_class::UDHI, &b"000000000130000R"[..]));
    let submission = one(r#""base64": "AP8Q", "class": 0"#);
    assert_eq!((view(&submission).short_message, view(&submission).data_coding), (&b"\x00\xFF\x10"[..], 0xF4));

    let submission = one(r#""text": "x", "callback": "https://acme.example/other""#);
    assert_eq!(submission.messages[0].tell, Tell::Url("https://acme.example/other".into()));
    assert_eq!(view(&submission).registered_delivery, 1, "a callback is told of receipts");
}

#[test]
fn a_long_text_comes_in_segments_with_a_reference_of_its_own() {
    let text = "a".repeat(161);
    let body = format!(
        r#"{{"messages": [{{{BASIC}, "text": "{text}"}}, {{{BASIC}, "text": "{text}"}},
        {{{BASIC}, "text": "{text}", "concatenation": "16bit"}}]}}"#
    );
    let (submission, _) = asked(&post(body), "");
    let headers: Vec<Vec<u8>> = submission
        .messages
        .iter()
        .flat_map(|message| &message.segments)
        .map(|body| SmView::submit(body).unwrap().short_message[..7].to_vec())
        .collect();
    assert_eq!(
        headers[..4],
        [[5, 0, 3, 0, 2, 1, b'a'], [5, 0, 3, 0, 2, 2, b'a'], [5, 0, 3, 1, 2, 1, b'a'], [5, 0, 3, 1, 2, 2, b'a']]
    );
    assert_eq!(headers[4..], [[6, 8, 4, 0, 2, 2, 1], [6, 8, 4, 0, 2, 2, 2]]);
}

/// Values that are wrong for every field but those that take this type.
const OF_TYPES: [(&str, &str); 7] = [
    ("null", "null"),
    ("flag", "true"),
    ("whole", "1"),
    ("text", "\"\""),
    ("list", "[\"491701234567\"]"),
    ("object", "{\"a\": 1}"),
    ("number", "-1.5"),
];

#[test]
fn a_value_of_another_type_is_refused_by_its_fields_name() {
    let mut tried = 0;
    for field in Field::ALL.iter().copied() {
        for (kind, value) in OF_TYPES {
            let of_type = if matches!(field, Field::Receipt | Field::DryRun) {
                "flag"
            } else if matches!(field, Field::Class | Field::Priority | Field::Validity) {
                "whole"
            } else {
                "another text"
            };
            if kind == of_type {
                continue;
            }
            tried += 1;
            let body = with(field, value);
            assert_eq!(refused(body.clone(), ALL_ALLOWED), (400, "invalid".into(), field.name().into()), "{body}");
            let (status, answer) = answered(&post(format!(r#"{{"messages": [{body}]}}"#)), ALL_ALLOWED);
            assert_eq!(
                (status, &answer["results"][0]["error"]["field"]),
                (200, &json!(format!("messages[0].{}", field.name())))
            );
        }
    }
    assert_eq!(tried, 16 * 7 - 5);
}

/// A message that is right but for this field.
fn with(field: Field, value: &str) -> String {
    let mut members = vec![("to", "\"491701234567\""), ("from", "\"ACME\"")];
    if field == Field::Udh {
        members.push(("hex", "\"00\""));
    } else if !matches!(field, Field::Hex | Field::Base64 | Field::Text) {
        members.push(("text", "\"hello\""));
    }
    members.retain(|(name, _)| *name != field.name());
    members.push((field.name(), value));
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

#[test]
fn a_wrong_value_is_refused_by_its_fields_name() {
    let long_url = format!("\"https://acme.example/{}\"", "a".repeat(2048));
    let (reference, text) = (format!("\"{}\"", "\u{e9}".repeat(256)), "\"a\\u0000b\"");
    let wrong: [(Field, &[&str]); 12] = [
        (
            Field::To,
            &[
                "\"12\"",
                "\"+4917o1234567\"",
                "\"123456789012345678901\"",
                "\" 49170\"",
                "\"49170\\u0000\"",
                "\"Caf\u{e9}\"",
            ],
        ),
        (Field::From, &["\"ABCDEFGHIJKL\"", "\"123456789012345678901\"", "\"Caf\u{e9}\"", "\"A\\nB\"", "\"A\\u0000\""]),
        (Field::Text, &[text]),
        (Field::Hex, &["\"0\"", "\"0g\"", "\"00 00\"", "\"\u{e9}\"", "\"+1\""]),
        (Field::Base64, &["\"AP8\"", "\"AP8Q=\"", "\"AP_-\"", "\"A\"", "\" AP8Q\""]),
        (Field::Udh, &["\"0\"", "\"00\"", "\"0605040B8423\"", "\"06050408\"", "\"zz\""]),
        (Field::Encoding, &["\"GSM\"", "\"utf8\""]),
        (Field::Concatenation, &["\"8\"", "\"32bit\""]),
        (Field::Class, &["4", "1e99", "-1", "18446744073709551616", "\"1\"", "1.5"]),
        (
            Field::Callback,
            &[
                "\"ftp://acme.example/\"",
                "\"https://u:p@acme.example/\"",
                "\"http://acme.example/\"",
                "\"x\"",
                &long_url,
            ],
        ),
        (Field::Reference, &[&reference, text]),
        (Field::Priority, &["4", "256", "9007199254740993.0"]),
    ];
    for (field, values) in wrong {
        for value in values {
            let body = with(field, value);
            assert_eq!(refused(body.clone(), ALL_ALLOWED), (400, "invalid".into(), field.name().into()), "{body}");
        }
    }
    for value in [
        "0",
        "2678401",
        "\"32d\"",
        "\"0s\"",
        "\"24\"",
        "\"24H\"",
        "\"-1h\"",
        "\"1.5h\"",
        "\"forever\"",
        "18446744073709551615",
    ] {
        assert_eq!(refused(with(Field::Validity, value), "").2, "validity", "{value}");
    }
    for value in [
        "\"2026-11-23T12:34:56Z\"",
        "\"2026-11-23T12:34:55Z\"",
        "\"2026-12-24T12:34:57Z\"",
        "\"tomorrow\"",
        "\"2026-11-24\"",
        "1795437297",
    ] {
        assert_eq!(refused(with(Field::Schedule, value), "").2, "schedule", "{value}");
    }
    for value in ["\"2026-11-23T12:34:57Z\"", "\"2026-12-24T12:34:56Z\""] {
        assert_eq!(asked(&post(with(Field::Schedule, value)), "").0.messages.len(), 1);
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (more, field) in [
        ("", "text"),
        (r#""text": "a", "hex": "00""#, "hex"),
        (r#""hex": "00", "base64": "AA==""#, "base64"),
        (r#""text": "a", "udh": "0605040B8423F0""#, "udh"),
        (r#""hex": "00", "encoding": "gsm""#, "encoding"),
        (r#""hex": "00", "udh": "050003010201", "hex": "00""#, "hex"),
        (r#""text": "\u4f60", "encoding": "gsm""#, "text"),
        (r#""text": "a", "callback": "https://h/", "receipt": false"#, "callback"),
        (r#""text": "a", "validity": "1h", "schedule": "2026-11-23T13:34:56Z""#, "validity"),
        (r#""text": "a", "text": "a""#, "text"),
        (r#""text": "a", "Text": "a""#, "Text"),
        (r#""text": "a", "": 1"#, ""),
        (r#""text": "a", "t\u006f": "49170""#, "to"),
        (r#""text": "a", "messages": []"#, "to"),
    ] {
        let comma = if more.is_empty() { "" } else { ", " };
        let body = format!("{{{BASIC}{comma}{more}}}");
        assert_eq!(refused(body.clone(), ALL_ALLOWED), (400, "invalid".into(), field.into()), "{body}");
    }
    let marked = format!(r#"{{{BASIC}, "hex": "{}", "udh": "050003010201"}}"#, "00".repeat(141));
    assert_eq!(refused(marked, "").2, "udh");
    assert_eq!(refused(r#"{"from": "ACME", "text": "a"}"#, "").2, "to");
    assert_eq!(refused(r#"{"to": "49170", "text": "a"}"#, "").2, "from");
    for settings in ["default_sender: ACME", "force_sender: ACME"] {
        let (submission, _) = asked(&post(r#"{"to": "49170", "text": "a"}"#), settings);
        assert_eq!(view(&submission).source.digits, b"");
    }
}

#[test]
fn too_long_is_a_problem_of_its_own() {
    let of_length =
        |field: &str, unit: &str, count: usize| format!(r#"{{{BASIC}, "{field}": "{}"}}"#, unit.repeat(count));
    for (field, unit, most) in [("text", "a", 255 * 153), ("text", "\u{4f60}", 255 * 67), ("hex", "00", 255 * 134)] {
        assert_eq!(asked(&post(of_length(field, unit, most)), "").0.messages[0].segments.len(), 255);
        assert_eq!(refused(of_length(field, unit, most + 1), ""), (400, "text-too-long".into(), field.into()));
    }
    assert_eq!(refused(of_length("base64", "AAAA", 255 * 134 / 3 + 1), "").1, "text-too-long");
    let reference = format!(r#"{{{BASIC}, "text": "a", "reference": "{}"}}"#, "\u{1F600}".repeat(255));
    assert_eq!(asked(&post(reference), "").0.messages[0].reference.as_ref().unwrap().chars().count(), 255);
}

#[test]
fn a_callback_needs_leave() {
    let body = |url: &str| format!(r#"{{{BASIC}, "text": "a", "callback": "{url}"}}"#);
    assert_eq!(refused(body("https://h/"), ""), (403, "callback-not-allowed".into(), "callback".into()));
    let http = "callback_override: true, callback: { allow_http: true }";
    assert_eq!(asked(&post(body("http://h/")), http).0.messages[0].tell, Tell::Url("http://h/".into()));
}

#[test]
fn what_is_no_json_is_refused_by_where_it_ends() {
    for (body, field) in [
        (&b""[..], ""),
        (b"hello", ""),
        (b"[]", ""),
        (b"\"to\"", ""),
        (b"null", ""),
        (b"{\"to\": \"1\"", ""),
        (b"{\"to\": \"49170\"} x", ""),
        (b"{\"to\": \"49170\",}", ""),
        (b"\xEF\xBB\xBF{}", ""),
        (b"{\"to\": \"\xFF\"}", "to"),
        (b"{\"to\": \"\\ud800\"}", "to"),
        (b"{\"to\": \"\\udc00\\ud800\"}", "to"),
        (b"{\"text\": \"a\nb\"}", "text"),
        (b"{\"text\": \"a\0b\"}", "text"),
        (b"{\"text\": 'a'}", "text"),
        (b"{\"priority\": 01}", "priority"),
        (b"{\"priority\": 1e999}", "priority"),
        (b"{\"priority\": NaN}", "priority"),
        (b"{\"text\": [[1, 2}", "text"),
        (b"{\"messages\": [{}, {\"to\": \xC0}]}", "messages[1].to"),
        (b"{\"messages\": [{}, {\"to\": \"1\" 1}]}", "messages[1]"),
    ] {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(refused(body.to_vec(), ""), (400, "unreadable".into(), field.into()), "{shown}");
    }
}

#[test]
fn depth_does_no_harm() {
    let deep = |open: &str, close: &str| open.repeat(300_000) + &close.repeat(300_000);
    for (bomb, kind) in
        [(deep("[", "]"), "invalid"), ("[".repeat(600_000), "unreadable"), ("{\"a\":".repeat(150_000), "unreadable")]
    {
        assert_eq!(refused(format!("{{\"to\": {bomb}}}"), "").1, kind);
        assert_eq!(refused(bomb, "").1, "unreadable");
    }
    assert_eq!(refused(format!("{{\"x\": {}}}", deep("[", "]")), "").2, "x");
    let (_, answer) = answered(&post(format!("{{\"messages\": {}}}", deep("[", "]"))), "");
    assert_eq!(answer["results"][0]["error"]["field"], json!("messages[0]"));
}

#[test]
fn a_batch_is_a_list_of_one_to_a_thousand() {
    let message = format!("{{{BASIC}, \"text\": \"a\"}}");
    let of = |count: usize| format!("{{\"messages\": [{}]}}", vec![message.as_str(); count].join(","));
    assert_eq!(asked(&post(of(1000)), "").0.messages.len(), 1000);
    for body in [
        of(0),
        of(1001),
        "{\"messages\": {}}".into(),
        "{\"messages\": null}".into(),
        "{\"messages\": \"\"}".into(),
        "{\"messages\": [{}], \"messages\": [{}]}".into(),
    ] {
        assert_eq!(refused(body, ""), (400, "invalid".into(), "messages".into()));
    }
    assert_eq!(refused(format!("{{\"x\": 1, \"messages\": [{message}]}}"), "").2, "x");
    assert_eq!(refused(format!("{{\"messages\": [{message}], \"to\": \"49170\"}}"), "").2, "to");
    let wrong = "{\"messages\": [1, [], null, \"x\", {\"messages\": []}, {\"to\": {}}, true]}";
    let (_, answer) = answered(&post(wrong), "");
    let fields: Vec<&Value> =
        answer["results"].as_array().unwrap().iter().map(|result| &result["error"]["field"]).collect();
    let expected =
        ["[0]", "[1]", "[2]", "[3]", "[4].messages", "[5].to", "[6]"].map(|place| json!(format!("messages{place}")));
    assert_eq!(fields, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_dry_run_asks_nobody() {
    let dry = |more: &str, settings: &str| answered(&post(format!("{{{BASIC}, {more}, \"dry_run\": true}}")), settings);
    let long = "\u{4f60}".repeat(71);
    for (more, segments, encoding) in [
        ("\"text\": \"hello\"", 1, "gsm"),
        (&format!("\"text\": \"{long}\""), 2, "ucs2"),
        ("\"text\": \"hello\", \"encoding\": \"ucs2\"", 1, "ucs2"),
        ("\"hex\": \"00\"", 1, "binary"),
    ] {
        assert_eq!(dry(more, ""), (200, json!({ "segments": segments, "encoding": encoding, "dry_run": true })));
    }
    for (settings, kind) in [
        ("senders: Shop", "sender-not-allowed"),
        ("destinations: \"44*\"", "destination-not-allowed"),
        ("submit: false", "submits-disabled"),
    ] {
        let (status, problem) = dry("\"text\": \"hello\"", settings);
        assert_eq!((status, &problem["type"]), (403, &json!(format!("urn:trunkline:{kind}"))));
    }
    assert_eq!(asked(&post(format!("{{{BASIC}, \"text\": \"a\", \"dry_run\": false}}")), "").0.messages.len(), 1);
}

proptest! {
    #[test]
    fn any_octets_are_answered(body: Vec<u8>) {
        let _ = step(&post(body), ALL_ALLOWED);
    }

    #[test]
    fn any_text_is_taken_or_refused_by_name(text in "\\PC{0,200}", to in "\\PC{0,12}", from in "[ -~]{0,12}") {
        let body = json!({ "to": to, "from": from, "text": text }).to_string();
        match step(&post(body), "") {
            Step::Ask(web::Request::Submit(submission), _) => {
                for segment in &submission.messages[0].segments {
                    prop_assert!(SmView::submit(segment).is_ok_and(|view| view.short_message.len() <= 160));
                }
            }
            Step::Ask(..) => prop_assert!(false),
            Step::Answer(response) => prop_assert!(["to", "from", "text"].map(|name| json!(name)).contains(&read(&response).1["field"])),
        }
    }

    #[test]
    fn cut_anywhere_it_is_unreadable(at in 1usize..100) {
        let body = r#"{"to": "+491701234567", "from": "ACME", "text": "h\u00e9llo \ud83d\ude00", "priority": 3, "x": [{"a": null}]}"#;
        if at < body.len() {
            prop_assert_eq!(refused(body.as_bytes()[..at].to_vec(), "").1, "unreadable");
        }
    }
}
