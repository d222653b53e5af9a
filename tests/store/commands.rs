//! `trunkline store inspect` and `repair`, as an operator runs them.

#![expect(clippy::disallowed_methods, reason = "these tests write a store's files and spoil them")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use trunkline::runtime::store_repair::lock_store;

use super::files::{Directory, lived};

fn store(arguments: &[&str], directory: &Directory) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    let Output { status, stdout, stderr } =
        command.arg("store").args(arguments).arg(directory.path()).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn inspect_tells_segments_queues_and_damage_and_repair_ends_it() {
    let directory = Directory::new("commands");
    let world = lived(20);
    directory.write(&world.files);
    let (code, text, errors) = store(&["inspect"], &directory);
    assert_eq!((code, errors.as_str()), (0, ""));
    let live = |class: u64| world.state.keys().filter(|key| key.0 == class).count() as u64;
    let line = format!(
        "live: {} correlations, {} early receipts, {} deliveries, 0 stored submits, {} unrouted MO",
        live(0),
        live(1),
        live(2),
        live(3)
    );
    assert!(text.contains(&line) && text.contains("  account acme: ") && text.ends_with("no damage\n"), "{text}");

    // A flip in a file's first batch, which others follow.
    let batch = world.written.windows(2).find(|two| two[0].segment == two[1].segment).unwrap()[0].clone();
    let path = directory.path().join(batch.segment.to_string());
    let mut octets = fs::read(&path).unwrap();
    octets[batch.offset + 30] ^= 1;
    fs::write(&path, octets).unwrap();
    let before = directory.segments();
    let (code, text, errors) = store(&["inspect", "--json"], &directory);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, errors.lines().count()), (1, 1));
    assert_eq!(report["damage"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["segments"].as_array().unwrap().len(), world.files.len() - 1);
    assert_eq!(directory.segments(), before, "inspect modifies nothing");

    let lock = lock_store(directory.path()).unwrap();
    let (code, text, errors) = store(&["repair"], &directory);
    assert_eq!((code, text.as_str(), errors.lines().count()), (74, "", 1), "{errors}");
    drop(lock);
    let (code, text, _) = store(&["repair"], &directory);
    assert_eq!((code, text.lines().count()), (0, 2), "{text}");
    assert!(text.contains(&format!("set aside as {}.damaged", path.display())), "{text}");
    assert_eq!(store(&["inspect"], &directory).0, 0);
}

#[test]
fn a_path_that_is_no_store_is_an_error_of_one_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    let output = command.args(["store", "inspect", "/nowhere/at/all"]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.lines().count()), (Some(74), 1), "{errors}");
}
