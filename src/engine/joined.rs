//! Receipts of long messages at their account's home: held back part by part, and told together (`receipts: last | all`); and those of
//! carriers that send one for a whole message (`per: message`), told of every part.
//!
//! Each part is kept durably from its acceptance on: its customer's answer waits for that, so that every id he was given is known here
//! after a crash. A receipt that is held back takes the place of what was kept of its part, in one commit, before its carrier is
//! acknowledged. What is not known here, because there was no room for it, is passed on by itself.

use std::time::Duration;

use super::account::Account;
use super::context::Context;
use super::delivery::Incoming;
use super::joining::{Part, PartState, Wants, WholeReceipt};
use super::message::{DeliveryKind, Octets, Outcome, ShardMessage};
use super::parts::{self, Messages};
use super::relay::Submit;
use super::slab::Key;
use crate::config::{CarrierId, ReceiptsOfParts, UnrequestedReceipts};
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{self, MessageState, Per};
use crate::smpp::view::SmView;

/// What became of a receipt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Joined {
    /// It is kept in some way, or another tells of its message.
    Done,
    /// There is no room for what it would be.
    Refused,
    /// It is told of by itself.
    PassedOn,
}

/// A final receipt that came in this moment.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) id: MessageId,
    pub(super) body: Vec<u8>,
    /// Another part's, which tells of this one too.
    is_copy: bool,
}

impl Account {
    pub(super) fn wants(&self, cx: &Context<'_>) -> Wants {
        let config = cx.config.account(self.id);
        let unrequested = config.unrequested_receipts == UnrequestedReceipts::Pass;
        Wants { receipts: config.receipts, unrequested }
    }

    pub(super) fn closes_after(cx: &Context<'_>) -> Duration {
        // So long a part sent again, or the last of them, is known to belong to the others; and then it may be under way.
        Messages::IDLE + cx.config.smpp.timers.response
    }

    /// A part was accepted. True when its answer waits for the record of it, which will say `SubmitDone` again.
    pub(super) fn join_part(&mut self, submit: Key, cx: &mut Context<'_>) -> bool {
        let wants = self.wants(cx);
        let Some(entry) = self.submits.get(submit).copied() else { return false };
        // One of several under one id is told of by itself.
        let Some(part) = entry.part.filter(|_| entry.shown.is_none()) else { return false };
        let (id, carrier) = (entry.info.id, entry.carrier);
        let is_wanted = match wants.receipts {
            // What came by HTTP is told of as a whole anyway.
            _ if entry.info.is_web() || self.is_web_segment(id) => false,
            ReceiptsOfParts::Each => entry.info.wants_receipt && is_per_message(carrier, cx),
            ReceiptsOfParts::Last | ReceiptsOfParts::All => true,
        };
        if entry.info.is_stored() && wants.receipts != ReceiptsOfParts::Each && self.joining.part(id).is_none() {
            // There was no room for it when it was stored.
            return false;
        }
        if self.part_has_carrier(id, carrier, cx) {
            return false;
        }
        if !is_wanted || self.has_lost_session(&entry) || !self.insert_part(&part, id, Some(carrier), false, cx) {
            return false;
        }
        if let Some(entry) = self.submits.get_mut(submit) {
            entry.is_joined = true;
        }
        let (account, outcome, sent) = (self.id, Outcome::Accepted, Octets::NONE);
        let done = ShardMessage::SubmitDone { account, submit, outcome, is_over: false, at: cx.now, sent };
        let own = cx.out.own();
        cx.out.after_records(own).messages.push(done);
        self.arm(cx);
        true
    }

    /// A stored part has its carrier now. False when it is none that is known here.
    pub(super) fn part_has_carrier(&mut self, id: MessageId, carrier: CarrierId, cx: &mut Context<'_>) -> bool {
        let Some(known) = self.joining.part_mut(id) else { return false };
        known.carrier = Some(carrier);
        if is_per_message(carrier, cx) {
            self.keep_part(id, None, cx);
        }
        true
    }

    /// Adds a part to its message, with its record. False when it is to be told of by itself.
    fn insert_part(
        &mut self,
        part: &parts::Part,
        id: MessageId,
        carrier: Option<CarrierId>,
        is_answered: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        let message = self.joining.message(part.message);
        let (is_begun, is_told) = (message.is_some(), message.is_some_and(|message| message.is_told));
        // A part that is told of by itself is missing in what is told of the others: as much again is for those of messages
        // that have begun.
        let most = cx.config.account(self.id).delivery_queue as usize * if is_begun { 2 } else { 1 };
        let is_full = self.joining.len() >= most;
        if is_full || is_told && !part.asks && !self.wants(cx).unrequested {
            return false;
        }
        let (number, asks, accepted) = (part.number, part.asks, cx.unix_seconds());
        let state = if is_told { PartState::Told } else { PartState::Awaited };
        let joined = Part { number, id, carrier, asks, is_answered, accepted, key: None, state };
        let closes_at = cx.now + Self::closes_after(cx);
        if let Some(replaced) = self.joining.insert(part.message, part.total, joined, cx.now, closes_at) {
            // Sent again after its answer was lost: whatever comes for the first is passed on by itself.
            self.forget_kept(&replaced, cx);
        }
        self.keep_part(id, None, cx);
        true
    }

