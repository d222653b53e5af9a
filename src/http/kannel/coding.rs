//! The data_coding of a message from Kannel's parameters for it (3GPP TS 23.038, section 4).

use crate::smpp::text::Alphabet;

/// What says how a text is to be taken, each checked; `None` where nothing was said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Coding {
    /// 0..=3
    pub class: Option<u8>,
    /// 0..=3 puts a waiting indication up, 4..=7 takes it away: voice, fax, mail, other.
    pub waiting: Option<u8>,
    /// The text is compressed already.
    pub is_compressed: bool,
    /// The way of saying it that has room for an alphabet and a class alone.
    pub is_short: bool,
}

impl Coding {
    pub(super) fn data_coding(self, alphabet: Alphabet, is_empty: bool) -> u8 {
        if let Some(waiting) = self.waiting {
            return indication(waiting, alphabet, is_empty);
        }
        let bits = match alphabet {
            Alphabet::Gsm => 0x00,
            Alphabet::Binary => 0x04,
            Alphabet::Ucs2 => 0x08,
        };
        // A class has no other way to be said by SMPP, and UCS-2 no place in the short one.
        let is_short = (self.is_short || self.class.is_some()) && alphabet != Alphabet::Ucs2 && !self.is_compressed;
        match self.class {
            _ if is_short => 0xF0 | bits | self.class.unwrap_or(1),
            Some(class) => 0x10 | bits | class | self.compression(),
            None => bits | self.compression(),
        }
    }

    fn compression(self) -> u8 {
        if self.is_compressed { 0x20 } else { 0x00 }
    }
}

fn indication(waiting: u8, alphabet: Alphabet, is_empty: bool) -> u8 {
    const ACTIVE: u8 = 0x08;
    let kind = waiting & 0b11;
    match alphabet {
        _ if waiting & 0b100 != 0 => 0xC0 | kind,
        // A message without a text is not kept.
        _ if is_empty => 0xC0 | ACTIVE | kind,
        Alphabet::Gsm => 0xD0 | ACTIVE | kind,
        Alphabet::Ucs2 | Alphabet::Binary => 0xE0 | ACTIVE | kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_coding_says_what_kannels_says() {
        use Alphabet::{Binary, Gsm, Ucs2};
        let plain = Coding::default();
        let class = |class| Coding { class: Some(class), ..plain };
        let waiting = |waiting| Coding { waiting: Some(waiting), ..plain };
        let (short, compressed) = (Coding { is_short: true, ..plain }, Coding { is_compressed: true, ..plain });
        for (coding, alphabet, is_empty, expected) in [
            (plain, Gsm, false, 0x00),
            (plain, Binary, false, 0x04),
            (plain, Ucs2, false, 0x08),
            (class(0), Gsm, false, 0xF0),
            (class(1), Binary, false, 0xF5),
            (class(3), Gsm, false, 0xF3),
            (class(0), Ucs2, false, 0x18),
            (class(2), Ucs2, false, 0x1A),
            (short, Gsm, false, 0xF1),
            (short, Binary, false, 0xF5),
            (short, Ucs2, false, 0x08),
            (Coding { class: Some(2), ..short }, Gsm, false, 0xF2),
            (compressed, Gsm, false, 0x20),
            (Coding { class: Some(1), ..compressed }, Binary, false, 0x35),
            (Coding { is_short: true, ..compressed }, Gsm, false, 0x20),
            (waiting(0), Gsm, false, 0xD8),
            (waiting(2), Gsm, false, 0xDA),
            (waiting(0), Ucs2, false, 0xE8),
            (waiting(3), Gsm, true, 0xCB),
            (waiting(4), Gsm, false, 0xC0),
            (waiting(7), Ucs2, true, 0xC3),
            (Coding { class: Some(1), ..waiting(1) }, Gsm, false, 0xD9),
        ] {
            assert_eq!(coding.data_coding(alphabet, is_empty), expected, "{coding:?} {alphabet:?} {is_empty}");
        }
    }
}
