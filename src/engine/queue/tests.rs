//! Who goes next, and what waits aside.

use super::*;
use crate::engine::message::{Attempts, SubmitInfo};
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
    Pending { queued_until, ..Pending::new(info, Attempts::default(), Vec::new()) }
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
    let gone = queue.withdraw(AccountId(1), Key { slot: 1, generation: 0 }, Instant::ZERO);
    assert_eq!(gone.iter().map(|pending| pending.info.id.bits()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(queue.take(Instant::ZERO, |pending| pending.info.id.bits() == 11).len(), 1);
    assert_eq!((queue.len(), queue.segments(), queue.has_aside()), (2, 2, true));
    assert_eq!(queue.take(Instant::ZERO, |_| true).len(), 2);
    assert!(queue.is_empty() && !queue.has_aside());
}
