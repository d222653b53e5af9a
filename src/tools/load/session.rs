//! One connection of the load: it binds, keeps its window full, and books what comes back.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use glommio::net::TcpStream;

use super::books::{Books, read_receipt, until_nul};
use super::conduct::Shared;
use super::entries::Entries;
use super::ledger::Arrival;
use super::seat::{Role, Seat};
use super::tally::Tally;
use super::template::Template;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::{Frame, write_header};
use crate::smpp::view::{SmView, esm_class};
use crate::tools::clock::monotonic_ns;
use crate::tools::ledger::Lines;
use crate::tools::ring::Ring;
use crate::tools::values::nanos;
use crate::tools::wire::{Outbox, Turn, Wire};

/// A load that reconnects gives up on a bind after this long, and connects again.
const REBIND_NS: u64 = 5_000_000_000;

/// How often a connection looks for submits that nobody will answer any more.
const SWEEP_NS: u64 = 1_000_000_000;

/// What the conductor sees of a session.
pub(super) struct Lane {
    pub(super) outbox: Outbox,
    /// When the next submit is due; never, while the window is full.
    pub(super) next_due_ns: Cell<u64>,
    pub(super) is_open: Cell<bool>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Binding,
    Bound,
    /// Asked to unbind: it submits no more, and says yes to this number once all is answered.
    Leaving(SequenceNumber),
    Unbinding,
    Ended,
}

/// A submit on its way.
struct Submit {
    number: u64,
    due_ns: u64,
    sent_ns: u64,
}

/// What one turn adds to the progress.
#[derive(Default)]
struct Added {
    sent: u64,
    answered: u64,
    accepted: u64,
    receipts: u64,
    lost: u64,
    /// Whether anything came that the run waits for.
    heard: bool,
}

/// What the sessions of one thread share.
pub(super) struct Thread {
    pub(super) tally: Rc<RefCell<Tally>>,
    pub(super) template: Rc<Template>,
    pub(super) lines: Option<Rc<RefCell<Lines>>>,
}

pub(super) struct Session {
    shared: Arc<Shared>,
    tally: Rc<RefCell<Tally>>,
    lane: Rc<Lane>,
    seat: Seat,
    state: State,
    window: Ring<Submit>,
    template: Rc<Template>,
    entries: Entries,
    has_bound: bool,
    /// Numbers taken and not yet sent.
    numbers: Range<u64>,
    sent: u64,
    swept_ns: u64,
    added: Added,
}

impl Session {
    pub(super) fn new(shared: &Arc<Shared>, thread: &Thread, seat: Seat) -> Self {
        let lane = Lane { outbox: Outbox::default(), next_due_ns: Cell::new(0), is_open: Cell::new(true) };
        Self {
            window: Ring::new(shared.args.window as usize),
            shared: Arc::clone(shared),
            tally: Rc::clone(&thread.tally),
            template: Rc::clone(&thread.template),
            entries: Entries::new(thread.lines.as_ref(), &thread.template),
            has_bound: false,
            lane: Rc::new(lane),
            seat,
            state: State::Binding,
            numbers: 0..0,
            sent: 0,
            swept_ns: 0,
            added: Added::default(),
        }
    }

    pub(super) fn lane(&self) -> Rc<Lane> {
        Rc::clone(&self.lane)
    }

    /// One connection, from its bind until it is over; whether it was bound.
    pub(super) async fn serve(&mut self, stream: TcpStream) -> bool {
        let mut wire = Wire::new(stream);
        let lane = Rc::clone(&self.lane);
        lane.outbox.clear();
        self.state = State::Binding;
        let bound_by = self.shared.args.reconnect.then(|| monotonic_ns() + REBIND_NS);
        self.write_bind();
        while self.state != State::Ended {
            match wire.turn(&lane.outbox).await {
                Ok(Turn::Read | Turn::Rung) => {}
                Ok(Turn::Closed) | Err(_) => break,
            }
            let now = monotonic_ns();
            if self.handle_input(&mut wire, now).is_err() {
                self.tally.borrow_mut().protocol_errors += 1;
                break;
            }
            match self.state {
                State::Bound => self.go_on(now),
                State::Leaving(sequence) => self.leave(sequence, now),
                State::Binding if bound_by.is_some_and(|by| now > by) => break,
                State::Binding | State::Unbinding | State::Ended => {}
            }
            self.lane.outbox.hush();
            self.book(now);
            if self.shared.is_abandoned() {
                break;
            }
        }
        self.disconnect()
    }

