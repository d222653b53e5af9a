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

    fn is_kept(&self) -> bool {
        self.slot < Self::EXPIRED
    }
}

#[derive(Debug)]
pub struct Recovery {
    oldest: u64,
    names: Names,
    keys: RandomState,
    known: HashTable<Known>,
    correlations: Kept<Correlation>,
    early: Kept<Early>,
    deliveries: Kept<Delivery>,
    arena: Vec<u8>,
    segments: Vec<SegmentState>,
    records: u64,
}

impl Recovery {
    /// What was born before `oldest`, in Unix seconds, is beyond retention.
    #[must_use]
    pub fn new(oldest: u64) -> Self {
        Self {
            oldest,
            names: Names::default(),
            // Keys are numbers of ours: nobody chooses what collides.
            keys: RandomState::with_seeds(1, 2, 3, 4),
            known: HashTable::new(),
            correlations: Kept::default(),
            early: Kept::default(),
            deliveries: Kept::default(),
            arena: Vec::new(),
            segments: Vec::new(),
            records: 0,
        }
    }

    /// Makes room for what journals of so many octets can hold, so that nothing grows while they are read.
    pub fn reserve(&mut self, octets: u64) {
        let entries = usize::try_from(octets / Self::OCTETS_PER_KEY).unwrap_or(0);
        let Self { known, keys, .. } = self;
        known.reserve(entries, |known| keys.hash_one((known.number, known.name)));
    }

    /// A correlation takes 32; with its removal, 42.
    const OCTETS_PER_KEY: u64 = 40;

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
            expired: self.known.iter().filter(|known| known.slot == Known::EXPIRED).count() as u64,
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
                if self.admit(Class::Correlation, carrier, id.bits(), born, source) {
                    let (born, carrier_id) = (seconds(born), self.keep(carrier_id));
                    let kept = Correlation { id, carrier_id, carrier, account, destination, born, source, is_muted };
                    self.correlations.push(kept);
                }
            }
            Entry::Early { carrier, key, born, before, body } => {
                if self.admit(Class::Early, carrier, key, born, source) {
                    let (born, body) = (seconds(born), self.keep(body));
                    self.early.push(Early { carrier, key, born, before, body, source });
                }
            }
            Entry::Delivery { account, id, key, kind, born, body } => {
                if self.admit(Class::Delivery, account, key, born, source) {
                    let (born, body) = (seconds(born), self.keep(body));
                    self.deliveries.push(Delivery { account, id, key, kind, born, body, source });
                }
            }
            Entry::CorrelationGone { carrier, id } => self.forget(Class::Correlation, carrier, id.bits()),
            Entry::EarlyGone { carrier, key } => self.forget(Class::Early, carrier, key),
            Entry::DeliveryGone { account, key } => self.forget(Class::Delivery, account, key),
        }
    }

    /// Whether the entry is to be kept, in the next slot of its class. A copy of a kept one says only where it lies now.
    #[inline]
    fn admit(&mut self, class: Class, name: NameId, number: u64, born: u64, source: Source) -> bool {
        let next = match class {
            Class::Correlation => self.correlations.next_slot(),
            Class::Early => self.early.next_slot(),
            Class::Delivery => self.deliveries.next_slot(),
        };
        let name = name.0 << 2 | class as u32;
        match place(&mut self.known, &self.keys, number, name) {
            Place::Vacant(vacant) => {
                let is_kept = born >= self.oldest;
                vacant.insert(Known { number, name, slot: if is_kept { next } else { Known::EXPIRED } });
                is_kept
            }
            Place::Occupied(occupied) => {
                let known = *occupied.get();
                if known.is_kept() {
                    self.moved(class, known.slot, source);
                }
                false
            }
        }
    }

    /// The latest copy is the one that lives: the earlier ones go with their segments.
    fn moved(&mut self, class: Class, slot: u32, to: Source) {
        let at = match class {
            Class::Correlation => self.correlations.slot_mut(slot).map(|kept| &mut kept.source),
            Class::Early => self.early.slot_mut(slot).map(|kept| &mut kept.source),
            Class::Delivery => self.deliveries.slot_mut(slot).map(|kept| &mut kept.source),
        };
        let order = |source: Source| {
            let name = self.segments[source.segment as usize].name;
            (name.sequence, name.journal)
        };
        if let Some(at) = at.filter(|at| order(to) > order(**at)) {
            *at = to;
        }
    }

    #[inline]
    fn forget(&mut self, class: Class, name: NameId, number: u64) {
        let name = name.0 << 2 | class as u32;
        match place(&mut self.known, &self.keys, number, name) {
            Place::Vacant(vacant) => {
                vacant.insert(Known { number, name, slot: Known::GONE });
            }
            Place::Occupied(mut occupied) => {
                let known = std::mem::replace(&mut occupied.get_mut().slot, Known::GONE);
                if known >= Known::EXPIRED {
                    return;
                }
                match class {
                    Class::Correlation => self.correlations.remove(known),
                    Class::Early => self.early.remove(known),
                    Class::Delivery => self.deliveries.remove(known),
                }
            }
        }
    }

    fn keep(&mut self, octets: &[u8]) -> Span {
        let at = self.arena.len() as u64;
        self.arena.extend_from_slice(octets);
        Span { at, len: octets.len() as u32 }
    }
}

#[inline]
fn place<'a>(known: &'a mut HashTable<Known>, keys: &RandomState, number: u64, name: u32) -> Place<'a, Known> {
    let hash = |known: &Known| keys.hash_one((known.number, known.name));
    let same = |known: &Known| known.number == number && known.name == name;
    known.entry(keys.hash_one((number, name)), same, hash)
}

fn seconds(born: u64) -> u32 {
    u32::try_from(born).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
