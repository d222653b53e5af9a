//! How long the oldest has waited of what waits here: looked at once a second, so only the heads of the lines are.

use super::account::Account;
use super::carrier::Carrier;
use super::shard::Shard;
use super::time::{Instant, nanos};

impl Shard {
    /// Brings the ages among the counts up to date.
    pub fn measure_ages(&mut self, now: Instant) {
        let unix_seconds = self.wall.seconds(now);
        for account in self.accounts.iter_mut().flatten() {
            account.measure_ages(unix_seconds);
        }
        for carrier in self.carriers.iter_mut().flatten() {
            carrier.measure_age(now);
        }
    }
}

impl Account {
    fn measure_ages(&mut self, unix_seconds: u32) {
        let age_ns = |born: Option<u32>| {
            let seconds = born.map_or(0, |born| unix_seconds.saturating_sub(born));
            u64::from(seconds) * 1_000_000_000
        };
        let oldest_stored = self.backlog.oldest().and_then(|key| self.holdings.get(key)).map(|stored| stored.born);
        self.counts.stored_age_ns = age_ns(oldest_stored);
        self.counts.deliveries_age_ns = age_ns(self.deliveries.first_born());
    }
}

impl Carrier {
    fn measure_age(&mut self, now: Instant) {
        let oldest = self.queue.heads().map(|pending| pending.came_at).min();
        self.counts.queue_age_ns = oldest.map_or(0, |came_at| nanos(now.since(came_at)));
    }
}
