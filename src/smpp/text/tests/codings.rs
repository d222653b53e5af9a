//! A text is read by its data_coding, whatever a carrier sends.

use super::*;

#[track_caller]
fn reads(data_coding: u8, octets: &[u8], text: &str) {
    assert_eq!(decode(data_coding, octets).as_deref(), Some(text), "data_coding {data_coding:#04x}");
}

/// Both tables as 3GPP TS 23.038 prints them, row by row of its columns; the escape is left out.
#[test]
fn the_alphabet_is_the_specifications() {
    let columns = [
        "@£$¥èéùìòÇ\nØø\rÅå",
        "Δ_ΦΓΛΩΠΨΣΘΞ\u{1B}ÆæßÉ",
        " !\"#¤%&'()*+,-./",
        "0123456789:;<=>?",
        "¡ABCDEFGHIJKLMNO",
        "PQRSTUVWXYZÄÖÑÜ§",
        "¿abcdefghijklmno",
        "pqrstuvwxyzäöñüà",
    ];
    for (septet, character) in (0..128).zip(columns.concat().chars()).filter(|(septet, _)| *septet != 0x1B) {
        reads(0, &[septet], &character.to_string());
        assert_eq!(septets(&character.to_string()), [septet], "{character:?}");
    }
    for (septet, character) in [
        (0x0A, "\u{C}"),
        (0x14, "^"),
        (0x28, "{"),
        (0x29, "}"),
        (0x2F, "\\"),
        (0x3C, "["),
        (0x3D, "~"),
        (0x3E, "]"),
        (0x40, "|"),
        (0x65, "€"),
    ] {
        reads(0, &[0x1B, septet], character);
        assert_eq!(septets(character), [0x1B, septet]);
    }
    let known = ('\0'..=char::MAX).filter(|character| Septets::of(*character).is_some()).count();
    assert_eq!(known, 127 + 10);
}

#[test]
fn what_gsm_does_not_know_is_read_as_handsets_do() {
    // What the extension table lacks is read in the other.
    reads(0, b"a\x1Bb\x1B\x0D", "ab\r");
    reads(0, b"a\x1B", "a ");
    reads(0, b"\x1B\x1Be", " e");
    reads(0x10, b"a\x80\xFFb\x1B\xE9", "a\u{FFFD}\u{FFFD}b\u{FFFD}");
}

#[test]
fn data_coding_0_is_latin_1_where_it_cannot_be_gsm() {
    reads(0, b"caf\x05 @", "café ¡");
    reads(0, b"caf\xE9 @", "café @");
    assert_eq!((coding_name(0, b"caf\x05"), coding_name(0, b"caf\xE9")), ("gsm", "latin1"));
}

#[test]
fn each_coding_is_read_as_the_specification_says() {
    reads(1, b"@[a]\xE9", "@[a]\u{FFFD}");
    reads(3, b"@[a]\xE9\x80", "@[a]é\u{80}");
    reads(6, b"a\xD6\xA1\xF0\xFD\xAD\xAF\xFF", "aжЁ№§\u{AD}Џџ");
    reads(7, b"a\xE0\xFA\xAA\xFD\xC0", "aאת×\u{200E}\u{FFFD}");
    reads(8, b"\x04\x36\xD8\x3D\xDE\x00", "ж😀");
    // Half a pair, from either side and at the end; half a unit.
    reads(8, b"\xDE\x00\xD8\x3D\x04\x36\xD8\x3D", "\u{FFFD}\u{FFFD}ж\u{FFFD}");
    reads(8, b"\x04\x36\x04", "ж\u{FFFD}");
    reads(8, b"", "");
}

#[test]
fn coding_groups_are_read_as_ts_23_038_says() {
    // Message classes, messages that delete themselves, waiting indications.
    for data_coding in [0x10, 0x13, 0x40, 0x51, 0xC0, 0xCB, 0xD0, 0xDB, 0xF0, 0xF3] {
        reads(data_coding, b"\0\x1B\x65", "@€");
    }
    for data_coding in [0x18, 0x1B, 0x48, 0x5A, 0xE0, 0xE9] {
        reads(data_coding, b"\x04\x36", "ж");
    }
    // Octets, other sets, compressed texts, reserved.
    for data_coding in [2, 4, 5, 9, 10, 13, 14, 0x14, 0x1C, 0x20, 0x28, 0x44, 0x60, 0x80, 0xBF, 0xF4, 0xF7] {
        assert_eq!(decode(data_coding, b"text"), None, "{data_coding:#04x}");
    }
}
