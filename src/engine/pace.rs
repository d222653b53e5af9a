//! A carrier's pace: a throttle that the carrier's own answers slow down, and that recovers by itself.
//!
//! Time is cut into intervals. Each ends with a decrease by the share of its answers that were refused (ESME_RTHROTTLED,
//! ESME_RMSGQFUL), or, when they were few, with a small increase: so the pace settles where the carrier refuses no more,
//! rather than at its floor. Answers to what was sent before the last decrease are not counted: it is not their fault.

use std::num::NonZeroU32;
use std::time::Duration;

use super::throttle::Throttle;
use super::time::Instant;
use crate::config::Rate;

#[cfg(test)]
mod tests;

/// Never below a tenth of `rate`, nor above it. Without a configured rate it is unlimited until an interval in which too much was
/// refused, and again once it has recovered to the speed of that interval.
#[derive(Clone, Debug)]
pub struct Pace {
    configured: Option<Rate>,
    throttle: Option<Throttle>,
    /// What a full recovery means.
    base: f64,
    current: f64,
    /// Seconds of recovery in which nothing was refused.
    clean: u32,
    /// Counts the decreases.
    epoch: u32,
    /// The interval's beginning, and what the carrier said in it to what was sent since the last decrease.
    since: Instant,
    answered: u32,
    refused: u32,
    /// The last congestion_state in it.
    congestion: Option<u8>,
}

