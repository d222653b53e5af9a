//! What one shard's accounts have out at each carrier, for routes that choose the least loaded.
//!
//! A shard counts what it sent itself: no message is needed to know it, and in the long run all shards see the same carriers slow down.

use std::time::Duration;

use super::message::{Outcome, ReturnReason};
use super::time::Instant;
use crate::config::{Carrier, CarrierId, Config, Rate};

/// A carrier's load; the lesser one is to be preferred.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Load {
    is_away: bool,
    /// What is out, in millionths of the capacity.
    share: u64,
}

#[derive(Clone, Debug)]
pub struct Loads {
    carriers: Vec<Counted>,
}

#[derive(Clone, Debug)]
struct Counted {
    outstanding: u32,
    /// What it can be expected to have out: its windows, or what its rate lets out in a second when that is less.
    capacity: u32,
    /// What may wait there besides: as much as its queue holds and its rate sends in time.
    room: u32,
    /// It had no link, and has answered nothing since: having nothing out does not make it the least loaded.
    away_until: Instant,
}

impl Loads {
    /// How long a carrier that had no link stands behind all others.
    const AWAY: Duration = Duration::from_secs(1);

    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { carriers: config.carriers.iter().map(Counted::new).collect() }
    }

    /// Other settings of the same carriers, and more of them; what is out stays counted.
    pub fn configure(&mut self, config: &Config) {
        let known = self.carriers.len();
        for (counted, carrier) in self.carriers.iter_mut().zip(&config.carriers) {
            let Counted { outstanding, away_until, .. } = *counted;
            *counted = Counted { outstanding, away_until, ..Counted::new(carrier) };
        }
        self.carriers.extend(config.carriers.iter().skip(known).map(Counted::new));
    }

    pub fn sent(&mut self, carrier: CarrierId) {
        if let Some(counted) = self.carriers.get_mut(carrier.index()) {
            counted.outstanding += 1;
        }
    }

    /// What was sent is settled.
    pub fn settled(&mut self, carrier: CarrierId, outcome: Outcome) {
        let Some(counted) = self.carriers.get_mut(carrier.index()) else { return };
        counted.give_back();
        match outcome {
            Outcome::Accepted | Outcome::Refused(_) => counted.away_until = Instant::ZERO,
            Outcome::Failed(_) | Outcome::InDoubt => {}
        }
    }

    /// What was sent came back.
    pub fn returned(&mut self, carrier: CarrierId, reason: ReturnReason, now: Instant) {
        let Some(counted) = self.carriers.get_mut(carrier.index()) else { return };
        counted.give_back();
        match reason {
            ReturnReason::NotBound => counted.away_until = now + Self::AWAY,
            ReturnReason::QueueFull | ReturnReason::Refused(_) => {}
        }
    }

    /// How congested a carrier is by what this shard has out there.
    #[must_use]
    pub fn congestion(&self, carrier: CarrierId) -> u8 {
        self.carriers.get(carrier.index()).map_or(0, Counted::congestion)
    }

    #[must_use]
    pub fn of(&self, carrier: CarrierId, now: Instant) -> Load {
        let nothing = Load { is_away: true, share: 0 };
        self.carriers.get(carrier.index()).map_or(nothing, |counted| Load {
            is_away: counted.away_until > now,
            share: u64::from(counted.outstanding) * 1_000_000 / u64::from(counted.capacity),
        })
    }
}

impl Counted {
    fn new(carrier: &Carrier) -> Self {
        let windows = u32::from(carrier.links.get()) * u32::from(carrier.window.get());
        let capacity = carrier.rate.map_or(windows, |rate| windows.min(rate.per_second.get()));
        let in_time = |rate: Rate| u64::from(rate.per_second.get()) * carrier.queue_wait.as_secs();
        let in_time = carrier.rate.map_or(u64::MAX, in_time);
        let room = u64::from(carrier.queue).min(in_time).try_into().unwrap_or(u32::MAX);
        Self { outstanding: 0, capacity, room, away_until: Instant::ZERO }
    }

    /// In hundredths: at 80 it has what it can have out, at 100 no more can wait.
    fn congestion(&self) -> u8 {
        const FULL: u64 = 80;
        let (outstanding, capacity) = (u64::from(self.outstanding), u64::from(self.capacity.max(1)));
        let waiting = outstanding.saturating_sub(capacity);
        let within = outstanding.min(capacity) * FULL / capacity;
        (within + waiting * (100 - FULL) / u64::from(self.room.max(1))).min(100) as u8
    }

    fn give_back(&mut self) {
        debug_assert!(self.outstanding > 0, "more came back than was sent");
        self.outstanding = self.outstanding.saturating_sub(1);
    }
}
