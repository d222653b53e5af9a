//! A throttle: at most `rate` segments a second, and `burst` at once, however the seconds are cut (GCRA).
//!
//! Two integers and no timer. `Pace` is a throttle that a carrier's own refusals slow down and that recovers by itself.

use std::num::NonZeroU32;
use std::time::Duration;

use super::time::Instant;
use crate::config::Rate;

const SECOND: u64 = 1_000_000_000;

/// Refuses what is over the rate. A burst is never below one long message: what costs more than the burst passes
/// when the bucket is full, and is paid for afterwards.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// Nanoseconds one segment costs.
    cost: u64,
    /// How far ahead of the clock the account may run.
    tolerance: u64,
    /// When the bucket will be full again.
    full_at: u64,
}

impl Throttle {
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let cost = (SECOND / u64::from(rate.per_second.get())).max(1);
        Self { cost, tolerance: cost * u64::from(rate.burst.get()), full_at: 0 }
    }

    /// Takes `segments`, or says when they can be taken.
    pub fn take(&mut self, segments: u32, now: Instant) -> Result<(), Instant> {
        let ready = self.ready_at(segments);
        if now < ready {
            return Err(ready);
        }
        self.full_at = self.full_at.max(now.as_nanos()) + self.cost * u64::from(segments);
        Ok(())
    }

    /// When `segments` could be taken.
    #[must_use]
    pub fn ready_at(&self, segments: u32) -> Instant {
        let need = (self.cost * u64::from(segments)).min(self.tolerance);
        Instant::from_nanos((self.full_at + need).saturating_sub(self.tolerance))
    }

    /// How long `segments` take at this rate.
    #[must_use]
    pub fn time_for(&self, segments: u64) -> Duration {
        Duration::from_nanos(self.cost.saturating_mul(segments))
    }

    /// Another rate from now on. What was taken in advance is still owed, in segments: slowing down frees nothing.
    fn set_rate(&mut self, per_second: f64, now: Instant) {
        let cost = ((SECOND as f64 / per_second) as u64).max(1);
        let owed = self.full_at.saturating_sub(now.as_nanos());
        let owed = u128::from(owed) * u128::from(cost) / u128::from(self.cost);
        self.full_at = now.as_nanos() + u64::try_from(owed).unwrap_or(u64::MAX / 2);
        self.tolerance = self.tolerance / self.cost * cost;
        self.cost = cost;
    }
}

/// A carrier's throttle. ESME_RTHROTTLED and ESME_RMSGQFUL halve it, at most every 100 ms and never below a tenth of
/// `rate`; every quiet second gives a twentieth of `rate` back. Without a configured rate it is unlimited until the first
/// refusal, which starts it at half of the speed it was sent at, or of `LEAST_BASE`.
#[derive(Clone, Debug)]
pub struct Pace {
    configured: Option<Rate>,
    throttle: Option<Throttle>,
    /// What a full recovery means while no rate is configured.
    base: f64,
    current: f64,
    changed_at: Instant,
    second: u64,
    sent_this_second: u32,
    sent_last_second: u32,
}

