//! HTTP connections of one shard: what each is waited for, and since when.
//!
//! None has a timer of its own: all are looked at once a second, by a clock that is read a few times a second. So a connection may be
//! waited for a second longer than is configured.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use ahash::AHashMap;

use crate::config::{AccountId, HttpTimers};
use crate::engine::slab::{Key, Slab};
use crate::http::Refusal;
use crate::metrics::WebRefusal;
use crate::runtime::clock;
use crate::runtime::wakeup::Wakeup;

#[cfg(test)]
mod tests;

/// How long what a peer still sends is read away after we said goodbye; unread, it would destroy our last octets.
const LINGER: Duration = Duration::from_secs(1);
/// How long the last responses may take to be written once a drain has settled everything else.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long a request is waited for, on a connection made during a drain, before all else is settled.
const FIRST_REQUEST: Duration = Duration::from_millis(100);
/// What bodies that are being read take together on one shard.
const BODIES: usize = 64 << 20;
/// What those of one account take of it, or those of strangers, who are not known before theirs are read.
const SHARE: usize = 16 << 20;

#[derive(Debug)]
pub struct Web {
    timers: Cell<HttpTimers>,
    open: RefCell<Slab<Rc<Watch>>>,
    /// Lately. Nanoseconds, as all times here.
    now: Cell<u64>,
    bodies: Cell<usize>,
    bodies_of: RefCell<AHashMap<Option<AccountId>, usize>>,
    drain: Cell<Drain>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Drain {
    No,
    /// Whoever is answered is told to go.
    Asked,
    /// Nothing is left but to write what was answered.
    LastAnswers {
        until: u64,
    },
    Done,
}

/// What a connection is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waits {
    Handshake,
    /// A request, of which nothing has come.
    Idle,
    Head,
    Body,
    /// Ours.
    Answer,
    /// The peer to close, as we have.
    Close,
}

/// Where what was read so far ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    Between,
    Head,
    Body,
}

/// One connection, as its task and the look at all of them share it.
#[derive(Debug)]
pub struct Watch {
    waits: Cell<Waits>,
    since: Cell<u64>,
    place: Cell<Place>,
    /// Since when nothing of what waits to be written was taken.
    blocked_since: Cell<Option<u64>>,
    /// Why nothing more is read; to be told unless it was.
    refusal: Cell<Option<Refusal>>,
    is_refusal_told: Cell<bool>,
    is_closed: Cell<bool>,
    is_draining: Cell<bool>,
    wakeup: Wakeup,
}

/// What comes of having waited too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Overdue {
    Refuse(Refusal),
    Close,
}

impl Web {
    #[must_use]
    pub fn new(timers: HttpTimers) -> Self {
        let now = Cell::new(clock::monotonic_ns());
        let timers = Cell::new(timers);
        let (bodies, bodies_of) = (Cell::new(0), RefCell::default());
        Self { timers, open: RefCell::default(), now, bodies, bodies_of, drain: Cell::new(Drain::No) }
    }

    pub fn set_timers(&self, timers: HttpTimers) {
        self.timers.set(timers);
    }

    pub fn open(&self, is_tls: bool) -> (Key, Rc<Watch>) {
        let watch = Rc::new(Watch::new(if is_tls { Waits::Handshake } else { Waits::Idle }, self.now()));
        (self.open.borrow_mut().insert(Rc::clone(&watch)), watch)
    }

    pub fn forget(&self, key: Key) {
        self.open.borrow_mut().remove(key);
    }

    #[must_use]
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    pub fn tick(&self, now: u64) {
        self.now.set(now);
    }

    /// Looks at every connection: those that were waited for too long are refused or closed.
    pub fn sweep(&self) {
        for (_, watch) in self.open.borrow().iter() {
            watch.look(&self.timers.get(), self.now());
        }
    }

    /// Whoever waits for nothing is closed, the others once they are answered.
    pub fn drain(&self) {
        if self.drain.get() != Drain::No {
            return;
        }
        self.drain.set(Drain::Asked);
        for (_, watch) in self.open.borrow().iter() {
            watch.is_draining.set(true);
            watch.wakeup.wake();
        }
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.get() != Drain::No
    }

    /// The engine has settled everything: what is still to be written is little.
    pub fn answer_last(&self) {
        self.drain.set(Drain::LastAnswers { until: self.now() + nanos(LAST_ANSWERS) });
    }

    /// Whether nothing is left to be written, or was for too long. Says so once.
    pub fn take_drained(&self) -> bool {
        let Drain::LastAnswers { until } = self.drain.get() else { return false };
        let is_done = self.now() >= until || self.open.borrow().iter().all(|(_, watch)| watch.is_quiet(self.now()));
        if is_done {
            self.drain.set(Drain::Done);
        }
        is_done
    }

    /// Room for so many octets more of bodies.
    #[must_use]
    pub fn room(&self, octets: usize, body: &mut BodyRoom<'_>) -> bool {
        let mut bodies_of = self.bodies_of.borrow_mut();
        let share = bodies_of.entry(body.of).or_default();
        if self.bodies.get() + octets > BODIES || *share + octets > SHARE {
            return false;
        }
        *share += octets;
        self.bodies.set(self.bodies.get() + octets);
        body.taken += octets;
        true
    }
}

