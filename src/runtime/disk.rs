//! One shard's disk: what its store wants done, in order, through the shard's own ring.
//!
//! A batch is written in the turn that commits it, into the page cache; the sync behind it is awaited by the ring. With
//! `durability: process` the write is the commit. What need not hurry (removing, reading back, allocating ahead) goes its own
//! way beside the commits. A full disk is waited for, and so are descriptors, which connections may use up: nothing is acknowledged
//! meanwhile. Any other failure ends the process: after a failed sync nobody knows what the disk holds.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::time::Duration;

use glommio::io::BufferedFile;
use glommio::timer::sleep;

use crate::config::Durability;
use crate::engine::event::Input;
use crate::engine::time::Instant;
use crate::runtime::engine::Engine;
use crate::runtime::segments::{self, SegmentFiles, may_pass};
use crate::runtime::serve::EXIT_STORE;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::sys;
use crate::runtime::wakeup::Wakeup;
use crate::store::journal::StoreEffect;
use crate::store::segment::SegmentName;

pub struct Disk {
    files: SegmentFiles,
    durability: Durability,
    /// The segment being filled: the descriptor we write to, and the one we sync.
    filling: RefCell<Option<(Rc<File>, Rc<BufferedFile>)>>,
    commits: RefCell<VecDeque<StoreEffect>>,
    upkeep: RefCell<VecDeque<StoreEffect>>,
    /// Whether the commits' task is at work on something, and whether that waits for room.
    is_busy: Cell<bool>,
    is_waiting: Cell<bool>,
    commit_wakeup: Wakeup,
    upkeep_wakeup: Wakeup,
    /// Lines of the call detail records are durable that no file has.
    pub(super) cdr_wakeup: Wakeup,
    spare: Cell<Vec<u8>>,
}

/// What a turn's effects came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begun {
    /// Nothing to commit, or a task is at it and will say when it is durable.
    Waits,
    /// This commit is done already.
    Done(u64),
}

impl Disk {
    /// How long a full disk is left alone before it is tried again.
    const AGAIN: Duration = Duration::from_millis(500);

    #[must_use]
    pub fn new(files: SegmentFiles, durability: Durability) -> Self {
        Self {
            files,
            durability,
            filling: RefCell::default(),
            commits: RefCell::default(),
            upkeep: RefCell::default(),
            is_busy: Cell::new(false),
            is_waiting: Cell::new(false),
            commit_wakeup: Wakeup::default(),
            upkeep_wakeup: Wakeup::default(),
            cdr_wakeup: Wakeup::default(),
            spare: Cell::default(),
        }
    }

    /// Takes what a turn's store wants done. Errors are for the process to end with.
    pub fn begin(&self, effects: &mut Vec<StoreEffect>) -> io::Result<Begun> {
        let mut is_upkeep = false;
        let mut done = Begun::Waits;
        for effect in effects.drain(..) {
            match effect {
                StoreEffect::Delete { .. } | StoreEffect::Read { .. } => is_upkeep = true,
                StoreEffect::Create { .. } | StoreEffect::Write { .. } | StoreEffect::Sync { .. } => is_upkeep = false,
                // It belongs to what it follows.
                StoreEffect::SyncDirectory => {}
            }
            if is_upkeep {
                self.upkeep.borrow_mut().push_back(effect);
                self.upkeep_wakeup.wake();
                continue;
            }
            if !self.is_busy.get() && self.commits.borrow().is_empty() {
                match effect {
                    StoreEffect::Write { offset, ref octets, .. } => match self.write(octets, offset) {
                        Ok(()) => {
                            self.recycle(effect);
                            continue;
                        }
                        Err(error) if may_pass(&error) => {}
                        Err(error) => return Err(error),
                    },
                    StoreEffect::Sync { commit, .. } if self.durability == Durability::Process => {
                        self.check_filling()?;
                        done = Begun::Done(commit);
                        continue;
                    }
                    StoreEffect::Sync { .. }
                    | StoreEffect::Create { .. }
                    | StoreEffect::SyncDirectory
                    | StoreEffect::Read { .. }
                    | StoreEffect::Delete { .. } => {}
                }
            }
            self.commits.borrow_mut().push_back(effect);
            self.commit_wakeup.wake();
        }
        Ok(done)
    }

