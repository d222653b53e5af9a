//! Emptying the oldest segment: its octets are gone through a little at each commit, and what still lives there is appended again.

use super::batch::batch_at;
use super::journal::StoreEffect;
use super::record::{Entry, NameIndex, NameKind, StoreRecord};
use super::segment::{SegmentName, SegmentState};
use crate::config::{CarrierId, Config};
use crate::engine::effects::Effects;
use crate::engine::event::Notice;
use crate::engine::rewrite::RewriteCursor;
use crate::engine::shard::Shard;
use crate::engine::time::Instant;

#[derive(Debug)]
pub struct Rewriting {
    segment: SegmentState,
    /// A run of the segment's octets, from batch to batch.
    chunk: Vec<u8>,
    chunk_at: u64,
    /// Where the next batch begins in it.
    next: usize,
    /// How much is read at once: more when a batch is longer.
    read_len: usize,
    /// How much was asked for last.
    asked: usize,
    is_reading: bool,
    /// What the segment's indexes stand for: the configuration's carriers, as far as it has them.
    carriers: Vec<Option<CarrierId>>,
    held: RewriteCursor,
    is_held_done: bool,
}

/// What one commit's share came to.
#[derive(Debug)]
pub enum Progress {
    /// There is more to append, or to wait for.
    Goes,
    /// The disk is to read this, then say `read`.
    Needs(StoreEffect),
    Done,
}

impl Rewriting {
    /// Octets of the segment read at once.
    const READ: usize = 1 << 20;
    /// Octets of the segment gone through for one commit.
    const STEP: usize = 256 << 10;
    /// Receipts and MO looked at for one commit.
    const SLOTS: usize = 20_000;

    #[must_use]
    pub fn new(segment: SegmentState) -> Self {
        Self {
            segment,
            chunk: Vec::new(),
            chunk_at: 0,
            next: 0,
            read_len: Self::READ,
            asked: 0,
            is_reading: false,
            carriers: Vec::new(),
            held: RewriteCursor::default(),
            is_held_done: false,
        }
    }

    #[must_use]
    pub fn segment(&self) -> SegmentName {
        self.segment.name
    }

    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.is_reading
    }

    /// The octets it needed.
    pub fn read(&mut self, octets: Vec<u8>) {
        self.chunk = octets;
        self.is_reading = false;
    }

    /// Appends some more of what lives there.
    pub fn go_on(&mut self, config: &Config, shard: &mut Shard, now: Instant, out: &mut Effects) -> Progress {
        if self.is_reading {
            return Progress::Goes;
        }
        let segment = self.segment.name.sequence as u16;
        if !self.is_held_done {
            self.is_held_done = shard.rewrite_held(segment, &mut self.held, Self::SLOTS, now, out);
            return Progress::Goes;
        }
        let end = self.next + Self::STEP;
        while self.next < end {
            let Some(batch) = batch_at(&self.chunk, self.next, self.segment.name.id) else { return self.read_on(out) };
            self.next = batch.end();
            let mut payload = batch.payload;
            while !payload.is_empty() {
                match StoreRecord::decode(&mut payload) {
                    Ok(StoreRecord::Name { kind, name, .. }) => self.carriers.push(carrier(config, kind, name)),
                    Ok(StoreRecord::Entry(entry)) => {
                        if let Entry::Correlation { carrier: NameIndex(at), id, carrier_id, .. } = entry
                            && let Some(carrier) = self.carriers.get(at as usize).copied().flatten()
                        {
                            shard.rewrite_correlation((carrier, carrier_id, id), segment, now, out);
                        }
                    }
                    Ok(StoreRecord::Begin(_) | StoreRecord::StandsFor(_)) => {}
                    Err(_) => return self.unreadable(out),
                }
            }
        }
        Progress::Goes
    }

    /// Reads from the batch on that does not lie in the chunk, at least not all of it.
    fn read_on(&mut self, out: &mut Effects) -> Progress {
        let offset = self.chunk_at + self.next as u64;
        if offset >= self.segment.octets {
            return Progress::Done;
        }
        let left = (self.segment.octets - offset) as usize;
        if self.next == 0 && self.asked > 0 {
            if self.chunk.len() < self.asked || self.chunk.len() >= left {
                return self.unreadable(out);
            }
            self.read_len *= 2;
        }
        self.asked = self.read_len.min(left);
        let mut octets = std::mem::take(&mut self.chunk);
        octets.resize(self.asked, 0);
        (self.chunk_at, self.next, self.is_reading) = (offset, 0, true);
        Progress::Needs(StoreEffect::Read { segment: self.segment.name, offset, octets })
    }

    /// What was synced is not there any more. Nothing that lives here is lost as long as the process lives, and the segment stays.
    fn unreadable(&self, out: &mut Effects) -> Progress {
        out.notice(Notice::SegmentUnreadable { sequence: self.segment.name.sequence, offset: self.chunk_at });
        Progress::Done
    }
}

fn carrier(config: &Config, kind: NameKind, name: &str) -> Option<CarrierId> {
    let at = config.carriers.iter().position(|carrier| carrier.name == name);
    at.filter(|_| kind == NameKind::Carrier).map(|at| CarrierId(at as u16))
}
