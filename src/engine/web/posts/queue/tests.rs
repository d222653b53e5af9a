//! What is told in which order, and how the queue goes on after failures.

use super::*;

const OWN: Allowed = Allowed { own: 1, elsewhere: true };
const ALONE: MessageId = MessageId::new(0);

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn host(url: &str) -> Lane {
    Lane::of(&Target::Url(url.into()))
}

/// So many events of one lane, each of its own message, from this key on.
fn with(queue: &mut Queue, lane: Lane, keys: std::ops::Range<u64>) {
    for key in keys {
        queue.push(key, (lane, ALONE), key as u32, None, true);
    }
}

/// Begins all tries that may be begun.
fn begin(queue: &mut Queue, allowed: Allowed, now: Instant) -> Vec<(Key, Vec<u64>)> {
    std::iter::from_fn(|| queue.next(allowed, now)).collect()
}

fn keys(tries: &[(Key, Vec<u64>)]) -> Vec<u64> {
    tries.iter().flat_map(|(_, events)| events.clone()).collect()
}

fn take(queue: &mut Queue, post: Key, now: Instant) {
    let settled = queue.settle(post, Posted::Taken, now, &mut Random::new(1)).unwrap();
    settled.taken.into_iter().for_each(|key| assert!(queue.remove(key)));
}

fn fail(queue: &mut Queue, post: Key, outcome: Posted, now: Instant) -> bool {
    queue.settle(post, outcome, now, &mut Random::new(1)).unwrap().has_opened
}

#[test]
fn the_oldest_go_first_and_eight_at_once() {
    let mut queue = Queue::default();
    with(&mut queue, Lane::Own, 1..20);
    let tries = begin(&mut queue, OWN, at(0));
    assert_eq!(keys(&tries), (1..9).collect::<Vec<_>>());
    take(&mut queue, tries[3].0, at(0));
    assert_eq!((keys(&begin(&mut queue, OWN, at(0))), queue.out(), queue.len()), (vec![9], 8, 18));
}

#[test]
fn an_event_waits_for_its_record_and_for_its_reply() {
    let (mut queue, submission) = (Queue::default(), Key { slot: 3, generation: 9 });
    queue.push(1, (Lane::Own, ALONE), 0, Some(submission), false);
    queue.push(2, (Lane::Own, ALONE), 0, None, false);
    queue.durable(1);
    assert_eq!(queue.next(OWN, at(0)), None);
    assert!(queue.release(submission) && !queue.release(submission));
    assert_eq!(keys(&begin(&mut queue, OWN, at(0))), [1]);
    queue.durable(2);
    assert_eq!(keys(&begin(&mut queue, OWN, at(0))), [2]);
}

#[test]
fn events_of_one_message_go_one_after_the_other_and_those_of_others_do_not_wait() {
    let (mut queue, message) = (Queue::default(), MessageId::new(7));
    for (key, about) in [(1, message), (2, message), (3, message), (4, MessageId::new(8))] {
        queue.push(key, (Lane::Own, about), 0, None, true);
    }
    let tries = begin(&mut queue, OWN, at(0));
    assert_eq!(keys(&tries), [1, 4]);
    fail(&mut queue, tries[0].0, Posted::Failed, at(0));
    assert_eq!(queue.next(OWN, at(0)), None, "the later ones wait for the first");
    queue.take_due(at(2));
    let again = begin(&mut queue, OWN, at(2));
    assert_eq!(keys(&again), [1]);
    take(&mut queue, again[0].0, at(2));
    let next = begin(&mut queue, OWN, at(2));
    assert_eq!(keys(&next), [2]);
    take(&mut queue, next[0].0, at(2));
    assert_eq!(keys(&begin(&mut queue, OWN, at(2))), [3]);
}

#[test]
fn what_failed_comes_again_after_a_second_doubling_to_five_minutes_and_holds_nothing_up() {
    let mut queue = Queue::default();
    with(&mut queue, Lane::Own, 1..2);
    let (mut now, mut waits) = (at(0), Vec::new());
    for round in 0..12 {
        let tries = begin(&mut queue, OWN, now);
        assert_eq!(keys(&tries), [1], "round {round}");
        assert!(!fail(&mut queue, tries[0].0, Posted::Refused, now), "its waits are enough");
        // Another one meanwhile.
        with(&mut queue, Lane::Own, 100 + round..101 + round);
        let other = queue.next(OWN, now).unwrap();
        assert_eq!(other.1, [100 + round]);
        take(&mut queue, other.0, now);
        let due = queue.next_due();
        waits.push(due.since(now).as_secs());
        now = due;
        queue.take_due(now);
    }
    let least = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300];
    assert!(waits.iter().zip(least).all(|(wait, least)| (least..=least + least / 4).contains(wait)), "{waits:?}");
}

