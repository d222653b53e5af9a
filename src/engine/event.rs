//! What comes into the engine and what leaves it: `Input`, and the effects of one turn.
//!
//! `Effects` holds octets per connection (the shell writes them), messages per shard (the shell sends them), records to be
//! made durable (the store keeps them), and rare `Action`s. Everything in it is plain memory: the simulator reads it as the shell does.

use std::net::IpAddr;
use std::sync::Arc;

use super::message::{Batch, Octets, ShardId, ShardMessage};
use super::slab::Key;
use super::time::Instant;
use crate::config::{AccountId, CarrierId};
use crate::metrics::{BindRefusal, RefusedReason};
use crate::smpp::command::{CommandStatus, SequenceNumber};
use crate::smpp::frame::{Fault, Frame};
use crate::smpp::message_id::MessageId;
use crate::smpp::pdu::BindMode;

/// Something happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A whole PDU arrived.
    Frame { connection: Key, frame: Frame<'a> },
    /// The stream lost its place.
    Fault { connection: Key, fault: Fault },
    /// A dialled connection stands.
    Connected { connection: Key },
    /// The connection is no more: closed by the peer or by us, failed, or never came to be. Its key is free afterwards.
    Closed { connection: Key },
    /// What a peer shard sent.
    Batch { from: ShardId, batch: &'a Batch },
    /// Every record up to this number is durable.
    Durable { through: u64 },
    /// Numbers for message ids that no process will use again.
    Ids { first: u64, end: u64 },
    /// The kernel takes no more of what we wrote; said again at every try that leaves octets behind.
    Blocked { connection: Key },
    /// A deadline may have come.
    Timeout,
    /// End in order: no new binds or submits, windows empty, then unbind.
    Drain,
}

/// Why we refuse a submit, in our words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubmitError {
    NoRoute,
    NoCarrierBound,
    OverRate,
    QueueFull,
    /// It waited too long to be sent in time.
    Expired,
    SenderNotAllowed,
    DestinationNotAllowed,
    /// An ESME may not send receipts.
    ReceiptFromEsme,
    WrongBindMode,
    SubmitsDisabled,
    Draining,
    /// No numbers for message ids are left for the moment.
    NoIds,
    Malformed(CommandStatus),
    /// The session ended before anything was sent.
    Withdrawn,
}

/// The only place where our words become the ESME's: passing causes get statuses that customers retry.
impl From<SubmitError> for CommandStatus {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NoRoute | SubmitError::DestinationNotAllowed => Self::RINVDSTADR,
            SubmitError::NoCarrierBound
            | SubmitError::Draining
            | SubmitError::NoIds
            | SubmitError::Withdrawn => Self::RSYSERR,
            SubmitError::OverRate | SubmitError::Expired => Self::RTHROTTLED,
            SubmitError::QueueFull => Self::RMSGQFUL,
            SubmitError::SenderNotAllowed => Self::RINVSRCADR,
            SubmitError::ReceiptFromEsme => Self::RINVESMCLASS,
            SubmitError::WrongBindMode => Self::RINVBNDSTS,
            SubmitError::SubmitsDisabled => Self::RSUBMITFAIL,
            SubmitError::Malformed(status) => status,
        }
    }
}

/// An ESME whose password was right, on its way to its account's home.
#[derive(Clone, Debug)]
pub struct AdmittedBind {
    pub account: AccountId,
    pub mode: BindMode,
    pub sequence: SequenceNumber,
    pub interface_version: u8,
    pub address: IpAddr,
}

/// What the shell does besides writing octets. None of these happens per message.
#[derive(Debug)]
pub enum Action {
    /// Dial, then say `Connected` or `Closed`.
    Connect { connection: Key, address: Arc<str> },
    /// Write what is left, close, then say `Closed`.
    Close { connection: Key },
    /// Give the connection, with what was read of it and not handled, to the account's home, which calls `Shard::arrive`.
    /// The key is free at once.
    Move { connection: Key, to: ShardId, bind: AdmittedBind },
    /// Read this connection again.
    Resume { connection: Key },
    /// Reserve numbers for message ids, durably, then say `Ids`.
    ReserveIds,
    /// Nothing is outstanding and every connection has been ended.
    Drained,
    Notice(Notice),
}

