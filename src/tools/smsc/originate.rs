//! What the simulated carrier sends of itself: mobile originated messages, and receipts for ids it never gave out.

use super::carrier::Carrier;
use super::peer::{Kind, Parcel};
use super::receipt::{Receipt, State, write_mo};
use crate::smpp::view::SmView;

/// Deliveries that wait for one connection's window; above it these are skipped.
const QUEUE_MAX: usize = 1_000;

/// Ids of stray receipts are numbered from here, where no run's own come to.
const STRAY_IDS: u64 = 1 << 62;

/// The submit that a stray receipt tells of, and that nobody sent.
const NOBODYS: &[u8] = b"\0\x01\x0112345\0\x01\x01447700900000\0\0\0\0\0\0\x01\0\0\0\0";

/// So many a second since the start.
#[derive(Default)]
pub(super) struct Source {
    made: u64,
}

impl Source {
    /// How many are to be made now.
    fn take_due(&mut self, rate: u32, elapsed_ns: u64) -> std::ops::Range<u64> {
        let due = (u128::from(elapsed_ns) * u128::from(rate) / 1_000_000_000) as u64;
        let first = self.made;
        self.made = first.max(due);
        first..self.made
    }
}

impl Carrier {
    /// Sends what is due.
    pub(super) fn originate(&mut self, now: u64) {
        let elapsed_ns = now - self.began_ns;
        for number in self.mo.take_due(self.args.mo_rate, elapsed_ns) {
            let mut pdu = self.buffer();
            let text = format!("mo={}", number + 1);
            write_mo(&self.args.mo_source, &self.args.mo_destination, text.as_bytes(), &mut pdu);
            self.send_to_any(Parcel::new(Kind::Mo, pdu), now);
        }
        for number in self.strays.take_due(self.args.lies.stray_receipts, elapsed_ns) {
            let Ok(submit) = SmView::submit(NOBODYS) else { return };
            let mut id = Vec::new();
            self.receipt_ids().write(STRAY_IDS + number, &mut id);
            let mut pdu = self.buffer();
            self.receipt_of(&id, State::Delivered).write(&submit, &mut pdu);
            self.send_to_any(Parcel::new(Kind::Stray, pdu), now);
        }
    }

    /// Where nobody is bound to receive, or nobody acknowledges, it is never sent.
    fn send_to_any(&mut self, parcel: Parcel, now: u64) {
        let receiver = self.peers.any_receiver();
        let Some(peer) = receiver.filter(|peer| peer.deliveries.borrow().queue.len() < QUEUE_MAX) else {
            return self.recycle(parcel.pdu);
        };
        peer.deliveries.borrow_mut().queue.push_back(parcel);
        self.pump(&peer, now);
    }

    fn receipt_of<'a>(&self, id: &'a [u8], state: State) -> Receipt<'a> {
        Receipt { id, id_in: self.args.receipt_id_in, state, date: self.date, command: self.args.receipts_as }
    }
}
