//! The wall clock as the engine knows it: for what outlives the process, and for nothing else. Rates and deadlines are monotonic.
//!
//! Retention is counted in it, so a clock that jumps could end it for everything at once. After a start, and after a jump of more
//! than a minute, nothing expires until the clock has been steady for ten minutes (GUARANTEES row 16).

use std::time::Duration;

use super::time::Instant;

#[derive(Clone, Copy, Debug)]
pub struct Wall {
    /// Unix seconds when the monotonic clock began.
    offset: i64,
    steady_at: Instant,
}

impl Wall {
    const JUMP: u64 = 60;
    const STEADY_AFTER: Duration = Duration::from_secs(600);

    #[must_use]
    pub fn new(unix_seconds: u64, now: Instant) -> Self {
        Self { offset: unix_seconds.cast_signed() - seconds(now), steady_at: now + Self::STEADY_AFTER }
    }

    /// The clock says this; true when it jumped. Small steps are followed.
    pub fn set(&mut self, unix_seconds: u64, now: Instant) -> bool {
        let offset = unix_seconds.cast_signed() - seconds(now);
        let has_jumped = offset.abs_diff(self.offset) > Self::JUMP;
        if has_jumped {
            self.steady_at = now + Self::STEADY_AFTER;
        }
        self.offset = offset;
        has_jumped
    }

    /// Unix seconds: enough until 2106.
    #[must_use]
    pub fn seconds(&self, now: Instant) -> u32 {
        u32::try_from((self.offset + seconds(now)).max(0)).unwrap_or(u32::MAX)
    }

    /// What was born before this is beyond retention; `None` while the clock is not to be trusted with that.
    #[must_use]
    pub fn oldest_kept(&self, retention: Duration, now: Instant) -> Option<u32> {
        let retention = u32::try_from(retention.as_secs()).unwrap_or(u32::MAX);
        self.is_steady(now).then(|| self.seconds(now).saturating_sub(retention))
    }

    /// Whether it has not jumped for ten minutes.
    #[must_use]
    pub fn is_steady(&self, now: Instant) -> bool {
        now >= self.steady_at
    }
}

fn seconds(now: Instant) -> i64 {
    (now.as_nanos() / 1_000_000_000).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_expires_until_the_clock_was_steady_for_ten_minutes() {
        let mut wall = Wall::new(1_000_000, at(5));
        let hour = Duration::from_secs(3_600);
        assert_eq!((wall.seconds(at(7)), wall.oldest_kept(hour, at(604))), (1_000_002, None));
        assert_eq!(wall.oldest_kept(hour, at(605)), Some(997_000));
        assert!(!wall.set(1_000_650, at(605)), "50 seconds are no jump");
        assert!(wall.set(2_000_000, at(606)));
        assert_eq!((wall.seconds(at(606)), wall.oldest_kept(hour, at(1_205))), (2_000_000, None));
        assert!(wall.oldest_kept(hour, at(1_206)).is_some());
    }

    #[test]
    fn a_clock_before_1970_or_after_2106_does_no_harm() {
        let mut wall = Wall::new(0, at(1_000));
        assert_eq!(wall.seconds(at(0)), 0);
        wall.set(1 << 40, at(1_001));
        assert_eq!(wall.seconds(at(1_001)), u32::MAX);
    }
}
