//! Merging all that was written, every segment of every journal, by key and in whatever order it is read.
//!
//! A removal wins wherever it is read, also before what it removes; reading anything twice changes nothing. So entries may
//! lie in any journal, and in several at once.

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::names::{NameId, Names};
use super::record::{Entry, NameIndex, NameKind, StoreRecord};
use super::recovered::{Correlation, Delivery, Early, Kept, Recovered, Source, Span};
use super::segment::{Damage, DamageKind, ReadRecord, Segment, SegmentState};

#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Class {
    Correlation,
    Early,
    Delivery,
}

/// What is known under one key.
#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    /// The name, and the class in the lowest two bits.
    name: u32,
    /// Where it is kept, or what became of it.
    slot: u32,
}

impl Known {
    const GONE: u32 = u32::MAX;
    const EXPIRED: u32 = u32::MAX - 1;

    fn is_kept(self) -> bool {
        self.slot < Self::EXPIRED
    }

    fn class(self) -> Class {
        match self.name & 3 {
            0 => Class::Correlation,
            1 => Class::Early,
            _ => Class::Delivery,
        }
    }
}

/// The keys of one part, and what was read under them since: merged together, while the part lies in a core's cache.
#[derive(Debug, Default)]
struct Part {
    known: HashTable<Known>,
    waiting: Vec<Known>,
}

#[derive(Debug)]
pub struct Recovery {
    oldest: u64,
    names: Names,
    keys: RandomState,
    parts: Vec<Part>,
    /// How much waits in all parts.
    waiting: usize,
    correlations: Kept<Correlation>,
    early: Kept<Early>,
    deliveries: Kept<Delivery>,
    arena: Vec<u8>,
    segments: Vec<SegmentState>,
    records: u64,
}

impl Recovery {
    const PARTS: usize = 256;
    /// Records that wait, of 16 octets each.
    const MERGE_AT: usize = 4 << 20;

    /// What was born before `oldest`, in Unix seconds, is beyond retention.
    #[must_use]
    pub fn new(oldest: u64) -> Self {
        Self {
            oldest,
            names: Names::default(),
            // Keys are numbers of ours: nobody chooses what collides.
            keys: RandomState::with_seeds(1, 2, 3, 4),
            parts: (0..Self::PARTS).map(|_| Part::default()).collect(),
            waiting: 0,
            correlations: Kept::default(),
            early: Kept::default(),
            deliveries: Kept::default(),
            arena: Vec::new(),
            segments: Vec::new(),
            records: 0,
        }
    }

    /// Takes in a segment that was checked with its journal's others.
    pub fn read(&mut self, segment: &Segment<'_>) -> Result<(), Damage> {
        let source = self.segments.len() as u32;
        self.segments.push(segment.state());
        let mut local = Vec::new();
        for read in segment.records() {
            let ReadRecord { record, offset, octets } = read?;
            self.records += 1;
            let is_sound = match record {
                StoreRecord::Begin(_) => true,
                StoreRecord::Name { index, kind, name } => {
                    let is_next = index.0 as usize == local.len();
                    local.push(self.names.add(kind, name));
                    is_next
                }
                StoreRecord::Entry(entry) => {
                    let source = Source { segment: source, octets: octets as u32 };
                    self.resolve(&entry, &local).map(|entry| self.take(&entry, source)).is_some()
                }
            };
            if !is_sound {
                return Err(Damage { segment: segment.name, offset, kind: DamageKind::UnknownName });
            }
        }
        Ok(())
    }

    /// What lives, once everything was read.
    #[must_use]
    pub fn finish(mut self) -> Recovered {
        self.merge();
        let sources = (self.correlations.iter().map(|kept| kept.source))
            .chain(self.early.iter().map(|kept| kept.source))
            .chain(self.deliveries.iter().map(|kept| kept.source));
        for source in sources {
            self.segments[source.segment as usize].live += u64::from(source.octets);
        }
        // A removed or unused slot has no key, and comes first.
        let order = |slot: &Option<Delivery>| slot.as_ref().map(|kept| (kept.account, kept.key));
        self.deliveries.slots.sort_unstable_by_key(order);
        Recovered {
            names: self.names,
            records: self.records,
            expired: self.parts.iter().flat_map(|part| &part.known).filter(|known| known.slot == Known::EXPIRED).count()
                as u64,
            segments: self.segments,
            correlations: self.correlations,
            early: self.early,
            deliveries: self.deliveries,
            arena: self.arena,
        }
    }

