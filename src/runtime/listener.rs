//! Accepting: one task per listening socket, on shard 0, never cancelled. Connections are counted in and dealt round robin.

use std::cell::Cell;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glommio::timer::Timer;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::config::{Config, TlsListener};
use crate::metrics::ConnectionRefusal;
use crate::runtime::control::{Control, Stage};
use crate::runtime::inherited::Inherited;
use crate::runtime::mesh::{Accepted, MeshMessage, Speaks};
use crate::runtime::proxy_protocol;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::socket::SocketError;
use crate::runtime::{socket, sys};

/// An accept that fails (EMFILE) fails again at once: wait for descriptors to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that customers connect to.
#[derive(Debug)]
pub struct Listener {
    pub socket: TcpListener,
    pub is_tls: bool,
    pub speaks: Speaks,
    /// Whoever started us keeps it open: who connects to it after us waits for the next process.
    pub is_inherited: bool,
}

impl Listener {
    /// SMPP, then HTTP; each in clear, then over TLS. What is not inherited is opened.
    pub fn open_all(config: &Config, inherited: &mut Inherited) -> Result<Vec<Self>, SocketError> {
        let over_tls = |tls: &Option<TlsListener>| tls.as_ref().map(|tls| tls.listen.clone()).unwrap_or_default();
        let (smpp, http) = (&config.smpp, config.http.as_ref());
        let groups = [
            (smpp.listen.clone(), false, Speaks::Smpp),
            (over_tls(&smpp.tls), true, Speaks::Smpp),
            (http.map(|http| http.listen.clone()).unwrap_or_default(), false, Speaks::Http),
            (http.map(|http| over_tls(&http.tls)).unwrap_or_default(), true, Speaks::Http),
        ];
        let mut listeners = Vec::new();
        for (addresses, is_tls, speaks) in groups {
            for address in addresses {
                let given = inherited.take(address, speaks, is_tls);
                let is_inherited = given.is_some();
                let socket = given.map_or_else(|| socket::listen_once_free(address), Ok)?;
                listeners.push(Self { socket, is_tls, speaks, is_inherited });
            }
        }
        Ok(listeners)
    }
}

/// Connects to a listener of ours, so that its task finds that the process drains: it is never cancelled, and would take one more
/// customer. It is known by where it comes from, so that nobody takes this for one.
pub fn wake(address: SocketAddr, control: &Control) -> io::Result<()> {
    let from = if address.is_ipv4() {
        SocketAddr::from(([127, 0, 0, 1], 0))
    } else {
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0))
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&from.into())?;
    control.wakes().extend(socket.local_addr()?.as_socket());
    socket.connect_timeout(&address.into(), PAUSE)
}

/// Deals connections over all shards.
pub struct Dealer {
    shards: usize,
    next: Cell<usize>,
    /// Connections whose PROXY header is being read.
    awaited: Cell<u32>,
}

impl Dealer {
    #[must_use]
    pub fn new(shards: usize) -> Rc<Self> {
        Rc::new(Self { shards, next: Cell::new(0), awaited: Cell::new(0) })
    }

    /// Accepts until the process has drained its carriers; from a socket that outlives it, until it drains.
    pub async fn accept(self: Rc<Self>, shard: Rc<ShardLoop>, listener: Listener) {
        let Listener { socket, is_tls, speaks, is_inherited } = listener;
        let listener = sys::listener_from(socket);
        let is_left_to_the_next = || is_inherited && shard.shared.control.stage() != Stage::Serving;
        while !is_left_to_the_next() {
            let accepted = listener.shared_accept().await.map_err(std::io::Error::from).and_then(sys::own_accepted);
            match accepted {
                Ok(socket) => {
                    // Without a peer's address the peer is gone already.
                    let Some(address) = peer(&socket) else { continue };
                    if is_left_to_the_next() && shard.shared.control.wakes().contains(&address) {
                        return;
                    }
                    let address = address.ip().to_canonical();
                    let accepted = Accepted { socket, address, is_tls, speaks };
                    if speaks == Speaks::Smpp && shard.live().config.smpp.proxy_protocol {
                        self.await_header(&shard, accepted);
                    } else {
                        self.deal(&shard, accepted);
                    }
                }
                Err(_) if shard.shared.control.stage() == Stage::Sessions => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    Timer::new(PAUSE).await;
                }
            }
        }
    }

    /// Deals a connection once its PROXY header said whom it comes from.
    fn await_header(self: &Rc<Self>, shard: &Rc<ShardLoop>, accepted: Accepted) {
        let Accepted { socket, address: peer, is_tls, speaks } = accepted;
        if self.awaited.get() >= shard.live().config.limits.unbound {
            let refused = ConnectionRefusal::Unbound;
            return shard.in_engine(|engine, _| engine.shard.counts.count_connection_refused(refused));
        }
        self.awaited.set(self.awaited.get() + 1);
        let (dealer, shard) = (Rc::clone(self), Rc::clone(shard));
        let reading = async move {
            let config = Arc::clone(&shard.live().config);
            let read = proxy_protocol::read_header(socket, peer, &config).await;
            dealer.awaited.set(dealer.awaited.get() - 1);
            match read {
                Ok((socket, address)) => dealer.deal(&shard, Accepted { socket, address, is_tls, speaks }),
                Err(error) => shard.in_engine(|engine, now| {
                    engine.shard.refuse_header(peer, error.to_string(), now, &mut engine.out);
                }),
            }
        };
        glommio::spawn_local(reading).detach();
    }

    fn deal(&self, shard: &Rc<ShardLoop>, accepted: Accepted) {
        let admitted = shard.in_engine(|engine, now| match accepted.speaks {
            Speaks::Smpp => engine.shard.admit(accepted.address, now),
            Speaks::Http => engine.shard.admit_web(accepted.address, now),
        });
        if admitted.is_err() {
            return;
        }
        let to = self.next.get();
        self.next.set((to + 1) % self.shards);
        if to == shard.id.index() {
            shard.accept(accepted);
        } else {
            shard.send(to, MeshMessage::Accepted(accepted));
        }
    }
}

fn peer(socket: &OwnedFd) -> Option<SocketAddr> {
    SockRef::from(socket).peer_addr().ok()?.as_socket()
}