/// What an operator's log should say. No message text, no numbers of handsets.
#[derive(Clone, Debug)]
pub enum Notice {
    SessionBound { account: AccountId, mode: BindMode, address: IpAddr },
    SessionEnded { account: AccountId, address: IpAddr, why: EndReason },
    BindRefused { address: IpAddr, system_id: String, why: BindRefusal },
    LinkBound { carrier: CarrierId, link: usize },
    LinkDown { carrier: CarrierId, link: usize, why: EndReason, in_doubt: usize, retry_in_ms: u64 },
    LinkBindRefused { carrier: CarrierId, link: usize, status: CommandStatus },
    /// A receipt would have matched in another format: the carrier's `message_id` setting is likely wrong.
    IdFormatHint { carrier: CarrierId },
}

/// The only place where a refused bind gets its status. Unknown system_id and wrong password look the same.
impl From<BindRefusal> for CommandStatus {
    fn from(why: BindRefusal) -> Self {
        match why {
            BindRefusal::Account | BindRefusal::Password => Self::RINVPASWD,
            BindRefusal::Disabled
            | BindRefusal::Address
            | BindRefusal::Tls
            | BindRefusal::Mode
            | BindRefusal::TooManyBinds
            | BindRefusal::Banned => Self::RBINDFAIL,
            BindRefusal::Unavailable => Self::RSYSERR,
        }
    }
}

impl From<SubmitError> for RefusedReason {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NoRoute => Self::NoRoute,
            SubmitError::DestinationNotAllowed => Self::Destination,
            SubmitError::NoCarrierBound => Self::CarrierDown,
            SubmitError::OverRate => Self::Throttled,
            SubmitError::Expired => Self::Expired,
            SubmitError::QueueFull => Self::QueueFull,
            SubmitError::NoIds => Self::StoreFull,
            SubmitError::SenderNotAllowed => Self::Sender,
            SubmitError::ReceiptFromEsme | SubmitError::Malformed(_) => Self::Malformed,
            SubmitError::WrongBindMode | SubmitError::SubmitsDisabled => Self::NotAllowed,
            SubmitError::Draining | SubmitError::Withdrawn => Self::Draining,
        }
    }
}

/// Why a session or link ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndReason {
    PeerClosed,
    PeerUnbound,
    /// Two enquire_links went unanswered.
    EnquireLink,
    Inactive,
    /// It never bound within `session_init`.
    SessionInit,
    /// The carrier's answers stayed out.
    Unanswered,
    /// It did not read what we wrote.
    Stalled,
    LostFraming,
    TooManyErrors,
    BindRefused,
    Drained,
}

/// An event to make durable. Accounts and carriers are run-time numbers here; the store writes their names.
#[derive(Clone, Copy, Debug)]
pub enum Record {
    /// A receipt with this carrier id belongs to this account and id.
    Correlation { carrier: CarrierId, account: AccountId, id: MessageId, destination: u32, is_muted: bool, carrier_id: Octets },
    CorrelationGone { carrier: CarrierId, id: MessageId },
    /// A receipt that came before the answer it belongs to; `body` is the deliver_sm's.
    Early { carrier: CarrierId, key: Key, body: Octets },
    EarlyGone { carrier: CarrierId, key: Key },
    Delivery { account: AccountId, id: MessageId, key: Key, body: Octets },
    DeliveryGone { account: AccountId, key: Key },
}

/// Octets waiting to be written to one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    pub bytes: Vec<u8>,
    /// How many of `bytes` the kernel has taken.
    pub written: usize,
    /// Octets taken by the kernel before `bytes` began.
    pub written_before: u64,
    /// Since when the kernel takes no more.
    pub blocked_since: Option<Instant>,
    is_dirty: bool,
}

impl Outbox {
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The kernel took `count` more octets.
    pub fn took(&mut self, count: usize) {
        self.written += count;
        if self.written == self.bytes.len() {
            self.written_before += self.written as u64;
            self.written = 0;
            self.bytes.clear();
            self.blocked_since = None;
        }
    }

    /// Octets of this connection the kernel has taken.
    #[must_use]
    pub fn total_written(&self) -> u64 {
        self.written_before + self.written as u64
    }

    /// Octets ever put here: where the next PDU's first octet will lie.
    #[must_use]
    pub fn total_queued(&self) -> u64 {
        self.written_before + self.bytes.len() as u64
    }
}

/// What the engine wants done. The shell empties it after each turn.
#[derive(Debug)]
pub struct Effects {
    own: ShardId,
    outboxes: Vec<Outbox>,
    dirty: Vec<u32>,
    pub actions: Vec<Action>,
    /// To each shard, this one included: what may leave now.
    pub prompt: Vec<Batch>,
    /// To each shard: what waits for the records before it.
    held: Vec<Batch>,
    /// Held batches whose commit is under way, with the record they wait for.
    sealed: Vec<(u64, Vec<Batch>)>,
    spare: Vec<Vec<Batch>>,
    pub records: Vec<Record>,
    pub record_bytes: Batch,
    appended: u64,
    durable: u64,
    /// Accounts with deliveries that wait for the next turn.
    next_turn: Vec<AccountId>,
}

