//! An account's delivery queue: receipts and MO on their way to its sessions. Kept until the customer acknowledged them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use ahash::AHashMap;

use super::event::Place;
use super::message::DeliveryKind;
use super::replay::Replay;
use super::slab::{Key, Slab};
use super::time::Instant;
use crate::smpp::message_id::MessageId;

#[derive(Debug)]
pub struct Delivery {
    pub id: MessageId,
    pub kind: DeliveryKind,
    /// The deliver_sm's body.
    pub body: Vec<u8>,
    pub state: DeliveryState,
    pub attempts: u32,
    pub kept: Kept,
    /// The turn in which it arrived, while the answer with its id may still be on its way to another session.
    pub behind_turn: Option<u64>,
    /// A later receipt of the same id, which waits for this one.
    successor: Option<Key>,
}

/// What a delivery's record says and where it lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kept {
    pub key: u64,
    /// Unix seconds.
    pub born: u32,
    pub place: Place,
}

/// What became of a delivery that was queued.
#[derive(Clone, Copy, Debug)]
pub struct Pushed {
    pub key: Key,
    /// The record of an earlier receipt of the same id that it supersedes.
    pub superseded: Option<Kept>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliveryState {
    Waiting,
    Outstanding {
        session: Key,
        sent: Instant,
    },
    /// Refused for now, or unanswered.
    Retry {
        at: Instant,
    },
    /// Waits for an earlier receipt of its id.
    Behind,
    /// Waits for the answer that tells the customer its id.
    Held,
}

#[derive(Debug, Default)]
pub struct Deliveries {
    entries: Slab<Delivery>,
    /// What came while a receiver was bound; the rest is backlog.
    waiting: VecDeque<Key>,
    pub replay: Replay,
    /// When each refused one is due, earliest first; one that was acknowledged late is skipped then.
    retries: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    /// Ids whose last queued receipt is intermediate: a final one must not overtake it.
    intermediates: AHashMap<MessageId, Key>,
    spare: Vec<Vec<u8>>,
    outstanding: usize,
    swept: usize,
}

impl Deliveries {
    const FIRST_RETRY: Duration = Duration::from_secs(1);
    const LAST_RETRY: Duration = Duration::from_secs(300);
    const SPARE_BODIES: usize = 1024;
    /// Sweeps that see everything.
    const SWEEPS: usize = 1024;
    /// Slots that one step of a purge looks at.
    const PURGED: usize = 4_096;
    pub const SWEEP_EVERY: Duration = Duration::from_millis(3_600_000 / Self::SWEEPS as u64);

    #[must_use]
    pub fn new(replay: Replay) -> Self {
        Self { replay, ..Self::default() }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether something waits for a session with room, rather than for its next try or its pace.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.replay.is_unpaced()
    }

    /// The last receiver or transceiver has gone.
    pub fn customer_left(&mut self) {
        self.replay.customer_left(&mut self.waiting);
    }

    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    pub fn push(
        &mut self,
        kind: DeliveryKind,
        id: MessageId,
        body: &[u8],
        behind_turn: Option<u64>,
        kept: Kept,
    ) -> Pushed {
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.extend_from_slice(body);
        let key = self.entries.insert(Delivery {
            id,
            kind,
            body: octets,
            state: DeliveryState::Waiting,
            attempts: 0,
            kept,
            behind_turn,
            successor: None,
        });
        let earlier = if self.intermediates.is_empty() { None } else { self.intermediates.remove(&id) };
        let pushed = match earlier.filter(|_| kind != DeliveryKind::Mo) {
            Some(earlier) => self.queue_behind(earlier, key),
            None => {
                self.replay.queue(&mut self.waiting).push_back(key);
                Pushed { key, superseded: None }
            }
        };
        if kind == DeliveryKind::IntermediateReceipt {
            self.intermediates.insert(id, pushed.key);
        }
        pushed
    }

    /// When that was kept, in Unix seconds, which goes next to the customer or is tried again first: the oldest, as a rule.
    #[must_use]
    pub fn first_born(&self) -> Option<u32> {
        let tried_again =
            self.retries.peek().map(|Reverse((_, slot, generation))| Key { slot: *slot, generation: *generation });
        let heads = [self.waiting.front().copied(), self.replay.front(), tried_again];
        heads.into_iter().flatten().filter_map(|key| self.entries.get(key)).map(|delivery| delivery.kept.born).min()
    }

