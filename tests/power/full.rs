//! A disk that runs full under load, and has room again: nothing is acknowledged without room, and it goes on by itself.

use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::process::{Process, let_pass, wait_for};
use crate::stage::{Plan, Stage, get, seed, setting};

const SECOND: Duration = Duration::from_secs(1);
/// A segment and the reserve behind it are filled within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// GUARANTEES row 14.
const RESUMES_WITHIN: Duration = Duration::from_secs(5);
const OCTETS: u64 = 64 << 20;

fn is_full(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 503") && answer.contains("the store is not writable: no room")
}

/// A gateway under load on a small disk of its own; `None` where that cannot be had.
fn stage() -> Option<(Stage, Disk)> {
    let disk = match Disk::new(OCTETS) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    let rate = setting("KILL_RATE", 1_500) as f64;
    let plan =
        Plan { seed: seed(), crashes: 0, rate, south: "", durability: "fsync", has_cdr: false, expects_loss: false };
    // Dropped in this order: the gateway holds files on the disk.
    Some((Stage::new(plan, &disk.root.join("store")), disk))
}

fn gateway(stage: &mut Stage) -> &mut Process {
    stage.gateway.as_mut().unwrap()
}

fn run_full(stage: &mut Stage, disk: &Disk) {
    disk.fill();
    let started = Instant::now();
    let is_seen = wait_for(PATIENCE, || {
        assert!(gateway(stage).is_running(), "the gateway ended:\n{}", gateway(stage).log());
        stage.readiness().filter(|answer| is_full(answer))
    });
    assert!(is_seen.is_some(), "the disk is full, and /readyz says {:?}", stage.readiness());
    println!("full: /readyz says so after {:?}", started.elapsed());
}

fn free(stage: &mut Stage, disk: &Disk) {
    disk.free();
    let freed = Instant::now();
    let is_ready = wait_for(RESUMES_WITHIN, || stage.readiness().filter(|answer| answer.starts_with("HTTP/1.1 200")));
    assert!(is_ready.is_some(), "there is room, and /readyz says {:?}", stage.readiness());
    println!("freed: ready again after {:?}", freed.elapsed());
    // Published once a second.
    let is_told =
        || get(stage.admin, "/metrics").filter(|text| text.contains("trunkline_store_has_room{shard=\"0\"} 1"));
    assert!(wait_for(SECOND * 3, is_told).is_some(), "there is room, and the metric says none");
}

#[test]
#[ignore = "needs root: just full"]
fn a_full_disk_refuses_loses_nothing_and_resumes_by_itself() {
    let Some((mut stage, disk)) = stage() else { return };
    for _ in 0..2 {
        let_pass(SECOND * 2);
        run_full(&mut stage, &disk);
        let_pass(SECOND * 3);
        free(&mut stage, &disk);
    }
    let log = gateway(&mut stage).log();
    // Of a segment in which nothing lives any more there is room again, for as long as that takes to be filled.
    let said = ["the store has no room", "the store has room again"].map(|line| log.matches(line).count());
    assert!(said[0] == said[1] && (2..20).contains(&said[0]), "once each time, by one of the shards:\n{log}");
    let verdict = stage.reconcile(SECOND);
    assert!(verdict.is_clean() && verdict.refused > 0 && verdict.in_doubt == 0);
}

#[test]
#[ignore = "needs root: just full"]
fn a_gateway_killed_on_a_full_disk_starts_on_it_and_loses_nothing() {
    const STARTS: u64 = 4;
    let Some((mut stage, disk)) = stage() else { return };
    let_pass(SECOND);
    run_full(&mut stage, &disk);
    for _ in 0..STARTS {
        let_pass(SECOND);
        gateway(&mut stage).kill();
        stage.crashes += 1;
        // A start gives back what was allocated and never written: that is gone too.
        disk.fill();
        let took = stage.start_gateway_until(|answer| is_full(answer) || answer.starts_with("HTTP/1.1 200"));
        let took = took.unwrap();
        println!("started on a full disk after {took:?}");
    }
    run_full(&mut stage, &disk);
    free(&mut stage, &disk);
    let verdict = stage.reconcile(SECOND);
    assert!(verdict.is_clean() && verdict.refused > 0);
}
