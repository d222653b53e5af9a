//! A whole gateway in memory: one shard, its store, and the far ends of its connections in the hands of who asks.
//!
//! What the runtime does is done here in plain calls: octets in, turns, octets out, closes, moves and dials.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use trunkline::config::{self, Config, Surroundings};
use trunkline::engine::effects::Effects;
use trunkline::engine::event::{Action, Input};
use trunkline::engine::message::ShardId;
use trunkline::engine::placement::Placement;
use trunkline::engine::shard::{Seeds, Shard};
use trunkline::engine::slab::Key;
use trunkline::engine::time::Instant;

use crate::memory_store::MemoryStore;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Turns after which a gateway that is left alone must have nothing more to say.
const TURNS_MAX: usize = 10_000;

pub struct Stage {
    pub shard: Shard,
    out: Effects,
    store: MemoryStore,
    pub now: Instant,
    ends: Vec<End>,
    by_slot: BTreeMap<u32, usize>,
    dirty: Vec<u32>,
    next_ids: u64,
}

/// The far end of one connection.
#[derive(Debug)]
struct End {
    key: Key,
    is_link: bool,
    is_closed: bool,
    is_paused: bool,
    /// Sent and not taken by the gateway.
    unread: Vec<u8>,
    /// Written by the gateway and not read here.
    inbox: Vec<u8>,
    /// So much the kernel still takes of what the gateway writes.
    room: usize,
    is_blocked: bool,
}

/// Names a connection, whatever shard key it has at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EndId(usize);

impl Stage {
    pub fn new(yaml: &str) -> Self {
        let config = Arc::new(read(yaml));
        let placement = Placement::new(&config, 1);
        let seeds = Seeds { random: 7, id_key: [7; 16], ids: (0, 1 << 20), first_key: 0, unix_seconds: 1_800_000_000 };
        let mut stage = Self {
            shard: Shard::new(ShardId(0), Arc::clone(&config), placement, &seeds),
            out: Effects::new(ShardId(0), 1),
            store: MemoryStore::new(0, &config),
            now: Instant::ZERO + Duration::from_millis(1),
            ends: Vec::new(),
            by_slot: BTreeMap::new(),
            dirty: Vec::new(),
            next_ids: 1 << 20,
        };
        stage.shard.start(stage.now, &mut stage.out);
        stage.turn();
        stage
    }

    /// Dials in. `None` over a cap.
    pub fn connect(&mut self) -> Option<EndId> {
        self.shard.admit(ADDRESS, self.now).ok()?;
        let key = self.shard.accept(ADDRESS, false, self.now, &mut self.out);
        Some(self.own(key, false))
    }

    /// Links that stand, dialled by the gateway.
    pub fn links(&self) -> Vec<EndId> {
        let is_open = |(at, end): (usize, &End)| (end.is_link && !end.is_closed).then_some(EndId(at));
        self.ends.iter().enumerate().filter_map(is_open).collect()
    }

    pub fn is_open(&self, end: EndId) -> bool {
        !self.ends[end.0].is_closed
    }

    /// Sends; the gateway works until it has nothing more to do.
    pub fn send(&mut self, end: EndId, octets: &[u8]) {
        self.ends[end.0].unread.extend_from_slice(octets);
        self.receive(end.0);
        self.turn();
    }

    /// What the gateway wrote since the last look.
    pub fn read(&mut self, end: EndId) -> Vec<u8> {
        std::mem::take(&mut self.ends[end.0].inbox)
    }

    /// From now on the kernel takes only so many octets more for this end; `usize::MAX` for as many as there are.
    pub fn set_room(&mut self, end: EndId, room: usize) {
        self.ends[end.0].room = room;
        if self.is_open(end) {
            self.flush(end.0);
            self.turn();
        }
    }

    /// The far end is gone.
    pub fn hang_up(&mut self, end: EndId) {
        if self.is_open(end) {
            self.close(end.0);
            self.turn();
        }
    }

