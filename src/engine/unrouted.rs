//! MO that no rule sends to an account: kept durably until a rule does or retention ends, and acknowledged once kept.
//!
//! What is kept is bounded; beyond it the carrier keeps its own. After a start the rules may be others: what they send to an account
//! now is handed over, a few at once, and forgotten when that account's home has it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::carrier::Carrier;
use super::context::Context;
use super::event::{Place, Record};
use super::message::{Request, ShardMessage};
use super::mo;
use super::receipts::From;
use super::time::Instant;
use crate::config::AccountId;
use crate::smpp::command::CommandStatus;
use crate::smpp::view::SmView;

/// A carrier's, by the key of their records: in the order they came.
#[derive(Debug, Default)]
pub struct UnroutedMo {
    kept: BTreeMap<u64, Kept>,
    octets: usize,
    /// What has an account now and waits to be handed over; what its home had no room for; and how many are on their way.
    offers: VecDeque<u64>,
    refused: Vec<u64>,
    on_their_way: usize,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Kept {
    born: u32,
    place: Place,
    account: Option<AccountId>,
    is_on_its_way: bool,
    body: Vec<u8>,
}

impl UnroutedMo {
    const MAX: usize = 1 << 16;
    const MAX_OCTETS: usize = 64 << 20;
    /// On their way to accounts at once, beside what comes meanwhile.
    const AT_ONCE: usize = 1_000;
    const RETRY: Duration = Duration::from_secs(5);
    /// Among the latest so many, and not older than that, parts of a message are looked for when its first part comes.
    const LOOKED_AT: usize = 1_000;
    const OUTRUN_SECONDS: u32 = 60;

    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    #[must_use]
    pub fn next_retry(&self) -> Instant {
        self.retry_at.unwrap_or(Instant::NEVER)
    }

    fn has_room_for(&self, octets: usize) -> bool {
        self.kept.len() < Self::MAX && self.octets + octets <= Self::MAX_OCTETS
    }

    fn insert(&mut self, key: u64, born: u32, place: Place, body: &[u8]) {
        self.octets += body.len();
        self.kept.insert(key, Kept { born, place, account: None, is_on_its_way: false, body: body.to_vec() });
    }

