//! Bad input and its answer: the table of the SMPP edge, a test for each row and named after it.
//!
//! Each row says what is answered and whether the session stays. Beside every one of them a good session submits all the while, and
//! its ledger must be perfect at the end: whatever anybody sends, nobody else notices.

mod at_bind;
mod before_bind;
mod beside;
mod bound;
mod capacity;
mod exhaustion;
mod malformed;
mod peers;

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{AutoCarrier, Carrier};
use crate::gateway::Gateway;
use crate::peer::{Peer, ROK, plain};
pub use beside::Beside;

/// A gateway of two shards with the customer under test (`acme`) at one, and the good session's account (`other`) at the other.
pub struct Stage {
    pub gateway: Gateway,
    beside: Beside,
    pub carrier: AutoCarrier,
}

/// What of the configuration a row needs otherwise. `CARRIER` stands for the carrier's address.
#[derive(Default)]
pub struct Settings<'a> {
    pub acme: &'a str,
    pub other: &'a str,
    pub accounts: &'a str,
    pub north: &'a str,
    pub more: &'a str,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(&Settings::default())
    }

    pub fn acme_with(acme: &str) -> Self {
        Self::with(&Settings { acme, ..Settings::default() })
    }

    pub fn with(settings: &Settings<'_>) -> Self {
        let Settings { acme, other, accounts, north, more } = settings;
        let carrier = Carrier::listen().run();
        let yaml = format!(
            r#"
accounts:
  acme: {{ password: secret, shard: 1, {acme} }}
  other: {{ password: beside, shard: 0, {other} }}{accounts}
carriers:
  north: {{ connect: "CARRIER", system_id: us, password: secret, links: 1, shard: 0, {north} }}
routes:
  - {{ when: {{ destination: "4*" }}, to: north }}
{more}
"#
        );
        let gateway = Gateway::start(&yaml.replace("CARRIER", &carrier.address.to_string()));
        let beside = Beside::start(&gateway);
        Self { gateway, beside, carrier }
    }

    pub fn connect(&self) -> Peer {
        self.gateway.connect()
    }

    /// A connection from another address of this machine, `127.0.0.LAST`.
    pub fn connect_from(&self, last: u8) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&self.gateway.smpp.into()).unwrap();
        Peer::over(socket.into())
    }

    pub fn acme(&self) -> Peer {
        self.bound(BindMode::Transceiver, "acme")
    }

    pub fn bound(&self, mode: BindMode, account: &str) -> Peer {
        let mut peer = self.connect();
        assert_eq!(peer.bind(mode, account, "secret").status, ROK, "{account}");
        peer
    }

    /// The session stays: it is answered, and its next submit goes through.
    pub fn stays(&self, session: &mut Peer) {
        session.expect_quiet();
        assert_eq!(session.submit(&plain("goes on")).status, ROK);
    }

    /// The good session noticed nothing, no connection panicked, and the process runs.
    pub fn nobody_noticed(self) {
        let Self { mut gateway, beside, carrier } = self;
        beside.was_perfect();
        let log = gateway.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(gateway.child.as_mut().unwrap().try_wait().unwrap().is_none(), "the gateway ended:\n{log}");
        // Its links end first.
        drop((gateway, carrier));
    }
}
