//! One shard: the function from an `Input` and the time to `Effects`. Everything with a home here lives in it.
//!
//! It only finds who an input is for; accounts, carriers and unbound connections decide. What they say to each other, on this
//! shard or another, travels as `ShardMessage`s, which `settle` delivers until all is quiet.

use std::net::IpAddr;
use std::sync::Arc;

use ahash::AHashSet;

use super::account::Account;
use super::bans::Bans;
use super::carrier::Carrier;
use super::cdr::{self, Cdr};
use super::drain::Drain;
use super::effects::Effects;
use super::event::{AdmittedBind, Input, Notice};
use super::gate::Gate;
use super::id_source::IdSource;
use super::link::LinkState;
use super::loads::Loads;
use super::message::{Batch, ShardId, ShardMessage};
use super::placement::Placement;
use super::random::Random;
use super::router::RouteTable;
use super::slab::{Key, Slab};
use super::time::Instant;
use super::timers::Timers;
use super::unbound::{self, Unbound};
use super::untold::Telling;
use super::wall::Wall;
use crate::config::{AccountId, CarrierId, Config};
use crate::metrics::{ConnectionRefusal, ShardCounts};
use crate::smpp::message_id::MessageId;

/// Who a connection belongs to.
#[derive(Debug)]
pub enum Connection {
    Unbound(Unbound),
    Session {
        account: AccountId,
        session: Key,
    },
    Link {
        carrier: CarrierId,
        link: u16,
    },
    /// Being dialled for an ESME to bind on.
    Called {
        account: AccountId,
    },
    /// On its way to its account's home; the key is free once the shell has said `Moved`.
    Moving {
        address: IpAddr,
        /// Whom it was dialled for.
        called: Option<AccountId>,
    },
}

/// What the shell draws for a shard: the engine draws nothing itself.
#[derive(Clone, Debug)]
pub struct Seeds {
    pub random: u64,
    /// Key of the message_id permutation; the same at every start.
    pub id_key: [u8; 16],
    /// Numbers for message_ids, reserved durably.
    pub ids: (u64, u64),
    /// The first key for early receipts and deliveries that nothing in the journal has had.
    pub first_key: u64,
    /// The wall clock when the monotonic one began.
    pub unix_seconds: u64,
}

#[derive(Debug)]
pub struct Shard {
    pub id: ShardId,
    pub(super) config: Arc<Config>,
    pub(super) routes: Arc<RouteTable>,
    pub(super) loads: Loads,
    pub(super) placement: Placement,
    pub(super) connections: Slab<Connection>,
    pub(super) accounts: Vec<Option<Box<Account>>>,
    pub(super) carriers: Vec<Option<Box<Carrier>>>,
    /// Only shard 0's is used.
    pub(super) gate: Gate,
    /// Only shard 0 counts; each knows the banned pairs.
    pub(super) bans: Bans,
    pub(super) refusals: Telling,
    pub(super) timers: Timers,
    pub(super) random: Random,
    pub(super) ids: IdSource,
    pub(super) turn: u64,
    pub(super) wall: Wall,
    pub(super) has_room: bool,
    pub(super) next_key: u64,
    pub(super) cdr: Option<Box<Cdr>>,
    pub(super) drain: Drain,
    /// Accounts that are traced.
    pub(super) traced: usize,
    loopback: Batch,
    /// Until the start: marked submits of accounts at home here that a carrier is known to have accepted.
    pub(super) accepted: AHashSet<MessageId>,
    pub counts: ShardCounts,
}

// Splits a shard into what is being handled and what it may touch.
macro_rules! context {
    ($shard:ident, $now:ident, $out:ident) => {
        &mut $crate::engine::context::Context {
            config: &$shard.config,
            routes: &$shard.routes,
            loads: &mut $shard.loads,
            placement: &$shard.placement,
            now: $now,
            wall: &$shard.wall,
            turn: $shard.turn,
            is_draining: $shard.drain.is_begun(),
            has_room: $shard.has_room && $crate::engine::cdr::has_room(&$shard.cdr),
            next_key: &mut $shard.next_key,
            random: &mut $shard.random,
            ids: &mut $shard.ids,
            timers: &mut $shard.timers,
            counts: &mut $shard.counts,
            bans: &$shard.bans,
            refusals: &mut $shard.refusals,
            connections: &mut $shard.connections,
            cdr: &mut $shard.cdr,
            out: $out,
        }
    };
}

pub(super) use context;

