//! Borrowed fields of a `submit_sm` or `deliver_sm` body, which share one layout (SMPP 3.4, sections 4.4.1 and 4.6.1).
//!
//! Nothing is copied and nothing is re-encoded: the relay forwards the body's own octets and reads only what it decides by.
//! An ESME's submit is read strictly, each fault with its own status; a carrier's deliver_sm is read tolerantly, because
//! refusing it makes the carrier resend it for days.

use super::command::CommandStatus;
use super::cursor::Cursor;

/// An address as it stands on the wire; `digits` without its NUL, in whatever charset the peer used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address<'a> {
    pub ton: u8,
    pub npi: u8,
    pub digits: &'a [u8],
}

/// The fields of a short message, borrowed from its body.
#[derive(Clone, Copy, Debug)]
pub struct SmView<'a> {
    pub service_type: &'a [u8],
    pub source: Address<'a>,
    pub destination: Address<'a>,
    pub esm_class: u8,
    pub protocol_id: u8,
    pub priority: u8,
    pub schedule: &'a [u8],
    pub validity: &'a [u8],
    pub registered_delivery: u8,
    pub replace_if_present: u8,
    pub data_coding: u8,
    pub default_message_id: u8,
    pub short_message: &'a [u8],
    /// Where `short_message` starts in the body; the octet before it is `sm_length`.
    pub short_message_at: usize,
    /// Everything behind `short_message`.
    pub optional: &'a [u8],
}

/// Longest values the specification allows, without the NUL.
pub(super) const SERVICE_TYPE_MAX: usize = 5;
pub(super) const ADDRESS_MAX: usize = 20;
const TIME_MAX: usize = 16;

impl<'a> SmView<'a> {
    /// Reads an ESME's submit_sm. The error is the status to answer it with; the session stays.
    pub fn submit(body: &'a [u8]) -> Result<Self, CommandStatus> {
        let view = Self::read(body, true)?;
        view.check_optional()?;
        Ok(view)
    }

    /// Reads a carrier's deliver_sm: over-long fields, a short text and anything trailing are taken as they are.
    pub fn deliver(body: &'a [u8]) -> Result<Self, CommandStatus> {
        Self::read(body, false)
    }

    fn read(body: &'a [u8], strict: bool) -> Result<Self, CommandStatus> {
        let max = |limit: usize| if strict { limit } else { usize::MAX };
        let mut at = Cursor::of(body);
        let short = CommandStatus::RINVMSGLEN;
        let service_type = at.c_string(max(SERVICE_TYPE_MAX)).ok_or(CommandStatus::RINVSERTYP)?;
        let [ton, npi] = at.octets().ok_or(short)?;
        let digits = at.c_string(max(ADDRESS_MAX)).ok_or(CommandStatus::RINVSRCADR)?;
        let source = Address { ton, npi, digits };
        let [ton, npi] = at.octets().ok_or(short)?;
        let digits = at.c_string(max(ADDRESS_MAX)).ok_or(CommandStatus::RINVDSTADR)?;
        let destination = Address { ton, npi, digits };
        let [esm_class, protocol_id, priority] = at.octets().ok_or(short)?;
        let schedule = at.c_string(max(TIME_MAX)).ok_or(CommandStatus::RINVSCHED)?;
        let validity = at.c_string(max(TIME_MAX)).ok_or(CommandStatus::RINVEXPIRY)?;
        let [registered_delivery, replace_if_present, data_coding, default_message_id, sm_length] =
            at.octets().ok_or(short)?;
        let sm_length = usize::from(sm_length);
        let short_message_at = at.position();
        let rest = &body[short_message_at..];
        if strict && rest.len() < sm_length {
            return Err(CommandStatus::RINVMSGLEN);
        }
        let (short_message, optional) = rest.split_at(sm_length.min(rest.len()));
        Ok(Self {
            service_type,
            source,
            destination,
            esm_class,
            protocol_id,
            priority,
            schedule,
            validity,
            registered_delivery,
            replace_if_present,
            data_coding,
            default_message_id,
            short_message,
            short_message_at,
            optional,
        })
    }

