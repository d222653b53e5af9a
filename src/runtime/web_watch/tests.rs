//! How long each thing is waited for, and what comes of it.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn overdue(watch: &Watch, second: u64) -> Option<Overdue> {
    watch.overdue(&HttpTimers::default(), second * SECOND)
}

#[test]
fn each_thing_is_waited_for_as_long_as_it_may_take() {
    for (waits, second, expected) in [
        (Waits::Handshake, 5, Some(Overdue::Close)),
        (Waits::Idle, 60, Some(Overdue::Close)),
        (Waits::Head, 5, Some(Overdue::Refuse(Refusal::HeadLate))),
        (Waits::Body, 10, Some(Overdue::Refuse(Refusal::BodyLate))),
        (Waits::Close, 1, Some(Overdue::Close)),
        (Waits::Answer, 1_000_000, None),
    ] {
        let watch = Watch::new(waits, 100 * SECOND);
        assert_eq!(overdue(&watch, 100 + second), expected, "{waits:?}");
        assert_eq!(overdue(&watch, 100 + second - 1), None, "{waits:?}");
        watch.blocked(100 * SECOND);
        assert_eq!(overdue(&watch, 130), Some(Overdue::Close), "nothing is taken of a response: {waits:?}");
    }
}

#[test]
fn a_head_is_waited_for_from_its_first_octet_however_slowly_it_drips_in() {
    let watch = Watch::new(Waits::Idle, 0);
    watch.read(Place::Head, 50 * SECOND);
    watch.read(Place::Head, 54 * SECOND);
    assert_eq!(overdue(&watch, 55), Some(Overdue::Refuse(Refusal::HeadLate)));
}

#[test]
fn what_came_of_the_next_request_is_not_late_while_the_one_before_it_waits_for_us() {
    let watch = Watch::new(Waits::Idle, 0);
    watch.wait_for(Waits::Answer, SECOND);
    watch.read(Place::Head, SECOND);
    assert_eq!(overdue(&watch, 100), None);
    watch.answered(100 * SECOND);
    assert_eq!(overdue(&watch, 104), None);
    assert_eq!(overdue(&watch, 105), Some(Overdue::Refuse(Refusal::HeadLate)));
}

#[test]
fn who_takes_some_of_a_response_is_waited_for_anew() {
    let watch = Watch::new(Waits::Answer, 0);
    watch.blocked(SECOND);
    watch.blocked(20 * SECOND);
    assert_eq!(overdue(&watch, 31), Some(Overdue::Close));
    watch.progressed();
    watch.blocked(30 * SECOND);
    assert_eq!(overdue(&watch, 31), None);
}

#[test]
fn a_refusal_is_told_once_and_its_first_reason_counts() {
    let watch = Watch::new(Waits::Head, 0);
    watch.look(&HttpTimers::default(), 5 * SECOND);
    watch.refuse(Refusal::Busy);
    assert!(watch.is_refused());
    assert_eq!([watch.take_refusal(), watch.take_refusal()], [Some(Refusal::HeadLate), None]);
    assert_eq!(overdue(&watch, 1000), None, "it is being answered");
}

#[test]
fn a_drain_ends_when_everybody_has_his_answer_or_had_long_enough() {
    let web = Web::new(HttpTimers::default());
    let (_, watch) = web.open(false);
    web.drain();
    assert!(web.is_draining() && watch.take_drain() && !watch.take_drain());
    watch.wait_for(Waits::Answer, web.now());
    assert!(!web.take_drained(), "the engine is not done");
    web.answer_last();
    assert!(!web.take_drained());
    watch.wait_for(Waits::Close, web.now());
    assert!(web.take_drained() && !web.take_drained());
    watch.wait_for(Waits::Answer, web.now());
    web.answer_last();
    assert!(!web.take_drained());
    web.tick(web.now() + 2 * SECOND);
    assert!(web.take_drained());
}

#[test]
fn a_drain_waits_a_moment_for_the_request_of_who_came_while_it_went_on() {
    let web = Web::new(HttpTimers::default());
    web.drain();
    let _late = web.open(false);
    web.answer_last();
    assert!(!web.take_drained(), "his request may be with the kernel");
    web.tick(web.now() + SECOND / 10);
    assert!(web.take_drained());
}

#[test]
fn bodies_have_so_much_room_together_and_so_much_for_each_account_and_give_it_back() {
    let web = Web::new(HttpTimers::default());
    let of = |account: u32| BodyRoom::of(Some(AccountId(account)), &web);
    let (mut one, mut same, mut stranger) = (of(0), of(0), BodyRoom::of(None, &web));
    assert!(web.room(SHARE - 1, &mut one) && web.room(1, &mut same) && !web.room(1, &mut same));
    assert!(web.room(SHARE, &mut stranger) && !web.room(1, &mut BodyRoom::of(None, &web)), "strangers are one");
    let mut others: Vec<_> = (1..=3).map(of).collect();
    let has_room: Vec<bool> = others.iter_mut().map(|other| web.room(SHARE, other)).collect();
    assert_eq!(has_room, [true, true, false], "there is no more for all");
    drop(one);
    assert!(web.room(SHARE - 1, &mut same));
    drop((same, stranger, others));
    assert_eq!(web.bodies.get(), 0);
    assert!(web.bodies_of.borrow().values().all(|share| *share == 0));
}
