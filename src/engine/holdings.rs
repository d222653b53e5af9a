//! What an account holds besides deliveries, durably: each under a key of its own that nothing else ever has, with octets whose
//! meaning its kind says. Those who keep something here remember its key; after a start they find theirs by kind.

use std::collections::BTreeMap;

use super::context::Context;
use super::event::{HoldingKind, Place, Record};
use crate::config::AccountId;
use crate::smpp::message_id::MessageId;

#[derive(Debug)]
pub struct Holdings {
    account: AccountId,
    /// In the order they were kept.
    entries: BTreeMap<u64, Holding>,
}

#[derive(Debug)]
pub struct Holding {
    pub kind: HoldingKind,
    /// The message it is about; 0 when it is about none.
    pub id: MessageId,
    /// Unix seconds.
    pub born: u32,
    pub place: Place,
    pub body: Box<[u8]>,
}

impl Holdings {
    #[must_use]
    pub fn new(account: AccountId) -> Self {
        Self { account, entries: BTreeMap::new() }
    }

    /// Keeps something; it is durable when the records appended so far are (`Effects::after_records`). Returns its key.
    pub fn keep(&mut self, kind: HoldingKind, id: MessageId, body: &[u8], cx: &mut Context<'_>) -> u64 {
        let (account, key, born) = (self.account, cx.issue_key(), cx.unix_seconds());
        let octets = cx.out.record_bytes.add(body);
        let place = cx.out.append(Record::Holding { account, id, key, kind, born, body: octets });
        self.entries.insert(key, Holding { kind, id, born, place, body: body.into() });
        key
    }

    #[must_use]
    pub fn get(&self, key: u64) -> Option<&Holding> {
        self.entries.get(&key)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Its octets, while they are read and its account is changed; `give_back` follows.
    pub fn lend(&mut self, key: u64) -> Option<Box<[u8]>> {
        self.entries.get_mut(&key).map(|holding| std::mem::take(&mut holding.body))
    }

    pub fn give_back(&mut self, key: u64, body: Box<[u8]>) {
        if let Some(holding) = self.entries.get_mut(&key) {
            holding.body = body;
        }
    }

    /// It is needed no more.
    pub fn forget(&mut self, key: u64, cx: &mut Context<'_>) -> Option<Holding> {
        let holding = self.entries.remove(&key)?;
        cx.out.append(Record::HoldingGone { account: self.account, key, place: holding.place });
        Some(holding)
    }

    /// Takes back what an earlier process kept.
    pub fn restore(&mut self, key: u64, holding: Holding) {
        self.entries.insert(key, holding);
    }

    /// Those of one kind, in the order they were kept.
    pub fn of_kind(&self, kind: HoldingKind) -> impl Iterator<Item = (u64, &Holding)> {
        self.entries.iter().filter(move |(_, holding)| holding.kind == kind).map(|(key, holding)| (*key, holding))
    }

    /// Records those of this segment again, from a key on, as far as `slots` go. Returns the key to go on from.
    pub(super) fn rewrite(&mut self, from: u64, segment: u16, slots: &mut usize, cx: &mut Context<'_>) -> Option<u64> {
        for (key, holding) in self.entries.range_mut(from..) {
            if *slots == 0 {
                return Some(*key);
            }
            *slots -= 1;
            if holding.place.segment == segment {
                // A long one is many: the commit that carries them should not be.
                *slots = slots.saturating_sub(holding.body.len() / 256);
                let body = cx.out.record_bytes.add(&holding.body);
                cx.out.left.push(holding.place);
                let (account, kind, id, born) = (self.account, holding.kind, holding.id, holding.born);
                holding.place = cx.out.append(Record::Holding { account, id, key: *key, kind, born, body });
            }
        }
        None
    }
}
