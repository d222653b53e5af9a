//! What tells the parts of one long message from those of another, for the handset that joins them.

use std::cell::Cell;

use crate::smpp::text::Reference;

/// Those that one shard gives to messages: each in its turn, and none that another shard gives.
pub struct References {
    /// Counts long messages.
    given: Cell<u16>,
    shard: u16,
    shards: u16,
}

impl References {
    /// After a restart, `first` keeps them from those given just before.
    #[must_use]
    pub fn new(shard: u16, shards: u16, first: u16) -> Self {
        Self { given: Cell::new(first), shard, shards: shards.max(1) }
    }

    /// The one for the next message that needs one; the same until one is `taken`.
    #[must_use]
    pub fn next(&self, is_wide: bool) -> Reference {
        if is_wide { Reference::Sixteen(self.of(1 << 16) as u16) } else { Reference::Eight(self.of(1 << 8) as u8) }
    }

    /// A message was given it.
    pub fn taken(&self) {
        self.given.set(self.given.get().wrapping_add(1));
    }

    /// Every `shards`th of them is this shard's.
    fn of(&self, all: u32) -> u32 {
        let (given, shard, shards) = (u32::from(self.given.get()), u32::from(self.shard), u32::from(self.shards));
        match all / shards {
            0 => given % all,
            own => given % own * shards + shard,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn given(shard: u16, shards: u16, is_wide: bool, count: usize) -> BTreeSet<u32> {
        let references = References::new(shard, shards, 65_530);
        let numbers = (0..count).map(|_| {
            let number = match references.next(is_wide) {
                Reference::Eight(number) => number.into(),
                Reference::Sixteen(number) => number.into(),
            };
            references.taken();
            number
        });
        numbers.collect()
    }

    #[test]
    fn no_two_shards_give_the_same_and_each_uses_all_of_its_own() {
        for shards in [1, 2, 3, 7, 64, 200] {
            let mut seen = BTreeSet::new();
            for shard in 0..shards {
                let own = given(shard, shards, false, 1000);
                assert_eq!(own.len(), 256 / usize::from(shards));
                assert!(own.iter().all(|number| seen.insert(*number)), "{shard} of {shards}");
            }
        }
        assert!(given(0, 3, true, 70_000).is_disjoint(&given(1, 3, true, 70_000)));
        assert_eq!(given(999, 1000, false, 1000).len(), 256);
    }

    #[test]
    fn one_that_was_not_taken_is_next_again() {
        let references = References::new(0, 1, 7);
        assert_eq!((references.next(false), references.next(true)), (Reference::Eight(7), Reference::Sixteen(7)));
        references.taken();
        assert_eq!(references.next(false), Reference::Eight(8));
    }
}
