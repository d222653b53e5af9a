//! Reading the configuration again while everything runs, on SIGHUP or when the admin API is asked to: on a thread of its own, for files
//! are read and passwords' threads may be started.
//!
//! Everything that can be wrong is found before any shard hears of it. Then all shards get ready; when one of them does not, nothing
//! has changed. Then all of them commit, and then let go of carriers that went.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{self, Config, Diff, Parsed};
use crate::engine::placement::Placement;
use crate::engine::router::RouteTable;
use crate::runtime::config_file;
use crate::runtime::control::Shared;
use crate::runtime::handover::Handover;
use crate::runtime::health::Phase;
use crate::runtime::live::Live;
use crate::runtime::mailbox::Question;
use crate::runtime::opening::LeftOver;
use crate::runtime::opt_out;
use crate::runtime::passwords::Passwords;

/// A shard does its part at its next upkeep; one that has not by then hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of a file's problems, so many are logged.
const MOST_LOGGED: usize = 20;

/// What a reload came to.
#[derive(Clone, Debug)]
pub struct Reloaded {
    pub diff: Diff,
    pub warnings: Vec<String>,
}

/// Why nothing changed.
#[derive(Clone, Debug)]
pub enum Unchanged {
    /// What the file says cannot be: every problem, one a line.
    Refused(Vec<String>),
    /// It cannot be done now.
    NotNow(String),
}

pub type Outcome = Result<Reloaded, Unchanged>;

/// Whom to tell.
type Asked = Option<Arc<Handover<Outcome>>>;

/// Asks for reloads. Who asks while one runs has the next, together with all others who did.
#[derive(Clone)]
pub struct Reloads(Sender<Asked>);

/// What one shard is told to do.
#[derive(Clone)]
pub enum Step {
    /// Get to know what is new; nobody may use it yet.
    Prepare { live: Live, placement: Placement },
    /// Go by this from now on.
    Commit { live: Live, routes: Arc<RouteTable> },
    /// Every shard does.
    Finish,
}

/// The thread's own.
struct Reloading {
    file: PathBuf,
    shared: Arc<Shared>,
    running: Running,
}

/// What the next reload is measured against.
pub struct Running {
    pub live: Live,
    pub placement: Placement,
    /// Only a start takes up what is kept of these.
    pub left_over: LeftOver,
}

impl Reloads {
    #[must_use]
    pub fn new() -> (Self, Receiver<Asked>) {
        let (send, receive) = mpsc::channel();
        (Self(send), receive)
    }

    pub fn ask(&self) {
        // The thread lives as long as the process.
        let _ = self.0.send(None);
    }

    #[must_use]
    pub fn ask_and_hear(&self) -> Arc<Handover<Outcome>> {
        let heard = Handover::new();
        let _ = self.0.send(Some(Arc::clone(&heard)));
        heard
    }
}

/// Begins to do what is asked.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(asked: Receiver<Asked>, file: PathBuf, shared: &Arc<Shared>, running: Running) -> Result<(), String> {
    let mut reloading = Reloading { file, shared: Arc::clone(shared), running };
    let work = move || {
        while let Ok(first) = asked.recv() {
            let all: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
            let Shared { systemd, health, .. } = &*Arc::clone(&reloading.shared);
            // Who drains has said that it stops, and is not ready any more.
            let is_ready = || health.phase() == Phase::Ready;
            if is_ready() {
                systemd.reloading();
            }
            let outcome = reloading.reload();
            log(&outcome);
            if is_ready() {
                systemd.ready(&health.ready().err().unwrap_or_else(|| "serving".to_owned()));
            }
            for heard in all.into_iter().flatten() {
                heard.give(outcome.clone());
            }
        }
    };
    let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(work);
    thread.map(drop).map_err(|error| format!("cannot start a thread for reloads: {error}"))
}

impl Reloading {
    fn reload(&mut self) -> Outcome {
        match self.shared.health.phase() {
            Phase::Starting | Phase::Recovering => return Err(Unchanged::NotNow("it is still starting".to_owned())),
            Phase::Draining => return Err(Unchanged::NotNow("it is draining and ends soon".to_owned())),
            Phase::Ready => {}
        }
        let Parsed { config, warnings } = config_file::read(&self.file).map_err(Unchanged::Refused)?;
        let refused = |problem: String| Unchanged::Refused(vec![format!("{}: {problem}", self.file.display())]);
        let (next, diff) = config::merged(&self.running.live.config, config).map_err(refused)?;
        let lines = |problems: Vec<String>| {
            Unchanged::Refused(problems.iter().map(|why| format!("{}: {why}", self.file.display())).collect())
        };
        let is_bare = |config: &Config| {
            config.accounts.iter().all(|account| account.is_gone)
                && config.carriers.iter().all(|carrier| carrier.is_gone)
        };
        if is_bare(&next) && !is_bare(&self.running.live.config) {
            // As one is that is being written just now.
            return Err(refused("has neither accounts nor carriers: a reload does not remove all of them".to_owned()));
        }
        self.running.check_new(&next).map_err(lines)?;
        let next = Live::open(next, Some(&self.running.live)).map_err(lines)?;
        let (before, after) = (self.running.live.passwords.clone(), next.passwords.clone());
        let carried_out = self.carry_out(next);
        let unused = if carried_out.is_ok() { (before, after) } else { (after, before) };
        end_unused(unused);
        carried_out?;
        let warnings = warnings.iter().map(ToString::to_string).collect();
        Ok(Reloaded { diff, warnings })
    }

