//! The end of the process as customers see it: thousands are not told goodbye at once, and one that takes nothing holds up nobody.

use std::time::Duration;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::habits::EsmeHabit;
use crate::node::In;
use crate::web_habits::WebHabit;

const MILLISECOND: u64 = 1_000_000;

/// Both shards are told, one after the other stage, as `runtime/control.rs` does.
fn end(sim: &mut Sim, within: Duration) {
    for shard in 0..2 {
        sim.give(shard, In::DrainCarriers);
    }
    sim.run_until_true(Duration::from_secs(30), |sim| sim.nodes.iter().all(|node| node.carriers_drained));
    for shard in 0..2 {
        sim.give(shard, In::DrainSessions);
    }
    sim.run_until_true(within, |sim| sim.nodes.iter().all(|node| node.sessions_drained));
}

#[test]
fn many_customers_are_told_goodbye_one_after_the_other() {
    let mut sim = gateway(", max_binds: 1000", "", ONE);
    let leaving = EsmeHabit { reconnects: false, ..EsmeHabit::calm(BindMode::Transceiver) };
    let esmes: Vec<usize> = (0..400).map(|_| sim.esme("a0", leaving.clone())).collect();
    sim.run_until_true(Duration::from_secs(10), |sim| esmes.iter().all(|at| sim.esmes[*at].is_bound));
    end(&mut sim, Duration::from_secs(5));
    let goodbye = |at: &usize| sim.esmes[*at].received.iter().find(|one| one.1 == CommandId::UNBIND).map(|one| one.0);
    let mut told: Vec<u64> = esmes.iter().map(|at| goodbye(at).expect("everybody is told")).collect();
    told.sort_unstable();
    let took = told[told.len() - 1] - told[0];
    assert!((750 * MILLISECOND..1_500 * MILLISECOND).contains(&took), "{took} ns for 400, one every 2 ms");
    let most = told.iter().map(|from| told.iter().filter(|at| (*from..from + 100 * MILLISECOND).contains(at)).count());
    assert!(most.max().unwrap() <= 80, "over 80 within a tenth of a second");
}

#[test]
fn a_customer_that_answers_nothing_is_waited_for_no_longer_than_half_the_time() {
    let mut sim = gateway("", "", ONE);
    let silent = EsmeHabit { silent: 1_000, reconnects: false, ..EsmeHabit::calm(BindMode::Receiver) };
    let receiver = sim.esme("a0", silent);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    sim.esmes[transmitter].habit.reconnects = false;
    sim.run_for(Duration::from_millis(200));
    sim.submit_many(transmitter, 50);
    sim.run_for(Duration::from_secs(1));
    let began = sim.now;
    end(&mut sim, Duration::from_secs(28));
    let goodbye = sim.esmes[receiver].received.iter().find(|one| one.1 == CommandId::UNBIND).map(|one| one.0 - began);
    let goodbye = goodbye.expect("it is told goodbye all the same");
    assert!((14_000 * MILLISECOND..16_000 * MILLISECOND).contains(&goodbye), "after {goodbye} ns of a drain of 30 s");
    let kept: usize =
        sim.nodes.iter_mut().flat_map(|node| node.shard.accounts()).map(|account| account.deliveries.len()).sum();
    assert_eq!(kept, 50, "what it did not acknowledge is kept for the next start");
}

#[test]
fn requests_that_keep_coming_do_not_hold_up_the_end() {
    let mut sim = gateway_of("", "", "", ONE, "cdr: {}\n");
    sim.bound("a0", BindMode::Transceiver);
    sim.web.habits = vec![WebHabit { ask_ms: (1, 20), ..WebHabit::calm(0) }];
    sim.plan_web();
    sim.run_for(Duration::from_secs(1));
    end(&mut sim, Duration::from_secs(5));
}
