//! How the process is, as the kernel tells it: read at each scrape, on the admin listener's thread.

use std::fs;
use std::time::Duration;

use crate::metrics::Process;
use crate::runtime::{clock, sys};

/// What cannot be read is zero.
#[must_use]
pub fn look(is_ready: bool) -> Process {
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    // The first call of the monotonic clock is one of the first things a process does.
    let started = clock::since_unix_epoch().saturating_sub(Duration::from_nanos(clock::monotonic_ns()));
    Process {
        is_ready,
        cpu: sys::process_cpu(),
        resident_bytes: number_behind(&status, "VmRSS:") * 1024,
        open_fds: fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64),
        max_fds: number_behind(&limits, "Max open files"),
        started,
    }
}

#[expect(clippy::disallowed_methods, reason = "the kernel's own files do not block")]
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first number behind a line's name.
fn number_behind(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_this_process_is() {
        let process = look(true);
        assert!(process.resident_bytes > 1 << 20 && process.open_fds >= 3, "{process:?}");
        assert!(process.max_fds >= process.open_fds && process.started > Duration::from_secs(1_600_000_000));
        assert!(process.cpu > Duration::ZERO);
    }

    #[test]
    fn what_is_not_told_is_zero() {
        assert_eq!(number_behind("VmRSS:\t  812 kB\n", "VmRSS:"), 812);
        assert_eq!(
            (number_behind("", "VmRSS:"), number_behind("Max open files unlimited\n", "Max open files")),
            (0, 0)
        );
    }
}
