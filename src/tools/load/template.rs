//! The submits of one run: one PDU built once, in which only sequence number, destination, tag and the mark of a part change.

use std::ops::Range;

use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::write_header;
use crate::smpp::view::{esm_class, tag};
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
    /// Of how many parts each message is.
    pub(super) parts: u8,
    pub(super) concat: Concat,
}

/// How the parts of a message are marked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Concat {
    /// In the user data header, with a reference of 8 bits
    Udh8,
    /// The same with 16 bits
    Udh16,
    /// In the SAR TLVs
    Sar,
}

pub(super) struct Template {
    pdu: Vec<u8>,
    varying: Range<usize>,
    number: Range<usize>,
    run: u32,
    parts: u64,
    /// The reference, and the part's number.
    mark: Option<(Range<usize>, usize)>,
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
        let header: &[u8] = match common.concat {
            Concat::Udh8 if common.parts > 1 => &[5, 0, 3, 0, common.parts, 0],
            Concat::Udh16 if common.parts > 1 => &[6, 8, 4, 0, 0, common.parts, 0],
            Concat::Udh8 | Concat::Udh16 | Concat::Sar => &[],
        };
        // The NUL, esm_class, protocol_id, priority, schedule, validity.
        pdu.extend_from_slice(&[0, if header.is_empty() { 0 } else { esm_class::UDHI }, 0, 0, 0, 0]);
        pdu.extend_from_slice(&[u8::from(common.wants_receipt), 0, 0, 0]);
        pdu.push(u8::try_from(header.len() + common.text_len).unwrap_or(u8::MAX));
        pdu.extend_from_slice(header);
        let text_at = pdu.len();
        pdu.extend_from_slice(format!("{:08x}-", common.run).as_bytes());
        let number = pdu.len()..pdu.len() + Tag::NUMBER;
        pdu.extend_from_slice(&[b'0'; Tag::NUMBER]);
        pdu.extend(FILLER.iter().cycle().take(common.text_len.saturating_sub(Tag::LEN)));
        debug_assert_eq!(pdu.len() - text_at, common.text_len);
        let mark = match common.concat {
            _ if common.parts <= 1 => None,
            Concat::Udh8 => Some((text_at - 3..text_at - 2, text_at - 1)),
            Concat::Udh16 => Some((text_at - 4..text_at - 2, text_at - 1)),
            Concat::Sar => {
                let at = pdu.len();
                for (tag, value) in [
                    (tag::SAR_MSG_REF_NUM, &[0, 0][..]),
                    (tag::SAR_TOTAL_SEGMENTS, &[common.parts]),
                    (tag::SAR_SEGMENT_SEQNUM, &[0]),
                ] {
                    pdu.extend_from_slice(&tag.to_be_bytes());
                    pdu.extend_from_slice(&[0, value.len() as u8]);
                    pdu.extend_from_slice(value);
                }
                Some((at + 4..at + 6, pdu.len() - 1))
            }
        };
        let length = u32::try_from(pdu.len()).unwrap_or(u32::MAX);
        pdu[..4].copy_from_slice(&length.to_be_bytes());
        Self { pdu, varying, number, run: common.run, parts: common.parts.into(), mark }
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
        let message = number / self.parts;
        write_decimal(message, &mut pdu[self.varying.clone()]);
        if let Some((reference, part)) = &self.mark {
            let octets = message.to_be_bytes();
            pdu[reference.clone()].copy_from_slice(&octets[octets.len() - reference.len()..]);
            pdu[*part] = (number % self.parts) as u8 + 1;
        }
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
    use crate::smpp::segment::{Mark, segment_ref};
    use crate::smpp::view::SmView;

    fn common() -> Common<'static> {
        Common {
            source: "ACME",
            destination: "4477",
            text_len: 60,
            run: 0xBEEF,
            wants_receipt: true,
            parts: 1,
            concat: Concat::Udh8,
        }
    }

    #[test]
    fn parts_of_one_message_have_one_reference_and_destination() {
        for (concat, mark) in [(Concat::Udh8, Mark::Udh8), (Concat::Udh16, Mark::Udh16), (Concat::Sar, Mark::Sar)] {
            let template = Template::new(&Common { parts: 3, concat, ..common() });
            for number in 3_000..3_006 {
                let mut out = Vec::new();
                template.write(SequenceNumber(7), number, &mut out);
                let view = SmView::submit(Frame::cut(&out, 1_000).unwrap().unwrap().body).unwrap();
                let part = segment_ref(&view).unwrap();
                let message = number / 3;
                let reference = if mark == Mark::Udh8 { message % 256 } else { message };
                assert_eq!((part.mark, u64::from(part.reference), part.total), (mark, reference, 3));
                assert_eq!(u64::from(part.number), number % 3 + 1);
                assert_eq!(view.destination.digits, format!("4477{message:08}").as_bytes());
                assert_eq!(Tag::begins(view.text_behind_header()), Some(template.tag(number)));
                assert_eq!(view.text_behind_header().len(), 60);
            }
        }
    }

    #[test]
    fn each_submit_has_its_own_sequence_number_destination_and_tag() {
        let template = Template::new(&common());
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
        let (source, destination) = ("4470", "44");
        let common = Common { source, destination, text_len: Tag::LEN, run: 1, wants_receipt: false, ..common() };
        let mut out = Vec::new();
        Template::new(&common).write(SequenceNumber(1), 1, &mut out);
        let view = SmView::submit(&out[16..]).unwrap();
        assert_eq!((view.source.ton, view.text()), (1, &b"00000001-0000000001"[..]));
        assert!(!view.wants_receipt());
    }
}
