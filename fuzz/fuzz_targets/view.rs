//! A body that is taken strictly is taken tolerantly too, with the same fields, and nothing read lies outside of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::segment;
use trunkline::smpp::view::SmView;

fuzz_target!(|body: &[u8]| {
    let tolerant = SmView::deliver(body);
    if let Ok(view) = &tolerant {
        let at = view.short_message_at;
        assert_eq!(&body[at..at + view.short_message.len()], view.short_message);
        assert_eq!(at + view.short_message.len() + view.optional.len(), body.len());
        let tlvs: usize = view.tlvs().map(|tlv| 4 + tlv.value.len()).sum();
        assert!(tlvs <= view.optional.len());
        assert!(segment::count_segments(view) >= 1);
        let _ = segment::segment_ref(view);
    }
    if let Ok(strict) = SmView::submit(body) {
        let tolerant = tolerant.expect("what is taken strictly is taken tolerantly");
        assert_eq!(strict.destination, tolerant.destination);
        assert_eq!(strict.short_message, tolerant.short_message);
    }
});
