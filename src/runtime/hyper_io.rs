//! hyper's reading and writing on a glommio stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;
use hyper::rt::{Read, ReadBufCursor, Write};

const SCRATCH_LEN: usize = 8 << 10;

/// A stream as hyper wants it. Reads go through a buffer of our own: hyper's may be uninitialised, and filling it in
/// place would need `unsafe` for a copy of a few KiB that nobody notices.
pub struct HyperIo {
    stream: TcpStream,
    scratch: Box<[u8]>,
}

impl HyperIo {
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, scratch: vec![0; SCRATCH_LEN].into_boxed_slice() }
    }
}

impl Read for HyperIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = into.remaining().min(this.scratch.len());
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut this.scratch[..room]))?;
        into.put_slice(&this.scratch[..read]);
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
