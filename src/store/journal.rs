//! Writing one journal: which segment is filled, when a commit starts, and when the oldest segment may go. Pure: what the disk
//! is to do leaves as `StoreEffect`s, what it did comes back as calls.
//!
//! Segments go strictly oldest first. A removal may thus be forgotten with its segment, for what it removed lay there or before.

use std::collections::VecDeque;

use super::batch::BatchWriter;
use super::names::Interner;
use super::record::{Begin, Entry, NameIndex, PreviousEnd, StoreRecord};
use super::segment::{FORMAT, SegmentName, SegmentState};
use crate::engine::event::Place;
use crate::engine::random::Random;

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
    /// Fill `octets` from there, as far as the file goes, and hand them back.
    Read {
        segment: SegmentName,
        offset: u64,
        octets: Vec<u8>,
    },
    /// Remove the file, or keep it as a spare under another name.
    Delete {
        segment: SegmentName,
    },
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
    /// A segment that has as much is followed by another one. It may be longer by one batch.
    segment_octets: u64,
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
    /// A rewriting that left something behind is not tried again before the next segment: the oldest and the next then.
    tried: Option<(u64, u64)>,
    has_failed: bool,
}

impl Journal {
    /// `old` in order of sequence; what lives in them is told by `restored`. `ids` must come from the system's randomness.
    #[must_use]
    pub fn new(number: u16, segment_octets: u64, old: &[SegmentState], ids: Random) -> Self {
        let unused = |segment: &SegmentState| SegmentState { live: 0, ..*segment };
        Self {
            number,
            segment_octets,
            ids,
            segments: old.iter().map(|segment| Filled { segment: unused(segment), emptied_in: 0 }).collect(),
            is_filling: false,
            previous: old.iter().rev().find(|old| old.batches > 0).map(SegmentState::end),
            next_sequence: old.last().map_or(0, |old| old.name.sequence + 1),
            names: Interner::default(),
            batch: BatchWriter::default(),
            spare: Vec::new(),
            begun: 0,
            is_committing: false,
            rewriting: None,
            tried: None,
            has_failed: false,
        }
    }

    /// Puts an entry into the next commit. What it inserts lives at the place returned until `removed` is told of it; an entry
    /// appended again is first appended, then removed from its old place.
    pub fn append(&mut self, entry: &Entry<'_, &str>) -> Place {
        if self.is_segment_due() {
            self.begin_segment();
        }
        let octets = entry.weight();
        let entry = self.with_indexes(entry);
        StoreRecord::Entry(entry).encode(self.batch.payload());
        let filling = self.segments.back_mut().expect("a segment begins with the first entry appended");
        filling.segment.live += u64::from(octets);
        Place { segment: filling.segment.name.sequence as u16, octets }
    }

    /// The segment that the next entry appended will lie in. It does not change before something is appended.
    #[must_use]
    pub fn next_segment(&self) -> u16 {
        match self.segments.back().filter(|_| !self.is_segment_due()) {
            Some(filling) => filling.segment.name.sequence as u16,
            None => self.next_sequence as u16,
        }
    }

    /// An entry of an earlier process lives there.
    pub fn restored(&mut self, place: Place) {
        if let Some(filled) = self.filled(place.segment) {
            filled.segment.live += u64::from(place.octets);
        }
    }

    /// What lay there lives no more, or elsewhere. Told in the turn whose records say so, before they are committed.
    pub fn removed(&mut self, place: Place) {
        let commit = self.begun + 1;
        if let Some(filled) = self.filled(place.segment) {
            debug_assert!(filled.segment.live >= u64::from(place.octets), "more was removed than lived");
            filled.segment.live = filled.segment.live.saturating_sub(place.octets.into());
            filled.emptied_in = commit;
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
        if octets.capacity() > self.spare.capacity() {
            self.spare = octets;
        }
    }

    /// The commit is on disk. True when what waited for it may be acknowledged: never after a failure.
    #[must_use]
    pub fn synced(&mut self, commit: u64, out: &mut Vec<StoreEffect>) -> bool {
        if self.has_failed || !self.is_committing || commit != self.begun {
            return false;
        }
        self.is_committing = false;
        self.release(out);
        true
    }

    /// A write or a sync failed: what is on disk is unknown, and nothing is acknowledged any more.
    pub fn failed(&mut self) {
        self.has_failed = true;
    }

    /// The oldest segment, when what lives there is to be appended again: the journal is larger than twice what lives in it, and
    /// than two segments more. What comes and goes within those would have been gone by itself. Without room it is done as soon
    /// as it frees more than it takes, or nothing might ever.
    pub fn begin_rewrite(&mut self, has_room: bool) -> Option<SegmentState> {
        let oldest = self.oldest_released_next()?;
        let live = self.live_octets();
        let most = if has_room { 2 * (live + self.segment_octets) } else { live + live / 4 };
        let is_wanted = self.rewriting.is_none()
            && oldest.segment.live > 0
            && self.tried != Some((oldest.segment.name.sequence, self.next_sequence))
            && self.octets() > most;
        let segment = is_wanted.then_some(oldest.segment)?;
        self.rewriting = Some(segment.name.sequence);
        Some(segment)
    }

    /// Whether this segment was asked for, and has not gone since.
    #[must_use]
    pub fn is_rewriting(&self, segment: SegmentName) -> bool {
        self.rewriting == Some(segment.sequence)
    }

    /// All that lived in the segment was appended again, but for what was on its way somewhere; and it is durable.
    pub fn rewritten(&mut self, segment: SegmentName) {
        if self.is_rewriting(segment) {
            self.rewriting = None;
            self.tried = Some((segment.sequence, self.next_sequence));
        }
    }

    /// What is appended next begins another segment.
    pub fn close_segment(&mut self) {
        self.is_filling = false;
    }

    #[must_use]
    pub fn is_committing(&self) -> bool {
        self.is_committing
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

    fn is_segment_due(&self) -> bool {
        let is_filled = self.segments.back().is_none_or(|last| last.segment.octets >= self.segment_octets);
        self.batch.is_empty() && (!self.is_filling || is_filled)
    }

    /// The segment with these lowest bits of its sequence number.
    fn filled(&mut self, segment: u16) -> Option<&mut Filled> {
        let is_it = |filled: &Filled| filled.segment.name.sequence as u16 == segment;
        // They run without a gap, unless one was set aside.
        let first = self.segments.front()?.segment.name.sequence as u16;
        let at = usize::from(segment.wrapping_sub(first));
        if self.segments.get(at).is_some_and(is_it) {
            return self.segments.get_mut(at);
        }
        self.segments.iter_mut().find(|filled| is_it(filled))
    }

    /// The oldest segment, unless it is being filled.
    fn oldest_released_next(&self) -> Option<&Filled> {
        let is_filled = self.segments.len() > usize::from(self.is_filling);
        self.segments.front().filter(|_| is_filled)
    }

    /// Removes the oldest segments in which nothing lives, as far as the commit that emptied them is durable.
    pub fn release(&mut self, out: &mut Vec<StoreEffect>) {
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
