//! What is counted of time: how long a submit takes stage by stage, how late its receipt is, and how old what waits has become.

use std::time::Duration;

use trunkline::metrics::{AccountCounts, CarrierCounts, EndReason, WaitReason};
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::habits::EsmeHabit;

const ROK: CommandStatus = CommandStatus::ROK;

/// The counts of the account a0 and the carrier c0, their ages as of now.
fn counted(sim: &mut Sim) -> (AccountCounts, CarrierCounts) {
    let now = sim.instant();
    sim.nodes.iter_mut().for_each(|node| node.shard.measure_ages(now));
    let account = sim.nodes.iter_mut().find_map(|node| Some(node.shard.accounts().next()?.counts.clone()));
    let carrier = sim.nodes.iter_mut().find_map(|node| Some(node.shard.carriers().next()?.counts.clone()));
    (account.expect("a0 has a home"), carrier.expect("c0 has a home"))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn is_about(span: Duration, expected: Duration) -> bool {
    span + ms(5) >= expected && span < expected + expected / 4 + ms(20)
}

#[test]
fn the_stages_of_a_submit_add_up() {
    let mut sim = gateway("", "", ONE);
    (sim.habit.commit_us, sim.smscs[0].habit.latency_ms) = ((40_000, 40_000), (100, 100));
    let esme = sim.bound("a0", BindMode::Transceiver);
    // One at a time: none waits for the commit before.
    for _ in 0..5 {
        let tag = sim.submit(esme, "491700000001", true);
        sim.run_for(ms(300));
        assert_eq!(sim.status(esme, tag), Some(ROK));
    }
    // Without a receipt there is nothing to commit.
    sim.submit(esme, "491700000001", false);
    sim.run_for(ms(300));
    let (account, carrier) = counted(&mut sim);
    assert_eq!((carrier.queued_for.count(), carrier.answered.count()), (6, 6));
    assert_eq!((account.committed.count(), account.answered.count()), (5, 6));
    assert!(carrier.queued_for.total() < ms(1), "{:?}", carrier.queued_for);
    assert!(is_about(carrier.answered.total(), ms(600)), "{:?}", carrier.answered);
    assert!(is_about(account.committed.total(), ms(200)), "{:?}", account.committed);
    let stages = carrier.queued_for.total() + carrier.answered.total() + account.committed.total();
    assert!(is_about(account.answered.total(), stages), "{:?} of {stages:?}", account.answered);
    assert_eq!(carrier.waits, [0; WaitReason::COUNT]);
    sim.end();
}

#[test]
fn what_waits_for_a_carriers_rate_is_in_its_queue_and_its_age_is_seen_meanwhile() {
    let mut sim = gateway("", ", rate: 10, burst: 1, links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 11);
    sim.run_for(ms(550));
    let (_, carrier) = counted(&mut sim);
    let age = Duration::from_nanos(carrier.queue_age_ns);
    assert!((ms(540)..ms(551)).contains(&age), "{age:?}");
    sim.end();
    assert_eq!(sim.count(esme, &tags, ROK), 11);
    let (_, carrier) = counted(&mut sim);
    // 0, 100, ... 1,000 ms.
    assert!(is_about(carrier.queued_for.total(), ms(5_500)), "{:?}", carrier.queued_for);
    assert_eq!((carrier.waits[WaitReason::Rate as usize], carrier.waits.iter().sum::<u64>()), (10, 10));
    assert_eq!(carrier.queue_age_ns, 0);
}

#[test]
fn what_waits_for_a_window_is_told_from_what_waits_for_a_rate() {
    let mut sim = gateway("", ", window: 2, links: 1", ONE);
    sim.smscs[0].habit.latency_ms = (50, 50);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 6);
    sim.end();
    assert_eq!(sim.count(esme, &tags, ROK), 6);
    let (_, carrier) = counted(&mut sim);
    assert_eq!((carrier.waits[WaitReason::Window as usize], carrier.waits.iter().sum::<u64>()), (4, 4));
    assert!(is_about(carrier.queued_for.total(), ms(300)), "{:?}", carrier.queued_for);
}

#[test]
fn a_full_window_of_an_account_is_counted_each_time_its_session_is_not_read_on() {
    let mut sim = gateway(", window: 1", ", links: 1", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_many(esme, 3);
    sim.end();
    let (account, _) = counted(&mut sim);
    assert!(account.window_waits >= 2, "{}", account.window_waits);
    assert_eq!(account.answered.count(), 3);
}

#[test]
fn the_delay_of_a_receipt_runs_from_the_carriers_acceptance() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.receipt_ms = (90_000, 90_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_many(esme, 4);
    sim.run_for(Duration::from_secs(80));
    assert_eq!(counted(&mut sim).1.receipt_delay.count(), 0);
    sim.run_until_quiet(Duration::from_secs(200));
    let (account, carrier) = counted(&mut sim);
    assert_eq!(carrier.receipt_delay.count(), 4);
    let delay = carrier.receipt_delay.total() / 4;
    assert!((Duration::from_secs(89)..=Duration::from_secs(91)).contains(&delay), "{delay:?}");
    assert_eq!(carrier.receipt_states.iter().sum::<u64>(), 4);
    assert_eq!(account.acknowledged.count(), 4);
}

#[test]
fn receipts_for_an_absent_customer_grow_old_until_he_comes() {
    let mut sim = gateway("", "", ONE);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.submit_many(transmitter, 2);
    sim.run_for(Duration::from_secs(600));
    let age = Duration::from_nanos(counted(&mut sim).0.deliveries_age_ns);
    assert!((Duration::from_secs(595)..=Duration::from_secs(600)).contains(&age), "{age:?}");
    sim.bound("a0", BindMode::Receiver);
    sim.end();
    assert_eq!(counted(&mut sim).0.deliveries_age_ns, 0);
}

#[test]
fn what_is_stored_grows_old_while_its_carrier_is_away() {
    let mut sim = gateway(", accept: store", ", links: 1, state: off", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 3);
    sim.run_for(Duration::from_secs(120));
    assert_eq!(sim.count(esme, &tags, ROK), 3);
    let (account, _) = counted(&mut sim);
    let age = Duration::from_nanos(account.stored_age_ns);
    assert!((Duration::from_secs(118)..=Duration::from_secs(120)).contains(&age), "{age:?}");
    // Answered when it was durable.
    assert_eq!(account.answered.count(), 3);
    assert!(account.answered.total() < ms(100), "{:?}", account.answered);
}

#[test]
fn why_sessions_and_links_end_is_counted() {
    let mut sim = gateway("", ", links: 1", ONE);
    let calm = EsmeHabit { reconnects: false, answers_enquiries: false, ..EsmeHabit::calm(BindMode::Receiver) };
    sim.esme("a0", calm);
    let wire = sim.smscs[0].links.first().map(|link| link.wire).unwrap();
    sim.smsc_unbinds(0, wire);
    sim.run_for(Duration::from_secs(200));
    let (account, carrier) = counted(&mut sim);
    assert_eq!(account.sessions_ended[EndReason::EnquireLink as usize], 1, "{:?}", account.sessions_ended);
    assert_eq!(carrier.links_ended[EndReason::PeerUnbound as usize], 1, "{:?}", carrier.links_ended);
    assert_eq!((carrier.links_ended.iter().sum::<u64>(), carrier.link_ups), (1, 2));
}
