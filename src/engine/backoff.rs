//! How long to wait before the next try at a carrier: doubling and jittered after what passes, longer after a refusal that others
//! must mend.

use std::time::Duration;

use super::time::Instant;
use crate::config::Reconnect;

/// Waits between tries of one link. Half of each wait is random, so that the links of many gateways do not return in step.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A link that lasted this long did well: its end is the first failure of a new row.
    const HELD: Duration = Duration::from_secs(10);
    /// So many failures count at most of a link that was bound: a carrier that drops its links still takes messages meanwhile.
    const FLAPPING: u32 = 3;

    /// The wait after one more failure; `random` is any number.
    pub fn after_failure(&mut self, habits: Reconnect, random: u64) -> Duration {
        let wait = doubled(habits.first, self.failures, habits.longest);
        self.failures = self.failures.saturating_add(1);
        let half = wait / 2;
        half + part_of(half, random)
    }

    /// A link ended that was bound for this long.
    pub fn lasted(&mut self, bound: Duration) {
        self.failures = if bound >= Self::HELD { 0 } else { self.failures.min(Self::FLAPPING) };
    }
}

/// What a carrier's links know together of its refusals: a carrier counts who is wrong, and locks or bans who is wrong often.
#[derive(Clone, Debug)]
pub struct Access {
    /// Refused system_ids and passwords since a link was last bound.
    refusals: u32,
    /// No link tries before this.
    pub not_before: Instant,
}

impl Default for Access {
    fn default() -> Self {
        Self { refusals: 0, not_before: Instant::ZERO }
    }
}

impl Access {
    const LONGEST: Duration = Duration::from_secs(3600);

    /// The carrier refused our system_id or password: the wait, which all links keep.
    pub fn refused(&mut self, first: Duration, random: u64, now: Instant) -> Duration {
        // Links that asked beside each other were refused once.
        if now < self.not_before {
            return self.not_before.since(now);
        }
        let wait = at_least(doubled(first, self.refusals, first.max(Self::LONGEST)), random);
        self.refusals = self.refusals.saturating_add(1);
        self.not_before = now + wait;
        wait
    }

    /// A link was bound, or an operator wants it tried. True when we had been refused.
    pub fn granted(&mut self) -> bool {
        std::mem::take(self).refusals > 0
    }
}

/// This wait or up to a quarter more: for what must not be tried any sooner.
#[must_use]
pub fn at_least(wait: Duration, random: u64) -> Duration {
    wait + part_of(wait / 4, random)
}

/// Anything below `span`.
#[must_use]
pub fn part_of(span: Duration, random: u64) -> Duration {
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(random % span_ms)
}

/// `first`, doubled so often, but no more than `longest`.
#[must_use]
pub fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HABITS: Reconnect = Reconnect { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

    #[test]
    fn waits_double_up_to_a_minute_and_start_again_after_a_bind_that_lasted() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.after_failure(HABITS, 0).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        backoff.lasted(Duration::from_secs(9));
        assert_eq!(backoff.after_failure(HABITS, 0), Duration::from_secs(4), "bound for a moment is half a success");
        backoff.lasted(Duration::from_secs(10));
        assert!(backoff.after_failure(HABITS, u64::MAX) < Duration::from_secs(1));
    }

    #[test]
    fn a_wait_of_years_is_no_overflow() {
        let years = Duration::from_secs(3650 * 86_400);
        let habits = Reconnect { first: years, longest: years };
        let mut backoff = Backoff::default();
        assert!((0..40).all(|_| backoff.after_failure(habits, 0) == years / 2));
    }

    #[test]
    fn links_that_asked_beside_each_other_were_refused_once() {
        let mut access = Access::default();
        let (first, now) = (Duration::from_secs(300), Instant::ZERO + Duration::from_secs(1));
        assert_eq!(access.refused(first, 0, now), first);
        assert_eq!(access.refused(first, 0, now + Duration::from_secs(1)), first - Duration::from_secs(1));
        assert_eq!(access.refused(first, 0, now + first), first * 2);
    }

    #[test]
    fn after_a_refused_password_the_waits_double_up_to_an_hour_and_are_never_shorter_than_said() {
        let (mut access, five) = (Access::default(), Duration::from_secs(300));
        let refuse = |access: &mut Access, first, random| access.refused(first, random, access.not_before);
        let waits: Vec<_> = (0..6).map(|_| refuse(&mut access, five, 0).as_secs()).collect();
        assert_eq!(waits, [300, 600, 1_200, 2_400, 3_600, 3_600]);
        assert_eq!(access.not_before, Instant::ZERO + Duration::from_secs(waits.iter().sum()));
        assert!(access.granted() && !access.granted());
        assert_eq!(access.not_before, Instant::ZERO);
        let wait = refuse(&mut access, five, u64::MAX).as_secs();
        assert!((300..=375).contains(&wait), "{wait}");
        let day = Duration::from_secs(86_400);
        assert!(refuse(&mut access, day, 0) >= day, "longer than the longest when the file says so");
    }
}
