//! Submits that wait for a carrier's rate or window: fair between accounts by segments, by priority and order within one.
//!
//! Deficit round robin: an account may send `QUANTUM` segments each time its turn comes. A part of a message whose link has no room
//! when its turn comes is set aside in that link's line, and nothing behind it waits for it; nor for what waits for a time to come,
//! or for its sender's rate (`senders`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ahash::AHashMap;

use super::carrier::Pending;
use super::senders::Senders;
use super::slab::Key;
use super::time::Instant;
use crate::config::{AccountId, Rate};

#[cfg(test)]
mod tests;

#[derive(Debug, Default)]
pub struct SubmitQueue {
    accounts: AHashMap<AccountId, AccountQueue>,
    /// Accounts with something to send, the next one first.
    ring: VecDeque<AccountId>,
    /// What had its turn and waits for one link, by that link.
    aside: Vec<VecDeque<Pending>>,
    /// What is not to be sent before a time, told apart by a count.
    held: BTreeMap<(Instant, u64), Pending>,
    next_held: u64,
    senders: Option<Box<Senders>>,
    len: usize,
    segments: u64,
    /// Those of them that wait for their account's turn.
    in_turn: u64,
}

#[derive(Debug, Default)]
struct AccountQueue {
    by_priority: [VecDeque<Pending>; 4],
    segments: u64,
    deficit: u32,
}

impl SubmitQueue {
    const QUANTUM: u32 = 8;

    #[must_use]
    pub fn new(source_rate: Option<Rate>, keys: [u64; 4]) -> Self {
        Self { senders: source_rate.map(|rate| Box::new(Senders::new(rate, keys))), ..Self::default() }
    }

    /// Another rate of each sender, or none.
    pub fn set_source_rate(&mut self, rate: Option<Rate>, keys: [u64; 4], now: Instant) {
        match (&mut self.senders, rate) {
            (Some(senders), Some(rate)) => senders.set_rate(rate, now),
            (None, Some(rate)) => self.senders = Some(Box::new(Senders::new(rate, keys))),
            (senders, None) => {
                for pending in senders.take().map(|mut senders| senders.extract(|_| true)).unwrap_or_default() {
                    self.add(pending, VecDeque::push_back);
                }
            }
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing waits for the carrier alone.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ring.is_empty() && !self.has_aside()
    }

    /// Segments waiting.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Segments that leave before a new submit of this account: no more than wait, and of those in turn no more than all accounts
    /// send in the turns that it takes. So one that floods the carrier keeps nobody from the queue.
    #[must_use]
    pub fn ahead_of(&self, account: AccountId) -> u64 {
        let own = self.accounts.get(&account).map_or(0, |queue| queue.segments);
        let accounts = self.ring.len() as u64 + u64::from(own == 0);
        // The others may have begun a turn, and have another before the next of this account.
        let turns = (own + 2 * u64::from(Self::QUANTUM)) * accounts;
        self.segments - self.in_turn + self.in_turn.min(turns)
    }

    /// What would wait if every account that waits had as much in turn as this.
    #[must_use]
    pub fn share_taken(&self, account: AccountId) -> u64 {
        let own = self.accounts.get(&account).map_or(0, |queue| queue.segments);
        own * (self.ring.len() as u64 + u64::from(own == 0))
    }

    pub fn push(&mut self, pending: Pending) {
        self.count_in(&pending);
        self.add(pending, VecDeque::push_back);
    }

    /// Back to the head of its account: the carrier could not take it just now.
    pub fn push_front(&mut self, pending: Pending) {
        self.count_in(&pending);
        self.add(pending, VecDeque::push_front);
    }

    /// Back to the head of its account, but not before then.
    pub fn hold(&mut self, pending: Pending, until: Instant) {
        self.count_in(&pending);
        self.next_held += 1;
        self.held.insert((until, self.next_held), pending);
    }

    /// When something that waits aside may go on.
    #[must_use]
    pub fn next_release(&self) -> Instant {
        let held = self.held.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at);
        self.senders.as_ref().map_or(held, |senders| held.min(senders.next_call()))
    }

    /// Puts what may go on to the heads.
    pub fn release(&mut self, now: Instant) {
        while let Some(pending) = self.senders.as_mut().and_then(|senders| senders.call(now)) {
            self.add(pending, VecDeque::push_front);
        }
        if self.held.first_key_value().is_none_or(|((at, _), _)| *at > now) {
            return;
        }
        let later = self.held.split_off(&(now, u64::MAX));
        // Backwards, so that the first in time stands first.
        for (_, pending) in std::mem::replace(&mut self.held, later).into_iter().rev() {
            self.add(pending, VecDeque::push_front);
        }
    }

