//! What the simulated carrier decides: each submit's answer, its receipts, and where and when they leave.

use std::rc::Rc;

use super::answers::Said;
use super::bucket::Bucket;
use super::entries::Entries;
use super::originate::Source;
use super::parts::Parts;
use super::peer::{GroupId, Kind, Parcel, Peer, PeerKey, Peers};
use super::rate::Rates;
use super::receipt::{Date, Receipt, State};
use super::remembered::Remembered;
use super::wheel::Wheel;
use super::{ReceiptLink, Receipts, SmscArgs, SmscReport};
use crate::smpp::command::{CommandStatus, SequenceNumber};
use crate::smpp::frame::Frame;
use crate::smpp::segment::count_segments;
use crate::smpp::view::SmView;
use crate::tools::clock::since_unix_epoch;
use crate::tools::ids::IdFormat;
use crate::tools::values::Dice;
use crate::tools::wire::Outbox;

/// A receipt the ESME refused for the moment is sent again after this long.
const RESEND_NS: u64 = 1_000_000_000;

/// An answer bound behind a receipt on another connection waits this long after it was written there.
const BEHIND_OTHER_LINK_NS: u64 = 2_000_000;

/// Buffers kept for reuse.
const SPARE_MAX: usize = 65_536;

/// Something that happens later.
pub(super) enum Job {
    Answer(PeerKey, Vec<u8>),
    Deliver { origin: PeerKey, group: GroupId, parcel: Parcel },
    Leave(PeerKey),
}

pub(super) struct Carrier {
    pub(super) args: SmscArgs,
    pub(super) counts: SmscReport,
    pub(super) peers: Peers,
    pub(super) entries: Entries,
    pub(super) wheel: Wheel<Job>,
    pub(super) dice: Dice,
    pub(super) date: Date,
    pub(super) began_ns: u64,
    pub(super) mo: Source,
    pub(super) strays: Source,
    pub(super) remembered: Remembered,
    due: Vec<Job>,
    next_id: u64,
    bucket: Bucket,
    rates: Rates,
    parts: Parts,
    spare: Vec<Vec<u8>>,
    id_text: Vec<u8>,
    /// Final receipts owed.
    finals: u64,
    refused_for_good: u64,
}

impl Carrier {
    pub(super) fn new(args: SmscArgs, now: u64) -> Self {
        Self {
            counts: SmscReport::default(),
            peers: Peers::default(),
            entries: Entries::default(),
            wheel: Wheel::new(now),
            dice: Dice::new(args.seed),
            date: Date::at(since_unix_epoch()),
            began_ns: now,
            mo: Source::default(),
            strays: Source::default(),
            remembered: Remembered::default(),
            due: Vec::new(),
            next_id: args.id_start,
            bucket: Bucket::new(&args, now),
            rates: Rates::default(),
            parts: Parts::default(),
            spare: Vec::new(),
            id_text: Vec::new(),
            finals: 0,
            refused_for_good: 0,
            args,
        }
    }

    /// Answers a submit_sm, now or later, and sees to its receipts.
    pub(super) fn submit(&mut self, peer: &Peer, frame: &Frame<'_>, now: u64) {
        self.counts.submits += 1;
        let read = SmView::submit(frame.body);
        self.rates.add(peer.key.serial, read.as_ref().map_or(1, count_segments), now);
        if self.dice.percent(self.args.no_answer) {
            self.counts.not_answered += 1;
            self.entries.refused(peer.key, frame.body, None);
            return;
        }
        let answer_at = now + self.args.latency.draw_ns(&mut self.dice);
        let view = match self.judge(read, now) {
            Ok(view) => view,
            Err(status) => {
                self.counts.refused.add(status);
                self.entries.refused(peer.key, frame.body, Some(status));
                return self.answer(peer, frame.sequence, Said::Refused(status), answer_at, now);
            }
        };
        if self.dice.percent(self.args.lies.nack) {
            let status = CommandStatus::RINVCMDID;
            self.counts.nacked += 1;
            self.entries.refused(peer.key, frame.body, Some(status));
            return self.answer(peer, frame.sequence, Said::Nacked(status), answer_at, now);
        }
        self.counts.accepted += 1;
        self.parts.add(peer.key.serial, &view);
        let number = self.next_id;
        self.next_id += 1;
        let owed = self.receipt_wanted(&view);
        self.entries.accepted(peer.key, &view, (self.args.id_format, number), owed);
        self.remember(number, frame.body, owed);
        let Some(state) = owed else {
            return self.answer(peer, frame.sequence, Said::Accepted(number), answer_at, now);
        };
        let accepted = Accepted { view, number, state };
        match self.args.receipts {
            Receipts::Before => {
                let mut answer = self.buffer();
                self.write_answer(frame.sequence, Said::Accepted(number), &mut answer);
                self.send_receipts(peer, &accepted, Some(answer), [answer_at; 2], now);
            }
            Receipts::After(delay) => {
                self.answer(peer, frame.sequence, Said::Accepted(number), answer_at, now);
                let due = answer_at + delay.draw_ns(&mut self.dice);
                self.send_receipts(peer, &accepted, None, [answer_at, due], now);
            }
            Receipts::None => {}
        }
    }

