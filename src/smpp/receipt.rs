//! Delivery receipts: whether a deliver_sm is one, what it says, and its octets with our message_id in the carrier's place.
//!
//! Carriers deviate from the specification's text in every way there is (SMPP 3.4, appendix B, is only an example).
//! So TLVs are believed first and the text second, the text is scanned once and tolerantly, and a rewrite touches
//! the ids and the lengths around them, nothing else.

use std::ops::Range;

use super::view::{SmView, esm_class, tag};

mod details;
mod habits;
mod joined;
mod scan;
mod standard;
mod state;
#[cfg(test)]
mod tests;
mod wide;

pub use details::{Details, details};
pub use habits::{Habits, IdFrom, KnownBy, Per, StateName, StateSet};
pub use joined::{PartSays, Times, rebuild, write_joined};
pub use standard::{StandardReceipt, StandardText, date_of, date_read, write_body, write_standard};
pub use state::MessageState;
pub use wide::narrowed;

/// What a receipt says. Borrowed from the deliver_sm it was read from.
#[derive(Clone, Debug)]
pub struct Receipt<'a> {
    /// The carrier's ids for the message: `receipted_message_id` first, then the text's `id:` where that is another.
    pub ids: [Option<&'a [u8]>; 2],
    pub state: MessageState,
    /// Whether `state` was read; otherwise it is `Unknown` because there was none or not one we know.
    pub state_known: bool,
    /// Its text alone says that it is a receipt: a handset may have written it, or another ESME.
    pub is_by_text: bool,
    /// Where the ids stand, in the order of their places.
    edits: [Option<Edit>; 2],
}

/// Reads a deliver_sm of a carrier without habits of its own. `None`: it is an MO.
#[must_use]
pub fn read<'a>(view: &SmView<'a>) -> Option<Receipt<'a>> {
    read_as(view, &Habits::DEFAULT)
}

/// Reads a deliver_sm of a carrier with these habits. `None`: it is an MO.
#[must_use]
pub fn read_as<'a>(view: &SmView<'a>, habits: &Habits) -> Option<Receipt<'a>> {
    let Some(mark) = Mark::of(view.esm_class) else {
        return if habits.by == KnownBy::Content { read_unmarked(view, habits) } else { None };
    };
    let fields = Fields::of(view, habits);
    let is_certain = mark == Mark::Certain || fields.tlv_id.is_some();
    if !is_certain && !scan::begins_like_receipt(fields.text) {
        return None;
    }
    let is_by_text = mark == Mark::Acknowledgement && fields.tlv_id.is_none() && fields.tlv_state.is_none();
    Some(Receipt { is_by_text, ..fields.receipt(habits) })
}

/// Without the mark only what says both, of which message and what became of it, is a receipt. A text says the second behind
/// its label: "id: 4711 expired" may be anybody's.
fn read_unmarked<'a>(view: &SmView<'a>, habits: &Habits) -> Option<Receipt<'a>> {
    let fields = Fields::of(view, habits);
    let (has_id, has_state) = (fields.tlv_id.is_some(), fields.tlv_state.is_some());
    let text_says = || scan::begins_like_receipt(fields.text) && (has_state || scan::says_state(fields.text, habits));
    let receipt = (has_id && has_state || text_says()).then(|| fields.receipt(habits))?;
    let is_by_text = !has_id && !has_state;
    (receipt.ids[0].is_some() && receipt.state_known).then_some(Receipt { is_by_text, ..receipt })
}

/// The body of a receipt with its dates told in UTC, when the habits say in which zone they are.
#[must_use]
pub fn with_dates_in_utc(body: &[u8], view: &SmView<'_>, habits: &Habits) -> Option<Vec<u8>> {
    let zone_minutes = habits.zone_minutes.filter(|minutes| *minutes != 0)?;
    let fields = Fields::of(view, habits);
    let mut moved = body.to_vec();
    let text_at = view.short_message_at - SM_LENGTH + fields.text_at;
    details::dates_in_utc(&mut moved, text_at, fields.text.len(), zone_minutes);
    Some(moved)
}

/// Whether a text says by itself of which message it tells and what became of that.
#[must_use]
pub fn says_all(text: &[u8]) -> bool {
    let scanned = scan::scan(text, &Habits::DEFAULT);
    scanned.id.is_some() && scanned.state.is_some()
}

/// Appends `body`, from which `view` and `receipt` were read, to `out` with our id instead of the carrier's: in the
/// text's `id:` field and in `receipted_message_id`. Every other octet stays as it came, except that a text grown
/// over what its length can say loses its end, where the `text:` field is.
pub fn rewrite(body: &[u8], view: &SmView<'_>, receipt: &Receipt<'_>, our_id: &[u8], out: &mut Vec<u8>) {
    let (head, rest) = body.split_at(view.short_message_at - SM_LENGTH);
    out.reserve(body.len() + 2 * our_id.len());
    out.extend_from_slice(head);
    let mut copied = 0;
    for edit in receipt.edits.iter().flatten() {
        out.extend_from_slice(&rest[copied..edit.length_at]);
        edit.write(rest, our_id, out);
        copied = edit.value.end;
    }
    out.extend_from_slice(&rest[copied..]);
}

/// What esm_class says about a deliver_sm being a receipt. Of what is not certain the content decides: some carriers mark receipts
/// so, others mean what the specification says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mark {
    Certain,
    /// A receipt by habit, or a concatenated message that happens to carry the bit.
    Headed,
    /// A handset's or an ESME's own, by the specification.
    Acknowledgement,
}

