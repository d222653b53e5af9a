//! The stage of a crash test: two carriers and their customers, who never crash and keep ledgers, around a gateway that does.
//!
//! Both carriers give out the same ids and are used by every account, so a receipt that is taken for the other carrier's
//! comes to somebody else. One account's receiver is bound only when all crashes are over.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use trunkline::tools::reconcile::{ReconcileArgs, Verdict, reconcile};
use trunkline::tools::values::Dice;
use trunkline::tools::{free_addresses, from_flags};

use crate::process::{Process, let_pass, wait_for};

/// Every wait for a process or a port ends after this, with the test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Submits outstanding for each account, and deliver_sm for each session: what a crash may cost (GUARANTEES A3, A5).
const WINDOW: u64 = 100;
const DELIVERY_WINDOW: u64 = 20;
/// Sessions that receive: two of each of two accounts, and the late one.
const SESSIONS: u64 = 5;
/// Receipts acknowledged by the customers within one commit, whose removals a crash forgets: on a busy machine a sync may take
/// that long.
const OPEN_COMMIT_SECONDS: f64 = 0.5;

/// How a run is.
pub struct Plan {
    /// Chooses every moment of a crash, and what the carriers do.
    pub seed: u64,
    pub crashes: u64,
    /// Submits a second, of two accounts together.
    pub rate: f64,
    /// More habits of the carrier `south`.
    pub south: &'static str,
    /// `fsync` or `process`.
    pub durability: &'static str,
    /// Whether it keeps call detail records, which the ledgers are held against as well.
    pub has_cdr: bool,
    /// Whether a broken promise is what the test is about; otherwise its ledgers and logs are kept.
    pub expects_loss: bool,
}

pub struct Stage {
    // In this order they are dropped: the gateway first.
    pub gateway: Option<Process>,
    customers: Vec<Process>,
    carriers: Vec<Process>,
    plan: Plan,
    dice: Dice,
    /// So far; `reconcile` allows what they may cost.
    pub crashes: u64,
    smpp: SocketAddr,
    pub admin: SocketAddr,
    slowest_start: Duration,
    directory: Directory,
}

impl Stage {
    /// Starts the carriers and the gateway, whose store is at `store`.
    pub fn new(plan: Plan, store: &Path) -> Self {
        println!(
            "seed {}, {} crashes, {} submits/s, durability {}",
            plan.seed, plan.crashes, plan.rate, plan.durability
        );
        let directory = Directory::new("stage");
        let mut carriers = Vec::new();
        let mut addresses = Vec::new();
        // Late and on another link; and before the answer. Both send intermediate ones as well.
        for (name, flags, more) in [
            ("north", "--receipts 0..2s --receipt-link other --intermediate --receipt-states UNDELIV=10", ""),
            ("south", "--receipts before --intermediate --receipt-states EXPIRED=10", plan.south),
        ] {
            let flags = format!("{flags} {more} --latency 0..30ms --seed {}", plan.seed);
            let (carrier, address) = start_carrier(&directory.0, name, &flags);
            carriers.push(carrier);
            addresses.push(address);
        }
        let [smpp, admin] = free_addresses().unwrap();
        let mut yaml = configuration(smpp, admin, store, plan.durability, &addresses);
        if plan.has_cdr {
            yaml.push_str("cdr: { path: cdr, rotate: 3s, size: 256KiB }\n");
        }
        let file = directory.0.join("trunkline.yaml");
        fs::write(&file, yaml).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let dice = Dice::new(plan.seed);
        let mut stage = Self {
            gateway: None,
            customers: Vec::new(),
            carriers,
            plan,
            dice,
            crashes: 0,
            smpp,
            admin,
            slowest_start: Duration::ZERO,
            directory,
        };
        stage.start_gateway().unwrap();
        stage.start_customers();
        stage
    }

