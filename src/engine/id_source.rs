//! Issues our message_ids: a node, and a keyed permutation of a counter whose blocks are reserved durably before use.
//!
//! Unique across shards, restarts and nodes because no block is used twice; unguessable because of the key.

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
    /// The block to go on with.
    spare: Option<(u64, u64)>,
    is_requested: bool,
}

impl IdSource {
    /// The next block is asked for when this many ids are left.
    const LOW_WATER: u64 = 1 << 20;

    #[must_use]
    pub fn new(node: u16, key: [u8; 16], first: u64, end: u64) -> Self {
        Self { node, cipher: IdCipher::new(key), next: first, end, spare: None, is_requested: false }
    }

    /// Whether `issue` has one.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.next < self.end || self.spare.is_some()
    }

    /// A new id, or `None` when the next block has not been reserved in time.
    pub fn issue(&mut self, out: &mut Effects) -> Option<MessageId> {
        if self.end - self.next <= Self::LOW_WATER && self.spare.is_none() && !self.is_requested {
            self.is_requested = true;
            out.act(Action::ReserveIds);
        }
        if self.next == self.end {
            (self.next, self.end) = self.spare.take()?;
        }
        let id = MessageId::compose(self.node, self.cipher.permute(self.next));
        self.next += 1;
        Some(id)
    }

    pub fn add_block(&mut self, first: u64, end: u64) {
        self.spare = Some((first, end));
        self.is_requested = false;
    }
}

#[cfg(test)]
mod tests {
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
}
