//! What a reload changes of what is under way, and what it leaves alone.

use std::sync::Arc;
use std::time::Duration;

use trunkline::config::{self, CarrierId, Config};
use trunkline::engine::orders::Order;
use trunkline::engine::web::{Request, Submission};
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;

use super::stored::STORE;
use super::web::A0;
use super::*;
use crate::node::In;
use crate::variants::{parse, vary};

const ROK: CommandStatus = CommandStatus::ROK;

impl Sim {
    /// The file with a part of it replaced, taken up by every shard.
    fn reload_with(&mut self, part: &str, by: &str) {
        assert!(self.text.contains(part), "{part:?} is not in\n{}", self.text);
        let text = self.text.replace(part, by);
        self.reload_to(&text);
    }

    /// Only this shard gets ready for it, and nothing follows.
    fn prepare_alone(&mut self, shard: usize, text: &str) {
        let read = Config::clone(&parse(self.ledger.seed, text));
        let (next, _) = config::merged(&self.config, read).unwrap_or_else(|why| panic!("{why}"));
        let placement = self.placement.extended(&next);
        let extended = Arc::new(config::extended(&self.config, &next));
        (self.config, self.placement) = (Arc::clone(&extended), placement.clone());
        self.give(shard, In::Prepare(extended, Box::new(placement)));
        self.run_for(Duration::from_millis(100));
    }

    fn reload_to(&mut self, text: &str) {
        self.reload(text);
        self.run_for(Duration::from_millis(300));
    }
}

#[test]
fn what_waits_for_a_rate_goes_on_by_the_new_one_and_the_session_notices_nothing() {
    let mut sim = gateway(", rate: 1, burst: 10, over_rate: delay", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 20);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.count(esme, &tags, ROK), 10);
    sim.reload_with("rate: 1, burst: 10, over_rate: delay", "max_binds: 4");
    assert_eq!(sim.count(esme, &tags, ROK), 20);
    sim.end();
    assert!(sim.esmes[esme].is_bound && sim.esmes[esme].ended_at.is_empty());
}

#[test]
fn what_waits_at_a_carrier_that_went_goes_by_the_new_routes_and_its_receipts_come_when_it_is_back() {
    let mut sim = gateway("", ", links: 1, rate: 1, burst: 1, queue_wait: 15s", ONE);
    sim.smscs[0].habit.receipt_ms = (5_000, 6_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 10);
    sim.run_for(Duration::from_millis(100));
    let before = sim.seen_by(0).len();
    assert!((1..5).contains(&before), "{before}: the rest waits");
    let whole = sim.text.clone();
    let without =
        vary(&whole.replace("to: [c0]", "to: [c0, c1]").replace("rate: 1, burst: 1, ", ""), 2, &["c0"], || None);
    sim.reload_to(&without);
    sim.run_for(Duration::from_secs(1));
    assert_eq!((sim.seen_by(0).len(), sim.seen_by(1).len()), (before, 10 - before));
    assert_eq!(sim.count(esme, &tags, ROK), 10);
    sim.run_for(Duration::from_secs(8));
    assert_eq!(sim.esmes[esme].deliveries.len(), 10 - before);
    sim.reload_to(&whole);
    sim.end();
    assert_eq!(sim.esmes[esme].deliveries.len(), 10);
}

#[test]
fn stored_submits_go_by_the_new_routes_in_their_order() {
    let mut sim = gateway(STORE, ", links: 1", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 60);
    sim.run_for(Duration::from_secs(5));
    assert_eq!((sim.count(esme, &tags, ROK), sim.stored()), (60, 60));
    sim.reload_with("  - to: [c0]", "  - when: { account: a1 }\n    to: [c0]\n  - to: [c1]");
    sim.run_for(Duration::from_secs(3));
    assert_eq!((sim.stored(), sim.seen_by(1)), (0, tags));
    sim.smscs[0].is_up = true;
    sim.end_stored();
}

