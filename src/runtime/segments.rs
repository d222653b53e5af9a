//! One journal's files: segments by their names, and spare ones that are allocated before they are needed.
//!
//! Two spare files are the reserve of DESIGN section 9: while one of them is missing the store has no room, and what is
//! already promised still has somewhere to go. A released segment becomes a spare again: overwriting what is allocated and
//! written costs a sync less than half of what fresh blocks do.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::runtime::sys;
use crate::store::segment::SegmentName;

/// Where the files of one journal lie. Its clones share the spare ones.
#[derive(Clone, Debug)]
pub struct SegmentFiles {
    directory: Arc<Path>,
    journal: u16,
    /// Octets allocated for a segment.
    octets: u64,
    spares: Arc<Mutex<Spares>>,
}

#[derive(Debug, Default)]
struct Spares {
    paths: Vec<PathBuf>,
    next: u64,
}

impl SegmentFiles {
    /// Spare files there should be.
    const RESERVE: usize = 2;

    /// Finds the spare files of an earlier process; one that holds no place is removed. `octets` is a segment's length; some more
    /// is allocated, for a segment ends with the batch that fills it.
    pub fn open(directory: &Path, journal: u16, octets: u64) -> io::Result<Self> {
        let files = Self { directory: directory.into(), journal, octets: octets + octets / 8, spares: Arc::default() };
        let mut spares = files.spares();
        for (of, number, entry) in spares_in(directory)? {
            if of == usize::from(journal) {
                spares.next = spares.next.max(number + 1);
                // A copy of a store may have holes in the place of what was allocated.
                if entry.metadata()?.blocks() * 512 < files.octets {
                    fs::remove_file(entry.path())?;
                } else if files.keep_if_of_use(&entry.path())? {
                    spares.paths.push(entry.path());
                }
            }
        }
        drop(spares);
        Ok(files)
    }

    /// Makes the file of a segment that begins, from a spare one if there is any.
    pub fn create(&self, name: SegmentName) -> io::Result<File> {
        let path = self.path(name);
        let mut spares = self.spares();
        let Some(spare) = spares.paths.last() else { return self.allocate(&path) };
        let file = OpenOptions::new().write(true).open(spare)?;
        fs::rename(spare, &path)?;
        spares.paths.pop();
        Ok(file)
    }

    /// Allocates the spare files that are missing. An error of kind `StorageFull` when there is no room.
    pub fn refill(&self) -> io::Result<()> {
        let mut spares = self.spares();
        while spares.paths.len() < Self::RESERVE {
            let path = self.spare(&mut spares);
            self.allocate(&path)?;
            spares.paths.push(path);
        }
        Ok(())
    }

