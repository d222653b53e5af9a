//! Publishes a shard's plain counts through handles that were looked up once. Called once a second.

use std::time::Duration;

use crate::config::{AccountId, CarrierId, Config};
use crate::engine::shard::Shard;
use crate::engine::time::Instant;
use crate::metrics::{AccountMetrics, CarrierMetrics, Exporter, RefusalMetrics, ShardMetrics};
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::sys;
use crate::smpp::command::CommandStatus;

pub struct Publisher {
    shard: ShardMetrics,
    accounts: Vec<(AccountId, AccountMetrics)>,
    carriers: Vec<(CarrierId, CarrierMetrics, RefusalMetrics)>,
}

impl Publisher {
    #[must_use]
    pub fn new(shard: &mut Shard, config: &Config, exporter: &Exporter) -> Self {
        let accounts = shard.accounts().map(|account| account.id);
        let accounts = accounts.map(|id| (id, AccountMetrics::new(&config.account(id).name, exporter))).collect();
        let carriers = shard.carriers().map(|carrier| carrier.id);
        let of_carrier = |id| {
            let name = &config.carrier(id).name;
            (id, CarrierMetrics::new(name, exporter), RefusalMetrics::new(name))
        };
        let carriers = carriers.map(of_carrier).collect();
        Self { shard: ShardMetrics::new(&shard.id.0.to_string(), exporter), accounts, carriers }
    }

    fn publish(&mut self, shard: &mut Shard, now: Instant) {
        shard.measure();
        shard.measure_ages(now);
        self.shard.publish(&shard.counts);
        // Both run in the order of their ids, so they pair up.
        for (account, (_, metrics)) in shard.accounts().zip(&self.accounts) {
            metrics.publish(&account.counts);
        }
        for (carrier, (_, metrics, refusals)) in shard.carriers().zip(&mut self.carriers) {
            metrics.publish(&carrier.counts);
            refusals.publish(&carrier.refusals, |status| CommandStatus(status).name());
        }
    }
}

impl ShardLoop {
    /// The loop came to its upkeep so late.
    pub fn count_lag(&self, late: Duration) {
        self.engine.borrow_mut().shard.counts.lag.observe(late);
    }

    pub fn publish(&self, publisher: &mut Publisher) {
        self.in_engine(|engine, now| {
            engine.store.measure(&mut engine.shard);
            engine.shard.counts.busy_ns = sys::thread_cpu().as_nanos() as u64;
            publisher.publish(&mut engine.shard, now);
        });
    }
}
