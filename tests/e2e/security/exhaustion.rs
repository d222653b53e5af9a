//! Customers who take and take: who never reads while answers and receipts pile up, descriptors that run out, and a customer whose
//! network is gone. Bounded, nobody else pays, and nothing acknowledged is lost.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::SockRef;
use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use super::peers::{ask_until_closed, resident_kib};
use super::{Settings, Stage};
use crate::gateway::Gateway;
use crate::peer::{PATIENCE, Pdu, Peer, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;

/// What waits for one who does not read is 256 KiB; what else a process grows by in such a while is less than this.
const GROWTH_KIB: u64 = 16 << 10;

const SESSIONS: &str = "trunkline_sessions_bound{account=\"acme\"}";

#[test]
fn who_never_reads_while_answers_and_receipts_pile_up_is_closed_and_finds_his_receipts_when_he_is_back() {
    const RECEIPTS: usize = 500;
    let stage = Stage::with(&Settings { acme: "delivery_window: 1000", ..Settings::default() });
    let mut deaf = stage.acme();
    SockRef::from(&deaf.stream).set_recv_buffer_size(4096).unwrap();
    let before = resident_kib(&stage.gateway);
    let submit = |at| Pdu::new(CommandId::SUBMIT_SM, ROK, at, &with_receipt("deaf")).octets();
    deaf.send(&(1..=RECEIPTS as u32).flat_map(submit).collect::<Vec<_>>());
    // All of them are with the carrier, whatever becomes of the session.
    let accepted = "trunkline_carrier_submits_total{carrier=\"north\"}";
    stage.gateway.wait_for_metric(accepted, |count| count >= RECEIPTS as f64);
    ask_until_closed(&deaf);
    stage.gateway.wait_for_metric(SESSIONS, |count| count == 0.0);
    let after = resident_kib(&stage.gateway);
    assert!(after < before + GROWTH_KIB, "{before} KiB before, {after} KiB after");
    let mut back = stage.acme();
    let receipts: BTreeSet<_> = (0..RECEIPTS).map(|_| id_of_receipt(&back.receive())).collect();
    assert_eq!(receipts.len(), RECEIPTS);
    stage.stays(&mut back);
    stage.nobody_noticed();
}

/// Ticks of CPU time the gateway has used, a hundredth of a second each.
fn ticks(gateway: &Gateway) -> u64 {
    let id = gateway.child.as_ref().unwrap().id();
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let behind_name = stat.rsplit_once(") ").unwrap().1;
    behind_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.child.as_ref().unwrap().id())).unwrap().count()
}

fn set_limit(gateway: &Gateway, limit: usize) {
    let id = gateway.child.as_ref().unwrap().id().to_string();
    let set = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={limit}:{limit}")]).status();
    assert!(set.unwrap().success());
}

