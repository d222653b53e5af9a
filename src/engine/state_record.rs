//! What is kept of a message whose state its account may ask for: its octets in the journal and in memory are the same.
//!
//! The first octet is the version. Octets of a length of their own stand behind it in one octet, so none is longer than 255.

use crate::smpp::receipt::MessageState;
use crate::smpp::view::Address;

const VERSION: u8 = 1;
/// Version, state, error, two times.
const HEAD: usize = 11;

/// How a message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    pub state: MessageState,
    pub error: u8,
    /// Unix seconds, as the next.
    pub accepted: u32,
    /// 0 until the state is final.
    pub finished: u32,
}

/// What its carrier knows of it. The carrier's home writes it, for it has both bodies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SentAs<'a> {
    /// The carrier's own; empty when it gave none that could be kept.
    pub carrier_id: &'a [u8],
    /// As the account's home sent it on.
    pub source: Address<'a>,
    pub destination: Address<'a>,
    /// As the carrier was sent it.
    pub carrier_source: Address<'a>,
    pub carrier_destination: Address<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StateRecord<'a> {
    pub progress: Progress,
    /// By name; empty when no carrier has it.
    pub carrier: &'a [u8],
    pub sent: SentAs<'a>,
}

impl<'a> SentAs<'a> {
    pub fn write(&self, out: &mut Vec<u8>) {
        // Longer than an octet says, it is of no use to ask by: no id of the specification is.
        write_octets(if self.carrier_id.len() > 255 { b"" } else { self.carrier_id }, out);
        for address in [self.source, self.destination, self.carrier_source, self.carrier_destination] {
            out.extend_from_slice(&[address.ton, address.npi]);
            write_octets(&address.digits[..address.digits.len().min(255)], out);
        }
    }

    pub(super) fn read(octets: &mut &'a [u8]) -> Option<Self> {
        let carrier_id = read_octets(octets)?;
        let mut address = || {
            let ([ton, npi], rest) = octets.split_first_chunk::<2>()?;
            *octets = rest;
            Some(Address { ton: *ton, npi: *npi, digits: read_octets(octets)? })
        };
        let [source, destination] = [address()?, address()?];
        Some(Self { carrier_id, source, destination, carrier_source: address()?, carrier_destination: address()? })
    }
}

impl<'a> StateRecord<'a> {
    #[must_use]
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let ([version, state, error, times @ ..], mut rest) = octets.split_first_chunk::<HEAD>()?;
        let ([a, b, c, d], finished) = times.split_first_chunk::<4>()?;
        let accepted = u32::from_be_bytes([*a, *b, *c, *d]);
        let finished = u32::from_be_bytes(finished.try_into().ok()?);
        let state = MessageState::from_number(*state).filter(|_| *version == VERSION)?;
        let carrier = read_octets(&mut rest)?;
        let sent = SentAs::read(&mut rest)?;
        Some(Self { progress: Progress { state, error: *error, accepted, finished }, carrier, sent })
    }
}

/// Writes a record; `sent` is what `SentAs::write` wrote.
#[must_use]
pub fn record(progress: Progress, carrier: &[u8], sent: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + 1 + carrier.len() + sent.len());
    out.extend_from_slice(&[VERSION, progress.state.number(), progress.error]);
    out.extend_from_slice(&progress.accepted.to_be_bytes());
    out.extend_from_slice(&progress.finished.to_be_bytes());
    write_octets(carrier, &mut out);
    out.extend_from_slice(sent);
    out
}

/// The same record with another progress.
#[must_use]
pub fn with_progress(octets: &[u8], progress: Progress) -> Vec<u8> {
    let mut out = record(progress, b"", b"");
    out.truncate(HEAD);
    out.extend_from_slice(octets.get(HEAD..).unwrap_or_default());
    out
}

fn write_octets(octets: &[u8], out: &mut Vec<u8>) {
    out.push(octets.len() as u8);
    out.extend_from_slice(octets);
}

fn read_octets<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = octets.split_first()?;
    let (value, rest) = rest.split_at_checked(usize::from(*len))?;
    *octets = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_cut_it_is_none() {
        let address = |digits| Address { ton: 1, npi: 2, digits };
        let sent = SentAs {
            carrier_id: b"4711",
            source: address(b"ACME"),
            destination: address(b"49170"),
            carrier_source: address(b""),
            carrier_destination: address(b"+49170"),
        };
        let mut octets = Vec::new();
        sent.write(&mut octets);
        let enroute = Progress { state: MessageState::Enroute, error: 0, accepted: 1_800_000_000, finished: 0 };
        let kept = record(enroute, b"north", &octets);
        assert_eq!(StateRecord::read(&kept), Some(StateRecord { progress: enroute, carrier: b"north", sent }));
        let progress = Progress { state: MessageState::Undeliverable, error: 7, finished: 1_800_000_009, ..enroute };
        let changed = with_progress(&kept, progress);
        assert_eq!(StateRecord::read(&changed), Some(StateRecord { progress, carrier: b"north", sent }));
        for cut in 0..kept.len() {
            assert_eq!(StateRecord::read(&kept[..cut]), None, "{cut}");
        }
        let of_the_future = [&[2], &kept[1..]].concat();
        assert_eq!(StateRecord::read(&of_the_future), None);
    }

    #[test]
    fn an_id_too_long_to_ask_by_is_left_out() {
        let none = Address { ton: 0, npi: 0, digits: b"" };
        let long = [b'1'; 300];
        let sent = SentAs {
            carrier_id: &long,
            source: none,
            destination: none,
            carrier_source: none,
            carrier_destination: none,
        };
        let mut octets = Vec::new();
        sent.write(&mut octets);
        assert_eq!(SentAs::read(&mut &octets[..]).map(|sent| sent.carrier_id), Some(&b""[..]));
    }
}
