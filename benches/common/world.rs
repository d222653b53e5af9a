//! Whole engines in memory: shards, what they say to each other, and the peers at the far ends of their connections.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use trunkline::engine::effects::Effects;
use trunkline::engine::event::{Action, Input};
use trunkline::engine::message::{Batch, ShardId};
use trunkline::engine::placement::Placement;
use trunkline::engine::shard::{Seeds, Shard};
use trunkline::engine::slab::Key;
use trunkline::engine::time::Instant;

use crate::configuration;
use crate::memory_store::MemoryStore;
use crate::peer::{self, Peer, Role};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Time between two rounds: what a turn of a busy shard takes.
const ROUND: Duration = Duration::from_micros(100);
/// Rounds in which every bind must have been answered. Links are dialled one after the other.
const BIND_ROUNDS: u32 = 20;
const BIND_ROUND: Duration = Duration::from_millis(10);

pub(crate) struct World {
    shards: Vec<(Shard, Effects)>,
    stores: Vec<MemoryStore>,
    peers: Vec<Peer>,
    window: u32,
    links: u64,
    now: Instant,
    octets: u64,
    dirty: Vec<u32>,
    spare: Vec<Batch>,
}

impl World {
    /// `peers` sessions and as many links, all bound. With two shards the account is at home on one, the carrier on the other.
    pub(crate) fn new(shards: usize, peers: u32, window: u32) -> Self {
        let away = shards - 1;
        let config = Arc::new(configuration::read(&format!(
            "accounts:\n  acme: {{ password: secret, max_binds: {peers}, window: 100000, delivery_window: {window}, shard: {away} }}\n\
             carriers:\n  north: {{ connect: \"127.0.0.1:2776\", system_id: us, password: secret, links: {peers}, \
             window: {window}, queue: 100000, shard: 0 }}\n\
             routes:\n  - to: north\n"
        )));
        let placement = Placement::new(&config, shards);
        let shards = (0..shards).map(|index| {
            let id = ShardId(index as u16);
            let ids = (index as u64 * (1 << 40), (index as u64 + 1) * (1 << 40));
            let seeds =
                Seeds { random: 7 + index as u64, id_key: [7; 16], ids, first_key: 0, unix_seconds: 1_800_000_000 };
            let shard = Shard::new(id, Arc::clone(&config), placement.clone(), &seeds);
            (shard, Effects::new(id, placement.shards()))
        });
        let stores = (0..placement.shards()).map(|index| MemoryStore::new(index as u16, &config)).collect();
        let mut world = Self {
            shards: shards.collect(),
            stores,
            peers: Vec::new(),
            window,
            links: u64::from(peers),
            now: Instant::ZERO,
            octets: 0,
            dirty: Vec::new(),
            spare: Vec::new(),
        };
        for (shard, out) in &mut world.shards {
            shard.start(world.now, out);
        }
        (0..peers).for_each(|_| world.connect_session());
        for _ in 0..BIND_ROUNDS {
            world.now = world.now + BIND_ROUND;
            world.take_turns();
            world.connect_links();
            world.work();
            world.let_peers_answer();
        }
        let links = world.peers.iter().filter(|peer| matches!(peer.role, Role::Carrier { .. })).count();
        assert_eq!(links as u32, peers, "every link is dialled");
        assert_eq!(world.esmes().filter(|esme| esme.is_bound).count() as u32, peers, "every ESME is bound");
        world
    }

    /// The ESMEs begin to submit so many messages between them.
    pub(crate) fn begin(&mut self, cycles: u64) {
        self.octets = 0;
        let share = cycles / self.esmes().count() as u64;
        for peer in &mut self.peers {
            if let Role::Esme(esme) = &mut peer.role {
                (esme.to_submit, esme.answers, esme.receipts) = (share, 0, 0);
                peer.fill_window(self.window);
            }
        }
    }

    /// What a round of the runtime has the engines do: read every connection, take turns until nothing is left to say.
    pub(crate) fn work(&mut self) {
        self.now = self.now + ROUND;
        for peer in &mut self.peers {
            let (shard, out) = &mut self.shards[peer.shard];
            let received = shard.receive(peer.key, &peer.sent, self.now, out);
            assert_eq!(received.taken, peer.sent.len(), "the engine takes what its windows allow");
            peer.sent.clear();
        }
        self.take_turns();
    }

