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
    recent: AHashMap<u64, Throttle>,
    old: AHashMap<u64, Throttle>,
    /// Only of senders of whom something waits.
    lines: AHashMap<u64, Line>,
    /// When a line's first may go on. A line of which none is called has an entry; an entry may be out of date.
    calls: BinaryHeap<Reverse<(Instant, u64)>>,
}

#[derive(Debug, Default)]
struct Line {
    /// By priority, then in order.
    waiting: VecDeque<Pending>,
    segments: u64,
    /// One of the line was called to the queue and has not left yet.
    is_called: bool,
}

impl Senders {
    const HALF: usize = 32_768;

    #[must_use]
    pub fn new(rate: Rate, [a, b, c, d]: [u64; 4]) -> Self {
        Self {
            rate,
            hasher: RandomState::with_seeds(a, b, c, d),
            recent: AHashMap::new(),
            old: AHashMap::new(),
            lines: AHashMap::new(),
            calls: BinaryHeap::new(),
        }
    }

    /// Another rate for each of them from now on; what they sent is still owed.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.rate = rate;
        self.recent.values_mut().chain(self.old.values_mut()).for_each(|throttle| throttle.configure(rate, now));
    }

    /// How long a new submit has to wait for its sender's rate.
    pub fn wait_of(&mut self, body: &[u8], segments: u32, now: Instant) -> Duration {
        let key = self.key(body);
        let before = self.lines.get(&key).map(|line| line.segments);
        let throttle = self.throttle(key, now);
        match before {
            Some(before) => throttle.time_for(before + u64::from(segments)),
            None => throttle.ready(segments, now).map_or_else(|ready| ready.since(now), |()| Duration::ZERO),
        }
    }

    /// Whether the queue's head may leave. A line goes before what comes behind it.
    pub fn may_leave(&mut self, head: &Pending, now: Instant) -> bool {
        let key = self.key(head.sent());
        let is_its_turn = head.is_called || !self.lines.contains_key(&key);
        is_its_turn && self.throttle(key, now).ready(u32::from(head.info.segments), now).is_ok()
    }

    /// It leaves on a link.
    pub fn left(&mut self, pending: &mut Pending, now: Instant) {
        let key = self.key(pending.sent());
        // Whether it may leave was asked before.
        let _ = self.throttle(key, now).take(u32::from(pending.info.segments), now);
        self.gone(pending, now);
    }

    /// It leaves the queue. Another of its line may be called then.
    pub fn gone(&mut self, pending: &mut Pending, now: Instant) {
        if std::mem::take(&mut pending.is_called) {
            let key = self.key(pending.sent());
            if let Some(line) = self.lines.get_mut(&key) {
                line.is_called = false;
                self.set_call(key, now);
            }
        }
    }

    /// It steps aside: to the line's head when it was called or sent before, else to the end of its priority.
    pub fn step_aside(&mut self, mut pending: Pending, now: Instant) {
        let key = self.key(pending.sent());
        let line = self.lines.entry(key).or_default();
        let (priority, is_first) = (pending.info.priority, pending.is_called || pending.was_sent());
        let was_called = std::mem::take(&mut pending.is_called);
        let needs_call = was_called || line.waiting.is_empty();
        line.is_called &= !was_called;
        let goes_before =
            |other: &Pending| other.info.priority > priority || !is_first && other.info.priority == priority;
        let place = line.waiting.partition_point(goes_before);
        line.segments += u64::from(pending.info.segments);
        line.waiting.insert(place, pending);
        if needs_call {
            self.set_call(key, now);
        }
    }

    /// The next whose time has come.
    pub fn call(&mut self, now: Instant) -> Option<Pending> {
        while self.next_call() <= now {
            let Reverse((_, key)) = self.calls.pop()?;
            let Some(line) = self.lines.get_mut(&key).filter(|line| !line.is_called) else { continue };
            if let Some(mut pending) = line.waiting.pop_front() {
                line.segments -= u64::from(pending.info.segments);
                line.is_called = true;
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
        self.lines.retain(|_, line| {
            if line.waiting.iter().any(&is_wanted) {
                let (out, stay): (Vec<_>, Vec<_>) = line.waiting.drain(..).partition(&is_wanted);
                line.waiting.extend(stay);
                line.segments -= out.iter().map(|pending| u64::from(pending.info.segments)).sum::<u64>();
                taken.extend(out);
            }
            line.is_called || !line.waiting.is_empty()
        });
        taken
    }

    /// Everything in a line, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.lines.values().flat_map(|line| &line.waiting)
    }

    /// Sees to it that the line's first is called when its sender's rate allows; without one, the line is no more.
    fn set_call(&mut self, key: u64, now: Instant) {
        let Some(line) = self.lines.get(&key).filter(|line| !line.is_called) else { return };
        let Some(first) = line.waiting.front() else {
            self.lines.remove(&key);
            return;
        };
        let segments = u32::from(first.info.segments);
        let at = self.throttle(key, now).ready(segments, now).err().unwrap_or(now);
        self.calls.push(Reverse((at, key)));
    }

    fn throttle(&mut self, key: u64, now: Instant) -> &mut Throttle {
        if self.recent.len() >= Self::HALF && !self.recent.contains_key(&key) {
            self.forget(now);
        }
        let (old, rate) = (&mut self.old, self.rate);
        self.recent.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(|| Throttle::new(rate)))
    }

    /// Forgets who was not seen for long, save those who owe something, as far as there is room.
    fn forget(&mut self, now: Instant) {
        let mut owing = 0;
        self.old.retain(|_, throttle| {
            let owes = !throttle.is_idle(now);
            owing += usize::from(owes);
            owes && owing <= Self::HALF / 2
        });
        std::mem::swap(&mut self.recent, &mut self.old);
    }

    /// Two senders of one key would share a rate; with 64 bits under a key of ours there are none.
    fn key(&self, body: &[u8]) -> u64 {
        SmView::deliver(body).map_or(0, |view| self.hasher.hash_one(view.source.digits))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::config::AccountId;
    use crate::engine::message::{Course, SubmitInfo};
    use crate::engine::outgoing::Outgoing;
    use crate::engine::parts::Claim;
    use crate::engine::slab::Key;
    use crate::smpp::message_id::MessageId;

    fn senders() -> Senders {
        let whole = |number| NonZeroU32::new(number).unwrap();
        Senders::new(Rate { per_second: whole(10), burst: whole(1) }, [1, 2, 3, 4])
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn body(sender: &str) -> Vec<u8> {
        let mut body = b"\0\x05\0".to_vec();
        body.extend_from_slice(sender.as_bytes());
        body.extend_from_slice(b"\0\x01\x01491\0\0\0\0\0\0\0\0\0\0\0\0");
        body
    }

    fn pending(sender: &str, priority: u8, tag: u64) -> Pending {
        let nobody = Key { slot: 0, generation: 0 };
        let info = SubmitInfo {
            account: AccountId(0),
            submit: nobody,
            session: nobody,
            id: MessageId::new(tag),
            deadline: Instant::NEVER,
            destination: 0,
            affinity: 0,
            segments: 1,
            priority,
            wants_receipt: false,
        };
        Pending::new(info, Claim::None, Course::default(), body(sender), Outgoing::default())
    }

    /// Everything that leaves by then, called when its time has come, with the time in milliseconds.
    fn leaving(senders: &mut Senders, until: u64) -> Vec<(u64, u64)> {
        let mut left = Vec::new();
        while senders.next_call() <= at(until) {
            let now = senders.next_call();
            let Some(mut pending) = senders.call(now) else { break };
            assert!(senders.may_leave(&pending, now));
            senders.left(&mut pending, now);
            left.push((now.as_nanos() / 1_000_000, pending.info.id.bits()));
        }
        left
    }

    #[test]
    fn a_line_goes_on_by_priority_and_order_at_its_senders_rate() {
        let mut senders = senders();
        let mut first = pending("A", 0, 1);
        assert!(senders.wait_of(&first.body, 1, at(1_000)).is_zero() && senders.may_leave(&first, at(1_000)));
        senders.left(&mut first, at(1_000));
        for (priority, tag) in [(0, 2), (0, 3), (2, 4), (0, 5)] {
            let behind = pending("A", priority, tag);
            assert!(!senders.may_leave(&behind, at(1_000)));
            senders.step_aside(behind, at(1_000));
        }
        assert!(senders.may_leave(&pending("B", 0, 9), at(1_000)), "another sender");
        assert_eq!(senders.wait_of(&body("A"), 1, at(1_000)), Duration::from_millis(500));
        let mut refused = pending("A", 0, 6);
        refused.refused = Some(crate::smpp::command::CommandStatus::RTHROTTLED);
        senders.step_aside(refused, at(1_000));
        assert_eq!(senders.iter().count(), 5);
        assert_eq!(leaving(&mut senders, 9_000), [(1_100, 4), (1_200, 6), (1_300, 2), (1_400, 3), (1_500, 5)]);
        assert_eq!(senders.next_call(), Instant::NEVER);
    }

    #[test]
    fn one_that_was_called_and_taken_elsewhere_does_not_stop_its_line() {
        let mut senders = senders();
        senders.left(&mut pending("A", 0, 1), at(1_000));
        for tag in [2, 3, 4] {
            senders.step_aside(pending("A", 0, tag), at(1_000));
        }
        let mut called = senders.call(at(1_100)).unwrap();
        assert!(senders.call(at(1_500)).is_none(), "one at a time");
        senders.gone(&mut called, at(1_500));
        assert_eq!(senders.extract(|pending| pending.info.id.bits() == 3).len(), 1);
        assert_eq!(leaving(&mut senders, 9_000), [(1_500, 4)]);
        // Called, and over the rate again by the time it is its turn: back to the line's head.
        for tag in [5, 6] {
            senders.step_aside(pending("A", 0, tag), at(1_500));
        }
        let called = senders.call(at(1_600)).unwrap();
        senders.step_aside(called, at(1_600));
        assert_eq!(leaving(&mut senders, 9_000), [(1_600, 5), (1_700, 6)]);
    }

    #[test]
    fn senders_are_forgotten_but_not_those_who_wait_or_owe() {
        let mut senders = senders();
        let now = at(1_000);
        senders.left(&mut pending("OWES", 0, 1), now);
        senders.left(&mut pending("WAITS", 0, 2), now);
        senders.step_aside(pending("WAITS", 0, 3), now);
        for number in 0..300_000 {
            assert!(senders.wait_of(&body(&number.to_string()), 1, now).is_zero());
            assert!(senders.recent.len() + senders.old.len() <= 2 * Senders::HALF);
        }
        assert!(!senders.may_leave(&pending("OWES", 0, 4), now));
        assert_eq!(leaving(&mut senders, 9_000), [(1_100, 3)]);
    }
}
