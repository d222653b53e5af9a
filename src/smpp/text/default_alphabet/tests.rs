//! A text is what the carrier takes it to be, wherever in the submit it stands, and its header stays.

use proptest::prelude::*;

use super::*;
use crate::smpp::edit::{self, Edits};
use crate::smpp::text::{Reference, Wanted, encode};

const LATIN1: DefaultAlphabet = DefaultAlphabet::Latin1;
const ASCII: DefaultAlphabet = DefaultAlphabet::Ascii;
const PACKED: DefaultAlphabet = DefaultAlphabet::Packed;
const HEADER: [u8; 6] = [5, 0, 3, 0xCC, 2, 1];

fn submit(esm_class: u8, data_coding: u8, short_message: &[u8], optional: &[u8]) -> Vec<u8> {
    let mut body = b"\0\x05\0ACME\0\x01\x01447700900001\0".to_vec();
    body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 1, 0, data_coding, 0, short_message.len() as u8]);
    [&body, short_message, optional].concat()
}

fn converted(to: DefaultAlphabet, esm_class: u8, text: &[u8]) -> Option<Vec<u8>> {
    to.converted(&SmView::submit(&submit(esm_class, 0, text, b"")).unwrap())
}

fn text(to: DefaultAlphabet, text: &str) -> Vec<u8> {
    converted(to, 0, &encode(text, Wanted::Gsm, Reference::Eight(0)).unwrap().parts[0]).unwrap()
}

#[test]
fn characters_become_the_carriers_or_the_nearest() {
    assert_eq!(text(LATIN1, "@£_Çé[à]{ß}~¿§"), b"@\xA3_\xC7\xE9[\xE0]{\xDF}~\xBF\xA7");
    assert_eq!(text(LATIN1, "5€ ΔΦΓΛΩΠΨΣΘΞ"), b"5? DFGLOP?STX");
    assert_eq!(text(ASCII, "@£_Çé[à]{ß}~¿§\r\n"), b"@?_Ce[a]{s}~??\r\n");
    assert_eq!(text(ASCII, "ÅåÆæØøÄÖÑÜäöñüèéùìòÉ¡ 5€¥¤"), b"AaAaOoAONUaonueeuioE! 5???");
    // No septets of the customer's alphabet.
    assert_eq!(converted(LATIN1, 0, b"a\xE9"), Some(b"a?".to_vec()));
    assert_eq!(converted(PACKED, 0, b"\xE9"), Some(vec![b'?']));
}

#[test]
fn septets_are_packed_as_on_the_air() {
    assert_eq!(text(PACKED, "hellohello"), [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]);
    assert_eq!(text(PACKED, "€"), [0x9B, 0x32]);
    // Eight septets in seven octets, and seven in as many: a carriage return where an @ would be read.
    assert_eq!(text(PACKED, "1234567@"), [0x31, 0xD9, 0x8C, 0x56, 0xB3, 0xDD, 0x00]);
    assert_eq!(text(PACKED, "1234567"), [0x31, 0xD9, 0x8C, 0x56, 0xB3, 0xDD, 0x1A]);
    assert_eq!(text(PACKED, &"a".repeat(160)).len(), 140);
}

#[test]
fn packed_septets_begin_at_their_boundary_behind_a_header() {
    // 48 bits of header: one is filled. 56 of the other: none.
    assert_eq!(converted(PACKED, 0x40, &[&HEADER[..], b"a"].concat()), Some([&HEADER[..], &[0xC2]].concat()));
    let part = [&HEADER[..], &[b'a'; 153]].concat();
    assert_eq!(converted(PACKED, 0x40, &part).unwrap().len(), 140);
    let sixteen = [6, 8, 4, 0xCA, 0xFE, 2, 1];
    assert_eq!(converted(PACKED, 0x40, &[&sixteen[..], b"ab"].concat()), Some([&sixteen[..], &[0x61, 0x31]].concat()));
    assert_eq!(converted(PACKED, 0x40, &[&sixteen[..], &[b'a'; 152]].concat()).unwrap().len(), 140);
    // Nothing behind it.
    assert_eq!(converted(PACKED, 0x40, &HEADER), Some(HEADER.to_vec()));
}

