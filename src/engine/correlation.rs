//! Correlation: a carrier's message_id to the account and the message_id it belongs to. One table per carrier.
//!
//! An entry is 32 octets: the id itself is kept as a keyed 64-bit fingerprint. Entries lie in small sub-tables that are split one
//! by one as entries come (linear hashing), so growth never moves more than one of them and few live entries stay in few cache
//! lines; age is swept the same way. Carriers use ids again: two live entries under one id are both kept and told apart
//! by the destination.

use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashTable;

use super::event::Place;
use crate::config::AccountId;
use crate::smpp::message_id::{MessageId, NormalizedId};

/// One submit whose receipt is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Correlation {
    /// Keyed hash of the carrier's id.
    pub fingerprint: u64,
    pub id: MessageId,
    /// Hash of the destination's significant digits.
    pub destination: u32,
    /// Unix seconds.
    pub born: u32,
    pub account: AccountId,
    /// Where its record lies: a `Place`, packed.
    segment: u16,
    octets: u8,
    /// The customer was told it failed: its receipts are acknowledged and dropped.
    pub is_muted: bool,
}

const _: () = assert!(size_of::<Correlation>() <= 32);

impl Correlation {
    #[must_use]
    pub fn new(
        fingerprint: u64,
        id: MessageId,
        destination: u32,
        born: u32,
        account: AccountId,
        is_muted: bool,
    ) -> Self {
        Self { fingerprint, id, destination, born, account, segment: 0, octets: 0, is_muted }
    }

    #[must_use]
    pub fn place(&self) -> Place {
        Place::unpacked(self.segment, self.octets)
    }

    /// The same entry, whose record lies elsewhere.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { segment: place.segment, octets: place.packed_octets(), ..self }
    }
}

/// What `Correlations::find` saw.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    None,
    One(Correlation),
    /// Several live entries and none with this destination: the newest.
    Ambiguous(Correlation),
}

#[derive(Debug)]
pub struct Correlations {
    keys: RandomState,
    /// `base` of them and as many more as were split since there were `base`.
    tables: Vec<HashTable<Correlation>>,
    base: usize,
    live: usize,
    swept: usize,
}

impl Correlations {
    const FIRST_TABLES: usize = 8;
    /// Entries in a sub-table, on average, before the next one is split. One that is to be split next has twice as many as one
    /// that was, and 1792 and 896 fill 7/8 of a power of two: chance has to stay below.
    const PER_TABLE: usize = 832;
    /// Sweeps that see everything.
    const SWEEPS: usize = 1024;

    /// `keys` make fingerprints unforgeable; they need not outlive the process.
    #[must_use]
    pub fn new(keys: [u64; 4]) -> Self {
        let [a, b, c, d] = keys;
        let tables = (0..Self::FIRST_TABLES).map(|_| HashTable::new()).collect();
        Self { keys: RandomState::with_seeds(a, b, c, d), tables, base: Self::FIRST_TABLES, live: 0, swept: 0 }
    }

    #[must_use]
    pub fn fingerprint(&self, id: NormalizedId<'_>) -> u64 {
        match id {
            NormalizedId::Number(number) => self.keys.hash_one(number),
            NormalizedId::Verbatim(octets) => self.keys.hash_one(octets),
        }
    }

    pub fn insert(&mut self, entry: Correlation) {
        let table = self.table(entry.fingerprint);
        table.insert_unique(entry.fingerprint, entry, |entry| entry.fingerprint);
        self.live += 1;
        if self.live > self.tables.len() * Self::PER_TABLE {
            self.split();
        }
    }

    /// The entry under this fingerprint; `destination` decides between several.
    #[must_use]
    pub fn find(&self, fingerprint: u64, destination: u32) -> Found {
        let table = &self.tables[self.table_index(fingerprint)];
        let mut found = Found::None;
        for entry in table.iter_hash(fingerprint).filter(|entry| entry.fingerprint == fingerprint) {
            found = match found {
                Found::None => Found::One(*entry),
                Found::One(other) | Found::Ambiguous(other) => {
                    match (entry.destination == destination, other.destination == destination) {
                        (true, false) => Found::One(*entry),
                        (false, true) => Found::One(other),
                        _ if entry.born >= other.born => Found::Ambiguous(*entry),
                        _ => Found::Ambiguous(other),
                    }
                }
            };
        }
        found
    }

