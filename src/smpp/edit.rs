//! A submit's body with some of its fields changed, and a receipt's addresses given back. Every other octet stays as it came.
//!
//! What is changed is said in [`Edits`]; the body is copied around it, never decoded and encoded again. TLVs that stay keep their
//! order, also those nobody knows, and so do stray octets behind them.

use std::ops::RangeInclusive;

use super::view::{Address, SmView, tag};

/// The octets an address has room for (SMPP 3.4, sections 4.4.1 and 4.6.1), without the NUL.
const ADDRESS_MAX: usize = 20;
/// TON and NPI.
const KIND: usize = 2;
const NUL: usize = 1;

/// What is to be otherwise than it came.
#[derive(Clone, Debug, Default)]
pub struct Edits<'a> {
    pub service_type: Option<&'a [u8]>,
    pub source: Option<FittedAddress>,
    pub destination: Option<FittedAddress>,
    pub validity: Option<&'a [u8]>,
    pub data_coding: Option<u8>,
    /// In the place of the text, header and all, wherever that stands; never longer than sm_length can say.
    pub text: Option<Vec<u8>>,
    pub tlvs: Option<&'a TlvEdits>,
}

/// An address that fits its field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FittedAddress {
    pub ton: u8,
    pub npi: u8,
    octets: [u8; ADDRESS_MAX],
    len: u8,
}

impl FittedAddress {
    /// `None` when `pieces` together are too long.
    #[must_use]
    pub fn new(ton: u8, npi: u8, pieces: [&[u8]; 2]) -> Option<Self> {
        let (mut octets, mut len) = ([0; ADDRESS_MAX], 0);
        for piece in pieces {
            octets.get_mut(len..len + piece.len())?.copy_from_slice(piece);
            len += piece.len();
        }
        Some(Self { ton, npi, octets, len: len as u8 })
    }

    #[must_use]
    pub fn digits(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    #[must_use]
    pub fn address(&self) -> Address<'_> {
        Address { ton: self.ton, npi: self.npi, digits: self.digits() }
    }
}

/// What happens to TLVs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlvEdits {
    /// Must be there afterwards.
    pub require: Vec<u16>,
    /// Are left out.
    pub drop: Vec<RangeInclusive<u16>>,
    /// Are put in the place of whatever came under their tag.
    pub set: Vec<OwnTlv>,
    /// Are added when none of their tag stays.
    pub add: Vec<OwnTlv>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnTlv {
    pub tag: u16,
    pub value: Vec<u8>,
}

impl TlvEdits {
    /// The first tag that has to be there and would not be.
    #[must_use]
    pub fn missing(&self, view: &SmView<'_>) -> Option<u16> {
        let is_put = |tag: u16| self.set.iter().chain(&self.add).any(|own| own.tag == tag);
        self.require.iter().copied().find(|tag| !is_put(*tag) && !self.has_kept(view, *tag))
    }

    fn has_kept(&self, view: &SmView<'_>, tag: u16) -> bool {
        self.keeps(tag) && view.tlv(tag).is_some()
    }

    fn keeps(&self, tag: u16) -> bool {
        !self.drop.iter().any(|tags| tags.contains(&tag)) && !self.set.iter().any(|own| own.tag == tag)
    }

    /// `payload` stands for the first message_payload, which is the text.
    fn write(&self, view: &SmView<'_>, mut payload: Option<&[u8]>, out: &mut Vec<u8>) {
        let mut tlvs = view.tlvs();
        for tlv in tlvs.by_ref().filter(|tlv| self.keeps(tlv.tag)) {
            let text = if tlv.tag == tag::MESSAGE_PAYLOAD { payload.take() } else { None };
            write_tlv(tlv.tag, text.unwrap_or(tlv.value), out);
        }
        let added = self.add.iter().filter(|own| !self.has_kept(view, own.tag));
        for own in self.set.iter().chain(added) {
            write_tlv(own.tag, &own.value, out);
        }
        out.extend_from_slice(tlvs.rest());
    }
}

