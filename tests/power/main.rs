//! The gateway's disk loses power under load, again and again: what was acknowledged must have been synced. `kill -9` alone
//! does not test that, because the page cache survives it.
//!
//! And the disk runs full (`full`).
//!
//! `just power` runs 20 cycles, `just full` the full disks. POWER_CYCLES, KILL_RATE and SEED choose others. Without root, loop
//! devices or mkfs.ext4 it says so and skips.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests are an edge: they read files and clocks, a helper that fails fails its test, and nobody imports them"
)]

mod disk;
mod full;
#[path = "../kill/process.rs"]
mod process;
#[path = "../kill/stage.rs"]
mod stage;

use std::fs;
use std::time::Duration;

use disk::{Disk, is_mounted};
use stage::{Plan, Stage, seed, setting};
use trunkline::tools::reconcile::Verdict;

const OCTETS: u64 = 512 << 20;

/// What the ledgers come to after so many power losses, or the log of a gateway that did not start again; `None` where no
/// disk can be had.
fn lose_power(crashes: u64, durability: &'static str) -> Option<Result<Verdict, String>> {
    let mut disk = match Disk::new(OCTETS) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    let rate = setting("KILL_RATE", 1_000) as f64;
    let expects_loss = durability == "process";
    let plan = Plan { seed: seed(), crashes, rate, south: "", durability, has_cdr: false, expects_loss };
    let mut stage = Stage::new(plan, &disk.root.join("store"));
    let outcome = stage.crash_with(|gateway| {
        disk.lose_power(gateway.id());
        gateway.kill();
        disk.power_on();
    });
    Some(outcome.map(|()| stage.reconcile(Duration::from_secs(1))))
}

#[test]
#[ignore = "needs root: just power"]
fn after_every_power_loss_nothing_is_lost_misrouted_or_repeated_by_us() {
    if let Some(verdict) = lose_power(setting("POWER_CYCLES", 20), "fsync") {
        assert!(verdict.unwrap().is_clean());
    }
}

#[test]
#[ignore = "needs root: just power"]
fn acknowledging_before_the_sync_is_caught_within_five_power_losses() {
    match lose_power(5, "process") {
        Some(Ok(verdict)) => {
            let lost = verdict.rows.iter().filter(|row| row.invariant == "I2").any(|row| !row.is_kept());
            assert!(lost, "nothing was lost, though nothing was synced");
        }
        // A disk that kept later writes and forgot earlier ones is damage to a gateway that never synced.
        Some(Err(log)) => assert!(log.contains("damage"), "{log}"),
        None => {}
    }
}

#[test]
#[ignore = "needs root: just power"]
fn the_disk_keeps_what_was_synced_and_forgets_the_rest() {
    let mut disk = match Disk::new(OCTETS) {
        Ok(disk) => disk,
        Err(why) => return println!("skipped: {why}"),
    };
    let write = |name: &str, sync: bool| {
        let file = fs::File::create(disk.root.join(name)).unwrap();
        std::io::Write::write_all(&mut &file, &[7; 100_000]).unwrap();
        if sync {
            file.sync_all().unwrap();
        }
    };
    write("synced", true);
    write("unsynced", false);
    disk.lose_power(None);
    assert!(fs::File::create(disk.root.join("later")).is_err(), "the power is off");
    disk.power_on();
    let length = |name: &str| fs::metadata(disk.root.join(name)).map_or(0, |metadata| metadata.len());
    assert_eq!((length("synced"), length("unsynced"), length("later")), (100_000, 0, 0));
    let root = disk.root.clone();
    drop(disk);
    assert!(!is_mounted(&root) && !root.exists());
}