    /// `None` when the segment does not define a name, or defines it as another kind of name.
    #[inline]
    fn resolve<'a>(&self, entry: &Entry<'a, NameIndex>, local: &[NameId]) -> Option<Entry<'a, NameId>> {
        let mut is_sound = true;
        let entry = entry.map_names(|kind: NameKind, index| {
            let name = local.get(index.0 as usize).filter(|name| self.names.kind(**name) == kind);
            is_sound &= name.is_some();
            name.copied().unwrap_or(NameId(0))
        });
        is_sound.then_some(entry)
    }

    #[inline]
    fn take(&mut self, entry: &Entry<'_, NameId>, source: Source) {
        match *entry {
            Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id } => {
                let slot = if born < self.oldest {
                    Known::EXPIRED
                } else {
                    let (born, carrier_id) = (seconds(born), self.keep(carrier_id));
                    let kept = Correlation { id, carrier_id, carrier, account, destination, born, source, is_muted };
                    self.correlations.push(kept)
                };
                self.wait(Class::Correlation, carrier, id.bits(), slot);
            }
            Entry::Early { carrier, key, born, before, body } => {
                let slot = if born < self.oldest {
                    Known::EXPIRED
                } else {
                    let (born, body) = (seconds(born), self.keep(body));
                    self.early.push(Early { carrier, key, born, before, body, source })
                };
                self.wait(Class::Early, carrier, key, slot);
            }
            Entry::Delivery { account, id, key, kind, born, body } => {
                let slot = if born < self.oldest {
                    Known::EXPIRED
                } else {
                    let (born, body) = (seconds(born), self.keep(body));
                    self.deliveries.push(Delivery { account, id, key, kind, born, body, source })
                };
                self.wait(Class::Delivery, account, key, slot);
            }
            Entry::CorrelationGone { carrier, id } => {
                self.wait(Class::Correlation, carrier, id.bits(), Known::GONE);
            }
            Entry::EarlyGone { carrier, key } => self.wait(Class::Early, carrier, key, Known::GONE),
            Entry::DeliveryGone { account, key } => self.wait(Class::Delivery, account, key, Known::GONE),
        }
    }

    /// Sorts what was read to the part its key belongs to.
    #[inline]
    fn wait(&mut self, class: Class, name: NameId, number: u64, slot: u32) {
        let read = Known { number, name: name.0 << 2 | class as u32, slot };
        let part = (self.keys.hash_one((read.number, read.name)) >> 40) as usize % Self::PARTS;
        self.parts[part].waiting.push(read);
        self.waiting += 1;
        if self.waiting >= Self::MERGE_AT {
            self.merge();
        }
    }

    fn merge(&mut self) {
        self.waiting = 0;
        for part in 0..Self::PARTS {
            let mut waiting = std::mem::take(&mut self.parts[part].waiting);
            for read in waiting.drain(..) {
                self.merge_one(part, read);
            }
            self.parts[part].waiting = waiting;
        }
    }

    fn merge_one(&mut self, part: usize, read: Known) {
        let keys = &self.keys;
        let hash = |known: &Known| keys.hash_one((known.number, known.name));
        let same = |known: &Known| known.number == read.number && known.name == read.name;
        let known = match self.parts[part].known.entry(hash(&read), same, hash) {
            Place::Vacant(vacant) => {
                vacant.insert(read);
                return;
            }
            Place::Occupied(occupied) => occupied.into_mut(),
        };
        let before = *known;
        if read.slot == Known::GONE {
            known.slot = Known::GONE;
            self.drop_kept(before);
        } else if before.is_kept() && read.is_kept() {
            self.moved(before, read);
            self.drop_kept(read);
        } else {
            self.drop_kept(read);
        }
    }

    fn drop_kept(&mut self, known: Known) {
        if known.is_kept() {
            match known.class() {
                Class::Correlation => self.correlations.remove(known.slot),
                Class::Early => self.early.remove(known.slot),
                Class::Delivery => self.deliveries.remove(known.slot),
            }
        }
    }

    fn source(&mut self, known: Known) -> Option<&mut Source> {
        match known.class() {
            Class::Correlation => self.correlations.slot_mut(known.slot).map(|kept| &mut kept.source),
            Class::Early => self.early.slot_mut(known.slot).map(|kept| &mut kept.source),
            Class::Delivery => self.deliveries.slot_mut(known.slot).map(|kept| &mut kept.source),
        }
    }

    /// The latest copy is the one that lives: the earlier ones go with their segments.
    fn moved(&mut self, known: Known, copy: Known) {
        let Some(to) = self.source(copy).copied() else { return };
        let Some(from) = self.source(known).copied() else { return };
        let order = |source: Source| {
            let name = self.segments[source.segment as usize].name;
            (name.sequence, name.journal)
        };
        if order(to) > order(from)
            && let Some(at) = self.source(known)
        {
            *at = to;
        }
    }

    fn keep(&mut self, octets: &[u8]) -> Span {
        let at = self.arena.len() as u64;
        self.arena.extend_from_slice(octets);
        Span { at, len: octets.len() as u32 }
    }
}

fn seconds(born: u64) -> u32 {
    u32::try_from(born).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
