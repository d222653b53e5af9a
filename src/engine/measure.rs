//! What a shard counts, with what is a level rather than a count brought up to date.

use super::account::Account;
use super::carrier::Carrier;
use super::shard::Shard;

impl Shard {
    /// Accounts whose home this is, their levels up to date.
    pub fn accounts(&mut self) -> impl Iterator<Item = &mut Account> {
        self.accounts.iter_mut().flatten().map(|account| {
            account.measure();
            &mut **account
        })
    }

    /// Carriers whose home this is, their levels up to date.
    pub fn carriers(&mut self) -> impl Iterator<Item = &mut Carrier> {
        self.carriers.iter_mut().flatten().map(|carrier| {
            carrier.measure();
            &mut **carrier
        })
    }

    /// Copies what is a level rather than a count into the counts. Connections are known to shard 0 alone.
    pub fn measure(&mut self) {
        self.counts.store_has_room = self.has_room.into();
        self.counts.connections = u64::from(self.gate.connections());
        self.counts.http_connections = u64::from(self.gate.web());
        self.counts.unbound = u64::from(self.gate.unbound());
        self.counts.cdr_lines_waiting = self.cdr.as_ref().map_or(0, |cdr| cdr.waiting());
    }
}
