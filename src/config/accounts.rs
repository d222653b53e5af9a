//! The `accounts` section: who may bind, how much, from and to where, and how receipts return.

mod callback;
mod reading;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Network, NumberSet, Password, Pattern, Rate, Secret, ShardPin};
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageIdFormat;

pub(super) use reading::{read, read_rate, read_rate_as};

#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The system_id.
    pub name: String,
    /// A reload took it out of the file: nobody gets in, and what is kept for it waits until retention for it to come back.
    pub is_gone: bool,
    /// What routes may name it by, with others of the same.
    pub group: Option<String>,
    /// Any of these opens a bind; at least one.
    pub passwords: Vec<Password>,
    /// SHA-256 of HTTP bearer tokens.
    pub tokens: Vec<[u8; 32]>,
    /// `None`: from anywhere; empty: from nowhere.
    pub allow_from: Option<Vec<Network>>,
    pub binds: Binds,
    pub tls_required: bool,
    /// Names of which its certificate must have one; `None`: none is asked for. Only over TLS with `client_ca`.
    pub client_certificate: Option<Vec<String>>,
    pub max_binds: u32,
    /// Submits outstanding, all its sessions together.
    pub window: u32,
    /// `None`: unlimited.
    pub rate: Option<Rate>,
    pub over_rate: OverRate,
    pub quota: Quota,
    /// `None`: any.
    pub senders: Option<Vec<Pattern>>,
    pub force_sender: Option<String>,
    /// Stands for an empty one.
    pub default_sender: Option<String>,
    /// `None`: any.
    pub destinations: Option<Vec<Pattern>>,
    /// What may go to some destinations: the first that matches counts.
    pub destination_caps: Vec<DestinationCap>,
    /// Numbers that nothing is sent to.
    pub opt_out: Option<OptOut>,
    pub accept: Accept,
    /// How long a stored submit that says nothing of it is tried.
    pub validity: Duration,
    /// Stored submits whose fate is not known.
    pub submit_queue: u32,
    pub receipts: ReceiptsOfParts,
    pub unrequested_receipts: UnrequestedReceipts,
    pub receipt_text: ReceiptText,
    pub message_id: MessageIdFormat,
    pub in_doubt_status: CommandStatus,
    /// How long states are kept for query_sm; `None` is off.
    pub status: Option<Duration>,
    /// deliver_sm outstanding per session.
    pub delivery_window: NonZeroU16,
    /// Receipts and MO kept while the customer is absent.
    pub delivery_queue: u32,
    /// Replay after a bind, per second; `None` is half of `rate`.
    pub delivery_rate: Option<NonZeroU32>,
    pub callback: Option<Callback>,
    pub calls: Calls,
    pub deliver: DeliverMo,
    pub deliver_as: Deliver,
    pub outbind: Option<Outbind>,
    pub callback_override: bool,
    pub enabled: bool,
    /// `false` keeps the bind and refuses submits.
    pub submit: bool,
    pub shard: ShardPin,
}

/// Which bind modes an account may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Binds {
    pub transmitter: bool,
    pub receiver: bool,
    pub transceiver: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OverRate {
    Reject,
    Delay,
}

/// Segments an account may submit; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quota {
    pub day: Option<u64>,
    pub month: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accept {
    Relay,
    Store,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReceiptsOfParts {
    Each,
    Last,
    All,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnrequestedReceipts {
    Drop,
    Pass,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReceiptText {
    AsIs,
    Standard,
}

/// Where a customer is told of receipts and MO.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callback {
    pub url: String,
    /// As many events at most go in one call; more than 1 has each call in the form for many.
    pub batch: usize,
}

/// How calls to a customer's URLs go out: to its callback's, and to those that its requests name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calls {
    /// Keys, each of which signs; none: no signature.
    pub secrets: Vec<Secret>,
    pub allow_http: bool,
    /// Also to addresses of private networks and loopback.
    pub allow_private: bool,
    /// Whose certificates are trusted, in PEM; `None`: those the system trusts.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliverMo {
    Smpp,
    Http,
}

/// The PDU a receipt or MO comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deliver {
    DeliverSm,
    DataSm,
}

/// Segments in a span of time to some destinations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DestinationCap {
    pub destination: Vec<Pattern>,
    pub segments: NonZeroU32,
    pub per: Duration,
}

/// A file of numbers, one a line, and those it held at the start.
#[derive(Clone, Debug)]
pub struct OptOut {
    pub path: PathBuf,
    pub numbers: Arc<NumberSet>,
}

/// The same file is the same list: what it holds is looked after while the process runs.
impl PartialEq for OptOut {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

/// Where a receiver is called when something waits for it (SMPP 3.4, section 2.2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outbind {
    pub connect: String,
    pub system_id: String,
    pub password: Option<Secret>,
}
