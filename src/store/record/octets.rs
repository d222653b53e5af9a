//! Numbers and octets inside records.

use super::{NameIndex, RecordError};
use crate::smpp::message_id::MessageId;

pub(super) fn put_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

pub(super) fn put_octets(into: &mut Vec<u8>, octets: &[u8]) {
    put_number(into, octets.len() as u64);
    into.extend_from_slice(octets);
}

pub(super) fn put_key(into: &mut Vec<u8>, kind: u8, name: NameIndex, key: u64) {
    into.push(kind);
    put_number(into, name.0.into());
    put_number(into, key);
}

pub(super) fn take_octet(octets: &mut &[u8]) -> Result<u8, RecordError> {
    let (first, rest) = octets.split_first().ok_or(RecordError::Truncated)?;
    *octets = rest;
    Ok(*first)
}

pub(super) fn take_array<const N: usize>(octets: &mut &[u8]) -> Result<[u8; N], RecordError> {
    let (first, rest) = octets.split_first_chunk().ok_or(RecordError::Truncated)?;
    *octets = rest;
    Ok(*first)
}

pub(super) fn take_number(octets: &mut &[u8]) -> Result<u64, RecordError> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let octet = take_octet(octets)?;
        let bits = u64::from(octet & 0x7F);
        if bits << shift >> shift != bits {
            return Err(RecordError::BadValue);
        }
        number |= bits << shift;
        if octet < 0x80 {
            return Ok(number);
        }
    }
    Err(RecordError::BadValue)
}

pub(super) fn take_small<T: TryFrom<u64>>(octets: &mut &[u8]) -> Result<T, RecordError> {
    T::try_from(take_number(octets)?).map_err(|_| RecordError::BadValue)
}

pub(super) fn take_name(octets: &mut &[u8]) -> Result<NameIndex, RecordError> {
    take_small(octets).map(NameIndex)
}

pub(super) fn take_id(octets: &mut &[u8]) -> Result<MessageId, RecordError> {
    let bits = u64::from_le_bytes(take_array(octets)?);
    let id = MessageId::new(bits);
    if id.bits() == bits { Ok(id) } else { Err(RecordError::BadValue) }
}

pub(super) fn take_octets<'a>(octets: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let len = take_small(octets)?;
    let (taken, rest) = octets.split_at_checked(len).ok_or(RecordError::Truncated)?;
    *octets = rest;
    Ok(taken)
}
