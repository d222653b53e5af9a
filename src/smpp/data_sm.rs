//! data_sm (SMPP 3.4, section 4.7.1), which says in fewer fields what a submit_sm or a deliver_sm says.
//!
//! What comes as one is worked with as the short message it stands for: what is relayed, parked, recorded and delivered is one
//! kind of body. What a customer wants delivered as one is written so when it is sent.

use std::time::Duration;

use super::command::{CommandId, CommandStatus, SequenceNumber};
use super::edit::{self, Edits};
use super::frame::{Frame, HEADER_LEN, write_header};
use super::time;
use super::view::{SmView, Tlvs, tag};

/// Longest text a short message holds without a TLV.
const SHORT_MESSAGE_MAX: usize = 254;

/// The body of the submit_sm or deliver_sm, which have one layout, that says the same. A text in `message_payload` becomes its short message when it fits; every
/// other TLV, and what stands behind them, is kept as it came. The error is the status to answer with.
pub fn as_short_message(body: &[u8]) -> Result<Vec<u8>, CommandStatus> {
    let mut at = 0;
    skip_c_string(body, &mut at).ok_or(CommandStatus::RINVSERTYP)?;
    for status in [CommandStatus::RINVSRCADR, CommandStatus::RINVDSTADR] {
        at += TON_AND_NPI;
        skip_c_string(body, &mut at).ok_or(status)?;
    }
    let (head, rest) = body.split_at(at);
    let [esm_class, registered_delivery, data_coding, optional @ ..] = rest else {
        return Err(CommandStatus::RINVMSGLEN);
    };
    let mut tlvs = Tlvs::of(optional);
    let payload = tlvs.find(|tlv| tlv.tag == tag::MESSAGE_PAYLOAD && tlv.value.len() <= SHORT_MESSAGE_MAX);
    let text = payload.map_or(&b""[..], |tlv| tlv.value);
    let mut out = Vec::with_capacity(head.len() + MIDDLE + optional.len());
    out.extend_from_slice(head);
    // No protocol_id, priority or times; nothing is replaced, and no canned message is meant.
    out.extend_from_slice(&[*esm_class, 0, 0, 0, 0, *registered_delivery, 0, *data_coding, 0, text.len() as u8]);
    out.extend_from_slice(text);
    match payload {
        Some(tlv) => {
            out.extend_from_slice(&optional[..tlv.at]);
            out.extend_from_slice(&optional[tlv.at + TLV_HEADER + tlv.value.len()..]);
        }
        None => out.extend_from_slice(optional),
    }
    Ok(out)
}

/// The body of the submit_sm that says the same as an ESME's data_sm, which tells its validity in a TLV.
pub fn as_submit(body: &[u8]) -> Result<Vec<u8>, CommandStatus> {
    let submit = as_short_message(body)?;
    let view = SmView::submit(&submit)?;
    let Some(value) = view.tlv(tag::QOS_TIME_TO_LIVE) else { return Ok(submit) };
    let seconds = u32::from_be_bytes(value.try_into().map_err(|_| CommandStatus::RINVPARLEN)?);
    if seconds == 0 {
        return Ok(submit);
    }
    let validity = time::relative(Duration::from_secs(seconds.into()));
    let mut out = Vec::with_capacity(submit.len() + validity.len());
    edit::write(&submit, &view, &Edits { validity: Some(&validity), ..Edits::default() }, &mut out);
    Ok(out)
}

/// Appends the data_sm that says what this body of a deliver_sm says, its text as a payload. What a data_sm has no field for,
/// such as a priority, is left out.
pub fn write_delivery(body: &[u8], sequence: SequenceNumber, out: &mut Vec<u8>) {
    let status = CommandStatus::ROK;
    let Ok(view) = SmView::deliver(body) else {
        // None such is kept; as it came it says the most.
        return Frame { command: CommandId::DELIVER_SM, status, sequence, body }.write(out);
    };
    let addresses_len = view.service_type.len() + view.source.digits.len() + view.destination.digits.len() + 7;
    let payload_len = if view.short_message.is_empty() { 0 } else { TLV_HEADER + view.short_message.len() };
    let len = addresses_len + 3 + payload_len + view.optional.len();
    out.reserve(HEADER_LEN + len);
    write_header(out, CommandId::DATA_SM, status, sequence, len);
    out.extend_from_slice(&body[..addresses_len]);
    out.extend_from_slice(&[view.esm_class, view.registered_delivery, view.data_coding]);
    if payload_len > 0 {
        out.extend_from_slice(&tag::MESSAGE_PAYLOAD.to_be_bytes());
        // It has no more than an octet can say.
        out.extend_from_slice(&[0, view.short_message.len() as u8]);
        out.extend_from_slice(view.short_message);
    }
    out.extend_from_slice(view.optional);
}

