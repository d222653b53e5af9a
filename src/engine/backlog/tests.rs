//! The order, the room and the times of what waits.

use super::*;

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(10_000 + ms)
}

fn entry(key: u64, lane: u32, priority: u8) -> Entry {
    Entry::new(MessageId::new(key + 1_000), lane, priority, at(3_600_000))
}

fn backlog(entries: &[(u64, u32, u8)]) -> Backlog {
    let mut backlog = Backlog::default();
    for (key, lane, priority) in entries {
        backlog.push(*key, entry(*key, *lane, *priority));
    }
    backlog
}

fn take_all(backlog: &mut Backlog, lane: u32, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| backlog.take_next(lane, now)).collect()
}

#[test]
fn what_goes_by_another_rule_waits_for_its_turn_there_in_its_order() {
    let mut backlog = Backlog::default();
    for key in 0..4 {
        backlog.push(key, Entry::new(MessageId::new(key), 7, 0, Instant::NEVER));
    }
    let moved = backlog.take_next(7, Instant::ZERO).unwrap();
    backlog.change_lane(moved, 2);
    assert_eq!((backlog.under_way(), backlog.len()), (0, 4));
    backlog.rest(7, Instant::ZERO);
    assert_eq!(backlog.take_next(7, Instant::ZERO), None);
    assert_eq!(backlog.take_next(2, Instant::ZERO), Some(moved));
    let later = backlog.next_look();
    assert_eq!((later > Instant::ZERO, backlog.take_due(later)), (true, vec![7]));
    assert_eq!(backlog.take_next(7, later), Some(1));
    backlog.remove(moved);
    assert_eq!((backlog.under_way(), backlog.len()), (1, 3));
}

#[test]
fn priority_decides_and_then_the_order_they_were_accepted_in() {
    let mut backlog = backlog(&[(1, 0, 0), (2, 0, 3), (3, 0, 0), (4, 0, 3), (5, 7, 1)]);
    assert_eq!(take_all(&mut backlog, 0, at(0)), [2, 4, 1, 3]);
    assert_eq!(take_all(&mut backlog, 7, at(0)), [5]);
    assert_eq!((backlog.len(), backlog.under_way()), (5, 5));
    for key in [3, 1, 4] {
        backlog.put_back(key, Course::default(), at(1));
    }
    assert_eq!(take_all(&mut backlog, 0, at(1)), [0; 0], "nobody had room");
    assert!(backlog.remove(2).is_some());
    assert_eq!(take_all(&mut backlog, 0, at(1)), [4, 1], "one settled: others follow in their old places");
}

#[test]
fn no_more_are_under_way_than_there_was_room_for() {
    let entries: Vec<_> = (0..500).map(|key| (key, 0, 0)).collect();
    let mut backlog = backlog(&entries);
    assert_eq!(take_all(&mut backlog, 0, at(0)).len(), 16);
    for key in 0..10 {
        backlog.remove(key);
    }
    assert_eq!(take_all(&mut backlog, 0, at(0)).len(), 20, "it grows by what settles");
    for key in 30..36 {
        backlog.put_back(key, Course::default(), at(0));
    }
    assert_eq!(backlog.under_way(), 20);
    // The room is known now: one more for as many as are out.
    let mut out: Vec<u64> = (10..30).collect();
    for _ in 0..20 {
        backlog.remove(out.remove(0));
        out.extend(take_all(&mut backlog, 0, at(1)));
    }
    assert_eq!(backlog.under_way(), 21);
}

#[test]
fn a_lane_that_nobody_serves_is_tried_by_one_each_second_and_holds_up_no_other() {
    let entries: Vec<_> = (0..40).map(|key| (key, key as u32 % 2, 0)).collect();
    let mut backlog = backlog(&entries);
    let (mut tries, mut now) = (0, at(0));
    for _ in 0..100 {
        for key in take_all(&mut backlog, 0, now) {
            tries += 1;
            backlog.put_back(key, Course::default(), now);
        }
        assert_eq!(take_all(&mut backlog, 0, now), [0; 0]);
        now = backlog.next_look();
        assert_eq!(backlog.take_due(now), [0]);
    }
    assert!(tries <= 16 + 100, "{tries}");
    assert!(now >= at(95_000), "{now:?}");
    assert_eq!(take_all(&mut backlog, 1, now).len(), 16);
}

#[test]
fn one_that_was_refused_waits_longer_each_time_and_lets_others_by() {
    let mut backlog = backlog(&[(1, 0, 3), (2, 0, 0)]);
    let (mut now, mut waits) = (at(0), Vec::new());
    for _ in 0..11 {
        assert_eq!(backlog.take_next(0, now), Some(1));
        backlog.put_off(1, Course::default(), now);
        let due = backlog.next_look();
        waits.push(due.since(now).as_secs());
        assert_eq!(backlog.take_due(due), [0]);
        now = due;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(take_all(&mut backlog, 0, now), [1, 2]);
}

#[test]
fn what_ends_while_it_is_under_way_ends_when_it_comes_back() {
    let mut backlog = Backlog::default();
    for key in 1..=3 {
        backlog.push(key, Entry { ends: at(key * 100), ..entry(key, 0, 0) });
    }
    assert_eq!((backlog.take_next(0, at(0)), backlog.take_next(0, at(0))), (Some(1), Some(2)));
    assert_eq!(backlog.next_look(), at(100));
    assert_eq!(backlog.take_ended(at(99)), None);
    assert_eq!(backlog.take_ended(at(250)), None);
    backlog.put_back(1, Course::default(), at(260));
    assert_eq!(backlog.take_ended(at(260)), Some(1));
    assert!(backlog.remove(1).is_some() && backlog.remove(2).is_some());
    assert_eq!(backlog.take_ended(at(1_000)), Some(3));
    assert!(backlog.remove(3).is_some());
    assert!(backlog.is_empty() && backlog.ends.is_empty() && backlog.by_id.is_empty() && backlog.under_way() == 0);
}

#[test]
fn one_is_found_by_its_id_wherever_it_stands() {
    let mut backlog = backlog(&[(1, 0, 0), (2, 0, 0)]);
    let standing = |backlog: &Backlog, key: u64| {
        backlog.find(MessageId::new(key + 1_000)).map(|(found, entry)| (found, entry.standing))
    };
    assert_eq!(standing(&backlog, 2), Some((2, Standing::Waits)));
    assert_eq!(backlog.take_next(0, at(0)), Some(1));
    assert_eq!(standing(&backlog, 1), Some((1, Standing::IsOnItsWay)));
    backlog.put_off(1, Course::default(), at(0));
    assert_eq!(standing(&backlog, 1), Some((1, Standing::Later(at(1_000)))));
    assert!(backlog.remove(1).is_some() && backlog.remove(1).is_none());
    assert_eq!((standing(&backlog, 1), backlog.later.len()), (None, 0));
}
