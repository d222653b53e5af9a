//! Giving what recovery found to its present homes. Pure: the disk of a commit is the caller's.
//!
//! Entries stay where they lie unless one of them has another home now, or two journals know of one: then everything is recorded
//! anew in the journals of the present homes, and the old segments go once all of that is durable, on every shard. A process
//! that ends amid it is followed by one that does it again.

use std::collections::BTreeMap;

use ahash::AHashSet;

use super::cdr_lines::CdrLine;
use super::names::NameId;
use super::record::{Entry, NameKind};
use super::recovered::{Live, NameCounts, Recovered};
use super::segment::SegmentState;
use super::shard_store::ShardStore;
use crate::config::{AccountId, CarrierId, Config};
use crate::engine::cdr;
use crate::engine::effects::Effects;
use crate::engine::event::{HoldingKind, Place};
use crate::engine::message::ShardId;
use crate::engine::placement::Placement;
use crate::engine::restore::Restored;
use crate::engine::shard::Shard;
use crate::engine::time::Instant;
use crate::engine::web;
use crate::smpp::message_id::MessageId;

/// Records of one commit while everything is recorded anew, and octets in them: MO may be long.
const MOVED_AT_ONCE: usize = 50_000;
const MOVED_OCTETS: usize = 16 << 20;

/// What recovery found, and where it belongs now.
pub struct Homes<'a> {
    placement: &'a Placement,
    pub recovered: Recovered,
    /// How much lives under each name.
    counts: Vec<NameCounts>,
    accounts: Vec<Option<AccountId>>,
    carriers: Vec<Option<CarrierId>>,
    /// Submits of which it is to be known whether a carrier accepted them, by our id: stored ones that may have reached one, and
    /// segments of HTTP requests that were not answered.
    marked: AHashSet<MessageId>,
    /// Everything is recorded anew, and all old segments go.
    pub is_moved: bool,
}

/// Whose an entry is.
enum Owner<'a> {
    Shard(ShardId, Restored<'a>),
    /// Nobody's: its account or carrier is not in the configuration.
    Foreign,
}

impl<'a> Homes<'a> {
    #[must_use]
    pub fn new(config: &Config, placement: &'a Placement, recovered: Recovered) -> Self {
        let names = || (0..recovered.names.len()).map(|at| NameId(at as u32));
        let is_account = |id: &NameId| recovered.names.kind(*id) == NameKind::Account;
        let account = |id| {
            let name = recovered.names.name(id);
            let at = config.accounts.iter().position(|account| account.name == name).filter(|_| is_account(&id));
            at.map(|at| AccountId(at as u32))
        };
        let carrier = |id| {
            let name = recovered.names.name(id);
            let at = config.carriers.iter().position(|carrier| carrier.name == name).filter(|_| !is_account(&id));
            at.map(|at| CarrierId(at as u16))
        };
        let (accounts, carriers) = (names().map(account).collect(), names().map(carrier).collect());
        let counts = recovered.counts();
        let mut marked = AHashSet::new();
        for live in recovered.holdings() {
            let Entry::Holding { kind, id, body, .. } = live.entry else { continue };
            if kind == HoldingKind::Sent {
                marked.insert(id);
            }
            marked.extend(web::unsettled_ids(kind, body));
        }
        let mut homes = Self { placement, recovered, counts, accounts, carriers, marked, is_moved: false };
        homes.is_moved = homes.recovered.is_spread
            || homes.surplus().next().is_some()
            || homes.all().any(|live| match homes.owner(&live) {
                Owner::Shard(home, _) => home.0 != live.segment.journal,
                Owner::Foreign => false,
            });
        homes
    }

    /// Accounts and carriers that the configuration does not have, and how much lives under each.
    pub fn unconfigured(&self) -> impl Iterator<Item = (NameKind, &str, NameCounts)> {
        let is_known = |at: usize| self.accounts[at].is_some() || self.carriers[at].is_some();
        let counts = self.counts.iter().enumerate();
        counts.filter(move |(at, counts)| counts.oldest_born.is_some() && !is_known(*at)).map(|(at, counts)| {
            let id = NameId(at as u32);
            (self.recovered.names.kind(id), self.recovered.names.name(id), *counts)
        })
    }

    /// How many correlations and deliveries live. Each counts for one account.
    #[must_use]
    pub fn live(&self) -> (u64, u64) {
        let is_account = |at: &usize| self.recovered.names.kind(NameId(*at as u32)) == NameKind::Account;
        let of_accounts = (0..self.counts.len()).filter(is_account).map(|at| self.counts[at]);
        of_accounts.fold((0, 0), |(correlations, deliveries), counts| {
            (correlations + counts.correlations, deliveries + counts.deliveries)
        })
    }

    /// Segments of journals that no shard has any more, oldest first.
    pub fn surplus(&self) -> impl Iterator<Item = &SegmentState> {
        self.recovered.segments().iter().filter(|segment| usize::from(segment.name.journal) >= self.placement.shards())
    }

