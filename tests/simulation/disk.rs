//! The simulated disk under each shard's store: what is synced stays, whatever else happens.

use std::collections::BTreeMap;

use trunkline::store::journal::StoreEffect;

use crate::node::In;
use crate::sim::{Event, Sim};

/// One journal's files, by name.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<String, SimFile>,
}

#[derive(Debug)]
pub(crate) struct SimFile {
    pub(crate) octets: Vec<u8>,
}

impl Sim {
    /// Does what a store wants done.
    pub(crate) fn work_disk(&mut self, at: usize, effects: Vec<StoreEffect>) {
        for effect in effects {
            let files = &mut self.nodes[at].disk.files;
            match effect {
                StoreEffect::Create { segment } => {
                    files.insert(segment.to_string(), SimFile { octets: Vec::new() });
                }
                StoreEffect::Write { segment, offset, octets } => {
                    let Some(file) = files.get_mut(&segment.to_string()) else {
                        self.fail("a batch before its segment")
                    };
                    file.octets.resize(file.octets.len().max(offset as usize + octets.len()), 0);
                    file.octets[offset as usize..][..octets.len()].copy_from_slice(&octets);
                }
                StoreEffect::Sync { commit, .. } => {
                    let (low, high) = self.habit.commit_us;
                    let after = self.rng.between((low * 1_000, high * 1_000));
                    self.plan(after, Event::Input(at, In::Synced(commit)));
                }
                StoreEffect::Read { segment, offset, octets } => {
                    let Some(file) = files.get(&segment.to_string()) else {
                        self.fail("a segment that is gone is read")
                    };
                    let read = file.octets.iter().skip(offset as usize).take(octets.len()).copied().collect();
                    self.plan_ms((0, 20), Event::Input(at, In::SegmentRead(segment, read)));
                }
                StoreEffect::Delete { segment } => {
                    files.remove(&segment.to_string());
                }
                StoreEffect::SyncDirectory => {}
            }
        }
    }
}
