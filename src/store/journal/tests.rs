//! A journal commits one batch at a time and releases the oldest first.

use super::*;
use crate::smpp::message_id::MessageId;

const SEGMENT_OCTETS: u64 = 1_000;

fn journal() -> Journal {
    Journal::new(1, SEGMENT_OCTETS, &[], Random::new(7))
}

fn delivery(key: u64, body: &[u8]) -> Entry<'_, &'static str> {
    let kind = crate::engine::event::HoldingKind::Delivery(crate::engine::message::DeliveryKind::Mo);
    Entry::Holding { account: "acme", id: MessageId::new(key), key, kind, born: 0, body }
}

fn gone(key: u64) -> Entry<'static, &'static str> {
    Entry::HoldingGone { account: "acme", key }
}

/// Commits what waits, and says what the disk was to do.
fn commit(journal: &mut Journal) -> Vec<StoreEffect> {
    let mut effects = Vec::new();
    if let Some(commit) = journal.commit(&mut effects) {
        assert!(journal.synced(commit, &mut effects));
    }
    effects
}

fn deleted(effects: &[StoreEffect]) -> Vec<u64> {
    let sequence = |effect: &StoreEffect| match effect {
        StoreEffect::Delete { segment } => Some(segment.sequence),
        StoreEffect::Create { .. }
        | StoreEffect::SyncDirectory
        | StoreEffect::Write { .. }
        | StoreEffect::Sync { .. }
        | StoreEffect::Read { .. } => None,
    };
    effects.iter().filter_map(sequence).collect()
}

