//! The correlation table at 100,000 live entries, or with `-- large` at 1 and 10 million: what an insert and a take cost,
//! the longest single insert while it grew, and the memory an entry takes, averaged over the growth.

use std::time::Duration;

use trunkline::config::AccountId;
use trunkline::engine::correlation::{Correlation, Correlations, Found};
use trunkline::smpp::message_id::{CarrierIdFormat, MessageId, normalize};

#[path = "common/counting.rs"]
mod counting;
#[path = "common/watch.rs"]
mod watch;

use counting::Heap;
use watch::Watch;

const DESTINATION: u32 = 77;
/// How often memory is looked at while the table grows.
const LOOKS: u64 = 100;

fn main() {
    let is_large = std::env::args().any(|argument| argument == "large");
    let (sizes, growths): (&[u64], u32) =
        if is_large { (&[100_000, 1_000_000, 10_000_000], 3) } else { (&[100_000], 1) };
    for live in sizes {
        run(*live, growths);
    }
}

/// A table of `live` entries, and what it took to grow.
struct Grown {
    table: Correlations,
    insert_ns: f64,
    longest_ms: f64,
    /// Looked at `LOOKS` times on the way.
    octets_per_entry: Vec<f64>,
}

fn grow(live: u64) -> Grown {
    let before = Heap::now().live;
    let mut table = Correlations::new([1, 2, 3, 4]);
    let mut longest = Duration::ZERO;
    let mut octets_per_entry = Vec::new();
    let watch = Watch::start();
    for number in 0..live {
        let one = Watch::start();
        insert(&mut table, number);
        longest = longest.max(one.elapsed());
        if (number + 1) % (live / LOOKS) == 0 {
            octets_per_entry.push((Heap::now().live - before) as f64 / (number + 1) as f64);
        }
    }
    let insert_ns = watch.elapsed().as_nanos() as f64 / live as f64;
    assert_eq!(table.len() as u64, live);
    Grown { table, insert_ns, longest_ms: longest.as_secs_f64() * 1e3, octets_per_entry }
}

/// Grows a table to `live` entries, exchanges as many at that size, and empties it.
fn run(live: u64, growths: u32) {
    // The longest insert holds whatever the kernel did meanwhile too; the quietest of several growths has the least of it.
    let quieter = |one: Grown, other: Grown| if one.longest_ms <= other.longest_ms { one } else { other };
    let Some(grown) = (0..growths).map(|_| grow(live)).reduce(quieter) else { return };
    let Grown { mut table, insert_ns, longest_ms, octets_per_entry } = grown;

    // Oldest out, newest in: how a carrier's table lives.
    let watch = Watch::start();
    let asked_before = Heap::now().asked;
    let (mut taken, mut emptied) = (0, 0);
    for number in 0..live {
        insert(&mut table, live + number);
        taken += u64::from(take(&mut table, number));
    }
    let exchange_ns = watch.elapsed().as_nanos() as f64 / live as f64;
    let asked = Heap::now().asked - asked_before;
    let watch = Watch::start();
    for number in live..2 * live {
        emptied += u64::from(take(&mut table, number));
    }
    let take_ns = watch.elapsed().as_nanos() as f64 / live as f64;
    assert_eq!((taken, emptied, table.len()), (live, live, 0), "every entry is found once");

    let average = octets_per_entry.iter().sum::<f64>() / octets_per_entry.len() as f64;
    let most = octets_per_entry.iter().copied().fold(0.0, f64::max);
    println!(
        "{live} live: insert {insert_ns:.0} ns while growing, the longest {longest_ms:.3} ms; {average:.1} octets an entry \
         on average over the growth, at most {most:.1}; then insert and take {exchange_ns:.0} ns, {asked} allocations; \
         take {take_ns:.0} ns"
    );
}

/// As a carrier's answer has it inserted: the id read, normalised, and fingerprinted.
fn insert(table: &mut Correlations, number: u64) {
    let fingerprint = fingerprint(table, number);
    table.insert(Correlation::new(fingerprint, MessageId::new(number), DESTINATION, 0, AccountId(0), false));
}

/// As a final receipt has it taken.
fn take(table: &mut Correlations, number: u64) -> bool {
    match table.find(fingerprint(table, number), DESTINATION) {
        Found::One(entry) => entry.id == MessageId::new(number) && table.remove(&entry).is_some(),
        Found::None | Found::Ambiguous(_) => false,
    }
}

/// Ids as carriers write them: ten decimal digits, compared as they are.
fn fingerprint(table: &Correlations, number: u64) -> u64 {
    let mut digits = [b'0'; 10];
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    table.fingerprint(normalize(&digits, CarrierIdFormat::AsIs))
}
