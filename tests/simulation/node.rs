//! One shard in its shell: the loop the runtime runs, with the simulated network, mesh and store around it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use trunkline::config::{AccountId, CarrierId, Config, NumberSet};
use trunkline::engine::effects::Effects;
use trunkline::engine::event::{Action, AdmittedBind, Input, Notice, Verdict};
use trunkline::engine::message::{Batch, ShardId};
use trunkline::engine::orders::Order;
use trunkline::engine::placement::Placement;
use trunkline::engine::router::RouteTable;
use trunkline::engine::shard::Shard;
use trunkline::engine::slab::Key;
use trunkline::engine::web::Posted;
use trunkline::smpp::frame::Frame;
use trunkline::store::segment::SegmentName;
use trunkline::store::shard_store::ShardStore;

use crate::checks::Rated;
use crate::disk_work::DiskWork;
use crate::net::{Peer, Toward, WireId};
use crate::sim::{Event, Sim};

pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) out: Effects,
    pub(crate) inbox: VecDeque<In>,
    /// When the next turn is planned.
    pub(crate) wake_at: Option<u64>,
    /// By slot.
    pub(crate) sockets: BTreeMap<u32, Socket>,
    pub(crate) store: ShardStore,
    pub(crate) work: DiskWork,
    pub(crate) notices: Vec<Notice>,
    pub(crate) carriers_drained: bool,
    pub(crate) sessions_drained: bool,
    /// What passed lately, with the time, for the rates.
    pub(crate) sent: BTreeMap<Rated, VecDeque<(u64, u64)>>,
    pub(crate) seen: BTreeMap<Rated, u64>,
    /// What passed so far is counted anew.
    pub(crate) is_recounted: bool,
}

/// The proxy's end of a connection.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) key: Key,
    /// `None` while dialling.
    pub(crate) wire: Option<WireId>,
    /// Read and not handled: the engine was not ready for it.
    pub(crate) unread: Vec<u8>,
    pub(crate) is_paused: bool,
    pub(crate) is_blocked: bool,
    /// The frame the kernel has begun to take, and how much of it is missing.
    pub(crate) partial: Option<(Vec<u8>, usize)>,
}

#[derive(Debug)]
pub(crate) enum In {
    Batch(usize, Batch),
    Synced(u64),
    SegmentRead(SegmentName, Vec<u8>),
    StoreRoom(bool),
    /// A file has the lines up to this one.
    CdrWritten(u64),
    Ids(u64, u64),
    Connected(Key),
    Called(Key, IpAddr),
    Closed(Key),
    Verified(Key, Verdict),
    Accept(WireId, IpAddr),
    Arrive(WireId, AdmittedBind, Vec<u8>),
    Readable(WireId),
    Writable(WireId),
    Order(CarrierId, Option<u16>, Order),
    OptOut(AccountId, Arc<NumberSet>),
    Posted(AccountId, Key, Posted),
    Prepare(Arc<Config>, Box<Placement>),
    Commit(Arc<Config>, Arc<RouteTable>),
    Finish,
    DrainCarriers,
    DrainSessions,
}

impl Node {
    pub(crate) fn new(shard: Shard, store: ShardStore, out: Effects) -> Self {
        Self {
            shard,
            out,
            inbox: VecDeque::new(),
            wake_at: None,
            sockets: BTreeMap::new(),
            store,
            work: DiskWork::default(),
            notices: Vec::new(),
            carriers_drained: false,
            sessions_drained: false,
            sent: BTreeMap::new(),
            seen: BTreeMap::new(),
            is_recounted: false,
        }
    }
}

impl Socket {
    fn new(key: Key, wire: Option<WireId>) -> Self {
        Self { key, wire, unread: Vec::new(), is_paused: false, is_blocked: false, partial: None }
    }
}

