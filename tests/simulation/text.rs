//! What the simulated peers write: bodies with a tag in the text, by which everything can be matched.

use trunkline::smpp::command::SequenceNumber;
use trunkline::smpp::edit::{self, Edits};
use trunkline::smpp::frame::HEADER_LEN;
use trunkline::smpp::pdu::{self, ShortMessage};
use trunkline::smpp::receipt::{MessageState, StandardText, write_standard};
use trunkline::smpp::segment::Mark;
use trunkline::smpp::view::{Address, SmView, esm_class, tag};

const DIGITS: usize = 8;

/// In a submit's text: an ä in GSM 7-bit. And what it is in Latin-1.
const PADDING: &str = "\x7B";
const PADDING_IN_LATIN_1: u8 = 0xE4;

/// A submit's text begins with `T` and its number; a receipt's or MO's holds `#` and its number. One of several destinations has
/// `M` and the first one's number there, and its place at the end of its address.
pub(crate) fn submit_tag(body: &[u8]) -> Option<u32> {
    tag_by(body, |view| view.destination.digits)
}

/// The tag of the submit that a receipt of ours tells of: it has the text, and the address as its source.
pub(crate) fn told_tag(body: &[u8]) -> Option<u32> {
    tag_by(body, |view| view.source.digits)
}

fn tag_by<'a>(body: &'a [u8], handset: impl FnOnce(&SmView<'a>) -> &'a [u8]) -> Option<u32> {
    number_behind(b'T', body).or_else(|| {
        let [.., tens, ones] = handset(&SmView::deliver(body).ok()?) else { return None };
        Some(number_behind(b'M', body)? + u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
    })
}

pub(crate) fn item_number(body: &[u8]) -> Option<u32> {
    number_behind(b'#', body)
}

/// Of all parts of an MO.
pub(crate) fn item_numbers(octets: &[u8]) -> impl Iterator<Item = u32> {
    numbers_behind(b'#', octets)
}

fn number_behind(mark: u8, body: &[u8]) -> Option<u32> {
    numbers_behind(mark, body).next()
}

fn numbers_behind(mark: u8, body: &[u8]) -> impl Iterator<Item = u32> {
    body.windows(DIGITS + 1).filter_map(move |window| {
        let digits = window.strip_prefix(&[mark])?;
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
    })
}

/// Which part of which long message a submit is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) mark: Mark,
    pub(crate) reference: u16,
    pub(crate) total: u8,
    pub(crate) number: u8,
}

impl Part {
    /// The user data header; empty for the TLVs.
    fn header(self) -> Vec<u8> {
        let [high, low] = self.reference.to_be_bytes();
        match self.mark {
            Mark::Udh8 => vec![5, 0, 3, low, self.total, self.number],
            Mark::Udh16 => vec![6, 8, 4, high, low, self.total, self.number],
            Mark::Sar => Vec::new(),
        }
    }
}

/// The body of a submit_sm.
pub(crate) fn submit_body(
    number: u32,
    destination: &str,
    wants_receipt: bool,
    priority: u8,
    padding: usize,
    part: Option<Part>,
) -> Vec<u8> {
    let header = part.map_or_else(Vec::new, Part::header);
    let text = [&header[..], format!("T{number:0DIGITS$} {}", PADDING.repeat(padding)).as_bytes()].concat();
    let source = Address { ton: 5, npi: 0, digits: b"ACME" };
    let destination = Address { ton: 1, npi: 1, digits: destination.as_bytes() };
    let (reference, total, at);
    let mut tlvs: Vec<(u16, &[u8])> = Vec::new();
    if let Some(part) = part.filter(|part| part.mark == Mark::Sar) {
        (reference, total, at) = (part.reference.to_be_bytes(), [part.total], [part.number]);
        tlvs.extend([
            (tag::SAR_MSG_REF_NUM, &reference[..]),
            (tag::SAR_TOTAL_SEGMENTS, &total[..]),
            (tag::SAR_SEGMENT_SEQNUM, &at[..]),
        ]);
    }
    let message = ShortMessage {
        priority,
        registered_delivery: u8::from(wants_receipt),
        esm_class: if header.is_empty() { 0 } else { esm_class::UDHI },
        tlvs: &tlvs,
        ..ShortMessage::new(source, destination, &text)
    };
    let mut out = Vec::new();
    pdu::write_submit_sm(&message, SequenceNumber::FIRST, &mut out);
    out.split_off(HEADER_LEN)
}

