//! Choosing a route among 1, 100 and 10,000 prefixes, for numbers that match the longest, some, and none of them; and by the
//! network that a table of a million ranges says.

use std::fmt::Write;

use trunkline::config::{AccountId, Config};
use trunkline::engine::loads::Loads;
use trunkline::engine::router::{Query, RouteTable};
use trunkline::engine::time::Instant;

#[path = "common/configuration.rs"]
mod configuration;
#[path = "common/timing.rs"]
mod timing;
#[path = "common/watch.rs"]
mod watch;

use timing::Effort;
use watch::Watch;

/// Different numbers asked for.
const NUMBERS: usize = 4096;

fn main() {
    let effort = Effort::of_arguments();
    for prefixes in [1, 100, 10_000] {
        let config = configuration::read(&yaml(prefixes));
        let watch = Watch::start();
        let table = RouteTable::new(&config);
        println!("{prefixes} prefixes: table built in {:.2} ms", watch.elapsed().as_secs_f64() * 1e3);
        for (name, numbers) in [("known", numbers(prefixes, b"49")), ("unknown", numbers(prefixes, b"88"))] {
            choose(effort, &format!("{prefixes} prefixes, {name} numbers"), &config, &table, &numbers);
        }
    }
    networks(effort);
}

fn choose(effort: Effort, name: &str, config: &Config, table: &RouteTable, numbers: &[Vec<u8>]) {
    let passes = effort.of(1, 200);
    let loads = Loads::new(config);
    effort.measure(name, passes * NUMBERS as u64, || {
        let mut tried = 0;
        for _ in 0..passes {
            for number in numbers {
                let query = Query { account: AccountId(0), destination: number, source: b"ACME", data_coding: 0 };
                let mut choice = table.choose(&query, 7);
                tried += choice
                    .as_mut()
                    .and_then(|choice| table.next_carrier(choice, &loads, Instant::ZERO))
                    .map_or(0, |at| u64::from(at.0) + 1);
            }
        }
        tried
    });
}

/// A route for each of a thousand networks, and ranges of numbers whose neighbours are each another network's.
fn networks(effort: Effort) {
    let ranges: usize = effort.of(10_000, 1_000_000);
    let mut csv = String::from("prefix,mcc,mnc,name\n");
    for at in 0..ranges {
        let _ = writeln!(csv, "49{at:07},{},{:02},network {}", 200 + at % 10, at / 10 % 100, at % 1000);
    }
    let watch = Watch::start();
    let config = configuration::read_with(&networks_yaml(), csv.as_bytes());
    let read = watch.elapsed().as_secs_f64() * 1e3;
    let memory = config.numbers.as_ref().map_or(0, |numbers| numbers.memory());
    let octets = memory as f64 / ranges as f64;
    println!("{ranges} ranges: {} octets of CSV read in {read:.1} ms, {octets:.1} octets of memory each", csv.len());
    let table = RouteTable::new(&config);
    let number = |i: usize| format!("+49{:07}{i:06}", i * 7919 % ranges).into_bytes();
    let known: Vec<Vec<u8>> = (0..NUMBERS).map(number).collect();
    choose(effort, &format!("{ranges} ranges, 1000 networks, known numbers"), &config, &table, &known);
    choose(effort, &format!("{ranges} ranges, unknown numbers"), &config, &table, &numbers(1, b"88"));
}

fn networks_yaml() -> String {
    let mut text = String::from(HEAD) + "numbers: { file: numbers.csv }\nroutes:\n";
    for network in 0..1000 {
        let to = if network % 2 == 0 { "north" } else { "south" };
        let _ = writeln!(text, "  - {{ when: {{ mcc: {}, mnc: {} }}, to: {to} }}", 200 + network % 10, network / 10);
    }
    text
}

const HEAD: &str = "accounts: { acme: { password: secret } }\n\
     carriers:\n  north: { connect: \"127.0.0.1:2776\", system_id: us, password: secret }\n  \
     south: { connect: \"127.0.0.1:2777\", system_id: us, password: secret }\n";

/// A route for each prefix of six digits, over two carriers in turn, and no route for other numbers.
fn yaml(prefixes: usize) -> String {
    let mut text = String::from(HEAD) + "routes:\n";
    for prefix in 0..prefixes {
        let to = if prefix % 2 == 0 { "north" } else { "south" };
        // A String takes all that is written to it.
        let _ = writeln!(text, "  - {{ when: {{ destination: \"49{prefix:04}*\" }}, to: {to} }}");
    }
    text
}

/// International numbers of 12 digits that begin with `country`.
fn numbers(prefixes: usize, country: &[u8]) -> Vec<Vec<u8>> {
    let number = |i: usize| [b"+", country, format!("{:04}{i:06}", i * 7919 % prefixes).as_bytes()].concat();
    (0..NUMBERS).map(number).collect()
}
