//! Lists of numbers that nothing is sent to, read again when they change: by a thread of its own, since ten million numbers take
//! seconds. What is wrong changes nothing; a file is read once it has stayed as it is for one look, for it may still be written.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::config::{AccountId, Config, NumberSet};
use crate::engine::event::Input;
use crate::engine::placement::Placement;
use crate::runtime::clock;
use crate::runtime::control::Shared;
use crate::runtime::files;
use crate::runtime::shard_loop::ShardLoop;

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// New lists on their way to the shards: a box for each. A later list of an account takes the place of an earlier one.
pub struct OptOuts {
    lists: Box<[Mutex<Lists>]>,
    watched: Mutex<Watched>,
}

/// With the file each was read from.
type Lists = Vec<(AccountId, PathBuf, Arc<NumberSet>)>;

/// What is to be looked after.
#[derive(Default)]
struct Watched {
    /// Others than before, which the thread has not taken yet.
    files: Option<Vec<WatchedFile>>,
    has_thread: bool,
}

impl OptOuts {
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self { lists: (0..shards).map(|_| Mutex::default()).collect(), watched: Mutex::default() }
    }

    fn put(&self, shard: usize, account: AccountId, path: &Path, numbers: &Arc<NumberSet>) {
        let mut lists = self.lists[shard].lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|(known, ..)| *known != account);
        lists.push((account, path.to_owned(), Arc::clone(numbers)));
    }

    fn take(&self, shard: usize) -> Lists {
        std::mem::take(&mut *self.lists[shard].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShardLoop {
    /// Gives the engine what was read since the last look. A reload may have given the account another file meanwhile.
    pub fn take_opt_outs(&self) {
        for (account, path, numbers) in self.shared.opt_outs.take(self.id.index()) {
            let live = self.live();
            let list = live.config.accounts.get(account.index()).and_then(|account| account.opt_out.as_ref());
            if list.is_some_and(|list| list.path == path) {
                self.handle(Input::OptOut { account, numbers });
            }
        }
    }
}

/// Looks after the files that accounts name from now on. No thread is started without one.
///
/// # Errors
/// When there is no thread to be had.
pub fn watch(shared: &Arc<Shared>, config: &Config, placement: &Placement) -> Result<(), String> {
    let files = files_of(config, placement);
    let mut watched = shared.opt_outs.watched();
    if !watched.has_thread && files.is_empty() {
        return Ok(());
    }
    watched.files = Some(files);
    if watched.has_thread {
        return Ok(());
    }
    let shared = Arc::clone(shared);
    let look = move || {
        let mut files = Vec::new();
        loop {
            if let Some(others) = shared.opt_outs.watched().files.take() {
                files = others;
            }
            std::thread::park_timeout(LOOK_EVERY);
            for file in &mut files {
                if let Some(numbers) = file.look() {
                    let numbers = Arc::new(numbers);
                    for (shard, account) in &file.accounts {
                        shared.opt_outs.put(*shard, *account, &file.path, &numbers);
                    }
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("opt-out".to_owned()).spawn(look);
    thread.map_err(|error| format!("cannot watch the opt-out lists: {error}"))?;
    watched.has_thread = true;
    Ok(())
}

/// What changes when a file does, or another takes its place: its time, length and number. One that cannot be asked is like none.
type Stamp = Option<(SystemTime, u64, u64)>;

struct WatchedFile {
    path: PathBuf,
    /// Whose it is, and their homes.
    accounts: Vec<(usize, AccountId)>,
    /// As it was when it was read, and as it was at the last look.
    read: Stamp,
    seen: Stamp,
}

/// Each file once. They were read when the process started: one that may have changed since is read again.
fn files_of(config: &Config, placement: &Placement) -> Vec<WatchedFile> {
    let mut files: Vec<WatchedFile> = Vec::new();
    for (at, account) in config.accounts.iter().enumerate().filter(|(_, account)| !account.is_gone) {
        let Some(list) = &account.opt_out else { continue };
        let account = AccountId(at as u32);
        let home = (placement.home_of_account(account).index(), account);
        match files.iter_mut().find(|file| file.path == list.path) {
            Some(file) => file.accounts.push(home),
            None => {
                let seen = stamp(&list.path);
                let (path, read) = (list.path.clone(), seen.filter(|_| is_old(&seen)));
                files.push(WatchedFile { path, accounts: vec![home], read, seen });
            }
        }
    }
    files
}

impl WatchedFile {
    /// What the file holds now, if that is new, sound and whole.
    fn look(&mut self) -> Option<NumberSet> {
        let now = stamp(&self.path);
        let is_settled = now == std::mem::replace(&mut self.seen, now);
        if !is_settled || now == self.read {
            return None;
        }
        self.read = now;
        let path = self.path.display();
        let read = files::read(&self.path).map_err(|error| vec![format!("cannot be read: {error}")]);
        match read.and_then(|octets| NumberSet::parse(&octets)) {
            Ok(numbers) => {
                tracing::info!(target: "audit", %path, numbers = numbers.len(), "opt-out list read");
                Some(numbers)
            }
            Err(problems) => {
                let first = problems.first().map_or("", String::as_str);
                tracing::error!(%path, problems = problems.len(), "opt-out list not taken, the one before stays: {first}");
                None
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// Whether it was written so long ago that the start of this process read it as it is.
fn is_old(stamp: &Stamp) -> bool {
    const OLD: Duration = Duration::from_secs(60);
    let written = stamp.and_then(|(modified, ..)| modified.duration_since(SystemTime::UNIX_EPOCH).ok());
    written.is_some_and(|written| written + OLD < clock::since_unix_epoch())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_read_once_it_stays_as_it_is_and_what_is_wrong_changes_nothing() {
        let path = std::env::temp_dir().join(format!("trunkline-opt-out-{}", std::process::id()));
        let mut file = WatchedFile { path: path.clone(), accounts: Vec::new(), read: None, seen: None };
        let mut lengths = |text: Option<&str>| {
            if let Some(text) = text {
                File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            }
            file.look().map(|numbers| numbers.len())
        };
        assert_eq!((lengths(None), lengths(None)), (None, None), "there is none");
        assert_eq!((lengths(Some("49\n")), lengths(None), lengths(None)), (None, Some(1), None));
        assert_eq!((lengths(Some("49\n44\n")), lengths(Some("49\n44\n1\n")), lengths(None)), (None, None, Some(3)));
        assert_eq!((lengths(Some("49\nx\n")), lengths(None), lengths(None)), (None, None, None));
        assert_eq!((lengths(Some("4\n")), lengths(None)), (None, Some(1)));
        std::fs::remove_file(&path).unwrap();
        assert_eq!((lengths(None), lengths(None), lengths(None)), (None, None, None));
    }

    #[test]
    fn accounts_that_name_one_file_share_it_and_a_later_list_replaces_an_earlier() {
        let text = "shards: 2\naccounts: { a: { password: p, opt_out: x, shard: 0 }, b: { password: p, opt_out: x, shard: 1 }, \
                    c: { password: p } }";
        let surroundings = crate::config::Surroundings { base: "/".into(), env: &|_| None, file: &|_| Ok(Vec::new()) };
        let config = crate::config::parse(text, &surroundings).unwrap().config;
        let files = files_of(&config, &Placement::new(&config, 2));
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].accounts, [(0, AccountId(0)), (1, AccountId(1))]);
        let lists = OptOuts::new(2);
        let list = |text: &[u8]| Arc::new(NumberSet::parse(text).unwrap());
        let path = Path::new("/x");
        lists.put(1, AccountId(1), path, &list(b"1\n"));
        lists.put(1, AccountId(1), path, &list(b"1\n2\n"));
        let taken: Vec<_> = lists.take(1).into_iter().map(|(account, _, numbers)| (account, numbers.len())).collect();
        assert_eq!((taken, lists.take(0).len(), lists.take(1).len()), (vec![(AccountId(1), 2)], 0, 0));
    }
}
