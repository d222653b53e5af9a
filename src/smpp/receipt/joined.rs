//! Receipts written from receipts: one in the standard layout from a carrier's own, and one for a whole message from those of its parts.

use super::standard::{StandardReceipt, StandardText, date_of, date_read, write_body};
use super::{MessageState, Receipt, details};
use crate::smpp::view::{SmView, esm_class, tag};

/// When we took the message, and now: for what a carrier's receipt does not say. Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub accepted: u32,
    pub now: u32,
}

/// TLVs that a rebuilt receipt keeps: what the network said, and what the customer had put on the message.
const KEPT_TLVS: [u16; 2] = [tag::NETWORK_ERROR_CODE, tag::USER_MESSAGE_REFERENCE];

/// Appends the body of a receipt that says what `receipt`, read from `view`, says, as the specification shows it and under our id.
pub fn rebuild(view: &SmView<'_>, receipt: &Receipt<'_>, our_id: &[u8], times: Times, out: &mut Vec<u8>) {
    let said = Said::of(view, times);
    let is_delivered = receipt.state == MessageState::Delivered;
    let says = StandardText {
        id: our_id,
        parts: said.parts.unwrap_or(1),
        delivered: said.delivered.unwrap_or(is_delivered.into()),
        submit_date: &said.submit_date,
        done_date: &said.done_date,
        state: receipt.state,
        error: said.error,
        text: said.text,
    };
    let tlvs = kept_tlvs(view);
    let is_intermediate = view.esm_class & esm_class::TYPE_MASK == esm_class::INTERMEDIATE;
    write_body(
        &StandardReceipt { source: view.source, destination: view.destination, is_intermediate, says, tlvs: &tlvs },
        out,
    );
}

/// What is known of one part when its message is told of.
#[derive(Clone, Copy, Debug)]
pub struct PartSays<'a> {
    pub state: MessageState,
    /// Of its receipt; `None` when there was none.
    pub body: Option<&'a [u8]>,
    pub accepted: u32,
}

/// Appends the body of the one receipt for a message, under `our_id`: delivered when every part was, else as badly off as the worst.
/// `parts` are in their order; `missing` ones were never accepted. Nothing is written when no part has a receipt to go by.
pub fn write_joined(parts: &[PartSays<'_>], missing: u8, our_id: &[u8], now: u32, out: &mut Vec<u8>) {
    let receipts: Vec<Told<'_>> = parts.iter().filter_map(|part| Told::of(part, now)).collect();
    let Some(last) = receipts.last() else { return };
    let states = parts.iter().map(|part| part.state).chain((missing > 0).then_some(MessageState::Rejected));
    let state = worst(states);
    let blamed = receipts.iter().find(|told| told.state == state);
    let submit_date = receipts.iter().map(|told| told.said.submit_date).min().unwrap_or(date_of(now.into()));
    let done_date = receipts.iter().map(|told| told.said.done_date).max().unwrap_or(date_of(now.into()));
    let delivered = parts.iter().filter(|part| part.state == MessageState::Delivered).count();
    let says = StandardText {
        id: our_id,
        parts: u8::try_from(parts.len()).unwrap_or(u8::MAX).saturating_add(missing),
        delivered: u8::try_from(delivered).unwrap_or(u8::MAX),
        submit_date: &submit_date,
        done_date: &done_date,
        state,
        error: blamed.map_or(0, |told| told.said.error),
        text: receipts.iter().map(|told| told.said.text).find(|text| is_shown(text)).unwrap_or_default(),
    };
    let tlvs = blamed.map(|told| kept_tlvs(&told.view)).unwrap_or_default();
    let (source, destination) = (last.view.source, last.view.destination);
    write_body(&StandardReceipt { source, destination, is_intermediate: false, says, tlvs: &tlvs }, out);
}

/// From best to worst: delivered, states that are not the last, then the failures, of which a refusal is the surest.
fn worst(states: impl Iterator<Item = MessageState>) -> MessageState {
    const ORDER: [MessageState; 10] = [
        MessageState::Delivered,
        MessageState::Acknowledged,
        MessageState::Accepted,
        MessageState::Enroute,
        MessageState::Buffered,
        MessageState::Unknown,
        MessageState::Expired,
        MessageState::Deleted,
        MessageState::Undeliverable,
        MessageState::Rejected,
    ];
    let rank = |state: &MessageState| ORDER.iter().position(|other| other == state);
    states.max_by_key(rank).unwrap_or(MessageState::Unknown)
}

/// A user data header, or a text in two octets a letter, would be read as letters it is not.
fn is_shown(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|octet| *octet >= b' ')
}

