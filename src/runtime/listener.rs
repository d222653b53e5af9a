//! Accepting: one task per listening socket, on shard 0, never cancelled. Connections are counted in and dealt round robin.

use std::cell::Cell;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glommio::timer::Timer;
use socket2::SockRef;

use crate::metrics::ConnectionRefusal;
use crate::runtime::mesh::{Accepted, MeshMessage, Speaks};
use crate::runtime::proxy_protocol;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::sys;

/// An accept that fails (EMFILE) fails again at once: wait for descriptors to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that customers connect to.
#[derive(Debug)]
pub struct Listener {
    pub socket: std::net::TcpListener,
    pub is_tls: bool,
    pub speaks: Speaks,
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

    /// Accepts until the process ends.
    pub async fn accept(self: Rc<Self>, shard: Rc<ShardLoop>, listener: Listener) {
        let Listener { socket, is_tls, speaks } = listener;
        let listener = sys::listener_from(socket);
        loop {
            let accepted = listener.shared_accept().await.map_err(std::io::Error::from).and_then(sys::own_accepted);
            match accepted {
                Ok(socket) => {
                    // Without a peer's address the peer is gone already.
                    let Some(address) = peer(&socket) else { continue };
                    let accepted = Accepted { socket, address, is_tls, speaks };
                    if speaks == Speaks::Smpp && shard.live().config.smpp.proxy_protocol {
                        self.await_header(&shard, accepted);
                    } else {
                        self.deal(&shard, accepted);
                    }
                }
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

fn peer(socket: &OwnedFd) -> Option<IpAddr> {
    Some(SockRef::from(socket).peer_addr().ok()?.as_socket()?.ip().to_canonical())
}
