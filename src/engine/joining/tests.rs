//! When a message is told of, by what is known of its parts.

use std::time::Duration;

use super::*;

const NAME: MessageId = MessageId::new(7);
const AFTER: Duration = Duration::from_secs(80);

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn wants(receipts: ReceiptsOfParts) -> Wants {
    Wants { receipts, unrequested: false }
}

const ALL: Wants = Wants { receipts: ReceiptsOfParts::All, unrequested: false };
const LAST: Wants = Wants { receipts: ReceiptsOfParts::Last, unrequested: false };
const DELIVERED: PartState = PartState::Final(MessageState::Delivered);

fn id(number: u8) -> MessageId {
    MessageId::new(100 + u64::from(number))
}

/// Accepts these parts of three; negative ones did not ask for a receipt.
fn accepted(numbers: &[i8]) -> Joining {
    let mut joining = Joining::default();
    numbers.iter().for_each(|number| accept(&mut joining, *number));
    joining
}

fn accept(joining: &mut Joining, number: i8) {
    let asks = number > 0;
    let number = number.unsigned_abs();
    let state = PartState::Awaited;
    let part =
        Part { number, id: id(number), carrier: None, asks, is_answered: true, accepted: 1_000, key: None, state };
    assert!(joining.insert(NAME, 3, part, at(1), at(1) + AFTER).is_none());
}

fn end(joining: &mut Joining, numbers: &[u8]) {
    numbers.iter().for_each(|number| joining.set_state(id(*number), DELIVERED));
}

fn close(joining: &mut Joining) {
    assert_eq!(joining.close_next(at(80), AFTER), None);
    assert_eq!(joining.close_next(at(81), AFTER), Some(NAME));
}

#[test]
fn all_are_told_of_when_the_last_receipt_is_there_in_any_order() {
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let mut joining = accepted(&[3, 1, 2]);
        for number in order {
            assert_eq!(joining.next(NAME, ALL), Next::Wait);
            end(&mut joining, &[number]);
        }
        assert_eq!((joining.next(NAME, ALL), joining.held()), (Next::All(id(3)), 3));
    }
}

#[test]
fn receipts_that_came_before_other_parts_were_submitted_wait_for_them() {
    let mut joining = accepted(&[1, 2]);
    end(&mut joining, &[1, 2]);
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::Wait, Next::Wait));
    accept(&mut joining, 3);
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::Wait, Next::Wait));
    end(&mut joining, &[3]);
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::All(id(3)), Next::Part(id(3))));
}

#[test]
fn what_is_missing_is_waited_for_until_the_message_is_closed() {
    let mut joining = accepted(&[1, 2]);
    end(&mut joining, &[2]);
    close(&mut joining);
    assert_eq!(joining.message(NAME).map(Message::missing), Some(1));
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::Wait, Next::Part(id(2))));
    end(&mut joining, &[1]);
    assert_eq!(joining.next(NAME, ALL), Next::All(id(2)));
}

#[test]
fn a_message_is_closed_so_long_after_its_last_part() {
    let mut joining = accepted(&[1]);
    let part = *joining.part(id(1)).unwrap();
    joining.insert(NAME, 3, Part { number: 2, id: id(2), ..part }, at(50), at(130));
    assert_eq!(joining.close_next(at(100), AFTER), None);
    assert_eq!(joining.close_next(at(130), AFTER), Some(NAME));
    assert_eq!(joining.close_next(at(900), AFTER), None);
}

#[test]
fn the_last_part_speaks_for_its_message_whatever_the_others_wait_for() {
    let mut joining = accepted(&[3]);
    end(&mut joining, &[3]);
    assert_eq!(joining.next(NAME, LAST), Next::Part(id(3)));
    let mut joining = accepted(&[1, 2, 3]);
    end(&mut joining, &[1, 2]);
    assert_eq!(joining.next(NAME, LAST), Next::Wait);
}

#[test]
fn parts_that_did_not_ask_are_not_waited_for() {
    let mut joining = accepted(&[-1, -2, 3]);
    end(&mut joining, &[3]);
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::All(id(3)), Next::Part(id(3))));
    let mut joining = accepted(&[1, -2, -3]);
    assert_eq!(joining.next(NAME, LAST), Next::Wait);
    end(&mut joining, &[1]);
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::All(id(1)), Next::Part(id(1))));
}

#[test]
fn a_message_that_asked_for_nothing_is_forgotten_unless_all_is_passed_on() {
    let mut joining = accepted(&[-1, -2]);
    assert_eq!(joining.next(NAME, ALL), Next::Wait);
    accept(&mut joining, -3);
    assert_eq!((joining.next(NAME, ALL), joining.next(NAME, LAST)), (Next::Forget, Next::Forget));
    let passed = Wants { unrequested: true, ..ALL };
    assert_eq!(joining.next(NAME, passed), Next::Wait);
    end(&mut joining, &[1, 2, 3]);
    assert_eq!(joining.next(NAME, passed), Next::All(id(3)));
}

#[test]
fn a_part_sent_again_takes_the_place_of_the_first() {
    let mut joining = accepted(&[1, 2, 3]);
    end(&mut joining, &[1, 2, 3]);
    let again = Part { id: MessageId::new(9), state: PartState::Awaited, ..*joining.part(id(2)).unwrap() };
    let replaced = joining.insert(NAME, 3, again, at(2), at(82));
    assert_eq!((replaced.map(|part| part.id), joining.message_of(id(2)), joining.held()), (Some(id(2)), None, 2));
    assert_eq!(joining.next(NAME, ALL), Next::Wait);
}

#[test]
fn a_message_told_of_is_not_told_of_again_and_its_last_part_ends_it() {
    let mut joining = accepted(&[1, 2, 3]);
    end(&mut joining, &[3]);
    joining.remove_part(id(3));
    joining.set_state(id(1), PartState::Told);
    joining.set_state(id(2), PartState::Told);
    assert_eq!((joining.next(NAME, LAST), joining.held(), joining.len()), (Next::Wait, 0, 2));
    joining.remove_part(id(1));
    joining.remove_part(id(2));
    assert!(joining.is_empty() && joining.of_part.is_empty());
    assert_eq!(joining.close_next(at(900), AFTER), None);
}

#[test]
fn the_oldest_message_is_found_and_many_that_are_gone_take_no_room() {
    let mut joining = accepted(&[1]);
    let part = *joining.part(id(1)).unwrap();
    for number in 0..10_000 {
        let name = MessageId::new(1_000_000 + number);
        joining.insert(name, 2, Part { id: name, accepted: 2_000, ..part }, at(1), at(81));
        joining.remove_part(name);
    }
    assert!(joining.by_age.len() <= Joining::GONE_KEPT + 4, "{}", joining.by_age.len());
    assert_eq!((joining.first_before(1_000), joining.first_before(1_001)), (None, Some(NAME)));
    joining.remove_part(id(1));
    assert_eq!(joining.first_before(u32::MAX), None);
}

#[test]
fn nothing_is_told_of_together_when_each_is_told_of() {
    let mut joining = accepted(&[1, 2, 3]);
    end(&mut joining, &[1, 2, 3]);
    assert_eq!(joining.next(NAME, wants(ReceiptsOfParts::Each)), Next::Wait);
}