    /// The memory of a batch that was written, for the next one.
    #[must_use]
    pub fn take_spare(&self) -> Vec<u8> {
        self.spare.take()
    }

    fn write(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        match &*self.filling.borrow() {
            Some((file, _)) => segments::write(file, octets, offset),
            None => Err(io::Error::other("a batch before its segment")),
        }
    }

    /// A file that nobody finds again can be written and synced all the same.
    fn check_filling(&self) -> io::Result<()> {
        match &*self.filling.borrow() {
            Some((file, _)) if file.metadata()?.nlink() == 0 => Err(io::Error::other("its newest segment was removed")),
            Some(_) | None => Ok(()),
        }
    }

    fn recycle(&self, written: StoreEffect) {
        if let StoreEffect::Write { octets, .. } = written {
            self.spare.set(octets);
        }
    }
}

impl ShardLoop {
    /// Starts the two tasks of this shard's disk.
    pub fn start_disk(self: &Rc<Self>) {
        glommio::spawn_local(Rc::clone(self).commits()).detach();
        glommio::spawn_local(Rc::clone(self).upkeep()).detach();
    }

    async fn commits(self: Rc<Self>) {
        loop {
            self.disk.commit_wakeup.wait().await;
            loop {
                let Some(effect) = self.disk.commits.borrow_mut().pop_front() else { break };
                self.disk.is_busy.set(true);
                let result = self.perform(effect).await;
                self.disk.is_busy.set(false);
                // What waited for room found some; whether there is enough, the reserve tells.
                if self.disk.is_waiting.replace(false) {
                    self.disk.upkeep_wakeup.wake();
                }
                if let Err(error) = result {
                    return self.fail_store(&error);
                }
            }
        }
    }

    async fn perform(self: &Rc<Self>, effect: StoreEffect) -> io::Result<()> {
        match effect {
            StoreEffect::Create { segment } => {
                let created = self.create(segment).await?;
                self.disk.filling.replace(Some(created));
                // Allocate the next one ahead.
                self.disk.upkeep_wakeup.wake();
            }
            StoreEffect::SyncDirectory => self.sync_directory().await?,
            StoreEffect::Write { offset, ref octets, .. } => {
                while let Err(error) = self.disk.write(octets, offset) {
                    self.wait_for_room(error).await?;
                }
                self.disk.recycle(effect);
            }
            StoreEffect::Sync { commit, .. } => {
                let filling = self.disk.filling.borrow().as_ref().map(|(_, file)| Rc::clone(file));
                if let Some(file) = filling.filter(|_| self.disk.durability == Durability::Fsync) {
                    file.fdatasync().await.map_err(io::Error::from)?;
                }
                self.disk.check_filling()?;
                self.synced(commit);
            }
            StoreEffect::Read { .. } | StoreEffect::Delete { .. } => {}
        }
        Ok(())
    }

    async fn create(&self, segment: SegmentName) -> io::Result<(Rc<File>, Rc<BufferedFile>)> {
        loop {
            let files = self.disk.files.clone();
            let create = move || files.create(segment).and_then(|file| Ok((file.try_clone()?, file)));
            match glommio::executor().spawn_blocking(create).await {
                Ok((file, synced)) => return Ok((Rc::new(file), Rc::new(sys::file_from(synced)))),
                Err(error) => self.wait_for_room(error).await?,
            }
        }
    }

    async fn wait_for_room(&self, error: io::Error) -> io::Result<()> {
        if !may_pass(&error) {
            return Err(error);
        }
        if !self.disk.is_waiting.replace(true) {
            tracing::error!(%error, "the store waits");
        }
        self.handle(Input::StoreRoom { has_room: false });
        sleep(Disk::AGAIN).await;
        Ok(())
    }

