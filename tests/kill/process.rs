//! A child process that writes its output to a file, is asked things in bounded time, and never outlives its test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// `trunkline` with these arguments; its output goes to `<name>.log` in `directory`, behind what is there.
    pub fn start(directory: &Path, name: &str, args: &[&str]) -> Self {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, name: name.to_owned(), log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn ask_to_end(&mut self) {
        // An id that was waited for may be another's by now.
        assert!(self.is_running(), "{} ended by itself:\n{}", self.name, self.log());
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-15", &id]).status().unwrap().success());
    }

    /// Waits for its own end; its exit code.
    pub fn wait(&mut self, within: Duration) -> i32 {
        let ended = wait_for(within, || self.child.try_wait().unwrap());
        let Some(status) = ended else { panic!("{} still runs after {within:?}:\n{}", self.name, self.log()) };
        status.code().unwrap_or(-1)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(3_000).map_or(0, |(at, _)| at);
            eprintln!("--- {}:\n{}---", self.name, &log[tail..]);
        }
        self.kill();
    }
}

/// Looks again and again; `None` when nothing came within this time.
pub fn wait_for<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let give_up = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= give_up {
            return None;
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Lets the others work for this long.
pub fn let_pass(time: Duration) {
    wait_for::<()>(time, || None);
}
