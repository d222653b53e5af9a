//! Who may connect at all: caps on connections, kept by shard 0, which accepts them.
//!
//! Other shards tell it when a connection bound or ended. Addresses that no account would be used from are turned away.

use std::net::IpAddr;

use ahash::AHashMap;

use super::origin::origin;
use crate::config::Config;
use crate::metrics::ConnectionRefusal;

#[derive(Debug, Default)]
pub struct Gate {
    connections: u32,
    unbound: u32,
    unbound_by_address: AHashMap<IpAddr, u32>,
    web: u32,
    web_by_address: AHashMap<IpAddr, u32>,
}

/// What a connection was that ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Was {
    Unbound,
    Bound,
    Web,
}

impl Gate {
    /// Counts a connection in, or says why it is closed without a word.
    pub fn admit(&mut self, address: IpAddr, config: &Config) -> Result<(), ConnectionRefusal> {
        let limits = &config.limits;
        if !is_allowed(address, config) {
            return Err(ConnectionRefusal::Address);
        }
        if self.connections >= limits.connections {
            return Err(ConnectionRefusal::Total);
        }
        if self.unbound >= limits.unbound {
            return Err(ConnectionRefusal::Unbound);
        }
        let of_address = self.unbound_by_address.entry(origin(address)).or_default();
        if *of_address >= limits.unbound_per_address {
            return Err(ConnectionRefusal::PerAddress);
        }
        *of_address += 1;
        self.connections += 1;
        self.unbound += 1;
        Ok(())
    }

    /// The same for HTTP. A proxy's connections stand for many customers, so its address says nothing.
    pub fn admit_web(&mut self, address: IpAddr, config: &Config) -> Result<(), ConnectionRefusal> {
        let limits = &config.limits;
        let is_proxy = is_proxy(address, config);
        if !is_proxy && !is_allowed(address, config) {
            return Err(ConnectionRefusal::Address);
        }
        if self.connections >= limits.connections {
            return Err(ConnectionRefusal::Total);
        }
        if self.web >= limits.http {
            return Err(ConnectionRefusal::Http);
        }
        if !is_proxy {
            let of_address = self.web_by_address.entry(origin(address)).or_default();
            if *of_address >= limits.http_per_address {
                return Err(ConnectionRefusal::PerAddress);
            }
            *of_address += 1;
        }
        self.connections += 1;
        self.web += 1;
        Ok(())
    }

    /// Counts in a connection that we dialled for an ESME to bind on.
    pub fn called(&mut self, address: IpAddr) {
        *self.unbound_by_address.entry(origin(address)).or_default() += 1;
        self.connections += 1;
        self.unbound += 1;
    }

    pub fn bound(&mut self, address: IpAddr) {
        self.unbound = self.unbound.saturating_sub(1);
        count_out(&mut self.unbound_by_address, address);
    }

    pub fn ended(&mut self, address: IpAddr, was: Was) {
        self.connections = self.connections.saturating_sub(1);
        match was {
            Was::Unbound => self.bound(address),
            Was::Bound => {}
            Was::Web => {
                self.web = self.web.saturating_sub(1);
                count_out(&mut self.web_by_address, address);
            }
        }
    }

