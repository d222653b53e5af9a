//! A shard's store with an engine beside it: when the oldest segment is asked for, and what follows.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{self, CarrierId, Surroundings};
use crate::engine::event::Input;
use crate::engine::message::ShardId;
use crate::engine::placement::Placement;
use crate::engine::restore::Restored;
use crate::engine::shard::Seeds;
use crate::smpp::message_id::MessageId;

struct World {
    shard: Shard,
    store: ShardStore,
    out: Effects,
}

impl World {
    fn new() -> Self {
        let text = "accounts:\n  acme: { password: secret }\ncarriers:\n  \
                    north: { connect: \"127.0.0.1:1\", system_id: us, password: secret }\n";
        let file = |_: &Path| Err("no files".to_owned());
        let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
        let config = Arc::new(config::parse(text, &surroundings).unwrap().config);
        let seeds = Seeds { random: 1, id_key: [7; 16], ids: (0, 1), first_key: 0, unix_seconds: 0 };
        let placement = Placement::new(&config, 1);
        Self {
            shard: Shard::new(ShardId(0), Arc::clone(&config), placement, &seeds),
            store: ShardStore::new(0, config, 2_000, &[], Random::new(7)),
            out: Effects::new(ShardId(0), 1),
        }
    }

    fn correlation(&mut self, id: u64) {
        let carrier_id = id.to_be_bytes();
        let (carrier, account, id) = (CarrierId(0), crate::config::AccountId(0), MessageId::new(id));
        let (destination, born, is_muted) = (0, 0, false);
        let entry = Restored::Correlation {
            carrier,
            account,
            id,
            destination,
            born,
            is_muted,
            carrier_id: &carrier_id,
            addresses: b"",
            shown: None,
        };
        self.shard.restore(&entry, None, Instant::ZERO, &mut self.out);
    }

    /// A commit that is durable at once. Says which segments are to be read.
    fn commit(&mut self) -> Vec<SegmentName> {
        let mut effects = Vec::new();
        self.store.commit_now(&mut self.shard, Instant::ZERO, &mut self.out, &mut effects);
        let commit = effects
            .iter()
            .find_map(|effect| if let StoreEffect::Sync { commit, .. } = effect { Some(*commit) } else { None });
        if let Some(commit) = commit
            && let Some(through) = self.store.synced(commit, &mut self.shard, Instant::ZERO, &mut effects)
        {
            self.shard.handle(Input::Durable { through }, Instant::ZERO, &mut self.out);
        }
        let read = |effect| if let StoreEffect::Read { segment, .. } = effect { Some(segment) } else { None };
        effects.into_iter().filter_map(read).collect()
    }
}

#[test]
fn a_segment_that_is_being_read_is_not_asked_for_again() {
    let mut world = World::new();
    let mut reads = Vec::new();
    // One entry a commit: padding makes the journal many times larger than what lives in it.
    for id in 0..16 {
        world.correlation(id);
        reads.extend(world.commit());
    }
    assert_eq!(reads.len(), 1, "{reads:?}");
}

#[test]
fn one_that_was_read_and_left_something_behind_waits_for_the_next_segment() {
    let mut world = World::new();
    let mut id = 0;
    let read = loop {
        world.correlation(id);
        id += 1;
        if let [segment] = world.commit()[..] {
            break segment;
        }
    };
    // Nothing of it can be found in what was read.
    world.store.read(read, Vec::new());
    let before = world.store.next_segment();
    let mut reads = Vec::new();
    while world.store.next_segment() == before {
        world.correlation(id);
        id += 1;
        reads.extend(world.commit());
    }
    assert_eq!(reads, []);
    // What is held whole comes first, then the segment is asked for.
    for id in id..id + 3 {
        world.correlation(id);
        reads.extend(world.commit());
    }
    assert_eq!(reads, [read]);
}
