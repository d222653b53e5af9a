//! Everything one shard may say to another, and the batch it travels in.
//!
//! A reply is another message, never a lock. Requests (`Submit`, `Deliver`) take a place that their reply gives back, so a
//! reply cannot fail. An account and a carrier of the same shard speak through the same messages, looped back in memory.
//! Over 400 lines, for they belong together.

use std::net::IpAddr;

use super::bans::Pair;
use super::deliveries::Kept;
use super::slab::Key;
use crate::config::{AccountId, CarrierId};
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::MessageState;

use super::event::SubmitError;
use super::parts::Claim;
use super::passed;
use super::time::Instant;

/// Position of a shard, 0 first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ShardId(pub u16);

impl ShardId {
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A run of octets in the bytes of the batch that carries the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Octets {
    pub at: u32,
    pub len: u32,
}

impl Octets {
    pub const NONE: Self = Self { at: 0, len: 0 };
}

/// What the carrier's home needs to know of a submit besides its octets.
#[derive(Clone, Copy, Debug)]
pub struct SubmitInfo {
    pub account: AccountId,
    /// Names the submit in its account.
    pub submit: Key,
    /// The session it came on, in its account.
    pub session: Key,
    pub id: MessageId,
    /// The customer is answered by then.
    pub deadline: Instant,
    /// The destination's hash, which tells apart two receipts of one carrier id.
    pub destination: u32,
    /// Parts of one long message share it, and stay on one link; 0 when the submit is no part.
    pub affinity: u32,
    pub segments: u16,
    pub priority: u8,
    pub wants_receipt: bool,
}

impl SubmitInfo {
    /// The session of a stored submit: none waits for it.
    pub const STORED: Key = Key { slot: u32::MAX, generation: u32::MAX };

    /// The session of what came by HTTP.
    pub const WEB: Key = Key { slot: u32::MAX, generation: u32::MAX - 1 };

    #[must_use]
    pub fn is_web(&self) -> bool {
        self.session == Self::WEB
    }

    /// Whether its account keeps it until its fate is known, and is asked before it is written.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.session == Self::STORED
    }
}

/// What earlier sendings of a submit came to, and what is to be known of the next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Course {
    /// An earlier sending may have been accepted: its link was lost before the answer came (`in_doubt: retry`).
    pub is_doubtful: bool,
    /// Sendings that a carrier refused for good or lost. Where one only asked for less speed is not counted.
    pub tries: u8,
    /// Its validity ends before its deadline.
    pub is_expiring: bool,
}

impl Course {
    /// So often a submit is sent at most, whatever the tables say.
    pub const MOST_TRIES: u8 = 8;
    /// What is in doubt may be what makes carriers hang up.
    pub const MOST_TRIES_IN_DOUBT: u8 = 3;

    /// Whether it may be sent once more.
    #[must_use]
    pub fn may_go_on(self) -> bool {
        self.tries < if self.is_doubtful { Self::MOST_TRIES_IN_DOUBT } else { Self::MOST_TRIES }
    }
}

/// What became of a submit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The carrier answered ESME_ROK, and what its receipt will need is durable.
    Accepted,
    /// The carrier's definite refusal, passed on as it came.
    Refused(CommandStatus),
    /// Our definite refusal: no octet reached a carrier.
    Failed(SubmitError),
    /// Written to a link, and no answer came.
    InDoubt,
}

impl Outcome {
    /// What may be said of a submit: once an earlier sending of it may have been accepted, no refusal is definite.
    #[must_use]
    pub fn given(self, is_doubtful: bool) -> Self {
        if is_doubtful && self != Self::Accepted { Self::InDoubt } else { self }
    }

    /// A carrier's refusal says more than that no other took it in time.
    #[must_use]
    pub fn after(self, refused: Option<CommandStatus>) -> Self {
        match (self, refused) {
            (
                Self::Failed(SubmitError::NoCarrierBound | SubmitError::QueueFull | SubmitError::Expired),
                Some(status),
            ) => Self::Refused(status),
            _ => self,
        }
    }
}

/// Why a carrier's home hands a submit back unsent, or refused in a way that another carrier may mend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReturnReason {
    NotBound,
    QueueFull,
    Refused(CommandStatus),
}

/// A carrier's deliver_sm or data_sm, to which it awaits the answer.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub link: u16,
    pub connection: Key,
    pub sequence: SequenceNumber,
    pub command: CommandId,
}

