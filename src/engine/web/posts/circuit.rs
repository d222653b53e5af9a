//! When a target is told nothing for a while, because it failed again and again: then it is asked once, and all goes on when it
//! takes that. Each time it is asked with another event: some it may never take, whatever else it would.

use std::time::Duration;

use crate::engine::backoff::doubled;
use crate::engine::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: State,
    /// Events that failed since one was taken. Those that are refused again and again count once: they have waits of their own.
    failed: Vec<u64>,
    /// Openings since it last was well.
    opened: u32,
    /// The last event it was asked with while it was not closed.
    asked_with: u64,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// One try is under way.
    Probing,
}

impl Circuit {
    const AFTER: usize = 5;
    const FIRST: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_secs(300);

    pub(super) fn lets_through(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } => until <= now,
            State::Probing => false,
        }
    }

    /// Nothing is known against the target.
    pub(super) fn is_well(&self) -> bool {
        self.state == State::Closed && self.failed.is_empty()
    }

    /// The event it was asked with last, 0 when with none; `None` while it is closed.
    pub(super) fn asked_with(&self) -> Option<u64> {
        (self.state != State::Closed).then_some(self.asked_with)
    }

    /// A try was begun that it let through, with this event first.
    pub(super) fn tried(&mut self, event: u64) {
        if self.state != State::Closed {
            (self.state, self.asked_with) = (State::Probing, event);
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self { asked_with: self.asked_with, ..Self::default() };
    }

    /// A try failed whose first event this is. Says until when it is open, when it opens.
    pub(super) fn failed(&mut self, event: u64, now: Instant) -> Option<Instant> {
        let opens = match self.state {
            State::Closed => {
                if !self.failed.contains(&event) {
                    self.failed.push(event);
                }
                self.failed.len() >= Self::AFTER
            }
            State::Probing => true,
            // It was begun before that.
            State::Open { .. } => false,
        };
        if !opens {
            return None;
        }
        let until = now + doubled(Self::FIRST, self.opened, Self::LONGEST);
        self.opened = self.opened.saturating_add(1);
        self.state = State::Open { until };
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let mut circuit = Circuit::default();
        assert_eq!((0..4).find_map(|event| circuit.failed(event, at(0))), None);
        circuit.succeeded();
        assert_eq!((0..4).find_map(|event| circuit.failed(event, at(0))), None);
        assert_eq!(circuit.failed(4, at(0)), Some(at(10)));
        assert!(!circuit.lets_through(at(9)) && circuit.lets_through(at(10)));
        // One that had been out when it opened.
        assert_eq!(circuit.failed(5, at(1)), None);
        assert_eq!(circuit.asked_with(), Some(0));
        circuit.tried(7);
        assert_eq!(circuit.asked_with(), Some(7));
        assert!(!circuit.lets_through(at(11)), "only one is asked");
        circuit.succeeded();
        assert!(circuit.lets_through(at(11)) && circuit.is_well() && circuit.asked_with().is_none());
    }

    #[test]
    fn each_probe_that_fails_opens_it_twice_as_long_up_to_five_minutes() {
        let (mut circuit, mut now) = (Circuit::default(), at(0));
        let mut waits: Vec<_> =
            (0..5).filter_map(|event| circuit.failed(event, now)).map(|until| until.since(now)).collect();
        for _ in 0..6 {
            now = now + *waits.last().unwrap();
            assert!(circuit.lets_through(now));
            circuit.tried(9);
            waits.extend(circuit.failed(9, now).map(|until| until.since(now)));
        }
        let waits: Vec<_> = waits.iter().map(Duration::as_secs).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_few_events_that_are_refused_for_ever_do_not_open_it() {
        let mut circuit = Circuit::default();
        assert_eq!((0..50).find_map(|time| circuit.failed(7 + time % 3, at(0))), None);
        assert_eq!(circuit.failed(10, at(0)), None);
        assert_eq!(circuit.failed(11, at(0)), Some(at(10)));
    }
}
