//! The submits of one run: one PDU built once, in which only sequence number, destination and tag change.

use std::ops::Range;

use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::write_header;
use crate::tools::ledger::Tag;

/// Digits of the destination that vary.
const VARYING: usize = 8;

const FILLER: &[u8] = b" The quick brown fox jumps over the lazy dog 0123456789;";

/// What all submits of a run have in common.
pub(super) struct Common<'a> {
    pub(super) source: &'a str,
    pub(super) destination: &'a str,
    pub(super) text_len: usize,
    pub(super) run: u32,
    pub(super) wants_receipt: bool,
}

pub(super) struct Template {
    pdu: Vec<u8>,
    varying: Range<usize>,
    number: Range<usize>,
    run: u32,
}

impl Template {
    #[must_use]
    pub(super) fn new(common: &Common<'_>) -> Self {
        let mut pdu = Vec::new();
        let (command, status) = (CommandId::SUBMIT_SM, CommandStatus::ROK);
        write_header(&mut pdu, command, status, SequenceNumber(0), 0);
        pdu.push(0);
        // Alphanumeric senders are of type 5, numbers international in the E.164 plan.
        let is_number = common.source.bytes().all(|octet| octet.is_ascii_digit());
        pdu.extend_from_slice(if is_number { &[1, 1] } else { &[5, 0] });
        pdu.extend_from_slice(common.source.as_bytes());
        pdu.extend_from_slice(&[0, 1, 1]);
        pdu.extend_from_slice(common.destination.as_bytes());
        let varying = pdu.len()..pdu.len() + VARYING;
        pdu.extend_from_slice(&[b'0'; VARYING]);
        // The NUL, esm_class, protocol_id, priority, schedule, validity.
        pdu.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
        pdu.extend_from_slice(&[u8::from(common.wants_receipt), 0, 0, 0]);
        pdu.push(u8::try_from(common.text_len).unwrap_or(u8::MAX));
        let text_at = pdu.len();
        pdu.extend_from_slice(format!("{:08x}-", common.run).as_bytes());
        let number = pdu.len()..pdu.len() + Tag::NUMBER;
        pdu.extend_from_slice(&[b'0'; Tag::NUMBER]);
        pdu.extend(FILLER.iter().cycle().take(common.text_len.saturating_sub(Tag::LEN)));
        debug_assert_eq!(pdu.len() - text_at, common.text_len);
        let length = u32::try_from(pdu.len()).unwrap_or(u32::MAX);
        pdu[..4].copy_from_slice(&length.to_be_bytes());
        Self { pdu, varying, number, run: common.run }
    }

    /// What the text of this number's submit begins with.
    pub(super) fn tag(&self, number: u64) -> Tag {
        Tag { run: self.run, number: number % 10u64.pow(Tag::NUMBER as u32) }
    }

    /// Appends the submit of this number.
    pub(super) fn write(&self, sequence: SequenceNumber, number: u64, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.pdu);
        let pdu = &mut out[at..];
        pdu[12..16].copy_from_slice(&sequence.0.to_be_bytes());
        write_decimal(number, &mut pdu[self.number.clone()]);
        pdu.copy_within(self.number.end - VARYING..self.number.end, self.varying.start);
    }
}

/// The last digits of `number`, with leading zeros, as many as there is room for.
fn write_decimal(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::frame::Frame;
    use crate::smpp::view::SmView;

    #[test]
    fn each_submit_has_its_own_sequence_number_destination_and_tag() {
        let common = Common { source: "ACME", destination: "4477", text_len: 60, run: 0xBEEF, wants_receipt: true };
        let template = Template::new(&common);
        let mut out = Vec::new();
        template.write(SequenceNumber(7), 42, &mut out);
        template.write(SequenceNumber(8), 12_345_678_901, &mut out);
        let first = Frame::cut(&out, 1_000).unwrap().unwrap();
        let second = Frame::cut(&out[first.len()..], 1_000).unwrap().unwrap();
        assert_eq!(first.len() + second.len(), out.len());
        assert_eq!((first.sequence, second.sequence), (SequenceNumber(7), SequenceNumber(8)));
        let (one, two) = (SmView::submit(first.body).unwrap(), SmView::submit(second.body).unwrap());
        assert_eq!((one.source.ton, one.source.digits), (5, &b"ACME"[..]));
        assert_eq!(one.destination.digits, b"447700000042");
        assert_eq!(two.destination.digits, b"447745678901");
        assert!(one.text().starts_with(b"0000beef-0000000042 The"));
        assert!(two.text().starts_with(b"0000beef-2345678901 The"));
        let tags = [Tag::begins(one.text()), Tag::begins(two.text())];
        assert_eq!(tags, [Some(template.tag(42)), Some(template.tag(12_345_678_901))]);
        assert!(one.wants_receipt() && one.text().len() == 60);
    }

    #[test]
    fn the_shortest_text_is_the_tag_alone() {
        let common = Common { source: "4470", destination: "44", text_len: Tag::LEN, run: 1, wants_receipt: false };
        let mut out = Vec::new();
        Template::new(&common).write(SequenceNumber(1), 1, &mut out);
        let view = SmView::submit(&out[16..]).unwrap();
        assert_eq!((view.source.ton, view.text()), (1, &b"00000001-0000000001"[..]));
        assert!(!view.wants_receipt());
    }
}
