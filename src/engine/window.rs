//! A window: the requests sent on one connection and not yet answered, found by sequence_number without hashing.
//!
//! Numbers rise by one and slots are `number & mask` in a ring a little larger than the limit; a number whose slot is still
//! taken is skipped, so an open number is never reused. Full is an answer: the refused request comes back to the caller.

use crate::smpp::command::SequenceNumber;

/// The request that did not fit.
#[derive(Debug)]
pub struct Full<T>(pub T);

#[derive(Debug)]
pub struct Window<T> {
    slots: Vec<Option<(SequenceNumber, T)>>,
    next: SequenceNumber,
    /// The oldest number that may still be open.
    oldest: SequenceNumber,
    outstanding: usize,
    limit: usize,
}

impl<T> Window<T> {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), next: SequenceNumber::FIRST, oldest: SequenceNumber::FIRST, outstanding: 0, limit }
    }

    /// Another limit; what is open beyond it stays until it is answered.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        let size = Self::ring(limit);
        if self.slots.is_empty() || size <= self.slots.len() {
            return;
        }
        let open = std::mem::take(&mut self.slots);
        self.slots.resize_with(size, || None);
        // A larger ring keeps apart what the smaller one did: its size is a multiple.
        for (sequence, request) in open.into_iter().flatten() {
            let slot = self.slot(sequence);
            self.slots[slot] = Some((sequence, request));
        }
    }

    fn ring(limit: usize) -> usize {
        (limit + limit / 4 + 1).next_power_of_two()
    }

    /// Takes the next free number for `request`.
    pub fn open(&mut self, request: T) -> Result<SequenceNumber, Full<T>> {
        if self.outstanding >= self.limit {
            return Err(Full(request));
        }
        if self.slots.is_empty() {
            // Allocated at first use: an idle bind costs nothing.
            self.slots.resize_with(Self::ring(self.limit), || None);
        }
        while self.slots[self.slot(self.next)].is_some() {
            self.next = self.next.next();
        }
        let sequence = self.next;
        if self.outstanding == 0 {
            self.oldest = sequence;
        }
        let slot = self.slot(sequence);
        self.slots[slot] = Some((sequence, request));
        self.next = sequence.next();
        self.outstanding += 1;
        Ok(sequence)
    }

    /// Takes the number a control PDU uses; it is answered outside the window.
    pub fn control_number(&mut self) -> SequenceNumber {
        if !self.slots.is_empty() {
            while self.slots[self.slot(self.next)].is_some() {
                self.next = self.next.next();
            }
        }
        let sequence = self.next;
        self.next = sequence.next();
        sequence
    }

    /// The request this answers, if it is open.
    pub fn close(&mut self, sequence: SequenceNumber) -> Option<T> {
        if self.slots.is_empty() {
            return None;
        }
        let slot = self.slot(sequence);
        match self.slots[slot].take() {
            Some((open, request)) if open == sequence => {
                self.outstanding -= 1;
                Some(request)
            }
            other => {
                self.slots[slot] = other;
                None
            }
        }
    }

    #[must_use]
    pub fn get(&self, sequence: SequenceNumber) -> Option<&T> {
        let (open, request) = self.slots.get(self.slot(sequence))?.as_ref()?;
        if *open == sequence { Some(request) } else { None }
    }

    pub fn get_mut(&mut self, sequence: SequenceNumber) -> Option<&mut T> {
        let slot = self.slot(sequence);
        let (open, request) = self.slots.get_mut(slot)?.as_mut()?;
        if *open == sequence { Some(request) } else { None }
    }

    /// The open request with the oldest number.
    pub fn oldest(&mut self) -> Option<(SequenceNumber, &T)> {
        if self.outstanding == 0 {
            return None;
        }
        // Numbers of one ring never span more than the ring while something is open, save for a wrap at the top.
        for _ in 0..self.slots.len().saturating_mul(2) {
            if self.get(self.oldest).is_some() {
                break;
            }
            self.oldest = self.oldest.next();
        }
        if self.get(self.oldest).is_none() {
            self.oldest = self.lowest_open()?;
        }
        let oldest = self.oldest;
        Some((oldest, self.get(oldest)?))
    }

    /// Everything open, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SequenceNumber, &T)> {
        self.slots.iter().flatten().map(|(sequence, request)| (*sequence, request))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten().map(|(_, request)| request)
    }

    /// Everything open, oldest first; the window is empty afterwards.
    pub fn drain(&mut self) -> Vec<T> {
        let mut open: Vec<_> = self.slots.iter_mut().filter_map(Option::take).collect();
        self.outstanding = 0;
        let next = self.next.0;
        open.sort_by_key(|(sequence, _)| sequence.0.wrapping_sub(next) & 0x7FFF_FFFF);
        open.into_iter().map(|(_, request)| request).collect()
    }

    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.outstanding >= self.limit
    }

    /// Whether this number was ever given out: only others count as unsolicited.
    #[must_use]
    pub fn was_issued(&self, sequence: SequenceNumber) -> bool {
        sequence.0 >= 1 && sequence.0 < self.next.0
    }

    fn lowest_open(&self) -> Option<SequenceNumber> {
        let next = self.next.0;
        self.slots
            .iter()
            .flatten()
            .map(|(sequence, _)| *sequence)
            .min_by_key(|sequence| sequence.0.wrapping_sub(next) & 0x7FFF_FFFF)
    }

    fn slot(&self, sequence: SequenceNumber) -> usize {
        sequence.0 as usize & (self.slots.len().wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_window_hands_the_request_back() {
        let mut window = Window::new(2);
        let first = window.open("a").unwrap();
        window.open("b").unwrap();
        assert!(matches!(window.open("c"), Err(Full("c"))));
        assert_eq!(window.close(first), Some("a"));
        assert_eq!(window.close(first), None);
        window.open("c").unwrap();
        assert_eq!(window.drain(), ["b", "c"]);
        assert_eq!(window.outstanding(), 0);
    }

    #[test]
    fn one_slow_answer_does_not_stop_the_numbers() {
        let mut window = Window::new(4);
        let slow = window.open(0).unwrap();
        for i in 1..1_000 {
            let sequence = window.open(i).unwrap();
            assert_ne!(sequence, slow);
            assert_eq!(window.oldest(), Some((slow, &0)));
            assert_eq!(window.close(sequence), Some(i));
        }
        assert_eq!(window.close(slow), Some(0));
        assert_eq!(window.oldest(), None);
    }

    #[test]
    fn the_oldest_is_found_across_the_top_of_the_numbers() {
        let mut window = Window::new(4);
        window.next = SequenceNumber(0x7FFF_FFFE);
        let numbers: Vec<_> = (0..4).map(|i| window.open(i).unwrap()).collect();
        assert_eq!(numbers[2], SequenceNumber::FIRST);
        assert_eq!(window.oldest(), Some((SequenceNumber(0x7FFF_FFFE), &0)));
        assert_eq!(window.drain(), [0, 1, 2, 3]);
    }

    #[test]
    fn another_limit_loses_nothing_that_is_open() {
        let mut window = Window::new(4);
        let slow = window.open(0).unwrap();
        for i in 1..9 {
            let sequence = window.open(i).unwrap();
            window.close(sequence);
        }
        let mut open = vec![(slow, 0)];
        open.extend((10..13).map(|i| (window.open(i).unwrap(), i)));
        window.set_limit(100);
        open.extend((20..116).map(|i| (window.open(i).unwrap(), i)));
        assert!(window.is_full() && window.open(7).is_err());
        window.set_limit(2);
        assert_eq!(window.oldest(), Some((slow, &0)));
        for (sequence, request) in open {
            assert!(window.is_full());
            assert_eq!(window.close(sequence), Some(request));
            if window.outstanding() == 1 {
                break;
            }
        }
        window.open(8).unwrap();
        assert!(window.open(9).is_err());
    }

    proptest! {
        #[test]
        fn an_open_number_is_never_given_twice(limit in 1usize..20, steps in prop::collection::vec(any::<(bool, u8)>(), 1..300)) {
            let mut window = Window::new(limit);
            let mut open = Vec::new();
            for (send, pick) in steps {
                if send {
                    match window.open(pick) {
                        Ok(sequence) => {
                            prop_assert!(!open.contains(&(sequence, pick)) && open.iter().all(|(s, _)| *s != sequence));
                            open.push((sequence, pick));
                        }
                        Err(Full(_)) => prop_assert_eq!(open.len(), limit),
                    }
                } else if !open.is_empty() {
                    let (sequence, request) = open.remove(pick as usize % open.len());
                    prop_assert_eq!(window.close(sequence), Some(request));
                }
                prop_assert_eq!(window.outstanding(), open.len());
                prop_assert_eq!(window.oldest().map(|(s, _)| s), open.first().map(|(s, _)| *s));
            }
        }
    }
}
