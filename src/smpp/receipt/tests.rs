//! Receipts as carriers spell them, and what a rewrite may and may not touch.

use proptest::prelude::*;

use super::*;

const DATES: &[u8; 10] = b"2611151404";

fn body(esm_class: u8, text: &[u8], optional: &[u8]) -> Vec<u8> {
    let mut out = b"\0\x01\x01447700900001\0\x05\0ACME\0".to_vec();
    out.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, 0, 0, text.len() as u8]);
    out.extend_from_slice(text);
    out.extend_from_slice(optional);
    out
}

fn tlv(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut out = tag.to_be_bytes().to_vec();
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out
}

/// The ids and the state of a body, or `None` for an MO.
fn said(body: &[u8]) -> Option<(Vec<String>, Option<MessageState>)> {
    let receipt = read(&SmView::deliver(body).unwrap())?;
    let ids = receipt.ids.iter().flatten().map(|id| String::from_utf8_lossy(id).into_owned()).collect();
    Some((ids, receipt.state_known.then_some(receipt.state)))
}

fn rewritten(body: &[u8], our_id: &[u8]) -> Vec<u8> {
    let view = SmView::deliver(body).unwrap();
    let mut out = b"before".to_vec();
    rewrite(body, &view, &read(&view).unwrap(), our_id, &mut out);
    out.split_off(6)
}

#[test]
fn texts_are_read_however_carriers_spell_them() {
    use MessageState::*;
    let spellings: [(&str, Option<&str>, Option<MessageState>); 24] = [
        (
            "id:77 sub:001 dlvrd:001 submit date:2611151404 done date:2611151405 stat:DELIVRD err:000 text:hi",
            Some("77"),
            Some(Delivered),
        ),
        (
            "id:77 sub:001 dlvrd:001 submit date:261115140401 done date:261115140502 stat:UNDELIV err:0042 text:",
            Some("77"),
            Some(Undeliverable),
        ),
        (
            "ID:77 SUB:001 DLVRD:001 SUBMIT DATE:2611151404 DONE DATE:2611151405 STAT:EXPIRED ERR:000 TEXT:",
            Some("77"),
            Some(Expired),
        ),
        (
            "id:77 sub:001 dlvrd:001 submit date:2611151404 done date:2611151405 stat:delivrd err:0x2A Text:hi",
            Some("77"),
            Some(Delivered),
        ),
        (
            "id:77 sub:001 dlvrd:001 submit date:2611151404 done date:2611151405 stat:ACKED   err: 042 text:",
            Some("77"),
            Some(Acknowledged),
        ),
        (
            "id:77 sub:001 dlvrd:001 submit date:2611151404 done date:2611151405 DELIVRD err:000 text:x",
            Some("77"),
            Some(Delivered),
        ),
        ("id:77 submit date:2611151404 done date:2611151405 stat:REJECTD err:12", Some("77"), Some(Rejected)),
        ("id:77 stat:DELETED", Some("77"), Some(Deleted)),
        ("stat:ACCEPTD id:77", Some("77"), Some(Accepted)),
        ("id:  77 stat:  BUFFRED err: 042", Some("77"), Some(Buffered)),
        ("  id:77   stat:ENROUTE  ", Some("77"), Some(Enroute)),
        (
            "id:0f8fad5b-d9cb-469f-a165-70867728950e sub:001 stat:UNKNOWN",
            Some("0f8fad5b-d9cb-469f-a165-70867728950e"),
            Some(Unknown),
        ),
        ("id:0000000000077 sub:1 dlvrd:1 stat:DELIVRD\0\0", Some("0000000000077"), Some(Delivered)),
        ("id:77\0", Some("77"), None),
        ("id:a:b stat:DELIVRD", Some("a:b"), Some(Delivered)),
        ("id:77\tstat:DELIVRD\r\nerr:000", Some("77"), Some(Delivered)),
        ("id:77 stat:WEIRD err:000", Some("77"), None),
        ("id:77 stat: err:000", Some("77"), None),
        ("id: sub:001 stat:DELIVRD", None, Some(Delivered)),
        ("id: submit date:2611151404 stat:DELIVRD", None, Some(Delivered)),
        ("sub:001 dlvrd:001 stat:EXPIRED", None, Some(Expired)),
        ("stat:EXPIRED text:id:66 stat:DELIVRD", None, Some(Expired)),
        ("your message has arrived", None, None),
        ("", None, None),
    ];
    for (text, id, state) in spellings {
        let expected = (id.map(str::to_owned).into_iter().collect(), state);
        assert_eq!(said(&body(0x04, text.as_bytes(), &[])), Some(expected.clone()), "{text}");
        let payload = tlv(tag::MESSAGE_PAYLOAD, text.as_bytes());
        assert_eq!(said(&body(0x04, b"", &payload)), Some(expected), "as message_payload: {text}");
    }
}

