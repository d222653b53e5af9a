//! Replay: any prefix of a journal is the state at that point, and no journal outgrows what lives in it.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_state_after_any_commit_is_recovered_from_what_was_written_until_then(seed: u64) {
        let mut world = World::new(seed);
        for _ in 0..40 {
            for _ in 0..world.below(12) {
                world.step();
            }
            world.commit();
            // What was appended again since is not written yet, and lives where it was.
            let (state, _) = state_of(&recover(&world.files).unwrap());
            prop_assert_eq!(&state, &world.state);
        }
    }

    #[test]
    fn a_crash_costs_no_synced_entry_and_brings_none_back(seed: u64) {
        World::new(seed).live(80, seed);
    }

    #[test]
    fn a_journal_is_bounded_by_what_lives_in_it(seed: u64) {
        let mut world = World::new(seed);
        for _ in 0..300 {
            for _ in 0..world.below(12) {
                world.step();
            }
            world.commit();
            let slack = 6 * SEGMENT_OCTETS;
            prop_assert!(world.journal.octets() <= 2 * world.journal.live_octets() + slack);
            // One may have begun whose first batch waits.
            prop_assert!(world.journal.segments() - world.files.len() <= 1);
        }
    }

    #[test]
    fn the_next_process_knows_what_lives_in_each_segment_as_this_one_does(seed: u64) {
        let mut world = World::new(seed);
        world.live(60, seed);
        world.commit();
        world.commit();
        let recovered = recover(&world.files).unwrap();
        let live: u64 = recovered.segments().iter().map(|segment| segment.live).sum();
        let (_, places) = state_of(&recovered);
        prop_assert_eq!(live, places.values().map(|place| u64::from(place.octets)).sum::<u64>());
        prop_assert_eq!(places.len(), world.places.len());
    }
}
