//! Merging all that was written, every segment of every journal, by key and in whatever order it is read.
//!
//! A removal wins wherever it is read, also before what it removes; reading anything twice changes nothing. So entries may
//! lie in any journal, and in several at once. Read the newest first: then what was removed is known before it is met, and is
//! never kept.
//!
//! Keys are divided into parts, each merged by itself: [`Sorted`] segments are numbered, then any thread merges any part.

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::cdr_lines::CdrJournals;
use super::names::{NameId, Names};
use super::record::Entry;
use super::recovered::{Correlation, Early, Holding, KeptPart, Recovered, Source, Unrouted};
use super::segment::{Damage, Segment, SegmentName, SegmentState};
use super::sorted::{Class, PARTS, Sighting, Sorted};

/// What is known under one key.
#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    /// The name, and the class in the lowest two bits.
    name: u32,
    /// Where it is kept; or that it is gone, and the journal that says so.
    slot: u32,
}

impl Known {
    const GONE: u32 = 0xFFFF_0000;

    fn gone(self, journal: u16) -> Self {
        Self { slot: Self::GONE | u32::from(journal), ..self }
    }

    fn is_kept(self) -> bool {
        self.slot < Self::GONE
    }
}

#[derive(Debug)]
pub struct Recovery {
    names: Names,
    parts: Vec<Part>,
    /// As read, for what is kept says where it lies by position.
    sources: Vec<SegmentName>,
    segments: Vec<SegmentState>,
    records: u64,
    next_key: u64,
    cdr: CdrJournals,
}

impl Default for Recovery {
    fn default() -> Self {
        Self::new()
    }
}

impl Recovery {
    #[must_use]
    pub fn new() -> Self {
        // Keys are numbers of ours: nobody chooses what collides.
        let keys = RandomState::with_seeds(1, 2, 3, 4);
        let part = |at| Part {
            at,
            keys: keys.clone(),
            known: HashTable::new(),
            kept: KeptPart::default(),
            is_spread: false,
            live: Vec::new(),
        };
        Self {
            names: Names::default(),
            parts: (0..PARTS).map(part).collect(),
            sources: Vec::new(),
            segments: Vec::new(),
            records: 0,
            next_key: 0,
            cdr: CdrJournals::default(),
        }
    }

    /// Takes in a segment that was checked with its journal's others.
    pub fn read(&mut self, segment: &Segment<'_>) -> Result<(), Damage> {
        let mut round = [Sorted::of(segment)?];
        let (parts, sources) = self.number(&mut round);
        parts.iter_mut().for_each(|part| part.merge(&round, sources));
        Ok(())
    }

