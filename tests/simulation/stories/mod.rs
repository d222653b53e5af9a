//! Behaviour told one story at a time, by the harness that also draws the storms.

mod access;
mod accounts;
mod bounds;
mod callbacks;
mod cdr;
mod crashes;
mod drains;
mod joined;
mod keys;
mod latency;
mod lies;
mod limits;
mod long_mo;
mod mo;
mod multi;
mod operations;
mod orders;
mod pacing;
mod parts;
mod rates;
mod receipts;
mod reloads;
mod replay;
mod retries;
mod rewriting;
mod security;
mod sessions;
mod statuses;
mod stored;
mod submits;
mod versions;
mod web;
mod web_receipts;
mod web_stored;
mod whole;

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;

use crate::sim::Sim;
use crate::soak::mo_routes;
use crate::text::ODD_PROFILE;

const QUIET: Duration = Duration::from_secs(60);

/// A gateway of two shards. Account a0 lives on shard 0, the rest on shard 1; the fields are added to each of them.
fn gateway(account: &str, carrier: &str, routes: &str) -> Sim {
    gateway_with("", account, carrier, routes)
}

fn gateway_with(smpp: &str, account: &str, carrier: &str, routes: &str) -> Sim {
    gateway_of(smpp, account, carrier, routes, "")
}

/// With more profiles beside `odd`.
fn gateway_of(smpp: &str, account: &str, carrier: &str, routes: &str, profiles: &str) -> Sim {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut config = format!("shards: 2\nsmpp: {{ {smpp} }}\naccounts:\n");
    for (name, shard) in [("a0", 0), ("a1", 1)] {
        // One that has a password of its own begins with it.
        let first = if account.starts_with(", password:") { "enabled: true" } else { "password: secret" };
        config.push_str(&format!("  {name}: {{ {first}, shard: {shard}{account} }}\n"));
    }
    config.push_str("carriers:\n");
    for name in ["c0", "c1"] {
        let connect = format!("connect: \"{name}:1\", system_id: us, password: secret, shard: 1");
        config.push_str(&format!("  {name}: {{ {connect}{carrier} }}\n"));
    }
    config.push_str(&format!("routes:\n{routes}\n"));
    config.push_str(&mo_routes(2));
    config.push_str(ODD_PROFILE);
    config.push_str(profiles);
    let mut sim = Sim::new(seed, 2, &config);
    // The links bind.
    sim.run_for(Duration::from_millis(200));
    sim
}

const BOTH: &str = "  - to: [c0, c1]";
const ONE: &str = "  - to: [c0]";

impl Sim {
    fn submit_many(&mut self, esme: usize, count: u32) -> Vec<u32> {
        (0..count).map(|at| self.submit(esme, &format!("4917000{at:05}"), true)).collect()
    }

    fn status(&self, esme: usize, tag: u32) -> Option<CommandStatus> {
        self.esmes[esme].answers.get(&tag).map(|(status, _)| *status)
    }

    fn statuses(&self, esme: usize, tags: &[u32]) -> Vec<Option<CommandStatus>> {
        tags.iter().map(|tag| self.status(esme, *tag)).collect()
    }

    /// How many of these were answered so.
    fn count(&self, esme: usize, tags: &[u32], status: CommandStatus) -> usize {
        tags.iter().filter(|tag| self.status(esme, **tag) == Some(status)).count()
    }

    /// Tags a carrier saw, in order.
    fn seen_by(&self, carrier: usize) -> Vec<u32> {
        self.smscs[carrier].submits.iter().map(|(_, _, tag)| *tag).collect()
    }

    fn end(&mut self) {
        self.run_until_quiet(QUIET);
        self.check_web();
        self.ledger.joined.held = self.books.held_parts();
        self.ledger.audit();
    }
}