impl Sim {
    /// Takes in what waits, and does what the engine wants done.
    pub(crate) fn turn(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.shard.next_timeout().is_some_and(|due| due.as_nanos() <= self.now) {
            self.handle(at, Input::Timeout);
        }
        while let Some(input) = self.nodes[at].inbox.pop_front() {
            self.take(at, input);
        }
        self.finish(at);
        self.write_cdr(at);
        self.check(at);
        if let Some(due) = self.nodes[at].shard.next_timeout() {
            self.wake(at, due.as_nanos().max(self.now + 1));
        }
        if let Some(due) = self.nodes[at].store.commit_at() {
            self.wake(at, due.as_nanos().max(self.now + 1));
        }
    }

    pub(crate) fn handle(&mut self, at: usize, input: Input<'_>) {
        let now = self.instant();
        let node = &mut self.nodes[at];
        node.shard.handle(input, now, &mut node.out);
    }

    fn take(&mut self, at: usize, input: In) {
        let now = self.instant();
        match input {
            In::Batch(from, batch) => self.handle(at, Input::Batch { from: ShardId(from as u16), batch: &batch }),
            In::Synced(commit) => {
                let (node, mut effects) = (&mut self.nodes[at], Vec::new());
                if let Some(through) = node.store.synced(commit, &mut node.shard, now, &mut effects) {
                    self.ledger.durable(at, through);
                    self.books.durable(at, through);
                    self.web.book.durable(at, through);
                    self.handle(at, Input::Durable { through });
                }
                self.work_disk(at, effects);
            }
            In::SegmentRead(segment, octets) => self.nodes[at].store.read(segment, octets),
            In::StoreRoom(has_room) => {
                self.cdr.lacks_refusals |= !has_room;
                self.handle(at, Input::StoreRoom { has_room });
            }
            In::CdrWritten(through) => {
                self.cdr_written(at);
                self.handle(at, Input::CdrWritten { through });
            }
            In::Ids(first, end) => self.handle(at, Input::Ids { first, end }),
            In::Connected(key) => self.handle(at, Input::Connected { connection: key }),
            In::Called(key, address) => {
                self.handle(at, Input::Called { connection: key, address });
            }
            In::Closed(key) => self.handle(at, Input::Closed { connection: key }),
            In::Verified(key, verdict) => self.handle(at, Input::Verified { connection: key, verdict }),
            In::Accept(wire, address) => {
                let names = self.wires[wire].esme().and_then(|esme| self.esmes[esme].over_tls.clone());
                let node = &mut self.nodes[at];
                let key = node.shard.accept(address, names.is_some(), now, &mut node.out);
                if let Some(names) = names {
                    self.handle(at, Input::Secured { connection: key, names });
                }
                self.own(at, wire, key, Vec::new());
            }
            In::Arrive(wire, bind, rest) => {
                let node = &mut self.nodes[at];
                let key = node.shard.arrive(&bind, now, &mut node.out);
                self.own(at, wire, key, rest);
            }
            In::Readable(wire) => self.readable(at, wire),
            In::Writable(wire) => {
                if let Some((home, key)) = self.wires[wire].home
                    && home == at
                {
                    self.flush(at, key.slot);
                }
            }
            In::Order(carrier, link, order) => self.handle(at, Input::Order { carrier, link, order }),
            In::OptOut(account, numbers) => self.handle(at, Input::OptOut { account, numbers }),
            In::Posted(account, post, outcome) => self.handle(at, Input::Posted { account, post, outcome }),
            In::Prepare(config, placement) => self.prepared(at, config, *placement),
            In::Commit(config, routes) => self.committed(at, config, routes),
            In::Finish => {
                let node = &mut self.nodes[at];
                node.shard.finish_reload(now, &mut node.out);
            }
            In::DrainCarriers => self.handle(at, Input::DrainCarriers),
            In::DrainSessions => self.handle(at, Input::DrainSessions),
        }
    }

    fn own(&mut self, at: usize, wire: WireId, key: Key, unread: Vec<u8>) {
        self.wires[wire].home = Some((at, key));
        self.nodes[at].sockets.insert(key.slot, Socket { unread, ..Socket::new(key, Some(wire)) });
        self.readable(at, wire);
    }

