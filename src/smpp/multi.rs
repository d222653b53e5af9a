//! submit_multi (SMPP 3.4, section 4.5): one message to several destinations, read as the submit_sm that says the same to each of
//! them; and its answer.

use super::command::{CommandId, CommandStatus, SequenceNumber};
use super::cursor::Cursor;
use super::frame::write_header;
use super::view::{ADDRESS_MAX, Address, SERVICE_TYPE_MAX, SmView};

/// Values of dest_flag (SMPP 3.4, section 5.2.25).
const SME_ADDRESS: u8 = 1;
const DISTRIBUTION_LIST: u8 = 2;

/// The parts of a submit_multi, borrowed from its body.
#[derive(Clone, Copy, Debug)]
pub struct MultiView<'a> {
    /// service_type and the source address.
    head: &'a [u8],
    /// From the first dest_flag on.
    destinations: &'a [u8],
    count: u8,
    /// From esm_class on: as in a submit_sm.
    tail: &'a [u8],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination<'a> {
    Sme(Address<'a>),
    /// The name of a distribution list.
    List(&'a [u8]),
}

impl<'a> Destination<'a> {
    /// As an unsuccess_sme names it, which has no other place for a list than the address.
    #[must_use]
    pub fn address(self) -> Address<'a> {
        match self {
            Self::Sme(address) => address,
            Self::List(name) => Address { ton: 0, npi: 0, digits: name },
        }
    }

    fn read(at: &mut Cursor<'a>) -> Result<Self, CommandStatus> {
        let [flag] = at.octets().ok_or(CommandStatus::RINVNUMDESTS)?;
        match flag {
            SME_ADDRESS => {
                let [ton, npi] = at.octets().ok_or(CommandStatus::RINVDSTADR)?;
                let digits = at.c_string(ADDRESS_MAX).ok_or(CommandStatus::RINVDSTADR)?;
                Ok(Self::Sme(Address { ton, npi, digits }))
            }
            DISTRIBUTION_LIST => {
                let name = at.c_string(ADDRESS_MAX).filter(|name| !name.is_empty());
                name.map(Self::List).ok_or(CommandStatus::RINVDLNAME)
            }
            _ => Err(CommandStatus::RINVDESTFLAG),
        }
    }
}

impl<'a> MultiView<'a> {
    /// Reads an ESME's submit_multi. The error is the status to answer it with; what is read can be written as submit_sm that are
    /// well-formed.
    pub fn read(body: &'a [u8]) -> Result<Self, CommandStatus> {
        let mut at = Cursor::of(body);
        let short = CommandStatus::RINVMSGLEN;
        at.c_string(SERVICE_TYPE_MAX).ok_or(CommandStatus::RINVSERTYP)?;
        at.octets::<2>().ok_or(short)?;
        at.c_string(ADDRESS_MAX).ok_or(CommandStatus::RINVSRCADR)?;
        let head = &body[..at.position()];
        let [count] = at.octets().ok_or(short)?;
        if count == 0 {
            return Err(CommandStatus::RINVNUMDESTS);
        }
        // 254 are allowed, and 255 from version 5.0 on: whoever sends one more than he may harms nobody.
        let first = at.position();
        for _ in 0..count {
            Destination::read(&mut at)?;
        }
        let (destinations, tail) = body[first..].split_at(at.position() - first);
        let view = Self { head, destinations, count, tail };
        let mut any = Vec::new();
        view.write_submit(Address { ton: 0, npi: 0, digits: b"" }, &mut any);
        SmView::submit(&any)?;
        Ok(view)
    }

    /// In the order they stand.
    pub fn destinations(&self) -> impl Iterator<Item = Destination<'a>> {
        let mut at = Cursor::of(self.destinations);
        (0..self.count).map_while(move |_| Destination::read(&mut at).ok())
    }

    #[must_use]
    pub fn esm_class(&self) -> u8 {
        self.tail.first().copied().unwrap_or(0)
    }

    /// Appends the body of the submit_sm to this destination alone.
    pub fn write_submit(&self, to: Address<'_>, out: &mut Vec<u8>) {
        out.reserve(self.head.len() + to.digits.len() + 3 + self.tail.len());
        out.extend_from_slice(self.head);
        write_address(to, out);
        out.extend_from_slice(self.tail);
    }
}

/// A destination that was not accepted, and why.
pub type Unsuccessful<'a> = (Address<'a>, CommandStatus);

/// Appends the answer with its body: a destination that is not in the list was accepted.
pub fn write_resp(
    status: CommandStatus,
    sequence: SequenceNumber,
    message_id: &[u8],
    unsuccessful: &[Unsuccessful<'_>],
    out: &mut Vec<u8>,
) {
    let of_one = |(address, _): &Unsuccessful<'_>| 3 + address.digits.len() + 4;
    let len = message_id.len() + 2 + unsuccessful.iter().map(of_one).sum::<usize>();
    write_header(out, CommandId::SUBMIT_MULTI_RESP, status, sequence, len);
    out.extend_from_slice(message_id);
    // No submit_multi has more destinations than an octet can say.
    out.extend_from_slice(&[0, unsuccessful.len() as u8]);
    for (address, status) in unsuccessful {
        write_address(*address, out);
        out.extend_from_slice(&status.0.to_be_bytes());
    }
}

/// The message_id of an answer, and which destinations were not accepted and why.
#[must_use]
pub fn read_resp(body: &[u8]) -> Option<(&[u8], Vec<Unsuccessful<'_>>)> {
    let mut at = Cursor::of(body);
    let id = at.c_string(usize::MAX)?;
    let [count] = at.octets()?;
    let unsuccessful = (0..count).map(|_| {
        let [ton, npi] = at.octets()?;
        let digits = at.c_string(usize::MAX)?;
        Some((Address { ton, npi, digits }, CommandStatus(u32::from_be_bytes(at.octets()?))))
    });
    let unsuccessful = unsuccessful.collect::<Option<_>>()?;
    Some((id, unsuccessful))
}

fn write_address(address: Address<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[address.ton, address.npi]);
    out.extend_from_slice(address.digits);
    out.push(0);
}

#[cfg(test)]
mod tests;
