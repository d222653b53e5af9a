//! Accepting: one task per listening socket, on shard 0, never cancelled. Connections are counted in and dealt round robin.

use std::cell::Cell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use glommio::timer::Timer;
use socket2::SockRef;

use crate::runtime::mesh::MeshMessage;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::sys;

/// An accept that fails (EMFILE) fails again at once: wait for descriptors to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Deals connections over all shards.
pub struct Dealer {
    shards: usize,
    next: Cell<usize>,
}

impl Dealer {
    #[must_use]
    pub fn new(shards: usize) -> Rc<Self> {
        Rc::new(Self { shards, next: Cell::new(0) })
    }

    /// Accepts until the process ends.
    pub async fn accept(self: Rc<Self>, shard: Rc<ShardLoop>, listener: std::net::TcpListener) {
        let listener = sys::listener_from(listener);
        loop {
            let accepted = listener.shared_accept().await.map_err(std::io::Error::from).and_then(sys::own_accepted);
            match accepted {
                Ok(socket) => self.deal(&shard, socket),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    Timer::new(PAUSE).await;
                }
            }
        }
    }

    fn deal(&self, shard: &Rc<ShardLoop>, socket: OwnedFd) {
        // Without a peer's address the peer is gone already.
        let Some(address) = peer(&socket) else { return };
        if shard.in_engine(|engine, now| engine.shard.admit(address.ip().to_canonical(), now)).is_err() {
            return;
        }
        let to = self.next.get();
        self.next.set((to + 1) % self.shards);
        if to == shard.id.index() {
            shard.accept(socket, address);
        } else {
            shard.send(to, MeshMessage::Accepted { socket, address });
        }
    }
}

fn peer(socket: &OwnedFd) -> Option<SocketAddr> {
    SockRef::from(socket).peer_addr().ok()?.as_socket()
}