    /// How long a new submit would have to wait for its sender's rate.
    pub fn wait_for_sender(&mut self, body: &[u8], segments: u32, now: Instant) -> Duration {
        self.senders.as_mut().map_or(Duration::ZERO, |senders| senders.wait_of(body, segments, now))
    }

    /// Turns the head away, or that of a link's line, when its sender is over its rate.
    pub fn turn_away(&mut self, aside: Option<usize>, now: Instant) -> bool {
        let Some(senders) = &mut self.senders else { return false };
        if let Some(line) = aside.and_then(|link| self.aside.get_mut(link)) {
            let is_over = line.front().is_some_and(|head| !senders.may_leave(head, now));
            if is_over && let Some(pending) = line.pop_front() {
                senders.step_aside(pending, now);
            }
            return is_over;
        }
        let Some(account) = self.next_account() else { return false };
        let (Some(queue), Some(senders)) = (self.accounts.get_mut(&account), &mut self.senders) else { return false };
        if queue.head().is_none_or(|head| senders.may_leave(head, now)) {
            return false;
        }
        if let Some(pending) = queue.take_head() {
            self.in_turn -= u64::from(pending.info.segments);
            senders.step_aside(pending, now);
        }
        self.leave_ring(account);
        true
    }

    /// Whether its sender's rate lets what was taken leave.
    pub fn may_leave(&mut self, pending: &Pending, now: Instant) -> bool {
        self.senders.as_mut().is_none_or(|senders| senders.may_leave(pending, now))
    }

    /// What `pop` gave leaves on a link.
    pub fn left(&mut self, pending: &mut Pending, now: Instant) {
        if let Some(senders) = &mut self.senders {
            senders.left(pending, now);
        }
    }

    /// What `pop` gave is not sent.
    pub fn gone(&mut self, pending: &mut Pending, now: Instant) {
        if let Some(senders) = &mut self.senders {
            senders.gone(pending, now);
        }
    }

    /// The next to send.
    pub fn head(&mut self) -> Option<&Pending> {
        let account = self.next_account()?;
        self.accounts.get(&account)?.head()
    }

    /// Takes what `head` showed.
    pub fn pop(&mut self) -> Option<Pending> {
        let account = self.next_account()?;
        let queue = self.accounts.get_mut(&account)?;
        let pending = queue.take_head()?;
        queue.deficit -= u32::from(pending.info.segments).min(queue.deficit);
        self.in_turn -= u64::from(pending.info.segments);
        self.leave_ring(account);
        self.count_out(&pending);
        Some(pending)
    }

    /// Moves what `head` showed to the line of a link.
    pub fn set_aside(&mut self, link: usize) {
        let Some(pending) = self.pop() else { return };
        if self.aside.len() <= link {
            self.aside.resize_with(link + 1, VecDeque::new);
        }
        self.count_in(&pending);
        self.aside[link].push_back(pending);
    }

    #[must_use]
    pub fn has_aside(&self) -> bool {
        self.aside.iter().any(|line| !line.is_empty())
    }

    /// The links something waits for.
    pub fn aside(&self) -> impl Iterator<Item = usize> {
        self.aside.iter().enumerate().filter(|(_, line)| !line.is_empty()).map(|(link, _)| link)
    }

    /// The next that waits for a link.
    #[must_use]
    pub fn head_aside(&self, link: usize) -> Option<&Pending> {
        self.aside.get(link)?.front()
    }

    pub fn pop_aside(&mut self, link: usize) -> Option<Pending> {
        let pending = self.aside.get_mut(link)?.pop_front()?;
        self.count_out(&pending);
        Some(pending)
    }

    /// A link is gone: what waited for it goes back to the head.
    pub fn gather(&mut self, link: usize) {
        while let Some(pending) = self.aside.get_mut(link).and_then(VecDeque::pop_back) {
            self.add(pending, VecDeque::push_front);
        }
    }

    /// Takes everything a session has waiting.
    pub fn withdraw(&mut self, account: AccountId, session: Key, now: Instant) -> Vec<Pending> {
        self.extract(now, Some(account), |pending| (pending.info.account, pending.info.session) == (account, session))
    }

    /// Takes everything of this kind.
    pub fn take(&mut self, now: Instant, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        if self.is_empty() { Vec::new() } else { self.extract(now, None, is_wanted) }
    }