    /// A part is stored: for its customer it is accepted then. Other parts may follow long before a carrier has any of them.
    pub(super) fn join_stored(&mut self, submit: &Submit, cx: &mut Context<'_>) {
        let is_joined =
            self.wants(cx).receipts != ReceiptsOfParts::Each && submit.shown.is_none() && !submit.info.is_web();
        let Some(mut part) = submit.part.filter(|_| is_joined) else { return };
        let id = submit.info.id;
        part.message = id;
        self.joining.stored.send(&mut part, CarrierId(0), cx.now);
        self.joining.stored.settled(&part, Outcome::Accepted, cx.now);
        // No receipt comes before its customer is told, for it goes nowhere before.
        self.insert_part(&part, id, None, true, cx);
    }

    /// The answer to a part is written: what came meanwhile may be told.
    pub(super) fn part_answered(&mut self, id: MessageId, cx: &mut Context<'_>) {
        let Some(part) = self.joining.part_mut(id) else { return };
        part.is_answered = true;
        let carrier = part.carrier;
        let Some(name) = self.joining.message_of(id) else { return };
        let whole = self.joining.message(name).and_then(|message| message.whole_receipt.clone());
        if let Some(whole) = whole.filter(|whole| Some(whole.carrier) == carrier) {
            let body = self.under_id(&whole.body, id, cx);
            let fresh = [Fresh { id, body, is_copy: true }];
            self.settle_parts((name, whole.carrier), whole.state, &fresh, Some(cx.turn), cx);
        }
        self.tell_if_due(name, &[], Some(cx.turn), cx);
        self.pump_deliveries(cx);
    }

    /// Whether a receipt of this part is told of with others.
    pub(super) fn is_joined(&self, id: MessageId, cx: &Context<'_>) -> bool {
        let unrequested = self.wants(cx).unrequested;
        self.joining.part(id).is_some_and(|part| part.asks || unrequested)
    }

    /// A stored part failed for good, and this receipt of ours says so: told of once that is durable, or a crash could have it end
    /// otherwise.
    pub(super) fn fail_part(&mut self, id: MessageId, state: MessageState, body: &[u8], cx: &mut Context<'_>) {
        if self.joining.part(id).is_none_or(|part| part.state != PartState::Awaited) {
            self.counts.receipts_joined += 1;
            return self.forget_part(id, cx);
        }
        self.joining.set_state(id, PartState::Final(state));
        self.keep_part(id, Some(body), cx);
        self.joining.set_state(id, PartState::Awaited);
        let own = cx.out.own();
        cx.out.after_records(own).messages.push(ShardMessage::PartFailed { account: self.id, id });
    }

    /// What was kept of a part that failed is durable.
    pub fn part_failed(&mut self, id: MessageId, cx: &mut Context<'_>) {
        let Some((name, part)) = self.joining.message_of(id).zip(self.joining.part(id).copied()) else { return };
        match self.kept_state(&part) {
            Some(state) if part.state == PartState::Awaited => self.joining.set_state(id, PartState::Final(state)),
            // Its message was told of meanwhile.
            Some(_) | None => {
                self.counts.receipts_joined += 1;
                return self.forget_part(id, cx);
            }
        }
        self.tell_if_due(name, &[], Some(cx.turn), cx);
        self.arm(cx);
        self.pump_deliveries(cx);
    }

