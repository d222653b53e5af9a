//! The corpus: sound PDUs of every kind, and what becomes of them when they are cut or an octet is not what it was. Generated, and
//! the same at each run.

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::{Frame, HEADER_LEN};

/// The sequence_number of every PDU of the corpus, unless its own octets were changed.
pub const SEQUENCE: u32 = 0x0101;

/// Values each octet is set to.
const EXTREMES: [u8; 4] = [0x00, 0x7F, 0x80, 0xFF];

pub fn pdu(command: CommandId, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame { command, status: CommandStatus::ROK, sequence: SequenceNumber(SEQUENCE), body }.write(&mut out);
    out
}

/// Every request and response of the specification, and of submit_sm each form that is read differently.
pub fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let addresses = b"\x01\x011000\0\x01\x014915100000001\0";
    let short = |esm_class: u8, registered: u8, text: &[u8], tlvs: &[u8]| {
        let fixed = [esm_class, 0, 0, 0, 0, registered, 0, 0, 0, text.len() as u8];
        [b"\0", &addresses[..], &fixed, text, tlvs].concat()
    };
    let sar = b"\x02\x0C\0\x02\0\x07\x02\x0E\0\x01\x02\x02\x0F\0\x01\x01";
    let timed =
        [b"CMT\0", &addresses[..], b"\0\0\0", b"000000001000000R\0", b"000000002000000R\0\0\0\0\0\x02hi"].concat();
    let multi = [b"\0\x01\x011000\0\x02\x01\x01\x014915\0\x02list\0", &[0; 9][..], b"\x02hi"].concat();
    let bind = b"acme\0secret\0VMA\0\x34\0\0\0";
    let requests: [(&'static str, CommandId, Vec<u8>); 22] = [
        ("submit_sm", CommandId::SUBMIT_SM, short(0, 1, b"hello", b"")),
        ("submit_sm with UDH", CommandId::SUBMIT_SM, short(0x40, 1, b"\x05\0\x03\x07\x02\x01part", b"")),
        ("submit_sm with SAR", CommandId::SUBMIT_SM, short(0, 0, b"part", sar)),
        ("submit_sm with TLVs", CommandId::SUBMIT_SM, short(0, 0, b"hi", b"\x02\x04\0\x02\0\x09\x14\0\0\x03abc")),
        ("submit_sm with message_payload", CommandId::SUBMIT_SM, short(0, 1, b"", b"\x04\x24\0\x05hello")),
        ("submit_sm with times", CommandId::SUBMIT_SM, timed),
        ("submit_multi", CommandId::SUBMIT_MULTI, multi),
        ("data_sm", CommandId::DATA_SM, [b"\0", &addresses[..], b"\0\x01\0\x04\x24\0\x02hi"].concat()),
        ("query_sm", CommandId::QUERY_SM, b"0123456789abcdef\0\x01\x011000\0".to_vec()),
        ("cancel_sm", CommandId::CANCEL_SM, [b"\x000123456789abcdef\0", &addresses[..]].concat()),
        ("replace_sm", CommandId::REPLACE_SM, b"0123456789abcdef\0\x01\x011000\0\0\0\0\0\x02hi".to_vec()),
        ("deliver_sm", CommandId::DELIVER_SM, short(4, 0, b"id:1 stat:DELIVRD", b"\0\x1E\0\x02a\0")),
        ("enquire_link", CommandId::ENQUIRE_LINK, Vec::new()),
        ("unbind", CommandId::UNBIND, Vec::new()),
        ("bind_transmitter", CommandId::BIND_TRANSMITTER, bind.to_vec()),
        ("bind_receiver", CommandId::BIND_RECEIVER, bind.to_vec()),
        ("bind_transceiver", CommandId::BIND_TRANSCEIVER, bind.to_vec()),
        ("outbind", CommandId::OUTBIND, b"hub\0secret\0".to_vec()),
        ("alert_notification", CommandId::ALERT_NOTIFICATION, [&addresses[..], b"\x04\x22\0\x01\0"].concat()),
        ("an unknown command", CommandId(0x7777), b"whatever".to_vec()),
        // Statuses that ESMEs have no business with.
        ("broadcast_sm", CommandId(0x0111), b"\0\x01\x011000\0".to_vec()),
        ("command 0", CommandId(0), Vec::new()),
    ];
    let responses: [(&'static str, CommandId, &[u8]); 9] = [
        ("generic_nack", CommandId::GENERIC_NACK, b""),
        ("submit_sm_resp", CommandId::SUBMIT_SM_RESP, b"id\0"),
        ("deliver_sm_resp", CommandId::DELIVER_SM_RESP, b"\0"),
        ("data_sm_resp", CommandId::DATA_SM_RESP, b"\0"),
        ("query_sm_resp", CommandId::QUERY_SM.response(), b"id\0\0\x02\0"),
        ("enquire_link_resp", CommandId::ENQUIRE_LINK_RESP, b""),
        ("unbind_resp", CommandId::UNBIND_RESP, b""),
        ("bind_transceiver_resp", CommandId::BIND_TRANSCEIVER_RESP, b"smsc\0\x02\x10\0\x01\x34"),
        ("submit_multi_resp", CommandId::SUBMIT_MULTI.response(), b"id\0\0"),
    ];
    let requests = requests.into_iter().map(|(name, command, body)| (name, pdu(command, &body)));
    requests.chain(responses.into_iter().map(|(name, command, body)| (name, pdu(command, body)))).collect()
}

/// The PDU as sent, then with its body cut at every octet, each with a command_length that is true: framing survives, and what
/// reads the body has to notice.
pub fn cut(pdu: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (HEADER_LEN..=pdu.len()).rev().map(|len| {
        let mut cut = pdu[..len].to_vec();
        cut[..4].copy_from_slice(&(len as u32).to_be_bytes());
        cut
    })
}

/// Each octet behind the command_length set to each extreme.
pub fn changed(pdu: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (4..pdu.len()).flat_map(|at| EXTREMES.map(|value| with(pdu, at, value)))
}

/// Lies in the command_length: each of its octets set to each extreme, and lengths about the limits.
pub fn lies(pdu: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let octets = (0..4).flat_map(|at| EXTREMES.map(|value| with(pdu, at, value)));
    let len = pdu.len() as u32;
    let lengths = [0, 1, 4, 15, 16, len - 1, len + 1, 512, 513, 65_536, 65_537, u32::MAX];
    octets.chain(lengths.map(|length| [&length.to_be_bytes()[..], &pdu[4..]].concat()))
}

fn with(pdu: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut changed = pdu.to_vec();
    changed[at] = value;
    changed
}

/// What reaches an SMPP port by mistake. Those marked `~` are not known as greetings: their first four octets are a length that
/// cannot be.
pub fn greetings() -> Vec<(&'static str, Vec<u8>)> {
    let greetings: [(&'static str, &[u8]); 14] = [
        ("HTTP GET", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("HTTP POST", b"POST /v1/messages HTTP/1.1\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS 1.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("TLS 1.3", b"\x16\x03\x03\x00\x7a\x01\x00\x00\x76\x03\x03"),
        ("AMQP", b"AMQP\x00\x00\x09\x01"),
        ("RDP", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("~ SMTP", b"EHLO example.net\r\n"),
        ("~ Redis", b"*1\r\n$4\r\nPING\r\n"),
        ("~ Redis, inline", b"PING\r\n"),
        ("~ FTP", b"USER anonymous\r\n"),
        ("~ PROXY protocol", b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n"),
        ("~ PROXY protocol v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02"),
    ];
    greetings.into_iter().map(|(what, octets)| (what, octets.to_vec())).collect()
}
