//! Lines of the call detail records, as octets. They name nothing by an index: what they say, the engine wrote.

use super::octets::{put_number, put_octets, take_number, take_octets};
use super::{Entry, NameIndex, RecordError};

pub(super) const CDR: u8 = 27;

pub(super) fn encode(sequence: u64, written: u64, body: &[u8], into: &mut Vec<u8>) {
    into.push(CDR);
    put_number(into, sequence);
    put_number(into, written);
    put_octets(into, body);
}

pub(super) fn decode<'a>(octets: &mut &'a [u8]) -> Result<Entry<'a, NameIndex>, RecordError> {
    Ok(Entry::Cdr { sequence: take_number(octets)?, written: take_number(octets)?, body: take_octets(octets)? })
}
