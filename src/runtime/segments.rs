//! One journal's files: segments by their names, and spare ones that are allocated before they are needed.
//!
//! Two spare files are the reserve of DESIGN section 9: while one of them is missing the store has no room, and what is
//! already promised still has somewhere to go. A released segment becomes a spare again: overwriting what is allocated and
//! written costs a sync less than half of what fresh blocks do.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
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

    /// Finds the spare files of an earlier process. `octets` is a segment's length; some more is allocated, for a segment ends
    /// with the batch that fills it.
    pub fn open(directory: &Path, journal: u16, octets: u64) -> io::Result<Self> {
        let prefix = format!("{journal:03}-spare-");
        let mut spares = Spares::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(number) = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse::<u64>().ok()) {
                spares.next = spares.next.max(number + 1);
                spares.paths.push(entry.path());
            }
        }
        let octets = octets + octets / 4;
        Ok(Self { directory: directory.into(), journal, octets, spares: Arc::new(Mutex::new(spares)) })
    }

    /// Makes the file of a segment that begins, from a spare one if there is any.
    pub fn create(&self, name: SegmentName) -> io::Result<File> {
        let path = self.path(name);
        let mut spares = self.spares();
        let Some(spare) = spares.paths.last() else { return self.allocate(&path) };
        fs::rename(spare, &path)?;
        spares.paths.pop();
        OpenOptions::new().write(true).open(&path)
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

    #[must_use]
    pub fn has_reserve(&self) -> bool {
        self.spares().paths.len() >= Self::RESERVE
    }

    pub fn delete(&self, name: SegmentName) -> io::Result<()> {
        let mut spares = self.spares();
        if spares.paths.len() >= Self::RESERVE {
            return fs::remove_file(self.path(name));
        }
        let spare = self.spare(&mut spares);
        fs::rename(self.path(name), &spare)?;
        spares.paths.push(spare);
        Ok(())
    }

    pub fn read(&self, name: SegmentName) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        File::open(self.path(name))?.read_to_end(&mut octets)?;
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

    fn allocate(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let allocated = sys::allocate(&file, self.octets).and_then(|()| file.sync_all());
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
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let journal = name.to_str().and_then(|name| name.split_once("-spare-")?.0.parse::<usize>().ok());
        if journal.is_some_and(|journal| journal >= shards) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a batch where it belongs. It may be tried again: it is the same octets at the same place.
pub fn write(file: &File, octets: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(octets, offset)
}

/// Octets of a segment when the configuration leaves them to us: 64 MiB, or 1/16 of the file system where that is less.
pub fn automatic_length(directory: &Path) -> io::Result<u64> {
    const LONGEST: u64 = 64 << 20;
    const SHORTEST: u64 = 1 << 20;
    Ok((sys::file_system_octets(directory)? / 16).clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("trunkline-segments-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
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
        assert_eq!(&files.read(name(1)).unwrap()[..5], b"batch");
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
    fn a_segment_is_no_longer_than_a_sixteenth_of_the_file_system() {
        assert!((1 << 20..=64 << 20).contains(&automatic_length(Path::new("/")).unwrap()));
    }
}
