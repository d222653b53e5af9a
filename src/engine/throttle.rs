//! A throttle: at most `rate` segments a second, and `burst` at once, however the seconds are cut.
//!
//! What was taken is owed, and time pays it off, in whole numbers and without a timer. Whoever is refused and comes back a
//! little late, because timers are late, loses nothing as long as what he missed is less than the burst.

use std::time::Duration;

use super::time::Instant;
use crate::config::Rate;

/// One segment, counted in what a thousandth of a segment a second pays off in a nanosecond: no rate is rounded.
const SEGMENT: i128 = 1_000_000_000_000;

/// Refuses what is over the rate. A burst is never below one long message: what costs more than the burst passes
/// when nothing is owed, and is paid for afterwards.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// Thousandths of a segment a second.
    rate: u64,
    /// The burst: how much may be owed.
    most: i128,
    owed: i128,
    /// When it was that much.
    at: Instant,
    /// Somebody was refused since the last take, and is late from then on.
    is_awaited: bool,
}

impl Throttle {
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let most = SEGMENT * i128::from(rate.burst.get());
        let rate = u64::from(rate.per_second.get()) * 1_000;
        Self { rate, most, owed: 0, at: Instant::ZERO, is_awaited: false }
    }

    /// Takes `segments`, or says when they can be taken.
    pub fn take(&mut self, segments: u32, now: Instant) -> Result<(), Instant> {
        self.ready(segments, now)?;
        self.owed = self.owed(now) + SEGMENT * i128::from(segments);
        self.at = now;
        self.is_awaited = false;
        Ok(())
    }

    /// Whether `segments` can be taken now, by who will come for them; or when.
    pub fn ready(&mut self, segments: u32, now: Instant) -> Result<(), Instant> {
        let over = self.over(self.owed(now), segments);
        self.is_awaited |= over > 0;
        if over > 0 { Err(now + self.time_to_pay(over)) } else { Ok(()) }
    }

    /// When `segments` could be taken.
    #[must_use]
    pub fn ready_at(&self, segments: u32) -> Instant {
        let over = self.over(self.owed, segments);
        if over > 0 { self.at + self.time_to_pay(over) } else { self.at }
    }

    /// When `segments` can be taken by who comes behind `ahead` others.
    #[must_use]
    pub fn queued_until(&self, ahead: u64, segments: u32, now: Instant) -> Instant {
        let over = self.over(self.owed(now) + SEGMENT * i128::from(ahead), segments);
        if over > 0 { now + self.time_to_pay(over) } else { now }
    }

    /// How long `segments` take at this rate.
    #[must_use]
    pub fn time_for(&self, segments: u64) -> Duration {
        self.time_to_pay(SEGMENT * i128::from(segments))
    }

    /// Whether nothing is owed any more: a new one would do as well.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        self.owed(now) <= 0
    }

    /// How much of the burst is used up, in hundredths: who sends at the rate keeps it where it is.
    #[must_use]
    pub fn used(&self, now: Instant) -> u8 {
        (self.owed(now).clamp(0, self.most) * 100 / self.most) as u8
    }

    /// Another rate from now on. What was taken in advance is still owed: slowing down frees nothing.
    pub fn set_rate(&mut self, per_second: f64, now: Instant) {
        self.owed = self.owed(now);
        self.at = now;
        self.rate = ((per_second * 1_000.0) as u64).max(1);
    }

    /// Another rate and burst from now on; what is owed stays owed.
    pub fn configure(&mut self, rate: Rate, now: Instant) {
        let owed = self.owed(now);
        *self = Self { owed, at: now, is_awaited: self.is_awaited, ..Self::new(rate) };
    }

    /// What is owed now. Less than nothing only for who was refused and is late: a segment at most, which no second sees beyond
    /// rate and burst.
    fn owed(&self, now: Instant) -> i128 {
        let elapsed = now.as_nanos().saturating_sub(self.at.as_nanos());
        let owed = self.owed - i128::from(elapsed) * i128::from(self.rate);
        let least = if self.is_awaited { -SEGMENT } else { 0 };
        if owed >= least { owed } else { 0 }
    }

    /// How much of what is owed has to be paid off before `segments` more.
    fn over(&self, owed: i128, segments: u32) -> i128 {
        owed + (SEGMENT * i128::from(segments)).min(self.most) - self.most
    }

    fn time_to_pay(&self, what: i128) -> Duration {
        let rate = i128::from(self.rate);
        let nanos = (what + rate - 1) / rate;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Takes as much as it can for `span`, awake only when told and then as late as `lateness` says. When each was taken.
    fn pumped(throttle: &mut Throttle, segments: u32, span: u64, mut lateness: impl FnMut() -> u64) -> Vec<u64> {
        let (start, mut now, mut taken) = (SECOND, SECOND, Vec::new());
        while now < start + span {
            match throttle.take(segments, Instant::from_nanos(now)) {
                Ok(()) => taken.push(now),
                Err(ready) => now = ready.as_nanos() + lateness(),
            }
        }
        taken
    }

    /// The most messages that any second holds.
    fn fullest_second(taken: &[u64]) -> usize {
        let mut from = 0;
        let counts = taken.iter().enumerate().map(|(at, last)| {
            while last - taken[from] >= SECOND {
                from += 1;
            }
            at - from + 1
        });
        counts.max().unwrap_or(0)
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
    fn a_burst_is_the_same_whether_or_not_somebody_was_refused_before_a_silence() {
        let mut throttle = Throttle::new(rate(100, 10));
        for start in [5_000, 8_000] {
            assert_eq!((0..50).filter(|_| throttle.take(1, at(start)).is_ok()).count(), 10);
        }
    }

    #[test]
    fn a_message_longer_than_the_burst_passes_when_nothing_is_owed_and_is_paid_for() {
        let mut throttle = Throttle::new(rate(10, 2));
        assert!(throttle.take(6, at(1_000)).is_ok());
        assert!(throttle.take(1, at(1_400)).is_err());
        assert!(throttle.take(1, at(1_500)).is_ok());
    }

    #[test]
    fn two_hundred_a_second_are_two_hundred_though_every_timer_is_late() {
        let mut late = 0;
        let taken = pumped(&mut Throttle::new(rate(200, 20)), 1, 10 * SECOND, || {
            late = (late + 7_919_333) % 90_000_000;
            late
        });
        // The burst at the start is beside the rate.
        assert!((1_980..=2_020).contains(&taken.len()), "{}", taken.len());
        assert!(fullest_second(&taken) <= 220, "{}", fullest_second(&taken));
    }

    #[test]
    fn no_rate_is_rounded() {
        for per_second in [3, 7, 7_000, 999_999] {
            let taken = pumped(&mut Throttle::new(rate(per_second, 1)), 1, 3 * SECOND, || 0);
            assert_eq!(taken.len(), 3 * per_second as usize, "{per_second}/s");
        }
        let mut fastest = Throttle::new(rate(u32::MAX, u32::MAX));
        assert!(fastest.take(u32::MAX, at(0)).is_ok());
        assert_eq!(fastest.ready_at(u32::MAX), at(1_000));
    }

    #[test]
    fn another_burst_forgives_nothing_either() {
        let mut throttle = Throttle::new(rate(100, 10));
        assert!(throttle.take(10, at(1_000)).is_ok());
        throttle.configure(rate(10, 5), at(1_000));
        assert_eq!(throttle.take(1, at(1_000)), Err(at(1_600)), "ten are owed, and five may be");
        throttle.configure(rate(1_000, 50), at(1_000));
        assert_eq!((0..50).filter(|_| throttle.take(1, at(1_000)).is_ok()).count(), 40);
    }

    #[test]
    fn another_rate_forgives_nothing() {
        let mut throttle = Throttle::new(rate(100, 10));
        assert_eq!((0..50).filter(|_| throttle.take(1, at(1_000)).is_ok()).count(), 10);
        throttle.set_rate(50.0, at(1_000));
        assert_eq!(throttle.take(1, at(1_000)), Err(at(1_020)));
        throttle.set_rate(0.5, at(1_000));
        assert_eq!(throttle.take(1, at(1_000)), Err(at(3_000)));
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
                    let allowed = last.since(*first).as_secs_f64() * f64::from(per_second) + f64::from(burst) + 1.0;
                    prop_assert!(((j - i + 1) as f64) <= allowed);
                }
            }
        }

        /// Lateness below what the burst is worth costs nothing, and no second sees more than rate and burst.
        #[test]
        fn constant_demand_gets_the_rate_and_no_second_more_than_it_and_the_burst(
            per_second in 1u32..20_000, burst in 1u32..200, segments in 1u32..6, share in 0u64..1_000, seed in any::<u64>(),
        ) {
            let burst = burst.max(segments);
            // A message of many segments leaves as much less of the burst for being late.
            let slack = u64::from(burst - segments + 1) * SECOND / u64::from(per_second);
            let mut draw = seed | 1;
            let mut lateness = || {
                draw = draw.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                (draw >> 33) % (slack * share / 1_000).max(1)
            };
            let taken = pumped(&mut Throttle::new(rate(per_second, burst)), segments, 10 * SECOND, &mut lateness);
            let expected = u64::from(per_second) * 10 / u64::from(segments);
            // What the last timer was late for had no time to be made good.
            let at_the_end = u64::from(burst) / u64::from(segments) + 1;
            prop_assert!(taken.len() as u64 + at_the_end >= expected - expected / 100, "{} of {expected}", taken.len());
            let most = (per_second + burst) as usize / segments as usize;
            prop_assert!(fullest_second(&taken) <= most.max(1), "{} > {most}", fullest_second(&taken));
        }
    }
}
