//! One delivery at a time per id; retries, retention, and what is put back.

use super::*;

const SESSION: Key = Key { slot: 0, generation: 0 };
const FINAL: DeliveryKind = DeliveryKind::FinalReceipt;
const INTERMEDIATE: DeliveryKind = DeliveryKind::IntermediateReceipt;

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn kept(born: u32) -> Kept {
    Kept { key: born.into(), born, place: Place { segment: 0, octets: 24 } }
}

fn front_body(queue: &mut Deliveries) -> Option<&[u8]> {
    queue.front(at(0)).map(|(_, delivery)| &delivery.body[..])
}

#[test]
fn a_final_receipt_supersedes_an_intermediate_that_waits() {
    let mut queue = Deliveries::default();
    queue.push(INTERMEDIATE, MessageId::new(1), b"enroute", None, kept(0));
    let pushed = queue.push(FINAL, MessageId::new(1), b"delivrd", None, kept(1));
    assert_eq!(pushed.superseded, Some(kept(0)));
    assert_eq!((front_body(&mut queue).map(<[u8]>::to_vec), queue.len()), (Some(b"delivrd".to_vec()), 1));
    assert_eq!(queue.done(pushed.key), Some((FINAL, kept(1))));
}

#[test]
fn a_final_receipt_waits_for_an_intermediate_that_was_sent() {
    let mut queue = Deliveries::default();
    let first = queue.push(INTERMEDIATE, MessageId::new(1), b"enroute", None, kept(0)).key;
    queue.sent(SESSION, at(0));
    queue.push(FINAL, MessageId::new(1), b"delivrd", None, kept(0));
    queue.push(FINAL, MessageId::new(2), b"other", None, kept(0));
    assert_eq!(front_body(&mut queue).map(<[u8]>::to_vec), Some(b"other".to_vec()));
    queue.done(first);
    assert_eq!(front_body(&mut queue).map(<[u8]>::to_vec), Some(b"delivrd".to_vec()));
}

#[test]
fn a_final_receipt_supersedes_an_intermediate_that_waits_behind_another() {
    let mut queue = Deliveries::default();
    let first = queue.push(INTERMEDIATE, MessageId::new(1), b"acceptd", None, kept(0)).key;
    queue.sent(SESSION, at(0));
    queue.push(INTERMEDIATE, MessageId::new(1), b"enroute", None, kept(0));
    queue.push(FINAL, MessageId::new(1), b"delivrd", None, kept(0));
    assert!(front_body(&mut queue).is_none() && queue.len() == 2);
    queue.done(first);
    assert_eq!(front_body(&mut queue).map(<[u8]>::to_vec), Some(b"delivrd".to_vec()));
}

#[test]
fn a_late_answer_to_an_intermediate_does_not_take_the_final_receipt_with_it() {
    let mut queue = Deliveries::default();
    let first = queue.push(INTERMEDIATE, MessageId::new(1), b"enroute", None, kept(0)).key;
    queue.sent(SESSION, at(0));
    queue.retry_later(first, at(20));
    queue.take_due(at(21));
    queue.push(FINAL, MessageId::new(1), b"delivrd", None, kept(0));
    queue.done(first);
    assert_eq!(front_body(&mut queue).map(<[u8]>::to_vec), Some(b"delivrd".to_vec()));
}

#[test]
fn a_refused_delivery_comes_back_later_each_time_and_an_unsent_one_at_once() {
    let mut queue = Deliveries::default();
    let key = queue.push(FINAL, MessageId::new(1), b"a", None, kept(0)).key;
    queue.sent(SESSION, at(0));
    queue.retry_later(key, at(0));
    assert_eq!((queue.take_due(at(0)), queue.next_retry()), (0, Some(at(1))));
    assert_eq!(queue.take_due(at(1)), 1);
    queue.sent(SESSION, at(1));
    queue.retry_later(key, at(1));
    assert_eq!(queue.next_retry(), Some(at(3)));
    queue.take_due(at(3));
    queue.sent(SESSION, at(3));
    queue.unsent(key);
    assert_eq!(front_body(&mut queue).map(<[u8]>::to_vec), Some(b"a".to_vec()));
    assert!(queue.done(key).is_some());
    assert_eq!((queue.len(), queue.outstanding()), (0, 0));
}

#[test]
fn what_nobody_takes_within_retention_is_forgotten_unless_it_was_just_sent() {
    let mut queue = Deliveries::default();
    let sent = queue.push(FINAL, MessageId::new(1), b"sent", None, kept(0)).key;
    queue.sent(SESSION, at(99));
    queue.push(FINAL, MessageId::new(2), b"old", None, kept(1));
    queue.push(FINAL, MessageId::new(3), b"young", None, kept(50));
    let mut over = Vec::new();
    for _ in 0..queue.entries.slots() {
        for key in queue.over(10) {
            over.extend(queue.done(key).map(|(_, kept)| kept));
        }
    }
    assert_eq!((over, queue.len()), (vec![kept(1)], 2));
    assert_eq!(front_body(&mut queue).map(<[u8]>::to_vec), Some(b"young".to_vec()));
    assert!(queue.done(sent).is_some());
}
