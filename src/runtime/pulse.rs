//! A pulse from outside: a thread that wakes every shard ten times a second, whatever the shard thinks it is waiting for.
//!
//! An executor of glommio 0.9.0 whose preempt timer fires before it ran anything takes its queue for empty and parks, with tasks
//! in it that were woken already and timers that have fired. A timer of its own cannot help: this does.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::runtime::clock;

pub struct Pulse {
    beats: AtomicU64,
    /// When the last beat was, in nanoseconds of the monotonic clock, and how much lies between two.
    beaten_ns: AtomicU64,
    every: Duration,
    /// Kept, not taken: a shard that was woken and parked again has to be woken again.
    wakers: Box<[Mutex<Option<Waker>>]>,
}

impl Pulse {
    /// Beats for as many shards for as long as anyone holds it.
    pub fn start(shards: usize, every: Duration) -> io::Result<Arc<Self>> {
        let wakers = (0..shards).map(|_| Mutex::default()).collect();
        let pulse = Arc::new(Self { beats: AtomicU64::new(0), beaten_ns: AtomicU64::new(0), every, wakers });
        let beating = Arc::downgrade(&pulse);
        std::thread::Builder::new().name("pulse".to_owned()).spawn(move || {
            clock::pause(every);
            while let Some(pulse) = beating.upgrade() {
                pulse.beat();
                drop(pulse);
                clock::pause(every);
            }
        })?;
        Ok(pulse)
    }

    /// Waits for the next beat. Says how late after it that was seen.
    pub async fn next(&self, shard: usize) -> Duration {
        let seen = self.beats.load(Ordering::Acquire);
        poll_fn(|cx| {
            let mut waker = self.wakers[shard].lock().unwrap_or_else(PoisonError::into_inner);
            if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            // Behind the waker: a beat in between would be missed.
            if self.beats.load(Ordering::Acquire) == seen { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let missed = self.beats.load(Ordering::Acquire).saturating_sub(seen + 1);
        let late = Duration::from_nanos(clock::monotonic_ns().saturating_sub(self.beaten_ns.load(Ordering::Acquire)));
        late + self.every * u32::try_from(missed).unwrap_or(u32::MAX)
    }

    /// Keeps the executor it runs on awake, for one that has no use for the beats themselves.
    pub async fn keep_awake(self: Arc<Self>, shard: usize) {
        loop {
            self.next(shard).await;
        }
    }

    fn beat(&self) {
        self.beaten_ns.store(clock::monotonic_ns(), Ordering::Release);
        self.beats.fetch_add(1, Ordering::Release);
        for waker in &self.wakers {
            if let Some(waker) = &*waker.lock().unwrap_or_else(PoisonError::into_inner) {
                waker.wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn every_shard_is_woken_beat_by_beat() {
        let pulse = Pulse::start(2, Duration::from_millis(1)).unwrap();
        let before = pulse.beats.load(Ordering::Acquire);
        for _ in 0..3 {
            block_on(pulse.next(0));
            block_on(pulse.next(1));
        }
        assert!(pulse.beats.load(Ordering::Acquire) >= before + 6);
    }

    #[test]
    fn who_sees_a_beat_late_knows_by_how_much_and_counts_those_he_missed() {
        let every = Duration::from_millis(50);
        let pulse =
            Pulse { beats: AtomicU64::new(0), beaten_ns: AtomicU64::new(0), every, wakers: [Mutex::default()].into() };
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = pin!(pulse.next(0));
        assert!(next.as_mut().poll(&mut cx).is_pending());
        (0..5).for_each(|_| pulse.beat());
        let Poll::Ready(late) = next.poll(&mut cx) else { panic!("it was beaten") };
        assert!((every * 4..every * 5).contains(&late), "{late:?}");
    }
}
