//! Stores cut, flipped, zeroed and with files missing, then repaired: the next start succeeds, what was not in the damaged batches
//! is all there, and no removal that can still be read is forgotten.

#![expect(clippy::disallowed_methods, reason = "these tests write a store's files and spoil them")]

use std::collections::{BTreeSet, HashSet};
use std::fs;

use trunkline::runtime::store_files::{StoreError, read_store};
use trunkline::runtime::store_repair::{Action, lock_store, repair_store};
use trunkline::store::batch::HEADER_LEN;
use trunkline::store::record::NameKind;
use trunkline::store::segment::DamageKind;

use super::files::{Directory, lived};
use super::torn::{is_intact, spoil};
use super::*;

/// What can still be read of all that was written, entries and removals, found without the code under test.
#[derive(Debug, Default)]
struct Readable {
    kept: BTreeSet<EntryKey>,
    gone: BTreeSet<EntryKey>,
}

impl Readable {
    fn of(world: &World, files: &Files) -> Self {
        let mut readable = Self::default();
        let mut names: BTreeMap<u64, Vec<(NameKind, bool)>> = BTreeMap::new();
        for batch in &world.written {
            let is_whole = files.contains_key(&batch.segment.sequence) && is_intact(batch, files);
            let names = names.entry(batch.segment.sequence).or_default();
            let len = u32::from_le_bytes(*batch.octets[20..].first_chunk().unwrap()) as usize;
            let mut payload = &batch.octets[HEADER_LEN..HEADER_LEN + len];
            while !payload.is_empty() {
                match StoreRecord::decode(&mut payload).unwrap() {
                    StoreRecord::Begin(_) | StoreRecord::StandsFor(_) => {}
                    StoreRecord::Name { kind, .. } => names.push((kind, is_whole)),
                    StoreRecord::Entry(entry) => {
                        let mut is_named = is_whole;
                        entry.map_names(|_, index| is_named &= names[index.0 as usize].1);
                        if is_named {
                            let set = if entry.is_kept() { &mut readable.kept } else { &mut readable.gone };
                            set.insert(any_key(&entry));
                        }
                    }
                }
            }
        }
        readable
    }
}

fn any_key<N>(entry: &Entry<'_, N>) -> EntryKey {
    match *entry {
        Entry::Correlation { id, .. } | Entry::CorrelationGone { id, .. } => (0, id.bits() >> 7),
        Entry::Early { key, .. } | Entry::EarlyGone { key, .. } => (1, key),
        Entry::Holding { key, .. } | Entry::HoldingGone { key, .. } => (2, key),
        Entry::Unrouted { key, .. } | Entry::UnroutedGone { key, .. } => (3, key),
        Entry::Cdr { sequence, .. } => (4, sequence),
    }
}

/// Checks what lives after a repair; `ever` says which entries there ever were.
fn check(world: &World, state: &State, readable: &Readable, seed: u64) {
    for (key, expected) in &world.state {
        if readable.kept.contains(key) {
            assert_eq!(state.get(key), Some(expected), "seed {seed}: an entry that can be read was lost");
        }
    }
    for (key, found) in state {
        assert!(!readable.gone.contains(key), "seed {seed}: {found} rose again");
        let was = format!("{:?}", entry(*key, true, &[b'x'; 300]));
        assert_eq!(**found, *was, "seed {seed}");
    }
}