    fn write_bind(&self) {
        let account = &self.shared.accounts[usize::from(self.seat.account.0)];
        // No system_type, no address range.
        let rest = [0, 0, self.shared.args.version as u8, 0, 0, 0];
        let body = [account.system_id.as_bytes(), &[0], account.password.as_bytes(), &rest].concat();
        let mut out = self.lane.outbox.bytes.borrow_mut();
        write_header(&mut out, self.seat.role.bind_command(), CommandStatus::ROK, SequenceNumber::FIRST, body.len());
        out.extend_from_slice(&body);
    }

    fn handle_input(&mut self, wire: &mut Wire, now: u64) -> io::Result<()> {
        let (shared, tally) = (Arc::clone(&self.shared), Rc::clone(&self.tally));
        let mut ledger = shared.ledger.lock().map_err(|_| io::ErrorKind::Other)?;
        let mut books = Books { ledger: &mut ledger, tally: &mut tally.borrow_mut() };
        while let Some(frame) = wire.input.next_frame().map_err(|_| io::ErrorKind::InvalidData)? {
            match frame.command {
                CommandId::SUBMIT_SM_RESP => self.answer(&frame, &mut books, now),
                CommandId::DELIVER_SM => self.deliver(&frame, &mut books, now),
                _ => self.control(&frame, &mut books, now),
            }
        }
        Ok(())
    }

    fn answer(&mut self, frame: &Frame<'_>, books: &mut Books<'_>, now: u64) {
        let Some(submit) = self.window.take(frame.sequence) else {
            books.tally.late_answers += 1;
            return;
        };
        self.added.answered += 1;
        books.tally.answers.record(now.saturating_sub(submit.due_ns));
        let id = until_nul(frame.body);
        self.entries.answered(submit.number, frame.status, id);
        if !frame.status.is_ok() {
            return books.tally.refused.add(frame.status);
        }
        self.added.accepted += 1;
        if !self.shared.args.awaits_receipts() {
            return;
        }
        if id.is_empty() {
            books.tally.protocol_errors += 1;
            return;
        }
        self.added.receipts += books.answered(id, submit.due_ns, self.arrival(now));
    }

    fn deliver(&mut self, frame: &Frame<'_>, books: &mut Books<'_>, now: u64) {
        {
            let mut out = self.lane.outbox.bytes.borrow_mut();
            write_header(&mut out, CommandId::DELIVER_SM_RESP, CommandStatus::ROK, frame.sequence, 1);
            out.push(0);
        }
        let Ok(view) = SmView::deliver(frame.body) else {
            books.tally.protocol_errors += 1;
            return;
        };
        if view.esm_class & esm_class::TYPE_MASK == 0 {
            books.tally.mo += 1;
            return;
        }
        self.added.heard = true;
        self.entries.receipt(&view);
        match read_receipt(&view) {
            Some((_, false)) => books.tally.intermediate += 1,
            Some((id, true)) => self.added.receipts += books.receipt(id, self.arrival(now)),
            None => books.tally.unreadable += 1,
        }
    }

    fn control(&mut self, frame: &Frame<'_>, books: &mut Books<'_>, now: u64) {
        let expected_bind_resp = self.seat.role.bind_command().response();
        match frame.command {
            command if command == expected_bind_resp && self.state == State::Binding => {
                self.bind_answered(frame.status);
            }
            CommandId::ENQUIRE_LINK => self.write_control(CommandId::ENQUIRE_LINK_RESP, frame.sequence),
            CommandId::UNBIND if self.state == State::Bound => self.state = State::Leaving(frame.sequence),
            CommandId::UNBIND => self.write_control(CommandId::UNBIND_RESP, frame.sequence),
            CommandId::UNBIND_RESP if self.state == State::Unbinding => self.state = State::Ended,
            CommandId::GENERIC_NACK => match self.window.take(frame.sequence) {
                Some(submit) => {
                    self.entries.answered(submit.number, frame.status, &[]);
                    self.added.answered += 1;
                    books.tally.answers.record(now.saturating_sub(submit.due_ns));
                    books.tally.refused.add(frame.status);
                }
                None => books.tally.protocol_errors += 1,
            },
            _ => books.tally.protocol_errors += 1,
        }
    }

    fn bind_answered(&mut self, status: CommandStatus) {
        let account = &self.shared.accounts[usize::from(self.seat.account.0)];
        if status.is_ok() {
            self.state = State::Bound;
            self.entries.bound(self.shared.next_connection(), &account.system_id, self.seat.role);
            let is_first = !std::mem::replace(&mut self.has_bound, true);
            self.shared.bound.fetch_add(u64::from(is_first), Ordering::Relaxed);
            return;
        }
        if !self.shared.args.reconnect {
            self.shared.fail(format!("{}: bind refused: {status}", account.system_id));
        }
        self.state = State::Ended;
    }