    /// A receipt came, final or not.
    pub(super) fn join_receipt(&mut self, incoming: &Incoming, body: &[u8], cx: &mut Context<'_>) -> Joined {
        let (id, carrier, kind) = (incoming.id, incoming.carrier, incoming.kind);
        // Another part's answer may be on its way as well.
        let behind_turn = Some(cx.turn);
        let wants = self.wants(cx);
        let Some(part) = self.joining.part(id).copied() else { return Joined::PassedOn };
        if !part.asks && !wants.unrequested {
            // Of a failure, or an intermediate one: nobody waits for it.
            return Joined::PassedOn;
        }
        let Some(name) = self.joining.message_of(id) else { return Joined::Refused };
        let Some(total) = self.joining.message(name).map(|message| message.total) else { return Joined::Refused };
        if kind == DeliveryKind::IntermediateReceipt {
            match wants.receipts {
                ReceiptsOfParts::Last if part.number < total => self.counts.receipts_joined += 1,
                ReceiptsOfParts::All => self.counts.receipts_joined += 1,
                ReceiptsOfParts::Each | ReceiptsOfParts::Last => return Joined::PassedOn,
            }
            return Joined::Done;
        }
        let habits = &cx.config.carrier(carrier).profile.receipts;
        let read = SmView::deliver(body).ok().and_then(|view| receipt::read_as(&view, habits));
        let state = read.map_or(MessageState::Unknown, |receipt| receipt.state);
        let mut fresh = vec![Fresh { id, body: body.to_vec(), is_copy: false }];
        if habits.per == Per::Message {
            let others = self.parts_at(name, carrier, id);
            if wants.receipts == ReceiptsOfParts::Each && !self.has_room_for(1 + others.len(), cx) {
                return Joined::Refused;
            }
            let copy = |id| Fresh { id, body: self.under_id(body, id, cx), is_copy: true };
            fresh.extend(others.into_iter().map(copy));
            if let Some(message) = self.joining.message_mut(name).filter(|message| message.may_grow()) {
                message.whole_receipt = Some(Box::new(WholeReceipt { carrier, state, body: body.to_vec() }));
            }
        }
        self.settle_parts((name, carrier), state, &fresh, behind_turn, cx);
        Joined::Done
    }

    /// Parts of a message that this carrier has and that have no final receipt, but for one.
    fn parts_at(&self, name: MessageId, carrier: CarrierId, but: MessageId) -> Vec<MessageId> {
        let Some(message) = self.joining.message(name) else { return Vec::new() };
        let is_other = |part: &&Part| part.carrier == Some(carrier) && part.id != but && part.is_answered;
        let is_open = |part: &&Part| !matches!(part.state, PartState::Final(_));
        message.parts.iter().filter(is_other).filter(is_open).map(|part| part.id).collect()
    }

    /// Each of these parts has its final receipt, from one carrier.
    fn settle_parts(
        &mut self,
        (name, carrier): (MessageId, CarrierId),
        state: MessageState,
        fresh: &[Fresh],
        behind_turn: Option<u64>,
        cx: &mut Context<'_>,
    ) {
        let each = self.wants(cx).receipts == ReceiptsOfParts::Each;
        let mut held = Vec::new();
        for receipt in fresh {
            let id = receipt.id;
            if receipt.is_copy {
                let home = cx.placement.home_of_carrier(carrier);
                cx.out.after_records(home).messages.push(ShardMessage::Settled { carrier, id, state });
            }
            match self.joining.part(id).map(|part| part.state) {
                _ if each => {
                    self.forget_part(id, cx);
                    self.keep(DeliveryKind::FinalReceipt, id, &receipt.body, behind_turn, cx);
                }
                Some(PartState::Awaited) => {
                    self.joining.set_state(id, PartState::Final(state));
                    held.push(receipt);
                }
                Some(PartState::Told) => {
                    self.counts.receipts_joined += 1;
                    self.forget_part(id, cx);
                }
                // The same once more, over a crash or a reconnect.
                Some(PartState::Final(_)) | None => self.counts.receipts_joined += 1,
            }
        }
        if !self.tell_if_due(name, fresh, behind_turn, cx) {
            for receipt in held {
                self.keep_part(receipt.id, Some(&receipt.body), cx);
            }
        }
    }

    /// Its submit's answer waits for a record: this waits behind it.
    pub(super) fn offer_again(&self, incoming: &Incoming, body: &[u8], cx: &mut Context<'_>) {
        let Incoming { carrier, in_hand, kind, is_fresh, is_behind, id } = *incoming;
        let own = cx.out.own();
        let batch = cx.out.after_records(own);
        let body = batch.add(body);
        let account = self.id;
        batch.messages.push(ShardMessage::Deliver { account, carrier, in_hand, kind, is_fresh, is_behind, id, body });
    }

    /// A receipt as it was given under one of our ids, under another.
    fn under_id(&self, body: &[u8], id: MessageId, cx: &Context<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let Ok(view) = SmView::deliver(body) else { return body.to_vec() };
        let Some(receipt) = receipt::read(&view) else { return body.to_vec() };
        let text = id.text(cx.config.account(self.id).message_id);
        receipt::rewrite(body, &view, &receipt, text.as_bytes(), &mut out);
        out
    }

    /// So many deliveries at once are let in when there are no others, too: or they never would be.
    fn has_room_for(&self, more: usize, cx: &Context<'_>) -> bool {
        let most = cx.config.account(self.id).delivery_queue as usize;
        let kept = self.kept_deliveries();
        kept == 0 || kept + more <= most
    }
}

pub(super) fn is_per_message(carrier: CarrierId, cx: &Context<'_>) -> bool {
    cx.config.carrier(carrier).profile.receipts.per == Per::Message
}