    /// Time passes, with every timer at its time.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.shard.next_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due) + Duration::from_nanos(1);
            self.turn();
        }
        self.now = self.now.max(until);
        self.turn();
    }

    fn own(&mut self, key: Key, is_link: bool) -> EndId {
        let at = self.ends.len();
        self.ends.push(End {
            key,
            is_link,
            is_closed: false,
            is_paused: false,
            unread: Vec::new(),
            inbox: Vec::new(),
            room: usize::MAX,
            is_blocked: false,
        });
        self.by_slot.insert(key.slot, at);
        EndId(at)
    }

    /// Hands the engine what waits, unless it wants none.
    fn receive(&mut self, at: usize) {
        let end = &mut self.ends[at];
        if end.is_closed || end.is_paused || end.unread.is_empty() {
            return;
        }
        let received = self.shard.receive(end.key, &end.unread, self.now, &mut self.out);
        end.unread.drain(..received.taken);
        end.is_paused = received.is_paused;
    }

    /// Turns as the runtime takes them, until nothing is left to do at this moment.
    pub fn turn(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.shard.next_timeout().is_some_and(|due| due <= self.now) {
                self.shard.handle(Input::Timeout, self.now, &mut self.out);
            }
            self.shard.settle(self.now, &mut self.out);
            self.store.commit(&mut self.shard, self.now, &mut self.out);
            let (closes, was_any) = self.act();
            self.out.take_dirty(&mut self.dirty);
            let dirty = std::mem::take(&mut self.dirty);
            for slot in &dirty {
                if let Some(at) = self.by_slot.get(slot) {
                    self.flush(*at);
                }
            }
            closes.iter().for_each(|at| self.close(*at));
            let wants_more = self.out.wants_next_turn();
            self.shard.next_turn(self.now, &mut self.out);
            let is_due = self.shard.next_timeout().is_some_and(|due| due <= self.now);
            if dirty.is_empty() && !was_any && !wants_more && !is_due && self.out.actions.is_empty() {
                return;
            }
        }
        panic!("the gateway never comes to rest");
    }

    /// Does what the engine wants done; what is to be closed once its octets have left, and whether there was anything.
    fn act(&mut self) -> (Vec<usize>, bool) {
        let (mut closes, mut was_any) = (Vec::new(), false);
        for action in std::mem::take(&mut self.out.actions) {
            was_any = true;
            match action {
                Action::Connect { connection, .. } => {
                    self.own(connection, true);
                    self.shard.handle(Input::Connected { connection }, self.now, &mut self.out);
                }
                // No ESME of these accounts listens.
                Action::Call { connection, .. } => {
                    self.shard.handle(Input::Closed { connection }, self.now, &mut self.out);
                }
                Action::Close { connection } => closes.extend(self.by_slot.get(&connection.slot).copied()),
                Action::Move { connection, bind, .. } => {
                    let Some(at) = self.by_slot.remove(&connection.slot) else { continue };
                    self.shard.handle(Input::Moved { connection }, self.now, &mut self.out);
                    let key = self.shard.arrive(&bind, self.now, &mut self.out);
                    self.ends[at].key = key;
                    self.ends[at].is_paused = false;
                    self.by_slot.insert(key.slot, at);
                    self.receive(at);
                }
                Action::Resume { connection } => {
                    if let Some(at) = self.by_slot.get(&connection.slot).copied() {
                        self.ends[at].is_paused = false;
                        self.receive(at);
                    }
                }
                Action::ReserveIds => {
                    let (first, end) = (self.next_ids, self.next_ids + (1 << 20));
                    self.next_ids = end;
                    self.shard.handle(Input::Ids { first, end }, self.now, &mut self.out);
                }
                Action::Verify { .. } => panic!("no account here has hashes"),
                Action::Reply { .. } | Action::Post(_) => panic!("nobody here speaks HTTP"),
                Action::CarriersDrained | Action::SessionsDrained | Action::Notice(_) => {}
            }
        }
        (closes, was_any)
    }

    /// The kernel takes what it has room for.
    fn flush(&mut self, at: usize) {
        let end = &mut self.ends[at];
        let outbox = self.out.outbox_mut(end.key.slot);
        let waiting = outbox.unwritten().len();
        let taken = waiting.min(end.room);
        end.inbox.extend_from_slice(&outbox.unwritten()[..taken]);
        end.room -= if end.room == usize::MAX { 0 } else { taken };
        outbox.took(taken);
        let (connection, was_blocked) = (end.key, end.is_blocked);
        end.is_blocked = taken < waiting;
        if end.is_blocked {
            outbox.blocked_since.get_or_insert(self.now);
            self.shard.handle(Input::Blocked { connection }, self.now, &mut self.out);
        } else if was_blocked {
            self.shard.handle(Input::Unblocked { connection }, self.now, &mut self.out);
        }
    }

    fn close(&mut self, at: usize) {
        let end = &mut self.ends[at];
        if !end.is_closed {
            end.is_closed = true;
            self.by_slot.remove(&end.key.slot);
            self.shard.handle(Input::Closed { connection: end.key }, self.now, &mut self.out);
        }
    }
}

fn read(yaml: &str) -> Config {
    let file = |path: &Path| Err(format!("{}: no files here", path.display()));
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    match config::parse(yaml, &surroundings) {
        Ok(parsed) => parsed.config,
        Err(problems) => panic!("{problems:?}"),
    }
}
