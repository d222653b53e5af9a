//! How long to wait before the next try at a carrier: doubling, jittered, and minutes after a refused password.

use std::time::Duration;

/// Waits between tries. Half of each wait is random, so that the links of many gateways do not return in step.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);
    /// Carriers ban those who hammer with a wrong password.
    const AFTER_WRONG_PASSWORD: Duration = Duration::from_secs(300);

    /// The wait after one more failure; `random` is any number.
    pub fn after_failure(&mut self, random: u64) -> Duration {
        let longest = (Self::FIRST * (1 << self.failures.min(6))).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        jitter(longest, random)
    }

    /// The wait after the carrier refused our system_id or password.
    pub fn after_wrong_password(&mut self, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        jitter(Self::AFTER_WRONG_PASSWORD, random)
    }

    /// A bind held: the next failure starts small again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half of `longest` and `longest`.
fn jitter(longest: Duration, random: u64) -> Duration {
    let half = longest / 2;
    let span_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_millis(random % span_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_start_again_after_a_bind() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.after_failure(0).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        backoff.reset();
        assert!(backoff.after_failure(u64::MAX) < Duration::from_secs(1));
        assert!(backoff.after_wrong_password(7) >= Duration::from_secs(150));
    }
}
