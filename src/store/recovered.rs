//! What recovery found to live, as it is held: fixed-size entries, their octets in one arena. 10 million correlations make no
//! 10 million strings.

use super::names::{NameId, Names};
use super::record::Entry;
use super::segment::{SegmentName, SegmentState};
use crate::engine::message::DeliveryKind;
use crate::smpp::message_id::MessageId;

/// How much lives under one name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NameCounts {
    pub correlations: u64,
    pub early: u64,
    pub deliveries: u64,
}

/// An entry that lives, and where its latest copy lies.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    pub entry: Entry<'a, NameId>,
    pub segment: SegmentName,
    pub octets: u32,
}

#[derive(Debug)]
pub struct Recovered {
    pub names: Names,
    /// Records read, copies and all.
    pub records: u64,
    /// Entries beyond retention, which were dropped.
    pub expired: u64,
    pub(super) segments: Vec<SegmentState>,
    pub(super) correlations: Kept<Correlation>,
    pub(super) early: Kept<Early>,
    pub(super) deliveries: Kept<Delivery>,
    pub(super) arena: Vec<u8>,
}

impl Recovered {
    pub fn correlations(&self) -> impl Iterator<Item = Live<'_>> {
        self.correlations.iter().map(|kept| {
            let Correlation { id, carrier, account, destination, is_muted, .. } = *kept;
            let (born, carrier_id) = (kept.born.into(), self.octets(kept.carrier_id));
            let entry = Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id };
            self.live(entry, kept.source)
        })
    }

    pub fn early(&self) -> impl Iterator<Item = Live<'_>> {
        self.early.iter().map(|kept| {
            let Early { carrier, key, before, .. } = *kept;
            let entry = Entry::Early { carrier, key, born: kept.born.into(), before, body: self.octets(kept.body) };
            self.live(entry, kept.source)
        })
    }

    /// Account by account, the oldest first.
    pub fn deliveries(&self) -> impl Iterator<Item = Live<'_>> {
        self.deliveries.iter().map(|kept| {
            let Delivery { account, id, key, kind, .. } = *kept;
            let (born, body) = (kept.born.into(), self.octets(kept.body));
            self.live(Entry::Delivery { account, id, key, kind, born, body }, kept.source)
        })
    }

    /// Every segment read, with what lives in it, by journal and sequence.
    #[must_use]
    pub fn segments(&self) -> &[SegmentState] {
        &self.segments
    }

    /// How much lives under each name, in the names' order. A correlation counts for its account and its carrier.
    #[must_use]
    pub fn counts(&self) -> Vec<NameCounts> {
        let mut counts = vec![NameCounts::default(); self.names.len()];
        for kept in self.correlations.iter() {
            counts[kept.account.0 as usize].correlations += 1;
            counts[kept.carrier.0 as usize].correlations += 1;
        }
        for kept in self.early.iter() {
            counts[kept.carrier.0 as usize].early += 1;
        }
        for kept in self.deliveries.iter() {
            counts[kept.account.0 as usize].deliveries += 1;
        }
        counts
    }

    fn octets(&self, span: Span) -> &[u8] {
        let at = span.at as usize;
        &self.arena[at..at + span.len as usize]
    }

    fn live<'a>(&self, entry: Entry<'a, NameId>, source: Source) -> Live<'a> {
        Live { entry, segment: self.segments[source.segment as usize].name, octets: source.octets }
    }
}

/// Octets in the arena.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: u64,
    pub(super) len: u32,
}

/// Where an entry was read: its segment's position among those read, and its length there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) segment: u32,
    pub(super) octets: u32,
}

#[derive(Debug)]
pub(super) struct Correlation {
    pub(super) id: MessageId,
    pub(super) carrier_id: Span,
    pub(super) carrier: NameId,
    pub(super) account: NameId,
    pub(super) destination: u32,
    /// Unix seconds: enough until 2106.
    pub(super) born: u32,
    pub(super) source: Source,
    pub(super) is_muted: bool,
}

// Ten million of these are held at once.
const _: () = assert!(size_of::<Option<Correlation>>() <= 56);

#[derive(Debug)]
pub(super) struct Early {
    pub(super) carrier: NameId,
    pub(super) key: u64,
    pub(super) born: u32,
    pub(super) before: u64,
    pub(super) body: Span,
    pub(super) source: Source,
}

#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) account: NameId,
    pub(super) id: MessageId,
    pub(super) key: u64,
    pub(super) kind: DeliveryKind,
    pub(super) born: u32,
    pub(super) body: Span,
    pub(super) source: Source,
}

/// Entries of one kind. A removed one leaves its slot to the next.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Kept<T> {
    /// Returns its slot. A journal of 2^32 entries would not fit any memory.
    pub(super) fn push(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(value);
            return slot;
        }
        self.slots.push(Some(value));
        (self.slots.len() - 1) as u32
    }

    pub(super) fn remove(&mut self, slot: u32) {
        if self.slots[slot as usize].take().is_some() {
            self.free.push(slot);
        }
    }

    pub(super) fn slot_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots[slot as usize].as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }
}
