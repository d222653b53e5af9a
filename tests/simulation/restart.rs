//! A start as `runtime/opening.rs` does it: the store is read, made durable, and given to its present homes, and only then is
//! anything served. It may end at any of its steps.

use std::collections::{BTreeMap, VecDeque};

use trunkline::engine::effects::Effects;
use trunkline::engine::event::Input;
use trunkline::engine::id_source::IdSource;
use trunkline::engine::message::ShardId;
use trunkline::engine::random::Random;
use trunkline::engine::shard::{Seeds, Shard};
use trunkline::engine::web::Posts;
use trunkline::store::homes::Homes;
use trunkline::store::journal::StoreEffect;
use trunkline::store::recovered::Recovered;
use trunkline::store::recovery::Recovery;
use trunkline::store::segment::{JournalCheck, SegmentName, read_segment};
use trunkline::store::shard_store::ShardStore;

use crate::books::{Books, Kind};
use crate::ledger::Ledger;
use crate::node::Node;
use crate::plants::Plant;
use crate::sim::{SEGMENT_OCTETS, Sim};

/// Numbers for message_ids that a shard reserves at once.
pub(crate) const IDS: u64 = 300;

/// The process ended before it served.
#[derive(Debug)]
pub(crate) struct Ended;

impl Sim {
    /// Opens the store and starts every shard.
    pub(crate) fn open(&mut self) -> Result<(), Ended> {
        let mut recovered = self.read_store();
        if self.is_planted(Plant::LinesLost) {
            recovered.cdr = Default::default();
        }
        if let Some(problem) = self.books.check(&recovered).filter(|_| !self.ledger.outcomes_only) {
            self.fail(&format!("recovery: {problem}"));
        }
        self.sync_store(&recovered)?;
        self.books.adopt(&recovered);
        self.ledger.recovered(&self.books);
        self.web.book.recovered(&recovered);
        self.prepare(&recovered)?;
        let (config, placement) = (self.config.clone(), self.placement.clone());
        let shards = placement.shards();
        let homes = Homes::new(&config, &placement, recovered);
        self.open_cdr(&homes.recovered.cdr);
        let mut nodes = Vec::new();
        for at in 0..shards {
            nodes.push(self.open_shard(&homes, at)?);
        }
        self.release(&homes, &mut nodes)?;
        self.mesh = (0..shards).map(|_| (0..shards).map(|_| VecDeque::new()).collect()).collect();
        self.nodes = nodes.into_iter().map(|(node, _)| node).collect();
        for at in 0..shards {
            self.refill(at);
        }
        self.check_reckoning();
        for at in 0..shards {
            let now = self.instant();
            let node = &mut self.nodes[at];
            if self.plant == Plant::EarlyNotJoined {
                node.shard.carriers().for_each(|carrier| drop(carrier.early.take_all()));
            }
            if self.plant == Plant::UnroutedLost {
                node.shard.carriers().for_each(|carrier| drop(std::mem::take(&mut carrier.unrouted)));
            }
            node.shard.start(now, &mut node.out);
            if matches!(self.plant, Plant::EventsLost | Plant::ReceiptsUntold) {
                node.shard.accounts().for_each(|account| account.posts = Posts::default());
            }
            self.wake(at, self.now + 1_000);
        }
        Ok(())
    }

    /// Reads every segment, the newest of all journals first.
    pub(crate) fn read_store(&self) -> Recovered {
        let mut names: Vec<_> = self.disk.names().filter_map(SegmentName::parse).collect();
        names.sort_unstable_by_key(|name| std::cmp::Reverse((name.sequence, name.journal, name.id)));
        let mut checks: BTreeMap<u16, JournalCheck> = BTreeMap::new();
        let mut recovery = Recovery::new();
        for name in names {
            if self.is_planted(Plant::JournalIgnored) && name.journal == 1 {
                continue;
            }
            let octets = self.disk.read(&name.to_string());
            let read = read_segment(octets, name).and_then(|mut segment| {
                checks.entry(name.journal).or_default().check(&mut segment)?;
                recovery.read(&segment)
            });
            if let Err(damage) = read {
                self.fail(&format!("recovery: {damage}"));
            }
        }
        recovery.finish()
    }

