//! Segments: which part of a long message a PDU is, and how many parts its text takes on the air.
//!
//! Rates, quotas and prices count segments, and all parts of a message go by one carrier and link. Where the reference stands is
//! said too, so that it can be written over in place.

use super::view::{SmView, tag};

/// Which part of which long message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SegmentRef {
    pub mark: Mark,
    pub reference: u16,
    pub total: u8,
    /// 1 ..= `total`
    pub number: u8,
    /// Where in the body the reference stands.
    pub at: usize,
}

/// How a segment is marked. The handset takes the same reference in two of them for two messages.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mark {
    /// In the user data header, with a reference of 8 bits.
    Udh8,
    Udh16,
    /// In the SAR TLVs, whose reference has 16 bits.
    Sar,
}

impl Mark {
    /// Octets of the reference.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Udh8 => 1,
            Self::Udh16 | Self::Sar => 2,
        }
    }
}

impl SegmentRef {
    /// Part 0, or one past the last, marks nothing (3GPP TS 23.040, section 9.2.3.24.1).
    fn new(mark: Mark, reference: u16, total: u8, number: u8, at: usize) -> Option<Self> {
        (1..=total).contains(&number).then_some(Self { mark, reference, total, number, at })
    }

    /// Writes another reference over this one in the body it was read from; one of 8 bits loses what does not fit.
    pub fn write_reference(&self, reference: u16, body: &mut [u8]) {
        let [high, low] = reference.to_be_bytes();
        match (self.mark.width(), body.get_mut(self.at..self.at + self.mark.width())) {
            (1, Some([only])) => *only = low,
            (_, Some([first, second])) => (*first, *second) = (high, low),
            _ => {}
        }
    }
}

/// The mark of a segment: in the user data header with an 8-bit or 16-bit reference, or in the SAR TLVs.
#[must_use]
pub fn segment_ref(view: &SmView<'_>) -> Option<SegmentRef> {
    let in_header = if view.has_udh() { header_ref(view) } else { None };
    in_header.or_else(|| if view.optional.is_empty() { None } else { sar_ref(view) })
}

fn header_ref(view: &SmView<'_>) -> Option<SegmentRef> {
    const CONCATENATED_8_BIT: u8 = 0x00;
    const CONCATENATED_16_BIT: u8 = 0x08;
    let (len, rest) = view.text().split_first()?;
    let mut elements = rest.get(..usize::from(*len))?;
    // Of the next element's value, behind the header's length and the element's own two octets.
    let mut at = view.text_at()? + 3;
    while let [element, len, rest @ ..] = elements {
        let (value, next) = rest.split_at_checked(usize::from(*len))?;
        match (*element, value) {
            (CONCATENATED_8_BIT, [reference, total, number]) => {
                return SegmentRef::new(Mark::Udh8, u16::from(*reference), *total, *number, at);
            }
            (CONCATENATED_16_BIT, [high, low, total, number]) => {
                return SegmentRef::new(Mark::Udh16, u16::from_be_bytes([*high, *low]), *total, *number, at);
            }
            _ => elements = next,
        }
        at += value.len() + 2;
    }
    None
}

fn sar_ref(view: &SmView<'_>) -> Option<SegmentRef> {
    let (mut reference, mut total, mut number) = (None, None, None);
    for tlv in view.tlvs() {
        match (tlv.tag, tlv.value) {
            (tag::SAR_MSG_REF_NUM, [high, low]) => {
                reference = Some((u16::from_be_bytes([*high, *low]), view.value_at(&tlv)));
            }
            (tag::SAR_TOTAL_SEGMENTS, [octet]) => total = Some(*octet),
            (tag::SAR_SEGMENT_SEQNUM, [octet]) => number = Some(*octet),
            _ => {}
        }
    }
    let (reference, at) = reference?;
    SegmentRef::new(Mark::Sar, reference, total?, number?, at)
}

