//! Writing one journal: which segment is filled, when a commit starts, and when the oldest segment may go. Pure: what the disk
//! is to do leaves as `StoreEffect`s, what it did comes back as calls.
//!
//! Segments go strictly oldest first. A removal may thus be forgotten with its segment, for what it removed lay there or before.

use std::collections::VecDeque;

use super::batch::BatchWriter;
use super::names::Interner;
use super::record::{Begin, Entry, NameIndex, PreviousEnd, StoreRecord};
use super::segment::{FORMAT, SegmentName, SegmentState};
use crate::engine::random::Random;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A segment that has as much is followed by another one. It may be longer by one batch.
    pub segment_octets: u64,
    /// How many segments the journal may have, the reserve among them.
    pub segments: usize,
}

/// What the disk is to do, in this order, each when the one before it is done.
#[derive(Debug, Eq, PartialEq)]
pub enum StoreEffect {
    /// Make the file, or rename a spare one; allocate it.
    Create {
        segment: SegmentName,
    },
    SyncDirectory,
    Write {
        segment: SegmentName,
        offset: u64,
        octets: Vec<u8>,
    },
    /// Then say `synced`.
    Sync {
        segment: SegmentName,
        commit: u64,
    },
    /// Hand all its octets to whoever appends its live entries again.
    Read {
        segment: SegmentName,
    },
    /// Remove the file, or keep it as a spare under another name.
    Delete {
        segment: SegmentName,
    },
}

/// Where an entry lies: kept beside it, for `removed`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The segment's sequence number.
    pub segment: u64,
    pub octets: u32,
}

#[derive(Debug)]
struct Filled {
    segment: SegmentState,
    /// The commit that says where everything went that lived here.
    emptied_in: u64,
}

#[derive(Debug)]
pub struct Journal {
    number: u16,
    limits: Limits,
    ids: Random,
    /// Oldest first.
    segments: VecDeque<Filled>,
    /// Whether the last of them is being filled: an earlier process's never is.
    is_filling: bool,
    previous: Option<PreviousEnd>,
    next_sequence: u64,
    names: Interner,
    batch: BatchWriter,
    spare: Vec<u8>,
    /// Commits begun, and whether the last one is under way.
    begun: u64,
    is_committing: bool,
    rewriting: Option<u64>,
    is_full: bool,
    has_failed: bool,
}

impl Journal {
    /// Segments that only removals and entries appended again may use.
    pub const RESERVE: usize = 2;

    /// `old` as recovery found it, in order of sequence. `ids` must come from the system's randomness.
    #[must_use]
    pub fn new(number: u16, limits: Limits, old: &[SegmentState], ids: Random) -> Self {
        Self {
            number,
            limits,
            ids,
            segments: old.iter().map(|segment| Filled { segment: *segment, emptied_in: 0 }).collect(),
            is_filling: false,
            previous: old.iter().rev().find(|old| old.batches > 0).map(SegmentState::end),
            next_sequence: old.last().map_or(0, |old| old.name.sequence + 1),
            names: Interner::default(),
            batch: BatchWriter::default(),
            spare: Vec::new(),
            begun: 0,
            is_committing: false,
            rewriting: None,
            is_full: false,
            has_failed: false,
        }
    }

    /// Puts an entry into the next commit. What it inserts lives at the place returned until `removed` is told of it; an entry
    /// appended again is first appended, then removed from its old place.
    pub fn append(&mut self, entry: &Entry<'_, &str>) -> Place {
        let is_due = self.segments.back().is_none_or(|last| last.segment.octets >= self.limits.segment_octets);
        if self.batch.is_empty() && (!self.is_filling || is_due) {
            self.begin_segment();
        }
        let entry = self.with_indexes(entry);
        let before = self.batch.payload().len();
        StoreRecord::Entry(entry).encode(self.batch.payload());
        let octets = (self.batch.payload().len() - before) as u32;
        let filling = self.segments.back_mut().expect("a segment begins with the first entry appended");
        if entry.is_kept() {
            filling.segment.live += u64::from(octets);
        }
        Place { segment: filling.segment.name.sequence, octets }
    }

    /// What lay there lives no more, or elsewhere. Told in the turn whose records say so, before they are committed.
    pub fn removed(&mut self, place: Place) {
        let at = self.segments.partition_point(|filled| filled.segment.name.sequence < place.segment);
        if let Some(filled) = self.segments.get_mut(at).filter(|filled| filled.segment.name.sequence == place.segment) {
            debug_assert!(filled.segment.live >= u64::from(place.octets), "more was removed than lived");
            filled.segment.live = filled.segment.live.saturating_sub(place.octets.into());
            filled.emptied_in = self.begun + 1;
        }
    }

