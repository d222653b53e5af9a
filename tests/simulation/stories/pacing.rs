//! How fast carriers are sent to: rates of a carrier and of each sender, what it says of its load, validity, and overload.

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;

/// The most submits a carrier saw in any second, and how many in all from `from` seconds on for `seconds`.
fn fullest_second(sim: &Sim, carrier: usize) -> usize {
    let times: Vec<u64> = sim.smscs[carrier].submits.iter().map(|(at, ..)| *at).collect();
    // The way there takes a little less for some.
    let second = 1_000_000_000 - 1_000_000;
    let count = |(at, first): (usize, &u64)| times[at..].iter().take_while(|time| **time - first < second).count();
    times.iter().enumerate().map(count).max().unwrap_or(0)
}

fn pace(sim: &mut Sim) -> Option<f64> {
    sim.nodes[1].shard.carriers().next().and_then(|carrier| carrier.pace.current())
}

/// Submits so many each ten milliseconds.
fn offer(sim: &mut Sim, esme: usize, each: u32, seconds: u64) -> Vec<u32> {
    let mut tags = Vec::new();
    for _ in 0..seconds * 100 {
        tags.extend(sim.submit_many(esme, each));
        sim.run_for(Duration::from_millis(10));
    }
    tags
}

/// How often each of these statuses was the answer; nothing else was, and everything was answered.
fn balance(sim: &Sim, esme: usize, tags: &[u32], statuses: &[CommandStatus]) -> Vec<usize> {
    let counts: Vec<_> = statuses.iter().map(|status| sim.count(esme, tags, *status)).collect();
    assert_eq!(counts.iter().sum::<usize>(), tags.len(), "{statuses:?} {counts:?}");
    counts
}

#[test]
fn a_carrier_under_more_than_its_rate_gets_its_rate() {
    let mut sim = gateway(", window: 100000", ", rate: 40, burst: 4, queue_wait: 2s", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.esmes[esme].habit.window = 100_000;
    let tags = offer(&mut sim, esme, 5, 10);
    let sent = sim.seen_by(0).len();
    assert!((396..=404).contains(&sent), "{sent} in ten seconds");
    assert!(fullest_second(&sim, 0) <= 44, "{}", fullest_second(&sim, 0));
    sim.end();
    let counts = balance(&sim, esme, &tags, &[CommandStatus::ROK, CommandStatus::RMSGQFUL]);
    assert!(counts[0] >= 400 && counts[1] > 4_000, "{counts:?}");
}

#[test]
fn an_account_within_its_share_loses_nothing_to_one_that_floods_its_carrier() {
    let mut sim = gateway(", window: 100000", ", rate: 100, burst: 5, queue_wait: 2s", ONE);
    let (flood, modest) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    let mut tags = [Vec::new(), Vec::new()];
    for at in 0..800 {
        tags[0].extend(sim.submit_many(flood, 6));
        if at % 5 == 0 {
            tags[1].extend(sim.submit_many(modest, 1));
        }
        sim.run_for(Duration::from_millis(10));
    }
    sim.end();
    let counts = balance(&sim, flood, &tags[0], &[CommandStatus::ROK, CommandStatus::RMSGQFUL]);
    assert!((700..1_000).contains(&counts[0]), "{counts:?}");
    balance(&sim, modest, &tags[1], &[CommandStatus::ROK]);
}

#[test]
fn what_one_carrier_kept_for_too_long_takes_nothing_of_the_next_ones_rate() {
    let routes = "  - { when: { account: a0 }, to: [c0, c1] }\n  - to: [c1]";
    let mut sim = gateway_with("response: 4s", "", ", rate: 10, burst: 10", routes);
    let habit = &mut sim.smscs[0].habit;
    (habit.latency_ms, habit.rsyserr) = ((3_100, 3_100), 1_000);
    let (late, fresh) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    let kept = sim.submit_many(late, 10);
    sim.run_for(Duration::from_millis(3_200));
    let tags = sim.submit_many(fresh, 10);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.count(fresh, &tags, CommandStatus::ROK), 10);
    sim.end();
    balance(&sim, late, &kept, &[CommandStatus::RSYSERR]);
    assert_eq!(sim.seen_by(1), tags);
}

