//! Stored submits of one account, by what they wait for: their turn, a time to come, or a carrier's answer. Pure bookkeeping; what
//! they say lies in `Holdings`, under the same keys.
//!
//! Each route rule has a lane of its own, so that carriers that are down hold up nothing that goes elsewhere. A lane has so many
//! under way at carriers at once as they have shown room for: it grows by what settles, and shrinks to what is left when one
//! comes back for want of room. Within a lane priority decides, then the order they were accepted in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::message::Course;
use super::time::Instant;
use crate::smpp::message_id::MessageId;

#[derive(Debug)]
pub struct Backlog {
    entries: BTreeMap<u64, Entry>,
    by_id: BTreeMap<u64, u64>,
    /// Those whose customer knows them by another id, by that.
    by_shown: BTreeSet<(u64, u64)>,
    lanes: BTreeMap<u32, Lane>,
    /// Refused for now, by when they are due again.
    later: BTreeSet<(Instant, u64)>,
    /// By the end of their validity; one that ends while it is under way is put in again when it comes back.
    ends: BTreeSet<(Instant, u64)>,
    under_way: usize,
    /// No lane that stands still is to be tried before this.
    try_at: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    pub id: MessageId,
    /// The id its customer knows it by, when that is another.
    pub shown: Option<MessageId>,
    /// The route rule it goes by.
    pub lane: u32,
    pub priority: u8,
    /// It is not sent after this.
    pub ends: Instant,
    pub standing: Standing,
    /// What earlier offers of it came to.
    pub course: Course,
    /// Refusals that time may mend.
    pub refusals: u8,
    /// The record that it may have reached a carrier.
    pub mark: Option<u64>,
}

/// Where a stored submit stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Waits,
    /// It was refused for now.
    Later(Instant),
    /// It was given to a carrier's home.
    IsOnItsWay,
}

/// Stored submits that go by one rule.
#[derive(Debug)]
struct Lane {
    waiting: BTreeSet<(Reverse<u8>, u64)>,
    under_way: usize,
    /// May be under way at once.
    limit: usize,
    /// How far the limit has come towards its next step, once the carriers' room is known.
    settled: Option<usize>,
    /// It stands still until then, unless something of it settles.
    paused_until: Instant,
    pause: Duration,
}

impl Entry {
    #[must_use]
    pub fn new(id: MessageId, lane: u32, priority: u8, ends: Instant) -> Self {
        let (standing, course) = (Standing::Waits, Course::default());
        Self { id, shown: None, lane, priority, ends, standing, course, refusals: 0, mark: None }
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            waiting: BTreeSet::new(),
            under_way: 0,
            limit: Self::FIRST,
            settled: None,
            paused_until: Instant::ZERO,
            pause: Self::SHORTEST_PAUSE,
        }
    }
}

impl Lane {
    /// At once, before anything is known of the carriers' room.
    const FIRST: usize = 16;
    /// At once, whatever room there is: the rest waits here, where it keeps its order and costs the carrier's queue nothing.
    const MOST: usize = 1_000;
    const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);

    /// A carrier answered: there is room for another.
    fn settle(&mut self) {
        (self.paused_until, self.pause) = (Instant::ZERO, Self::SHORTEST_PAUSE);
        match &mut self.settled {
            None => self.limit += 1,
            Some(settled) => {
                *settled += 1;
                if *settled >= self.limit {
                    *settled = 0;
                    self.limit += 1;
                }
            }
        }
        self.limit = self.limit.min(Self::MOST);
    }

    /// One came back, for nobody had room for it.
    fn is_full(&mut self, now: Instant) {
        self.limit = self.under_way.max(1);
        // With nothing left there it is not known how much goes at once.
        self.settled = (self.under_way > 0).then_some(0);
        if self.paused_until <= now {
            self.paused_until = now + self.pause;
            self.pause = (self.pause * 2).min(Self::LONGEST_PAUSE);
        }
    }
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_shown: BTreeSet::new(),
            lanes: BTreeMap::new(),
            later: BTreeSet::new(),
            ends: BTreeSet::new(),
            under_way: 0,
            try_at: Instant::NEVER,
        }
    }
}

impl Backlog {
    const FIRST_RETRY: Duration = Duration::from_secs(1);
    const HURRIED: usize = 10_000;
    const REST: Duration = Duration::from_millis(10);
    const LAST_RETRY: Duration = Duration::from_secs(300);

