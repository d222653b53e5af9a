//! The table of long messages: how many parts, and their octets, written out by hand from 3GPP TS 23.040, section 9.2.3.24.1 (the
//! mark of a part) and TS 23.038 (the alphabets). `a` is 61, `€` 1B 65, `{` 1B 28, `}` 1B 29; `ж` 04 36, 😀 D8 3D DE 00.

use super::*;

const A: &[u8] = &[0x61];
const EURO: &[u8] = &[0x1B, 0x65];
const OPEN: &[u8] = &[0x1B, 0x28];
const CLOSE: &[u8] = &[0x1B, 0x29];
const ZHE: &[u8] = &[0x04, 0x36];
const GRIN: &[u8] = &[0xD8, 0x3D, 0xDE, 0x00];
/// Woman, woman, girl and boy, with a joiner (20 0D) between them.
const FAMILY: &[u8] = &[
    0xD8, 0x3D, 0xDC, 0x69, 0x20, 0x0D, 0xD8, 0x3D, 0xDC, 0x69, 0x20, 0x0D, 0xD8, 0x3D, 0xDC, 0x67, 0x20, 0x0D, 0xD8,
    0x3D, 0xDC, 0x66,
];
/// A thumb up and its skin's tone.
const THUMB: &[u8] = &[0xD8, 0x3D, 0xDC, 0x4D, 0xD8, 0x3C, 0xDF, 0xFD];
/// Two regional indicators.
const FLAG: &[u8] = &[0xD8, 0x3C, 0xDD, 0xE9, 0xD8, 0x3C, 0xDD, 0xEA];
/// A heart, and the selector that makes it red.
const HEART: &[u8] = &[0x27, 0x64, 0xFE, 0x0F];
/// The digit, the selector and the key around them.
const KEYCAP: &[u8] = &[0x00, 0x31, 0xFE, 0x0F, 0x20, 0xE3];
/// A letter and its accent.
const ACCENTED: &[u8] = &[0x04, 0x33, 0x03, 0x01];

/// So many of each, one behind another.
type Run<'a> = [(usize, &'a [u8])];

fn octets(run: &Run<'_>) -> Vec<u8> {
    run.iter().flat_map(|(times, octets)| octets.repeat(*times)).collect()
}

#[track_caller]
fn alone(text: &str, alphabet: Alphabet, part: &Run<'_>) {
    let expected = Encoded { alphabet, parts: vec![octets(part)], has_header: false };
    for reference in [EIGHT, SIXTEEN] {
        assert_eq!(encode(text, Wanted::Auto, reference).as_ref(), Ok(&expected));
    }
}