impl Shard {
    #[must_use]
    pub fn new(id: ShardId, config: Arc<Config>, placement: Placement, seeds: &Seeds) -> Self {
        let mut random = Random::new(seeds.random);
        let mut accounts = Vec::new();
        for (index, account) in config.accounts.iter().enumerate() {
            let account_id = AccountId(index as u32);
            let is_home = placement.home_of_account(account_id) == id;
            accounts.push(is_home.then(|| Box::new(Account::new(account_id, account))));
        }
        let mut carriers = Vec::new();
        for (index, carrier) in config.carriers.iter().enumerate() {
            let carrier_id = CarrierId(index as u16);
            let is_home = placement.home_of_carrier(carrier_id) == id;
            let keys = std::array::from_fn(|_| random.draw());
            carriers.push(is_home.then(|| Box::new(Carrier::new(carrier_id, carrier, keys))));
        }
        let (first, end) = seeds.ids;
        Self {
            id,
            routes: Arc::new(RouteTable::new(&config)),
            loads: Loads::new(&config),
            ids: IdSource::new(config.node, seeds.id_key, first, end),
            config,
            placement,
            connections: Slab::default(),
            accounts,
            carriers,
            gate: Gate::default(),
            bans: Bans::new(seeds.id_key),
            refusals: Telling::default(),
            timers: Timers::default(),
            random,
            turn: 0,
            wall: Wall::new(seeds.unix_seconds, Instant::ZERO),
            has_room: true,
            next_key: seeds.first_key,
            cdr: None,
            drain: Drain::No,
            traced: 0,
            loopback: Batch::default(),
            accepted: AHashSet::new(),
            counts: ShardCounts::default(),
        }
    }

    /// Begins dialling, and counting the age of what was restored.
    pub fn start(&mut self, now: Instant, out: &mut Effects) {
        let accepted = std::mem::take(&mut self.accepted);
        for account in self.accounts.iter_mut().flatten() {
            account.restore_usage(context!(self, now, out));
            // Before whatever may have news to tell.
            account.start_posts(context!(self, now, out));
            account.start_joining(context!(self, now, out));
            account.start_states(context!(self, now, out));
            account.start_messages(&accepted, context!(self, now, out));
            account.start_keys(&accepted, context!(self, now, out));
            account.start_stored(&accepted, context!(self, now, out));
            account.call_if_awaited(context!(self, now, out));
        }
        for carrier in self.carriers.iter_mut().flatten() {
            carrier.join_restored(context!(self, now, out));
            carrier.route_unrouted(context!(self, now, out));
            carrier.arm(context!(self, now, out));
        }
    }

    /// Shard 0 accepted a connection: counted in, or to be closed without a word.
    pub fn admit(&mut self, address: IpAddr, now: Instant) -> Result<(), ConnectionRefusal> {
        let admitted = if self.bans.is_address_banned(address, now) {
            Err(ConnectionRefusal::Banned)
        } else {
            self.gate.admit(address, &self.config)
        };
        match admitted {
            Ok(()) => self.counts.accepted += 1,
            Err(why) => self.counts.count_connection_refused(why),
        }
        admitted
    }

    /// A connection dealt to this shard.
    pub fn accept(&mut self, address: IpAddr, is_tls: bool, now: Instant, out: &mut Effects) -> Key {
        let key = self.connections.insert(Connection::Link { carrier: CarrierId(0), link: 0 });
        out.open(key);
        let unbound = Unbound::new(address, is_tls, key, context!(self, now, out));
        if let Some(connection) = self.connections.get_mut(key) {
            *connection = Connection::Unbound(unbound);
        }
        key
    }

    /// A connection whose bind another shard checked. The caller then hands in what was read behind the bind.
    pub fn arrive(&mut self, bind: &AdmittedBind, now: Instant, out: &mut Effects) -> Key {
        let nobody = Key { slot: 0, generation: 0 };
        let key = self.connections.insert(Connection::Session { account: bind.account, session: nobody });
        out.open(key);
        out.tell(ShardId(0), ShardMessage::Bound { address: bind.address });
        let Some(account) = &mut self.accounts[bind.account.index()] else { return key };
        match account.admit(key, bind, context!(self, now, out)) {
            Ok(session) => {
                if let Some(connection) = self.connections.get_mut(key) {
                    *connection = Connection::Session { account: bind.account, session };
                }
            }
            Err(why) => {
                let cx = context!(self, now, out);
                unbound::tell_refused(bind.address, cx.config.account(bind.account).name.as_bytes(), why, cx);
                let mut unbound = Unbound::new(bind.address, false, key, cx);
                unbound.refuse_at_home(key, cx);
                if let Some(connection) = self.connections.get_mut(key) {
                    *connection = Connection::Unbound(unbound);
                }
            }
        }
        key
    }

    /// Whether a connection that was dialled is still to be used.
    #[must_use]
    pub fn is_wanted(&self, connection: Key) -> bool {
        match self.connections.get(connection) {
            Some(Connection::Link { carrier, link }) => {
                self.carriers[carrier.index()].as_ref().is_some_and(|carrier| {
                    let link = &carrier.links[usize::from(*link)];
                    link.connection() == Some(connection) && !matches!(link.state, LinkState::Closing { .. })
                })
            }
            Some(Connection::Session { .. } | Connection::Unbound(_) | Connection::Called { .. }) => true,
            Some(Connection::Moving { .. }) | None => false,
        }
    }

