//! Whether all parts of each long message came on one connection.
//!
//! As a handset would, it knows a message by its addresses, mark, reference and total.

use ahash::{AHashMap, RandomState};
use serde::Serialize;

use crate::smpp::segment::segment_ref;
use crate::smpp::view::SmView;
use crate::tools::report::Table;

/// Messages that wait for parts; beyond them all are forgotten.
const MAX: usize = 1 << 20;

/// Every part that was accepted.
#[derive(Default)]
pub(super) struct Parts {
    hasher: RandomState,
    incomplete: AHashMap<u64, Message>,
    parts: u64,
    messages: u64,
    split: u64,
    whole: u64,
}

struct Message {
    connection: u32,
    seen: [u64; 4],
    missing: u8,
    is_split: bool,
}

/// Long messages, as they came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PartsReport {
    pub parts: u64,
    pub messages: u64,
    /// Parts of theirs came on more than one connection.
    pub messages_split: u64,
    /// Parts of theirs never came: to another carrier, perhaps.
    pub messages_incomplete: u64,
}

impl Parts {
    pub(super) fn add(&mut self, connection: u32, submit: &SmView<'_>) {
        let Some(part) = segment_ref(submit) else { return };
        self.parts += 1;
        let addresses = (submit.source.digits, submit.destination.digits);
        let key = self.hasher.hash_one((addresses, part.mark, part.reference, part.total));
        if self.incomplete.len() >= MAX {
            self.incomplete.clear();
        }
        let (word, bit) = (usize::from(part.number / 64), 1 << (part.number % 64));
        // A part that is there already is the next message's.
        let known = self.incomplete.remove(&key).filter(|message| message.seen[word] & bit == 0);
        let mut message = known.unwrap_or_else(|| {
            self.messages += 1;
            Message { connection, seen: [0; 4], missing: part.total, is_split: false }
        });
        message.seen[word] |= bit;
        message.missing -= 1;
        if message.connection != connection && !message.is_split {
            message.is_split = true;
            self.split += 1;
        }
        if message.missing > 0 {
            self.incomplete.insert(key, message);
        } else {
            self.whole += 1;
        }
    }

    #[must_use]
    pub(super) fn report(&self) -> PartsReport {
        PartsReport {
            parts: self.parts,
            messages: self.messages,
            messages_split: self.split,
            messages_incomplete: self.messages - self.whole,
        }
    }
}

impl PartsReport {
    pub(super) fn rows(&self, table: &mut Table) {
        if self.parts > 0 {
            table.row("long messages", self.messages);
            table.row("over two connections", self.messages_split);
            table.row_unless_zero("incomplete", self.messages_incomplete);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(parts: &[(u32, u8, u8)]) -> PartsReport {
        let mut seen = Parts::default();
        for (connection, reference, number) in parts {
            let mut body = b"\0\x05\0ACME\0\x01\x014917\0\x40\0\0\0\0\0\0\x08\0\x06\x05\0\x03".to_vec();
            body.extend_from_slice(&[*reference, 2, *number]);
            seen.add(*connection, &SmView::submit(&body).unwrap());
        }
        seen.report()
    }

    #[test]
    fn a_message_is_split_once_its_parts_came_on_two_connections() {
        let report = |messages, messages_split, messages_incomplete, parts| PartsReport {
            parts,
            messages,
            messages_split,
            messages_incomplete,
        };
        assert_eq!(reported(&[(1, 7, 2), (2, 8, 1), (1, 7, 1), (2, 8, 2)]), report(2, 0, 0, 4));
        assert_eq!(reported(&[(1, 7, 2), (2, 7, 1)]), report(1, 1, 0, 2));
        assert_eq!(reported(&[(1, 7, 2), (2, 8, 1)]), report(2, 0, 2, 2));
        // The same part again, and the same reference after a whole message.
        assert_eq!(reported(&[(1, 7, 2), (2, 7, 2), (2, 7, 1)]), report(2, 0, 1, 3));
        assert_eq!(reported(&[(1, 7, 2), (1, 7, 1), (2, 7, 2), (2, 7, 1)]), report(2, 0, 0, 4));
    }
}
