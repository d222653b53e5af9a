//! Each escape of a dlr-url, beside what smsbox makes of it.

use proptest::prelude::*;

use super::*;
use crate::config::Account;
use crate::engine::web::State;
use crate::http::kannel::tests::config;
use crate::smpp::message_id::MessageId;

const RECEIPT: &str =
    "id:1 sub:001 dlvrd:001 submit date:2611230922 done date:2611230922 stat:DELIVRD err:000 text:hello";

fn acme() -> Account {
    config("").accounts.remove(0)
}

fn event(state: State, segments: &[(State, u32, u32)], text: &str) -> Event {
    let segment = |&(state, accepted, error)| SegmentStatus { state, error, accepted, finished: 0 };
    let status = Status {
        id: MessageId::new(0x0123_4567_89AB_CDEF),
        reference: None,
        source: (*b"ACME").into(),
        destination: (*b"4915100000001").into(),
        state,
        submitted: 1_795_437_290,
        finished: 0,
        segments: segments.iter().map(segment).collect(),
    };
    let what = What::Receipt { status, text: text.as_bytes().into() };
    // date -u -d '2026-11-23 12:34:56' +%s
    Event { id: MessageId::new(0x7777_4567_89AB_CDEF), at: 1_795_437_296, what }
}

fn delivered() -> Event {
    event(State::Delivered, &[(State::Delivered, 5, 0)], RECEIPT)
}

fn filled(url: &str, event: &Event) -> String {
    dlr_url(url, event, &acme())
}

/// What smsbox made of the same, but for ids of its own and of its carrier.
#[test]
fn escapes_of_a_receipt_are_filled_in_as_smsbox_does() {
    let encoded = "id%3A1+sub%3A001+dlvrd%3A001+submit+date%3A2611230922+done+date%3A2611230922+stat%3ADELIVRD+err%3A000\
        +text%3Ahello";
    let words = encoded.strip_prefix("id%3A1+").unwrap();
    let hex = "69643A31207375623A30303120646C7672643A303031207375626D697420646174653A3236313132333039323220646F6E65206\
        46174653A3236313132333039323220737461743A44454C49565244206572723A30303020746578743A68656C6C6F";
    for (escape, expected) in [
        ("%a", encoded),
        ("%A", encoded),
        ("%b", encoded),
        ("%B", ""),
        ("%c", "-1"),
        ("%C", "UTF-8"),
        ("%d", "1"),
        ("%D", "%3Fsmpp%3Fdlr_err%3D%2503%2500%2500%26"),
        ("%e", hex),
        ("%f", ""),
        ("%F", "0123456789abcdef"),
        ("%g", "%g"),
        ("%i", "trunkline"),
        ("%I", "7777456789abcdef"),
        ("%k", "id%3A1"),
        ("%m", "-1"),
        ("%M", "-1"),
        ("%n", "acme"),
        ("%N", "%N"),
        ("%o", ""),
        ("%O", "00"),
        ("%r", words),
        ("%s", "sub%3A001"),
        ("%S", "sub:001"),
        ("%s/%S/%s", "sub%3A001/dlvrd:001/submit"),
        (
            "%s%s%s%s%s%s%s%s/%r",
            "sub%3A001dlvrd%3A001submitdate%3A2611230922donedate%3A2611230922stat%3ADELIVRDerr%3A000/text%3Ahello",
        ),
        (
            "%s%s%s%s%s%s%s%s%s%s%s",
            "sub%3A001dlvrd%3A001submitdate%3A2611230922donedate%3A2611230922stat%3ADELIVRDerr%3A000text%3Ahello",
        ),
        ("%t", "2026-11-23+12:34:56"),
        ("%T", "1795437296"),
        ("%u", ""),
        ("%v", ""),
        ("%V", ""),
        ("%x", "%x"),
        ("%%", "%"),
        ("%%d", "%d"),
        ("%z", "%z"),
        ("%20", "%20"),
        ("%", "%"),
        ("d%", "d%"),
        ("%#smpp#dlr_err#", "%03%00%00"),
        ("%#smpp#other#", ""),
        ("%#smpp#", "%#smpp#"),
        ("%#", "%#"),
    ] {
        assert_eq!(filled(&format!("http://h/?{escape}"), &delivered()), format!("http://h/?{expected}"), "{escape}");
    }
}