    /// Every peer reads what was written to it, and answers.
    pub(crate) fn let_peers_answer(&mut self) {
        for peer in &mut self.peers {
            let outbox = self.shards[peer.shard].1.outbox_mut(peer.key.slot);
            peer.read(outbox.unwritten());
            let count = outbox.unwritten().len();
            outbox.took(count);
            self.octets += count as u64;
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.esmes().all(|esme| esme.to_submit == 0) && self.peers.iter().all(|peer| peer.sent.is_empty())
    }

    /// Every message was answered, and its receipt came, once. The octets the engines wrote.
    pub(crate) fn check(&self, cycles: u64) -> u64 {
        let answers: u64 = self.esmes().map(|esme| esme.answers).sum();
        let receipts: u64 = self.esmes().map(|esme| esme.receipts).sum();
        assert_eq!((answers, receipts), (cycles, cycles), "answers and receipts");
        self.octets
    }

    fn esmes(&self) -> impl Iterator<Item = &peer::Esme> {
        self.peers.iter().filter_map(|peer| match &peer.role {
            Role::Esme(esme) => Some(esme),
            Role::Carrier { .. } => None,
        })
    }

    /// Dials what is to be dialled.
    fn connect_links(&mut self) {
        for index in 0..self.shards.len() {
            let actions = std::mem::take(&mut self.shards[index].1.actions);
            let dialled = actions.iter().filter_map(|action| {
                let Action::Connect { connection, .. } = action else { return None };
                Some(*connection)
            });
            let dialled: Vec<Key> = dialled.collect();
            let (shard, out) = &mut self.shards[index];
            for key in dialled {
                shard.handle(Input::Connected { connection: key }, self.now, out);
                let carriers = self.peers.iter().filter(|peer| matches!(peer.role, Role::Carrier { .. })).count();
                self.peers.push(Peer::carrier(index, key, carriers as u64, self.links));
            }
        }
    }

    /// Dealt to shard 0, bound there, and moved to the account's home.
    fn connect_session(&mut self) {
        let (shard, out) = &mut self.shards[0];
        shard.admit(ADDRESS, self.now).expect("four connections are within every limit");
        let dealt = shard.accept(ADDRESS, false, self.now, out);
        shard.receive(dealt, &peer::bind(), self.now, out);
        let moved = out.actions.drain(..).find_map(|action| {
            let Action::Move { to, bind, .. } = action else { return None };
            Some((to.index(), bind))
        });
        let (to, bind) = moved.expect("a right password moves the connection");
        shard.handle(Input::Moved { connection: dealt }, self.now, out);
        let (home, out) = &mut self.shards[to];
        let key = home.arrive(&bind, self.now, out);
        self.peers.push(Peer::esme(to, key));
    }

    fn take_turns(&mut self) {
        loop {
            for ((shard, out), store) in self.shards.iter_mut().zip(&mut self.stores) {
                turn(shard, store, self.now, out);
                out.take_dirty(&mut self.dirty);
                self.dirty.clear();
            }
            let is_quiet = !self.exchange_batches() && !self.shards.iter().any(|(_, out)| out.wants_next_turn());
            if is_quiet {
                return;
            }
        }
    }

    /// Hands each shard what the others said to it; whether anything was.
    fn exchange_batches(&mut self) -> bool {
        let mut was_any = false;
        for from in 0..self.shards.len() {
            for to in (0..self.shards.len()).filter(|to| *to != from) {
                let prompt = &mut self.shards[from].1.prompt[to];
                if prompt.is_empty() {
                    continue;
                }
                was_any = true;
                let mut batch = std::mem::replace(prompt, self.spare.pop().unwrap_or_default());
                let (shard, out) = &mut self.shards[to];
                shard.handle(Input::Batch { from: ShardId(from as u16), batch: &batch }, self.now, out);
                batch.clear();
                self.spare.push(batch);
            }
        }
        was_any
    }
}

/// One turn as the runtime's shard loop takes it, with records durable at once.
fn turn(shard: &mut Shard, store: &mut MemoryStore, now: Instant, out: &mut Effects) {
    if shard.next_timeout().is_some_and(|at| at <= now) {
        shard.handle(Input::Timeout, now, out);
    }
    shard.next_turn(now, out);
    shard.settle(now, out);
    store.commit(shard, now, out);
}
