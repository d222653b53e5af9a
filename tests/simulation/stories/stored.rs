//! Store and forward: what is acknowledged is sent, or its customer is told, whatever happens between.

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use super::*;
use crate::soak::end_in_order;
use crate::text::submit_tag;

pub(super) const STORE: &str = ", accept: store";

impl Sim {
    pub(super) fn stored(&mut self) -> usize {
        self.nodes.iter_mut().flat_map(|node| node.shard.accounts()).map(|account| account.backlog.len()).sum()
    }

    /// Which submits receipts of ours told of, and as what.
    pub(super) fn told(&self, esme: usize) -> Vec<(u32, String)> {
        let said = |body: &Vec<u8>| {
            let text = std::str::from_utf8(SmView::deliver(body).ok()?.short_message).ok()?;
            let (_, state) = text.split_once("stat:")?;
            Some((submit_tag(body)?, state.split_once(" text")?.0.to_owned()))
        };
        self.esmes[esme].deliveries.iter().filter_map(said).collect()
    }

    pub(super) fn carrier_goes(&mut self, carrier: usize) {
        self.smscs[carrier].is_up = false;
        for wire in self.smscs[carrier].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
            self.smsc_breaks(carrier, wire);
        }
        self.run_for(Duration::from_millis(50));
    }

    /// Ends when nothing is left and every promise was kept.
    pub(super) fn end_stored(&mut self) {
        self.run_until_quiet(Duration::from_secs(600));
        self.ledger.audit();
        // Removals alone may wait a moment for a commit.
        self.run_for(Duration::from_secs(5));
        self.audit_holdings();
    }
}

#[test]
fn a_spike_is_absorbed_and_leaves_at_the_carriers_rate_in_order_of_priority() {
    let mut sim = gateway(STORE, ", rate: 50, burst: 1, links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let submit = |sim: &mut Sim, priority| {
        let tags: Vec<_> = (0..100).map(|_| sim.submit_as(esme, "491700000001", true, priority, 0, None)).collect();
        sim.run_for(Duration::from_millis(200));
        tags
    };
    let low: Vec<_> = (0..4).flat_map(|_| submit(&mut sim, 0)).collect();
    let high = submit(&mut sim, 3);
    assert_eq!(sim.count(esme, &[&low[..], &high].concat(), CommandStatus::ROK), 500, "answered at once");
    assert!(sim.stored() > 440);
    sim.run_for(Duration::from_millis(9_500));
    let seen = sim.seen_by(0);
    let at = |tag: &u32| seen.iter().position(|seen| seen == tag).unwrap_or(usize::MAX);
    assert_eq!((seen.len(), sim.stored()), (500, 0), "at the carrier's rate, and not slower");
    assert!(low.is_sorted_by_key(at) && high.is_sorted_by_key(at));
    // A few had been given to the carrier before the urgent ones came.
    assert!(high.iter().all(|tag| at(tag) < 200), "{seen:?}");
    sim.end_stored();
    assert_eq!(sim.esmes[esme].deliveries.len(), 500);
}

#[test]
fn a_spike_of_one_account_costs_another_that_relays_nothing() {
    let text = gateway_text(STORE, "", ", rate: 100, burst: 10, queue: 60, links: 1");
    let mut sim = opened(&text);
    let (storing, relaying) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    let mut spike = Vec::new();
    for _ in 0..10 {
        spike.extend(sim.submit_many(storing, 100));
        sim.run_for(Duration::from_millis(100));
    }
    let mut live = Vec::new();
    for _ in 0..150 {
        live.push(sim.submit(relaying, "491700000002", true));
        sim.run_for(Duration::from_millis(40));
    }
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.count(relaying, &live, CommandStatus::ROK), 150);
    assert_eq!(sim.count(storing, &spike, CommandStatus::ROK), 1_000);
    assert!(sim.stored() > 100, "it is not over yet: {}", sim.stored());
    sim.end_stored();
}

#[test]
fn accounts_that_store_share_a_carrier_fairly_whoever_came_first() {
    for queue in [4, 60] {
        let text = gateway_text(STORE, STORE, &format!(", rate: 50, burst: 1, queue: {queue}, window: 5, links: 1"));
        let mut sim = opened(&text);
        let (first, second) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
        for _ in 0..5 {
            sim.submit_many(first, 100);
            sim.run_for(Duration::from_millis(200));
        }
        sim.submit_many(second, 100);
        let before = sim.seen_by(0).len();
        sim.run_for(Duration::from_secs(4));
        let seen = &sim.seen_by(0)[before..];
        let of_second = seen.iter().filter(|tag| sim.ledger.submits[tag].account == 1).count();
        assert!(of_second * 10 >= seen.len() * 3, "queue {queue}: {of_second} of {} are the second's", seen.len());
        assert!(seen.len() > 180, "queue {queue}: {} at 50 a second", seen.len());
        sim.end_stored();
    }
}

