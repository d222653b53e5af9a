//! Dialling carriers: a name's addresses in turn, from the address we are to come from, and TLS where the carrier has it.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_lite::future;

use crate::config::{AccountId, CarrierId};
use crate::engine::event::Input;
use crate::engine::slab::Key;
use crate::runtime::clock;
use crate::runtime::resolve::Resolver;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::socket::{self, SocketError};
use crate::runtime::tls::TlsClient;
use crate::runtime::transport::Transport;

/// From the first look at the name to the end of the handshake.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Whom to dial.
pub struct Dial {
    pub connection: Key,
    pub carrier: CarrierId,
    pub link: u16,
    pub address: Arc<str>,
}

impl ShardLoop {
    /// Dials, and tells the engine how it ended.
    pub(super) async fn dial(self: Rc<Self>, dial: Dial) {
        let Dial { connection: key, carrier, link, address } = dial;
        let live = self.live();
        let config = live.config.carrier(carrier);
        let tls = live.tls.clients.get(carrier.index()).and_then(Option::as_ref);
        match connect(&self.resolver, &address, config.source_address, tls).await {
            Ok(transport) => {
                self.run(key, transport, BytesMut::new());
                self.handle(Input::Connected { connection: key });
                let is_wanted = self.engine.borrow().shard.is_wanted(key);
                if let Some(unwanted) = self.connection(key).filter(|_| !is_wanted) {
                    unwanted.end(&self);
                }
            }
            Err(error) => {
                tracing::warn!(carrier = config.name, link, %error, "dial failed");
                self.handle(Input::Closed { connection: key });
            }
        }
    }
}

impl ShardLoop {
    /// Dials an ESME that is to bind there, and tells the engine how it ended.
    pub(super) async fn call(self: Rc<Self>, key: Key, account: AccountId, address: Arc<str>) {
        let live = self.live();
        let name = &live.config.account(account).name;
        let dialled = socket::connect(&self.resolver, &address, None, DIAL_TIMEOUT).await;
        let peer = dialled.and_then(|stream| match stream.peer_addr() {
            Ok(peer) => Ok((stream, peer.ip().to_canonical())),
            Err(error) => Err(SocketError::new("stay connected to", &address, error.into())),
        });
        match peer {
            Ok((stream, address)) => {
                self.handle(Input::Called { connection: key, address });
                self.run(key, Transport::new(stream, None), BytesMut::new());
            }
            Err(error) => {
                tracing::warn!(account = name, %error, "call failed");
                self.handle(Input::Closed { connection: key });
            }
        }
    }
}

async fn connect(
    resolver: &Resolver,
    address: &str,
    source: Option<IpAddr>,
    tls: Option<&TlsClient>,
) -> Result<Transport, SocketError> {
    let started = clock::monotonic_ns();
    let tcp = socket::connect(resolver, address, source, DIAL_TIMEOUT).await?;
    let Some(client) = tls else { return Ok(Transport::new(tcp, None)) };
    let left = DIAL_TIMEOUT.saturating_sub(Duration::from_nanos(clock::monotonic_ns() - started));
    let agreed = future::or(client.handshake(address, tcp), socket::give_up(left)).await;
    agreed.map_err(|error| SocketError::new("agree on TLS with", address, error))
}