    /// Crashes the gateway again and again under load, each time after 0.3 to 2 seconds, and now and then once more while it
    /// starts; `crash` does it and clears up. The error is the log of a gateway that did not start again.
    pub fn crash_with(&mut self, mut crash: impl FnMut(&mut Process)) -> Result<(), String> {
        for cycle in 1..=self.plan.crashes {
            let_pass(Duration::from_millis(300 + self.dice.below(1_701)));
            let mut gateway = self.gateway.take().unwrap();
            assert!(gateway.is_running(), "the gateway ended by itself:\n{}", gateway.log());
            self.crashes += 1;
            crash(&mut gateway);
            if self.dice.below(4) == 0 {
                let mut starting = self.spawn_gateway();
                let_pass(Duration::from_millis(self.dice.below(200)));
                self.crashes += 1;
                crash(&mut starting);
            }
            let took = self.start_gateway()?;
            println!("crash {cycle}: serving again after {took:?}");
        }
        Ok(())
    }

    /// Lets the load go on for so long, drains, and ends it all; what the ledgers come to.
    pub fn reconcile(mut self, after: Duration) -> Verdict {
        let_pass(after);
        // Asked to end, a load submits no more, waits for its receipts and leaves. What is missing the ledgers tell.
        let mut customers = std::mem::take(&mut self.customers);
        customers.iter_mut().for_each(Process::ask_to_end);
        customers.iter_mut().for_each(|customer| {
            customer.wait(PATIENCE);
        });
        let mut late = self.start_load("late", "--mode receiver --binds 1 --account absent:pw --dlr-timeout 3s");
        late.wait(PATIENCE);
        for mut carrier in std::mem::take(&mut self.carriers) {
            carrier.ask_to_end();
            assert_eq!(carrier.wait(PATIENCE), 0, "{}", carrier.log());
        }
        let mut gateway = self.gateway.take().unwrap();
        gateway.ask_to_end();
        assert_eq!(gateway.wait(PATIENCE), 0, "the gateway did not drain:\n{}", gateway.log());
        let verdict = self.verdict();
        println!("{} crashes, slowest start {:?}\n{}", self.crashes, self.slowest_start, verdict.table());
        if !verdict.is_clean() && !self.plan.expects_loss {
            println!("ledgers and logs are kept in {}", self.directory.keep().display());
        }
        verdict
    }

    /// What the ledgers come to; the command must end with the same.
    fn verdict(&self) -> Verdict {
        let ledger = |name: &str| self.ledger(name).display().to_string();
        let (crashes, open_commit) = (self.crashes, (self.plan.rate * OPEN_COMMIT_SECONDS) as u64);
        let flags = format!(
            "--load {} {} {} --smsc {} {} --crashes {crashes} --window {WINDOW} --delivery-window {DELIVERY_WINDOW} \
             --sessions {SESSIONS} --open-commit {open_commit}",
            ledger("present"),
            ledger("absent"),
            ledger("late"),
            ledger("north"),
            ledger("south")
        );
        let cdr = if self.plan.has_cdr {
            format!(" --cdr {}", self.directory.0.join("cdr").display())
        } else {
            String::new()
        };
        let flags = flags + &cdr;
        let args: ReconcileArgs = from_flags(&flags).unwrap();
        let verdict = reconcile(&args).unwrap();
        let words: Vec<&str> = ["reconcile"].into_iter().chain(flags.split_whitespace()).collect();
        let exit_code = Process::start(&self.directory.0, "reconcile", &words).wait(PATIENCE);
        assert_eq!(exit_code, i32::from(!verdict.is_clean()));
        verdict
    }

