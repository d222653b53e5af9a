//! What a shard's shell does with octets, records and batches: some are taken by the kernel, some are made durable, some
//! go to other shards.

use trunkline::engine::event::{Input, Record};
use trunkline::smpp::command::CommandId;
use trunkline::smpp::frame::Frame;

use crate::net::{Peer, Toward, WireId};
use crate::node::In;
use crate::plants::Plant;
use crate::sim::{Event, Sim};

impl Sim {
    /// Begins a commit when something waits and none runs.
    pub(crate) fn commit(&mut self, at: usize) {
        let now = self.instant();
        let node = &mut self.nodes[at];
        if node.store.is_committing() || node.store.may_wait(now, &node.out) {
            return;
        }
        let mut effects = Vec::new();
        self.ledger.appended(at, &node.out.records, &node.out.record_bytes);
        self.web.book.appended(at, &node.out.records);
        self.books.appended(at, &node.out.records, &node.out.record_bytes, &self.config);
        let left: u64 = node.out.left.iter().map(|place| u64::from(place.octets)).sum();
        *self.books.live.entry(at).or_default() -= left as i64;
        if self.plant == Plant::RemovalForgotten {
            node.out.records.retain(|record| !matches!(record, Record::HoldingGone { .. }));
        }
        if self.plant == Plant::AddressesForgotten {
            for record in &node.out.records {
                if let Record::Correlation { addresses, .. } = record {
                    let at = addresses.at as usize;
                    node.out.record_bytes.bytes[at..at + addresses.len as usize].fill(b'?');
                }
            }
        }
        node.store.commit(&mut node.shard, now, &mut node.out, &mut effects);
        if let Some(through) = node.store.committing() {
            self.ledger.committing(at, through);
            self.web.book.committing(at, through);
            self.books.committing(at, through);
        }
        let begun = node.store.committing();
        self.work_disk(at, effects);
        if let Some(through) = begun {
            self.plant_at_commit(at, through);
        }
        self.check_live(at);
    }

    /// Sends what is for other shards.
    pub(crate) fn post(&mut self, at: usize) {
        for to in (0..self.nodes.len()).filter(|to| *to != at) {
            if self.nodes[at].out.prompt[to].is_empty() {
                continue;
            }
            let mut batch = std::mem::take(&mut self.nodes[at].out.prompt[to]);
            self.plant_in_batch(at, to, &mut batch);
            self.mesh[at][to].push_back(batch);
            let (low, high) = self.habit.mesh_us;
            let after = self.rng.between((low * 1_000, high * 1_000));
            self.plan(after, Event::Batch { from: at, to });
        }
    }

    pub(crate) fn flush_dirty(&mut self, at: usize) {
        let mut dirty = Vec::new();
        self.nodes[at].out.take_dirty(&mut dirty);
        for slot in dirty {
            self.flush(at, slot);
        }
    }

    /// Offers the kernel what waits for one connection.
    pub(crate) fn flush(&mut self, at: usize, slot: u32) {
        let now = self.instant();
        let Some(socket) = self.nodes[at].sockets.get(&slot) else { return };
        let (key, Some(wire)) = (socket.key, socket.wire) else { return };
        let was_blocked = socket.is_blocked;
        if self.wires[wire].was_reset {
            // The write fails; that the connection is gone is learnt in a moment.
            return;
        }
        let waiting = self.nodes[at].out.outbox(slot).unwritten().len();
        let mut room = self.wires[wire].to_peer.space(self.habit.capacity).min(waiting);
        if room > 0 && self.rng.chance(self.habit.short_write) {
            room = self.rng.below(room as u64) as usize;
        }
        if room > 0 {
            self.see_closes(at);
            self.hand_over(at, slot, wire, room);
        }
        let is_blocked = room < waiting;
        if is_blocked {
            self.nodes[at].out.outbox_mut(slot).blocked_since.get_or_insert(now);
            self.ledger.hindered.insert(wire);
            if self.wires[wire].to_peer.space(self.habit.capacity) > 0 {
                self.plan(100_000, Event::Input(at, In::Writable(wire)));
            }
        }
        if let Some(socket) = self.nodes[at].sockets.get_mut(&slot) {
            socket.is_blocked = is_blocked;
        }
        if is_blocked {
            self.handle(at, Input::Blocked { connection: key });
        } else if was_blocked {
            self.handle(at, Input::Unblocked { connection: key });
        }
    }

    /// The kernel takes `count` octets; the ledger sees each frame as it begins and ends.
    fn hand_over(&mut self, at: usize, slot: u32, wire: WireId, count: usize) {
        let Some(socket) = self.nodes[at].sockets.get_mut(&slot) else { return };
        let mut partial = socket.partial.take();
        let unwritten = self.nodes[at].out.outbox(slot).unwritten();
        let octets = unwritten[..count].to_vec();
        let (mut place, mut seen) = (0, Vec::new());
        while place < count {
            let (pdu, missing) = match partial.take() {
                Some(partial) => partial,
                None => {
                    let Some(frame) = Frame::cut(&unwritten[place..], 1 << 20).ok().flatten() else {
                        self.fail("the octets to be written are no frames");
                    };
                    let pdu = unwritten[place..place + frame.len()].to_vec();
                    let len = frame.len();
                    seen.push((true, pdu.clone()));
                    (pdu, len)
                }
            };
            let taken = missing.min(count - place);
            place += taken;
            if taken == missing {
                seen.push((false, pdu));
            } else {
                partial = Some((pdu, missing - taken));
            }
        }
        if let Some(socket) = self.nodes[at].sockets.get_mut(&slot) {
            socket.partial = partial;
        }
        self.nodes[at].out.outbox_mut(slot).took(count);
        for (begins, pdu) in &seen {
            self.tell_ledger(wire, *begins, pdu);
        }
        self.send(wire, Toward::Peer, &octets);
    }

    fn tell_ledger(&mut self, wire: WireId, begins: bool, pdu: &[u8]) {
        let Some(frame) = Frame::parse(pdu) else { return };
        match (self.wires[wire].peer, begins) {
            (Peer::Smsc(carrier), true) => self.ledger.begins_to_link(carrier, wire, &frame),
            (Peer::Smsc(_), false) => {}
            (Peer::Esme(_), true) => {
                self.ledger.begins_to_session(wire, &frame);
                if [CommandId::DELIVER_SM, CommandId::DATA_SM].contains(&frame.command) {
                    self.check_not_gone(&frame);
                }
            }
            (Peer::Esme(_), false) => self.ledger.ends_to_session(wire, &frame),
        }
    }
}
