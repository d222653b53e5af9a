//! One connection, an ESME's or a carrier's: read once, hand every whole PDU to the engine, and let the turn write once.
//!
//! All connections of a shard read into one buffer, which stays in the cache; only what is left of a PDU is kept here, so an
//! idle bind costs next to nothing. Octets go out in `turn`; a connection the kernel takes no more from gets a writer until
//! it does.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_lite::future;
use glommio::timer::Timer;

use crate::engine::effects::Outbox;
use crate::engine::event::Input;
use crate::engine::slab::Key;
use crate::engine::time::Instant;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::tls_listener;
use crate::runtime::transport::{Tls, Transport};
use crate::runtime::wakeup::Wakeup;
use crate::runtime::{clock, sys};

/// How long what is left may take to be written before a close.
const FLUSH_BEFORE_CLOSE: Duration = Duration::from_secs(5);
/// How long the peer may still send after we said goodbye; closing with octets unread would destroy our last ones.
const LINGER: Duration = Duration::from_secs(1);
/// Room for what is not handled yet that a connection keeps for the next time; an idle bind is not to hold what a long PDU once took.
const UNREAD_KEPT: usize = 4 << 10;
/// Reads before a peer that sends without a pause leaves the shard to others, and to the turn that writes.
const READS_IN_A_ROW: u32 = 4;

pub struct Connection {
    pub key: Key,
    transport: RefCell<Transport>,
    /// Read and not handled: part of a PDU, or PDUs of a session that is paused.
    unread: RefCell<BytesMut>,
    stage: Cell<Stage>,
    /// The engine wants nothing of it for now.
    is_paused: Cell<bool>,
    /// A writer waits for the kernel to take more.
    pub is_blocked: Cell<bool>,
    /// When the first octets of a PDU came whose rest is still out; zero when none are. Nanoseconds.
    pub partial_since: Cell<u64>,
    reader: Wakeup,
    writer: Wakeup,
    closer: Wakeup,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Open,
    /// We are done with it: what is left is being written, then what comes is thrown away.
    Closing,
    Discarding,
    Gone,
}

enum Ended {
    /// The peer closed, or the connection broke.
    Lost,
    /// It moved, or was closed by us.
    Gone,
}

impl Connection {
    #[must_use]
    pub fn new(key: Key, transport: Transport, unread: BytesMut) -> Rc<Self> {
        Rc::new(Self {
            key,
            transport: RefCell::new(transport),
            unread: RefCell::new(unread),
            stage: Cell::new(Stage::Open),
            is_paused: Cell::new(false),
            is_blocked: Cell::new(false),
            partial_since: Cell::new(0),
            reader: Wakeup::default(),
            writer: Wakeup::default(),
            closer: Wakeup::default(),
        })
    }