    /// Stored submits whose fate is not known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Those of them that are at carriers' homes.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// The key of what was stored first.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(key, _)| *key)
    }

    #[must_use]
    pub fn get(&self, key: u64) -> Option<&Entry> {
        self.entries.get(&key)
    }

    #[must_use]
    pub fn find(&self, id: MessageId) -> Option<(u64, &Entry)> {
        let key = *self.by_id.get(&id.bits())?;
        Some((key, self.entries.get(&key)?))
    }

    /// One of those that their customer knows by this id.
    #[must_use]
    pub fn find_shown(&self, shown: MessageId) -> Option<u64> {
        self.by_shown.range((shown.bits(), 0)..=(shown.bits(), u64::MAX)).next().map(|(_, key)| *key)
    }

    pub fn push(&mut self, key: u64, entry: Entry) {
        self.by_id.insert(entry.id.bits(), key);
        self.by_shown.extend(entry.shown.map(|shown| (shown.bits(), key)));
        self.ends.insert((entry.ends, key));
        self.entries.insert(key, Entry { standing: Standing::Waits, ..entry });
        self.wait(key, Instant::ZERO);
    }

    /// The next of a lane that may go to a carrier; it is on its way then.
    pub fn take_next(&mut self, lane: u32, now: Instant) -> Option<u64> {
        let lane = self.lanes.get_mut(&lane)?;
        if lane.under_way >= lane.limit || lane.paused_until > now {
            return None;
        }
        let (_, key) = lane.waiting.pop_first()?;
        lane.under_way += 1;
        self.under_way += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.standing = Standing::IsOnItsWay;
        }
        Some(key)
    }

    /// It goes by another rule than when it came: it waits for its turn there.
    pub fn change_lane(&mut self, key: u64, lane: u32) {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.standing == Standing::IsOnItsWay) else {
            return;
        };
        let before = std::mem::replace(&mut entry.lane, lane);
        self.under_way -= 1;
        if let Some(before) = self.lanes.get_mut(&before) {
            before.under_way -= 1;
        }
        self.wait(key, Instant::ZERO);
    }

    /// The routes are others: what was put off is due, as far as this is bounded; the rest waits for its time.
    pub fn hurry(&mut self, now: Instant) {
        for (at, key) in self.later.iter().take(Self::HURRIED).copied().collect::<Vec<_>>() {
            if at > now {
                self.later.remove(&(at, key));
                self.wait(key, now);
            }
        }
    }

    /// A lane stands still for a moment.
    pub fn rest(&mut self, lane: u32, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.paused_until = now + Self::REST;
            self.try_at = self.try_at.min(lane.paused_until);
        }
    }

    /// No carrier had room for it: it waits in its old place.
    pub fn put_back(&mut self, key: u64, course: Course, now: Instant) {
        let Some(number) = self.returned(key, course).map(|entry| entry.lane) else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.is_full(now);
            self.try_at = self.try_at.min(lane.paused_until);
        }
        self.wait(key, Instant::ZERO);
    }

    /// Its carriers refused it for now: again after 1 s, doubling to 5 minutes.
    pub fn put_off(&mut self, key: u64, course: Course, now: Instant) {
        let Some(entry) = self.returned(key, course) else { return };
        let wait = (Self::FIRST_RETRY * (1 << entry.refusals.min(9))).min(Self::LAST_RETRY);
        entry.refusals = entry.refusals.saturating_add(1);
        let number = entry.lane;
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.settle();
        }
        self.wait(key, now + wait);
    }

    /// It is of no account any more.
    pub fn remove(&mut self, key: u64) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.by_id.remove(&entry.id.bits());
        if let Some(shown) = entry.shown {
            self.by_shown.remove(&(shown.bits(), key));
        }
        self.ends.remove(&(entry.ends, key));
        if let Standing::Later(at) = entry.standing {
            self.later.remove(&(at, key));
        }
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            match entry.standing {
                Standing::Waits => drop(lane.waiting.remove(&(Reverse(entry.priority), key))),
                Standing::Later(_) => {}
                Standing::IsOnItsWay => {
                    lane.under_way -= 1;
                    self.under_way -= 1;
                    lane.settle();
                }
            }
        }
        Some(entry)
    }

    pub fn set_mark(&mut self, key: u64, mark: Option<u64>) -> Option<u64> {
        std::mem::replace(&mut self.entries.get_mut(&key)?.mark, mark)
    }

    pub fn set_course(&mut self, key: u64, course: Course) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.course = course;
        }
    }

    /// One whose validity is over and that no carrier has.
    pub fn take_ended(&mut self, now: Instant) -> Option<u64> {
        while let Some((ends, key)) = self.ends.first().copied().filter(|(ends, _)| *ends <= now) {
            self.ends.remove(&(ends, key));
            if self.entries.get(&key).is_some_and(|entry| entry.standing != Standing::IsOnItsWay) {
                return Some(key);
            }
        }
        None
    }

    /// Puts what is due among those that wait, and says which lanes may go on.
    pub fn take_due(&mut self, now: Instant) -> Vec<u32> {
        let mut due = BTreeSet::new();
        while let Some((at, key)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, key));
            self.wait(key, Instant::ZERO);
            due.extend(self.entries.get(&key).map(|entry| entry.lane));
        }
        if self.try_at <= now {
            self.try_at = Instant::NEVER;
            self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.under_way > 0);
            for (number, lane) in &mut self.lanes {
                if lane.paused_until > now {
                    self.try_at = self.try_at.min(lane.paused_until);
                } else if lane.paused_until != Instant::ZERO {
                    // One more than are out: whoever has those may answer none for long.
                    lane.paused_until = Instant::ZERO;
                    lane.limit = lane.limit.max(lane.under_way + 1).min(Lane::MOST);
                    due.insert(*number);
                }
            }
        }
        due.into_iter().collect()
    }

    /// When something is due again, or over.
    #[must_use]
    pub fn next_look(&self) -> Instant {
        let first = |set: &BTreeSet<(Instant, u64)>| set.first().map_or(Instant::NEVER, |(at, _)| *at);
        first(&self.later).min(first(&self.ends)).min(if self.is_empty() { Instant::NEVER } else { self.try_at })
    }

    /// The rules something goes by.
    #[must_use]
    pub fn lanes(&self) -> Vec<u32> {
        self.lanes.keys().copied().collect()
    }

    fn returned(&mut self, key: u64, course: Course) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&key).filter(|entry| entry.standing == Standing::IsOnItsWay)?;
        entry.course = course;
        self.under_way -= 1;
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            lane.under_way -= 1;
        }
        self.ends.insert((entry.ends, key));
        Some(entry)
    }

    /// Waits for its turn, or for a time.
    fn wait(&mut self, key: u64, until: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if until == Instant::ZERO {
            entry.standing = Standing::Waits;
            let lane = self.lanes.entry(entry.lane).or_default();
            lane.waiting.insert((Reverse(entry.priority), key));
        } else {
            entry.standing = Standing::Later(until);
            self.later.insert((until, key));
        }
    }
}

#[cfg(test)]
mod tests;
