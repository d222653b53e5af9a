//! A configuration that is read again every two seconds, good files and bad ones, under a load of customers who notice nothing of it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};

use crate::process::{Process, let_pass, wait_for};
use crate::stage::{PATIENCE, Stage, setting};
use crate::web::Web;

const RUN: u32 = 0x7765_6204;
const EVERY: Duration = Duration::from_secs(2);

const YAML: &str = r#"
shards: 2
store: { path: store, durability: fsync }
smpp: { listen: "SMPP", tls: { listen: "127.0.0.1:0", certificate: cert.pem, key: key.pem } }
http: { listen: "HTTP" }
admin: { listen: "ADMIN" }
accounts:
  acme: { password: pw, max_binds: 8, shard: 0, rate: 5000, burst: 5000 }
  globex: { password: pw, max_binds: 8, shard: 1 }
  gauge: { password: pw, max_binds: 8, shard: 1 }
  idle: { password: before, rate: 10 }
  guest: { password: pw }
  web: { password: pw, callback: { url: "http://HOOK/sms", allow_http: true, allow_private: true } }
carriers:
  north: { connect: "NORTH", system_id: us, password: secret, links: 2, shard: 0 }
  spare: { connect: "SOUTH", system_id: us, password: secret, links: 1, shard: 1 }
routes:
  - { when: { account: guest }, to: spare }
  - { to: north }
"#;

/// What a file changes in the first one, and whether it is taken.
struct File {
    what: &'static str,
    edits: &'static [(&'static str, &'static str)],
    is_good: bool,
}

const fn good(what: &'static str, edits: &'static [(&'static str, &'static str)]) -> File {
    File { what, edits, is_good: true }
}

const fn bad(what: &'static str, edits: &'static [(&'static str, &'static str)]) -> File {
    File { what, edits, is_good: false }
}

const RATES: &[(&str, &str)] = &[
    ("rate: 5000, burst: 5000", "rate: 4000, burst: 4000"),
    ("password: before, rate: 10", "password: after, rate: 20"),
    (
        "  - { to: north }",
        "  - { when: { account: idle, destination: \"49*\" }, to: [spare, north] }\n  - { to: north }",
    ),
];
const GONE: &[(&str, &str)] = &[
    ("  guest: { password: pw }\n", ""),
    ("  spare: { connect: \"SOUTH\", system_id: us, password: secret, links: 1, shard: 1 }\n", ""),
    ("  - { when: { account: guest }, to: spare }\n", ""),
];

const FILES: [File; 10] = [
    bad("no YAML", &[("accounts:", "accounts: [")]),
    good("other rates, routes, passwords", RATES),
    bad("an unknown key", &[("idle: {", "idle: { rat: 5, ")]),
    good("an account and a carrier are gone", GONE),
    bad("a secret that is missing", &[("password: before", "password: { file: missing }")]),
    good("they are back", &[]),
    bad("a certificate that does not fit its key", &[("certificate: cert.pem", "certificate: other.pem")]),
    good("another certificate", &[("certificate: cert.pem, key: key.pem", "certificate: new.pem, key: new.key")]),
    bad("a variable that is not set", &[("password: before", "password: { env: TRUNKLINE_NOT_SET }")]),
    good("the first one", &[]),
];

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: u64,
    resident_kib: u64,
}