/// How many segments the carrier will send for this PDU; at least 1.
#[must_use]
pub fn count_segments(view: &SmView<'_>) -> u32 {
    let text = view.text();
    // What fits in any coding needs no closer look, and nearly every submit does.
    if text.len() <= SEGMENT_OCTETS {
        return 1;
    }
    let header = if view.has_udh() { (usize::from(text[0]) + 1).min(text.len()) } else { 0 };
    let units = text.len() - header;
    let (alone, in_series) = if is_seven_bit(view.data_coding) {
        // Unpacked: an octet a septet, eight septets in seven octets on the air.
        (SEGMENT_OCTETS.saturating_sub(header) * 8 / 7, 153)
    } else {
        (SEGMENT_OCTETS.saturating_sub(header), 134)
    };
    if units <= alone { 1 } else { u32::try_from(units.div_ceil(in_series)).unwrap_or(u32::MAX) }
}

/// User data of one message on the air, header included (3GPP TS 23.040, section 9.2.3.24).
const SEGMENT_OCTETS: usize = 140;

/// Codings whose text is GSM 7-bit: the default alphabet, also with a message class or a waiting indication
/// (3GPP TS 23.038, section 4).
fn is_seven_bit(data_coding: u8) -> bool {
    matches!(data_coding, 0x00 | 0x10..=0x13 | 0xC0..=0xDF | 0xF0..=0xF3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Body {
        esm_class: u8,
        data_coding: u8,
        text: Vec<u8>,
        optional: Vec<u8>,
    }

    impl Body {
        fn text(data_coding: u8, len: usize) -> Self {
            Self { esm_class: 0, data_coding, text: vec![b'x'; len], optional: Vec::new() }
        }

        fn headed(header: &[u8], len: usize) -> Self {
            Self { esm_class: 0x40, text: [header, &vec![b'x'; len]].concat(), ..Self::text(0, 0) }
        }

        fn read<T>(&self, read: impl Fn(&SmView<'_>) -> T) -> T {
            read(&SmView::submit(&self.octets()).unwrap())
        }

        fn octets(&self) -> Vec<u8> {
            let mut octets = b"\0\0\0A\0\x01\x01447700900001\0".to_vec();
            octets.extend_from_slice(&[self.esm_class, 0, 0, 0, 0, 0, 0, self.data_coding, 0]);
            let (short, payload) =
                if self.text.len() > 254 { (&[][..], &self.text[..]) } else { (&self.text[..], &[][..]) };
            octets.push(short.len() as u8);
            octets.extend_from_slice(short);
            octets.extend_from_slice(&self.optional);
            if !payload.is_empty() {
                octets.extend_from_slice(&tag::MESSAGE_PAYLOAD.to_be_bytes());
                octets.extend_from_slice(&(payload.len() as u16).to_be_bytes());
                octets.extend_from_slice(payload);
            }
            octets
        }
    }

    const LONG_8_BIT: &[u8] = &[5, 0x00, 3, 0xAB, 2, 1];
    const LONG_16_BIT: &[u8] = &[6, 0x08, 4, 0x12, 0x34, 3, 3];
    const BEHIND_PORTS: &[u8] = &[11, 0x05, 4, 0x0B, 0x84, 0x23, 0xF0, 0x00, 3, 7, 2, 2];
    const SAR: &[u8] = &[2, 0x0C, 0, 2, 0x12, 0x34, 2, 0x0E, 0, 1, 2, 2, 0x0F, 0, 1, 2];

    #[test]
    fn all_three_marks_of_a_segment_are_read() {
        let read =
            |body: &Body| body.read(segment_ref).map(|part| (part.mark, part.reference, part.total, part.number));
        assert_eq!(read(&Body::headed(LONG_8_BIT, 9)), Some((Mark::Udh8, 0xAB, 2, 1)));
        assert_eq!(read(&Body::headed(LONG_16_BIT, 9)), Some((Mark::Udh16, 0x1234, 3, 3)));
        assert_eq!(read(&Body::headed(BEHIND_PORTS, 9)), Some((Mark::Udh8, 7, 2, 2)));
        assert_eq!(read(&Body { optional: SAR.to_vec(), ..Body::text(0, 5) }), Some((Mark::Sar, 0x1234, 2, 2)));
        assert_eq!(read(&Body::headed(LONG_16_BIT, 400)), Some((Mark::Udh16, 0x1234, 3, 3)));
    }

    #[test]
    fn a_reference_is_written_over_where_it_stands_and_nothing_else_is() {
        let behind_a_tlv = [&[0x14, 0, 0, 1, 9][..], SAR].concat();
        let bodies = [
            Body::headed(LONG_8_BIT, 9),
            Body::headed(LONG_16_BIT, 9),
            Body::headed(BEHIND_PORTS, 9),
            Body { optional: behind_a_tlv.clone(), ..Body::text(0, 5) },
            // In message_payload, behind another TLV.
            Body::headed(LONG_8_BIT, 400),
            Body { optional: vec![0x14, 0, 0, 1, 9], ..Body::headed(LONG_16_BIT, 400) },
            Body { optional: vec![0x14, 0, 0, 1, 9], ..Body::headed(BEHIND_PORTS, 400) },
            Body { optional: behind_a_tlv, ..Body::text(0, 400) },
        ];
        for body in bodies {
            let before = body.octets();
            let part = body.read(segment_ref).unwrap();
            let mut octets = before.clone();
            part.write_reference(0x5678, &mut octets);
            let written = segment_ref(&SmView::submit(&octets).unwrap()).unwrap();
            let reference = if part.mark == Mark::Udh8 { 0x78 } else { 0x5678 };
            assert_eq!(written, SegmentRef { reference, ..part });
            part.write_reference(part.reference, &mut octets);
            assert_eq!(octets, before);
        }
    }

    #[test]
    fn a_mark_that_is_none_is_not_read() {
        assert_eq!(Body { esm_class: 0, ..Body::headed(LONG_8_BIT, 9) }.read(segment_ref), None);
        let headers: [&[u8]; 6] =
            [&[5, 0, 3, 1, 2, 3], &[5, 0, 3, 1, 2, 0], &[5, 0, 3, 1, 0, 0], &[9, 0, 3, 1], &[5, 0, 9, 1, 2, 1], &[0]];
        for header in headers {
            assert_eq!(Body::headed(header, 0).read(segment_ref), None, "{header:?}");
        }
        let two_of_three = Body { optional: SAR[..11].to_vec(), ..Body::text(0, 5) };
        assert_eq!(two_of_three.read(segment_ref), None);
    }

    #[test]
    fn a_text_counts_as_the_segments_it_takes_on_the_air() {
        let cases = [
            (0, 0, 1),
            (0, 160, 1),
            (0, 161, 2),
            (0, 254, 2),
            (0, 306, 2),
            (0, 307, 3),
            (0, 1530, 10),
            (3, 140, 1),
            (3, 141, 2),
            (4, 268, 2),
            (1, 269, 3),
            (8, 140, 1),
            (8, 142, 2),
            (8, 270, 3),
            (0x10, 160, 1),
            (0xF0, 160, 1),
            (0xF4, 160, 2),
        ];
        for (data_coding, len, segments) in cases {
            assert_eq!(Body::text(data_coding, len).read(count_segments), segments, "coding {data_coding}, {len}");
        }
    }

    #[test]
    fn a_part_of_a_long_message_counts_once() {
        assert_eq!(Body::headed(LONG_8_BIT, 153).read(count_segments), 1);
        assert_eq!(Body::headed(LONG_16_BIT, 152).read(count_segments), 1);
        assert_eq!(Body { data_coding: 8, ..Body::headed(LONG_8_BIT, 134) }.read(count_segments), 1);
        assert_eq!(Body { data_coding: 8, ..Body::headed(LONG_8_BIT, 136) }.read(count_segments), 2);
    }

    proptest! {
        #[test]
        fn any_text_counts_at_least_once(
            text in prop::collection::vec(any::<u8>(), 0..600),
            optional in prop::collection::vec(Just(0u8), 0..4),
            (esm_class, data_coding) in any::<(u8, u8)>(),
        ) {
            let body = Body { esm_class, data_coding, text, optional: if optional.len() == 3 { SAR.to_vec() } else { vec![] } };
            prop_assert!(body.read(count_segments) >= 1);
            prop_assert!(body.read(segment_ref).is_none_or(|mark| mark.number <= mark.total));
        }
    }
}
