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