    /// Gives a shard and its store everything whose home it is. What is recorded anew is for `commit` to make durable.
    pub fn restore<E>(
        &self,
        (shard, store, out): (&mut Shard, &mut ShardStore, &mut Effects),
        now: Instant,
        mut commit: impl FnMut(&mut Shard, &mut ShardStore, &mut Effects) -> Result<(), E>,
    ) -> Result<(), E> {
        let id = shard.id;
        for (counts, carrier) in self.counts.iter().zip(&self.carriers) {
            if let Some(carrier) = *carrier {
                shard.reserve_correlations(carrier, counts.correlations as usize);
            }
        }
        for place in shard.restore_cdr(&self.cdr_lines(id), out) {
            store.restored(place);
        }
        for live in self.all() {
            if !self.marked.is_empty()
                && let Some(marked) = self.accepted_at(&live, id)
            {
                shard.expect_accepted(marked);
            }
            let place = Place { segment: live.segment.sequence as u16, octets: live.octets };
            let place = (!self.is_moved).then_some(place);
            match self.owner(&live) {
                Owner::Shard(home, restored) if home == id => {
                    if let Some(place) = place {
                        store.restored(place);
                    }
                    shard.restore(&restored, place, now, out);
                }
                Owner::Foreign => {
                    if let Some(carrier) = self.carrier_of_stranger(&live) {
                        shard.expect_strangers(carrier);
                    }
                    if !self.keeps_foreign(&live, id) {
                        continue;
                    }
                    let entry = live.entry.map_names(|_, name| self.recovered.names.name(name));
                    store.restore_foreign(&entry, place);
                }
                Owner::Shard(..) => continue,
            }
            let is_much = out.records.len() >= MOVED_AT_ONCE || out.record_bytes.bytes.len() >= MOVED_OCTETS;
            if self.is_moved && is_much {
                commit(shard, store, out)?;
            }
        }
        if self.is_moved {
            commit(shard, store, out)?;
            store.close_segment(out);
        }
        Ok(())
    }

    /// The lines of a shard's own journal: they belong to no account or carrier that could have another home.
    fn cdr_lines(&self, id: ShardId) -> BTreeMap<u64, cdr::Recovered> {
        let recovered = |line: &CdrLine| {
            let place = Place { segment: line.segment.sequence as u16, octets: line.weight };
            let place = (!self.is_moved).then_some(place);
            cdr::Recovered { written: line.written, octets: line.octets.clone(), place }
        };
        let lines = self.recovered.cdr.of_journal(id.0).into_iter().flatten();
        lines.map(|(sequence, line)| (*sequence, recovered(line))).collect()
    }

    fn all(&self) -> impl Iterator<Item = Live<'_>> {
        self.recovered.all()
    }

    fn owner<'e>(&self, live: &Live<'e>) -> Owner<'e> {
        let account = |name: NameId| self.accounts[name.0 as usize];
        let carrier = |name: NameId| self.carriers[name.0 as usize];
        let restored = match live.entry {
            Entry::Correlation {
                carrier: at,
                account: whose,
                id,
                destination,
                born,
                is_muted,
                carrier_id,
                addresses,
                shown,
            } => carrier(at).zip(account(whose)).map(|(carrier, account)| {
                let (born, home) = (seconds(born), self.placement.home_of_carrier(carrier));
                let restored = Restored::Correlation {
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
                (home, restored)
            }),
            Entry::Early { carrier: at, key, born, body, .. } => carrier(at).map(|carrier| {
                let (born, home) = (seconds(born), self.placement.home_of_carrier(carrier));
                (home, Restored::Early { carrier, key, born, body })
            }),
            Entry::Holding { account: whose, id, key, kind, born, body } => account(whose).map(|account| {
                let (born, home) = (seconds(born), self.placement.home_of_account(account));
                (home, Restored::Holding { account, id, key, kind, born, body })
            }),
            Entry::Unrouted { carrier: at, key, born, body } => carrier(at).map(|carrier| {
                let (born, home) = (seconds(born), self.placement.home_of_carrier(carrier));
                (home, Restored::Unrouted { carrier, key, born, body })
            }),
            Entry::CorrelationGone { .. } | Entry::EarlyGone { .. } | Entry::HoldingGone { .. } => None,
            Entry::UnroutedGone { .. } | Entry::Cdr { .. } => None,
        };
        restored.map_or(Owner::Foreign, |(home, restored)| Owner::Shard(home, restored))
    }

    /// The id of a marked submit that this correlation says was accepted, when its account's home is this. A muted one was told to be
    /// in doubt.
    fn accepted_at(&self, live: &Live<'_>, home: ShardId) -> Option<MessageId> {
        let Entry::Correlation { account, id, is_muted: false, .. } = live.entry else { return None };
        let account = self.accounts[account.0 as usize]?;
        (self.marked.contains(&id) && self.placement.home_of_account(account) == home).then_some(id)
    }

    /// The carrier of a correlation whose account alone is missing.
    fn carrier_of_stranger(&self, live: &Live<'_>) -> Option<CarrierId> {
        let Entry::Correlation { carrier, .. } = live.entry else { return None };
        self.carriers[carrier.0 as usize]
    }

    fn keeps_foreign(&self, live: &Live<'_>, id: ShardId) -> bool {
        if self.is_moved { id.0 == 0 } else { live.segment.journal == id.0 }
    }
}

fn seconds(born: u64) -> u32 {
    u32::try_from(born).unwrap_or(u32::MAX)
}
