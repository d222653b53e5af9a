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
        let mut command = program();
        command.args(args).stdin(Stdio::null()).stdout(log_file(&log_path(directory, name)));
        Self::spawn(directory, name, &mut command)
    }

    /// Another command, whose stderr goes there.
    pub fn spawn(directory: &Path, name: &str, command: &mut Command) -> Self {
        let log = log_path(directory, name);
        let child = command.stderr(log_file(&log)).spawn().unwrap();
        Self { child, name: name.to_owned(), log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// While it runs.
    pub fn id(&mut self) -> Option<u32> {
        self.is_running().then(|| self.child.id())
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn ask_to_end(&mut self) {
        // An id that was waited for may be another's by now.
        let Some(id) = self.id() else { panic!("{} ended by itself:\n{}", self.name, self.log()) };
        assert!(Command::new("kill").args(["-15", &id.to_string()]).status().unwrap().success());
    }

    /// Waits for its own end; its exit code.
    pub fn wait(&mut self, within: Duration) -> i32 {
        let ended = wait_for(within, || self.child.try_wait().unwrap());
        let Some(status) = ended else { panic!("{} still runs after {within:?}:\n{}", self.name, self.log()) };
        status.code().unwrap_or(-1)
    }
}

fn log_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.log"))
}

fn log_file(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

/// The program as it was built for the tests, or that of `TRUNKLINE`: one that was built for release, when figures are wanted.
pub fn program() -> Command {
    Command::new(std::env::var_os("TRUNKLINE").unwrap_or_else(|| env!("CARGO_BIN_EXE_trunkline").into()))
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
