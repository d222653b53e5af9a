//! A rate for each source address of a carrier, and the lines in which submits over it wait.
//!
//! A submit whose sender is over its rate steps aside, so that it holds up nobody else, and is called back to the queue when its
//! time has come: one of a sender at a time, for only what has left is counted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use ahash::{AHashMap, RandomState};

use super::carrier::Pending;
use super::throttle::Throttle;
use super::time::Instant;
use crate::config::Rate;
use crate::smpp::view::SmView;

/// Bounded: when `HALF` were seen lately, those not seen since as many before are forgotten, which an idle one does not notice.
#[derive(Debug)]
pub struct Senders {
    rate: Rate,
    hasher: RandomState,
    recent: AHashMap<u64, Sender>,
    old: AHashMap<u64, Sender>,
    /// When a line's first may go on. A line that is left to itself has an entry; an entry may be out of date.
    calls: BinaryHeap<Reverse<(Instant, u64)>>,
}

#[derive(Debug)]
struct Sender {
    throttle: Throttle,
    /// By priority, then in order.
    line: VecDeque<Pending>,
    /// Segments in the line.
    waiting: u64,
    /// One of the line was called to the queue and has not left yet.
    is_called: bool,
}

impl Senders {
    const HALF: usize = 32_768;

    #[must_use]
    pub fn new(rate: Rate, [a, b, c, d]: [u64; 4]) -> Self {
        let hasher = RandomState::with_seeds(a, b, c, d);
        Self { rate, hasher, recent: AHashMap::new(), old: AHashMap::new(), calls: BinaryHeap::new() }
    }

    /// How long a new submit has to wait for its sender's rate.
    pub fn wait_of(&mut self, body: &[u8], segments: u32, now: Instant) -> Duration {
        let sender = self.sender(self.key(body), now);
        if sender.is_waiting() {
            return sender.throttle.time_for(sender.waiting + u64::from(segments));
        }
        sender.throttle.ready(segments, now).map_or_else(|ready| ready.since(now), |()| Duration::ZERO)
    }

    /// Whether the queue's head may leave. A line goes before what comes behind it.
    pub fn may_leave(&mut self, head: &Pending, now: Instant) -> bool {
        let sender = self.sender(self.key(&head.body), now);
        let is_its_turn = head.is_called || !sender.is_waiting();
        is_its_turn && sender.throttle.ready(u32::from(head.info.segments), now).is_ok()
    }

    /// It leaves on a link.
    pub fn left(&mut self, pending: &mut Pending, now: Instant) {
        let key = self.key(&pending.body);
        // Whether it may leave was asked before.
        let _ = self.sender(key, now).throttle.take(u32::from(pending.info.segments), now);
        self.gone(pending, now);
    }

    /// It leaves the queue. Another of its line may be called then.
    pub fn gone(&mut self, pending: &mut Pending, now: Instant) {
        if std::mem::take(&mut pending.is_called) {
            let key = self.key(&pending.body);
            self.sender(key, now).is_called = false;
            self.set_call(key, now);
        }
    }

    /// It steps aside: to the line's head when it was called or sent before, else to the end of its priority.
    pub fn step_aside(&mut self, mut pending: Pending, now: Instant) {
        let key = self.key(&pending.body);
        let sender = self.sender(key, now);
        let (priority, is_first) = (pending.info.priority, pending.is_called || pending.was_sent());
        let was_called = std::mem::take(&mut pending.is_called);
        let needs_call = was_called || sender.line.is_empty();
        sender.is_called &= !was_called;
        let goes_before =
            |other: &Pending| other.info.priority > priority || !is_first && other.info.priority == priority;
        let place = sender.line.partition_point(goes_before);
        sender.waiting += u64::from(pending.info.segments);
        sender.line.insert(place, pending);
        if needs_call {
            self.set_call(key, now);
        }
    }

    /// The next whose time has come.
    pub fn call(&mut self, now: Instant) -> Option<Pending> {
        while self.next_call() <= now {
            let Reverse((_, key)) = self.calls.pop()?;
            let sender = self.sender(key, now);
            if sender.is_called {
                continue;
            }
            if let Some(mut pending) = sender.line.pop_front() {
                sender.waiting -= u64::from(pending.info.segments);
                sender.is_called = true;
                pending.is_called = true;
                return Some(pending);
            }
        }
        None
    }

    #[must_use]
    pub fn next_call(&self) -> Instant {
        self.calls.peek().map_or(Instant::NEVER, |Reverse((at, _))| *at)
    }

    /// Takes what is wanted out of the lines.
    pub fn extract(&mut self, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut taken = Vec::new();
        for sender in self.recent.values_mut().chain(self.old.values_mut()) {
            if sender.line.iter().any(&is_wanted) {
                let (out, stay): (Vec<_>, Vec<_>) = sender.line.drain(..).partition(&is_wanted);
                sender.line.extend(stay);
                sender.waiting -= out.iter().map(|pending| u64::from(pending.info.segments)).sum::<u64>();
                taken.extend(out);
            }
        }
        taken
    }

    /// Everything in a line, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.recent.values().chain(self.old.values()).flat_map(|sender| &sender.line)
    }

    /// Sees to it that the line's first is called when its sender's rate allows.
    fn set_call(&mut self, key: u64, now: Instant) {
        let sender = self.sender(key, now);
        let Some(first) = sender.line.front().filter(|_| !sender.is_called) else { return };
        let at = sender.throttle.ready(u32::from(first.info.segments), now).err().unwrap_or(now);
        self.calls.push(Reverse((at, key)));
    }

    fn sender(&mut self, key: u64, now: Instant) -> &mut Sender {
        if self.recent.len() >= Self::HALF && !self.recent.contains_key(&key) {
            self.forget(now);
        }
        let (old, rate) = (&mut self.old, self.rate);
        self.recent.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(|| Sender::new(rate)))
    }

    /// Forgets who was not seen for long, save those who owe something, as far as there is room, and those who wait.
    fn forget(&mut self, now: Instant) {
        let mut owing = 0;
        self.old.retain(|_, sender| {
            owing += usize::from(!sender.throttle.is_idle(now));
            sender.is_waiting() || owing <= Self::HALF / 2 && !sender.throttle.is_idle(now)
        });
        std::mem::swap(&mut self.recent, &mut self.old);
    }

    /// Two senders of one key would share a rate; with 64 bits under a key of ours there are none.
    fn key(&self, body: &[u8]) -> u64 {
        SmView::deliver(body).map_or(0, |view| self.hasher.hash_one(view.source.digits))
    }
}

impl Sender {
    fn new(rate: Rate) -> Self {
        Self { throttle: Throttle::new(rate), line: VecDeque::new(), waiting: 0, is_called: false }
    }

    fn is_waiting(&self) -> bool {
        self.is_called || !self.line.is_empty()
    }
}
