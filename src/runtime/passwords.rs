//! Passwords that are there as argon2id hashes: compared on threads of their own, few at once, with what is known of the last right
//! password tried first.
//!
//! Whatever is known to be wrong, or belongs to no hash at all, costs nothing and yet takes as long: it passes through the same
//! queue, is refused as others are when that is full, and then waits for as long as the longest hash took. So neither a name nor
//! how an account is set up shows in the time an answer takes, and who guesses names has no hash made for any.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordVerifier};
use argon2::{Argon2, Params};
use glommio::timer::Timer;

use crate::config::{AccountId, Config, Password, Secret};
use crate::engine::event::{Input, Verdict};
use crate::engine::slab::Key;
use crate::metrics::PasswordCheck;
use crate::runtime::handover::Handover;
use crate::runtime::password_digests::PasswordDigests;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::{clock, sys};

/// Memory that hashes under way may take together, in KiB. One hash alone takes no more (`config::secret`).
const MEMORY: usize = 1 << 20;
const MOST_THREADS: usize = 4;
/// A machine that once was slow must not slow down refusals for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// While binds come without end, what is known is written this often.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// What all shards share.
pub struct Passwords {
    digests: Arc<PasswordDigests>,
    /// As many threads as have room for the largest of the hashes.
    threads: usize,
    queue: Mutex<Queue>,
    added: Condvar,
    /// The longest a hash took, in nanoseconds.
    longest: AtomicU64,
}

struct Queue {
    jobs: VecDeque<Job>,
    written_at: u64,
    is_written: bool,
    /// Other threads follow: these end once nothing waits.
    is_over: bool,
}

/// A password to compare.
struct Job {
    hashes: Vec<Secret>,
    password: Secret,
    /// Nobody waits for it any more after this.
    give_up_at: u64,
    done: Arc<Handover<(Verdict, PasswordCheck)>>,
}

/// What is known at once of a password.
enum Known {
    Right,
    /// To be compared with these hashes; with none, it is wrong.
    Unknown(Vec<Secret>),
}

impl Passwords {
    /// Opens what is known, and starts the threads, unless those that run will do. `None` where no password is a hash.
    ///
    /// # Errors
    /// When there is no key to be had, or no thread.
    pub fn start(config: &Config, running: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>, String> {
        if !config.has_hashes() {
            return Ok(None);
        }
        let hashes = || config.accounts.iter().flat_map(|account| account.passwords.iter().filter_map(hash));
        let largest = hashes().filter_map(memory).max().unwrap_or(1).max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).min(MEMORY / largest).clamp(1, MOST_THREADS);
        let digests = match running {
            Some(running) if running.threads == threads => {
                running.digests.retain(hashes().map(Secret::expose));
                return Ok(Some(Arc::clone(running)));
            }
            Some(running) => Arc::clone(&running.digests),
            None => Arc::new(PasswordDigests::open(&config.store.path, hashes().map(Secret::expose))?),
        };
        let queue = Queue { jobs: VecDeque::new(), written_at: 0, is_written: true, is_over: false };
        let passwords = Arc::new(Self {
            digests,
            threads,
            queue: Mutex::new(queue),
            added: Condvar::new(),
            longest: AtomicU64::new(0),
        });
        for _ in 0..threads {
            let worker = Arc::clone(&passwords);
            let thread = std::thread::Builder::new().name("passwords".to_owned()).spawn(move || worker.work());
            thread.map_err(|error| format!("cannot start a thread for passwords: {error}"))?;
        }
        Ok(Some(passwords))
    }

