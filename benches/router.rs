//! Choosing a route among 1, 100 and 10,000 prefixes, for numbers that match the longest, some, and none of them.

use std::fmt::Write;

use trunkline::config::AccountId;
use trunkline::engine::router::RouteTable;

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
    let passes = effort.of(1, 200);
    for prefixes in [1, 100, 10_000] {
        let config = configuration::read(&yaml(prefixes));
        let watch = Watch::start();
        let table = RouteTable::new(&config);
        println!("{prefixes} prefixes: table built in {:.2} ms", watch.elapsed().as_secs_f64() * 1e3);
        for (name, numbers) in [("known", numbers(prefixes, b"49")), ("unknown", numbers(prefixes, b"88"))] {
            effort.measure(&format!("{prefixes} prefixes, {name} numbers"), passes * NUMBERS as u64, || {
                let mut tried = 0;
                for _ in 0..passes {
                    for number in &numbers {
                        let mut choice = table.choose(AccountId(0), number, b"ACME", 7);
                        tried += choice
                            .as_mut()
                            .and_then(|choice| table.next_carrier(choice))
                            .map_or(0, |at| u64::from(at.0) + 1);
                    }
                }
                tried
            });
        }
    }
}

/// A route for each prefix of six digits, over two carriers in turn, and no route for other numbers.
fn yaml(prefixes: usize) -> String {
    let mut text = String::from(
        "accounts: { acme: { password: secret } }\n\
         carriers:\n  north: { connect: \"127.0.0.1:2776\", system_id: us, password: secret }\n  \
         south: { connect: \"127.0.0.1:2777\", system_id: us, password: secret }\n\
         routes:\n",
    );
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