#[test]
#[ignore = "takes four minutes: just reload"]
fn files_good_and_bad_every_two_seconds_disturb_nobody() {
    let habits = "--latency 5ms --receipts 0..1s";
    let mut stage = Stage::new("reloads", &[("north", habits), ("south", habits)]);
    let mut web = Web::new("web", RUN);
    prepare(&mut stage, web.hook);
    let rate = setting("SHOW_RATE", 500);
    let lasting = "--duration 1h --dlr-timeout 5s";
    let mut steady =
        stage.load("steady", &format!("--binds 4 --account acme:pw --account globex:pw --rate {rate} {lasting}"));
    let mut guest =
        stage.load("guest", "--binds 1 --account guest:pw --rate 50 --reconnect --duration 1h --dlr-timeout 1m");
    web.start(stage.http, 4, Duration::from_millis(5));
    let_pass(Duration::from_secs(5));

    // With reloads and without in turn, so that what else the machine does hits both.
    let (seconds, rounds) = (setting("RELOAD_SECONDS", 120), setting("RELOAD_ROUNDS", 4));
    let mut reloads = Reloads::default();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        without.push(measure(&mut stage, &web, &format!("without{round}"), seconds / rounds, None));
        with.push(measure(&mut stage, &web, &format!("with{round}"), seconds / rounds, Some(&mut reloads)));
        println!("round {round}: without {:?}, with {:?}", without[without.len() - 1], with[with.len() - 1]);
    }
    println!("{} reloads", reloads.count);
    reloads.held.iter().step_by(5).for_each(|held| println!("{held:?}"));

    // As the gateway saw it, and then as the customers did.
    for account in ["acme", "globex"] {
        let ended = stage.metric("trunkline_sessions_ended_total", &[&format!("account=\"{account}\"")]);
        let bound = stage.metric("trunkline_sessions_bound", &[&format!("account=\"{account}\"")]);
        assert_eq!((ended, bound), (0.0, 2.0), "{account}");
    }
    assert_eq!(stage.metric("trunkline_links_ended_total", &["carrier=\"north\""]), 0.0);
    for customer in [&mut steady, &mut guest] {
        customer.ask_to_end();
        customer.wait(PATIENCE);
    }
    let told = web.finish(&stage.path("web.ledger"));
    let report = stage.report("steady");
    assert_eq!(
        (report["disconnects"].as_u64(), report["refused"].as_object().map(serde_json::Map::len)),
        (Some(0), Some(0)),
        "{report:#}"
    );
    assert_eq!((told.cut_off, told.refused, told.not_connected), (0, 0, 0), "{told:?}");
    let rounds = (0..rounds).flat_map(|round| [format!("without{round}.ledger"), format!("with{round}.ledger")]);
    let names: Vec<String> = rounds.chain(["steady", "guest", "web"].map(|name| format!("{name}.ledger"))).collect();
    stage.end();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let verdict = stage.reconcile(&names, &["north.ledger", "south.ledger"], "--crashes 0");
    println!("over HTTP {told:?}\n{}", verdict.table());
    assert!(verdict.is_clean() && verdict.in_doubt == 0, "{}", verdict.table());
    // Callbacks come and go; what leaks with each of so many reloads is more than this.
    reloads.are_flat(8, 16_384);
    let grew = |rounds: &[Figures]| rounds.iter().map(|round| round.grew_kib).sum::<i64>();
    let (quiet, disturbed) = (grew(&without), grew(&with));
    assert!(disturbed <= quiet.max(0) * 3 / 2 + 4_096, "{disturbed} KiB with reloads, {quiet} KiB without");
    // Milliseconds of a build that is not optimised, on a machine that does other things, say nothing.
    if std::env::var_os("TRUNKLINE").is_some() {
        let (quiet, disturbed) = (median(&without), median(&with));
        assert!(disturbed <= quiet * 1.2, "p99 {disturbed} us with reloads, {quiet} us without");
    }
}

#[test]
#[ignore = "takes a minute: just reload"]
fn reloads_by_the_hundred_leave_descriptors_and_memory_as_they_were() {
    let mut stage = Stage::new("many-reloads", &[("north", ""), ("south", "")]);
    prepare(&mut stage, "127.0.0.1:9".parse().unwrap());
    let mut reloads = Reloads::default();
    let count = setting("RELOADS", 300) as usize;
    while reloads.count < count {
        reloads.next(&mut stage);
    }
    reloads.held.chunks(FILES.len()).step_by(3).for_each(|held| println!("{:?}", held[FILES.len() - 1]));
    reloads.are_flat(0, 1_024);
    stage.end();
}

/// Certificates, a configuration and a gateway.
fn prepare(stage: &mut Stage, hook: SocketAddr) {
    stage.stands_for("HOOK", hook);
    for (certificate, key) in [("cert.pem", "key.pem"), ("other.pem", "other.key"), ("new.pem", "new.key")] {
        let pair = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
        fs::write(stage.path(certificate), signed.pem()).unwrap();
        fs::write(stage.path(key), pair.serialize_pem()).unwrap();
    }
    stage.configure(YAML);
    stage.start();
}