    fn readable(&mut self, at: usize, wire: WireId) {
        let Some((home, key)) = self.wires[wire].home else { return };
        if home != at {
            return;
        }
        self.read(at, key.slot);
        // A paused connection is not read, so only a reset is seen on it.
        let is_paused = self.nodes[at].sockets.get(&key.slot).is_none_or(|socket| socket.is_paused);
        let pipe = &self.wires[wire].to_proxy;
        let has_ended = pipe.ended && (self.wires[wire].was_reset || (!is_paused && pipe.arrived.is_empty()));
        if has_ended && self.wires[wire].home == Some((at, key)) {
            self.forget(at, key.slot);
            self.handle(at, Input::Closed { connection: key });
        }
    }

    /// The proxy's end is gone.
    fn forget(&mut self, at: usize, slot: u32) {
        let Some(socket) = self.nodes[at].sockets.remove(&slot) else { return };
        if let Some(wire) = socket.wire {
            self.wires[wire].home = None;
            self.ledger.dead.insert(wire);
            if let Peer::Smsc(carrier) = self.wires[wire].peer {
                self.ledger.link_lost(wire, carrier);
            }
            self.hang_up(wire, Toward::Proxy);
        }
    }

    /// Hands every whole PDU to the engine, as long as it is ready for more.
    fn read(&mut self, at: usize, slot: u32) {
        let now = self.instant();
        let Some(socket) = self.nodes[at].sockets.get_mut(&slot) else { return };
        let (key, Some(wire)) = (socket.key, socket.wire) else { return };
        if socket.is_paused {
            return;
        }
        let mut unread = std::mem::take(&mut socket.unread);
        unread.append(&mut self.wires[wire].to_proxy.arrived);
        let is_link = matches!(self.wires[wire].peer, Peer::Smsc(_));
        let node = &mut self.nodes[at];
        let received = node.shard.receive(key, &unread, now, &mut node.out);
        let mut read = 0;
        while read < received.taken {
            // What follows a fault is taken and is no PDU.
            let Ok(Some(frame)) = Frame::cut(&unread[read..received.taken], 1 << 20) else { break };
            read += frame.len();
            if is_link {
                self.ledger.read_from_link(wire, &frame);
            } else {
                self.ledger.read_from_session(wire, &frame);
            }
        }
        if received.is_paused {
            self.pause(at, slot);
        }
        if self.moved(at, key, wire, &unread[received.taken..]) {
            return;
        }
        unread.drain(..received.taken);
        if let Some(socket) = self.nodes[at].sockets.get_mut(&slot) {
            socket.unread = unread;
        }
    }

    fn pause(&mut self, at: usize, slot: u32) {
        if let Some(socket) = self.nodes[at].sockets.get_mut(&slot) {
            socket.is_paused = true;
        }
    }

    /// Gives a connection that has just bound to its account's home.
    fn moved(&mut self, at: usize, key: Key, wire: WireId, rest: &[u8]) -> bool {
        let actions = &mut self.nodes[at].out.actions;
        let is_move = |action: &Action| matches!(action, Action::Move { connection, .. } if *connection == key);
        let Some(place) = actions.iter().position(is_move) else { return false };
        let Action::Move { to, bind, .. } = actions.remove(place) else { return false };
        self.move_to(at, key, wire, to, bind, rest.to_vec());
        true
    }

    fn move_to(&mut self, at: usize, key: Key, wire: WireId, to: ShardId, bind: AdmittedBind, rest: Vec<u8>) {
        self.flush(at, key.slot);
        self.nodes[at].sockets.remove(&key.slot);
        self.wires[wire].home = None;
        let after = self.rng.between((1_000, 500_000));
        self.plan(after, Event::Arrive { shard: to.index(), wire, bind, rest });
    }

