//! The file behind message_ids: the key of their permutation, and how far the counter has been given out.
//!
//! A block is given out only once the file says so durably, so no start uses a number twice. The store's directory is locked for
//! as long as the process runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use glommio::timer::sleep;

use crate::engine::event::Input;
use crate::engine::id_source::IdSource;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::{clock, files, sys};

/// Numbers given out at once.
const BLOCK: u64 = IdSource::BLOCK;
/// Numbers there are (`IdCipher`).
const NUMBERS: u64 = 1 << 53;
/// A process that just ended may hold the lock a little longer.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
const RESERVE_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct IdStore {
    directory: PathBuf,
    key: [u8; 16],
    next: Mutex<u64>,
    /// Held, not used.
    _lock: File,
}

impl IdStore {
    const DAMAGED: &str = "it is damaged; without that file they begin anew, under another key";

    /// Opens the store's directory, which is made when there is none.
    pub fn open(directory: &Path) -> Result<Self, String> {
        let failed = |doing: &str, error: &dyn std::fmt::Display| {
            format!("store {}: cannot {doing}: {error}; see store.path", directory.display())
        };
        fs::create_dir_all(directory).map_err(|error| failed("create it", &error))?;
        let lock = take_lock(directory, LOCK_TRIES).map_err(|error| failed("lock it", &error))?;
        let path = directory.join("message-ids");
        let (key, next) = match files::read_text(&path) {
            Ok(text) => parse(&text).ok_or_else(|| failed("read message-ids", &Self::DAMAGED))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 16];
                getrandom::fill(&mut key).map_err(|error| failed("draw a key", &error))?;
                (key, 0)
            }
            Err(error) => return Err(failed("read message-ids", &error)),
        };
        Ok(Self { directory: directory.to_owned(), key, next: Mutex::new(next), _lock: lock })
    }

    /// The key of the permutation, the same at every start.
    #[must_use]
    pub fn key(&self) -> [u8; 16] {
        self.key
    }

    /// Gives out the next block: its first number, and the one behind its last.
    pub fn reserve(&self) -> Result<(u64, u64), String> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *next;
        let end = first + BLOCK;
        if end > NUMBERS {
            return Err(format!("store {}: all message ids are used up", self.directory.display()));
        }
        self.write(end)
            .map_err(|error| format!("store {}: cannot write message-ids: {error}", self.directory.display()))?;
        *next = end;
        Ok((first, end))
    }

    /// The file before this one stays beside it, and is what the next is written into: a start needs no room on the disk.
    fn write(&self, next: u64) -> io::Result<()> {
        let (fresh, path) = (self.directory.join("message-ids.new"), self.directory.join("message-ids"));
        let text = format!("key {:032x}\nnext {next:016}\n", u128::from_be_bytes(self.key));
        overwrite(&fresh, &text)?;
        if !(path.exists() && sys::exchange(&fresh, &path)?) {
            fs::rename(&fresh, &path)?;
            overwrite(&fresh, &text)?;
        }
        File::open(&self.directory)?.sync_all()
    }
}

fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Takes the lock of a store's directory, which its gateway holds as long as it runs. What is not free is tried so many times.
pub fn take_lock(directory: &Path, tries: u32) -> io::Result<File> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(directory.join("lock"))?;
    for again in (0..tries).rev() {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if again > 0 => clock::pause(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another running process owns the store; stop it first"))
}

fn parse(text: &str) -> Option<([u8; 16], u64)> {
    let mut lines = text.lines();
    let key = u128::from_str_radix(lines.next()?.strip_prefix("key ")?, 16).ok()?;
    let next = lines.next()?.strip_prefix("next ")?.parse().ok()?;
    Some((key.to_be_bytes(), next))
}

impl ShardLoop {
    /// Reserves more numbers for the engine, however long that takes.
    pub(super) async fn reserve_ids(self: Rc<Self>) {
        loop {
            let ids = Arc::clone(&self.shared.ids);
            match glommio::executor().spawn_blocking(move || ids.reserve()).await {
                Ok((first, end)) => return self.handle(Input::Ids { first, end }),
                // The disk is full, perhaps: submits are refused when the last block is used up.
                Err(error) => tracing::error!("{error}; trying again"),
            }
            sleep(RESERVE_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("trunkline-ids-{}-{name}", std::process::id()))
    }

    #[test]
    fn no_start_gives_out_a_number_twice_and_the_key_stays() {
        let path = directory("again");
        let (key, end) = {
            let ids = IdStore::open(&path).unwrap();
            let first = ids.reserve().unwrap();
            let second = ids.reserve().unwrap();
            assert_eq!((first.0, first.1), (0, second.0));
            (ids.key(), second.1)
        };
        let ids = IdStore::open(&path).unwrap();
        assert_eq!((ids.key(), ids.reserve().unwrap().0), (key, end));
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn the_file_before_stays_and_is_written_again_without_new_room() {
        let path = directory("again-in-place");
        let ids = IdStore::open(&path).unwrap();
        ids.reserve().unwrap();
        let inodes = || ["message-ids", "message-ids.new"].map(|name| fs::metadata(path.join(name)).unwrap().ino());
        let before = inodes();
        ids.reserve().unwrap();
        assert_eq!(inodes(), [before[1], before[0]]);
        let told = |name: &str| parse(&files::read_text(&path.join(name)).unwrap()).unwrap();
        assert_eq!((told("message-ids").1, told("message-ids.new").1), (2 * BLOCK, BLOCK));
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_left_as_it_is() {
        let path = directory("damaged");
        fs::create_dir_all(&path).unwrap();
        fs::File::create(path.join("message-ids")).unwrap().write_all(b"key nonsense").unwrap();
        assert!(IdStore::open(&path).unwrap_err().contains("damaged"));
        fs::remove_dir_all(&path).unwrap();
    }
}
