//! Long MO for callbacks: told as one, whatever order their parts come in.

use trunkline::engine::web::What;
use trunkline::smpp::segment::Mark;

use super::callbacks::{TOLD, mo_told};
use super::*;
use crate::sim::Event;
use crate::text::{Part, item_number};
use crate::web_habits::Callbacks;

const SENDER: &str = "491700000001";

fn part(reference: u16, total: u8, number: u8) -> Part {
    Part { mark: Mark::Udh8, reference, total, number }
}

impl Sim {
    fn deliver_part(&mut self, source: &str, part: Part) -> u32 {
        let number = self.mo_part(0, 0, source, part);
        self.plan(0, Event::SmscDelivers { carrier: 0, number });
        self.run_for(Duration::from_millis(300));
        number
    }

    /// What was told of: the parts of each, and how many it has.
    fn messages_told(&self) -> Vec<(Vec<u32>, u8)> {
        let read = |what: &What| match what {
            What::Message { parts, total } => (parts.iter().filter_map(|part| item_number(part)).collect(), *total),
            What::Receipt { .. } => panic!("{what:?}"),
        };
        self.web.book.taken(0).iter().map(|event| read(&event.what)).collect()
    }

    fn end_long(&mut self) {
        self.run_until_quiet(Duration::from_secs(1_000));
        self.ledger.audit();
        self.web.book.audit(&self.ledger);
        self.audit_holdings();
    }
}

#[test]
fn parts_in_any_order_and_however_marked_are_told_of_as_one_in_theirs() {
    for mark in [Mark::Udh8, Mark::Udh16, Mark::Sar] {
        let mut sim = mo_told();
        let of = |number| Part { mark, reference: 7, total: 4, number };
        let came = [3, 1, 4, 2].map(|number| sim.deliver_part(SENDER, of(number)));
        sim.end_long();
        assert_eq!(sim.messages_told(), [(vec![came[1], came[3], came[0], came[2]], 4)]);
        assert_eq!((sim.counts(0).mo_parts, sim.counts(0).mo_incomplete, sim.counts(0).mo_delivered), (0, 0, 1));
    }
}

#[test]
fn a_part_that_the_carrier_brings_again_is_acknowledged_and_counted_and_not_told_of_twice() {
    let mut sim = mo_told();
    let first = sim.deliver_part(SENDER, part(7, 2, 1));
    sim.send_again(0, first, (0, 5));
    sim.run_for(Duration::from_secs(1));
    assert_eq!((sim.counts(0).mo_parts_repeated, sim.counts(0).mo_parts, sim.smscs[0].undelivered.len()), (1, 1, 0));
    let second = sim.deliver_part(SENDER, part(7, 2, 2));
    // When its message was told of, too: that is seen when no other part follows.
    sim.send_again(0, second, (0, 5));
    sim.end_long();
    assert_eq!(sim.messages_told(), [(vec![first, second], 2)]);
    assert_eq!((sim.counts(0).mo_parts_repeated, sim.counts(0).mo_incomplete), (2, 0));
    // All of it once more may be another message.
    sim.send_again(0, first, (0, 5));
    sim.send_again(0, second, (0, 5));
    sim.end_long();
    assert_eq!(sim.messages_told(), [(vec![first, second], 2), (vec![first, second], 2)]);
}

#[test]
fn messages_of_two_senders_and_two_of_different_totals_are_kept_apart_by_them() {
    let mut sim = mo_told();
    let others = "491700000002";
    let one = sim.deliver_part(SENDER, part(7, 2, 1));
    let other = sim.deliver_part(others, part(7, 2, 2));
    let longer = sim.deliver_part(SENDER, part(7, 3, 1));
    let rest = sim.deliver_part(others, part(7, 2, 1));
    let last = sim.deliver_part(SENDER, part(7, 2, 2));
    sim.end_long();
    assert_eq!(sim.messages_told(), [(vec![rest, other], 2), (vec![one, last], 2), (vec![longer], 3)]);
}

#[test]
fn what_came_is_told_with_its_total_when_the_rest_does_not_come_within_ten_minutes() {
    let mut sim = mo_told();
    let came = [1, 3].map(|number| sim.deliver_part(SENDER, part(7, 3, number)));
    sim.run_for(Duration::from_secs(590));
    assert_eq!((sim.messages_told().len(), sim.counts(0).mo_parts), (0, 2));
    sim.run_for(Duration::from_secs(12));
    assert_eq!(sim.messages_told(), [(came.to_vec(), 3)]);
    assert_eq!((sim.counts(0).mo_parts, sim.counts(0).mo_incomplete), (0, 1));
    sim.end_long();
}

#[test]
fn the_same_reference_for_another_message_tells_of_the_first_as_it_is() {
    let mut sim = mo_told();
    let first = sim.deliver_part(SENDER, part(7, 2, 1));
    let again = [1, 2].map(|number| sim.deliver_part(SENDER, part(7, 2, number)));
    sim.end_long();
    assert_eq!(sim.messages_told(), [(vec![first], 2), (again.to_vec(), 2)]);
}

#[test]
fn no_moment_of_a_crash_loses_a_part_or_tells_of_one_alone() {
    for is_power in [false, true] {
        for moment in 0..30 {
            let mut sim = mo_told();
            sim.habit.commit_us = (2_000, 8_000);
            let items = [3, 1, 2].map(|number| sim.mo_part(0, 0, SENDER, part(7, 3, number)));
            for (at, number) in items.into_iter().enumerate() {
                sim.plan(at as u64 * 5_000_000, Event::SmscDelivers { carrier: 0, number });
            }
            sim.run_for(Duration::from_millis(moment));
            sim.crash_and_restart(is_power);
            sim.end_long();
            let whole = (vec![items[1], items[2], items[0]], 3);
            let told = sim.messages_told();
            // Told and forgotten, but for the removal: then it is told once more, under the same id.
            assert_eq!(told, [whole], "moment {moment}");
        }
    }
}

#[test]
fn parts_wait_through_a_crash_for_no_longer_than_without() {
    let mut sim = mo_told();
    let first = sim.deliver_part(SENDER, part(7, 2, 1));
    sim.run_for(Duration::from_secs(500));
    sim.crash_and_restart(true);
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.messages_told(), []);
    sim.run_for(Duration::from_secs(50));
    assert_eq!(sim.messages_told(), [(vec![first], 2)]);
    sim.end_long();
}

#[test]
fn a_full_queue_still_takes_the_parts_that_others_wait_for() {
    let mut sim = gateway(&format!("{TOLD}, delivery_queue: 3"), "", ONE);
    sim.web.callbacks = Callbacks { within_ms: Some((1, 20)), ..Callbacks::default() };
    let came: Vec<_> = (1..=5).map(|number| sim.deliver_part(SENDER, part(7, 5, number))).collect();
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.messages_told(), [(came, 5)]);
    // But no new ones.
    for number in 1..=4 {
        sim.deliver_part(&format!("49170000001{number}"), part(7, 2, 1));
    }
    assert_eq!((sim.counts(0).mo_parts, sim.smscs[0].undelivered.len()), (3, 1));
}
