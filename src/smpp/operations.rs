//! query_sm, cancel_sm and replace_sm: what an ESME asks of a message it submitted (SMPP 3.4, sections 4.8 to 4.10).
//!
//! Read strictly, each fault with its own status; written as a carrier is asked the same of its own message.

use super::command::{CommandId, CommandStatus};
use super::cursor::Cursor;
use super::view::{Address, SmView, Tlvs, tag};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation<'a> {
    Query(Query<'a>),
    Cancel(Cancel<'a>),
    Replace(Replace<'a>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Query<'a> {
    pub id: &'a [u8],
    pub source: Address<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cancel<'a> {
    pub service_type: &'a [u8],
    /// Empty: all that match the rest.
    pub id: &'a [u8],
    pub source: Address<'a>,
    /// May be empty when there is an id.
    pub destination: Address<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Replace<'a> {
    pub id: &'a [u8],
    pub source: Address<'a>,
    /// Empty, and the next too: as it was.
    pub schedule: &'a [u8],
    pub validity: &'a [u8],
    pub registered_delivery: u8,
    pub text: &'a [u8],
}

const ID_MAX: usize = 64;
const ADDRESS_MAX: usize = 20;
const SERVICE_TYPE_MAX: usize = 5;
/// A text longer than this travels as message_payload.
const SHORT_MESSAGE_MAX: usize = 254;

impl<'a> Operation<'a> {
    /// Reads the body of one of the three. What stands behind its fields is not looked at, save for a text in a TLV (SMPP 5.0).
    pub fn read(command: CommandId, body: &'a [u8]) -> Result<Self, CommandStatus> {
        let mut at = Cursor::of(body);
        match command {
            CommandId::QUERY_SM => {
                let (id, source) = (read_id(&mut at)?, read_address(&mut at, CommandStatus::RINVSRCADR)?);
                Ok(Self::Query(Query { id, source }))
            }
            CommandId::CANCEL_SM => {
                let service_type = at.c_string(SERVICE_TYPE_MAX).ok_or(CommandStatus::RINVSERTYP)?;
                let (id, source) = (read_id(&mut at)?, read_address(&mut at, CommandStatus::RINVSRCADR)?);
                let destination = read_address(&mut at, CommandStatus::RINVDSTADR)?;
                Ok(Self::Cancel(Cancel { service_type, id, source, destination }))
            }
            CommandId::REPLACE_SM => read_replace(at).map(Self::Replace),
            _ => Err(CommandStatus::RINVCMDID),
        }
    }

    #[must_use]
    pub fn id(&self) -> &'a [u8] {
        match self {
            Self::Query(query) => query.id,
            Self::Cancel(cancel) => cancel.id,
            Self::Replace(replace) => replace.id,
        }
    }

    #[must_use]
    pub fn source(&self) -> Address<'a> {
        match self {
            Self::Query(query) => query.source,
            Self::Cancel(cancel) => cancel.source,
            Self::Replace(replace) => replace.source,
        }
    }

    /// Its destination, when it is one that says any.
    #[must_use]
    pub fn destination(&self) -> Option<Address<'a>> {
        match self {
            Self::Cancel(cancel) => Some(cancel.destination).filter(|destination| !destination.digits.is_empty()),
            Self::Query(_) | Self::Replace(_) => None,
        }
    }

    /// Appends the body of the same operation on the message of this id and these addresses.
    pub fn write_for(&self, id: &[u8], source: Address<'_>, destination: Address<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Query(_) => {
                write_c_string(id, out);
                write_address(source, out);
            }
            Self::Cancel(_) => {
                // The service_type is for those without an id.
                out.push(0);
                write_c_string(id, out);
                write_address(source, out);
                write_address(destination, out);
            }
            Self::Replace(replace) => {
                write_c_string(id, out);
                write_address(source, out);
                write_c_string(replace.schedule, out);
                write_c_string(replace.validity, out);
                out.extend_from_slice(&[replace.registered_delivery, 0]);
                write_text(replace.text, out, |_| {});
            }
        }
    }
}

fn read_id<'a>(at: &mut Cursor<'a>) -> Result<&'a [u8], CommandStatus> {
    at.c_string(ID_MAX).ok_or(CommandStatus::RINVMSGID)
}

fn read_address<'a>(at: &mut Cursor<'a>, status: CommandStatus) -> Result<Address<'a>, CommandStatus> {
    let [ton, npi] = at.octets().ok_or(status)?;
    Ok(Address { ton, npi, digits: at.c_string(ADDRESS_MAX).ok_or(status)? })
}

