//! What an account's callbacks are to be told, by the keys it is kept under, and in which order: the oldest first, but for one
//! message one at a time; what failed comes again later and holds nothing else up. Each target goes at its own pace.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ahash::AHashMap;

use super::circuit::Circuit;
use crate::engine::backoff::{at_least, doubled};
use crate::engine::random::Random;
use crate::engine::slab::{Key, Slab};
use crate::engine::time::Instant;
use crate::engine::web::{Posted, Target};
use crate::smpp::message_id::MessageId;

#[derive(Debug, Default)]
pub(super) struct Queue {
    events: BTreeMap<u64, Queued>,
    lanes: AHashMap<Lane, Traffic>,
    /// Hosts that have something to be told now, each once.
    turns: VecDeque<u64>,
    was_own: bool,
    /// The last event queued of each message.
    last_of: AHashMap<MessageId, u64>,
    /// What waits behind a submission's reply.
    held: AHashMap<Key, Vec<u64>>,
    due: BinaryHeap<Reverse<(Instant, Due)>>,
    tries: Slab<Try>,
    elsewhere: usize,
}

/// What shares a circuit.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Lane {
    /// The account's own callback.
    Own,
    /// A host that requests named, by the hash of its name.
    Host(u64),
}

#[derive(Debug, Default)]
struct Traffic {
    ready: BTreeSet<u64>,
    queued: usize,
    is_in_turns: bool,
    circuit: Circuit,
}

#[derive(Debug)]
struct Queued {
    lane: Lane,
    /// What it is about; 0 when nothing else is about that.
    message: MessageId,
    born: u32,
    failures: u8,
    /// The target's own refusals, which may be meant for this very event.
    refusals: u8,
    stage: Stage,
    /// The next event of its message.
    successor: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// It waits for its record, the reply of its submission, the event before it: for each that is true.
    Waiting {
        for_record: bool,
        for_reply: bool,
        for_earlier: bool,
    },
    Ready,
    Out,
    Retry {
        at: Instant,
    },
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Due {
    Retry(u64),
    Probe(Lane),
}

#[derive(Debug)]
struct Try {
    lane: Lane,
    events: Vec<u64>,
    /// It is given up then.
    until: Instant,
}

/// What may be told where, by the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Events in one call to the account's own callback; 0 when it has none.
    pub(super) own: usize,
    pub(super) elsewhere: bool,
}

/// What an ended try leaves to be done.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Settled {
    /// To be removed.
    pub(super) taken: Vec<u64>,
    pub(super) retried: usize,
    pub(super) has_opened: bool,
}

impl Queue {
    pub(super) const AT_ONCE: usize = 8;
    /// Of them to hosts that requests named: a slow one leaves the account's own callback some.
    const ELSEWHERE: usize = 6;
    /// A try that nobody answers.
    const ANSWER_WITHIN: Duration = Duration::from_secs(60);
    const FIRST_RETRY: Duration = Duration::from_secs(1);
    const LAST_RETRY: Duration = Duration::from_secs(300);
    /// Hosts that something is known against, while nothing waits for them.
    const LANES: usize = 1_024;
    /// Given up at once at most.
    const EXPIRED: usize = 1_000;
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Tries that are not answered.
    pub(super) fn out(&self) -> usize {
        self.tries.len()
    }

    /// Adds the newest event. It waits for `durable`, unless it is so already, and for `release` if it is behind a submission.
    pub(super) fn push(
        &mut self,
        key: u64,
        (lane, message): (Lane, MessageId),
        born: u32,
        behind: Option<Key>,
        is_durable: bool,
    ) {
        let is_one_of_several = message != MessageId::new(0);
        let earlier = if is_one_of_several { self.last_of.insert(message, key) } else { None };
        if let Some(earlier) = earlier.and_then(|earlier| self.events.get_mut(&earlier)) {
            earlier.successor = Some(key);
        }
        if let Some(submission) = behind {
            self.held.entry(submission).or_default().push(key);
        }
        let stage =
            Stage::Waiting { for_record: !is_durable, for_reply: behind.is_some(), for_earlier: earlier.is_some() };
        self.events.insert(key, Queued { lane, message, born, failures: 0, refusals: 0, stage, successor: None });
        self.lanes.entry(lane).or_default().queued += 1;
        self.end_wait(key, |_| {});
    }

    /// Its record is durable.
    pub(super) fn durable(&mut self, key: u64) {
        self.end_wait(key, |stage| {
            if let Stage::Waiting { for_record, .. } = stage {
                *for_record = false;
            }
        });
    }

