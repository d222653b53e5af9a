//! The loop of one shard: connections read and hand PDUs to the engine, then one turn settles what they caused, sends what goes
//! to other shards, and writes every connection once.
//!
//! The turn is a task of its own that is woken by whoever changed something. It runs behind the connections that are ready to
//! read, so it gathers all they bring: batching is the shape of the loop.

use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use glommio::channels::shared_channel::ConnectedReceiver;
use glommio::timer::{Timer, sleep};

use crate::engine::effects::Outbox;
use crate::engine::event::{Action, AdmittedBind, Input, Notice};
use crate::engine::message::{Batch, ShardId};
use crate::engine::slab::Key;
use crate::engine::time::Instant;
use crate::http::References;
use crate::runtime::connection::Connection;
use crate::runtime::control::Shared;
use crate::runtime::dialer::Dial;
use crate::runtime::disk::Disk;
use crate::runtime::engine::Engine;
use crate::runtime::mesh::{Accepted, Mesh, MeshMessage, MovedConnection, Speaks};
use crate::runtime::posting::Posting;
use crate::runtime::resolve::Resolver;
use crate::runtime::tls_listener::TlsServer;
use crate::runtime::transport::{Tls, Transport};
use crate::runtime::wakeup::Wakeup;
use crate::runtime::web::{self, Callers};
use crate::runtime::web_watch::Web;
use crate::runtime::{clock, notice, socket, sys};

pub struct ShardLoop {
    pub id: ShardId,
    pub shared: Arc<Shared>,
    pub(super) engine: RefCell<Engine>,
    is_in_engine: Cell<bool>,
    connections: RefCell<Vec<Option<Rc<Connection>>>>,
    buffer: RefCell<Vec<u8>>,
    mesh: Mesh,
    pub(super) disk: Disk,
    pub(super) resolver: Resolver,
    pub(super) posting: Posting,
    pub(super) turn: Wakeup,
    timer: Wakeup,
    /// When the timer task will look at the engine's deadlines.
    timer_at: Cell<Instant>,
    pub(super) callers: Callers,
    pub web: Web,
    pub(super) references: References,
    dirty: RefCell<Vec<u32>>,
    actions: RefCell<Vec<Action>>,
}

impl ShardLoop {
    /// Octets read at once; a PDU of the longest permitted length fits with room to spare.
    const READ_BUFFER: usize = 256 << 10;
    const IDS_AGAIN: Duration = Duration::from_secs(5);

    #[must_use]
    pub fn new(engine: Engine, disk: Disk, mesh: Mesh, shared: Arc<Shared>) -> Rc<Self> {
        let id = engine.shard.id;
        let buffer = Self::READ_BUFFER.max(2 * shared.config.smpp.max_pdu);
        let web_timers = shared.config.http.as_ref().map(|http| http.timers).unwrap_or_default();
        let references = web::references(id, &shared);
        Rc::new(Self {
            id,
            shared,
            engine: RefCell::new(engine),
            is_in_engine: Cell::new(false),
            connections: RefCell::default(),
            buffer: RefCell::new(vec![0; buffer]),
            mesh,
            disk,
            resolver: Resolver::default(),
            posting: Posting::default(),
            turn: Wakeup::default(),
            timer: Wakeup::default(),
            timer_at: Cell::new(Instant::NEVER),
            callers: Callers::default(),
            web: Web::new(web_timers),
            references,
            dirty: RefCell::default(),
            actions: RefCell::default(),
        })
    }

    /// Starts the tasks every shard has.
    pub fn start(self: &Rc<Self>, receivers: Vec<(ShardId, ConnectedReceiver<MeshMessage>)>) {
        self.in_engine(|engine, now| engine.shard.start(now, &mut engine.out));
        self.start_disk();
        for (from, receiver) in receivers {
            glommio::spawn_local(Rc::clone(self).receive(from, receiver)).detach();
        }
        glommio::spawn_local(Rc::clone(self).turns()).detach();
        glommio::spawn_local(Rc::clone(self).timeouts()).detach();
    }

