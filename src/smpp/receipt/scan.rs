//! The scanner of receipts' texts: one pass over the octets, no backtracking, no allocation.
//!
//! Fields are `label:value` words between spaces, in any order and case. A value may stand behind spaces of its own
//! (`err: 042`), a state without its label; behind `text:` comes what the message said, which proves nothing.

use super::{Habits, MessageState};

/// What the text says. `id` is where the id starts and ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Scanned {
    pub(super) id: Option<(usize, usize)>,
    pub(super) state: Option<MessageState>,
    /// Whether the state has its label.
    pub(super) is_labelled: bool,
}

pub(super) fn scan(text: &[u8], habits: &Habits) -> Scanned {
    let standard = if habits.states.is_empty() { scan_standard(text) } else { None };
    standard.unwrap_or_else(|| scan_any(text, habits))
}

/// Whether the first word is one that only receipts begin with.
pub(super) fn begins_like_receipt(text: &[u8]) -> bool {
    if text.starts_with(b"id:") {
        return true;
    }
    let mut words = Words::of(text);
    match words.next().map(|word| Label::of(&text[word.0..word.1]).0) {
        Some(Label::Id | Label::State | Label::Other) => true,
        Some(Label::Text | Label::None) | None => false,
    }
}

/// The layout of the specification's example, which most carriers keep: there the state's place is known from the id's
/// end, and the rest need not be looked at. Some add seconds to the dates.
fn scan_standard(text: &[u8]) -> Option<Scanned> {
    const ID: &[u8] = b"id:";
    let behind = text.strip_prefix(ID)?;
    let id_len = behind.iter().position(|octet| is_space(*octet)).filter(|len| *len != 0)?;
    let fields = &behind[id_len..];
    let state = standard_state(fields, 10).or_else(|| standard_state(fields, 12))?;
    Some(Scanned { id: Some((ID.len(), ID.len() + id_len)), state: Some(state), is_labelled: true })
}

/// The state in the fields behind the id, when they are as wide as they should be.
fn standard_state(fields: &[u8], date_len: usize) -> Option<MessageState> {
    const STATE_LEN: usize = 7;
    let done_at = 31 + date_len;
    let stat_at = 42 + 2 * date_len;
    let marks: [(usize, &[u8]); 5] =
        [(0, b" sub:"), (8, b" dlvrd:"), (18, b" submit date:"), (done_at, b" done date:"), (stat_at, b" stat:")];
    let state = fields.get(stat_at + 6..)?;
    if !marks.iter().all(|(at, mark)| fields[*at..].starts_with(mark)) {
        return None;
    }
    // A longer word is another state.
    if state.get(STATE_LEN).is_some_and(|octet| !is_space(*octet)) {
        return None;
    }
    MessageState::from_word(state.get(..STATE_LEN)?)
}

/// Whether a label says that a state of a message follows, and one does.
pub(super) fn says_state(text: &[u8], habits: &Habits) -> bool {
    let scanned = scan_any(text, habits);
    scanned.is_labelled && scanned.state.is_some()
}

fn scan_any(text: &[u8], habits: &Habits) -> Scanned {
    let mut scanned = Scanned::default();
    let mut bare_state = None;
    let (mut id_seen, mut state_seen) = (false, false);
    let mut words = Words::of(text);
    while !(id_seen && state_seen)
        && let Some((start, end)) = words.next()
    {
        let word = &text[start..end];
        let (label, label_len) = Label::of(word);
        match label {
            Label::Text => break,
            Label::Id if !id_seen => {
                id_seen = true;
                scanned.id = words.value(start + label_len, end);
            }
            Label::State if !state_seen => {
                state_seen = true;
                let value = words.value(start + label_len, end);
                scanned.state = value.and_then(|(start, end)| habits.of_word(&text[start..end]));
            }
            Label::None if bare_state.is_none() => bare_state = habits.of_word(word),
            Label::Id | Label::State | Label::Other | Label::None => {}
        }
    }
    scanned.is_labelled = state_seen;
    if !state_seen {
        scanned.state = bare_state;
    }
    scanned
}

/// The words between spaces and control octets, as (start, end).
pub(super) struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The value of a label that ends at `start`: the rest of its word, or else the next word unless that is a field
    /// of its own.
    pub(super) fn value(&mut self, start: usize, end: usize) -> Option<(usize, usize)> {
        if start < end {
            return Some((start, end));
        }
        let back = self.at;
        let (start, end) = self.next()?;
        let word = &self.text[start..end];
        let is_field = Label::of(word).0 != Label::None
            || word.eq_ignore_ascii_case(b"submit")
            || word.eq_ignore_ascii_case(b"done");
        if is_field {
            self.at = back;
            return None;
        }
        Some((start, end))
    }
}

impl Iterator for Words<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.at + self.text[self.at..].iter().position(|octet| !is_space(*octet))?;
        let len = self.text[start..].iter().position(|octet| is_space(*octet));
        self.at = len.map_or(self.text.len(), |len| start + len);
        Some((start, self.at))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Label {
    Id,
    State,
    Text,
    /// A field that says nothing we decide by.
    Other,
    None,
}

impl Label {
    /// The label at the front of a word, and its octets with the colon.
    fn of(word: &[u8]) -> (Self, usize) {
        const LONGEST: usize = "dlvrd:".len();
        let mut front = [0; LONGEST];
        for (lower, octet) in front.iter_mut().zip(word) {
            // Folds case; of the octets in words only `:` becomes a colon.
            *lower = octet | 0x20;
        }
        match &front {
            b"dlvrd:" => (Self::Other, 6),
            b"state:" => (Self::State, 6),
            [b's', b't', b'a', b't', b':', _] => (Self::State, 5),
            [b't', b'e', b'x', b't', b':', _] => (Self::Text, 5),
            [b'd', b'a', b't', b'e', b':', _] => (Self::Other, 5),
            [b's', b'u', b'b', b':', ..] | [b'e', b'r', b'r', b':', ..] => (Self::Other, 4),
            [b'i', b'd', b':', ..] => (Self::Id, 3),
            _ => (Self::None, 0),
        }
    }
}

/// Spaces, and what stands for them or pads a text: tabs, line ends, NULs.
fn is_space(octet: u8) -> bool {
    octet <= b' '
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_quick_look_at_the_standard_layout_agrees_with_the_scan() {
        let text =
            b"id:5B2F sub:001 dlvrd:001 submit date:2611151404 done date:2611151405 stat:DELIVRD err:000 text:hi";
        let quick = scan_standard(text).unwrap();
        assert_eq!(quick, Scanned { id: Some((3, 7)), state: Some(MessageState::Delivered), is_labelled: true });
        assert_eq!(scan_any(text, &Habits::DEFAULT), quick);
        let longer = b"id:5B2F sub:001 dlvrd:001 submit date:2611151404 done date:2611151405 stat:DELIVRDX err:000";
        assert_eq!(scan_standard(longer), None);
    }

    proptest! {
        #[test]
        fn any_octets_can_be_scanned(
            text in prop::collection::vec(any::<u8>(), 0..200),
            words in "(id:|stat:|text:|DELIVRD|submit date:| |[0-9a-f]){0,20}",
        ) {
            for text in [&text[..], words.as_bytes()] {
                let _ = begins_like_receipt(text);
                let scanned = scan(text, &Habits::DEFAULT);
                prop_assert!(scanned.id.is_none_or(|(start, end)| start < end && end <= text.len()));
            }
        }
    }
}
