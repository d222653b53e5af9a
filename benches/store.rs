//! The store at 100,000 live correlations, or with `-- large` at 1 and 10 million: what a record costs to encode, batch and
//! check, the octets it takes, and what recovery costs per record, in time and memory.

use std::hint::black_box;

use trunkline::engine::random::Random;
use trunkline::smpp::message_id::MessageId;
use trunkline::store::journal::{Journal, StoreEffect};
use trunkline::store::record::Entry;
use trunkline::store::recovery::Recovery;
use trunkline::store::segment::{SegmentName, check_journal, read_segment};

#[path = "common/counting.rs"]
mod counting;
#[path = "common/watch.rs"]
mod watch;

use counting::Heap;
use watch::Watch;

/// Records of one commit.
const COMMIT: u64 = 1_000;
const SEGMENT_OCTETS: u64 = 64 << 20;

fn main() {
    let is_large = std::env::args().any(|argument| argument == "large");
    let sizes: &[u64] = if is_large { &[100_000, 1_000_000, 10_000_000] } else { &[100_000] };
    for live in sizes {
        run(*live);
    }
}

/// Our ids as they are issued: evenly spread.
fn id(number: u64) -> MessageId {
    MessageId::new(Random::new(number).draw())
}

/// A journal in memory with `live` correlations, and as many again that came and went. Returns its files and the time a
/// record took.
fn write(live: u64) -> (Vec<(SegmentName, Vec<u8>)>, f64) {
    let mut journal = Journal::new(0, SEGMENT_OCTETS, &[], Random::new(1));
    let mut files: Vec<(SegmentName, Vec<u8>)> = Vec::new();
    let (mut effects, mut ns) = (Vec::new(), 0);
    for from in (0..2 * live).step_by(COMMIT as usize) {
        let watch = Watch::start();
        for number in from..from + COMMIT {
            append(&mut journal, number);
            if number % 2 == 1 {
                journal.append(&Entry::CorrelationGone { carrier: "north", id: id(number - 1) });
            }
        }
        let commit = journal.commit(&mut effects);
        ns += watch.elapsed().as_nanos();
        for effect in effects.drain(..) {
            match effect {
                StoreEffect::Create { segment } => files.push((segment, Vec::new())),
                StoreEffect::Write { octets, .. } => {
                    files.last_mut().expect("it was created").1.extend_from_slice(&octets);
                    journal.recycle(octets);
                }
                StoreEffect::SyncDirectory
                | StoreEffect::Sync { .. }
                | StoreEffect::Read { .. }
                | StoreEffect::Delete { .. } => {}
            }
        }
        assert!(commit.is_some_and(|commit| journal.synced(commit, &mut effects)));
    }
    (files, ns as f64 / (3 * live) as f64)
}

/// A correlation as most carriers have it: an id of ten digits.
fn append(journal: &mut Journal, number: u64) {
    let mut digits = [b'0'; 10];
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    black_box(journal.append(&Entry::Correlation {
        carrier: "north",
        account: "acme",
        id: id(number),
        destination: number as u32,
        born: 1_800_000_000,
        is_muted: false,
        carrier_id: &digits,
    }));
}

fn run(live: u64) {
    let (files, write_ns) = write(live);
    let octets: usize = files.iter().map(|(_, octets)| octets.len()).sum();
    let before = Heap::now();
    let watch = Watch::start();
    let mut segments: Vec<_> =
        files.iter().map(|(name, octets)| read_segment(octets, *name).expect("it was just written")).collect();
    let checked = check_journal(&mut segments);
    let check_ns = watch.elapsed().as_nanos() as f64;
    let mut recovery = Recovery::new();
    for segment in &segments {
        recovery.read(segment).expect("it was just written");
    }
    let recovered = recovery.finish();
    let total = watch.elapsed();
    let (memory, asked) = ((Heap::now().live - before.live) as f64 / live as f64, Heap::now().asked - before.asked);
    assert!(checked.is_ok());
    assert_eq!(recovered.correlations().count() as u64, live, "every live correlation comes back, and no other");
    println!(
        "{live} live, {} records, {:.1} octets each: append and batch {write_ns:.0} ns a record; recovery {:.0} ns a record, \
         of which checksums {:.0} ns; {:.2} s in all; {memory:.0} octets of memory a live entry, \
         {asked} allocations",
        recovered.records,
        octets as f64 / recovered.records as f64,
        total.as_nanos() as f64 / recovered.records as f64,
        check_ns / recovered.records as f64,
        total.as_secs_f64(),
    );
}
