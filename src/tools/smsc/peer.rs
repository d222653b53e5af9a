//! A bound connection as the rest of the simulator sees it, and the deliveries on their way to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::entries::Note;
use super::receipt::State;
use crate::smpp::command::SequenceNumber;
use crate::tools::ring::Ring;
use crate::tools::wire::Outbox;

/// Which bound connection; never used again once it is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct PeerKey {
    pub(super) slot: u32,
    pub(super) serial: u32,
}

/// Position in the list of system_ids seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct GroupId(pub usize);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Intermediate,
    Final,
    /// A receipt for an id that was never given out.
    Stray,
    Mo,
}

/// A `deliver_sm` to be sent, and perhaps the answer that may leave only behind it.
pub(super) struct Parcel {
    pub(super) kind: Kind,
    pub(super) pdu: Vec<u8>,
    pub(super) then: Option<(PeerKey, Vec<u8>)>,
    pub(super) sent_before: bool,
    /// Of a final receipt: its message, and the state.
    pub(super) of: Option<(u64, State)>,
    /// Of a receipt, when there is a ledger.
    pub(super) note: Option<Rc<Note>>,
}

impl Parcel {
    #[must_use]
    pub(super) fn new(kind: Kind, pdu: Vec<u8>) -> Self {
        Self { kind, pdu, then: None, sent_before: false, of: None, note: None }
    }
}

pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) group: GroupId,
    pub(super) submits: bool,
    pub(super) receives: bool,
    pub(super) outbox: Rc<Outbox>,
    pub(super) deliveries: RefCell<Deliveries>,
    /// An unbind was sent to it.
    pub(super) said_goodbye: Cell<bool>,
    /// To be closed at once.
    pub(super) is_over: Cell<bool>,
}

pub(super) struct Deliveries {
    pub(super) outstanding: Ring<Parcel>,
    pub(super) queue: VecDeque<Parcel>,
}

impl Peer {
    /// Writes the oldest waiting delivery if the window has room; its answer, if it held one back, is handed out.
    pub(super) fn send_next(&self) -> Option<Sent> {
        let mut deliveries = self.deliveries.borrow_mut();
        if deliveries.outstanding.room() == 0 {
            return None;
        }
        let mut parcel = deliveries.queue.pop_front()?;
        let then = parcel.then.take();
        let (kind, again, note) = (parcel.kind, parcel.sent_before, parcel.note.clone());
        parcel.sent_before = true;
        let mut out = self.outbox.bytes.borrow_mut();
        let at = out.len();
        out.extend_from_slice(&parcel.pdu);
        // Room was there a moment ago, so the parcel is never handed back.
        if let Ok(SequenceNumber(sequence)) = deliveries.outstanding.open(parcel) {
            out[at + 12..at + 16].copy_from_slice(&sequence.to_be_bytes());
        }
        Some(Sent { kind, again, then, note })
    }
}

/// What `send_next` has sent.
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) again: bool,
    pub(super) then: Option<(PeerKey, Vec<u8>)>,
    pub(super) note: Option<Rc<Note>>,
}

/// All bound connections, and for each system_id those that receive.
#[derive(Default)]
pub(super) struct Peers {
    slots: Vec<Option<Rc<Peer>>>,
    free: Vec<u32>,
    serial: u32,
    groups: Vec<Group>,
    turn: usize,
}

struct Group {
    system_id: Vec<u8>,
    receivers: Vec<PeerKey>,
    turn: usize,
    /// Deliveries that found nobody bound to receive them.
    homeless: VecDeque<Parcel>,
}

impl Peers {
    pub(super) fn join(
        &mut self,
        system_id: &[u8],
        submits: bool,
        receives: bool,
        outbox: &Rc<Outbox>,
        window: usize,
    ) -> Rc<Peer> {
        let group = self.group(system_id);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.serial += 1;
        let key = PeerKey { slot, serial: self.serial };
        let mut queue = VecDeque::new();
        if receives {
            self.groups[group.0].receivers.push(key);
            queue.append(&mut self.groups[group.0].homeless);
        }
        let deliveries = RefCell::new(Deliveries { outstanding: Ring::new(if receives { window } else { 1 }), queue });
        let peer = Rc::new(Peer {
            key,
            group,
            submits,
            receives,
            outbox: Rc::clone(outbox),
            deliveries,
            said_goodbye: Cell::new(false),
            is_over: Cell::new(false),
        });
        self.slots[slot as usize] = Some(Rc::clone(&peer));
        peer
    }

