//! One shard's store: the engine's records in, what the disk is to do out, and word of what has become durable.
//!
//! Names take the place of run-time numbers here. A commit takes all that was appended since the last one began; while the
//! journal's oldest segment is being emptied, each commit also carries some of what still lives there. Entries of accounts and
//! carriers that the configuration no longer has are `Foreign`: no engine knows them, and they are kept here.

use std::sync::Arc;
use std::time::Duration;

use super::foreign::Foreign;
use super::journal::{Journal, StoreEffect};
use super::record::Entry;
use super::rewriting::{Progress, Rewriting};
use super::segment::{SegmentName, SegmentState};
use crate::config::Config;
use crate::engine::effects::Effects;
use crate::engine::event::{Place, Record};
use crate::engine::message::Batch;
use crate::engine::random::Random;
use crate::engine::shard::Shard;
use crate::engine::time::Instant;

#[derive(Debug)]
pub struct ShardStore {
    config: Arc<Config>,
    journal: Journal,
    foreign: Foreign,
    rewriting: Option<Rewriting>,
    /// The segment whose last entry went into the commit that began last.
    rewritten: Option<SegmentName>,
    /// The last record of the commit under way, and when it began.
    committing: Option<(u64, Instant)>,
    /// Since when records wait that nobody waits for.
    idle_since: Option<Instant>,
}

impl ShardStore {
    /// How long, and how many, records wait for company that nobody waits for.
    const IDLE: Duration = Duration::from_millis(20);
    const IDLE_RECORDS: usize = 1_000;

    /// `old` are the segments of this journal that an earlier process left, in order of sequence.
    #[must_use]
    pub fn new(number: u16, config: Arc<Config>, segment_octets: u64, old: &[SegmentState], ids: Random) -> Self {
        Self {
            config,
            journal: Journal::new(number, segment_octets, old, ids),
            foreign: Foreign::default(),
            rewriting: None,
            rewritten: None,
            committing: None,
            idle_since: None,
        }
    }

    /// Names for more accounts and carriers; those there are keep theirs.
    pub fn configure(&mut self, config: &Arc<Config>) {
        self.config = Arc::clone(config);
    }

    /// The segment the first records will lie in.
    #[must_use]
    pub fn next_segment(&self) -> u16 {
        self.journal.next_segment()
    }

    /// An entry of an earlier process lives there.
    pub fn restored(&mut self, place: Place) {
        self.journal.restored(place);
    }

    /// An entry of an earlier process whose account or carrier there is no more. Without a place it is appended anew.
    pub fn restore_foreign(&mut self, entry: &Entry<'_, &str>, place: Option<Place>) {
        if let Some(place) = place {
            self.journal.restored(place);
        }
        self.foreign.add(entry, place);
    }

    /// Removes the oldest segments in which nothing lives, once everything was restored.
    pub fn release_unused(&mut self, effects: &mut Vec<StoreEffect>) {
        self.journal.release(effects);
    }

    /// What is appended next begins another segment.
    pub fn close_segment(&mut self, out: &mut Effects) {
        self.journal.close_segment();
        out.segment = self.journal.next_segment();
    }

    /// Begins a commit when someone waits for one and none is under way. What was appended lies in `out`.
    pub fn commit(&mut self, shard: &mut Shard, now: Instant, out: &mut Effects, effects: &mut Vec<StoreEffect>) {
        if !self.may_wait(now, out) {
            self.commit_now(shard, now, out, effects);
        }
    }

    /// Begins a commit of whatever was appended, unless one is under way.
    pub fn commit_now(&mut self, shard: &mut Shard, now: Instant, out: &mut Effects, effects: &mut Vec<StoreEffect>) {
        if self.journal.is_committing() {
            return;
        }
        self.idle_since = None;
        if let Some(rewriting) = &mut self.rewriting {
            match rewriting.go_on(&self.config, shard, now, out) {
                Progress::Goes => {}
                Progress::Needs(read) => effects.push(read),
                Progress::Done => self.rewritten = self.rewriting.take().map(|rewriting| rewriting.segment()),
            }
        }
        let through = out.start_commit();
        self.foreign.append_displaced(&mut self.journal);
        for record in out.records.drain(..) {
            append(&mut self.journal, &self.config, &record, &out.record_bytes);
            shard.counts.records += 1;
        }
        out.record_bytes.clear();
        for place in out.left.drain(..) {
            self.journal.removed(place);
        }
        if self.journal.commit(effects).is_some() {
            self.committing = Some((through.unwrap_or(0), now));
        }
        out.segment = self.journal.next_segment();
    }

    /// Whether the commit may wait for more. What is gone is not urgent: a crash would have it repeated, which is allowed, and the
    /// next record that someone waits for takes it along.
    pub fn may_wait(&mut self, now: Instant, out: &Effects) -> bool {
        let is_idle = !out.records.is_empty()
            && out.records.len() < Self::IDLE_RECORDS
            && !out.is_commit_awaited()
            && self.rewriting.is_none()
            && !self.foreign.has_displaced();
        if !is_idle {
            return false;
        }
        now.since(*self.idle_since.get_or_insert(now)) < Self::IDLE
    }