    fn remove(&mut self, key: u64) -> Option<Kept> {
        let kept = self.kept.remove(&key)?;
        self.octets -= kept.body.len();
        Some(kept)
    }
}

impl Carrier {
    /// Keeps an MO nobody is named for. The status to answer with at once; `None` when the answer waits for the record.
    pub(super) fn keep_unrouted(
        &mut self,
        request: Request,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Option<CommandStatus> {
        if !cx.has_room || !self.unrouted.has_room_for(body.len()) {
            return Some(CommandStatus::RX_T_APPN);
        }
        let (carrier, key, born) = (self.id, cx.issue_key(), cx.unix_seconds());
        let octets = cx.out.record_bytes.add(body);
        let place = cx.out.append(Record::Unrouted { carrier, key, born, body: octets });
        self.unrouted.insert(key, born, place, body);
        let own = cx.out.own();
        cx.out.after_records(own).messages.push(ShardMessage::Acknowledge { carrier, request });
        None
    }

    /// Takes back what an earlier process kept.
    pub(super) fn restore_unrouted(
        &mut self,
        key: u64,
        born: u32,
        body: &[u8],
        place: Option<Place>,
        cx: &mut Context<'_>,
    ) {
        let place = place.unwrap_or_else(|| {
            let octets = cx.out.record_bytes.add(body);
            cx.out.append(Record::Unrouted { carrier: self.id, key, born, body: octets })
        });
        self.unrouted.insert(key, born, place, body);
    }

    /// The rules are others perhaps: hands over what they send to an account.
    pub fn route_unrouted(&mut self, cx: &mut Context<'_>) {
        let kept = std::mem::take(&mut self.unrouted.kept);
        let mut routed = Vec::new();
        for (key, kept) in kept.iter().filter(|(_, kept)| !kept.is_on_its_way) {
            let view = SmView::deliver(&kept.body).ok();
            routed.push((*key, view.and_then(|view| self.account_of_mo(&view, cx))));
        }
        self.unrouted.kept = kept;
        self.unrouted.offers.clear();
        self.unrouted.refused.clear();
        for (key, account) in routed {
            if let Some(kept) = self.unrouted.kept.get_mut(&key) {
                kept.account = account;
                self.unrouted.offers.extend(account.map(|_| key));
            }
        }
        self.offer_unrouted(cx);
    }

    /// The first part of a long message found its account: what of the others outran it goes there too.
    pub(super) fn parts_follow(&mut self, first: &SmView<'_>, account: AccountId, cx: &mut Context<'_>) {
        if self.unrouted.is_empty() {
            return;
        }
        let Some(part) = mo::part_by_word(first, cx.config).filter(|part| part.number == 1) else { return };
        let (message, oldest) = (mo::key(first, part), cx.unix_seconds().saturating_sub(UnroutedMo::OUTRUN_SECONDS));
        let mut outran = Vec::new();
        for (key, kept) in self.unrouted.kept.iter().rev().take(UnroutedMo::LOOKED_AT) {
            let Some(view) = SmView::deliver(&kept.body).ok().filter(|_| kept.account.is_none()) else { continue };
            let part = mo::part_by_word(&view, cx.config).filter(|part| mo::key(&view, *part) == message);
            match part.filter(|_| kept.born >= oldest) {
                // They are another message's, whose first part had no account.
                Some(part) if part.number == 1 => return,
                Some(_) => outran.push(*key),
                None => {}
            }
        }
        for key in outran {
            if let Some(kept) = self.unrouted.kept.get_mut(&key) {
                kept.account = Some(account);
                self.unrouted.offers.push_back(key);
            }
        }
        self.offer_unrouted(cx);
    }

    /// The account's home answered.
    pub(super) fn unrouted_done(&mut self, key: u64, is_kept: bool, cx: &mut Context<'_>) {
        self.unrouted.on_their_way -= 1;
        if is_kept {
            self.forget_unrouted(key, cx);
        } else if let Some(kept) = self.unrouted.kept.get_mut(&key) {
            kept.is_on_its_way = false;
            self.unrouted.refused.push(key);
            self.unrouted.retry_at.get_or_insert(cx.now + UnroutedMo::RETRY);
            self.arm(cx);
        }
        self.offer_unrouted(cx);
    }

    /// Offers again what an account had no room for.
    pub(super) fn retry_unrouted(&mut self, cx: &mut Context<'_>) {
        if self.unrouted.retry_at.take_if(|at| *at <= cx.now).is_some() {
            let refused = std::mem::take(&mut self.unrouted.refused);
            self.unrouted.offers.extend(refused);
            self.offer_unrouted(cx);
        }
    }

    /// Forgets what was born before `oldest`.
    pub(super) fn expire_unrouted(&mut self, oldest: u32, cx: &mut Context<'_>) {
        let is_over = |kept: &Kept| kept.born < oldest && !kept.is_on_its_way;
        let over: Vec<u64> = self.unrouted.kept.iter().filter(|(_, kept)| is_over(kept)).map(|(key, _)| *key).collect();
        for key in over {
            self.counts.mo_expired += 1;
            if let Some(kept) = self.unrouted.kept.get(&key) {
                self.line_of_unrouted(&kept.body, kept.born, cx);
            }
            self.forget_unrouted(key, cx);
        }
    }

    /// Records those of this segment again, from a key on, as far as `slots` go. Returns the key to go on from.
    pub(super) fn rewrite_unrouted(
        &mut self,
        from: u64,
        segment: u16,
        slots: &mut usize,
        cx: &mut Context<'_>,
    ) -> Option<u64> {
        for (key, kept) in self.unrouted.kept.range_mut(from..) {
            if *slots == 0 {
                return Some(*key);
            }
            *slots -= 1;
            if kept.place.segment == segment {
                // A long one is many: the commit that carries them should not be.
                *slots = slots.saturating_sub(kept.body.len() / 256);
                let body = cx.out.record_bytes.add(&kept.body);
                cx.out.left.push(kept.place);
                let (carrier, born) = (self.id, kept.born);
                kept.place = cx.out.append(Record::Unrouted { carrier, key: *key, born, body });
            }
        }
        None
    }

    fn offer_unrouted(&mut self, cx: &mut Context<'_>) {
        while self.unrouted.on_their_way < UnroutedMo::AT_ONCE && !cx.is_draining {
            let Some(key) = self.unrouted.offers.pop_front() else { break };
            // It may have come to its end of retention meanwhile.
            let Some(kept) = self.unrouted.kept.get_mut(&key) else { continue };
            let Some(account) = kept.account else { continue };
            kept.is_on_its_way = true;
            let body = kept.body.clone();
            self.unrouted.on_their_way += 1;
            self.hand_over_mo(From::Unrouted(key), account, &body, cx);
        }
    }

    fn forget_unrouted(&mut self, key: u64, cx: &mut Context<'_>) {
        if let Some(kept) = self.unrouted.remove(key) {
            cx.out.append(Record::UnroutedGone { carrier: self.id, key, place: kept.place });
        }
    }
}

#[cfg(test)]
mod tests;
