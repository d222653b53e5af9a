//! The entries of a journal: what is kept, and what is gone.

use super::octets::{put_key, put_number, put_octets, take_array, take_id, take_name, take_number, take_octets};
use super::unrouted::{self, UNROUTED, UNROUTED_GONE};
use super::{
    CORRELATION, CORRELATION_GONE, DELIVERY_GONE, EARLY, EARLY_GONE, FINAL_RECEIPT, INTERMEDIATE_RECEIPT, MO,
    MUTED_CORRELATION, NameIndex, NameKind, READDRESSED_CORRELATION, RecordError,
};
use crate::engine::event::Place;
use crate::engine::message::DeliveryKind;
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
        /// Both as the customer sent them, when the carrier was sent others; else nothing. A muted one has none.
        addresses: &'a [u8],
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
}

impl<'a, N: Copy> Entry<'a, N> {
    /// Whether it inserts; the others say that something is gone.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Self::Correlation { .. } | Self::Early { .. } | Self::Delivery { .. } | Self::Unrouted { .. } => true,
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::DeliveryGone { .. } => false,
            Self::UnroutedGone { .. } => false,
        }
    }

    /// What it is reckoned for in its segment while it lives (`Place`).
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Correlation { carrier_id, addresses, .. } => {
                Place::reckon_correlation(carrier_id.len() + addresses.len())
            }
            Self::Early { body, .. } | Self::Delivery { body, .. } | Self::Unrouted { body, .. } => {
                Place::reckon(body.len())
            }
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::DeliveryGone { .. } => 0,
            Self::UnroutedGone { .. } => 0,
        }
    }

    /// The same entry under other names.
    pub fn map_names<M>(&self, mut name: impl FnMut(NameKind, N) -> M) -> Entry<'a, M> {
        match *self {
            Self::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses } => {
                let (carrier, account) = (name(NameKind::Carrier, carrier), name(NameKind::Account, account));
                Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses }
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
            Self::Unrouted { carrier, key, born, body } => {
                Entry::Unrouted { carrier: name(NameKind::Carrier, carrier), key, born, body }
            }
            Self::UnroutedGone { carrier, key } => {
                Entry::UnroutedGone { carrier: name(NameKind::Carrier, carrier), key }
            }
        }
    }
}

impl<'a> Entry<'a, NameIndex> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        match *self {
            Self::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses } => {
                let is_readdressed = !is_muted && !addresses.is_empty();
                into.push(match (is_muted, is_readdressed) {
                    (true, _) => MUTED_CORRELATION,
                    (false, true) => READDRESSED_CORRELATION,
                    (false, false) => CORRELATION,
                });
                put_number(into, carrier.0.into());
                put_number(into, account.0.into());
                into.extend_from_slice(&id.bits().to_le_bytes());
                into.extend_from_slice(&destination.to_le_bytes());
                put_number(into, born);
                put_octets(into, carrier_id);
                if is_readdressed {
                    put_octets(into, addresses);
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
            Self::Unrouted { carrier, key, born, body } => unrouted::encode(carrier, key, born, body, into),
            Self::UnroutedGone { carrier, key } => put_key(into, UNROUTED_GONE, carrier, key),
        }
    }

    pub(super) fn decode(kind: u8, octets: &mut &'a [u8]) -> Result<Self, RecordError> {
        if !matches!(kind, CORRELATION..=DELIVERY_GONE | UNROUTED | UNROUTED_GONE | READDRESSED_CORRELATION) {
            return Err(RecordError::UnknownType(kind));
        }
        let name = take_name(octets)?;
        if matches!(kind, CORRELATION | MUTED_CORRELATION | READDRESSED_CORRELATION) {
            return Ok(Self::Correlation {
                carrier: name,
                account: take_name(octets)?,
                id: take_id(octets)?,
                destination: u32::from_le_bytes(take_array(octets)?),
                born: take_number(octets)?,
                is_muted: kind == MUTED_CORRELATION,
                carrier_id: take_octets(octets)?,
                addresses: if kind == READDRESSED_CORRELATION { take_addresses(octets)? } else { b"" },
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
            UNROUTED => return unrouted::decode(name, key, octets),
            UNROUTED_GONE => return Ok(Self::UnroutedGone { carrier: name, key }),
            DELIVERY_GONE => return Ok(Self::DeliveryGone { account: name, key }),
            FINAL_RECEIPT => DeliveryKind::FinalReceipt,
            INTERMEDIATE_RECEIPT => DeliveryKind::IntermediateReceipt,
            _ => DeliveryKind::Mo,
        };
        let (id, born) = (take_id(octets)?, take_number(octets)?);
        Ok(Self::Delivery { account: name, id, key, kind, born, body: take_octets(octets)? })
    }
}

/// Never empty, for then it would be another type; and no two addresses are longer than recovery has room for.
fn take_addresses<'a>(octets: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let addresses = take_octets(octets)?;
    if addresses.is_empty() || addresses.len() > usize::from(u8::MAX) {
        return Err(RecordError::BadValue);
    }
    Ok(addresses)
}
