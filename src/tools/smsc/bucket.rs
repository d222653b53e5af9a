//! The simulated carrier's rate.

use super::SmscArgs;

/// So many submits a second, so many at once.
pub(super) struct Bucket {
    rate: Option<f64>,
    burst: f64,
    tokens: f64,
    filled_ns: u64,
}

impl Bucket {
    pub(super) fn new(args: &SmscArgs, now: u64) -> Self {
        let rate = args.rate.map(f64::from);
        let burst = args.burst.map_or(rate.unwrap_or(0.0) / 10.0, f64::from).max(1.0);
        Self { rate, burst, tokens: burst, filled_ns: now }
    }

    pub(super) fn take(&mut self, now: u64) -> bool {
        let Some(rate) = self.rate else { return true };
        let elapsed = now.saturating_sub(self.filled_ns) as f64 / 1e9;
        self.filled_ns = now;
        self.tokens = (self.tokens + elapsed * rate).min(self.burst);
        let has_room = self.tokens >= 1.0;
        if has_room {
            self.tokens -= 1.0;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_refuses_what_comes_above_it() {
        let (rate, burst) = (Some(100.0), 10.0);
        let mut bucket = Bucket { rate, burst, tokens: burst, filled_ns: 0 };
        let taken = (0..10_000).filter(|ms| bucket.take(ms * 1_000_000)).count();
        assert!((1_000..=1_011).contains(&taken), "{taken} in ten seconds");
    }
}