    /// Does what the engine wants done, until it wants nothing more in this turn.
    fn finish(&mut self, at: usize) {
        loop {
            let now = self.instant();
            let node = &mut self.nodes[at];
            node.shard.settle(now, &mut node.out);
            assert!(node.out.prompt[at].is_empty(), "SEED={}: settled, and not all was said", self.ledger.seed);
            let closes = self.act(at);
            self.commit(at);
            self.post(at);
            self.flush_dirty(at);
            for key in closes {
                self.close(at, key);
            }
            let node = &mut self.nodes[at];
            let is_done = node.out.actions.is_empty()
                && !node.out.is_dirty()
                && node.out.prompt.iter().all(Batch::is_empty)
                && (node.out.records.is_empty() || node.store.is_committing() || node.store.commit_at().is_some())
                && !node.store.wants_commit();
            if is_done && node.out.wants_next_turn() {
                node.shard.next_turn(now, &mut node.out);
            } else if is_done {
                return;
            }
        }
    }

    fn act(&mut self, at: usize) -> Vec<Key> {
        self.see_closes(at);
        let mut closes = Vec::new();
        for action in std::mem::take(&mut self.nodes[at].out.actions) {
            match action {
                Action::Connect { connection, address, .. } => {
                    self.nodes[at].sockets.insert(connection.slot, Socket::new(connection, None));
                    let dialled = Event::Dialled { shard: at, key: connection, address: address.to_string() };
                    self.plan_ms((0, 30), dialled);
                }
                Action::Call { connection, address, .. } => {
                    self.nodes[at].sockets.insert(connection.slot, Socket::new(connection, None));
                    self.plan_ms((0, 30), Event::Called { shard: at, key: connection, address: address.to_string() });
                }
                Action::Close { connection } => closes.push(connection),
                // One whose password had to be compared first.
                Action::Move { connection, to, bind } => {
                    let socket = self.nodes[at].sockets.get_mut(&connection.slot).filter(|it| it.key == connection);
                    let taken = socket.and_then(|it| Some((it.wire?, std::mem::take(&mut it.unread))));
                    let Some((wire, rest)) = taken else { self.fail(&format!("{connection:?} moved without a bind")) };
                    self.move_to(at, connection, wire, to, bind, rest);
                }
                Action::Verify { connection, account, password } => self.compare(at, connection, account, &password),
                Action::Resume { connection } => self.resume(at, connection),
                Action::ReserveIds => {
                    let (first, end) = self.reserve_ids();
                    self.plan_ms(self.habit.ids_ms, Event::Input(at, In::Ids(first, end)));
                }
                Action::CarriersDrained => self.nodes[at].carriers_drained = true,
                Action::SessionsDrained => self.nodes[at].sessions_drained = true,
                Action::Reply { caller, reply } => self.web_replied(caller.request.slot, reply),
                Action::Post(post) => self.web_posted(at, *post),
                Action::Notice(notice) => self.nodes[at].notices.push(notice),
            }
        }
        closes
    }

    /// Links the engine has given up: what was out on them may be sent again in this same turn.
    pub(crate) fn see_closes(&mut self, at: usize) {
        for action in &self.nodes[at].out.actions {
            if let Action::Close { connection } = action
                && let Some(socket) = self.nodes[at].sockets.get(&connection.slot)
                && let (true, Some(wire)) = (socket.key == *connection, socket.wire)
                && let Peer::Smsc(carrier) = self.wires[wire].peer
            {
                self.ledger.link_lost(wire, carrier);
            }
        }
    }

    fn resume(&mut self, at: usize, key: Key) {
        let Some(socket) = self.nodes[at].sockets.get_mut(&key.slot).filter(|socket| socket.key == key) else { return };
        socket.is_paused = false;
        if let Some(wire) = socket.wire {
            // Behind this turn, as a reader task would.
            self.give(at, In::Readable(wire));
        }
    }

    fn close(&mut self, at: usize, key: Key) {
        if self.nodes[at].sockets.get(&key.slot).is_none_or(|socket| socket.key != key) {
            return;
        }
        self.forget(at, key.slot);
        self.plan_ms((0, 5), Event::Input(at, In::Closed(key)));
    }
}
