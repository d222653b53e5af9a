//! The engine alone: full cycles of submit, answer, receipt and its answer, without sockets. Once with account and carrier at
//! home on one shard, once on two that exchange batches.
//!
//! ESMEs and carrier are played here, as the runtime's shard loop would see them; only what the engine does is timed.

use std::time::Duration;

#[path = "common/configuration.rs"]
mod configuration;
#[path = "common/counting.rs"]
mod counting;
#[path = "common/memory_store.rs"]
mod memory_store;
#[path = "common/peer.rs"]
mod peer;
#[path = "common/watch.rs"]
mod watch;
#[path = "common/world.rs"]
mod world;

use counting::Heap;
use watch::Watch;
use world::World;

/// As the whole is measured: 4 sessions and 4 links, each with a window of 100.
const PEERS: u32 = 4;
const WINDOW: u32 = 100;

fn main() {
    let is_full = std::env::args().any(|argument| argument == "--bench");
    let (cycles, rounds) = if is_full { (400_000, 5) } else { (2_000, 1) };
    for shards in [1, 2] {
        let mut world = World::new(shards, PEERS, WINDOW);
        // Buffers and tables reach their sizes.
        run(&mut world, cycles);
        let mut runs: Vec<Cost> = (0..rounds).map(|_| run(&mut world, cycles)).collect();
        runs.sort_by(|one, other| one.ns.total_cmp(&other.ns));
        let median = &runs[runs.len() / 2];
        println!(
            "engine, homes on {shards} shard(s): {:.0} ns a full cycle, median {:.0}; {:.4} allocations a cycle \
             ({rounds} rounds of {cycles} cycles, {} octets written each; heap {} KiB)",
            runs[0].ns,
            median.ns,
            median.allocations,
            median.octets,
            Heap::now().live >> 10
        );
    }
}

/// What one cycle took of the engine, and what it wrote in all.
struct Cost {
    ns: f64,
    allocations: f64,
    octets: u64,
}

fn run(world: &mut World, cycles: u64) -> Cost {
    world.begin(cycles);
    let (mut spent, mut asked) = (Duration::ZERO, 0);
    // Each round carries at least one message a step further; the bound only catches an engine that stands still.
    for _ in 0..10 * cycles {
        if world.is_done() {
            break;
        }
        let (heap, watch) = (Heap::now().asked, Watch::start());
        world.work();
        spent += watch.elapsed();
        asked += Heap::now().asked - heap;
        world.let_peers_answer();
    }
    let octets = world.check(cycles);
    Cost { ns: spent.as_nanos() as f64 / cycles as f64, allocations: asked as f64 / cycles as f64, octets }
}
