//! What a carrier delivers: receipts find whose they are, MO finds its account, and the carrier is acknowledged once the
//! account's home has made either durable. Never the other way round.

use std::collections::hash_map::Entry;
use std::time::Duration;

use super::carrier::Carrier;
use super::cdr::Told;
use super::context::Context;
use super::correlation::{Correlation, Found};
use super::early::Early;
use super::event::Record;
use super::message::{DeliveryKind, Request, ShardMessage};
use super::router::significant;
use super::slab::Key;
use super::submit::hash_digits;
use super::time::Instant;
use crate::metrics::ReceiptOutcome;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::Frame;
use crate::smpp::message_id::normalize;
use crate::smpp::receipt::{self, Receipt};
use crate::smpp::view::SmView;
use crate::smpp::{data_sm, edit, pdu};

/// A receipt or MO handed to its account's home.
#[derive(Debug)]
pub struct InHand {
    pub(super) from: From,
    /// The entry it matched; put back when the account has no room. `None` for MO.
    pub(super) entry: Option<Correlation>,
    pub(super) is_final: bool,
    /// What a final one says, when a line is to repeat it.
    pub(super) told: Option<Box<Told>>,
}

impl InHand {
    /// Whether it came on this connection, where its answer is awaited.
    #[must_use]
    pub fn came_on(&self, link: Option<Key>) -> bool {
        matches!(self.from, From::Link(request) if Some(request.connection) == link)
    }
}

/// Whom to tell when it is durable.
#[derive(Debug)]
pub(super) enum From {
    /// Answer what the carrier sent.
    Link(Request),
    /// It was parked and acknowledged before, and may have to be handed over again.
    Parked(Box<Early>),
    /// An MO that is kept under this key, acknowledged before.
    Unrouted(u64),
}

/// A receipt already acknowledged to the carrier that its account had no room for.
#[derive(Debug)]
pub struct Refused {
    pub retry_at: Instant,
    pub(super) entry: Correlation,
    pub(super) early: Box<Early>,
}

impl Carrier {
    /// Receipts that may be on their way to accounts at once; the carrier is asked to wait beyond that.
    const MAX_IN_HAND: usize = 1 << 16;
    /// Early receipts parked at once, or waiting for their account to have room.
    const MAX_EARLY: usize = 1 << 16;
    const RETRY_REFUSED: Duration = Duration::from_secs(1);

    /// Takes a deliver_sm or a data_sm.
    pub fn handle_deliver(&mut self, at: usize, connection: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let request = Request { link: at as u16, connection, sequence: frame.sequence, command: frame.command };
        if frame.command != CommandId::DATA_SM {
            return self.handle_delivery(request, frame.body, cx);
        }
        match data_sm::as_short_message(frame.body) {
            Ok(body) => self.handle_delivery(request, &body, cx),
            Err(status) => self.refuse_malformed(request, status, cx),
        }
    }

    /// Takes the body of a deliver_sm, or what says the same.
    fn handle_delivery(&mut self, request: Request, body: &[u8], cx: &mut Context<'_>) {
        let view = match SmView::deliver(body) {
            Ok(view) => view,
            Err(status) => return self.refuse_malformed(request, status, cx),
        };
        if self.in_hand.len() >= Self::MAX_IN_HAND {
            self.counts.count_receipt(ReceiptOutcome::Deferred);
            return self.answer(request, CommandStatus::RX_T_APPN, cx);
        }
        let habits = &cx.config.carrier(self.id).profile.receipts;
        if let Some(narrow) = receipt::narrowed(body, &view, habits) {
            return self.handle_delivery(request, &narrow, cx);
        }
        let status = match receipt::read_as(&view, habits) {
            Some(receipt) => self.handle_receipt(From::Link(request), body, &view, &receipt, cx),
            None => self.handle_mo(request, body, &view, cx),
        };
        if let Some(status) = status {
            self.answer(request, status, cx);
        }
    }

    fn refuse_malformed(&self, request: Request, status: CommandStatus, cx: &mut Context<'_>) {
        cx.counts.protocol_errors += 1;
        self.answer(request, status, cx);
    }

