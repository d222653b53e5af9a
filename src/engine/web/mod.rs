//! HTTP at an account's home: what a request asks of it and what it is told, and the account's messages that came so.
//!
//! A connection is dealt to any shard, where its requests are read and answered (`http`, `runtime`); what they ask comes here
//! as a `Request`, with the `Caller` to reply to. A message is one or several segments, each a submit like any other; it has one
//! message_id, which is its first segment's. It waits for the account's window (`waiting`), is judged as a whole (`admitting`), and its
//! request is replied to once every segment is settled (`submission`). What is known of it afterwards is in `messages`, changed by
//! its receipts (`receipt`); what its customer is to be told by a callback (`telling`) is an `Event`, kept and offered in `posts`.

mod access;
mod admitting;
mod asking;
mod key_record;
mod keys;
mod messages;
mod posts;
mod receipt;
pub mod record;
mod smpp_status;
mod storing;
mod submission;
mod telling;
mod waiting;

pub use access::Tried;
pub use keys::Keys;
pub use messages::Messages;
pub use posts::Posts;
pub use submission::{Place, Submissions};
pub use telling::dlr;

use record::Record;

use super::event::{HoldingKind, SubmitError};
use super::message::{Outcome, ShardId};
use super::slab::Key;
use crate::config::{AccountId, CarrierId};
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageId;

/// Segments that were not settled when this was kept: of a key's request, or of a message of which a receipt came first. Who finds it
/// after a start asks whether they were accepted.
#[must_use]
pub fn unsettled_ids(kind: HoldingKind, octets: &[u8]) -> Vec<MessageId> {
    match kind {
        HoldingKind::Keyed => key_record::intended_ids(octets),
        HoldingKind::Message => Record::read(octets).filter(|it| it.is_open).map_or(Vec::new(), |it| it.ids),
        HoldingKind::Delivery(_)
        | HoldingKind::Stored
        | HoldingKind::Sent
        | HoldingKind::Usage
        | HoldingKind::State
        | HoldingKind::Parts
        | HoldingKind::Event
        | HoldingKind::MoPart => Vec::new(),
    }
}

/// Where a request is answered: the shard its connection was dealt to, and its place there. One that is gone is answered in vain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caller {
    pub shard: ShardId,
    pub request: Key,
}

/// What a request asks of an account's home.
#[derive(Debug)]
pub enum Request {
    Submit(Submission),
    /// The same through this carrier, whatever the routes say: an operator tries it.
    SubmitBy(CarrierId, Submission),
    /// How a message stands, by its id.
    Status(MessageId),
    /// How those with this reference stand.
    Find(Box<str>),
}

/// Messages to be sent, each on its own; at least one.
#[derive(Debug)]
pub struct Submission {
    pub messages: Vec<Message>,
    /// What tells a request that is repeated from another.
    pub key: Option<IdempotencyKey>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdempotencyKey {
    pub key: Box<[u8]>,
    /// Of the request's body.
    pub digest: [u8; 32],
}

/// One message to one destination.
#[derive(Debug)]
pub struct Message {
    /// A submit_sm's body each, in their order; alike but for their text. At least one, and at most 255.
    pub segments: Vec<Box<[u8]>>,
    /// The customer's own name for it, which is given back.
    pub reference: Option<Box<str>>,
    pub tell: Tell,
}

/// Who is told what becomes of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tell {
    /// Whoever asks for its status.
    Nobody,
    /// The account's callback, if it has one.
    Account,
    /// Another URL, in the same way.
    Url(Box<str>),
    /// Another URL as Kannel would, of what this dlr-mask asks for.
    Kannel { url: Box<str>, mask: u8 },
}

/// What a request is told.
#[derive(Debug)]
pub enum Reply {
    /// What became of each message, in their order.
    Submitted(Vec<Submitted>),
    /// The key was used for another body.
    KeyReused,
    /// The request that had the key first is not answered yet.
    KeyBusy,
    /// `None`: the account has no such message.
    Status(Option<Box<Status>>),
    /// The newest first, and only so many.
    Found(Vec<Status>),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Submitted {
    /// `None` when it never got one.
    pub id: Option<MessageId>,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// A carrier accepted every segment, and what is to be known of them is durable.
    Accepted,
    /// It is durable here (`accept: store`).
    Stored,
    /// A carrier's refusal of one segment at least.
    Refused(CommandStatus),
    /// Our own refusal of one segment at least.
    Failed(SubmitError),
    /// A segment at least may have been accepted, and none is known to be refused.
    InDoubt,
}

impl From<Outcome> for Fate {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Refused(status) => Self::Refused(status),
            Outcome::Failed(error) => Self::Failed(error),
            Outcome::InDoubt => Self::InDoubt,
        }
    }
}

/// How a message stands. Times are in Unix seconds, 0 where something has not happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    pub id: MessageId,
    pub reference: Option<Box<str>>,
    pub source: Box<[u8]>,
    pub destination: Box<[u8]>,
    pub state: State,
    pub submitted: u32,
    /// When every segment's state is final.
    pub finished: u32,
    pub segments: Vec<SegmentStatus>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SegmentStatus {
    pub state: State,
    /// The network's error as the carrier told it, or the command_status it refused with.
    pub error: u32,
    /// When a carrier accepted it.
    pub accepted: u32,
    pub finished: u32,
}

/// How a segment or a message stands (DESIGN section 7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Queued,
    Accepted,
    Enroute,
    Delivered,
    Expired,
    Deleted,
    Undeliverable,
    Unknown,
    Rejected,
}

/// Something an account is told by a callback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its own: the same at each try.
    pub id: MessageId,
    /// When it happened, in Unix seconds.
    pub at: u32,
    pub what: What,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    Receipt {
        status: Status,
        /// The carrier's own words in the receipt that is told of last; empty when there were none.
        text: Box<[u8]>,
    },
    /// A mobile originated message: a deliver_sm's body for each part, in their order; of a long one that did not come whole, those
    /// that came.
    Message {
        parts: Vec<Box<[u8]>>,
        /// How many parts it has.
        total: u8,
    },
}

/// Where a callback goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// The account's own URL.
    Account,
    Url(Box<str>),
    /// A dlr-url of Kannel's, its escapes not filled in yet.
    Kannel(Box<str>),
}

/// One try at telling an account something. Several events go together only where its own callback takes them so.
#[derive(Clone, Debug)]
pub struct Post {
    pub account: AccountId,
    /// Names the try in its account.
    pub post: Key,
    pub target: Target,
    pub events: Vec<Event>,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Posted {
    /// Answered with 2xx.
    Taken,
    /// Answered with something else.
    Refused,
    /// Not answered, or where it must not go.
    Failed,
}
