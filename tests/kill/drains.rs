//! The gateway is drained and started again under load, again and again: unlike a kill, that costs nothing at all.
//!
//! `DRAINS=20 cargo test --test kill drained -- --nocapture` takes two minutes.

use std::time::Duration;

use crate::plan;
use crate::stage::{Directory, Stage, setting};

/// What `drain` is when the configuration does not say.
const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn a_gateway_drained_under_load_leaves_nothing_in_doubt_and_repeats_nothing() {
    let store = Directory::new("drained");
    let mut stage = Stage::new(plan(0), &store.0);
    stage.drain_under_load(setting("DRAINS", 3), DEADLINE);
    // No crash excuses a thing.
    let verdict = stage.reconcile(Duration::from_secs(1));
    assert!(verdict.is_clean(), "{}", verdict.table());
    assert_eq!(verdict.in_doubt, 0, "{}", verdict.table());
}