#[test]
fn tlvs_are_believed_before_the_text_and_both_ids_are_kept() {
    let text = b"id:1a2b stat:UNKNOWN err:000";
    let optional =
        [tlv(0x1400, b"dlt"), tlv(tag::RECEIPTED_MESSAGE_ID, b"6699\0"), tlv(tag::MESSAGE_STATE, &[2])].concat();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let delivered = Some(MessageState::Delivered);
    assert_eq!(said(&body(0x04, text, &optional)), Some((ids(&["6699", "1a2b"]), delivered)));
    assert_eq!(said(&body(0x04, b"", &optional)), Some((ids(&["6699"]), delivered)));
    assert_eq!(said(&body(0x04, b"id:6699 stat:DELIVRD", &optional)), Some((ids(&["6699"]), delivered)));
    let empty = [tlv(tag::RECEIPTED_MESSAGE_ID, b"\0"), tlv(tag::MESSAGE_STATE, &[99])].concat();
    assert_eq!(said(&body(0x04, text, &empty)), Some((ids(&["1a2b"]), Some(MessageState::Unknown))));
}

#[test]
fn the_mark_is_a_mask_and_a_doubtful_mark_needs_a_receipts_content() {
    let receipt = b"id:77 stat:DELIVRD";
    for esm_class in [0x04, 0x07, 0x08, 0x0C, 0x20, 0x24, 0x44, 0x84, 0xC4, 0x48] {
        assert!(said(&body(esm_class, receipt, &[])).is_some(), "{esm_class:#x}");
    }
    for esm_class in [0x00, 0x03, 0x10, 0x18, 0x40, 0x80] {
        assert!(said(&body(esm_class, receipt, &[])).is_none(), "{esm_class:#x}");
    }
    for esm_class in [0x08, 0x44, 0x48] {
        assert!(said(&body(esm_class, b"\x05\0\x03\x01\x02\x01hello", &[])).is_none(), "{esm_class:#x}");
    }
    assert!(said(&body(0x04, b"hello", &[])).is_some());
    let tlv_only = tlv(tag::RECEIPTED_MESSAGE_ID, b"77\0");
    assert!(said(&body(0x44, b"", &tlv_only)).is_some());
}

#[test]
fn a_receipt_behind_a_real_user_data_header_is_read_and_the_header_kept() {
    let octets = body(0x44, b"\x05\0\x03\x01\x01\x01id:77 stat:DELIVRD", &[]);
    assert_eq!(said(&octets), Some((vec!["77".to_owned()], Some(MessageState::Delivered))));
    assert_eq!(rewritten(&octets, b"12345"), body(0x44, b"\x05\0\x03\x01\x01\x01id:12345 stat:DELIVRD", &[]));
}

#[test]
fn an_unmarked_receipt_is_known_by_its_content_when_that_is_asked_for() {
    let habits = Habits { by: KnownBy::Content, ..Habits::DEFAULT };
    let unmarked = |text: &[u8]| read_as(&SmView::deliver(&body(0, text, &[])).unwrap(), &habits).is_some();
    assert!(unmarked(b"id:77 sub:001 dlvrd:001 stat:DELIVRD"));
    assert!(!unmarked(b"id:77 is my number"));
    assert!(!unmarked(b"please deliver id:77 stat:DELIVRD"));
}

#[test]
fn a_rewrite_changes_the_ids_and_nothing_else() {
    let optional = |id: &[u8]| {
        let known = [tlv(0x1400, b"dlt"), tlv(tag::RECEIPTED_MESSAGE_ID, id), tlv(tag::MESSAGE_STATE, &[2])].concat();
        // Behind the last whole TLV come octets that are none.
        [&known[..], b"\x14\x01\xFF\xFFrest"].concat()
    };
    let text = |id: &str| format!("Id: {id} sub:001 dlvrd:001 stat:delivrd err: 042 text:id:6699 \0").into_bytes();
    for (nul, ours) in [("\0", "12"), ("", "12"), ("\0\0", "9223372036854775807"), ("", "9223372036854775807")] {
        let before = body(0x44, &text("6699"), &optional(format!("6699{nul}").as_bytes()));
        let after = body(0x44, &text(ours), &optional(format!("{ours}{nul}").as_bytes()));
        assert_eq!(rewritten(&before, ours.as_bytes()), after);
        let payload = |id: &str| [optional(b"")[..7].to_vec(), tlv(tag::MESSAGE_PAYLOAD, &text(id))].concat();
        let before = [payload("6699"), optional(format!("6699{nul}").as_bytes())].concat();
        let after = [payload(ours), optional(format!("{ours}{nul}").as_bytes())].concat();
        assert_eq!(rewritten(&body(4, b"", &before), ours.as_bytes()), body(4, b"", &after));
    }
    let mo_like = body(0x04, b"no id here", &optional(b"\0"));
    assert_eq!(rewritten(&mo_like, b"77"), mo_like);
}

