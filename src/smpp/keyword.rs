//! The first word of a message, by which it may be routed: "JOIN" of "join now". Read as far as that needs, whatever the coding.

use super::segment::segment_ref;
use super::view::SmView;

/// Longest word that is looked at, in letters.
pub const LONGEST: usize = 64;

/// The first word in lower case; `None` when there is none, and in a part of a long message that is not the first.
#[must_use]
pub fn first_word(view: &SmView<'_>) -> Option<String> {
    if segment_ref(view).is_some_and(|part| part.number != 1) {
        return None;
    }
    let text = view.text();
    let header = if view.has_udh() { text.first().map_or(0, |len| usize::from(*len) + 1) } else { 0 };
    let text = text.get(header..)?;
    let letters: &mut dyn Iterator<Item = char> = match Alphabet::of(view.data_coding) {
        Alphabet::Gsm => &mut text.iter().map(|octet| gsm(*octet)),
        Alphabet::Latin1 => &mut text.iter().map(|octet| char::from(*octet)),
        Alphabet::Ucs2 => {
            let units = text.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
            &mut char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        }
    };
    // Some handsets begin a text in UCS-2 with the mark of its byte order.
    let is_blank = |letter: &char| letter.is_whitespace() || letter.is_control() || *letter == '\u{FEFF}';
    let word = letters.skip_while(is_blank).take_while(|letter| !is_blank(letter)).take(LONGEST);
    let word: String = word.flat_map(fold).collect();
    (!word.is_empty()).then_some(word)
}

/// A letter as words are compared: in lower case, and with one small sigma, whose other form only ends words.
pub fn fold(letter: char) -> impl Iterator<Item = char> {
    letter.to_lowercase().map(|lower| if lower == 'ς' { 'σ' } else { lower })
}

#[derive(Clone, Copy)]
enum Alphabet {
    /// The default one. Carriers that mean ASCII or Latin-1 by it write the letters and digits of a keyword the same.
    Gsm,
    Latin1,
    Ucs2,
}

impl Alphabet {
    /// By the coding's general group, or the groups with a message class (3GPP TS 23.038, section 4).
    fn of(data_coding: u8) -> Self {
        match data_coding {
            0x08 | 0x18..=0x1B | 0xE0..=0xEF => Self::Ucs2,
            0x01 | 0x03 => Self::Latin1,
            _ => Self::Gsm,
        }
    }
}

/// A letter of the default alphabet, unpacked; octets above it are what Latin-1 makes of them.
fn gsm(octet: u8) -> char {
    const LOW: [char; 32] = [
        '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω',
        'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É',
    ];
    match octet {
        0..32 => LOW[usize::from(octet)],
        0x24 => '¤',
        0x40 => '¡',
        0x5B => 'Ä',
        0x5C => 'Ö',
        0x5D => 'Ñ',
        0x5E => 'Ü',
        0x5F => '§',
        0x60 => '¿',
        0x7B => 'ä',
        0x7C => 'ö',
        0x7D => 'ñ',
        0x7E => 'ü',
        0x7F => 'à',
        _ => char::from(octet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(esm_class: u8, data_coding: u8, text: &[u8]) -> Option<String> {
        let mut body = b"\0\0\x00491700\0\0\x0012345\0".to_vec();
        body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, text.len() as u8]);
        body.extend_from_slice(text);
        first_word(&SmView::deliver(&body).unwrap())
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn it_is_read_in_every_coding_and_in_lower_case() {
        for (data_coding, text, expected) in [
            (0, &b"JOIN now"[..], "join"),
            (0, b"  join\r\nnow", "join"),
            (0, b"Stop", "stop"),
            (0, b"J[NNER 7", "jänner"),
            (0, b"\x00home", "@home"),
            (1, b"OK.", "ok."),
            (3, b"\xC4PFEL!", "äpfel!"),
            (0xF1, b"Win", "win"),
            (0xF0, b"a", "a"),
        ] {
            assert_eq!(word(0, data_coding, text).as_deref(), Some(expected), "{data_coding} {text:?}");
        }
        for data_coding in [0x08, 0x19, 0xE0] {
            assert_eq!(word(0, data_coding, &wide(" СТОП сейчас")).as_deref(), Some("стоп"));
            assert_eq!(word(0, data_coding, &wide("\u{FEFF}Да")).as_deref(), Some("да"));
            assert_eq!(word(0, data_coding, &wide("ΝΙΚΗΣ")), word(0, data_coding, &wide("νικης")));
        }
    }

    #[test]
    fn a_message_without_a_word_has_none() {
        for (data_coding, text) in [(0, &b""[..]), (0, b" \r\n "), (8, b"\0"), (8, &[0, b' ', 0, b'\n'])] {
            assert_eq!(word(0, data_coding, text), None, "{text:?}");
        }
        assert_eq!(word(0x40, 0, b"\x7Fabc"), None);
    }

    #[test]
    fn a_long_message_has_it_in_its_first_part_alone() {
        assert_eq!(word(0x40, 0, b"\x05\0\x03\x2A\x02\x01Join the").as_deref(), Some("join"));
        assert_eq!(word(0x40, 0, b"\x05\0\x03\x2A\x02\x02 club"), None);
        assert_eq!(word(0x40, 8, &[&b"\x06\x08\x04\x01\x2A\x02\x01"[..], &wide("Да")].concat()).as_deref(), Some("да"));
    }

    #[test]
    fn a_word_without_end_is_looked_at_so_far() {
        assert_eq!(word(0, 0, &[b'x'; 200]).map(|word| word.len()), Some(LONGEST));
    }
}
