//! When the customer hears of a long message, and what is kept of its parts until then; how both go on after a start and end with
//! retention.

use std::time::Duration;

use super::account::Account;
use super::context::Context;
use super::event::HoldingKind;
use super::joined::{Fresh, is_per_message};
use super::joining::kept::KeptPart;
use super::joining::{Next, Part, PartState};
use super::message::DeliveryKind;
use crate::config::{CarrierId, ReceiptsOfParts};
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{self, MessageState, PartSays};

impl Account {
    /// While the delivery queue is full.
    const LOOK_AGAIN: Duration = Duration::from_secs(5);

    /// Tells of a message of which enough is known. True when nothing of it is held back any more.
    pub(super) fn tell_if_due(
        &mut self,
        name: MessageId,
        fresh: &[Fresh],
        behind_turn: Option<u64>,
        cx: &mut Context<'_>,
    ) -> bool {
        let (id, body) = match self.joining.next(name, self.wants(cx)) {
            Next::Wait => return false,
            Next::Forget => {
                self.forget_message(name, cx);
                return true;
            }
            Next::Part(id) => (id, self.held_body(id, fresh).map(<[u8]>::to_vec)),
            Next::All(id) => (id, self.joined_body(name, id, fresh, cx)),
        };
        let Some(body) = body else { return false };
        if self.is_full(cx) {
            self.joining.close_again_at(name, cx.now + Self::LOOK_AGAIN);
            return false;
        }
        self.tell(name, id, &body, behind_turn, cx);
        true
    }

    fn is_full(&self, cx: &Context<'_>) -> bool {
        self.kept_deliveries() >= cx.config.account(self.id).delivery_queue as usize
    }

    /// Queues the receipt that tells of a message. Those of its parts that may still come are told of by it, too.
    fn tell(&mut self, name: MessageId, id: MessageId, body: &[u8], behind_turn: Option<u64>, cx: &mut Context<'_>) {
        self.keep(DeliveryKind::FinalReceipt, id, body, behind_turn, cx);
        let wants = self.wants(cx);
        let parts = self.joining.message(name).map(|message| message.parts.clone()).unwrap_or_default();
        let held = parts.iter().filter(|part| matches!(part.state, PartState::Final(_))).count();
        self.counts.receipts_joined += held.saturating_sub(1) as u64;
        if let Some(message) = self.joining.message_mut(name) {
            message.is_told = !message.is_whole();
        }
        for part in parts {
            let may_come = part.state == PartState::Awaited && (part.asks || wants.unrequested);
            if may_come {
                self.joining.set_state(part.id, PartState::Told);
                self.keep_part(part.id, None, cx);
            } else {
                self.forget_part(part.id, cx);
            }
        }
    }

    /// One receipt for all parts of a message, as far as they are known.
    fn joined_body(&self, name: MessageId, id: MessageId, fresh: &[Fresh], cx: &Context<'_>) -> Option<Vec<u8>> {
        let (wants, message) = (self.wants(cx), self.joining.message(name)?);
        let is_awaited = |part: &Part| message.awaited(wants).any(|awaited| awaited.id == part.id);
        let says = |part: &Part| match part.state {
            PartState::Final(state) => {
                Some(PartSays { state, body: self.held_body(part.id, fresh), accepted: part.accepted })
            }
            PartState::Awaited | PartState::Told if is_awaited(part) => {
                Some(PartSays { state: MessageState::Unknown, body: None, accepted: part.accepted })
            }
            PartState::Awaited | PartState::Told => None,
        };
        let parts: Vec<_> = message.parts.iter().filter_map(says).collect();
        let our_id = id.text(cx.config.account(self.id).message_id);
        let mut body = Vec::new();
        receipt::write_joined(&parts, message.missing(), our_id.as_bytes(), cx.unix_seconds(), &mut body);
        Some(body).filter(|body| !body.is_empty())
    }

    /// The receipt of a part that is held back.
    fn held_body<'a>(&'a self, id: MessageId, fresh: &'a [Fresh]) -> Option<&'a [u8]> {
        if let Some(fresh) = fresh.iter().find(|fresh| fresh.id == id) {
            return Some(&fresh.body);
        }
        let holding = self.holdings.get(self.joining.part(id)?.key?)?;
        KeptPart::read(&holding.body)?.receipt.map(|(_, body)| body)
    }

    /// The final state in what is kept of a part.
    pub(super) fn kept_state(&self, part: &Part) -> Option<MessageState> {
        let holding = self.holdings.get(part.key?)?;
        KeptPart::read(&holding.body)?.receipt.map(|(state, _)| state)
    }

