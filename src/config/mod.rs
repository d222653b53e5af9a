//! The configuration as it is meant: a `Config` that cannot be wrong.
//!
//! `raw` is the YAML as written, `validate` turns it into a `Config` or reports every problem at once; `reader` is how the
//! sections (`listeners`, `accounts`, `carriers`, `routes`) walk it. Nothing here reads files, the environment or the host:
//! those values are handed in (`Surroundings`). Accounts, carriers and routes keep the file's order; they are referred to by
//! index (`AccountId`, `CarrierId`) while the process runs and by name in what is stored.

mod accounts;
mod carriers;
mod conditions;
mod contradictions;
mod diff;
mod keyword;
mod listeners;
mod network;
mod numbers;
mod opt_out;
mod pattern;
mod profile;
mod raw;
mod reader;
mod routes;
mod scalars;
mod secret;
mod summary;
#[cfg(test)]
mod tests;
mod validate;

pub use accounts::{
    Accept, Account, Binds, Callback, Calls, Deliver, DeliverMo, DestinationCap, OptOut, Outbind, OverRate, Quota,
    ReceiptText, ReceiptsOfParts, UnrequestedReceipts,
};
pub use carriers::{Carrier, CarrierIdFormats, CarrierState, CarrierTls, Connect, InDoubt};
pub use conditions::{Accounts, Conditions, NetworkCondition};
pub use diff::{Diff, extended, merged};
pub use keyword::Keyword;
pub use network::Network;
pub use numbers::{MobileNetwork, Numbers};
pub use opt_out::NumberSet;
pub use pattern::Pattern;
pub use profile::{
    AddressKind, AddressRules, LinkHabits, LongSender, NumberFormat, OperationHabits, PrefixRule, Profile,
    ReceiptHabits, Reconnect, Rewriting, SourceRules, StatusTable, SubmitHabits, Then,
};
pub use reader::{Problem, Surroundings};
pub use scalars::{callback_url, duration_or_zero as parse_duration};
pub use secret::{Password, Secret};
pub use summary::{route_in_words, summary};
pub use validate::{Parsed, parse, parse_admin};

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Position of an account in `Config::accounts`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId(pub u32);

/// Position of a carrier in `Config::carriers`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CarrierId(pub u16);

impl AccountId {
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl CarrierId {
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    /// 0..=1023, part of every message_id.
    pub node: u16,
    /// Shards to run; `None` is one per core.
    pub shards: Option<NonZeroU16>,
    /// How long SIGTERM waits.
    pub drain: Duration,
    pub store: Store,
    pub smpp: Smpp,
    pub limits: Limits,
    pub http: Option<Http>,
    pub admin: Admin,
    pub log: Log,
    pub cdr: Option<Cdr>,
    pub accounts: Vec<Account>,
    pub carriers: Vec<Carrier>,
    /// Which networks numbers belong to; `None` when no route may ask.
    pub numbers: Option<Arc<Numbers>>,
    pub routes: Vec<Route>,
    pub mo: Vec<MoRoute>,
    pub unrouted_mo: UnroutedMo,
}

impl Config {
    #[must_use]
    pub fn account(&self, id: AccountId) -> &Account {
        &self.accounts[id.index()]
    }

    #[must_use]
    pub fn carrier(&self, id: CarrierId) -> &Carrier {
        &self.carriers[id.index()]
    }

    /// Whether any password is there as a hash only.
    #[must_use]
    pub fn has_hashes(&self) -> bool {
        let mut passwords = self.accounts.iter().flat_map(|account| &account.passwords);
        passwords.any(|password| matches!(password, Password::Argon2id(_)))
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Store {
    pub path: PathBuf,
    pub durability: Durability,
    pub retention: Duration,
    /// Octets of a segment; `None` is 64 MiB or 1/16 of the file system.
    pub segment: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Survives power loss.
    Fsync,
    /// Survives the process.
    Process,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Smpp {
    pub listen: Vec<SocketAddr>,
    pub tls: Option<TlsListener>,
    pub proxy_protocol: bool,
    /// Whose PROXY headers are believed; `None` is whoever connects.
    pub proxy_from: Option<Vec<Network>>,
    pub system_id: String,
    pub timers: Timers,
    /// Longest PDU of a bound session or link, in octets.
    pub max_pdu: usize,
}

/// The four SMPP timers (SMPP 3.4, section 7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timers {
    pub session_init: Duration,
    pub enquire_link: Duration,
    pub inactivity: Duration,
    pub response: Duration,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsListener {
    pub listen: Vec<SocketAddr>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    pub connections: u32,
    pub unbound: u32,
    pub unbound_per_address: u32,
    /// HTTP connections, which count among `connections` too.
    pub http: u32,
    /// Of them, from one address that is no proxy's.
    pub http_per_address: u32,
    pub ban_exempt: Vec<Network>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Http {
    pub listen: Vec<SocketAddr>,
    pub tls: Option<TlsListener>,
    /// Proxies, which are believed when they say for whom they ask.
    pub forwarded_from: Vec<Network>,
    pub timers: HttpTimers,
}

/// How long an HTTP connection is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HttpTimers {
    /// Until the TLS handshake is done, and from a head's first octet to its last.
    pub head: Duration,
    /// From a head's end to that of its body.
    pub body: Duration,
    /// Between requests, and before the first.
    pub idle: Duration,
    /// While nothing of a response is taken.
    pub unread: Duration,
}

impl Default for HttpTimers {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(5), body: seconds(10), idle: seconds(60), unread: seconds(30) }
    }
}

impl Http {
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.forwarded_from.iter().any(|network| network.contains(address))
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Admin {
    pub listen: SocketAddr,
    /// Needed when not on loopback.
    pub token: Option<Secret>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
    /// Of targets that have one of their own.
    pub targets: Vec<(String, LogLevel)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cdr {
    pub path: PathBuf,
    pub format: CdrFormat,
    /// A file is closed when it is so old, or has so many octets.
    pub rotate: Duration,
    pub size: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CdrFormat {
    Jsonl,
    Csv,
}

/// Which home a pinned account or carrier has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShardPin {
    Auto,
    Shard(u16),
}

/// Segments per second and how many may come at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    pub when: Conditions,
    pub choose: Choose,
    /// In order of preference; at least one that is not draining.
    pub to: Vec<RouteTarget>,
}

/// How a route finds the first carrier to try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choose {
    /// The first that is named; the rest follow in their order.
    Order,
    /// By chance, in proportion to the weights; the rest follow by weight.
    Weight,
    /// The less loaded of two drawn at random; the rest follow by load.
    LeastLoaded,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteTarget {
    pub carrier: CarrierId,
    /// 0: draining, never tried for a new message. Without `Choose::Weight` it is 0 or not given; with it all have one.
    pub weight: Option<u32>,
}

impl RouteTarget {
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.weight == Some(0)
    }
}

/// Where a deliver_sm that is no receipt goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MoRoute {
    pub carrier: Option<CarrierId>,
    pub destination: Option<Vec<Pattern>>,
    pub source: Option<Vec<Pattern>>,
    /// The first word of its text.
    pub keyword: Option<Vec<Keyword>>,
    pub to: AccountId,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnroutedMo {
    Keep,
    Refuse,
}
