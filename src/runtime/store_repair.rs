//! Repairing a store: each damaged segment is set aside, and one that holds all that is still whole stands for it.
//!
//! What is behind a gap stays readable: the segment that stands for the lost one says so (`store/salvage.rs`), and where a whole
//! file is missing, the one behind the gap is written again to follow the one before it. The new file is in its place before the
//! old one goes, each step durable before the next: ended anywhere, the next repair goes on. Newer formats are never touched.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::runtime::ids::take_lock;
use crate::runtime::store_files::{StoreError, read_file, read_store, segments_in};
use crate::store::record::PreviousEnd;
use crate::store::salvage::{Salvage, said_previous, salvage};
use crate::store::segment::{Damage, DamageKind, SegmentName, read_segment};

/// Files set aside under one name: that many repairs of one segment mean something else is wrong.
const MOST_ASIDE: u32 = 100;

/// One thing that was done, in one line.
#[derive(Debug)]
pub enum Action {
    /// An earlier repair had not come to its end.
    Resumed { segment: SegmentName, aside: PathBuf },
    /// A segment stands for a damaged one.
    Salvaged { damage: Damage, salvage: Salvage, written: u64, aside: PathBuf },
    /// The segment behind a missing one follows the one before it.
    Relinked { damage: Damage, salvage: Salvage, aside: PathBuf },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resumed { segment, aside } => {
                write!(f, "{segment}: an earlier repair wrote what was whole; set aside as {}", aside.display())
            }
            Self::Salvaged { damage, salvage, written, aside } => {
                let Salvage { name, saved, batches, unreadable, .. } = salvage;
                let missing = salvage.missing_batches.max(written.saturating_sub(*batches));
                write!(
                    f,
                    "{damage}; saved {saved} records of {batches} whole batches in {name}; \
                     lost: {missing} batches or more, and {unreadable} records that need them or cannot be read; \
                     entries of theirs may be missing, receipts of theirs repeated; set aside as {}",
                    aside.display()
                )
            }
            Self::Relinked { damage, salvage, aside } => {
                let DamageKind::NextMissing { next } = damage.kind else { return damage.fmt(f) };
                write!(
                    f,
                    "{damage}; lost: what was in it, receipts of it may be repeated; {next} was written again as {} with \
                     all its {} records, to follow {}, and set aside as {}",
                    salvage.name,
                    salvage.saved,
                    damage.segment,
                    aside.display()
                )
            }
        }
    }
}

/// Takes the store's lock, or says at once that it is not free.
pub fn lock_store(directory: &Path) -> Result<File, StoreError> {
    take_lock(directory, 1).map_err(|error| StoreError::io(&directory.join("lock"), "lock", error))
}

/// Repairs until nothing is damaged, and tells each thing it did. The caller holds the lock.
pub fn repair_store(directory: &Path, mut told: impl FnMut(&Action)) -> Result<(), StoreError> {
    let segments = segments_in(directory)?;
    for segment in resume(directory, &segments)? {
        let aside = set_aside(directory, segment, "damaged")?;
        told(&Action::Resumed { segment, aside });
    }
    // Each segment is written again at most for itself, and once more to follow one that was.
    for _ in 0..2 * segments.len() + 1 {
        match read_store(directory) {
            Ok(_) => return Ok(()),
            Err(StoreError::Damage { damage, .. }) => told(&repair_one(directory, damage)?),
            Err(error @ StoreError::Io { .. }) => return Err(error),
        }
    }
    read_store(directory).map(drop)
}

/// Looks at all segments before any is touched. Returns those that another one stands for already.
fn resume(directory: &Path, segments: &[SegmentName]) -> Result<Vec<SegmentName>, StoreError> {
    let (mut octets, mut stood_for) = (Vec::new(), Vec::new());
    for name in segments {
        read_file(directory, *name, &mut octets)?;
        match read_segment(&octets, *name) {
            Ok(segment) => stood_for.extend(segment.stands_for.map(|stands_for| stands_for.id)),
            Err(damage) if matches!(damage.kind, DamageKind::NewerFormat(_)) => {
                return Err(StoreError::Damage { directory: directory.to_owned(), damage });
            }
            Err(_) => {}
        }
    }
    Ok(segments.iter().filter(|name| stood_for.contains(&name.id)).copied().collect())
}

fn repair_one(directory: &Path, damage: Damage) -> Result<Action, StoreError> {
    let old = match damage.kind {
        DamageKind::NextMissing { next } => next,
        DamageKind::NewerFormat(_) => return Err(StoreError::Damage { directory: directory.to_owned(), damage }),
        DamageKind::InvalidBatch { .. }
        | DamageKind::EndsEarly { .. }
        | DamageKind::TooLong
        | DamageKind::Begin
        | DamageKind::Record(_)
        | DamageKind::UnknownName => damage.segment,
    };
    let mut octets = Vec::new();
    read_file(directory, old, &mut octets)?;
    let is_relinked = matches!(damage.kind, DamageKind::NextMissing { .. });
    let said = said_previous(&octets, old).filter(|_| !is_relinked);
    let previous = match said {
        Some(previous) => previous,
        None => end_before(directory, old)?,
    };
    let id = getrandom::u64().map_err(|error| StoreError::io(directory, "draw an id for", io::Error::other(error)))?;
    let salvage = salvage(&octets, old, id, previous);
    put(directory, &salvage)?;
    if is_relinked {
        let aside = set_aside(directory, old, "replaced")?;
        return Ok(Action::Relinked { damage, salvage, aside });
    }
    let written = if let DamageKind::EndsEarly { written, .. } = damage.kind { written } else { 0 };
    let aside = set_aside(directory, old, "damaged")?;
    Ok(Action::Salvaged { damage, salvage, written, aside })
}

/// Where the used segment before this one ends.
fn end_before(directory: &Path, segment: SegmentName) -> Result<Option<PreviousEnd>, StoreError> {
    let mut octets = Vec::new();
    let is_before = |name: &SegmentName| name.journal == segment.journal && name.sequence < segment.sequence;
    for name in segments_in(directory)?.into_iter().filter(is_before) {
        read_file(directory, name, &mut octets)?;
        match read_segment(&octets, name) {
            Ok(before) if before.batches == 0 => {}
            Ok(before) => return Ok(Some(before.state().end())),
            // It will be repaired next, and what stands for it is taken as it is.
            Err(_) => return Ok(Some(PreviousEnd { id: name.id, batches: 0, end: 0 })),
        }
    }
    Ok(None)
}

fn put(directory: &Path, salvage: &Salvage) -> Result<(), StoreError> {
    let path = directory.join(salvage.name.to_string());
    let fresh = with_suffix(&path, "new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(&salvage.octets)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| StoreError::io(&path, "write", error))
}

/// Renames a segment's file so that it is no segment any more. Returns the new path.
fn set_aside(directory: &Path, segment: SegmentName, why: &str) -> Result<PathBuf, StoreError> {
    let path = directory.join(segment.to_string());
    let failed = |error| StoreError::io(&path, "set aside", error);
    let names = (1..=MOST_ASIDE).map(|time| if time == 1 { why.to_owned() } else { format!("{why}.{time}") });
    let free = names.map(|suffix| with_suffix(&path, &suffix)).find(|aside| !aside.exists());
    let aside = free.ok_or_else(|| failed(io::ErrorKind::AlreadyExists.into()))?;
    fs::rename(&path, &aside).and_then(|()| File::open(directory)?.sync_all()).map_err(failed)?;
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