    /// The well-formed TLVs; stops quietly at the first that is not.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'a> {
        Tlvs::of(self.optional)
    }

    /// The value of the first TLV with this tag.
    #[must_use]
    pub fn tlv(&self, tag: u16) -> Option<&'a [u8]> {
        self.tlvs().find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    /// The text: `short_message`, or `message_payload` when that is empty.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        if self.short_message.is_empty() && !self.optional.is_empty() {
            self.tlv(tag::MESSAGE_PAYLOAD).unwrap_or_default()
        } else {
            self.short_message
        }
    }

    /// The text without its user data header.
    #[must_use]
    pub fn text_behind_header(&self) -> &'a [u8] {
        let text = self.text();
        match text.split_first() {
            Some((len, rest)) if self.has_udh() => rest.get(usize::from(*len)..).unwrap_or_default(),
            _ => text,
        }
    }

    /// Where `text` starts in the body.
    #[must_use]
    pub fn text_at(&self) -> Option<usize> {
        if !self.short_message.is_empty() {
            return Some(self.short_message_at);
        }
        self.tlvs().find(|tlv| tlv.tag == tag::MESSAGE_PAYLOAD).map(|tlv| self.value_at(&tlv))
    }

    /// Where the value of a TLV of this message starts in its body.
    #[must_use]
    pub fn value_at(&self, tlv: &Tlv<'_>) -> usize {
        self.short_message_at + self.short_message.len() + tlv.at + 4
    }

    /// Whether the text begins with a user data header (SMPP 3.4, section 5.2.12).
    #[must_use]
    pub fn has_udh(&self) -> bool {
        self.esm_class & esm_class::UDHI != 0
    }

    /// Whether a receipt, final or intermediate, is asked for (SMPP 3.4, section 5.2.17; bits 0, 1 and 4).
    #[must_use]
    pub fn wants_receipt(&self) -> bool {
        self.registered_delivery & 0b0001_0011 != 0
    }

    fn check_optional(&self) -> Result<(), CommandStatus> {
        if self.optional.is_empty() {
            return Ok(());
        }
        let mut tlvs = self.tlvs();
        for tlv in tlvs.by_ref() {
            let fixed_len = match tlv.tag {
                tag::SAR_MSG_REF_NUM | tag::USER_MESSAGE_REFERENCE => Some(2),
                tag::SAR_TOTAL_SEGMENTS | tag::SAR_SEGMENT_SEQNUM | tag::MORE_MESSAGES_TO_SEND => Some(1),
                _ => None,
            };
            if fixed_len.is_some_and(|len| len != tlv.value.len()) {
                return Err(CommandStatus::RINVPARLEN);
            }
            if tlv.tag == tag::MESSAGE_PAYLOAD && !self.short_message.is_empty() {
                return Err(CommandStatus::ROPTPARNOTALLWD);
            }
        }
        // Stray octets too few to be a TLV, and zero padding, are a habit of real peers and harm nobody.
        let left = tlvs.rest();
        if left.len() >= 4 && left.iter().any(|octet| *octet != 0) {
            return Err(CommandStatus::RINVOPTPARSTREAM);
        }
        Ok(())
    }
}

/// Bits of esm_class (SMPP 3.4, section 5.2.12).
pub mod esm_class {
    /// Bits 5..2: what kind of message this is.
    pub const TYPE_MASK: u8 = 0b0011_1100;
    /// A delivery receipt from the SMSC.
    pub const RECEIPT: u8 = 0b0000_0100;
    /// An intermediate delivery notification.
    pub const INTERMEDIATE: u8 = 0b0010_0000;
    /// The text begins with a user data header.
    pub const UDHI: u8 = 0b0100_0000;
    /// An answer may go back the way this message took.
    pub const REPLY_PATH: u8 = 0b1000_0000;
}

/// Tags of the TLVs we read (SMPP 3.4, section 5.3.2; 5.0 for congestion_state).
pub mod tag {
    pub const QOS_TIME_TO_LIVE: u16 = 0x0017;
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    pub const SAR_MSG_REF_NUM: u16 = 0x020C;
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    pub const SC_INTERFACE_VERSION: u16 = 0x0210;
    pub const NETWORK_ERROR_CODE: u16 = 0x0423;
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub const MORE_MESSAGES_TO_SEND: u16 = 0x0426;
    pub const MESSAGE_STATE: u16 = 0x0427;
    pub const CONGESTION_STATE: u16 = 0x0428;
}

/// One optional parameter. `at` is where its header starts within the optional part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tlv<'a> {
    pub tag: u16,
    pub value: &'a [u8],
    pub at: usize,
}

