//! What an operator orders: links that are paused, drained and resumed while submits and receipts go on.

use std::time::Duration;

use trunkline::config::CarrierId;
use trunkline::engine::event::Input;
use trunkline::engine::orders::Order;
use trunkline::engine::snapshot::CarrierStatus;
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;

impl Sim {
    pub(super) fn order(&mut self, carrier: u16, link: Option<u16>, order: Order) {
        let home = 1;
        self.handle(home, Input::Order { carrier: CarrierId(carrier), link, order });
        self.wake(home, self.now + 1);
    }

    fn carrier(&mut self, carrier: usize) -> CarrierStatus {
        let now = self.instant();
        let node = &mut self.nodes[1];
        node.shard.carrier_statuses(now, &mut node.out)[carrier].clone()
    }
}

const WITHIN_A_WHILE: Duration = Duration::from_secs(3);

#[test]
fn a_paused_carrier_receives_and_another_takes_what_waited_for_it() {
    let mut sim = gateway("", ", links: 2, rate: 10, burst: 1, queue_wait: 15s", BOTH);
    sim.smscs[0].habit.receipt_ms = (2_000, 3_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 20);
    sim.run_for(Duration::from_millis(500));
    let before = sim.seen_by(0).len();
    assert!((1..20).contains(&before), "the rest waits for the rate");
    sim.order(0, None, Order::Pause);
    sim.run_for(WITHIN_A_WHILE);
    assert_eq!((sim.seen_by(0).len(), sim.seen_by(1).len()), (before, 20 - before));
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 20);
    let status = sim.carrier(0);
    assert_eq!((status.standing, status.queued, status.receipts_outstanding), ("paused", 0, 0), "its receipts came");
    assert!(status.links.iter().all(|link| link.state == "bound"));
    sim.order(0, None, Order::Resume);
    sim.submit_many(esme, 1);
    sim.end();
    assert_eq!(sim.seen_by(0).len(), before + 1);
}

#[test]
fn a_drained_carrier_says_goodbye_once_its_receipts_are_in_and_stays_away_until_it_is_resumed() {
    let mut sim = gateway("", ", links: 2", BOTH);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    sim.smscs[0].habit.receipt_ms = (5_000, 5_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 10);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.seen_by(0).len(), 10);
    sim.order(0, None, Order::Drain { within: None });
    let later = sim.submit_many(esme, 5);
    sim.run_for(WITHIN_A_WHILE);
    assert_eq!(sim.seen_by(1).len(), 5, "what is new goes elsewhere");
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 10, "what was out is answered");
    assert!(sim.carrier(0).links.iter().any(|link| link.state == "bound"), "its receipts are still out");
    sim.run_for(Duration::from_secs(30));
    let status = sim.carrier(0);
    assert_eq!((status.standing, status.receipts_outstanding), ("stopped", 0));
    assert!(status.links.iter().all(|link| link.state == "off"));
    assert_eq!(sim.count(esme, &later, CommandStatus::ROK), 5);
    sim.order(0, None, Order::Resume);
    sim.run_for(Duration::from_millis(200));
    assert!(sim.carrier(0).links.iter().all(|link| link.state == "bound"));
    sim.submit_many(esme, 1);
    sim.end();
    assert_eq!(sim.seen_by(0).len(), 11);
}

#[test]
fn a_drain_waits_no_longer_for_receipts_than_it_was_told_to() {
    let mut sim = gateway("", ", links: 1", ONE);
    sim.smscs[0].habit.receipt_ms = (60_000, 60_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_many(esme, 3);
    sim.run_for(Duration::from_secs(1));
    sim.order(0, None, Order::Drain { within: Some(Duration::from_secs(10)) });
    sim.run_for(Duration::from_secs(9));
    assert_eq!(sim.carrier(0).links[0].state, "bound");
    sim.run_for(Duration::from_secs(2));
    assert_eq!((sim.carrier(0).links[0].state, sim.carrier(0).receipts_outstanding), ("off", 3));
    sim.order(0, None, Order::Resume);
    sim.end();
    assert_eq!(sim.carrier(0).receipts_outstanding, 0, "they came once it was bound again");
}

#[test]
fn one_link_of_two_drains_while_the_other_goes_on() {
    let mut sim = gateway("", ", links: 2", ONE);
    sim.smscs[0].habit.receipt_ms = (5_000, 5_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_many(esme, 40);
    sim.run_for(Duration::from_secs(1));
    sim.order(0, Some(1), Order::Drain { within: None });
    sim.run_for(Duration::from_secs(1));
    let status = sim.carrier(0);
    assert_eq!(status.links.iter().map(|link| link.state).collect::<Vec<_>>(), ["bound", "off"]);
    assert_eq!(status.standing, "active", "and receipts come on the other");
    let tags = sim.submit_many(esme, 40);
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 40);
    assert_eq!(sim.carrier(0).receipts_outstanding, 0);
}

#[test]
fn what_a_paused_or_draining_carrier_throttles_goes_elsewhere_at_once() {
    for order in [Order::Pause, Order::Drain { within: None }] {
        let mut sim = gateway("", ", links: 2", BOTH);
        let habit = &mut sim.smscs[0].habit;
        (habit.latency_ms, habit.throttled) = ((500, 500), 1_000);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_many(esme, 10);
        sim.run_for(Duration::from_millis(200));
        sim.order(0, None, order);
        sim.run_for(Duration::from_secs(1));
        assert_eq!((sim.seen_by(0).len(), sim.seen_by(1).len()), (10, 10), "{order:?}");
        assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 10, "{order:?}");
        sim.end();
    }
}
