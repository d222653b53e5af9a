//! The gateway dies, by itself or with the machine, and another process follows it: sometimes with other homes, sometimes
//! without an account or a carrier for one life.

use trunkline::config::Config;
use trunkline::engine::placement::Placement;
use trunkline::store::segment::SegmentName;

use crate::ledger::Ledger;
use crate::net::{Peer, Toward};
use crate::plants::Plant;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::variants::{draw_variant, parse};

/// Shares are in a thousand.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrashHabit {
    /// Time between the start of a process and its end.
    pub(crate) every_ms: Option<(u64, u64)>,
    /// How often the power fails, and the page cache with it.
    pub(crate) power: u64,
    /// How often the next process does not live to serve.
    pub(crate) while_opening: u64,
    /// How often the next process has other homes, or an account or carrier less.
    pub(crate) varies: u64,
    pub(crate) sync_fails: u64,
    /// `durability: process`: nothing is synced, and the power never fails.
    pub(crate) is_unsynced: bool,
    /// Time between spells of a full disk, and how long one lasts.
    pub(crate) full_ms: Option<(u64, u64)>,
    pub(crate) full_for_ms: (u64, u64),
}

impl CrashHabit {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let is_unsynced = rng.chance(200);
        Self {
            is_unsynced,
            every_ms: rng.pick(&[Some((20, 3_000)), Some((1_000, 10_000)), Some((5_000, 40_000))]),
            power: if is_unsynced { 0 } else { rng.pick(&[0, 500, 1_000]) },
            while_opening: rng.pick(&[0, 200, 500]),
            varies: rng.pick(&[0, 300, 1_000]),
            sync_fails: rng.pick(&[0, 0, 2, 20]),
            full_ms: rng.pick(&[None, Some((2_000, 20_000))]),
            full_for_ms: (500, 6_000),
        }
    }
}

impl Sim {
    pub(crate) fn is_down(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn is_down_now(&mut self) -> bool {
        self.is_down()
    }

    /// The next process ends after so many steps of its start.
    pub(crate) fn crash_next_start_after(&mut self, steps: u64) {
        self.steps_left = Some(steps);
    }

    /// Begins to crash by habit.
    pub(crate) fn crash_by_habit(&mut self, habit: CrashHabit) {
        if let Some(every) = habit.full_ms {
            self.plan_ms(every, Event::DiskFills);
        }
        if let Some(every) = habit.every_ms {
            self.plan_ms(every, Event::Crash { life: self.life });
        }
        self.crashes = habit;
    }

    /// No more of it; the last process has every account and carrier.
    pub(crate) fn crash_no_more(&mut self) {
        self.crashes = CrashHabit::default();
        self.disk.full_until = 0;
        self.next_config = None;
        let is_whole = |config: &Config| {
            let named = |config: &Config| (config.accounts.len(), config.carriers.len(), config.mo.len());
            named(config) == named(&self.base)
        };
        if !is_whole(&self.config) {
            self.next_config = Some(self.text.clone());
            self.crash(false);
        }
    }

    pub(crate) fn crash_drawn(&mut self, life: u64) {
        if life == self.life && !self.is_down() && self.crashes.every_ms.is_some() {
            let is_power = self.rng.chance(self.crashes.power);
            self.crash(is_power);
        }
    }

    /// The process ends here and now; with the power, if that fails.
    pub(crate) fn crash(&mut self, is_power: bool) {
        for (at, node) in self.nodes.iter().enumerate() {
            self.books.appended(at, &node.out.records, &node.out.record_bytes, &self.config);
        }
        self.nodes.clear();
        self.crash_cdr();
        self.mesh.clear();
        self.forget_process();
        for wire in 0..self.wires.len() {
            if self.wires[wire].home.take().is_some()
                && let Peer::Smsc(carrier) = self.wires[wire].peer
                && self.ledger.retrying.contains(&carrier)
            {
                self.ledger.crashed_links.insert(wire);
            }
            self.ledger.dead.insert(wire);
            if !self.wires[wire].to_peer.is_shut() {
                self.reset(wire);
                self.wires[wire].pipe(Toward::Proxy).discard();
            }
        }
        self.ledger.crashed();
        self.web.crashed(&mut self.ledger);
        self.stumble(is_power);
    }

    /// What the end of a process leaves, also of one that never served.
    fn stumble(&mut self, is_power: bool) {
        self.life += 1;
        self.reload_crashed();
        if is_power {
            self.disk.lose_power(&mut self.rng);
        }
        self.plan_ms((100, 3_000), Event::Restart);
    }

    /// The next process starts.
    pub(crate) fn restart(&mut self) {
        if !self.is_down() {
            return;
        }
        if self.rng.chance(self.crashes.varies) {
            self.next_config = Some(draw_variant(&self.text, &self.base, &mut self.rng));
        }
        if self.are_reloaded() {
            self.next_config = Some(self.text.clone());
        }
        if let Some(text) = self.next_config.take() {
            self.configure(&text);
        }
        if self.rng.chance(self.crashes.while_opening) {
            self.steps_left = Some(self.rng.below(60));
        }
        let opened = self.open();
        self.steps_left = None;
        if opened.is_err() {
            let is_power = self.rng.chance(self.crashes.power);
            return self.stumble(is_power);
        }
        if let Some(every) = self.crashes.every_ms {
            self.plan_ms(every, Event::Crash { life: self.life });
        }
    }

    fn configure(&mut self, text: &str) {
        self.config = parse(self.ledger.seed, text);
        let shards = self.config.shards.map_or(self.placement.shards(), |shards| usize::from(shards.get()));
        self.placement = Placement::new(&self.config, shards);
        let is_missing = |name: &String| self.config.accounts.iter().all(|account| account.name != *name);
        let names = self.base.accounts.iter().map(|account| &account.name);
        self.ledger.missing = names.enumerate().filter(|(_, name)| is_missing(name)).map(|(at, _)| at).collect();
    }

    pub(crate) fn sync_fails(&mut self) -> bool {
        !self.crashes.is_unsynced && self.rng.chance(self.crashes.sync_fails)
    }

    /// Nothing is acknowledged any more, and the process ends; others of its shards may go on for a moment.
    pub(crate) fn fail_store(&mut self, at: usize, segment: SegmentName) {
        self.disk.sync_failed(&segment.to_string(), &mut self.rng);
        self.nodes[at].store.failed();
        self.plan_ms((0, 5), Event::StoreFailed { life: self.life });
    }

    pub(crate) fn store_failed(&mut self, life: u64) {
        if life == self.life && !self.is_down() {
            self.crash(false);
        }
    }

    pub(crate) fn disk_fills(&mut self) {
        let Some(every) = self.crashes.full_ms else { return };
        let spell = self.rng.between(self.crashes.full_for_ms) * 1_000_000;
        self.disk.full_until = self.now + spell;
        self.plan_ms(every, Event::DiskFills);
    }

    pub(crate) fn is_planted(&self, plant: Plant) -> bool {
        self.plant == plant
    }
}

impl Ledger {
    /// What was not durable is known to nobody.
    fn crashed(&mut self) {
        self.waiting.clear();
        self.committing.clear();
    }
}
