//! A deliver_sm for who knows no TLVs (SMPP 3.3): what it says is said in the fields that were always there.
//!
//! A text in `message_payload` becomes the short message, and parts marked by SAR TLVs are marked by a user data header. A receipt
//! that says what matters in TLVs alone gets the text of the specification's example.

use super::receipt::{self, MessageState, StandardText};
use super::segment::{Mark, segment_ref};
use super::view::{SmView, esm_class, tag};

/// Longest short message (SMPP 3.4, section 5.2.21).
const SHORT_MESSAGE_MAX: usize = 254;
/// data_coding, sm_default_msg_id, sm_length.
const DATA_CODING_BEFORE_TEXT: usize = 3;

const UCS_2: u8 = 8;

/// What is to be known of a receipt that TLVs alone tell of.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Our id for the message.
    pub id: &'a [u8],
    /// When the receipt came, in Unix seconds: no TLV has a date.
    pub came: u32,
}

/// Appends `body`, a deliver_sm's, without its TLVs; `told` when it is a receipt. False when its text had to be cut, for it had no
/// room.
pub fn write(body: &[u8], told: Option<&Told<'_>>, out: &mut Vec<u8>) -> bool {
    let Ok(view) = SmView::deliver(body) else {
        // What cannot be read was never kept.
        out.extend_from_slice(body);
        return true;
    };
    let head_at = out.len();
    out.extend_from_slice(&body[..view.short_message_at]);
    let text_at = out.len();
    let is_written = told.is_some_and(|told| write_receipt(&view, told, out));
    if is_written {
        out[head_at + esm_class_at(&view)] &= !esm_class::UDHI;
        out[text_at - DATA_CODING_BEFORE_TEXT] = 0;
    } else {
        write_header(&view, out, head_at);
        out.extend_from_slice(view.text());
    }
    let len = out.len() - text_at;
    // What came as one short message of 255 octets leaves as one.
    let most = SHORT_MESSAGE_MAX.max(view.short_message.len());
    // Two octets are one letter in UCS-2.
    let is_odd = !is_written && view.data_coding == UCS_2 && (len - most.min(len)) % 2 == 1;
    let kept = if len <= most { len } else { most - usize::from(is_odd) };
    out.truncate(text_at + kept);
    out[text_at - 1] = kept as u8;
    kept == len
}

/// Whether the receipt's text was written, for what it has does not say of which message and what.
fn write_receipt(view: &SmView<'_>, told: &Told<'_>, out: &mut Vec<u8>) -> bool {
    if receipt::says_all(view.text()) || receipt::says_all(view.text_behind_header()) {
        return false;
    }
    let state = view.tlv(tag::MESSAGE_STATE).and_then(|value| MessageState::from_number(*value.first()?));
    if state.is_none() && !view.text().is_empty() {
        // No better is known.
        return false;
    }
    let error = receipt::details(view).network_error.map_or(0, |(_, error)| error);
    let date = receipt::date_of(i64::from(told.came));
    let state = state.unwrap_or(MessageState::Unknown);
    let text = StandardText {
        id: told.id,
        parts: 1,
        delivered: u8::from(state == MessageState::Delivered),
        submit_date: &date,
        done_date: &date,
        state,
        error: u32::from(error),
        text: view.text_behind_header(),
    };
    receipt::write_standard(&text, out);
    true
}

/// The user data header that says what SAR TLVs say, which are not passed.
fn write_header(view: &SmView<'_>, out: &mut Vec<u8>, head_at: usize) {
    let Some(part) = segment_ref(view).filter(|part| part.mark == Mark::Sar && !view.has_udh()) else { return };
    let [high, low] = part.reference.to_be_bytes();
    out.extend_from_slice(&[6, 8, 4, high, low, part.total, part.number]);
    out[head_at + esm_class_at(view)] |= esm_class::UDHI;
}

