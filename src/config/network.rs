//! Address ranges, for allow lists and ban exemptions.

use std::net::{IpAddr, Ipv6Addr};

/// An address range, `192.0.2.0/24`; a lone address is a range of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in this range; an IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Network {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let expected = || "must be an address or a range such as 192.0.2.0/24".to_owned();
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| expected())?
            }
            Some(_) => return Err(expected()),
        };
        if prefix > longest {
            return Err(format!("a prefix here is at most {longest}"));
        }
        // `contains` sees mapped addresses as IPv4, so a mapped range would match nothing.
        if matches!(address, IpAddr::V6(v6) if is_mapped(v6)) {
            return Err("write an IPv4 address mapped into IPv6 as IPv4".to_owned());
        }
        Ok(Self { address, prefix })
    }
}

fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        let cases = [
            ("127.0.0.0/8", "127.9.9.9", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("127.0.0.0/8", "::ffff:127.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (range, address, expected) in cases {
            let network = Network::parse(range).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{address} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "localhost", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "::/129", "::ffff:1.2.3.4"]
        {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
