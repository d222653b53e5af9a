//! Whether the process lives and is ready: set by the shards and by whoever starts and drains them, read by the admin listener.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering::Relaxed};

use crate::runtime::clock;

/// A shard that has not turned its loop for this long hangs.
const STALE_MS: u64 = 5_000;

/// How far the process has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Phase {
    Starting,
    /// The journals are being read; listeners are closed.
    Recovering,
    /// Listeners are open.
    Ready,
    Draining,
}

/// Shared by all threads; each shard writes its own heartbeat once a turn at most, nothing waits for anything.
pub struct Health {
    /// When each shard last turned its loop, in milliseconds of the monotonic clock; zero before its first turn.
    heartbeats: Box<[AtomicU64]>,
    phase: AtomicU8,
    /// Shards whose journal has no room.
    without_room: AtomicU16,
    fatal: OnceLock<String>,
}

impl Health {
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            heartbeats: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            phase: AtomicU8::new(Phase::Starting as u8),
            without_room: AtomicU16::new(0),
            fatal: OnceLock::new(),
        }
    }

    /// Shard `shard` has turned its loop at `now_ns`.
    pub fn beat(&self, shard: u16, now_ns: u64) {
        self.heartbeats[usize::from(shard)].store((now_ns / 1_000_000).max(1), Relaxed);
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// A shard's journal has room again, or none any more. True for the shard that makes the difference for the process.
    pub fn store_room(&self, has_room: bool) -> bool {
        if has_room {
            return self.without_room.fetch_sub(1, Relaxed) == 1;
        }
        self.without_room.fetch_add(1, Relaxed) == 0
    }

    /// Something the process cannot go on from; the first such reason is kept.
    pub fn fail(&self, reason: impl Into<String>) {
        let _ = self.fatal.set(reason.into());
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Recovering,
            2 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// `/livez`, and systemd's watchdog: every shard turns and nothing fatal happened; else which and what.
    pub fn live(&self) -> Result<(), String> {
        self.live_at(clock::monotonic_ns() / 1_000_000)
    }

    /// `/readyz`: may customers be sent here; else why not. A carrier that is down does not count.
    pub fn ready(&self) -> Result<(), String> {
        if let Some(reason) = self.fatal.get() {
            return Err(format!("failed: {reason}"));
        }
        match self.phase() {
            Phase::Starting => Err("starting".to_owned()),
            Phase::Recovering => Err("starting: the store is being recovered, listeners are not open yet".to_owned()),
            Phase::Draining => Err("draining".to_owned()),
            Phase::Ready if self.without_room.load(Relaxed) > 0 => Err("the store is not writable: no room".to_owned()),
            Phase::Ready => Ok(()),
        }
    }

    fn live_at(&self, now_ms: u64) -> Result<(), String> {
        if let Some(reason) = self.fatal.get() {
            return Err(format!("failed: {reason}"));
        }
        // A shard that recovers a large journal has not turned yet; that is no hang.
        let may_be_silent = matches!(self.phase(), Phase::Starting | Phase::Recovering);
        let stale: Vec<String> = self
            .heartbeats
            .iter()
            .enumerate()
            .filter_map(|(shard, beat)| match beat.load(Relaxed) {
                0 if may_be_silent => None,
                0 => Some(format!("shard {shard} never turned")),
                beat if now_ms.saturating_sub(beat) <= STALE_MS => None,
                beat => Some(format!("shard {shard} has not turned for {} ms", now_ms.saturating_sub(beat))),
            })
            .collect();
        if stale.is_empty() { Ok(()) } else { Err(stale.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_shard_that_hangs_for_over_five_seconds_is_named() {
        let health = Health::new(2);
        health.enter(Phase::Ready);
        health.beat(0, 100 * SECOND_NS);
        health.beat(1, 103 * SECOND_NS);
        assert_eq!(health.live_at(105_000), Ok(()));
        assert_eq!(health.live_at(105_001), Err("shard 0 has not turned for 5001 ms".to_owned()));
        health.beat(0, 106 * SECOND_NS);
        assert_eq!(health.live_at(106_000), Ok(()));
    }

    #[test]
    fn a_shard_may_be_silent_while_it_recovers_but_not_once_ready() {
        let health = Health::new(1);
        assert_eq!(health.live_at(60_000), Ok(()));
        health.enter(Phase::Recovering);
        assert_eq!(health.live_at(60_000), Ok(()));
        health.enter(Phase::Ready);
        assert_eq!(health.live_at(60_000), Err("shard 0 never turned".to_owned()));
    }

    #[test]
    fn readiness_says_in_one_line_why_not() {
        let health = Health::new(1);
        assert!(health.ready().unwrap_err().starts_with("starting"));
        health.enter(Phase::Ready);
        assert_eq!(health.ready(), Ok(()));
        assert!(health.store_room(false));
        assert_eq!(health.ready(), Err("the store is not writable: no room".to_owned()));
        assert!(!health.store_room(false), "another shard has said it");
        assert!(!health.store_room(true), "one of the two is left");
        assert!(health.ready().is_err());
        assert!(health.store_room(true));
        assert_eq!(health.ready(), Ok(()));
        health.enter(Phase::Draining);
        assert_eq!(health.ready(), Err("draining".to_owned()));
    }

    #[test]
    fn the_first_fatal_error_is_kept_and_ends_both() {
        let health = Health::new(0);
        health.enter(Phase::Ready);
        health.fail("journal 0: disk full");
        health.fail("a consequence");
        assert_eq!(health.live_at(0), Err("failed: journal 0: disk full".to_owned()));
        assert_eq!(health.ready(), health.live_at(0));
    }
}
