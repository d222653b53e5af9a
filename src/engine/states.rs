//! What an account with `status: 24h` knows of its messages, by our id: kept when a carrier accepts one, durable before its
//! customer is answered, kept anew with each receipt, and forgotten that long after the last change.
//!
//! At most `MOST` are known: beyond that the oldest final one goes first. An account with `status: off` has none of this.

use std::collections::VecDeque;

use ahash::AHashMap;

use super::account::Account;
use super::context::Context;
use super::event::HoldingKind;
use super::holdings::Holdings;
use super::message::DeliveryKind;
use super::state_record::{Progress, StateRecord, record, with_progress};
use crate::config::CarrierId;
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{self, MessageState};
use crate::smpp::view::SmView;

#[derive(Debug, Default)]
pub struct States {
    /// Keys of the holdings that have them.
    keys: AHashMap<MessageId, u64>,
    /// The same keys in the order they were kept, of states that are not final and of those that are. Some are kept no more.
    open: VecDeque<u64>,
    finals: VecDeque<u64>,
}

impl States {
    /// States an account may have at once.
    pub const MOST: usize = 1_000_000;
    /// Looked at in one sweep: these, and a part of all.
    const SLICE: usize = 1_024;
    const SLICES: usize = 16;

    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    #[must_use]
    pub fn key(&self, id: MessageId) -> Option<u64> {
        self.keys.get(&id).copied()
    }

    /// The key of what this replaces.
    pub(super) fn add(&mut self, id: MessageId, key: u64, is_final: bool) -> Option<u64> {
        let line = if is_final { &mut self.finals } else { &mut self.open };
        line.push_back(key);
        self.keys.insert(id, key)
    }

    pub(super) fn remove(&mut self, id: MessageId) {
        self.keys.remove(&id);
    }

    /// The next to go when there are too many.
    pub(super) fn take_oldest(&mut self, holdings: &Holdings) -> Option<u64> {
        for line in [&mut self.finals, &mut self.open] {
            while let Some(key) = line.pop_front() {
                if holdings.get(key).is_some() {
                    return Some(key);
                }
            }
        }
        None
    }

    /// Keys that were kept before `oldest`, as many as one sweep takes.
    pub(super) fn take_expired(&mut self, oldest: u32, holdings: &Holdings) -> Vec<u64> {
        let mut slice = Self::SLICE + self.len() / Self::SLICES;
        let mut expired = Vec::new();
        for line in [&mut self.open, &mut self.finals] {
            while slice > 0
                && let Some(key) = line.front()
            {
                match holdings.get(*key) {
                    Some(holding) if holding.born >= oldest => break,
                    Some(_) => expired.push(*key),
                    None => {}
                }
                line.pop_front();
                slice -= 1;
            }
        }
        expired
    }

    /// One that stays open for long must not have the keys behind it remembered that are kept no more.
    pub(super) fn tidy(&mut self, holdings: &Holdings) {
        if self.open.len() > 2 * self.keys.len() + Self::SLICE {
            self.open.retain(|key| holdings.get(*key).is_some());
        }
    }
}

impl Account {
    /// Finds again what an earlier process kept, or forgets it when nobody is to ask any more.
    pub(super) fn start_states(&mut self, cx: &mut Context<'_>) {
        let is_wanted = cx.config.account(self.id).status.is_some();
        let mut unwanted = Vec::new();
        for (key, holding) in self.holdings.of_kind(HoldingKind::State) {
            match StateRecord::read(&holding.body).filter(|_| is_wanted) {
                // The same id twice: the process ended between the two records of a change, and the later counts.
                Some(state) => unwanted.extend(self.states.add(holding.id, key, state.progress.finished > 0)),
                None => unwanted.push(key),
            }
        }
        for key in unwanted {
            self.holdings.forget(key, cx);
        }
    }

    /// A carrier accepted it. `sent` is what its home wrote of it.
    pub(super) fn keep_state(&mut self, id: MessageId, carrier: CarrierId, sent: &[u8], cx: &mut Context<'_>) {
        let progress = Progress { state: MessageState::Enroute, error: 0, accepted: cx.unix_seconds(), finished: 0 };
        let octets = record(progress, cx.config.carrier(carrier).name.as_bytes(), sent);
        self.put_state(id, &octets, false, cx);
    }

