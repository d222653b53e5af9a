//! Texts to the octets of short messages, and back.
//!
//! A text is sent in the GSM 7-bit default alphabet with its extension table, a septet an octet (data_coding 0), when that has
//! all its characters, and in UCS-2, that is UTF-16BE (data_coding 8), when not. What fits into one message goes without a header:
//! 160 septets, 70 UTF-16 units or 140 octets. What does not becomes parts, each behind a user data header that says which part
//! of which message it is (3GPP TS 23.040, section 9.2.3.24.1): of 153, 67 or 134 with a reference of 8 bits, of 152, 66 or 133
//! with one of 16, and at most 255. No character is cut, nor what is one on a screen: an emoji with its modifiers, or a letter
//! with its accents, stays in one part, unless it is longer than that.

mod coding;
mod default_alphabet;
mod gsm;
mod header;
mod parts;

use std::fmt;

pub use coding::{coding_name, decode};
pub use default_alphabet::DefaultAlphabet;

use gsm::Septets;
use header::Header;

/// In which alphabet a text is to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wanted {
    /// GSM where that has all of it, else UCS-2.
    #[default]
    Auto,
    Gsm,
    Ucs2,
}

/// What tells the parts of a message from those of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reference {
    Eight(u8),
    Sixteen(u16),
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Alphabet {
    Gsm,
    Ucs2,
    Binary,
}

impl Alphabet {
    /// The data_coding that says so (SMPP 3.4, section 5.2.19); with a message class, 0..=3, in the ways of 3GPP TS 23.038, section 4.
    #[must_use]
    pub fn data_coding(self, class: Option<u8>) -> u8 {
        let class = class.map(|class| class & 0b11);
        match self {
            Self::Gsm => class.map_or(0x00, |class| 0x10 | class),
            Self::Ucs2 => class.map_or(0x08, |class| 0x18 | class),
            Self::Binary => class.map_or(0x04, |class| 0xF4 | class),
        }
    }
}

/// A text or octets, ready to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encoded {
    pub alphabet: Alphabet,
    /// A whole short_message each, the header in front; at least one.
    pub parts: Vec<Vec<u8>>,
    /// They begin with a user data header.
    pub has_header: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextError {
    /// The first character that GSM lacks, where that is wanted; counted in characters from 1.
    NotGsm { character: char, at: usize },
    /// It takes more than 255 parts.
    TooLong,
    /// The caller's header is none: its lengths do not agree.
    HeaderUnreadable,
    /// The caller's header leaves no room.
    HeaderTooLong,
    /// The caller's header marks a part already, and what follows does not fit into one.
    HeaderOfPart,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGsm { character, at } => {
                let number = u32::from(*character);
                write!(f, "character {at}, {character:?} (U+{number:04X}), is not in the GSM 7-bit alphabet")
            }
            Self::TooLong => write!(f, "takes more than {} parts", parts::MOST),
            Self::HeaderUnreadable => f.write_str("is no user data header: its lengths do not agree"),
            Self::HeaderTooLong => f.write_str("is a user data header that leaves no room behind it"),
            Self::HeaderOfPart => f.write_str("marks a part, and what follows it does not fit into one message"),
        }
    }
}

impl std::error::Error for TextError {}

/// A text's short messages.
pub fn encode(text: &str, wanted: Wanted, reference: Reference) -> Result<Encoded, TextError> {
    encode_with_header(text, None, wanted, reference)
}

/// A text's short messages behind a user data header of the caller's, its length octet included.
pub fn encode_with_header(
    text: &str,
    udh: Option<&[u8]>,
    wanted: Wanted,
    reference: Reference,
) -> Result<Encoded, TextError> {
    let header = Header::read(udh)?;
    let alphabet = match (wanted, not_gsm(text)) {
        (Wanted::Ucs2, _) | (Wanted::Auto, Some(_)) => Alphabet::Ucs2,
        (Wanted::Gsm, Some(error)) => return Err(error),
        (Wanted::Gsm | Wanted::Auto, None) => Alphabet::Gsm,
    };
    let octets = match alphabet {
        Alphabet::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Alphabet::Gsm | Alphabet::Binary => septets(text),
    };
    parts::write(&octets, alphabet, &header, reference, |room| parts::cuts_of_text(text, alphabet, room))
}

/// Octets as short messages, behind a user data header of the caller's, its length octet included.
pub fn encode_binary(octets: &[u8], udh: Option<&[u8]>, reference: Reference) -> Result<Encoded, TextError> {
    let header = Header::read(udh)?;
    let cuts = |room: usize| (room..octets.len()).step_by(room).collect();
    parts::write(octets, Alphabet::Binary, &header, reference, cuts)
}

/// Whether GSM has this character.
#[must_use]
pub fn is_gsm(character: char) -> bool {
    Septets::of(character).is_some()
}

fn not_gsm(text: &str) -> Option<TextError> {
    let mut characters = text.chars().zip(1..);
    let (character, at) = characters.find(|(character, _)| !is_gsm(*character))?;
    Some(TextError::NotGsm { character, at })
}

fn septets(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    text.chars().filter_map(Septets::of).for_each(|septets| septets.write(&mut out));
    out
}

#[cfg(test)]
mod tests;
