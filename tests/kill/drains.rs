//! The gateway is drained and started again under load, again and again: unlike a kill, that costs nothing at all.
//!
//! `DRAINS=20 cargo test --test kill drained -- --nocapture` takes two minutes.

use std::time::{Duration, Instant};

use trunkline::tools::values::Dice;

use crate::plan;
use crate::process::let_pass;
use crate::stage::{Directory, Stage, setting};

/// What `drain` is when the configuration does not say.
const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn a_gateway_drained_under_load_leaves_nothing_in_doubt_and_repeats_nothing() {
    let (store, plan) = (Directory::new("drained"), plan(0));
    let mut dice = Dice::new(plan.seed);
    let mut stage = Stage::new(plan, &store.0);
    for cycle in 1..=setting("DRAINS", 3) {
        let_pass(Duration::from_millis(500 + dice.below(2_501)));
        let mut gateway = stage.gateway.take().unwrap();
        let asked = Instant::now();
        gateway.ask_to_end();
        assert_eq!(gateway.wait(DEADLINE), 0, "the drain was not clean:\n{}", gateway.log());
        let drained = asked.elapsed();
        let started = stage.start_gateway_until(|answer| answer.starts_with("HTTP/1.1 200")).unwrap();
        println!("drain {cycle}: gone after {drained:?}, serving again after {started:?}");
    }
    // No crash excuses a thing.
    let verdict = stage.reconcile(Duration::from_secs(1));
    assert!(verdict.is_clean(), "{}", verdict.table());
    assert_eq!(verdict.in_doubt, 0, "{}", verdict.table());
}
