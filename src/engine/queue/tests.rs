//! The order of what waits.

use super::*;
use crate::engine::message::{Course, SubmitInfo};
use crate::engine::outgoing::Outgoing;
use crate::engine::parts::Claim;

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
    Pending { queued_until, ..Pending::new(info, Claim::None, Course::default(), Vec::new(), Outgoing::default()) }
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

#[test]
fn a_new_submit_waits_for_the_turns_of_others_and_not_for_all_they_have() {
    let mut queue = SubmitQueue::default();
    for tag in 0..1_000 {
        queue.push(pending(1, 1, 0, tag));
    }
    let ahead = |queue: &SubmitQueue, account| queue.ahead_of(AccountId(account));
    assert_eq!((ahead(&queue, 1), ahead(&queue, 2)), (1_000, 32));
    queue.pop();
    queue.push(pending(2, 1, 0, 9_999));
    assert_eq!(ahead(&queue, 2), 34);
    queue.push(pending(3, 5, 0, 9_998));
    let order = drain(&mut queue);
    assert!(order.iter().position(|tag| *tag == 9_999).is_some_and(|at| at <= 34));
    assert_eq!(ahead(&queue, 1), 0);
}

mod counts {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    impl SubmitQueue {
        /// What is counted is what is there.
        fn check(&self) {
            let segments = |pending: &Pending| u64::from(pending.info.segments);
            assert_eq!(self.len, self.iter().count());
            assert_eq!(self.segments, self.iter().map(segments).sum::<u64>());
            let queued = |queue: &AccountQueue| queue.by_priority.iter().flatten().map(segments).sum::<u64>();
            assert!(self.accounts.values().all(|queue| queue.segments == queued(queue)));
            assert_eq!(self.in_turn, self.accounts.values().map(queued).sum::<u64>());
            let waiting = self.accounts.values().filter(|queue| queue.head().is_some()).count();
            assert_eq!(waiting, self.ring.len());
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_done_to_a_queue_makes_its_counts_drift(
            has_senders: bool,
            steps in prop::collection::vec((0u8..12, 0u32..3, 1u16..12, 0u8..4), 1..200),
        ) {
            let whole = |number| NonZeroU32::new(number).unwrap();
            let rate = has_senders.then(|| Rate { per_second: whole(5), burst: whole(2) });
            let mut queue = SubmitQueue::new(rate, [1, 2, 3, 4]);
            for (at, (step, account, segments, priority)) in (1u64..).zip(steps) {
                let now = Instant::from_nanos(at * 100_000_000);
                let new = || pending(account, segments, priority, at);
                let link = usize::from(priority % 2);
                match step {
                    0..=2 => queue.push(new()),
                    3 => queue.push_front(new()),
                    4 => queue.hold(new(), Instant::from_nanos((at + 5) * 100_000_000)),
                    5 => queue.release(now),
                    6 => queue.set_aside(link),
                    7 => queue.gather(link),
                    8 => _ = queue.turn_away(None, now),
                    9 => _ = queue.turn_away(Some(link), now),
                    10 => {
                        let taken = if account == 0 { queue.pop_aside(link) } else { queue.pop() };
                        taken.into_iter().for_each(|mut pending| queue.left(&mut pending, now));
                    }
                    _ if account == 0 => {
                        let session = Key { slot: account, generation: 0 };
                        queue.withdraw(AccountId(account), session, now);
                    }
                    _ => _ = queue.take(now, |pending| pending.info.segments % 5 == 0),
                }
                queue.check();
            }
            queue.take(Instant::ZERO, |_| true);
            queue.check();
            prop_assert!(queue.is_empty());
        }
    }
}