    /// The submission was replied to. False when nothing waited for that.
    pub(super) fn release(&mut self, submission: Key) -> bool {
        let Some(released) = self.held.remove(&submission) else { return false };
        for key in released {
            self.end_wait(key, |stage| {
                if let Stage::Waiting { for_reply, .. } = stage {
                    *for_reply = false;
                }
            });
        }
        true
    }

    fn end_wait(&mut self, key: u64, end: impl FnOnce(&mut Stage)) {
        let Some(event) = self.events.get_mut(&key) else { return };
        end(&mut event.stage);
        if event.stage == (Stage::Waiting { for_record: false, for_reply: false, for_earlier: false }) {
            self.make_ready(key);
        }
    }

    fn make_ready(&mut self, key: u64) {
        let Some(event) = self.events.get_mut(&key) else { return };
        event.stage = Stage::Ready;
        let lane = event.lane;
        if let Some(traffic) = self.lanes.get_mut(&lane) {
            traffic.ready.insert(key);
        }
        self.give_turn(lane);
    }

    fn give_turn(&mut self, lane: Lane) {
        let (Lane::Host(host), Some(traffic)) = (lane, self.lanes.get_mut(&lane)) else { return };
        if !traffic.is_in_turns && !traffic.ready.is_empty() {
            traffic.is_in_turns = true;
            self.turns.push_back(host);
        }
    }

    /// Begins the next try, if there is one to be made now: its key, and the events in it.
    pub(super) fn next(&mut self, allowed: Allowed, now: Instant) -> Option<(Key, Vec<u64>)> {
        if self.tries.len() >= Self::AT_ONCE {
            return None;
        }
        let own = self.lanes.get(&Lane::Own);
        let is_own_ready = own.is_some_and(|own| !own.ready.is_empty() && own.circuit.lets_through(now));
        let may_own = allowed.own > 0 && is_own_ready;
        let may_elsewhere = allowed.elsewhere && self.elsewhere < Self::ELSEWHERE;
        let host = if may_elsewhere && (self.was_own || !may_own) { self.next_host(now) } else { None };
        let (lane, most) = match host {
            Some(host) => (Lane::Host(host), 1),
            None if may_own => (Lane::Own, allowed.own),
            None => return None,
        };
        self.was_own = lane == Lane::Own;
        self.elsewhere += usize::from(lane != Lane::Own);
        let events = match self.probe_of(lane) {
            Some(probe) => self.take(lane, probe),
            None => self.take_ready(lane, most),
        };
        if let (Some(traffic), Some(first)) = (self.lanes.get_mut(&lane), events.first()) {
            traffic.circuit.tried(*first);
        }
        self.give_turn(lane);
        let until = now + Self::ANSWER_WITHIN;
        Some((self.tries.insert(Try { lane, events: events.clone(), until }), events))
    }

    /// The next host whose turn it is. One whose circuit is open gets its turn back when it is due.
    fn next_host(&mut self, now: Instant) -> Option<u64> {
        while let Some(host) = self.turns.pop_front() {
            let Some(traffic) = self.lanes.get_mut(&Lane::Host(host)) else { continue };
            traffic.is_in_turns = false;
            if !traffic.ready.is_empty() && traffic.circuit.lets_through(now) {
                return Some(host);
            }
        }
        None
    }

    /// What a target is asked with that failed: the newest when that was not tried yet, else each in its turn.
    fn probe_of(&self, lane: Lane) -> Option<u64> {
        let traffic = self.lanes.get(&lane)?;
        let before = traffic.circuit.asked_with()?;
        let is_untried = |key: &&u64| self.events.get(key).is_some_and(|event| event.failures == 0);
        let newest = traffic.ready.last().filter(is_untried);
        newest.or_else(|| traffic.ready.range(before + 1..).next()).or_else(|| traffic.ready.first()).copied()
    }

    fn take(&mut self, lane: Lane, key: u64) -> Vec<u64> {
        if let (Some(traffic), Some(event)) = (self.lanes.get_mut(&lane), self.events.get_mut(&key)) {
            traffic.ready.remove(&key);
            event.stage = Stage::Out;
        }
        vec![key]
    }

    /// The oldest that are ready. One that was refused goes with half as many others the next time, in case it was its fault.
    fn take_ready(&mut self, lane: Lane, most: usize) -> Vec<u64> {
        let (mut taken, mut limit) = (Vec::new(), most);
        let Some(traffic) = self.lanes.get_mut(&lane) else { return taken };
        while let Some(key) = traffic.ready.first().copied() {
            let Some(event) = self.events.get_mut(&key) else { break };
            limit = limit.min(most >> event.refusals.min(15)).max(1);
            if taken.len() >= limit {
                break;
            }
            traffic.ready.pop_first();
            event.stage = Stage::Out;
            taken.push(key);
        }
        taken
    }

