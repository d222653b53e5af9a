//! What an earlier process left: entries go back to their homes, and early receipts find the correlations that joined them.
//!
//! An entry whose record lies in its home's journal is told its place. One that lies elsewhere is told none, and is recorded anew.

use super::context::Context;
use super::correlation::{Correlation, Found};
use super::deliveries::Kept;
use super::early::Early;
use super::effects::Effects;
use super::event::{HoldingKind, Place, Record};
use super::holdings::Holding;
use super::router::significant;
use super::shard::{Shard, context};
use super::submit::hash_digits;
use super::time::Instant;
use crate::config::{AccountId, CarrierId};
use crate::engine::account::Account;
use crate::engine::carrier::Carrier;
use crate::metrics::ReceiptOutcome;
use crate::smpp::message_id::{MessageId, normalize};
use crate::smpp::receipt;
use crate::smpp::view::SmView;

/// An entry of the journal that lives. `born` is in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub enum Restored<'a> {
    Correlation {
        carrier: CarrierId,
        account: AccountId,
        id: MessageId,
        destination: u32,
        born: u32,
        is_muted: bool,
        carrier_id: &'a [u8],
        addresses: &'a [u8],
        shown: Option<MessageId>,
    },
    Early {
        carrier: CarrierId,
        key: u64,
        born: u32,
        body: &'a [u8],
    },
    Unrouted {
        carrier: CarrierId,
        key: u64,
        born: u32,
        body: &'a [u8],
    },
    /// What one account holds comes in the order of the keys.
    Holding {
        account: AccountId,
        id: MessageId,
        key: u64,
        kind: HoldingKind,
        born: u32,
        body: &'a [u8],
    },
}

impl Shard {
    /// Takes back an entry whose home this is, before `start`.
    pub fn restore(&mut self, entry: &Restored<'_>, place: Option<Place>, now: Instant, out: &mut Effects) {
        let (carrier, account) = match *entry {
            Restored::Correlation { carrier, .. }
            | Restored::Early { carrier, .. }
            | Restored::Unrouted { carrier, .. } => (Some(carrier), None),
            Restored::Holding { account, .. } => (None, Some(account)),
        };
        if let Some(carrier) = carrier.and_then(|carrier| self.carriers[carrier.index()].as_mut()) {
            carrier.restore(entry, place, context!(self, now, out));
        }
        if let Some(account) = account.and_then(|account| self.accounts[account.index()].as_mut()) {
            account.restore(entry, place, context!(self, now, out));
        }
    }

    /// A correlation of this carrier is kept elsewhere, for its account is missing: an early receipt may be its.
    pub fn expect_strangers(&mut self, carrier: CarrierId) {
        if let Some(carrier) = &mut self.carriers[carrier.index()] {
            carrier.has_strangers = true;
        }
    }

    /// A submit that an account at home here has marked as sent: a carrier accepted it.
    pub fn expect_accepted(&mut self, id: MessageId) {
        self.accepted.insert(id);
    }

    /// Makes room for so many more correlations of a carrier, before they are restored.
    pub fn reserve_correlations(&mut self, carrier: CarrierId, more: usize) {
        if let Some(carrier) = &mut self.carriers[carrier.index()] {
            carrier.correlations.reserve(more);
        }
    }
}

impl Carrier {
    fn restore(&mut self, entry: &Restored<'_>, place: Option<Place>, cx: &mut Context<'_>) {
        match *entry {
            Restored::Correlation {
                carrier,
                account,
                id,
                destination,
                born,
                is_muted,
                carrier_id,
                addresses,
                shown,
            } => {
                self.readdressed.insert(id, addresses);
                self.shown.insert(id, shown);
                let format = cx.config.carrier(self.id).message_id.response;
                let fingerprint = self.correlations.fingerprint(normalize(carrier_id, format));
                let place = place.unwrap_or_else(|| {
                    let carrier_id = cx.out.record_bytes.add(carrier_id);
                    let addresses = cx.out.record_bytes.add(addresses);
                    let record = Record::Correlation {
                        carrier,
                        account,
                        id,
                        destination,
                        born,
                        is_muted,
                        carrier_id,
                        addresses,
                        shown,
                    };
                    cx.out.append(record)
                });
                let entry = Correlation::new(fingerprint, id, destination, born, account, is_muted);
                self.parts_by_id.insert(id, fingerprint, cx.config.carrier(self.id));
                self.correlations.insert(entry.at(place));
            }
            Restored::Early { carrier, key, born, body } => {
                let place = place.unwrap_or_else(|| {
                    let body = cx.out.record_bytes.add(body);
                    cx.out.append(Record::Early { carrier, key, born, before: 0, body })
                });
                let body = body.to_vec();
                // No submit of this process may take it: it was parked before any of them was written.
                self.early.park(Early {
                    key,
                    born,
                    place,
                    fingerprints: [None; 2],
                    before: 0,
                    body,
                    addresses: Box::default(),
                    shown: None,
                });
            }
            Restored::Unrouted { key, born, body, .. } => self.restore_unrouted(key, born, body, place, cx),
            Restored::Holding { .. } => {}
        }
    }

    /// An early receipt and the correlation that was recorded behind it: the process ended between the two. One that no
    /// correlation joined belongs to nobody any more, for the submits that were unanswered then never will be; unless it may be
    /// an account's that is missing: then it waits for the next start.
    pub(super) fn join_restored(&mut self, cx: &mut Context<'_>) {
        for early in self.early.take_all() {
            match self.correlation_of(&early.body, cx) {
                Some(entry) if entry.is_muted => {
                    self.counts.count_receipt(ReceiptOutcome::Muted);
                    self.forget_early(early, cx);
                }
                Some(entry) => self.join_early(early, entry, cx),
                None if self.has_strangers => self.strangers.push(early),
                None => self.drop_early(early, cx),
            }
        }
    }

    fn correlation_of(&self, body: &[u8], cx: &Context<'_>) -> Option<Correlation> {
        let view = SmView::deliver(body).ok()?;
        let receipt = receipt::read_as(&view, &cx.config.carrier(self.id).profile.receipts)?;
        let destination = hash_digits(significant(view.source.digits));
        let format = cx.config.carrier(self.id).message_id.receipt;
        receipt.ids.iter().flatten().find_map(|id| {
            let fingerprint = self.correlations.fingerprint(normalize(id, format));
            match self.correlations.find(fingerprint, destination) {
                Found::None => None,
                Found::One(entry) => Some(entry),
                Found::Ambiguous(newest) => Some(self.sent_to(view.source.digits, &newest).unwrap_or(newest)),
            }
        })
    }
}

impl Account {
    fn restore(&mut self, entry: &Restored<'_>, place: Option<Place>, cx: &mut Context<'_>) {
        let Restored::Holding { account, id, key, kind, born, body } = *entry else { return };
        let place = place.unwrap_or_else(|| {
            let body = cx.out.record_bytes.add(body);
            cx.out.append(Record::Holding { account, id, key, kind, born, body })
        });
        match kind {
            HoldingKind::Delivery(kind) => {
                let pushed = self.deliveries.push(kind, id, body, None, Kept { key, born, place });
                if let Some(superseded) = pushed.superseded {
                    self.forget(superseded, cx);
                }
            }
            HoldingKind::Stored
            | HoldingKind::Sent
            | HoldingKind::Usage
            | HoldingKind::State
            | HoldingKind::Parts
            | HoldingKind::Message
            | HoldingKind::Keyed
            | HoldingKind::Event
            | HoldingKind::MoPart => {
                self.holdings.restore(key, Holding { kind, id, born, place, body: body.into() });
            }
        }
    }
}
