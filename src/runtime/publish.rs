//! Publishes a shard's plain counts through handles that were looked up once. Called once a second.

use std::sync::Arc;
use std::time::Duration;

use crate::config::CarrierId;
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
    exporter: Exporter,
}

impl Publisher {
    #[must_use]
    pub fn new(shard: &mut Shard, exporter: Exporter) -> Self {
        let handles = ShardMetrics::new(&shard.id.0.to_string(), &exporter);
        let mut publisher = Self { shard: handles, accounts: Vec::new(), carriers: Vec::new(), exporter };
        publisher.look_up(shard);
        publisher
    }

    /// Handles for what a reload brought: it stands behind all that was there.
    fn look_up(&mut self, shard: &mut Shard) {
        let (config, exporter) = (Arc::clone(shard.config()), &self.exporter);
        let of_account = |id| {
            let name = &config.account(id).name;
            (AccountMetrics::new(name, exporter), SettledMetrics::new(name))
        };
        let of_carrier = |id| {
            let name = &config.carrier(id).name;
            (CarrierMetrics::new(name, exporter), RefusalMetrics::new(name))
        };
        let accounts = shard.accounts().skip(self.accounts.len()).map(|account| of_account(account.id));
        self.accounts.extend(accounts);
        let carriers = shard.carriers().skip(self.carriers.len()).map(|carrier| of_carrier(carrier.id));
        self.carriers.extend(carriers);
    }

    fn publish(&mut self, shard: &mut Shard, now: Instant) {
        shard.measure();
        shard.measure_ages(now);
        self.look_up(shard);
        self.shard.publish(&shard.counts);
        // Both run in the order of their ids, so they pair up.
        let config = Arc::clone(shard.config());
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