    /// The next to send, if it may be sent in this turn.
    pub fn front(&mut self, now: Instant) -> Option<(Key, &Delivery)> {
        // One that was acknowledged late while it waited for another try has left its key behind.
        while self.waiting.front().is_some_and(|key| self.entries.get(*key).is_none()) {
            self.waiting.pop_front();
        }
        let is_replayed = self.is_replay_next(now);
        let key = if is_replayed { self.replay.front()? } else { *self.waiting.front()? };
        Some((key, self.entries.get(key)?))
    }

    /// The front was sent on `session`. True when it was of the backlog.
    pub fn sent(&mut self, session: Key, now: Instant) -> bool {
        let is_replayed = self.is_replay_next(now);
        let key = if is_replayed { self.replay.pop(now) } else { self.waiting.pop_front() };
        self.replay.sent(is_replayed);
        if let Some(key) = key
            && let Some(delivery) = self.entries.get_mut(key)
        {
            delivery.state = DeliveryState::Outstanding { session, sent: now };
            delivery.attempts += 1;
            self.outstanding += 1;
        }
        is_replayed
    }

    fn is_replay_next(&mut self, now: Instant) -> bool {
        self.replay.is_next(&self.waiting, |key| self.entries.get(key).is_none(), now)
    }

    /// Slots there are, used or free, for `at_mut`.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.entries.slots()
    }

    /// The delivery in a slot.
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<&Delivery> {
        self.entries.at(slot).map(|(_, delivery)| delivery)
    }

    /// The same, to be changed.
    pub fn at_mut(&mut self, slot: usize) -> Option<&mut Delivery> {
        self.entries.at_mut(slot)
    }

    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Delivery> {
        self.entries.get(key)
    }

    /// When it was sent, while its answer is awaited.
    #[must_use]
    pub fn sent_at(&self, key: Key) -> Option<Instant> {
        match self.entries.get(key)?.state {
            DeliveryState::Outstanding { sent, .. } => Some(sent),
            DeliveryState::Waiting | DeliveryState::Retry { .. } | DeliveryState::Behind | DeliveryState::Held => None,
        }
    }

    /// The customer has it, or will not have it: forget it.
    pub fn done(&mut self, key: Key) -> Option<(DeliveryKind, Kept)> {
        let delivery = self.entries.remove(key)?;
        if matches!(delivery.state, DeliveryState::Outstanding { .. }) {
            self.outstanding -= 1;
        }
        if self.intermediates.get(&delivery.id) == Some(&key) {
            self.intermediates.remove(&delivery.id);
        }
        if let Some(successor) = delivery.successor {
            self.requeue(successor, DeliveryState::Waiting);
        }
        let mut body = delivery.body;
        if self.spare.len() < Self::SPARE_BODIES {
            body.clear();
            self.spare.push(body);
        }
        Some((delivery.kind, delivery.kept))
    }

    /// What was born before `oldest` and nobody has taken, of the next few: to be told `done`. Called every `SWEEP_EVERY`, it
    /// sees everything within the hour. What was sent and may yet be acknowledged is left for another time.
    pub fn over(&mut self, oldest: u32) -> Vec<Key> {
        let slots = self.entries.slots();
        let mut over = Vec::new();
        for _ in 0..slots.div_ceil(Self::SWEEPS) {
            self.swept = (self.swept + 1) % slots;
            if let Some((key, delivery)) = self.entries.at(self.swept)
                && delivery.kept.born < oldest
                && !matches!(delivery.state, DeliveryState::Outstanding { .. })
            {
                over.push(key);
            }
        }
        over
    }

    /// What waits and was born until then, of the next few slots; and which slot is next.
    pub fn waiting_since(&self, from: usize, until: u32) -> (Vec<Key>, Option<usize>) {
        let end = self.entries.slots().min(from.saturating_add(Self::PURGED));
        let mut over = Vec::new();
        for slot in from..end {
            if let Some((key, delivery)) = self.entries.at(slot)
                && delivery.kept.born <= until
                && !matches!(delivery.state, DeliveryState::Outstanding { .. })
            {
                over.push(key);
            }
        }
        (over, (end < self.entries.slots()).then_some(end))
    }

