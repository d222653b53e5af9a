//! Reading a segment: which batches count, and what of the rest is a torn tail, which a crash leaves, and what is damage.
//!
//! A segment is known by its file's name: journal, sequence number, and an id that is new at each use of a file. So what an
//! earlier use left behind is never taken for damage, nor for records.

use std::fmt;

use super::batch::{Batches, SECTOR, batch_at, newer_version_at, read_batches};
use super::record::{Begin, PreviousEnd, RecordError, StandsFor, StoreRecord};

/// Of records. A segment that says a later one is refused untouched.
pub const FORMAT: u32 = 1;
/// No segment is nearly as long: one batch more than its journal's limit.
pub const LONGEST: usize = u32::MAX as usize;

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SegmentName {
    pub journal: u16,
    /// Counts a journal's segments, from 0, across restarts.
    pub sequence: u64,
    /// Random.
    pub id: u64,
}

impl SegmentName {
    const SUFFIX: &str = "journal";

    /// Reads a file's name; `None` when the file is no segment.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(Self::SUFFIX)?.strip_suffix('.')?.split('-');
        let parsed = Self {
            journal: parts.next()?.parse().ok()?,
            sequence: parts.next()?.parse().ok()?,
            id: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

/// The name of its file.
impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{:010}-{:016x}.{}", self.journal, self.sequence, self.id, Self::SUFFIX)
    }
}

/// A segment of an earlier process, or of this one as far as it is filled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SegmentState {
    pub name: SegmentName,
    pub batches: u64,
    pub octets: u64,
    /// Octets of its entries that live and lie in no later segment.
    pub live: u64,
}

impl SegmentState {
    /// How the segment after this one describes it.
    #[must_use]
    pub fn end(&self) -> PreviousEnd {
        PreviousEnd { id: self.name.id, batches: self.batches, end: self.octets }
    }
}

/// What must not be read past: the operator decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Damage {
    pub segment: SegmentName,
    pub offset: usize,
    pub kind: DamageKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DamageKind {
    /// Written by a later version: nothing is wrong with it.
    NewerFormat(u32),
    /// A batch is invalid, and a whole one lies behind it.
    InvalidBatch {
        whole_behind: usize,
    },
    /// The next segment says that more batches were written.
    EndsEarly {
        batches: u64,
        written: u64,
    },
    /// The next segment of the journal that is there follows another one.
    NextMissing {
        next: SegmentName,
    },
    TooLong,
    /// The first record is not what begins this segment.
    Begin,
    Record(RecordError),
    /// A record uses a name that the segment does not define.
    UnknownName,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}: ", self.segment, self.offset)?;
        match self.kind {
            DamageKind::NewerFormat(format) => write!(f, "format {format} is newer than this program's {FORMAT}"),
            DamageKind::InvalidBatch { whole_behind } => {
                write!(f, "an invalid batch, although a whole one lies at offset {whole_behind}")
            }
            DamageKind::EndsEarly { batches, written } => {
                write!(f, "ends after {batches} batches, although {written} were written")
            }
            DamageKind::NextMissing { next } => write!(f, "the segment between it and {next} is missing"),
            DamageKind::TooLong => f.write_str("longer than any segment"),
            DamageKind::Begin => f.write_str("does not begin as its name says"),
            DamageKind::Record(error) => error.fmt(f),
            DamageKind::UnknownName => f.write_str("a record uses a name that was not defined"),
        }
    }
}

/// A segment that is no damaged one.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    pub name: SegmentName,
    pub previous: Option<PreviousEnd>,
    pub stands_for: Option<StandsFor>,
    /// Whole batches. None when the process ended before its first one was written.
    pub batches: u64,
    /// Where they end.
    pub end: usize,
    /// Whether something else was being written behind them.
    pub is_torn: bool,
    octets: &'a [u8],
}

/// Reads a segment's octets, all that its file has.
pub fn read_segment(octets: &[u8], name: SegmentName) -> Result<Segment<'_>, Damage> {
    let damage = |offset, kind| Damage { segment: name, offset, kind };
    if octets.len() > LONGEST {
        return Err(damage(LONGEST, DamageKind::TooLong));
    }
    let mut batches = read_batches(octets, name.id);
    let first = batches.next();
    let count = u64::from(first.is_some()) + batches.by_ref().count() as u64;
    let end = batches.offset();
    let (previous, stands_for) = match first {
        None => match newer_version_at(octets, 0, name.id) {
            Some(version) => return Err(damage(0, DamageKind::NewerFormat(version.into()))),
            None => (None, None),
        },
        Some(first) => read_begin(first.payload, name).map_err(|kind| damage(0, kind))?,
    };
    if let Some(whole_behind) = whole_batch_behind(octets, end, name.id) {
        return Err(damage(end, DamageKind::InvalidBatch { whole_behind }));
    }
    if let Some(StandsFor { batches: written, .. }) = stands_for.filter(|stands_for| stands_for.batches > count) {
        return Err(damage(end, DamageKind::EndsEarly { batches: count, written }));
    }
    let is_torn = octets[end..].iter().take(SECTOR).any(|octet| *octet != 0);
    Ok(Segment { name, previous, stands_for, batches: count, end, is_torn, octets })
}

