//! What the simulated peers write: bodies with a tag in the text, by which everything can be matched.

use trunkline::smpp::command::SequenceNumber;
use trunkline::smpp::frame::HEADER_LEN;
use trunkline::smpp::pdu::{self, ShortMessage};
use trunkline::smpp::receipt::{MessageState, StandardText, write_standard};
use trunkline::smpp::view::{Address, esm_class, tag};

const DIGITS: usize = 8;

/// A submit's text begins with `T` and its number; a receipt's or MO's holds `#` and its number.
pub(crate) fn submit_tag(body: &[u8]) -> Option<u32> {
    number_behind(b'T', body)
}

pub(crate) fn item_number(body: &[u8]) -> Option<u32> {
    number_behind(b'#', body)
}

fn number_behind(mark: u8, body: &[u8]) -> Option<u32> {
    body.windows(DIGITS + 1).find_map(|window| {
        let digits = window.strip_prefix(&[mark])?;
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
    })
}

/// The body of a submit_sm. `part` is the reference, total and number of a part of a long message.
pub(crate) fn submit_body(
    number: u32,
    destination: &str,
    wants_receipt: bool,
    priority: u8,
    padding: usize,
    part: Option<(u16, u8, u8)>,
) -> Vec<u8> {
    let text = format!("T{number:0DIGITS$} {}", "x".repeat(padding));
    let source = Address { ton: 5, npi: 0, digits: b"ACME" };
    let destination = Address { ton: 1, npi: 1, digits: destination.as_bytes() };
    let (reference, total, at);
    let mut tlvs: Vec<(u16, &[u8])> = Vec::new();
    if let Some(part) = part {
        (reference, total, at) = (part.0.to_be_bytes(), [part.1], [part.2]);
        tlvs.extend([
            (tag::SAR_MSG_REF_NUM, &reference[..]),
            (tag::SAR_TOTAL_SEGMENTS, &total[..]),
            (tag::SAR_SEGMENT_SEQNUM, &at[..]),
        ]);
    }
    let message = ShortMessage {
        priority,
        registered_delivery: u8::from(wants_receipt),
        tlvs: &tlvs,
        ..ShortMessage::new(source, destination, text.as_bytes())
    };
    let mut out = Vec::new();
    pdu::write_submit_sm(&message, SequenceNumber::FIRST, &mut out);
    out.split_off(HEADER_LEN)
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
    pub(crate) fn body(&self, id: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mark = format!("#{:0DIGITS$}", self.number);
        let standard = StandardText {
            id,
            submit_date: b"2601011200",
            done_date: b"2601011201",
            state: self.state,
            error: 0,
            text: mark.as_bytes(),
        };
        write_standard(&standard, &mut text);
        let (state, with_nul) = ([self.state.number()], [id, &[0]].concat());
        let tlvs: [(u16, &[u8]); 2] = [(tag::RECEIPTED_MESSAGE_ID, &with_nul), (tag::MESSAGE_STATE, &state)];
        let source = Address { ton: 1, npi: 1, digits: &self.handset };
        let message = ShortMessage {
            esm_class: esm_class::RECEIPT,
            tlvs: if self.has_tlvs { &tlvs } else { &[] },
            ..ShortMessage::new(source, Address { ton: 5, npi: 0, digits: b"ACME" }, &text)
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

fn deliver_body(message: &ShortMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    pdu::write_deliver_sm(message, SequenceNumber::FIRST, &mut out);
    out.split_off(HEADER_LEN)
}
