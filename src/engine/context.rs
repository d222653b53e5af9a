//! What an account or a carrier may touch besides itself while it handles something.

use super::bans::Bans;
use super::cdr::Cdr;
use super::effects::Effects;
use super::id_source::IdSource;
use super::loads::Loads;
use super::placement::Placement;
use super::random::Random;
use super::router::RouteTable;
use super::shard::Connection;
use super::slab::Slab;
use super::time::Instant;
use super::timers::Timers;
use super::untold::Telling;
use super::wall::Wall;
use crate::config::Config;
use crate::metrics::ShardCounts;

pub struct Context<'a> {
    pub config: &'a Config,
    pub routes: &'a RouteTable,
    pub loads: &'a mut Loads,
    pub placement: &'a Placement,
    pub now: Instant,
    pub wall: &'a Wall,
    /// Turns since the start; what one turn wrote is handed to the kernel before the next begins.
    pub turn: u64,
    pub is_draining: bool,
    /// Whether the journal has room beyond its reserve.
    pub has_room: bool,
    /// Counts what early receipts and deliveries are kept under.
    pub next_key: &'a mut u64,
    pub random: &'a mut Random,
    pub ids: &'a mut IdSource,
    pub timers: &'a mut Timers,
    pub counts: &'a mut ShardCounts,
    pub bans: &'a Bans,
    /// Of binds that were refused.
    pub refusals: &'a mut Telling,
    pub connections: &'a mut Slab<Connection>,
    /// When call detail records are kept.
    pub(super) cdr: &'a mut Option<Box<Cdr>>,
    pub out: &'a mut Effects,
}

impl Context<'_> {
    /// The wall clock, in Unix seconds.
    #[must_use]
    pub fn unix_seconds(&self) -> u32 {
        self.wall.seconds(self.now)
    }

    /// Whether nothing is forwarded any more at that time: with less than a quarter of its response time left, a submit's answer
    /// would come after the customer was told.
    #[must_use]
    pub fn is_late(&self, deadline: Instant, at: Instant) -> bool {
        deadline.since(at) < self.config.smpp.timers.response / 4
    }

    /// From when on `is_late` says so.
    #[must_use]
    pub fn late_at(&self, deadline: Instant) -> Instant {
        self.now + deadline.since(self.now + self.config.smpp.timers.response / 4)
    }

    /// A key that nothing in the journal has had.
    pub fn issue_key(&mut self) -> u64 {
        let key = *self.next_key;
        *self.next_key += 1;
        key
    }
}
