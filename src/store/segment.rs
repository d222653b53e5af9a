//! Reading a segment: which batches count, and what of the rest is a torn tail, which a crash leaves, and what is damage.
//!
//! A segment is known by its file's name: journal, sequence number, and an id that is new at each use of a file. So what an
//! earlier use left behind is never taken for damage, nor for records.

use std::fmt;

use super::batch::{Batches, SECTOR, batch_at, newer_version_at, read_batches};
use super::record::{Begin, PreviousEnd, RecordError, StoreRecord};

/// Of records. A segment that says a later one is refused untouched.
pub const FORMAT: u32 = 1;

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
    NextMissing,
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
            DamageKind::NextMissing => f.write_str("the segment behind it is missing"),
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
    let mut batches = read_batches(octets, name.id);
    let first = batches.next();
    let count = u64::from(first.is_some()) + batches.by_ref().count() as u64;
    let end = batches.offset();
    let previous = match first {
        None => match newer_version_at(octets, 0) {
            Some(version) => return Err(damage(0, DamageKind::NewerFormat(version.into()))),
            None => None,
        },
        Some(first) => match StoreRecord::decode(&mut &first.payload[..]) {
            Ok(StoreRecord::Begin(begin)) if begin.format > FORMAT => {
                return Err(damage(0, DamageKind::NewerFormat(begin.format)));
            }
            Ok(StoreRecord::Begin(begin)) if begins(&begin, name) => begin.previous,
            Ok(_) | Err(_) => return Err(damage(0, DamageKind::Begin)),
        },
    };
    if let Some(whole_behind) = whole_batch_behind(octets, end, name.id) {
        return Err(damage(end, DamageKind::InvalidBatch { whole_behind }));
    }
    let is_torn = octets[end..].iter().take(SECTOR).any(|octet| *octet != 0);
    Ok(Segment { name, previous, batches: count, end, is_torn, octets })
}

fn begins(begin: &Begin, name: SegmentName) -> bool {
    begin.journal == name.journal && begin.sequence == name.sequence && begin.id == name.id
}

fn whole_batch_behind(octets: &[u8], end: usize, id: u64) -> Option<usize> {
    (end..octets.len()).step_by(SECTOR).find(|offset| batch_at(octets, *offset, id).is_some())
}