/// The body of a submit_multi to these destinations, and those of the submit_sm it stands for.
pub(crate) fn multi_bodies(number: u32, destinations: &[String], wants_receipt: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    const HEAD: &[u8] = b"\0\x05\0ACME\0";
    let of_one = |destination: &String| {
        let mut body = submit_body(number, destination, wants_receipt, 0, 20, None);
        let mark = body.windows(2).position(|pair| pair == b"T0").expect("what submit_body wrote");
        body[mark] = b'M';
        body
    };
    let bodies: Vec<_> = destinations.iter().map(of_one).collect();
    let mut multi = [HEAD, &[destinations.len() as u8]].concat();
    for destination in destinations {
        multi.extend_from_slice(&[b"\x01\x01\x01", destination.as_bytes(), b"\0"].concat());
    }
    let behind = HEAD.len() + 2 + destinations[0].len() + 1;
    multi.extend_from_slice(&bodies[0][behind..]);
    (multi, bodies)
}

/// The same from another sender, with a validity_period, and for no receipt.
pub(crate) fn submit_body_from(number: u32, sender: &str, validity: &str) -> Vec<u8> {
    let text = format!("T{number:0DIGITS$}");
    let source = Address { ton: 5, npi: 0, digits: sender.as_bytes() };
    let destination = Address { ton: 1, npi: 1, digits: b"491701234567" };
    let validity = validity.as_bytes();
    let message = ShortMessage { validity, ..ShortMessage::new(source, destination, text.as_bytes()) };
    let mut out = Vec::new();
    pdu::write_submit_sm(&message, SequenceNumber::FIRST, &mut out);
    out.split_off(HEADER_LEN)
}

/// The same with a validity_period, where there was none.
pub(crate) fn valid_for(body: &[u8], validity: &str) -> Vec<u8> {
    let view = SmView::submit(body).unwrap_or_else(|status| panic!("{status}: {body:?}"));
    let edits = Edits { validity: Some(validity.as_bytes()), ..Edits::default() };
    let mut out = Vec::new();
    edit::write(body, &view, &edits, &mut out);
    out
}

/// A profile under this name is what `rewritten` does.
pub(crate) const ODD_PROFILE: &str = "profiles:\n  odd: { submits: { source: { rewrite: { from: ACME, to: Rewritten } }, \
     destination: { format: plus, number: { ton: 2 } }, alphabet: latin1, data_coding: { 0: 3 }, tlvs: { add: { 0x1402: sim } } } }\n";

/// A body of `submit_body` as a carrier of the profile `odd` is sent it.
pub(crate) fn rewritten(body: &[u8]) -> Vec<u8> {
    const HEAD: &[u8] = b"\0\x05\0ACME\0\x01\x01";
    /// From behind the destination: esm_class to registered_delivery, and replace_if_present.
    const BEFORE_DATA_CODING: usize = 7;
    let rest = body.strip_prefix(HEAD).expect("what submit_body wrote");
    let digits_len = rest.iter().position(|octet| *octet == 0).expect("what submit_body wrote") + 1;
    let (digits, rest) = rest.split_at(digits_len);
    let mut rest = rest.to_vec();
    rest[BEFORE_DATA_CODING] = 3;
    let is_number = |window: &[u8]| window[0].is_ascii_uppercase() && window[1..].iter().all(u8::is_ascii_digit);
    let number_at = rest.windows(DIGITS + 1).position(is_number).expect("what submit_body wrote");
    let padding = rest
        .get_mut(number_at + DIGITS + 2..)
        .unwrap_or_default()
        .iter_mut()
        .take_while(|octet| **octet == PADDING.as_bytes()[0]);
    padding.for_each(|octet| *octet = PADDING_IN_LATIN_1);
    [&b"\0\x05\0Rewritten\0\x02\x01+"[..], digits, &rest, b"\x14\x02\0\x03sim"].concat()
}

/// A submit's body, whose sender is a name, with another name for it.
pub(crate) fn sent_from(name: &str, body: &[u8]) -> Vec<u8> {
    const BEFORE: usize = b"\0\x05\0".len();
    let name_len = body[BEFORE..].iter().position(|octet| *octet == 0).expect("what submit_body wrote");
    [&body[..BEFORE], name.as_bytes(), &body[BEFORE + name_len..]].concat()
}

