//! A whole gateway in one thread: shards, network, carriers and ESMEs, driven by one queue of events and one seed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use trunkline::config::{Accept, Config, InDoubt};
use trunkline::engine::event::AdmittedBind;
use trunkline::engine::message::Batch;
use trunkline::engine::placement::Placement;
use trunkline::engine::slab::Key;
use trunkline::engine::time::Instant;
use trunkline::smpp::command::{CommandStatus, SequenceNumber};
use trunkline::smpp::pdu::BindMode;

use crate::books::Books;
use crate::cdr::CdrFiles;
use crate::crash::CrashHabit;
use crate::disk::Disk;
use crate::esme::Esme;
use crate::habits::{CarrierHabit, EsmeHabit, NetworkHabit};
use crate::joined::JoinedBook;
use crate::ledger::Ledger;
use crate::lies::Lie;
use crate::net::{Peer, Toward, Wire, WireId};
use crate::node::{In, Node};
use crate::plants::Plant;
use crate::reloading::Reloads;
use crate::rng::Rng;
use crate::smsc::Smsc;
use crate::variants::parse;
use crate::web::Web;

/// So small that segments are filled, released and rewritten all the time.
pub(crate) const SEGMENT_OCTETS: u64 = 20_000;

pub(crate) struct Sim {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) ledger: Ledger,
    pub(crate) books: Books,
    /// The whole configuration; an account or carrier has one number in it for the whole run.
    pub(crate) base: Arc<Config>,
    pub(crate) text: String,
    /// That of the present process, which may lack some.
    pub(crate) config: Arc<Config>,
    /// What the next process is to have instead.
    pub(crate) next_config: Option<String>,
    pub(crate) placement: Placement,
    /// Empty between two processes.
    pub(crate) nodes: Vec<Node>,
    pub(crate) disk: Disk,
    pub(crate) crashes: CrashHabit,
    /// Counts the processes.
    pub(crate) life: u64,
    /// After how many steps a start ends.
    pub(crate) steps_left: Option<u64>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) smscs: Vec<Smsc>,
    pub(crate) esmes: Vec<Esme>,
    pub(crate) habit: NetworkHabit,
    pub(crate) plant: Plant,
    pub(crate) mesh: Vec<Vec<VecDeque<Batch>>>,
    pub(crate) next_ids: u64,
    pub(crate) dealt: usize,
    pub(crate) web: Web,
    pub(crate) reloads: Reloads,
    pub(crate) cdr: CdrFiles,
    queue: BTreeMap<(u64, u64), Event>,
    order: u64,
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A shard begins a turn, unless it has begun one since this was planned.
    Turn(usize),
    /// The first batch between these shards arrives.
    Batch {
        from: usize,
        to: usize,
    },
    Input(usize, In),
    /// A shard's disk has done what its commits, or its upkeep, waited for.
    DiskDone(usize, bool),
    /// A shard tries again to allocate its reserve.
    Refill(usize),
    Crash {
        life: u64,
    },
    StoreFailed {
        life: u64,
    },
    Restart,
    DiskFills,
    /// Octets have arrived at an end.
    Land(WireId, Toward),
    Dialled {
        shard: usize,
        key: Key,
        address: String,
    },
    /// An ESME is called.
    Called {
        shard: usize,
        key: Key,
        address: String,
    },
    Arrive {
        shard: usize,
        wire: WireId,
        bind: AdmittedBind,
        rest: Vec<u8>,
    },
    EsmeConnects(usize),
    EsmeSubmits(usize, WireId),
    EsmeEnds(usize, WireId),
    EsmeStalls(usize, WireId),
    /// A peer writes.
    PeerSends(WireId, Vec<u8>),
    PeerReads(WireId),
    SmscAnswers {
        carrier: usize,
        wire: WireId,
        sequence: SequenceNumber,
        status: CommandStatus,
        id: Vec<u8>,
    },
    /// A carrier offers a receipt or MO.
    SmscDelivers {
        carrier: usize,
        number: u32,
    },
    SmscDrops(usize),
    SmscStalls(usize),
    SmscMo(usize),
    SmscLies(usize, Lie),
    OperatorOrders,
    Reload,
    /// An HTTP customer sends.
    WebAsks(usize),
    Reset,
}

