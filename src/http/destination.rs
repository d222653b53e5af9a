//! Where callbacks may go. Customers name their URLs, and a gateway stands inside of a network that they do not: what they name
//! must not reach it. A host is judged by the addresses it has when it is called, whatever it is spelled like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ::http::Uri;
use ::http::uri::Scheme;

/// What a URL says of where to call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Destination {
    pub is_tls: bool,
    /// A name or an address, IPv6 in brackets.
    pub host: String,
    pub port: u16,
    /// As a Host header has them.
    pub authority: String,
    pub path_and_query: String,
}

impl Destination {
    /// # Errors
    /// Why it cannot be called.
    pub fn read(url: &str, allow_http: bool) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "is no URL")?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err("is no absolute URL") };
        let is_tls = *scheme == Scheme::HTTPS;
        if !is_tls && *scheme != Scheme::HTTP {
            return Err("is neither https nor http");
        }
        if !is_tls && !allow_http {
            return Err("is not https, and the account has no `allow_http: true`");
        }
        if authority.as_str().contains('@') {
            return Err("holds a user or a password");
        }
        let host = authority.host();
        if host.is_empty() {
            return Err("names no host");
        }
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if authority.as_str() == host => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            Some(_) | None => return Err("names no port"),
        };
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        // A URL with a query and no path.
        let slash = if path_and_query.starts_with('/') { "" } else { "/" };
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path_and_query: format!("{slash}{path_and_query}"),
        })
    }

    /// `host:port`, as names are looked up.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Whose network an address is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Everyone's.
    Public,
    /// Ours, or our provider's: private, shared and unique local addresses, and loopback.
    Private,
    /// No one's that a callback could be for: link-local, where clouds tell their machines' secrets, multicast, what is reserved.
    Never,
}

/// Whether a call may go to this address. `ours`: what this process listens on; `is_local`: whether an address is this host's.
///
/// # Errors
/// Why not.
pub fn judge(
    address: SocketAddr,
    allow_private: bool,
    ours: &[SocketAddr],
    is_local: impl Fn(IpAddr) -> bool,
) -> Result<(), &'static str> {
    let ip = address.ip().to_canonical();
    match reach(ip) {
        Reach::Never => return Err("is link-local, multicast or reserved"),
        Reach::Private if !allow_private => {
            return Err("is private or loopback, and the account has no `allow_private: true`");
        }
        Reach::Private | Reach::Public => {}
    }
    let is_ours = |listener: &SocketAddr| {
        let listens = listener.ip().to_canonical();
        listener.port() == address.port() && (listens == ip || listens.is_unspecified() && is_local(ip))
    };
    if ours.iter().any(is_ours) { Err("is a listener of this gateway") } else { Ok(()) }
}

/// Metadata services of clouds that are not link-local: Azure, Alibaba, AWS, Google.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254)),
];

#[must_use]
pub fn reach(ip: IpAddr) -> Reach {
    match ip {
        _ if METADATA.contains(&ip) => Reach::Never,
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

/// IANA's registry of special-purpose addresses (RFC 6890), and multicast.
fn reach_v4(ip: Ipv4Addr) -> Reach {
    match ip.octets() {
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        // This network, link-local, protocol assignments, documentation, 6to4 relays, benchmarks, multicast and reserved.
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Reach::Never,
        _ => Reach::Public,
    }
}

/// What carries an IPv4 address is judged by it. Of the rest, addresses are assigned from 2000::/3 alone.
fn reach_v6(ip: Ipv6Addr) -> Reach {
    let within = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // Mapped, and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => reach(within(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => reach(within(high, low)),
        // Unique local (RFC 4193).
        [0xFC00..=0xFDFF, ..] => Reach::Private,
        // Protocol assignments, among them Teredo and benchmarks, and documentation.
        [0x2001, 0..=0x1FF | 0xDB8, ..] | [0x3FFF, 0..=0xFFF, ..] => Reach::Never,
        [0x2000..=0x3FFF, ..] => Reach::Public,
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests;
