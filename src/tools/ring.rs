//! Requests sent and not yet answered, in a ring indexed by sequence number.
//!
//! Answers come nearly in order, so a request's place is found by masking its number; nothing is hashed.

use crate::smpp::command::SequenceNumber;

pub struct Ring<T> {
    slots: Vec<Option<(SequenceNumber, T)>>,
    limit: usize,
    open: usize,
    next: SequenceNumber,
}

impl<T> Ring<T> {
    /// Room for `limit` requests. The ring is larger, so that one late answer does not hold up all behind it.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let len = (limit.max(1) * 4).next_power_of_two();
        let slots = std::iter::repeat_with(|| None).take(len).collect();
        Self { slots, limit: limit.max(1), open: 0, next: SequenceNumber::FIRST }
    }

    /// Opens a request; hands it back when the window is full.
    pub fn open(&mut self, request: T) -> Result<SequenceNumber, T> {
        if self.room() == 0 {
            return Err(request);
        }
        let sequence = self.next;
        let at = self.at(sequence);
        self.slots[at] = Some((sequence, request));
        self.open += 1;
        self.next = sequence.next();
        Ok(sequence)
    }

    /// Requests that can be opened now; zero also while the next place is held by a request long unanswered.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.slots[self.at(self.next)].is_some() { 0 } else { self.limit - self.open }
    }

    /// The request this number answers, closed now; `None` when there is none.
    pub fn take(&mut self, sequence: SequenceNumber) -> Option<T> {
        let at = self.at(sequence);
        let (_, request) = self.slots[at].take_if(|(open, _)| *open == sequence)?;
        self.open -= 1;
        Some(request)
    }

    /// Closes and returns the requests that `is_lost` names.
    pub fn take_if(&mut self, mut is_lost: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut lost = Vec::new();
        for slot in &mut self.slots {
            if let Some((_, request)) = slot.take_if(|(_, request)| is_lost(request)) {
                lost.push(request);
            }
        }
        self.open -= lost.len();
        lost
    }

    /// The open requests.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|(_, request)| request)
    }

    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.open
    }

    fn at(&self, sequence: SequenceNumber) -> usize {
        sequence.0 as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_hands_the_request_back() {
        let mut ring = Ring::new(2);
        assert_eq!(ring.open("a"), Ok(SequenceNumber(1)));
        assert_eq!(ring.open("b"), Ok(SequenceNumber(2)));
        assert_eq!(ring.open("c"), Err("c"));
        assert_eq!(ring.take(SequenceNumber(1)), Some("a"));
        assert_eq!(ring.open("c"), Ok(SequenceNumber(3)));
        assert_eq!(ring.outstanding(), 2);
    }

    #[test]
    fn a_number_is_answered_once_and_only_if_it_was_issued() {
        let mut ring = Ring::new(4);
        let sequence = ring.open(7).unwrap();
        assert_eq!(ring.take(SequenceNumber(sequence.0 + 16)), None, "same place, another number");
        assert_eq!(ring.take(sequence), Some(7));
        assert_eq!(ring.take(sequence), None);
    }

    #[test]
    fn one_late_answer_holds_up_the_window_only_when_the_ring_comes_round() {
        let mut ring = Ring::new(4);
        let late = ring.open(0).unwrap();
        for n in 1..16 {
            let sequence = ring.open(n).unwrap();
            assert_eq!(ring.take(sequence), Some(n));
        }
        assert_eq!((ring.room(), ring.open(16)), (0, Err(16)));
        assert_eq!(ring.take_if(|n| *n == 0), [0]);
        assert_eq!(ring.take(late), None);
        assert!(ring.open(16).is_ok());
    }

    #[test]
    fn numbers_wrap_to_one_with_requests_open() {
        let mut ring = Ring::new(2);
        ring.next = SequenceNumber(0x7FFF_FFFF);
        assert_eq!(ring.open(1), Ok(SequenceNumber(0x7FFF_FFFF)));
        assert_eq!(ring.open(2), Ok(SequenceNumber(1)));
        assert_eq!(ring.take(SequenceNumber(0x7FFF_FFFF)), Some(1));
        assert_eq!(ring.take(SequenceNumber(1)), Some(2));
    }
}
