//! What of a segment counts, what is a torn tail and what is damage.

use super::*;
use crate::store::batch::BatchWriter;
use crate::store::record::{NameIndex, NameKind};

const OLD: SegmentName = SegmentName { journal: 2, sequence: 4, id: 0xAAAA };
const NAME: SegmentName = SegmentName { journal: 2, sequence: 5, id: 0xBBBB };

fn begin(name: SegmentName, previous: Option<PreviousEnd>) -> Begin {
    Begin { format: FORMAT, journal: name.journal, sequence: name.sequence, id: name.id, previous }
}

/// A segment of so many batches, a sector each.
fn written(begin: Begin, batches: u64) -> Vec<u8> {
    let (mut writer, mut batch, mut octets) = (BatchWriter::default(), Vec::new(), Vec::new());
    for number in 0..batches {
        let record = match number {
            0 => StoreRecord::Begin(begin),
            _ => StoreRecord::Name { index: NameIndex(number as u32), kind: NameKind::Carrier, name: "north" },
        };
        record.encode(writer.payload());
        writer.finish(begin.id, number, &mut batch);
        octets.extend_from_slice(&batch);
    }
    octets
}

fn kind(octets: &[u8]) -> Option<(usize, DamageKind)> {
    read_segment(octets, NAME).err().map(|damage| (damage.offset, damage.kind))
}

#[test]
fn a_files_name_says_which_segment_it_is() {
    assert_eq!(NAME.to_string(), "002-0000000005-000000000000bbbb.journal");
    assert_eq!(SegmentName::parse(&NAME.to_string()), Some(NAME));
    for other in ["", "message-ids", "2-5-bbbb.journal", "002-0000000005-000000000000BBBB.journal"] {
        assert_eq!(SegmentName::parse(other), None, "{other}");
    }
}

#[test]
fn a_torn_last_batch_costs_only_itself() {
    let mut octets = written(begin(NAME, None), 3);
    octets[2 * SECTOR + 30] ^= 1;
    let segment = read_segment(&octets, NAME).unwrap();
    assert_eq!((segment.batches, segment.end, segment.is_torn), (2, 2 * SECTOR, true));
    assert_eq!(segment.records().count(), 2);
    octets.truncate(2 * SECTOR);
    assert!(!read_segment(&octets, NAME).unwrap().is_torn);
}

#[test]
fn an_invalid_batch_before_a_whole_one_is_damage_at_its_offset() {
    let mut octets = written(begin(NAME, None), 4);
    octets[SECTOR + 30] ^= 1;
    let expected = DamageKind::InvalidBatch { whole_behind: 2 * SECTOR };
    assert_eq!(kind(&octets), Some((SECTOR, expected)));
    octets[..SECTOR].fill(0);
    assert_eq!(kind(&octets), Some((0, expected)));
}

#[test]
fn what_an_earlier_use_of_the_file_left_is_neither_records_nor_damage() {
    let stale = written(begin(OLD, None), 4);
    assert_eq!(read_segment(&stale, NAME).unwrap().batches, 0);
    let mut octets = written(begin(NAME, None), 2);
    octets.extend_from_slice(&stale[2 * SECTOR..]);
    assert_eq!(read_segment(&octets, NAME).unwrap().batches, 2);
    octets[SECTOR] ^= 1;
    assert_eq!(read_segment(&octets, NAME).unwrap().batches, 1);
}

#[test]
fn a_newer_format_is_refused_and_said() {
    let mut octets = written(begin(NAME, None), 1);
    octets[3] = 9;
    assert_eq!(kind(&octets), Some((0, DamageKind::NewerFormat(9))));
    let octets = written(Begin { format: FORMAT + 1, ..begin(NAME, None) }, 2);
    assert_eq!(kind(&octets), Some((0, DamageKind::NewerFormat(FORMAT + 1))));
    let octets = written(Begin { sequence: 6, ..begin(NAME, None) }, 2);
    assert_eq!(kind(&octets), Some((0, DamageKind::Begin)));
}

#[test]
fn a_segment_has_as_many_batches_as_the_next_one_says() {
    let old = written(begin(OLD, None), 3);
    let end = read_segment(&old, OLD).unwrap().state().end();
    let next_octets = written(begin(NAME, Some(end)), 1);
    let next = read_segment(&next_octets, NAME).unwrap();

    let mut all = [read_segment(&old, OLD).unwrap(), next.clone()];
    assert_eq!(check_journal(&mut all), Ok(()));
    let mut cut = [read_segment(&old[..2 * SECTOR], OLD).unwrap(), next.clone()];
    let early = check_journal(&mut cut).unwrap_err();
    assert_eq!((early.offset, early.kind), (2 * SECTOR, DamageKind::EndsEarly { batches: 2, written: 3 }));
    let mut zeroed = [read_segment(&[], OLD).unwrap(), next.clone()];
    assert_eq!(
        check_journal(&mut zeroed).map_err(|damage| damage.kind),
        Err(DamageKind::EndsEarly { batches: 0, written: 3 })
    );

    let octets = written(begin(OLD, None), 4);
    let mut more = [read_segment(&octets, OLD).unwrap(), next];
    assert_eq!((check_journal(&mut more), more[0].batches, more[0].records().count()), (Ok(()), 3, 3));
}

#[test]
fn only_segments_before_the_oldest_may_be_gone() {
    let old = written(begin(OLD, None), 3);
    let end = read_segment(&old, OLD).unwrap().state().end();
    let later = SegmentName { sequence: 7, id: 0xCCCC, ..NAME };
    let octets = written(begin(later, Some(PreviousEnd { id: NAME.id, batches: 1, end: SECTOR as u64 })), 1);
    let last = read_segment(&octets, later).unwrap();
    assert_eq!(check_journal(&mut [last.clone()]), Ok(()));
    let mut gap = [read_segment(&old, OLD).unwrap(), last];
    assert_eq!(
        check_journal(&mut gap).map_err(|damage| (damage.segment, damage.kind)),
        Err((OLD, DamageKind::NextMissing { next: later }))
    );

    // Created, and the process ended: the next start began another.
    let octets = written(begin(later, Some(end)), 1);
    let unused = read_segment(&[], NAME).unwrap();
    let mut journal = [read_segment(&old, OLD).unwrap(), unused, read_segment(&octets, later).unwrap()];
    assert_eq!(check_journal(&mut journal), Ok(()));
}
