//! The same journals as files in a directory: read by several threads, with what is in the way left alone.

#![expect(clippy::disallowed_methods, reason = "these tests write a store's files and spoil them")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::*;
use trunkline::runtime::store_files::{inspect_store, read_store, sync_store};

/// A directory of this test's own, gone with it.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trunkline-store-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, files: &Files) {
        for (name, octets) in files.values() {
            fs::write(self.0.join(name.to_string()), octets).unwrap();
        }
    }
}

impl Directory {
    /// The segments there are now.
    pub(super) fn segments(&self) -> Files {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap());
        let named = |entry: &fs::DirEntry| SegmentName::parse(entry.file_name().to_str().unwrap());
        let segments = entries.filter_map(|entry| Some((named(&entry)?, fs::read(entry.path()).unwrap())));
        segments.map(|(name, octets)| (name.sequence, (name, octets))).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A journal of at least three segments.
pub(super) fn lived(first_seed: u64) -> World {
    let lived = |seed| {
        let mut world = World::new(seed);
        world.live(60, seed);
        world.commit();
        world
    };
    (first_seed..).map(lived).find(|world| world.files.len() >= 3).unwrap()
}

#[test]
fn a_directory_is_read_as_its_files_are_and_other_files_are_left_alone() {
    let directory = Directory::new("read");
    let world = lived(7);
    directory.write(&world.files);
    fs::write(directory.path().join("message-ids"), "key").unwrap();
    fs::write(directory.path().join("003-0000000001-000000000000bbbb.journal.damaged"), "no segment").unwrap();
    let recovered = read_store(directory.path()).unwrap();
    let expected = recover(&world.files).unwrap();
    assert_eq!(state_of(&recovered), state_of(&expected));
    assert_eq!(recovered.segments(), expected.segments());
    assert_eq!(recovered.next_key, expected.next_key);
    assert!(recovered.segments().len() >= 3, "the order of the segments matters");
    sync_store(directory.path(), &recovered).unwrap();
}

#[test]
fn what_the_disk_no_longer_has_is_found_before_anything_relies_on_it() {
    let directory = Directory::new("lost");
    let world = lived(9);
    directory.write(&world.files);
    let recovered = read_store(directory.path()).unwrap();
    let batch = world.written.last().unwrap();
    let path = directory.path().join(batch.segment.to_string());
    let octets = fs::read(&path).unwrap();
    fs::write(&path, &octets[..batch.offset]).unwrap();
    let error = sync_store(directory.path(), &recovered).unwrap_err().to_string();
    assert!(error.contains(&batch.segment.to_string()) && error.contains("start again"), "{error}");
}

#[test]
fn no_directory_is_an_empty_store() {
    let path = std::env::temp_dir().join("trunkline-store-that-is-not-there");
    let recovered = read_store(&path).unwrap();
    assert_eq!((recovered.segments().len(), recovered.correlations().count(), recovered.next_key), (0, 0, 0));
    sync_store(&path, &recovered).unwrap();
}

#[test]
fn damage_is_one_line_that_names_file_and_offset_and_what_to_do() {
    let directory = Directory::new("damage");
    let world = lived(8);
    directory.write(&world.files);
    let batch = &world.written[1];
    let path = directory.path().join(batch.segment.to_string());
    let mut octets = fs::read(&path).unwrap();
    octets[batch.offset + 40] ^= 1;
    fs::write(&path, &octets).unwrap();
    let error = read_store(directory.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("{} at offset {}: ", batch.segment, batch.offset)), "{error}");
    assert!(error.contains("`trunkline store repair "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");

    octets[3] = 2;
    fs::write(&path, &octets).unwrap();
    let newer = read_store(directory.path()).unwrap_err().to_string();
    assert!(newer.contains("is newer than this program's") && !newer.contains("repair"), "{newer}");
}

#[test]
fn a_look_beside_the_process_that_writes_sees_no_damage() {
    let directory = Directory::new("beside");
    let path = directory.path().to_owned();
    let looks = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_and_release(&path));
        let mut looks = 0;
        while !writer.is_finished() {
            let reading = inspect_store(&path).unwrap();
            assert_eq!(reading.damage, [], "after {looks} looks");
            looks += 1;
        }
        writer.join().unwrap();
        looks
    });
    assert!(looks > 0);
    assert!(directory.segments().len() < 10, "segments were released meanwhile");
}

/// A journal whose entries are soon removed, written as the disk does it.
fn write_and_release(directory: &Path) {
    let segment_octets = 200_000;
    let mut journal = Journal::new(0, segment_octets, &[], Random::new(1));
    let (mut effects, mut places) = (Vec::new(), std::collections::VecDeque::new());
    for number in 0..6_000 {
        places.push_back((number, journal.append(&entry((2, number), true, &[b'x'; 300]))));
        if places.len() > 1_000 {
            let (number, place) = places.pop_front().unwrap();
            journal.append(&entry((2, number), false, &[b'x'; 300]));
            journal.removed(place);
        }
        let commit = journal.commit(&mut effects).unwrap();
        assert!(journal.synced(commit, &mut effects));
        for effect in effects.drain(..) {
            match effect {
                StoreEffect::Write { segment, offset, octets } => {
                    let file = fs::OpenOptions::new().write(true).open(directory.join(segment.to_string())).unwrap();
                    file.write_all_at(&octets, offset).unwrap();
                }
                StoreEffect::Create { segment } => {
                    let file = fs::File::create(directory.join(segment.to_string())).unwrap();
                    file.set_len(segment_octets + 4_096).unwrap();
                }
                StoreEffect::Delete { segment } => fs::remove_file(directory.join(segment.to_string())).unwrap(),
                StoreEffect::SyncDirectory | StoreEffect::Sync { .. } | StoreEffect::Read { .. } => {}
            }
        }
    }
}
