//! What holds of any text, and what another implementation makes of it.

use proptest::prelude::*;
use rusmpp_extra::concatenation::owned::{Concatenation, Concatenator};
use rusmpp_extra::encoding::gsm7bit::Gsm7BitUnpacked;
use rusmpp_extra::encoding::ucs2::Ucs2;
use unicode_segmentation::UnicodeSegmentation;

use super::*;
use crate::smpp::compose::Draft;
use crate::smpp::segment::{count_segments, segment_ref};
use crate::smpp::view::{Address, SmView};

const GSM: &str = "abc xyz@£$Δ_ÉÑ¿à€[]{}~^|\\\n";

fn of(characters: &'static str) -> impl Strategy<Value = char> {
    prop::sample::select(characters.chars().collect::<Vec<_>>())
}

fn gsm_text() -> impl Strategy<Value = String> {
    prop::collection::vec(of(GSM), 0..700).prop_map(String::from_iter)
}

/// Anything, with what belongs together more often than by chance.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => of(GSM).prop_map(String::from),
        4 => Just("жжжж".to_owned()),
        1 => any::<char>().prop_map(String::from),
        1 => of("\u{301}\u{FE0F}\u{200D}\u{1F3FD}\r\u{C}\u{1B}").prop_map(String::from),
        1 => prop::sample::select(vec!["😀", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️", "1️⃣", "किं", "각", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"]).prop_map(str::to_owned),
    ];
    prop_oneof![gsm_text(), prop::collection::vec(piece, 0..300).prop_map(|pieces| pieces.concat())]
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![any::<u8>().prop_map(Reference::Eight), any::<u16>().prop_map(Reference::Sixteen)]
}

/// The texts of the parts, read by themselves.
fn texts(encoded: &Encoded) -> Vec<String> {
    let behind_header = |part: &Vec<u8>| match part.split_first() {
        Some((len, rest)) if encoded.has_header => rest[usize::from(*len)..].to_vec(),
        _ => part.clone(),
    };
    let data_coding = encoded.alphabet.data_coding(None);
    encoded.parts.iter().map(|part| decode(data_coding, &behind_header(part)).unwrap()).collect()
}

fn octets(concatenation: Concatenation) -> Vec<Vec<u8>> {
    match concatenation {
        Concatenation::Single(part) => vec![part],
        Concatenation::Concatenated(parts) => parts,
    }
}

proptest! {
    #[test]
    fn a_text_reads_back_as_it_was_and_no_grapheme_is_in_two_parts(
        text in text(), wanted in prop::sample::select(vec![Wanted::Auto, Wanted::Ucs2]), reference in reference(),
    ) {
        let encoded = encode(&text, wanted, reference).unwrap();
        let texts = texts(&encoded);
        prop_assert_eq!(texts.concat(), text.clone());
        let (most, room) = if encoded.alphabet == Alphabet::Gsm { (160, 152) } else { (140, 132) };
        prop_assert!(encoded.parts.iter().all(|part| part.len() <= most));
        // Only what fits into no part is cut.
        let len = |grapheme: &str| grapheme.encode_utf16().count() * if most == 160 { 1 } else { 2 };
        let graphemes = text.grapheme_indices(true).filter(|(_, grapheme)| len(grapheme) <= room);
        let inner: Vec<_> = graphemes.flat_map(|(at, grapheme)| at + 1..at + grapheme.len()).collect();
        let mut cut = 0;
        for part in &texts {
            cut += part.len();
            prop_assert!(inner.binary_search(&cut).is_err(), "cut at {}", cut);
        }
    }

    #[test]
    fn each_part_is_a_sound_submit_that_says_which_part_it_is(text in text(), reference in reference()) {
        let encoded = encode(&text, Wanted::Auto, reference).unwrap();
        let address = Address { ton: 1, npi: 1, digits: b"4915100000001" };
        let data_coding = encoded.alphabet.data_coding(None);
        let bodies = Draft { data_coding, ..Draft::new(address, address) }.bodies(&encoded);
        prop_assert_eq!(bodies.len(), encoded.parts.len());
        for (body, number) in bodies.iter().zip(1..) {
            let view = SmView::submit(body).unwrap();
            prop_assert_eq!(count_segments(&view), 1);
            let part = segment_ref(&view).map(|part| (part.reference, part.total, part.number));
            let reference = match reference { Reference::Eight(octet) => octet.into(), Reference::Sixteen(both) => both };
            prop_assert_eq!(part, (bodies.len() > 1).then_some((reference, bodies.len() as u8, number)));
        }
    }

    #[test]
    fn octets_are_all_there_behind_the_callers_header(
        octets in prop::collection::vec(any::<u8>(), 0..1_500),
        udh in prop::option::of(prop::collection::vec(any::<u8>(), 0..30)),
        reference in reference(),
    ) {
        let udh = udh.map(|value| [&[value.len() as u8 + 2, 0x70, value.len() as u8], &value[..]].concat());
        let encoded = encode_binary(&octets, udh.as_deref(), reference).unwrap();
        prop_assert_eq!(encoded.has_header, udh.is_some() || encoded.parts.len() > 1);
        let mut joined = Vec::new();
        for part in &encoded.parts {
            prop_assert!(part.len() <= 140);
            let header = if encoded.has_header { usize::from(part[0]) + 1 } else { 0 };
            let elements = udh.as_ref().map_or(&b""[..], |udh| &udh[1..]);
            prop_assert!(part[..header].ends_with(elements));
            joined.extend_from_slice(&part[header..]);
        }
        prop_assert_eq!(joined, octets);
    }

    #[test]
    fn any_octets_are_read_and_any_header_is_refused_or_sound(
        data_coding in any::<u8>(), octets in prop::collection::vec(any::<u8>(), 0..400), reference in reference(),
    ) {
        let _ = decode(data_coding, &octets);
        if let Ok(encoded) = encode_binary(&[7; 200], Some(&octets), reference) {
            prop_assert!(encoded.parts.iter().all(|part| part.len() <= 140));
        }
    }

    #[test]
    fn rusmpp_writes_and_cuts_gsm_in_the_same_way(text in gsm_text()) {
        for (reference, header) in [(EIGHT, 6), (SIXTEEN, 7)] {
            // In septets: a header takes the room of one more.
            let (parts, _) = Gsm7BitUnpacked::new().concatenate(&text, 160, header + 1).unwrap();
            let ours = encode(&text, Wanted::Gsm, reference).unwrap();
            let header = if ours.has_header { header } else { 0 };
            let ours: Vec<_> = ours.parts.iter().map(|part| part[header..].to_vec()).collect();
            prop_assert_eq!(ours, octets(parts));
        }
    }

    #[test]
    fn rusmpp_writes_and_cuts_ucs2_in_the_same_way(text in "[а-яА-Я中文字 a-z€]{1,400}") {
        let (parts, _) = Ucs2::new().concatenate(&text, 140, 6).unwrap();
        let ours = encode(&text, Wanted::Ucs2, EIGHT).unwrap();
        let header = if ours.has_header { 6 } else { 0 };
        let ours: Vec<_> = ours.parts.iter().map(|part| part[header..].to_vec()).collect();
        prop_assert_eq!(ours, octets(parts));
    }
}
