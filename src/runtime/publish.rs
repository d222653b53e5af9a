//! Publishes a shard's plain counts through handles that were looked up once. Called once a second.

use std::sync::Arc;

use crate::config::{AccountId, CarrierId};
use crate::engine::shard::Shard;
use crate::metrics::{AccountMetrics, CarrierMetrics, ShardMetrics};

pub struct Publisher {
    shard: ShardMetrics,
    accounts: Vec<(AccountId, AccountMetrics)>,
    carriers: Vec<(CarrierId, CarrierMetrics)>,
}

impl Publisher {
    #[must_use]
    pub fn new(shard: &mut Shard) -> Self {
        let handles = ShardMetrics::new(&shard.id.0.to_string());
        let mut publisher = Self { shard: handles, accounts: Vec::new(), carriers: Vec::new() };
        publisher.look_up(shard);
        publisher
    }

    /// Handles for what a reload brought: it stands behind all that was there.
    fn look_up(&mut self, shard: &mut Shard) {
        let config = Arc::clone(shard.config());
        let accounts = shard.accounts().map(|account| account.id).skip(self.accounts.len());
        self.accounts.extend(accounts.map(|id| (id, AccountMetrics::new(&config.account(id).name))));
        let carriers = shard.carriers().map(|carrier| carrier.id).skip(self.carriers.len());
        self.carriers.extend(carriers.map(|id| (id, CarrierMetrics::new(&config.carrier(id).name))));
    }

    pub fn publish(&mut self, shard: &mut Shard) {
        shard.measure();
        self.look_up(shard);
        self.shard.publish(&shard.counts);
        // Both run in the order of their ids, so they pair up.
        for (account, (_, metrics)) in shard.accounts().zip(&self.accounts) {
            metrics.publish(&account.counts);
        }
        for (carrier, (_, metrics)) in shard.carriers().zip(&self.carriers) {
            metrics.publish(&carrier.counts);
        }
    }
}
