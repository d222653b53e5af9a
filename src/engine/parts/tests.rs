//! What the table of messages answers: who follows whom, what waits, and what is forgotten.

use super::*;
use crate::engine::event::SubmitError;
use crate::smpp::command::CommandStatus;

const NORTH: CarrierId = CarrierId(0);
const SOUTH: CarrierId = CarrierId(1);
const RSYSERR: ReturnReason = ReturnReason::Refused(CommandStatus::RSYSERR);
const REFUSED: Outcome = Outcome::Refused(CommandStatus::RSYSERR);

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn part(key: u64, number: u8) -> Part {
    let message = MessageId::new(number.into());
    Part { key, total: 3, number, birth: 0, message, asks: true, at: NORTH, is_counted: false, has_waited: false }
}

/// Three parts of one message, sent where the first one goes.
fn sent(messages: &mut Messages) -> [Part; 3] {
    [2, 1, 3].map(|number| {
        let mut part = part(7, number);
        messages.send(&mut part, NORTH, at(0));
        part
    })
}

fn read(source: &str, destination: &str, header: &[u8]) -> Part {
    let mut body = [b"\0\x05\0", source.as_bytes(), b"\0\x01\x01", destination.as_bytes(), b"\0"].concat();
    body.extend_from_slice(&[0x40, 0, 0, 0, 0, 0, 0, 8, 0, header.len() as u8]);
    body.extend_from_slice(header);
    Part::read(&SmView::submit(&body).unwrap()).unwrap()
}

#[test]
fn parts_of_one_message_share_a_key_and_no_other_does() {
    let first = read("ACME", "4917", &[5, 0, 3, 7, 3, 1]);
    let second = read("ACME", "4917", &[5, 0, 3, 7, 3, 2]);
    assert_eq!((first.key, first.affinity()), (second.key, second.affinity()));
    assert_ne!(first.number, second.number);
    let others = [
        read("ACMF", "4917", &[5, 0, 3, 7, 3, 1]),
        read("4917", "ACME", &[5, 0, 3, 7, 3, 1]),
        read("ACME", "4918", &[5, 0, 3, 7, 3, 1]),
        read("ACME", "4917", &[5, 0, 3, 8, 3, 1]),
        read("ACME", "4917", &[5, 0, 3, 7, 4, 1]),
        read("ACME", "4917", &[6, 8, 4, 0, 7, 3, 1]),
    ];
    for other in others {
        assert!(other.key != first.key && other.affinity() != first.affinity());
    }
}

#[test]
fn the_others_follow_the_first_until_all_are_accepted() {
    let mut messages = Messages::default();
    let mut first = part(7, 2);
    assert_eq!(messages.carrier(&first, at(0)), None);
    assert_eq!(messages.send(&mut first, SOUTH, at(0)), Claim::None);
    let mut second = part(7, 1);
    assert_eq!(messages.carrier(&second, at(1)), Some(SOUTH));
    assert_eq!(messages.send(&mut second, SOUTH, at(1)), Claim::Begun);
    messages.settled(&first, Outcome::Accepted, at(2));
    messages.settled(&second, Outcome::Accepted, at(2));
    let mut third = part(7, 3);
    assert_eq!(messages.carrier(&third, at(3)), Some(SOUTH));
    assert_eq!(messages.send(&mut third, SOUTH, at(3)), Claim::Held);
    messages.settled(&third, Outcome::Accepted, at(4));
    assert!(messages.is_empty());
}

#[test]
fn a_part_number_seen_again_begins_a_new_message_and_the_old_one_ends_without_it() {
    let mut messages = Messages::default();
    let old = sent(&mut messages);
    let again = part(7, 1);
    assert_eq!(messages.carrier(&again, at(1)), None);
    let mut again = again;
    assert_eq!(messages.send(&mut again, SOUTH, at(1)), Claim::None);
    for part in &old {
        messages.settled(part, Outcome::Accepted, at(2));
    }
    assert_eq!(messages.carrier(&part(7, 2), at(2)), Some(SOUTH));
}

#[test]
fn a_part_refused_or_in_doubt_finds_its_message_when_it_is_sent_again() {
    for outcome in [REFUSED, Outcome::InDoubt, Outcome::Failed(SubmitError::QueueFull)] {
        let mut messages = Messages::default();
        let [first, second, third] = sent(&mut messages);
        messages.settled(&first, Outcome::Accepted, at(1));
        messages.settled(&second, outcome, at(1));
        messages.settled(&third, Outcome::Accepted, at(1));
        let mut again = part(7, second.number);
        assert_eq!(messages.carrier(&again, at(2)), Some(NORTH), "{outcome:?}");
        assert_eq!(messages.send(&mut again, NORTH, at(2)), Claim::Held);
        messages.settled(&again, Outcome::Accepted, at(2));
        assert!(messages.is_empty());
    }
}

#[test]
fn a_message_of_which_everything_was_refused_is_forgotten() {
    let mut messages = Messages::default();
    for part in sent(&mut messages) {
        messages.settled(&part, REFUSED, at(1));
    }
    assert!(messages.is_empty());
}

