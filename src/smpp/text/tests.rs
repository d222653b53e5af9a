//! Texts become the octets that the specifications say, are cut where nothing is harmed, and read back as they were.

use super::*;

mod codings;
mod long;
mod properties;

const EIGHT: Reference = Reference::Eight(0xCC);
const SIXTEEN: Reference = Reference::Sixteen(0xCAFE);

#[test]
fn a_text_that_fits_goes_as_it_is() {
    for (text, alphabet, octets) in [
        ("", Alphabet::Gsm, &b""[..]),
        ("Hi @ 5€", Alphabet::Gsm, b"Hi \x00 5\x1B\x65"),
        ("[Ξ_\n]", Alphabet::Gsm, b"\x1B\x3C\x1A\x11\x0A\x1B\x3E"),
        ("Жx", Alphabet::Ucs2, b"\x04\x16\0x"),
        // The alphabet has the capital alone.
        ("ç", Alphabet::Ucs2, b"\0\xE7"),
        ("Ç", Alphabet::Gsm, b"\x09"),
        // The escape is no character.
        ("\u{1B}e", Alphabet::Ucs2, b"\0\x1B\0e"),
        ("😀", Alphabet::Ucs2, b"\xD8\x3D\xDE\x00"),
    ] {
        let expected = Encoded { alphabet, parts: vec![octets.to_vec()], has_header: false };
        for reference in [EIGHT, SIXTEEN] {
            assert_eq!(encode(text, Wanted::Auto, reference), Ok(expected.clone()), "{text:?}");
        }
    }
}

#[test]
fn an_alphabet_can_be_forced() {
    let forced = encode("Hi", Wanted::Ucs2, EIGHT).unwrap();
    assert_eq!((forced.alphabet, &forced.parts[0][..]), (Alphabet::Ucs2, &b"\0H\0i"[..]));
    assert_eq!(encode("€", Wanted::Gsm, EIGHT).unwrap().parts, [b"\x1B\x65"]);
    let error = encode("Grüße, Ж 😀", Wanted::Gsm, EIGHT).unwrap_err();
    assert_eq!(error, TextError::NotGsm { character: 'Ж', at: 8 });
    assert_eq!(error.to_string(), "character 8, 'Ж' (U+0416), is not in the GSM 7-bit alphabet");
}

#[test]
fn a_text_has_at_most_255_parts() {
    let parts = |text: &str, wanted| encode(text, wanted, EIGHT).map(|encoded| encoded.parts.len());
    assert_eq!(parts(&"a".repeat(255 * 153), Wanted::Auto), Ok(255));
    assert_eq!(parts(&"a".repeat(255 * 153 + 1), Wanted::Auto), Err(TextError::TooLong));
    assert_eq!(parts(&"a".repeat(255 * 67 + 1), Wanted::Ucs2), Err(TextError::TooLong));
    // It would fit if pairs were cut.
    let pairs = "€".repeat(255 * 76);
    assert_eq!(parts(&pairs, Wanted::Auto), Ok(255));
    assert_eq!(parts(&format!("{pairs}€"), Wanted::Auto), Err(TextError::TooLong));
}

#[test]
fn octets_go_behind_the_callers_header_and_the_mark_of_a_part() {
    let ports = [6, 0x05, 4, 0x0B, 0x84, 0x23, 0xF0];
    let binary = |octets: &[u8], udh: Option<&[u8]>| encode_binary(octets, udh, EIGHT).unwrap();
    assert_eq!(binary(b"", None).parts, [b""]);
    assert_eq!(binary(&[9; 140], None).parts, [[9; 140]]);
    assert!(!binary(&[9; 140], None).has_header);

    let expected = [[&[5, 0, 3, 0xCC, 2, 1][..], &[9; 134]].concat(), vec![5, 0, 3, 0xCC, 2, 2, 9, 9, 9, 9, 9, 9, 9]];
    let long = binary(&[9; 141], None);
    assert_eq!((long.alphabet, long.parts, long.has_header), (Alphabet::Binary, expected.to_vec(), true));

    let short = binary(&[9; 133], Some(&ports));
    assert_eq!((short.parts, short.has_header), (vec![[&ports[..], &[9; 133]].concat()], true));

    let element = &ports[1..];
    let expected =
        [[&[11, 0, 3, 0xCC, 2, 1], element, &[9; 128]].concat(), [&[11, 0, 3, 0xCC, 2, 2], element, &[9; 6]].concat()];
    assert_eq!(binary(&[9; 134], Some(&ports)).parts, expected);
    let expected = [
        [&[12, 8, 4, 0xCA, 0xFE, 2, 1], element, &[9; 127]].concat(),
        [&[12, 8, 4, 0xCA, 0xFE, 2, 2], element, &[9; 7]].concat(),
    ];
    assert_eq!(encode_binary(&[9; 134], Some(&ports), SIXTEEN).unwrap().parts, expected);
}

