//! Lines of the call detail records that recovery found, journal by journal. Nothing removes them: of each journal, those that no
//! file had when its newest line was appended are kept, and the newest.

use std::collections::BTreeMap;

use super::segment::SegmentName;

/// By sequence.
pub type CdrLines = BTreeMap<u64, CdrLine>;

#[derive(Clone, Debug)]
pub struct CdrLine {
    pub written: u64,
    pub octets: Box<[u8]>,
    pub segment: SegmentName,
    /// What it is reckoned for there.
    pub weight: u32,
}

/// By journal.
#[derive(Debug, Default)]
pub struct CdrJournals(BTreeMap<u16, CdrLines>);

impl CdrJournals {
    /// Of a line that was appended again the latest copy counts, for the earlier ones go with their segments.
    pub(super) fn add(&mut self, sequence: u64, line: CdrLine) {
        let lines = self.0.entry(line.segment.journal).or_default();
        let is_known = lines.get(&sequence).is_some_and(|known| known.segment.sequence >= line.segment.sequence);
        // What the newest known says is in a file need not be held until all is read.
        let is_written =
            lines.last_key_value().is_some_and(|(last, newest)| sequence < *last && sequence <= newest.written);
        if !is_known && !is_written {
            lines.insert(sequence, line);
        }
    }

    pub(super) fn finish(&mut self) {
        for lines in self.0.values_mut() {
            let written = lines.values().map(|line| line.written).max().unwrap_or(0);
            let newest = lines.last_key_value().map_or(0, |(sequence, _)| *sequence);
            lines.retain(|sequence, _| *sequence > written || *sequence == newest);
        }
    }

    pub fn of_journal(&self, journal: u16) -> Option<&CdrLines> {
        self.0.get(&journal)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, &CdrLines)> {
        self.0.iter().map(|(journal, lines)| (*journal, lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(written: u64, segment: u64) -> CdrLine {
        let segment = SegmentName { journal: 1, sequence: segment, id: 7 };
        CdrLine { written, octets: Box::default(), segment, weight: 21 }
    }

    fn found(lines: &[(u64, u64, u64)]) -> Vec<(u64, u64)> {
        let mut journals = CdrJournals::default();
        for (sequence, written, segment) in lines {
            journals.add(*sequence, line(*written, *segment));
        }
        journals.finish();
        let lines = journals.of_journal(1).unwrap();
        lines.iter().map(|(sequence, line)| (*sequence, line.segment.sequence)).collect()
    }

    #[test]
    fn what_a_file_had_is_left_out_in_whatever_order_it_is_read() {
        let written = [(1, 0, 0), (2, 0, 0), (3, 1, 1), (4, 2, 1), (5, 2, 2)];
        assert_eq!(found(&written), [(3, 1), (4, 1), (5, 2)]);
        let backwards: Vec<_> = written.into_iter().rev().collect();
        assert_eq!(found(&backwards), [(3, 1), (4, 1), (5, 2)]);
    }

    #[test]
    fn the_newest_line_is_kept_although_a_file_has_it_and_the_latest_copy_counts() {
        assert_eq!(found(&[(8, 3, 0), (9, 3, 0), (9, 9, 4)]), [(9, 4)]);
        assert_eq!(found(&[(9, 9, 4), (9, 3, 0), (8, 3, 0)]), [(9, 4)]);
    }
}