fn read_replace<'a>(mut at: Cursor<'a>) -> Result<Replace<'a>, CommandStatus> {
    const TIME_LEN: usize = 16;
    let (id, source) = (read_id(&mut at)?, read_address(&mut at, CommandStatus::RINVSRCADR)?);
    let schedule = at.c_string(TIME_LEN).ok_or(CommandStatus::RINVSCHED)?;
    let validity = at.c_string(TIME_LEN).ok_or(CommandStatus::RINVEXPIRY)?;
    let [registered_delivery, _default_message_id, sm_length] = at.octets().ok_or(CommandStatus::RINVMSGLEN)?;
    let rest = at.rest();
    let sm_length = usize::from(sm_length);
    let (text, optional) = rest.split_at_checked(sm_length).ok_or(CommandStatus::RINVMSGLEN)?;
    let payload = || Tlvs::of(optional).find(|tlv| tlv.tag == tag::MESSAGE_PAYLOAD).map(|tlv| tlv.value);
    let text = if text.is_empty() { payload().unwrap_or_default() } else { text };
    Ok(Replace { id, source, schedule, validity, registered_delivery, text })
}

/// A submit_sm's body with what a replace_sm says in the place of what it said; `view` was read from it.
#[must_use]
pub fn replaced(view: &SmView<'_>, replace: &Replace<'_>) -> Vec<u8> {
    let or_old = |new: &'_ [u8], old: &'_ [u8]| if new.is_empty() { old.to_vec() } else { new.to_vec() };
    let mut out = Vec::with_capacity(replace.text.len() + view.optional.len() + 128);
    write_c_string(view.service_type, &mut out);
    write_address(view.source, &mut out);
    write_address(view.destination, &mut out);
    out.extend_from_slice(&[view.esm_class, view.protocol_id, view.priority]);
    write_c_string(&or_old(replace.schedule, view.schedule), &mut out);
    write_c_string(&or_old(replace.validity, view.validity), &mut out);
    // Of the text that was there, sm_default_msg_id may have been all.
    out.extend_from_slice(&[replace.registered_delivery, view.replace_if_present, view.data_coding, 0]);
    write_text(replace.text, &mut out, |out| {
        for tlv in view.tlvs().filter(|tlv| tlv.tag != tag::MESSAGE_PAYLOAD) {
            write_tlv(tlv.tag, tlv.value, out);
        }
    });
    out
}

/// sm_length and short_message, then the TLVs: those that `tlvs` writes, and the text when it is too long for the other.
fn write_text(text: &[u8], out: &mut Vec<u8>, tlvs: impl Fn(&mut Vec<u8>)) {
    let short = if text.len() > SHORT_MESSAGE_MAX { b"" } else { text };
    out.push(short.len() as u8);
    out.extend_from_slice(short);
    tlvs(out);
    if short.len() < text.len() {
        write_tlv(tag::MESSAGE_PAYLOAD, text, out);
    }
}

/// What query_sm_resp says of a message (SMPP 3.4, section 4.8.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueryAnswer<'a> {
    pub id: &'a [u8],
    /// An absolute time, or nothing before the state is final.
    pub final_date: &'a [u8],
    pub message_state: u8,
    pub error_code: u8,
}

impl<'a> QueryAnswer<'a> {
    /// A carrier's: an id of any length, and without the last octet if it must be.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut at = Cursor::of(body);
        let (id, final_date) = (at.c_string(usize::MAX)?, at.c_string(usize::MAX)?);
        let [message_state] = at.octets()?;
        let error_code = at.octets::<1>().map_or(0, |[error]| error);
        Some(Self { id, final_date, message_state, error_code })
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_c_string(self.id, out);
        write_c_string(self.final_date, out);
        out.extend_from_slice(&[self.message_state, self.error_code]);
    }
}

fn write_address(address: Address<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[address.ton, address.npi]);
    write_c_string(address.digits, out);
}

fn write_c_string(octets: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(octets);
    out.push(0);
}