    /// Keeps what is known of a part now, in the place of what was; with its receipt, if that is held back.
    pub(super) fn keep_part(&mut self, id: MessageId, body: Option<&[u8]>, cx: &mut Context<'_>) {
        let Some(message) = self.joining.message_of(id) else { return };
        let Some(total) = self.joining.message(message).map(|message| message.total) else { return };
        let Some(part) = self.joining.part(id).copied() else { return };
        let receipt = match part.state {
            PartState::Final(state) => body.map(|body| (state, body)),
            PartState::Awaited | PartState::Told => None,
        };
        let carrier = part.carrier.map_or("", |carrier| &cx.config.carrier(carrier).name);
        let (number, asks, accepted, is_told) = (part.number, part.asks, part.accepted, part.state == PartState::Told);
        let octets = KeptPart { message, total, number, asks, is_told, accepted, carrier, receipt }.write();
        let key = self.holdings.keep(HoldingKind::Parts, id, &octets, cx);
        self.forget_kept(&part, cx);
        if let Some(part) = self.joining.part_mut(id) {
            part.key = Some(key);
        }
    }

    pub(super) fn forget_part(&mut self, id: MessageId, cx: &mut Context<'_>) {
        if let Some(part) = self.joining.remove_part(id) {
            self.forget_kept(&part, cx);
        }
    }

    pub(super) fn forget_kept(&mut self, part: &Part, cx: &mut Context<'_>) {
        if let Some(key) = part.key {
            self.holdings.forget(key, cx);
        }
    }

    fn forget_message(&mut self, name: MessageId, cx: &mut Context<'_>) {
        let parts = self.joining.message(name).map(|message| message.parts.clone()).unwrap_or_default();
        parts.iter().for_each(|part| self.forget_part(part.id, cx));
    }

    /// Messages of which no more parts will come may be told of; others have waited for as long as anything is kept.
    pub(super) fn look_at_messages(&mut self, cx: &mut Context<'_>) {
        while let Some(name) = self.joining.close_next(cx.now, Self::closes_after(cx)) {
            self.tell_if_due(name, &[], None, cx);
        }
        let Some(oldest) = cx.wall.oldest_kept(cx.config.store.retention, cx.now) else { return };
        while !self.is_full(cx)
            && let Some(name) = self.joining.first_before(oldest)
        {
            self.tell_what_is_known(name, cx);
            self.forget_message(name, cx);
            self.joining.remove(name);
        }
    }

    /// Whatever was held back is told now, for nothing more will come.
    fn tell_what_is_known(&mut self, name: MessageId, cx: &mut Context<'_>) {
        let Some(message) = self.joining.message(name) else { return };
        let is_told = message.parts.iter().any(|part| part.state == PartState::Told);
        let Some(last) = message.awaited(self.wants(cx)).last().map(|part| part.id).filter(|_| !is_told) else {
            return;
        };
        if let Some(body) = self.joined_body(name, last, &[], cx) {
            self.tell(name, last, &body, None, cx);
        }
    }

    /// Takes back what an earlier process kept of parts.
    pub(super) fn start_joining(&mut self, cx: &mut Context<'_>) {
        let kept: Vec<u64> = self.holdings.of_kind(HoldingKind::Parts).map(|(key, _)| key).collect();
        for key in kept {
            self.take_back(key, cx);
        }
        // What the configuration asks for may be otherwise by now.
        for name in self.joining.names().collect::<Vec<_>>() {
            self.tell_if_due(name, &[], None, cx);
        }
    }

    fn take_back(&mut self, key: u64, cx: &mut Context<'_>) {
        let Some(holding) = self.holdings.get(key) else { return };
        let (id, octets) = (holding.id, holding.body.clone());
        let Some(kept) = KeptPart::read(&octets) else {
            self.holdings.forget(key, cx);
            return;
        };
        let is_named = |carrier: &crate::config::Carrier| carrier.name == kept.carrier;
        let carrier = cx.config.carriers.iter().position(is_named).map(|at| CarrierId(at as u16));
        if self.wants(cx).receipts == ReceiptsOfParts::Each {
            // Parts are passed on by themselves now, but for those that a carrier tells of together.
            let waits = kept.receipt.is_none() && carrier.is_some_and(|carrier| is_per_message(carrier, cx));
            if let Some((_, body)) = kept.receipt {
                self.keep(DeliveryKind::FinalReceipt, id, body, None, cx);
            }
            if !waits {
                self.holdings.forget(key, cx);
                return;
            }
        }
        let state = match kept.receipt {
            Some((state, _)) => PartState::Final(state),
            None if kept.is_told => PartState::Told,
            None => PartState::Awaited,
        };
        let (number, asks, accepted) = (kept.number, kept.asks, kept.accepted);
        let part = Part { number, id, carrier, asks, is_answered: true, accepted, key: Some(key), state };
        let closes_at = cx.now + Self::closes_after(cx);
        if let Some(replaced) = self.joining.insert(kept.message, kept.total, part, cx.now, closes_at) {
            self.forget_kept(&replaced, cx);
        }
    }
}
