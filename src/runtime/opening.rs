//! Opening the store: what an earlier process left is read, made durable, and given to its present homes.
//!
//! It is done before the first listener answers. What has to be recorded anew for that (`store::homes`) is synced here.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::config::Config;
use crate::engine::effects::Effects;
use crate::engine::event::Input;
use crate::engine::message::ShardId;
use crate::engine::placement::Placement;
use crate::engine::random::Random;
use crate::engine::shard::{Seeds, Shard};
use crate::engine::time::Instant;
use crate::runtime::cdr_files::{self, CdrFiles};
use crate::runtime::clock;
use crate::runtime::engine::Engine;
use crate::runtime::segments::{self, SegmentFiles};
use crate::runtime::store_files::{StoreError, read_store, sync_store};
use crate::store::homes::Homes;
use crate::store::journal::StoreEffect;
use crate::store::record::NameKind;
use crate::store::recovered::Recovered;
use crate::store::segment::SegmentName;
use crate::store::shard_store::ShardStore;

/// A shard that knows what the one before it knew.
pub struct Opened {
    pub engine: Engine,
    pub files: SegmentFiles,
    /// When call detail records are kept.
    pub cdr: Option<CdrFiles>,
}

/// Accounts and carriers of which the store keeps something and which the configuration does not have, by name.
#[derive(Clone, Debug, Default)]
pub struct LeftOver {
    pub accounts: Vec<String>,
    pub carriers: Vec<String>,
}

/// Opens the store for as many shards as there are seeds.
pub fn open(
    config: &Arc<Config>,
    placement: &Placement,
    seeds: Vec<Seeds>,
) -> Result<(Vec<Opened>, LeftOver), StoreError> {
    let directory = &config.store.path;
    let recovered = read_store(directory)?;
    sync_store(directory, &recovered)?;
    let failed = |error| StoreError::io(directory, "prepare", error);
    cut_unused(directory, &recovered).map_err(failed)?;
    segments::remove_surplus(directory, placement.shards()).map_err(failed)?;
    let octets = match config.store.segment {
        Some(octets) => octets,
        None => segments::automatic_length(directory, placement.shards()).map_err(failed)?,
    };
    let homes = Homes::new(config, placement, recovered);
    let cdr = cdr_files::open_all(config, placement.shards(), &homes.recovered.cdr)?;
    let shards = thread::scope(|scope| {
        let homes = &homes;
        let open =
            |((at, seeds), cdr)| scope.spawn(move || open_shard(homes, (config, placement), (at, seeds), octets, cdr));
        let threads: Vec<_> = seeds.into_iter().enumerate().zip(cdr).map(open).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<io::Result<Vec<_>>>()
    });
    let mut shards = shards.map_err(|error| StoreError::io(directory, "write to", error))?;
    release(&homes, directory, &mut shards)
        .map_err(|error| StoreError::io(directory, "remove old segments of", error))?;
    if homes.recovered.records > 0 {
        let (records, is_moved) = (homes.recovered.records, homes.is_moved);
        let (correlations, deliveries) = homes.live();
        tracing::info!(records, correlations, deliveries, is_moved, "store recovered");
    }
    let mut left_over = LeftOver::default();
    for (kind, name, counts) in homes.unconfigured() {
        let (kind, names) = match kind {
            NameKind::Account => ("account", &mut left_over.accounts),
            NameKind::Carrier => ("carrier", &mut left_over.carriers),
        };
        names.push(name.to_owned());
        let entries = counts.correlations + counts.early + counts.deliveries + counts.unrouted;
        tracing::warn!(
            kind,
            name,
            entries,
            "not configured: what the store has of it waits until retention for it to come back"
        );
    }
    let opened = shards.into_iter().map(Opening::finish).collect::<io::Result<_>>();
    let opened = opened.map_err(|error| StoreError::io(directory, "allocate in", error))?;
    Ok((opened, left_over))
}

/// What was allocated for a segment and never written is given back: it is not filled any further.
fn cut_unused(directory: &Path, recovered: &Recovered) -> io::Result<()> {
    for segment in recovered.segments() {
        let file = OpenOptions::new().write(true).open(directory.join(segment.name.to_string()))?;
        if file.metadata()?.len() > segment.octets {
            file.set_len(segment.octets)?;
        }
    }
    Ok(())
}

