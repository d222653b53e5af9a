//! The gateway is killed under load, again and again; after a drain the ledgers of its customers and carriers must agree.
//!
//! `just kill` runs 50 cycles. KILL_CYCLES, KILL_RATE and SEED choose others; the same seed crashes at the same moments.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests are an edge: they read files and clocks, a helper that fails fails its test, and nobody imports them"
)]

mod drains;
mod keys;
mod process;
mod stage;
mod stored;

use std::time::Duration;

use stage::{Directory, Plan, Stage, seed, setting};

const SECOND: Duration = Duration::from_secs(1);

fn plan(crashes: u64) -> Plan {
    let rate = setting("KILL_RATE", 1_000) as f64;
    Plan { seed: seed(), crashes, rate, south: "", durability: "fsync", has_cdr: false, expects_loss: false }
}

#[test]
fn without_a_kill_the_ledgers_agree() {
    let store = Directory::new("whole");
    let verdict = Stage::new(plan(0), &store.0).reconcile(SECOND);
    assert!(verdict.is_clean() && verdict.in_doubt == 0);
}

#[test]
fn of_a_carrier_that_hangs_up_again_and_again_nothing_is_lost_and_nothing_sent_twice() {
    let store = Directory::new("flapping");
    let flapping = Plan { south: "--close-after 60", ..plan(0) };
    let verdict = Stage::new(flapping, &store.0).reconcile(SECOND * 3);
    assert!(verdict.is_clean() && verdict.refused > 0 && verdict.receipts_offered_again > 0);
}

#[test]
fn call_detail_records_have_each_message_once_after_every_kill() {
    let store = Directory::new("records");
    let mut stage = Stage::new(Plan { has_cdr: true, ..plan(setting("KILL_CYCLES", 3)) }, &store.0);
    stage.crash_with(process::Process::kill).unwrap();
    let verdict = stage.reconcile(SECOND);
    let closed = verdict.rows.iter().find(|row| row.promise.contains("closed files")).map_or(0, |row| row.checked);
    assert!(verdict.is_clean() && closed > 2, "{closed} closed files");
}

#[test]
fn after_every_kill_nothing_is_lost_misrouted_or_repeated_by_us() {
    let store = Directory::new("kill");
    let mut stage = Stage::new(plan(setting("KILL_CYCLES", 3)), &store.0);
    stage.crash_with(process::Process::kill).unwrap();
    assert!(stage.reconcile(SECOND).is_clean());
}