    /// Says something to the engine; the next turn acts on what it wants.
    pub fn handle(&self, input: Input<'_>) {
        self.in_engine(|engine, now| engine.shard.handle(input, now, &mut engine.out));
    }

    /// Lets the engine work, and has a turn follow.
    pub fn in_engine<T>(&self, work: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let now = Instant::from_nanos(clock::monotonic_ns());
        self.is_in_engine.set(true);
        let done = work(&mut self.engine.borrow_mut(), now);
        self.is_in_engine.set(false);
        self.turn.wake();
        done
    }

    /// Whether a panic that was just caught came from inside the engine, whose state can then no longer be trusted.
    #[must_use]
    pub fn is_in_engine(&self) -> bool {
        self.is_in_engine.get()
    }

    pub fn count_panic(&self) {
        self.engine.borrow_mut().shard.counts.panics += 1;
    }

    /// The buffer all connections of this shard read into, one at a time.
    pub fn read_buffer(&self) -> RefMut<'_, Vec<u8>> {
        self.buffer.borrow_mut()
    }

    /// Lets a writer at what waits for a connection, and counts what it wrote.
    pub fn with_outbox<T>(&self, slot: u32, work: impl FnOnce(&mut Outbox) -> T) -> T {
        let mut engine = self.engine.borrow_mut();
        let outbox = engine.out.outbox_mut(slot);
        let before = outbox.total_written();
        let done = work(outbox);
        let written = outbox.total_written() - before;
        engine.shard.counts.bytes_out += written;
        done
    }

    /// Takes a connection that was dealt to this shard.
    pub fn accept(self: &Rc<Self>, accepted: Accepted) {
        if accepted.speaks == Speaks::Http {
            return self.serve_web(accepted);
        }
        let Accepted { socket, address, is_tls, .. } = accepted;
        let key = self.in_engine(|engine, now| engine.shard.accept(address, is_tls, now, &mut engine.out));
        let tls = self.shared.tls_server.as_ref().filter(|_| is_tls).map(TlsServer::begin).transpose();
        match tls {
            Ok(tls) => self.open(key, socket, tls, BytesMut::new()),
            Err(error) => {
                tracing::error!(%error, "cannot begin TLS");
                self.handle(Input::Closed { connection: key });
            }
        }
    }

    /// Closes connections whose PDU has been incomplete for too long.
    pub fn end_partial(self: &Rc<Self>, longest: Duration) {
        let now = clock::monotonic_ns();
        let is_overdue = |connection: &Rc<Connection>| {
            let since = connection.partial_since.get();
            since != 0 && Duration::from_nanos(now.saturating_sub(since)) >= longest
        };
        let overdue: Vec<_> = self.connections.borrow().iter().flatten().filter(|at| is_overdue(at)).cloned().collect();
        for connection in overdue {
            connection.end(self);
        }
    }

    pub fn forget(&self, key: Key) {
        if let Some(slot) = self.connections.borrow_mut().get_mut(key.slot as usize) {
            *slot = None;
        }
    }

    pub fn send(&self, to: usize, message: MeshMessage) {
        self.mesh.send(to, message);
    }

    /// Offers what a full channel did not take, also when this shard has nothing else to do.
    pub fn send_backlog(&self) {
        self.mesh.offer_again();
    }

    async fn turns(self: Rc<Self>) {
        loop {
            self.turn.wait().await;
            self.turn();
        }
    }

    /// Settles, sends, writes, acts.
    fn turn(self: &Rc<Self>) {
        let now = Instant::from_nanos(clock::monotonic_ns());
        let mut engine = self.engine.borrow_mut();
        self.is_in_engine.set(true);
        engine.turn(now);
        let failure = self.commit(now, &mut engine);
        self.is_in_engine.set(false);
        self.mesh.send_batches(self.id, &mut engine.out.prompt);
        let blocked = self.flush(now, &mut engine);
        let wants_next_turn = engine.out.wants_next_turn() || engine.store.wants_commit();
        let mut actions = self.actions.take();
        std::mem::swap(&mut actions, &mut engine.out.actions);
        let next_timeout = engine.shard.next_timeout().unwrap_or(Instant::NEVER);
        drop(engine);
        if let Some(error) = failure {
            self.fail_store(&error);
        }
        // A task runs as soon as it is spawned, and this one asks for the engine.
        for connection in blocked {
            glommio::spawn_local(connection.write_rest(Rc::clone(self))).detach();
        }
        for action in actions.drain(..) {
            self.act(action);
        }
        self.actions.replace(actions);
        if wants_next_turn {
            self.turn.wake();
        }
        if next_timeout < self.timer_at.get() {
            self.timer.wake();
        }
    }

    /// Writes every connection once; returns those the kernel takes no more from, which need a writer.
    fn flush(self: &Rc<Self>, now: Instant, engine: &mut Engine) -> Vec<Rc<Connection>> {
        let mut blocked = Vec::new();
        let mut dirty = self.dirty.borrow_mut();
        engine.out.take_dirty(&mut dirty);
        let mut quiet = Context::from_waker(Waker::noop());
        for slot in dirty.drain(..) {
            let Some(connection) = self.connections.borrow().get(slot as usize).cloned().flatten() else { continue };
            let outbox = engine.out.outbox_mut(slot);
            let mut is_blocked = connection.is_blocked.get();
            let before = outbox.total_written();
            // After an error the writer meets the same, and ends the connection outside of this turn.
            if !is_blocked && !matches!(connection.poll_write_out(&mut quiet, outbox), Poll::Ready(Ok(()))) {
                is_blocked = true;
                outbox.blocked_since.get_or_insert(now);
                connection.is_blocked.set(true);
                blocked.push(Rc::clone(&connection));
            }
            engine.shard.counts.bytes_out += outbox.total_written() - before;
            if is_blocked {
                engine.shard.handle(Input::Blocked { connection: connection.key }, now, &mut engine.out);
                self.turn.wake();
            }
        }
        blocked
    }

    fn act(self: &Rc<Self>, action: Action) {
        match action {
            Action::Connect { connection, carrier, link, address } => {
                let dial = Dial { connection, carrier, link, address };
                glommio::spawn_local(Rc::clone(self).dial(dial)).detach();
            }
            Action::Call { connection, account, address } => {
                glommio::spawn_local(Rc::clone(self).call(connection, account, address)).detach();
            }
            Action::Close { connection } => {
                // One that is still being dialled is closed by `dial`, which finds it unwanted.
                if let Some(open) = self.connection(connection) {
                    glommio::spawn_local(open.close(Rc::clone(self))).detach();
                }
            }
            Action::Move { connection, to, bind } => self.move_away(connection, to, bind),
            Action::Verify { connection, account, password } => self.verify(connection, account, password),
            Action::Reply { caller, reply } => self.reply(caller, reply),
            Action::Post(post) => self.post(*post),
            Action::Resume { connection } => {
                if let Some(open) = self.connection(connection) {
                    open.resume();
                }
            }
            Action::ReserveIds => {
                glommio::spawn_local(Rc::clone(self).reserve_ids()).detach();
            }
            Action::CarriersDrained => self.shared.control.carriers_drained(),
            Action::SessionsDrained => self.web.answer_last(),
            // Each shard finds out by itself; it is one file system, and said once.
            Action::Notice(Notice::StoreRoom { has_room }) if !self.shared.health.store_room(has_room) => {}
            Action::Notice(notice) => notice::log(&notice, &self.shared.config),
        }
    }

    pub(super) fn connection(&self, key: Key) -> Option<Rc<Connection>> {
        let connections = self.connections.borrow();
        connections.get(key.slot as usize)?.as_ref().filter(|connection| connection.key == key).cloned()
    }

    fn move_away(self: &Rc<Self>, key: Key, to: ShardId, bind: AdmittedBind) {
        let Some(connection) = self.connection(key) else { return };
        // Without a descriptor to give away it ends here.
        let Ok((socket, tls, unread)) = connection.take_away() else { return connection.end(self) };
        let unwritten = self.with_outbox(key.slot, |outbox| BytesMut::from(outbox.unwritten()));
        self.forget(key);
        self.handle(Input::Moved { connection: key });
        let moved = MovedConnection { socket, tls, unread, unwritten, bind };
        if to == self.id {
            self.arrive(moved);
        } else {
            self.send(to.index(), MeshMessage::Bound(Box::new(moved)));
        }
    }

    fn arrive(self: &Rc<Self>, moved: MovedConnection) {
        let MovedConnection { socket, tls, unread, unwritten, bind } = moved;
        let key = self.in_engine(|engine, now| {
            let key = engine.shard.arrive(&bind, now, &mut engine.out);
            engine.out.outbox_mut(key.slot).bytes.splice(0..0, unwritten);
            key
        });
        self.open(key, socket, tls, unread);
    }

    fn open(self: &Rc<Self>, key: Key, socket: OwnedFd, tls: Option<Box<Tls>>, unread: BytesMut) {
        let opened = sys::stream_from(socket).and_then(|stream| socket::tune(&stream).map(|()| stream));
        match opened {
            Ok(stream) => self.run(key, Transport::new(stream, tls), unread),
            // The peer is gone already.
            Err(_) => self.handle(Input::Closed { connection: key }),
        }
    }

    pub(super) fn run(self: &Rc<Self>, key: Key, transport: Transport, unread: BytesMut) {
        let connection = Connection::new(key, transport, unread);
        let slot = key.slot as usize;
        let mut connections = self.connections.borrow_mut();
        if connections.len() <= slot {
            connections.resize_with(slot + 1, || None);
        }
        connections[slot] = Some(Rc::clone(&connection));
        drop(connections);
        glommio::spawn_local(connection.run(Rc::clone(self))).detach();
    }

    async fn reserve_ids(self: Rc<Self>) {
        loop {
            let ids = Arc::clone(&self.shared.ids);
            match glommio::executor().spawn_blocking(move || ids.reserve()).await {
                Ok((first, end)) => return self.handle(Input::Ids { first, end }),
                // The disk is full, perhaps: submits are refused when the last block is used up.
                Err(error) => tracing::error!("{error}; trying again"),
            }
            sleep(Self::IDS_AGAIN).await;
        }
    }

    async fn receive(self: Rc<Self>, from: ShardId, receiver: ConnectedReceiver<MeshMessage>) {
        while let Some(message) = receiver.recv().await {
            match message {
                MeshMessage::Batch(batch) => {
                    self.handle_batch(from, &batch);
                    self.mesh.recycle(batch);
                }
                MeshMessage::Accepted(accepted) => self.accept(accepted),
                MeshMessage::Bound(moved) => self.arrive(*moved),
                MeshMessage::Asked(asked) => self.asked(*asked),
                MeshMessage::Replied(replied) => self.callers.replied(replied.0, replied.1),
            }
        }
    }

    fn handle_batch(&self, from: ShardId, batch: &Batch) {
        self.handle(Input::Batch { from, batch });
    }

    /// Looks at the engine's deadlines when the earliest has come.
    async fn timeouts(self: Rc<Self>) {
        let mut sleep: Option<Timer> = None;
        poll_fn(|cx| {
            loop {
                let is_told = self.timer.poll(cx).is_ready();
                let is_due = sleep.as_mut().is_some_and(|timer| std::pin::Pin::new(timer).poll(cx).is_ready());
                if !is_told && !is_due {
                    return Poll::<()>::Pending;
                }
                if is_due {
                    self.handle(Input::Timeout);
                }
                let next = self.engine.borrow().shard.next_timeout().unwrap_or(Instant::NEVER);
                self.timer_at.set(next);
                let now = Instant::from_nanos(clock::monotonic_ns());
                // A millisecond at least: tokens of a throttle gather meanwhile, and the burst lets them go together.
                let wait = next.since(now).clamp(Duration::from_millis(1), Duration::from_secs(3600));
                sleep = Some(Timer::new(wait));
            }
        })
        .await;
    }
}
