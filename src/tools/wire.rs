//! One SMPP connection as the tools drive it: read once, handle every whole PDU, write once.
//!
//! `Wire` owns the socket and what was read; the `Outbox` beside it holds what shall be written, and is shared, so that a
//! timer or another connection can add to it and ring. One task does both directions; it stops reading while its peer
//! does not take what was written, so no buffer grows without bound.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;

use crate::smpp::frame::{Fault, Frame};

/// Octets read at most at once.
const INPUT_LEN: usize = 128 << 10;

/// With this much unwritten the peer is too slow, and is not read either.
const OUTPUT_HIGH_WATER: usize = 1 << 20;

/// Longest PDU the tools take.
const MAX_PDU: usize = 64 << 10;

/// Turns in a row that may find their input ready before the other connections of this executor get theirs.
const TURNS_BEFORE_YIELD: u32 = 8;

/// What shall be written to a connection, and how its task is woken.
#[derive(Default)]
pub struct Outbox {
    pub bytes: RefCell<Vec<u8>>,
    written: Cell<usize>,
    rung: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Outbox {
    /// Wakes the connection's task: something was added, or it should look around.
    pub fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.borrow().is_empty()
    }

    /// Forgets the bell: what it stood for is written by the next turn anyway.
    pub fn hush(&self) {
        self.rung.set(false);
    }

    /// Forgets everything, for a new connection in this one's place.
    pub fn clear(&self) {
        self.bytes.borrow_mut().clear();
        self.written.set(0);
        self.rung.set(false);
    }

    fn unwritten(&self) -> usize {
        self.bytes.borrow().len() - self.written.get()
    }

    fn listen(&self, cx: &Context<'_>) {
        self.waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
    }
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// There is something new in the input.
    Read,
    /// Somebody rang.
    Rung,
    /// The peer closed its side.
    Closed,
}

pub struct Wire {
    stream: TcpStream,
    pub input: Input,
    busy_turns: u32,
}

impl Wire {
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, input: Input::new(), busy_turns: 0 }
    }

    /// Writes what is due, then waits for input or for the bell. Dropping it loses nothing.
    pub async fn turn(&mut self, outbox: &Outbox) -> io::Result<Turn> {
        if self.busy_turns >= TURNS_BEFORE_YIELD {
            self.busy_turns = 0;
            glommio::executor().yield_task_queue_now().await;
        }
        self.busy_turns += 1;
        let mut waited = false;
        let turn = poll_fn(|cx| {
            let polled = self.poll_turn(cx, outbox);
            waited |= polled.is_pending();
            polled
        })
        .await;
        if waited {
            self.busy_turns = 0;
        }
        // While the task runs nobody needs to wake it: the next turn begins with writing.
        outbox.waker.borrow_mut().take();
        turn
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<Turn>> {
        self.poll_flush(cx, outbox)?;
        if outbox.rung.replace(false) {
            return Poll::Ready(Ok(Turn::Rung));
        }
        outbox.listen(cx);
        if outbox.unwritten() >= OUTPUT_HIGH_WATER {
            return Poll::Pending;
        }
        let space = self.input.space();
        match Pin::new(&mut self.stream).poll_read(cx, space) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(Turn::Closed)),
            Poll::Ready(Ok(count)) => {
                // After a full read there may be more at once, and glommio would find it without ever waiting.
                if count == space.len() {
                    self.busy_turns = TURNS_BEFORE_YIELD;
                }
                self.input.tail += count;
                Poll::Ready(Ok(Turn::Read))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> io::Result<()> {
        let mut bytes = outbox.bytes.borrow_mut();
        let mut written = outbox.written.get();
        while written < bytes.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &bytes[written..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if written == bytes.len() {
            bytes.clear();
            written = 0;
        }
        outbox.written.set(written);
        Ok(())
    }
}

/// What was read and not yet handled.
pub struct Input {
    bytes: Vec<u8>,
    head: usize,
    tail: usize,
}

impl Input {
    fn new() -> Self {
        Self { bytes: vec![0; INPUT_LEN], head: 0, tail: 0 }
    }

    /// The next whole PDU, or `None` until more was read.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Fault> {
        match Frame::cut(&self.bytes[self.head..self.tail], MAX_PDU)? {
            Some(frame) => {
                self.head += frame.len();
                Ok(Some(frame))
            }
            None => Ok(None),
        }
    }

    /// Room to read into: never less than a PDU of the greatest length needs.
    fn space(&mut self) -> &mut [u8] {
        if self.head == self.tail {
            (self.head, self.tail) = (0, 0);
        } else if self.bytes.len() - self.tail < MAX_PDU {
            self.bytes.copy_within(self.head..self.tail, 0);
            (self.head, self.tail) = (0, self.tail - self.head);
        }
        &mut self.bytes[self.tail..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};

    #[test]
    fn a_pdu_cut_by_the_end_of_the_buffer_is_whole_after_the_next_read() {
        let mut pdu = Vec::new();
        let body = vec![7; MAX_PDU - 16];
        let (command, status) = (CommandId::DATA_SM, CommandStatus::ROK);
        Frame { command, status, sequence: SequenceNumber(1), body: &body }.write(&mut pdu);
        let stream: Vec<u8> = pdu.iter().copied().cycle().take(pdu.len() * 5).collect();
        let (mut input, mut fed, mut frames) = (Input::new(), 0, 0);
        while fed < stream.len() {
            let space = input.space();
            let count = space.len().min(50_001).min(stream.len() - fed);
            space[..count].copy_from_slice(&stream[fed..fed + count]);
            input.tail += count;
            fed += count;
            while let Some(frame) = input.next_frame().unwrap() {
                assert_eq!(frame.body, body);
                frames += 1;
            }
        }
        assert_eq!(frames, 5);
    }
}
