//! One journal on a disk in memory beside a model of what lives: it inserts, removes, rewrites, crashes and starts again.

#![expect(clippy::unwrap_used, reason = "a model that is wrong ends the test")]

use std::collections::BTreeMap;
use std::rc::Rc;

use trunkline::engine::event::HoldingKind;
use trunkline::engine::event::Place;
use trunkline::engine::message::DeliveryKind;
use trunkline::engine::random::Random;
use trunkline::smpp::message_id::MessageId;
use trunkline::store::journal::{Journal, StoreEffect};
use trunkline::store::record::{Entry, StoreRecord};
use trunkline::store::recovered::Recovered;
use trunkline::store::recovery::Recovery;
use trunkline::store::segment::{Damage, SegmentName, check_journal, read_segment};

mod commands;
mod files;
mod repair;
mod replay;
mod torn;

const SEGMENT_OCTETS: u64 = 3_000;
const NAMES: [&str; 3] = ["acme", "bolt", "north"];

/// Class and number: no key is used twice.
type EntryKey = (u64, u64);
/// What lives, each entry as text.
type State = BTreeMap<EntryKey, Rc<str>>;
/// Files in order of sequence.
type Files = BTreeMap<u64, (SegmentName, Vec<u8>)>;

/// A batch as it was written.
#[derive(Clone, Debug)]
struct Written {
    segment: SegmentName,
    offset: usize,
    octets: Vec<u8>,
    /// What lives once it is durable.
    state: Rc<State>,
    /// Segments deleted before it was written.
    deleted: usize,
}

#[derive(Debug)]
struct World {
    random: Random,
    journal: Journal,
    files: Files,
    /// Deleted files, which new segments use again.
    spare: Vec<Vec<u8>>,
    state: State,
    places: BTreeMap<EntryKey, Place>,
    next: u64,
    written: Vec<Written>,
    deleted: usize,
}

/// The entry of a key, whose content follows from the key; or its removal.
fn entry<'a>((class, number): EntryKey, is_kept: bool, octets: &'a [u8]) -> Entry<'a, &'static str> {
    let name = |at: u64| NAMES[(at % 3) as usize];
    let (carrier, account, id) = (name(number), name(number / 3), MessageId::new(number << 7));
    let body = &octets[..(number as usize * 37) % octets.len()];
    let born = 1_000 + number;
    match (class, is_kept) {
        (0, true) => {
            let (destination, is_muted) = (number as u32, number.is_multiple_of(5));
            Entry::Correlation {
                carrier,
                account,
                id,
                destination,
                born,
                is_muted,
                carrier_id: &body[..body.len().min(9)],
                addresses: if is_muted { b"" } else { &octets[..(number as usize % 47).min(octets.len())] },
                shown: (!is_muted && number.is_multiple_of(3)).then_some(MessageId::new(!number)),
            }
        }
        (0, false) => Entry::CorrelationGone { carrier, id },
        (1, true) => Entry::Early { carrier, key: number, born, before: number, body },
        (1, false) => Entry::EarlyGone { carrier, key: number },
        (3, true) => Entry::Unrouted { carrier, key: number, born, body },
        (3, false) => Entry::UnroutedGone { carrier, key: number },
        (_, true) => {
            Entry::Holding { account, id, key: number, kind: HoldingKind::Delivery(DeliveryKind::Mo), born, body }
        }
        (_, false) => Entry::HoldingGone { account, key: number },
    }
}

fn key_of<N>(entry: &Entry<'_, N>) -> Option<EntryKey> {
    match *entry {
        Entry::Correlation { id, .. } => Some((0, id.bits() >> 7)),
        Entry::Early { key, .. } => Some((1, key)),
        Entry::Holding { key, .. } => Some((2, key)),
        Entry::Unrouted { key, .. } => Some((3, key)),
        Entry::CorrelationGone { .. } | Entry::EarlyGone { .. } | Entry::HoldingGone { .. } => None,
        Entry::UnroutedGone { .. } | Entry::Cdr { .. } => None,
    }
}

/// What recovery makes of the files.
fn recover(files: &Files) -> Result<Recovered, Damage> {
    let mut segments = Vec::new();
    for (name, octets) in files.values() {
        segments.push(read_segment(octets, *name)?);
    }
    check_journal(&mut segments)?;
    let mut recovery = Recovery::new();
    segments.iter().try_for_each(|segment| recovery.read(segment))?;
    Ok(recovery.finish())
}

