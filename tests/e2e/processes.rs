//! The tools as child processes: a carrier, and loads of customers, each with a ledger when it is to be reconciled.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gateway::command;

/// A simulated carrier, ended by the count of its flags or when dropped.
pub struct Smsc {
    child: Child,
    output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Smsc {
    pub fn start(flags: &[&str]) -> Self {
        let fixed = ["smsc", "--listen", "127.0.0.1:0", "--json", "--duration", "2m"];
        let mut command = command(&[&fixed[..], flags].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut told).unwrap();
        let address = told.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{told}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, address }
    }

    /// With a ledger of this name there, and these habits.
    pub fn with_ledger(ledger: &Path, flags: &str) -> Self {
        let mut all = vec!["--ledger", ledger.to_str().unwrap()];
        all.extend(flags.split_whitespace());
        Self::start(&all)
    }

    /// From now on it is a good carrier.
    pub fn behave(&self) {
        self.signal("-USR1");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Asks it to end; its report.
    pub fn end(mut self) -> Value {
        self.signal("-15");
        let report = serde_json::from_reader(&mut self.output).unwrap();
        // Its ledger is whole when it has gone.
        self.child.wait().unwrap();
        report
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load that runs beside the test.
pub struct Load {
    child: Child,
    what: String,
}

/// A load that has not come to its end by then hangs.
const LOAD_MAX: Duration = Duration::from_secs(60);

impl Load {
    pub fn start(connect: SocketAddr, ledger: &Path, flags: &str) -> Self {
        let connect = connect.to_string();
        let mut all = vec!["load", "--json", "--dlr", "--allow-errors", "--connect", &connect, "--ledger"];
        all.push(ledger.to_str().unwrap());
        all.extend(flags.split_whitespace());
        let mut command = command(&all);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, what: flags.to_owned() }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its report, once it has come to its own end.
    pub fn wait(mut self) -> Value {
        let give_up = Instant::now() + LOAD_MAX;
        while self.is_running() {
            assert!(Instant::now() < give_up, "the load hangs: {}", self.what);
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let (mut told, mut errors) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{}: {error}\n{told}\n{errors}", self.what))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
