//! Files of call detail records as the shell keeps them, without their text: they outlive the process, with whatever part of the
//! lines under way had come there when it ended. At the end they must say of each message what its peers saw, and say it once.

use std::collections::BTreeMap;

use trunkline::engine::cdr::{Cdr, Line, Lines};
use trunkline::engine::shard::Shard;
use trunkline::store::cdr_lines::CdrJournals;

use crate::node::In;
use crate::rng::Rng;
use crate::sim::{Event, Sim};

pub(crate) struct CdrFiles {
    /// By shard: a line's sequence is its place, from 1.
    files: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Being written.
    under_way: BTreeMap<usize, Lines>,
    /// Of its own, so that a seed without lines is what it was.
    rng: Rng,
    /// A journal had no room: refusals of then have no lines.
    pub(crate) lacks_refusals: bool,
}

impl CdrFiles {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            under_way: BTreeMap::new(),
            rng: Rng::new(!seed ^ 0x00CD_0000),
            lacks_refusals: false,
        }
    }

    fn last(&self, shard: usize) -> u64 {
        self.files.get(&shard).map_or(0, |file| file.len() as u64)
    }

    /// Writes the first so many of these lines, but for those it has. What is wrong with them, if anything is.
    fn write(&mut self, shard: usize, lines: &Lines, most: usize) -> Option<String> {
        let file = self.files.entry(shard).or_default();
        for (sequence, octets) in lines.iter().take(most) {
            match file.get(sequence as usize - 1) {
                Some(known) if known != octets => return Some(format!("line {sequence} of shard {shard} has changed")),
                Some(_) => {}
                None if sequence as usize == file.len() + 1 => file.push(octets.to_vec()),
                None => return Some(format!("line {sequence} of shard {shard} comes after {}", file.len())),
            }
        }
        None
    }

    /// Every line there is.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        self.files.values().flatten().map(|octets| Line::read(octets).expect("a line of this version")).collect()
    }
}

impl Sim {
    /// Before anything is restored: what the files have, and what they lack of shards that are no more.
    pub(crate) fn open_cdr(&mut self, found: &CdrJournals) {
        for (journal, lines) in found.iter() {
            let shard = usize::from(journal);
            if shard < self.placement.shards() || self.config.cdr.is_none() {
                continue;
            }
            let written = lines.values().map(|line| line.written).fold(self.cdr.last(shard), u64::max);
            let mut lacking = Lines::from(written + 1);
            lines.range(written + 1..).for_each(|(_, line)| lacking.push(&line.octets));
            if let Some(problem) = self.cdr.write(shard, &lacking, usize::MAX) {
                self.fail(&problem);
            }
        }
    }

    pub(crate) fn keep_cdr(&self, shard: &mut Shard) {
        if self.config.cdr.is_some() {
            shard.keep_cdr(self.cdr.last(shard.id.index()));
        }
    }

    /// Gives the file what is durable, when it has what it was given before.
    pub(crate) fn write_cdr(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(cdr) = node.shard.cdr().filter(|cdr| cdr.has_lines(&node.out)) else { return };
        if self.cdr.under_way.contains_key(&at) {
            return;
        }
        // As fast as they come: a drain waits for the last.
        let most = 1 + self.cdr.rng.below(cdr.waiting().max(40)) as usize;
        let lines = cdr.lines(most, &node.out);
        let (through, after) = (lines.last(), self.cdr.rng.between((10_000, 300_000_000)));
        self.cdr.under_way.insert(at, lines);
        self.plan(after, Event::Input(at, In::CdrWritten(through)));
    }

    pub(crate) fn cdr_written(&mut self, at: usize) {
        if let Some(lines) = self.cdr.under_way.remove(&at)
            && let Some(problem) = self.cdr.write(at, &lines, usize::MAX)
        {
            self.fail(&problem);
        }
    }

    /// Of what was being written some came to the disk.
    pub(crate) fn crash_cdr(&mut self) {
        for (at, lines) in std::mem::take(&mut self.cdr.under_way) {
            let most = self.cdr.rng.below(lines.iter().count() as u64 + 1) as usize;
            if let Some(problem) = self.cdr.write(at, &lines, most) {
                self.fail(&problem);
            }
        }
    }

    /// What lines that live in the journals are reckoned for.
    pub(crate) fn cdr_weight(&self) -> u64 {
        self.nodes.iter().filter_map(|node| node.shard.cdr()).map(Cdr::weight).sum()
    }
}
