//! Entries of accounts and carriers that the configuration no longer has: kept until retention, for they may come back.

use super::journal::Journal;
use super::names::Interner;
use super::record::{Entry, NameIndex, NameKind, StoreRecord};
use crate::engine::event::Place;

#[derive(Debug, Default)]
pub struct Foreign {
    entries: Vec<ForeignEntry>,
    has_displaced: bool,
}

#[derive(Debug)]
struct ForeignEntry {
    /// Names, then the entry, as a segment has them.
    octets: Box<[u8]>,
    born: u64,
    /// `None` when it is to be appended with the next commit.
    place: Option<Place>,
}

impl Foreign {
    pub fn add(&mut self, entry: &Entry<'_, &str>, place: Option<Place>) {
        let (mut names, mut octets) = (Interner::default(), Vec::new());
        let indexed = entry.map_names(|kind, name| {
            let (index, is_new) = names.index(kind, name);
            if is_new {
                StoreRecord::Name { index, kind, name }.encode(&mut octets);
            }
            index
        });
        StoreRecord::Entry(indexed).encode(&mut octets);
        let born = match *entry {
            Entry::Correlation { born, .. } | Entry::Early { born, .. } | Entry::Holding { born, .. } => born,
            Entry::Unrouted { born, .. } => born,
            Entry::CorrelationGone { .. } | Entry::EarlyGone { .. } | Entry::HoldingGone { .. } => return,
            Entry::UnroutedGone { .. } | Entry::Cdr { .. } => return,
        };
        self.has_displaced |= place.is_none();
        self.entries.push(ForeignEntry { octets: octets.into(), born, place });
    }

    /// What lies in this segment is to lie elsewhere, or is forgotten when it was born before `oldest`. Returns where it lay.
    pub fn displace(&mut self, segment: u16, oldest: Option<u32>) -> Vec<Place> {
        let mut places = Vec::new();
        for entry in &mut self.entries {
            if let Some(place) = entry.place.take_if(|place| place.segment == segment) {
                places.push(place);
            }
        }
        self.entries.retain(|entry| entry.place.is_some() || oldest.is_none_or(|oldest| entry.born >= oldest.into()));
        self.has_displaced = self.entries.iter().any(|entry| entry.place.is_none());
        places
    }

    #[must_use]
    pub fn has_displaced(&self) -> bool {
        self.has_displaced
    }

    pub fn append_displaced(&mut self, journal: &mut Journal) {
        if !std::mem::take(&mut self.has_displaced) {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.place.is_none()) {
            entry.place = entry.append(journal);
        }
    }
}

impl ForeignEntry {
    fn append(&self, journal: &mut Journal) -> Option<Place> {
        let (mut octets, mut names) = (&self.octets[..], Vec::new());
        while !octets.is_empty() {
            match StoreRecord::decode(&mut octets) {
                Ok(StoreRecord::Name { name, .. }) => names.push(name),
                Ok(StoreRecord::Entry(entry)) => {
                    let name = |_: NameKind, index: NameIndex| names.get(index.0 as usize).copied().unwrap_or("");
                    return Some(journal.append(&entry.map_names(name)));
                }
                Ok(StoreRecord::Begin(_) | StoreRecord::StandsFor(_)) | Err(_) => break,
            }
        }
        None
    }
}
