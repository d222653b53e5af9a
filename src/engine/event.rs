//! The words between the engine and its shell: what happened (`Input`), what to do (`Action`), what to keep (`Record`), what to
//! log (`Notice`), and why something was refused or ended. What a turn wants done is gathered in `Effects`.

use std::net::IpAddr;
use std::sync::Arc;

use super::audit::Audited;
use super::message::{Batch, DeliveryKind, Octets, ShardId};
use super::orders::Order;
pub use super::place::Place;
pub use super::refusals::SubmitError;
use super::slab::Key;
use super::web::{Caller, Post, Posted, Reply};
use crate::config::{AccountId, CarrierId, NumberSet, Secret};
use crate::metrics::BindRefusal;
pub use crate::metrics::EndReason;
use crate::smpp::command::{CommandStatus, SequenceNumber};
use crate::smpp::message_id::MessageId;
use crate::smpp::pdu::BindMode;

/// Something happened, other than octets (`Shard::receive`).
#[derive(Debug)]
pub enum Input<'a> {
    /// A dialled connection stands.
    Connected { connection: Key },
    /// A connection dialled for an ESME to bind on stands.
    Called { connection: Key, address: IpAddr },
    /// The connection is no more: closed by the peer or by us, failed, or never came to be. Its key is free afterwards.
    Closed { connection: Key },
    /// The connection was given to its account's home. Its key is free afterwards.
    Moved { connection: Key },
    /// A peer's TLS handshake is done; the DNS names in the certificate it showed, if it was asked for one.
    Secured { connection: Key, names: Vec<String> },
    /// A peer's TLS handshake cannot be done; `Closed` follows.
    HandshakeFailed { connection: Key, why: String },
    /// What came of `Action::Verify`.
    Verified { connection: Key, verdict: Verdict },
    /// What a peer shard sent.
    Batch { from: ShardId, batch: &'a Batch },
    /// Every record up to this number is durable.
    Durable { through: u64 },
    /// The wall clock, in Unix seconds. Said every second.
    Clock { unix_seconds: u64 },
    /// Whether the journal has room beyond its reserve.
    StoreRoom { has_room: bool },
    /// Numbers for message ids that no process will use again.
    Ids { first: u64, end: u64 },
    /// The kernel takes no more of what we wrote; said again at every try that leaves octets behind.
    Blocked { connection: Key },
    /// The kernel has taken everything again.
    Unblocked { connection: Key },
    /// An operator's order to one link of a carrier at home here, or to all of them.
    Order { carrier: CarrierId, link: Option<u16>, order: Order },
    /// Another list of numbers that nothing of this account, at home here, is sent to.
    OptOut { account: AccountId, numbers: Arc<NumberSet> },
    /// What came of `Action::Post`.
    Posted { account: AccountId, post: Key, outcome: Posted },
    /// A file has the lines of the call detail records up to this one, and is synced.
    CdrWritten { through: u64 },
    /// A deadline may have come.
    Timeout,
    /// End in order: no new binds or submits; links say goodbye once their windows are empty.
    DrainCarriers,
    /// Every shard's links are gone: sessions say goodbye once their receipts are delivered.
    DrainSessions,
}

/// An ESME whose password was right, on its way to its account's home.
#[derive(Clone, Debug)]
pub struct AdmittedBind {
    pub account: AccountId,
    pub mode: BindMode,
    pub sequence: SequenceNumber,
    pub interface_version: u8,
    pub address: IpAddr,
    /// On a connection we had dialled.
    pub was_called: bool,
}

/// What became of a password that was compared with hashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Right,
    Wrong,
    /// It could not be compared now: too many wait for it.
    Unavailable,
}

/// What the shell does besides writing octets. None of these happens per message.
#[derive(Debug)]
pub enum Action {
    /// Dial, then say `Connected` or `Closed`.
    Connect {
        connection: Key,
        carrier: CarrierId,
        link: u16,
        address: Arc<str>,
    },
    /// Dial an ESME, then say `Called` or `Closed`.
    Call {
        connection: Key,
        account: AccountId,
        address: Arc<str>,
    },
    /// Write what is left, close, then say `Closed`.
    Close {
        connection: Key,
    },
    /// Give the connection, with what was read of it and not handled, to the account's home, which calls `Shard::arrive`;
    /// then say `Moved`.
    Move {
        connection: Key,
        to: ShardId,
        bind: AdmittedBind,
    },
    /// Compare this password with the account's hashes, elsewhere, for that takes long; then say `Verified`. Whether there is such
    /// an account, and whether it has hashes, must not show in the time that takes.
    Verify {
        connection: Key,
        account: Option<AccountId>,
        password: Secret,
    },
    /// Tell a request what it asked.
    Reply {
        caller: Caller,
        reply: Reply,
    },
    /// Tell a customer's callback, elsewhere; then say `Posted`.
    Post(Box<Post>),
    /// Read this connection again.
    Resume {
        connection: Key,
    },
    /// Reserve numbers for message ids, durably, then say `Ids`.
    ReserveIds,
    /// No link of this shard is left.
    CarriersDrained,
    /// No session of this shard is left.
    SessionsDrained,
    Notice(Notice),
}

