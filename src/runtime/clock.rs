//! The clocks, read here and nowhere else; everything below the runtime gets the time as an argument.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the first call in this process. Never goes back, and is the same clock on every thread.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the edge's one monotonic clock")]
pub fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The time of day, as it is since 1970 in UTC; zero when the host's clock stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the edge's one calendar clock")]
pub fn since_unix_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Waits on this thread, which is never a shard's.
#[expect(clippy::disallowed_methods, reason = "this is the edge's one pause")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_is_shared_by_all_threads_and_never_goes_back() {
        let before = monotonic_ns();
        let elsewhere = std::thread::spawn(monotonic_ns).join().unwrap();
        assert!(before <= elsewhere && elsewhere <= monotonic_ns());
    }

    #[test]
    fn the_calendar_clock_stands_in_this_century() {
        assert!(since_unix_epoch() > Duration::from_secs(1_600_000_000));
    }
}
