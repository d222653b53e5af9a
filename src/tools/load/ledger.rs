//! Which receipt belongs to which acknowledged id: each must come exactly once, to the account that submitted.
//!
//! Ids are kept as keyed 64-bit hashes of their text; among ten million two meet with a chance of 1 in 300,000.

use std::hash::{BuildHasherDefault, Hasher};

use ahash::RandomState;
use hashbrown::HashSet;
use hashbrown::hash_map::{Entry, HashMap};

/// Matched ids remembered in each of two generations, so that a second receipt is known as such.
const GENERATION: usize = 4 << 20;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AccountIndex(pub u16);

/// Which connection, over all threads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ConnectionIndex(pub u32);

/// Where an answer or a receipt came in, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) account: AccountIndex,
    pub(super) connection: ConnectionIndex,
    pub(super) at_ns: u64,
}

/// What is open under an id.
enum Open {
    /// Answered: the receipt is awaited.
    Awaiting { account: AccountIndex, due_ns: u64 },
    /// A receipt came first: the answer is awaited.
    Early { first: Arrival, count: u32 },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Receipt {
    /// The awaited one; the time since the submit was due.
    Matched {
        latency_ns: u64,
    },
    /// Its id was not answered yet.
    Early,
    Duplicate,
    /// Another account's.
    Misrouted,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// The receipt is awaited.
    Awaiting,
    /// The receipt was there already; perhaps it had come on the answer's own connection, or more than once.
    Matched { latency_ns: u64, same_connection: bool, duplicates: u32 },
    /// The receipt was there already, at another account.
    Misrouted,
    /// The id was given out before.
    Repeated,
}

#[derive(Default)]
pub(super) struct Ledger {
    hash: RandomState,
    open: HashMap<u64, Open, BuildHasherDefault<Prehashed>>,
    matched: [HashSet<u64, BuildHasherDefault<Prehashed>>; 2],
}

impl Ledger {
    /// Room for a run of this many submits, so many of them awaiting their receipts: a table that grows in mid-run
    /// stalls for milliseconds, and would be taken for the gateway's latency.
    pub(super) fn with_room(submits: u64, awaiting: usize) -> Self {
        let mut ledger = Self::default();
        ledger.open.reserve(awaiting.min(GENERATION));
        let submits = usize::try_from(submits).unwrap_or(usize::MAX);
        ledger.matched[0].reserve(submits.min(GENERATION));
        ledger.matched[1].reserve(submits.saturating_sub(GENERATION).min(GENERATION));
        ledger
    }

    /// A submit was accepted under this id; it had been due to leave at `due_ns`.
    pub(super) fn answered(&mut self, id: &[u8], due_ns: u64, arrival: Arrival) -> Answer {
        let key = self.hash.hash_one(id);
        match self.open.entry(key) {
            Entry::Vacant(entry) => {
                // Found in `matched` an id would be repeated too, but that look-up is a cache miss for every message.
                entry.insert(Open::Awaiting { account: arrival.account, due_ns });
                Answer::Awaiting
            }
            Entry::Occupied(entry) => match *entry.get() {
                Open::Awaiting { .. } => Answer::Repeated,
                Open::Early { first, .. } if first.account != arrival.account => {
                    entry.remove();
                    Answer::Misrouted
                }
                Open::Early { first, count } => {
                    entry.remove();
                    self.remember(key);
                    Answer::Matched {
                        latency_ns: first.at_ns.saturating_sub(due_ns),
                        same_connection: first.connection == arrival.connection,
                        duplicates: count - 1,
                    }
                }
            },
        }
    }