    /// What came of a try; `None` when it was given up before.
    pub(super) fn settle(&mut self, post: Key, outcome: Posted, now: Instant, random: &mut Random) -> Option<Settled> {
        let Try { lane, events, .. } = self.tries.remove(post)?;
        self.elsewhere -= usize::from(lane != Lane::Own);
        if outcome == Posted::Taken {
            if let Some(traffic) = self.lanes.get_mut(&lane) {
                traffic.circuit.succeeded();
            }
            self.give_turn(lane);
            return Some(Settled { taken: events, ..Settled::default() });
        }
        let mut opened = None;
        if let (Some(traffic), Some(first)) = (self.lanes.get_mut(&lane), events.first()) {
            opened = traffic.circuit.failed(*first, now);
        }
        if let Some(until) = opened {
            self.due.push(Reverse((until, Due::Probe(lane))));
        }
        for key in &events {
            let Some(event) = self.events.get_mut(key) else { continue };
            let wait = doubled(Self::FIRST_RETRY, u32::from(event.failures), Self::LAST_RETRY);
            let at = now + at_least(wait, random.draw());
            event.failures = event.failures.saturating_add(1);
            event.refusals = event.refusals.saturating_add(u8::from(outcome == Posted::Refused));
            event.stage = Stage::Retry { at };
            self.due.push(Reverse((at, Due::Retry(*key))));
        }
        Some(Settled { taken: Vec::new(), retried: events.len(), has_opened: opened.is_some() })
    }

    /// A try that was not answered in time, to be settled.
    pub(super) fn overdue(&self, now: Instant) -> Option<Key> {
        self.tries.iter().find(|(_, attempt)| attempt.until <= now).map(|(key, _)| key)
    }

    /// The process ends: what is out is given up by then.
    pub(super) fn hasten(&mut self, until: Instant) {
        for (_, attempt) in self.tries.iter_mut() {
            attempt.until = attempt.until.min(until);
        }
    }

    /// Puts back what is due.
    pub(super) fn take_due(&mut self, now: Instant) {
        while let Some(Reverse((at, due))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.due.pop();
            match due {
                Due::Retry(key) => {
                    if self.events.get(&key).is_some_and(|event| event.stage == Stage::Retry { at }) {
                        self.make_ready(key);
                    }
                }
                Due::Probe(lane) => self.give_turn(lane),
            }
        }
    }
    pub(super) fn next_due(&self) -> Instant {
        let due = self.due.peek().map_or(Instant::NEVER, |Reverse((at, _))| *at);
        self.tries.iter().map(|(_, attempt)| attempt.until).fold(due, Instant::min)
    }

    /// It is told, or given up.
    pub(super) fn remove(&mut self, key: u64) -> bool {
        let Some(event) = self.events.remove(&key) else { return false };
        if self.last_of.get(&event.message) == Some(&key) {
            self.last_of.remove(&event.message);
        }
        if let Some(successor) = event.successor {
            self.end_wait(successor, |stage| {
                if let Stage::Waiting { for_earlier, .. } = stage {
                    *for_earlier = false;
                }
            });
        }
        let lanes = self.lanes.len();
        if let Some(traffic) = self.lanes.get_mut(&event.lane) {
            traffic.ready.remove(&key);
            traffic.queued -= 1;
            if traffic.queued == 0 && (traffic.circuit.is_well() || lanes > Self::LANES) {
                self.lanes.remove(&event.lane);
            }
        }
        true
    }

    /// What was born before `oldest` and may be given up, the oldest first; some of it.
    pub(super) fn over(&self, oldest: u32) -> Vec<u64> {
        let before = self.events.iter().take_while(|(_, event)| event.born < oldest);
        let may_go = |event: &Queued| match event.stage {
            // The one before it goes first, and one that is out may be taken yet.
            Stage::Waiting { for_earlier, .. } => !for_earlier,
            Stage::Out => false,
            Stage::Ready | Stage::Retry { .. } => true,
        };
        before.filter(|(_, event)| may_go(event)).map(|(key, _)| *key).take(Self::EXPIRED).collect()
    }
}

impl Lane {
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::Account => Self::Own,
            Target::Url(url) | Target::Kannel(url) => {
                let behind_scheme = url.split_once("://").map_or(&**url, |(_, rest)| rest);
                let host = behind_scheme.split(['/', '?', '#']).next().unwrap_or_default();
                let mut hasher = DefaultHasher::new();
                host.to_ascii_lowercase().hash(&mut hasher);
                Self::Host(hasher.finish())
            }
        }
    }
}

#[cfg(test)]
mod tests;