#[test]
fn a_commit_waits_for_the_one_before_it_and_takes_all_that_came_meanwhile() {
    let mut journal = journal();
    let mut effects = Vec::new();
    assert_eq!(journal.commit(&mut effects), None);
    journal.append(&delivery(1, b"a"));
    assert_eq!(journal.commit(&mut effects), Some(1));
    let [
        StoreEffect::Create { .. },
        StoreEffect::SyncDirectory,
        StoreEffect::Write { offset: 0, .. },
        StoreEffect::Sync { commit: 1, .. },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    effects.clear();
    journal.append(&delivery(2, b"b"));
    journal.append(&delivery(3, b"c"));
    assert_eq!(journal.commit(&mut effects), None);
    assert!(journal.synced(1, &mut effects));
    assert_eq!((journal.commit(&mut effects), effects.len()), (Some(2), 2));
    let StoreEffect::Write { offset: 512, octets, .. } = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(octets.len(), 512);
}

#[test]
fn correlations_of_endless_ids_are_not_written_again_and_again() {
    let (mut journal, carrier_id) = (journal(), vec![b'x'; 60_000]);
    for number in 1..20 {
        let id = MessageId::new(number);
        let (carrier, account, addresses) = ("north", "acme", &b""[..]);
        let (destination, born, is_muted) = (0, 0, false);
        let carrier_id = &carrier_id;
        journal.append(&Entry::Correlation {
            carrier,
            account,
            id,
            destination,
            born,
            is_muted,
            carrier_id,
            addresses,
            shown: None,
        });
        commit(&mut journal);
        assert_eq!(journal.begin_rewrite(true), None, "all of it lives");
    }
}

#[test]
fn nothing_is_acknowledged_after_a_failure() {
    let mut journal = journal();
    let mut effects = Vec::new();
    journal.append(&delivery(1, b"a"));
    let commit = journal.commit(&mut effects).unwrap();
    journal.failed();
    assert!(!journal.synced(commit, &mut effects));
    journal.append(&delivery(2, b"b"));
    assert_eq!(journal.commit(&mut effects), None);
    assert!(effects.len() == 4);
}

#[test]
fn segments_go_oldest_first_and_only_once_what_emptied_them_is_durable() {
    let mut journal = journal();
    let places: Vec<_> = (0..6)
        .map(|key| {
            let place = journal.append(&delivery(key, b"body"));
            commit(&mut journal);
            place
        })
        .collect();
    assert_eq!(places.iter().map(|place| place.segment).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
    for key in [2, 3] {
        journal.append(&gone(key));
        journal.removed(places[key as usize]);
    }
    assert_eq!(deleted(&commit(&mut journal)), [] as [u64; 0], "an older one lives");

    let mut effects = Vec::new();
    journal.append(&gone(5));
    journal.commit(&mut effects);
    for key in [0, 1] {
        journal.append(&gone(key));
        journal.removed(places[key as usize]);
    }
    effects.clear();
    assert!(journal.synced(journal.begun, &mut effects));
    assert_eq!(deleted(&effects), [] as [u64; 0], "the removals are not durable yet");
    let effects = commit(&mut journal);
    assert_eq!(deleted(&effects), [0, 1]);
    assert_eq!(effects.last(), Some(&StoreEffect::SyncDirectory));
}

#[test]
fn a_journal_larger_than_twice_what_lives_is_rewritten_from_its_oldest_segment() {
    let mut journal = journal();
    let old = journal.append(&delivery(0, &[1; 300]));
    commit(&mut journal);
    journal.append(&delivery(1, &[1; 300]));
    commit(&mut journal);
    assert_eq!(journal.begin_rewrite(false), None, "it is being filled");
    for key in 2..8 {
        let place = journal.append(&delivery(key, &[1; 300]));
        commit(&mut journal);
        journal.append(&gone(key));
        journal.removed(place);
        commit(&mut journal);
    }
    assert_eq!(journal.begin_rewrite(true).map(|segment| segment.name.sequence), Some(0));
    assert_eq!(journal.begin_rewrite(true), None);
    let first = journal.append(&delivery(0, &[1; 300]));
    journal.removed(old);
    let second = journal.append(&delivery(1, &[1; 300]));
    journal.removed(old);
    let released = deleted(&commit(&mut journal));
    assert_eq!(released[0], 0);
    assert_eq!(journal.live_octets(), u64::from(first.octets + second.octets));
}

#[test]
fn without_room_the_oldest_segment_is_emptied_as_soon_as_that_frees_something() {
    let mut journal = journal();
    let mut places: Vec<_> = Vec::new();
    for key in 0..8 {
        places.push(journal.append(&delivery(key, &[1; 400])));
        commit(&mut journal);
    }
    assert_eq!((journal.begin_rewrite(true), journal.begin_rewrite(false)), (None, None), "all of it lives");
    for key in [1, 3] {
        journal.append(&gone(key));
        journal.removed(places[key as usize]);
    }
    commit(&mut journal);
    assert_eq!(journal.begin_rewrite(true), None);
    assert_eq!(journal.begin_rewrite(false).map(|segment| segment.name.sequence), Some(0));
}

#[test]
fn a_rewriting_that_left_something_behind_is_tried_again_with_the_next_segment() {
    let mut journal = journal();
    for key in 0..8 {
        let place = journal.append(&delivery(key, &[1; 300]));
        commit(&mut journal);
        if key > 0 {
            journal.append(&gone(key));
            journal.removed(place);
            commit(&mut journal);
        }
    }
    let segment = journal.begin_rewrite(true).unwrap().name;
    journal.rewritten(SegmentName { sequence: 1, ..segment });
    assert!(journal.is_rewriting(segment));
    journal.rewritten(segment);
    assert_eq!(journal.begin_rewrite(true), None, "what lives there is on its way somewhere");
    while journal.next_segment() == journal.segments.back().unwrap().segment.name.sequence as u16 {
        journal.append(&gone(9));
        commit(&mut journal);
    }
    journal.append(&gone(9));
    assert!(journal.begin_rewrite(true).is_some());
}

#[test]
fn after_a_start_the_old_segments_are_never_filled_and_the_new_one_says_where_they_end() {
    let name = SegmentName { journal: 1, sequence: 8, id: 5 };
    let used = SegmentState { name, batches: 3, octets: 2_048, live: 40 };
    let unused = SegmentState { name: SegmentName { sequence: 9, id: 6, ..name }, batches: 0, octets: 0, live: 0 };
    let mut journal = Journal::new(1, SEGMENT_OCTETS, &[used, unused], Random::new(7));
    journal.restored(Place { segment: 8, octets: 40 });
    assert_eq!(journal.next_segment(), 10);
    let place = journal.append(&delivery(1, b"a"));
    assert_eq!(place.segment, 10);
    let effects = commit(&mut journal);
    let Some(StoreEffect::Write { segment, octets, .. }) = effects.get(2) else { panic!("{effects:?}") };
    let read = crate::store::segment::read_segment(octets, *segment).unwrap();
    assert_eq!(read.previous, Some(PreviousEnd { id: 5, batches: 3, end: 2_048 }));
    journal.removed(Place { segment: 8, octets: 40 });
    journal.append(&gone(9));
    assert_eq!(deleted(&commit(&mut journal)), [8, 9]);
}
