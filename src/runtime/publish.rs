//! Publishes a shard's plain counts through handles that were looked up once. Called once a second.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{CarrierId, Config};
use crate::engine::shard::Shard;
use crate::engine::time::Instant;
use crate::metrics::{AccountMetrics, CarrierMetrics, Exporter, RefusalMetrics, SettledMetrics, ShardMetrics};
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::sys;
use crate::smpp::command::CommandStatus;

pub struct Publisher {
    shard: ShardMetrics,
    accounts: Vec<(AccountMetrics, SettledMetrics)>,
    carriers: Vec<(CarrierMetrics, RefusalMetrics)>,
    config: Arc<Config>,
}

impl Publisher {
    #[must_use]
    pub fn new(shard: &mut Shard, config: Arc<Config>, exporter: &Exporter) -> Self {
        let of_account = |id| {
            let name = &config.account(id).name;
            (AccountMetrics::new(name, exporter), SettledMetrics::new(name))
        };
        let of_carrier = |id| {
            let name = &config.carrier(id).name;
            (CarrierMetrics::new(name, exporter), RefusalMetrics::new(name))
        };
        let accounts = shard.accounts().map(|account| of_account(account.id)).collect();
        let carriers = shard.carriers().map(|carrier| of_carrier(carrier.id)).collect();
        Self { shard: ShardMetrics::new(&shard.id.0.to_string(), exporter), accounts, carriers, config }
    }

    fn publish(&mut self, shard: &mut Shard, now: Instant) {
        shard.measure();
        shard.measure_ages(now);
        self.shard.publish(&shard.counts);
        // Both run in the order of their ids, so they pair up.
        let config = &self.config;
        for (account, (metrics, settled)) in shard.accounts().zip(&mut self.accounts) {
            metrics.publish(&account.counts);
            settled.publish(&account.settled, |carrier| &config.carrier(CarrierId(carrier)).name);
        }
        for (carrier, (metrics, refusals)) in shard.carriers().zip(&mut self.carriers) {
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
