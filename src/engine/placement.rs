//! Which shard is home to what. Every question of placement is answered in this file.
//!
//! Carriers are spread evenly in file order. An account goes to the shard of the carrier its routes name first, so that most
//! of its messages cross no shard, unless that shard has its fair share of accounts already. `shard:` pins either.

use super::message::ShardId;
use crate::config::{AccountId, CarrierId, Config, Route, ShardPin};

/// Homes, fixed while the process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placement {
    shards: usize,
    accounts: Vec<ShardId>,
    carriers: Vec<ShardId>,
}

impl Placement {
    /// # Panics
    /// When `shards` is 0.
    #[must_use]
    pub fn new(config: &Config, shards: usize) -> Self {
        assert!(shards > 0, "a process has at least one shard");
        let carriers = place_carriers(config, shards);
        let accounts = place_accounts(config, shards, &carriers);
        Self { shards, accounts, carriers }
    }

    /// The same with homes for what is new in this configuration: what has one keeps it.
    #[must_use]
    pub fn extended(&self, config: &Config) -> Self {
        let mut extended = self.clone();
        let Self { shards, accounts, carriers } = &mut extended;
        for carrier in &config.carriers[carriers.len()..] {
            carriers.push(pinned(carrier.shard, *shards).unwrap_or_else(|| emptiest(carriers, *shards)));
        }
        let share = config.accounts.len().div_ceil(*shards);
        for (index, account) in config.accounts.iter().enumerate().skip(accounts.len()) {
            accounts.push(pinned(account.shard, *shards).unwrap_or_else(|| {
                let preferred = preferred_carrier(config, index).map_or(ShardId(0), |id| carriers[id.index()]);
                let at_home = accounts.iter().filter(|home| **home == preferred).count();
                if at_home < share { preferred } else { emptiest(accounts, *shards) }
            }));
        }
        extended
    }

    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// One writer per account: its sessions, rate, window and deliveries.
    #[must_use]
    pub fn home_of_account(&self, account: AccountId) -> ShardId {
        self.accounts[account.index()]
    }

    /// One writer per carrier: its links, rate, queue and correlations. A receipt may come back on any of its links.
    #[must_use]
    pub fn home_of_carrier(&self, carrier: CarrierId) -> ShardId {
        self.carriers[carrier.index()]
    }
}

fn place_carriers(config: &Config, shards: usize) -> Vec<ShardId> {
    let mut next = 0;
    let mut place = |pin| match pinned(pin, shards) {
        Some(home) => home,
        None => {
            let home = shard(next % shards);
            next += 1;
            home
        }
    };
    config.carriers.iter().map(|carrier| place(carrier.shard)).collect()
}

fn place_accounts(config: &Config, shards: usize, carriers: &[ShardId]) -> Vec<ShardId> {
    let share = config.accounts.len().div_ceil(shards);
    let mut load = vec![0; shards];
    let mut homes = Vec::with_capacity(config.accounts.len());
    for (index, account) in config.accounts.iter().enumerate() {
        let wanted = pinned(account.shard, shards).unwrap_or_else(|| {
            let preferred = preferred_carrier(config, index).map_or(ShardId(0), |carrier| carriers[carrier.index()]);
            if load[preferred.index()] < share {
                return preferred;
            }
            let emptiest = (0..shards).min_by_key(|at| load[*at]).unwrap_or(0);
            shard(emptiest)
        });
        load[wanted.index()] += 1;
        homes.push(wanted);
    }
    homes
}

/// The first carrier, not one that is draining, of the first route that can take this account's messages.
fn preferred_carrier(config: &Config, index: usize) -> Option<CarrierId> {
    let account = AccountId(index as u32);
    let takes = |route: &&Route| route.when.accounts.include(account, &config.accounts[index]);
    let route = config.routes.iter().find(takes)?;
    route.to.iter().find(|target| !target.is_draining()).map(|target| target.carrier)
}

fn emptiest(homes: &[ShardId], shards: usize) -> ShardId {
    let load = |at: &usize| homes.iter().filter(|home| home.index() == *at).count();
    shard((0..shards).min_by_key(load).unwrap_or(0))
}

