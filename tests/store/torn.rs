//! Octets cut, flipped or zeroed anywhere: the synced records come back, or the damage is named with its offset. Nothing panics,
//! and nothing is ever wrong or risen again. `TORN_SEEDS=n` tries more of them.
//!
//! What no reader can know: when the last batches of all lose their octets after they were synced, it looks as if they never
//! had been written. Then the state before them comes back.

use super::*;
use trunkline::store::batch::HEADER_LEN;
use trunkline::store::segment::DamageKind;

#[test]
fn synced_records_come_back_or_damage_is_reported_whatever_happens_to_the_octets() {
    let seeds = std::env::var("TORN_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1_000);
    let mut seen = [0; 3];
    for seed in 0..seeds {
        let mut world = World::new(seed);
        let commits = 5 + world.below(40);
        world.live(commits, seed);
        world.commit();
        for _ in 0..8 {
            seen[spoil_and_recover(&mut world, seed)] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "each outcome must have been tried: {seen:?}");
}

/// Spoils a copy of the files once and recovers from it. Returns which outcome was right: all, a shorter past, or damage.
fn spoil_and_recover(world: &mut World, seed: u64) -> usize {
    let mut files = world.files.clone();
    let at = world.below(files.len());
    let sequence = *files.keys().nth(at).unwrap();
    spoil(world, &mut files.get_mut(&sequence).unwrap().1);
    let broken: Vec<bool> = world.written.iter().map(|batch| !is_intact(batch, &files)).collect();
    let outcome = recover(&files);
    let Some(first) = broken.iter().position(|is_broken| *is_broken) else {
        // A first batch that a crash tore, with its version spoiled on top, may be a later format's.
        let is_torn_version = |damage: &Damage| {
            let is_unused = world.written.iter().all(|batch| batch.segment != damage.segment);
            matches!(damage.kind, DamageKind::NewerFormat(_)) && is_unused
        };
        if outcome.as_ref().err().is_some_and(is_torn_version) {
            return 2;
        }
        let recovered = outcome.unwrap_or_else(|damage| panic!("seed {seed}: {damage}, and every batch is whole"));
        let last = world.written.last().map(|batch| batch.state.clone()).unwrap_or_default();
        assert_eq!(state_of(&recovered).0, *last, "seed {seed}");
        return 0;
    };
    let batch = &world.written[first];
    match outcome {
        Err(damage) => {
            assert_eq!((damage.segment, damage.offset), (batch.segment, batch.offset), "seed {seed}: {damage}");
            let is_version = matches!(damage.kind, DamageKind::NewerFormat(_));
            assert!(is_version || broken[first..].contains(&false), "seed {seed}: {damage} in a mere tail");
            2
        }
        Ok(recovered) => {
            assert!(!broken[first..].contains(&false), "seed {seed}: a whole batch behind {batch:?} was given up");
            let past = first.checked_sub(1).map(|at| world.written[at].state.clone());
            let state = state_of(&recovered).0;
            // Entries appended again in what was lost may have had their first copies deleted since.
            if batch.deleted == world.deleted {
                assert_eq!(state, *past.unwrap_or_default(), "seed {seed}");
            } else if let Some(past) = past {
                assert!(state.iter().all(|(key, entry)| past.get(key) == Some(entry)), "seed {seed}");
            } else {
                assert!(state.is_empty(), "seed {seed}");
            }
            1
        }
    }
}

pub(super) fn spoil(world: &mut World, octets: &mut Vec<u8>) {
    if octets.is_empty() {
        return;
    }
    let at = world.below(octets.len());
    match world.below(4) {
        0 => octets.truncate(at),
        1 => octets[at] ^= 1 << world.below(8),
        2 => {
            let end = (at + 1 + world.below(2_000)).min(octets.len());
            octets[at..end].fill(0);
        }
        // From there on.
        _ => octets[at..].fill(0),
    }
}

pub(super) fn is_intact(batch: &Written, files: &Files) -> bool {
    let file = &files[&batch.segment.sequence].1;
    let len = u32::from_le_bytes(*batch.octets[20..].first_chunk().unwrap()) as usize;
    let end = HEADER_LEN + len;
    file.len() >= batch.offset + batch.octets.len() && file[batch.offset..batch.offset + end] == batch.octets[..end]
}

#[test]
fn a_missing_segment_between_others_is_damage() {
    let mut found = 0;
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.live(40, seed);
        world.commit();
        let used: Vec<_> = world.written.iter().map(|batch| batch.segment.sequence).collect();
        let (first, last) = (*used.first().unwrap(), *used.last().unwrap());
        let Some(between) = used.into_iter().find(|sequence| *sequence != first && *sequence != last) else { continue };
        let mut files = world.files.clone();
        files.remove(&between);
        let damage = recover(&files).err().map(|damage| damage.kind);
        assert!(matches!(damage, Some(DamageKind::NextMissing { .. })), "seed {seed}: {damage:?}");
        found += 1;
    }
    assert!(found > 10);
}
