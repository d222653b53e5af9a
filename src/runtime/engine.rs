//! What a shard's loop drives: the engine and its store, both pure, and what they want done.

use crate::engine::effects::Effects;
use crate::engine::event::Input;
use crate::engine::shard::Shard;
use crate::engine::time::Instant;
use crate::store::journal::StoreEffect;
use crate::store::shard_store::ShardStore;

pub struct Engine {
    pub shard: Shard,
    pub out: Effects,
    pub store: ShardStore,
    pub disk_effects: Vec<StoreEffect>,
}

impl Engine {
    /// Begins a turn.
    pub fn turn(&mut self, now: Instant) {
        self.shard.next_turn(now, &mut self.out);
        self.shard.settle(now, &mut self.out);
    }

    /// The disk did what this commit asked.
    pub fn synced(&mut self, commit: u64, now: Instant) {
        if let Some(through) = self.store.synced(commit, &mut self.shard, now, &mut self.disk_effects) {
            self.shard.handle(Input::Durable { through }, now, &mut self.out);
        }
    }
}
