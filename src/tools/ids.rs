//! How the simulated SMSC writes its message ids: one number, many spellings.

use std::str::FromStr;

use super::values::scramble;

/// `decimal`, `hex`, `HEX`, each padded with zeros as in `hex:8`, or `uuid`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdFormat {
    Decimal { width: usize },
    Hex { width: usize, upper: bool },
    Uuid,
}

/// Longest id the format may ask for (SMPP 3.4, section 4.4.2: 65 octets with the NUL).
const WIDTH_MAX: usize = 64;

impl FromStr for IdFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, width) = match text.split_once(':') {
            Some((name, width)) => (name, width.parse().ok().filter(|width| (1..=WIDTH_MAX).contains(width))),
            None => (text, Some(1)),
        };
        let width = width.ok_or_else(|| format!("`{text}`: the width is 1 to {WIDTH_MAX}"))?;
        match name {
            "decimal" | "counter-decimal" => Ok(Self::Decimal { width }),
            "hex" => Ok(Self::Hex { width, upper: false }),
            "HEX" => Ok(Self::Hex { width, upper: true }),
            "uuid" => Ok(Self::Uuid),
            _ => Err(format!("`{text}` is no id format; use decimal, hex, HEX (with a width: hex:8) or uuid")),
        }
    }
}

impl IdFormat {
    /// Appends the id of this number.
    pub fn write(self, number: u64, out: &mut Vec<u8>) {
        match self {
            Self::Decimal { width } => write_digits(number, 10, width, b"0123456789", out),
            Self::Hex { width, upper: false } => write_digits(number, 16, width, b"0123456789abcdef", out),
            Self::Hex { width, upper: true } => write_digits(number, 16, width, b"0123456789ABCDEF", out),
            Self::Uuid => write_uuid(number, out),
        }
    }
}

fn write_digits(number: u64, base: u64, width: usize, alphabet: &[u8], out: &mut Vec<u8>) {
    let mut digits = [b'0'; WIDTH_MAX];
    let (mut at, mut rest) = (WIDTH_MAX, number);
    while rest > 0 || WIDTH_MAX - at < width {
        at -= 1;
        digits[at] = alphabet[(rest % base) as usize];
        rest /= base;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Looks like a random one (RFC 9562, version 4), but is the same each time for the same number.
fn write_uuid(number: u64, out: &mut Vec<u8>) {
    let (high, low) = (scramble(number), scramble(number ^ 0x5555_5555_5555_5555));
    let groups = [
        (high >> 32, 8),
        (high >> 16 & 0xFFFF, 4),
        (high & 0x0FFF | 0x4000, 4),
        (low >> 48 & 0x3FFF | 0x8000, 4),
        (low & 0xFFFF_FFFF_FFFF, 12),
    ];
    for (at, (group, width)) in groups.into_iter().enumerate() {
        if at > 0 {
            out.push(b'-');
        }
        write_digits(group, 16, width, b"0123456789abcdef", out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str, number: u64) -> String {
        let mut out = Vec::new();
        format.parse::<IdFormat>().unwrap().write(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_number_has_many_spellings() {
        assert_eq!(written("counter-decimal", 48_879), "48879");
        assert_eq!(written("decimal:10", 48_879), "0000048879");
        assert_eq!(written("hex", 48_879), "beef");
        assert_eq!(written("HEX:8", 48_879), "0000BEEF");
        assert_eq!(written("hex", u64::MAX), "ffffffffffffffff");
        assert_eq!(written("decimal", 0), "0");
    }

    #[test]
    fn uuids_are_distinct_repeatable_and_well_formed() {
        let (one, two) = (written("uuid", 1), written("uuid", 2));
        assert_ne!(one, two);
        assert_eq!(one, written("uuid", 1));
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4");
    }

    #[test]
    fn unknown_formats_and_impossible_widths_are_refused() {
        for text in ["octal", "hex:", "hex:0", "hex:65", "decimal:x", ""] {
            assert!(text.parse::<IdFormat>().is_err(), "{text}");
        }
    }
}
