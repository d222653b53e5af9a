//! Other files at random moments: another rate, more or fewer links, an account or a carrier gone and back, no rule for MO. Each shard
//! gets ready, and commits, at a moment of its own.

use std::sync::Arc;

use trunkline::config::{self, Config};
use trunkline::engine::placement::Placement;
use trunkline::engine::router::RouteTable;

use crate::node::In;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::variants::{parse, vary, without_mo_rules};

#[derive(Debug, Default)]
pub(crate) struct Reloads {
    /// Time between two of them; `None`: there are none.
    every_ms: Option<(u64, u64)>,
    rng: Option<Rng>,
    /// What the file says, if that is not the whole.
    other: bool,
    under_way: Option<UnderWay>,
    pub(crate) done: u8,
}

#[derive(Debug)]
struct UnderWay {
    next: Arc<Config>,
    /// Shards that are not ready yet, and those that have not committed.
    unready: usize,
    uncommitted: usize,
}

/// When a shard looks into its box.
const UPKEEP_MS: (u64, u64) = (0, 50);

impl Sim {
    pub(crate) fn reload_by_habit(&mut self, every_ms: (u64, u64), rng: Rng) {
        self.reloads = Reloads { every_ms: Some(every_ms), rng: Some(rng), ..Reloads::default() };
        self.plan_ms(every_ms, Event::Reload);
    }

    /// Whether the next process reads the whole file again: what it lacked, no reload would bring back.
    pub(crate) fn are_reloaded(&self) -> bool {
        self.reloads.rng.is_some()
    }

    pub(crate) fn reload_some(&mut self) {
        let Some(every) = self.reloads.every_ms else { return };
        if !self.is_down() && self.reloads.under_way.is_none() {
            let Some(mut rng) = self.reloads.rng.take() else { return };
            let text = draw_file(&self.text, &self.base, &mut rng);
            self.reloads.rng = Some(rng);
            self.reload(&text);
        }
        self.plan_ms(every, Event::Reload);
    }

    /// No more of it; what went comes back.
    pub(crate) fn reload_no_more(&mut self) {
        self.reloads.every_ms = None;
        for _ in 0..100 {
            if self.is_down() || self.reloads.under_way.is_some() {
                self.run_for(std::time::Duration::from_millis(100));
            } else if self.reloads.other {
                let text = self.text.clone();
                self.reload(&text);
            } else {
                return;
            }
        }
        self.fail("a reload has no end");
    }

    pub(crate) fn reload(&mut self, text: &str) {
        let read = parse(self.ledger.seed, text);
        let merged = config::merged(&self.config, Config::clone(&read));
        let Ok((next, _)) = merged else { self.fail("a reload is refused") };
        let placement = self.placement.extended(&next);
        let extended = Arc::new(config::extended(&self.config, &next));
        self.reloads.other = text != self.text;
        let (next, shards) = (Arc::new(next), self.nodes.len());
        self.reloads.under_way = Some(UnderWay { next: Arc::clone(&next), unready: shards, uncommitted: shards });
        // Whoever has no part in it finds every name from here on.
        (self.config, self.placement) = (next, placement.clone());
        for shard in 0..shards {
            let prepare = In::Prepare(Arc::clone(&extended), Box::new(placement.clone()));
            self.plan_ms(UPKEEP_MS, Event::Input(shard, prepare));
        }
    }

    pub(crate) fn prepared(&mut self, at: usize, config: Arc<Config>, placement: Placement) {
        let node = &mut self.nodes[at];
        node.store.configure(&config);
        node.shard.prepare(config, placement);
        let Some(under_way) = &mut self.reloads.under_way else { return };
        under_way.unready -= 1;
        if under_way.unready > 0 {
            return;
        }
        let next = Arc::clone(&under_way.next);
        self.reloads.done = self.reloads.done.wrapping_add(1);
        let routes = Arc::new(RouteTable::of_generation(&next, self.reloads.done));
        for shard in 0..self.nodes.len() {
            let commit = In::Commit(Arc::clone(&next), Arc::clone(&routes));
            self.plan_ms(UPKEEP_MS, Event::Input(shard, commit));
        }
    }

