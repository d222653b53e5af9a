//! Any text reads back as it was from parts that fit; any octets are read, whatever their coding; any submit's text can be converted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::compose::Draft;
use trunkline::smpp::edit::{self, Edits};
use trunkline::smpp::segment::{count_segments, segment_ref};
use trunkline::smpp::text::{
    DefaultAlphabet, Reference, TextError, Wanted, decode, encode, encode_binary, encode_with_header,
};
use trunkline::smpp::view::{Address, SmView};

fuzz_target!(|input: (&str, &[u8], &[u8], u8, u16)| {
    let (text, octets, udh, data_coding, number) = input;
    let reference = if number < 0x100 { Reference::Eight(number as u8) } else { Reference::Sixteen(number) };
    let address = Address { ton: 1, npi: 1, digits: b"4915100000001" };
    for wanted in [Wanted::Auto, Wanted::Ucs2, Wanted::Gsm] {
        let encoded = match encode(text, wanted, reference) {
            Ok(encoded) => encoded,
            Err(TextError::TooLong) => continue,
            Err(TextError::NotGsm { character, at }) => {
                assert!(wanted == Wanted::Gsm && text.chars().nth(at - 1) == Some(character));
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let draft = Draft { data_coding: encoded.alphabet.data_coding(None), ..Draft::new(address, address) };
        let (mut read, mut number) = (String::new(), 0);
        for body in draft.bodies(&encoded) {
            let view = SmView::submit(&body).expect("what is written can be read");
            number += 1;
            let marked = segment_ref(&view).map(|part| (usize::from(part.total), usize::from(part.number)));
            assert_eq!(marked, encoded.has_header.then_some((encoded.parts.len(), number)));
            assert_eq!(count_segments(&view), 1);
            let text = if encoded.has_header { view.text_behind_header() } else { view.text() };
            read.push_str(&decode(view.data_coding, text).expect("it is a text"));
        }
        assert_eq!(read, text);
    }
    for encoded in
        [encode_binary(octets, Some(udh), reference), encode_with_header(text, Some(udh), Wanted::Auto, reference)]
    {
        let Ok(encoded) = encoded else { continue };
        assert!(
            encoded.has_header
                && encoded.parts.iter().all(|part| part.len() <= 160 && part.len() > usize::from(part[0]))
        );
    }
    let _ = decode(data_coding, octets);
    let fixed = [data_coding & 0x40, 0, 0, 0, 0, 0, 0, 0, 0];
    let optional = [&[0x04, 0x24][..], &(octets.len() as u16).to_be_bytes(), octets].concat();
    let short = &octets[..octets.len().min(254)];
    for behind in [[&[short.len() as u8], short].concat(), [&[0][..], &optional].concat()] {
        let body = [b"\0\x01\x01447\0\x01\x01491\0", &fixed[..], &behind].concat();
        let Ok(view) = SmView::submit(&body) else { continue };
        for to in [DefaultAlphabet::Latin1, DefaultAlphabet::Ascii, DefaultAlphabet::Packed] {
            let Some(text) = to.converted(&view) else { continue };
            let mut out = Vec::new();
            edit::write(&body, &view, &Edits { text: Some(text.clone()), ..Edits::default() }, &mut out);
            let again = SmView::submit(&out).expect("a converted submit can be read");
            assert_eq!((again.text(), again.destination), (&text[..], view.destination));
            assert_eq!(segment_ref(&again).map(|part| part.number), segment_ref(&view).map(|part| part.number));
        }
    }
});
