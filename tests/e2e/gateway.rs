//! `trunkline serve` as a child process: started on free ports, asked over HTTP, ended by a signal, killed when dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use trunkline::tools::free_addresses;

use crate::peer::{PATIENCE, Peer};

/// A directory of this test alone, removed with it.
pub struct Directory(pub PathBuf);

pub struct Gateway {
    pub child: Option<Child>,
    pub smpp: SocketAddr,
    pub admin: SocketAddr,
    pub directory: Directory,
}

impl Gateway {
    /// Serves `yaml` in which `LISTEN` stands for the address; admin listener, store and shards are added.
    pub fn start(yaml: &str) -> Self {
        Self::start_by(yaml, |program, _| program.spawn().unwrap())
    }

    /// The same with a way of its own to start the program, which is told where that is to listen.
    pub fn start_by(yaml: &str, mut spawn: impl FnMut(&mut Command, SocketAddr) -> Child) -> Self {
        // A port that was free a moment ago may be another test's by now.
        for _ in 0..3 {
            if let Some(gateway) = Self::try_start(yaml, &mut spawn) {
                return gateway;
            }
        }
        panic!("no free port in three tries");
    }

    fn try_start(yaml: &str, spawn: &mut impl FnMut(&mut Command, SocketAddr) -> Child) -> Option<Self> {
        let directory = Directory::new();
        let [smpp, admin] = free_addresses().unwrap();
        let smpp_section = if yaml.contains("LISTEN") { "" } else { "smpp: { LISTEN }\n" };
        let listen = format!("listen: \"{smpp}\"");
        let yaml = format!(
            "shards: 2\nstore: {{ path: store }}\nadmin: {{ listen: \"{admin}\" }}\n{}",
            format!("{smpp_section}{yaml}").replace("LISTEN", &listen)
        );
        directory.write("trunkline.yaml", &yaml);
        let child = spawn(&mut program(&directory), smpp);
        let mut gateway = Self { child: Some(child), smpp, admin, directory };
        gateway.wait_until_ready().then_some(gateway)
    }

    /// Starts it again, in the same place and on the same ports, once it has ended.
    pub fn restart(&mut self) {
        self.restart_by(|program| program.spawn().unwrap());
    }

    pub fn restart_by(&mut self, spawn: impl FnOnce(&mut Command) -> Child) {
        if let Some(mut ended) = self.child.take() {
            ended.wait().unwrap();
        }
        self.child = Some(spawn(&mut program(&self.directory)));
        assert!(self.wait_until_ready(), "not ready again:\n{}", self.log());
    }

    fn wait_until_ready(&mut self) -> bool {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                assert_eq!(status.code(), Some(71), "the gateway did not start:\n{}", self.log());
                return false;
            }
            if http(self.admin, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("never ready:\n{}", self.log());
    }

    /// Writes the configuration with a part of it replaced, and has it read again; the answer.
    pub fn reload(&self, part: &str, by: &str) -> String {
        self.rewrite(part, by);
        http_with(self.admin, "POST", "/reload", "").unwrap()
    }

    pub fn rewrite(&self, part: &str, by: &str) {
        let text = fs::read_to_string(self.directory.0.join("trunkline.yaml")).unwrap();
        assert!(text.contains(part), "{part:?} is not in the file:\n{text}");
        self.directory.write("trunkline.yaml", &text.replace(part, by));
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.smpp)
    }

    pub fn signal(&self, signal: i32) {
        let id = self.child.as_ref().unwrap().id();
        let sent = Command::new("kill").args([format!("-{signal}"), id.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The exit code, within `patience`.
    pub fn exit_code(&mut self, patience: Duration) -> i32 {
        let mut child = self.child.take().unwrap();
        let (ended, end) = mpsc::channel();
        let id = child.id();
        let waiter = std::thread::spawn(move || {
            let _ = ended.send(child.wait().unwrap().code());
        });
        let Ok(code) = end.recv_timeout(patience) else {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
            panic!("still running after {patience:?}:\n{}", self.log());
        };
        waiter.join().unwrap();
        code.unwrap_or(-1)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.0.join("stderr")).unwrap_or_default()
    }

    /// The value of a series of /metrics, once a look at it passes; they are published once a second.
    pub fn wait_for_metric(&self, series: &str, passes: impl Fn(f64) -> bool) -> f64 {
        let give_up = Instant::now() + PATIENCE;
        let mut page = String::new();
        while Instant::now() < give_up {
            page = http(self.admin, "/metrics").unwrap();
            let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            if let Some(value) = line.and_then(|value| value.parse().ok()).filter(|value| passes(*value)) {
                return value;
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        panic!("{series} never came to be as expected:\n{page}");
    }
}

fn program(directory: &Directory) -> Command {
    let log = File::create(directory.0.join("stderr")).unwrap();
    let file = directory.0.join("trunkline.yaml");
    let mut program = command(&["serve", "--config", file.to_str().unwrap()]);
    program.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    program
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the gateway's log:\n{}---", self.log());
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("trunkline-e2e-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        // It holds passwords: the gateway warns when others may read it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    command.args(args);
    command
}

/// Runs the program to its end; what it printed is in the result.
pub fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(args).stdin(Stdio::null()).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// The whole answer to a GET; `None` when nobody answers.
pub fn http(address: SocketAddr, path: &str) -> Option<String> {
    http_with(address, "GET", path, "")
}

/// The same for any method, with more header lines.
pub fn http_with(address: SocketAddr, method: &str, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

pub fn free_address() -> SocketAddr {
    let [address] = free_addresses().unwrap();
    address
}