    /// No configuration goes by it any more.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.added.notify_all();
    }

    fn look_up(&self, config: &Config, account: Option<AccountId>, password: &[u8]) -> Known {
        let passwords = account.map_or(&[][..], |account| &config.account(account).passwords);
        let mut unknown = Vec::new();
        let mut is_right = false;
        for hash in passwords.iter().filter_map(hash) {
            match self.digests.is_right(hash.expose(), password) {
                Some(right) => is_right |= right,
                None => unknown.push(hash.clone()),
            }
        }
        if is_right { Known::Right } else { Known::Unknown(unknown) }
    }

    /// Has a password compared; `None` when too many wait already.
    fn ask(
        &self,
        config: &Config,
        hashes: Vec<Secret>,
        password: &Secret,
    ) -> Option<Arc<Handover<(Verdict, PasswordCheck)>>> {
        let mut queue = self.lock();
        if queue.jobs.len() >= config.limits.unbound as usize {
            return None;
        }
        let response = u64::try_from(config.smpp.timers.response.as_nanos()).unwrap_or(u64::MAX);
        let give_up_at = clock::monotonic_ns().saturating_add(response);
        let done = Handover::new();
        queue.jobs.push_back(Job { hashes, password: password.clone(), give_up_at, done: Arc::clone(&done) });
        self.added.notify_one();
        Some(done)
    }

    /// Compares what comes, until the process ends or others do.
    fn work(&self) {
        // Who relays messages comes first.
        sys::be_nice();
        while let Some(job) = self.next_job() {
            let compared = catch_unwind(AssertUnwindSafe(|| self.compare(&job)));
            job.done.give(compared.unwrap_or((Verdict::Unavailable, PasswordCheck::Refused)));
            self.write_if_due();
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.is_over {
                return None;
            }
            queue = self.added.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn compare(&self, job: &Job) -> (Verdict, PasswordCheck) {
        if job.hashes.is_empty() {
            return (Verdict::Wrong, PasswordCheck::Unmatched);
        }
        let mut how = PasswordCheck::Cached;
        for hash in &job.hashes {
            // Another bind of the same account may have come before.
            let known = self.digests.is_right(hash.expose(), job.password.expose());
            let is_right = match known {
                Some(is_right) => is_right,
                None if clock::monotonic_ns() >= job.give_up_at => {
                    return (Verdict::Unavailable, PasswordCheck::Refused);
                }
                None => {
                    how = PasswordCheck::Hashed;
                    match self.hash(hash, &job.password) {
                        Ok(is_right) => is_right,
                        Err(error) => {
                            tracing::error!(%error, "cannot compare a password with its argon2id hash");
                            return (Verdict::Unavailable, PasswordCheck::Refused);
                        }
                    }
                }
            };
            if is_right {
                return (Verdict::Right, how);
            }
        }
        (Verdict::Wrong, how)
    }

    fn hash(&self, hash: &Secret, password: &Secret) -> Result<bool, Error> {
        let began = clock::monotonic_ns();
        let is_right = is_password(hash.expose(), password.expose());
        self.longest.fetch_max(clock::monotonic_ns() - began, Ordering::Relaxed);
        if is_right == Ok(true) {
            self.digests.keep(hash.expose(), password.expose());
            self.lock().is_written = false;
        }
        is_right
    }

    /// Writes what is known when nothing else is to do, and once in a while.
    fn write_if_due(&self) {
        let now = clock::monotonic_ns();
        let mut queue = self.lock();
        let is_due = queue.jobs.is_empty() || Duration::from_nanos(now - queue.written_at) >= WRITE_EVERY;
        if queue.is_written || !is_due {
            return;
        }
        (queue.is_written, queue.written_at) = (true, now);
        drop(queue);
        if let Err(error) = self.digests.write() {
            tracing::warn!(%error, "cannot write password-digests: passwords are hashed again after the next start");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShardLoop {
    /// Compares a bind's password with the account's hashes, and tells the engine.
    pub(super) fn verify(self: &Rc<Self>, connection: Key, account: Option<AccountId>, password: Secret) {
        let shard = Rc::clone(self);
        let comparing = async move {
            let verdict = shard.compare(account, &password).await;
            shard.handle(Input::Verified { connection, verdict });
        };
        glommio::spawn_local(comparing).detach();
    }

    /// Compares a password with the account's hashes.
    pub(super) async fn compare(&self, account: Option<AccountId>, password: &Secret) -> Verdict {
        let live = self.live();
        let Some(passwords) = &live.passwords else { return Verdict::Wrong };
        let (verdict, how) = match passwords.look_up(&live.config, account, password.expose()) {
            Known::Right => (Verdict::Right, PasswordCheck::Cached),
            Known::Unknown(hashes) => {
                let is_idle = hashes.is_empty();
                match passwords.ask(&live.config, hashes, password) {
                    None => (Verdict::Unavailable, PasswordCheck::Refused),
                    Some(done) => {
                        let compared = done.look(|done| *done).await;
                        if is_idle {
                            let longest = Duration::from_nanos(passwords.longest.load(Ordering::Relaxed));
                            Timer::new(longest.min(LONGEST_WAIT)).await;
                        }
                        compared
                    }
                }
            }
        };
        self.in_engine(|engine, _| engine.shard.counts.count_password_check(how));
        verdict
    }
}

fn hash(password: &Password) -> Option<&Secret> {
    match password {
        Password::Argon2id(hash) => Some(hash),
        Password::Plain(_) => None,
    }
}

/// What a comparison with it takes, in KiB.
fn memory(hash: &Secret) -> Option<usize> {
    let hash = PasswordHash::new(std::str::from_utf8(hash.expose()).ok()?).ok()?;
    usize::try_from(Params::try_from(&hash).ok()?.m_cost()).ok()
}

fn is_password(hash: &[u8], password: &[u8]) -> Result<bool, Error> {
    let hash = std::str::from_utf8(hash).map_err(|_| Error::EncodingInvalid)?;
    match Argon2::default().verify_password(password, hash) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}
