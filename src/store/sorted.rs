//! A segment's records, sorted by the part of all keys that each belongs to: what one thread makes of a file, so that other
//! threads merge whole parts without asking each other.

use ahash::RandomState;

use super::cdr_lines::CdrLine;
use super::names::{NameId, Names};
use super::record::{Entry, NameIndex, NameKind, StoreRecord};
use super::segment::{Damage, DamageKind, ReadRecord, Segment, SegmentState};

/// Into how many parts the keys are divided.
pub const PARTS: usize = 256;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(super) enum Class {
    Correlation,
    Early,
    Holding,
    Unrouted,
}

/// A record's key, and where the record lies. Tens of millions are sorted in a second, so each takes 16 octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub(super) number: u64,
    /// In its segment. A record that lies there was decoded once already.
    pub(super) at: u32,
    /// The name's index, then a bit that says it is gone, then two of its class.
    tag: u32,
}

impl Sighting {
    pub(super) fn name(self) -> usize {
        (self.tag >> 3) as usize
    }

    pub(super) fn is_gone(self) -> bool {
        self.tag & 4 != 0
    }

    pub(super) fn class(self) -> u32 {
        self.tag & 3
    }
}

#[derive(Debug)]
pub struct Sorted<'a> {
    pub(super) state: SegmentState,
    pub(super) octets: &'a [u8],
    /// The segment's names, and what recovery numbers them.
    texts: Vec<(NameKind, &'a str)>,
    pub(super) names: Vec<NameId>,
    /// The segment's position among all that recovery reads.
    pub(super) source: u32,
    parts: Vec<Vec<Sighting>>,
    pub(super) records: u64,
    /// One more than the largest key of anything but a correlation, one that is gone too.
    pub(super) next_key: u64,
    /// Where lines of the call detail records lie.
    cdr: Vec<u32>,
}

impl<'a> Sorted<'a> {
    /// Of a segment that was checked with its journal's others.
    pub fn of(segment: &Segment<'a>) -> Result<Self, Damage> {
        let spread = RandomState::with_seeds(5, 6, 7, 8);
        // Records have some thirty octets, of which a part gets its share.
        let expected = segment.end / 30 / PARTS;
        let mut sorted = Self {
            state: segment.state(),
            octets: segment.octets(),
            texts: Vec::new(),
            names: Vec::new(),
            source: 0,
            parts: (0..PARTS).map(|_| Vec::with_capacity(expected)).collect(),
            records: 0,
            next_key: 0,
            cdr: Vec::new(),
        };
        // What an account holds lies in one part, where it can be put in order.
        let mut part_of_name = Vec::new();
        for read in segment.records() {
            let ReadRecord { record, offset, .. } = read?;
            sorted.records += 1;
            let is_sound = match record {
                StoreRecord::Begin(_) | StoreRecord::StandsFor(_) => true,
                StoreRecord::Name { index, kind, name } => {
                    let is_next = index.0 as usize == sorted.texts.len();
                    sorted.texts.push((kind, name));
                    part_of_name.push(spread.hash_one(name) as usize % PARTS);
                    is_next
                }
                StoreRecord::Entry(entry) => {
                    let is_named = sorted.knows_names(&entry);
                    if is_named {
                        sorted.sight(&entry, offset, &part_of_name);
                    }
                    is_named
                }
            };
            if !is_sound {
                return Err(Damage { segment: segment.name, offset, kind: DamageKind::UnknownName });
            }
        }
        Ok(sorted)
    }

    pub(super) fn of_part(&self, part: usize) -> &[Sighting] {
        &self.parts[part]
    }

    pub(super) fn number_names(&mut self, names: &mut Names) {
        self.names = self.texts.iter().map(|(kind, name)| names.add(*kind, name)).collect();
    }

    /// The entry that a sighting of this segment saw.
    pub(super) fn entry(&self, sighting: Sighting) -> Option<Entry<'a, NameId>> {
        let mut octets = self.octets.get(sighting.at as usize..)?;
        let Ok(StoreRecord::Entry(entry)) = StoreRecord::decode(&mut octets) else { return None };
        Some(entry.map_names(|_, index| self.names[index.0 as usize]))
    }

    pub(super) fn cdr_lines(&self) -> impl Iterator<Item = (u64, CdrLine)> {
        self.cdr.iter().filter_map(|at| {
            let mut octets = self.octets.get(*at as usize..)?;
            let Ok(StoreRecord::Entry(entry)) = StoreRecord::decode(&mut octets) else { return None };
            let Entry::Cdr { sequence, written, body } = entry else { return None };
            let (segment, weight) = (self.state.name, entry.weight());
            Some((sequence, CdrLine { written, octets: body.into(), segment, weight }))
        })
    }

    #[inline]
    fn knows_names(&self, entry: &Entry<'a, NameIndex>) -> bool {
        let is_known = |kind: NameKind, index: NameIndex| {
            self.texts.get(index.0 as usize).is_some_and(|(known, _)| *known == kind)
        };
        let mut all = true;
        entry.map_names(|kind, index| all &= is_known(kind, index));
        all
    }

    #[inline]
    fn sight(&mut self, entry: &Entry<'a, NameIndex>, offset: usize, part_of_name: &[usize]) {
        let (class, name, number, is_gone) = match *entry {
            Entry::Correlation { carrier, id, .. } => (Class::Correlation, carrier, id.bits(), false),
            Entry::CorrelationGone { carrier, id } => (Class::Correlation, carrier, id.bits(), true),
            Entry::Early { carrier, key, .. } => (Class::Early, carrier, key, false),
            Entry::EarlyGone { carrier, key } => (Class::Early, carrier, key, true),
            Entry::Holding { account, key, .. } => (Class::Holding, account, key, false),
            Entry::HoldingGone { account, key } => (Class::Holding, account, key, true),
            Entry::Unrouted { carrier, key, .. } => (Class::Unrouted, carrier, key, false),
            Entry::UnroutedGone { carrier, key } => (Class::Unrouted, carrier, key, true),
            Entry::Cdr { .. } => return self.cdr.push(offset as u32),
        };
        let part = match class {
            Class::Correlation => (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % PARTS,
            Class::Early | Class::Holding | Class::Unrouted => {
                self.next_key = self.next_key.max(number.saturating_add(1));
                part_of_name[name.0 as usize]
            }
        };
        // A segment is shorter than 4 GiB (`read_segment`), and so are the indexes of its names than 2^29.
        let tag = name.0 << 3 | u32::from(is_gone) << 2 | class as u32;
        self.parts[part].push(Sighting { number, at: offset as u32, tag });
    }
}