    /// Reads until the connection ends. A panic of its own I/O ends it alone; one inside the engine ends the process.
    pub async fn run(self: Rc<Self>, shard: Rc<ShardLoop>) {
        let ended = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| self.poll_read(&shard, cx))) {
            Ok(polled) => polled,
            Err(panic) if shard.is_in_engine() => resume_unwind(panic),
            Err(_) => {
                shard.count_panic();
                Poll::Ready(Ended::Lost)
            }
        })
        .await;
        if matches!(ended, Ended::Lost) && self.stage.get() == Stage::Open {
            self.end(&shard);
        }
    }

    /// The engine wants this connection read again.
    pub fn resume(&self) {
        if self.is_paused.replace(false) {
            self.reader.wake();
        }
    }

    /// Takes the connection out of this shard: a descriptor of its socket, its TLS, and what was read and not handled.
    pub fn take_away(&self) -> io::Result<(OwnedFd, Option<Box<Tls>>, BytesMut)> {
        let mut transport = self.transport.borrow_mut();
        let socket = sys::own(transport.tcp())?;
        self.stage.set(Stage::Gone);
        self.reader.wake();
        self.writer.wake();
        Ok((socket, transport.take_tls(), std::mem::take(&mut *self.unread.borrow_mut())))
    }

    /// Writes what waits, as far as the kernel takes it; `Pending` when it takes no more.
    pub fn poll_write_out(&self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        let mut transport = self.transport.borrow_mut();
        while !outbox.unwritten().is_empty() {
            match transport.poll_write(cx, outbox.unwritten()) {
                Poll::Ready(Ok(count)) => outbox.took(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if transport.has_progressed() {
                        outbox.blocked_since = None;
                    }
                    return Poll::Pending;
                }
            }
        }
        let flushed = transport.poll_flush(cx);
        if transport.has_progressed() {
            outbox.blocked_since = None;
        }
        flushed
    }

    /// Writes what is left once the kernel takes it again.
    pub async fn write_rest(self: Rc<Self>, shard: Rc<ShardLoop>) {
        let is_written = poll_fn(|cx| {
            if self.stage.get() == Stage::Gone {
                return Poll::Ready(false);
            }
            let _ = self.writer.poll(cx);
            shard.with_outbox(self.key.slot, |outbox| {
                let written = self.poll_write_out(cx, outbox);
                if written.is_pending() {
                    outbox.blocked_since.get_or_insert(Instant::from_nanos(clock::monotonic_ns()));
                }
                written.map(|result| result.is_ok())
            })
        })
        .await;
        self.is_blocked.set(false);
        if is_written {
            shard.handle(Input::Unblocked { connection: self.key });
        } else if self.stage.get() == Stage::Open {
            self.end(&shard);
        }
        self.closer.wake();
    }

    /// Closes by our decision: what is left is written, and what the peer still sends is read away for a moment.
    pub async fn close(self: Rc<Self>, shard: Rc<ShardLoop>) {
        if self.stage.get() != Stage::Open {
            return;
        }
        self.stage.set(Stage::Closing);
        let flushed = async {
            while self.is_blocked.get() {
                self.closer.wait().await;
            }
        };
        future::or(flushed, async {
            Timer::new(FLUSH_BEFORE_CLOSE).await;
        })
        .await;
        // The peer may be gone already; then there is nothing to tell it.
        let _ = self.shutdown();
        self.stage.set(Stage::Discarding);
        self.unread.borrow_mut().clear();
        self.reader.wake();
        let gone = async {
            while self.stage.get() == Stage::Discarding {
                self.closer.wait().await;
            }
        };
        future::or(gone, async {
            Timer::new(LINGER).await;
        })
        .await;
        self.end(&shard);
    }

    /// Forgets the connection and tells the engine.
    pub fn end(&self, shard: &Rc<ShardLoop>) {
        if self.stage.replace(Stage::Gone) == Stage::Gone {
            return;
        }
        self.reader.wake();
        self.writer.wake();
        self.closer.wake();
        shard.forget(self.key);
        shard.handle(Input::Closed { connection: self.key });
    }

    fn shutdown(&self) -> io::Result<()> {
        let mut transport = self.transport.borrow_mut();
        transport.say_goodbye();
        transport.shutdown()
    }

    fn poll_read(self: &Rc<Self>, shard: &Rc<ShardLoop>, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..READS_IN_A_ROW {
            // Registers for whatever another task has to say; what it says is in the flags.
            let _ = self.reader.poll(cx);
            match self.stage.get() {
                Stage::Gone => return Poll::Ready(Ended::Gone),
                Stage::Closing => return Poll::Pending,
                Stage::Open if self.is_paused.get() => return Poll::Pending,
                Stage::Open if !self.handle_unread(shard) => continue,
                Stage::Open | Stage::Discarding => {}
            }
            let mut buffer = shard.read_buffer();
            let kept = self.unread.borrow().len();
            buffer[..kept].copy_from_slice(&self.unread.borrow());
            let polled = self.poll_transport(shard, cx, &mut buffer[kept..]);
            if self.transport.borrow().wants_flush() {
                // TLS has something of its own to say: the turn, or the writer that waits already, writes it.
                shard.in_engine(|engine, _| {
                    engine.out.write(self.key);
                });
            }
            let count = match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => {
                    if self.stage.get() == Stage::Discarding {
                        self.end(shard);
                    }
                    return Poll::Ready(Ended::Lost);
                }
                Poll::Ready(Ok(count)) => count,
            };
            if self.stage.get() == Stage::Discarding {
                continue;
            }
            let was_full = kept + count == buffer.len();
            let handled = self.handle_octets(shard, &buffer[..kept + count], count);
            let (mut unread, rest) = (self.unread.borrow_mut(), &buffer[handled..kept + count]);
            unread.clear();
            if rest.len() <= UNREAD_KEPT && unread.capacity() > UNREAD_KEPT {
                *unread = BytesMut::new();
            }
            unread.extend_from_slice(rest);
            if was_full {
                break;
            }
        }
        // More is waiting, or may be; let the other connections have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads, and tells the engine when that brought a TLS handshake to its end.
    fn poll_transport(&self, shard: &ShardLoop, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut transport = self.transport.borrow_mut();
        if !transport.is_handshaking() {
            return transport.poll_read(cx, into);
        }
        let polled = transport.poll_read(cx, into);
        if !transport.is_handshaking() {
            let names = transport.peer_certificate().map(tls_listener::names_of).unwrap_or_default();
            shard.handle(Input::Secured { connection: self.key, names });
        } else if let Poll::Ready(result) = &polled {
            let why = result.as_ref().map_or_else(ToString::to_string, |_| "closed by the peer".to_owned());
            shard.handle(Input::HandshakeFailed { connection: self.key, why });
        }
        polled
    }

    /// Handles PDUs kept from before. False when the connection's state changed meanwhile.
    fn handle_unread(self: &Rc<Self>, shard: &Rc<ShardLoop>) -> bool {
        if self.unread.borrow().is_empty() || self.partial_since.get() != 0 {
            return true;
        }
        let mut unread = std::mem::take(&mut *self.unread.borrow_mut());
        let handled = self.handle_octets(shard, &unread, 0);
        unread.advance(handled);
        *self.unread.borrow_mut() = unread;
        self.stage.get() == Stage::Open && !self.is_paused.get()
    }

    /// Hands every whole PDU of `octets` to the engine; returns how many octets that were.
    fn handle_octets(&self, shard: &Rc<ShardLoop>, octets: &[u8], fresh: usize) -> usize {
        shard.in_engine(|engine, now| {
            engine.shard.counts.bytes_in += fresh as u64;
            let received = engine.shard.receive(self.key, octets, now, &mut engine.out);
            self.is_paused.set(received.is_paused);
            let is_partial = !received.is_paused && received.taken < octets.len();
            // However slowly more of a PDU drips in, its first octets came when they came.
            let is_same = received.taken == 0 && self.partial_since.get() != 0;
            if !is_partial {
                self.partial_since.set(0);
            } else if !is_same {
                self.partial_since.set(now.as_nanos().max(1));
            }
            // While it is still in the nearest cache.
            engine.shard.settle(now, &mut engine.out);
            received.taken
        })
    }
}
