//! Writing a damaged segment again: a new one stands for it in the same place of its journal, with all that is still whole.
//!
//! Every batch whose checksum is right is taken, also behind the damage: a removal that is lost repeats a receipt, and an entry
//! that is lost loses one. The place stays the same because segments are released strictly oldest first: appended at the end,
//! an entry could outlive its removal. A record whose name was defined in a lost batch is lost with it: to guess the account
//! could give a receipt to another one.

use ahash::AHashMap;

use super::batch::{Batch, BatchWriter, SECTOR, batch_at};
use super::names::Interner;
use super::record::{Begin, Entry, NameKind, PreviousEnd, StandsFor, StoreRecord};
use super::segment::{FORMAT, SegmentName};

/// A segment that stands for another one, and what of that is in it.
#[derive(Debug)]
pub struct Salvage {
    pub name: SegmentName,
    pub octets: Vec<u8>,
    /// Whole batches found, and how many more must have been there before the last of them.
    pub batches: u64,
    pub missing_batches: u64,
    /// Entries and removals saved, and those in whole batches that could not be.
    pub saved: u64,
    pub unreadable: u64,
}

/// What a segment says of the one before it, if its beginning can be read.
#[must_use]
pub fn said_previous(octets: &[u8], name: SegmentName) -> Option<Option<PreviousEnd>> {
    let first = batch_at(octets, 0, name.id)?;
    match StoreRecord::decode(&mut &first.payload[..]) {
        Ok(StoreRecord::Begin(begin)) => Some(begin.previous),
        Ok(_) | Err(_) => None,
    }
}

/// Saves all that is whole in a segment's octets into one of a new id, which follows `previous`.
#[must_use]
pub fn salvage(octets: &[u8], old: SegmentName, id: u64, previous: Option<PreviousEnd>) -> Salvage {
    let name = SegmentName { id, ..old };
    let whole = whole_batches(octets, old.id);
    let numbered = whole.last().map_or(0, |last| last.number + 1);
    let mut salvage = Salvage {
        name,
        octets: Vec::new(),
        batches: whole.len() as u64,
        missing_batches: numbered - whole.len() as u64,
        saved: 0,
        unreadable: 0,
    };
    let SegmentName { journal, sequence, .. } = name;
    let mut writer = BatchWriter::default();
    let stands_for = StandsFor { id: old.id, batches: salvage.batches.max(1) };
    StoreRecord::Begin(Begin { format: FORMAT, journal, sequence, id, previous }).encode(writer.payload());
    StoreRecord::StandsFor(stands_for).encode(writer.payload());
    let (mut known, mut names, mut written) = (AHashMap::new(), Interner::default(), Vec::new());
    let mut number = 0;
    for batch in &whole {
        salvage.take(batch.payload, &mut known, &mut names, writer.payload());
        writer.finish(id, number, &mut written);
        salvage.octets.extend_from_slice(&written);
        number += 1;
    }
    if number == 0 {
        writer.finish(id, number, &mut written);
        salvage.octets.extend_from_slice(&written);
    }
    salvage
}

impl Salvage {
    /// Writes a batch's records again, under the new segment's indexes.
    fn take<'a>(
        &mut self,
        mut payload: &'a [u8],
        known: &mut AHashMap<u32, (NameKind, &'a str)>,
        names: &mut Interner,
        into: &mut Vec<u8>,
    ) {
        while !payload.is_empty() {
            let entry = match StoreRecord::decode(&mut payload) {
                Ok(StoreRecord::Begin(_) | StoreRecord::StandsFor(_)) => continue,
                Ok(StoreRecord::Name { index, kind, name }) => {
                    known.insert(index.0, (kind, name));
                    continue;
                }
                Ok(StoreRecord::Entry(entry)) => entry,
                Err(_) => {
                    // Where the next record begins is not known.
                    self.unreadable += 1;
                    return;
                }
            };
            let mut is_named = true;
            let named: Entry<'_, &str> = entry.map_names(|kind, index| {
                let name = known.get(&index.0).filter(|(known, _)| *known == kind);
                is_named &= name.is_some();
                name.map_or("", |(_, name)| *name)
            });
            if !is_named {
                self.unreadable += 1;
                continue;
            }
            self.saved += 1;
            let indexed = named.map_names(|kind, name| {
                let (index, is_new) = names.index(kind, name);
                if is_new {
                    StoreRecord::Name { index, kind, name }.encode(into);
                }
                index
            });
            StoreRecord::Entry(indexed).encode(into);
        }
    }
}

/// Every whole batch, in order, whatever lies between them.
fn whole_batches(octets: &[u8], id: u64) -> Vec<Batch<'_>> {
    let (mut whole, mut offset, mut next) = (Vec::new(), 0, 0);
    while offset < octets.len() {
        match batch_at(octets, offset, id).filter(|batch| batch.number >= next) {
            Some(batch) => {
                (offset, next) = (batch.end(), batch.number + 1);
                whole.push(batch);
            }
            None => offset += SECTOR,
        }
    }
    whole
}
