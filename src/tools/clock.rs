//! The clocks of the tools, which are an edge of their own.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the first call in this process; the same clock on every thread.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the tools' one monotonic clock")]
pub fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The time of day since 1970, in UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the tools' one calendar clock")]
pub fn since_unix_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// CPU time this thread has used so far, in nanoseconds; zero where the kernel does not tell.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a file of the kernel's, read when a tool ends")]
pub fn thread_cpu_ns() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedstat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work_and_never_faster_than_the_clock() {
        let (started, cpu_before) = (monotonic_ns(), thread_cpu_ns());
        let mut x = 1u64;
        while thread_cpu_ns() == cpu_before {
            x = std::hint::black_box(x.wrapping_mul(31));
        }
        let cpu = thread_cpu_ns() - cpu_before;
        assert!(cpu > 0 && cpu <= monotonic_ns() - started + 10_000_000, "{x}");
    }
}
