//! A shard's store without a disk, to measure what the engine and its store cost.

use std::sync::Arc;

use trunkline::config::Config;
use trunkline::engine::effects::Effects;
use trunkline::engine::event::Input;
use trunkline::engine::random::Random;
use trunkline::engine::shard::Shard;
use trunkline::engine::time::Instant;
use trunkline::store::journal::StoreEffect;
use trunkline::store::shard_store::ShardStore;

/// A shard's store on a disk that is done at once and keeps nothing.
pub(crate) struct MemoryStore {
    store: ShardStore,
    effects: Vec<StoreEffect>,
}

impl MemoryStore {
    pub(crate) fn new(number: u16, config: &Arc<Config>) -> Self {
        let store = ShardStore::new(number, Arc::clone(config), 64 << 20, &[], Random::new(1));
        Self { store, effects: Vec::new() }
    }

    /// Commits what was appended until nothing is left.
    pub(crate) fn commit(&mut self, shard: &mut Shard, now: Instant, out: &mut Effects) {
        loop {
            self.store.commit(shard, now, out, &mut self.effects);
            let mut begun = None;
            for effect in self.effects.drain(..) {
                match effect {
                    StoreEffect::Write { octets, .. } => self.store.recycle(octets),
                    StoreEffect::Sync { commit, .. } => begun = Some(commit),
                    StoreEffect::Create { .. }
                    | StoreEffect::SyncDirectory
                    | StoreEffect::Read { .. }
                    | StoreEffect::Delete { .. } => {}
                }
            }
            let Some(commit) = begun else { return };
            if let Some(through) = self.store.synced(commit, shard, now, &mut self.effects) {
                shard.handle(Input::Durable { through }, now, out);
            }
            shard.settle(now, out);
        }
    }
}
