//! Submits that wait for a carrier's rate or window: fair between accounts by segments, by priority and order within one.
//!
//! Deficit round robin: an account may send `QUANTUM` segments each time its turn comes. A part of a message whose link has no room
//! when its turn comes is set aside in that link's line, and nothing behind it waits for it.

use std::collections::VecDeque;

use ahash::AHashMap;

use super::carrier::Pending;
use super::slab::Key;
use crate::config::AccountId;

#[derive(Debug, Default)]
pub struct SubmitQueue {
    accounts: AHashMap<AccountId, AccountQueue>,
    /// Accounts with something queued, the next one first.
    ring: VecDeque<AccountId>,
    /// What had its turn and waits for one link, by that link.
    aside: Vec<VecDeque<Pending>>,
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
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Segments waiting.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
    }

    pub fn push(&mut self, pending: Pending) {
        self.add(pending, VecDeque::push_back);
    }

    /// Back to the head of its account: the carrier could not take it just now.
    pub fn push_front(&mut self, pending: Pending) {
        self.add(pending, VecDeque::push_front);
    }

    /// The next to send.
    pub fn head(&mut self) -> Option<&Pending> {
        loop {
            let account = *self.ring.front()?;
            let queue = self.accounts.get_mut(&account)?;
            let need = u32::from(queue.head()?.info.segments);
            if queue.deficit >= need {
                return self.accounts.get(&account)?.head();
            }
            queue.deficit += Self::QUANTUM;
            if self.ring.len() > 1 {
                self.ring.rotate_left(1);
            }
        }
    }

    /// Takes what `head` showed.
    pub fn pop(&mut self) -> Option<Pending> {
        self.head()?;
        let account = *self.ring.front()?;
        let queue = self.accounts.get_mut(&account)?;
        let pending = queue.by_priority.iter_mut().rev().find_map(VecDeque::pop_front)?;
        queue.deficit -= u32::from(pending.info.segments).min(queue.deficit);
        if queue.head().is_none() {
            queue.deficit = 0;
            self.ring.pop_front();
        }
        self.len -= 1;
        self.segments -= u64::from(pending.info.segments);
        Some(pending)
    }

    /// Moves what `head` showed to the line of a link.
    pub fn set_aside(&mut self, link: usize) {
        let Some(pending) = self.pop() else { return };
        if self.aside.len() <= link {
            self.aside.resize_with(link + 1, VecDeque::new);
        }
        self.len += 1;
        self.segments += u64::from(pending.info.segments);
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
        self.len -= 1;
        self.segments -= u64::from(pending.info.segments);
        Some(pending)
    }

    /// A link is gone: what waited for it goes back to the head.
    pub fn gather(&mut self, link: usize) {
        while let Some(pending) = self.aside.get_mut(link).and_then(VecDeque::pop_back) {
            self.len -= 1;
            self.segments -= u64::from(pending.info.segments);
            self.push_front(pending);
        }
    }

    /// Takes everything a session has waiting.
    pub fn withdraw(&mut self, account: AccountId, session: Key) -> Vec<Pending> {
        let is_theirs = |pending: &Pending| (pending.info.account, pending.info.session) == (account, session);
        let mut taken = self.extract(account, is_theirs);
        taken.extend(self.extract_aside(is_theirs));
        taken
    }

    /// Takes everything of this kind.
    pub fn take(&mut self, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let accounts: Vec<_> = self.ring.iter().copied().collect();
        let mut taken = self.extract_aside(&is_wanted);
        taken.extend(accounts.into_iter().flat_map(|account| self.extract(account, &is_wanted)));
        taken
    }

    /// Everything that waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        let queued = self.ring.iter().filter_map(|account| self.accounts.get(account));
        queued.flat_map(|queue| queue.by_priority.iter().flatten()).chain(self.aside.iter().flatten())
    }

    fn extract(&mut self, account: AccountId, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let Some(queue) = self.accounts.get_mut(&account) else { return Vec::new() };
        let taken: Vec<_> = queue.by_priority.iter_mut().flat_map(|line| take_from(line, &is_wanted)).collect();
        if queue.head().is_none() {
            queue.deficit = 0;
            self.ring.retain(|other| *other != account);
        }
        self.took(&taken);
        taken
    }

    fn extract_aside(&mut self, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let taken: Vec<_> = self.aside.iter_mut().flat_map(|line| take_from(line, &is_wanted)).collect();
        self.took(&taken);
        taken
    }

    fn took(&mut self, taken: &[Pending]) {
        self.len -= taken.len();
        self.segments -= taken.iter().map(|pending| u64::from(pending.info.segments)).sum::<u64>();
    }

    fn add(&mut self, pending: Pending, place: impl FnOnce(&mut VecDeque<Pending>, Pending)) {
        self.len += 1;
        self.segments += u64::from(pending.info.segments);
        let account = pending.info.account;
        let queue = self.accounts.entry(account).or_default();
        if queue.head().is_none() {
            self.ring.push_back(account);
        }
        place(&mut queue.by_priority[usize::from(pending.info.priority.min(3))], pending);
    }
}