    /// The disk did what this commit asked. Says up to which record everything is durable; nothing after a failure.
    pub fn synced(
        &mut self,
        commit: u64,
        shard: &mut Shard,
        now: Instant,
        effects: &mut Vec<StoreEffect>,
    ) -> Option<u64> {
        if !self.journal.synced(commit, effects) {
            return None;
        }
        // What lived there may be gone by itself meanwhile, and the segment with it.
        self.rewriting.take_if(|rewriting| !self.journal.is_rewriting(rewriting.segment()));
        if let Some(segment) = self.rewritten.take() {
            self.journal.rewritten(segment);
        }
        self.begin_rewriting(shard, now);
        let (through, began) = self.committing.take()?;
        shard.counts.commits += 1;
        shard.counts.committed.observe(now.since(began));
        Some(through)
    }

    /// Octets that were to be read: what lives there is appended again with the next commits.
    pub fn read(&mut self, segment: SegmentName, octets: Vec<u8>) {
        if let Some(rewriting) = self.rewriting.as_mut().filter(|rewriting| rewriting.segment() == segment) {
            rewriting.read(octets);
        }
    }

    fn begin_rewriting(&mut self, shard: &Shard, now: Instant) {
        let Some(segment) = self.journal.begin_rewrite(shard.has_room()) else { return };
        for place in self.foreign.displace(segment.name.sequence as u16, shard.oldest_kept(now)) {
            self.journal.removed(place);
        }
        self.rewriting = Some(Rewriting::new(segment));
    }

    /// The last record of the commit under way.
    #[must_use]
    pub fn committing(&self) -> Option<u64> {
        self.committing.map(|(through, _)| through)
    }

    #[must_use]
    pub fn is_committing(&self) -> bool {
        self.journal.is_committing()
    }

    /// The memory of a batch that was written.
    pub fn recycle(&mut self, octets: Vec<u8>) {
        self.journal.recycle(octets);
    }

    /// When a commit is to be tried that may wait now.
    #[must_use]
    pub fn commit_at(&self) -> Option<Instant> {
        self.idle_since.map(|since| since + Self::IDLE)
    }

    /// Whether there is something to commit although nothing was appended.
    #[must_use]
    pub fn wants_commit(&self) -> bool {
        let is_rewriting = self.rewriting.as_ref().is_some_and(|rewriting| !rewriting.is_reading());
        (is_rewriting || self.foreign.has_displaced()) && !self.journal.is_committing()
    }

    /// A write or sync failed: nothing is acknowledged any more.
    pub fn failed(&mut self) {
        self.journal.failed();
    }

    /// Copies what is a level rather than a count into the counts.
    pub fn measure(&self, shard: &mut Shard) {
        shard.counts.store_octets = self.journal.octets();
        shard.counts.store_live = self.journal.live_octets();
        shard.counts.store_segments = self.journal.segments() as u64;
    }
}

fn append(journal: &mut Journal, config: &Config, record: &Record, octets: &Batch) {
    let entry: Entry<'_, &str> = match *record {
        Record::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown } => {
            Entry::Correlation {
                carrier: &config.carrier(carrier).name,
                account: &config.account(account).name,
                id,
                destination,
                born: born.into(),
                is_muted,
                carrier_id: octets.octets(carrier_id),
                addresses: octets.octets(addresses),
                shown,
            }
        }
        Record::CorrelationGone { carrier, id, place } => {
            journal.removed(place);
            Entry::CorrelationGone { carrier: &config.carrier(carrier).name, id }
        }
        Record::Early { carrier, key, born, before, body } => {
            let (carrier, body) = (config.carrier(carrier).name.as_str(), octets.octets(body));
            Entry::Early { carrier, key, born: born.into(), before, body }
        }
        Record::EarlyGone { carrier, key, place } => {
            journal.removed(place);
            Entry::EarlyGone { carrier: &config.carrier(carrier).name, key }
        }
        Record::Holding { account, id, key, kind, born, body } => {
            let (account, body) = (config.account(account).name.as_str(), octets.octets(body));
            Entry::Holding { account, id, key, kind, born: born.into(), body }
        }
        Record::HoldingGone { account, key, place } => {
            journal.removed(place);
            Entry::HoldingGone { account: &config.account(account).name, key }
        }
        Record::Unrouted { carrier, key, born, body } => {
            let (carrier, body) = (config.carrier(carrier).name.as_str(), octets.octets(body));
            Entry::Unrouted { carrier, key, born: born.into(), body }
        }
        Record::UnroutedGone { carrier, key, place } => {
            journal.removed(place);
            Entry::UnroutedGone { carrier: &config.carrier(carrier).name, key }
        }
        Record::Cdr { sequence, written, body } => Entry::Cdr { sequence, written, body: octets.octets(body) },
    };
    let place = journal.append(&entry);
    debug_assert_eq!(place.octets, record.weight(), "the engine reckons as the journal does");
}

#[cfg(test)]
mod tests;
