//! What a carrier takes data_coding 0 to be: SMPP leaves its default alphabet to each SMSC.
//!
//! A text of data_coding 0 is taken for unpacked GSM 7-bit, as this gateway writes it and nearly every ESME does, and converted on
//! its way out. One character becomes one, so that no part grows beyond what fits: what the carrier's alphabet lacks becomes the
//! nearest letter, or `?`.

use super::gsm;
use crate::smpp::view::SmView;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DefaultAlphabet {
    /// As it came.
    #[default]
    Gsm,
    Latin1,
    Ascii,
    /// Eight septets in seven octets, as on the air.
    Packed,
}

impl DefaultAlphabet {
    /// What the text of this submit becomes, its header as it is. `None`: it stays.
    #[must_use]
    pub fn converted(self, view: &SmView<'_>) -> Option<Vec<u8>> {
        if self == Self::Gsm || view.data_coding != 0 || view.text().is_empty() {
            return None;
        }
        let text = view.text();
        let header = if view.has_udh() { usize::from(text[0]) + 1 } else { 0 };
        // A header that is longer than its message is none of ours to mend.
        let (header, text) = text.split_at_checked(header)?;
        let mut out = header.to_vec();
        match self {
            Self::Latin1 => out.extend(gsm::characters(text).map(latin_1)),
            Self::Ascii => out.extend(gsm::characters(text).map(ascii)),
            Self::Packed => pack(text, &mut out),
            Self::Gsm => return None,
        }
        Some(out)
    }
}

fn latin_1(character: char) -> u8 {
    u8::try_from(character).unwrap_or_else(|_| nearest(character))
}

fn ascii(character: char) -> u8 {
    if character.is_ascii() { character as u8 } else { nearest(character) }
}

/// The letter that is read for it. A currency that is none of the alphabet is no other one.
fn nearest(character: char) -> u8 {
    match character {
        'Å' | 'Ä' | 'Æ' => b'A',
        'å' | 'ä' | 'à' | 'æ' => b'a',
        'Ç' => b'C',
        'Δ' => b'D',
        'É' => b'E',
        'è' | 'é' => b'e',
        'Φ' => b'F',
        'Γ' => b'G',
        'ì' => b'i',
        'Λ' => b'L',
        'Ñ' => b'N',
        'ñ' => b'n',
        'Ø' | 'Ö' | 'Ω' => b'O',
        'ø' | 'ö' | 'ò' => b'o',
        'Π' => b'P',
        'Σ' => b'S',
        'ß' => b's',
        'Θ' => b'T',
        'Ü' => b'U',
        'ü' | 'ù' => b'u',
        'Ξ' => b'X',
        '¡' => b'!',
        _ => b'?',
    }
}

/// Appends septets, the first at the first septet's boundary behind what is there (3GPP TS 23.038, section 6.1.2.1, and TS 23.040,
/// section 9.2.3.24 for the fill bits).
///
/// Where octets alone are counted, seven bits left over read as one more `@`: there stands a carriage return, which is not seen
/// (TS 23.038, section 6.1.2.3.1).
fn pack(septets: &[u8], out: &mut Vec<u8>) {
    const RETURN: u16 = 0x0D;
    const NO_SEPTET: u8 = b'?';
    if septets.is_empty() {
        return;
    }
    // Of the octet to come, the lowest bit first.
    let mut bits: u16 = 0;
    let mut filled = (7 - out.len() * 8 % 7) % 7;
    for octet in septets {
        let septet = if octet.is_ascii() { *octet } else { NO_SEPTET };
        bits |= u16::from(septet) << filled;
        filled += 7;
        if filled >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            filled -= 8;
        }
    }
    if filled == 1 {
        bits |= RETURN << 1;
    }
    if filled > 0 {
        out.push(bits as u8);
    }
}

#[cfg(test)]
mod tests;