#[test]
fn a_reference_not_heard_of_for_a_minute_is_another_messages() {
    let mut messages = Messages::default();
    let [first, ..] = sent(&mut messages);
    messages.settled(&first, Outcome::Accepted, at(30));
    let mut fourth = Part { total: 4, ..part(7, 4) };
    assert_eq!(messages.carrier(&fourth, at(89)), Some(NORTH));
    assert_eq!(messages.carrier(&fourth, at(90)), None);
    assert_eq!(messages.send(&mut fourth, SOUTH, at(90)), Claim::None);
    assert_eq!((messages.len(), messages.carrier(&part(7, 1), at(90))), (1, Some(SOUTH)));
}

#[test]
fn no_more_than_so_many_are_remembered() {
    let mut messages = Messages::default();
    for key in 0..20_000 {
        messages.send(&mut part(key, 1), NORTH, at(0));
    }
    assert_eq!(messages.len(), Messages::MOST);
    assert_eq!(messages.carrier(&part(0, 2), at(0)), None);
    assert_eq!(messages.carrier(&part(19_999, 2), at(0)), Some(NORTH));
}

#[test]
fn without_a_link_a_message_of_which_nothing_was_accepted_moves_as_a_whole() {
    let mut messages = Messages::default();
    let [mut first, mut second, mut third] = sent(&mut messages);
    assert_eq!(messages.returned(&mut first, ReturnReason::NotBound, at(1)), Next::Moves);
    assert_eq!(messages.go(&mut first, SOUTH, true, at(1)), Claim::None);
    assert_eq!(messages.returned(&mut second, ReturnReason::NotBound, at(1)), Next::Follows(SOUTH));
    assert_eq!(messages.go(&mut second, SOUTH, false, at(1)), Claim::Begun);
    assert_eq!(messages.returned(&mut third, RSYSERR, at(1)), Next::Follows(SOUTH));
    assert_eq!(messages.go(&mut third, SOUTH, false, at(1)), Claim::Begun);
    messages.settled(&first, Outcome::Accepted, at(2));
    assert_eq!(messages.returned(&mut second, ReturnReason::NotBound, at(2)), Next::Waits);
}

#[test]
fn a_part_refused_while_others_are_under_way_goes_on_alone_and_the_last_takes_the_message() {
    let mut messages = Messages::default();
    let [mut first, mut second, mut third] = sent(&mut messages);
    for part in [&mut first, &mut second] {
        assert_eq!(messages.returned(part, RSYSERR, at(1)), Next::Alone);
        assert_eq!(messages.go(part, SOUTH, false, at(1)), Claim::None);
    }
    assert_eq!(messages.returned(&mut third, RSYSERR, at(1)), Next::Moves);
    assert_eq!(messages.go(&mut third, SOUTH, true, at(1)), Claim::None);
    for part in [&first, &second] {
        messages.settled(part, Outcome::Accepted, at(2));
    }
    assert_eq!(messages.returned(&mut third, ReturnReason::QueueFull, at(2)), Next::Waits);
}

#[test]
fn a_part_without_room_is_offered_once_more_where_others_of_its_message_are() {
    let mut messages = Messages::default();
    let [mut first, second, mut third] = sent(&mut messages);
    assert_eq!(messages.returned(&mut first, ReturnReason::QueueFull, at(0)), Next::Waits);
    assert_eq!(messages.go(&mut first, NORTH, false, at(0)), Claim::Begun);
    assert_eq!(messages.returned(&mut first, ReturnReason::QueueFull, at(5)), Next::Alone);
    messages.settled(&second, REFUSED, at(5));
    // It is the last there.
    assert_eq!(messages.returned(&mut third, ReturnReason::QueueFull, at(5)), Next::Moves);
}

#[test]
fn once_a_part_was_accepted_the_others_wait_there_once_and_then_leave() {
    for outcome in [Outcome::Accepted, Outcome::InDoubt] {
        let mut messages = Messages::default();
        let [first, mut second, mut third] = sent(&mut messages);
        messages.settled(&first, outcome, at(1));
        assert_eq!(messages.returned(&mut second, ReturnReason::NotBound, at(1)), Next::Waits);
        assert_eq!(messages.go(&mut second, NORTH, false, at(1)), Claim::Held);
        assert_eq!(messages.returned(&mut second, ReturnReason::QueueFull, at(6)), Next::Leaves);
        assert_eq!(messages.go(&mut second, SOUTH, false, at(6)), Claim::None);
        // It stays there for those to come.
        assert_eq!(messages.carrier(&part(7, 9), at(6)), Some(NORTH));
        assert_eq!(messages.returned(&mut third, RSYSERR, at(6)), Next::Leaves);
    }
}

#[test]
fn what_was_sent_to_wait_does_not_wait_twice() {
    let mut messages = Messages::default();
    let mut first = part(7, 1);
    messages.send(&mut first, NORTH, at(0));
    messages.settled(&first, Outcome::Accepted, at(0));
    let mut second = part(7, 2);
    assert_eq!(messages.send(&mut second, NORTH, at(0)), Claim::Held);
    assert_eq!(messages.returned(&mut second, ReturnReason::QueueFull, at(5)), Next::Leaves);
}
