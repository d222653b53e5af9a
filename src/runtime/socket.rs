//! Sockets as we want them: listeners with our own backlog, connections that neither wait nor hang, names resolved off
//! the shard.
//!
//! glommio's own `bind` lacks SO_REUSEADDR and fixes the backlog; its `connect` resolves names on the shard.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_lite::future;
use glommio::net::TcpStream;
use glommio::timer::Timer;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::runtime::{clock, sys};

const BACKLOG: i32 = 4_096;

const PORT_TRIES: u32 = 100;
const PORT_PAUSE: Duration = Duration::from_millis(100);

/// A peer that acknowledges nothing for this long is gone; the kernel alone would wait a quarter of an hour.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// What could not be done, with which address, and why.
#[derive(Debug)]
pub struct SocketError {
    doing: &'static str,
    address: String,
    pub error: io::Error,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.address, self.error)
    }
}

impl std::error::Error for SocketError {}

/// Opens a listening socket. It stays blocking: glommio makes it non-blocking around its own try, and on some kernels
/// io_uring would answer EAGAIN at once, for ever, on one that is non-blocking.
pub fn listen(address: SocketAddr) -> Result<TcpListener, SocketError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error| SocketError { doing: "listen on", address: address.to_string(), error })
}

/// Listens like `listen`, trying again for ten seconds while the port is taken: what io_uring holds can outlive the process
/// before us. For what comes before any shard runs.
pub fn listen_once_free(address: SocketAddr) -> Result<TcpListener, SocketError> {
    for _ in 1..PORT_TRIES {
        match listen(address) {
            Err(taken) if taken.error.kind() == io::ErrorKind::AddrInUse => clock::pause(PORT_PAUSE),
            other => return other,
        }
    }
    listen(address)
}

/// Connects to `host:port` within `timeout`, resolving included; each address of the name is tried in turn.
pub async fn connect(target: &str, timeout: Duration) -> Result<TcpStream, SocketError> {
    let deadline = clock::monotonic_ns().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    let connected = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in future::or(resolve(target), give_up(timeout)).await? {
            let left = Duration::from_nanos(deadline.saturating_sub(clock::monotonic_ns()));
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match TcpStream::connect_timeout(address, left).await {
                Ok(stream) => return tune(&stream).map(|()| stream),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    };
    connected.await.map_err(|error| SocketError { doing: "connect to", address: target.to_owned(), error })
}

/// Options of every connection, accepted or ours: write at once, and notice a dead peer.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    let descriptor = sys::descriptor(stream);
    let socket = SockRef::from(&descriptor);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// The addresses of `host:port`. A name is looked up by a thread of its own: a name server that does not answer would
/// otherwise stall the shard, or the one thread that does the store's blocking calls.
async fn resolve(target: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = target.parse() {
        return Ok(vec![address]);
    }
    #[derive(Default)]
    struct Lookup {
        found: Option<io::Result<Vec<SocketAddr>>>,
        waiting: Option<Waker>,
    }
    let lookup = Arc::new(Mutex::new(Lookup::default()));
    let (theirs, name) = (Arc::clone(&lookup), target.to_owned());
    std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let found = name.to_socket_addrs().map(Iterator::collect);
        let mut lookup = theirs.lock().unwrap_or_else(PoisonError::into_inner);
        lookup.found = Some(found);
        if let Some(waker) = lookup.waiting.take() {
            waker.wake();
        }
    })?;
    poll_fn(move |cx| {
        let mut lookup = lookup.lock().unwrap_or_else(PoisonError::into_inner);
        match lookup.found.take() {
            Some(found) => Poll::Ready(found),
            None => {
                lookup.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

async fn give_up<T>(after: Duration) -> io::Result<T> {
    Timer::new(after).await;
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    fn on_executor<T: 'static>(work: impl Future<Output = T>) -> T {
        LocalExecutorBuilder::new(Placement::Unbound).make().unwrap().run(work)
    }

    fn loopback() -> TcpListener {
        listen("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_port_that_is_taken_is_named_in_the_error() {
        let taken = loopback();
        let address = taken.local_addr().unwrap();
        let error = listen(address).unwrap_err();
        assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
    }

    #[test]
    fn a_name_is_resolved_and_the_connection_writes_at_once_and_notices_a_dead_peer() {
        let listener = loopback();
        let port = listener.local_addr().unwrap().port();
        on_executor(async move {
            let stream = connect(&format!("localhost:{port}"), Duration::from_secs(5)).await.unwrap();
            assert!(stream.nodelay().unwrap());
            let descriptor = sys::descriptor(&stream);
            assert_eq!(SockRef::from(&descriptor).tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        });
    }

    #[test]
    fn a_connection_refused_names_the_carriers_address() {
        let address = loopback().local_addr().unwrap().to_string();
        let error = on_executor(async { connect(&address, Duration::from_secs(5)).await.unwrap_err() });
        assert_eq!(error.error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    }

    #[test]
    fn a_target_without_a_port_is_refused() {
        let error = on_executor(async { connect("localhost", Duration::from_secs(5)).await.unwrap_err() });
        assert_eq!(error.error.kind(), io::ErrorKind::InvalidInput);
    }
}
