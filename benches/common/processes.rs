//! The processes of one measured run: started, waited for, their CPU time read, ended. Nothing outlives its owner.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use trunkline::runtime::sys;
use trunkline::tools::free_addresses;

pub(crate) type Failure = Box<dyn std::error::Error>;

const TRUNKLINE: &str = env!("CARGO_BIN_EXE_trunkline");
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

    /// This program again, as the bare relay.
    pub(crate) fn relay(&self, to: SocketAddr) -> Result<(Process, SocketAddr), Failure> {
        let flags = format!("relay --listen 127.0.0.1:0 --to {to}");
        self.start_announcing("relay", &std::env::current_exe()?, &flags, "listening ")
    }

    /// `trunkline serve` between a free port and the carrier, once all its `links` are bound.
    pub(crate) fn gateway(
        &self,
        to: SocketAddr,
        shards: u16,
        durability: &str,
        links: u32,
    ) -> Result<(Process, SocketAddr), Failure> {
        let [smpp, admin] = free_addresses()?;
        let file = self.directory.join("ratio.yaml");
        File::create(&file)?.write_all(configuration(smpp, admin, to, (shards, durability), links).as_bytes())?;
        let mut gateway = self.start("gateway", TRUNKLINE.as_ref(), &format!("serve --config {}", file.display()))?;
        let bound = format!("trunkline_links_bound{{carrier=\"north\"}} {links}\n");
        gateway.wait(|| ask(admin, "/metrics").is_some_and(|page| page.contains(&bound)))?;
        Ok((gateway, smpp))
    }

    /// Runs `trunkline load` to its end; its report.
    pub(crate) fn load(&self, to: SocketAddr, flags: &str) -> Result<serde_json::Value, Failure> {
        let flags = format!("load --connect {to} --system-id ratio --password ratio --dlr --json {flags}");
        let output = self.command(TRUNKLINE.as_ref(), &flags).stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            return Err(format!("load: {}\n{said}{why}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn start_announcing(
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

    fn start(&self, name: &str, program: &Path, flags: &str) -> Result<Process, Failure> {
        let log = self.directory.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = self.command(program, flags);
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
        Ok(Process { child: child.map_err(|error| format!("{command:?}: {error}"))?, log })
    }

    fn command(&self, program: &Path, flags: &str) -> Command {
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

    fn wait(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<(), Failure> {
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

/// With one shard nothing crosses; with two, account and carrier are pinned apart, so that everything does.
fn configuration(
    smpp: SocketAddr,
    admin: SocketAddr,
    carrier: SocketAddr,
    (shards, durability): (u16, &str),
    links: u32,
) -> String {
    let away = shards - 1;
    format!(
        r#"shards: {shards}
drain: 5s
store: {{ path: store, durability: {durability} }}
log: {{ level: warn }}
smpp: {{ listen: ["{smpp}"] }}
admin: {{ listen: "{admin}" }}
accounts:
  ratio: {{ password: ratio, max_binds: 1000, window: 100000, delivery_window: 100, shard: {away} }}
carriers:
  north: {{ connect: "{carrier}", system_id: us, password: secret, links: {links}, window: 100, queue: 100000, shard: 0 }}
routes:
  - to: [north]
"#
    )
}

fn ask(admin: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&admin, BETWEEN_TRIES).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: ratio\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
