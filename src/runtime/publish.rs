//! Publishes a shard's plain counts through handles that were looked up once. Called once a second.

use crate::config::{AccountId, CarrierId, Config};
use crate::engine::shard::Shard;
use crate::metrics::{AccountMetrics, CarrierMetrics, ShardMetrics};

pub struct Publisher {
    shard: ShardMetrics,
    accounts: Vec<(AccountId, AccountMetrics)>,
    carriers: Vec<(CarrierId, CarrierMetrics)>,
}

impl Publisher {
    #[must_use]
    pub fn new(shard: &mut Shard, config: &Config) -> Self {
        let accounts = shard.accounts().map(|account| account.id);
        let accounts = accounts.map(|id| (id, AccountMetrics::new(&config.account(id).name))).collect();
        let carriers = shard.carriers().map(|carrier| carrier.id);
        let carriers = carriers.map(|id| (id, CarrierMetrics::new(&config.carrier(id).name))).collect();
        Self { shard: ShardMetrics::new(&shard.id.0.to_string()), accounts, carriers }
    }

    pub fn publish(&self, shard: &mut Shard) {
        shard.measure();
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