fn pinned(pin: ShardPin, shards: usize) -> Option<ShardId> {
    match pin {
        // A pin beyond the shards of this machine (`shards: auto`) wraps rather than leaving nobody home.
        ShardPin::Shard(pin) => Some(shard(usize::from(pin) % shards)),
        ShardPin::Auto => None,
    }
}

fn shard(index: usize) -> ShardId {
    ShardId(u16::try_from(index).expect("`shards` is at most 65,535"))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{self, Surroundings};

    fn placement(text: &str, shards: usize) -> (Vec<u16>, Vec<u16>) {
        let file = |_: &Path| Ok(b"49,262,,Germany".to_vec());
        let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
        let config = config::parse(text, &surroundings).unwrap().config;
        let placement = Placement::new(&config, shards);
        let homes = |homes: &[ShardId]| homes.iter().map(|home| home.0).collect();
        (homes(&placement.accounts), homes(&placement.carriers))
    }

    const CARRIERS: &str = "carriers:
  a: { connect: 'a:1', system_id: x, password: x }
  b: { connect: 'b:1', system_id: x, password: x, shard: 0 }
  c: { connect: 'c:1', system_id: x, password: x }
";

    #[test]
    fn carriers_are_spread_in_file_order_and_a_pin_is_kept() {
        assert_eq!(placement(CARRIERS, 2).1, [0, 0, 1]);
        assert_eq!(placement(CARRIERS, 1).1, [0, 0, 0]);
    }

    #[test]
    fn an_account_lives_with_its_first_carrier_until_that_shard_has_its_share() {
        let text = format!(
            "{CARRIERS}accounts:
  one: {{ password: x }}
  two: {{ password: x }}
  three: {{ password: x }}
  four: {{ password: x, shard: 1 }}
routes:
  - {{ when: {{ account: two }}, to: [c, a] }}
  - {{ to: a }}
"
        );
        assert_eq!(placement(&text, 2).0, [0, 1, 0, 1]);
        let grouped = format!(
            "{CARRIERS}numbers: {{ file: numbers.csv }}
accounts:
  one: {{ password: x, group: retail }}
  two: {{ password: x, group: bulk }}
routes:
  - {{ when: {{ group: bulk, mcc: 262 }}, to: [{{ carrier: a, weight: 0 }}, c] }}
  - {{ to: a }}
"
        );
        assert_eq!(placement(&grouped, 2).0, [0, 1]);
        let crowded =
            "accounts: { one: { password: x }, two: { password: x }, three: { password: x }, four: { password: x } }
carriers: { a: { connect: 'a:1', system_id: x, password: x } }
routes: [{ to: a }]
";
        assert_eq!(placement(crowded, 2).0, [0, 0, 1, 1]);
    }

    #[test]
    fn what_is_new_finds_a_home_and_what_has_one_keeps_it() {
        let parsed = |text: &str| {
            let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &|_| Err(String::new()) };
            config::parse(text, &surroundings).unwrap().config
        };
        let text = format!("{CARRIERS}accounts: {{ one: {{ password: x }} }}\nroutes: [{{ to: c }}]\n");
        let running = parsed(&text);
        let placed = Placement::new(&running, 2);
        let more = "carriers:\n  d: { connect: 'd:1', system_id: x, password: x }\n";
        let text = text.replace("carriers:\n", more).replace(
            "password: x } }",
            "password: x }, two: { password: x, shard: 0 }, \
             three: { password: x } }",
        );
        let (next, _) = config::merged(&running, parsed(&text.replace("to: c", "to: d"))).unwrap();
        let extended = placed.extended(&next);
        let of_carriers: Vec<_> = extended.carriers.iter().map(|home| home.0).collect();
        let of_accounts: Vec<_> = extended.accounts.iter().map(|home| home.0).collect();
        assert_eq!((of_carriers, of_accounts), (vec![0, 0, 1, 1], vec![1, 0, 1]));
    }
}
