//! A spike of stored submits against a slow carrier, with the gateway killed in the middle: all are sent at the carrier's rate, and
//! each customer gets a receipt for each.
//!
//! `STORED_SPIKE=50000 cargo test --release --test kill spike -- --nocapture` is the spike at full size: it takes 100 seconds.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use trunkline::tools::free_addresses;
use trunkline::tools::ledger::{LoadLine, SmscLine, Tag};

use crate::process::{Process, wait_for};
use crate::stage::{Directory, PATIENCE, get, setting, start_carrier};

/// What the carrier takes a second.
const RATE: u64 = 500;
/// Submits outstanding there: so many may be in doubt after the kill, and what one commit held.
const WINDOW: u64 = 50;

#[test]
fn a_spike_of_stored_submits_leaves_at_the_carriers_rate_across_a_kill() {
    let count = setting("STORED_SPIKE", 2_000);
    let directory = Directory::new("stored");
    let (mut carrier, north) =
        start_carrier(&directory.0, "north", &format!("--rate {RATE} --burst 100 --receipts 0..1s"));
    let [smpp, admin] = free_addresses().unwrap();
    let file = directory.0.join("trunkline.yaml");
    fs::write(&file, configuration(&directory.0.join("store"), smpp, admin, north)).unwrap();
    let start = || {
        let gateway = Process::start(&directory.0, "gateway", &["serve", "--config", file.to_str().unwrap()]);
        let is_ready = || get(admin, "/readyz").filter(|answer| answer.starts_with("HTTP/1.1 200"));
        assert!(wait_for(PATIENCE, is_ready).is_some(), "{}", gateway.log());
        gateway
    };
    let mut gateway = start();
    let (began, ledger) = (Instant::now(), directory.0.join("customer.ledger"));
    let mut customer = start_load(&directory.0, smpp, &ledger, count);
    let is_answered = || (metric(admin, "trunkline_submits_accepted_total") >= count).then_some(());
    assert!(wait_for(PATIENCE * 2, is_answered).is_some(), "{}", gateway.log());
    let answered = began.elapsed();
    let is_half_sent = || (metric(admin, "trunkline_stored") <= count / 2).then_some(());
    assert!(wait_for(PATIENCE * 4, is_half_sent).is_some(), "{}", gateway.log());
    gateway.kill();
    let _gateway = start();
    assert_eq!(customer.wait(PATIENCE * 4), 0, "{}", customer.log());
    let took = began.elapsed();
    carrier.ask_to_end();
    assert_eq!(carrier.wait(PATIENCE), 0, "{}", carrier.log());

    let (accepted, receipts) = books(&directory.0.join("north.ledger"), &ledger);
    let twice = accepted.values().filter(|times| **times > 1).count();
    let unknown = receipts.values().filter(|state| *state == "UNKNOWN").count() as u64;
    println!(
        "{count} stored: answered within {answered:?}, all told of within {took:?}; {} taken by the carrier, {unknown} in doubt",
        accepted.len()
    );
    assert_eq!((receipts.len() as u64, twice), (count, 0));
    assert!(accepted.len() as u64 + unknown >= count, "what was not sent was told to be in doubt");
    assert!(unknown <= 4 * WINDOW, "{unknown}");
    let at_rate = Duration::from_secs(count / RATE);
    assert!(
        took >= at_rate.mul_f64(0.8) && took <= at_rate + Duration::from_secs(20),
        "{took:?}, {at_rate:?} at the rate"
    );
}

fn start_load(directory: &Path, smpp: SocketAddr, ledger: &Path, count: u64) -> Process {
    let (connect, ledger, count) = (smpp.to_string(), ledger.display().to_string(), count.to_string());
    let fixed = ["load", "--connect", &connect, "--ledger", &ledger, "--count", &count, "--reconnect"];
    let flags = "--account acme:pw --binds 4 --window 250 --dlr --dlr-timeout 6s --allow-errors";
    let flags: Vec<&str> = fixed.into_iter().chain(flags.split_whitespace()).collect();
    Process::start(directory, "customer", &flags)
}

/// How often each submit was accepted by the carrier, and the last receipt of each.
fn books(carrier: &Path, customer: &Path) -> (HashMap<Tag, u32>, HashMap<Tag, String>) {
    let (mut accepted, mut receipts) = (HashMap::new(), HashMap::new());
    for line in fs::read_to_string(carrier).unwrap().lines() {
        if let Some(SmscLine::Accepted { tag: Some(tag), .. }) = SmscLine::parse(line) {
            *accepted.entry(tag).or_default() += 1;
        }
    }
    for line in fs::read_to_string(customer).unwrap().lines() {
        if let Some(LoadLine::Receipt { tag: Some(tag), state, .. }) = LoadLine::parse(line) {
            receipts.insert(tag, state.to_owned());
        }
    }
    (accepted, receipts)
}

/// The value of a series of `acme`; 0 while nobody answers.
fn metric(admin: SocketAddr, name: &str) -> u64 {
    let page = get(admin, "/metrics").unwrap_or_default();
    let series = format!("{name}{{account=\"acme\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(series.as_str()));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

fn configuration(store: &Path, smpp: SocketAddr, admin: SocketAddr, north: SocketAddr) -> String {
    format!(
        r#"
shards: 2
store: {{ path: "{}" }}
smpp: {{ listen: "{smpp}" }}
admin: {{ listen: "{admin}" }}
accounts:
  acme: {{ password: pw, max_binds: 8, window: 1000, accept: store, shard: 0 }}
carriers:
  north: {{ connect: "{north}", system_id: us, password: secret, links: 2, window: {}, rate: {RATE}, burst: 50, shard: 1 }}
routes:
  - to: north
"#,
        store.display(),
        WINDOW / 2
    )
}
