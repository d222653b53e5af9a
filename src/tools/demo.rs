//! `trunkline demo`: a simulated carrier, the gateway on a temporary store, a load through it, and what came of it.
//!
//! The carrier and the load are threads of this process; the gateway is a process of its own, as in earnest, so that its
//! CPU time is its own. With `--serve` nothing is loaded: whoever wants to tries it.

mod callbacks;
mod serving;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

use super::load::{LoadArgs, LoadReport, with_progress};
use super::report::Table;
use super::smsc::{SmscArgs, SmscReport, smsc};
use crate::runtime::sys::terminate;

/// Tries at /readyz, and at the end of the gateway, before giving up.
const TRIES: u32 = 150;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// How much of the gateway's log an error shows.
const LOG_TAIL: usize = 2_000;

/// Ticks of /proc/PID/stat in a second: USER_HZ, which Linux fixes at 100 for all programs.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Messages, each with a receipt
    #[arg(long, default_value_t = 200_000)]
    pub count: u64,
    /// Binds of the customer
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub binds: u32,
    /// submit_sm outstanding per bind
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub window: u32,
    /// Shards of the gateway
    #[arg(long, default_value_t = 2)]
    pub shards: u16,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// Run no load: serve SMPP and HTTP until interrupted, and print the callbacks
    #[arg(long, conflicts_with_all = ["count", "binds", "window", "json"])]
    pub serve: bool,
    /// Where --serve takes binds
    #[arg(long, default_value = "127.0.0.1:2775", requires = "serve")]
    pub smpp: SocketAddr,
    /// Where --serve takes HTTP requests
    #[arg(long, default_value = "127.0.0.1:8080", requires = "serve")]
    pub http: SocketAddr,
}

/// What the demonstration came to.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    pub load: LoadReport,
    pub carrier: SmscReport,
    pub gateway_cpu_seconds: f64,
    pub gateway_cpu_us_per_message: f64,
}

impl DemoReport {
    #[must_use]
    pub fn table(&self) -> Table {
        let (load, mut table) = (&self.load, Table::default());
        table.row("accepted", load.accepted);
        table.statuses("refused", &load.refused);
        table.row("receipts matched", load.receipts_matched);
        table.row("lost", load.unanswered + load.receipts_missing);
        table.row("duplicated", load.receipts_duplicate);
        table.row("unknown", load.receipts_unknown + load.receipts_misrouted + load.receipts_unreadable);
        table.row("throughput", format!("{:.0} messages/s, each with its receipt", load.submits_per_second));
        table.row("answers", load.answer_latency);
        table.row("receipts", load.receipt_latency);
        table.row("gateway cpu", format!("{:.2} us per message", self.gateway_cpu_us_per_message));
        table
    }
}

/// Runs the demonstration and prints its table; an error when anything was lost.
pub fn run(args: &DemoArgs) -> Result<(), String> {
    let stop = super::stop_on_signals()?;
    let directory = std::env::temp_dir().join(format!("trunkline-demo-{}", std::process::id()));
    std::fs::create_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let kept = format!("the gateway's files are in {}", directory.display());
    if args.serve {
        serving::serve(args, &directory, &stop).map_err(|error| format!("{error}\n{kept}"))?;
        return remove(&directory);
    }
    let report = demo(args, &directory, &stop).map_err(|error| format!("{error}\n{kept}"))?;
    super::report::print(&report, &report.table(), args.json, None)?;
    if !report.load.is_clean() || report.load.accepted < args.count {
        return Err(format!("not everything came back; {kept}"));
    }
    remove(&directory)
}