    fn extract(&mut self, now: Instant, of: Option<AccountId>, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut taken = Vec::new();
        self.aside.iter_mut().for_each(|line| take_from(line, &is_wanted, &mut taken));
        let aside = taken.len();
        for account in &self.ring {
            if of.is_none_or(|of| of == *account)
                && let Some(queue) = self.accounts.get_mut(account)
            {
                queue.extract(&is_wanted, &mut taken);
            }
        }
        self.in_turn -= segments_of(&taken[aside..]);
        self.ring.retain(|account| self.accounts.get(account).is_some_and(|queue| queue.head().is_some()));
        let held: Vec<_> = self.held.iter().filter(|(_, pending)| is_wanted(pending)).map(|(at, _)| *at).collect();
        taken.extend(held.iter().filter_map(|at| self.held.remove(at)));
        if let Some(senders) = &mut self.senders {
            for pending in &mut taken {
                senders.gone(pending, now);
            }
            taken.extend(senders.extract(&is_wanted));
        }
        for pending in &taken {
            self.count_out(pending);
        }
        taken
    }

    /// Everything that waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        let queued = self.ring.iter().filter_map(|account| self.accounts.get(account));
        let queued = queued.flat_map(|queue| queue.by_priority.iter().flatten()).chain(self.aside.iter().flatten());
        queued.chain(self.held.values()).chain(self.senders.iter().flat_map(|senders| senders.iter()))
    }

    /// The first of each line.
    pub fn heads(&self) -> impl Iterator<Item = &Pending> {
        let queued = self.ring.iter().filter_map(|account| self.accounts.get(account));
        let queued = queued.flat_map(|queue| queue.by_priority.iter().filter_map(VecDeque::front));
        queued.chain(self.aside.iter().filter_map(VecDeque::front))
    }

    /// Whose turn it is.
    fn next_account(&mut self) -> Option<AccountId> {
        loop {
            let account = *self.ring.front()?;
            let queue = self.accounts.get_mut(&account)?;
            let need = u32::from(queue.head()?.info.segments);
            if queue.deficit >= need {
                return Some(account);
            }
            queue.deficit += Self::QUANTUM;
            if self.ring.len() > 1 {
                self.ring.rotate_left(1);
            }
        }
    }

    /// The account whose turn it is may have nothing left.
    fn leave_ring(&mut self, account: AccountId) {
        if let Some(queue) = self.accounts.get_mut(&account)
            && queue.head().is_none()
        {
            queue.deficit = 0;
            self.ring.pop_front();
        }
    }

    fn add(&mut self, pending: Pending, place: impl FnOnce(&mut VecDeque<Pending>, Pending)) {
        let account = pending.info.account;
        let queue = self.accounts.entry(account).or_default();
        if queue.head().is_none() {
            self.ring.push_back(account);
        }
        queue.segments += u64::from(pending.info.segments);
        self.in_turn += u64::from(pending.info.segments);
        place(&mut queue.by_priority[usize::from(pending.info.priority.min(3))], pending);
    }

    fn count_in(&mut self, pending: &Pending) {
        self.len += 1;
        self.segments += u64::from(pending.info.segments);
    }

    fn count_out(&mut self, pending: &Pending) {
        self.len -= 1;
        self.segments -= u64::from(pending.info.segments);
    }
}

fn segments_of(pendings: &[Pending]) -> u64 {
    pendings.iter().map(|pending| u64::from(pending.info.segments)).sum()
}

/// Takes what is wanted out of a line.
fn take_from(line: &mut VecDeque<Pending>, is_wanted: impl Fn(&Pending) -> bool, taken: &mut Vec<Pending>) {
    if line.iter().any(&is_wanted) {
        let (out, stay): (Vec<_>, Vec<_>) = line.drain(..).partition(is_wanted);
        line.extend(stay);
        taken.extend(out);
    }
}

impl AccountQueue {
    fn head(&self) -> Option<&Pending> {
        self.by_priority.iter().rev().find_map(VecDeque::front)
    }

    fn take_head(&mut self) -> Option<Pending> {
        let pending = self.by_priority.iter_mut().rev().find_map(VecDeque::pop_front)?;
        self.segments -= u64::from(pending.info.segments);
        Some(pending)
    }

    fn extract(&mut self, is_wanted: impl Fn(&Pending) -> bool, taken: &mut Vec<Pending>) {
        let before = taken.len();
        self.by_priority.iter_mut().rev().for_each(|line| take_from(line, &is_wanted, taken));
        self.segments -= segments_of(&taken[before..]);
        if self.head().is_none() {
            self.deficit = 0;
        }
    }
}
