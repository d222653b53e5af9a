//! The processes of one measured run: started, waited for, their CPU time read, ended. Nothing outlives its owner.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use trunkline::runtime::sys;

pub(crate) type Failure = Box<dyn std::error::Error>;

pub(crate) const TRUNKLINE: &str = env!("CARGO_BIN_EXE_trunkline");
/// Tries at readiness, and at the end of a process, before giving up.
const TRIES: u32 = 300;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
const LOG_TAIL: usize = 2_000;

/// A child process, on one core when `cpu` says which; ended when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// Where the processes of a run write, and on which core they run.
pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    /// `None`: wherever the kernel puts them.
    pub(crate) cpu: Option<usize>,
}

impl Site {
    /// A directory of its own below the system's temporary one; removed when dropped.
    pub(crate) fn new(cpu: Option<usize>) -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("trunkline-ratio-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        Ok(Self { directory, cpu })
    }

    /// `trunkline smsc` on a free port, and that port.
    pub(crate) fn smsc(&self) -> Result<(Process, SocketAddr), Failure> {
        let flags = "smsc --listen 127.0.0.1:0 --receipts immediate --delivery-window 100";
        self.start_announcing("smsc", TRUNKLINE.as_ref(), flags, "listening on ")
    }

    pub(crate) fn start_announcing(
        &self,
        name: &str,
        program: &Path,
        flags: &str,
        words: &str,
    ) -> Result<(Process, SocketAddr), Failure> {
        let mut process = self.start(name, program, flags)?;
        let mut address = None;
        let log = process.log.clone();
        process.wait(|| {
            let lines = File::open(&log).map(|file| BufReader::new(file).lines());
            address = lines.into_iter().flatten().flatten().find_map(|line| line.strip_prefix(words)?.parse().ok());
            address.is_some()
        })?;
        Ok((process, address.ok_or("no address")?))
    }

    pub(crate) fn start(&self, name: &str, program: &Path, flags: &str) -> Result<Process, Failure> {
        let log = self.directory.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = self.command(program, flags);
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
        Ok(Process { child: child.map_err(|error| format!("{command:?}: {error}"))?, log })
    }

    pub(crate) fn command(&self, program: &Path, flags: &str) -> Command {
        let mut command = match self.cpu {
            None => Command::new(program),
            Some(cpu) => {
                let mut pinned = Command::new("taskset");
                pinned.arg("-c").arg(cpu.to_string()).arg(program);
                pinned
            }
        };
        command.args(flags.split_whitespace());
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Process {
    /// CPU time of all its threads so far, in nanoseconds: exact, where /proc/PID/stat counts ticks of 10 ms.
    #[expect(clippy::disallowed_methods, reason = "files of the kernel's about our own child")]
    pub(crate) fn cpu_ns(&self) -> Result<u64, Failure> {
        let mut total = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the listing and the reading; those that work never do.
            let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            total += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
        if total == 0 { Err("no CPU time in /proc/PID/task/*/schedstat".into()) } else { Ok(total) }
    }

    /// SIGTERM, then a bounded wait.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        sys::terminate(&self.child)?;
        for _ in 0..TRIES {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        Err(format!("a process did not end{}", self.log_tail()).into())
    }

    pub(crate) fn wait(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<(), Failure> {
        for _ in 0..TRIES {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("a process did not start: {status}{}", self.log_tail()).into());
            }
            if is_ready() {
                return Ok(());
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        Err(format!("a process was not ready in time{}", self.log_tail()).into())
    }

    #[expect(clippy::disallowed_methods, reason = "the log of our own child")]
    fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        format!("\n{}", String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL)..]))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn ask(admin: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&admin, BETWEEN_TRIES).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: ratio\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