impl Effects {
    #[must_use]
    pub fn new(own: ShardId, shards: usize) -> Self {
        let batches = || (0..shards).map(|_| Batch::default()).collect::<Vec<_>>();
        Self {
            own,
            outboxes: Vec::new(),
            dirty: Vec::new(),
            actions: Vec::new(),
            prompt: batches(),
            held: batches(),
            sealed: Vec::new(),
            spare: Vec::new(),
            records: Vec::new(),
            record_bytes: Batch::default(),
            appended: 0,
            durable: 0,
            next_turn: Vec::new(),
        }
    }

    #[must_use]
    pub fn own(&self) -> ShardId {
        self.own
    }

    /// A fresh outbox for a connection that begins.
    pub fn open(&mut self, connection: Key) {
        let slot = connection.slot as usize;
        if self.outboxes.len() <= slot {
            self.outboxes.resize_with(slot + 1, Outbox::default);
        }
        let outbox = &mut self.outboxes[slot];
        outbox.bytes.clear();
        *outbox = Outbox { bytes: std::mem::take(&mut outbox.bytes), is_dirty: outbox.is_dirty, ..Outbox::default() };
    }

    /// Where to append a PDU for this connection.
    pub fn write(&mut self, connection: Key) -> &mut Vec<u8> {
        let outbox = &mut self.outboxes[connection.slot as usize];
        if !outbox.is_dirty {
            outbox.is_dirty = true;
            self.dirty.push(connection.slot);
        }
        &mut outbox.bytes
    }

    #[must_use]
    pub fn outbox(&self, slot: u32) -> &Outbox {
        &self.outboxes[slot as usize]
    }

    pub fn outbox_mut(&mut self, slot: u32) -> &mut Outbox {
        &mut self.outboxes[slot as usize]
    }

    /// The next connection that has octets to write, in the order they were first written.
    pub fn take_dirty(&mut self, into: &mut Vec<u32>) {
        for slot in &self.dirty {
            self.outboxes[*slot as usize].is_dirty = false;
        }
        into.append(&mut self.dirty);
    }

    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Has the account's deliveries looked at once this turn's octets are with the kernel.
    pub fn call_next_turn(&mut self, account: AccountId) {
        if !self.next_turn.contains(&account) {
            self.next_turn.push(account);
        }
    }

    /// Whether something waits for the next turn, which the shell must then begin by itself.
    #[must_use]
    pub fn wants_next_turn(&self) -> bool {
        !self.next_turn.is_empty()
    }

    pub(super) fn take_next_turn(&mut self) -> Option<AccountId> {
        self.next_turn.pop()
    }

    pub fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub fn notice(&mut self, notice: Notice) {
        self.actions.push(Action::Notice(notice));
    }

    /// Says something to a shard, waiting for nothing.
    pub fn tell(&mut self, to: ShardId, message: ShardMessage) {
        self.prompt[to.index()].messages.push(message);
    }

    /// The batch whose messages leave once every record appended so far is durable.
    pub fn after_records(&mut self, to: ShardId) -> &mut Batch {
        if self.appended == self.durable { &mut self.prompt[to.index()] } else { &mut self.held[to.index()] }
    }

    /// Appends a record whose octets, if any, are already in `record_bytes`.
    pub fn append(&mut self, record: Record) {
        self.appended += 1;
        self.records.push(record);
    }

    /// Begins a commit of everything appended: what waits for it is set apart. Returns the last record's number.
    pub fn start_commit(&mut self) -> Option<u64> {
        if self.records.is_empty() {
            return None;
        }
        let empty = self.spare.pop().unwrap_or_else(|| self.held.iter().map(|_| Batch::default()).collect());
        self.sealed.push((self.appended, std::mem::replace(&mut self.held, empty)));
        Some(self.appended)
    }

    /// Releases what waited for records up to `through`.
    pub fn durable(&mut self, through: u64) {
        self.durable = through;
        while self.sealed.first().is_some_and(|(last, _)| *last <= through) {
            let (_, mut batches) = self.sealed.remove(0);
            for (prompt, batch) in self.prompt.iter_mut().zip(&mut batches) {
                prompt.append(batch);
            }
            self.spare.push(batches);
        }
    }
}