fn write_tlv(tag: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"00ff\0\x01\x01447700\0";
    const CANCEL: &[u8] = b"CMT\x0000ff\0\x05\0ACME\0\x01\x0149170\0";
    const REPLACE: &[u8] = b"00ff\0\x05\0ACME\0\x00000000000030000R\0\x01\0\x05hello";

    fn read(command: CommandId, body: &[u8]) -> Result<Operation<'_>, CommandStatus> {
        Operation::read(command, body)
    }

    #[test]
    fn each_is_read_and_written_for_another_message() {
        let (source, destination) =
            (Address { ton: 1, npi: 1, digits: b"12345" }, Address { ton: 1, npi: 1, digits: b"+49" });
        let rewritten = |command, body| {
            let mut out = Vec::new();
            read(command, body).unwrap().write_for(b"4711", source, destination, &mut out);
            out
        };
        assert_eq!(rewritten(CommandId::QUERY_SM, QUERY), b"4711\0\x01\x0112345\0");
        assert_eq!(rewritten(CommandId::CANCEL_SM, CANCEL), b"\x004711\0\x01\x0112345\0\x01\x01+49\0");
        let replace = b"4711\0\x01\x0112345\0\x00000000000030000R\0\x01\0\x05hello";
        assert_eq!(rewritten(CommandId::REPLACE_SM, REPLACE), replace);
    }

    #[test]
    fn each_malformed_field_has_its_own_status() {
        let long_id = [[b'1'; 65].as_slice(), b"\0"].concat();
        let long_address = [b"1\0\x01\x01".as_slice(), &[b'1'; 21], b"\0"].concat();
        for (command, body, status) in [
            (CommandId::QUERY_SM, long_id.as_slice(), CommandStatus::RINVMSGID),
            (CommandId::QUERY_SM, b"", CommandStatus::RINVMSGID),
            (CommandId::QUERY_SM, b"1\0", CommandStatus::RINVSRCADR),
            (CommandId::QUERY_SM, &long_address, CommandStatus::RINVSRCADR),
            (CommandId::CANCEL_SM, b"TOOLONG\0", CommandStatus::RINVSERTYP),
            (CommandId::CANCEL_SM, b"\x001\0\0\0\0", CommandStatus::RINVDSTADR),
            (CommandId::REPLACE_SM, b"1\0\0\0\0soon to be, but when?\0", CommandStatus::RINVSCHED),
            (CommandId::REPLACE_SM, b"1\0\0\0\0\0never", CommandStatus::RINVEXPIRY),
            (CommandId::REPLACE_SM, b"1\0\0\0\0\0\0\x01", CommandStatus::RINVMSGLEN),
            (CommandId::REPLACE_SM, b"1\0\0\0\0\0\0\x01\0\x05text", CommandStatus::RINVMSGLEN),
        ] {
            assert_eq!(read(command, body).map(|_| ()), Err(status), "{body:?}");
        }
    }

    #[test]
    fn no_cut_and_no_flipped_octet_panics() {
        for (command, whole) in
            [(CommandId::QUERY_SM, QUERY), (CommandId::CANCEL_SM, CANCEL), (CommandId::REPLACE_SM, REPLACE)]
        {
            for cut in 0..whole.len() {
                assert!(read(command, &whole[..cut]).is_err(), "{command:?} of {cut} octets");
            }
            for at in 0..whole.len() {
                for value in [0x00, 0x7F, 0x80, 0xFF] {
                    let mut octets = whole.to_vec();
                    octets[at] = value;
                    let _ = read(command, &octets);
                }
            }
        }
    }

    #[test]
    fn a_replaced_submit_has_the_new_text_and_keeps_what_was_not_said() {
        let body = b"CMT\0\x05\0ACME\0\x01\x0149170\0\x40\0\x02\x00000001000000000R\0\x01\0\x08\x07\x02hi\x14\0\0\x01x";
        let view = SmView::submit(body).unwrap();
        let Ok(Operation::Replace(replace)) = read(CommandId::REPLACE_SM, b"1\0\0\0\0\0\0\0\0\x05hello") else {
            panic!("no replace_sm")
        };
        let expected =
            b"CMT\0\x05\0ACME\0\x01\x0149170\0\x40\0\x02\x00000001000000000R\0\0\0\x08\0\x05hello\x14\0\0\x01x";
        assert_eq!(replaced(&view, &replace), expected);
        let long = vec![b'x'; 300];
        let payload = replaced(&view, &Replace { text: &long, validity: b"000000000030000R", ..replace });
        let view = SmView::submit(&payload).unwrap();
        assert_eq!(
            (view.text(), view.validity, view.tlv(0x1400)),
            (&long[..], &b"000000000030000R"[..], Some(&b"x"[..]))
        );
    }

    #[test]
    fn a_query_is_answered_as_it_was_read() {
        let answer = QueryAnswer { id: b"00ff", final_date: b"261123123456000+", message_state: 2, error_code: 9 };
        let mut body = Vec::new();
        answer.write(&mut body);
        assert_eq!(body, b"00ff\x00261123123456000+\0\x02\x09");
        assert_eq!(QueryAnswer::read(&body), Some(answer));
        assert_eq!(QueryAnswer::read(b"1\0\0\x01").map(|answer| answer.error_code), Some(0));
        assert_eq!(QueryAnswer::read(b"1\0\0"), None);
    }
}