#[test]
fn when_descriptors_run_out_sessions_go_on_nothing_spins_and_it_recovers_once_there_are_some() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    stage.stays(&mut acme);
    let spare = 6;
    set_limit(&stage.gateway, descriptors(&stage.gateway) + spare);
    // The kernel completes their connections; they wait to be accepted.
    let strangers: Vec<_> = (0..3 * spare).map(|_| stage.connect()).collect();
    let give_up = Instant::now() + PATIENCE;
    while !stage.gateway.log().contains("cannot accept") {
        assert!(Instant::now() < give_up, "they did not run out");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let (started, before) = (Instant::now(), ticks(&stage.gateway));
    while started.elapsed() < Duration::from_secs(2) {
        stage.stays(&mut acme);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let (spent, passed) = (ticks(&stage.gateway) - before, started.elapsed().as_millis() as u64 / 10);
    println!("without descriptors: {spent} ticks of CPU in {passed}, with two sessions at work");
    assert!(spent < passed * 3 / 4, "a loop that finds none would use all of a core: {spent} of {passed}");
    // Some of those waiting were taken and let go for want of a second descriptor; the others give theirs back.
    let freed = Instant::now();
    drop(strangers);
    let mut late = stage.acme();
    println!("bound again after {:?}", freed.elapsed());
    stage.stays(&mut late);
    stage.nobody_noticed();
}

/// A network of its own for a customer, reached over a pair of virtual interfaces; gone when dropped.
struct Namespace(String);

impl Namespace {
    const HERE: &str = "10.213.77.1";

    /// `None` without the rights.
    fn new() -> Option<Self> {
        let namespace = Self(format!("trunkline{}", std::process::id()));
        let name = namespace.0.as_str();
        if !ip(&["netns", "add", name]) {
            return None;
        }
        let pair = ["link", "add", "tl-here", "type", "veth", "peer", "name", "tl-there", "netns", name];
        let is_up = ip(&pair)
            && ip(&["addr", "add", "10.213.77.1/24", "dev", "tl-here"])
            && ip(&["link", "set", "tl-here", "up"])
            && ip(&["-n", name, "addr", "add", "10.213.77.2/24", "dev", "tl-there"])
            && ip(&["-n", name, "link", "set", "tl-there", "up"]);
        is_up.then_some(namespace)
    }

    /// Not a word more is heard from there, not even that it ended.
    fn cut(&self) {
        assert!(ip(&["-n", &self.0, "link", "set", "tl-there", "down"]));
    }

    fn load(&self, connect: &str, flags: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, env!("CARGO_BIN_EXE_trunkline"), "load", "--connect", connect]);
        command.args(flags.split(' '));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["link", "del", "tl-here"]);
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).status().is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs root, for a network namespace: just half-open"]
fn a_customer_whose_network_is_gone_is_reaped_and_his_receipts_wait_for_him() {
    const BEFORE: usize = 20;
    const AFTER: usize = 50;
    let Some(namespace) = Namespace::new() else { return println!("skipped: no namespaces here") };
    let there = format!("{}:27750", Namespace::HERE);
    let smpp = format!("smpp: {{ listen: \"{there}\", enquire_link: 2s, response: 3s }} # instead of LISTEN");
    let carrier = crate::carrier::Carrier::listen().run();
    let gateway = Gateway::start(&format!(
        "accounts:\n  acme: {{ password: secret, shard: 1 }}\ncarriers:\n  \
         north: {{ connect: \"{}\", system_id: us, password: secret, links: 1, shard: 0 }}\nroutes:\n  - {{ to: north }}\n{smpp}\n",
        carrier.address
    ));
    let mut lost =
        namespace.load(&there, "--mode receiver --binds 1 --dlr-timeout 60s --duration 60s").spawn().unwrap();
    gateway.wait_for_metric(SESSIONS, |count| count == 1.0);
    let mut sender = Peer::connect(there.parse().unwrap());
    assert_eq!(sender.bind(BindMode::Transmitter, "acme", "secret").status, ROK);
    sender.submit_when_up(&plain("up"));
    (0..BEFORE).for_each(|_| assert_eq!(answered(&mut sender, &with_receipt("before")).status, ROK));
    gateway.wait_for_metric("trunkline_receipts_delivered_total{account=\"acme\"}", |count| count == BEFORE as f64);
    namespace.cut();
    let cut = Instant::now();
    let ids: BTreeSet<_> = (0..AFTER).map(|_| answered(&mut sender, &with_receipt("after")).id()).collect();
    let give_up = Instant::now() + 4 * PATIENCE;
    let is_reaped = || gateway.log().contains("session ended");
    while !is_reaped() {
        assert!(Instant::now() < give_up, "never reaped:\n{}", gateway.log());
        // Whoever is still there is asked, and answers.
        answered(&mut sender, &plain("still here"));
        std::thread::park_timeout(Duration::from_millis(50));
    }
    println!("reaped {:?} after the link was lost, with enquire_link 2 s and response 3 s", cut.elapsed());
    let mut receiver = Peer::connect(there.parse().unwrap());
    assert_eq!(receiver.bind(BindMode::Receiver, "acme", "secret").status, ROK);
    let receipts: BTreeSet<_> = (0..AFTER).map(|_| id_of_receipt(&receiver.receive())).collect();
    assert_eq!(receipts, ids, "those that came after, and nothing else");
    lost.kill().unwrap();
    lost.wait().unwrap();
}

/// The answer to a submit, with what the gateway asks meanwhile answered too.
fn answered(peer: &mut Peer, body: &[u8]) -> Pdu {
    peer.request(CommandId::SUBMIT_SM, body);
    loop {
        let pdu = peer.read().expect("the session stays");
        match pdu.command {
            CommandId::ENQUIRE_LINK => peer.answer(&pdu, ROK, b""),
            _ => return pdu,
        }
    }
}