impl Mark {
    fn of(esm_class: u8) -> Option<Self> {
        const DELIVERY_ACK: u8 = 0b0000_1000;
        let kind = esm_class & esm_class::TYPE_MASK;
        if kind & (esm_class::RECEIPT | esm_class::INTERMEDIATE) != 0 {
            let is_headed = esm_class & esm_class::UDHI != 0;
            Some(if is_headed { Self::Headed } else { Self::Certain })
        } else {
            (kind == DELIVERY_ACK).then_some(Self::Acknowledgement)
        }
    }
}

/// Octets of the `sm_length` field.
const SM_LENGTH: usize = 1;
const TLV_TAG: usize = 2;
const TLV_HEADER: usize = 4;

/// Where the fields of interest lie; every position counts from the `sm_length` octet.
struct Fields<'a> {
    tlv_id: Option<&'a [u8]>,
    tlv_state: Option<MessageState>,
    text: &'a [u8],
    text_at: usize,
    /// The value that holds `text`, and the value that holds `tlv_id`.
    text_value: Range<usize>,
    tlv_id_value: Range<usize>,
}

impl<'a> Fields<'a> {
    /// Walks the TLVs once.
    fn of(view: &SmView<'a>, habits: &Habits) -> Self {
        let short = view.short_message;
        let optional_at = SM_LENGTH + short.len();
        let mut fields = Self {
            tlv_id: None,
            tlv_state: None,
            text: short,
            text_at: SM_LENGTH,
            text_value: SM_LENGTH..optional_at,
            tlv_id_value: 0..0,
        };
        for tlv in view.tlvs() {
            let value_at = optional_at + tlv.at + TLV_HEADER;
            let value = value_at..value_at + tlv.value.len();
            match tlv.tag {
                tag::RECEIPTED_MESSAGE_ID if fields.tlv_id.is_none() => {
                    fields.tlv_id = until_nul(tlv.value);
                    fields.tlv_id_value = value;
                }
                tag::MESSAGE_STATE => {
                    let state = tlv.value.first().and_then(|number| habits.of_number(*number));
                    fields.tlv_state = fields.tlv_state.or(state);
                }
                tag::MESSAGE_PAYLOAD if fields.text.is_empty() => {
                    (fields.text, fields.text_at, fields.text_value) = (tlv.value, value_at, value);
                }
                _ => {}
            }
        }
        if view.has_udh() && !scan::begins_like_receipt(fields.text) {
            let header = fields.text.first().map_or(0, |len| usize::from(*len) + 1).min(fields.text.len());
            fields.text = &fields.text[header..];
            fields.text_at += header;
        }
        fields
    }

    fn receipt(self, habits: &Habits) -> Receipt<'a> {
        let scanned = scan::scan(self.text, habits);
        let text_id = scanned.id.map(|(start, end)| &self.text[start..end]);
        let text_edit =
            scanned.id.map(|(start, end)| Edit::new(self.text_value.clone(), self.text_at + start..self.text_at + end));
        let tlv_edit = self.tlv_id.map(|id| {
            let at = self.tlv_id_value.start;
            Edit::new(self.tlv_id_value.clone(), at..at + id.len())
        });
        let ids = match (self.tlv_id, text_id) {
            (tlv, _) if habits.id_from == IdFrom::Tlv => [tlv, None],
            (_, text) if habits.id_from == IdFrom::Text => [text, None],
            (Some(tlv), Some(text)) if tlv != text => [Some(tlv), Some(text)],
            (tlv, text) => [tlv.or(text), None],
        };
        let in_order = self.text_value.start <= self.tlv_id_value.start;
        let edits = if in_order { [text_edit, tlv_edit] } else { [tlv_edit, text_edit] };
        let state = self.tlv_state.or(scanned.state);
        let (state, state_known) = (state.unwrap_or(MessageState::Unknown), state.is_some());
        Receipt { ids, state, state_known, is_by_text: false, edits }
    }
}

/// An id to replace, in a value whose length stands right before it. Positions count from the `sm_length` octet.
#[derive(Clone, Debug)]
struct Edit {
    length_at: usize,
    value: Range<usize>,
    id: Range<usize>,
}

impl Edit {
    fn new(value: Range<usize>, id: Range<usize>) -> Self {
        // The short message begins behind its one octet of length; a TLV's value cannot begin so early.
        let width = if value.start == SM_LENGTH { SM_LENGTH } else { TLV_HEADER - TLV_TAG };
        Self { length_at: value.start - width, value, id }
    }

    /// Appends the length and the value with `our_id` in it.
    fn write(&self, rest: &[u8], our_id: &[u8], out: &mut Vec<u8>) {
        let (before, after) = (&rest[self.value.start..self.id.start], &rest[self.id.end..self.value.end]);
        let short = self.length_at == 0;
        // A peer that sent 255 octets can be sent 255.
        let limit = if short { self.value.len().max(254) } else { usize::from(u16::MAX) };
        let our_id = &our_id[..our_id.len().min(limit)];
        let before = &before[before.len().saturating_sub(limit - our_id.len())..];
        let after = &after[..after.len().min(limit - our_id.len() - before.len())];
        let [high, low] = ((before.len() + our_id.len() + after.len()) as u16).to_be_bytes();
        if !short {
            out.push(high);
        }
        out.push(low);
        out.extend_from_slice(before);
        out.extend_from_slice(our_id);
        out.extend_from_slice(after);
    }
}

/// A C-string's octets, whether or not it has its NUL; `None` when there are none.
fn until_nul(value: &[u8]) -> Option<&[u8]> {
    let len = value.iter().position(|octet| *octet == 0).unwrap_or(value.len());
    (len != 0).then(|| &value[..len])
}
