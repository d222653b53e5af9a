//! hyper's reading and writing on a connection of ours, in clear or through TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::runtime::transport::Transport;

const SCRATCH_LEN: usize = 8 << 10;

/// A stream as hyper wants it. Reads go through a buffer of our own: hyper's may be uninitialised, and filling it in
/// place would need `unsafe` for a copy of a few KiB that nobody notices.
pub struct HyperIo {
    transport: Transport,
    scratch: Box<[u8]>,
}

impl HyperIo {
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self { transport, scratch: vec![0; SCRATCH_LEN].into_boxed_slice() }
    }
}

impl Read for HyperIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = into.remaining().min(this.scratch.len());
        let read = ready!(this.transport.poll_read(cx, &mut this.scratch[..room]))?;
        into.put_slice(&this.scratch[..read]);
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().transport.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().transport.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.transport.poll_flush(cx))?;
        this.transport.say_goodbye();
        Poll::Ready(this.transport.shutdown())
    }
}
