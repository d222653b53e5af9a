//! Call detail records: a line for each submit that was accepted, refused, or came to its end, numbered without gaps by the shard
//! that wrote it.
//!
//! A line is a record of the journal first, in the commit of what it tells of, and what promises that to somebody waits for it. Once
//! durable it is given to the shell, which writes it into a file; when that is synced, the line lives in the journal no more. No
//! record says so: each line carries how far the files had come when it was appended, and after a start what a file has is told by
//! its sequence. The newest line lives on for as long as there is no newer one, so that no sequence is ever given twice.

mod line;
mod refusing;
mod undelivered;
mod writing;

use std::collections::{BTreeMap, VecDeque};

use super::effects::Effects;
use super::event::{Place, Record};
use super::shard::Shard;

pub use line::{Event, Line, PartOf};
pub(super) use undelivered::GivenUp;
pub(super) use writing::Told;

/// The lines of one shard that no file is known to have, and the newest.
#[derive(Debug)]
pub struct Cdr {
    lines: VecDeque<Kept>,
    /// Of the next line; 1 is the first.
    next: u64,
    /// Every line up to this is in a file, and synced there.
    written: u64,
    spare: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    /// The record it was appended as.
    record: u64,
    place: Place,
    octets: Box<[u8]>,
}

impl Kept {
    fn append_again(&mut self, written: u64, out: &mut Effects) {
        let body = out.record_bytes.add(&self.octets);
        out.left.push(self.place);
        self.place = out.append(Record::Cdr { sequence: self.sequence, written, body });
    }
}

/// Lines for a file, in order and without gaps.
#[derive(Debug, Default)]
pub struct Lines {
    pub first: u64,
    lengths: Vec<u32>,
    octets: Vec<u8>,
}

impl Lines {
    /// None yet, of which the first will have this sequence.
    #[must_use]
    pub fn from(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    pub fn push(&mut self, octets: &[u8]) {
        self.lengths.push(octets.len() as u32);
        self.octets.extend_from_slice(octets);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The sequence of the last one.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first + self.lengths.len() as u64 - 1
    }

    /// Each with its sequence.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut at = 0;
        self.lengths.iter().zip(self.first..).map(move |(len, sequence)| {
            let octets = &self.octets[at..at + *len as usize];
            at += octets.len();
            (sequence, octets)
        })
    }
}

/// A line as recovery found it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// How far the files had come when it was appended.
    pub written: u64,
    pub octets: Box<[u8]>,
    /// `None` when it is to be recorded anew.
    pub place: Option<Place>,
}

impl Cdr {
    /// Lines that may wait for a file before submits are refused: some hundred MiB of memory.
    const MOST: usize = 1 << 20;

    /// The files of this shard end with the line `written`, as far as is known; 0 when they have none.
    #[must_use]
    pub fn new(written: u64) -> Self {
        Self { lines: VecDeque::new(), next: written + 1, written, spare: Vec::new() }
    }

    /// How many wait for a file.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        (self.next - 1).saturating_sub(self.written)
    }

    /// The sequence of the newest.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Whether a file has this line, and all before it.
    #[must_use]
    pub fn is_written(&self, line: u64) -> bool {
        line <= self.written
    }

    /// What they are reckoned for in the journal.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.lines.iter().map(|line| u64::from(line.place.octets)).sum()
    }

    /// Appends a line; it is durable when the records appended so far are.
    pub(super) fn append(&mut self, line: &Line<'_>, out: &mut Effects) {
        let mut octets = std::mem::take(&mut self.spare);
        line.write(&mut octets);
        let sequence = self.next;
        self.next += 1;
        self.keep(sequence, &octets, out);
        octets.clear();
        self.spare = octets;
    }

    fn keep(&mut self, sequence: u64, octets: &[u8], out: &mut Effects) {
        let body = out.record_bytes.add(octets);
        let place = out.append(Record::Cdr { sequence, written: self.written, body });
        self.lines.push_back(Kept { sequence, record: out.appended(), place, octets: octets.into() });
    }

    /// Whether a line is durable that no file has.
    #[must_use]
    pub fn has_lines(&self, out: &Effects) -> bool {
        self.unwritten().next().is_some_and(|line| out.is_durable(line.record))
    }

    /// The next lines for a file, at most so many. They are given again until `written` says that it has them.
    #[must_use]
    pub fn lines(&self, most: usize, out: &Effects) -> Lines {
        let mut lines = Lines::from(self.written + 1);
        for line in self.unwritten().take(most).take_while(|line| out.is_durable(line.record)) {
            debug_assert_eq!(line.sequence, lines.first + lines.lengths.len() as u64, "no gaps");
            lines.push(&line.octets);
        }
        lines
    }

    fn unwritten(&self) -> impl Iterator<Item = &Kept> {
        let written = self.lines.front().is_some_and(|line| line.sequence <= self.written);
        self.lines.iter().skip(usize::from(written))
    }

    /// A file has every line up to this, and is synced.
    pub(super) fn written(&mut self, through: u64, out: &mut Effects) {
        self.written = self.written.max(through);
        // The newest stays, for its sequence.
        while self.lines.len() > 1
            && let Some(line) = self.lines.front().filter(|line| line.sequence <= through)
        {
            out.left.push(line.place);
            self.lines.pop_front();
        }
        // With it a commit comes that releases what the others lay in, also when nothing else happens any more.
        if let Some(newest) = self.lines.front_mut().filter(|newest| newest.sequence <= through) {
            newest.append_again(self.written, out);
        }
    }

    /// Takes back what an earlier process appended, before anything is appended here. Returns where lines lie that live on.
    pub(super) fn restore(&mut self, found: &BTreeMap<u64, Recovered>, out: &mut Effects) -> Vec<Place> {
        let Some((newest, _)) = found.last_key_value() else { return Vec::new() };
        self.written = found.values().map(|line| line.written).fold(self.written, u64::max);
        let mut places = Vec::new();
        for (sequence, line) in found {
            if *sequence <= self.written && sequence != newest {
                continue;
            }
            match line.place {
                Some(place) => {
                    places.push(place);
                    self.lines.push_back(Kept { sequence: *sequence, record: 0, place, octets: line.octets.clone() });
                }
                None => self.keep(*sequence, &line.octets, out),
            }
        }
        self.next = self.written.max(*newest) + 1;
        places
    }

    /// Appends again what lies in this segment.
    pub(super) fn rewrite(&mut self, segment: u16, out: &mut Effects) {
        for line in self.lines.iter_mut().filter(|line| line.place.segment == segment) {
            line.append_again(self.written, out);
        }
    }
}

impl Shard {
    /// Keeps call detail records from now on, of which files have those up to this; before anything is restored.
    pub fn keep_cdr(&mut self, written: u64) {
        self.cdr = Some(Box::new(Cdr::new(written)));
    }

    #[must_use]
    pub fn cdr(&self) -> Option<&Cdr> {
        self.cdr.as_deref()
    }

    /// Takes back the lines of its own journal, before `start`. Returns where those lie that live on.
    pub fn restore_cdr(&mut self, found: &BTreeMap<u64, Recovered>, out: &mut Effects) -> Vec<Place> {
        self.cdr.as_mut().map(|cdr| cdr.restore(found, out)).unwrap_or_default()
    }
}

/// Whether there is memory for more lines.
pub(super) fn has_room(cdr: &Option<Box<Cdr>>) -> bool {
    cdr.as_ref().is_none_or(|cdr| cdr.lines.len() < Cdr::MOST)
}

#[cfg(test)]
mod tests;
