//! What the engine wants done: octets per connection (the shell writes them), messages per shard (the shell sends them),
//! records (the store makes them durable), and rare `Action`s. Plain memory: the simulator reads it as the shell does.
//!
//! A message that promises something waits here until the records before it are durable (`after_records`).

use super::event::{Action, Notice, Place, Record};
use super::message::{Batch, ShardId, ShardMessage};
use super::slab::Key;
use super::time::Instant;
use crate::config::AccountId;

/// Octets waiting to be written to one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    pub bytes: Vec<u8>,
    /// How many of `bytes` the kernel has taken.
    pub written: usize,
    /// Octets taken by the kernel before `bytes` began.
    pub written_before: u64,
    /// Since when the kernel takes no more: set by the shell when a write left octets behind, cleared by `took`.
    pub blocked_since: Option<Instant>,
    is_dirty: bool,
}

impl Outbox {
    /// What the shell offers the kernel next. Only what `took` was told of is settled: a link that closes takes back submits
    /// that go elsewhere, so a write under way must not outlive a turn.
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// What may wait for a peer that does not read before we read no more of it, whose every PDU adds an answer.
    const BACKED_UP: usize = 256 << 10;

    /// Whether too much waits. Only while a writer is at it, whose end is told by `Input::Unblocked`.
    #[must_use]
    pub fn is_backed_up(&self) -> bool {
        self.blocked_since.is_some() && self.unwritten().len() > Self::BACKED_UP
    }

    /// What the kernel took is kept until it is this much, and half of what is here.
    const FORGET_AT: usize = 64 << 10;

    /// The kernel took `count` more octets. A peer that reads slowly is not one that does not read.
    pub fn took(&mut self, count: usize) {
        self.written += count;
        if count > 0 {
            self.blocked_since = None;
        }
        if self.written == self.bytes.len() {
            self.bytes.clear();
        } else if self.written >= Self::FORGET_AT && self.written * 2 >= self.bytes.len() {
            self.bytes.drain(..self.written);
        } else {
            return;
        }
        self.written_before += self.written as u64;
        self.written = 0;
    }