    /// The only entry under this fingerprint of which that holds.
    pub fn find_only(&self, fingerprint: u64, holds: impl Fn(&Correlation) -> bool) -> Option<Correlation> {
        let table = &self.tables[self.table_index(fingerprint)];
        let mut all =
            table.iter_hash(fingerprint).filter(|entry| entry.fingerprint == fingerprint && holds(entry)).copied();
        all.next().filter(|_| all.next().is_none())
    }

    /// The entry with this id of ours, when its record lies in this segment: it is to lie elsewhere.
    pub fn find_in(&mut self, fingerprint: u64, id: MessageId, segment: u16) -> Option<&mut Correlation> {
        let same = |entry: &Correlation| entry.fingerprint == fingerprint && entry.id == id && entry.segment == segment;
        self.table(fingerprint).find_mut(fingerprint, same)
    }

    /// Makes room for so many more, before they come.
    pub fn reserve(&mut self, more: usize) {
        let tables = (self.live + more).div_ceil(Self::PER_TABLE);
        while self.tables.len() < tables {
            self.split();
        }
        let each = (self.live + more).div_ceil(self.tables.len());
        for table in &mut self.tables {
            table.reserve(each.saturating_sub(table.len()), |entry| entry.fingerprint);
        }
    }

    /// Removes this entry, whose record may lie elsewhere by now: as it was.
    pub fn remove(&mut self, entry: &Correlation) -> Option<Correlation> {
        let table = self.table(entry.fingerprint);
        let same = |other: &Correlation| other.fingerprint == entry.fingerprint && other.id == entry.id;
        let occupied = table.find_entry(entry.fingerprint, same).ok()?;
        let (removed, _) = occupied.remove();
        self.live -= 1;
        Some(removed)
    }

    /// Drops what was born before `oldest` from the next few sub-tables, and says what it was. Called every `SWEEP_EVERY`, it
    /// sees everything within the hour.
    pub fn sweep(&mut self, oldest: u32, mut gone: impl FnMut(&Correlation)) -> usize {
        let before = self.live;
        for _ in 0..self.tables.len().div_ceil(Self::SWEEPS) {
            self.swept = (self.swept + 1) % self.tables.len();
            let table = &mut self.tables[self.swept];
            let held = table.len();
            table.retain(|entry| {
                let is_kept = entry.born >= oldest;
                if !is_kept {
                    gone(entry);
                }
                is_kept
            });
            self.live -= held - table.len();
        }
        before - self.live
    }

    pub const SWEEP_EVERY: Duration = Duration::from_millis(3_600_000 / Self::SWEEPS as u64);

    /// Sub-tables there are. One that is split leaves a part of itself to a new one, behind all others.
    #[must_use]
    pub fn tables(&self) -> usize {
        self.tables.len()
    }