    fn carry_out(&mut self, next: Live) -> Result<(), Unchanged> {
        let running = &mut self.running;
        let placement = running.placement.extended(&next.config);
        let extended = config::extended(&running.live.config, &next.config);
        let before = running.live.clone();
        let prepared = Live { config: Arc::new(extended), ..before.clone() };
        let routes = Arc::new(RouteTable::of_generation(&next.config, next.generation as u8));
        // A shard that is late still gets it, so whatever comes of this, what is new has its numbers from here on.
        (running.live, running.placement) = (prepared.clone(), placement.clone());
        self.shared.current.set(&prepared.config);
        let prepare = Step::Prepare { live: prepared, placement: placement.clone() };
        self.all(&prepare).map_err(Unchanged::NotNow)?;
        self.running.live = next.clone();
        self.shared.current.set(&next.config);
        if let Err(why) = opt_out::watch(&self.shared, &next.config, &placement) {
            tracing::error!("{why}");
        }
        for step in [Step::Commit { live: next, routes }, Step::Finish] {
            if let Err(why) = self.all(&step) {
                tracing::error!("{why}; it goes by the new configuration once it does");
            }
        }
        // Held until no shard has them: thousands of accounts are freed here, and not there.
        drop((before, prepare));
        Ok(())
    }

    /// Has every shard do this.
    fn all(&self, step: &Step) -> Result<(), String> {
        let hangs = || "a shard does not answer".to_owned();
        let (done, all_done) = mpsc::channel();
        let question = || Question::Reload { step: Box::new(step.clone()), done: done.clone() };
        let shards = self.shared.mailboxes.tell(question).ok_or_else(hangs)?;
        for _ in 0..shards {
            all_done.recv_timeout(PATIENCE).map_err(|_| hangs())?;
        }
        Ok(())
    }
}

impl Running {
    /// What the store keeps of a name from before this start lies outside the engines: an account that came back without it would miss
    /// its receipts, and a carrier's would find nobody.
    fn check_new(&self, next: &Config) -> Result<(), Vec<String>> {
        let config = &self.live.config;
        let accounts = next.accounts.iter().skip(config.accounts.len()).map(|account| &account.name);
        let carriers = next.carriers.iter().skip(config.carriers.len()).map(|carrier| &carrier.name);
        let accounts = accounts.filter(|name| self.left_over.accounts.contains(name)).map(|name| ("accounts", name));
        let carriers = carriers.filter(|name| self.left_over.carriers.contains(name)).map(|name| ("carriers", name));
        let problem = |(section, name): (&str, &String)| {
            format!(
                "{section}.{name}: the store keeps what was its before this start, which only a start takes up: restart"
            )
        };
        let problems: Vec<_> = accounts.chain(carriers).map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl Reloaded {
    #[must_use]
    pub fn as_json(&self) -> Value {
        let Diff { added, removed, changed, waiting } = &self.diff;
        json!({
            "added": added, "removed": removed, "changed": changed, "waits_for_restart": waiting, "warnings": self.warnings,
        })
    }
}

/// Threads for passwords that no configuration goes by.
fn end_unused((unused, used): (Option<Arc<Passwords>>, Option<Arc<Passwords>>)) {
    let Some(unused) = unused else { return };
    if used.is_none_or(|used| !Arc::ptr_eq(&used, &unused)) {
        unused.end();
    }
}

fn log(outcome: &Outcome) {
    match outcome {
        Ok(Reloaded { diff, warnings }) => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let [added, removed, changed] = [&diff.added, &diff.removed, &diff.changed].map(|paths| paths.join(" "));
            tracing::info!(target: "audit", added, removed, changed, "configuration reloaded");
            if !diff.waiting.is_empty() {
                tracing::warn!(
                    keys = diff.waiting.join(" "),
                    "these keys are read at the start alone: restart for them"
                );
            }
        }
        Err(Unchanged::Refused(problems)) => {
            for problem in problems.iter().take(MOST_LOGGED) {
                tracing::error!("{problem}");
            }
            tracing::error!(problems = problems.len(), "configuration not reloaded: the one before stays");
        }
        Err(Unchanged::NotNow(why)) => tracing::error!("configuration not reloaded, the one before stays: {why}"),
    }
}
