//! Which shard is home to what. Every question of placement is answered in this file.
//!
//! Carriers are spread evenly in file order. An account goes to the shard of the carrier its routes name first, so that most
//! of its messages cross no shard, unless that shard has its fair share of accounts already. `shard:` pins either.

use super::message::ShardId;
use crate::config::{AccountId, CarrierId, Config, ShardPin};

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

/// The first carrier of the first route that can take this account's messages.
fn preferred_carrier(config: &Config, account: usize) -> Option<CarrierId> {
    let route = config.routes.iter().find(|route| route.account.is_none_or(|only| only.index() == account))?;
    route.to.first().map(|target| target.carrier)
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