fn esm_class_at(view: &SmView<'_>) -> usize {
    const KINDS_AND_NULS: usize = 2 * (2 + 1);
    view.service_type.len() + 1 + KINDS_AND_NULS + view.source.digits.len() + view.destination.digits.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smpp::receipt::read;

    const TOLD: Told<'static> = Told { id: b"0012abcd", came: 1_795_437_296 };

    fn body(esm_class: u8, data_coding: u8, text: &[u8], tlvs: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = b"CMT\0\x01\x0149151\0\x05\0ACME\0".to_vec();
        out.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, text.len() as u8]);
        out.extend_from_slice(text);
        for (tag, value) in tlvs {
            out.extend_from_slice(&tag.to_be_bytes());
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
            out.extend_from_slice(value);
        }
        out
    }

    fn written(body: &[u8], told: Option<&Told<'_>>) -> (Vec<u8>, bool) {
        let mut out = b"before".to_vec();
        let is_whole = write(body, told, &mut out);
        (out.split_off(6), is_whole)
    }

    #[test]
    fn a_text_stays_and_what_stands_behind_it_goes() {
        let whole = body(0, 3, b"caf\xE9", &[(0x1400, b"x"), (tag::USER_MESSAGE_REFERENCE, &[0, 7])]);
        assert_eq!(written(&whole, None), (body(0, 3, b"caf\xE9", &[]), true));
        let receipt =
            b"id:0012abcd sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:";
        let whole = body(4, 0, receipt, &[(tag::RECEIPTED_MESSAGE_ID, b"0012abcd\0"), (tag::MESSAGE_STATE, &[2])]);
        assert_eq!(written(&whole, Some(&TOLD)), (body(4, 0, receipt, &[]), true));
    }

    #[test]
    fn a_payload_is_the_short_message_as_far_as_that_has_room() {
        let text = [b'x'; 300];
        for len in [1, 254] {
            let whole = body(0, 0, b"", &[(tag::MESSAGE_PAYLOAD, &text[..len])]);
            assert_eq!(written(&whole, None), (body(0, 0, &text[..len], &[]), true));
        }
        let whole = body(0, 0, b"", &[(tag::MESSAGE_PAYLOAD, &text)]);
        assert_eq!(written(&whole, None), (body(0, 0, &text[..254], &[]), false));
        // Behind a header of seven octets an odd place would cut a letter in two.
        let sar: [(u16, &[u8]); 4] = [
            (tag::SAR_MSG_REF_NUM, &[1, 2]),
            (tag::SAR_TOTAL_SEGMENTS, &[2]),
            (tag::SAR_SEGMENT_SEQNUM, &[1]),
            (tag::MESSAGE_PAYLOAD, &text),
        ];
        let (cut, is_whole) = written(&body(0, 8, b"", &sar), None);
        let view = SmView::deliver(&cut).unwrap();
        assert_eq!((view.short_message.len(), is_whole), (253, false));
        assert_eq!(view.text_behind_header().len() % 2, 0);
    }

    #[test]
    fn parts_marked_by_tlvs_are_marked_by_a_header() {
        let sar: [(u16, &[u8]); 3] =
            [(tag::SAR_MSG_REF_NUM, &[1, 2]), (tag::SAR_TOTAL_SEGMENTS, &[3]), (tag::SAR_SEGMENT_SEQNUM, &[2])];
        let expected = body(0x40, 0, b"\x06\x08\x04\x01\x02\x03\x02part", &[]);
        assert_eq!(written(&body(0, 0, b"part", &sar), None), (expected, true));
    }

    #[test]
    fn a_receipt_of_tlvs_alone_gets_a_text() {
        let tlvs: [(u16, &[u8]); 3] = [
            (tag::RECEIPTED_MESSAGE_ID, b"0012abcd\0"),
            (tag::MESSAGE_STATE, &[5]),
            (tag::NETWORK_ERROR_CODE, &[3, 0, 42]),
        ];
        let expected =
            b"id:0012abcd sub:001 dlvrd:000 submit date:2611231234 done date:2611231234 stat:UNDELIV err:042 text:";
        assert_eq!(written(&body(4, 8, b"", &tlvs), Some(&TOLD)), (body(4, 0, expected, &[]), true));
        // A text that says nothing of it is repeated as a receipt repeats its message's.
        let (out, _) = written(&body(4, 0, b"hello", &tlvs), Some(&TOLD));
        assert!(out.ends_with(b"err:042 text:hello"));
        assert!(written(&body(4, 0, b"", &[]), Some(&TOLD)).0.windows(12).any(|at| at == b"stat:UNKNOWN"));
        let odd = body(4, 0, b"all went well", &[]);
        assert_eq!(written(&odd, Some(&TOLD)).0, odd);
    }

    proptest! {
        #[test]
        fn whatever_comes_leaves_as_one_readable_body_without_tlvs(
            text in prop::collection::vec(any::<u8>(), 0..=255),
            rest in prop::collection::vec(any::<u8>(), 0..400),
            (esm_class, data_coding, is_receipt) in any::<(u8, u8, bool)>(),
        ) {
            let mut whole = body(esm_class, data_coding, &text, &[]);
            whole.extend_from_slice(&rest);
            let (out, _) = written(&whole, is_receipt.then_some(&TOLD));
            let (before, after) = (SmView::deliver(&whole).unwrap(), SmView::deliver(&out).unwrap());
            prop_assert_eq!(after.optional, b"");
            prop_assert_eq!((after.source, after.destination), (before.source, before.destination));
            prop_assert_eq!(after.short_message.len(), usize::from(out[after.short_message_at - 1]));
        }

        #[test]
        fn a_receipt_of_tlvs_alone_is_read_back(number in 1u8..=8, came: u32, error: u16) {
            let [high, low] = error.to_be_bytes();
            let tlvs: [(u16, &[u8]); 2] = [(tag::MESSAGE_STATE, &[number]), (tag::NETWORK_ERROR_CODE, &[3, high, low])];
            let (out, is_whole) = written(&body(4, 0, b"", &tlvs), Some(&Told { came, ..TOLD }));
            let view = SmView::deliver(&out).unwrap();
            let receipt = read(&view).unwrap();
            prop_assert!(is_whole);
            prop_assert_eq!((receipt.ids[0], Some(receipt.state)), (Some(TOLD.id), MessageState::from_number(number)));
        }
    }
}
