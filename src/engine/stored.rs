//! Store and forward (`accept: store`) at an account's home: a submit is answered once it is durable here, and goes to carriers as
//! they have room, until one accepted it or it failed for good.
//!
//! Its record is kept until then. Another one, the mark, says that it may have reached a carrier: asked for by the carrier's home
//! when it is about to write it (`marked`), durable before the first octet is. So what is in doubt after a crash is bounded by the
//! carriers' windows. What waits is in `Backlog`; who is told of a failure, and how, in `failures`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::account::Account;
use super::backlog::{Entry, Standing};
use super::context::Context;
use super::event::{HoldingKind, SubmitError};
use super::failures::Failure;
use super::holdings::Holding;
use super::message::{Course, Outcome, ReturnReason, ShardMessage, SubmitInfo};
use super::parts::Part;
use super::policy;
use super::relay::{Origin, Submit};
use super::router::{Query, RouteChoice, significant};
use super::slab::Key;
use super::stored_record::{SentMark, StoredSubmit};
use super::submit::hash_digits;
use super::time::Instant;
use super::validity;
use crate::config::CarrierId;
use crate::smpp::command::{CommandStatus, SequenceNumber};
use crate::smpp::edit::{self, Edits};
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

/// A carrier's home asks whether it may write a submit that has its place in a window already.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub submit: Key,
    pub carrier: CarrierId,
    pub link: u16,
    pub connection: Key,
    pub sequence: SequenceNumber,
}

/// A stored submit, as those who ask for it by our id find it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found<'a> {
    /// No carrier has it; the submit_sm's body.
    WaitsHere(&'a [u8]),
    /// It was given to a carrier.
    IsOnItsWay,
    Unknown,
}

/// What became of one whose turn it was.
enum Offered {
    Sent,
    /// The routes are others than when it came: it waits for the turn of the rule it goes by now.
    ByAnother(u32),
}

impl Account {
    /// After so many that go by another rule, everything else has its turn.
    const MOVED_AT_ONCE: usize = 1_000;

