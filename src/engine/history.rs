//! What a shard knows of a message, by our id: how it stands, who has it, what is awaited and what waits. Nothing is indexed for
//! this: it is looked for step by step, for there may be millions of entries and other work goes on between the steps.

use std::sync::Arc;

use super::account::Account;
use super::carrier::Carrier;
use super::correlation::Correlation;
use super::deliveries::DeliveryState;
use super::message::DeliveryKind;
use super::shard::Shard;
use super::web::Status;
use crate::config::{AccountId, CarrierId, Config};
use crate::smpp::message_id::MessageId;

/// Something known of a message. Times are in Unix seconds.
#[derive(Clone, Debug)]
pub enum Fact {
    /// How it stands, where states are kept or it is stored here.
    Stands { account: AccountId, status: Box<Status> },
    /// By what name a carrier knows it.
    Named { carrier: String, carrier_id: String },
    /// Its submit is not answered, or a stored one is with a carrier.
    UnderWay { account: AccountId, carrier: CarrierId },
    /// The carrier accepted it, and its receipt is awaited; one that the customer was told failed is not passed on.
    AwaitsReceipt { account: AccountId, carrier: CarrierId, accepted: u32, is_muted: bool },
    /// A receipt of it waits for the customer, or for his answer.
    Delivery { account: AccountId, kind: DeliveryKind, came: u32, attempts: u32, state: &'static str },
}

/// What was found on one shard.
#[derive(Clone, Debug)]
pub struct Found {
    /// By which the ids in it are read.
    pub config: Arc<Config>,
    pub facts: Vec<(MessageId, Fact)>,
}

/// One look for messages, which may be known by several ids.
#[derive(Debug)]
pub struct Search {
    ids: Vec<MessageId>,
    account: usize,
    slot: usize,
    carrier: usize,
    table: usize,
    facts: Vec<(MessageId, Fact)>,
}

impl Search {
    /// Entries looked at in one step, about.
    const STEP: usize = 32_768;
    /// Slots of a delivery queue at once, and tables of correlations, which have some hundreds of entries each.
    const SLOTS: usize = 16_384;
    const TABLES: usize = 16;
    const ENTRIES: usize = 1_000;
    /// What an account costs that has nothing.
    const ACCOUNT: usize = 64;

    #[must_use]
    pub fn new(ids: Vec<MessageId>) -> Self {
        Self { ids, account: 0, slot: 0, carrier: 0, table: 0, facts: Vec::new() }
    }

    /// True while there is more to be looked at.
    pub fn step(&mut self, shard: &Shard) -> bool {
        let mut looked_at = 0;
        while looked_at < Self::STEP {
            match self.look(shard) {
                Some(entries) => looked_at += entries,
                None => return false,
            }
        }
        true
    }

    /// Returns how much it looked at, about; `None` when it has seen everything.
    fn look(&mut self, shard: &Shard) -> Option<usize> {
        if let Some(account) = shard.accounts.get(self.account) {
            let from = self.slot;
            let (slots, submits) = account.as_ref().map_or((0, 0), |account| self.look_at_account(account));
            self.slot += Self::SLOTS;
            if self.slot >= slots {
                (self.account, self.slot) = (self.account + 1, 0);
            }
            return Some(Self::ACCOUNT + submits + slots.saturating_sub(from).min(Self::SLOTS));
        }
        let carrier = shard.carriers.get(self.carrier)?;
        let from = self.table;
        let tables = carrier.as_ref().map_or(0, |carrier| self.look_at_carrier(carrier));
        self.table += Self::TABLES;
        if self.table >= tables {
            (self.carrier, self.table) = (self.carrier + 1, 0);
        }
        Some(Self::ACCOUNT + Self::ENTRIES * tables.saturating_sub(from).min(Self::TABLES))
    }

    #[must_use]
    pub fn found(self, shard: &Shard) -> Found {
        Found { config: Arc::clone(&shard.config), facts: self.facts }
    }

    /// Returns how many slots there are, and how many submits were looked at.
    fn look_at_account(&mut self, account: &Account) -> (usize, usize) {
        let submits = if self.slot == 0 { account.submits.slots() } else { 0 };
        if self.slot == 0 {
            for id in &self.ids {
                account.known_of(*id, &mut self.facts);
            }
        }
        let slots = account.deliveries.slots();
        for slot in self.slot..slots.min(self.slot + Self::SLOTS) {
            let Some(delivery) = account.deliveries.at(slot).filter(|at| self.ids.contains(&at.id)) else { continue };
            let state = match delivery.state {
                DeliveryState::Waiting | DeliveryState::Behind | DeliveryState::Held => "waiting",
                DeliveryState::Outstanding { .. } => "sent",
                DeliveryState::Retry { .. } => "to be tried again",
            };
            let (kind, came, attempts) = (delivery.kind, delivery.kept.born, delivery.attempts);
            let fact = Fact::Delivery { account: account.id, kind, came, attempts, state };
            self.facts.push((delivery.id, fact));
        }
        (slots, submits)
    }

    /// Returns how many tables there are.
    fn look_at_carrier(&mut self, carrier: &Carrier) -> usize {
        let is_meant = |entry: &Correlation| {
            let of_several = || carrier.shown.get(entry.id).is_some_and(|shown| self.ids.contains(&shown));
            self.ids.contains(&entry.id) || of_several()
        };
        let tables = self.table..self.table + Self::TABLES;
        let entries = tables.flat_map(|table| carrier.correlations.in_table(table)).filter(|entry| is_meant(entry));
        let fact = |entry: &Correlation| Fact::AwaitsReceipt {
            account: entry.account,
            carrier: carrier.id,
            accepted: entry.born,
            is_muted: entry.is_muted,
        };
        let facts: Vec<_> = entries.map(|entry| (entry.id, fact(entry))).collect();
        self.facts.extend(facts);
        carrier.correlations.tables()
    }
}

impl Account {
    fn known_of(&self, id: MessageId, facts: &mut Vec<(MessageId, Fact)>) {
        if let Some(status) = self.known_status(id) {
            facts.push((id, Fact::Stands { account: self.id, status: Box::new(status) }));
        }
        if let Some(state) = self.state(id).filter(|state| !state.carrier.is_empty()) {
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            let (carrier, carrier_id) = (text(state.carrier), text(state.sent.carrier_id));
            facts.push((id, Fact::Named { carrier, carrier_id }));
        }
        let of_it = self.submits.iter().filter(|(_, submit)| submit.info.id == id || submit.shown == Some(id));
        let under_way =
            of_it.map(|(_, submit)| (submit.info.id, Fact::UnderWay { account: self.id, carrier: submit.carrier }));
        facts.extend(under_way);
    }
}