/// What an operator's log should say. No message text, no numbers of handsets.
#[derive(Clone, Debug)]
pub enum Notice {
    SessionBound {
        account: AccountId,
        mode: BindMode,
        address: IpAddr,
    },
    SessionEnded {
        account: AccountId,
        address: IpAddr,
        why: EndReason,
    },
    BindRefused {
        address: IpAddr,
        system_id: String,
        why: BindRefusal,
    },
    /// An HTTP request's credentials were not let in; a token has no name.
    RequestRefused {
        address: IpAddr,
        name: String,
        why: BindRefusal,
    },
    /// It was called with outbind, and has not bound.
    CallFailed {
        account: AccountId,
        retry_in_ms: u64,
    },
    /// Its TLS handshake failed, or a balancer did not say whom it comes from.
    ConnectionRefused {
        address: IpAddr,
        why: String,
    },
    /// So many more binds and connections were refused lately than were told.
    RefusedUntold {
        count: u64,
    },
    LinkBound {
        carrier: CarrierId,
        link: usize,
    },
    LinkDown {
        carrier: CarrierId,
        link: usize,
        why: EndReason,
        in_doubt: usize,
        retry_in_ms: u64,
    },
    LinkBindRefused {
        carrier: CarrierId,
        link: usize,
        status: CommandStatus,
    },
    /// A receipt would have matched in another format: the carrier's `message_id` setting is likely wrong.
    IdFormatHint {
        carrier: CarrierId,
    },
    /// A customer did what he may not.
    Audit {
        account: AccountId,
        what: Audited,
        peer: Option<IpAddr>,
        /// Masked; empty when it is about none.
        address: String,
    },
    /// And so often more since that was told.
    AuditedAgain {
        account: AccountId,
        what: Audited,
        count: u64,
    },
    /// By more than a minute: nothing expires for a while.
    ClockJumped,
    /// The disk gave back something else than was written: the journal's oldest segment cannot be emptied.
    SegmentUnreadable {
        sequence: u64,
        offset: u64,
    },
    /// The journal has room beyond its reserve again, or no more.
    StoreRoom {
        has_room: bool,
    },
}

/// An event to make durable. Accounts and carriers are run-time numbers here; the store writes their names. `born` is in Unix
/// seconds. No key is ever used twice, by no later process either, and a later one is larger.
#[derive(Clone, Copy, Debug)]
pub enum Record {
    /// A receipt with this carrier id belongs to this account and id.
    Correlation {
        carrier: CarrierId,
        account: AccountId,
        id: MessageId,
        destination: u32,
        born: u32,
        is_muted: bool,
        carrier_id: Octets,
        /// Both as the customer sent them, when the carrier was sent others or `shown` is there; else nothing.
        addresses: Octets,
        /// The id its customer knows it by, when that is another: one submit_multi's destinations share one.
        shown: Option<MessageId>,
    },
    CorrelationGone {
        carrier: CarrierId,
        id: MessageId,
        place: Place,
    },
    /// A receipt that came before the answer it belongs to; `body` is the deliver_sm's.
    Early {
        carrier: CarrierId,
        key: u64,
        born: u32,
        before: u64,
        body: Octets,
    },
    EarlyGone {
        carrier: CarrierId,
        key: u64,
        place: Place,
    },
    /// Something an account holds; what its octets mean depends on the kind.
    Holding {
        account: AccountId,
        id: MessageId,
        key: u64,
        kind: HoldingKind,
        born: u32,
        body: Octets,
    },
    HoldingGone {
        account: AccountId,
        key: u64,
        place: Place,
    },
    /// An MO that no rule sends to an account; `body` is the deliver_sm's.
    Unrouted {
        carrier: CarrierId,
        key: u64,
        born: u32,
        body: Octets,
    },
    UnroutedGone {
        carrier: CarrierId,
        key: u64,
        place: Place,
    },
    /// A line of the call detail records, until a file has it. Nothing says that it is gone but the sequence of those that follow.
    Cdr {
        sequence: u64,
        /// Files have every line up to this.
        written: u64,
        body: Octets,
    },
}

/// What an account holds under a key of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HoldingKind {
    /// A deliver_sm's body, until the customer acknowledged it.
    Delivery(DeliveryKind),
    /// A message that was accepted when it was durable here, until its fate is known.
    Stored,
    /// That a stored message may have reached a carrier: it was about to be written.
    Sent,
    /// What was submitted this day and this month.
    Usage,
    /// What is known of a message that left, for those who ask.
    State,
    /// A long message whose parts' receipts are joined.
    Parts,
    /// What is known of a message that came by HTTP.
    Message,
    /// A request's Idempotency-Key, and what it was answered.
    Keyed,
    /// What a callback is to be told.
    Event,
    /// A part of a long MO, until the others are there.
    MoPart,
}

impl Record {
    /// What it is reckoned for in its segment while it lives; nothing when it says that something is gone.
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Correlation { carrier_id, addresses, shown, .. } => {
                let shown = if shown.is_some() { size_of::<MessageId>() } else { 0 };
                Place::reckon_correlation((carrier_id.len + addresses.len) as usize + shown)
            }
            Self::Early { body, .. }
            | Self::Holding { body, .. }
            | Self::Unrouted { body, .. }
            | Self::Cdr { body, .. } => Place::reckon(body.len as usize),
            Self::CorrelationGone { .. } | Self::EarlyGone { .. } | Self::HoldingGone { .. } => 0,
            Self::UnroutedGone { .. } => 0,
        }
    }
}