    /// A stored submit that is not settled yet.
    #[must_use]
    pub fn find_stored(&self, id: MessageId) -> Found<'_> {
        if self.backlog.find(id).is_none() {
            return Found::Unknown;
        }
        match self.waiting(id).and_then(|key| self.stored(key)) {
            Some(stored) => Found::WaitsHere(stored.body),
            None => Found::IsOnItsWay,
        }
    }

    /// Forgets one that waits here, with a receipt DELETED when one was asked for. False when it does not wait here.
    pub fn cancel_stored(&mut self, id: MessageId, cx: &mut Context<'_>) -> bool {
        let Some(key) = self.waiting(id) else { return false };
        self.fail_stored(key, Failure::Cancelled, cx);
        true
    }

    /// Gives one that waits here another body, under the same id and with the validity that body says; it stands behind the others
    /// then. Durable when the records appended so far are. False when it does not wait here.
    pub fn replace_stored(&mut self, id: MessageId, body: &[u8], cx: &mut Context<'_>) -> bool {
        let Some(key) = self.waiting(id) else { return false };
        let shown = self.stored(key).and_then(|stored| stored.shown);
        let Some(replaced) = self.keep_stored((id, shown), body, cx) else { return false };
        let Some(entry) = self.backlog.remove(key) else { return false };
        self.holdings.forget(key, cx);
        self.await_turn(replaced, entry.lane, cx);
        true
    }

    /// The key of one that no carrier has, nor may have.
    fn waiting(&self, id: MessageId) -> Option<u64> {
        let waits = |entry: &Entry| entry.standing != Standing::IsOnItsWay && !entry.course.is_doubtful;
        self.backlog.find(id).filter(|(_, entry)| waits(entry)).map(|(key, _)| key)
    }

    /// Takes a submit that may go on; whom it came from is told once it is durable.
    pub(super) fn store(&mut self, submit: Submit, body: &[u8], cx: &mut Context<'_>) -> Result<(), SubmitError> {
        if !cx.has_room {
            // It was held back since it was looked at.
            return Err(SubmitError::StoreFull);
        }
        if !self.has_room_to_store(1, cx) {
            return Err(SubmitError::QueueFull);
        }
        let stored = self.keep_stored((submit.info.id, submit.shown), body, cx).ok_or(SubmitError::QueueFull)?;
        self.line_of_storing(&submit, body, cx);
        self.join_stored(&submit, cx);
        self.storing += 1;
        if let Origin::Multi { multi, .. } = submit.origin {
            // Others of its destinations may be held back for long.
            self.expect_receipts(multi, &submit.info);
        }
        if let Some(session) = self.sessions.get_mut(submit.info.session) {
            session.outstanding += 1;
        }
        let (account, submit) = (self.id, self.submits.insert(submit));
        let own = cx.out.own();
        cx.out.after_records(own).messages.push(ShardMessage::StoredDone { account, submit, stored });
        Ok(())
    }

    /// What fails for good becomes a receipt of ours, or an event, whatever waits to be delivered by then: both queues together have
    /// room for it.
    pub(super) fn has_room_to_store(&self, more: usize, cx: &Context<'_>) -> bool {
        let config = cx.config.account(self.id);
        let (most, most_receipts) = (config.submit_queue as usize, config.delivery_queue as usize);
        let (stored, receipts) = (self.backlog.len() + self.storing + more, self.kept_deliveries() + self.failing);
        stored <= most && stored + receipts <= most + most_receipts
    }

    /// It is durable: its customer is told, and it may go to carriers.
    pub fn stored_done(&mut self, submit: Key, stored: u64, cx: &mut Context<'_>) {
        let Some(submit) = self.submits.remove(submit) else { return };
        // Counted until it waits: whoever has room by this answer may want to store something.
        self.tell_origin(&submit, Outcome::Accepted, cx);
        self.storing -= 1;
        self.await_turn(stored, submit.choice.rule(), cx);
    }

    pub(super) fn keep_stored(
        &mut self,
        (id, shown): (MessageId, Option<MessageId>),
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Option<u64> {
        let (config, retention) = (cx.config.account(self.id), cx.config.store.retention);
        let stored = StoredSubmit { shown, ..StoredSubmit::accepted(body, config, cx.unix_seconds(), retention)? };
        let mut octets = Vec::with_capacity(body.len() + StoredSubmit::HEAD);
        stored.write(&mut octets);
        Some(self.holdings.keep(HoldingKind::Stored, id, &octets, cx))
    }

    fn stored(&self, key: u64) -> Option<StoredSubmit<'_>> {
        StoredSubmit::read(&self.holdings.get(key)?.body)
    }

    /// A durable one joins those that wait.
    pub(super) fn await_turn(&mut self, key: u64, lane: u32, cx: &mut Context<'_>) {
        self.join_backlog(key, lane, cx);
        self.offer_lane(lane, cx);
        self.arm(cx);
    }

    pub(super) fn join_backlog(&mut self, key: u64, lane: u32, cx: &Context<'_>) {
        let Some(holding) = self.holdings.get(key) else { return };
        let Some(stored) = StoredSubmit::read(&holding.body) else { return };
        let left = stored.ends.saturating_sub(cx.unix_seconds());
        let ends = cx.now + Duration::from_secs(left.into());
        let entry = Entry::new(holding.id, lane, stored.priority, ends);
        self.backlog.push(key, Entry { shown: stored.shown, ..entry });
    }

    /// Gives the carriers what they may have room for.
    pub(super) fn offer_lane(&mut self, lane: u32, cx: &mut Context<'_>) {
        if cx.is_draining {
            return;
        }
        let mut others = BTreeSet::new();
        let mut moved = 0;
        while let Some(key) = self.backlog.take_next(lane, cx.now) {
            let Some(octets) = self.holdings.lend(key) else {
                self.backlog.remove(key);
                continue;
            };
            let offered = self.offer(key, &octets, cx);
            self.holdings.give_back(key, octets);
            match offered {
                Some(Offered::Sent) => {}
                Some(Offered::ByAnother(rule)) => {
                    others.insert(rule);
                    moved += 1;
                    if moved >= Self::MOVED_AT_ONCE {
                        self.backlog.rest(lane, cx.now);
                        self.arm(cx);
                    }
                }
                None => {
                    // No rule has a carrier for it.
                    let course = self.backlog.get(key).map(|entry| entry.course).unwrap_or_default();
                    self.backlog.put_off(key, course, cx.now);
                }
            }
        }
        for other in others {
            self.offer_lane(other, cx);
        }
    }

    fn offer(&mut self, key: u64, octets: &[u8], cx: &mut Context<'_>) -> Option<Offered> {
        let stored = StoredSubmit::read(octets)?;
        let view = SmView::submit(stored.body).ok()?;
        let entry = *self.backlog.get(key)?;
        let born = self.holdings.get(key)?.born;
        let (part, shown) = (Part::read(&view), stored.shown);
        let mut choice = self.route(&view, part.as_ref(), cx)?;
        if choice.rule() != entry.lane {
            self.backlog.change_lane(key, choice.rule());
            return Some(Offered::ByAnother(choice.rule()));
        }
        if let Some(carrier) = part.as_ref().and_then(|part| self.messages.carrier(part, cx.now)) {
            cx.routes.begin_with(&mut choice, carrier);
        }
        let deadline = cx.now + cx.config.smpp.timers.response;
        let info = SubmitInfo {
            account: self.id,
            submit: Key { slot: 0, generation: 0 },
            session: SubmitInfo::STORED,
            id: entry.id,
            deadline,
            destination: hash_digits(significant(view.destination.digits)),
            affinity: part.as_ref().map_or(0, Part::affinity),
            segments: stored.segments,
            priority: stored.priority,
            wants_receipt: stored.wants_receipt,
        };
        // What was refused a while ago may be taken now; only what may have been accepted is not sent for ever.
        let tries = if entry.course.is_doubtful { entry.course.tries } else { 0 };
        let is_expiring = !view.validity.is_empty() && entry.ends < deadline;
        let course = Course { is_expiring, tries, ..entry.course };
        let submit = Submit {
            origin: Origin::Stored(key),
            choice,
            part,
            info,
            course,
            carrier: CarrierId(0),
            refused: None,
            is_joined: false,
            cap: None,
            shown,
            read_at: cx.now,
        };
        let waited = Duration::from_secs(cx.unix_seconds().saturating_sub(born).into());
        match validity::left(view.validity, waited) {
            None => self.dispatch(submit, stored.body, cx).ok()?,
            Some(left) => {
                let mut body = Vec::with_capacity(stored.body.len());
                edit::write(stored.body, &view, &Edits { validity: Some(&left), ..Edits::default() }, &mut body);
                self.dispatch(submit, &body, cx).ok()?;
            }
        }
        Some(Offered::Sent)
    }

    pub(super) fn route(&self, view: &SmView<'_>, part: Option<&Part>, cx: &mut Context<'_>) -> Option<RouteChoice> {
        let source = policy::sender(cx.config.account(self.id), view.source).digits;
        let (destination, data_coding) = (view.destination.digits, view.data_coding);
        let query = Query { account: self.id, destination, source, data_coding };
        let pick = part.map_or_else(|| cx.random.draw(), |part| part.affinity().into());
        cx.routes.choose(&query, pick)
    }

    /// A carrier's home is about to write it: granted once the mark that says so is durable.
    pub fn ask_send(&mut self, ask: Ask, cx: &mut Context<'_>) {
        let Some(Origin::Stored(key)) = self.submits.get(ask.submit).map(|submit| submit.origin) else { return };
        let Some(entry) = self.backlog.get(key).copied() else { return };
        let name = cx.config.carrier(ask.carrier).name.as_str();
        let is_of_it = |mark: u64| {
            let mark = self.holdings.get(mark).and_then(|holding| SentMark::read(&holding.body));
            mark.is_some_and(|mark| mark.carrier == name)
        };
        if !entry.mark.is_some_and(is_of_it) {
            let mut octets = Vec::with_capacity(16 + name.len());
            SentMark { stored: key, carrier: name }.write(&mut octets);
            let mark = self.holdings.keep(HoldingKind::Sent, entry.id, &octets, cx);
            if let Some(old) = self.backlog.set_mark(key, Some(mark)) {
                self.holdings.forget(old, cx);
            }
        }
        let home = cx.placement.home_of_carrier(ask.carrier);
        let Ask { carrier, link, connection, sequence, .. } = ask;
        cx.out.after_records(home).messages.push(ShardMessage::MaySend { carrier, link, connection, sequence });
    }

    /// A carrier's home settled it.
    pub(super) fn stored_settled(
        &mut self,
        (key, carrier, is_over): (u64, CarrierId, bool),
        outcome: Outcome,
        course: Course,
        cx: &mut Context<'_>,
    ) {
        let lane = self.backlog.get(key).map(|entry| entry.lane);
        match outcome {
            Outcome::Accepted => {
                self.counts.stored_accepted += 1;
                if let Some(holding) = self.forget_stored(key, cx) {
                    if let Some(stored) = StoredSubmit::read(&holding.body).filter(|_| is_over) {
                        self.line_of_sending((holding.id, holding.born, &stored), carrier, cx);
                    }
                    self.web_accepted(holding.id, Some(carrier), cx);
                }
            }
            Outcome::Refused(status) => self.fail_stored(key, Failure::Rejected(status), cx),
            Outcome::InDoubt => self.fail_stored(key, Failure::InDoubt, cx),
            Outcome::Failed(_) => self.stored_returned(key, ReturnReason::QueueFull, course, cx),
        }
        if let Some(lane) = lane {
            self.offer_lane(lane, cx);
        }
        self.arm(cx);
    }

    /// No carrier took it this time.
    pub(super) fn stored_returned(&mut self, key: u64, reason: ReturnReason, course: Course, cx: &mut Context<'_>) {
        // What may have been accepted stays marked.
        if !course.is_doubtful
            && let Some(mark) = self.backlog.set_mark(key, None)
        {
            self.holdings.forget(mark, cx);
        }
        let lane = self.backlog.get(key).map(|entry| entry.lane);
        match reason {
            // It leaves its lane, where others may wait for that.
            _ if course.is_doubtful && !course.may_go_on() => self.fail_stored(key, Failure::InDoubt, cx),
            ReturnReason::NotBound | ReturnReason::QueueFull => self.backlog.put_back(key, course, cx.now),
            ReturnReason::Refused(_) if course.is_doubtful => self.backlog.put_off(key, course, cx.now),
            ReturnReason::Refused(status) if is_for_good(status) => {
                self.fail_stored(key, Failure::Rejected(status), cx);
            }
            ReturnReason::Refused(_) => self.backlog.put_off(key, course, cx.now),
        }
        if let Some(lane) = lane {
            self.offer_lane(lane, cx);
        }
        self.arm(cx);
    }

    /// What waits may be over, or due again.
    pub(super) fn stored_timeout(&mut self, cx: &mut Context<'_>) {
        if self.backlog.is_empty() {
            return;
        }
        while cx.has_room
            && let Some(key) = self.backlog.take_ended(cx.now)
        {
            self.fail_stored(key, Failure::Expired, cx);
        }
        for lane in self.backlog.take_due(cx.now) {
            self.offer_lane(lane, cx);
        }
    }

    /// What is due meanwhile is found together; and what is over waits while the journal has no room for a receipt.
    pub(super) fn next_stored_look(&self, now: Instant) -> Instant {
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        if self.backlog.is_empty() { Instant::NEVER } else { self.backlog.next_look().max(now + LOOK_EVERY) }
    }

    /// Forgets it and its mark.
    pub(super) fn forget_stored(&mut self, key: u64, cx: &mut Context<'_>) -> Option<Holding> {
        let mark = self.backlog.remove(key).and_then(|entry| entry.mark);
        if let Some(mark) = mark {
            self.holdings.forget(mark, cx);
        }
        self.holdings.forget(key, cx)
    }
}

/// Whether waiting mends nothing: no carrier that is left takes such an address.
fn is_for_good(status: CommandStatus) -> bool {
    matches!(status, CommandStatus::RINVSRCADR | CommandStatus::RINVDSTADR | CommandStatus::RMISSINGOPTPARAM)
}
