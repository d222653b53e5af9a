//! What the journal keeps, and its octets. Compact, without allocation, and total: any octets decode or are refused.
//!
//! Numbers are LEB128 unless a fixed width is shorter for what they hold (ids and hashes are evenly spread). The type comes
//! first; what follows a type never changes, a new meaning takes a new type.

use std::fmt;

use crate::engine::event::Place;
use crate::engine::message::DeliveryKind;
use crate::smpp::message_id::MessageId;

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

/// What is kept and what is forgotten. `N` names an account or carrier: the text outside, its index inside a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry<'a, N> {
    /// A receipt with this carrier id belongs to this account and id.
    Correlation {
        carrier: N,
        account: N,
        id: MessageId,
        destination: u32,
        /// Unix seconds.
        born: u64,
        is_muted: bool,
        carrier_id: &'a [u8],
    },
    CorrelationGone {
        carrier: N,
        id: MessageId,
    },
    /// A receipt that came before the answer it belongs to. Only submits written before number `before` may take it.
    Early {
        carrier: N,
        key: u64,
        born: u64,
        before: u64,
        body: &'a [u8],
    },
    EarlyGone {
        carrier: N,
        key: u64,
    },
    /// A receipt or MO on its way to an account. No key is used twice in an account, and a later delivery has a larger one.
    Delivery {
        account: N,
        id: MessageId,
        key: u64,
        kind: DeliveryKind,
        born: u64,
        body: &'a [u8],
    },
    DeliveryGone {
        account: N,
        key: u64,
    },
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
const FINAL_RECEIPT: u8 = 9;
const INTERMEDIATE_RECEIPT: u8 = 10;
const MO: u8 = 11;
const DELIVERY_GONE: u8 = 12;
const STANDS_FOR: u8 = 13;

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

impl<'a, N: Copy> Entry<'a, N> {
    /// Whether it inserts; the others say that something is gone.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Self::Correlation { .. } | Self::Early { .. } | Self::Delivery { .. } => true,
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::DeliveryGone { .. } => false,
        }
    }

    /// What it is reckoned for in its segment while it lives (`Place`).
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Correlation { carrier_id, .. } => Place::reckon_correlation(carrier_id.len()),
            Self::Early { body, .. } | Self::Delivery { body, .. } => Place::reckon(body.len()),
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::DeliveryGone { .. } => 0,
        }
    }

    /// The same entry under other names.
    pub fn map_names<M>(&self, mut name: impl FnMut(NameKind, N) -> M) -> Entry<'a, M> {
        match *self {
            Self::Correlation { carrier, account, id, destination, born, is_muted, carrier_id } => {
                let (carrier, account) = (name(NameKind::Carrier, carrier), name(NameKind::Account, account));
                Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id }
            }
            Self::CorrelationGone { carrier, id } => {
                Entry::CorrelationGone { carrier: name(NameKind::Carrier, carrier), id }
            }
            Self::Early { carrier, key, born, before, body } => {
                Entry::Early { carrier: name(NameKind::Carrier, carrier), key, born, before, body }
            }
            Self::EarlyGone { carrier, key } => Entry::EarlyGone { carrier: name(NameKind::Carrier, carrier), key },
            Self::Delivery { account, id, key, kind, born, body } => {
                Entry::Delivery { account: name(NameKind::Account, account), id, key, kind, born, body }
            }
            Self::DeliveryGone { account, key } => {
                Entry::DeliveryGone { account: name(NameKind::Account, account), key }
            }
        }
    }
}