/// What a delivery carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliveryKind {
    FinalReceipt,
    IntermediateReceipt,
    Mo,
}

#[derive(Clone, Copy, Debug)]
pub enum ShardMessage {
    /// Account's home to carrier's: send this. The account sends no more than its window; what the carrier has no room
    /// for comes back as `SubmitReturned`.
    Submit {
        carrier: CarrierId,
        info: SubmitInfo,
        claim: Claim,
        course: Course,
        body: Octets,
    },
    /// Account's home to carrier's, before a `Submit`: its customer knows what has this id by another one. Forgotten with the reply
    /// to that.
    Shown {
        carrier: CarrierId,
        id: MessageId,
        shown: MessageId,
    },
    /// Carrier's home to account's: settled. Always follows a `Submit`; its place is the submit's own entry.
    SubmitDone {
        account: AccountId,
        submit: Key,
        outcome: Outcome,
        /// It was accepted under no id: no receipt will be known to be its.
        is_over: bool,
        /// When the carrier answered, or was given up.
        at: Instant,
        /// What the carrier knows of it (`SentAs`), when its account keeps states; else nothing.
        sent: Octets,
    },
    /// Account's home to itself, behind a record: the state of an accepted submit is durable.
    StateKept {
        account: AccountId,
        submit: Key,
    },
    /// Account's home to itself, behind a record: what a request with a key is about to send is durable.
    WebIntended {
        account: AccountId,
        submission: Key,
    },
    /// Account's home to itself, behind the records: what is known of a request's messages is durable.
    WebKept {
        account: AccountId,
        submission: Key,
    },
    /// Account's home to itself, behind a record: an event for a callback is durable.
    EventKept {
        account: AccountId,
        key: u64,
    },
    /// Account's home to carrier's: ask this of a message it has. Bounded by what a turn reads: what the carrier's home has no room for
    /// is refused at once.
    Ask {
        carrier: CarrierId,
        request: passed::Request,
        body: Octets,
    },
    /// Carrier's home to account's, or the account's to itself behind a record: answer this. Always follows an `Ask`.
    Answered {
        request: passed::Request,
        status: CommandStatus,
        body: Octets,
    },
    /// Carrier's home to account's: try the next carrier. Follows a `Submit` instead of `SubmitDone`.
    SubmitReturned {
        account: AccountId,
        submit: Key,
        deadline: Instant,
        reason: ReturnReason,
        course: Course,
        body: Octets,
    },
    /// Account's home to itself, behind a record: a submit is durable, and accepted.
    StoredDone {
        account: AccountId,
        submit: Key,
        stored: u64,
    },
    /// Account's home to itself, behind the records: a stored submit ended here, and this receipt tells of it.
    StoredFailed {
        account: AccountId,
        id: MessageId,
        kept: Kept,
        body: Octets,
    },
    /// Carrier's home to account's: a stored submit is to be written. Bounded by the windows; an answer that never comes is
    /// waited for no longer than the submit's deadline.
    AskSend {
        account: AccountId,
        submit: Key,
        carrier: CarrierId,
        link: u16,
        connection: Key,
        sequence: SequenceNumber,
    },
    /// Account's home to carrier's, behind a record: write it. Of no effect when that link is gone.
    MaySend {
        carrier: CarrierId,
        link: u16,
        connection: Key,
        sequence: SequenceNumber,
    },
    /// Account's home to carrier's: the session ended; answer `SubmitDone` without sending what no link was given yet.
    Withdraw {
        carrier: CarrierId,
        account: AccountId,
        session: Key,
    },
    /// Carrier's home to account's: make this durable and deliver it. Bounded by the carrier's receipts in hand.
    Deliver {
        account: AccountId,
        carrier: CarrierId,
        in_hand: Key,
        kind: DeliveryKind,
        is_fresh: bool,
        /// Its account's home has put it behind the answer it belongs to.
        is_behind: bool,
        id: MessageId,
        body: Octets,
    },
    /// Account's home to carrier's: durable, or refused because the account's queue is full.
    DeliverDone {
        carrier: CarrierId,
        in_hand: Key,
        is_kept: bool,
    },
    /// Account's home to itself, behind a record: the failure of a stored part is durable.
    PartFailed {
        account: AccountId,
        id: MessageId,
    },
    /// Account's home to carrier's, behind a record: no receipt will come for this part, another told of its whole message. When it
    /// is lost with the process, the correlation stays until retention.
    Settled {
        carrier: CarrierId,
        id: MessageId,
        /// What the other said.
        state: MessageState,
    },
    /// Account's home to itself, behind a record: the line of a submit that was refused as it came is durable. Bounded by the window.
    Refused {
        account: AccountId,
        session: Key,
        command: CommandId,
        sequence: SequenceNumber,
        error: SubmitError,
    },
    /// The same of one that had been let in.
    SubmitRefused {
        account: AccountId,
        submit: Key,
        outcome: Outcome,
    },
    /// The same of a submit_multi of which every destination is settled.
    MultiKept {
        account: AccountId,
        multi: Key,
    },
    /// Carrier's home to account's: pass this alert_notification, or drop it. Nothing answers it.
    Alert {
        account: AccountId,
        body: Octets,
    },
    /// Carrier's home to itself, behind a record: acknowledge what it sent.
    Acknowledge {
        carrier: CarrierId,
        request: Request,
    },
    /// Any shard to shard 0: a password was wrong. Bounded by the connections it admitted.
    WrongPassword {
        address: IpAddr,
        pair: Pair,
    },
    /// Shard 0 to every shard: refuse this pair unchecked until then.
    Banned {
        pair: Pair,
        until: Instant,
    },
    /// Any shard to shard 0: a connection bound, or ended. Bounded by the connections it admitted.
    Bound {
        address: IpAddr,
    },
    /// Any shard to shard 0: a connection stands that we dialled for an ESME to bind on. One an account.
    Called {
        address: IpAddr,
    },
    Ended {
        address: IpAddr,
        was: super::gate::Was,
    },
}

