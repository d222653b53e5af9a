//! Early receipts: those that came before the `submit_sm_resp` that names their id.
//!
//! One is parked only while a receipt-requesting submit that was written to the carrier before it is unanswered, and only
//! such a submit may take it. When none is left it belongs to nobody, and is dropped and counted.

use std::collections::VecDeque;

use ahash::AHashMap;

use super::event::Place;
use super::slab::{Key, Slab};
use crate::smpp::message_id::MessageId;

/// A parked receipt, already acknowledged.
#[derive(Debug)]
pub struct Early {
    /// What its record is kept under.
    pub key: u64,
    pub born: u32,
    pub place: Place,
    /// Fingerprints of the ids it carries.
    pub fingerprints: [Option<u64>; 2],
    /// Only submits written before this may take it.
    pub before: u64,
    /// The deliver_sm's body as it came.
    pub body: Vec<u8>,
    /// Those of the submit it belongs to, once that is known and when they were rewritten: an intermediate receipt that its account
    /// has no room for may wait longer than the correlation lives.
    pub addresses: Box<[u8]>,
    /// The id its customer is shown, once that is known and when it is another than the submit's own.
    pub shown: Option<MessageId>,
}

#[derive(Debug, Default)]
pub struct EarlyReceipts {
    parked: Slab<Early>,
    by_fingerprint: AHashMap<u64, Vec<Key>>,
    /// By `before`, rising: each answer asks for those that nobody can claim any more, and must not look at all the others.
    /// Those that were taken stay in it until their turn.
    order: VecDeque<(u64, Key)>,
}

impl EarlyReceipts {
    const TAKEN_KEPT: usize = 1_024;

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.parked.len()
    }

    pub fn park(&mut self, early: Early) {
        let (fingerprints, before) = (early.fingerprints, early.before);
        let key = self.parked.insert(early);
        if self.order.len() > 2 * self.parked.len() + Self::TAKEN_KEPT {
            let parked = &self.parked;
            self.order.retain(|(_, key)| parked.get(*key).is_some());
        }
        // At the end, but for what is restored.
        let at = self.order.iter().rposition(|(other, _)| *other <= before).map_or(0, |at| at + 1);
        self.order.insert(at, (before, key));
        for fingerprint in fingerprints.into_iter().flatten() {
            self.by_fingerprint.entry(fingerprint).or_default().push(key);
        }
    }

    /// Every one parked, in the order they came.
    pub fn take_all(&mut self) -> Vec<Early> {
        let all: Vec<_> = self.parked.iter().map(|(key, _)| key).collect();
        let mut all: Vec<_> = all.into_iter().filter_map(|key| self.remove(key)).collect();
        all.sort_unstable_by_key(|early| early.key);
        all
    }

    /// Every one parked.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Early> {
        self.parked.iter_mut().map(|(_, early)| early)
    }

    /// The receipts for the submit that was written as number `written` and now has this id, in the order they came.
    pub fn take(&mut self, fingerprint: u64, written: u64) -> Vec<Early> {
        let Some(keys) = self.by_fingerprint.get(&fingerprint) else { return Vec::new() };
        let may_take = |key: &Key| self.parked.get(*key).is_some_and(|early| written < early.before);
        let keys: Vec<_> = keys.iter().copied().filter(may_take).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Drops those that no submit can take any more: all written before them are answered.
    pub fn drop_unclaimed(&mut self, oldest_unanswered: Option<u64>) -> Vec<Early> {
        let is_unclaimed = |before: u64| oldest_unanswered.is_none_or(|oldest| oldest >= before);
        let mut unclaimed = Vec::new();
        while let Some((_, key)) = self.order.front().filter(|(before, _)| is_unclaimed(*before)) {
            let key = *key;
            self.order.pop_front();
            unclaimed.extend(self.remove(key));
        }
        unclaimed
    }

    fn remove(&mut self, key: Key) -> Option<Early> {
        let early = self.parked.remove(key)?;
        for fingerprint in early.fingerprints.into_iter().flatten() {
            if let Some(keys) = self.by_fingerprint.get_mut(&fingerprint) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    self.by_fingerprint.remove(&fingerprint);
                }
            }
        }
        Some(early)
    }
}