/// The 99th percentiles of a round, and what it took of memory.
#[derive(Clone, Copy, Debug)]
struct Figures {
    smpp_us: f64,
    #[expect(dead_code, reason = "printed")]
    http: Duration,
    /// What HTTP was told is remembered for a day, so memory grows a little with messages.
    grew_kib: i64,
}

fn median(rounds: &[Figures]) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(|round| round.smpp_us).collect();
    figures.sort_unstable_by(f64::total_cmp);
    f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2])
}

/// A load of so many seconds beside the others.
fn measure(stage: &mut Stage, web: &Web, name: &str, seconds: u64, mut reloads: Option<&mut Reloads>) -> Figures {
    let rate = setting("SHOW_RATE", 500);
    let flags = format!("--binds 2 --account gauge:pw --rate {rate} --duration {seconds}s --dlr-timeout 5s");
    let mut gauge = stage.load(name, &flags);
    let resident = |stage: &mut Stage| Held::of(stage.running().id().unwrap()).resident_kib as i64;
    let before = resident(stage);
    web.p99();
    let give_up = Instant::now() + Duration::from_secs(seconds) + PATIENCE;
    while gauge.is_running() {
        assert!(Instant::now() < give_up, "the load hangs");
        if let Some(reloads) = &mut reloads {
            reloads.next(stage);
        }
        let_pass(EVERY);
    }
    if let Some(reloads) = reloads {
        // Quiet is when everybody is there.
        reloads.read(stage, &FILES[FILES.len() - 1]);
    }
    let smpp_us = stage.report(name)["answer_latency"]["p99_us"].as_f64().unwrap();
    Figures { smpp_us, http: web.p99(), grew_kib: resident(stage) - before }
}

#[derive(Default)]
struct Reloads {
    count: usize,
    held: Vec<Held>,
}

impl Reloads {
    /// The next file is read.
    fn next(&mut self, stage: &mut Stage) {
        self.read(stage, &FILES[self.count % FILES.len()]);
        self.held.push(Held::of(stage.running().id().unwrap()));
        self.count += 1;
    }

    /// Each must be taken or refused as it deserves.
    fn read(&self, stage: &mut Stage, file: &File) {
        let File { what, edits, is_good } = file;
        let yaml = edits.iter().fold(YAML.to_owned(), |yaml, (part, by)| {
            assert!(yaml.contains(part), "{part}");
            yaml.replace(part, by)
        });
        stage.configure(&yaml);
        let word = if *is_good { "configuration reloaded" } else { "configuration not reloaded" };
        let gateway = stage.running();
        let told = |gateway: &Process| gateway.log().matches(word).count();
        let (before, id) = (told(gateway), gateway.id().unwrap());
        assert!(Command::new("kill").args(["-1", &id.to_string()]).status().unwrap().success());
        let is_told = wait_for(PATIENCE, || (told(gateway) > before).then_some(()));
        assert!(is_told.is_some(), "{what}: {word} was never said\n{}", gateway.log());
    }

    /// From the second ten reloads to the last ten neither descriptors nor memory grew by more than this.
    fn are_flat(&self, most_descriptors: u64, most_kib: u64) {
        let files = FILES.len();
        assert!(self.count > 2 * files, "{} reloads are too few", self.count);
        let (first, last) = (&self.held[files..2 * files], &self.held[self.count - files..]);
        let descriptors = |held: &[Held]| held.iter().map(|held| held.descriptors).max().unwrap();
        let kib = |held: &[Held]| held.iter().map(|held| held.resident_kib).sum::<u64>() / files as u64;
        println!("descriptors {} and {}, KiB {} and {}", descriptors(first), descriptors(last), kib(first), kib(last));
        assert!(descriptors(last) <= descriptors(first) + most_descriptors);
        assert!(kib(last) <= kib(first) + most_kib);
    }
}

impl Held {
    fn of(process: u32) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64;
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        Self { descriptors, resident_kib: resident.unwrap() }
    }
}
