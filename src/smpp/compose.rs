//! A message to submit_sm bodies, one for each part of its text.

use super::text::Encoded;
use super::time::SmppTime;
use super::view::{Address, esm_class};

/// The fields of a submit_sm but for its text. What comes from outside is checked before: addresses of at most 20 octets, a
/// service_type of 5, none with a NUL.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub service_type: &'a [u8],
    pub source: Address<'a>,
    pub destination: Address<'a>,
    /// Its bits but for the mark of a user data header, which the text decides.
    pub esm_class: u8,
    pub protocol_id: u8,
    pub priority: u8,
    pub schedule: Option<SmppTime>,
    pub validity: Option<SmppTime>,
    pub registered_delivery: u8,
    /// As `Alphabet::data_coding` has it, or another.
    pub data_coding: u8,
}

impl<'a> Draft<'a> {
    /// With everything else absent or zero.
    #[must_use]
    pub const fn new(source: Address<'a>, destination: Address<'a>) -> Self {
        Self {
            service_type: b"",
            source,
            destination,
            esm_class: 0,
            protocol_id: 0,
            priority: 0,
            schedule: None,
            validity: None,
            registered_delivery: 0,
            data_coding: 0,
        }
    }

    /// The bodies of the submits that carry this text.
    #[must_use]
    pub fn bodies(&self, text: &Encoded) -> Vec<Box<[u8]>> {
        let before_text = self.before_text(text.has_header);
        let body = |part: &Vec<u8>| {
            // A part has at most 160 octets.
            let sm_length = [part.len() as u8];
            [&before_text[..], &sm_length, part].concat().into_boxed_slice()
        };
        text.parts.iter().map(body).collect()
    }

    /// Up to sm_default_msg_id (SMPP 3.4, section 4.4.1).
    fn before_text(&self, has_header: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        push_c_string(self.service_type, &mut out);
        for address in [self.source, self.destination] {
            out.extend_from_slice(&[address.ton, address.npi]);
            push_c_string(address.digits, &mut out);
        }
        let header = if has_header { esm_class::UDHI } else { 0 };
        out.extend_from_slice(&[self.esm_class | header, self.protocol_id, self.priority]);
        for time in [self.schedule, self.validity] {
            match time {
                Some(time) => push_c_string(&time.wire(), &mut out),
                None => out.push(0),
            }
        }
        // replace_if_present and sm_default_msg_id are 0.
        out.extend_from_slice(&[self.registered_delivery, 0, self.data_coding, 0]);
        out
    }
}

fn push_c_string(octets: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(octets);
    out.push(0);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::smpp::text::{Reference, Wanted, encode};

    const DRAFT: Draft<'_> =
        Draft::new(Address { ton: 5, npi: 0, digits: b"ACME" }, Address { ton: 1, npi: 1, digits: b"447700900001" });

    fn text(text: &str) -> Encoded {
        encode(text, Wanted::Auto, Reference::Eight(0xAB)).unwrap()
    }

    #[test]
    fn a_draft_with_nothing_set_is_the_shortest_submit() {
        let expected = b"\0\x05\0ACME\0\x01\x01447700900001\0\0\0\0\0\0\0\0\0\0\x02hi";
        assert_eq!(DRAFT.bodies(&text("hi")), [Box::from(&expected[..])]);
        let empty = b"\0\x05\0ACME\0\x01\x01447700900001\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(DRAFT.bodies(&text("")), [Box::from(&empty[..])]);
    }

    #[test]
    fn every_field_stands_in_every_part() {
        let draft = Draft {
            service_type: b"CMT",
            protocol_id: 0x41,
            priority: 3,
            // 2026-11-23 12:34:56 UTC
            schedule: Some(SmppTime::At(1_795_437_296)),
            validity: Some(SmppTime::In(Duration::from_secs(86_400 + 90))),
            registered_delivery: 1,
            data_coding: 0x10,
            ..DRAFT
        };
        let before_text = b"CMT\0\x05\0ACME\0\x01\x01447700900001\0\x40\x41\x03\
            261123123456000+\x00000001000130000R\0\x01\0\x10\0";
        let part = |marked: &[u8], text: &[u8]| [&before_text[..], marked, text].concat().into_boxed_slice();
        let expected =
            [part(b"\x9F\x05\0\x03\xAB\x02\x01", &[b'a'; 153]), part(b"\x0E\x05\0\x03\xAB\x02\x02", &[b'a'; 8])];
        assert_eq!(draft.bodies(&text(&"a".repeat(161))), expected);
    }
}
