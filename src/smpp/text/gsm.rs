//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, sections 6.2.1 and 6.2.1.1), a septet an octet.

/// The next septet is of the extension table.
pub(super) const ESCAPE: u8 = 0x1B;

/// By septet; the escape stands where it stands.
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', // 0x00
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É', // 0x10
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', // 0x20
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', // 0x30
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', // 0x40
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', // 0x50
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', // 0x60
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à', // 0x70
];

const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// What stands for a character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Septets {
    One(u8),
    /// Behind the escape.
    Escaped(u8),
}

impl Septets {
    /// `None` when the alphabet lacks the character.
    pub(super) fn of(character: char) -> Option<Self> {
        match BY_LATIN_1.get(character as usize) {
            Some(&LACKING) => None,
            Some(septet) if septet & ESCAPED != 0 => Some(Self::Escaped(septet & !ESCAPED)),
            Some(septet) => Some(Self::One(*septet)),
            None if character == '€' => Some(Self::Escaped(0x65)),
            None => GREEK.iter().position(|greek| *greek == character).map(|at| Self::One(GREEK_AT + at as u8)),
        }
    }

    pub(super) fn len(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Escaped(_) => 2,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::One(septet) => out.push(septet),
            Self::Escaped(septet) => out.extend_from_slice(&[ESCAPE, septet]),
        }
    }
}

const GREEK_AT: u8 = 0x10;
/// Where all are that Latin-1 lacks, but for the euro.
const GREEK: &[char] = DEFAULT.split_at(GREEK_AT as usize).1.split_at(11).0;

/// The septet for each character of Latin-1, marked with `ESCAPED`.
const BY_LATIN_1: [u8; 256] = by_latin_1();
const ESCAPED: u8 = 0x80;
const LACKING: u8 = 0xFF;

const fn by_latin_1() -> [u8; 256] {
    let mut septets = [LACKING; 256];
    let mut at = 0;
    while at < DEFAULT.len() {
        let character = DEFAULT[at] as usize;
        if character < septets.len() && at != ESCAPE as usize {
            septets[character] = at as u8;
        }
        at += 1;
    }
    at = 0;
    while at < EXTENSION.len() {
        let (septet, character) = EXTENSION[at];
        if (character as usize) < septets.len() {
            septets[character as usize] = ESCAPED | septet;
        }
        at += 1;
    }
    septets
}

/// The characters of unpacked septets.
///
/// An escape before what the extension table lacks is passed over, and one before nothing or another escape is a space
/// (section 6.2.1.1, notes 1 and 3). Octets over 0x7F are no septets: U+FFFD.
pub(super) fn characters(octets: &[u8]) -> impl Iterator<Item = char> {
    let mut octets = octets.iter().copied();
    std::iter::from_fn(move || match octets.next()? {
        ESCAPE => Some(octets.next().map_or(' ', extended)),
        octet => Some(plain(octet)),
    })
}

fn plain(octet: u8) -> char {
    DEFAULT.get(usize::from(octet)).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn extended(octet: u8) -> char {
    let found = EXTENSION.iter().find(|(septet, _)| *septet == octet).map(|(_, character)| *character);
    found.unwrap_or_else(|| if octet == ESCAPE { ' ' } else { plain(octet) })
}