    /// Gives some segments and their names their numbers. Then each part must merge them, on any thread.
    pub fn number(&mut self, round: &mut [Sorted<'_>]) -> (&mut [Part], &[SegmentName]) {
        for sorted in round {
            sorted.source = self.sources.len() as u32;
            sorted.number_names(&mut self.names);
            self.sources.push(sorted.state.name);
            self.segments.push(sorted.state);
            self.records += sorted.records;
            self.next_key = self.next_key.max(sorted.next_key);
            for (sequence, line) in sorted.cdr_lines() {
                self.cdr.add(sequence, line);
            }
        }
        (&mut self.parts, &self.sources)
    }

    /// The parts, once everything was merged: any thread may close any part, or `finish` does.
    pub fn parts(&mut self) -> &mut [Part] {
        &mut self.parts
    }

    /// What lives, once everything was read.
    #[must_use]
    pub fn finish(mut self) -> Recovered {
        for part in &mut self.parts {
            part.close();
            for (segment, live) in self.segments.iter_mut().zip(&part.live) {
                segment.live += live;
            }
        }
        self.cdr.finish();
        self.segments.sort_by_key(|segment| (segment.name.journal, segment.name.sequence));
        Recovered {
            names: self.names,
            records: self.records,
            next_key: self.next_key,
            cdr: self.cdr,
            is_spread: self.parts.iter().any(|part| part.is_spread),
            segments: self.segments,
            sources: self.sources,
            parts: self.parts.into_iter().map(|part| part.kept).collect(),
        }
    }
}

/// Some of the keys, and all that was read under them.
#[derive(Debug)]
pub struct Part {
    at: usize,
    keys: RandomState,
    known: HashTable<Known>,
    kept: KeptPart,
    is_spread: bool,
    /// Octets that live in each segment, once closed.
    live: Vec<u64>,
}

impl Part {
    /// Merges what of this part lies in a round's segments, the newest first.
    pub fn merge(&mut self, round: &[Sorted<'_>], sources: &[SegmentName]) {
        for sorted in round {
            for sighting in sorted.of_part(self.at).iter().rev() {
                self.merge_one(sorted, *sighting, sources);
            }
        }
    }

    /// Forgets what is gone, puts what accounts hold in order and counts.
    pub fn close(&mut self) {
        if self.known.capacity() == 0 {
            return;
        }
        self.known = HashTable::new();
        self.kept.sort_holdings();
        for source in self.kept.sources() {
            let at = source.segment as usize;
            if at >= self.live.len() {
                self.live.resize(at + 1, 0);
            }
            self.live[at] += u64::from(source.octets);
        }
    }

    #[inline]
    fn merge_one(&mut self, sorted: &Sorted<'_>, sighting: Sighting, sources: &[SegmentName]) {
        let Self { keys, known, kept, .. } = self;
        let name = sorted.names[sighting.name()].0 << 2 | sighting.class();
        let seen = Known { number: sighting.number, name, slot: 0 };
        let hash = |known: &Known| keys.hash_one((known.number, known.name));
        let same = |known: &Known| known.number == seen.number && known.name == seen.name;
        let journal = sorted.state.name.journal;
        let known = match known.entry(hash(&seen), same, hash) {
            Place::Vacant(vacant) => {
                if sighting.is_gone() {
                    vacant.insert(seen.gone(journal));
                } else if let Some(slot) = kept.push_seen(sorted, sighting) {
                    vacant.insert(Known { slot, ..seen });
                }
                return;
            }
            Place::Occupied(occupied) => occupied.into_mut(),
        };
        if !known.is_kept() {
            self.is_spread |= known.slot as u16 != journal;
            return;
        }
        let Some(place) = kept.source(sighting.class(), known.slot) else { return };
        let before = sources[place.segment as usize];
        self.is_spread |= before.journal != journal;
        let order = |segment: SegmentName| (segment.sequence, segment.journal);
        if sighting.is_gone() {
            kept.remove(sighting.class(), known.slot);
            *known = seen.gone(journal);
        } else if order(sorted.state.name) > order(before) {
            // The latest copy is the one that lives: the earlier ones go with their segments.
            kept.remove(sighting.class(), known.slot);
            if let Some(slot) = kept.push_seen(sorted, sighting) {
                known.slot = slot;
            }
        }
    }
}

impl KeptPart {
    /// Keeps the entry that was seen. Returns its slot.
    #[inline]
    fn push_seen(&mut self, sorted: &Sorted<'_>, sighting: Sighting) -> Option<u32> {
        let entry: Entry<'_, NameId> = sorted.entry(sighting)?;
        let source = Source { segment: sorted.source, octets: entry.weight() };
        match entry {
            Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown } => {
                let (born, carrier_id) = (seconds(born), self.keep(carrier_id));
                self.keep(addresses);
                // No record has more.
                let addresses_len = addresses.len() as u8;
                if let Some(shown) = shown {
                    self.keep(&shown.bits().to_le_bytes());
                }
                Some(self.correlations.push(Correlation {
                    id,
                    carrier_id,
                    carrier,
                    account,
                    destination,
                    born,
                    source,
                    is_muted,
                    addresses_len,
                    is_shared: shown.is_some(),
                }))
            }
            Entry::Early { carrier, key, born, before, body } => {
                let (born, body) = (seconds(born), self.keep(body));
                Some(self.early.push(Early { carrier, key, born, before, body, source }))
            }
            Entry::Holding { account, id, key, kind, born, body } => {
                let (born, body) = (seconds(born), self.keep(body));
                Some(self.holdings.push(Holding { account, id, key, kind, born, body, source }))
            }
            Entry::Unrouted { carrier, key, born, body } => {
                let (born, body) = (seconds(born), self.keep(body));
                Some(self.unrouted.push(Unrouted { carrier, key, born, body, source }))
            }
            Entry::CorrelationGone { .. } | Entry::EarlyGone { .. } | Entry::HoldingGone { .. } => None,
            Entry::UnroutedGone { .. } | Entry::Cdr { .. } => None,
        }
    }

    fn source(&self, class: u32, slot: u32) -> Option<Source> {
        if class == Class::Correlation as u32 {
            self.correlations.slot(slot).map(|kept| kept.source)
        } else if class == Class::Early as u32 {
            self.early.slot(slot).map(|kept| kept.source)
        } else if class == Class::Unrouted as u32 {
            self.unrouted.slot(slot).map(|kept| kept.source)
        } else {
            self.holdings.slot(slot).map(|kept| kept.source)
        }
    }

    fn remove(&mut self, class: u32, slot: u32) {
        if class == Class::Correlation as u32 {
            self.correlations.remove(slot);
        } else if class == Class::Early as u32 {
            self.early.remove(slot);
        } else if class == Class::Unrouted as u32 {
            self.unrouted.remove(slot);
        } else {
            self.holdings.remove(slot);
        }
    }
}

fn seconds(born: u64) -> u32 {
    u32::try_from(born).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
