//! The store's files: a directory of segments, read whole at a start by several threads.
//!
//! As many segments as there are cores are held at once: each is read, checked with the segment behind it, and merged, the
//! newest of all journals first. Files that are no segments are left alone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;

use crate::runtime::sys;
use crate::store::recovered::Recovered;
use crate::store::recovery::Recovery;
use crate::store::segment::{
    Damage, DamageKind, JournalCheck, LONGEST, Segment, SegmentName, SegmentState, read_segment,
};
use crate::store::sorted::Sorted;

/// More would hold more segments at once, and the disk and the memory's bandwidth are the limit.
const MOST_THREADS: usize = 8;
/// A segment that is written while it is read may look damaged, half of it being older than the other half. What another look
/// sees again is damage.
const MORE_LOOKS: u32 = 10;

/// Why a store cannot be read, in one line.
#[derive(Debug)]
pub enum StoreError {
    Io { path: PathBuf, doing: &'static str, error: io::Error },
    Damage { directory: PathBuf, damage: Damage },
}

impl StoreError {
    pub fn io(path: &Path, doing: &'static str, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing, error }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, error } => write!(f, "store: cannot {doing} {}: {error}", path.display()),
            Self::Damage { directory, damage } => {
                write!(f, "store {}: {damage}; ", directory.display())?;
                if let DamageKind::NewerFormat(_) = damage.kind {
                    return f.write_str("nothing was touched, run the version that wrote it");
                }
                write!(f, "`trunkline store repair {}` sets the segment aside", directory.display())
            }
        }
    }
}

/// What a directory holds, and all that is damaged in it.
#[derive(Debug)]
pub struct StoreReading {
    /// Without the damaged segments.
    pub recovered: Recovered,
    pub damage: Vec<Damage>,
    /// Segments with something behind their last whole batch.
    pub torn: Vec<SegmentName>,
}

/// Reads everything, or says what is damaged. A directory that is not there is an empty store.
pub fn read_store(directory: &Path) -> Result<Recovered, StoreError> {
    Ok(read(directory, |damage| Err(StoreError::Damage { directory: directory.to_owned(), damage }))?.recovered)
}

/// Reads all that can be read, also beside a process that writes it.
pub fn inspect_store(directory: &Path) -> Result<StoreReading, StoreError> {
    let mut reading = read_tolerant(directory)?;
    for _ in 0..MORE_LOOKS {
        if reading.damage.is_empty() {
            break;
        }
        let seen = std::mem::replace(&mut reading, read_tolerant(directory)?).damage;
        let found = reading.damage.len();
        reading.damage.retain(|damage| seen.contains(damage));
        if reading.damage.len() == found {
            break;
        }
    }
    Ok(reading)
}

fn read_tolerant(directory: &Path) -> Result<StoreReading, StoreError> {
    let mut damage = Vec::new();
    let mut reading = read(directory, |found| {
        damage.push(found);
        Ok(())
    })?;
    reading.damage = damage;
    Ok(reading)
}