    /// Removes a closed connection. Its unacknowledged deliveries wait for the next bind that receives, as carriers do.
    pub(super) fn leave(&mut self, peer: &Peer) {
        self.slots[peer.key.slot as usize] = None;
        self.free.push(peer.key.slot);
        let group = &mut self.groups[peer.group.0];
        group.receivers.retain(|key| *key != peer.key);
        let mut deliveries = peer.deliveries.borrow_mut();
        group.homeless.extend(deliveries.outstanding.take_if(|_| true));
        group.homeless.append(&mut deliveries.queue);
    }

    #[must_use]
    pub(super) fn find(&self, key: PeerKey) -> Option<&Rc<Peer>> {
        self.slots.get(key.slot as usize)?.as_ref().filter(|peer| peer.key == key)
    }

    /// Whom to send a delivery of this group: `origin` if it receives and is wanted, else another in turn.
    pub(super) fn receiver(&mut self, group: GroupId, origin: PeerKey, prefer_origin: bool) -> Option<Rc<Peer>> {
        let group = &mut self.groups[group.0];
        let is_origin = |key: &PeerKey| *key == origin;
        if prefer_origin && group.receivers.iter().any(is_origin) {
            return self.slots[origin.slot as usize].clone();
        }
        let count = group.receivers.len();
        for _ in 0..count {
            group.turn = (group.turn + 1) % count;
            let key = group.receivers[group.turn];
            if !is_origin(&key) || count == 1 {
                return self.slots[key.slot as usize].clone();
            }
        }
        None
    }

    /// Some connection that receives, each in its turn.
    pub(super) fn any_receiver(&mut self) -> Option<Rc<Peer>> {
        let count = self.slots.len();
        for _ in 0..count {
            self.turn = (self.turn + 1) % count;
            if let Some(peer) = self.slots[self.turn].as_ref().filter(|peer| peer.receives) {
                return Some(Rc::clone(peer));
            }
        }
        None
    }

    pub(super) fn keep(&mut self, group: GroupId, parcel: Parcel) {
        self.groups[group.0].homeless.push_back(parcel);
    }

    fn group(&mut self, system_id: &[u8]) -> GroupId {
        let known = self.groups.iter().position(|group| group.system_id == system_id);
        GroupId(known.unwrap_or_else(|| {
            let system_id = system_id.to_vec();
            self.groups.push(Group { system_id, receivers: Vec::new(), turn: 0, homeless: VecDeque::new() });
            self.groups.len() - 1
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(peers: &mut Peers, system_id: &str, receives: bool) -> Rc<Peer> {
        peers.join(system_id.as_bytes(), true, receives, &Rc::new(Outbox::default()), 1)
    }

    fn parcel(text: &[u8]) -> Parcel {
        Parcel::new(Kind::Final, [&[0; 16], text].concat())
    }

    #[test]
    fn another_link_is_one_of_the_same_system_id_and_the_origin_only_if_it_is_alone() {
        let mut peers = Peers::default();
        let origin = join(&mut peers, "north", true);
        let _stranger = join(&mut peers, "south", true);
        let chosen = |peers: &mut Peers, same| peers.receiver(origin.group, origin.key, same).map(|peer| peer.key);
        assert_eq!(chosen(&mut peers, false), Some(origin.key));
        let other = join(&mut peers, "north", true);
        for _ in 0..4 {
            assert_eq!(chosen(&mut peers, false), Some(other.key));
            assert_eq!(chosen(&mut peers, true), Some(origin.key));
        }
        peers.leave(&other);
        peers.leave(&origin);
        assert_eq!(chosen(&mut peers, true), None);
    }

    #[test]
    fn unacknowledged_deliveries_of_a_closed_link_go_to_the_next_receiver() {
        let mut peers = Peers::default();
        let first = join(&mut peers, "north", true);
        first.deliveries.borrow_mut().queue.extend([parcel(b"one"), parcel(b"two")]);
        assert!(first.send_next().is_some());
        assert!(first.send_next().is_none(), "the window is one");
        peers.leave(&first);
        let transmitter = join(&mut peers, "north", false);
        assert!(transmitter.send_next().is_none());
        let second = join(&mut peers, "north", true);
        assert!(second.send_next().unwrap().again);
        assert!(second.outbox.bytes.borrow().ends_with(b"one"));
        assert_eq!(second.deliveries.borrow().queue.len(), 1);
        assert!(peers.find(first.key).is_none(), "its slot is another's now");
    }
}