    /// Answers what a carrier sent, unless its link is gone: there it will send it again.
    pub fn answer(&self, request: Request, status: CommandStatus, cx: &mut Context<'_>) {
        if self.links[usize::from(request.link)].connection() == Some(request.connection) {
            let out = cx.out.write(request.connection);
            pdu::write_delivery_resp(request.command.response(), status, request.sequence, out);
        }
    }

    /// The account's home answered.
    pub fn deliver_done(&mut self, in_hand: Key, is_kept: bool, cx: &mut Context<'_>) {
        let Some(hand) = self.in_hand.remove(in_hand) else { return };
        if let Some(entry) = hand.entry.filter(|_| hand.is_final) {
            self.final_done(entry.fingerprint);
            if is_kept {
                self.counts.receipt_delay.observe(cx.unix_seconds().saturating_sub(entry.born));
                self.line_of_receipt(&entry, hand.told.as_deref(), cx);
                self.forget_correlation(&entry, cx);
            } else {
                self.correlations.insert(entry);
            }
        }
        let status = if is_kept { CommandStatus::ROK } else { CommandStatus::RX_T_APPN };
        match hand.from {
            From::Link(request) => {
                if !is_kept {
                    self.counts.count_receipt(ReceiptOutcome::Deferred);
                } else if hand.entry.is_some() {
                    self.counts.count_receipt(ReceiptOutcome::Matched);
                }
                if hand.told.is_some() && is_kept {
                    // Acknowledged before its line is durable, it would not come again, and the line never be written.
                    return self.acknowledge_durable(request, cx);
                }
                self.answer(request, status, cx);
            }
            From::Unrouted(key) => self.unrouted_done(key, is_kept, cx),
            From::Parked(early) => match hand.entry {
                Some(entry) if !is_kept => {
                    let retry_at = cx.now + Self::RETRY_REFUSED;
                    self.refused.push(Refused { retry_at, entry, early });
                    self.arm(cx);
                }
                Some(_) | None => self.forget_early(*early, cx),
            },
        }
    }

    /// Another one under the same id may still be in hand.
    fn final_done(&mut self, fingerprint: u64) {
        if let Entry::Occupied(mut count) = self.finals_in_hand.entry(fingerprint) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// An early receipt found the submit it belongs to. Its record stays until its account's home has one.
    pub(super) fn join_early(&mut self, mut early: Early, entry: Correlation, cx: &mut Context<'_>) {
        if entry.is_muted {
            // An earlier process told the customer that it failed, and knew the rest only when the answer came late.
            self.counts.count_receipt(ReceiptOutcome::Muted);
            return self.forget_early(early, cx);
        }
        if !self.may_tell_of(&early.body, &entry, cx) {
            return self.drop_early(early, cx);
        }
        self.counts.count_receipt(ReceiptOutcome::Matched);
        (early.addresses, early.shown) = (self.readdressed.addresses(entry.id).into(), self.shown.get(entry.id));
        self.hand_over_parked(Box::new(early), entry, cx);
    }

    /// Whether this body is to be believed of a submit: what only looks like a receipt is one when it comes from where that went.
    fn may_tell_of(&self, body: &[u8], entry: &Correlation, cx: &Context<'_>) -> bool {
        let habits = &cx.config.carrier(self.id).profile.receipts;
        let is_foreign = |view: SmView<'_>| {
            let receipt = receipt::read_as(&view, habits);
            receipt.is_some_and(|receipt| receipt.is_by_text && !self.went_to(view.source.digits, entry))
        };
        !SmView::deliver(body).is_ok_and(is_foreign)
    }

    /// Drops early receipts that no unanswered submit can claim any more.
    pub(super) fn drop_unclaimed(&mut self, cx: &mut Context<'_>) {
        if self.early.is_empty() {
            return;
        }
        for early in self.early.drop_unclaimed(self.unanswered.oldest()) {
            self.drop_early(early, cx);
        }
    }

    /// Offers acknowledged receipts again whose account had no room.
    pub(super) fn retry_refused(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        // In the order of their times.
        if self.refused.first().is_none_or(|refused| refused.retry_at > now) {
            return;
        }
        for refused in std::mem::take(&mut self.refused) {
            if refused.retry_at <= now {
                self.hand_over_parked(refused.early, refused.entry, cx);
            } else {
                self.refused.push(refused);
            }
        }
    }