#[test]
fn a_repaired_store_starts_and_has_all_that_was_not_damaged() {
    let mut seen = HashSet::new();
    for seed in 0..150 {
        let mut world = lived(1_000 * seed);
        let mut files = world.files.clone();
        for _ in 0..1 + world.below(2) {
            let at = world.below(files.len());
            let sequence = *files.keys().nth(at).unwrap();
            if world.below(4) == 0 {
                files.remove(&sequence);
            } else {
                spoil(&mut world, &mut files.get_mut(&sequence).unwrap().1);
            }
        }
        let readable = Readable::of(&world, &files);
        let directory = Directory::new(&format!("repair-{seed}"));
        directory.write(&files);
        if let Err(StoreError::Damage { damage, .. }) = read_store(directory.path()) {
            seen.insert(std::mem::discriminant(&damage.kind));
            assert!(recover(&files).is_err(), "seed {seed}: {damage}");
        }
        match repair_store(directory.path(), |_| {}) {
            Err(StoreError::Damage { damage, .. }) if matches!(damage.kind, DamageKind::NewerFormat(_)) => {
                for (name, octets) in files.values() {
                    assert_eq!(&fs::read(directory.path().join(name.to_string())).unwrap(), octets, "seed {seed}");
                }
                continue;
            }
            repaired => repaired.unwrap_or_else(|error| panic!("seed {seed}: {error}")),
        }
        let recovered = read_store(directory.path()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        check(&world, &state_of(&recovered).0, &readable, seed);
        repair_store(directory.path(), |action| panic!("seed {seed}: {action}")).unwrap();
        go_on(&mut world, &recovered, &directory, seed);
    }
    assert!(seen.len() >= 3, "a batch, a file's end and a file must each have been lost");
}

/// The next process's journal follows a repaired one as it follows any.
fn go_on(world: &mut World, recovered: &Recovered, directory: &Directory, seed: u64) {
    world.journal = Journal::new(1, SEGMENT_OCTETS, recovered.segments(), Random::new(seed));
    world.files = directory.segments();
    world.written.clear();
    (world.state, world.places) = state_of(recovered);
    world.places.values().for_each(|place| world.journal.restored(*place));
    for _ in 0..20 {
        world.step();
        world.commit();
    }
    let state = recover(&world.files).unwrap_or_else(|damage| panic!("seed {seed}: {damage}"));
    assert_eq!(state_of(&state).0, world.state, "seed {seed}");
}

/// A store whose oldest segment has a damaged batch, which is not its first.
fn damaged(directory: &Directory) -> (World, Files, SegmentName) {
    let is_found = |world: &World| world.written.windows(3).any(is_amid);
    let world = (0..).map(|seed| lived(1_000 * seed)).find(is_found).unwrap();
    let batch = &world.written.windows(3).find(|three| is_amid(three)).unwrap()[1];
    let mut files = world.files.clone();
    files.get_mut(&batch.segment.sequence).unwrap().1[batch.offset + HEADER_LEN] ^= 1;
    directory.write(&files);
    let segment = batch.segment;
    (world, files, segment)
}

fn is_amid(three: &[Written]) -> bool {
    three.iter().all(|batch| batch.segment == three[0].segment)
}

#[test]
fn a_repair_that_was_interrupted_goes_on() {
    let directory = Directory::new("interrupted");
    let (world, files, segment) = damaged(&directory);
    repair_store(directory.path(), |_| {}).unwrap();
    let once = state_of(&read_store(directory.path()).unwrap());
    // As if it had ended before the damaged file was set aside.
    let file = directory.path().join(segment.to_string());
    fs::rename(directory.path().join(format!("{segment}.damaged")), &file).unwrap();
    assert!(read_store(directory.path()).is_err());
    let mut told = Vec::new();
    repair_store(directory.path(), |action| told.push(format!("{action:?}"))).unwrap();
    assert!(told.len() == 1 && told[0].starts_with("Resumed"), "{told:?}");
    assert_eq!(state_of(&read_store(directory.path()).unwrap()), once);
    check(&world, &once.0, &Readable::of(&world, &files), 0);
}

#[test]
fn what_stands_for_a_damaged_segment_is_itself_checked_to_its_end() {
    let directory = Directory::new("twice");
    let (world, _, segment) = damaged(&directory);
    let mut names = Vec::new();
    let mut told = |action: &Action| {
        if let Action::Salvaged { salvage, .. } = action {
            names.push(salvage.name);
        }
    };
    repair_store(directory.path(), &mut told).unwrap();
    let path = directory.path().join(names[0].to_string());
    let octets = fs::read(&path).unwrap();
    fs::write(&path, &octets[..octets.len() - 512]).unwrap();
    let error = read_store(directory.path()).unwrap_err().to_string();
    assert!(error.contains(&names[0].to_string()) && error.contains("ends after"), "{error}");
    repair_store(directory.path(), |_| {}).unwrap();
    let state = state_of(&read_store(directory.path()).unwrap()).0;
    for (key, place) in &state_of(&recover(&world.files).unwrap()).1 {
        let is_elsewhere = place.segment != segment.sequence as u16;
        assert!(!is_elsewhere || state.get(key) == world.state.get(key), "{key:?} was not in the damaged segment");
    }
}

#[test]
fn a_newer_format_anywhere_keeps_everything_untouched() {
    let directory = Directory::new("newer");
    let (_, mut files, segment) = damaged(&directory);
    let (newer, octets) = files.values_mut().find(|(name, _)| name.sequence > segment.sequence).unwrap();
    octets[3] = 9;
    let newer = *newer;
    directory.write(&files);
    let error = repair_store(directory.path(), |action| panic!("{action}")).unwrap_err().to_string();
    assert!(error.contains(&newer.to_string()) && error.contains("nothing was touched"), "{error}");
    assert_eq!(directory.segments(), files);
}

#[test]
fn a_store_that_a_process_owns_is_not_repaired() {
    let directory = Directory::new("owned");
    let lock = lock_store(directory.path()).unwrap();
    let error = lock_store(directory.path()).unwrap_err().to_string();
    assert!(error.contains("another running process owns the store") && error.lines().count() == 1, "{error}");
    drop(lock);
    lock_store(directory.path()).unwrap();
}