/// A part's receipt.
struct Told<'a> {
    view: SmView<'a>,
    said: Said<'a>,
    state: MessageState,
}

impl<'a> Told<'a> {
    fn of(part: &PartSays<'a>, now: u32) -> Option<Self> {
        let view = SmView::deliver(part.body?).ok()?;
        let said = Said::of(&view, Times { accepted: part.accepted, now });
        Some(Self { view, said, state: part.state })
    }
}

/// The fields of a receipt, or what stands for those it lacks.
struct Said<'a> {
    parts: Option<u8>,
    delivered: Option<u8>,
    submit_date: [u8; 10],
    done_date: [u8; 10],
    error: u32,
    text: &'a [u8],
}

impl<'a> Said<'a> {
    fn of(view: &SmView<'a>, times: Times) -> Self {
        let said = details(view);
        let number = |octets: Option<&[u8]>| std::str::from_utf8(octets?).ok()?.parse().ok();
        let network_error = said.network_error.map(|(_, error)| u32::from(error));
        Self {
            parts: number(said.parts),
            delivered: number(said.delivered),
            submit_date: said.submit_date.and_then(date_read).unwrap_or_else(|| date_of(times.accepted.into())),
            done_date: said.done_date.and_then(date_read).unwrap_or_else(|| date_of(times.now.into())),
            error: said.error_number().or(network_error).unwrap_or(0),
            text: said.text.unwrap_or_default(),
        }
    }
}