    pub(crate) fn committed(&mut self, at: usize, config: Arc<Config>, routes: Arc<RouteTable>) {
        let now = self.instant();
        let node = &mut self.nodes[at];
        // Rates are others from here on: what was sent at those before does not count against them.
        (node.sent, node.is_recounted) = (Default::default(), true);
        node.store.configure(&config);
        node.shard.reload(config, routes, now, &mut node.out);
        let Some(under_way) = &mut self.reloads.under_way else { return };
        under_way.uncommitted -= 1;
        if under_way.uncommitted > 0 {
            return;
        }
        self.reloads.under_way = None;
        for shard in 0..self.nodes.len() {
            self.plan_ms(UPKEEP_MS, Event::Input(shard, In::Finish));
        }
    }

    /// The process ended; the next one reads the whole file.
    pub(crate) fn reload_crashed(&mut self) {
        (self.reloads.under_way, self.reloads.other, self.reloads.done) = (None, false, 0);
    }
}

/// A file with some of this one's left out, and other numbers in it.
fn draw_file(text: &str, base: &Config, rng: &mut Rng) -> String {
    let mut without = Vec::new();
    if base.accounts.len() > 1 && rng.chance(400) {
        without.push(base.accounts[rng.below(base.accounts.len() as u64) as usize].name.as_str());
    }
    if base.carriers.len() > 1 && rng.chance(400) {
        without.push(base.carriers[rng.below(base.carriers.len() as u64) as usize].name.as_str());
    }
    let shards = base.shards.map_or(1, |shards| usize::from(shards.get()));
    let varied = vary(text, shards, &without, || None);
    let varied = if rng.chance(200) { without_mo_rules(&varied) } else { varied };
    varied.lines().map(|line| with_other_numbers(line, rng) + "\n").collect()
}

fn with_other_numbers(line: &str, rng: &mut Rng) -> String {
    let mut line = line.to_owned();
    let is_account = line.contains("max_binds: ");
    let is_carrier = line.contains("queue_wait: ");
    if !is_account && !is_carrier {
        return line;
    }
    if rng.chance(400) {
        line = without_key(&without_key(&line, "rate"), "burst");
        let rate = rng.pick(&["", " rate: 30, burst: 3,", " rate: 150, burst: 40,"]);
        line = line.replacen("{ ", &format!("{{{rate} "), 1).replacen(",  ", ", ", 1);
    }
    if is_carrier && rng.chance(300) {
        line = without_key(&line, "links");
        line = line.replacen("queue_wait: ", &format!("links: {}, queue_wait: ", 1 + rng.below(4)), 1);
    }
    if is_account && rng.chance(200) {
        let shut = rng.pick(&["enabled: false, ", "submit: false, ", "allow_from: [], "]);
        line = line.replacen("max_binds: ", &format!("{shut}max_binds: "), 1);
    }
    if is_carrier && rng.chance(200) {
        let state = rng.pick(&["drain", "off"]);
        line = line.replacen("queue_wait: ", &format!("state: {state}, queue_wait: "), 1);
    }
    if is_carrier && rng.chance(200) {
        line = line.replacen("system_id: us", &format!("system_id: {}", rng.pick(&["us", "them"])), 1);
    }
    line
}

/// A line without `key: value, `.
fn without_key(line: &str, key: &str) -> String {
    let mark = format!(" {key}: ");
    let Some(at) = line.find(&mark) else { return line.to_owned() };
    let rest = &line[at + mark.len()..];
    match rest.split_once(", ") {
        Some((_, behind)) => format!("{} {behind}", &line[..at]),
        None => line.to_owned(),
    }
}