    /// Settles a delivery, and sends what waited for its place in the window.
    pub(super) fn delivery_answered(&mut self, peer: &Peer, sequence: SequenceNumber, status: CommandStatus, now: u64) {
        let Some(parcel) = peer.deliveries.borrow_mut().outstanding.take(sequence) else {
            self.counts.protocol_errors += 1;
            return;
        };
        self.entries.answered(peer.key, parcel.note.as_ref(), status);
        match parcel.kind {
            Kind::Mo => self.counts.mo_answered.add(status),
            Kind::Stray => self.counts.stray_receipts_answered.add(status),
            Kind::Final | Kind::Intermediate if status.is_ok() => {
                self.counts.receipts_acknowledged += u64::from(parcel.kind == Kind::Final);
            }
            Kind::Final | Kind::Intermediate => {
                self.counts.receipts_refused.add(status);
                if is_temporary(status) {
                    let job = Job::Deliver { origin: peer.key, group: peer.group, parcel };
                    self.wheel.schedule(now + RESEND_NS, job);
                    return self.pump(peer, now);
                }
                self.refused_for_good += u64::from(parcel.kind == Kind::Final);
            }
        }
        self.recycle(parcel.pdu);
        self.pump(peer, now);
    }

    /// Sends what waits for this connection, as far as its window goes.
    pub(super) fn pump(&mut self, peer: &Peer, now: u64) {
        while let Some(sent) = peer.send_next() {
            self.entries.sent(peer.key, sent.note.as_ref(), sent.again);
            match (sent.kind, sent.again) {
                (Kind::Intermediate | Kind::Final, true) => self.counts.receipts_resent += 1,
                (Kind::Intermediate, false) => self.counts.intermediate_sent += 1,
                (Kind::Final, false) => self.counts.receipts_sent += 1,
                (Kind::Mo, again) => self.counts.mo_sent += u64::from(!again),
                (Kind::Stray, again) => self.counts.stray_receipts_sent += u64::from(!again),
            }
            if let Some((to, answer)) = sent.then {
                if to == peer.key {
                    peer.outbox.bytes.borrow_mut().extend_from_slice(&answer);
                    self.recycle(answer);
                } else {
                    self.wheel.schedule(now + BEHIND_OTHER_LINK_NS, Job::Answer(to, answer));
                }
            }
            peer.outbox.ring();
        }
    }

    /// Takes a bound connection in; what nobody was there to receive follows the bind_resp at once.
    pub(super) fn join(&mut self, bind: Bind<'_>, outbox: &Rc<Outbox>, now: u64) -> Rc<Peer> {
        let window = self.args.delivery_window as usize;
        let peer = self.peers.join(bind.system_id, bind.submits, bind.receives, outbox, window);
        self.entries.bound(&peer, bind.system_id);
        self.plan_leaving(&peer, now);
        self.pump(&peer, now);
        peer
    }

    pub(super) fn leave(&mut self, peer: &Peer) {
        for parcel in peer.deliveries.borrow().outstanding.iter() {
            self.entries.lost(peer.key, parcel.note.as_ref());
        }
        self.entries.ended(peer);
        self.peers.leave(peer);
    }

