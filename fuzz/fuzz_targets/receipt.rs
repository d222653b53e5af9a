//! A rewritten receipt is a receipt still, of the same state, with our id in every place that had one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::receipt;
use trunkline::smpp::view::SmView;

const OUR_ID: &[u8] = b"0123456789abcdef";

fuzz_target!(|body: &[u8]| {
    let Ok(view) = SmView::deliver(body) else { return };
    let by_content = receipt::Habits { by: receipt::KnownBy::Content, ..receipt::Habits::DEFAULT };
    let _ =
        (receipt::read_as(&view, &by_content), receipt::details(&view), receipt::narrowed(body, &view, &by_content));
    let Some(receipt) = receipt::read(&view) else { return };
    let mut rewritten = Vec::new();
    receipt::rewrite(body, &view, &receipt, OUR_ID, &mut rewritten);
    if receipt.ids[0].is_none() {
        assert_eq!(rewritten, body, "without an id nothing changes");
        return;
    }
    let again = SmView::deliver(&rewritten).expect("a rewritten receipt is readable");
    assert_eq!((again.source, again.destination), (view.source, view.destination));
    // A text that grows over what its length can say is cut, and may then read as anything.
    let is_whole = view.short_message.len() + OUR_ID.len() <= 254 && view.optional.len() < 60_000;
    if let Some(receipt) = receipt::read(&again).filter(|_| is_whole) {
        for id in receipt.ids.into_iter().flatten() {
            assert!(OUR_ID.starts_with(id) || id.starts_with(OUR_ID), "{id:?}");
        }
    }
});