/// Walks optional parameters. After the end, `at` is where the well-formed part stops.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Tlvs<'a> {
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// What was not walked yet; after the end, what is not well-formed.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.octets[self.at..]
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let [tag_high, tag_low, len_high, len_low, rest @ ..] = &self.octets[self.at..] else { return None };
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        let value = rest.get(..len)?;
        let tlv = Tlv { tag: u16::from_be_bytes([*tag_high, *tag_low]), value, at: self.at };
        // Tag 0 of length 0 is padding, not a parameter.
        if tlv.tag == 0 && len == 0 {
            return None;
        }
        self.at += 4 + len;
        Some(tlv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(source: &[u8], destination: &[u8], text: &[u8], optional: &[u8]) -> Vec<u8> {
        let mut out = b"\0\x05\0".to_vec();
        out.extend_from_slice(source);
        out.extend_from_slice(b"\0\x01\x01");
        out.extend_from_slice(destination);
        out.extend_from_slice(b"\0\0\0\0\0\0\x01\0\x03\0");
        out.push(text.len() as u8);
        out.extend_from_slice(text);
        out.extend_from_slice(optional);
        out
    }

    #[test]
    fn fields_are_borrowed_as_they_stand() {
        let octets = body(b"CAF\xC9", b"447700900001", b"hi", &[0x14, 0x00, 0, 2, 9, 9]);
        let view = SmView::submit(&octets).unwrap();
        assert_eq!(view.source, Address { ton: 5, npi: 0, digits: b"CAF\xC9" });
        assert_eq!(view.destination.digits, b"447700900001");
        assert_eq!((view.short_message, view.data_coding), (&b"hi"[..], 3));
        assert!(view.wants_receipt());
        assert_eq!(view.tlv(0x1400), Some(&[9, 9][..]));
        assert_eq!(&octets[view.short_message_at..][..2], b"hi");
    }

    #[test]
    fn each_malformed_field_has_its_own_status() {
        let long = [b'1'; 21];
        let cases = [
            (body(&long, b"44", b"", &[]), CommandStatus::RINVSRCADR),
            (body(b"A", &long, b"", &[]), CommandStatus::RINVDSTADR),
            (body(b"A", b"44", b"", &[0x04, 0x24, 0, 9, 1]), CommandStatus::RINVOPTPARSTREAM),
            (body(b"A", b"44", b"x", &[0x04, 0x24, 0, 1, 1]), CommandStatus::ROPTPARNOTALLWD),
            (body(b"A", b"44", b"", &[0x02, 0x0C, 0, 1, 1]), CommandStatus::RINVPARLEN),
            (b"toolong\0".to_vec(), CommandStatus::RINVSERTYP),
            (b"\0\x01\x01nonul".to_vec(), CommandStatus::RINVSRCADR),
            (b"\0\x01\x01a\0\x01\x01nonul".to_vec(), CommandStatus::RINVDSTADR),
        ];
        for (octets, status) in cases {
            assert_eq!(SmView::submit(&octets).map(|_| ()), Err(status), "{octets:?}");
        }
        let mut short = body(b"A", b"44", b"hello", &[]);
        short.truncate(short.len() - 1);
        assert_eq!(SmView::submit(&short).map(|_| ()), Err(CommandStatus::RINVMSGLEN));
    }

    #[test]
    fn stray_octets_and_padding_behind_the_text_are_tolerated() {
        for stray in [&[0][..], &[1, 2, 3], &[0, 0, 0, 0, 0, 0]] {
            assert!(SmView::submit(&body(b"A", b"44", b"x", stray)).is_ok());
        }
    }

    #[test]
    fn a_carriers_over_long_fields_are_taken_as_they_are() {
        let octets = body(&[b'9'; 40], &[b'8'; 40], b"text", &[0xFF, 0xFF, 0xFF, 0xFF]);
        let view = SmView::deliver(&octets).unwrap();
        assert_eq!((view.source.digits.len(), view.short_message), (40, &b"text"[..]));
        assert_eq!(view.tlvs().count(), 0);
    }

    #[test]
    fn no_cut_and_no_flipped_octet_panics() {
        let whole = body(b"ACME", b"447700900001", b"hello", &[0x04, 0x27, 0, 1, 2]);
        for cut in 0..=whole.len() {
            let _ = SmView::submit(&whole[..cut]);
            let _ = SmView::deliver(&whole[..cut]);
        }
        for at in 0..whole.len() {
            for value in [0x00, 0x7F, 0x80, 0xFF] {
                let mut octets = whole.clone();
                octets[at] = value;
                if let Ok(view) = SmView::submit(&octets) {
                    let _ = (view.tlvs().count(), view.text());
                }
            }
        }
    }
}