fn write_tlv(tag: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

/// Appends `body`, which `view` was read from, with `edits`.
pub fn write(body: &[u8], view: &SmView<'_>, edits: &Edits<'_>, out: &mut Vec<u8>) {
    let fields = Fields::of(view);
    write_c_string(edits.service_type.unwrap_or(view.service_type), out);
    write_address(edits.source.as_ref().map_or(view.source, FittedAddress::address), out);
    write_address(edits.destination.as_ref().map_or(view.destination, FittedAddress::address), out);
    out.extend_from_slice(&body[fields.behind_addresses..fields.validity_at]);
    write_c_string(edits.validity.unwrap_or(view.validity), out);
    out.extend_from_slice(&body[fields.behind_validity..fields.data_coding_at]);
    out.push(edits.data_coding.unwrap_or(view.data_coding));
    let optional_at = body.len() - view.optional.len();
    let payload = match edits.text.as_deref() {
        Some(text) if !view.short_message.is_empty() => {
            out.extend_from_slice(&[view.default_message_id, text.len() as u8]);
            out.extend_from_slice(text);
            None
        }
        payload => {
            out.extend_from_slice(&body[fields.data_coding_at + 1..optional_at]);
            payload
        }
    };
    match (edits.tlvs, payload) {
        (Some(tlvs), _) => tlvs.write(view, payload, out),
        (None, Some(_)) => TlvEdits::default().write(view, payload, out),
        (None, None) => out.extend_from_slice(view.optional),
    }
}

/// The octets of both addresses, the source first: what `give_back` needs.
#[must_use]
pub fn addresses<'a>(body: &'a [u8], view: &SmView<'_>) -> &'a [u8] {
    let fields = Fields::of(view);
    &body[fields.source_at..fields.behind_addresses]
}

/// The destination's digits in what `addresses` returned.
#[must_use]
pub fn destination(addresses: &[u8]) -> Option<&[u8]> {
    let (_, destination) = addresses.split_at_checked(address_len(addresses)?)?;
    destination.get(KIND..)?.strip_suffix(&[0])
}

/// Gives a receipt, whose body begins at `at`, the addresses of the submit it tells of, which are turned around there. What is
/// no body with two addresses stays as it is.
pub fn give_back(addresses: &[u8], out: &mut Vec<u8>, at: usize) {
    let spans = |out: &[u8]| {
        let source_at = c_string_len(out)?;
        let source_len = address_len(&out[source_at..])?;
        let destination_len = address_len(&out[source_at + source_len..])?;
        Some((source_at, source_len + destination_len))
    };
    let Some((source_at, len)) = spans(&out[at..]) else { return };
    let Some((sender, handset)) = address_len(addresses).map(|len| addresses.split_at(len)) else { return };
    let from = at + source_at;
    out.splice(from..from + len, handset.iter().chain(sender).copied());
}

/// Octets of the address in front, its NUL included.
fn address_len(octets: &[u8]) -> Option<usize> {
    Some(KIND + c_string_len(octets.get(KIND..)?)?)
}

fn c_string_len(octets: &[u8]) -> Option<usize> {
    octets.iter().position(|octet| *octet == 0).map(|len| len + NUL)
}

fn write_address(address: Address<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[address.ton, address.npi]);
    write_c_string(address.digits, out);
}

fn write_c_string(octets: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(octets);
    out.push(0);
}

/// Where some fields lie in the body.
struct Fields {
    source_at: usize,
    behind_addresses: usize,
    validity_at: usize,
    behind_validity: usize,
    data_coding_at: usize,
}

impl Fields {
    fn of(view: &SmView<'_>) -> Self {
        // registered_delivery, replace_if_present; then data_coding, sm_default_msg_id, sm_length.
        let data_coding_at = view.short_message_at - 3;
        let behind_validity = data_coding_at - 2;
        let validity_at = behind_validity - NUL - view.validity.len();
        let source_at = view.service_type.len() + NUL;
        let behind_addresses = source_at + 2 * (KIND + NUL) + view.source.digits.len() + view.destination.digits.len();
        Self { source_at, behind_addresses, validity_at, behind_validity, data_coding_at }
    }
}

#[cfg(test)]
mod tests;