impl Pace {
    const INTERVAL: Duration = Duration::from_secs(1);
    /// An interval in which half is refused ends early; earlier when nothing but the carrier's answers limits it.
    const EARLY: Duration = Duration::from_millis(500);
    const EARLY_UNLIMITED: Duration = Duration::from_millis(100);
    /// One with too few answers to tell a share is waited for so long.
    const LONGEST: Duration = Duration::from_secs(5);
    const ENOUGH: u32 = 10;
    /// So small a share refused is no reason to slow down: some carriers refuse that much of anything.
    const FEW: f64 = 0.05;
    /// A carrier without a rate that hardly sent anything and is refused (its queue for one subscriber may be full) is not a
    /// carrier of one message a second.
    const LEAST_BASE: f64 = 100.0;
    /// congestion_state above this is congestion; below `OPTIMUM`, there is room (SMPP 5.0, section 4.8.4.18).
    const CONGESTED: u8 = 89;
    const OPTIMUM: u8 = 80;

    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        let base = rate.map_or(0.0, |rate| f64::from(rate.per_second.get()));
        Self {
            configured: rate,
            throttle: rate.map(Throttle::new),
            base,
            current: base,
            clean: 0,
            epoch: 0,
            since: Instant::ZERO,
            answered: 0,
            refused: 0,
            congestion: None,
        }
    }

    /// Another rate from now on. What the carrier's refusals took away it gets back as before, and what was sent is still owed.
    pub fn configure(&mut self, rate: Option<Rate>, now: Instant) {
        let (before, throttle) = (self.current, self.throttle.take());
        let was_slowed = before < self.base;
        *self = Self { epoch: self.epoch.wrapping_add(1), since: now, ..Self::new(rate) };
        let Some(rate) = rate else { return };
        let mut throttle = throttle.unwrap_or_else(|| Throttle::new(rate));
        throttle.configure(rate, now);
        if was_slowed && before < self.base {
            self.current = before.max(self.least());
            throttle.set_rate(self.current, now);
        }
        self.throttle = Some(throttle);
    }

    /// Takes `segments`, or says when they can be taken.
    pub fn take(&mut self, segments: u32, now: Instant) -> Result<(), Instant> {
        self.end_interval(now);
        self.throttle.as_mut().map_or(Ok(()), |throttle| throttle.take(segments, now))
    }

    /// What to remember of a submit that is sent now.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The carrier answered what was sent in this epoch, and did not say it is too much.
    pub fn answered(&mut self, segments: u32, epoch: u32, now: Instant) {
        if epoch == self.epoch {
            self.end_interval(now);
            self.answered = self.answered.saturating_add(segments);
        }
    }

    /// The carrier said it is too much.
    pub fn refused(&mut self, segments: u32, epoch: u32, now: Instant) {
        if epoch == self.epoch {
            self.answered(segments, epoch, now);
            self.refused = self.refused.saturating_add(segments);
        }
    }

    /// The carrier said how full it is, 0..=100, in an answer to what was sent in this epoch.
    pub fn congestion(&mut self, state: u8, epoch: u32) {
        if epoch == self.epoch {
            self.congestion = Some(state);
        }
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

    /// Changes the pace when the interval is over.
    fn end_interval(&mut self, now: Instant) {
        let elapsed = now.since(self.since);
        let early = if self.throttle.is_some() { Self::EARLY } else { Self::EARLY_UNLIMITED };
        let is_troubled = self.refused > 0 || self.congestion.is_some();
        if elapsed < if is_troubled { early } else { Self::INTERVAL } {
            return;
        }
        let share = self.share();
        let is_sure = self.answered >= Self::ENOUGH;
        let is_whole = is_sure || self.answered == 0 || elapsed >= Self::LONGEST;
        if !(elapsed >= Self::INTERVAL && is_whole || is_sure && share >= 0.5) {
            return;
        }
        if self.throttle.is_some() {
            self.change(share, elapsed, now);
        } else if is_sure && share > Self::FEW {
            self.begin(share, elapsed, now);
        }
        (self.since, self.answered, self.refused, self.congestion) = (now, 0, 0, None);
    }

    /// An unlimited carrier has a pace from the first time it says that it is too much: what it took in this interval.
    fn begin(&mut self, share: f64, elapsed: Duration, now: Instant) {
        self.base = (f64::from(self.answered) / elapsed.as_secs_f64()).max(Self::LEAST_BASE);
        self.epoch = self.epoch.wrapping_add(1);
        self.current = (self.base * (1.0 - share)).max(Self::LEAST_BASE / 2.0);
        let whole = |number: f64| NonZeroU32::new(number as u32).unwrap_or(NonZeroU32::MIN);
        // So much as a timer may be late.
        let burst = whole(self.base / 50.0);
        let mut throttle = Throttle::new(Rate { per_second: whole(self.base), burst });
        throttle.set_rate(self.current, now);
        // What it begins with was too much already: no burst is left.
        let _ = throttle.take(burst.get(), now);
        self.throttle = Some(throttle);
    }

    fn change(&mut self, share: f64, elapsed: Duration, now: Instant) {
        let before = self.current;
        if self.refused > 0 {
            self.clean = 0;
        }
        if share > Self::FEW {
            // One step halves it at most: the carrier may only have been busy for a moment.
            self.current *= (1.0 - share).max(0.5);
            self.epoch = self.epoch.wrapping_add(1);
        } else if self.answered > 0 && self.congestion.is_none_or(|state| state < Self::OPTIMUM) {
            self.recover(elapsed.min(Self::LONGEST));
        }
        // Beyond its length, the interval was quiet.
        self.recover(if self.answered == 0 { elapsed } else { elapsed.saturating_sub(Self::LONGEST) });
        self.current = self.current.max(self.least()).min(self.base);
        if self.current >= self.base && self.configured.is_none() {
            self.throttle = None;
        } else if self.current != before
            && let Some(throttle) = &mut self.throttle
        {
            throttle.set_rate(self.current, now);
        }
    }

    /// Each second gives a twentieth of `rate` back. Where none is configured, a twentieth of its own speed, and as much more
    /// with each clean second, up to a half: it may have come down from far above.
    fn recover(&mut self, quiet: Duration) {
        for _ in 0..quiet.as_secs() {
            if self.current >= self.base {
                break;
            }
            self.clean = (self.clean + 1).min(10);
            let step = if self.configured.is_some() { self.base } else { self.current * f64::from(self.clean) };
            self.current += step / 20.0;
        }
    }

    /// How much of the interval was too much, by its refusals or by what the carrier said of itself.
    fn share(&self) -> f64 {
        let refused = f64::from(self.refused) / f64::from(self.answered.max(1));
        let over = self.congestion.map_or(0, |state| state.saturating_sub(Self::CONGESTED));
        let congested = if over > 0 { 0.05 + f64::from(over) * 0.045 } else { 0.0 };
        refused.max(congested)
    }

    fn least(&self) -> f64 {
        if self.configured.is_some() { (self.base / 10.0).max(1.0) } else { Self::LEAST_BASE / 10.0 }
    }
}
