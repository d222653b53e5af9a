//! The entries of a journal: what is kept, and what is gone.

use super::cdr::{self, CDR};
use super::octets::{put_key, put_number, put_octets, take_array, take_id, take_name, take_number, take_octets};
use super::unrouted::{self, UNROUTED, UNROUTED_GONE};
use super::{
    CORRELATION, CORRELATION_GONE, EARLY, EARLY_GONE, HOLDING_GONE, MUTED_CORRELATION, NameIndex, NameKind,
    READDRESSED_CORRELATION, RecordError, SHARED_CORRELATION, holding,
};
use crate::engine::event::{HoldingKind, Place};
use crate::smpp::message_id::MessageId;

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
        /// Both as the customer sent them, when the carrier was sent others or `shown` is there; else nothing. A muted one has
        /// neither.
        addresses: &'a [u8],
        /// The id its customer knows it by, when that is another.
        shown: Option<MessageId>,
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
    /// What an account holds, such as a receipt or MO on its way to it. No key is used twice in an account, and what came later
    /// has a larger one.
    Holding {
        account: N,
        id: MessageId,
        key: u64,
        kind: HoldingKind,
        born: u64,
        body: &'a [u8],
    },
    HoldingGone {
        account: N,
        key: u64,
    },
    /// An MO that no rule sends to an account.
    Unrouted {
        carrier: N,
        key: u64,
        born: u64,
        body: &'a [u8],
    },
    UnroutedGone {
        carrier: N,
        key: u64,
    },
    /// A line of the call detail records, numbered by its journal's shard; files had every line up to `written` by then. Lines with
    /// smaller numbers than what the newest says is written are gone.
    Cdr {
        sequence: u64,
        written: u64,
        body: &'a [u8],
    },
}

impl<'a, N: Copy> Entry<'a, N> {
    /// Whether it inserts; the others say that something is gone.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Self::Correlation { .. } | Self::Early { .. } | Self::Holding { .. } | Self::Unrouted { .. } => true,
            Self::Cdr { .. } => true,
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::HoldingGone { .. } => false,
            Self::UnroutedGone { .. } => false,
        }
    }

    /// What it is reckoned for in its segment while it lives (`Place`).
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Correlation { carrier_id, addresses, shown, .. } => {
                let shown = if shown.is_some() { size_of::<MessageId>() } else { 0 };
                Place::reckon_correlation(carrier_id.len() + addresses.len() + shown)
            }
            Self::Early { body, .. }
            | Self::Holding { body, .. }
            | Self::Unrouted { body, .. }
            | Self::Cdr { body, .. } => Place::reckon(body.len()),
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::HoldingGone { .. } => 0,
            Self::UnroutedGone { .. } => 0,
        }
    }

    /// The same entry under other names.
    pub fn map_names<M>(&self, mut name: impl FnMut(NameKind, N) -> M) -> Entry<'a, M> {
        match *self {
            Self::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown } => {
                let (carrier, account) = (name(NameKind::Carrier, carrier), name(NameKind::Account, account));
                Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown }
            }
            Self::CorrelationGone { carrier, id } => {
                Entry::CorrelationGone { carrier: name(NameKind::Carrier, carrier), id }
            }
            Self::Early { carrier, key, born, before, body } => {
                Entry::Early { carrier: name(NameKind::Carrier, carrier), key, born, before, body }
            }
            Self::EarlyGone { carrier, key } => Entry::EarlyGone { carrier: name(NameKind::Carrier, carrier), key },
            Self::Holding { account, id, key, kind, born, body } => {
                Entry::Holding { account: name(NameKind::Account, account), id, key, kind, born, body }
            }
            Self::HoldingGone { account, key } => Entry::HoldingGone { account: name(NameKind::Account, account), key },
            Self::Unrouted { carrier, key, born, body } => {
                Entry::Unrouted { carrier: name(NameKind::Carrier, carrier), key, born, body }
            }
            Self::UnroutedGone { carrier, key } => {
                Entry::UnroutedGone { carrier: name(NameKind::Carrier, carrier), key }
            }
            Self::Cdr { sequence, written, body } => Entry::Cdr { sequence, written, body },
        }
    }
}