/// Numbers the receipt-requesting submits written to a carrier and knows the oldest that is unanswered.
#[derive(Debug, Default)]
pub struct Unanswered {
    first: u64,
    answered: VecDeque<bool>,
}

impl Unanswered {
    pub fn written(&mut self) -> u64 {
        self.answered.push_back(false);
        self.next() - 1
    }

    /// True when this was the oldest, so that `oldest` moved.
    pub fn answered(&mut self, number: u64) -> bool {
        let Some(at) = number.checked_sub(self.first) else { return false };
        if let Some(answered) = self.answered.get_mut(at as usize) {
            *answered = true;
        }
        let mut moved = false;
        while self.answered.front() == Some(&true) {
            self.answered.pop_front();
            self.first += 1;
            moved = true;
        }
        moved
    }

    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        (!self.answered.is_empty()).then_some(self.first)
    }

    /// The number the next submit will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.answered.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early(fingerprint: u64, before: u64) -> Early {
        let place = Place { segment: 0, octets: 24 };
        Early {
            key: 0,
            born: 0,
            place,
            fingerprints: [Some(fingerprint), None],
            before,
            body: Vec::new(),
            addresses: Box::default(),
            shown: None,
        }
    }

    #[test]
    fn only_a_submit_written_before_the_receipt_may_take_it() {
        let mut receipts = EarlyReceipts::default();
        receipts.park(early(7, 5));
        assert!(receipts.take(7, 5).is_empty());
        assert!(receipts.take(8, 1).is_empty());
        assert_eq!(receipts.take(7, 4).len(), 1);
        assert!(receipts.is_empty() && receipts.by_fingerprint.is_empty());
    }

    #[test]
    fn they_are_dropped_in_order_whatever_was_taken_or_restored_meanwhile() {
        let mut receipts = EarlyReceipts::default();
        for before in [2, 2, 5, 0, 3] {
            receipts.park(early(before, before));
        }
        assert_eq!(receipts.take(3, 1).len(), 1);
        let dropped = |receipts: &mut EarlyReceipts, oldest| {
            receipts.drop_unclaimed(oldest).iter().map(|early| early.before).collect::<Vec<_>>()
        };
        assert_eq!(dropped(&mut receipts, Some(1)), [0]);
        assert_eq!(dropped(&mut receipts, Some(4)), [2, 2]);
        assert_eq!(dropped(&mut receipts, Some(4)), [0; 0]);
        assert_eq!(dropped(&mut receipts, None), [5]);
        assert!(receipts.is_empty() && receipts.order.is_empty());
    }

    #[test]
    fn what_is_taken_is_forgotten() {
        let mut receipts = EarlyReceipts::default();
        // The first stays, and all behind it are taken at once.
        receipts.park(early(0, 1));
        for number in 1..100_000 {
            receipts.park(early(number, number + 1));
            assert_eq!(receipts.take(number, number).len(), 1);
        }
        assert!(receipts.order.len() <= EarlyReceipts::TAKEN_KEPT + 4, "{}", receipts.order.len());
        assert_eq!(receipts.len(), 1);
    }

    #[test]
    fn receipts_nobody_can_claim_are_dropped_when_the_last_candidate_is_answered() {
        let (mut receipts, mut unanswered) = (EarlyReceipts::default(), Unanswered::default());
        let (first, second) = (unanswered.written(), unanswered.written());
        receipts.park(early(7, unanswered.next()));
        assert!(!unanswered.answered(second));
        assert!(receipts.drop_unclaimed(unanswered.oldest()).is_empty());
        assert!(unanswered.answered(first));
        assert_eq!(unanswered.oldest(), None);
        assert_eq!(receipts.drop_unclaimed(unanswered.oldest()).len(), 1);
    }
}
