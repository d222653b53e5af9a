//! How much fits into a message, and where a long text is cut.

use unicode_segmentation::GraphemeCursor;

use super::gsm::Septets;
use super::header::Header;
use super::{Alphabet, Encoded, Reference, TextError};

/// What the mark of a part can count.
pub(super) const MOST: usize = 255;

/// User data of one message on the air, header included (3GPP TS 23.040, section 9.2.3.24).
const USER_DATA: usize = 140;

/// `octets`, which `cuts` says where to cut into parts of so many, as short messages.
pub(super) fn write(
    octets: &[u8],
    alphabet: Alphabet,
    header: &Header<'_>,
    reference: Reference,
    cuts: impl Fn(usize) -> Vec<usize>,
) -> Result<Encoded, TextError> {
    let alone = room(alphabet, header.len()).ok_or(TextError::HeaderTooLong)?;
    if octets.len() <= alone {
        let mut part = Vec::with_capacity(header.len() + octets.len());
        header.write(&mut part);
        part.extend_from_slice(octets);
        return Ok(Encoded { alphabet, parts: vec![part], has_header: header.len() > 0 });
    }
    if header.marks_part() {
        return Err(TextError::HeaderOfPart);
    }
    let room = room(alphabet, header.len_of_part(reference)).ok_or(TextError::HeaderTooLong)?;
    // Before a long look at a text that is far too long.
    if octets.len() > room * MOST {
        return Err(TextError::TooLong);
    }
    let cuts = cuts(room);
    let total = u8::try_from(cuts.len() + 1).map_err(|_| TextError::TooLong)?;
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([octets.len()]);
    let parts = starts.zip(ends).zip(1..=total).map(|((start, end), number)| {
        let mut part = Vec::with_capacity(header.len_of_part(reference) + end - start);
        header.write_of_part(reference, total, number, &mut part);
        part.extend_from_slice(&octets[start..end]);
        part
    });
    Ok(Encoded { alphabet, parts: parts.collect(), has_header: true })
}

/// Octets of short_message that fit behind so many of a header. `None` when no character does.
fn room(alphabet: Alphabet, header: usize) -> Option<usize> {
    let octets = USER_DATA.checked_sub(header)?;
    // Unpacked: eight septets in seven octets on the air. The longest characters are an escape pair and a surrogate pair.
    let (room, longest) = match alphabet {
        Alphabet::Gsm => (octets * 8 / 7, 2),
        Alphabet::Ucs2 => (octets / 2 * 2, 4),
        Alphabet::Binary => (octets, 1),
    };
    (room >= longest).then_some(room)
}

/// Where the octets of a text are cut, so that each part has at most `room` of them and no grapheme is in two parts, but for one
/// that is longer than a part.
pub(super) fn cuts_of_text(text: &str, alphabet: Alphabet, room: usize) -> Vec<usize> {
    let len = |text: &str| -> usize { text.chars().map(|character| octets_of(character, alphabet)).sum() };
    let mut cuts = Vec::new();
    // Where the part begins, in the text and in its octets.
    let (mut part, mut part_at) = (0, 0);
    let mut at = 0;
    for (index, character) in text.char_indices() {
        let character_len = octets_of(character, alphabet);
        while at + character_len - part_at > room {
            let whole = boundary(&text[part..], index - part);
            let cut = if whole > 0 { part + whole } else { index };
            part_at = at - len(&text[cut..index]);
            part = cut;
            cuts.push(part_at);
        }
        at += character_len;
    }
    cuts
}

/// The last place up to `index` that is between two graphemes.
fn boundary(text: &str, index: usize) -> usize {
    let mut cursor = GraphemeCursor::new(index, text.len(), true);
    // It has the whole text before it, and so never asks for more.
    match cursor.is_boundary(text, 0) {
        Ok(false) => cursor.prev_boundary(text, 0).ok().flatten().unwrap_or(0),
        Ok(true) | Err(_) => index,
    }
}

fn octets_of(character: char, alphabet: Alphabet) -> usize {
    match alphabet {
        Alphabet::Gsm => Septets::of(character).map_or(0, Septets::len),
        Alphabet::Ucs2 => character.len_utf16() * 2,
        Alphabet::Binary => 1,
    }
}