    /// Starts a commit if something waits and none is under way. Returns its number.
    pub fn commit(&mut self, out: &mut Vec<StoreEffect>) -> Option<u64> {
        if self.batch.is_empty() || self.is_committing || self.has_failed {
            return None;
        }
        let filling = &mut self.segments.back_mut()?.segment;
        let segment = filling.name;
        if filling.batches == 0 {
            out.extend([StoreEffect::Create { segment }, StoreEffect::SyncDirectory]);
        }
        let mut octets = std::mem::take(&mut self.spare);
        self.batch.finish(segment.id, filling.batches, &mut octets);
        let offset = filling.octets;
        filling.batches += 1;
        filling.octets += octets.len() as u64;
        self.previous = Some(filling.end());
        self.begun += 1;
        self.is_committing = true;
        let commit = self.begun;
        out.extend([StoreEffect::Write { segment, offset, octets }, StoreEffect::Sync { segment, commit }]);
        Some(commit)
    }

    /// The memory of a batch that was written.
    pub fn recycle(&mut self, mut octets: Vec<u8>) {
        octets.clear();
        self.spare = octets;
    }

    /// The commit is on disk. True when what waited for it may be acknowledged: never after a failure.
    #[must_use]
    pub fn synced(&mut self, commit: u64, out: &mut Vec<StoreEffect>) -> bool {
        if self.has_failed || !self.is_committing || commit != self.begun {
            return false;
        }
        self.is_committing = false;
        self.is_full = false;
        self.release(out);
        true
    }

    /// There was no room to create a segment; nothing was written. The disk tries again, and no submit is taken until it could.
    pub fn full(&mut self) {
        self.is_full = true;
    }

    /// A write or a sync failed: what is on disk is unknown, and nothing is acknowledged any more.
    pub fn failed(&mut self) {
        self.has_failed = true;
    }

    /// Asks for the oldest segment when the journal is larger than twice what lives in it. Who gets the octets appends
    /// again what lives there.
    pub fn rewrite(&mut self, out: &mut Vec<StoreEffect>) {
        if let Some(segment) = self.wants_rewrite() {
            self.rewriting = Some(segment.sequence);
            out.push(StoreEffect::Read { segment });
        }
    }

    #[must_use]
    pub fn wants_rewrite(&self) -> Option<SegmentName> {
        let oldest = self.oldest_released_next()?;
        let is_wanted = self.rewriting.is_none() && oldest.segment.live > 0 && self.octets() > 2 * self.live_octets();
        is_wanted.then_some(oldest.segment.name)
    }

    /// Whether what a new submit will append leaves the reserve untouched.
    #[must_use]
    pub fn has_room_for_submits(&self) -> bool {
        let left = self.limits.segments.saturating_sub(Self::RESERVE);
        let last = self.segments.back().filter(|_| self.is_filling).map(|last| last.segment.octets);
        let filled = last.map_or(self.limits.segment_octets, |octets| octets + self.batch.padded_len() as u64);
        let has_room =
            self.segments.len() < left || (self.segments.len() == left && filled < self.limits.segment_octets);
        has_room && !self.is_full && !self.has_failed
    }

    /// Octets of all segments, as far as they are filled.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.segments.iter().map(|filled| filled.segment.octets).sum()
    }

    #[must_use]
    pub fn live_octets(&self) -> u64 {
        self.segments.iter().map(|filled| filled.segment.live).sum()
    }

    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The oldest segment, unless it is being filled.
    fn oldest_released_next(&self) -> Option<&Filled> {
        let is_filled = self.segments.len() > usize::from(self.is_filling);
        self.segments.front().filter(|_| is_filled)
    }

    fn release(&mut self, out: &mut Vec<StoreEffect>) {
        let before = out.len();
        while let Some(oldest) = self.oldest_released_next()
            && oldest.segment.live == 0
            && oldest.emptied_in <= self.begun
        {
            let segment = oldest.segment.name;
            out.push(StoreEffect::Delete { segment });
            self.rewriting = self.rewriting.filter(|sequence| *sequence != segment.sequence);
            self.segments.pop_front();
        }
        if out.len() > before {
            out.push(StoreEffect::SyncDirectory);
        }
    }

    fn begin_segment(&mut self) {
        let name = SegmentName { journal: self.number, sequence: self.next_sequence, id: self.ids.draw() };
        self.next_sequence += 1;
        self.names.clear();
        self.is_filling = true;
        let (journal, sequence, id) = (name.journal, name.sequence, name.id);
        let begin = Begin { format: FORMAT, journal, sequence, id, previous: self.previous };
        StoreRecord::Begin(begin).encode(self.batch.payload());
        self.segments
            .push_back(Filled { segment: SegmentState { name, batches: 0, octets: 0, live: 0 }, emptied_in: 0 });
    }

    fn with_indexes<'a>(&mut self, entry: &Entry<'a, &str>) -> Entry<'a, NameIndex> {
        entry.map_names(|kind, name| {
            let (index, is_new) = self.names.index(kind, name);
            if is_new {
                StoreRecord::Name { index, kind, name }.encode(self.batch.payload());
            }
            index
        })
    }
}

#[cfg(test)]
mod tests;