const TON_AND_NPI: usize = 2;
const TLV_HEADER: usize = 4;
/// Octets between the addresses and the text.
const MIDDLE: usize = 10;

fn skip_c_string(body: &[u8], at: &mut usize) -> Option<()> {
    let len = body.get(*at..)?.iter().position(|octet| *octet == 0)?;
    *at += len + 1;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::receipt::{self, MessageState};
    use crate::smpp::view::SmView;

    const ADDRESSES: &[u8] = b"CMT\0\x01\x01447700900001\0\x05\0ACME\0";

    fn tlv(tag: u16, value: &[u8]) -> Vec<u8> {
        [&tag.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
    }

    fn data_sm(esm_class: u8, data_coding: u8, tlvs: &[Vec<u8>]) -> Vec<u8> {
        [ADDRESSES, &[esm_class, 1, data_coding], &tlvs.concat()].concat()
    }

    #[test]
    fn it_becomes_the_deliver_sm_that_says_the_same() {
        let (before, behind) = (tlv(0x1400, b"dlt"), tlv(0x0204, &[0, 7]));
        let body = data_sm(0x40, 8, &[before.clone(), tlv(tag::MESSAGE_PAYLOAD, b"hello"), behind.clone()]);
        let deliver = as_short_message(&body).unwrap();
        let view = SmView::deliver(&deliver).unwrap();
        assert_eq!(
            (view.service_type, view.source.digits, view.destination.digits),
            (&b"CMT"[..], &b"447700900001"[..], &b"ACME"[..])
        );
        assert_eq!((view.esm_class, view.registered_delivery, view.data_coding), (0x40, 1, 8));
        assert_eq!((view.short_message, view.optional), (&b"hello"[..], &[before, behind].concat()[..]));
    }

    #[test]
    fn a_text_that_no_short_message_holds_stays_a_payload() {
        for (len, is_short) in [(254, true), (255, false), (2_000, false)] {
            let text = vec![b'x'; len];
            let deliver = as_short_message(&data_sm(0, 0, &[tlv(tag::MESSAGE_PAYLOAD, &text)])).unwrap();
            let view = SmView::deliver(&deliver).unwrap();
            assert_eq!((view.text(), view.short_message.len()), (&text[..], if is_short { len } else { 0 }));
        }
    }

    #[test]
    fn a_receipt_in_it_is_read_as_any_other() {
        let tlvs = [tlv(tag::RECEIPTED_MESSAGE_ID, b"77\0"), tlv(tag::MESSAGE_STATE, &[5])];
        let deliver = as_short_message(&data_sm(0x04, 0, &tlvs)).unwrap();
        let receipt = receipt::read(&SmView::deliver(&deliver).unwrap()).unwrap();
        assert_eq!((receipt.ids, receipt.state), ([Some(&b"77"[..]), None], MessageState::Undeliverable));
        let text = tlv(tag::MESSAGE_PAYLOAD, b"id:78 sub:001 dlvrd:001 stat:DELIVRD");
        let deliver = as_short_message(&data_sm(0x04, 0, &[text])).unwrap();
        let receipt = receipt::read(&SmView::deliver(&deliver).unwrap()).unwrap();
        assert_eq!((receipt.ids, receipt.state), ([Some(&b"78"[..]), None], MessageState::Delivered));
    }

    #[test]
    fn a_cut_one_has_a_status_or_a_deliver_sm_and_never_a_panic() {
        let whole = data_sm(0x04, 0, &[tlv(tag::MESSAGE_PAYLOAD, b"hello"), vec![1, 2, 3]]);
        let expected = |cut: usize| match cut {
            0..4 => Some(CommandStatus::RINVSERTYP),
            4..19 => Some(CommandStatus::RINVSRCADR),
            19..26 => Some(CommandStatus::RINVDSTADR),
            26..29 => Some(CommandStatus::RINVMSGLEN),
            _ => None,
        };
        for cut in 0..=whole.len() {
            assert_eq!(as_short_message(&whole[..cut]).err(), expected(cut), "{cut}");
        }
        for at in 0..whole.len() {
            for value in [0x00, 0x7F, 0x80, 0xFF] {
                let mut octets = whole.clone();
                octets[at] = value;
                if let Ok(deliver) = as_short_message(&octets) {
                    assert!(SmView::deliver(&deliver).is_ok());
                }
            }
        }
    }

    #[test]
    fn an_esmes_says_how_long_it_is_valid_in_a_tlv() {
        let with_ttl = |value: &[u8]| {
            let tlvs = [tlv(tag::QOS_TIME_TO_LIVE, value), tlv(tag::MESSAGE_PAYLOAD, b"otp"), tlv(0x020C, &[0, 7])];
            as_submit(&data_sm(0, 0, &tlvs))
        };
        let submit = with_ttl(&[0, 0, 0, 90]).unwrap();
        let view = SmView::submit(&submit).unwrap();
        assert_eq!((view.validity, view.short_message), (&b"000000000130000R"[..], &b"otp"[..]));
        let kept = [tlv(tag::QOS_TIME_TO_LIVE, &[0, 0, 0, 90]), tlv(0x020C, &[0, 7])].concat();
        assert_eq!(view.optional, kept);
        assert_eq!(SmView::submit(&with_ttl(&[0; 4]).unwrap()).unwrap().validity, b"");
        assert_eq!(with_ttl(&[1]), Err(CommandStatus::RINVPARLEN));
    }

    #[test]
    fn an_esmes_is_read_as_strictly_as_a_submit_sm() {
        let payload = || tlv(tag::MESSAGE_PAYLOAD, b"hello");
        assert!(SmView::submit(&as_submit(&data_sm(0, 0, &[])).unwrap()).unwrap().text().is_empty());
        let cases = [
            (data_sm(0, 0, &[payload(), vec![0x14, 0, 0, 9, 1]]), CommandStatus::RINVOPTPARSTREAM),
            (data_sm(0, 0, &[payload(), payload()]), CommandStatus::ROPTPARNOTALLWD),
            (data_sm(0, 0, &[tlv(0x020C, &[7])]), CommandStatus::RINVPARLEN),
            ([b"\0\0\0", &[b'1'; 21][..], b"\0\0\0\x2b49\0\0\0\0"].concat(), CommandStatus::RINVSRCADR),
            ([b"\0\0\x001\0\0\0", &[b'1'; 21][..], b"\0\0\0\0"].concat(), CommandStatus::RINVDSTADR),
        ];
        for (body, status) in cases {
            assert_eq!(as_submit(&body), Err(status), "{body:?}");
        }
    }

    fn delivery(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_delivery(body, SequenceNumber(9), &mut out);
        let frame = Frame::cut(&out, 1 << 20).unwrap().unwrap();
        assert_eq!((frame.command, frame.sequence, frame.len()), (CommandId::DATA_SM, SequenceNumber(9), out.len()));
        frame.body.to_vec()
    }

    #[test]
    fn a_delivery_is_read_back_as_what_it_was_made_of() {
        let long = vec![b'x'; 1_000];
        let dlt = tlv(0x1400, b"dlt");
        for tlvs in [vec![], vec![dlt.clone()], vec![dlt, tlv(tag::MESSAGE_PAYLOAD, &long)]] {
            for text in [&b""[..], b"id:1 stat:DELIVRD", &long[..254]] {
                let is_both = !text.is_empty() && tlvs.len() == 2;
                let fields = [&[0x44, 1, 2, 0, 0, 1, 0, 8, 0, text.len() as u8], text].concat();
                let deliver = [ADDRESSES, &fields, &tlvs.concat()].concat();
                let data = delivery(&deliver);
                assert!(data.starts_with(&[ADDRESSES, &[0x44, 1, 8]].concat()));
                let back = as_short_message(&data).unwrap();
                let (back, was) = (SmView::deliver(&back).unwrap(), SmView::deliver(&deliver).unwrap());
                assert_eq!((back.source, back.destination, back.text()), (was.source, was.destination, was.text()));
                assert_eq!(back.esm_class, was.esm_class);
                assert!(is_both || back.optional == was.optional);
            }
        }
    }
}
