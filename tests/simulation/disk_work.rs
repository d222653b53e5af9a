//! What a shard's store wants of the disk, done in order and in time, as `runtime/disk.rs` does: commits one after the other,
//! and beside them what need not hurry. Two spare files per journal are the reserve.

use std::collections::VecDeque;

use trunkline::store::journal::StoreEffect;
use trunkline::store::segment::SegmentName;

use crate::disk::Disk;
use crate::node::In;
use crate::sim::{Event, SEGMENT_OCTETS, Sim};

/// What waits for the disk, and dies with the process.
#[derive(Debug, Default)]
pub(crate) struct DiskWork {
    commits: Lane,
    upkeep: Lane,
}

#[derive(Debug, Default)]
struct Lane {
    effects: VecDeque<StoreEffect>,
    is_busy: bool,
}

/// How long a full disk is left alone.
const AGAIN_MS: (u64, u64) = (500, 500);
const RESERVE: usize = 2;
/// Of a file: a segment ends with the batch that fills it.
const ALLOCATED: usize = SEGMENT_OCTETS as usize * 5 / 4;

impl Disk {
    fn spares(&self, journal: u16) -> Vec<String> {
        let prefix = format!("{journal:03}-spare-");
        self.names().filter(|name| name.starts_with(&prefix)).map(str::to_owned).collect()
    }

    fn spare_name(&self, journal: u16) -> String {
        let numbers = 0_u32..;
        let names = numbers.map(|number| format!("{journal:03}-spare-{number}"));
        names.into_iter().find(|name| !self.has(name)).unwrap_or_default()
    }

    fn allocates(&mut self, name: &str, now: u64) -> bool {
        let is_full = now < self.full_until;
        if !is_full {
            self.allocate(name, ALLOCATED);
        }
        !is_full
    }

    /// False when there is neither a spare file nor room for another.
    pub(crate) fn create(&mut self, segment: SegmentName, now: u64) -> bool {
        match self.spares(segment.journal).last() {
            Some(spare) => {
                self.rename(spare, &segment.to_string());
                true
            }
            None => self.allocates(&segment.to_string(), now),
        }
    }

    pub(crate) fn delete(&mut self, segment: SegmentName) {
        if self.spares(segment.journal).len() >= RESERVE {
            return self.remove(&segment.to_string());
        }
        self.rename(&segment.to_string(), &self.spare_name(segment.journal));
    }

    /// False when there is no room for the reserve.
    pub(crate) fn refill(&mut self, journal: u16, now: u64) -> bool {
        while self.spares(journal).len() < RESERVE {
            let spare = self.spare_name(journal);
            if !self.allocates(&spare, now) {
                return false;
            }
        }
        true
    }

    pub(crate) fn remove_surplus_spares(&mut self, shards: usize) {
        let is_surplus = |name: &str| {
            name.split_once("-spare-").is_some_and(|(journal, _)| journal.parse().is_ok_and(|at: usize| at >= shards))
        };
        for name in self.names().filter(|name| is_surplus(name)).map(str::to_owned).collect::<Vec<_>>() {
            self.remove(&name);
        }
    }
}

impl Sim {
    /// Takes what a store wants done.
    pub(crate) fn work_disk(&mut self, at: usize, effects: Vec<StoreEffect>) {
        let mut is_upkeep = false;
        for effect in effects {
            match effect {
                StoreEffect::Delete { .. } | StoreEffect::Read { .. } => is_upkeep = true,
                StoreEffect::Create { .. } | StoreEffect::Write { .. } | StoreEffect::Sync { .. } => is_upkeep = false,
                // It belongs to what it follows.
                StoreEffect::SyncDirectory => {}
            }
            let work = &mut self.nodes[at].work;
            if is_upkeep {
                work.upkeep.effects.push_back(effect);
                continue;
            }
            let is_idle = !work.commits.is_busy && work.commits.effects.is_empty();
            // At once, into the page cache.
            if is_idle && matches!(effect, StoreEffect::Write { .. }) {
                self.perform(at, effect);
            } else {
                self.nodes[at].work.commits.effects.push_back(effect);
            }
        }
        self.go_on_with_disk(at, false);
        self.go_on_with_disk(at, true);
    }

    fn go_on_with_disk(&mut self, at: usize, is_upkeep: bool) {
        let work = &mut self.nodes[at].work;
        let lane = if is_upkeep { &mut work.upkeep } else { &mut work.commits };
        let Some(next) = lane.effects.front().filter(|_| !lane.is_busy) else { return };
        let (low, high) = match next {
            StoreEffect::Sync { .. } => self.habit.commit_us,
            StoreEffect::Write { .. } => (1, 10),
            StoreEffect::Create { .. } | StoreEffect::SyncDirectory | StoreEffect::Delete { .. } => (50, 2_000),
            StoreEffect::Read { .. } => (0, 20_000),
        };
        lane.is_busy = true;
        let after = self.rng.between((low * 1_000, high * 1_000));
        self.plan(after, Event::DiskDone(at, is_upkeep));
    }

    /// The time the next effect takes is over.
    pub(crate) fn disk_done(&mut self, at: usize, is_upkeep: bool) {
        let work = &mut self.nodes[at].work;
        let lane = if is_upkeep { &mut work.upkeep } else { &mut work.commits };
        lane.is_busy = false;
        if let Some(effect) = lane.effects.pop_front()
            && let Some(again) = self.perform(at, effect)
        {
            self.give(at, In::StoreRoom(false));
            let lane = &mut self.nodes[at].work.commits;
            lane.effects.push_front(again);
            lane.is_busy = true;
            return self.plan_ms(AGAIN_MS, Event::DiskDone(at, is_upkeep));
        }
        self.go_on_with_disk(at, is_upkeep);
    }

    /// Returns what there is no room for.
    fn perform(&mut self, at: usize, effect: StoreEffect) -> Option<StoreEffect> {
        match effect {
            StoreEffect::Create { segment } => {
                if !self.disk.create(segment, self.now) {
                    return Some(effect);
                }
                self.refill(at);
            }
            StoreEffect::SyncDirectory if self.crashes.is_unsynced => {}
            StoreEffect::SyncDirectory => self.disk.sync_directory(),
            StoreEffect::Write { segment, offset, octets } => self.write_batch(segment, offset, octets),
            StoreEffect::Sync { segment, .. } if self.sync_fails() => self.fail_store(at, segment),
            StoreEffect::Sync { segment, commit } => {
                if !self.crashes.is_unsynced {
                    self.disk.sync(&segment.to_string());
                }
                self.give(at, In::Synced(commit));
            }
            StoreEffect::Read { segment, offset, octets } => {
                let file = self.disk.read(&segment.to_string()).get(offset as usize..).unwrap_or_default();
                let octets = file[..octets.len().min(file.len())].to_vec();
                self.give(at, In::SegmentRead(segment, octets));
            }
            StoreEffect::Delete { segment } => self.disk.delete(segment),
        }
        None
    }

    /// Allocates ahead, or says that there is no room for it and tries again.
    pub(crate) fn refill(&mut self, at: usize) {
        let has_room = self.disk.refill(at as u16, self.now);
        self.give(at, In::StoreRoom(has_room));
        if !has_room {
            self.plan_ms(AGAIN_MS, Event::Refill(at));
        }
    }

    fn write_batch(&mut self, segment: SegmentName, offset: u64, octets: Vec<u8>) {
        let name = segment.to_string();
        if !self.disk.has(&name) {
            self.fail("a batch before its segment");
        }
        self.disk.write(&name, offset as usize, octets);
    }
}
