//! What a data_coding says of the text, and a text read back by it.

use super::gsm;

/// What the octets of a text are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Gsm,
    Ascii,
    Latin1,
    Cyrillic,
    Hebrew,
    Ucs2,
}

impl Coding {
    /// SMPP 3.4, section 5.2.19, and above 0x0F the coding groups of 3GPP TS 23.038, section 4. `None`: octets, or what nobody
    /// reads here (compressed text, Japanese and Korean sets).
    fn of(data_coding: u8, octets: &[u8]) -> Option<Self> {
        match data_coding {
            // What a carrier takes it to be is not said here; no septet has the highest bit, and an accent in Latin-1 has.
            0x00 if octets.is_ascii() => Some(Self::Gsm),
            0x00 => Some(Self::Latin1),
            0x01 => Some(Self::Ascii),
            0x03 => Some(Self::Latin1),
            0x06 => Some(Self::Cyrillic),
            0x07 => Some(Self::Hebrew),
            0x08 => Some(Self::Ucs2),
            // General data coding, and the same for messages that delete themselves: bit 5 is compression.
            0x10..=0x1F | 0x40..=0x5F => match data_coding & 0b1100 {
                0b0000 => Some(Self::Gsm),
                0b1000 => Some(Self::Ucs2),
                _ => None,
            },
            // A waiting indication, its message discarded or stored.
            0xC0..=0xDF => Some(Self::Gsm),
            0xE0..=0xEF => Some(Self::Ucs2),
            0xF0..=0xFF if data_coding & 0b0100 == 0 => Some(Self::Gsm),
            _ => None,
        }
    }
}

/// What `decode` takes a text to be.
#[must_use]
pub fn coding_name(data_coding: u8, octets: &[u8]) -> &'static str {
    match Coding::of(data_coding, octets) {
        Some(Coding::Gsm) => "gsm",
        Some(Coding::Ascii) => "ascii",
        Some(Coding::Latin1) => "latin1",
        Some(Coding::Cyrillic) => "cyrillic",
        Some(Coding::Hebrew) => "hebrew",
        Some(Coding::Ucs2) => "ucs2",
        None => "binary",
    }
}

/// A text without its user data header, read by its data_coding; of a long message the octets of all its parts, joined before.
///
/// data_coding 0 is taken for unpacked GSM 7-bit, or where that cannot be for Latin-1. What is no character (an octet beyond the alphabet, half a surrogate pair)
/// becomes U+FFFD. `None` when the octets are no text, or in a set that is not read here.
#[must_use]
pub fn decode(data_coding: u8, octets: &[u8]) -> Option<String> {
    let by_octet = |character: fn(u8) -> char| octets.iter().map(|octet| character(*octet)).collect();
    Some(match Coding::of(data_coding, octets)? {
        Coding::Gsm => gsm::characters(octets).collect(),
        Coding::Ascii => by_octet(|octet| if octet.is_ascii() { octet.into() } else { char::REPLACEMENT_CHARACTER }),
        Coding::Latin1 => by_octet(char::from),
        Coding::Cyrillic => by_octet(cyrillic),
        Coding::Hebrew => by_octet(hebrew),
        Coding::Ucs2 => {
            let units = octets.chunks(2).map(|unit| match unit {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => char::REPLACEMENT_CHARACTER as u16,
            });
            char::decode_utf16(units).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    })
}

/// ISO 8859-5.
fn cyrillic(octet: u8) -> char {
    match octet {
        0xF0 => '№',
        0xFD => '§',
        0xA1..=0xAC | 0xAE..=0xFF => char::from_u32(0x0360 + u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER),
        _ => octet.into(),
    }
}

/// ISO 8859-8.
fn hebrew(octet: u8) -> char {
    match octet {
        0xAA => '×',
        0xBA => '÷',
        0xDF => '‗',
        0xE0..=0xFA => char::from_u32(0x04F0 + u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER),
        0xFD => '\u{200E}',
        0xFE => '\u{200F}',
        0xA1 | 0xBF..=0xDE | 0xFB | 0xFC | 0xFF => char::REPLACEMENT_CHARACTER,
        _ => octet.into(),
    }
}