#[test]
fn after_five_failures_a_target_is_left_alone_then_asked_once_and_others_go_on() {
    let mut queue = Queue::default();
    with(&mut queue, Lane::Own, 1..9);
    let tries = begin(&mut queue, OWN, at(0));
    let opened: Vec<_> = tries.iter().map(|(post, _)| fail(&mut queue, *post, Posted::Failed, at(0))).collect();
    assert_eq!(opened, [false, false, false, false, true, false, false, false]);
    with(&mut queue, host("http://h/a"), 20..22);
    queue.take_due(at(9));
    let elsewhere = begin(&mut queue, OWN, at(9));
    assert_eq!(keys(&elsewhere), [20, 21]);
    queue.take_due(at(10));
    let probe = begin(&mut queue, OWN, at(10));
    assert_eq!(keys(&probe), [1]);
    assert!(fail(&mut queue, probe[0].0, Posted::Failed, at(10)));
    queue.take_due(at(29));
    assert_eq!(queue.next(OWN, at(29)), None);
    queue.take_due(at(30));
    let probe = begin(&mut queue, OWN, at(30));
    assert_eq!(keys(&probe), [2], "another one");
    take(&mut queue, probe[0].0, at(30));
    assert_eq!(keys(&begin(&mut queue, OWN, at(30))), [1, 3, 4, 5, 6, 7], "beside the two elsewhere");
}

#[test]
fn a_host_that_was_left_alone_gets_its_turn_back() {
    let (mut queue, lane) = (Queue::default(), host("https://h.example/1"));
    assert_eq!(lane, host("https://H.EXAMPLE/2?a=b"));
    assert_ne!(lane, host("https://h.example:8443/1"));
    with(&mut queue, lane, 1..7);
    let tries = begin(&mut queue, OWN, at(0));
    assert_eq!(keys(&tries), [1, 2, 3, 4, 5, 6]);
    assert!(tries.iter().any(|(post, _)| fail(&mut queue, *post, Posted::Failed, at(0))));
    let due = queue.next_due();
    assert!(due < at(2));
    queue.take_due(at(5));
    assert_eq!(queue.next(OWN, at(5)), None);
    queue.take_due(at(10));
    assert_eq!(keys(&begin(&mut queue, OWN, at(10))), [1]);
}

#[test]
fn hosts_take_turns_and_leave_the_account_s_own_callback_room() {
    let mut queue = Queue::default();
    with(&mut queue, host("http://slow/"), 1..20);
    with(&mut queue, host("http://other/"), 20..40);
    let tries = begin(&mut queue, OWN, at(0));
    assert_eq!(keys(&tries), [1, 20, 2, 21, 3, 22]);
    with(&mut queue, Lane::Own, 40..50);
    assert_eq!(keys(&begin(&mut queue, OWN, at(0))), [40, 41]);
    // And the other way round: each is asked when the other was.
    take(&mut queue, tries[0].0, at(0));
    assert_eq!(keys(&begin(&mut queue, OWN, at(0))), [4]);
    take(&mut queue, tries[1].0, at(0));
    assert_eq!(keys(&begin(&mut queue, OWN, at(0))), [42]);
}

#[test]
fn nothing_goes_where_the_configuration_has_it_no_more() {
    let mut queue = Queue::default();
    with(&mut queue, host("http://h/"), 1..2);
    with(&mut queue, Lane::Own, 2..3);
    assert_eq!(queue.next(Allowed { own: 0, elsewhere: false }, at(0)), None);
    assert_eq!(keys(&begin(&mut queue, Allowed { own: 0, elsewhere: true }, at(0))), [1]);
    assert_eq!(keys(&begin(&mut queue, Allowed { own: 1, elsewhere: false }, at(0))), [2]);
}

#[test]
fn many_go_in_one_call_and_those_of_a_refused_one_in_smaller_ones() {
    let mut queue = Queue::default();
    let many = Allowed { own: 100, elsewhere: true };
    with(&mut queue, Lane::Own, 1..251);
    with(&mut queue, host("http://h/"), 300..302);
    let tries = begin(&mut queue, many, at(0));
    let sizes: Vec<_> = tries.iter().map(|(_, events)| events.len()).collect();
    assert_eq!(sizes, [100, 1, 100, 1, 50]);
    take(&mut queue, tries[2].0, at(0));
    fail(&mut queue, tries[0].0, Posted::Refused, at(0));
    fail(&mut queue, tries[4].0, Posted::Failed, at(0));
    queue.take_due(at(2));
    let tries = begin(&mut queue, many, at(2));
    let sizes: Vec<_> = tries.iter().map(|(_, events)| events.len()).collect();
    assert_eq!(sizes, [50, 50, 50], "one that was not answered says nothing of its events");
}