    fn step(&mut self) -> Result<(), Ended> {
        match &mut self.steps_left {
            Some(0) => Err(Ended),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Makes durable what was read, as `sync_store` does.
    fn sync_store(&mut self, recovered: &Recovered) -> Result<(), Ended> {
        for journal in recovered.journals() {
            let last_used = journal.iter().rposition(|segment| segment.batches > 0).unwrap_or(0);
            for segment in &journal[last_used..] {
                let name = segment.name.to_string();
                self.step()?;
                self.disk.sync(&name);
                // After a sync that failed the page cache has what the disk has not.
                self.disk.drop_cached(&name);
                let again = read_segment(self.disk.read(&name), segment.name);
                if again.is_err() || again.is_ok_and(|again| again.batches < segment.batches) {
                    return Err(Ended);
                }
            }
        }
        self.step()?;
        self.disk.sync_directory();
        Ok(())
    }

    /// Gives back what is of no use.
    fn prepare(&mut self, recovered: &Recovered) -> Result<(), Ended> {
        for segment in recovered.segments() {
            self.step()?;
            self.disk.truncate(&segment.name.to_string(), segment.octets as usize, &mut self.rng);
        }
        self.step()?;
        self.disk.remove_surplus_spares(self.placement.shards());
        Ok(())
    }

    /// One shard with everything whose home it is, and the segments that may go once every shard has its own.
    fn open_shard(&mut self, homes: &Homes<'_>, at: usize) -> Result<(Node, Vec<SegmentName>), Ended> {
        let (id, shards, now) = (ShardId(at as u16), self.placement.shards(), self.instant());
        let ids = Random::new(self.rng.draw());
        let mut store = ShardStore::new(id.0, self.config.clone(), SEGMENT_OCTETS, homes.recovered.journal(id.0), ids);
        let first_key = homes.recovered.next_key;
        // The simulated clocks, both of them, go on from process to process.
        let (id_key, ids, unix_seconds) = ([7; 16], self.reserve_ids(), 1_800_000_000);
        let seeds = Seeds { random: self.rng.draw(), id_key, ids, first_key, unix_seconds };
        let mut shard = Shard::new(id, self.config.clone(), self.placement.clone(), &seeds);
        self.keep_cdr(&mut shard);
        let mut out = Effects::new(id, shards);
        out.segment = store.next_segment();
        let mut deletes = Vec::new();
        homes.restore((&mut shard, &mut store, &mut out), now, |shard, store, out| {
            self.commit_anew((shard, store, out), &mut deletes)
        })?;
        Ok((Node::new(shard, store, out), deletes))
    }

    /// Writes and syncs what is recorded anew.
    fn commit_anew(
        &mut self,
        (shard, store, out): (&mut Shard, &mut ShardStore, &mut Effects),
        deletes: &mut Vec<SegmentName>,
    ) -> Result<(), Ended> {
        let (now, at) = (self.instant(), shard.id.index());
        let mut effects = Vec::new();
        self.books.appended(at, &out.records, &out.record_bytes, &self.config);
        store.commit_now(shard, now, out, &mut effects);
        let mut done = None;
        for effect in effects.drain(..) {
            self.step()?;
            match effect {
                StoreEffect::Create { segment } => {
                    if !self.disk.create(segment, self.now) {
                        return Err(Ended);
                    }
                }
                StoreEffect::SyncDirectory => self.disk.sync_directory(),
                StoreEffect::Write { segment, offset, octets } => {
                    self.disk.write(&segment.to_string(), offset as usize, octets);
                }
                StoreEffect::Sync { segment, commit } => {
                    self.disk.sync(&segment.to_string());
                    done = Some(commit);
                }
                StoreEffect::Delete { segment } => deletes.push(segment),
                StoreEffect::Read { segment, offset, octets } => {
                    let file = self.disk.read(&segment.to_string()).get(offset as usize..).unwrap_or_default();
                    store.read(segment, file[..octets.len().min(file.len())].to_vec());
                }
            }
        }
        if let Some(through) = done.and_then(|commit| store.synced(commit, shard, now, &mut effects)) {
            self.books.committing(at, through);
            self.books.durable(at, through);
            shard.handle(Input::Durable { through }, now, out);
        }
        deletes.extend(deleted(effects));
        Ok(())
    }

    /// Removes what is needed no more, now that everything is durable where it belongs.
    fn release(&mut self, homes: &Homes<'_>, nodes: &mut [(Node, Vec<SegmentName>)]) -> Result<(), Ended> {
        for (node, deletes) in nodes {
            let mut effects = Vec::new();
            node.store.release_unused(&mut effects);
            deletes.extend(deleted(effects));
            for name in deletes.drain(..) {
                self.step()?;
                self.disk.delete(name);
            }
        }
        for segment in homes.surplus() {
            self.step()?;
            self.disk.remove(&segment.name.to_string());
        }
        self.step()?;
        self.disk.sync_directory();
        Ok(())
    }

    /// What the journals reckon as live is what was found.
    fn check_reckoning(&mut self) {
        let mut total = 0;
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            node.store.measure(&mut node.shard);
            total += node.shard.counts.store_live;
            self.books.live.insert(at, node.shard.counts.store_live as i64);
        }
        let found = self.books.weight() + self.cdr_weight();
        if total != found && !self.ledger.outcomes_only {
            self.fail(&format!("recovery: the journals reckon with {total} octets, {found} live"));
        }
    }

    pub(crate) fn reserve_ids(&mut self) -> (u64, u64) {
        let first = self.next_ids * IdSource::BLOCK;
        self.next_ids += 1;
        (first, first + IDS)
    }
}

fn deleted(effects: Vec<StoreEffect>) -> impl Iterator<Item = SegmentName> {
    effects.into_iter().filter_map(|effect| match effect {
        StoreEffect::Delete { segment } => Some(segment),
        StoreEffect::Create { .. }
        | StoreEffect::SyncDirectory
        | StoreEffect::Write { .. }
        | StoreEffect::Sync { .. }
        | StoreEffect::Read { .. } => None,
    })
}

impl Ledger {
    /// These are durable, whether that was known before the crash or not.
    fn recovered(&mut self, books: &Books) {
        for ((kind, _, number), kept) in &books.entries {
            if *kind == Kind::Correlation {
                self.durable_ids.entry(*number).or_insert(1);
            }
            let Some(item) = kept.item else { continue };
            self.durable_items.insert(item);
        }
    }
}