#[test]
fn a_text_goes_behind_the_callers_header() {
    let ports = [6, 0x05, 4, 0x0B, 0x84, 0x23, 0xF0];
    let parts = |text: &str| encode_with_header(text, Some(&ports), Wanted::Auto, EIGHT).unwrap().parts;
    // 133 octets have room for 152 septets, and 128 of a part for 146.
    assert_eq!(parts(&"a".repeat(152)), [[&ports[..], &[b'a'; 152]].concat()]);
    let lens: Vec<_> = parts(&"a".repeat(153)).iter().map(Vec::len).collect();
    assert_eq!(lens, [12 + 146, 12 + 7]);
    assert_eq!(parts(&"ж".repeat(66))[0].len(), 7 + 132);
    let lens: Vec<_> = parts(&"ж".repeat(67)).iter().map(Vec::len).collect();
    assert_eq!(lens, [12 + 128, 12 + 6]);
}

#[test]
fn a_header_that_is_none_or_leaves_no_room_is_refused() {
    let binary = |octets: usize, udh: &[u8]| encode_binary(&vec![9; octets], Some(udh), EIGHT).map(|_| ());
    for udh in [&b""[..], &[0], &[1], &[5, 0, 3, 1, 2], &[4, 0, 3, 1, 2], &[5, 0, 4, 1, 2, 1], &[2, 5, 0, 9], &[1, 5]] {
        assert_eq!(binary(1, udh), Err(TextError::HeaderUnreadable), "{udh:?}");
    }
    let of = |octets: u8| [&[octets - 1, 0x70, octets - 3], &vec![7; usize::from(octets) - 3][..]].concat();
    assert_eq!(binary(1, &of(139)), Ok(()));
    assert_eq!(binary(2, &of(139)), Err(TextError::HeaderTooLong));
    assert_eq!(binary(0, &of(140)), Err(TextError::HeaderTooLong));
    assert_eq!(binary(0, &of(250)), Err(TextError::HeaderTooLong));
    assert_eq!(binary(2 * 255, &of(133)), Ok(()));
    assert_eq!(binary(2 * 255 + 1, &of(133)), Err(TextError::TooLong));
    // A text needs room for the longest of characters.
    let text = |text: &str, header| encode_with_header(text, Some(&of(header)), Wanted::Auto, EIGHT).map(|_| ());
    assert_eq!(text("a", 138), Ok(()));
    assert_eq!(text("a", 139), Err(TextError::HeaderTooLong));
    assert_eq!(text("ж", 136), Ok(()));
    assert_eq!(text("ж", 137), Err(TextError::HeaderTooLong));
    // The caller's own mark stays alone.
    assert_eq!(binary(134, &[5, 0, 3, 1, 2, 1]), Ok(()));
    assert_eq!(binary(135, &[5, 0, 3, 1, 2, 1]), Err(TextError::HeaderOfPart));
    assert_eq!(binary(134, &[6, 8, 4, 1, 2, 2, 1]), Err(TextError::HeaderOfPart));
}

#[test]
fn an_alphabet_and_a_class_are_said_by_data_coding() {
    let of = |class| [Alphabet::Gsm, Alphabet::Ucs2, Alphabet::Binary].map(|alphabet| alphabet.data_coding(class));
    assert_eq!(of(None), [0x00, 0x08, 0x04]);
    assert_eq!(of(Some(0)), [0x10, 0x18, 0xF4]);
    assert_eq!(of(Some(2)), [0x12, 0x1A, 0xF6]);
}