/// Checks that nothing is missing between or at the end of a journal's segments, which come in order of sequence. An empty
/// one was never used, unless a later one says otherwise.
pub fn check_journal(segments: &mut [Segment<'_>]) -> Result<(), Damage> {
    let mut last_used = None;
    for at in 0..segments.len() {
        let (before, rest) = segments.split_at_mut(at);
        let segment = &rest[0];
        if segment.batches == 0 {
            continue;
        }
        let end = segment.previous;
        let previous = before.iter_mut().rev().find(|other| end.is_some_and(|end| end.id == other.name.id));
        let previous_name = previous.as_ref().map(|previous| previous.name);
        // With none before it, what was there has been released.
        if let (Some(previous), Some(end)) = (previous, end) {
            previous.ends_at(end)?;
        }
        if let Some(last) = last_used.filter(|last| previous_name != Some(*last)) {
            return Err(Damage { segment: last, offset: 0, kind: DamageKind::NextMissing });
        }
        last_used = Some(segment.name);
    }
    Ok(())
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
        // Batches that appeared after a start that had not seen them: nobody was told of them.
        self.batches = end.batches;
        self.end = end.end as usize;
        Ok(())
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
mod tests {
    use super::*;
    use crate::store::batch::BatchWriter;
    use crate::store::record::{NameIndex, NameKind};

    const OLD: SegmentName = SegmentName { journal: 2, sequence: 4, id: 0xAAAA };
    const NAME: SegmentName = SegmentName { journal: 2, sequence: 5, id: 0xBBBB };

    fn begin(name: SegmentName, previous: Option<PreviousEnd>) -> Begin {
        Begin { format: FORMAT, journal: name.journal, sequence: name.sequence, id: name.id, previous }
    }

    /// A segment of so many batches, a sector each.
    fn written(begin: Begin, batches: u64) -> Vec<u8> {
        let (mut writer, mut batch, mut octets) = (BatchWriter::default(), Vec::new(), Vec::new());
        for number in 0..batches {
            let record = match number {
                0 => StoreRecord::Begin(begin),
                _ => StoreRecord::Name { index: NameIndex(number as u32), kind: NameKind::Carrier, name: "north" },
            };
            record.encode(writer.payload());
            writer.finish(begin.id, number, &mut batch);
            octets.extend_from_slice(&batch);
        }
        octets
    }

    fn kind(octets: &[u8]) -> Option<(usize, DamageKind)> {
        read_segment(octets, NAME).err().map(|damage| (damage.offset, damage.kind))
    }

    #[test]
    fn a_files_name_says_which_segment_it_is() {
        assert_eq!(NAME.to_string(), "002-0000000005-000000000000bbbb.journal");
        assert_eq!(SegmentName::parse(&NAME.to_string()), Some(NAME));
        for other in ["", "message-ids", "2-5-bbbb.journal", "002-0000000005-000000000000BBBB.journal"] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_torn_last_batch_costs_only_itself() {
        let mut octets = written(begin(NAME, None), 3);
        octets[2 * SECTOR + 30] ^= 1;
        let segment = read_segment(&octets, NAME).unwrap();
        assert_eq!((segment.batches, segment.end, segment.is_torn), (2, 2 * SECTOR, true));
        assert_eq!(segment.records().count(), 2);
        octets.truncate(2 * SECTOR);
        assert!(!read_segment(&octets, NAME).unwrap().is_torn);
    }

    #[test]
    fn an_invalid_batch_before_a_whole_one_is_damage_at_its_offset() {
        let mut octets = written(begin(NAME, None), 4);
        octets[SECTOR + 30] ^= 1;
        let expected = DamageKind::InvalidBatch { whole_behind: 2 * SECTOR };
        assert_eq!(kind(&octets), Some((SECTOR, expected)));
        octets[..SECTOR].fill(0);
        assert_eq!(kind(&octets), Some((0, expected)));
    }

    #[test]
    fn what_an_earlier_use_of_the_file_left_is_neither_records_nor_damage() {
        let stale = written(begin(OLD, None), 4);
        assert_eq!(read_segment(&stale, NAME).unwrap().batches, 0);
        let mut octets = written(begin(NAME, None), 2);
        octets.extend_from_slice(&stale[2 * SECTOR..]);
        assert_eq!(read_segment(&octets, NAME).unwrap().batches, 2);
        octets[SECTOR] ^= 1;
        assert_eq!(read_segment(&octets, NAME).unwrap().batches, 1);
    }

    #[test]
    fn a_newer_format_is_refused_and_said() {
        let mut octets = written(begin(NAME, None), 1);
        octets[3] = 9;
        assert_eq!(kind(&octets), Some((0, DamageKind::NewerFormat(9))));
        let octets = written(Begin { format: FORMAT + 1, ..begin(NAME, None) }, 2);
        assert_eq!(kind(&octets), Some((0, DamageKind::NewerFormat(FORMAT + 1))));
        let octets = written(Begin { sequence: 6, ..begin(NAME, None) }, 2);
        assert_eq!(kind(&octets), Some((0, DamageKind::Begin)));
    }

    #[test]
    fn a_segment_has_as_many_batches_as_the_next_one_says() {
        let old = written(begin(OLD, None), 3);
        let end = read_segment(&old, OLD).unwrap().state().end();
        let next_octets = written(begin(NAME, Some(end)), 1);
        let next = read_segment(&next_octets, NAME).unwrap();

        let mut all = [read_segment(&old, OLD).unwrap(), next.clone()];
        assert_eq!(check_journal(&mut all), Ok(()));
        let mut cut = [read_segment(&old[..2 * SECTOR], OLD).unwrap(), next.clone()];
        let early = check_journal(&mut cut).unwrap_err();
        assert_eq!((early.offset, early.kind), (2 * SECTOR, DamageKind::EndsEarly { batches: 2, written: 3 }));
        let mut zeroed = [read_segment(&[], OLD).unwrap(), next.clone()];
        assert_eq!(
            check_journal(&mut zeroed).map_err(|damage| damage.kind),
            Err(DamageKind::EndsEarly { batches: 0, written: 3 })
        );

        let octets = written(begin(OLD, None), 4);
        let mut more = [read_segment(&octets, OLD).unwrap(), next];
        assert_eq!((check_journal(&mut more), more[0].batches, more[0].records().count()), (Ok(()), 3, 3));
    }

    #[test]
    fn only_segments_before_the_oldest_may_be_gone() {
        let old = written(begin(OLD, None), 3);
        let end = read_segment(&old, OLD).unwrap().state().end();
        let later = SegmentName { sequence: 7, id: 0xCCCC, ..NAME };
        let octets = written(begin(later, Some(PreviousEnd { id: NAME.id, batches: 1, end: SECTOR as u64 })), 1);
        let last = read_segment(&octets, later).unwrap();
        assert_eq!(check_journal(&mut [last.clone()]), Ok(()));
        let mut gap = [read_segment(&old, OLD).unwrap(), last];
        assert_eq!(check_journal(&mut gap).map_err(|damage| damage.kind), Err(DamageKind::NextMissing));

        // Created, and the process ended: the next start began another.
        let octets = written(begin(later, Some(end)), 1);
        let unused = read_segment(&[], NAME).unwrap();
        let mut journal = [read_segment(&old, OLD).unwrap(), unused, read_segment(&octets, later).unwrap()];
        assert_eq!(check_journal(&mut journal), Ok(()));
    }
}