impl Pace {
    const SLOW_DOWN_EVERY: Duration = Duration::from_millis(100);
    const RECOVER_EVERY: Duration = Duration::from_secs(1);
    /// A carrier without a rate that hardly sent anything and is refused once (its queue for one subscriber may be full) is not
    /// a carrier of one message a second.
    const LEAST_BASE: f64 = 100.0;

    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        let base = rate.map_or(0.0, |rate| f64::from(rate.per_second.get()));
        Self {
            configured: rate,
            throttle: rate.map(Throttle::new),
            base,
            current: base,
            changed_at: Instant::ZERO,
            second: 0,
            sent_this_second: 0,
            sent_last_second: 0,
        }
    }

    /// Takes `segments`, or says when they can be taken.
    pub fn take(&mut self, segments: u32, now: Instant) -> Result<(), Instant> {
        if self.current < self.base {
            self.recover(now);
        }
        if let Some(throttle) = &mut self.throttle {
            return throttle.take(segments, now);
        }
        let second = now.as_nanos() / SECOND;
        if second != self.second {
            self.sent_last_second = if second == self.second + 1 { self.sent_this_second } else { 0 };
            self.sent_this_second = 0;
            self.second = second;
        }
        self.sent_this_second += segments;
        Ok(())
    }

    /// The carrier said it is too much.
    pub fn slow_down(&mut self, now: Instant) {
        if self.throttle.is_none() {
            self.base = self.speed(now).max(Self::LEAST_BASE);
            self.current = self.base;
            let per_second = NonZeroU32::new(self.base as u32).unwrap_or(NonZeroU32::MIN);
            self.throttle = Some(Throttle::new(Rate { per_second, burst: NonZeroU32::MIN }));
        } else if now.since(self.changed_at) < Self::SLOW_DOWN_EVERY {
            return;
        }
        self.changed_at = now;
        self.current = (self.current / 2.0).max(self.base / 10.0).max(1.0);
        self.apply(now);
    }

    /// Whether `segments` more can be sent within `wait`, behind `queued` that wait already.
    #[must_use]
    pub fn fits(&self, queued: u64, segments: u32, wait: Duration) -> bool {
        self.throttle.as_ref().is_none_or(|throttle| throttle.time_for(queued + u64::from(segments)) <= wait)
    }

    /// Segments a second now; `None` while unlimited.
    #[must_use]
    pub fn current(&self) -> Option<f64> {
        self.throttle.as_ref().map(|_| self.current)
    }

    /// Segments a second as they were sent lately. A second that has just begun speaks for itself too: a burst after a
    /// silence would otherwise be taken for all that a second holds.
    fn speed(&self, now: Instant) -> f64 {
        let (second, elapsed) = (now.as_nanos() / SECOND, now.as_nanos() % SECOND);
        let this = f64::from(self.sent_this_second);
        let shortest = Self::SLOW_DOWN_EVERY.as_nanos() as u64;
        let this = if second == self.second { this * SECOND as f64 / elapsed.max(shortest) as f64 } else { this };
        this.max(f64::from(self.sent_last_second))
    }

    fn recover(&mut self, now: Instant) {
        while self.current < self.base && now.since(self.changed_at) >= Self::RECOVER_EVERY {
            self.changed_at = self.changed_at + Self::RECOVER_EVERY;
            self.current += self.base / 20.0;
        }
        if self.current >= self.base {
            self.current = self.base;
            if self.configured.is_none() {
                self.throttle = None;
                return;
            }
        }
        self.apply(now);
    }

    fn apply(&mut self, now: Instant) {
        if let Some(throttle) = &mut self.throttle {
            throttle.set_rate(self.current, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut throttle = Throttle::new(rate(100, 10));
        let start = at(5_000);
        assert_eq!((0..50).filter(|_| throttle.take(1, start).is_ok()).count(), 10);
        let ready = throttle.take(1, start).unwrap_err();
        assert_eq!(ready, start + Duration::from_millis(10));
        assert!(throttle.take(1, ready).is_ok());
    }

    #[test]
    fn a_message_longer_than_the_burst_passes_a_full_bucket_and_is_paid_for() {
        let mut throttle = Throttle::new(rate(10, 2));
        assert!(throttle.take(6, at(1_000)).is_ok());
        assert!(throttle.take(1, at(1_400)).is_err());
        assert!(throttle.take(1, at(1_500)).is_ok());
    }

    #[test]
    fn refusals_slow_a_carrier_to_a_tenth_at_most_and_quiet_brings_it_back() {
        let mut pace = Pace::new(Some(rate(100, 10)));
        for i in 0..50 {
            pace.slow_down(at(1_000 + i * 200));
        }
        assert_eq!(pace.current(), Some(10.0));
        let _ = pace.take(1, at(60_000));
        assert_eq!(pace.current(), Some(100.0));
    }

    #[test]
    fn slowing_down_gives_no_burst_away() {
        let mut pace = Pace::new(Some(rate(100, 10)));
        let start = at(1_000);
        assert_eq!((0..50).filter(|_| pace.take(1, start).is_ok()).count(), 10);
        pace.slow_down(start);
        assert_eq!(pace.take(1, start), Err(start + Duration::from_millis(20)));
    }

    #[test]
    fn an_unlimited_carrier_is_paced_from_what_it_took_and_freed_again() {
        let mut pace = Pace::new(None);
        for i in 0..1_000 {
            pace.take(1, at(i)).unwrap();
        }
        pace.slow_down(at(1_000));
        assert_eq!(pace.current(), Some(500.0));
        assert!(!pace.fits(10_000, 1, Duration::from_secs(5)));
        let _ = pace.take(1, at(30_000));
        assert_eq!(pace.current(), None);
    }

    #[test]
    fn one_refusal_after_a_silence_is_no_measure_of_an_unlimited_carrier() {
        let mut quiet = Pace::new(None);
        quiet.take(1, at(5_000)).unwrap();
        quiet.slow_down(at(5_010));
        assert_eq!(quiet.current(), Some(50.0));
        let mut burst = Pace::new(None);
        for _ in 0..400 {
            burst.take(1, at(5_000)).unwrap();
        }
        burst.slow_down(at(5_010));
        assert_eq!(burst.current(), Some(2_000.0));
    }

    proptest! {
        #[test]
        fn no_span_sees_more_than_rate_times_span_plus_burst(
            per_second in 1u32..5_000, burst in 1u32..50,
            steps in prop::collection::vec((0u64..50, 1u32..2), 1..400),
        ) {
            let mut throttle = Throttle::new(rate(per_second, burst));
            let (mut now, mut taken) = (at(10_000), Vec::new());
            for (wait_ms, segments) in steps {
                now = now + Duration::from_millis(wait_ms);
                if throttle.take(segments, now).is_ok() {
                    taken.push(now);
                }
            }
            for (i, first) in taken.iter().enumerate() {
                for (j, last) in taken.iter().enumerate().skip(i) {
                    let allowed = last.since(*first).as_secs_f64() * f64::from(per_second) * 1.001 + f64::from(burst) + 1.0;
                    prop_assert!(((j - i + 1) as f64) <= allowed);
                }
            }
        }
    }
}