fn kept_tlvs(view: &SmView<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for tlv in view.tlvs().filter(|tlv| KEPT_TLVS.contains(&tlv.tag)) {
        out.extend_from_slice(&tlv.tag.to_be_bytes());
        out.extend_from_slice(&(tlv.value.len() as u16).to_be_bytes());
        out.extend_from_slice(tlv.value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::receipt::read;

    /// 2026-11-23 12:34:56 and a day later.
    const TIMES: Times = Times { accepted: 1_795_437_296, now: 1_795_523_696 };

    fn body(text: &str, optional: &[u8]) -> Vec<u8> {
        let mut out = b"CMT\0\x01\x01447700900001\0\x05\0ACME\0\x04\0\0\0\0\0\0\x08\0".to_vec();
        out.push(text.len() as u8);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(optional);
        out
    }

    fn text_of(body: &[u8]) -> String {
        String::from_utf8_lossy(SmView::deliver(body).unwrap().short_message).into_owned()
    }

    fn rebuilt(body: &[u8]) -> Vec<u8> {
        let (view, mut out) = (SmView::deliver(body).unwrap(), b"before".to_vec());
        rebuild(&view, &read(&view).unwrap(), b"ours", TIMES, &mut out);
        out.split_off(6)
    }

    #[test]
    fn a_receipt_is_rebuilt_from_what_it_says() {
        let odd = body(
            "Id:77 Stat:undeliverable  err: 0x2A sub:1 submit_date:20261120101112 done date:261121091011 text:hi",
            &[0x14, 0, 0, 1, 9, 0x04, 0x23, 0, 3, 3, 0, 7],
        );
        let out = rebuilt(&odd);
        let view = SmView::deliver(&out).unwrap();
        let expected =
            "id:ours sub:001 dlvrd:000 submit date:2611201011 done date:2611210910 stat:UNDELIV err:042 text:hi";
        assert_eq!(text_of(&out), expected);
        assert_eq!(
            (view.source.digits, view.destination.digits, view.data_coding),
            (&b"447700900001"[..], &b"ACME"[..], 0)
        );
        assert_eq!(view.tlv(tag::RECEIPTED_MESSAGE_ID), Some(&b"ours\0"[..]));
        assert_eq!(
            (view.tlv(tag::MESSAGE_STATE), view.tlv(tag::NETWORK_ERROR_CODE)),
            (Some(&[5][..]), Some(&[3, 0, 7][..]))
        );
        assert_eq!(view.tlv(0x1400), None);
        // What is rebuilt once stays as it is.
        assert_eq!(rebuilt(&out), out);
    }

    #[test]
    fn what_a_receipt_does_not_say_is_known_here() {
        let bare = body("", &[0, 0x1E, 0, 3, b'7', b'7', 0, 0x04, 0x27, 0, 1, 2]);
        let expected =
            "id:ours sub:001 dlvrd:001 submit date:2611231234 done date:2611241234 stat:DELIVRD err:000 text:";
        assert_eq!(text_of(&rebuilt(&bare)), expected);
    }

    fn joined(parts: &[(MessageState, Option<&str>)], missing: u8) -> String {
        let bodies: Vec<_> = parts.iter().map(|(_, text)| text.map(|text| body(text, &[]))).collect();
        let says = |(at, (state, _)): (usize, &(MessageState, Option<&str>))| PartSays {
            state: *state,
            body: bodies[at].as_deref(),
            accepted: TIMES.accepted,
        };
        let says: Vec<_> = parts.iter().enumerate().map(says).collect();
        let mut out = Vec::new();
        write_joined(&says, missing, b"ours", TIMES.now, &mut out);
        if out.is_empty() { String::new() } else { text_of(&out) }
    }

    const FIRST: &str = "id:1 submit date:2611201011 done date:2611201012 stat:DELIVRD err:000 text:one";
    const SECOND: &str = "id:2 submit date:2611201012 done date:2611211012 stat:DELIVRD err:000 text:two";
    const FAILED: &str = "id:3 submit date:2611201012 done date:2611201015 stat:UNDELIV err:017 text:three";

    #[test]
    fn a_message_is_delivered_when_every_part_was() {
        let delivered = MessageState::Delivered;
        let expected =
            "id:ours sub:002 dlvrd:002 submit date:2611201011 done date:2611211012 stat:DELIVRD err:000 text:one";
        assert_eq!(joined(&[(delivered, Some(FIRST)), (delivered, Some(SECOND))], 0), expected);
    }

    #[test]
    fn a_message_is_as_badly_off_as_its_worst_part() {
        let (delivered, failed, expired) =
            (MessageState::Delivered, MessageState::Undeliverable, MessageState::Expired);
        let expected =
            "id:ours sub:003 dlvrd:001 submit date:2611201011 done date:2611211012 stat:UNDELIV err:017 text:one";
        assert_eq!(joined(&[(delivered, Some(FIRST)), (failed, Some(FAILED)), (expired, Some(SECOND))], 0), expected);
        // One was refused, or never came.
        assert!(joined(&[(delivered, Some(FIRST))], 1).contains("sub:002 dlvrd:001 "));
        assert!(joined(&[(delivered, Some(FIRST))], 1).contains("stat:REJECTD"));
        // Of one nothing was heard.
        assert!(joined(&[(delivered, Some(FIRST)), (MessageState::Unknown, None)], 0).contains("stat:UNKNOWN"));
        assert!(joined(&[(failed, Some(FAILED)), (MessageState::Unknown, None)], 0).contains("stat:UNDELIV err:017"));
        assert_eq!(joined(&[(MessageState::Unknown, None)], 0), "");
    }

    #[test]
    fn a_header_in_the_text_is_not_repeated() {
        let headed = "id:1 stat:DELIVRD err:000 text:\u{5}\0\u{3}\u{1}\u{2}\u{1}one";
        let delivered = MessageState::Delivered;
        assert!(joined(&[(delivered, Some(headed)), (delivered, Some(SECOND))], 0).ends_with("text:two"));
    }
}
