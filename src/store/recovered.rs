//! What recovery found to live, as it is held: fixed-size entries, their octets in few arenas. 10 million correlations make no
//! 10 million strings.

use super::cdr_lines::CdrJournals;
use super::names::{NameId, Names};
use super::record::Entry;
use super::segment::{SegmentName, SegmentState};
use crate::engine::event::HoldingKind;
use crate::smpp::message_id::MessageId;

/// How much lives under one name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NameCounts {
    pub correlations: u64,
    pub early: u64,
    pub deliveries: u64,
    /// Submits accepted when they were durable, whose fate is not known.
    pub stored: u64,
    pub unrouted: u64,
    /// When the oldest of them was born, in Unix seconds.
    pub oldest_born: Option<u32>,
}

impl NameCounts {
    fn saw(&mut self, born: u32) {
        self.oldest_born = Some(self.oldest_born.map_or(born, |oldest| oldest.min(born)));
    }
}

/// An entry that lives, and where its latest copy lies.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    pub entry: Entry<'a, NameId>,
    pub segment: SegmentName,
    pub octets: u32,
}

/// All of it, in parts that can each be iterated by themselves. A correlation lies in any part; the early receipts and unrouted MO
/// of a carrier and what an account holds lie in one.
#[derive(Debug)]
pub struct Recovered {
    pub names: Names,
    /// Records read, copies and all.
    pub records: u64,
    /// One more than the largest key of anything but a correlation, one that is gone too: no key is used twice.
    pub next_key: u64,
    pub cdr: CdrJournals,
    /// Whether two journals know of one key. They release their segments apart, so one may forget the removal of what the
    /// other still holds: rewrite everything into the present homes before serving.
    pub is_spread: bool,
    /// By journal and sequence.
    pub(super) segments: Vec<SegmentState>,
    /// As read.
    pub(super) sources: Vec<SegmentName>,
    pub(super) parts: Vec<KeptPart>,
}

impl Recovered {
    /// How many parts there are, for those who iterate them on several threads.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    pub fn correlations(&self) -> impl Iterator<Item = Live<'_>> {
        (0..self.parts()).flat_map(|part| self.correlations_in(part))
    }

    pub fn early(&self) -> impl Iterator<Item = Live<'_>> {
        (0..self.parts()).flat_map(|part| self.early_in(part))
    }

    /// Account by account, the oldest first.
    pub fn holdings(&self) -> impl Iterator<Item = Live<'_>> {
        (0..self.parts()).flat_map(|part| self.holdings_in(part))
    }

    pub fn correlations_in(&self, part: usize) -> impl Iterator<Item = Live<'_>> {
        let part = &self.parts[part];
        part.correlations.iter().map(|kept| {
            let Correlation { id, carrier, account, destination, is_muted, .. } = *kept;
            let (born, carrier_id) = (kept.born.into(), part.octets(kept.carrier_id));
            let addresses = kept.carrier_id.behind(kept.addresses_len.into());
            let shown = kept.is_shared.then(|| part.id(addresses.behind(size_of::<MessageId>() as u32)));
            let addresses = part.octets(addresses);
            let entry =
                Entry::Correlation { carrier, account, id, destination, born, is_muted, carrier_id, addresses, shown };
            self.live(entry, kept.source)
        })
    }

    pub fn early_in(&self, part: usize) -> impl Iterator<Item = Live<'_>> {
        let part = &self.parts[part];
        part.early.iter().map(|kept| {
            let Early { carrier, key, before, .. } = *kept;
            let entry = Entry::Early { carrier, key, born: kept.born.into(), before, body: part.octets(kept.body) };
            self.live(entry, kept.source)
        })
    }

    /// Account by account, the oldest first.
    pub fn holdings_in(&self, part: usize) -> impl Iterator<Item = Live<'_>> {
        let part = &self.parts[part];
        part.holdings.iter().map(|kept| {
            let Holding { account, id, key, kind, .. } = *kept;
            let (born, body) = (kept.born.into(), part.octets(kept.body));
            self.live(Entry::Holding { account, id, key, kind, born, body }, kept.source)
        })
    }

    /// Carrier by carrier, in no order.
    pub fn unrouted(&self) -> impl Iterator<Item = Live<'_>> {
        (0..self.parts()).flat_map(|part| self.unrouted_in(part))
    }

    pub fn unrouted_in(&self, part: usize) -> impl Iterator<Item = Live<'_>> {
        let part = &self.parts[part];
        part.unrouted.iter().map(|kept| {
            let Unrouted { carrier, key, .. } = *kept;
            let (born, body) = (kept.born.into(), part.octets(kept.body));
            self.live(Entry::Unrouted { carrier, key, born, body }, kept.source)
        })
    }

    /// Everything that lives.
    pub fn all(&self) -> impl Iterator<Item = Live<'_>> {
        self.correlations().chain(self.early()).chain(self.holdings()).chain(self.unrouted())
    }

    /// Every segment read, with what lives in it, by journal and sequence.
    #[must_use]
    pub fn segments(&self) -> &[SegmentState] {
        &self.segments
    }

    /// The segments of each journal there is.
    pub fn journals(&self) -> impl Iterator<Item = &[SegmentState]> {
        self.segments.chunk_by(|one, next| one.name.journal == next.name.journal)
    }

    /// The segments of one journal, for the `Journal` that goes on with it.
    #[must_use]
    pub fn journal(&self, number: u16) -> &[SegmentState] {
        self.journals().find(|segments| segments[0].name.journal == number).unwrap_or_default()
    }

    /// How much lives under each name, in the names' order. A correlation counts for its account and its carrier.
    #[must_use]
    pub fn counts(&self) -> Vec<NameCounts> {
        let mut counts = vec![NameCounts::default(); self.names.len()];
        for part in &self.parts {
            for kept in part.correlations.iter() {
                for name in [kept.account, kept.carrier] {
                    let count = &mut counts[name.0 as usize];
                    count.correlations += 1;
                    count.saw(kept.born);
                }
            }
            for kept in part.early.iter() {
                let count = &mut counts[kept.carrier.0 as usize];
                count.early += 1;
                count.saw(kept.born);
            }
            for kept in part.holdings.iter() {
                let count = &mut counts[kept.account.0 as usize];
                match kept.kind {
                    HoldingKind::Delivery(_) | HoldingKind::Event | HoldingKind::MoPart => count.deliveries += 1,
                    HoldingKind::Stored => count.stored += 1,
                    HoldingKind::Sent | HoldingKind::Usage | HoldingKind::State | HoldingKind::Parts => {}
                    HoldingKind::Message | HoldingKind::Keyed => {}
                }
                count.saw(kept.born);
            }
            for kept in part.unrouted.iter() {
                let count = &mut counts[kept.carrier.0 as usize];
                count.unrouted += 1;
                count.saw(kept.born);
            }
        }
        counts
    }

    fn live<'a>(&self, entry: Entry<'a, NameId>, source: Source) -> Live<'a> {
        Live { entry, segment: self.sources[source.segment as usize], octets: source.octets }
    }
}