#[test]
fn a_rate_outlives_its_links() {
    let mut sim = gateway(", window: 100000", ", rate: 40, burst: 4, in_doubt: retry", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for _ in 0..20 {
        offer(&mut sim, esme, 1, 1);
        let wires: Vec<_> = sim.smscs[0].links.iter().map(|link| link.wire).collect();
        wires.into_iter().for_each(|wire| sim.smsc_breaks(0, wire));
    }
    assert!(sim.seen_by(0).len() > 100, "{}", sim.seen_by(0).len());
    assert!(fullest_second(&sim, 0) <= 44, "{}", fullest_second(&sim, 0));
    sim.end();
}

#[test]
fn without_room_the_next_carrier_has_its_turn_and_then_the_queue_is_full() {
    let mut sim = gateway(", window: 100000", ", rate: 20, burst: 2, queue: 10, queue_wait: 1s", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = offer(&mut sim, esme, 3, 5);
    sim.end();
    balance(&sim, esme, &tags, &[CommandStatus::ROK, CommandStatus::RMSGQFUL]);
    for carrier in [0, 1] {
        let sent = sim.seen_by(carrier).len();
        assert!((100..=112).contains(&sent), "carrier {carrier}: {sent}");
    }
}

#[test]
fn a_carrier_that_throttles_under_overload_answers_everything_in_time() {
    let mut sim = gateway_with("response: 4s", ", window: 100000", ", rate: 100, burst: 10, queue_wait: 3s", BOTH);
    (sim.smscs[0].habit.throttled, sim.smscs[1].habit.queue_full) = (500, 300);
    (sim.smscs[0].habit.rsyserr, sim.smscs[1].habit.rsyserr) = (100, 100);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = offer(&mut sim, esme, 10, 5);
    // The ledger holds every answer against its deadline.
    sim.end();
    let told = [CommandStatus::ROK, CommandStatus::RMSGQFUL, CommandStatus::RTHROTTLED, CommandStatus::RSYSERR];
    let counts = balance(&sim, esme, &tags, &told);
    assert!(counts[0] > 100, "{counts:?}");
}

#[test]
fn each_sender_has_its_rate_and_holds_up_no_other() {
    let mut sim = gateway("", ", source_rate: 10, source_burst: 2", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let slow: Vec<_> = (0..30).map(|_| sim.submit_from(esme, "FLOOD", "")).collect();
    let others: Vec<_> = (0..20).map(|at| sim.submit_from(esme, &format!("OTHER{}", at % 10), "")).collect();
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.count(esme, &others, CommandStatus::ROK), 20);
    assert_eq!(sim.count(esme, &slow, CommandStatus::ROK), 2);
    sim.run_for(Duration::from_secs(1));
    let sent = sim.count(esme, &slow, CommandStatus::ROK);
    assert!((12..=13).contains(&sent), "{sent}");
    sim.end();
    assert_eq!(sim.count(esme, &slow, CommandStatus::ROK), 30);
    let order: Vec<_> = sim.seen_by(0).into_iter().filter(|tag| slow.contains(tag)).collect();
    assert_eq!(order, slow);
}

#[test]
fn a_sender_that_would_have_to_wait_too_long_is_refused_at_once() {
    let mut sim = gateway("", ", source_rate: 2, source_burst: 1, queue_wait: 3s", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags: Vec<_> = (0..30).map(|_| sim.submit_from(esme, "FLOOD", "")).collect();
    sim.run_for(Duration::from_millis(100));
    let refused = sim.count(esme, &tags, CommandStatus::RMSGQFUL);
    assert!((15..=18).contains(&refused), "{refused}");
    sim.end();
    balance(&sim, esme, &tags, &[CommandStatus::ROK, CommandStatus::RMSGQFUL]);
}

/// The bound is looked at after each step.
#[test]
fn what_is_throttled_and_then_waits_for_its_sender_does_not_fill_the_queue_beyond_its_bound() {
    let mut sim = gateway("", ", links: 1, window: 2, queue: 3, source_rate: 1, source_burst: 1", ONE);
    sim.smscs[0].habit.throttled = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    let mut tags = Vec::new();
    for at in 0..40 {
        tags.push(sim.submit_from(esme, &format!("SENDER{at}"), ""));
        sim.run_for(Duration::from_millis(20));
    }
    assert!(sim.count(esme, &tags, CommandStatus::RMSGQFUL) > 20);
    sim.end();
    balance(&sim, esme, &tags, &[CommandStatus::RTHROTTLED, CommandStatus::RMSGQFUL]);
}

#[test]
fn what_waits_for_its_sender_is_withdrawn_with_its_session() {
    let mut sim = gateway("", ", source_rate: 2, source_burst: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for _ in 0..8 {
        sim.submit_from(esme, "FLOOD", "");
    }
    sim.run_for(Duration::from_millis(600));
    let seen = sim.seen_by(0).len();
    sim.esme_aborts(esme);
    sim.run_for(Duration::from_secs(3));
    assert_eq!((sim.seen_by(0).len(), seen), (2, 2));
    let esme = sim.bound("a1", BindMode::Transceiver);
    let tag = sim.submit_from(esme, "FLOOD", "");
    sim.end();
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::ROK));
}

#[test]
fn what_waits_for_its_sender_goes_elsewhere_when_no_link_is_left() {
    let mut sim = gateway("", ", links: 1, source_rate: 1, source_burst: 1", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags: Vec<_> = (0..3).map(|_| sim.submit_from(esme, "FLOOD", "")).collect();
    sim.run_for(Duration::from_millis(200));
    let wire = sim.smscs[0].submits[0].1;
    sim.smscs[0].is_up = false;
    sim.smsc_breaks(0, wire);
    sim.run_for(Duration::from_millis(500));
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 3);
    assert_eq!(sim.seen_by(1).len(), 2);
}

#[test]
fn what_a_carrier_says_of_its_load_steers_the_pace() {
    let mut sim = gateway(", window: 100000", ", rate: 100, burst: 10", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    offer(&mut sim, esme, 1, 3);
    assert_eq!(pace(&mut sim), Some(100.0));
    sim.smscs[0].habit.congestion = Some(95);
    offer(&mut sim, esme, 1, 3);
    let slow = pace(&mut sim);
    assert!(slow < Some(60.0), "{slow:?}");
    sim.smscs[0].habit.congestion = Some(40);
    offer(&mut sim, esme, 1, 20);
    assert_eq!(pace(&mut sim), Some(100.0));
    sim.end();
}

#[test]
fn nothing_is_sent_after_its_validity() {
    let mut sim = gateway("", ", links: 1, window: 1", ONE);
    sim.smscs[0].habit.latency_ms = (2_000, 2_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.submit_from(esme, "ACME", "");
    sim.run_for(Duration::from_millis(10));
    let short = sim.submit_from(esme, "ACME", "000000000001000R");
    let long = sim.submit_from(esme, "ACME", "000000000003000R");
    sim.run_for(Duration::from_millis(1_100));
    assert_eq!(sim.status(esme, short), Some(CommandStatus::RTHROTTLED));
    sim.end();
    assert_eq!(sim.seen_by(0), [first, long]);
    assert_eq!(sim.statuses(esme, &[first, long]), [Some(CommandStatus::ROK); 2]);
}

#[test]
fn a_validity_that_is_over_is_refused_and_one_that_is_none_is_the_carriers_to_judge() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let over = sim.submit_from(esme, "ACME", "010203040506000+");
    let good = ["991231235959000+", "000000000000000R", "tomorrow", "000001000000000R"];
    let good: Vec<_> = good.iter().map(|validity| sim.submit_from(esme, "ACME", validity)).collect();
    sim.end();
    assert_eq!(sim.status(esme, over), Some(CommandStatus::RINVEXPIRY));
    assert_eq!(sim.seen_by(0), good);
}
