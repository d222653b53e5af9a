//! Issues our message_ids: a node, and a keyed permutation of a counter whose blocks are reserved durably before use.
//!
//! Unique across shards, restarts and nodes because no block is used twice; unguessable because of the key.
//!
//! Sessions of SMPP 3.3 get short ids, from a counter of their own: each block brings some. These have no room for a node, and there
//! are only 2^32 of them: one comes again after so many, or after `SHORT_BLOCKS` blocks, of which every start takes one a shard.

use super::effects::Effects;
use super::event::Action;
use crate::smpp::id_cipher::IdCipher;
use crate::smpp::message_id::MessageId;

#[derive(Debug)]
pub struct IdSource {
    node: u16,
    cipher: IdCipher,
    next: u64,
    end: u64,
    /// Short ids given out of this block, and the first it brought.
    shorts: u32,
    first_short: u32,
    /// The block to go on with.
    spare: Option<(u64, u64)>,
    is_requested: bool,
}

impl IdSource {
    /// Numbers a block has: minutes of the fastest shard, and 2^53 hold millions of blocks.
    pub const BLOCK: u64 = 1 << 26;
    /// Blocks whose short ids are all different.
    pub const SHORT_BLOCKS: u64 = 1 << 14;
    /// Short ids a block brings.
    const SHORTS: u32 = ((1 << 32) / Self::SHORT_BLOCKS) as u32;
    /// The next block is asked for when this many ids are left.
    const LOW_WATER: u64 = 1 << 20;

    #[must_use]
    pub fn new(node: u16, key: [u8; 16], first: u64, end: u64) -> Self {
        let cipher = IdCipher::new(key);
        let first_short = Self::first_short(first);
        Self { node, cipher, next: first, end, shorts: 0, first_short, spare: None, is_requested: false }
    }

    /// Whether `issue` has one.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.next < self.end || self.spare.is_some()
    }

    /// The same of the short ones.
    #[must_use]
    pub fn has_any_short(&self) -> bool {
        self.shorts < Self::SHORTS || self.spare.is_some()
    }

    /// A new id, or `None` when the next block has not been reserved in time.
    pub fn issue(&mut self, out: &mut Effects) -> Option<MessageId> {
        loop {
            if self.end - self.next <= Self::LOW_WATER {
                self.request(out);
            }
            if self.next == self.end {
                self.begin_spare()?;
            }
            let id = MessageId::compose(self.node, self.cipher.permute(self.next));
            self.next += 1;
            // Of the first node's, one in two million is as small as a short id.
            if !id.is_short() {
                return Some(id);
            }
        }
    }

    /// A new id of eight digits, or `None` when the next block has not been reserved in time.
    pub fn issue_short(&mut self, out: &mut Effects) -> Option<MessageId> {
        loop {
            if self.shorts >= Self::SHORTS / 2 {
                self.request(out);
            }
            if self.shorts == Self::SHORTS {
                self.begin_spare()?;
            }
            let counter = self.first_short + self.shorts;
            self.shorts += 1;
            let id = MessageId::short(self.cipher.permute_short(counter));
            // Zero is what some take for no id.
            if id != MessageId::short(0) {
                return Some(id);
            }
        }
    }

    pub fn add_block(&mut self, first: u64, end: u64) {
        self.spare = Some((first, end));
        self.is_requested = false;
    }

    fn request(&mut self, out: &mut Effects) {
        if self.spare.is_none() && !self.is_requested {
            self.is_requested = true;
            out.act(Action::ReserveIds);
        }
    }

    fn begin_spare(&mut self) -> Option<()> {
        let (first, end) = self.spare.take()?;
        (self.next, self.end) = (first, end);
        (self.shorts, self.first_short) = (0, Self::first_short(first));
        Some(())
    }

    fn first_short(first: u64) -> u32 {
        (first / Self::BLOCK % Self::SHORT_BLOCKS) as u32 * Self::SHORTS
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::engine::message::ShardId;

    #[test]
    fn a_block_is_asked_for_in_time_and_used_when_the_first_is_spent() {
        let mut out = Effects::new(ShardId(0), 1);
        let mut ids = IdSource::new(3, [7; 16], 0, 2);
        let first = ids.issue(&mut out).unwrap();
        assert!(matches!(out.actions[..], [Action::ReserveIds]));
        assert_ne!(ids.issue(&mut out).unwrap(), first);
        assert_eq!(ids.issue(&mut out), None);
        ids.add_block(100, 200);
        assert!(ids.issue(&mut out).is_some());
    }

    #[test]
    fn short_ids_of_all_blocks_are_different_and_a_block_is_asked_for_in_time() {
        let mut out = Effects::new(ShardId(0), 1);
        let block = |at: u64| (at * IdSource::BLOCK, (at + 1) * IdSource::BLOCK);
        let mut ids = IdSource::new(3, [7; 16], block(5).0, block(5).1);
        let mut seen = HashSet::new();
        for at in 6..9 {
            while ids.shorts < IdSource::SHORTS / 2 {
                assert!(seen.insert(ids.issue_short(&mut out).unwrap()));
            }
            assert!(out.actions.is_empty());
            seen.insert(ids.issue_short(&mut out).unwrap());
            assert!(matches!(out.actions[..], [Action::ReserveIds]));
            out.actions.clear();
            ids.add_block(block(at).0, block(at).1);
            while ids.spare.is_some() {
                assert!(seen.insert(ids.issue_short(&mut out).unwrap()));
            }
        }
        assert!(seen.iter().all(|id| id.is_short() && id.bits() != 0));
        assert!(!ids.issue(&mut out).unwrap().is_short());
        // The last block's end where the number of blocks that are different ends.
        let last = IdSource::first_short((IdSource::SHORT_BLOCKS - 1) * IdSource::BLOCK);
        assert_eq!(
            (last.checked_add(IdSource::SHORTS - 1), last.checked_add(IdSource::SHORTS)),
            (Some(u32::MAX), None)
        );
        assert_eq!(IdSource::first_short(IdSource::SHORT_BLOCKS * IdSource::BLOCK), 0);
    }

    #[test]
    fn a_block_without_an_answer_ends_the_short_ids_and_not_the_others() {
        let mut out = Effects::new(ShardId(0), 1);
        let mut ids = IdSource::new(0, [7; 16], 0, IdSource::BLOCK);
        while ids.issue_short(&mut out).is_some() {}
        assert_eq!(ids.shorts, IdSource::SHORTS);
        assert!(ids.issue(&mut out).is_some());
    }

    #[test]
    fn no_long_id_looks_like_a_short_one() {
        // What the counter gives of the first node below 2^32.
        let cipher = IdCipher::new([7; 16]);
        let small = (0..).find(|counter| cipher.permute(*counter) < 1 << 32).unwrap();
        let mut ids = IdSource::new(0, [7; 16], small, small + 10);
        let next = MessageId::compose(0, cipher.permute(small + 1));
        assert_eq!(ids.issue(&mut Effects::new(ShardId(0), 1)), Some(next));
    }
}