    /// What was queued last is not sent before `release`. False when it already waits for that.
    pub fn hold(&mut self, key: Key) -> bool {
        let queue = self.replay.queue(&mut self.waiting);
        let Some(delivery) = self.entries.get_mut(key).filter(|_| queue.back() == Some(&key)) else { return false };
        delivery.state = DeliveryState::Held;
        queue.pop_back();
        true
    }

    /// The answer it waited for was written in this turn, or never will be.
    pub fn release(&mut self, key: Key, turn: u64) {
        let Some(delivery) = self.entries.get_mut(key).filter(|it| it.state == DeliveryState::Held) else { return };
        (delivery.state, delivery.behind_turn) = (DeliveryState::Waiting, Some(turn));
        self.replay.queue(&mut self.waiting).push_back(key);
    }

    /// Its session ended: it goes first at the next chance.
    pub fn unsent(&mut self, key: Key) {
        if self.entries.get(key).is_some_and(|delivery| matches!(delivery.state, DeliveryState::Outstanding { .. })) {
            self.outstanding -= 1;
            self.requeue(key, DeliveryState::Waiting);
        }
    }

    /// The customer refused it for now, or did not answer: again after 1 s, doubling to 5 minutes.
    pub fn retry_later(&mut self, key: Key, now: Instant) {
        let Some(delivery) = self.entries.get_mut(key) else { return };
        if matches!(delivery.state, DeliveryState::Outstanding { .. }) {
            self.outstanding -= 1;
        }
        let doublings = delivery.attempts.saturating_sub(1).min(9);
        let wait = (Self::FIRST_RETRY * (1 << doublings)).min(Self::LAST_RETRY);
        let at = now + wait;
        delivery.state = DeliveryState::Retry { at };
        self.retries.push(Reverse((at, key.slot, key.generation)));
    }

    /// Puts back what is due for another try; returns how many.
    pub fn take_due(&mut self, now: Instant) -> usize {
        let mut due = 0;
        while let Some(Reverse((at, slot, generation))) = self.retries.peek().copied() {
            if at > now {
                break;
            }
            self.retries.pop();
            let key = Key { slot, generation };
            if self.entries.get(key).is_some_and(|delivery| delivery.state == DeliveryState::Retry { at }) {
                self.requeue(key, DeliveryState::Waiting);
                due += 1;
            }
        }
        due
    }

    #[must_use]
    pub fn next_retry(&self) -> Option<Instant> {
        self.retries.peek().map(|Reverse((at, _, _))| *at)
    }

    fn requeue(&mut self, key: Key, state: DeliveryState) {
        if let Some(delivery) = self.entries.get_mut(key) {
            delivery.state = state;
            delivery.behind_turn = None;
            self.replay.queue(&mut self.waiting).push_front(key);
        }
    }

    /// A later receipt of an id supersedes an intermediate that only waits, and waits for one that was sent.
    fn queue_behind(&mut self, earlier: Key, key: Key) -> Pushed {
        let Some(before) = self.entries.get_mut(earlier) else {
            self.replay.queue(&mut self.waiting).push_back(key);
            return Pushed { key, superseded: None };
        };
        // One that was sent once may still be acknowledged late, and that must not count for the later one.
        let is_unsent = matches!(before.state, DeliveryState::Waiting | DeliveryState::Behind | DeliveryState::Held);
        if is_unsent && before.attempts == 0 {
            let superseded = Some(before.kept);
            if let Some(later) = self.entries.remove(key)
                && let Some(before) = self.entries.get_mut(earlier)
            {
                (before.kind, before.body, before.kept) = (later.kind, later.body, later.kept);
            }
            return Pushed { key: earlier, superseded };
        }
        before.successor = Some(key);
        if let Some(delivery) = self.entries.get_mut(key) {
            delivery.state = DeliveryState::Behind;
        }
        Pushed { key, superseded: None }
    }
}

#[cfg(test)]
mod tests;
