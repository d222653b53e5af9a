//! Mobile originated messages: the first rule of `mo` that matches says whose they are.
//!
//! A keyword stands in the first part of a long message alone; the others follow it to its account, while that is remembered, or
//! wait for it among the MO without one.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::AHashMap;

use super::carrier::Carrier;
use super::context::Context;
use super::message::{DeliveryKind, Request, ShardMessage};
use super::receipts::{From, InHand};
use super::time::Instant;
use crate::config::{AccountId, CarrierId, Config, Keyword, MoRoute, Pattern, UnroutedMo};
use crate::smpp::command::CommandStatus;
use crate::smpp::keyword;
use crate::smpp::message_id::MessageId;
use crate::smpp::segment::{SegmentRef, segment_ref};
use crate::smpp::view::SmView;

impl Carrier {
    /// The status to answer with at once; `None` when the answer waits for the account's home or a record.
    pub(super) fn handle_mo(
        &mut self,
        request: Request,
        body: &[u8],
        view: &SmView<'_>,
        cx: &mut Context<'_>,
    ) -> Option<CommandStatus> {
        self.counts.mo += 1;
        if let Some(account) = self.account_of_mo(view, cx) {
            self.hand_over_mo(From::Link(request), account, body, cx);
            self.parts_follow(view, account, cx);
            return None;
        }
        self.counts.mo_unrouted += 1;
        match cx.config.unrouted_mo {
            UnroutedMo::Keep => self.keep_unrouted(request, body, cx),
            UnroutedMo::Refuse => Some(CommandStatus::RX_R_APPN),
        }
    }

    /// Whose it is by the rules there are now.
    pub(super) fn account_of_mo(&mut self, view: &SmView<'_>, cx: &Context<'_>) -> Option<AccountId> {
        let part = part_by_word(view, cx.config);
        if let Some(part) = part.filter(|part| part.number != 1)
            && let Some(account) = self.mo_parts.of_first(view, part, cx.now)
        {
            return Some(account);
        }
        let account = account_of(self.id, view, cx.config)?;
        if let Some(part) = part.filter(|part| part.number == 1) {
            self.mo_parts.remember(view, part, account, cx.now);
        }
        Some(account)
    }

    pub(super) fn hand_over_mo(&mut self, from: From, account: AccountId, body: &[u8], cx: &mut Context<'_>) {
        let in_hand = self.in_hand.insert(InHand { from, entry: None, is_final: true, told: None });
        let batch = &mut cx.out.prompt[cx.placement.home_of_account(account).index()];
        let body = batch.add(body);
        let (carrier, kind, id) = (self.id, DeliveryKind::Mo, MessageId::new(0));
        let (is_fresh, is_behind) = (false, false);
        let deliver = ShardMessage::Deliver { account, carrier, in_hand, kind, is_fresh, is_behind, id, body };
        batch.messages.push(deliver);
    }
}

/// Which part of a long message this is, where it may be routed by a word that its first part alone has.
pub(super) fn part_by_word(view: &SmView<'_>, config: &Config) -> Option<SegmentRef> {
    let asks_for_words = config.mo.iter().any(|route| route.keyword.is_some());
    if asks_for_words { segment_ref(view).filter(|part| part.total > 1) } else { None }
}

/// The account of the first rule that matches.
fn account_of(carrier: CarrierId, view: &SmView<'_>, config: &Config) -> Option<AccountId> {
    // Read when a rule first asks for it.
    let mut word: Option<Option<String>> = None;
    let mut has_word = |keywords: &Vec<Keyword>| {
        let word = word.get_or_insert_with(|| keyword::first_word(view));
        word.as_ref().is_some_and(|word| keywords.iter().any(|keyword| keyword.matches(word)))
    };
    let matches = |route: &&MoRoute| {
        covers(route, carrier, view.source.digits, view.destination.digits)
            && route.keyword.as_ref().is_none_or(&mut has_word)
    };
    config.mo.iter().find(matches).map(|route| route.to)
}

/// Whether a rule is meant for what comes from there; its keyword is looked at elsewhere.
pub(super) fn covers(route: &MoRoute, carrier: CarrierId, source: &[u8], destination: &[u8]) -> bool {
    let allows = |patterns: &Option<Vec<Pattern>>, address: &[u8]| {
        patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(address)))
    };
    route.carrier.is_none_or(|of| of == carrier)
        && allows(&route.destination, destination)
        && allows(&route.source, source)
}

/// To which account the first parts of long messages went, for the parts behind them.
#[derive(Debug, Default)]
pub struct PartOwners {
    accounts: AHashMap<MessageKey, (AccountId, Instant)>,
    /// Keys in the order they were remembered.
    order: VecDeque<(Instant, MessageKey)>,
}

/// What all parts of one message share.
pub(super) type MessageKey = (Box<[u8]>, Box<[u8]>, u16, u8);

impl PartOwners {
    const KEPT: usize = 4_096;
    const KEPT_FOR: Duration = Duration::from_secs(600);

    fn of_first(&self, view: &SmView<'_>, part: SegmentRef, now: Instant) -> Option<AccountId> {
        let (account, since) = self.accounts.get(&key(view, part))?;
        (now.since(*since) < Self::KEPT_FOR).then_some(*account)
    }

    fn remember(&mut self, view: &SmView<'_>, part: SegmentRef, account: AccountId, now: Instant) {
        while let Some((since, _)) = self.order.front()
            && (self.order.len() >= Self::KEPT || now.since(*since) >= Self::KEPT_FOR)
            && let Some((since, key)) = self.order.pop_front()
        {
            // It may have been remembered again since.
            if self.accounts.get(&key).is_some_and(|(_, last)| *last == since) {
                self.accounts.remove(&key);
            }
        }
        let key = key(view, part);
        self.order.push_back((now, key.clone()));
        self.accounts.insert(key, (account, now));
    }
}

pub(super) fn key(view: &SmView<'_>, part: SegmentRef) -> MessageKey {
    (view.source.digits.into(), view.destination.digits.into(), part.reference, part.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(part: u8) -> Vec<u8> {
        let mut body = b"\0\0\x00491700\0\0\x0012345\0\x40\0\0\0\0\0\0\0\0\x07\x05\0\x03\x2A\x03".to_vec();
        body.extend_from_slice(&[part, b'x']);
        body
    }

    #[test]
    fn what_was_remembered_is_forgotten_in_time_and_by_number() {
        let mut owners = PartOwners::default();
        let (first, second) = (body(1), body(2));
        let (first, second) = (SmView::deliver(&first).unwrap(), SmView::deliver(&second).unwrap());
        let part = |view: &SmView<'_>| segment_ref(view).unwrap();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        owners.remember(&first, part(&first), AccountId(1), at(0));
        owners.remember(&first, part(&first), AccountId(2), at(500));
        assert_eq!(owners.of_first(&second, part(&second), at(1_000)), Some(AccountId(2)));
        assert_eq!(owners.of_first(&second, part(&second), at(1_100)), None);
        let other = SegmentRef { reference: 7, ..part(&second) };
        assert_eq!(owners.of_first(&second, other, at(1_000)), None);
        for reference in 0..=u16::MAX {
            owners.remember(&first, SegmentRef { reference, ..part(&first) }, AccountId(3), at(1_000));
        }
        assert_eq!((owners.accounts.len(), owners.order.len()), (PartOwners::KEPT, PartOwners::KEPT));
    }
}