impl Sim {
    /// A gateway with this configuration. Its carriers are calm; `carriers` changes them before the first event.
    pub(crate) fn new(seed: u64, shards: usize, config: &str) -> Self {
        let text = config.to_owned();
        let config = parse(seed, config);
        let placement = Placement::new(&config, shards);
        let smscs = (0..config.carriers.len()).map(|at| Smsc::new(at, CarrierHabit::default())).collect();
        let mut ledger = Ledger::new(seed, config.smpp.timers.response);
        let retries = |at: &usize| config.carriers[*at].in_doubt == InDoubt::Retry;
        ledger.retrying = (0..config.carriers.len()).filter(retries).collect();
        ledger.joined = JoinedBook::new(&config);
        let is_odd = |at: &usize| matches!(config.carriers[*at].profile.name.as_str(), "odd" | "asking");
        ledger.rewriting = (0..config.carriers.len()).filter(is_odd).collect();
        let forced = config.accounts.iter().enumerate();
        ledger.forced = forced.filter_map(|(at, account)| Some((at, account.force_sender.clone()?))).collect();
        let stores = |at: &usize| config.accounts[*at].accept == Accept::Store;
        ledger.storing = (0..config.accounts.len()).filter(stores).collect();
        let mut sim = Self {
            now: 1_000,
            rng: Rng::new(seed),
            ledger,
            books: Books::default(),
            base: config.clone(),
            text,
            config,
            next_config: None,
            placement,
            nodes: Vec::new(),
            disk: Disk::default(),
            crashes: CrashHabit::default(),
            life: 0,
            steps_left: None,
            wires: Vec::new(),
            smscs,
            esmes: Vec::new(),
            habit: NetworkHabit::default(),
            plant: Plant::None,
            mesh: Vec::new(),
            next_ids: 0,
            dealt: 0,
            web: Web::default(),
            reloads: Reloads::default(),
            cdr: CdrFiles::new(seed),
            queue: BTreeMap::new(),
            order: 0,
        };
        assert!(sim.open().is_ok(), "SEED={seed}: an empty store does not open");
        sim
    }