    /// The status to answer with at once; `None` when the answer waits for the account's home or a record.
    fn handle_receipt(
        &mut self,
        from: From,
        body: &[u8],
        view: &SmView<'_>,
        receipt: &Receipt<'_>,
        cx: &mut Context<'_>,
    ) -> Option<CommandStatus> {
        let format = cx.config.carrier(self.id).message_id.receipt;
        let destination = hash_digits(significant(view.source.digits));
        let mut fingerprints = [None; 2];
        for (id, fingerprint) in receipt.ids.iter().zip(&mut fingerprints) {
            let Some(id) = id else { continue };
            *fingerprint = Some(self.correlations.fingerprint(normalize(id, format)));
        }
        let mut found = Found::None;
        for fingerprint in fingerprints.into_iter().flatten() {
            found = self.correlations.find(fingerprint, destination);
            if found != Found::None {
                break;
            }
        }
        if matches!(from, From::Link(_)) {
            self.counts.count_receipt_state(receipt.state.into());
            self.counts.unknown_states += u64::from(!receipt.state_known);
        }
        let entry = match found {
            Found::None => return self.handle_unmatched(from, body, fingerprints, receipt, cx),
            Found::One(entry) => entry,
            Found::Ambiguous(newest) => {
                self.counts.duplicate_ids += 1;
                self.sent_to(view.source.digits, &newest).unwrap_or(newest)
            }
        };
        if receipt.is_by_text && !self.went_to(view.source.digits, &entry) {
            // Somebody else wrote it: receipts come from where the submit went.
            let From::Link(request) = from else { return None };
            return self.handle_mo(request, body, view, cx);
        }
        let is_final = cx.config.carrier(self.id).profile.receipts.is_final(receipt.state);
        if is_final {
            self.correlations.remove(&entry);
        }
        if entry.is_muted {
            self.counts.count_receipt(ReceiptOutcome::Muted);
            if is_final {
                self.forget_correlation(&entry, cx);
            }
            return Some(CommandStatus::ROK);
        }
        let is_fresh = Self::is_fresh(entry.born, cx);
        self.send_receipt(from, entry, is_final, is_fresh, (body, view, receipt), cx);
        None
    }

    fn handle_unmatched(
        &mut self,
        from: From,
        body: &[u8],
        fingerprints: [Option<u64>; 2],
        receipt: &Receipt<'_>,
        cx: &mut Context<'_>,
    ) -> Option<CommandStatus> {
        let From::Link(request) = from else { return None };
        // The same receipt again, on another link perhaps: what came first may yet be refused, or lost in a crash.
        if fingerprints.iter().flatten().any(|id| self.finals_in_hand.contains_key(id)) {
            self.counts.count_receipt(ReceiptOutcome::Deferred);
            return Some(CommandStatus::RX_T_APPN);
        }
        let has_id = fingerprints.iter().any(Option::is_some);
        if !has_id || self.unanswered.oldest().is_none() {
            self.counts.count_receipt(ReceiptOutcome::Unknown);
            self.hint_format(receipt, cx);
            // A refusal would make the carrier resend it for days.
            return Some(CommandStatus::ROK);
        }
        if !cx.has_room || self.early.len() + self.refused.len() >= Self::MAX_EARLY {
            self.counts.count_receipt(ReceiptOutcome::Deferred);
            return Some(CommandStatus::RX_T_APPN);
        }
        self.counts.count_receipt(ReceiptOutcome::Early);
        let (carrier, key, born, before) = (self.id, cx.issue_key(), cx.unix_seconds(), self.unanswered.next());
        let octets = cx.out.record_bytes.add(body);
        let place = cx.out.append(Record::Early { carrier, key, born, before, body: octets });
        let (body, addresses) = (body.to_vec(), Box::default());
        self.early.park(Early { key, born, place, fingerprints, before, body, addresses, shown: None });
        self.acknowledge_durable(request, cx);
        None
    }