#[test]
fn a_try_that_is_never_answered_is_given_up_and_its_late_answer_finds_nothing() {
    let mut queue = Queue::default();
    with(&mut queue, Lane::Own, 1..2);
    let (post, _) = queue.next(OWN, at(0)).unwrap();
    assert_eq!((queue.overdue(at(59)), queue.next_due()), (None, at(60)));
    assert_eq!(queue.overdue(at(60)), Some(post));
    fail(&mut queue, post, Posted::Failed, at(60));
    assert_eq!(queue.settle(post, Posted::Taken, at(60), &mut Random::new(1)), None);
    queue.take_due(at(62));
    let (post, _) = queue.next(OWN, at(62)).unwrap();
    queue.hasten(at(65));
    assert_eq!((queue.overdue(at(64)), queue.overdue(at(65))), (None, Some(post)));
}

#[test]
fn what_is_beyond_retention_goes_the_oldest_first_but_not_while_it_is_out() {
    let (mut queue, message) = (Queue::default(), MessageId::new(7));
    with(&mut queue, Lane::Own, 1..3);
    queue.push(3, (Lane::Own, message), 3, None, true);
    queue.push(4, (Lane::Own, message), 4, None, true);
    with(&mut queue, Lane::Own, 5..8);
    let (post, _) = queue.next(OWN, at(0)).unwrap();
    assert_eq!(queue.over(7), [2, 3, 5, 6]);
    fail(&mut queue, post, Posted::Failed, at(0));
    queue.over(7).into_iter().for_each(|key| assert!(queue.remove(key)));
    assert_eq!(queue.over(7), [4], "behind the one before it");
    assert!(queue.remove(4) && !queue.remove(4));
    queue.take_due(at(2));
    assert_eq!(keys(&begin(&mut queue, OWN, at(2))), [7]);
}

#[test]
fn nothing_is_left_of_hosts_that_are_gone_but_what_is_known_against_some() {
    let mut queue = Queue::default();
    let mut now = at(0);
    for number in 0..2_000_u64 {
        now = now + Duration::from_secs(1);
        with(&mut queue, host(&format!("http://h{number}/")), number..number + 1);
        let (post, events) = queue.next(OWN, now).unwrap();
        if number % 2 == 0 {
            take(&mut queue, post, now);
        } else {
            fail(&mut queue, post, Posted::Failed, now);
            queue.remove(events[0]);
        }
    }
    queue.take_due(now + Queue::LAST_RETRY);
    assert_eq!((queue.len(), queue.lanes.len(), queue.turns.len(), queue.due.len()), (0, 1_000, 0, 0));
    for number in 2_000..3_000_u64 {
        with(&mut queue, host(&format!("http://h{number}/")), number..number + 1);
        let (post, events) = queue.next(OWN, now).unwrap();
        fail(&mut queue, post, Posted::Failed, now);
        queue.remove(events[0]);
    }
    assert_eq!((queue.lanes.len(), queue.last_of.len(), queue.held.len()), (Queue::LANES, 0, 0));
}

/// Goes on until then, with a target that takes what `takes` says: what it took, and when.
fn run(queue: &mut Queue, now: &mut Instant, until: Instant, takes: impl Fn(u64) -> bool) -> Vec<(u64, Instant)> {
    let mut told = Vec::new();
    while *now < until {
        queue.take_due(*now);
        while let Some((post, events)) = queue.next(OWN, *now) {
            if events.iter().all(|event| takes(*event)) {
                take(queue, post, *now);
                told.extend(events.into_iter().map(|event| (event, *now)));
            } else {
                fail(queue, post, Posted::Refused, *now);
            }
        }
        *now = until.min(queue.next_due().max(*now + Duration::from_millis(1)));
    }
    told
}

#[test]
fn what_a_target_never_takes_keeps_nothing_else_from_it() {
    let hour = Duration::from_secs(3_600);
    // Of many it is taken to be down, and is asked with another each time.
    for (refused, within) in [(2, 0), (3, 0), (9, 300)] {
        for lane in [Lane::Own, host("http://h/")] {
            let (mut queue, mut now) = (Queue::default(), at(0));
            with(&mut queue, lane, 1..1 + refused);
            assert_eq!(run(&mut queue, &mut now, at(3_600), |_| false), []);
            // One that failed with all of them, and one that comes now.
            with(&mut queue, lane, 50..51);
            let still = now + Duration::from_secs(600);
            assert_eq!(run(&mut queue, &mut now, still, |_| false), []);
            let from = now;
            with(&mut queue, lane, 100..101);
            let told = run(&mut queue, &mut now, from + hour, |event| event >= 50);
            let waited: Vec<_> = told.iter().map(|(event, at)| (*event, at.since(from).as_secs())).collect();
            assert_eq!(waited.len(), 2, "beside {refused}: {waited:?}");
            assert!(waited.iter().all(|(event, waited)| *event == 50 || *waited <= within), "{refused}: {waited:?}");
            assert!(waited.iter().all(|(_, waited)| *waited <= 375 + refused * within), "{refused}: {waited:?}");
        }
    }
}
