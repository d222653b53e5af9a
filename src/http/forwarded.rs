//! For whom a proxy asks: the last address in `X-Forwarded-For` that is no proxy's.
//!
//! Each proxy adds whom it was asked by at the end, so what stands before the first stranger, read from there, anybody may have
//! written.

use std::net::{IpAddr, SocketAddr};

use ::http::HeaderMap;

use crate::config::Http;

/// Who asks, when the connection is `peer`'s. What cannot be read counts as not said.
#[must_use]
pub fn client(headers: &HeaderMap, peer: IpAddr, http: &Http) -> IpAddr {
    if !http.is_proxy(peer) {
        return peer;
    }
    let mut client = peer;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for said in value.as_bytes().rsplit(|octet| *octet == b',') {
            let Some(address) = read(said) else { return client };
            client = address;
            if !http.is_proxy(address) {
                return client;
            }
        }
    }
    client
}

/// An address, which some proxies write with a port behind it or in brackets.
fn read(said: &[u8]) -> Option<IpAddr> {
    let said = std::str::from_utf8(said).ok()?.trim();
    let bare = said.strip_prefix('[').and_then(|said| said.strip_suffix(']')).unwrap_or(said);
    let address = bare.parse().or_else(|_| said.parse().map(|address: SocketAddr| address.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;
    use crate::config::Network;

    fn client_of(peer: &str, values: &[&'static str]) -> String {
        let proxies = [("10.0.0.0", 8), ("192.0.2.7", 32)];
        let forwarded_from =
            proxies.map(|(address, prefix)| Network { address: address.parse().unwrap(), prefix }).to_vec();
        let http = Http { forwarded_from, ..Http::default() };
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("X-Forwarded-For", HeaderValue::from_static(value));
        }
        client(&headers, peer.parse().unwrap(), &http).to_string()
    }

    #[test]
    fn who_is_no_proxy_is_not_believed() {
        assert_eq!(client_of("198.51.100.1", &["203.0.113.5"]), "198.51.100.1");
        assert_eq!(client_of("192.0.2.8", &["203.0.113.5"]), "192.0.2.8");
    }

    #[test]
    fn the_last_address_that_is_no_proxys_counts_and_what_stands_before_it_does_not() {
        for (values, expected) in [
            (&["203.0.113.5"][..], "203.0.113.5"),
            (&["127.0.0.1, 203.0.113.5"], "203.0.113.5"),
            (&["nonsense,203.0.113.5"], "203.0.113.5"),
            (&["203.0.113.5, 10.2.3.4, 192.0.2.7"], "203.0.113.5"),
            (&["1.1.1.1, 203.0.113.5", "10.2.3.4"], "203.0.113.5"),
            (&["10.2.3.4"], "10.2.3.4"),
            (&["203.0.113.5:4711"], "203.0.113.5"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["::ffff:203.0.113.5"], "203.0.113.5"),
        ] {
            assert_eq!(client_of("10.0.0.1", values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_leaves_the_proxy_that_said_it() {
        for values in [&[][..], &[""], &["unknown"], &["203.0.113.5, _hidden"], &["203.0.113.5,"]] {
            assert_eq!(client_of("10.0.0.1", values), "10.0.0.1", "{values:?}");
        }
        assert_eq!(client_of("10.0.0.1", &["203.0.113.5, unknown, 10.0.0.9"]), "10.0.0.9");
    }
}