    /// Handles one thing. Octets and messages are in `out` afterwards; call `settle` before they are used.
    pub fn handle(&mut self, input: Input<'_>, now: Instant, out: &mut Effects) {
        match input {
            Input::Connected { connection } => {
                if let Some(Connection::Link { carrier, link }) = self.connections.get(connection) {
                    let link = usize::from(*link);
                    if let Some(carrier) = &mut self.carriers[carrier.index()] {
                        carrier.link_connected(link, connection, context!(self, now, out));
                    }
                }
            }
            Input::Called { connection, address } => self.handle_called(connection, address, now, out),
            Input::Moved { connection } => {
                self.connections.remove(connection);
            }
            Input::Secured { connection, names } => self.handle_secured(connection, names),
            Input::HandshakeFailed { connection, why } => self.handle_failed_handshake(connection, &why, now, out),
            Input::Verified { connection, verdict } => self.handle_verified(connection, verdict, now, out),
            Input::Closed { connection } => self.handle_closed(connection, now, out),
            Input::Blocked { connection } => self.handle_blocked(connection, now, out),
            Input::Unblocked { connection } => self.handle_unblocked(connection, now, out),
            Input::Batch { batch, .. } => self.handle_batch(batch, now, out),
            Input::Durable { through } => out.durable(through),
            Input::Clock { unix_seconds } => {
                if self.wall.set(unix_seconds, now) {
                    self.counts.clock_jumps += 1;
                    out.notice(Notice::ClockJumped);
                }
                if let Some(count) = self.refusals.take_untold(now) {
                    out.notice(Notice::RefusedUntold { count });
                }
            }
            Input::StoreRoom { has_room } => {
                if has_room != self.has_room {
                    self.has_room = has_room;
                    out.notice(Notice::StoreRoom { has_room });
                }
            }
            Input::Ids { first, end } => self.ids.add_block(first, end),
            Input::CdrWritten { through } => {
                if let Some(cdr) = &mut self.cdr {
                    cdr.written(through, out);
                }
            }
            Input::Order { carrier, link, order } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.order(link, order, context!(self, now, out));
                }
            }
            Input::OptOut { account, numbers } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.opt_out = Some(numbers);
                }
            }
            Input::Posted { account, post, outcome } => self.handle_posted(account, (post, outcome), now, out),
            Input::Timeout => self.handle_timeouts(now, out),
            Input::DrainCarriers => self.drain = Drain::Carriers { began: now },
            Input::DrainSessions => {
                self.drain = Drain::Sessions { goodbyes: self.goodbyes(now) };
                let is_unbound =
                    |(key, connection): (Key, &Connection)| matches!(connection, Connection::Unbound(_)).then_some(key);
                for key in self.connections.iter().filter_map(is_unbound).collect::<Vec<_>>() {
                    self.with_unbound(key, now, out, |unbound, cx| unbound.close(key, cx));
                }
            }
        }
    }

    /// Delivers what this shard said to itself until nothing is left.
    pub fn settle(&mut self, now: Instant, out: &mut Effects) {
        self.deliver_loopback(now, out);
        self.go_on_draining(now, out);
        // A drain settles what waits here, which is news for this shard's own accounts.
        self.deliver_loopback(now, out);
        self.trace_written(now, out);
    }

    /// The octets of the last turn are with the kernel, as far as it took them.
    pub fn next_turn(&mut self, now: Instant, out: &mut Effects) {
        self.turn += 1;
        self.counts.turns += 1;
        while let Some(account) = out.take_next_turn() {
            if let Some(account) = &mut self.accounts[account.index()] {
                account.pump_deliveries(context!(self, now, out));
                account.pump_posts(context!(self, now, out));
            }
        }
    }

    fn deliver_loopback(&mut self, now: Instant, out: &mut Effects) {
        while !out.prompt[self.id.index()].is_empty() {
            let mut batch = std::mem::take(&mut self.loopback);
            std::mem::swap(&mut batch, &mut out.prompt[self.id.index()]);
            self.handle_batch(&batch, now, out);
            batch.clear();
            self.loopback = batch;
        }
    }

    /// What was born before this, in Unix seconds, is beyond retention; `None` while the clock is not to be trusted.
    #[must_use]
    pub fn oldest_kept(&self, now: Instant) -> Option<u32> {
        self.wall.oldest_kept(self.config.store.retention, now)
    }

    /// Whether the journal has room beyond its reserve, and memory the lines that no file has.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.has_room && cdr::has_room(&self.cdr)
    }

    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let looks_at_drain = Some(self.drain.next_look()).filter(|at| *at != Instant::NEVER);
        self.timers.next_timeout().into_iter().chain(looks_at_drain).min()
    }
}