    #[must_use]
    pub fn web(&self) -> u32 {
        self.web
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

/// Whether any account may be used from there.
fn is_allowed(address: IpAddr, config: &Config) -> bool {
    config.accounts.iter().any(|account| match &account.allow_from {
        None => true,
        Some(networks) => networks.iter().any(|network| network.contains(address)),
    })
}

fn is_proxy(address: IpAddr, config: &Config) -> bool {
    config.http.as_ref().is_some_and(|http| http.is_proxy(address))
}

fn count_out(by_address: &mut AHashMap<IpAddr, u32>, address: IpAddr) {
    let address = origin(address);
    if let Some(count) = by_address.get_mut(&address) {
        *count -= 1;
        if *count == 0 {
            by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{self, Surroundings};

    fn config(limits: &str, allow_from: &str) -> Config {
        let text = format!("limits: {limits}\naccounts:\n  acme: {{ password: x{allow_from} }}\n");
        let file = |_: &Path| Err("no files".to_owned());
        let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
        config::parse(&text, &surroundings).unwrap().config
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn each_cap_refuses_in_its_own_words_and_frees_its_place_when_a_connection_binds_or_ends() {
        let config = config("{ connections: 4, unbound: 3, unbound_per_address: 2 }", "");
        let mut gate = Gate::default();
        assert_eq!(
            [(); 3].map(|()| gate.admit(address(1), &config)),
            [Ok(()), Ok(()), Err(ConnectionRefusal::PerAddress)]
        );
        assert_eq!(gate.admit(address(2), &config), Ok(()));
        assert_eq!(gate.admit(address(3), &config), Err(ConnectionRefusal::Unbound));
        gate.bound(address(1));
        assert_eq!(gate.admit(address(3), &config), Ok(()));
        gate.bound(address(1));
        assert_eq!(gate.admit(address(1), &config), Err(ConnectionRefusal::Total));
        gate.ended(address(1), Was::Bound);
        gate.ended(address(2), Was::Unbound);
        assert_eq!((gate.connections(), gate.unbound()), (2, 1));
        assert_eq!(gate.admit(address(1), &config), Ok(()));
    }

    #[test]
    fn addresses_of_one_subnet_of_ipv6_share_a_cap_and_free_their_places() {
        let config = config("{ unbound_per_address: 2 }", "");
        let mut gate = Gate::default();
        let [a, b, c, elsewhere] =
            ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1:2:3", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        assert_eq!([a, b].map(|address| gate.admit(address, &config)), [Ok(()), Ok(())]);
        assert_eq!(gate.admit(c, &config), Err(ConnectionRefusal::PerAddress));
        assert_eq!(gate.admit(elsewhere, &config), Ok(()));
        gate.bound(a);
        gate.ended(b, Was::Unbound);
        gate.ended(elsewhere, Was::Unbound);
        assert!(gate.unbound_by_address.is_empty());
    }

    #[test]
    fn http_has_caps_of_its_own_within_the_one_on_all_and_a_proxys_address_has_none() {
        let mut config = config("{ connections: 5, http: 4, http_per_address: 1 }", ", allow_from: 192.0.2.0/24");
        let proxy: IpAddr = "198.51.100.1".parse().unwrap();
        let mut gate = Gate::default();
        assert_eq!(gate.admit_web(proxy, &config), Err(ConnectionRefusal::Address));
        let forwarded_from = vec![config::Network { address: proxy, prefix: 32 }];
        config.http = Some(config::Http { forwarded_from, ..config::Http::default() });
        assert_eq!([(); 2].map(|()| gate.admit_web(proxy, &config)), [Ok(()), Ok(())]);
        assert_eq!(gate.admit_web(address(1), &config), Ok(()));
        assert_eq!(gate.admit_web(address(1), &config), Err(ConnectionRefusal::PerAddress));
        assert_eq!(gate.admit_web(address(2), &config), Ok(()));
        assert_eq!(gate.admit_web(proxy, &config), Err(ConnectionRefusal::Http));
        assert_eq!(gate.admit(address(1), &config), Ok(()), "SMPP has room left");
        gate.ended(address(1), Was::Web);
        gate.ended(proxy, Was::Web);
        assert_eq!((gate.web(), gate.connections(), gate.unbound()), (2, 3, 1));
        assert_eq!(gate.admit(address(1), &config), Ok(()));
        assert_eq!(gate.admit(address(1), &config), Ok(()));
        assert_eq!(gate.admit_web(address(1), &config), Err(ConnectionRefusal::Total));
    }

    #[test]
    fn an_address_that_no_account_may_come_from_is_turned_away() {
        let config = config("{ connections: 9 }", ", allow_from: 192.0.2.0/30");
        let mut gate = Gate::default();
        assert_eq!(gate.admit(address(3), &config), Ok(()));
        assert_eq!(gate.admit(address(4), &config), Err(ConnectionRefusal::Address));
        assert_eq!(gate.connections(), 1);
    }
}
