//! Receipts whose text is in UCS-2: some carriers write them as they write a message with a name that needs it.

use super::{Habits, KnownBy, Mark, read_as, scan};
use crate::smpp::view::{SmView, tag};

/// The body of a receipt with its text in ASCII, when it came in UCS-2: an octet a letter, so that the id in it can be given
/// in our spelling as in any other receipt. What `data_coding` says is not believed either way: carriers set 8 and write ASCII.
/// `None` for what is no receipt: an MO that begins as one does keeps its letters.
#[must_use]
pub fn narrowed(body: &[u8], view: &SmView<'_>, habits: &Habits) -> Option<Vec<u8>> {
    let text = view.text();
    if text.first() != Some(&0) || !text.len().is_multiple_of(2) {
        return None;
    }
    if habits.by == KnownBy::Flag && Mark::of(view.esm_class).is_none() {
        return None;
    }
    // A letter of the message that has no place in ASCII is a question mark here.
    let narrow: Vec<u8> = text.chunks_exact(2).map(|unit| if unit[0] == 0 { unit[1] } else { b'?' }).collect();
    if !scan::begins_like_receipt(&narrow) {
        return None;
    }
    const DATA_CODING_BEFORE: usize = 3;
    let mut out = body[..view.short_message_at].to_vec();
    out[view.short_message_at - DATA_CODING_BEFORE] = 0;
    let is_short = !view.short_message.is_empty();
    if is_short {
        // Half of what an octet could say.
        out[view.short_message_at - 1] = narrow.len() as u8;
        out.extend_from_slice(&narrow);
        out.extend_from_slice(view.optional);
    } else {
        let payload = view.tlvs().find(|tlv| tlv.tag == tag::MESSAGE_PAYLOAD)?;
        out.extend_from_slice(&view.optional[..payload.at]);
        out.extend_from_slice(&tag::MESSAGE_PAYLOAD.to_be_bytes());
        out.extend_from_slice(&(narrow.len() as u16).to_be_bytes());
        out.extend_from_slice(&narrow);
        out.extend_from_slice(&view.optional[payload.at + 4 + payload.value.len()..]);
    }
    let is_receipt = SmView::deliver(&out).is_ok_and(|view| read_as(&view, habits).is_some());
    is_receipt.then_some(out)
}
