//! The header of the PROXY protocol, version 2, that a balancer says before anything else: whom a connection really comes from.
//! (`haproxy.org/download/2.9/doc/proxy-protocol.txt`, section 2.2.) Pure: octets in, an address or a fault out.
//!
//! Only TCP is taken, and only with an address: what is said to come from nowhere would pass allow lists as the balancer.

use std::fmt;
use std::net::IpAddr;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What every header begins with; it says how much follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Octets that follow: addresses, then TLVs nobody here asks for.
    pub rest: usize,
    from: From,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum From {
    /// The balancer's own connection, a look at our health for instance.
    Balancer,
    Ipv4,
    Ipv6,
}

/// Why a header is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    NotProxy,
    /// The text form, version 1.
    VersionOne,
    Version,
    Command,
    /// Neither TCP over IPv4 nor over IPv6.
    Transport,
    TooLong,
    TooShort,
}

impl Head {
    pub const LEN: usize = 16;
    /// Far more than any balancer adds.
    pub const LONGEST_REST: usize = 4_096;

    /// # Errors
    /// Whatever is no beginning of a header we take.
    pub fn read(octets: &[u8; Self::LEN]) -> Result<Self, Fault> {
        let (signature, [command, transport, len @ ..]) = octets.split_first_chunk::<12>().ok_or(Fault::NotProxy)?
        else {
            return Err(Fault::NotProxy);
        };
        if signature != SIGNATURE {
            return Err(if octets.starts_with(b"PROXY ") { Fault::VersionOne } else { Fault::NotProxy });
        }
        if command >> 4 != 2 {
            return Err(Fault::Version);
        }
        let rest = len.iter().fold(0, |len, octet| len << 8 | usize::from(*octet));
        if rest > Self::LONGEST_REST {
            return Err(Fault::TooLong);
        }
        let (from, addresses) = match (command & 0x0F, transport) {
            // Its transport and addresses are to be ignored.
            (0, _) => (From::Balancer, 0),
            (1, 0x11) => (From::Ipv4, 2 * (4 + 2)),
            (1, 0x21) => (From::Ipv6, 2 * (16 + 2)),
            (1, _) => return Err(Fault::Transport),
            (_, _) => return Err(Fault::Command),
        };
        if rest < addresses {
            return Err(Fault::TooShort);
        }
        Ok(Self { rest, from })
    }

    /// Whom the connection comes from, as the octets behind the head say; `None` when it is the balancer's own.
    ///
    /// # Errors
    /// When they are fewer than it takes.
    pub fn source(&self, rest: &[u8]) -> Result<Option<IpAddr>, Fault> {
        let address = match self.from {
            From::Balancer => return Ok(None),
            From::Ipv4 => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
            From::Ipv6 => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        };
        address.map(|address| Some(address.to_canonical())).ok_or(Fault::TooShort)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotProxy => "it begins with no PROXY header",
            Self::VersionOne => "it begins with a PROXY header of version 1: have the balancer send version 2",
            Self::Version => "its PROXY header is of an unknown version",
            Self::Command => "its PROXY header has an unknown command",
            Self::Transport => "its PROXY header is for neither TCP over IPv4 nor over IPv6",
            Self::TooLong => "its PROXY header is too long",
            Self::TooShort => "its PROXY header is too short for its addresses",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, transport: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = SIGNATURE.to_vec();
        octets.extend([command, transport]);
        octets.extend((rest.len() as u16).to_be_bytes());
        octets.extend(rest);
        octets
    }

    fn parse(octets: &[u8]) -> Result<Option<IpAddr>, Fault> {
        let (head, rest) = octets.split_first_chunk().ok_or(Fault::TooShort)?;
        let head = Head::read(head)?;
        head.source(rest.get(..head.rest).ok_or(Fault::TooShort)?)
    }

    #[test]
    fn the_source_is_read_and_what_follows_it_is_skipped() {
        let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x0A, 0xD7];
        let mut ipv6 = [0; 36];
        ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0D, 0xB8]);
        ipv6[15] = 9;
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xFF, 0xFF, 192, 0, 2, 7]);
        let with_tlvs = [&ipv4[..], &[0x04, 0x00, 0x02, 1, 2]].concat();
        for (header, expected) in [
            (header(0x21, 0x11, &ipv4), Some("192.0.2.7")),
            (header(0x21, 0x11, &with_tlvs), Some("192.0.2.7")),
            (header(0x21, 0x21, &ipv6), Some("2001:db8::9")),
            (header(0x21, 0x21, &mapped), Some("192.0.2.7")),
            (header(0x20, 0x00, &[]), None),
            (header(0x20, 0x11, &ipv4), None),
            (header(0x20, 0xFF, &[1, 2, 3]), None),
        ] {
            assert_eq!(parse(&header), Ok(expected.map(|address| address.parse().unwrap())), "{header:x?}");
        }
    }

    #[test]
    fn anything_else_is_refused_for_what_it_is() {
        let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x0A, 0xD7];
        for (header, expected) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 2775\r\n".to_vec(), Fault::VersionOne),
            (b"\x00\x00\x00\x2f\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x01".to_vec(), Fault::NotProxy),
            (header(0x11, 0x11, &ipv4), Fault::Version),
            (header(0x31, 0x11, &ipv4), Fault::Version),
            (header(0x22, 0x11, &ipv4), Fault::Command),
            // Unspecified, datagrams, Unix sockets, and nonsense.
            (header(0x21, 0x00, &ipv4), Fault::Transport),
            (header(0x21, 0x12, &ipv4), Fault::Transport),
            (header(0x21, 0x31, &[0; 216]), Fault::Transport),
            (header(0x21, 0x41, &ipv4), Fault::Transport),
            (header(0x21, 0x11, &ipv4[..11]), Fault::TooShort),
            (header(0x21, 0x21, &[0; 35]), Fault::TooShort),
            (header(0x21, 0x11, &[0; 4_097]), Fault::TooLong),
            (header(0x20, 0x11, &[0; 65_535]), Fault::TooLong),
        ] {
            assert_eq!(parse(&header), Err(expected), "{header:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&octets);
        }

        #[test]
        fn no_octets_behind_the_signature_do_and_what_is_taken_names_whom_it_says(
            command: u8, transport: u8, rest in prop::collection::vec(any::<u8>(), 0..64)
        ) {
            let parsed = parse(&header(command, transport, &rest));
            if let Ok(Some(address)) = parsed {
                let said = match transport {
                    0x11 => IpAddr::from(*rest.first_chunk::<4>().unwrap()),
                    _ => IpAddr::from(*rest.first_chunk::<16>().unwrap()),
                };
                prop_assert_eq!((address, command), (said.to_canonical(), 0x21));
            }
        }
    }
}
