//! Deadlines of one shard in one heap. Traffic only ever moves a deadline back, so nothing is touched per PDU: an entry
//! that fires early looks at its owner's real deadline and is set again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::Key;
use super::time::Instant;
use crate::config::{AccountId, CarrierId};

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    Connection(Key),
    Carrier(CarrierId),
    Account(AccountId),
}

/// When an owner's earliest heap entry fires; `NEVER` when it has none.
#[derive(Clone, Copy, Debug)]
pub struct Armed(Instant);

impl Default for Armed {
    fn default() -> Self {
        Self(Instant::NEVER)
    }
}

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    owner: Owner,
}

impl Timers {
    /// Makes sure `owner` is called at `at` or before.
    pub fn arm(&mut self, owner: Owner, armed: &mut Armed, at: Instant) {
        if at < armed.0 {
            armed.0 = at;
            self.heap.push(Reverse(Entry { at, owner }));
        }
    }

    /// The next owner whose time has come. The owner must clear its `Armed` and arm again.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Owner, Instant)> {
        if self.next_timeout()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.owner, entry.at))
    }

    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }
}

impl Armed {
    /// Called when an entry fired at `at`; false for an entry that an earlier one replaced.
    pub fn fired(&mut self, at: Instant) -> bool {
        let is_current = self.0 == at;
        if is_current {
            self.0 = Instant::NEVER;
        }
        is_current
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_deadline_fires_once_and_a_replaced_one_is_known() {
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let (mut timers, mut armed) = (Timers::default(), Armed::default());
        timers.arm(Owner::Account(AccountId(0)), &mut armed, at(9));
        timers.arm(Owner::Account(AccountId(0)), &mut armed, at(5));
        timers.arm(Owner::Account(AccountId(0)), &mut armed, at(7));
        assert_eq!(timers.next_timeout(), Some(at(5)));
        assert_eq!(timers.pop_due(at(4)), None);
        let (_, fired) = timers.pop_due(at(5)).unwrap();
        assert!(armed.fired(fired));
        let (_, fired) = timers.pop_due(at(20)).unwrap();
        assert!(!armed.fired(fired));
        assert_eq!(timers.pop_due(at(20)), None);
    }
}
