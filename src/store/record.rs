//! What the journal keeps, and its octets. Compact, without allocation, and total: any octets decode or are refused.
//!
//! Numbers are LEB128 unless a fixed width is shorter for what they hold (ids and hashes are evenly spread). The type comes
//! first; what follows a type never changes, a new meaning takes a new type.

mod cdr;
mod entry;
mod holding;
mod octets;
mod unrouted;

use std::fmt;

use octets::{put_number, put_octets, take_array, take_name, take_number, take_octet, take_octets, take_small};

pub use entry::Entry;

/// Stands for a name in the records of one segment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NameIndex(pub u32);

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NameKind {
    Account,
    Carrier,
}

/// Where a journal's earlier segment ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PreviousEnd {
    pub id: u64,
    /// How many batches it has.
    pub batches: u64,
    pub end: u64,
}

/// The first record of every segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Begin {
    pub format: u32,
    pub journal: u16,
    pub sequence: u64,
    pub id: u64,
    pub previous: Option<PreviousEnd>,
}

/// The second record of a segment that `store repair` wrote in the place of a damaged one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StandsFor {
    /// Of the segment it stands for.
    pub id: u64,
    /// How many batches this one has: no later segment says so.
    pub batches: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreRecord<'a> {
    Begin(Begin),
    StandsFor(StandsFor),
    Name { index: NameIndex, kind: NameKind, name: &'a str },
    Entry(Entry<'a, NameIndex>),
}

/// Why octets are no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordError {
    Truncated,
    UnknownType(u8),
    BadValue,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a record ends early"),
            Self::UnknownType(kind) => write!(f, "a record has the unknown type {kind}"),
            Self::BadValue => f.write_str("a record holds what it cannot hold"),
        }
    }
}

const BEGIN: u8 = 1;
const ACCOUNT_NAME: u8 = 2;
const CARRIER_NAME: u8 = 3;
const CORRELATION: u8 = 4;
const MUTED_CORRELATION: u8 = 5;
const CORRELATION_GONE: u8 = 6;
const EARLY: u8 = 7;
const EARLY_GONE: u8 = 8;
// 9 to 11 and 17 to 21 are what accounts hold.
const HOLDING_GONE: u8 = 12;
const STANDS_FOR: u8 = 13;
// 14 and 15 are MO without an account.
const READDRESSED_CORRELATION: u8 = 16;
const SHARED_CORRELATION: u8 = 22;

impl<'a> StoreRecord<'a> {
    pub fn encode(&self, into: &mut Vec<u8>) {
        match *self {
            Self::Begin(begin) => begin.encode(into),
            Self::StandsFor(StandsFor { id, batches }) => {
                into.push(STANDS_FOR);
                into.extend_from_slice(&id.to_le_bytes());
                put_number(into, batches);
            }
            Self::Name { index, kind, name } => {
                into.push(match kind {
                    NameKind::Account => ACCOUNT_NAME,
                    NameKind::Carrier => CARRIER_NAME,
                });
                put_number(into, index.0.into());
                put_octets(into, name.as_bytes());
            }
            Self::Entry(entry) => entry.encode(into),
        }
    }

    /// Takes the first record off `octets`.
    pub fn decode(octets: &mut &'a [u8]) -> Result<Self, RecordError> {
        let kind = take_octet(octets)?;
        Ok(match kind {
            BEGIN => Self::Begin(Begin::decode(octets)?),
            STANDS_FOR => {
                let id = u64::from_le_bytes(take_array(octets)?);
                Self::StandsFor(StandsFor { id, batches: take_number(octets)? })
            }
            ACCOUNT_NAME | CARRIER_NAME => {
                let kind = if kind == ACCOUNT_NAME { NameKind::Account } else { NameKind::Carrier };
                let index = take_name(octets)?;
                let name = std::str::from_utf8(take_octets(octets)?).map_err(|_| RecordError::BadValue)?;
                Self::Name { index, kind, name }
            }
            _ => Self::Entry(Entry::decode(kind, octets)?),
        })
    }
}

impl Begin {
    fn encode(&self, into: &mut Vec<u8>) {
        into.push(BEGIN);
        put_number(into, self.format.into());
        put_number(into, self.journal.into());
        put_number(into, self.sequence);
        into.extend_from_slice(&self.id.to_le_bytes());
        into.push(self.previous.is_some().into());
        if let Some(previous) = self.previous {
            into.extend_from_slice(&previous.id.to_le_bytes());
            put_number(into, previous.batches);
            put_number(into, previous.end);
        }
    }

    fn decode(octets: &mut &[u8]) -> Result<Self, RecordError> {
        let format = take_small(octets)?;
        let journal = take_small(octets)?;
        let sequence = take_number(octets)?;
        let id = u64::from_le_bytes(take_array(octets)?);
        let previous = match take_octet(octets)? {
            0 => None,
            1 => Some(PreviousEnd {
                id: u64::from_le_bytes(take_array(octets)?),
                batches: take_number(octets)?,
                end: take_number(octets)?,
            }),
            _ => return Err(RecordError::BadValue),
        };
        Ok(Self { format, journal, sequence, id, previous })
    }
}

#[cfg(test)]
mod tests;