#[test]
fn each_event_says_its_type_and_the_carriers_words() {
    let refused = event(State::Rejected, &[(State::Rejected, 0, 0x0B)], "");
    let unnamed = event(State::Rejected, &[(State::Delivered, 5, 0), (State::Rejected, 0, 0x401)], "");
    let ours = event(State::Rejected, &[(State::Rejected, 0, 0)], "");
    let failed = event(State::Undeliverable, &[(State::Undeliverable, 5, 27)], "id:1 stat:UNDELIV err:27");
    let buffered = event(State::Enroute, &[(State::Enroute, 5, 0)], "stat:ENROUTE err:000");
    let accepted = event(State::Accepted, &[(State::Accepted, 5, 0)], "");
    for (event, expected) in [
        (delivered(), "1 %03%00%00 id%3A1"),
        (accepted, "8  ACK%2F"),
        (refused, "16  NACK%2F0x0000000b%2FESME_RINVDSTADR"),
        (unnamed, "16  NACK%2F0x00000401"),
        (ours, "16  NACK%2F"),
        (failed, "2 %03%00%1B id%3A1"),
        (buffered, "4 %03%00%00 stat%3AENROUTE"),
    ] {
        assert_eq!(filled("%d %#smpp#dlr_err# %k", &event), expected);
    }
}

#[test]
fn an_error_is_the_texts_or_else_the_records() {
    let of = |text: &str, error| filled("%#smpp#dlr_err#", &event(State::Expired, &[(State::Expired, 5, error)], text));
    assert_eq!(of("stat:EXPIRED err:300", 5), "%03%01%2C");
    assert_eq!(of("stat:EXPIRED Err:abc", 5), "%03%00%00");
    assert_eq!(of("stat:EXPIRED", 5), "%03%00%05");
    assert_eq!(of("stat:EXPIRED", 0), "");
}

#[test]
fn a_word_that_is_not_encoded_still_spoils_no_url() {
    let of = |text: &str| filled("http://h/%S", &event(State::Delivered, &[(State::Delivered, 5, 0)], text));
    assert_eq!(of("x http://a/*b?c=d&e"), "http://h/http://a/~b?c=d&e");
    assert_eq!(of("x a#b\"c\u{e9}\r\n"), "http://h/a%23b%22c%C3%A9");
}

#[test]
fn ids_are_written_as_the_account_has_them() {
    let account = config("message_id: decimal").accounts.remove(0);
    assert_eq!(dlr_url("%F", &delivered(), &account), "81985529216486895");
}

#[test]
fn what_the_request_knows_is_filled_in_first_and_only_once() {
    let request = FromRequest { sender: b"00447700", receiver: b"+4915100000001" };
    let both = |url: &str| {
        let prepared = prepare(url.as_bytes(), &request);
        (prepared.clone(), filled(&prepared, &delivered()))
    };
    let pair = |first: &str, second: &str| (first.to_owned(), second.to_owned());
    assert_eq!(
        both("%p/%P/%q/%Q"),
        pair(
            "%%2B4915100000001/00447700/%%2B4915100000001/%%2B447700",
            "%2B4915100000001/00447700/%2B4915100000001/%2B447700"
        )
    );
    assert_eq!(both("a%d%%d%20"), pair("a%d%%d%20", "a1%d%20"));
    assert_eq!(both("u=%R&d=%d"), pair("u=u%%3D%%25R%%26d%%3D%%25d&d=%d", "u=u%3D%25R%26d%3D%25d&d=1"));
    assert_eq!(
        both("a b\"<>^`{|}\\\u{e9}"),
        pair("a%%20b%%22%%3C%%3E%%5E%%60%%7B%%7C%%7D%%5C%%C3%%A9", "a%20b%22%3C%3E%5E%60%7B%7C%7D%5C%C3%A9")
    );
    assert_eq!(both("%#smpp#dlr_err#%"), pair("%#smpp#dlr_err#%", "%03%00%00%"));
}

proptest! {
    #[test]
    fn whatever_was_written_is_a_url_when_it_is_called(url in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,64}") {
        let request = FromRequest { sender: b"A", receiver: b"4915" };
        let event = event(State::Delivered, &[(State::Delivered, 5, 0)], &text);
        let called = filled(&prepare(&url, &request), &event);
        prop_assert!(called.bytes().all(|octet| octet.is_ascii_graphic()), "{}", called);
    }
}