    pub fn delete(&self, name: SegmentName) -> io::Result<()> {
        let mut spares = self.spares();
        if spares.paths.len() >= Self::RESERVE {
            return fs::remove_file(self.path(name));
        }
        // An earlier process's was cut to what was written of it (`opening`).
        if !self.keep_if_of_use(&self.path(name))? {
            return Ok(());
        }
        let spare = self.spare(&mut spares);
        match fs::rename(self.path(name), &spare) {
            Ok(()) => spares.paths.push(spare),
            // Not even for a name.
            Err(error) if is_full(&error) => fs::remove_file(self.path(name))?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Fills `octets` from `offset` on, as far as the file goes.
    pub fn read(&self, name: SegmentName, offset: u64, mut octets: Vec<u8>) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(name))?;
        let mut filled = 0;
        while filled < octets.len() {
            match file.read_at(&mut octets[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        octets.truncate(filled);
        Ok(octets)
    }

    /// After files were made, renamed or removed.
    pub fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    #[must_use]
    pub fn path(&self, name: SegmentName) -> PathBuf {
        self.directory.join(name.to_string())
    }

    /// Whether a file can be a reserve: one that was cut, or made for shorter segments, is removed.
    fn keep_if_of_use(&self, path: &Path) -> io::Result<bool> {
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        if length < self.octets {
            fs::remove_file(path)?;
        } else if length > self.octets {
            file.set_len(self.octets)?;
        }
        Ok(length >= self.octets)
    }

    fn allocate(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let allocated = fill(&file, self.octets).and_then(|()| file.sync_all());
        if let Err(error) = allocated {
            // What was allocated of it is worth more to the segment that is being filled.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(file)
    }

    fn spare(&self, spares: &mut Spares) -> PathBuf {
        spares.next += 1;
        self.directory.join(format!("{:03}-spare-{}", self.journal, spares.next - 1))
    }

    fn spares(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the spare files of journals that no shard has any more.
pub fn remove_surplus(directory: &Path, shards: usize) -> io::Result<()> {
    for (journal, _, entry) in spares_in(directory)? {
        if journal >= shards {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The spare files of all journals: whose, and their numbers.
fn spares_in(directory: &Path) -> io::Result<Vec<(usize, u64, DirEntry)>> {
    let mut spares = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.split_once("-spare-"));
        let numbers = parts.and_then(|(journal, number)| Some((journal.parse().ok()?, number.parse().ok()?)));
        if let Some((journal, number)) = numbers
            && entry.file_type()?.is_file()
        {
            spares.push((journal, number, entry));
        }
    }
    Ok(spares)
}

fn fill(file: &File, octets: u64) -> io::Result<()> {
    if !sys::allocate(file, octets)? {
        let zeros = [0; 64 << 10];
        for offset in (0..octets).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset)?;
        }
    }
    Ok(())
}

/// Whether the disk has no room, or its owner may have no more of it: that may change.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether it is worth another try: the disk is full, or no descriptor is left. Never said of a sync.
pub fn may_pass(error: &io::Error) -> bool {
    is_full(error) || sys::is_out_of_descriptors(error)
}

/// Writes a batch where it belongs. It may be tried again: it is the same octets at the same place.
pub fn write(file: &File, octets: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(octets, offset)
}

/// Octets of a segment when the configuration leaves them to us: 64 MiB, or 1/16 of a shard's share of the file system where that
/// is less.
pub fn automatic_length(directory: &Path, shards: usize) -> io::Result<u64> {
    const LONGEST: u64 = 64 << 20;
    const SHORTEST: u64 = 1 << 20;
    Ok((sys::file_system_octets(directory)? / shards as u64 / 16).clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("trunkline-segments-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    impl SegmentFiles {
        fn has_reserve(&self) -> bool {
            self.spares().paths.len() >= Self::RESERVE
        }
    }

    fn name(sequence: u64) -> SegmentName {
        SegmentName { journal: 1, sequence, id: sequence }
    }

    #[test]
    fn a_segment_takes_a_spare_file_and_becomes_one_again() {
        let path = directory("spare");
        let files = SegmentFiles::open(&path, 1, 1 << 20).unwrap();
        assert!(!files.has_reserve());
        files.refill().unwrap();
        assert!(files.has_reserve());
        files.create(name(0)).unwrap();
        assert!(!files.has_reserve());
        write(&files.create(name(1)).unwrap(), b"batch", 0).unwrap();
        // Without a spare one it is allocated on the spot.
        files.create(name(2)).unwrap();
        assert_eq!(files.read(name(1), 1, vec![0; 4]).unwrap(), b"atch");
        assert_eq!(files.read(name(1), 1 << 30, vec![0; 4]).unwrap(), b"");
        for sequence in 0..3 {
            files.delete(name(sequence)).unwrap();
        }
        assert!(files.has_reserve());
        let again = SegmentFiles::open(&path, 1, 1 << 20).unwrap();
        assert!(again.has_reserve());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
        assert!(!SegmentFiles::open(&path, 2, 1 << 20).unwrap().has_reserve());
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_was_cut_or_is_no_file_is_no_reserve_and_what_is_longer_is_cut() {
        let path = directory("useless");
        let make = |name: &str, octets| File::create(path.join(name)).unwrap().set_len(octets).unwrap();
        let files = SegmentFiles::open(&path, 1, 1 << 20).unwrap();
        // An old segment, of which what was never written was given back.
        make(&name(0).to_string(), 512);
        files.delete(name(0)).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        make("001-spare-0", 512);
        fs::create_dir(path.join("001-spare-1")).unwrap();
        fs::create_dir(path.join("009-spare-0")).unwrap();
        make("009-spare-parts", 512);
        make("001-spare-2", 4 << 20);
        sys::allocate(&OpenOptions::new().write(true).open(path.join("001-spare-2")).unwrap(), 4 << 20).unwrap();
        make("001-spare-3", 9 << 17);
        remove_surplus(&path, 2).unwrap();
        let files = SegmentFiles::open(&path, 1, 1 << 20).unwrap();
        assert!(!files.has_reserve());
        files.refill().unwrap();
        let lengths = ["001-spare-2", "001-spare-4"].map(|name| fs::metadata(path.join(name)).unwrap().len());
        assert_eq!(lengths, [9 << 17; 2], "the one without holes was cut");
        assert!(!path.join("001-spare-0").exists() && path.join("009-spare-parts").exists());
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_segment_is_no_longer_than_a_sixteenth_of_the_file_system() {
        assert!((1 << 20..=64 << 20).contains(&automatic_length(Path::new("/"), 2).unwrap()));
    }
}