#[track_caller]
fn long(text: &str, reference: Reference, alphabet: Alphabet, parts: &[&Run<'_>]) {
    let total = parts.len() as u8;
    let expected: Vec<Vec<u8>> = parts
        .iter()
        .zip(1..)
        .map(|(run, number)| {
            let header = match reference {
                Reference::Eight(_) => vec![0x05, 0x00, 0x03, 0xCC, total, number],
                Reference::Sixteen(_) => vec![0x06, 0x08, 0x04, 0xCA, 0xFE, total, number],
            };
            [header, octets(run)].concat()
        })
        .collect();
    let encoded = encode(text, Wanted::Auto, reference).unwrap();
    assert_eq!((encoded.alphabet, encoded.has_header), (alphabet, true));
    assert_eq!(encoded.parts, expected);
}

#[track_caller]
fn gsm(text: &str, parts: &[&Run<'_>]) {
    long(text, EIGHT, Alphabet::Gsm, parts);
}

#[track_caller]
fn ucs2(text: &str, parts: &[&Run<'_>]) {
    long(text, EIGHT, Alphabet::Ucs2, parts);
}

fn a(times: usize) -> String {
    "a".repeat(times)
}

fn zhe(times: usize) -> String {
    "ж".repeat(times)
}

#[test]
fn gsm_of_160_and_161() {
    alone(&a(160), Alphabet::Gsm, &[(160, A)]);
    // 159 characters, 160 septets.
    alone(&format!("{}€", a(158)), Alphabet::Gsm, &[(158, A), (1, EURO)]);
    // 160 characters, 161 septets.
    gsm(&format!("{}€", a(159)), &[&[(153, A)], &[(6, A), (1, EURO)]]);
    gsm(&a(161), &[&[(153, A)], &[(8, A)]]);
    // The pair ends with the part.
    gsm(&format!("{}€{}", a(151), a(9)), &[&[(151, A), (1, EURO)], &[(9, A)]]);
    // It would be cut behind its escape.
    gsm(&format!("{}€{}", a(152), a(8)), &[&[(152, A)], &[(1, EURO), (8, A)]]);
    gsm(&format!("{}€{}", a(153), a(7)), &[&[(153, A)], &[(1, EURO), (7, A)]]);
}

#[test]
fn gsm_of_306_and_307() {
    gsm(&a(306), &[&[(153, A)], &[(153, A)]]);
    gsm(&a(307), &[&[(153, A)], &[(153, A)], &[(1, A)]]);
    // 305 characters, 306 septets, and a pair at the end of either part.
    gsm(&format!("{}€{}€", a(151), a(151)), &[&[(151, A), (1, EURO)], &[(151, A), (1, EURO)]]);
    // 306 septets, and yet three parts: a septet of the first stays free.
    gsm(&format!("{}€{}", a(152), a(152)), &[&[(152, A)], &[(1, EURO), (151, A)], &[(1, A)]]);
    gsm(&format!("{}€", a(305)), &[&[(153, A)], &[(152, A)], &[(1, EURO)]]);
    gsm(&format!("{}{{{}}}{}", a(152), a(150), a(3)), &[&[(152, A)], &[(1, OPEN), (150, A)], &[(1, CLOSE), (3, A)]]);
    gsm(&"€".repeat(153), &[&[(76, EURO)], &[(76, EURO)], &[(1, EURO)]]);
}

#[test]
fn gsm_with_a_reference_of_16_bits() {
    let gsm = |text: &str, parts: &[&Run<'_>]| long(text, SIXTEEN, Alphabet::Gsm, parts);
    gsm(&a(161), &[&[(152, A)], &[(9, A)]]);
    gsm(&a(304), &[&[(152, A)], &[(152, A)]]);
    gsm(&a(305), &[&[(152, A)], &[(152, A)], &[(1, A)]]);
    gsm(&format!("{}€{}", a(150), a(9)), &[&[(150, A), (1, EURO)], &[(9, A)]]);
    gsm(&format!("{}€{}", a(151), a(9)), &[&[(151, A)], &[(1, EURO), (9, A)]]);
}

#[test]
fn ucs2_of_70_and_71() {
    alone(&zhe(70), Alphabet::Ucs2, &[(70, ZHE)]);
    alone(&format!("{}😀", zhe(68)), Alphabet::Ucs2, &[(68, ZHE), (1, GRIN)]);
    ucs2(&zhe(71), &[&[(67, ZHE)], &[(4, ZHE)]]);
    ucs2(&format!("{}😀", zhe(69)), &[&[(67, ZHE)], &[(2, ZHE), (1, GRIN)]]);
    // The pair ends with the part.
    ucs2(&format!("{}😀{}", zhe(65), zhe(4)), &[&[(65, ZHE), (1, GRIN)], &[(4, ZHE)]]);
    // It would be cut between its halves.
    ucs2(&format!("{}😀{}", zhe(66), zhe(3)), &[&[(66, ZHE)], &[(1, GRIN), (3, ZHE)]]);
}

#[test]
fn ucs2_of_134_and_135() {
    ucs2(&zhe(134), &[&[(67, ZHE)], &[(67, ZHE)]]);
    ucs2(&zhe(135), &[&[(67, ZHE)], &[(67, ZHE)], &[(1, ZHE)]]);
    // 134 units, and yet three parts.
    ucs2(&format!("{}😀{}", zhe(66), zhe(66)), &[&[(66, ZHE)], &[(1, GRIN), (65, ZHE)], &[(1, ZHE)]]);
    ucs2(&format!("{}😀", zhe(133)), &[&[(67, ZHE)], &[(66, ZHE)], &[(1, GRIN)]]);
    ucs2(&"😀".repeat(67), &[&[(33, GRIN)], &[(33, GRIN)], &[(1, GRIN)]]);
}

#[test]
fn ucs2_with_a_reference_of_16_bits() {
    let ucs2 = |text: &str, parts: &[&Run<'_>]| long(text, SIXTEEN, Alphabet::Ucs2, parts);
    ucs2(&zhe(71), &[&[(66, ZHE)], &[(5, ZHE)]]);
    ucs2(&zhe(133), &[&[(66, ZHE)], &[(66, ZHE)], &[(1, ZHE)]]);
    ucs2(&format!("{}😀{}", zhe(65), zhe(5)), &[&[(65, ZHE)], &[(1, GRIN), (5, ZHE)]]);
}

#[test]
fn what_is_one_on_a_screen_stays_in_one_part() {
    for (text, whole) in [
        ("\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}", FAMILY),
        ("\u{1F44D}\u{1F3FD}", THUMB),
        ("\u{1F1E9}\u{1F1EA}", FLAG),
        ("\u{2764}\u{FE0F}", HEART),
        ("1\u{FE0F}\u{20E3}", KEYCAP),
        ("\u{433}\u{301}", ACCENTED),
    ] {
        let units = whole.len() / 2;
        ucs2(&format!("{}{text}{}", zhe(67 - units), zhe(9)), &[&[(67 - units, ZHE), (1, whole)], &[(9, ZHE)]]);
        for missing in 1..units {
            let before = 67 - units + missing;
            ucs2(&format!("{}{text}{}", zhe(before), zhe(9)), &[&[(before, ZHE)], &[(1, whole), (9, ZHE)]]);
        }
    }
    // In GSM 7-bit there is one such: carriage return and line feed.
    gsm(&format!("{}\r\n{}", a(152), a(9)), &[&[(152, A)], &[(1, &[0x0D, 0x0A]), (9, A)]]);
    // What fits into no part is cut, though between characters.
    let endless = format!("г{}", "\u{301}".repeat(99));
    ucs2(&endless, &[&[(1, &[0x04, 0x33]), (66, &[0x03, 0x01])], &[(33, &[0x03, 0x01])]]);
    let pairs = format!("{}г{}", zhe(2), "\u{E0101}".repeat(40));
    let selector = &[0xDB, 0x40, 0xDD, 0x01][..];
    ucs2(&pairs, &[&[(2, ZHE)], &[(1, &[0x04, 0x33]), (33, selector)], &[(7, selector)]]);
}
