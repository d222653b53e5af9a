//! A data_sm that is taken becomes a deliver_sm that can be read, with the same addresses, text and other TLVs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline::smpp::view::{SmView, tag};
use trunkline::smpp::{data_sm, keyword, receipt, segment};

fuzz_target!(|body: &[u8]| {
    let Ok(deliver) = data_sm::as_short_message(body) else { return };
    let view = SmView::deliver(&deliver).expect("what it becomes can be read");
    let head = view.service_type.len() + view.source.digits.len() + view.destination.digits.len() + 7;
    assert_eq!(deliver[..head], body[..head]);
    assert_eq!(deliver[head..][..3], [body[head], 0, 0]);
    assert_eq!((view.registered_delivery, view.data_coding), (body[head + 1], body[head + 2]));
    // A header of four octets and the text are there, or the text and its length.
    let moved = if view.short_message.is_empty() && view.optional.len() == body.len() - head - 3 { 0 } else { 4 };
    assert_eq!(view.short_message.len() + view.optional.len() + moved, body.len() - head - 3);
    assert!(view.tlv(tag::MESSAGE_PAYLOAD).is_none_or(|_| moved == 4 || view.text().len() > 254));
    let _ = (receipt::read(&view), keyword::first_word(&view), segment::segment_ref(&view));
});