/// What lives of some keys.
#[derive(Debug, Default)]
pub(super) struct KeptPart {
    pub(super) correlations: Kept<Correlation>,
    pub(super) early: Kept<Early>,
    pub(super) holdings: Kept<Holding>,
    pub(super) unrouted: Kept<Unrouted>,
    arena: Vec<u8>,
}

impl KeptPart {
    pub(super) fn keep(&mut self, octets: &[u8]) -> Span {
        let at = self.arena.len() as u64;
        self.arena.extend_from_slice(octets);
        Span { at, len: octets.len() as u32 }
    }

    pub(super) fn sort_holdings(&mut self) {
        // A slot that something left has no key, and comes first.
        self.holdings.slots.sort_unstable_by_key(|slot| slot.as_ref().map(|kept| (kept.account, kept.key)));
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        (self.correlations.iter().map(|kept| kept.source))
            .chain(self.early.iter().map(|kept| kept.source))
            .chain(self.holdings.iter().map(|kept| kept.source))
            .chain(self.unrouted.iter().map(|kept| kept.source))
    }

    fn id(&self, span: Span) -> MessageId {
        let octets = self.octets(span).first_chunk().copied().unwrap_or_default();
        MessageId::new(u64::from_le_bytes(octets))
    }

    fn octets(&self, span: Span) -> &[u8] {
        let at = span.at as usize;
        &self.arena[at..at + span.len as usize]
    }
}

/// Octets in the arena.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: u64,
    pub(super) len: u32,
}

impl Span {
    fn behind(self, len: u32) -> Self {
        Self { at: self.at + u64::from(self.len), len }
    }
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
    /// The addresses lie right behind the carrier's id, and the id its receipts show behind them.
    pub(super) addresses_len: u8,
    pub(super) is_shared: bool,
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
pub(super) struct Holding {
    pub(super) account: NameId,
    pub(super) id: MessageId,
    pub(super) key: u64,
    pub(super) kind: HoldingKind,
    pub(super) born: u32,
    pub(super) body: Span,
    pub(super) source: Source,
}

#[derive(Debug)]
pub(super) struct Unrouted {
    pub(super) carrier: NameId,
    pub(super) key: u64,
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

    pub(super) fn slot(&self, slot: u32) -> Option<&T> {
        self.slots[slot as usize].as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }
}
