//! What all threads of the process share: the configuration, its health, the message id numbers, and how it ends.

use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;

use crate::metrics::Exporter;
use crate::runtime::health::Health;
use crate::runtime::ids::IdStore;
use crate::runtime::live::Current;
use crate::runtime::mailbox::Mailboxes;
use crate::runtime::opt_out::OptOuts;
use crate::runtime::reload::Reloads;
use crate::runtime::systemd::Systemd;

pub struct Shared {
    /// The configuration, for who is no shard.
    pub current: Arc<Current>,
    pub reloads: Reloads,
    pub health: Arc<Health>,
    pub ids: Arc<IdStore>,
    pub control: Control,
    pub systemd: Arc<Systemd>,
    pub mailboxes: Arc<Mailboxes>,
    /// What each shard publishes its counts through.
    pub exporter: Exporter,
    pub opt_outs: OptOuts,
    /// Where this process listens: no callback goes there.
    pub listens: Vec<SocketAddr>,
}

/// Why the process ends.
#[derive(Debug)]
pub enum End {
    /// SIGTERM or SIGINT.
    Asked,
    /// Everything was drained.
    Drained,
    /// This exit code, and what went wrong.
    Failed(i32, String),
}

/// The drain, stage by stage: every shard's links first, then every shard's sessions.
pub struct Control {
    shards: usize,
    stage: AtomicU8,
    carriers_drained: AtomicUsize,
    sessions_drained: AtomicUsize,
    end: Sender<End>,
    wakes: Mutex<Vec<SocketAddr>>,
    /// Sockets that end with this process.
    own_listeners: Vec<TcpListener>,
}

/// How far the drain has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    Serving,
    Carriers,
    Sessions,
}

impl Control {
    #[must_use]
    pub fn new(shards: usize, end: Sender<End>, own_listeners: Vec<TcpListener>) -> Self {
        Self {
            shards,
            stage: AtomicU8::new(0),
            carriers_drained: AtomicUsize::new(0),
            sessions_drained: AtomicUsize::new(0),
            end,
            wakes: Mutex::default(),
            own_listeners,
        }
    }

    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards
    }

    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Serving,
            1 => Stage::Carriers,
            _ => Stage::Sessions,
        }
    }

    /// Where connections of our own to our listeners come from.
    pub fn wakes(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a drain that ran out of time had not come to.
    #[must_use]
    pub fn unfinished(&self) -> String {
        let (what, done) = match self.stage() {
            Stage::Serving | Stage::Carriers => {
                ("links are open, perhaps with submits unanswered,", &self.carriers_drained)
            }
            Stage::Sessions => ("sessions or requests of customers are open", &self.sessions_drained),
        };
        let left = self.shards.saturating_sub(done.load(Ordering::Acquire));
        format!("{what} on {left} of {} shards", self.shards)
    }

    pub fn drain(&self) {
        self.stage.store(1, Ordering::Release);
    }

    /// One shard has no link left; after the last one, sessions follow, and nobody new is let in: whoever was accepted gets an
    /// answer, and would not if he came while the process ends.
    pub fn carriers_drained(&self) {
        if self.carriers_drained.fetch_add(1, Ordering::AcqRel) + 1 == self.shards {
            self.stage.store(2, Ordering::Release);
            for listener in &self.own_listeners {
                // It cannot fail on a socket that listens.
                let _ = SockRef::from(listener).shutdown(Shutdown::Both);
            }
        }
    }

    pub fn sessions_drained(&self) {
        if self.sessions_drained.fetch_add(1, Ordering::AcqRel) + 1 == self.shards {
            self.end(End::Drained);
        }
    }

    pub fn end(&self, end: End) {
        // The receiver is the main thread, which outlives all others.
        let _ = self.end.send(end);
    }
}

impl Shared {
    /// The process cannot go on.
    pub fn fail(&self, exit_code: i32, error: &str) {
        self.health.fail(error);
        self.control.end(End::Failed(exit_code, error.to_owned()));
    }
}