/// Makes durable what was read: a process that was killed may have left it in the page cache alone, and the first batch of the
/// next segment will say that it is there. Then asks the disk itself: after a sync that failed, the page cache alone holds what
/// the disk never got, and calls it clean.
pub fn sync_store(directory: &Path, recovered: &Recovered) -> Result<(), StoreError> {
    let mut octets = Vec::new();
    for journal in recovered.journals() {
        let last_used = journal.iter().rposition(|segment| segment.batches > 0).unwrap_or(0);
        for segment in &journal[last_used..] {
            sync_segment(directory, segment, &mut octets)?;
        }
    }
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(directory, "sync", error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_segment(directory: &Path, segment: &SegmentState, octets: &mut Vec<u8>) -> Result<(), StoreError> {
    let path = directory.join(segment.name.to_string());
    let synced = File::open(&path).and_then(|file| {
        file.sync_data()?;
        sys::drop_cached(&file)
    });
    synced.map_err(|error| StoreError::io(&path, "sync", error))?;
    read_file(directory, segment.name, octets)?;
    let again = read_segment(octets, segment.name);
    let again = again.map_err(|damage| StoreError::Damage { directory: directory.to_owned(), damage })?;
    if again.batches >= segment.batches {
        return Ok(());
    }
    let lost = io::Error::other("the disk holds less than the page cache did: the disk failed, start again");
    Err(StoreError::io(&path, "sync", lost))
}

/// The segments in a directory, the newest first.
pub fn segments_in(directory: &Path) -> Result<Vec<SegmentName>, StoreError> {
    let failed = |error| StoreError::io(directory, "list", error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().to_str().and_then(SegmentName::parse));
    }
    names.sort_unstable_by_key(|name| std::cmp::Reverse((name.sequence, name.journal, name.id)));
    Ok(names)
}

/// Puts a segment's octets into `into`. False when there is no such file: it has been released.
pub fn read_file(directory: &Path, name: SegmentName, into: &mut Vec<u8>) -> Result<bool, StoreError> {
    let path = directory.join(name.to_string());
    into.clear();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(|error| StoreError::io(&path, "open", error))?,
    };
    // One octet more than may be read says that it is too long.
    let read = file.take(LONGEST as u64 + 1).read_to_end(into);
    read.map_err(|error| StoreError::io(&path, "read", error))?;
    Ok(true)
}

type Found<'a> = Option<Result<Segment<'a>, Damage>>;

fn read(
    directory: &Path,
    mut on_damage: impl FnMut(Damage) -> Result<(), StoreError>,
) -> Result<StoreReading, StoreError> {
    let names = segments_in(directory)?;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let mut buffers = vec![Vec::new(); threads];
    let mut checks: BTreeMap<u16, JournalCheck> = BTreeMap::new();
    let (mut recovery, mut torn) = (Recovery::new(), Vec::new());
    for names in names.chunks(threads) {
        let reads = buffers.iter_mut().zip(names).map(|(buffer, name)| (*name, buffer)).collect();
        let mut whole = Vec::new();
        for (name, found) in names.iter().zip(each(reads, |(name, buffer)| read_one(directory, name, buffer))) {
            let check = checks.entry(name.journal).or_default();
            match found? {
                None => {}
                Some(Err(damage)) => {
                    check.pass_over();
                    on_damage(damage)?;
                }
                Some(Ok(mut segment)) => {
                    // What it has is whole by itself, also when something is missing behind it.
                    check.check(&mut segment).or_else(&mut on_damage)?;
                    torn.extend(segment.is_torn.then_some(*name));
                    whole.push(segment);
                }
            }
        }
        let mut round = Vec::new();
        for sorted in each(whole, |segment| Sorted::of(&segment)) {
            match sorted {
                Ok(sorted) => round.push(sorted),
                Err(damage) => on_damage(damage)?,
            }
        }
        let (parts, sources) = recovery.number(&mut round);
        let lanes = parts.chunks_mut(parts.len().div_ceil(threads)).collect();
        each(lanes, |parts| parts.iter_mut().for_each(|part| part.merge(&round, sources)));
    }
    let parts = recovery.parts();
    let lanes = parts.chunks_mut(parts.len().div_ceil(threads)).collect();
    each(lanes, |parts| parts.iter_mut().for_each(|part| part.close()));
    Ok(StoreReading { recovered: recovery.finish(), damage: Vec::new(), torn })
}

fn read_one<'a>(directory: &Path, name: SegmentName, buffer: &'a mut Vec<u8>) -> Result<Found<'a>, StoreError> {
    Ok(read_file(directory, name, buffer)?.then(|| read_segment(buffer, name)))
}

/// Runs `work` on each of `items`, on a thread of its own when there are several.
fn each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    if items.len() < 2 {
        return items.into_iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
