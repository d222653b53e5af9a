//! What the journals must hold: every entry that was recorded, whether that is durable, and whether its removal is.
//!
//! At each recovery this is held against what was found; between two of them, against what the journals reckon as live.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::config::Config;
use trunkline::engine::event::{HoldingKind, Record};
use trunkline::engine::message::Batch;
use trunkline::store::record::Entry;
use trunkline::store::recovered::Recovered;

use crate::text::item_number;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Correlation,
    Early,
    Delivery,
    /// What was submitted this day and month, for who has a quota, and states of messages: kept when all is quiet.
    Usage,
    Unrouted,
}

/// Its kind, the name of its carrier or account, and its number there.
pub(crate) type Key = (Kind, String, u64);

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) entries: BTreeMap<Key, Kept>,
    /// Octets that live in each shard's journal.
    pub(crate) live: BTreeMap<usize, i64>,
    waiting: BTreeMap<usize, Vec<(Key, bool)>>,
    committing: BTreeMap<(usize, u64), Vec<(Key, bool)>>,
    /// Deliveries of each receipt or MO that were recorded in this life or found at its start.
    deliveries: BTreeMap<u32, Vec<Key>>,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    weight: u32,
    is_durable: bool,
    is_removed: bool,
    is_removal_durable: bool,
    /// A crash took back its removal, which may come no more.
    is_back: bool,
    /// Its removal was durable in an earlier life.
    was_gone: bool,
    pub(crate) item: Option<u32>,
    /// A receipt of a part, held back or awaited.
    is_part: bool,
    /// The state of a message, which outlives all that is to be delivered.
    is_state: bool,
}

impl Books {
    /// The journal takes these records; `left` is what leaves it without one.
    pub(crate) fn appended(&mut self, shard: usize, records: &[Record], octets: &Batch, config: &Config) {
        for record in records {
            if let Record::Cdr { .. } = record {
                *self.live.entry(shard).or_default() += i64::from(record.weight());
                continue;
            }
            let (mut key, weight, body) = describe(record, config);
            if weight.is_none() && key.0 == Kind::Delivery && !self.entries.contains_key(&key) {
                // Its removal does not say what it was.
                key.0 = Kind::Usage;
            }
            let live = self.live.entry(shard).or_default();
            let Some(weight) = weight else {
                let kept = self.entries.entry(key.clone()).or_default();
                kept.is_removed = true;
                *live -= i64::from(kept.weight);
                self.waiting.entry(shard).or_default().push((key, true));
                continue;
            };
            *live += i64::from(weight);
            let item = body.and_then(|body| item_number(octets.octets(body)));
            let is_part = matches!(record, Record::Holding { kind: HoldingKind::Parts, .. });
            if let (Kind::Delivery, Some(item), false) = (key.0, item, is_part) {
                self.deliveries.entry(item).or_default().push(key.clone());
            }
            // Recorded anew in another journal, it is what it was.
            let kept = self.entries.entry(key.clone()).or_default();
            (kept.weight, kept.item, kept.is_part) = (weight, item, is_part);
            kept.is_state = matches!(record, Record::Holding { kind: HoldingKind::State, .. });
            self.waiting.entry(shard).or_default().push((key, false));
        }
    }

    pub(crate) fn committing(&mut self, shard: usize, through: u64) {
        let waiting = self.waiting.remove(&shard).unwrap_or_default();
        self.committing.insert((shard, through), waiting);
    }

    pub(crate) fn durable(&mut self, shard: usize, through: u64) {
        for (key, is_removal) in self.committing.remove(&(shard, through)).unwrap_or_default() {
            let Some(kept) = self.entries.get_mut(&key) else { continue };
            if is_removal {
                kept.is_removal_durable = true;
            } else {
                kept.is_durable = true;
            }
        }
    }

    /// Whether every delivery of this receipt or MO had been removed before this process began.
    pub(crate) fn is_gone(&self, item: u32) -> bool {
        let known = self.deliveries.get(&item);
        known.is_some_and(|keys| keys.iter().all(|key| self.entries.get(key).is_some_and(|kept| kept.was_gone)))
    }

    /// What is wrong with what was found; nothing when all is well.
    pub(crate) fn check(&self, recovered: &Recovered) -> Option<String> {
        let found: BTreeSet<Key> = live(recovered).map(|(key, ..)| key).collect();
        for (key, kept) in &self.entries {
            let is_found = found.contains(key);
            if kept.is_durable && !kept.is_removed && !is_found {
                return Some(format!("{key:?} was durable and is lost: {kept:?}"));
            }
            if kept.is_removal_durable && is_found {
                return Some(format!("{key:?} was removed and came back: {kept:?}"));
            }
        }
        found.iter().find(|key| !self.entries.contains_key(key)).map(|key| format!("{key:?} was never recorded"))
    }