/// What one body takes of the room for all; given back with it.
pub struct BodyRoom<'a> {
    of: Option<AccountId>,
    web: &'a Web,
    taken: usize,
}

impl<'a> BodyRoom<'a> {
    #[must_use]
    pub fn of(account: Option<AccountId>, web: &'a Web) -> Self {
        Self { of: account, web, taken: 0 }
    }
}

impl Drop for BodyRoom<'_> {
    fn drop(&mut self) {
        self.web.bodies.set(self.web.bodies.get() - self.taken);
        if let Some(share) = self.web.bodies_of.borrow_mut().get_mut(&self.of) {
            *share -= self.taken;
        }
    }
}

impl Watch {
    fn new(waits: Waits, now: u64) -> Self {
        Self {
            waits: Cell::new(waits),
            since: Cell::new(now),
            place: Cell::new(Place::Between),
            blocked_since: Cell::new(None),
            refusal: Cell::new(None),
            is_refusal_told: Cell::new(false),
            is_closed: Cell::new(false),
            is_draining: Cell::new(false),
            wakeup: Wakeup::default(),
        }
    }

    pub fn wait_for(&self, waits: Waits, now: u64) {
        self.waits.set(waits);
        self.since.set(now);
    }

    /// Something was read, and ends there.
    pub fn read(&self, place: Place, now: u64) {
        self.place.set(place);
        match (self.waits.get(), place) {
            (Waits::Idle, Place::Head) => self.wait_for(Waits::Head, now),
            (Waits::Head, Place::Between) => self.wait_for(Waits::Idle, now),
            _ => {}
        }
    }

    /// A request has its response; what came of the next meanwhile was not waited for.
    pub fn answered(&self, now: u64) {
        self.wait_for(if self.place.get() == Place::Head { Waits::Head } else { Waits::Idle }, now);
    }

    pub fn blocked(&self, now: u64) {
        self.blocked_since.set(self.blocked_since.get().or(Some(now)));
    }

    pub fn progressed(&self) {
        self.blocked_since.set(None);
    }

    /// Nothing more is read. The first reason counts.
    pub fn refuse(&self, refusal: Refusal) {
        self.refusal.set(self.refusal.get().or(Some(refusal)));
    }

    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refusal.get().is_some()
    }

    /// What is to be told of it, once.
    pub fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.get().filter(|_| !self.is_refusal_told.replace(true))
    }

    /// Whether it is to be dropped as it is; else the task is woken when there is news.
    pub fn poll_closed(&self, cx: &Context<'_>) -> bool {
        let _ = self.wakeup.poll(cx);
        self.is_closed.get()
    }

    /// Whether the process began to drain, once.
    pub fn take_drain(&self) -> bool {
        self.is_draining.take()
    }

    /// Why it was dropped, if that is worth counting.
    #[must_use]
    pub fn why_closed(&self) -> Option<WebRefusal> {
        match self.waits.get() {
            _ if !self.is_closed.get() => None,
            _ if self.blocked_since.get().is_some() => Some(WebRefusal::NotTaken),
            Waits::Handshake => Some(WebRefusal::HeadLate),
            Waits::Idle | Waits::Head | Waits::Body | Waits::Answer | Waits::Close => None,
        }
    }

    /// Whether nothing is owed to it. Those that waited when the drain began are closed; whoever came later has hardly been read.
    fn is_quiet(&self, now: u64) -> bool {
        let is_quiet = match self.waits.get() {
            Waits::Body | Waits::Answer => false,
            Waits::Handshake | Waits::Idle | Waits::Head => {
                now.saturating_sub(self.since.get()) >= nanos(FIRST_REQUEST)
            }
            Waits::Close => true,
        };
        is_quiet && self.blocked_since.get().is_none()
    }

    fn look(&self, timers: &HttpTimers, now: u64) {
        match self.overdue(timers, now) {
            None => return,
            Some(Overdue::Close) => self.is_closed.set(true),
            Some(Overdue::Refuse(refusal)) => {
                self.refuse(refusal);
                self.wait_for(Waits::Answer, now);
            }
        }
        self.wakeup.wake();
    }

    fn overdue(&self, timers: &HttpTimers, now: u64) -> Option<Overdue> {
        let is_over = |since: u64, longest: Duration| now.saturating_sub(since) >= nanos(longest);
        if self.blocked_since.get().is_some_and(|since| is_over(since, timers.unread)) {
            return Some(Overdue::Close);
        }
        let (longest, overdue) = match self.waits.get() {
            Waits::Handshake => (timers.head, Overdue::Close),
            Waits::Idle => (timers.idle, Overdue::Close),
            Waits::Head => (timers.head, Overdue::Refuse(Refusal::HeadLate)),
            Waits::Body => (timers.body, Overdue::Refuse(Refusal::BodyLate)),
            Waits::Answer => return None,
            Waits::Close => (LINGER, Overdue::Close),
        };
        is_over(self.since.get(), longest).then_some(overdue)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
