//! Emptying the oldest segment: its octets are gone through a little at each commit, and what still lives there is appended again.

use super::batch::batch_at;
use super::record::{Entry, NameIndex, NameKind, StoreRecord};
use super::segment::SegmentName;
use crate::config::{CarrierId, Config};
use crate::engine::effects::Effects;
use crate::engine::rewrite::RewriteCursor;
use crate::engine::shard::Shard;
use crate::engine::time::Instant;

#[derive(Debug)]
pub struct Rewriting {
    segment: SegmentName,
    octets: Vec<u8>,
    /// Where the next batch begins.
    offset: usize,
    /// What the segment's indexes stand for: the configuration's carriers, as far as it has them.
    carriers: Vec<Option<CarrierId>>,
    held: RewriteCursor,
    is_held_done: bool,
}

impl Rewriting {
    /// Octets of the segment gone through for one commit.
    const STEP: usize = 256 << 10;
    /// Receipts and MO looked at for one commit.
    const SLOTS: usize = 20_000;

    #[must_use]
    pub fn new(segment: SegmentName, octets: Vec<u8>) -> Self {
        let held = RewriteCursor::default();
        Self { segment, octets, offset: 0, carriers: Vec::new(), held, is_held_done: false }
    }

    #[must_use]
    pub fn segment(&self) -> SegmentName {
        self.segment
    }

    /// Appends some more of what lives there. True when that was all.
    pub fn go_on(&mut self, config: &Config, shard: &mut Shard, now: Instant, out: &mut Effects) -> bool {
        let segment = self.segment.sequence as u16;
        if !self.is_held_done {
            self.is_held_done = shard.rewrite_held(segment, &mut self.held, Self::SLOTS, now, out);
            return false;
        }
        let end = self.offset + Self::STEP;
        while self.offset < end {
            // It was checked when it was written, and is read back from where it was synced to.
            let Some(batch) = batch_at(&self.octets, self.offset, self.segment.id) else { return true };
            self.offset = batch.end();
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
                    // Nothing is lost: what was not appended again keeps the segment.
                    Err(_) => return true,
                }
            }
        }
        false
    }
}

fn carrier(config: &Config, kind: NameKind, name: &str) -> Option<CarrierId> {
    let at = config.carriers.iter().position(|carrier| carrier.name == name);
    at.filter(|_| kind == NameKind::Carrier).map(|at| CarrierId(at as u16))
}