    /// Does what has become due.
    pub(super) fn tick(&mut self, now: u64) {
        if self.stalled_for(now) > 0 {
            return;
        }
        self.date = Date::at(since_unix_epoch());
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now, &mut due);
        for job in due.drain(..) {
            match job {
                Job::Answer(to, answer) => self.release(to, answer),
                Job::Deliver { origin, group, parcel } => self.deliver(origin, group, parcel, now),
                Job::Leave(key) => {
                    if let Some(peer) = self.peers.find(key).cloned() {
                        self.leave_peer(&peer, now);
                    }
                }
            }
        }
        self.due = due;
        self.originate(now);
    }

    #[must_use]
    pub(super) fn is_done(&self) -> bool {
        let done = match self.args.receipts {
            Receipts::None => self.counts.accepted + self.counts.refused.total(),
            Receipts::Before | Receipts::After(_) => self.counts.receipts_acknowledged,
        };
        self.args.count.is_some_and(|count| done >= count)
    }

    #[must_use]
    pub(super) fn report(&self) -> SmscReport {
        let mut report = self.counts.clone();
        report.rate = self.rates.report();
        report.long = self.parts.report();
        report.receipts_unacknowledged = self.finals - report.receipts_acknowledged - self.refused_for_good;
        report
    }

    fn judge<'a>(&mut self, read: Result<SmView<'a>, CommandStatus>, now: u64) -> Result<SmView<'a>, CommandStatus> {
        if !self.bucket.take(now) {
            return Err(self.args.throttle_status);
        }
        let view = read?;
        match self.args.errors.draw(&mut self.dice) {
            Some(status) => Err(status),
            None => Ok(view),
        }
    }

    /// The final state to report, if a receipt is asked for (SMPP 3.4, section 5.2.17).
    fn receipt_wanted(&mut self, view: &SmView<'_>) -> Option<State> {
        if self.args.receipts == Receipts::None {
            return None;
        }
        let state = self.args.receipt_states.draw(&mut self.dice).unwrap_or(State::Delivered);
        match view.registered_delivery & 0b11 {
            0b01 => Some(state),
            0b10 => Some(state).filter(|state| *state != State::Delivered),
            _ => None,
        }
    }

    /// An intermediate receipt, when the flags want one, at the first of these times; the final one at the second.
    fn send_receipts(
        &mut self,
        peer: &Peer,
        accepted: &Accepted<'_>,
        behind: Option<Vec<u8>>,
        dues: [u64; 2],
        now: u64,
    ) {
        if self.args.intermediate {
            let parcel = self.receipt(Kind::Intermediate, accepted, State::Enroute);
            self.deliver_at(peer, parcel, dues[0], now);
        }
        let mut parcel = self.receipt(Kind::Final, accepted, accepted.state);
        parcel.then = behind.map(|answer| (peer.key, answer));
        self.finals += 1;
        self.deliver_at(peer, parcel, dues[1], now);
    }

    fn receipt(&mut self, kind: Kind, accepted: &Accepted<'_>, state: State) -> Parcel {
        let mut pdu = self.buffer();
        self.id_text.clear();
        self.receipt_ids().write(accepted.number, &mut self.id_text);
        let (id, id_in, command) = (&self.id_text[..], self.args.receipt_id_in, self.args.receipts_as);
        let receipt = Receipt { id, id_in, state, date: self.date, command };
        receipt.write(&accepted.view, &mut pdu);
        let mut parcel = Parcel::new(kind, pdu);
        parcel.note = self.entries.note(&accepted.view, &self.id_text, state);
        parcel.of = (kind == Kind::Final).then_some((accepted.number, state));
        parcel
    }

    fn deliver_at(&mut self, peer: &Peer, parcel: Parcel, due: u64, now: u64) {
        if due <= now {
            self.deliver(peer.key, peer.group, parcel, now);
        } else {
            self.wheel.schedule(due, Job::Deliver { origin: peer.key, group: peer.group, parcel });
        }
    }

    /// The final receipt of what was cancelled, in the place of the other that is due later.
    pub(super) fn send_deleted(&mut self, peer: &Peer, number: u64, submit: &[u8], now: u64) {
        let Ok(view) = SmView::submit(submit) else { return };
        let parcel = self.receipt(Kind::Final, &Accepted { view, number, state: State::Deleted }, State::Deleted);
        self.deliver(peer.key, peer.group, parcel, now);
    }

    fn deliver(&mut self, origin: PeerKey, group: GroupId, mut parcel: Parcel, now: u64) {
        if let Some((number, state)) = parcel.of
            && !self.may_finish(number, state)
        {
            return self.recycle(parcel.pdu);
        }
        let same = self.args.receipt_link == ReceiptLink::Same;
        let Some(target) = self.peers.receiver(group, origin, same) else {
            if let Some((to, answer)) = parcel.then.take() {
                self.release(to, answer);
            }
            return self.peers.keep(group, parcel);
        };
        target.deliveries.borrow_mut().queue.push_back(parcel);
        self.pump(&target, now);
    }

    /// How receipts write ids.
    pub(super) fn receipt_ids(&self) -> IdFormat {
        self.args.receipt_id_format.unwrap_or(self.args.id_format)
    }

    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// Who has bound, and for what.
pub(super) struct Bind<'a> {
    pub(super) system_id: &'a [u8],
    pub(super) submits: bool,
    pub(super) receives: bool,
}

/// A submit that got an id and asked for a receipt.
struct Accepted<'a> {
    view: SmView<'a>,
    number: u64,
    state: State,
}

/// Whether a carrier would try this delivery again.
fn is_temporary(status: CommandStatus) -> bool {
    [CommandStatus::RX_T_APPN, CommandStatus::RSYSERR, CommandStatus::RMSGQFUL, CommandStatus::RTHROTTLED]
        .contains(&status)
}
