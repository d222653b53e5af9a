//! Framing: cutting whole PDUs out of a byte stream, and the 16 octets that head each of them.
//!
//! `Frame::cut` borrows one PDU from the front of a buffer and allocates nothing. The length field is the only framing
//! SMPP has: once it cannot be trusted neither can the next octet, so a bad one ends the connection (`Fault`).

use super::command::{CommandId, CommandStatus, SequenceNumber};

/// Octets of the PDU header (SMPP 3.4, section 3.2).
pub const HEADER_LEN: usize = 16;

/// A PDU still in its bytes. `body` is everything behind the header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    pub command: CommandId,
    pub status: CommandStatus,
    pub sequence: SequenceNumber,
    pub body: &'a [u8],
}

/// The stream has lost its place: nack with this status, then hang up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// `command_length` below 16 or above the limit in force.
    Length(u32),
    /// The first octets are another protocol's greeting; no SMPP answer would be understood.
    ForeignProtocol,
}

impl<'a> Frame<'a> {
    /// The first whole PDU of `bytes`, or `None` when more octets are needed.
    /// A length above `max_len` is refused as soon as its four octets are there: nothing is ever sized by it.
    pub fn cut(bytes: &'a [u8], max_len: usize) -> Result<Option<Self>, Fault> {
        let Some(length) = read_u32(bytes, 0) else { return Ok(None) };
        if (length as usize) < HEADER_LEN || length as usize > max_len {
            return Err(if is_foreign_greeting(bytes) { Fault::ForeignProtocol } else { Fault::Length(length) });
        }
        let Some(pdu) = bytes.get(..length as usize) else { return Ok(None) };
        Ok(Self::parse(pdu))
    }

    /// Reads a PDU that is exactly `pdu`; `None` when it is shorter than a header.
    #[must_use]
    pub fn parse(pdu: &'a [u8]) -> Option<Self> {
        let (header, body) = pdu.split_at_checked(HEADER_LEN)?;
        Some(Self {
            command: CommandId(read_u32(header, 4)?),
            status: CommandStatus(read_u32(header, 8)?),
            sequence: SequenceNumber(read_u32(header, 12)?),
            body,
        })
    }

    /// Octets of the whole PDU.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a PDU is never empty")]
    pub fn len(&self) -> usize {
        HEADER_LEN + self.body.len()
    }

    /// Appends the PDU to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_header(out, self.command, self.status, self.sequence, self.body.len());
        out.extend_from_slice(self.body);
    }
}

/// Appends a header for a body of `body_len` octets that the caller appends next.
pub fn write_header(
    out: &mut Vec<u8>,
    command: CommandId,
    status: CommandStatus,
    sequence: SequenceNumber,
    body_len: usize,
) {
    let length = u32::try_from(HEADER_LEN + body_len).unwrap_or(u32::MAX);
    let mut header = [0; HEADER_LEN];
    header[0..4].copy_from_slice(&length.to_be_bytes());
    header[4..8].copy_from_slice(&command.0.to_be_bytes());
    header[8..12].copy_from_slice(&status.0.to_be_bytes());
    header[12..16].copy_from_slice(&sequence.0.to_be_bytes());
    out.extend_from_slice(&header);
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(octets.try_into().ok()?))
}

/// Greetings that reach an SMPP port by mistake: HTTP, TLS, AMQP, RDP.
fn is_foreign_greeting(bytes: &[u8]) -> bool {
    const GREETINGS: [&[u8]; 11] =
        [b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"PRI ", b"DELE", b"PATC", b"AMQP", b"SSH-"];
    let tls_handshake = bytes.len() >= 3 && bytes[0] == 0x16 && bytes[1] == 0x03;
    let rdp_connect = bytes.len() >= 4 && bytes[0] == 0x03 && bytes[1] == 0x00;
    tls_handshake || rdp_connect || GREETINGS.iter().any(|greeting| bytes.starts_with(greeting))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pdu(command: CommandId, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Frame { command, status: CommandStatus::ROK, sequence: SequenceNumber(sequence), body }.write(&mut out);
        out
    }

    #[test]
    fn a_partial_pdu_waits_for_the_rest() {
        let whole = pdu(CommandId::ENQUIRE_LINK, 7, &[]);
        for cut in 0..whole.len() {
            assert_eq!(Frame::cut(&whole[..cut], 512), Ok(None));
        }
        let frame = Frame::cut(&whole, 512).unwrap().unwrap();
        assert_eq!((frame.command, frame.sequence), (CommandId::ENQUIRE_LINK, SequenceNumber(7)));
    }

    #[test]
    fn a_length_below_a_header_or_above_the_limit_is_a_fault_at_once() {
        assert_eq!(Frame::cut(&[0, 0, 0, 15], 512), Err(Fault::Length(15)));
        assert_eq!(Frame::cut(&[0, 0, 2, 1], 512), Err(Fault::Length(513)));
        assert_eq!(Frame::cut(&[0x7F, 0xFF, 0xFF, 0xFF], 65_536), Err(Fault::Length(0x7FFF_FFFF)));
    }

    #[test]
    fn other_protocols_are_known_by_their_greeting() {
        let greetings: [&[u8]; 5] =
            [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"AMQP\x00", b"\x03\x00\x00\x13", b"SSH-2.0"];
        for greeting in greetings {
            assert_eq!(Frame::cut(greeting, 512), Err(Fault::ForeignProtocol), "{greeting:?}");
        }
    }

    proptest! {
        #[test]
        fn cutting_a_stream_anywhere_gives_the_same_frames(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..12),
            chunk in 1usize..50,
        ) {
            let mut stream = Vec::new();
            for (i, body) in bodies.iter().enumerate() {
                stream.extend(pdu(CommandId::SUBMIT_SM, i as u32, body));
            }
            let (mut buffer, mut seen) = (Vec::new(), Vec::new());
            for piece in stream.chunks(chunk) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = Frame::cut(&buffer, 512).unwrap() {
                    seen.push(frame.body.to_vec());
                    let len = frame.len();
                    buffer.drain(..len);
                }
            }
            prop_assert_eq!(seen, bodies);
            prop_assert!(buffer.is_empty());
        }
    }
}