    /// Acknowledges what a carrier sent once everything appended by now is durable.
    fn acknowledge_durable(&self, request: Request, cx: &mut Context<'_>) {
        let acknowledge = ShardMessage::Acknowledge { carrier: self.id, request };
        let own = cx.out.own();
        cx.out.after_records(own).messages.push(acknowledge);
    }

    fn hand_over_parked(&mut self, early: Box<Early>, entry: Correlation, cx: &mut Context<'_>) {
        let mut body = early.body.clone();
        edit::give_back(&early.addresses, &mut body, 0);
        let habits = &cx.config.carrier(self.id).profile.receipts;
        let read = SmView::deliver(&body).ok().and_then(|view| Some((receipt::read_as(&view, habits)?, view)));
        let Some((receipt, view)) = read else { return self.forget_early(*early, cx) };
        let is_final = habits.is_final(receipt.state);
        // A second final one, parked beside the first: the customer has been told.
        let entry = if is_final { self.correlations.remove(&entry) } else { Some(entry) };
        let Some(entry) = entry else { return self.forget_early(*early, cx) };
        self.send_receipt(From::Parked(early), entry, is_final, true, (&body, &view, &receipt), cx);
    }

    /// Nobody can claim it any more.
    pub(super) fn drop_early(&mut self, early: Early, cx: &mut Context<'_>) {
        self.counts.count_receipt(ReceiptOutcome::Unclaimed);
        self.forget_early(early, cx);
    }

    pub(super) fn forget_early(&mut self, early: Early, cx: &mut Context<'_>) {
        cx.out.append(Record::EarlyGone { carrier: self.id, key: early.key, place: early.place });
        self.recycle(early.body);
    }

    /// Forgets what is beyond retention.
    pub(super) fn expire_correlations(&mut self, oldest: u32, cx: &mut Context<'_>) {
        let mut swept = Vec::new();
        self.counts.correlations_expired += self.correlations.sweep(oldest, |entry| swept.push(*entry)) as u64;
        for entry in swept {
            if cx.keeps_cdr() && !entry.is_muted {
                self.line_of_expiry(&entry, cx);
            } else {
                cx.out.left.push(entry.place());
            }
            self.readdressed.remove(entry.id);
            self.parts_by_id.remove(entry.id);
            self.shown.remove(entry.id);
        }
    }

    pub(super) fn forget_correlation(&mut self, entry: &Correlation, cx: &mut Context<'_>) {
        self.readdressed.remove(entry.id);
        self.parts_by_id.remove(entry.id);
        self.shown.remove(entry.id);
        cx.out.append(Record::CorrelationGone { carrier: self.id, id: entry.id, place: entry.place() });
    }

    fn send_receipt(
        &mut self,
        from: From,
        entry: Correlation,
        is_final: bool,
        is_fresh: bool,
        told: (&[u8], &SmView<'_>, &Receipt<'_>),
        cx: &mut Context<'_>,
    ) {
        if is_final {
            *self.finals_in_hand.entry(entry.fingerprint).or_default() += 1;
        }
        // One that was parked may outlive its correlation, and what was kept beside that.
        let parked = if let From::Parked(early) = &from { early.shown } else { None };
        let shown = parked.or_else(|| self.shown.get(entry.id)).unwrap_or(entry.id);
        let (_, view, receipt) = told;
        let line = (is_final && cx.keeps_cdr()).then(|| Told::read(view, receipt));
        let in_hand = self.in_hand.insert(InHand { from, entry: Some(entry), is_final, told: line });
        let (account, carrier, id, is_behind) = (entry.account, self.id, entry.id, false);
        let kind = if is_final { DeliveryKind::FinalReceipt } else { DeliveryKind::IntermediateReceipt };
        // Behind whatever record its correlation still waits for, so that it cannot overtake its answer.
        let (config, now) = (cx.config, cx.unix_seconds());
        let batch = cx.out.after_records(cx.placement.home_of_account(account));
        let at = batch.bytes.len();
        self.write_receipt((&entry, shown), told, config, now, &mut batch.bytes);
        let body = batch.since(at);
        batch.messages.push(ShardMessage::Deliver { account, carrier, in_hand, kind, is_fresh, is_behind, id, body });
    }
}

#[cfg(test)]
pub(super) mod tests;
