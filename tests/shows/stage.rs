//! A gateway between two carriers and its customers. Those outlive it, and keep ledgers.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trunkline::tools::reconcile::{ReconcileArgs, Verdict, reconcile};
use trunkline::tools::{free_addresses, from_flags};

use crate::process::{Process, program, wait_for};

/// Every wait for a process or a port ends after this, with the test.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    // The gateway is dropped first.
    pub gateway: Option<Process>,
    carriers: Vec<Process>,
    /// The sockets of SMPP and HTTP when the gateway is to inherit them.
    held: Option<[TcpListener; 2]>,
    /// What the placeholders of a configuration stand for.
    places: Vec<(&'static str, String)>,
    pub smpp: SocketAddr,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    pub directory: Directory,
}

impl Stage {
    /// Starts the carriers, each of this name and with these flags.
    pub fn new(name: &str, carriers: &[(&str, &str)]) -> Self {
        let directory = Directory::new(name);
        let [smpp, http, admin] = free_addresses().unwrap();
        let mut stage = Self {
            gateway: None,
            carriers: Vec::new(),
            held: None,
            places: vec![("SMPP", smpp.to_string()), ("HTTP", http.to_string()), ("ADMIN", admin.to_string())],
            smpp,
            http,
            admin,
            directory,
        };
        for ((name, flags), place) in carriers.iter().zip(["NORTH", "SOUTH"]) {
            let (carrier, address) = start_carrier(&stage.directory.0, name, flags);
            stage.carriers.push(carrier);
            stage.stands_for(place, address);
        }
        stage
    }

    /// In every configuration from now on.
    pub fn stands_for(&mut self, place: &'static str, address: SocketAddr) {
        self.places.push((place, address.to_string()));
    }

    /// From the next start on the gateway inherits its listening sockets, as from `trunkline.socket`.
    pub fn hold_sockets(&mut self) {
        self.held = Some([TcpListener::bind(self.smpp).unwrap(), TcpListener::bind(self.http).unwrap()]);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.0.join(name)
    }

    /// The configuration from now on; a process that reads it meanwhile sees the one before or this one.
    pub fn configure(&self, yaml: &str) {
        let yaml = self.places.iter().fold(yaml.to_owned(), |yaml, (place, by)| yaml.replace(place, by));
        let (new, file) = (self.path("new"), self.path("trunkline.yaml"));
        fs::write(&new, yaml).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// Starts the gateway; the time until it was ready.
    pub fn start(&mut self) -> Duration {
        let started = Instant::now();
        let mut gateway = self.spawn();
        let is_ready = || get(self.admin, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
        let told = wait_for(PATIENCE, || (!gateway.is_running() || is_ready()).then_some(()));
        assert!(told.is_some() && gateway.is_running(), "the gateway did not start:\n{}", gateway.log());
        self.gateway = Some(gateway);
        started.elapsed()
    }

    pub fn spawn(&self) -> Process {
        let file = self.path("trunkline.yaml").display().to_string();
        let args = ["serve", "--config", &file];
        let Some([smpp, http]) = &self.held else { return Process::start(&self.directory.0, "gateway", &args) };
        // Descriptors 3 and 4, as systemd hands them over.
        let script = r#"exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(program().get_program()).args(args).env("LISTEN_FDNAMES", "smpp:http");
        let inherited = |listener: &TcpListener| Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
        command.stdin(inherited(smpp)).stdout(inherited(http));
        Process::spawn(&self.directory.0, "gateway", &mut command)
    }

    pub fn running(&mut self) -> &mut Process {
        self.gateway.as_mut().unwrap()
    }

    /// A load that submits until it is asked to end, with a ledger and a report of its name.
    pub fn load(&self, name: &str, flags: &str) -> Process {
        let of = |kind: &str| self.path(&format!("{name}.{kind}")).display().to_string();
        let (ledger, report, connect) = (of("ledger"), of("report"), self.smpp.to_string());
        let fixed =
            ["load", "--connect", &connect, "--ledger", &ledger, "--report", &report, "--allow-errors", "--dlr"];
        let flags: Vec<&str> = fixed.into_iter().chain(flags.split_whitespace()).collect();
        Process::start(&self.directory.0, name, &flags)
    }

    /// What a load that has ended reported.
    pub fn report(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.path(&format!("{name}.report"))).unwrap()).unwrap()
    }

    /// Ends the carriers, whose ledgers are whole then, and drains the gateway.
    pub fn end(&mut self) {
        for mut carrier in std::mem::take(&mut self.carriers) {
            carrier.ask_to_end();
            assert_eq!(carrier.wait(PATIENCE), 0, "{}", carrier.log());
        }
        let mut gateway = self.gateway.take().unwrap();
        gateway.ask_to_end();
        assert_eq!(gateway.wait(PATIENCE), 0, "the gateway did not drain:\n{}", gateway.log());
    }

    /// What these ledgers come to.
    pub fn reconcile(&self, loads: &[&str], carriers: &[&str], flags: &str) -> Verdict {
        let paths = |names: &[&str]| names.iter().map(|name| self.path(name).display().to_string()).collect::<Vec<_>>();
        let (loads, carriers) = (paths(loads).join(" "), paths(carriers).join(" "));
        let args: ReconcileArgs = from_flags(&format!("--load {loads} --smsc {carriers} {flags}")).unwrap();
        reconcile(&args).unwrap()
    }

    /// The sum of a metric over all series that have all of these labels.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = get(self.admin, "/metrics").unwrap();
        let of_it =
            page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let with_all = of_it.filter(|line| labels.iter().all(|label| line.contains(label)));
        with_all.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// A carrier of this name that keeps a ledger, and where it listens.
fn start_carrier(directory: &Path, name: &str, flags: &str) -> (Process, SocketAddr) {
    let ledger = directory.join(format!("{name}.ledger")).display().to_string();
    let fixed = ["smsc", "--listen", "127.0.0.1:0", "--duration", "2h", "--ledger", &ledger];
    let flags: Vec<&str> = fixed.into_iter().chain(flags.split_whitespace()).collect();
    let carrier = Process::start(directory, name, &flags);
    let address = wait_for(PATIENCE, || {
        let log = carrier.log();
        log.lines().next().filter(|_| log.contains('\n'))?.split_whitespace().find_map(|word| word.parse().ok())
    });
    (carrier, address.unwrap())
}

/// The whole answer to a GET.
pub fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A setting of the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// SEED, or one of the clock's.
pub fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    setting("SEED", now.as_nanos() as u64 % 1_000_000)
}

/// A directory of one test, removed with it unless that fails.
pub struct Directory(pub PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trunkline-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ledgers and logs are kept in {}", self.0.display());
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
