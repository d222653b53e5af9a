//! The clocks of the tools: the process's own, and the CPU time of a thread.

pub use crate::runtime::clock::{monotonic_ns, since_unix_epoch};

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
