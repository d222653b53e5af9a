//! Who may connect at all: caps on connections, kept by shard 0, which accepts them.
//!
//! Other shards tell it when a connection bound or ended. Addresses that no account would be used from are turned away.

use std::net::IpAddr;

use ahash::AHashMap;

use crate::config::Config;
use crate::metrics::ConnectionRefusal;

#[derive(Debug, Default)]
pub struct Gate {
    connections: u32,
    unbound: u32,
    unbound_by_address: AHashMap<IpAddr, u32>,
}

impl Gate {
    /// Counts a connection in, or says why it is closed without a word.
    pub fn admit(&mut self, address: IpAddr, config: &Config) -> Result<(), ConnectionRefusal> {
        let limits = &config.limits;
        let is_allowed = config.accounts.iter().any(|account| match &account.allow_from {
            None => true,
            Some(networks) => networks.iter().any(|network| network.contains(address)),
        });
        if !is_allowed {
            return Err(ConnectionRefusal::Address);
        }
        if self.connections >= limits.connections {
            return Err(ConnectionRefusal::Total);
        }
        if self.unbound >= limits.unbound {
            return Err(ConnectionRefusal::Unbound);
        }
        let of_address = self.unbound_by_address.entry(address).or_default();
        if *of_address >= limits.unbound_per_address {
            return Err(ConnectionRefusal::PerAddress);
        }
        *of_address += 1;
        self.connections += 1;
        self.unbound += 1;
        Ok(())
    }

    pub fn bound(&mut self, address: IpAddr) {
        self.unbound = self.unbound.saturating_sub(1);
        if let Some(count) = self.unbound_by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.unbound_by_address.remove(&address);
            }
        }
    }

    pub fn ended(&mut self, address: IpAddr, was_bound: bool) {
        self.connections = self.connections.saturating_sub(1);
        if !was_bound {
            self.bound(address);
        }
    }

    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    #[must_use]
    pub fn unbound(&self) -> u32 {
        self.unbound
    }
}