/// A receipt but for the id in it.
#[derive(Clone, Debug)]
pub(crate) struct ReceiptShape {
    pub(crate) number: u32,
    /// The handset, which a receipt has as its source.
    pub(crate) handset: Vec<u8>,
    pub(crate) state: MessageState,
    /// Also as TLVs.
    pub(crate) has_tlvs: bool,
}

impl ReceiptShape {
    /// As the customer knows it.
    pub(crate) fn body(&self, id: &[u8]) -> Vec<u8> {
        let source = Address { ton: 1, npi: 1, digits: &self.handset };
        self.body_between(id, source, Address { ton: 5, npi: 0, digits: b"ACME" })
    }

    pub(crate) fn body_between(&self, id: &[u8], source: Address<'_>, destination: Address<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        let mark = format!("#{:0DIGITS$}", self.number);
        let standard = StandardText {
            id,
            parts: 1,
            delivered: u8::from(self.state == MessageState::Delivered),
            submit_date: b"2601011200",
            done_date: b"2601011201",
            state: self.state,
            error: 0,
            text: mark.as_bytes(),
        };
        write_standard(&standard, &mut text);
        let (state, with_nul) = ([self.state.number()], [id, &[0]].concat());
        let tlvs: [(u16, &[u8]); 2] = [(tag::RECEIPTED_MESSAGE_ID, &with_nul), (tag::MESSAGE_STATE, &state)];
        let message = ShortMessage {
            esm_class: esm_class::RECEIPT,
            tlvs: if self.has_tlvs { &tlvs } else { &[] },
            ..ShortMessage::new(source, destination, &text)
        };
        deliver_body(&message)
    }
}

/// The body of an MO to `destination`.
pub(crate) fn mo_body(number: u32, destination: &str) -> Vec<u8> {
    let text = format!("#{number:0DIGITS$} hello");
    let source = Address { ton: 1, npi: 1, digits: b"491701234567" };
    let destination = Address { ton: 3, npi: 0, digits: destination.as_bytes() };
    deliver_body(&ShortMessage::new(source, destination, text.as_bytes()))
}

/// The body of a part of one, from this sender.
pub(crate) fn mo_part_body(number: u32, (source, destination): (&str, &str), part: Part) -> Vec<u8> {
    let header = part.header();
    let text = [&header[..], format!("#{number:0DIGITS$} part {}", part.number).as_bytes()].concat();
    let (reference, total, at) = (part.reference.to_be_bytes(), [part.total], [part.number]);
    let tlvs: [(u16, &[u8]); 3] =
        [(tag::SAR_MSG_REF_NUM, &reference), (tag::SAR_TOTAL_SEGMENTS, &total), (tag::SAR_SEGMENT_SEQNUM, &at)];
    let source = Address { ton: 1, npi: 1, digits: source.as_bytes() };
    let destination = Address { ton: 3, npi: 0, digits: destination.as_bytes() };
    deliver_body(&ShortMessage {
        esm_class: if header.is_empty() { 0 } else { esm_class::UDHI },
        tlvs: if header.is_empty() { &tlvs } else { &[] },
        ..ShortMessage::new(source, destination, &text)
    })
}

/// What a session of SMPP 3.3 sees of a deliver_sm whose text is in its own field.
pub(crate) fn without_tlvs(deliver: &[u8]) -> &[u8] {
    let view = SmView::deliver(deliver).unwrap_or_else(|status| panic!("{status}: {deliver:?}"));
    &deliver[..deliver.len() - view.optional.len()]
}

/// The data_sm that says what a deliver_sm says: the text is a payload there.
pub(crate) fn data_sm_body(deliver: &[u8]) -> Vec<u8> {
    let view = SmView::deliver(deliver).unwrap_or_else(|status| panic!("{status}: {deliver:?}"));
    let mut out = view.service_type.to_vec();
    out.push(0);
    for address in [view.source, view.destination] {
        out.extend_from_slice(&[address.ton, address.npi]);
        out.extend_from_slice(address.digits);
        out.push(0);
    }
    out.extend_from_slice(&[view.esm_class, view.registered_delivery, view.data_coding]);
    out.extend_from_slice(&tag::MESSAGE_PAYLOAD.to_be_bytes());
    out.extend_from_slice(&(view.short_message.len() as u16).to_be_bytes());
    out.extend_from_slice(view.short_message);
    out.extend_from_slice(view.optional);
    out
}

fn deliver_body(message: &ShortMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    pdu::write_deliver_sm(message, SequenceNumber::FIRST, &mut out);
    out.split_off(HEADER_LEN)
}