fn state_of(recovered: &Recovered) -> (State, BTreeMap<EntryKey, Place>) {
    let (mut state, mut places) = (State::new(), BTreeMap::new());
    for live in recovered.all() {
        let entry = live.entry.map_names(|_, name| recovered.names.name(name));
        let key = key_of(&entry).unwrap();
        state.insert(key, format!("{entry:?}").into());
        places.insert(key, Place { segment: live.segment.sequence as u16, octets: live.entry.weight() });
    }
    (state, places)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            journal: Journal::new(1, SEGMENT_OCTETS, &[], Random::new(random.draw())),
            random,
            files: Files::new(),
            spare: Vec::new(),
            state: State::new(),
            places: BTreeMap::new(),
            next: 0,
            written: Vec::new(),
            deleted: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random.draw() % limit as u64) as usize
    }

    /// Inserts or removes something.
    fn step(&mut self) {
        let octets = [b'x'; 300];
        if self.state.len() > 30 || (!self.state.is_empty() && self.below(5) < 2) {
            let at = self.below(self.state.len());
            let key = *self.state.keys().nth(at).unwrap();
            self.state.remove(&key);
            self.journal.append(&entry(key, false, &octets));
            self.journal.removed(self.places.remove(&key).unwrap());
        } else {
            let key = (self.random.draw() % 4, self.next);
            self.next += 1;
            let entry = entry(key, true, &octets);
            self.places.insert(key, self.journal.append(&entry));
            self.state.insert(key, format!("{entry:?}").into());
        }
    }

    /// One commit and what follows it, to the end.
    fn commit(&mut self) {
        self.commit_amid(0);
    }

    /// So many steps, and perhaps a rewrite, come while the commit is under way.
    fn commit_amid(&mut self, steps: usize) {
        let mut effects = Vec::new();
        let Some(commit) = self.journal.commit(&mut effects) else { return };
        for effect in effects.drain(..) {
            self.act(effect);
        }
        if let Some(segment) = self.journal.begin_rewrite(true) {
            self.append_again(segment.name);
        }
        for _ in 0..steps {
            self.step();
        }
        assert!(self.journal.synced(commit, &mut effects));
        for effect in effects {
            self.act(effect);
        }
        if let Some(segment) = self.journal.begin_rewrite(true) {
            self.append_again(segment.name);
        }
    }

    fn act(&mut self, effect: StoreEffect) {
        match effect {
            StoreEffect::Create { segment } => {
                let octets = match self.below(3) {
                    0 => Vec::new(),
                    1 => vec![0; 4_096],
                    _ => self.spare.pop().unwrap_or_default(),
                };
                self.files.insert(segment.sequence, (segment, octets));
            }
            StoreEffect::Write { segment, offset, octets } => {
                let file = &mut self.files.get_mut(&segment.sequence).unwrap().1;
                let offset = offset as usize;
                file.resize(file.len().max(offset + octets.len()), 0);
                file[offset..offset + octets.len()].copy_from_slice(&octets);
                let (state, deleted) = (Rc::new(self.state.clone()), self.deleted);
                self.written.push(Written { segment, offset, octets, state, deleted });
            }
            StoreEffect::Delete { segment } => {
                self.deleted += 1;
                self.spare.extend(self.files.remove(&segment.sequence).map(|(_, octets)| octets));
                self.written.retain(|batch| batch.segment != segment);
            }
            StoreEffect::SyncDirectory | StoreEffect::Sync { .. } | StoreEffect::Read { .. } => {}
        }
    }

    fn append_again(&mut self, name: SegmentName) {
        let octets = self.files[&name.sequence].1.clone();
        let segment = read_segment(&octets, name).unwrap();
        for read in segment.records() {
            let StoreRecord::Entry(stored) = read.unwrap().record else { continue };
            let Some(key) = key_of(&stored) else { continue };
            if let Some(old) = self.places.get(&key).copied().filter(|place| u64::from(place.segment) == name.sequence)
            {
                let place = self.journal.append(&entry(key, true, &[b'x'; 300]));
                self.journal.removed(old);
                self.places.insert(key, place);
            }
        }
    }

    /// The process and the machine end while a commit is being written: some of its sectors are on the disk. The next process
    /// finds all that was synced, and all of the last commit or nothing.
    fn crash(&mut self, seed: u64) {
        let synced = self.written.last().map(|batch| batch.state.clone()).unwrap_or_default();
        let unsynced = self.state.clone();
        let mut effects = Vec::new();
        self.journal.commit(&mut effects);
        let before = self.files.clone();
        for effect in effects {
            self.act(effect);
        }
        if let Some(batch) = self.written.last().cloned() {
            let old = before.get(&batch.segment.sequence).map(|(_, octets)| octets.clone()).unwrap_or_default();
            let is_new =
                *batch.state == unsynced && old.get(batch.offset..batch.offset + 28) != Some(&batch.octets[..28]);
            if is_new {
                self.tear(&batch, &old);
            }
        }
        let recovered = recover(&self.files).unwrap_or_else(|damage| panic!("seed {seed}: {damage}"));
        let (state, places) = state_of(&recovered);
        assert!(state == *synced || state == unsynced, "seed {seed}: neither the synced state nor the next");
        self.journal = Journal::new(1, SEGMENT_OCTETS, recovered.segments(), Random::new(self.random.draw()));
        places.values().for_each(|place| self.journal.restored(*place));
        let is_kept = |batch: &Written, recovered: &Recovered| {
            let mut segments = recovered.segments().iter();
            segments.any(|segment| segment.name == batch.segment && batch.offset < segment.octets as usize)
        };
        self.written.retain(|batch| is_kept(batch, &recovered));
        (self.state, self.places) = (state, places);
    }

    /// Some sectors of the batch did not reach the disk, and perhaps not the file's new length.
    fn tear(&mut self, batch: &Written, old: &[u8]) {
        let end = batch.offset + batch.octets.len();
        for at in (batch.offset..end).step_by(512) {
            if self.below(2) == 0 {
                let file = &mut self.files.get_mut(&batch.segment.sequence).unwrap().1;
                for (at, octet) in file.iter_mut().enumerate().skip(at).take(512) {
                    *octet = old.get(at).copied().unwrap_or(0);
                }
            }
        }
        if self.below(4) == 0 {
            let cut = batch.offset + self.below(batch.octets.len() + 1);
            let file = &mut self.files.get_mut(&batch.segment.sequence).unwrap().1;
            file.truncate(cut.max(old.len()));
        }
    }

    /// Some commits of some steps each, with crashes between them.
    fn live(&mut self, commits: usize, seed: u64) {
        for _ in 0..commits {
            for _ in 0..self.below(12) {
                self.step();
            }
            if self.below(15) == 0 {
                self.crash(seed);
            } else {
                let steps = self.below(4);
                self.commit_amid(steps);
            }
        }
    }
}