#[test]
fn the_id_tlv_may_stand_before_the_payload() {
    let optional = |id: &[u8]| {
        let text = [b"id:", id, b" stat:DELIVRD"].concat();
        [tlv(tag::RECEIPTED_MESSAGE_ID, id), tlv(tag::MESSAGE_PAYLOAD, &text)].concat()
    };
    assert_eq!(rewritten(&body(4, b"", &optional(b"1")), b"2222222"), body(4, b"", &optional(b"2222222")));
}

#[test]
fn a_text_grown_over_254_octets_loses_the_end_of_its_text_field() {
    let text = |id: &str, rest: usize| format!("id:{id} stat:DELIVRD text:{}", "x".repeat(rest)).into_bytes();
    let optional = tlv(tag::RECEIPTED_MESSAGE_ID, b"77\0");
    let before = body(4, &text("77", 254 - text("77", 0).len()), &optional);
    let ours = "0123456789abcdef";
    let after = body(4, &text(ours, 254 - text(ours, 0).len()), &tlv(tag::RECEIPTED_MESSAGE_ID, b"0123456789abcdef\0"));
    assert_eq!(rewritten(&before, ours.as_bytes()), after);
    // The id at the very end stays whole.
    let before = body(4, &[&[b'y'; 248][..], b" id:77"].concat(), &[]);
    let again = said(&rewritten(&before, ours.as_bytes())).unwrap();
    assert_eq!(again.0, [ours]);
    assert!(rewritten(&before, &[b'7'; 400]).len() < 400);
}

#[test]
fn no_cut_and_no_flipped_octet_panics() {
    let mut text = Vec::new();
    let values = StandardText {
        id: b"77",
        parts: 1,
        delivered: 1,
        submit_date: DATES,
        done_date: DATES,
        state: MessageState::Delivered,
        error: 0,
        text: b"hi",
    };
    write_standard(&values, &mut text);
    let optional = [tlv(tag::RECEIPTED_MESSAGE_ID, b"77\0"), tlv(tag::MESSAGE_STATE, &[2])].concat();
    let try_it = |octets: &[u8]| {
        let Ok(view) = SmView::deliver(octets) else { return };
        let _ = read_unmarked(&view, &Habits::DEFAULT);
        if let Some(receipt) = read(&view) {
            rewrite(octets, &view, &receipt, b"0123456789abcdef", &mut Vec::new());
        }
    };
    let in_payload = [tlv(tag::MESSAGE_PAYLOAD, &text), optional.clone()].concat();
    for whole in [body(4, &text, &optional), body(0x44, b"", &in_payload)] {
        for cut in 0..=whole.len() {
            try_it(&whole[..cut]);
        }
        for at in 0..whole.len() {
            for value in [0x00, 0x20, 0x3A, 0x44, 0x7F, 0x80, 0xFF] {
                let mut octets = whole.clone();
                octets[at] = value;
                try_it(&octets);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_rewritten_receipt_says_the_same_of_our_message(
        carrier_id in "[0-9A-Za-z_-]{1,40}",
        our_id in "[0-9a-f]{1,20}",
        number in 1u8..=8,
        message in prop::collection::vec(any::<u8>(), 0..40),
        (as_payload, with_tlvs, nul) in any::<(bool, bool, bool)>(),
    ) {
        let state = MessageState::from_number(number).unwrap();
        let mut text = Vec::new();
        let values = StandardText {
            id: carrier_id.as_bytes(),
            parts: 1,
            delivered: 0,
            submit_date: DATES,
            done_date: DATES,
            state,
            error: 7,
            text: &message,
        };
        write_standard(&values, &mut text);
        let mut optional = if as_payload { tlv(tag::MESSAGE_PAYLOAD, &text) } else { Vec::new() };
        if with_tlvs {
            let id = [carrier_id.as_bytes(), if nul { b"\0" } else { b"" }].concat();
            optional.extend([tlv(tag::MESSAGE_STATE, &[number]), tlv(tag::RECEIPTED_MESSAGE_ID, &id)].concat());
        }
        let before = body(4, if as_payload { b"" } else { &text }, &optional);
        let after = rewritten(&before, our_id.as_bytes());
        prop_assert_eq!(said(&after), Some((vec![our_id.clone()], Some(state))));
        prop_assert_eq!(rewritten(&after, carrier_id.as_bytes()), before);
    }

    #[test]
    fn any_body_that_can_be_read_can_be_rewritten(
        esm_class in any::<u8>(),
        text in prop::collection::vec(any::<u8>(), 0..255),
        optional in prop::collection::vec(any::<u8>(), 0..60),
        our_id in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let octets = body(esm_class, &text, &optional);
        let view = SmView::deliver(&octets).unwrap();
        if let Some(receipt) = read(&view) {
            let mut out = Vec::new();
            rewrite(&octets, &view, &receipt, &our_id, &mut out);
            prop_assert!(SmView::deliver(&out).is_ok());
        }
    }
}