    /// It ended here, and no carrier has it. `sent` says its addresses.
    pub(super) fn keep_final_state(
        &mut self,
        id: MessageId,
        (state, accepted): (MessageState, u32),
        sent: &[u8],
        cx: &mut Context<'_>,
    ) {
        if self.state(id).is_some_and(|known| known.progress.finished > 0) {
            // What an earlier process knew of it says more.
            return;
        }
        let progress = Progress { state, error: 0, accepted, finished: cx.unix_seconds() };
        self.put_state(id, &record(progress, b"", sent), true, cx);
    }

    /// A receipt that goes to the customer says how it stands.
    pub(super) fn receipt_tells(
        &mut self,
        (id, kind): (MessageId, DeliveryKind),
        carrier: CarrierId,
        body: &[u8],
        cx: &mut Context<'_>,
    ) {
        if self.states.key(id).is_none() {
            return;
        }
        let habits = &cx.config.carrier(carrier).profile.receipts;
        let read = SmView::deliver(body).ok().and_then(|view| Some((receipt::read_as(&view, habits)?, view)));
        let Some((receipt, view)) = read else { return };
        let details = receipt::details(&view);
        let network = details.network_error.map(|(_, error)| u32::from(error));
        let error = network.or(details.error_number()).unwrap_or(0);
        let is_final = kind == DeliveryKind::FinalReceipt;
        self.change_state(id, receipt.state, u8::try_from(error).unwrap_or(u8::MAX), is_final, cx);
    }

    pub(super) fn change_state(
        &mut self,
        id: MessageId,
        state: MessageState,
        error: u8,
        is_final: bool,
        cx: &mut Context<'_>,
    ) {
        let Some(holding) = self.states.key(id).and_then(|key| self.holdings.get(key)) else { return };
        let Some(known) = StateRecord::read(&holding.body).map(|record| record.progress) else { return };
        // Some are only words of receipts, and have no number.
        let state = MessageState::from_number(state.number()).unwrap_or(state);
        let finished = if is_final { cx.unix_seconds().max(1) } else { 0 };
        // What says less than is known, or the same, changes nothing.
        let is_news = if is_final { known.state != state || known.finished == 0 } else { known.state != state };
        if !is_news || known.finished > 0 && !is_final {
            return;
        }
        let octets = with_progress(&holding.body, Progress { state, error, accepted: known.accepted, finished });
        self.put_state(id, &octets, is_final, cx);
    }

    /// Keeps it, and forgets what it takes the place of. One commit has both.
    fn put_state(&mut self, id: MessageId, octets: &[u8], is_final: bool, cx: &mut Context<'_>) {
        let key = self.holdings.keep(HoldingKind::State, id, octets, cx);
        if let Some(replaced) = self.states.add(id, key, is_final) {
            self.holdings.forget(replaced, cx);
        }
        while self.states.len() > States::MOST
            && let Some(oldest) = self.states.take_oldest(&self.holdings)
        {
            self.forget_state(oldest, cx);
        }
        self.arm(cx);
    }

    fn forget_state(&mut self, key: u64, cx: &mut Context<'_>) {
        if let Some(holding) = self.holdings.forget(key, cx)
            && self.states.key(holding.id) == Some(key)
        {
            self.states.remove(holding.id);
        }
    }

    /// Forgets some of what has not changed for as long as `status` says.
    pub(super) fn sweep_states(&mut self, cx: &mut Context<'_>) {
        let Some(kept_for) = cx.config.account(self.id).status else { return };
        if let Some(oldest) = cx.wall.oldest_kept(kept_for, cx.now) {
            for key in self.states.take_expired(oldest, &self.holdings) {
                self.forget_state(key, cx);
            }
        }
        self.states.tidy(&self.holdings);
    }

    /// What is known of a message.
    pub(super) fn state(&self, id: MessageId) -> Option<StateRecord<'_>> {
        StateRecord::read(&self.holdings.get(self.states.key(id)?)?.body)
    }
}
