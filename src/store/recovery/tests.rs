//! The merge keeps what lives, whatever the order, and where each lies.

use super::*;
use crate::engine::event::HoldingKind;
use crate::engine::message::DeliveryKind;
use crate::engine::random::Random;
use crate::smpp::message_id::MessageId;
use crate::store::journal::{Journal, StoreEffect};
use crate::store::segment::{SegmentName, read_segment};

type Named = Entry<'static, &'static str>;

const SEGMENT_OCTETS: u64 = 512;

fn correlation(id: u64) -> Named {
    let (id, carrier_id) = (MessageId::new(id), b"77".as_slice());
    let (carrier, account) = ("north", "acme");
    Entry::Correlation {
        carrier,
        account,
        id,
        destination: 5,
        born: 1_000,
        is_muted: true,
        carrier_id,
        addresses: b"",
        shown: None,
    }
}

fn delivery(account: &'static str, key: u64) -> Named {
    let kind = HoldingKind::Delivery(DeliveryKind::IntermediateReceipt);
    Entry::Holding { account, id: MessageId::new(9), key, kind, born: 1_000, body: b"body" }
}

fn gone(id: u64) -> Named {
    Entry::CorrelationGone { carrier: "north", id: MessageId::new(id) }
}

/// Segments of one batch each.
fn written(journal: u16, batches: &[&[Named]]) -> Vec<(SegmentName, Vec<u8>)> {
    let mut writer = Journal::new(journal, SEGMENT_OCTETS, &[], Random::new(journal.into()));
    let (mut effects, mut files) = (Vec::new(), Vec::new());
    for entries in batches {
        for entry in *entries {
            writer.append(entry);
        }
        let commit = writer.commit(&mut effects).unwrap();
        for effect in effects.drain(..) {
            if let StoreEffect::Write { segment, octets, .. } = effect {
                files.push((segment, octets));
            }
        }
        assert!(writer.synced(commit, &mut effects));
        effects.clear();
    }
    files
}

fn recover<'a>(files: impl Iterator<Item = &'a (SegmentName, Vec<u8>)>) -> Recovered {
    let mut recovery = Recovery::new();
    for (name, octets) in files {
        recovery.read(&read_segment(octets, *name).unwrap()).unwrap();
    }
    recovery.finish()
}