#[test]
fn what_is_accepted_while_no_carrier_is_up_outlives_crashes_and_is_sent_in_order() {
    let mut sim = gateway(STORE, "", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let mut tags = sim.submit_many(esme, 30);
    sim.run_for(Duration::from_secs(1));
    for is_power in [false, true] {
        assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), tags.len());
        sim.crash_and_restart(is_power);
        assert_eq!(sim.stored(), tags.len());
        sim.run_for(Duration::from_secs(3_600));
        tags.extend(sim.submit_many(esme, 5));
        sim.run_for(Duration::from_secs(1));
    }
    let wakes = sim.nodes.iter().map(|node| node.shard.counts.turns).max();
    assert!(wakes.is_some_and(|wakes| wakes < 40_000), "no busy wait: {wakes:?}");
    sim.smscs[0].is_up = true;
    sim.run_for(Duration::from_secs(120));
    assert_eq!(sim.seen_by(0), tags);
    sim.end_stored();
    assert_eq!(sim.told(esme), []);
}

#[test]
fn what_no_carrier_takes_within_its_validity_is_told_of_as_expired() {
    let mut sim = gateway(", accept: store, validity: 20s", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.carrier_goes(0);
    let tags = sim.submit_many(esme, 3);
    let (unasked, own) = (sim.submit(esme, "491700000002", false), sim.submit_valid(esme, "000000000100000R"));
    sim.run_for(Duration::from_secs(30));
    assert_eq!(sim.told(esme), tags.iter().map(|tag| (*tag, "EXPIRED err:000".to_owned())).collect::<Vec<_>>());
    assert_eq!(
        (sim.status(esme, unasked), sim.stored()),
        (Some(CommandStatus::ROK), 1),
        "one has a validity of its own"
    );
    sim.smscs[0].is_up = true;
    sim.end_stored();
    assert_eq!(sim.seen_by(0), [own]);
}

#[test]
fn a_span_of_validity_is_not_prolonged_by_the_wait() {
    let mut sim = gateway(STORE, "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.submit_valid(esme, "000000000200000R");
    sim.run_for(Duration::from_secs(1));
    sim.carrier_goes(0);
    let late = sim.submit_valid(esme, "000000000200000R");
    sim.run_for(Duration::from_secs(45));
    sim.smscs[0].is_up = true;
    // The ledger compares: the same but for a shorter span.
    sim.end_stored();
    assert_eq!(sim.seen_by(0), [first, late]);
}

#[test]
fn a_carriers_last_word_is_told_as_a_receipt() {
    let mut sim = gateway(STORE, "", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.refused = 1_000;
    let tag = sim.submit(esme, "491700000001", true);
    sim.end_stored();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::ROK));
    assert_eq!(sim.told(esme), [(tag, "REJECTD err:011".to_owned())]);
    assert_eq!(sim.seen_by(1), [0; 0]);
}

#[test]
fn what_every_carrier_refuses_for_now_is_offered_again_ever_more_rarely() {
    let mut sim = gateway(STORE, "", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.smscs[0].habit.rsyserr = 1_000;
    sim.smscs[1].habit.rsyserr = 1_000;
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(130));
    let tries = sim.seen_by(0).len();
    assert!((7..=8).contains(&tries), "1, 2, 4 .. seconds apart: {tries}");
    assert_eq!((sim.status(esme, tag), sim.seen_by(1).len()), (Some(CommandStatus::ROK), tries));
    sim.smscs[1].habit.rsyserr = 0;
    sim.end_stored();
    assert_eq!((sim.ledger.submits[&tag].accepted_by.clone(), sim.told(esme)), (vec![1], vec![]));
}

#[test]
fn what_is_lost_with_its_link_is_in_doubt_or_sent_again_as_the_carrier_is_set() {
    for (in_doubt, expected) in [("fail", vec!["UNKNOWN err:000".to_owned()]), ("retry", vec![])] {
        let mut sim = gateway(STORE, &format!(", in_doubt: {in_doubt}"), ONE);
        let esme = sim.bound("a0", BindMode::Transceiver);
        sim.smscs[0].habit.latency_ms = (500, 500);
        let tag = sim.submit(esme, "491700000001", true);
        sim.run_for(Duration::from_millis(100));
        assert_eq!(sim.seen_by(0), [tag]);
        let wire = sim.smscs[0].submits[0].1;
        sim.smsc_breaks(0, wire);
        sim.end_stored();
        let states: Vec<_> = sim.told(esme).into_iter().map(|(_, state)| state).collect();
        assert_eq!((states, sim.seen_by(0).len()), (expected.clone(), 2 - expected.len()));
    }
}

#[test]
fn a_crash_at_any_moment_loses_nothing_and_sends_nothing_twice_unasked() {
    for (in_doubt, is_power) in [("fail", true), ("retry", false)] {
        for moment in 0..60 {
            let mut sim = gateway(STORE, &format!(", in_doubt: {in_doubt}, links: 1, window: 4"), ONE);
            let esme = sim.bound("a0", BindMode::Transceiver);
            let tags = sim.submit_many(esme, 20);
            sim.run_for(Duration::from_micros(500 * moment));
            sim.crash_and_restart(is_power);
            sim.run_for(Duration::from_secs(5));
            sim.end_stored();
            // In doubt are a window's worth, and what was answered in the commit that the crash cut off.
            let unknown = sim.told(esme).len();
            assert!(unknown <= 8, "{in_doubt}, {moment}: {unknown} of {tags:?}");
            assert!(in_doubt == "fail" || unknown == 0);
        }
    }
}

#[test]
fn one_that_a_carrier_accepted_before_the_crash_is_known_by_its_correlation() {
    let mut sim = gateway(STORE, ", in_doubt: retry", ONE);
    sim.smscs[0].habit.receipt_ms = (60_000, 60_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    // The account lives on another shard than the carrier, and does not hear of the answer.
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_until_true(Duration::from_secs(5), |sim| !sim.seen_by(0).is_empty());
    sim.habit.mesh_us = (500_000, 500_000);
    sim.run_until_true(Duration::from_secs(5), |sim| sim.books.correlations().len() == 1 && sim.books.is_all_durable());
    assert_eq!(sim.stored(), 1);
    sim.crash_and_restart(true);
    sim.habit.mesh_us = (5, 50);
    assert_eq!(sim.stored(), 0);
    sim.run_for(Duration::from_secs(120));
    sim.end_stored();
    assert_eq!((sim.seen_by(0), sim.esmes[esme].deliveries.len()), (vec![tag], 1));
}

#[test]
fn a_drain_leaves_what_waits_for_the_next_process() {
    let mut sim = gateway(STORE, ", rate: 10, burst: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 100);
    sim.run_for(Duration::from_millis(1_500));
    end_in_order(&mut sim);
    let before = sim.seen_by(0);
    assert!((5..40).contains(&before.len()), "{before:?}");
    sim.esmes[esme].habit.reconnects = true;
    sim.crash_and_restart(false);
    assert_eq!(sim.stored(), 100 - before.len());
    sim.bound("a0", BindMode::Transceiver);
    sim.end_stored();
    assert_eq!((sim.seen_by(0), sim.told(esme)), (tags, vec![]));
}

#[test]
fn when_the_store_of_an_account_is_full_its_submits_are_refused_until_some_left() {
    let mut sim = gateway(", accept: store, submit_queue: 10", "", ONE);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 15);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 10);
    assert_eq!(sim.count(esme, &tags, CommandStatus::RMSGQFUL), 5);
    sim.smscs[0].is_up = true;
    sim.run_for(Duration::from_secs(30));
    let tag = sim.submit(esme, "491700000001", true);
    sim.end_stored();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::ROK));
}

