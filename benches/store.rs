//! The store at 100,000 live correlations, or with `-- large` at 1 and 10 million: what a record costs to encode and batch, the
//! octets it takes, and what recovery from files costs, in time and memory. A journal is at most twice as long as what lives
//! in it: half of the records are of entries that came and went.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use trunkline::engine::random::Random;
use trunkline::runtime::store_files::read_store;
use trunkline::smpp::message_id::MessageId;
use trunkline::store::journal::{Journal, StoreEffect};
use trunkline::store::record::Entry;
use trunkline::store::segment::SegmentName;

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

/// Two journals of `live` correlations, and half as many again that came and went. Returns the octets of their files and the
/// time a record took.
fn write(directory: &Path, live: u64) -> (u64, f64) {
    let (mut octets, mut ns) = (0, 0);
    for number in 0..2 {
        let mut journal = Journal::new(number, SEGMENT_OCTETS, &[], Random::new(number.into()));
        let mut file: Option<(SegmentName, Vec<u8>)> = None;
        let mut effects = Vec::new();
        let first = u64::from(number) * live;
        for from in (first..first + live / 2 * 3 / 2).step_by(COMMIT as usize) {
            let watch = Watch::start();
            for number in from..from + COMMIT {
                append(&mut journal, number);
                if number % 3 == 2 {
                    journal.append(&Entry::CorrelationGone { carrier: "north", id: id(number - 1) });
                }
            }
            let commit = journal.commit(&mut effects);
            ns += watch.elapsed().as_nanos();
            for effect in effects.drain(..) {
                match effect {
                    StoreEffect::Create { segment } => octets += put(directory, file.replace((segment, Vec::new()))),
                    StoreEffect::Write { octets, .. } => {
                        file.as_mut().expect("it was created").1.extend_from_slice(&octets);
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
        octets += put(directory, file);
    }
    (octets, ns as f64 / (2 * live) as f64)
}

#[expect(clippy::disallowed_methods, reason = "a bench writes what it then reads")]
fn put(directory: &Path, file: Option<(SegmentName, Vec<u8>)>) -> u64 {
    let Some((name, octets)) = file else { return 0 };
    fs::write(directory.join(name.to_string()), &octets).expect("the temporary directory takes the store");
    octets.len() as u64
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
        addresses: b"",
        shown: None,
    }));
}

fn run(live: u64) {
    let directory: PathBuf = std::env::temp_dir().join(format!("trunkline-bench-store-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the temporary directory can be written");
    let (octets, write_ns) = write(&directory, live);
    let before = Heap::now();
    let watch = Watch::start();
    let recovered = read_store(&directory).expect("it was just written");
    let total = watch.elapsed();
    fs::remove_dir_all(&directory).expect("it is ours");
    let (memory, asked) = ((Heap::now().live - before.live) as f64 / live as f64, Heap::now().asked - before.asked);
    let found = recovered.correlations().count() as u64;
    assert_eq!(found, live, "every live correlation comes back, and no other");
    println!(
        "{live} live, {} records, {:.1} octets each: append and batch {write_ns:.0} ns a record; recovery from files {:.2} M \
         records/s, {:.2} s in all; {memory:.0} octets of memory a live entry, {asked} allocations",
        recovered.records,
        octets as f64 / recovered.records as f64,
        recovered.records as f64 / total.as_secs_f64() / 1e6,
        total.as_secs_f64(),
    );
}
