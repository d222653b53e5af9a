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
