//! The simulated disk: one directory of files, of which a crash keeps what was synced and a random part of the rest.
//!
//! A killed process leaves the page cache as it is; its writes may still be lost when the power fails before they are synced.
//! Names change in order, as on a journaling file system: a crash keeps those before some point, at least the synced ones.

use std::collections::BTreeMap;

use crate::rng::Rng;

const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<u64, File>,
    next_file: u64,
    names: BTreeMap<String, u64>,
    /// As of the last sync of the directory, and what happened since.
    synced_names: BTreeMap<String, u64>,
    changes: Vec<Change>,
    /// Nothing can be allocated until then.
    pub(crate) full_until: u64,
}

#[derive(Debug, Default)]
struct File {
    /// What readers see.
    cached: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Debug)]
struct Write {
    offset: usize,
    octets: Vec<u8>,
}

#[derive(Debug)]
enum Change {
    Link(String, u64),
    Rename(String, String),
    Unlink(String),
}

impl Disk {
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// All that the file has; nothing when there is none.
    pub(crate) fn read(&self, name: &str) -> &[u8] {
        self.names.get(name).map_or(&[], |file| &self.files[file].cached)
    }

    /// A file of zeros, its length synced.
    pub(crate) fn allocate(&mut self, name: &str, len: usize) {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, File { cached: vec![0; len], synced: vec![0; len], unsynced: Vec::new() });
        self.change(Change::Link(name.to_owned(), file));
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.change(Change::Unlink(name.to_owned()));
    }

    pub(crate) fn write(&mut self, name: &str, offset: usize, octets: Vec<u8>) {
        let Some(file) = self.file(name) else { return };
        put(&mut file.cached, offset, &octets);
        file.unsynced.push(Write { offset, octets });
    }

    pub(crate) fn sync(&mut self, name: &str) {
        let Some(file) = self.file(name) else { return };
        for Write { offset, octets } in file.unsynced.drain(..) {
            put(&mut file.synced, offset, &octets);
        }
    }

    /// Readers see what is on the disk.
    pub(crate) fn drop_cached(&mut self, name: &str) {
        if let Some(file) = self.file(name) {
            file.cached.clone_from(&file.synced);
        }
    }

    /// The sync failed: some of what was written is on the disk, none of it will be written again, and readers see all of it.
    pub(crate) fn sync_failed(&mut self, name: &str, rng: &mut Rng) {
        if let Some(file) = self.file(name) {
            file.lose_some(rng);
        }
    }

    pub(crate) fn truncate(&mut self, name: &str, len: usize, rng: &mut Rng) {
        let is_early = rng.chance(500);
        let Some(file) = self.file(name) else { return };
        file.cached.truncate(len);
        if is_early {
            file.synced.truncate(len);
        }
    }

    pub(crate) fn sync_directory(&mut self) {
        self.changes.clear();
        self.synced_names.clone_from(&self.names);
    }

    pub(crate) fn lose_power(&mut self, rng: &mut Rng) {
        let kept = rng.below(self.changes.len() as u64 + 1) as usize;
        for change in self.changes.drain(..).take(kept) {
            change.apply(&mut self.synced_names);
        }
        self.names.clone_from(&self.synced_names);
        let names = &self.names;
        self.files.retain(|at, _| names.values().any(|named| named == at));
        for file in self.files.values_mut() {
            file.lose_some(rng);
            file.cached.clone_from(&file.synced);
        }
    }

    fn file(&mut self, name: &str) -> Option<&mut File> {
        self.files.get_mut(self.names.get(name)?)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
        }
    }
}

impl File {
    /// Each sector of what was not synced is there or not: then it has its old octets, or zeros.
    fn lose_some(&mut self, rng: &mut Rng) {
        let kept = rng.pick(&[0, 500, 900, 1_000]);
        for Write { offset, octets } in std::mem::take(&mut self.unsynced) {
            for (at, sector) in octets.chunks(SECTOR).enumerate() {
                if rng.chance(kept) {
                    put(&mut self.synced, offset + at * SECTOR, sector);
                } else if rng.chance(100) {
                    put(&mut self.synced, offset + at * SECTOR, &[0; SECTOR][..sector.len()]);
                }
            }
        }
    }
}

fn put(into: &mut Vec<u8>, offset: usize, octets: &[u8]) {
    into.resize(into.len().max(offset + octets.len()), 0);
    into[offset..][..octets.len()].copy_from_slice(octets);
}
