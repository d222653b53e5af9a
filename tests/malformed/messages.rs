//! What the peers of the operations write and read: PDUs with a tag in the text, by which they are matched.

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;

pub fn frame(command: CommandId, status: CommandStatus, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame { command, status, sequence: SequenceNumber(sequence), body }.write(&mut out);
    out
}

pub fn text(wants_receipt: bool, text: &str) -> Vec<u8> {
    let fixed = [0, 0, 0, 0, 0, u8::from(wants_receipt), 0, 0, 0, text.len() as u8];
    [b"\0\x01\x011000\0\x01\x01491510\0", &fixed[..], text.as_bytes()].concat()
}

pub fn receipt(text: &str) -> Vec<u8> {
    let fixed = [4, 0, 0, 0, 0, 0, 0, 0, 0, text.len() as u8];
    [b"\0\x01\x01491510\0\x01\x011000\0", &fixed[..], text.as_bytes()].concat()
}

/// The number behind the last `T`.
pub fn tag_of(text: &[u8]) -> Option<u32> {
    let at = text.iter().rposition(|octet| *octet == b'T')?;
    std::str::from_utf8(&text[at + 1..]).ok()?.parse().ok()
}

/// What is left is part of a frame.
pub fn take_frames(octets: Vec<u8>, mut take: impl FnMut(&Frame<'_>)) -> Vec<u8> {
    let mut at = 0;
    while let Some(frame) = Frame::cut(&octets[at..], 1 << 20).expect("what we write is framed") {
        at += frame.len();
        take(&frame);
    }
    octets[at..].to_vec()
}
