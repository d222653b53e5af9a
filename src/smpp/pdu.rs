//! Whole PDUs: binds, their answers, the small control PDUs, and short messages for the tools.
//!
//! The only user of `rusmpp`: it builds what its types can express, and it is the oracle of the tests. What real peers
//! send and its types refuse (a password over 8 octets, a sender that is not ASCII) is written and read here by hand,
//! and so are the two answers that go out once per message.

use rusmpp::encode::{Encode, Length};
use rusmpp::pdus::{
    BindReceiver, BindReceiverResp, BindTransceiver, BindTransceiverResp, BindTransmitter, BindTransmitterResp,
    DeliverSm, SubmitSm,
};
use rusmpp::tlvs::{MessageDeliveryRequestTlvValue, MessageSubmissionRequestTlvValue, TlvTag};
use rusmpp::types::{AnyOctetString, COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp::values::{InterfaceVersion, MessagePayload, Npi, ServiceType, Ton};
use rusmpp::{Command, Pdu};

use super::command::{CommandId, CommandStatus, SequenceNumber};
use super::frame::{Frame, write_header};
use super::view::{Address, tag};

mod bind;
#[cfg(test)]
mod tests;

pub use bind::{Bind, BindMode, read_bind};

/// Appends a bind request.
pub fn write_bind(bind: &Bind, sequence: SequenceNumber, out: &mut Vec<u8>) {
    if let Some(pdu) = bind_pdu(bind) {
        return write_pdu(pdu, CommandStatus::ROK, sequence, out);
    }
    let mut body = Vec::new();
    for value in [&bind.system_id, &bind.password, &bind.system_type] {
        push_c_string(value, &mut body);
    }
    body.extend_from_slice(&[bind.interface_version, bind.address_ton, bind.address_npi]);
    push_c_string(&bind.address_range, &mut body);
    Frame { command: bind.mode.command(), status: CommandStatus::ROK, sequence, body: &body }.write(out);
}

/// `None` when a field is longer than the specification allows, or not ASCII.
fn bind_pdu(bind: &Bind) -> Option<Pdu> {
    macro_rules! build {
        ($bind:ident) => {
            $bind::new(
                typed(&bind.system_id)?,
                typed(&bind.password)?,
                typed(&bind.system_type)?,
                InterfaceVersion::from(bind.interface_version),
                Ton::from(bind.address_ton),
                Npi::from(bind.address_npi),
                typed(&bind.address_range)?,
            )
            .into()
        };
    }
    Some(match bind.mode {
        BindMode::Transmitter => build!(BindTransmitter),
        BindMode::Receiver => build!(BindReceiver),
        BindMode::Transceiver => build!(BindTransceiver),
    })
}

/// Appends an outbind (SMPP 3.4, section 4.1.7.1).
pub fn write_outbind(system_id: &[u8], password: &[u8], sequence: SequenceNumber, out: &mut Vec<u8>) {
    let len = system_id.len() + password.len() + 2;
    write_header(out, CommandId::OUTBIND, CommandStatus::ROK, sequence, len);
    push_c_string(system_id, out);
    push_c_string(password, out);
}

/// Appends the answer to a bind; a refusal has no body.
pub fn write_bind_resp(
    mode: BindMode,
    status: CommandStatus,
    sequence: SequenceNumber,
    system_id: &str,
    sc_interface_version: Option<u8>,
    out: &mut Vec<u8>,
) {
    let command = mode.command().response();
    if !status.is_ok() {
        return write_header(out, command, status, sequence, 0);
    }
    let Some(name) = typed(system_id.as_bytes()) else {
        let mut body = Vec::new();
        push_c_string(system_id.as_bytes(), &mut body);
        if let Some(version) = sc_interface_version {
            push_tlv(tag::SC_INTERFACE_VERSION, &[version], &mut body);
        }
        return Frame { command, status, sequence, body: &body }.write(out);
    };
    let version = sc_interface_version.map(InterfaceVersion::from);
    let pdu: Pdu = match mode {
        BindMode::Transmitter => BindTransmitterResp::new(name, version).into(),
        BindMode::Receiver => BindReceiverResp::new(name, version).into(),
        BindMode::Transceiver => BindTransceiverResp::new(name, version).into(),
    };
    write_pdu(pdu, status, sequence, out);
}

/// Appends a PDU that is a header alone: enquire_link, unbind, their answers, generic_nack; and of any other command
/// the answer that refuses it.
pub fn write_control(command: CommandId, status: CommandStatus, sequence: SequenceNumber, out: &mut Vec<u8>) {
    let pdu = match command {
        CommandId::ENQUIRE_LINK => Pdu::EnquireLink,
        CommandId::ENQUIRE_LINK_RESP => Pdu::EnquireLinkResp,
        CommandId::UNBIND => Pdu::Unbind,
        CommandId::UNBIND_RESP => Pdu::UnbindResp,
        CommandId::GENERIC_NACK => Pdu::GenericNack,
        other => return write_header(out, other, status, sequence, 0),
    };
    write_pdu(pdu, status, sequence, out);
}

/// Appends the answer to a submit; a refusal has no body.
pub fn write_submit_sm_resp(status: CommandStatus, sequence: SequenceNumber, message_id: &[u8], out: &mut Vec<u8>) {
    write_submit_resp(CommandId::SUBMIT_SM_RESP, status, sequence, message_id, out);
}

/// Appends the answer to a submit_sm or an ESME's data_sm; a refusal has no body.
pub fn write_submit_resp(
    answer: CommandId,
    status: CommandStatus,
    sequence: SequenceNumber,
    message_id: &[u8],
    out: &mut Vec<u8>,
) {
    if status.is_ok() {
        write_header(out, answer, status, sequence, message_id.len() + 1);
        push_c_string(message_id, out);
    } else {
        write_header(out, answer, status, sequence, 0);
    }
}

/// Appends the answer to a deliver_sm: its message_id is unused, so a lone NUL.
pub fn write_deliver_sm_resp(status: CommandStatus, sequence: SequenceNumber, out: &mut Vec<u8>) {
    write_delivery_resp(CommandId::DELIVER_SM_RESP, status, sequence, out);
}

/// Appends the answer to a deliver_sm or a data_sm of a carrier, whose message_id is unused in either.
pub fn write_delivery_resp(answer: CommandId, status: CommandStatus, sequence: SequenceNumber, out: &mut Vec<u8>) {
    write_header(out, answer, status, sequence, 1);
    out.push(0);
}

/// The carrier's message_id in the body of a submit_sm_resp, with or without its NUL.
#[must_use]
pub fn submit_sm_resp_id(body: &[u8]) -> &[u8] {
    let len = body.iter().position(|octet| *octet == 0).unwrap_or(body.len());
    &body[..len]
}

/// The values of a submit_sm or deliver_sm to be built. A text over 254 octets travels as `message_payload`.
#[derive(Clone, Copy, Debug)]
pub struct ShortMessage<'a> {
    pub service_type: &'a [u8],
    pub source: Address<'a>,
    pub destination: Address<'a>,
    pub esm_class: u8,
    pub protocol_id: u8,
    pub priority: u8,
    pub schedule: &'a [u8],
    pub validity: &'a [u8],
    pub registered_delivery: u8,
    pub data_coding: u8,
    pub text: &'a [u8],
    pub tlvs: &'a [(u16, &'a [u8])],
}