    async fn sync_directory(&self) -> io::Result<()> {
        if self.disk.durability == Durability::Process {
            return Ok(());
        }
        loop {
            let files = self.disk.files.clone();
            match glommio::executor().spawn_blocking(move || files.sync_directory()).await {
                // It was not opened: nothing was synced that could have failed.
                Err(error) if sys::is_out_of_descriptors(&error) => sleep(Disk::AGAIN).await,
                synced => return synced,
            }
        }
    }

    /// What is done beside the commits: files removed, read back, and allocated ahead.
    async fn upkeep(self: Rc<Self>) {
        loop {
            let next = self.disk.upkeep.borrow_mut().pop_front();
            let done = match next {
                Some(StoreEffect::Delete { segment }) => {
                    let files = self.disk.files.clone();
                    glommio::executor().spawn_blocking(move || files.delete(segment)).await
                }
                Some(StoreEffect::Read { segment, offset, octets }) => {
                    let files = self.disk.files.clone();
                    let len = octets.len();
                    match glommio::executor().spawn_blocking(move || files.read(segment, offset, octets)).await {
                        Err(error) if sys::is_out_of_descriptors(&error) => {
                            sleep(Disk::AGAIN).await;
                            let again = StoreEffect::Read { segment, offset, octets: vec![0; len] };
                            self.disk.upkeep.borrow_mut().push_front(again);
                            Ok(())
                        }
                        read => read.map(|octets| self.was_read(segment, octets)),
                    }
                }
                Some(_) => self.sync_directory().await,
                None => match self.refill().await {
                    Ok(true) => {
                        self.disk.upkeep_wakeup.wait().await;
                        Ok(())
                    }
                    Ok(false) => {
                        sleep(Disk::AGAIN).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                return self.fail_store(&error);
            }
        }
    }

    /// Allocates ahead; false when there is no room for it.
    async fn refill(&self) -> io::Result<bool> {
        let files = self.disk.files.clone();
        match glommio::executor().spawn_blocking(move || files.refill()).await {
            Ok(()) => self.handle(Input::StoreRoom { has_room: !self.disk.is_waiting.get() }),
            Err(error) if may_pass(&error) => {
                self.handle(Input::StoreRoom { has_room: false });
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

impl ShardLoop {
    /// Commits what the turn appended, unless a commit is under way. What is durable at once goes on in this turn.
    pub(super) fn commit(&self, now: Instant, engine: &mut Engine) -> Option<io::Error> {
        loop {
            self.wake_cdr(engine);
            engine.store.recycle(self.disk.take_spare());
            let Engine { shard, out, store, disk_effects } = &mut *engine;
            store.commit(shard, now, out, disk_effects);
            match self.disk.begin(disk_effects) {
                Ok(Begun::Waits) => return None,
                Ok(Begun::Done(commit)) => {
                    engine.synced(commit, now);
                    self.wake_cdr(engine);
                }
                Err(error) => return Some(error),
            }
            engine.shard.settle(now, &mut engine.out);
            // What is only appended again goes on in the next turn: a whole segment would hold up this one.
            if engine.out.records.is_empty() {
                return self.disk.begin(&mut engine.disk_effects).err();
            }
        }
    }

    /// Has what nobody waits for committed, now and then.
    pub(super) fn commit_idle(&self) {
        if self.engine.borrow().store.commit_at().is_some() {
            self.turn.wake();
        }
    }

    /// A commit that was under way is durable.
    fn synced(&self, commit: u64) {
        self.in_engine(|engine, now| engine.synced(commit, now));
    }

    /// Octets of a segment were read, so that what lives there is appended again.
    fn was_read(&self, segment: SegmentName, octets: Vec<u8>) {
        self.in_engine(|engine, _| engine.store.read(segment, octets));
    }

    pub(super) fn fail_store(&self, error: &io::Error) {
        self.in_engine(|engine, _| engine.store.failed());
        let live = self.live();
        let path = live.config.store.path.display();
        self.shared.fail(EXIT_STORE, &format!("store {path}: {error}; nothing was acknowledged that is not on disk"));
    }
}