    /// Takes back a PDU of which the kernel took nothing; its first octet lies `at`, as `total_queued` said.
    pub fn take_back(&mut self, at: u64, len: usize) {
        let start = (at - self.written_before) as usize;
        self.bytes.drain(start..start + len);
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
    /// Where entries lay that live there no more without a record: beyond retention, or appended again.
    pub left: Vec<Place>,
    /// The segment that what is appended next will lie in; the store says so when it takes the records.
    pub segment: u16,
    appended: u64,
    /// The last record that keeps something: what is gone is never waited for.
    last_kept: u64,
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
            left: Vec::new(),
            segment: 0,
            appended: 0,
            last_kept: 0,
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

    /// The connection is over. A slot's memory serves whoever comes next, but not what piled up for a peer that did not read.
    pub fn release(&mut self, connection: Key) {
        if let Some(outbox) = self.outboxes.get_mut(connection.slot as usize)
            && outbox.bytes.capacity() > Outbox::FORGET_AT
        {
            *outbox = Outbox { is_dirty: outbox.is_dirty, ..Outbox::default() };
        }
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

    /// The batch whose messages leave once everything kept so far is durable.
    pub fn after_records(&mut self, to: ShardId) -> &mut Batch {
        if self.last_kept <= self.durable {
            return &mut self.prompt[to.index()];
        }
        // When nothing was kept since the last commit began, no other may follow: wait with what waits for that one.
        match self.sealed.last_mut() {
            Some((last, batches)) if *last >= self.last_kept => &mut batches[to.index()],
            Some(_) | None => &mut self.held[to.index()],
        }
    }

    /// Whether a message waits for the next commit. Without one it may wait for more records.
    #[must_use]
    pub fn is_commit_awaited(&self) -> bool {
        self.held.iter().any(|batch| !batch.is_empty())
    }

    /// Appends a record whose octets, if any, are already in `record_bytes`. What it inserts lies at the place returned.
    pub fn append(&mut self, record: Record) -> Place {
        self.appended += 1;
        let place = Place { segment: self.segment, octets: record.weight() };
        if place.octets > 0 {
            self.last_kept = self.appended;
        }
        self.records.push(record);
        place
    }

    /// The number of the record appended last.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether this record is durable.
    #[must_use]
    pub fn is_durable(&self, record: u64) -> bool {
        record <= self.durable
    }

    /// What waits from now on waits for what is gone by now, too.
    pub fn await_removals(&mut self) {
        self.last_kept = self.appended;
    }

    /// Whether nothing waits for a commit.
    #[must_use]
    pub fn is_all_durable(&self) -> bool {
        self.appended == self.durable
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
        self.durable = self.durable.max(through);
        while self.sealed.first().is_some_and(|(last, _)| *last <= through) {
            let (_, mut batches) = self.sealed.remove(0);
            for (prompt, batch) in self.prompt.iter_mut().zip(&mut batches) {
                prompt.append(batch);
            }
            self.spare.push(batches);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AccountId, CarrierId};
    use crate::smpp::message_id::MessageId;

    const HERE: ShardId = ShardId(0);

    fn say(out: &mut Effects, slot: u32) {
        let submit = Key { slot, generation: 0 };
        let done = ShardMessage::Withdraw { carrier: CarrierId(0), account: AccountId(0), session: submit };
        out.after_records(HERE).messages.push(done);
    }

    fn said(out: &mut Effects) -> Vec<u32> {
        let slot = |message| {
            let ShardMessage::Withdraw { session, .. } = message else { panic!("{message:?}") };
            session.slot
        };
        out.prompt[0].messages.drain(..).map(slot).collect()
    }

    #[test]
    fn an_outbox_that_is_never_empty_does_not_grow_for_ever() {
        let mut outbox = Outbox::default();
        for _ in 0..1_000 {
            outbox.bytes.extend_from_slice(&[7; 1_000]);
            outbox.took(if outbox.unwritten().len() > 2_000 { 1_000 } else { 0 });
        }
        assert!(outbox.bytes.len() < 200_000);
        assert_eq!((outbox.total_queued(), outbox.total_written()), (1_000_000, 998_000));
        assert_eq!(outbox.unwritten(), [7; 2_000]);
    }

    fn append(out: &mut Effects) {
        let body = out.record_bytes.add(b"receipt");
        out.append(Record::Early { carrier: CarrierId(0), key: 1, born: 0, before: 0, body });
    }

    fn append_gone(out: &mut Effects) {
        let place = Place { segment: 0, octets: 30 };
        out.append(Record::CorrelationGone { carrier: CarrierId(0), id: MessageId::new(1), place });
    }

    #[test]
    fn nothing_waits_for_what_is_gone() {
        let mut out = Effects::new(HERE, 1);
        append_gone(&mut out);
        say(&mut out, 1);
        assert_eq!((said(&mut out), out.is_commit_awaited()), (vec![1], false));
        append(&mut out);
        let first = out.start_commit().unwrap();
        out.records.clear();
        append_gone(&mut out);
        say(&mut out, 2);
        assert_eq!((said(&mut out), out.is_commit_awaited()), (vec![], false));
        append(&mut out);
        say(&mut out, 3);
        assert!(out.is_commit_awaited());
        out.durable(first);
        assert_eq!(said(&mut out), [2]);
        assert!(!out.is_all_durable());
    }

    #[test]
    fn a_message_waits_for_the_records_before_it_and_for_no_later_ones() {
        let mut out = Effects::new(HERE, 1);
        say(&mut out, 1);
        assert_eq!(said(&mut out), [1]);
        append(&mut out);
        say(&mut out, 2);
        let first = out.start_commit().unwrap();
        out.records.clear();
        // Its record is being committed; there may never be another commit.
        say(&mut out, 3);
        append(&mut out);
        say(&mut out, 4);
        assert_eq!(said(&mut out), [0; 0]);
        out.durable(first);
        assert_eq!(said(&mut out), [2, 3]);
        let second = out.start_commit().unwrap();
        out.durable(second);
        assert_eq!(said(&mut out), [4]);
    }

    #[test]
    fn what_piled_up_for_a_peer_that_did_not_read_is_given_back_when_it_ends() {
        let mut out = Effects::new(ShardId(0), 1);
        let connection = Key { slot: 0, generation: 0 };
        out.open(connection);
        out.write(connection).resize(1 << 20, 0);
        out.release(connection);
        assert_eq!(out.outbox(0).bytes.capacity(), 0);
    }
}