    /// A final receipt came with this id.
    pub(super) fn receipt(&mut self, id: &[u8], arrival: Arrival) -> Receipt {
        let key = self.hash.hash_one(id);
        match self.open.entry(key) {
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Open::Awaiting { account, .. } if *account != arrival.account => Receipt::Misrouted,
                Open::Awaiting { due_ns, .. } => {
                    let latency_ns = arrival.at_ns.saturating_sub(*due_ns);
                    entry.remove();
                    self.remember(key);
                    Receipt::Matched { latency_ns }
                }
                Open::Early { count, .. } => {
                    *count += 1;
                    Receipt::Early
                }
            },
            Entry::Vacant(entry) => {
                if self.matched.iter().any(|generation| generation.contains(&key)) {
                    return Receipt::Duplicate;
                }
                entry.insert(Open::Early { first: arrival, count: 1 });
                Receipt::Early
            }
        }
    }

    /// Answered ids whose receipt never came.
    #[must_use]
    pub(super) fn missing(&self) -> u64 {
        self.open.values().filter(|open| matches!(open, Open::Awaiting { .. })).count() as u64
    }

    /// Receipts whose id was never answered.
    #[must_use]
    pub(super) fn unknown(&self) -> u64 {
        let early = |open: &Open| match open {
            Open::Awaiting { .. } => 0,
            Open::Early { count, .. } => u64::from(*count),
        };
        self.open.values().map(early).sum()
    }

    fn remember(&mut self, key: u64) {
        if self.matched[0].len() >= GENERATION {
            self.matched.swap(0, 1);
            self.matched[0].clear();
        }
        self.matched[0].insert(key);
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are u64");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(account: u16, connection: u32, at_ns: u64) -> Arrival {
        Arrival { account: AccountIndex(account), connection: ConnectionIndex(connection), at_ns }
    }

    #[test]
    fn a_receipt_is_matched_once_and_its_second_is_a_duplicate() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.answered(b"1", 100, on(0, 0, 150)), Answer::Awaiting);
        assert_eq!(ledger.missing(), 1);
        assert_eq!(ledger.receipt(b"1", on(0, 1, 400)), Receipt::Matched { latency_ns: 300 });
        assert_eq!(ledger.receipt(b"1", on(0, 1, 500)), Receipt::Duplicate);
        assert_eq!((ledger.missing(), ledger.unknown()), (0, 0));
    }

    #[test]
    fn an_early_receipt_is_matched_by_its_answer_or_stays_unknown() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.receipt(b"1", on(0, 3, 400)), Receipt::Early);
        assert_eq!(ledger.receipt(b"1", on(0, 4, 410)), Receipt::Early);
        assert_eq!(ledger.receipt(b"2", on(0, 3, 420)), Receipt::Early);
        assert_eq!(ledger.unknown(), 3);
        let matched = Answer::Matched { latency_ns: 300, same_connection: true, duplicates: 1 };
        assert_eq!(ledger.answered(b"1", 100, on(0, 3, 450)), matched);
        assert_eq!((ledger.missing(), ledger.unknown()), (0, 1));
        assert_eq!(ledger.receipt(b"1", on(0, 3, 460)), Receipt::Duplicate);
    }

    #[test]
    fn a_receipt_at_another_account_is_misrouted_and_the_right_one_still_missing() {
        let mut ledger = Ledger::default();
        ledger.answered(b"1", 0, on(0, 0, 0));
        assert_eq!(ledger.receipt(b"1", on(1, 9, 0)), Receipt::Misrouted);
        assert_eq!(ledger.missing(), 1);
        assert_eq!(ledger.receipt(b"2", on(1, 9, 0)), Receipt::Early);
        assert_eq!(ledger.answered(b"2", 0, on(0, 0, 0)), Answer::Misrouted);
    }

    #[test]
    fn an_id_given_out_twice_is_noticed_and_the_spelling_matters() {
        let mut ledger = Ledger::default();
        ledger.answered(b"beef", 0, on(0, 0, 0));
        assert_eq!(ledger.answered(b"beef", 0, on(0, 0, 0)), Answer::Repeated);
        assert_eq!(ledger.receipt(b"BEEF", on(0, 0, 0)), Receipt::Early);
    }
}
