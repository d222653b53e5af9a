//! The end of the process, told in time: how long what waits for customers may still be delivered, and how fast their sessions are
//! told goodbye. Thousands of customers who are all told at once would all be back at once, wherever they go.

use std::time::Duration;

use super::time::{Instant, nanos};

/// Where the end of the process stands on this shard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Drain {
    No,
    /// Windows empty, then the links say goodbye.
    Carriers {
        began: Instant,
    },
    /// Every shard's links are gone.
    CarriersDone {
        began: Instant,
    },
    /// Receipts in hand go out, then the sessions are told goodbye.
    Sessions {
        goodbyes: Goodbyes,
    },
    /// Everybody has gone; the records and lines up to these are awaited, and not what late requests are told.
    Writing {
        record: u64,
        line: u64,
    },
    Done,
}

impl Drain {
    #[must_use]
    pub(super) fn is_begun(&self) -> bool {
        !matches!(self, Self::No)
    }

    /// When there is something to do that nothing but the time brings about.
    #[must_use]
    pub(super) fn next_look(&self) -> Instant {
        match self {
            Self::Sessions { goodbyes } => goodbyes.next_look,
            Self::No | Self::Carriers { .. } | Self::CarriersDone { .. } | Self::Writing { .. } | Self::Done => {
                Instant::NEVER
            }
        }
    }
}

/// The sessions' part of a drain.
#[derive(Clone, Copy, Debug)]
pub struct Goodbyes {
    /// Between one and the next.
    gap: Duration,
    next_at: Instant,
    next_look: Instant,
    deliver_until: Instant,
    answers_until: Instant,
}

impl Goodbyes {
    /// At most so fast on each shard, unless that took more than a quarter of the time there is.
    const GAP: Duration = Duration::from_millis(2);
    /// What the end takes besides: a peer that does not read is closed after a moment, and the last responses are written.
    const CLOSING: Duration = Duration::from_secs(7);
    /// A shard that looks late makes up for as much.
    const CATCH_UP: Duration = Duration::from_millis(50);

    /// For so many sessions, at `now`, of a drain that began then and may take so long.
    #[must_use]
    pub fn new(sessions: usize, began: Instant, drain: Duration, now: Instant) -> Self {
        let spread = (drain / 4).min((began + drain / 4 * 3).since(now));
        let gap = spread / u32::try_from(sessions.max(1)).unwrap_or(u32::MAX);
        Self {
            gap: gap.min(Self::GAP),
            next_at: now,
            next_look: Instant::NEVER,
            // What carriers took long for has its moment still.
            deliver_until: (began + drain / 2).max(now + drain / 20),
            answers_until: began + (drain - Self::CLOSING.min(drain / 4)),
        }
    }

    /// Before the sessions are looked at: what is in the way of them says when to look again.
    pub(super) fn begin_look(&mut self) {
        self.next_look = Instant::NEVER;
    }

    /// Whether what waits for a customer still holds up his goodbye. It is durable, and goes out after the next start.
    pub fn may_deliver(&mut self, now: Instant) -> bool {
        let may = now < self.deliver_until;
        if may {
            self.next_look = self.next_look.min(self.deliver_until);
        }
        may
    }

    /// Whether one more session may be told goodbye now.
    pub fn take(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next_at;
        if is_due {
            let made_up = Instant::from_nanos(now.as_nanos().saturating_sub(nanos(Self::CATCH_UP)));
            self.next_at = self.next_at.max(made_up) + self.gap;
        } else {
            self.next_look = self.next_look.min(self.next_at);
        }
        is_due
    }

    /// How long one that is told now may take to answer.
    #[must_use]
    pub fn answer_until(&self, now: Instant, patience: Duration) -> Instant {
        (now + patience).min(self.answers_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    /// When the last of so many is told goodbye, looked at whenever it is time to.
    fn last_of(sessions: usize, began: Instant, drain: Duration, now: Instant) -> Instant {
        let mut goodbyes = Goodbyes::new(sessions, began, drain, now);
        let (mut now, mut told) = (now, 0);
        loop {
            goodbyes.begin_look();
            while told < sessions && goodbyes.take(now) {
                told += 1;
            }
            if told == sessions {
                return now;
            }
            assert!(goodbyes.next_look > now, "a look that is due at once");
            now = goodbyes.next_look;
        }
    }

    #[test]
    fn a_few_leave_at_once_and_thousands_over_a_quarter_of_the_time() {
        let drain = 30 * SECOND;
        assert_eq!(last_of(1, at(0), drain, at(100)), at(100));
        assert_eq!(last_of(50, at(0), drain, at(100)), at(198));
        assert_eq!(last_of(1_000, at(0), drain, at(100)), at(100 + 1_998));
        let last = last_of(10_000, at(0), drain, at(100)).since(at(100));
        assert!((7 * SECOND..=drain / 4).contains(&last), "{last:?}");
    }

    #[test]
    fn who_begins_late_spreads_less_and_who_has_no_time_not_at_all() {
        let drain = 30 * SECOND;
        let last = last_of(10_000, at(0), drain, at(20_000));
        assert!((at(22_000)..=at(22_500)).contains(&last), "{last:?}");
        assert_eq!(last_of(10_000, at(0), drain, at(25_000)), at(25_000));
        assert_eq!(last_of(10_000, at(0), Duration::ZERO, at(0)), at(0));
    }

    #[test]
    fn a_late_look_makes_up_for_some_and_not_for_all() {
        let mut goodbyes = Goodbyes::new(1_000, at(0), 30 * SECOND, at(0));
        assert!(goodbyes.take(at(0)));
        let told = (0..1_000).take_while(|_| goodbyes.take(at(1_000))).count();
        assert_eq!(told, 26);
    }

    #[test]
    fn deliveries_have_half_of_the_time_and_answers_most_of_it() {
        let mut goodbyes = Goodbyes::new(1, at(0), 30 * SECOND, at(1_000));
        assert!(goodbyes.may_deliver(at(14_999)) && !goodbyes.may_deliver(at(15_000)));
        assert_eq!(goodbyes.next_look, at(15_000));
        assert_eq!(goodbyes.answer_until(at(1_000), 5 * SECOND), at(6_000));
        assert_eq!(goodbyes.answer_until(at(20_000), 5 * SECOND), at(23_000));
        assert_eq!(Goodbyes::new(1, at(0), SECOND, at(0)).answer_until(at(700), 5 * SECOND), at(750));
        let mut late = Goodbyes::new(1, at(0), 30 * SECOND, at(20_000));
        assert!(late.may_deliver(at(21_499)) && !late.may_deliver(at(21_500)));
    }
}
