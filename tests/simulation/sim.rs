//! A whole gateway in one thread: shards, network, carriers and ESMEs, driven by one queue of events and one seed.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use trunkline::config::{self, Config, Surroundings};
use trunkline::engine::event::AdmittedBind;
use trunkline::engine::message::{Batch, ShardId};
use trunkline::engine::placement::Placement;
use trunkline::engine::random::Random;
use trunkline::engine::shard::{Seeds, Shard};
use trunkline::engine::slab::Key;
use trunkline::engine::time::Instant;
use trunkline::smpp::command::{CommandStatus, SequenceNumber};
use trunkline::smpp::pdu::BindMode;
use trunkline::store::shard_store::ShardStore;

use crate::esme::Esme;
use crate::habits::{CarrierHabit, EsmeHabit, NetworkHabit};
use crate::ledger::Ledger;
use crate::net::{Peer, Toward, Wire, WireId};
use crate::node::{In, Node};
use crate::plants::Plant;
use crate::rng::Rng;
use crate::smsc::Smsc;

/// So small that segments are filled, released and rewritten all the time.
const SEGMENT_OCTETS: u64 = 20_000;

pub(crate) struct Sim {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) ledger: Ledger,
    pub(crate) config: Arc<Config>,
    pub(crate) placement: Placement,
    pub(crate) nodes: Vec<Node>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) smscs: Vec<Smsc>,
    pub(crate) esmes: Vec<Esme>,
    pub(crate) habit: NetworkHabit,
    pub(crate) plant: Plant,
    pub(crate) mesh: Vec<Vec<VecDeque<Batch>>>,
    pub(crate) next_ids: u64,
    dealt: usize,
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
    /// Octets have arrived at an end.
    Land(WireId, Toward),
    Dialled {
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
    Reset,
}

impl Sim {
    /// A gateway with this configuration. Its carriers are calm; `carriers` changes them before the first event.
    pub(crate) fn new(seed: u64, shards: usize, config: &str) -> Self {
        let surroundings = Surroundings { base: PathBuf::from("/"), env: &|_| None, file: &|_| Err("none".to_owned()) };
        let config = match config::parse(config, &surroundings) {
            Ok(parsed) => Arc::new(parsed.config),
            Err(problems) => panic!("SEED={seed}: {config}\n{problems:?}"),
        };
        let placement = Placement::new(&config, shards);
        let mut rng = Rng::new(seed);
        let nodes = (0..shards).map(|at| {
            let first = (at as u64) << 40;
            let (id_key, ids) = ([7; 16], (first, first + 300));
            let seeds = Seeds { random: rng.draw(), id_key, ids, first_key: 0, unix_seconds: 1_800_000_000 };
            let shard = Shard::new(ShardId(at as u16), config.clone(), placement.clone(), &seeds);
            let store = ShardStore::new(at as u16, config.clone(), SEGMENT_OCTETS, &[], Random::new(rng.draw()));
            Node::new(shard, store, at, shards)
        });
        let nodes: Vec<_> = nodes.collect();
        let smscs = (0..config.carriers.len()).map(|at| Smsc::new(at, CarrierHabit::default())).collect();
        let mut ledger = Ledger::new(seed, config.smpp.timers.response);
        let retries = |at: &usize| config.carriers[*at].in_doubt == config::InDoubt::Retry;
        ledger.retrying = (0..config.carriers.len()).filter(retries).collect();
        let mesh = (0..shards).map(|_| (0..shards).map(|_| VecDeque::new()).collect()).collect();
        let mut sim = Self {
            now: 1_000,
            rng,
            ledger,
            config,
            placement,
            nodes,
            wires: Vec::new(),
            smscs,
            esmes: Vec::new(),
            habit: NetworkHabit::default(),
            plant: Plant::None,
            mesh,
            next_ids: 1 << 50,
            dealt: 0,
            queue: BTreeMap::new(),
            order: 0,
        };
        for at in 0..shards {
            let node = &mut sim.nodes[at];
            node.shard.start(Instant::from_nanos(sim.now), &mut node.out);
            sim.wake(at, 1_000);
        }
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
        let found = self.config.accounts.iter().position(|known| known.name == account);
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
            Event::Land(wire, toward) => self.land(wire, toward),
            Event::Dialled { shard, key, address } => self.dialled(shard, key, &address),
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

    /// An ESME dials: shard 0 counts it in and deals it out.
    pub(crate) fn accept(&mut self, esme: usize, address: IpAddr) -> Option<WireId> {
        let wire = self.wires.len();
        self.wires.push(Wire::new(Peer::Esme(esme)));
        let now = self.instant();
        if self.nodes[0].shard.admit(address, now).is_err() {
            self.hang_up(wire, Toward::Proxy);
            return None;
        }
        self.dealt += 1;
        self.give(self.dealt % self.nodes.len(), In::Accept(wire, address));
        Some(wire)
    }

    pub(crate) fn address_of(esme: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, (esme >> 8) as u8, esme as u8))
    }

    pub(crate) fn reset(&mut self, wire: WireId) {
        for (toward, at) in self.wires[wire].reset(&mut self.rng) {
            self.plan(at.saturating_sub(self.now), Event::Land(wire, toward));
        }
    }

    fn delay(&mut self) -> u64 {
        let (low, high) = self.habit.delay_us;
        self.rng.between((low * 1_000, high * 1_000))
    }

    fn reset_some(&mut self) {
        let live: Vec<_> = (0..self.wires.len()).filter(|wire| !self.wires[*wire].to_peer.is_shut()).collect();
        if !live.is_empty() {
            let wire = self.rng.pick(&live);
            self.reset(wire);
        }
        if let Some(every) = self.habit.reset_ms {
            self.plan_ms(every, Event::Reset);
        }
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

    fn dialled(&mut self, shard: usize, key: Key, address: &str) {
        let Some(socket) = self.nodes[shard].sockets.get(&key.slot) else { return };
        if socket.key != key {
            return;
        }
        let carrier = self.config.carriers.iter().position(|carrier| match &carrier.connect {
            config::Connect::Transceiver(one) => one == address,
            config::Connect::TransmitterReceiver { transmitter, receiver } => {
                transmitter == address || receiver == address
            }
        });
        let is_refused = self.rng.chance(self.habit.dial_fails);
        let Some(carrier) = carrier.filter(|carrier| !is_refused && self.smscs[*carrier].is_up) else {
            self.nodes[shard].sockets.remove(&key.slot);
            return self.give(shard, In::Closed(key));
        };
        let wire = self.wires.len();
        self.wires.push(Wire::new(Peer::Smsc(carrier)));
        self.wires[wire].home = Some((shard, key));
        if let Some(socket) = self.nodes[shard].sockets.get_mut(&key.slot) {
            socket.wire = Some(wire);
        }
        self.smscs[carrier].accept(wire);
        self.give(shard, In::Connected(key));
    }
}