    fn write_control(&self, command: CommandId, sequence: SequenceNumber) {
        write_header(&mut self.lane.outbox.bytes.borrow_mut(), command, CommandStatus::ROK, sequence, 0);
    }

    fn arrival(&self, at_ns: u64) -> Arrival {
        Arrival { account: self.seat.account, connection: self.seat.connection, at_ns }
    }

    /// Submits what may be submitted now, gives up on what nobody answers, and unbinds when all is over.
    fn go_on(&mut self, now: u64) {
        if self.shared.is_ending() {
            // Its number is outside the window's, so no answer can be taken for another's.
            self.write_control(CommandId::UNBIND, SequenceNumber(0x7FFF_FFFF));
            self.state = State::Unbinding;
            return;
        }
        self.sweep(now);
        if self.seat.role != Role::Receiver {
            self.fill_window(now);
        }
    }

    fn sweep(&mut self, now: u64) {
        if now.saturating_sub(self.swept_ns) >= SWEEP_NS {
            self.swept_ns = now;
            let timeout = nanos(self.shared.args.response_timeout);
            self.give_up(|submit| submit.sent_ns + timeout <= now);
        }
    }

    /// Nobody will answer these any more; returns how many there are.
    fn give_up(&mut self, is_lost: impl FnMut(&Submit) -> bool) -> u64 {
        let lost = self.window.take_if(is_lost);
        lost.iter().for_each(|submit| self.entries.in_doubt(submit.number));
        self.added.lost += lost.len() as u64;
        lost.len() as u64
    }

    /// The peer closes when it has our answer, so what is still open would never be answered.
    fn leave(&mut self, sequence: SequenceNumber, now: u64) {
        self.lane.next_due_ns.set(u64::MAX);
        self.sweep(now);
        if self.window.outstanding() == 0 || self.shared.is_ending() {
            self.write_control(CommandId::UNBIND_RESP, sequence);
            self.state = State::Unbinding;
        }
    }

    fn fill_window(&mut self, now: u64) {
        let Some(start) = self.shared.sending_since(now) else {
            self.lane.next_due_ns.set(u64::MAX);
            return;
        };
        let mut room = self.window.room() as u64;
        if let Some(schedule) = self.seat.schedule {
            room = room.min(schedule.due_after(now.saturating_sub(start)).saturating_sub(self.sent));
        }
        let mut out = self.lane.outbox.bytes.borrow_mut();
        while room > 0 {
            if self.numbers.is_empty() {
                self.numbers = self.shared.take_numbers(room);
            }
            let Some(number) = self.numbers.next() else { break };
            let due_ns = self.seat.schedule.map_or(now, |schedule| start + schedule.due_ns(self.sent));
            let Ok(sequence) = self.window.open(Submit { number, due_ns, sent_ns: now }) else {
                self.numbers.start = number;
                break;
            };
            self.template.write(sequence, number, &mut out);
            self.entries.submitted(number);
            self.sent += 1;
            self.added.sent += 1;
            room -= 1;
        }
        let is_waiting = self.window.room() > 0 && !(self.numbers.is_empty() && self.shared.all_taken());
        let next = self.seat.schedule.map(|schedule| start + schedule.due_ns(self.sent));
        self.lane.next_due_ns.set(next.filter(|_| is_waiting).unwrap_or(u64::MAX));
    }

    /// Adds this turn to the progress.
    fn book(&mut self, now: u64) {
        let progress = &self.shared.progress;
        let added = std::mem::take(&mut self.added);
        let counters = [
            (&progress.sent, added.sent),
            (&progress.accepted, added.accepted),
            (&progress.answered, added.answered),
            (&progress.receipts, added.receipts),
            (&progress.lost, added.lost),
        ];
        for (counter, count) in counters {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        if added.answered + added.receipts > 0 || added.heard {
            self.shared.last_heard_ns.store(now, Ordering::Relaxed);
        }
    }

    /// What was unanswered on a connection that is no more is in doubt, and never sent again.
    fn disconnect(&mut self) -> bool {
        let is_lost = !matches!(self.state, State::Unbinding | State::Ended);
        let in_doubt = self.give_up(|_| true);
        {
            let mut tally = self.tally.borrow_mut();
            tally.disconnects += u64::from(is_lost);
            tally.in_doubt += in_doubt;
        }
        self.lane.next_due_ns.set(u64::MAX);
        self.book(monotonic_ns());
        self.entries.ended()
    }

    /// The session is over for good.
    pub(super) fn end(self) {
        self.shared.abandoned.fetch_add(self.numbers.end - self.numbers.start, Ordering::Relaxed);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.lane.is_open.set(false);
    }
}