impl<'a> Entry<'a, NameIndex> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        match *self {
            Self::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown } => {
                let (is_readdressed, shown) = (!is_muted && !addresses.is_empty(), shown.filter(|_| !is_muted));
                into.push(match (is_muted, shown, is_readdressed) {
                    (true, ..) => MUTED_CORRELATION,
                    (false, Some(_), _) => SHARED_CORRELATION,
                    (false, None, true) => READDRESSED_CORRELATION,
                    (false, None, false) => CORRELATION,
                });
                put_number(into, carrier.0.into());
                put_number(into, account.0.into());
                into.extend_from_slice(&id.bits().to_le_bytes());
                into.extend_from_slice(&destination.to_le_bytes());
                put_number(into, born);
                put_octets(into, carrier_id);
                if is_readdressed || shown.is_some() {
                    put_octets(into, addresses);
                }
                if let Some(shown) = shown {
                    into.extend_from_slice(&shown.bits().to_le_bytes());
                }
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
            Self::Holding { account, id, key, kind, born, body } => {
                put_key(into, holding::record_type(kind), account, key);
                into.extend_from_slice(&id.bits().to_le_bytes());
                put_number(into, born);
                put_octets(into, body);
            }
            Self::HoldingGone { account, key } => put_key(into, HOLDING_GONE, account, key),
            Self::Unrouted { carrier, key, born, body } => unrouted::encode(carrier, key, born, body, into),
            Self::UnroutedGone { carrier, key } => put_key(into, UNROUTED_GONE, carrier, key),
            Self::Cdr { sequence, written, body } => cdr::encode(sequence, written, body, into),
        }
    }

    pub(super) fn decode(kind: u8, octets: &mut &'a [u8]) -> Result<Self, RecordError> {
        if kind == CDR {
            return cdr::decode(octets);
        }
        let holding = holding::kind_of(kind);
        let is_other = matches!(kind, CORRELATION..=EARLY_GONE | HOLDING_GONE | UNROUTED | UNROUTED_GONE)
            || matches!(kind, READDRESSED_CORRELATION | SHARED_CORRELATION);
        if !is_other && holding.is_none() {
            return Err(RecordError::UnknownType(kind));
        }
        let name = take_name(octets)?;
        if matches!(kind, CORRELATION | MUTED_CORRELATION | READDRESSED_CORRELATION | SHARED_CORRELATION) {
            return Ok(Self::Correlation {
                carrier: name,
                account: take_name(octets)?,
                id: take_id(octets)?,
                destination: u32::from_le_bytes(take_array(octets)?),
                born: take_number(octets)?,
                is_muted: kind == MUTED_CORRELATION,
                carrier_id: take_octets(octets)?,
                addresses: match kind {
                    READDRESSED_CORRELATION | SHARED_CORRELATION => take_addresses(kind, octets)?,
                    _ => b"",
                },
                shown: if kind == SHARED_CORRELATION { Some(take_id(octets)?) } else { None },
            });
        }
        if kind == CORRELATION_GONE {
            return Ok(Self::CorrelationGone { carrier: name, id: take_id(octets)? });
        }
        let key = take_number(octets)?;
        match kind {
            EARLY => {
                let (born, before) = (take_number(octets)?, take_number(octets)?);
                return Ok(Self::Early { carrier: name, key, born, before, body: take_octets(octets)? });
            }
            EARLY_GONE => return Ok(Self::EarlyGone { carrier: name, key }),
            UNROUTED => return unrouted::decode(name, key, octets),
            UNROUTED_GONE => return Ok(Self::UnroutedGone { carrier: name, key }),
            HOLDING_GONE => return Ok(Self::HoldingGone { account: name, key }),
            _ => {}
        }
        let holding = holding.ok_or(RecordError::UnknownType(kind))?;
        let (id, born) = (take_id(octets)?, take_number(octets)?);
        Ok(Self::Holding { account: name, id, key, kind: holding, born, body: take_octets(octets)? })
    }
}

/// Not empty where it would be another type then; and no two addresses are longer than recovery has room for.
fn take_addresses<'a>(kind: u8, octets: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let addresses = take_octets(octets)?;
    let is_needed = kind == READDRESSED_CORRELATION;
    if addresses.is_empty() && is_needed || addresses.len() > usize::from(u8::MAX) {
        return Err(RecordError::BadValue);
    }
    Ok(addresses)
}