#[test]
fn stored_submits_that_had_no_route_for_long_go_as_soon_as_they_have_one() {
    let mut sim = gateway(STORE, ", links: 1", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let mut tags = sim.submit_many(esme, 20);
    sim.run_for(Duration::from_secs(1));
    let whole = sim.text.clone();
    sim.reload_with("  - to: [c0]", "  - when: { account: a1 }\n    to: [c1]");
    sim.run_for(Duration::from_secs(200));
    assert_eq!((sim.stored(), sim.seen_by(1).len()), (20, 0));
    sim.reload_to(&whole.replace("to: [c0]", "to: [c1]"));
    sim.run_for(Duration::from_secs(1));
    let mut seen = sim.seen_by(1);
    tags.sort_unstable();
    seen.sort_unstable();
    assert_eq!((sim.stored(), seen), (0, tags));
    sim.end_stored();
}

#[test]
fn an_account_that_went_loses_its_sessions_and_nothing_else() {
    let mut sim = gateway("", ", links: 1", ONE);
    sim.smscs[0].habit.receipt_ms = (2_000, 3_000);
    let (gone, stays) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    sim.esmes[gone].habit.reconnects = false;
    let tags = sim.submit_many(gone, 10);
    sim.run_for(Duration::from_millis(500));
    assert_eq!(sim.count(gone, &tags, ROK), 10);
    let whole = sim.text.clone();
    sim.reload_to(&vary(&whole, 2, &["a0"], || None));
    sim.run_for(Duration::from_secs(5));
    assert!(sim.esmes[gone].has(CommandId::UNBIND) && !sim.esmes[gone].is_bound);
    assert!(sim.esmes[stays].is_bound && sim.esmes[stays].ended_at.is_empty());
    assert!(sim.esmes[gone].deliveries.is_empty(), "its receipts wait");
    sim.reload_to(&whole);
    let back = sim.bound("a0", BindMode::Transceiver);
    sim.end();
    assert_eq!(sim.esmes[back].deliveries.len(), 10);
}

#[test]
fn a_reload_that_not_every_shard_got_ready_for_changes_nothing_and_the_next_one_is_taken_up() {
    let mut sim = gateway("", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let more = sim
        .text
        .replace("  a1: {", "  new: { password: secret }\n  a1: {")
        .replace("  c1: {", "  c9: { connect: \"c9:1\", system_id: us, password: secret }\n  c1: {");
    let more = more.replace("  - to: [c0]", "  - when: { account: new }\n    to: [c9]\n  - to: [c0]");
    sim.prepare_alone(0, &more);
    let tags = sim.submit_many(esme, 10);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.count(esme, &tags, ROK), 10);
    assert!(sim.nodes[0].notices.iter().all(|notice| !format!("{notice:?}").contains("Link")), "nobody dialled");
    sim.reload_to(&more);
    let after: usize = sim.nodes.iter_mut().map(|node| node.shard.accounts().count()).sum();
    assert_eq!(after, 3, "each is at home once");
    let tags = sim.submit_many(esme, 10);
    sim.end();
    assert_eq!(sim.count(esme, &tags, ROK), 10);
}

#[test]
fn a_reload_amid_a_drain_dials_nobody() {
    let mut sim = gateway("", ", links: 1", ONE);
    sim.bound("a0", BindMode::Transceiver);
    (0..2).for_each(|shard| sim.give(shard, In::DrainCarriers));
    sim.run_until_true(Duration::from_secs(5), |sim| sim.nodes.iter().all(|node| node.carriers_drained));
    let more = sim.text.replace("links: 1", "links: 3").replace("  a1: {", "  new: { password: secret }\n  a1: {");
    sim.reload_to(&more);
    sim.run_for(Duration::from_secs(5));
    assert!(sim.smscs.iter().all(|smsc| smsc.links.is_empty()), "who was told goodbye is not called again");
    (0..2).for_each(|shard| sim.give(shard, In::DrainSessions));
    sim.run_until_true(Duration::from_secs(20), |sim| sim.nodes.iter().all(|node| node.sessions_drained));
}

#[test]
fn a_carrier_that_went_takes_no_orders() {
    let mut sim = gateway("", ", links: 1", "  - to: [c0, c1]");
    let whole = sim.text.clone();
    sim.reload_to(&vary(&whole, 2, &["c0"], || None));
    sim.run_for(Duration::from_secs(5));
    assert!(sim.smscs[0].links.is_empty());
    // Meant for what it was before.
    sim.order(0, None, Order::Resume);
    sim.run_for(Duration::from_secs(5));
    assert!(sim.smscs[0].links.is_empty(), "it is bound again");
    sim.reload_to(&whole);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.smscs[0].links.len(), 1);
}

#[test]
fn what_is_to_go_through_one_carrier_goes_through_no_other_whatever_the_routes_become() {
    for account in [", rate: 1, burst: 1, over_rate: delay", ", rate: 1, burst: 1, over_rate: delay, accept: store"] {
        let mut sim = gateway(account, ", links: 1", ONE);
        // The second waits for the rate, and the routes are others when it may go.
        for _ in 0..2 {
            let messages = sim.messages(&[1]);
            sim.ask_web(A0, Request::SubmitBy(CarrierId(1), Submission { messages, key: None }));
            sim.run_for(Duration::from_millis(100));
        }
        let less = sim.text.replacen("  - to: [c0]", "  - when: { source: Nobody }\n    to: [c1]\n  - to: [c0]", 1);
        sim.reload_to(&less);
        sim.run_for(Duration::from_secs(5));
        assert_eq!((sim.seen_by(0).len(), sim.seen_by(1).len()), (0, 2), "{account}");
    }
}