    /// Returns the time until it was ready, or the log of one that never was.
    fn start_gateway(&mut self) -> Result<Duration, String> {
        self.start_gateway_until(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Returns the time until `/readyz` said this, or the log of a gateway that never did.
    pub fn start_gateway_until(&mut self, is_said: impl Fn(&str) -> bool) -> Result<Duration, String> {
        let started = Instant::now();
        let mut gateway = self.spawn_gateway();
        let is_told = || self.readiness().is_some_and(|answer| is_said(&answer));
        let ended_or_told = wait_for(PATIENCE, || (!gateway.is_running() || is_told()).then_some(()));
        if ended_or_told.is_none() || !gateway.is_running() {
            return Err(gateway.log());
        }
        let took = started.elapsed();
        self.slowest_start = self.slowest_start.max(took);
        self.gateway = Some(gateway);
        Ok(took)
    }

    fn spawn_gateway(&self) -> Process {
        let file = self.directory.0.join("trunkline.yaml");
        Process::start(&self.directory.0, "gateway", &["serve", "--config", file.to_str().unwrap()])
    }

    /// What `/readyz` answers.
    pub fn readiness(&self) -> Option<String> {
        get(self.admin, "/readyz")
    }

    /// Two accounts that are always there, and one that only submits.
    fn start_customers(&mut self) {
        let rate = self.plan.rate;
        let present = format!("--binds 4 --account acme:pw --account globex:pw --rate {rate} --dlr-timeout 5s");
        let absent = format!("--binds 1 --account absent:pw --rate {} --mode transmitter", rate / 2.0);
        for (name, flags) in [("present", present), ("absent", absent)] {
            let customer = self.start_load(name, &format!("{flags} --dlr --duration 1h --window {WINDOW}"));
            self.customers.push(customer);
        }
    }

    fn start_load(&self, name: &str, flags: &str) -> Process {
        let ledger = self.ledger(name).display().to_string();
        let connect = self.smpp.to_string();
        let fixed = ["load", "--connect", &connect, "--ledger", &ledger, "--reconnect", "--allow-errors"];
        let flags: Vec<&str> = fixed.into_iter().chain(flags.split_whitespace()).collect();
        Process::start(&self.directory.0, name, &flags)
    }

    fn ledger(&self, name: &str) -> PathBuf {
        self.directory.0.join(format!("{name}.ledger"))
    }
}

/// A carrier of this name that keeps a ledger, and where it listens.
pub fn start_carrier(directory: &Path, name: &str, flags: &str) -> (Process, SocketAddr) {
    let ledger = directory.join(format!("{name}.ledger")).display().to_string();
    let fixed = ["smsc", "--listen", "127.0.0.1:0", "--duration", "1h", "--ledger", &ledger];
    let flags: Vec<&str> = fixed.into_iter().chain(flags.split_whitespace()).collect();
    let carrier = Process::start(directory, name, &flags);
    let address = wait_for(PATIENCE, || {
        let log = carrier.log();
        log.lines().next().filter(|_| log.contains('\n'))?.split_whitespace().find_map(|word| word.parse().ok())
    });
    (carrier, address.unwrap())
}

fn configuration(
    smpp: SocketAddr,
    admin: SocketAddr,
    store: &Path,
    durability: &str,
    carriers: &[SocketAddr],
) -> String {
    let account = format!("password: pw, max_binds: 8, window: {WINDOW}, delivery_window: {DELIVERY_WINDOW}");
    format!(
        r#"
shards: 2
store: {{ path: "{}", durability: {durability} }}
smpp: {{ listen: "{smpp}" }}
admin: {{ listen: "{admin}" }}
accounts:
  acme: {{ {account}, shard: 0 }}
  globex: {{ {account}, shard: 1 }}
  absent: {{ {account}, shard: 1 }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 2, queue: 10000, shard: 0 }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 2, queue: 10000, shard: 1 }}
routes:
  - to: [{{ carrier: north, weight: 50 }}, {{ carrier: south, weight: 50 }}]
"#,
        store.display(),
        carriers[0],
        carriers[1]
    )
}

/// The whole answer to a GET.
pub fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
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

/// A directory of this test alone, removed with it.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let unique = format!("trunkline-{name}-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(unique.replace(['(', ')'], ""));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Directory {
    /// Where it stays.
    fn keep(&mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // One that is kept has no path any more.
        let _ = fs::remove_dir_all(&self.0);
    }
}