// Batches hold thousands of these: one cache line each.
const _: () = assert!(size_of::<ShardMessage>() <= 64);

/// Messages of one turn to one shard, with the octets they refer to. Emptied and used again.
#[derive(Debug, Default)]
pub struct Batch {
    pub messages: Vec<ShardMessage>,
    pub bytes: Vec<u8>,
}

impl Batch {
    /// Copies `octets` into the batch.
    pub fn add(&mut self, octets: &[u8]) -> Octets {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(octets);
        self.since(at)
    }

    /// What was written to `bytes` from `at` on.
    #[must_use]
    pub fn since(&self, at: usize) -> Octets {
        // A batch is sent long before 4 GiB: every message in it holds a place of some bounded window.
        Octets { at: at as u32, len: (self.bytes.len() - at) as u32 }
    }

    #[must_use]
    pub fn octets(&self, octets: Octets) -> &[u8] {
        let at = octets.at as usize;
        &self.bytes[at..at + octets.len as usize]
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn clear(&mut self) {
        self.messages.clear();
        self.bytes.clear();
    }

    /// Moves everything of `other` behind what is here.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            other.clear();
            return;
        }
        let moved = self.bytes.len() as u32;
        self.bytes.append(&mut other.bytes);
        self.messages.extend(other.messages.drain(..).map(|mut message| {
            match &mut message {
                ShardMessage::Submit { body, .. }
                | ShardMessage::SubmitReturned { body, .. }
                | ShardMessage::Alert { body, .. }
                | ShardMessage::Ask { body, .. }
                | ShardMessage::Answered { body, .. }
                | ShardMessage::SubmitDone { sent: body, .. }
                | ShardMessage::StoredFailed { body, .. }
                | ShardMessage::Deliver { body, .. } => body.at += moved,
                ShardMessage::StateKept { .. }
                | ShardMessage::Shown { .. }
                | ShardMessage::StoredDone { .. }
                | ShardMessage::WebIntended { .. }
                | ShardMessage::WebKept { .. }
                | ShardMessage::EventKept { .. }
                | ShardMessage::AskSend { .. }
                | ShardMessage::MaySend { .. }
                | ShardMessage::Withdraw { .. }
                | ShardMessage::DeliverDone { .. }
                | ShardMessage::PartFailed { .. }
                | ShardMessage::Settled { .. }
                | ShardMessage::Refused { .. }
                | ShardMessage::SubmitRefused { .. }
                | ShardMessage::MultiKept { .. }
                | ShardMessage::Acknowledge { .. }
                | ShardMessage::Bound { .. }
                | ShardMessage::Called { .. }
                | ShardMessage::Ended { .. }
                | ShardMessage::WrongPassword { .. }
                | ShardMessage::Banned { .. } => {}
            }
            message
        }));
    }
}