    /// The entries of a sub-table, if there is that.
    pub fn in_table(&self, table: usize) -> impl Iterator<Item = &Correlation> {
        self.tables.get(table).into_iter().flat_map(HashTable::iter)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn table(&mut self, fingerprint: u64) -> &mut HashTable<Correlation> {
        let at = self.table_index(fingerprint);
        &mut self.tables[at]
    }

    fn table_index(&self, fingerprint: u64) -> usize {
        let split = Self::spread(fingerprint) & (2 * self.base - 1);
        if split < self.tables.len() { split } else { split & (self.base - 1) }
    }

    /// The bits that choose the sub-table: hashbrown uses the low and the top ones within it.
    fn spread(fingerprint: u64) -> usize {
        (fingerprint >> 24) as usize & 0xFFFF_FFFF
    }

    /// Divides the next sub-table in two.
    fn split(&mut self) {
        let (from, to) = (self.tables.len() - self.base, self.tables.len());
        let both = 2 * self.base - 1;
        let half = self.tables[from].len() / 2;
        let mut fresh = HashTable::with_capacity(half + half / 8);
        for entry in self.tables[from].extract_if(|entry| Self::spread(entry.fingerprint) & both == to) {
            fresh.insert_unique(entry.fingerprint, entry, |entry| entry.fingerprint);
        }
        self.tables[from].shrink_to(half + half / 8, |entry| entry.fingerprint);
        self.tables.push(fresh);
        if self.tables.len() == 2 * self.base {
            self.base *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::message_id::{CarrierIdFormat, normalize};

    fn entry(table: &Correlations, id: &[u8], ours: u64, destination: u32, born: u32) -> Correlation {
        let fingerprint = table.fingerprint(normalize(id, CarrierIdFormat::AsIs));
        Correlation {
            fingerprint,
            id: MessageId::new(ours),
            destination,
            born,
            account: AccountId(0),
            segment: 0,
            octets: 0,
            is_muted: false,
        }
    }

    #[test]
    fn an_entry_is_found_until_it_is_removed() {
        let mut table = Correlations::new([1, 2, 3, 4]);
        let one = entry(&table, b"a", 1, 10, 0);
        table.insert(one);
        assert_eq!(table.find(one.fingerprint, 99), Found::One(one));
        let place = Place { segment: 7, octets: 30 };
        *table.find_in(one.fingerprint, one.id, 0).unwrap() = one.at(place);
        assert_eq!(table.find_in(one.fingerprint, one.id, 0), None);
        assert_eq!(table.remove(&one).map(|entry| entry.place()), Some(place));
        assert_eq!(table.remove(&one), None);
        assert_eq!(table.find(one.fingerprint, 10), Found::None);
        assert!(table.is_empty());
    }

    #[test]
    fn an_entry_knows_what_its_record_is_reckoned_for_however_long_the_carriers_id_is() {
        let table = Correlations::new([1, 2, 3, 4]);
        for octets in (0..2_000).chain(60_000..70_000) {
            let place = Place { segment: 7, octets: Place::reckon_correlation(octets) };
            assert_eq!(entry(&table, b"a", 1, 10, 0).at(place).place(), place);
            // Never for less, as far as a PDU of 64 KiB goes; and for what the specification allows no more.
            let exact = Place::reckon(octets);
            assert!(place.octets >= exact.min(1 << 16) && (octets > 65 + 46 || place.octets == exact), "{octets}");
        }
    }

    #[test]
    fn an_id_used_twice_is_told_apart_by_destination_and_else_the_newest_wins() {
        let mut table = Correlations::new([1, 2, 3, 4]);
        let (old, new) = (entry(&table, b"7", 1, 10, 5), entry(&table, b"7", 2, 20, 6));
        table.insert(old);
        table.insert(new);
        assert_eq!(table.find(old.fingerprint, 10), Found::One(old));
        assert_eq!(table.find(old.fingerprint, 20), Found::One(new));
        assert_eq!(table.find(old.fingerprint, 30), Found::Ambiguous(new));
        assert_eq!(table.remove(&new), Some(new));
        assert_eq!(table.find(old.fingerprint, 30), Found::One(old));
    }

    #[test]
    fn what_is_older_than_retention_goes_and_what_is_younger_stays() {
        let mut table = Correlations::new([1, 2, 3, 4]);
        for i in 0..100u64 {
            table.insert(entry(&table, &i.to_be_bytes(), i, 0, i as u32));
        }
        let mut left = 0;
        let gone: usize = (0..Correlations::SWEEPS).map(|_| table.sweep(50, |_| left += 1)).sum();
        assert_eq!((gone, left, table.len()), (50, 50, 50));
    }

    #[test]
    fn every_entry_is_found_however_far_the_table_has_grown() {
        let mut table = Correlations::new([1, 2, 3, 4]);
        let entries: Vec<_> = (0..50_000u64).map(|i| entry(&table, &i.to_be_bytes(), i, 0, 0)).collect();
        for entry in &entries {
            table.insert(*entry);
        }
        assert!(table.tables.len() > 40 && table.tables.iter().all(|part| part.len() < 4 * Correlations::PER_TABLE));
        assert!(entries.iter().all(|entry| table.find(entry.fingerprint, 0) == Found::One(*entry)));
        assert!(entries.iter().all(|entry| table.remove(entry).is_some()));
        assert!(table.is_empty() && table.tables.iter().all(HashTable::is_empty));
    }
}