    /// What was found is durable, and there is nothing else.
    pub(crate) fn adopt(&mut self, recovered: &Recovered) {
        let before = std::mem::take(self).entries;
        for (key, weight, item, is_part) in live(recovered) {
            let is_state = before.get(&key).is_some_and(|kept| kept.is_state);
            if let (Kind::Delivery, Some(item), false) = (key.0, item, is_part) {
                self.deliveries.entry(item).or_default().push(key.clone());
            }
            if before.get(&key).is_some_and(|kept| kept.is_removal_durable || kept.was_gone) {
                // It should not be there, and is gone for good for who sees it delivered.
                let gone = Kept { weight, was_gone: true, item, is_part, ..Kept::default() };
                self.entries.insert(key, gone);
                continue;
            }
            let is_back = before.get(&key).is_some_and(|kept| kept.is_back || kept.is_removed);
            let kept = Kept { weight, is_durable: true, is_back, item, is_part, is_state, ..Kept::default() };
            self.entries.insert(key, kept);
        }
    }

    /// The octets of all that lives.
    pub(crate) fn weight(&self) -> u64 {
        self.entries.values().filter(|kept| !kept.is_removed).map(|kept| u64::from(kept.weight)).sum()
    }

    /// The ids of correlations that live, and whose removal no crash took back.
    pub(crate) fn correlations(&self) -> BTreeSet<u64> {
        let is_one = |(key, kept): &(&Key, &Kept)| key.0 == Kind::Correlation && !kept.is_removed && !kept.is_back;
        self.entries.iter().filter(is_one).map(|(key, _)| key.2).collect()
    }

    pub(crate) fn is_all_durable(&self) -> bool {
        self.entries.values().all(|kept| kept.is_durable)
    }

    /// Receipts and MO that are held here.
    pub(crate) fn held(&self) -> usize {
        let is_held = |(kind, _, _): &Key| !matches!(kind, Kind::Correlation | Kind::Usage);
        let outlives = |kept: &Kept| kept.is_removed || kept.is_state || kept.is_part;
        self.entries.iter().filter(|(key, kept)| is_held(key) && !outlives(kept)).count()
    }

    /// Receipts of parts that are held back.
    pub(crate) fn held_parts(&self) -> BTreeSet<u32> {
        let kept = self.entries.values().filter(|kept| kept.is_part && !kept.is_removed);
        kept.filter_map(|kept| kept.item).collect()
    }
}

/// Everything found: its key, its weight, which receipt or MO it is, and whether that is of a part.
fn live(recovered: &Recovered) -> impl Iterator<Item = (Key, u32, Option<u32>, bool)> {
    recovered.all().filter_map(|live| {
        let name = |name| recovered.names.name(name).to_owned();
        let (key, item) = match live.entry {
            Entry::Correlation { carrier, id, .. } => ((Kind::Correlation, name(carrier), id.bits()), None),
            Entry::Early { carrier, key, body, .. } => ((Kind::Early, name(carrier), key), item_number(body)),
            Entry::Holding { account, key, kind, body, .. } => ((holding(kind), name(account), key), item_number(body)),
            Entry::Unrouted { carrier, key, body, .. } => ((Kind::Unrouted, name(carrier), key), item_number(body)),
            Entry::CorrelationGone { .. } | Entry::EarlyGone { .. } | Entry::HoldingGone { .. } => return None,
            Entry::UnroutedGone { .. } | Entry::Cdr { .. } => return None,
        };
        let is_part = matches!(live.entry, Entry::Holding { kind: HoldingKind::Parts, .. });
        Some((key, live.entry.weight(), item, is_part))
    })
}

fn holding(kind: HoldingKind) -> Kind {
    match kind {
        HoldingKind::Usage | HoldingKind::State | HoldingKind::Message | HoldingKind::Keyed => Kind::Usage,
        HoldingKind::Event | HoldingKind::MoPart => Kind::Usage,
        HoldingKind::Delivery(_) | HoldingKind::Stored | HoldingKind::Sent | HoldingKind::Parts => Kind::Delivery,
    }
}

type Body = trunkline::engine::message::Octets;

/// A record's key; its weight, unless it removes; and the body it keeps.
fn describe(record: &Record, config: &Config) -> (Key, Option<u32>, Option<Body>) {
    let carrier = |at| config.carrier(at).name.clone();
    let account = |at| config.account(at).name.clone();
    let weight = Some(record.weight());
    match *record {
        Record::Correlation { carrier: at, id, .. } => ((Kind::Correlation, carrier(at), id.bits()), weight, None),
        Record::CorrelationGone { carrier: at, id, .. } => ((Kind::Correlation, carrier(at), id.bits()), None, None),
        Record::Early { carrier: at, key, body, .. } => ((Kind::Early, carrier(at), key), weight, Some(body)),
        Record::EarlyGone { carrier: at, key, .. } => ((Kind::Early, carrier(at), key), None, None),
        Record::Holding { account: at, key, kind, body, .. } => ((holding(kind), account(at), key), weight, Some(body)),
        Record::HoldingGone { account: at, key, .. } => ((Kind::Delivery, account(at), key), None, None),
        Record::Unrouted { carrier: at, key, body, .. } => ((Kind::Unrouted, carrier(at), key), weight, Some(body)),
        Record::UnroutedGone { carrier: at, key, .. } => ((Kind::Unrouted, carrier(at), key), None, None),
        Record::Cdr { .. } => unreachable!("lines have books of their own"),
    }
}