impl<'a> ShortMessage<'a> {
    /// With everything else absent or zero.
    #[must_use]
    pub const fn new(source: Address<'a>, destination: Address<'a>, text: &'a [u8]) -> Self {
        Self {
            service_type: b"",
            source,
            destination,
            esm_class: 0,
            protocol_id: 0,
            priority: 0,
            schedule: b"",
            validity: b"",
            registered_delivery: 0,
            data_coding: 0,
            text,
            tlvs: &[],
        }
    }

    /// The text as `short_message` and as `message_payload`; one of them is empty.
    fn text_fields(&self) -> (&'a [u8], &'a [u8]) {
        if self.text.len() > 254 { (b"", tlv_value(self.text)) } else { (self.text, b"") }
    }
}

/// The same fields in the same order, as either of the two types; `None` when a field does not fit its type.
macro_rules! short_message_pdu {
    ($message:expr, $pdu:ident, $tlv:ident) => {{
        let message: &ShortMessage<'_> = $message;
        let (short_message, payload) = message.text_fields();
        let mut pdu = $pdu::new(
            ServiceType::new(typed(message.service_type)?),
            Ton::from(message.source.ton),
            Npi::from(message.source.npi),
            typed(message.source.digits)?,
            Ton::from(message.destination.ton),
            Npi::from(message.destination.npi),
            typed(message.destination.digits)?,
            message.esm_class.into(),
            message.protocol_id,
            message.priority.into(),
            EmptyOrFullCOctetString::from_vec(with_nul(message.schedule)).ok()?,
            EmptyOrFullCOctetString::from_vec(with_nul(message.validity)).ok()?,
            message.registered_delivery.into(),
            0.into(),
            message.data_coding.into(),
            0,
            OctetString::from_slice(short_message).ok()?,
            Vec::new(),
        );
        if !payload.is_empty() {
            pdu.push_tlv($tlv::MessagePayload(MessagePayload::new(AnyOctetString::from_slice(payload))));
        }
        for (tag, value) in message.tlvs {
            pdu.push_tlv($tlv::Other { tag: TlvTag::from(*tag), value: AnyOctetString::from_slice(tlv_value(value)) });
        }
        Some(Pdu::from(pdu))
    }};
}

