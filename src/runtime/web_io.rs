//! What hyper reads from and writes to, for requests: whole heads only, and nothing that the guard found a fault in.
//!
//! hyper is told that the peer is done where a request cannot be read or did not come in time: what came before is answered, and the
//! refusal follows as the connection is shut down. What the kernel does not take of a response waits here, and nothing more is read
//! until it is gone: hyper would forget it when it closes.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::http::Refusal;
use crate::http::guard::Guard;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::transport::Transport;
use crate::runtime::web_watch::{Place, Waits, Watch};

/// Octets read at once.
const READ: usize = 16 << 10;
/// Beyond this, hyper is to wait with what it writes.
const UNWRITTEN: usize = 256 << 10;

pub struct WebIo {
    transport: Transport,
    guard: Guard,
    shard: Rc<ShardLoop>,
    watch: Rc<Watch>,
    /// Read and not passed on: what hyper had no room for, and behind it the head that is not whole.
    held: BytesMut,
    /// How much of it may be passed on.
    ready: usize,
    unwritten: BytesMut,
    /// The peer was written to since it was last read from.
    has_answered: bool,
    /// The peer closed.
    is_ended: bool,
    is_shut_down: bool,
}

impl WebIo {
    #[must_use]
    pub fn new(transport: Transport, shard: Rc<ShardLoop>, watch: Rc<Watch>) -> Self {
        Self {
            transport,
            guard: Guard::default(),
            shard,
            watch,
            held: BytesMut::new(),
            ready: 0,
            unwritten: BytesMut::new(),
            has_answered: false,
            is_ended: false,
            is_shut_down: false,
        }
    }

    /// Reads once; returns how much of it went to hyper.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut ReadBufCursor<'_>) -> Poll<io::Result<usize>> {
        let shard = Rc::clone(&self.shard);
        let mut buffer = shard.read_buffer();
        let count = ready!(self.poll_transport(cx, &mut buffer[..READ]))?;
        let mut octets = &buffer[..count];
        let (mut direct, passed) = if self.held.is_empty() {
            (into.remaining(), self.guard.pass(octets))
        } else {
            self.held.extend_from_slice(octets);
            octets = &[];
            (0, self.guard.pass(&self.held))
        };
        direct = direct.min(passed.count);
        into.put_slice(&octets[..direct]);
        self.held.extend_from_slice(&octets[direct..]);
        self.ready = passed.count - direct;
        if let Some(fault) = passed.fault {
            self.held.truncate(self.ready);
            self.watch.refuse(Refusal::Faulty(fault));
        }
        let place = match self.guard.is_in_body() {
            true => Place::Body,
            false if self.held.len() > self.ready => Place::Head,
            false => Place::Between,
        };
        self.watch.read(place, self.shard.web.now());
        Poll::Ready(Ok(direct))
    }

    fn poll_transport(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = match self.transport.read_ready(into) {
            Some(read) => Poll::Ready(read),
            None => self.transport.poll_read(cx, into),
        };
        if self.transport.wants_flush() {
            // TLS has something of its own to say; what the kernel does not take goes out before the next response.
            let _ = self.transport.poll_flush(cx)?;
        }
        let count = ready!(polled)?;
        self.is_ended |= count == 0;
        Poll::Ready(Ok(count))
    }

    /// `Ready` once the kernel has everything.
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            match self.transport.poll_write(cx, &self.unwritten) {
                Poll::Ready(count) => {
                    self.unwritten.advance(count?);
                    self.watch.progressed();
                }
                Poll::Pending => return self.pending(),
            }
        }
        match self.transport.poll_flush(cx) {
            Poll::Ready(flushed) => {
                self.watch.progressed();
                Poll::Ready(flushed)
            }
            Poll::Pending => self.pending(),
        }
    }

    fn pending<T>(&mut self) -> Poll<T> {
        if self.transport.has_progressed() {
            self.watch.progressed();
        }
        self.watch.blocked(self.shard.web.now());
        Poll::Pending
    }
}

impl Read for WebIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unwritten.is_empty() {
            ready!(this.poll_unwritten(cx))?;
        }
        loop {
            if this.ready > 0 {
                let count = this.ready.min(into.remaining());
                into.put_slice(&this.held[..count]);
                this.held.advance(count);
                this.ready -= count;
                return Poll::Ready(Ok(()));
            }
            if this.watch.is_refused() || this.is_ended {
                return Poll::Ready(Ok(()));
            }
            if std::mem::take(&mut this.has_answered) {
                // The peer has to read that first. On a busy shard it has asked again when this task's turn comes, and no poll
                // need be armed, whose completion would interrupt what runs.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if ready!(this.poll_receive(cx, &mut into))? > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Write for WebIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.has_answered = true;
        if this.unwritten.is_empty() {
            if let Poll::Ready(written) = this.transport.poll_write(cx, octets) {
                this.watch.progressed();
                return Poll::Ready(written);
            }
            let _: Poll<()> = this.pending();
        } else if this.unwritten.len() >= UNWRITTEN {
            ready!(this.poll_unwritten(cx))?;
        }
        this.unwritten.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unwritten(cx)
    }

    /// Says what is left to be said, and reads away what the peer still sends until it closes too.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(refusal) = this.watch.take_refusal() {
            this.unwritten.extend_from_slice(&refusal.octets());
            this.shard.count_refusal(refusal);
            this.shard.count_response(refusal.status());
        }
        ready!(this.poll_unwritten(cx))?;
        if !this.is_shut_down {
            this.is_shut_down = true;
            this.transport.say_goodbye();
            this.transport.shutdown()?;
            this.watch.wait_for(Waits::Close, this.shard.web.now());
        }
        let shard = Rc::clone(&this.shard);
        let mut buffer = shard.read_buffer();
        if !this.is_ended {
            ready!(this.transport.poll_discard(cx, &mut buffer[..READ]))?;
            this.is_ended = true;
        }
        Poll::Ready(Ok(()))
    }
}
