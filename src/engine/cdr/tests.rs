//! What the shell is given, what lives on, and what a start finds.

use super::*;
use crate::engine::message::ShardId;

fn effects() -> Effects {
    Effects::new(ShardId(0), 1)
}

fn append(cdr: &mut Cdr, count: usize, out: &mut Effects) {
    for _ in 0..count {
        cdr.append(&Line { account: b"acme", ..Line::default() }, out);
    }
}

fn given(cdr: &Cdr, most: usize, out: &Effects) -> Vec<u64> {
    cdr.lines(most, out).iter().map(|(sequence, _)| sequence).collect()
}

/// What the records appended since then say: sequence, and how far files had come.
fn records(out: &mut Effects) -> Vec<(u64, u64)> {
    let records = out.records.drain(..).map(|record| {
        let Record::Cdr { sequence, written, .. } = record else { panic!("{record:?}") };
        (sequence, written)
    });
    records.collect()
}

#[test]
fn lines_are_given_to_a_file_once_they_are_durable_in_order_and_until_it_has_them() {
    let (mut cdr, mut out) = (Cdr::new(0), effects());
    append(&mut cdr, 2, &mut out);
    assert!(!cdr.has_lines(&out) && given(&cdr, 9, &out).is_empty());
    let through = out.start_commit().unwrap();
    append(&mut cdr, 1, &mut out);
    out.durable(through);
    assert!(cdr.has_lines(&out));
    assert_eq!((given(&cdr, 1, &out), given(&cdr, 9, &out)), (vec![1], vec![1, 2]));
    cdr.written(1, &mut out);
    assert_eq!((given(&cdr, 9, &out), cdr.waiting()), (vec![2], 2));
    assert_eq!(Line::read(cdr.lines(1, &out).iter().next().unwrap().1).map(|line| line.account), Some(&b"acme"[..]));
}

#[test]
fn the_newest_line_lives_until_there_is_a_newer_one_and_each_says_how_far_the_files_are() {
    let (mut cdr, mut out) = (Cdr::new(0), effects());
    append(&mut cdr, 3, &mut out);
    out.durable(3);
    cdr.written(3, &mut out);
    assert_eq!((out.left.len(), cdr.has_lines(&out), cdr.waiting()), (3, false, 0));
    append(&mut cdr, 1, &mut out);
    assert_eq!(records(&mut out), [(1, 0), (2, 0), (3, 0), (3, 3), (4, 3)]);
    out.durable(5);
    assert_eq!(given(&cdr, 9, &out), [4]);
    cdr.written(4, &mut out);
    assert_eq!((records(&mut out), out.left.len()), (vec![(4, 4)], 5));
    cdr.rewrite(out.segment, &mut out);
    assert_eq!((records(&mut out), out.left.len()), (vec![(4, 4)], 6));
}

fn found(lines: &[(u64, u64)], place: Option<Place>) -> BTreeMap<u64, Recovered> {
    lines
        .iter()
        .map(|(sequence, written)| (*sequence, Recovered { written: *written, octets: Box::default(), place }))
        .collect()
}

#[test]
fn after_a_start_a_file_gets_what_it_lacks_and_no_sequence_is_given_twice() {
    let place = Some(Place { segment: 3, octets: 21 });
    // What the file has; what the journal has; what lives on; what the file is given; the next sequence.
    type Case = (u64, &'static [(u64, u64)], usize, &'static [u64], u64);
    let cases: [Case; 6] = [
        (0, &[], 0, &[], 1),
        (7, &[], 0, &[], 8),
        (0, &[(1, 0), (2, 0)], 2, &[1, 2], 3),
        (5, &[(4, 2), (5, 2), (6, 2), (7, 2)], 2, &[6, 7], 8),
        (7, &[(6, 2), (7, 2)], 1, &[], 8),
        // The files were taken away.
        (0, &[(7, 7)], 1, &[], 8),
    ];
    for (file, journal, living, lacking, next) in cases {
        let (mut cdr, mut out) = (Cdr::new(file), effects());
        let places = cdr.restore(&found(journal, place), &mut out);
        assert_eq!((places.len(), given(&cdr, 9, &out)), (living, lacking.to_vec()), "{journal:?}");
        append(&mut cdr, 1, &mut out);
        assert_eq!(records(&mut out)[0].0, next, "{journal:?}");
    }
}

#[test]
fn what_is_recorded_anew_is_given_once_that_is_durable() {
    let (mut cdr, mut out) = (Cdr::new(1), effects());
    assert_eq!(cdr.restore(&found(&[(1, 0), (2, 0)], None), &mut out), []);
    assert_eq!((records(&mut out), given(&cdr, 9, &out)), (vec![(2, 1)], vec![]));
    out.durable(1);
    assert_eq!(given(&cdr, 9, &out), [2]);
}