fn ids(recovered: &Recovered) -> Vec<u64> {
    let mut ids: Vec<_> =
        recovered.parts.iter().flat_map(|part| part.correlations.iter()).map(|kept| kept.id.bits()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn an_entry_comes_back_as_it_was_written_with_its_names_and_place() {
    let files = written(3, &[&[correlation(1)]]);
    let recovered = recover(files.iter());
    let live = recovered.correlations().next().unwrap();
    assert_eq!(live.entry.map_names(|_, name| recovered.names.name(name)), correlation(1));
    assert_eq!(live.segment, files[0].0);
    assert_eq!(recovered.segments()[0].live, u64::from(live.octets));
    assert!(recovered.counts().iter().all(|counts| counts.correlations == 1));
}

#[test]
fn a_removal_wins_wherever_it_is_read_and_reading_twice_changes_nothing() {
    let mut files = written(0, &[&[correlation(1), correlation(2)], &[gone(1)]]);
    files.extend(written(1, &[&[correlation(1), correlation(3)]]));
    let forward = recover(files.iter());
    assert_eq!(ids(&forward), [2, 3]);
    assert_eq!(ids(&recover(files.iter().rev())), [2, 3]);
    let twice = recover(files.iter().chain(&files));
    assert_eq!(ids(&twice), [2, 3]);
    assert_eq!(
        twice.segments().iter().map(|segment| segment.live).sum::<u64>(),
        2 * u64::from(correlation(1).weight())
    );
}

#[test]
fn what_was_removed_leaves_its_place_to_another_entry_for_good() {
    let gone = Entry::HoldingGone { account: "acme", key: 1 };
    let files = written(0, &[&[delivery("acme", 1)], &[gone], &[delivery("acme", 2)]]);
    let recovered = recover(files.iter().chain(&files[1..2]).chain(&files[..1]));
    let keys = recovered.holdings().map(|live| {
        let Entry::Holding { key, .. } = live.entry else { panic!("{live:?}") };
        key
    });
    assert_eq!(keys.collect::<Vec<_>>(), [2]);
}

#[test]
fn of_several_copies_the_latest_lives() {
    let files = written(0, &[&[correlation(1)], &[correlation(2)], &[correlation(1)]]);
    for recovered in [recover(files.iter()), recover(files.iter().rev())] {
        let mut live: Vec<_> =
            recovered.segments().iter().map(|segment| (segment.name.sequence, segment.live)).collect();
        live.sort_unstable();
        let weight = correlation(1).weight().into();
        assert_eq!(live, [(0, 0), (1, weight), (2, weight)]);
    }
}

#[test]
fn no_key_is_given_out_again_though_all_is_gone() {
    let early = Entry::EarlyGone { carrier: "north", key: 20 };
    let removed = [delivery("acme", 7), Entry::HoldingGone { account: "acme", key: 7 }];
    let recovered = recover(written(0, &[&removed]).iter());
    assert_eq!((recovered.next_key, recovered.holdings().count()), (8, 0));
    assert_eq!(recover(written(0, &[&removed, &[early]]).iter()).next_key, 21);
    assert_eq!(Recovery::new().finish().next_key, 0);
}

#[test]
fn a_key_that_two_journals_know_is_said_to_be_spread_gone_or_not() {
    let recovered = |second: &[Named]| {
        let mut files = written(0, &[&[correlation(1)], &[correlation(1), gone(2)]]);
        files.extend(written(1, &[second]));
        let forward = recover(files.iter());
        assert_eq!(recover(files.iter().rev()).is_spread, forward.is_spread);
        forward.is_spread
    };
    assert!(!recovered(&[correlation(3)]));
    assert!(recovered(&[correlation(1)]));
    assert!(recovered(&[gone(1)]));
    assert!(recovered(&[correlation(2)]));
}

#[test]
fn each_journal_has_its_own_segments_in_order_of_sequence() {
    let mut files = written(1, &[&[correlation(1)], &[correlation(2)]]);
    files.extend(written(0, &[&[correlation(3)]]));
    let recovered = recover(files.iter().rev());
    let order = |state: &SegmentState| (state.name.journal, state.name.sequence);
    assert_eq!(recovered.segments().iter().map(order).collect::<Vec<_>>(), [(0, 0), (1, 0), (1, 1)]);
    assert_eq!((recovered.journals().count(), recovered.journal(1).len(), recovered.journal(2).len()), (2, 2, 0));
}

#[test]
fn deliveries_come_account_by_account_and_oldest_first() {
    let removed = Entry::HoldingGone { account: "bolt", key: 1 };
    let entries = [delivery("acme", 7), delivery("bolt", 2), delivery("acme", 3), delivery("bolt", 1), removed];
    let recovered = recover(written(0, &[&entries]).iter());
    let order = |live: crate::store::recovered::Live<'_>| {
        let Entry::Holding { account, key, .. } = live.entry else { panic!("{live:?}") };
        (recovered.names.name(account).to_owned(), key)
    };
    let mut order: Vec<_> = recovered.holdings().map(order).collect();
    order.sort_by(|one, next| one.0.cmp(&next.0));
    let expected = [("acme", 3), ("acme", 7), ("bolt", 2)];
    assert_eq!(order, expected.map(|(account, key)| (account.to_owned(), key)));
    assert_eq!(recovered.counts().iter().map(|counts| counts.deliveries).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_carrier_and_an_account_of_one_name_and_one_key_are_told_apart() {
    let early = Entry::Early { carrier: "acme", key: 4, born: 1_000, before: 3, body: b"early" };
    let entries = [early, delivery("acme", 4), Entry::HoldingGone { account: "acme", key: 4 }];
    let recovered = recover(written(0, &[&entries]).iter());
    let early_again = recovered.early().next().unwrap();
    assert_eq!(early_again.entry.map_names(|_, name| recovered.names.name(name)), early);
    assert_eq!(recovered.holdings().count(), 0);
}
