//! What an account's holdings say of a stored submit, as octets and back: the submit itself, and the mark that it may have reached a
//! carrier. The first octet is the layout's version: what a later one wrote is left alone.

use std::time::Duration;

use super::validity;
use crate::config::{Account, UnrequestedReceipts};
use crate::smpp::message_id::MessageId;
use crate::smpp::segment;
use crate::smpp::view::SmView;

/// A stored submit as its record has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredSubmit<'a> {
    /// Its receipts are passed on: asked for, or wanted whether asked for or not.
    pub wants_receipt: bool,
    /// Its customer is told when it never got out.
    pub wants_failure: bool,
    pub priority: u8,
    pub segments: u16,
    /// When its validity ends, in Unix seconds.
    pub ends: u32,
    /// The id its customer knows it by, when that is another than its own.
    pub shown: Option<MessageId>,
    /// The submit_sm's.
    pub body: &'a [u8],
}

/// That a stored submit may have reached a carrier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SentMark<'a> {
    /// The key of the submit.
    pub stored: u64,
    /// The carrier's name.
    pub carrier: &'a str,
}

const VERSION: u8 = 1;
const WANTS_RECEIPT: u8 = 1;
const WANTS_FAILURE: u8 = 2;
/// Another id stands before the body.
const IS_SHOWN: u8 = 4;

impl<'a> StoredSubmit<'a> {
    /// Octets before the body, at most.
    pub const HEAD: usize = 17;

    /// A submit that is accepted now, in Unix seconds. It is kept no longer than anything else is.
    #[must_use]
    pub fn accepted(body: &'a [u8], config: &Account, now: u32, retention: Duration) -> Option<Self> {
        let view = SmView::submit(body).ok()?;
        let longest = validity::span(view.validity, now).unwrap_or(config.validity).min(retention);
        let asked = view.registered_delivery & 0b11;
        let passes_all = config.unrequested_receipts == UnrequestedReceipts::Pass;
        Some(Self {
            wants_receipt: view.wants_receipt() || passes_all,
            wants_failure: matches!(asked, 1 | 2) || asked == 0 && passes_all,
            priority: view.priority.min(3),
            segments: u16::try_from(segment::count_segments(&view)).unwrap_or(u16::MAX),
            ends: now.saturating_add(u32::try_from(longest.as_secs()).unwrap_or(u32::MAX)),
            shown: None,
            body,
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let flags = bit(self.wants_receipt, WANTS_RECEIPT) | bit(self.wants_failure, WANTS_FAILURE);
        let flags = flags | bit(self.shown.is_some(), IS_SHOWN);
        out.extend_from_slice(&[VERSION, flags, self.priority]);
        out.extend_from_slice(&self.segments.to_le_bytes());
        out.extend_from_slice(&self.ends.to_le_bytes());
        if let Some(shown) = self.shown {
            out.extend_from_slice(&shown.bits().to_le_bytes());
        }
        out.extend_from_slice(self.body);
    }

    /// `None` for another layout.
    #[must_use]
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let ([version, flags, priority], rest) = octets.split_first_chunk()?;
        let (segments, rest) = rest.split_first_chunk()?;
        let (ends, mut body) = rest.split_first_chunk()?;
        let mut shown = None;
        if flags & IS_SHOWN != 0 {
            let (id, rest) = body.split_first_chunk()?;
            (shown, body) = (Some(MessageId::new(u64::from_le_bytes(*id))), rest);
        }
        (*version == VERSION).then(|| Self {
            wants_receipt: flags & WANTS_RECEIPT != 0,
            wants_failure: flags & WANTS_FAILURE != 0,
            priority: *priority,
            segments: u16::from_le_bytes(*segments),
            ends: u32::from_le_bytes(*ends),
            shown,
            body,
        })
    }
}

impl<'a> SentMark<'a> {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(self.carrier.as_bytes());
    }

    /// `None` for another layout.
    #[must_use]
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let (version, rest) = octets.split_first()?;
        let (stored, carrier) = rest.split_first_chunk()?;
        let carrier = std::str::from_utf8(carrier).ok()?;
        (*version == VERSION).then(|| Self { stored: u64::from_le_bytes(*stored), carrier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_another_layout_is_left_alone() {
        let submit = StoredSubmit {
            wants_receipt: true,
            wants_failure: false,
            priority: 3,
            segments: 700,
            ends: 1_800_000_000,
            shown: None,
            body: b"the body",
        };
        let mut octets = Vec::new();
        let one_of_many = StoredSubmit { shown: Some(MessageId::new(7)), ..submit };
        one_of_many.write(&mut octets);
        assert_eq!(StoredSubmit::read(&octets), Some(one_of_many));
        assert_eq!((0..17).find_map(|len| StoredSubmit::read(&octets[..len])), None);
        octets.clear();
        submit.write(&mut octets);
        assert_eq!(StoredSubmit::read(&octets), Some(submit));
        octets[0] = 2;
        assert_eq!(StoredSubmit::read(&octets), None);
        assert_eq!((0..9).find_map(|len| StoredSubmit::read(&octets[..len])), None);
        let mark = SentMark { stored: 77, carrier: "north" };
        octets.clear();
        mark.write(&mut octets);
        assert_eq!(SentMark::read(&octets), Some(mark));
        octets[0] = 0;
        assert_eq!((SentMark::read(&octets), SentMark::read(b"\x01abc")), (None, None));
    }
}