impl<'a> Entry<'a, NameIndex> {
    fn encode(&self, into: &mut Vec<u8>) {
        match *self {
            Self::Correlation { carrier, account, id, destination, born, is_muted, carrier_id } => {
                into.push(if is_muted { MUTED_CORRELATION } else { CORRELATION });
                put_number(into, carrier.0.into());
                put_number(into, account.0.into());
                into.extend_from_slice(&id.bits().to_le_bytes());
                into.extend_from_slice(&destination.to_le_bytes());
                put_number(into, born);
                put_octets(into, carrier_id);
            }
            Self::CorrelationGone { carrier, id } => {
                into.push(CORRELATION_GONE);
                put_number(into, carrier.0.into());
                into.extend_from_slice(&id.bits().to_le_bytes());
            }
            Self::Early { carrier, key, born, before, body } => {
                put_key(into, EARLY, carrier, key);
                put_number(into, born);
                put_number(into, before);
                put_octets(into, body);
            }
            Self::EarlyGone { carrier, key } => put_key(into, EARLY_GONE, carrier, key),
            Self::Delivery { account, id, key, kind, born, body } => {
                let kind = match kind {
                    DeliveryKind::FinalReceipt => FINAL_RECEIPT,
                    DeliveryKind::IntermediateReceipt => INTERMEDIATE_RECEIPT,
                    DeliveryKind::Mo => MO,
                };
                put_key(into, kind, account, key);
                into.extend_from_slice(&id.bits().to_le_bytes());
                put_number(into, born);
                put_octets(into, body);
            }
            Self::DeliveryGone { account, key } => put_key(into, DELIVERY_GONE, account, key),
        }
    }

    fn decode(kind: u8, octets: &mut &'a [u8]) -> Result<Self, RecordError> {
        if !(CORRELATION..=DELIVERY_GONE).contains(&kind) {
            return Err(RecordError::UnknownType(kind));
        }
        let name = take_name(octets)?;
        if kind == CORRELATION || kind == MUTED_CORRELATION {
            return Ok(Self::Correlation {
                carrier: name,
                account: take_name(octets)?,
                id: take_id(octets)?,
                destination: u32::from_le_bytes(take_array(octets)?),
                born: take_number(octets)?,
                is_muted: kind == MUTED_CORRELATION,
                carrier_id: take_octets(octets)?,
            });
        }
        if kind == CORRELATION_GONE {
            return Ok(Self::CorrelationGone { carrier: name, id: take_id(octets)? });
        }
        let key = take_number(octets)?;
        let kind = match kind {
            EARLY => {
                let (born, before) = (take_number(octets)?, take_number(octets)?);
                return Ok(Self::Early { carrier: name, key, born, before, body: take_octets(octets)? });
            }
            EARLY_GONE => return Ok(Self::EarlyGone { carrier: name, key }),
            DELIVERY_GONE => return Ok(Self::DeliveryGone { account: name, key }),
            FINAL_RECEIPT => DeliveryKind::FinalReceipt,
            INTERMEDIATE_RECEIPT => DeliveryKind::IntermediateReceipt,
            _ => DeliveryKind::Mo,
        };
        let (id, born) = (take_id(octets)?, take_number(octets)?);
        Ok(Self::Delivery { account: name, id, key, kind, born, body: take_octets(octets)? })
    }
}

fn put_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn put_octets(into: &mut Vec<u8>, octets: &[u8]) {
    put_number(into, octets.len() as u64);
    into.extend_from_slice(octets);
}

fn put_key(into: &mut Vec<u8>, kind: u8, name: NameIndex, key: u64) {
    into.push(kind);
    put_number(into, name.0.into());
    put_number(into, key);
}

fn take_octet(octets: &mut &[u8]) -> Result<u8, RecordError> {
    let (first, rest) = octets.split_first().ok_or(RecordError::Truncated)?;
    *octets = rest;
    Ok(*first)
}

fn take_array<const N: usize>(octets: &mut &[u8]) -> Result<[u8; N], RecordError> {
    let (first, rest) = octets.split_first_chunk().ok_or(RecordError::Truncated)?;
    *octets = rest;
    Ok(*first)
}

fn take_number(octets: &mut &[u8]) -> Result<u64, RecordError> {
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

fn take_small<T: TryFrom<u64>>(octets: &mut &[u8]) -> Result<T, RecordError> {
    T::try_from(take_number(octets)?).map_err(|_| RecordError::BadValue)
}

fn take_name(octets: &mut &[u8]) -> Result<NameIndex, RecordError> {
    take_small(octets).map(NameIndex)
}

fn take_id(octets: &mut &[u8]) -> Result<MessageId, RecordError> {
    let bits = u64::from_le_bytes(take_array(octets)?);
    let id = MessageId::new(bits);
    if id.bits() == bits { Ok(id) } else { Err(RecordError::BadValue) }
}

fn take_octets<'a>(octets: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let len = take_small(octets)?;
    let (taken, rest) = octets.split_at_checked(len).ok_or(RecordError::Truncated)?;
    *octets = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests;