#[test]
fn what_is_no_text_of_data_coding_0_stays() {
    for to in [LATIN1, ASCII, PACKED] {
        for data_coding in [1, 3, 4, 8, 0x10, 0xF0] {
            assert_eq!(to.converted(&SmView::submit(&submit(0, data_coding, b"\0", b"")).unwrap()), None);
        }
        assert_eq!(converted(to, 0, b""), None);
        assert_eq!(converted(to, 0x40, &[9, 0, 3, 1, 2, 1, b'a']), None, "the header is longer than the message");
    }
    assert_eq!(converted(DefaultAlphabet::Gsm, 0, b"\0"), None);
}

fn edited(to: DefaultAlphabet, body: &[u8]) -> Vec<u8> {
    let view = SmView::submit(body).unwrap();
    let mut out = Vec::new();
    edit::write(body, &view, &Edits { text: to.converted(&view), ..Edits::default() }, &mut out);
    out
}

#[test]
fn the_text_is_put_where_it_stood_and_nothing_else_changes() {
    let tlv = |tag: u16, value: &[u8]| [&tag.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat();
    let short = submit(0x40, 0, &[&HEADER[..], b"\0\x1B\x65"].concat(), &tlv(0x1400, b"\0"));
    let expected = submit(0x40, 0, &[&HEADER[..], b"@?"].concat(), &tlv(0x1400, b"\0"));
    assert_eq!(edited(LATIN1, &short), expected);
    let payload = |text: &[u8]| {
        let text = [&HEADER[..], text].concat();
        submit(0x40, 0, b"", &[tlv(0x1400, b"\0"), tlv(0x0424, &text), tlv(0x1401, b"\0"), vec![0; 3]].concat())
    };
    let (long, latin) = (vec![0x7F; 1_000], vec![0xE0; 1_000]);
    assert_eq!(edited(LATIN1, &payload(&long)), payload(&latin));
    let packed = edited(PACKED, &payload(&long));
    assert_eq!(SmView::submit(&packed).unwrap().text().len(), 6 + (7_000 + 1usize).div_ceil(8));
}

/// Septets from the lowest bit up, from this bit on.
fn unpacked(octets: &[u8], from: usize) -> Vec<u8> {
    let bit = |at: usize| octets[at / 8] >> (at % 8) & 1;
    let starts = (from..).step_by(7).take_while(|at| at + 7 <= octets.len() * 8);
    starts.map(|at| (0..7).map(|step| bit(at + step) << step).sum()).collect()
}

proptest! {
    #[test]
    fn packed_septets_are_all_there(septets in prop::collection::vec(0u8..0x80, 1..240), header in 0usize..12) {
        let header: Vec<u8> = if header < 3 { vec![] } else { [&[header as u8 + 1, 0x70, header as u8 - 1], &vec![7; header - 1][..]].concat() };
        let esm_class = if header.is_empty() { 0 } else { 0x40 };
        let packed = converted(PACKED, esm_class, &[&header[..], &septets].concat()).unwrap();
        prop_assert!(packed.starts_with(&header));
        let first = (header.len() * 8).div_ceil(7) * 7;
        let mut read = unpacked(&packed, first);
        if read.len() > septets.len() {
            prop_assert_eq!(read.pop(), Some(0x0D));
        }
        prop_assert_eq!(read, septets);
        prop_assert_eq!(packed.len(), (first + (packed.len() * 8 - first) / 7 * 7).div_ceil(8));
    }

    #[test]
    fn a_text_never_grows_beyond_its_part(text in "[a-z@ä€\\[Δ]{1,400}", to in prop::sample::select(vec![LATIN1, ASCII, PACKED])) {
        let encoded = encode(&text, Wanted::Gsm, Reference::Eight(1)).unwrap();
        let esm_class = if encoded.has_header { 0x40 } else { 0 };
        for part in &encoded.parts {
            let most = if to == PACKED { 140 } else { part.len() };
            prop_assert!(converted(to, esm_class, part).unwrap().len() <= most);
        }
    }
}
