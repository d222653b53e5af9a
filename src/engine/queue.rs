//! Submits that wait for a carrier's rate or window: fair between accounts by segments, by priority and order within one.
//!
//! Deficit round robin: an account may send `QUANTUM` segments each time its turn comes. What waits for a time to come, or for its
//! sender's rate (`senders`), waits aside and holds up nobody.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ahash::AHashMap;

use super::carrier::Pending;
use super::senders::Senders;
use super::slab::Key;
use super::time::Instant;
use crate::config::{AccountId, Rate};

#[derive(Debug, Default)]
pub struct SubmitQueue {
    accounts: AHashMap<AccountId, AccountQueue>,
    /// Accounts with something to send, the next one first.
    ring: VecDeque<AccountId>,
    /// What is not to be sent before a time, told apart by a count.
    held: BTreeMap<(Instant, u64), Pending>,
    next_held: u64,
    senders: Option<Box<Senders>>,
    len: usize,
    segments: u64,
}

#[derive(Debug, Default)]
struct AccountQueue {
    by_priority: [VecDeque<Pending>; 4],
    deficit: u32,
}

impl SubmitQueue {
    const QUANTUM: u32 = 8;

    #[must_use]
    pub fn new(source_rate: Option<Rate>, keys: [u64; 4]) -> Self {
        Self { senders: source_rate.map(|rate| Box::new(Senders::new(rate, keys))), ..Self::default() }
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
        self.ring.is_empty()
    }

    /// Segments waiting.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
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

    /// Sets the head aside when its sender is over its rate.
    pub fn turn_away_head(&mut self, now: Instant) -> bool {
        if self.senders.is_none() {
            return false;
        }
        let Some(account) = self.next_account() else { return false };
        let (Some(queue), Some(senders)) = (self.accounts.get_mut(&account), &mut self.senders) else { return false };
        if queue.head().is_none_or(|head| senders.may_leave(head, now)) {
            return false;
        }
        if let Some(pending) = queue.take_head() {
            senders.step_aside(pending, now);
        }
        self.leave_ring(account);
        true
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
        self.leave_ring(account);
        self.count_out(&pending);
        Some(pending)
    }

    /// Takes everything a session has waiting.
    pub fn withdraw(&mut self, account: AccountId, session: Key, now: Instant) -> Vec<Pending> {
        self.extract(now, Some(account), |pending| (pending.info.account, pending.info.session) == (account, session))
    }

    /// Takes everything.
    pub fn take_all(&mut self, now: Instant) -> Vec<Pending> {
        if self.is_empty() { Vec::new() } else { self.extract(now, None, |_| true) }
    }

    /// Takes everything that may wait no longer.
    pub fn expire(&mut self, now: Instant, is_over: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        self.extract(now, None, is_over)
    }

    fn extract(&mut self, now: Instant, of: Option<AccountId>, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut taken = Vec::new();
        for account in &self.ring {
            if of.is_none_or(|of| of == *account)
                && let Some(queue) = self.accounts.get_mut(account)
            {
                queue.extract(&is_wanted, &mut taken);
            }
        }
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
        let queued = queued.flat_map(|queue| queue.by_priority.iter().flatten());
        queued.chain(self.held.values()).chain(self.senders.iter().flat_map(|senders| senders.iter()))
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

impl AccountQueue {
    fn head(&self) -> Option<&Pending> {
        self.by_priority.iter().rev().find_map(VecDeque::front)
    }

    fn take_head(&mut self) -> Option<Pending> {
        self.by_priority.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    fn extract(&mut self, is_wanted: impl Fn(&Pending) -> bool, taken: &mut Vec<Pending>) {
        for line in self.by_priority.iter_mut().rev() {
            if line.iter().any(&is_wanted) {
                let (out, stay): (Vec<_>, Vec<_>) = line.drain(..).partition(&is_wanted);
                line.extend(stay);
                taken.extend(out);
            }
        }
        if self.head().is_none() {
            self.deficit = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::{Standing, SubmitInfo};

    use crate::smpp::message_id::MessageId;

    fn pending(account: u32, segments: u16, priority: u8, tag: u64) -> Pending {
        let nobody = Key { slot: 0, generation: 0 };
        let info = SubmitInfo {
            account: AccountId(account),
            submit: nobody,
            session: Key { slot: account, generation: 0 },
            id: MessageId::new(tag),
            deadline: Instant::NEVER,
            destination: 0,
            affinity: 0,
            segments,
            priority,
            wants_receipt: false,
        };
        let queued_until = Instant::NEVER;
        Pending { queued_until, ..Pending::new(info, Standing::default(), Vec::new()) }
    }

    fn drain(queue: &mut SubmitQueue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|pending| pending.info.id.bits()).collect()
    }

    #[test]
    fn a_flood_of_one_account_does_not_hold_up_another() {
        let mut queue = SubmitQueue::default();
        for tag in 0..100 {
            queue.push(pending(1, 1, 0, tag));
        }
        queue.push(pending(2, 1, 0, 999));
        let order = drain(&mut queue);
        assert!(order.iter().position(|tag| *tag == 999).unwrap() <= 16);
        assert_eq!((order.len(), queue.len(), queue.segments()), (101, 0, 0));
    }

    #[test]
    fn fairness_counts_segments_and_not_messages() {
        let mut queue = SubmitQueue::default();
        for tag in 0..40 {
            queue.push(pending(1, 8, 0, tag));
            queue.push(pending(2, 1, 0, 1_000 + tag));
        }
        let order = drain(&mut queue);
        let first_forty = &order[..36];
        let long = first_forty.iter().filter(|tag| **tag < 1_000).count();
        assert!((3..=5).contains(&long), "{long} long ones among the first 36");
    }

    #[test]
    fn priority_goes_first_and_the_head_goes_back_to_the_head() {
        let mut queue = SubmitQueue::default();
        queue.push(pending(1, 1, 0, 1));
        queue.push(pending(1, 1, 2, 2));
        queue.push(pending(1, 1, 0, 3));
        let first = queue.pop().unwrap();
        assert_eq!(first.info.id.bits(), 2);
        let second = queue.pop().unwrap();
        queue.push_front(second);
        assert_eq!(drain(&mut queue), [1, 3]);
    }

    #[test]
    fn a_session_that_ended_takes_its_own_out_and_nothing_else() {
        let mut queue = SubmitQueue::default();
        for tag in 0..3 {
            queue.push(pending(1, 1, 0, tag));
            queue.push(pending(2, 1, 0, 10 + tag));
        }
        let gone = queue.withdraw(AccountId(1), Key { slot: 1, generation: 0 }, Instant::ZERO);
        assert_eq!((gone.len(), queue.len()), (3, 3));
        assert_eq!(drain(&mut queue), [10, 11, 12]);
    }
}