/// What the first records of a segment say.
fn read_begin(mut payload: &[u8], name: SegmentName) -> Result<(Option<PreviousEnd>, Option<StandsFor>), DamageKind> {
    let previous = match StoreRecord::decode(&mut payload) {
        Ok(StoreRecord::Begin(begin)) if begin.format > FORMAT => return Err(DamageKind::NewerFormat(begin.format)),
        Ok(StoreRecord::Begin(begin)) if begins(&begin, name) => begin.previous,
        Ok(_) | Err(_) => return Err(DamageKind::Begin),
    };
    match StoreRecord::decode(&mut payload) {
        Ok(StoreRecord::StandsFor(stands_for)) => Ok((previous, Some(stands_for))),
        Ok(_) | Err(_) => Ok((previous, None)),
    }
}

fn begins(begin: &Begin, name: SegmentName) -> bool {
    begin.journal == name.journal && begin.sequence == name.sequence && begin.id == name.id
}

fn whole_batch_behind(octets: &[u8], end: usize, id: u64) -> Option<usize> {
    (end..octets.len()).step_by(SECTOR).find(|offset| batch_at(octets, *offset, id).is_some())
}

/// Checks that nothing is missing between or at the end of a journal's segments, which come one by one, *the newest first*. An
/// empty one was never used, unless a later one says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalCheck {
    /// The used segment behind, and what it says of the one before it.
    behind: Option<(SegmentName, Option<PreviousEnd>)>,
}

impl JournalCheck {
    /// May shorten the segment: batches that appeared after a start that had not seen them. Nobody was told of them.
    pub fn check(&mut self, segment: &mut Segment<'_>) -> Result<(), Damage> {
        let checked = self.follows(segment);
        if segment.batches > 0 {
            self.behind = Some((segment.name, segment.previous));
        } else if checked.is_err() {
            self.pass_over();
        }
        checked
    }

    fn follows(&self, segment: &mut Segment<'_>) -> Result<(), Damage> {
        let Some((next, end)) = self.behind else { return Ok(()) };
        match end {
            // Repaired: what it lost is known.
            Some(end) if segment.stands_for.is_some_and(|stands_for| stands_for.id == end.id) => Ok(()),
            Some(end) if segment.name.id == end.id => segment.ends_at(end),
            Some(_) | None if segment.batches == 0 => Ok(()),
            Some(_) | None => {
                let kind = DamageKind::NextMissing { next };
                Err(Damage { segment: segment.name, offset: 0, kind })
            }
        }
    }

    /// A segment that could not be read stands here; what it says of the one before it is not known.
    pub fn pass_over(&mut self) {
        self.behind = None;
    }
}

/// Checks a whole journal, whose segments come in order of sequence.
pub fn check_journal(segments: &mut [Segment<'_>]) -> Result<(), Damage> {
    let mut check = JournalCheck::default();
    segments.iter_mut().rev().try_for_each(|segment| check.check(segment))
}

impl<'a> Segment<'a> {
    /// As the next process's journal holds it, with nothing known to live.
    #[must_use]
    pub fn state(&self) -> SegmentState {
        SegmentState { name: self.name, batches: self.batches, octets: self.end as u64, live: 0 }
    }

    fn ends_at(&mut self, end: PreviousEnd) -> Result<(), Damage> {
        if end.batches > self.batches || end.end > self.end as u64 {
            let kind = DamageKind::EndsEarly { batches: self.batches, written: end.batches };
            return Err(Damage { segment: self.name, offset: self.end, kind });
        }
        self.batches = end.batches;
        self.end = end.end as usize;
        Ok(())
    }

    /// All its file has.
    #[must_use]
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Every record, in the order written.
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        let octets = &self.octets[..self.end];
        Records { name: self.name, batches: read_batches(octets, self.name.id), payload: &[], offset: 0 }
    }
}

/// A record and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct ReadRecord<'a> {
    pub record: StoreRecord<'a>,
    pub offset: usize,
    pub octets: usize,
}

#[derive(Clone, Debug)]
pub struct Records<'a> {
    name: SegmentName,
    batches: Batches<'a>,
    payload: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<ReadRecord<'a>, Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.payload.is_empty() {
            let batch = self.batches.next()?;
            self.payload = batch.payload;
            self.offset = batch.payload_offset(0);
        }
        let (before, offset) = (self.payload.len(), self.offset);
        let record = StoreRecord::decode(&mut self.payload);
        let octets = before - self.payload.len();
        self.offset += octets;
        if record.is_err() {
            self.payload = &[];
        }
        let damage = |error| Damage { segment: self.name, offset, kind: DamageKind::Record(error) };
        Some(record.map(|record| ReadRecord { record, offset, octets }).map_err(damage))
    }
}

#[cfg(test)]
mod tests;