/// Appends a submit_sm.
pub fn write_submit_sm(message: &ShortMessage<'_>, sequence: SequenceNumber, out: &mut Vec<u8>) {
    let build = || short_message_pdu!(message, SubmitSm, MessageSubmissionRequestTlvValue);
    match build() {
        Some(pdu) => write_pdu(pdu, CommandStatus::ROK, sequence, out),
        None => write_by_hand(CommandId::SUBMIT_SM, message, sequence, out),
    }
}

/// Appends a deliver_sm.
pub fn write_deliver_sm(message: &ShortMessage<'_>, sequence: SequenceNumber, out: &mut Vec<u8>) {
    let build = || short_message_pdu!(message, DeliverSm, MessageDeliveryRequestTlvValue);
    match build() {
        Some(pdu) => write_pdu(pdu, CommandStatus::ROK, sequence, out),
        None => write_by_hand(CommandId::DELIVER_SM, message, sequence, out),
    }
}

/// For senders that are not ASCII, over-long addresses and odd times: what carriers send, the tools must send too.
fn write_by_hand(command: CommandId, message: &ShortMessage<'_>, sequence: SequenceNumber, out: &mut Vec<u8>) {
    let (short_message, payload) = message.text_fields();
    let mut body = Vec::new();
    push_c_string(message.service_type, &mut body);
    for address in [message.source, message.destination] {
        body.extend_from_slice(&[address.ton, address.npi]);
        push_c_string(address.digits, &mut body);
    }
    body.extend_from_slice(&[message.esm_class, message.protocol_id, message.priority]);
    push_c_string(message.schedule, &mut body);
    push_c_string(message.validity, &mut body);
    body.extend_from_slice(&[message.registered_delivery, 0, message.data_coding, 0, short_message.len() as u8]);
    body.extend_from_slice(short_message);
    if !payload.is_empty() {
        push_tlv(tag::MESSAGE_PAYLOAD, payload, &mut body);
    }
    for (tag, value) in message.tlvs {
        push_tlv(*tag, value, &mut body);
    }
    Frame { command, status: CommandStatus::ROK, sequence, body: &body }.write(out);
}

/// Appends what rusmpp encodes, behind the length, which it leaves to its caller.
fn write_pdu(pdu: Pdu, status: CommandStatus, sequence: SequenceNumber, out: &mut Vec<u8>) {
    const LENGTH: usize = 4;
    let command = Command::new(status.0.into(), sequence.0, pdu);
    let len = LENGTH + command.length();
    let start = out.len();
    out.resize(start + len, 0);
    let (length, rest) = out[start..].split_at_mut(LENGTH);
    length.copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    command.encode(rest);
}

/// As rusmpp's type, or `None` when it does not fit.
fn typed<const MAX: usize>(value: &[u8]) -> Option<COctetString<1, MAX>> {
    COctetString::from_vec(with_nul(value)).ok()
}

fn with_nul(value: &[u8]) -> Vec<u8> {
    [value, &[0]].concat()
}

fn push_c_string(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(value);
    out.push(0);
}

fn push_tlv(tag: u16, value: &[u8], out: &mut Vec<u8>) {
    let value = tlv_value(value);
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

/// As much as a TLV's length can say.
fn tlv_value(value: &[u8]) -> &[u8] {
    &value[..value.len().min(usize::from(u16::MAX))]
}

/// What rusmpp makes of a whole PDU, to judge ours by.
#[cfg(test)]
fn oracle(pdu: &[u8]) -> Option<Command> {
    use rusmpp::decode::DecodeWithLength;
    let mut octets = bytes::BytesMut::from(pdu.get(4..)?);
    let len = octets.len();
    Command::decode(&mut octets, len).ok().filter(|(_, read)| *read == len).map(|(command, _)| command)
}
