//! What a connection reads from and writes to: a socket, in clear or through TLS.
//!
//! What TLS was handed is beyond recall, for its records may be with the kernel in part. So it is handed no more than one record
//! ahead of the kernel, and what it was handed counts as written, also when writing then fails.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;
use rustls::Connection;
use socket2::SockRef;

use crate::runtime::sys;

pub struct Transport {
    tcp: TcpStream,
    /// `None`: in clear.
    tls: Option<Box<Tls>>,
}

/// One connection's TLS, apart from its socket: a value that may move to another shard with all it holds, what was decrypted and
/// not read as well as what was encrypted and not sent.
#[derive(Debug)]
pub struct Tls {
    connection: Connection,
    /// The kernel took something since this was last asked.
    has_progressed: bool,
}

impl Transport {
    /// Reads.
    const DISCARDED_AT_ONCE: u32 = 16;

    #[must_use]
    pub fn new(tcp: TcpStream, tls: Option<Box<Tls>>) -> Self {
        Self { tcp, tls }
    }

    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => Pin::new(&mut self.tcp).poll_read(cx, into),
            Some(tls) => tls.poll_read(&mut self.tcp, cx, into),
        }
    }

    /// What is there already, in clear; `None` when that is nothing, or nobody can say without `poll_read`. A stream of glommio arms
    /// a poll whenever it read less than it could have, and on a busy shard the completion of each costs an interrupt.
    pub fn read_ready(&self, into: &mut [u8]) -> Option<io::Result<usize>> {
        if self.tls.is_some() {
            return None;
        }
        match sys::receive_now(&self.tcp, into) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => None,
            read => Some(read),
        }
    }

    /// Reads away what still comes; `Ready` once the peer closed. Who pours it in faster than it is read gives others their turn.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<()>> {
        for _ in 0..Self::DISCARDED_AT_ONCE {
            if ready!(self.poll_read(cx, into))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes some of `octets`, for good; `Pending` when it takes none now.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => Pin::new(&mut self.tcp).poll_write(cx, octets),
            Some(tls) => tls.poll_write(&mut self.tcp, cx, octets),
        }
    }

    /// `Ready` once the kernel has everything that was taken.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            None => Poll::Ready(Ok(())),
            Some(tls) => tls.poll_flush(&mut self.tcp, cx),
        }
    }

    /// `Ready` once both sides agree.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            None => Poll::Ready(Ok(())),
            Some(tls) => tls.poll_handshake(&mut self.tcp, cx),
        }
    }

    /// Whether there is something to flush that nobody wrote: TLS has an answer of its own.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.wants_write())
    }

    /// Whether both sides do not agree on TLS yet.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.is_handshaking())
    }

    /// The certificate that the peer showed in its handshake, in DER, without those of its authorities.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        Some(self.tls.as_ref()?.connection.peer_certificates()?.first()?.as_ref())
    }

    /// Whether the kernel took any of what was taken before; a peer that reads slowly is not one that does not read.
    pub fn has_progressed(&mut self) -> bool {
        self.tls.as_mut().is_some_and(|tls| std::mem::take(&mut tls.has_progressed))
    }

    /// Tells the peer's TLS that nothing follows, if the kernel takes it.
    pub fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
            let _ = tls.poll_flush(&mut self.tcp, &mut Context::from_waker(Waker::noop()));
        }
    }

    /// Tells the peer that nothing follows.
    pub fn shutdown(&self) -> io::Result<()> {
        SockRef::from(&sys::descriptor(&self.tcp)).shutdown(Shutdown::Write)
    }

    /// Takes TLS from its socket, which nothing more is read from or written to here.
    pub fn take_tls(&mut self) -> Option<Box<Tls>> {
        self.tls.take()
    }

    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl Tls {
    /// The longest a record may be: what is handed to TLS at once.
    const RECORD: usize = 16 << 10;
    /// Reads without a single octet for us, as TLS has much to say to itself, before others have their turn.
    const SILENT_READS: u32 = 16;

    #[must_use]
    pub fn new(connection: impl Into<Connection>) -> Box<Self> {
        Box::new(Self { connection: connection.into(), has_progressed: false })
    }

    fn poll_handshake(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(tcp, cx))?;
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_read_records(tcp, cx))? == 0 {
                let why = "the connection was closed during the handshake";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
            }
        }
    }

    fn poll_read(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        for _ in 0..Self::SILENT_READS {
            match self.connection.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
            let count = ready!(self.poll_read_records(tcp, cx))?;
            if count == 0 && self.connection.is_handshaking() {
                return Poll::Ready(Ok(0));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once from the socket; 0 when the peer closed it.
    fn poll_read_records(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = match self.connection.read_tls(&mut Socket { tcp, cx }) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Err(error) = self.connection.process_new_packets() {
            // The peer is told why, if the kernel takes it.
            let _ = self.poll_flush(tcp, &mut Context::from_waker(Waker::noop()));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(tcp, cx))?;
        let taken = self.connection.writer().write(&octets[..octets.len().min(Self::RECORD)])?;
        // Whatever comes of it, they are taken; the next call meets the same error.
        let _ = self.poll_flush(tcp, cx);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket { tcp, cx }) {
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_lite::future;
    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    #[test]
    fn others_have_their_turn_while_what_a_peer_pours_in_is_read_away() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        peer.write_all(&[b'x'; 32 << 10]).unwrap();
        drop(peer);
        LocalExecutorBuilder::new(Placement::Unbound).make().unwrap().run(async {
            let mut transport = Transport::new(sys::stream_from(socket.into()).unwrap(), None);
            let mut buffer = [0; 1 << 10];
            let mut discard = Box::pin(poll_fn(|cx| transport.poll_discard(cx, &mut buffer)));
            assert!(future::poll_once(&mut discard).await.is_none(), "all at once");
            discard.await.unwrap();
        });
    }
}
