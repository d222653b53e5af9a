//! A text's octets to its characters, by the charset that was named.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::answers::Refusal;

const WRONG: Refusal = Refusal::bad("Charset or body misformed, rejected");

/// `charset` by any name that browsers know; empty for `unsaid`. What is no text in it is refused: nothing is left out and nothing
/// replaced.
pub(super) fn text(octets: &[u8], charset: &[u8], unsaid: &'static Encoding) -> Result<String, Refusal> {
    let charset = charset.trim_ascii();
    let encoding = if charset.is_empty() { unsaid } else { named(charset).ok_or(WRONG)? };
    let (text, is_wrong) = if encoding == UTF_8 {
        encoding.decode_with_bom_removal(octets)
    } else if [UTF_16BE, UTF_16LE].contains(&encoding) {
        // A mark in front says which of the two it is.
        let (text, _, is_wrong) = encoding.decode(octets);
        (text, is_wrong)
    } else {
        encoding.decode_without_bom_handling(octets)
    };
    if is_wrong { Err(WRONG) } else { Ok(text.into_owned()) }
}

fn named(charset: &[u8]) -> Option<&'static Encoding> {
    let label: &[u8] = match &charset.to_ascii_lowercase()[..] {
        // As iconv and the users of Kannel call them.
        b"ucs-2be" | b"ucs2be" | b"utf16be" => b"utf-16be",
        b"ucs-2le" | b"ucs2le" | b"ucs2" | b"utf16" | b"utf16le" => b"utf-16le",
        b"latin-1" => b"latin1",
        b"windows1252" | b"cp-1252" => b"windows-1252",
        _ => charset,
    };
    Encoding::for_label_no_replacement(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_its_charset() {
        for (octets, charset, expected) in [
            (&b"hello"[..], "", "hello"),
            (b"caf\xC3\xA9 \xE2\x82\xAC", "", "caf\u{e9} \u{20ac}"),
            (b"caf\xC3\xA9", "UTF-8", "caf\u{e9}"),
            (b"\xEF\xBB\xBFhello", "utf8", "hello"),
            (b"caf\xE9", "ISO-8859-1", "caf\u{e9}"),
            (b"caf\xE9", "latin1", "caf\u{e9}"),
            (b"caf\xE9", "Latin-1", "caf\u{e9}"),
            (b"\x80uro", "WINDOWS-1252", "\u{20ac}uro"),
            (b"\x80uro", "cp1252", "\u{20ac}uro"),
            (b"\xEF\xBB\xBF", "windows-1252", "\u{ef}\u{bb}\u{bf}"),
            (b"\xA4", "iso-8859-15", "\u{20ac}"),
            (b"\xF0\xD2\xC9\xD7\xC5\xD4", "KOI8-R", "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
            (b"\xE1\xE2\xE3", "ISO-8859-7", "\u{3b1}\u{3b2}\u{3b3}"),
            (b"\0h\0i", "UTF-16BE", "hi"),
            (b"\xFE\xFF\0h\0i", "UTF-16BE", "hi"),
            (b"\0h\0i", "UCS-2BE", "hi"),
            (b"h\0i\0", "UTF-16LE", "hi"),
            (b"\xFE\xFF\0h\0i", "UTF-16", "hi"),
            (b"\xD8\x3D\xDE\x00", "UTF-16BE", "\u{1f600}"),
            (b"", "UTF-8", ""),
        ] {
            assert_eq!(text(octets, charset.as_bytes(), UTF_8).as_deref(), Ok(expected), "{octets:x?} {charset}");
        }
        assert_eq!(text(b"\0h\0i", b"", UTF_16BE).as_deref(), Ok("hi"));
    }

    #[test]
    fn what_is_no_text_in_its_charset_is_refused() {
        for (octets, charset) in [
            (&b"\xFF\xFE\xFD"[..], "UTF-8"),
            (b"\xFF\xFE", "UTF-8"),
            (b"caf\xE9", ""),
            (b"caf\xC3", "UTF-8"),
            (b"\0h\0", "UTF-16BE"),
            (b"\xD8\x3D", "UTF-16BE"),
            (b"hello", "nonsense"),
            (b"hello", "iso-2022-kr"),
            (b"hello", "\u{e9}"),
        ] {
            assert_eq!(text(octets, charset.as_bytes(), UTF_8), Err(WRONG), "{octets:x?} {charset}");
        }
    }
}
