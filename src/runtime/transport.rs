//! What a connection reads from and writes to: a socket, in clear or through TLS.
//!
//! What TLS was handed is beyond recall, for its records may be with the kernel in part. So it is handed no more than one record
//! ahead of the kernel, and what it was handed counts as written, also when writing then fails.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;
use rustls::ClientConnection;

pub enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

pub struct TlsStream {
    tcp: TcpStream,
    tls: ClientConnection,
    /// The kernel took something since this was last asked.
    has_progressed: bool,
}

impl Transport {
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Self::Tls(stream) => stream.poll_read(cx, into),
        }
    }

    /// Takes some of `octets`, for good; `Pending` when it takes none now.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Tls(stream) => stream.poll_write(cx, octets),
        }
    }

    /// `Ready` once the kernel has everything that was taken.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => stream.poll_flush(cx),
        }
    }

    /// Whether there is something to flush that nobody wrote: TLS has an answer of its own.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.tls.wants_write(),
        }
    }

    /// Whether the kernel took any of what was taken before; a peer that reads slowly is not one that does not read.
    pub fn has_progressed(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => std::mem::take(&mut stream.has_progressed),
        }
    }

    /// Tells the peer's TLS that nothing follows, if the kernel takes it.
    pub fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            stream.tls.send_close_notify();
            let _ = stream.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }

    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => &stream.tcp,
        }
    }
}

impl TlsStream {
    /// The longest a record may be: what is handed to TLS at once.
    const RECORD: usize = 16 << 10;
    /// Reads without a single octet for us, as TLS has much to say to itself, before others have their turn.
    const SILENT_READS: u32 = 16;

    #[must_use]
    pub fn new(tcp: TcpStream, tls: ClientConnection) -> Self {
        Self { tcp, tls, has_progressed: false }
    }

    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if !self.tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_read_records(cx))? == 0 {
                let why = "the connection was closed during the handshake";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        for _ in 0..Self::SILENT_READS {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
            ready!(self.poll_read_records(cx))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once from the socket; 0 when the peer closed it.
    fn poll_read_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = match self.tls.read_tls(&mut Socket { tcp: &mut self.tcp, cx }) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Err(error) = self.tls.process_new_packets() {
            // The peer is told why, if the kernel takes it.
            let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.tls.writer().write(&octets[..octets.len().min(Self::RECORD)])?;
        // Whatever comes of it, they are taken; the next call meets the same error.
        let _ = self.poll_flush(cx);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket { tcp: &mut self.tcp, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => self.has_progressed = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The socket as rustls wants it: what would have to wait is an error, and the task is woken when it need not.
struct Socket<'a, 'b> {
    tcp: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Read for Socket<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.tcp).poll_read(self.cx, into))
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.tcp).poll_write(self.cx, octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