#[test]
fn what_goes_to_a_carrier_that_is_down_holds_up_nothing_that_goes_elsewhere() {
    let routes = "  - when: { destination: \"4916*\" }\n    to: c0\n  - to: c1";
    let mut sim = gateway(STORE, ", links: 1", routes);
    sim.carrier_goes(0);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let submit = |sim: &mut Sim, to: &str| (0..60).map(|_| sim.submit(esme, to, true)).collect::<Vec<_>>();
    let (down, up) = (submit(&mut sim, "491600000001"), submit(&mut sim, "491700000001"));
    sim.run_for(Duration::from_secs(2));
    assert_eq!((sim.seen_by(1), sim.stored()), (up, 60));
    sim.smscs[0].is_up = true;
    sim.end_stored();
    assert_eq!(sim.seen_by(0), down);
}

#[test]
fn parts_of_a_stored_message_stay_together() {
    use crate::text::Part;
    use trunkline::smpp::segment::Mark;
    let routes = "  - to: [{ carrier: c0, weight: 1 }, { carrier: c1, weight: 1 }]\n    choose: weight";
    let mut sim = gateway(STORE, ", rate: 30, burst: 1", routes);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let mut messages = Vec::new();
    for reference in 0..20 {
        let part = |number| Some(Part { mark: Mark::Udh16, reference, total: 3, number });
        messages.push([1, 2, 3].map(|number| sim.submit_as(esme, "491700000001", true, 0, 0, part(number))));
    }
    sim.end_stored();
    let went = |tag: u32| sim.ledger.submits[&tag].accepted_by.clone();
    assert!(messages.iter().all(|[first, rest @ ..]| rest.iter().all(|tag| went(*tag) == went(*first))));
    assert!((0..2).all(|carrier| !sim.seen_by(carrier).is_empty()));
}

/// Accounts a0 and a1 with fields of their own.
fn gateway_text(a0: &str, a1: &str, carrier: &str) -> String {
    format!(
        "shards: 2\naccounts:\n  a0: {{ password: secret, shard: 0{a0} }}\n  a1: {{ password: secret, shard: 1{a1} }}\n\
         carriers:\n  c0: {{ connect: \"c0:1\", system_id: us, password: secret, shard: 1{carrier} }}\nroutes:\n{ONE}\n{}",
        mo_routes(2)
    )
}

fn opened(text: &str) -> Sim {
    let mut sim = Sim::new(7, 2, text);
    sim.run_for(Duration::from_millis(200));
    sim
}