    pub(crate) fn instant(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    pub(crate) fn fail(&self, what: &str) -> ! {
        self.ledger.fail(what)
    }

    /// Plans an event this many nanoseconds from now.
    pub(crate) fn plan(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), event);
    }

    /// Nothing that the process was to do or to hear of will happen.
    pub(crate) fn forget_process(&mut self) {
        self.queue.retain(|_, event| {
            !matches!(
                event,
                Event::Turn(_)
                    | Event::Batch { .. }
                    | Event::Input(..)
                    | Event::DiskDone(..)
                    | Event::Refill(_)
                    | Event::Dialled { .. }
                    | Event::Called { .. }
                    | Event::Arrive { .. }
            )
        });
    }

    pub(crate) fn plan_ms(&mut self, (low, high): (u64, u64), event: Event) {
        let after = self.rng.between((low * 1_000_000, high * 1_000_000));
        self.plan(after, event);
    }

    /// Hands a shard something for its next turn, which comes soon.
    pub(crate) fn give(&mut self, shard: usize, input: In) {
        self.nodes[shard].inbox.push_back(input);
        let after = self.rng.below(50_000);
        self.wake(shard, self.now + after);
    }

    pub(crate) fn wake(&mut self, shard: usize, at: u64) {
        let at = at.max(self.now);
        let node = &mut self.nodes[shard];
        if node.wake_at.is_none_or(|planned| at < planned) {
            node.wake_at = Some(at);
            self.plan(at - self.now, Event::Turn(shard));
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.now + time.as_nanos() as u64;
        self.run_until(until);
    }

    pub(crate) fn run_until(&mut self, until: u64) {
        while let Some(((at, _), event)) = self
            .queue
            .first_key_value()
            .filter(|((at, _), _)| *at <= until)
            .is_some()
            .then(|| self.queue.pop_first())
            .flatten()
        {
            self.now = at;
            self.ledger.now = at;
            self.happen(event);
        }
        self.now = until;
        self.ledger.now = until;
    }

    /// Runs until nothing is under way any more.
    pub(crate) fn run_until_quiet(&mut self, at_most: Duration) {
        let end = self.now + at_most.as_nanos() as u64;
        while let Some(busy) = self.busy() {
            if self.now >= end {
                self.fail(&format!("not quiet within {at_most:?}: {busy}"));
            }
            self.run_for(Duration::from_millis(500));
        }
    }

    /// An ESME of an account, which connects soon.
    pub(crate) fn esme(&mut self, account: &str, habit: EsmeHabit) -> usize {
        let found = self.base.accounts.iter().position(|known| known.name == account);
        let account_at = found.unwrap_or(usize::MAX);
        let at = self.esmes.len();
        self.esmes.push(Esme::new(account_at, account, habit));
        self.plan(1_000, Event::EsmeConnects(at));
        at
    }

    /// A calm ESME, bound.
    pub(crate) fn bound(&mut self, account: &str, mode: BindMode) -> usize {
        let esme = self.esme(account, EsmeHabit::calm(mode));
        self.run_for(Duration::from_millis(50));
        assert!(self.esmes[esme].is_bound, "SEED={}: {account} did not bind", self.ledger.seed);
        esme
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Turn(shard) => {
                if self.nodes[shard].wake_at == Some(self.now) {
                    self.nodes[shard].wake_at = None;
                    self.turn(shard);
                }
            }
            Event::Batch { from, to } => {
                if let Some(batch) = self.mesh[from][to].pop_front() {
                    self.give(to, In::Batch(from, batch));
                }
            }
            Event::Input(shard, input) => self.give(shard, input),
            Event::DiskDone(shard, is_upkeep) => self.disk_done(shard, is_upkeep),
            Event::Refill(shard) => self.refill(shard),
            Event::Crash { life } => self.crash_drawn(life),
            Event::StoreFailed { life } => self.store_failed(life),
            Event::Restart => self.restart(),
            Event::DiskFills => self.disk_fills(),
            Event::Land(wire, toward) => self.land(wire, toward),
            Event::Dialled { shard, key, address } => self.dialled(shard, key, &address),
            Event::Called { shard, key, address } => self.called(shard, key, &address),
            Event::Arrive { shard, wire, bind, rest } => self.give(shard, In::Arrive(wire, bind, rest)),
            Event::EsmeConnects(esme) => self.esme_connects(esme),
            Event::EsmeSubmits(esme, wire) => self.esme_submits(esme, wire),
            Event::EsmeEnds(esme, wire) => self.esme_ends(esme, wire),
            Event::EsmeStalls(esme, wire) => self.esme_stalls(esme, wire),
            Event::PeerSends(wire, octets) => self.send(wire, Toward::Proxy, &octets),
            Event::PeerReads(wire) => self.land(wire, Toward::Peer),
            Event::SmscAnswers { carrier, wire, sequence, status, id } => {
                self.smsc_answers(carrier, wire, sequence, status, &id);
            }
            Event::SmscDelivers { carrier, number } => self.smsc_delivers(carrier, number),
            Event::SmscDrops(carrier) => self.smsc_drops(carrier),
            Event::SmscStalls(carrier) => self.smsc_stalls(carrier),
            Event::SmscMo(carrier) => self.smsc_mo(carrier),
            Event::SmscLies(carrier, lie) => self.smsc_lies(carrier, lie),
            Event::OperatorOrders => self.operator_orders(),
            Event::Reload => self.reload_some(),
            Event::WebAsks(at) => self.web_asks(at),
            Event::Reset => self.reset_some(),
        }
    }

    /// Puts octets on the wire, whole or in pieces.
    pub(crate) fn send(&mut self, wire: WireId, toward: Toward, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let is_cut = rest.len() > 1 && self.rng.chance(self.habit.cut);
            let take = if is_cut { 1 + self.rng.below(rest.len() as u64 - 1) as usize } else { rest.len() };
            let (piece, behind) = rest.split_at(take);
            let at = self.now + self.delay();
            if let Some(at) = self.wires[wire].pipe(toward).send(piece, at) {
                self.plan(at - self.now, Event::Land(wire, toward));
            }
            rest = behind;
        }
    }

    /// Closes an end: what was sent from there still arrives, and nothing is taken there any more.
    pub(crate) fn hang_up(&mut self, wire: WireId, by: Toward) {
        let (away, back) = match by {
            Toward::Proxy => (Toward::Peer, Toward::Proxy),
            Toward::Peer => (Toward::Proxy, Toward::Peer),
        };
        self.wires[wire].pipe(back).discard();
        let at = self.now + self.delay();
        if let Some(at) = self.wires[wire].pipe(away).end(at) {
            self.plan(at - self.now, Event::Land(wire, away));
        }
    }

    fn delay(&mut self) -> u64 {
        let (low, high) = self.habit.delay_us;
        self.rng.between((low * 1_000, high * 1_000))
    }

    fn land(&mut self, wire: WireId, toward: Toward) {
        let now = self.now;
        self.wires[wire].pipe(toward).land(now);
        match (toward, self.wires[wire].peer) {
            (Toward::Proxy, _) => {
                if let Some((shard, _)) = self.wires[wire].home {
                    self.give(shard, In::Readable(wire));
                }
            }
            (Toward::Peer, Peer::Esme(esme)) => self.esme_reads(esme, wire),
            (Toward::Peer, Peer::Smsc(carrier)) => self.smsc_reads(carrier, wire),
        }
        // Whoever waits for room to write may have it now.
        if let (Toward::Peer, Some((shard, _))) = (toward, self.wires[wire].home) {
            self.give(shard, In::Writable(wire));
        }
    }
}