/// One shard with everything whose home it is.
fn open_shard(
    homes: &Homes<'_>,
    (config, placement): (&Arc<Config>, &Placement),
    (at, seeds): (usize, Seeds),
    octets: u64,
    cdr: Option<CdrFiles>,
) -> io::Result<Opening> {
    let id = ShardId(at as u16);
    let ids = Random::new(seeds.random.rotate_left(17));
    let mut store = ShardStore::new(id.0, Arc::clone(config), octets, homes.recovered.journal(id.0), ids);
    let seeds = Seeds { first_key: homes.recovered.next_key, ..seeds };
    let mut shard = Shard::new(id, Arc::clone(config), placement.clone(), &seeds);
    if let Some(files) = &cdr {
        shard.keep_cdr(files.last());
    }
    let mut out = Effects::new(id, placement.shards());
    out.segment = store.next_segment();
    let files = SegmentFiles::open(&config.store.path, id.0, octets)?;
    let mut anew = Anew { files, filling: None, deletes: Vec::new() };
    homes.restore((&mut shard, &mut store, &mut out), now(), |shard, store, out| anew.commit(shard, store, out))?;
    let Anew { files, deletes, .. } = anew;
    Ok(Opening { engine: Engine { shard, out, store, disk_effects: Vec::new() }, files, deletes, cdr })
}

/// Removes what is needed no more, now that everything is durable where it belongs.
fn release(homes: &Homes<'_>, directory: &Path, shards: &mut [Opening]) -> io::Result<()> {
    for Opening { engine, files, deletes, .. } in &mut *shards {
        engine.store.release_unused(&mut engine.disk_effects);
        take_deletes(&mut engine.disk_effects, deletes);
        for name in deletes.drain(..) {
            files.delete(name)?;
        }
    }
    for segment in homes.surplus() {
        fs::remove_file(directory.join(segment.name.to_string()))?;
    }
    shards.first().map_or(Ok(()), |shard| shard.files.sync_directory())
}

/// A shard that has its entries, and the segments that may go once every shard has.
struct Opening {
    engine: Engine,
    files: SegmentFiles,
    deletes: Vec<SegmentName>,
    cdr: Option<CdrFiles>,
}

impl Opening {
    fn finish(mut self) -> io::Result<Opened> {
        match self.files.refill() {
            Ok(()) => {}
            // It serves all the same, and takes nothing that must be kept.
            Err(error) if segments::is_full(&error) => {
                self.engine.shard.handle(Input::StoreRoom { has_room: false }, now(), &mut self.engine.out);
            }
            Err(error) => return Err(error),
        }
        Ok(Opened { engine: self.engine, files: self.files, cdr: self.cdr })
    }
}

/// Writes and syncs what is recorded anew.
struct Anew {
    files: SegmentFiles,
    filling: Option<File>,
    deletes: Vec<SegmentName>,
}

impl Anew {
    fn commit(&mut self, shard: &mut Shard, store: &mut ShardStore, out: &mut Effects) -> io::Result<()> {
        let mut effects = Vec::new();
        store.commit_now(shard, now(), out, &mut effects);
        let mut done = None;
        for effect in effects.drain(..) {
            match effect {
                StoreEffect::Create { segment } => self.filling = Some(self.files.create(segment)?),
                StoreEffect::SyncDirectory => self.files.sync_directory()?,
                StoreEffect::Write { offset, octets, .. } => {
                    let file = self.filling.as_ref().ok_or_else(|| io::Error::other("a batch before its segment"))?;
                    segments::write(file, &octets, offset)?;
                }
                StoreEffect::Sync { commit, .. } => {
                    self.filling.as_ref().map_or(Ok(()), File::sync_data)?;
                    done = Some(commit);
                }
                StoreEffect::Delete { segment } => self.deletes.push(segment),
                StoreEffect::Read { segment, offset, octets } => {
                    store.read(segment, self.files.read(segment, offset, octets)?);
                }
            }
        }
        if let Some(through) = done.and_then(|commit| store.synced(commit, shard, now(), &mut effects)) {
            shard.handle(Input::Durable { through }, now(), out);
        }
        take_deletes(&mut effects, &mut self.deletes);
        Ok(())
    }
}

fn take_deletes(effects: &mut Vec<StoreEffect>, deletes: &mut Vec<SegmentName>) {
    for effect in effects.drain(..) {
        if let StoreEffect::Delete { segment } = effect {
            deletes.push(segment);
        }
    }
}

fn now() -> Instant {
    Instant::from_nanos(clock::monotonic_ns())
}