fn remove(directory: &Path) -> Result<(), String> {
    std::fs::remove_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

fn demo(args: &DemoArgs, directory: &Path, stop: &Arc<AtomicBool>) -> Result<DemoReport, String> {
    let carrier = Carrier::start("")?;
    let [smpp, admin] = super::free_addresses().map_err(|error| format!("no free port: {error}"))?;
    let mut gateway = Gateway::start(directory, &configuration(args, smpp, admin, carrier.address))?;
    gateway.wait_until_ready(admin, stop)?;
    let flags = format!(
        "--connect {smpp} --system-id demo --password demo --dlr --count {} --binds {} --window {}",
        args.count, args.binds, args.window
    );
    let cpu_before = gateway.cpu_seconds();
    let load = with_progress(&super::from_flags::<LoadArgs>(&flags)?, stop)
        .map_err(|error| format!("{error}{}", gateway.log_tail()))?;
    let gateway_cpu_seconds = gateway.cpu_seconds() - cpu_before;
    let gateway_cpu_us_per_message = gateway_cpu_seconds * 1e6 / load.accepted.max(1) as f64;
    gateway.end();
    Ok(DemoReport { load, carrier: carrier.end()?, gateway_cpu_seconds, gateway_cpu_us_per_message })
}

fn configuration(args: &DemoArgs, smpp: SocketAddr, admin: SocketAddr, carrier: SocketAddr) -> String {
    let (shards, binds) = (args.shards, args.binds);
    let window = args.binds * args.window;
    format!(
        r#"shards: {shards}
drain: 5s
store: {{ path: store }}
smpp: {{ listen: ["{smpp}"] }}
admin: {{ listen: "{admin}" }}
accounts:
  demo: {{ password: demo, max_binds: {binds}, window: {window}, delivery_window: 100 }}
carriers:
  north: {{ connect: "{carrier}", system_id: us, password: secret, links: 4, window: 100, queue: 100000 }}
routes:
  - to: [north]
"#
    )
}

/// The simulated carrier on its own thread.
struct Carrier {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<SmscReport, String>>,
}

impl Carrier {
    fn start(flags: &str) -> Result<Self, String> {
        let flags = format!("--listen 127.0.0.1:0 --system-id us --password secret {flags}");
        let args: SmscArgs = super::from_flags(&flags)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (bound, addresses) = mpsc::channel();
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || smsc(&args, &stop, &bound))
        };
        match addresses.recv() {
            Ok(address) => Ok(Self { address, stop, thread }),
            Err(_) => Err("the simulated carrier could not listen".to_owned()),
        }
    }

    fn end(self) -> Result<SmscReport, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the simulated carrier panicked".to_owned())?
    }
}

/// The gateway as a child process. It is ended whatever way the demonstration goes.
struct Gateway {
    child: Child,
    log: PathBuf,
}

impl Gateway {
    #[expect(clippy::disallowed_methods, reason = "the tools are an edge: the configuration the gateway reads")]
    fn start(directory: &Path, configuration: &str) -> Result<Self, String> {
        let (file, log) = (directory.join("demo.yaml"), directory.join("gateway.log"));
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        std::fs::write(&file, configuration).map_err(failed)?;
        let output = File::create(&log).map_err(failed)?;
        let program = std::env::current_exe().map_err(|error| format!("own executable: {error}"))?;
        let child = Command::new(&program)
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self { child, log })
    }

    fn wait_until_ready(&mut self, admin: SocketAddr, stop: &AtomicBool) -> Result<(), String> {
        for _ in 0..TRIES {
            if stop.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the gateway did not start: {status}{}", self.log_tail()));
            }
            if is_ready(admin) {
                return Ok(());
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        Err(format!("the gateway was not ready in time{}", self.log_tail()))
    }

    /// Before the carrier's links are bound, whoever is quick is answered 503.
    fn wait_for_links(&self, admin: SocketAddr, links: u32, stop: &AtomicBool) -> Result<(), String> {
        let bound = format!("\ntrunkline_links_bound{{carrier=\"north\"}} {links}\n");
        for _ in 0..TRIES {
            if stop.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            if get(admin, "/metrics").is_ok_and(|page| page.contains(&bound)) {
                return Ok(());
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        Err(format!("the carrier's links were not bound in time{}", self.log_tail()))
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU time the process has used, its ended threads included.
    #[expect(clippy::disallowed_methods, reason = "a file of the kernel's about our own child")]
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        cpu_seconds_of(&stat)
    }

    #[expect(clippy::disallowed_methods, reason = "the log of our own child")]
    fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL)..]).into_owned();
        if tail.is_empty() { tail } else { format!("\n{}", tail.trim_end()) }
    }

    /// SIGTERM, then a bounded wait, then SIGKILL.
    fn end(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = terminate(&self.child);
        for _ in 0..TRIES {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// utime and stime of /proc/PID/stat (proc(5)); the name before them may hold spaces and parentheses.
fn cpu_seconds_of(stat: &str) -> f64 {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// The whole answer.
fn get(admin: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, BETWEEN_TRIES)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_ready(admin: SocketAddr) -> bool {
    get(admin, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_a_process_is_read_behind_its_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 1000 0 0 0 250 50 7 7 20 0 8 0 1234 0 0";
        assert!((cpu_seconds_of(stat) - 3.0).abs() < 1e-9);
        assert!(cpu_seconds_of("").abs() < 1e-9);
    }

    #[test]
    fn the_gateway_is_ready_only_when_it_says_200() {
        for (answer, expected) in
            [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 503 Not yet\r\n\r\n", false), ("", false)]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let admin = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut octet = [0];
                    stream.read_exact(&mut octet).unwrap();
                    request.extend(octet);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                assert!(request.starts_with(b"GET /readyz HTTP/1.1\r\n"));
            });
            assert_eq!(is_ready(address), expected, "{answer}");
            admin.join().unwrap();
        }
    }
}