/// Takes what is wanted out of a line.
fn take_from(line: &mut VecDeque<Pending>, is_wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
    if !line.iter().any(&is_wanted) {
        return Vec::new();
    }
    let (out, stay): (Vec<_>, Vec<_>) = line.drain(..).partition(is_wanted);
    line.extend(stay);
    out
}

impl AccountQueue {
    fn head(&self) -> Option<&Pending> {
        self.by_priority.iter().rev().find_map(VecDeque::front)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::SubmitInfo;
    use crate::engine::outgoing::Outgoing;
    use crate::engine::parts::Claim;
    use crate::engine::time::Instant;
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
        Pending {
            info,
            claim: Claim::None,
            is_doubtful: false,
            is_withdrawn: false,
            body: Vec::new(),
            outgoing: Outgoing::default(),
            queued_until,
            stream_at: 0,
            written: 0,
            pace_epoch: 0,
        }
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
        let gone = queue.withdraw(AccountId(1), Key { slot: 1, generation: 0 });
        assert_eq!((gone.len(), queue.len()), (3, 3));
        assert_eq!(drain(&mut queue), [10, 11, 12]);
    }

    #[test]
    fn what_is_set_aside_holds_up_nothing_and_goes_back_to_the_head() {
        let mut queue = SubmitQueue::default();
        for tag in 0..4 {
            queue.push(pending(1, 2, 0, tag));
        }
        queue.head();
        queue.set_aside(1);
        queue.head();
        queue.set_aside(1);
        assert_eq!((queue.len(), queue.segments(), queue.iter().count()), (4, 8, 4));
        assert_eq!(queue.aside().collect::<Vec<_>>(), [1]);
        assert_eq!(queue.pop().unwrap().info.id.bits(), 2);
        assert_eq!(queue.head_aside(1).unwrap().info.id.bits(), 0);
        queue.gather(1);
        assert!(!queue.has_aside());
        assert_eq!(drain(&mut queue), [0, 1, 3]);
        assert_eq!((queue.len(), queue.segments()), (0, 0));
    }

    #[test]
    fn what_is_set_aside_is_sent_withdrawn_and_given_up_like_the_rest() {
        let mut queue = SubmitQueue::default();
        for tag in 0..3 {
            queue.push(pending(1, 1, 0, tag));
            queue.push(pending(2, 1, 0, 10 + tag));
        }
        for _ in 0..6 {
            queue.head();
            queue.set_aside(0);
        }
        assert_eq!(queue.pop_aside(0).unwrap().info.id.bits(), 0);
        let gone = queue.withdraw(AccountId(1), Key { slot: 1, generation: 0 });
        assert_eq!(gone.iter().map(|pending| pending.info.id.bits()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(queue.take(|pending| pending.info.id.bits() == 11).len(), 1);
        assert_eq!((queue.len(), queue.segments(), queue.has_aside()), (2, 2, true));
        assert_eq!(queue.take(|_| true).len(), 2);
        assert!(queue.is_empty() && !queue.has_aside());
    }
}
