//! MO that no rule sends to an account, and their removal, as octets.

use super::octets::{put_key, put_number, put_octets, take_number, take_octets};
use super::{Entry, NameIndex, RecordError};

pub(super) const UNROUTED: u8 = 14;
pub(super) const UNROUTED_GONE: u8 = 15;

pub(super) fn encode(carrier: NameIndex, key: u64, born: u64, body: &[u8], into: &mut Vec<u8>) {
    put_key(into, UNROUTED, carrier, key);
    put_number(into, born);
    put_octets(into, body);
}

/// What follows the key.
pub(super) fn decode<'a>(
    carrier: NameIndex,
    key: u64,
    octets: &mut &'a [u8],
) -> Result<Entry<'a, NameIndex>, RecordError> {
    Ok(Entry::Unrouted { carrier, key, born: take_number(octets)?, body: take_octets(octets)? })
}
