//! Sockets as we want them: listeners with our own backlog, connections that neither wait nor hang.
//!
//! glommio's own `bind` lacks SO_REUSEADDR and fixes the backlog; its `connect` resolves names on the shard.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use futures_lite::future;
use glommio::net::TcpStream;
use glommio::timer::Timer;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::runtime::handover::on_a_thread;
use crate::runtime::resolve::Resolver;
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

impl SocketError {
    pub fn new(doing: &'static str, address: impl fmt::Display, error: io::Error) -> Self {
        Self { doing, address: address.to_string(), error }
    }
}

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
    open().map_err(|error| SocketError::new("listen on", address, error))
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

/// Connects to `host:port` within `timeout`, resolving included. Each address of the name is tried in turn, and has its share
/// of the time, so that one that is silent does not take the others' turn.
pub async fn connect(
    resolver: &Resolver,
    target: &str,
    source: Option<IpAddr>,
    timeout: Duration,
) -> Result<TcpStream, SocketError> {
    let deadline = clock::monotonic_ns().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    let connected = async {
        let mut addresses = future::or(resolver.addresses(target), give_up(timeout)).await?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        if let Some(source) = source {
            addresses.retain(|address| address.is_ipv4() == source.is_ipv4());
            last = io::Error::new(io::ErrorKind::NotFound, "the name has no address that source_address can reach");
        }
        connect_in_turn(&addresses, source, deadline).await.unwrap_or(Err(last))
    };
    connected.await.map_err(|error| SocketError::new("connect to", target, error))
}

/// Connects to the first of these that answers before `deadline_ns`; `None` when there are none. Each has its share of the time.
pub async fn connect_in_turn(
    addresses: &[SocketAddr],
    source: Option<IpAddr>,
    deadline_ns: u64,
) -> Option<io::Result<TcpStream>> {
    let mut last = None;
    for (at, address) in addresses.iter().enumerate() {
        let left = Duration::from_nanos(deadline_ns.saturating_sub(clock::monotonic_ns()));
        let share = (left / (addresses.len() - at) as u32).max(Duration::from_millis(1));
        let tried = match source {
            None => TcpStream::connect_timeout(*address, share).await.map_err(io::Error::from),
            Some(source) => connect_from(source, *address, share).await,
        };
        match tried {
            Ok(stream) => return Some(tune(&stream).map(|()| stream)),
            Err(error) => last = Some(Err(error)),
        }
    }
    last
}

/// Connects from an address of ours. glommio has no such call, so it is done on a thread, which ends with `timeout`.
async fn connect_from(source: IpAddr, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let connect = move || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(source, 0).into()).map_err(|error| {
            io::Error::new(error.kind(), format!("source_address {source} is not to be had: {error}"))
        })?;
        socket.connect_timeout(&address.into(), timeout).map(|()| socket)
    };
    let connecting = on_a_thread("dial", move || Some(connect()))?;
    let connected = connecting.look(Option::take).await;
    let socket = connected.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))?;
    sys::stream_from(socket.into())
}

/// Options of every connection, accepted or ours: write at once, and notice a dead peer.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    let descriptor = sys::descriptor(stream);
    let socket = SockRef::from(&descriptor);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

pub async fn give_up<T>(after: Duration) -> io::Result<T> {
    Timer::new(after).await;
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

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
            let stream = connect(&Resolver::default(), &format!("localhost:{port}"), None, PATIENCE).await.unwrap();
            assert!(stream.nodelay().unwrap());
            let descriptor = sys::descriptor(&stream);
            assert_eq!(SockRef::from(&descriptor).tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        });
    }

    #[test]
    fn a_connection_refused_names_the_carriers_address() {
        let address = loopback().local_addr().unwrap().to_string();
        let error = on_executor(async { connect(&Resolver::default(), &address, None, PATIENCE).await.unwrap_err() });
        assert_eq!(error.error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    }

    #[test]
    fn a_target_without_a_port_is_refused() {
        let error =
            on_executor(async { connect(&Resolver::default(), "localhost", None, PATIENCE).await.unwrap_err() });
        assert_eq!(error.error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn each_address_of_a_name_is_tried() {
        let nobody = loopback().local_addr().unwrap();
        let listener = loopback();
        let target = format!("{nobody},{}", listener.local_addr().unwrap());
        on_executor(async move {
            let resolver = Resolver::with(|target| Ok(target.split(',').map(|at| at.parse().unwrap()).collect()));
            let stream = connect(&resolver, &target, None, PATIENCE).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        });
    }

    #[test]
    fn a_connection_comes_from_the_address_it_is_told_to() {
        let listener = loopback();
        let address = listener.local_addr().unwrap().to_string();
        let source = "127.0.0.9".parse().unwrap();
        on_executor(async move {
            let resolver = Resolver::default();
            let stream = connect(&resolver, &address, Some(source), PATIENCE).await.unwrap();
            assert_eq!(stream.local_addr().unwrap().ip(), source);
            let elsewhere = Some("192.0.2.1".parse().unwrap());
            let error = connect(&resolver, &address, elsewhere, PATIENCE).await.unwrap_err();
            assert!(error.to_string().contains("source_address 192.0.2.1 is not to be had: "), "{error}");
            let of_another_family = Some("::1".parse().unwrap());
            let error = connect(&resolver, &address, of_another_family, PATIENCE).await.unwrap_err();
            assert!(error.to_string().ends_with("no address that source_address can reach"), "{error}");
        });
    }
}
