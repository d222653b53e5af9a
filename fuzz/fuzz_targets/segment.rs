//! Which part of which message a text is: read from the header or from TLVs, a part is one of those it belongs to, and every text is at
//! least one segment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::segment;
use trunkline::smpp::view::SmView;

fuzz_target!(|input: (u8, u8, &[u8], &[u8])| {
    let (esm_class, data_coding, text, tlvs) = input;
    let text = &text[..text.len().min(254)];
    let fixed = [esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, text.len() as u8];
    let body = [b"\0\x01\x01447\0\x01\x01491\0", &fixed[..], text, tlvs].concat();
    let view = SmView::deliver(&body).expect("it is sound but for its TLVs");
    let count = segment::count_segments(&view);
    // Of the longest text there can be: a message_payload in the alphabet that needs most.
    assert!((1..=1_000).contains(&count), "{count} segments");
    if let Some(part) = segment::segment_ref(&view) {
        assert!(part.number >= 1 && part.number <= part.total, "{part:?}");
    }
    assert!(view.text_behind_header().len() <= view.text().len());
});
