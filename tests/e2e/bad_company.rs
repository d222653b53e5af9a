//! A bad carrier beside a good one, through real sockets: whatever the bad one does, the ledgers of its customers and of both
//! carriers agree, everything is answered in time, the good carrier's customers notice nothing, and memory stays where it is.

use std::time::Duration;

use serde_json::Value;
use trunkline::tools::from_flags;
use trunkline::tools::reconcile::{ReconcileArgs, reconcile};

use crate::gateway::{Directory, Gateway};
use crate::processes::{Load, Smsc};
use crate::proxy::{Faults, Proxy, Way};

/// North is bad, and behind a proxy; south is good. `acme` submits to north, `globex` to south.
struct Stage {
    gateway: Gateway,
    north: Smsc,
    south: Smsc,
    proxy: Proxy,
    directory: Directory,
    loads: Vec<String>,
    /// Open when it had just started.
    descriptors: usize,
}

/// Submits for each customer in a phase, and how many of them a second.
const COUNT: u64 = 800;
const RATE: u64 = 200;

/// So many are sent to see whether all is well again: more than go to one link before the other has its turn.
const PROBES: u64 = 100;

/// Header, `smsc` and the sc_interface_version.
const BIND_RESP_OCTETS: u64 = 16 + 5 + 5;

/// What memory may differ by after two equal phases: buffers grow to what was once needed, and the allocator keeps pages.
const SLACK_KIB: u64 = 24 << 10;

/// North's links, segments of the store, and what is just being closed.
const DESCRIPTORS_MORE: usize = 12;

impl Stage {
    /// With a short response deadline: what north does not answer is in doubt soon.
    fn new(north: &str) -> Self {
        Self::routed(north, "north", "4s")
    }

    /// With where `acme`'s submits go, and the response deadline.
    fn routed(north: &str, acme_to: &str, response: &str) -> Self {
        let directory = Directory::new();
        let north = Smsc::with_ledger(&directory.0.join("north"), north);
        let south = Smsc::with_ledger(&directory.0.join("south"), "--latency 0..5ms --receipts 0..100ms");
        let proxy = Proxy::to(north.address);
        let carrier = "system_id: us, password: secret, links: 2, window: 50";
        let account = "password: secret, max_binds: 8, window: 500, delivery_window: 100";
        let gateway = Gateway::start(&format!(
            r#"
smpp: {{ LISTEN, response: {response}, enquire_link: 3s, inactivity: 60s }}
accounts: {{ acme: {{ {account}, shard: 1 }}, globex: {{ {account}, shard: 0 }} }}
carriers:
  north: {{ connect: "{}", {carrier}, shard: 0 }}
  south: {{ connect: "{}", {carrier}, shard: 1 }}
routes:
  - {{ when: {{ account: acme }}, to: [{acme_to}] }}
  - to: south
"#,
            proxy.address, south.address
        ));
        gateway.wait_for_metric("trunkline_links_bound{carrier=\"south\"}", |bound| bound == 2.0);
        let mut stage = Self { gateway, north, south, proxy, directory, loads: Vec::new(), descriptors: 0 };
        stage.descriptors = stage.descriptors();
        stage
    }

    fn wait_for_north(&self) {
        self.gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound == 2.0);
    }

    fn load(&mut self, account: &str) -> Load {
        self.load_with(account, COUNT, RATE)
    }

    fn load_with(&mut self, account: &str, count: u64, rate: u64) -> Load {
        let name = format!("{account}-{}", self.loads.len());
        let ledger = self.directory.0.join(&name);
        self.loads.push(ledger.display().to_string());
        let flags = format!(
            "--account {account}:secret --binds 2 --count {count} --rate {rate} --window 250 --dlr-timeout 12s \
             --response-timeout 30s"
        );
        Load::start(self.gateway.smpp, &ledger, &flags)
    }

    /// Both customers' loads to their ends, while something is done; acme's report. What globex has had is perfect.
    fn phase(&mut self, mut meanwhile: impl FnMut(&mut Self)) -> Value {
        let (mut acme, globex) = (self.load("acme"), self.load("globex"));
        while acme.is_running() {
            meanwhile(self);
            std::thread::park_timeout(Duration::from_millis(50));
        }
        is_whole(&globex.wait());
        let acme = acme.wait();
        is_answered(&acme);
        acme
    }

    /// Resident memory of the gateway.
    fn memory_kib(&self) -> u64 {
        let id = self.gateway.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Files and sockets the gateway has open.
    fn descriptors(&self) -> usize {
        let id = self.gateway.child.as_ref().unwrap().id();
        std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
    }

    /// Two equal phases, of which the second needs no more memory than the first; both reports of acme.
    fn two_phases(&mut self, mut meanwhile: impl FnMut(&mut Self)) -> [Value; 2] {
        let first = self.phase(&mut meanwhile);
        let before = self.memory_kib();
        let second = self.phase(&mut meanwhile);
        let after = self.memory_kib();
        assert!(after <= before + SLACK_KIB, "{before} KiB, and {after} KiB after as much again");
        [first, second]
    }

    /// Lets everything be well, until what north still owes is settled: what a few more submits bring comes behind it.
    fn settle(&mut self) {
        self.north.behave();
        for way in [Way::ToCarrier, Way::ToGateway] {
            self.proxy.set(way, |faults| *faults = Faults::default());
        }
        self.proxy.set_down(false);
        for _ in 0..20 {
            self.wait_for_north();
            let load = self.load_with("acme", PROBES, 2 * RATE).wait();
            if number(&load, "accepted") == PROBES {
                return is_well(&load);
            }
        }
        panic!("north is not as it was:\n{}", self.gateway.log());
    }

    /// Ends it all; the ledgers must agree. The reports of north and south.
    fn reconcile(mut self) -> (Value, Value) {
        self.settle();
        let open = self.descriptors();
        assert!(open <= self.descriptors + DESCRIPTORS_MORE, "{} descriptors, and {open} at the end", self.descriptors);
        let (north, south) = (self.north.end(), self.south.end());
        let smsc = ["north", "south"].map(|name| self.directory.0.join(name).display().to_string());
        let args: ReconcileArgs =
            from_flags(&format!("--load {} --smsc {}", self.loads.join(" "), smsc.join(" "))).unwrap();
        let verdict = reconcile(&args).unwrap();
        assert!(verdict.is_clean(), "{}\nnorth: {north:#}\n{}", verdict.table(), self.gateway.log());
        (north, south)
    }
}

/// Every submit has its answer, and whatever was accepted has its receipt.
fn is_answered(load: &Value) {
    assert_eq!(load["submitted"], COUNT, "{load:#}");
    is_well(load);
}

fn is_well(load: &Value) {
    for nothing in [
        "unanswered",
        "late_answers",
        "repeated_ids",
        "receipts_missing",
        "receipts_unknown",
        "receipts_misrouted",
        "receipts_before_answer",
        "disconnects",
        "protocol_errors",
    ] {
        assert_eq!(load[nothing], 0, "{nothing} in {load:#}");
    }
    assert_eq!(load["receipts_matched"], load["accepted"], "{load:#}");
}

/// The same, and all of it was accepted.
fn is_whole(load: &Value) {
    is_answered(load);
    assert_eq!((&load["accepted"], &load["receipts_duplicate"]), (&COUNT.into(), &0.into()), "{load:#}");
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report:#}"))
}

fn refused(load: &Value, status: &str) -> u64 {
    load["refused"][status].as_u64().unwrap_or(0)
}

#[test]
fn a_carrier_that_leaves_and_is_cut_off_again_and_again() {
    let mut stage = Stage::new("--latency 0..20ms --receipts 0..300ms --close-every 500ms..2s");
    stage.wait_for_north();
    // Now and then in the middle of a PDU, one way or the other.
    stage.proxy.set(Way::ToCarrier, |faults| faults.cut_at = Some(20_011));
    stage.proxy.set(Way::ToGateway, |faults| faults.cut_at = Some(30_017));
    let mut looks = 0;
    let acme = stage.phase(|stage| {
        looks += 1;
        match looks % 40 {
            13 => stage.proxy.reset(),
            26 => stage.proxy.half_close(Way::ToCarrier),
            39 => stage.proxy.half_close(Way::ToGateway),
            _ => {}
        }
    });
    assert!(number(&acme, "accepted") > 0, "{acme:#}");
    let (north, _) = stage.reconcile();
    assert!(number(&north, "binds") > 4, "{north:#}");
}

#[test]
fn a_carrier_that_stalls_for_longer_than_the_response_deadline() {
    let mut stage = Stage::new("--latency 0..5ms --stall-every 1s --stall 6s");
    let reports = stage.two_phases(|_| {});
    for acme in &reports {
        assert!(refused(acme, "ESME_RUNKNOWNERR") > 0, "{acme:#}");
    }
    stage.reconcile();
}

#[test]
fn a_network_that_takes_in_nothing_and_one_that_lets_little_through() {
    let mut stage = Stage::new("--receipts 0..50ms");
    stage.wait_for_north();
    stage.proxy.set(Way::ToCarrier, |faults| faults.dribble = Some(40));
    stage.proxy.set(Way::ToGateway, |faults| faults.delay = Duration::from_millis(30));
    let mut looks = 0;
    let acme = stage.phase(|stage| {
        looks += 1;
        // Stalled for two seconds in four, one way and then the other.
        stage.proxy.set(Way::ToCarrier, |faults| faults.is_stalled = looks % 80 > 40);
        stage.proxy.set(Way::ToGateway, |faults| faults.is_stalled = looks % 120 > 80);
    });
    assert!(number(&acme, "accepted") > 0 && number(&acme, "accepted") < COUNT, "{acme:#}");
    stage.reconcile();
}

#[test]
fn a_carrier_that_lies() {
    let mut stage = Stage::new(
        "--latency 0..5ms --answer-twice 10 --wrong-sequence 1 --nack 5 --refusal-body --garbage-after 200 \
         --errors ESME_RINVDSTADR=5,0x400=5 --stray-receipts 50",
    );
    stage.wait_for_north();
    let [first, _] = stage.two_phases(|_| {});
    for status in ["ESME_RINVDSTADR", "0x00000400", "ESME_RINVCMDID", "ESME_RUNKNOWNERR"] {
        assert!(refused(&first, status) > 0, "{status} in {first:#}");
    }
    let (north, _) = stage.reconcile();
    for told in ["answered_twice", "wrong_sequences", "nacked", "garbage_sent"] {
        assert!(number(&north, told) > 0, "{told} in {north:#}");
    }
}

#[test]
fn a_carrier_that_refuses_most_binds_is_not_hammered() {
    let mut stage = Stage::new("--refuse-binds ESME_RBINDFAIL=60");
    // And a bind it takes is worth nothing: garbage is right behind its answer.
    stage.proxy.set(Way::ToGateway, |faults| faults.garbage_at = Some(BIND_RESP_OCTETS));
    stage.phase(|_| {});
    let (north, _) = stage.reconcile();
    let binds = number(&north, "binds");
    let refused = refused(&serde_json::json!({ "refused": north["binds_refused"] }), "ESME_RBINDFAIL");
    // Two links, each of which waits half a second and then longer.
    assert!(refused > 0 && refused + binds < 60, "{north:#}");
}

#[test]
fn receipts_for_ids_nobody_knows_are_taken_and_counted_however_many() {
    let strays = "--latency 0..300ms --receipts 0..50ms --stray-receipts 3000 --delivery-window 1000";
    let mut stage = Stage::routed(strays, "north", "20s");
    stage.wait_for_north();
    let reports = stage.two_phases(|_| {});
    reports.iter().for_each(is_whole);
    let nobodys = |status: &str| {
        let series = format!("trunkline_carrier_receipts_total{{carrier=\"north\",status=\"{status}\"}}");
        stage.gateway.wait_for_metric(&series, |_| true)
    };
    let counted = nobodys("unknown") + nobodys("unclaimed");
    assert!(counted >= 1_000.0, "{counted} strays counted");
    let (north, _) = stage.reconcile();
    let answered = north["stray_receipts_answered"].as_object().unwrap();
    assert!(answered.keys().all(|status| status == "ESME_ROK"), "{north:#}");
    assert!(answered["ESME_ROK"].as_f64().unwrap() >= counted, "{north:#}");
}

#[test]
fn what_one_carrier_refuses_for_passing_trouble_the_other_takes_and_nobody_notices() {
    let mut stage = Stage::routed("--errors ESME_RSYSERR=20,ESME_RX_T_APPN=20 --refusal-body", "north, south", "20s");
    stage.wait_for_north();
    let acme = stage.phase(|_| {});
    is_whole(&acme);
    let (north, south) = stage.reconcile();
    let moved = number(&north, "submits") - number(&north, "accepted");
    assert!(moved > COUNT / 4, "{north:#}");
    assert_eq!(number(&south, "accepted"), COUNT + moved, "{south:#}");
}

#[test]
fn when_one_carrier_is_cut_off_the_other_takes_over_and_what_was_out_is_in_doubt() {
    let mut stage = Stage::routed("--latency 20ms --receipts 0..50ms", "north, south", "20s");
    stage.wait_for_north();
    let mut is_cut = false;
    let acme = stage.phase(|stage| {
        let sent = stage.gateway.wait_for_metric("trunkline_carrier_submits_total{carrier=\"north\"}", |_| true);
        if sent > (COUNT / 4) as f64 && !is_cut {
            is_cut = true;
            stage.proxy.set_down(true);
            stage.proxy.reset();
        }
        // Receipts it still owes come when it is back.
        let taken = stage.gateway.wait_for_metric("trunkline_carrier_submits_total{carrier=\"south\"}", |_| true);
        stage.proxy.set_down(is_cut && taken < (COUNT + COUNT / 4) as f64);
    });
    let in_doubt = refused(&acme, "ESME_RUNKNOWNERR");
    assert_eq!(number(&acme, "accepted") + in_doubt, COUNT, "{acme:#}");
    assert!(in_doubt <= 100, "no more than both windows: {acme:#}");
    assert_eq!(number(&acme, "receipts_duplicate"), 0, "{acme:#}");
    let (north, south) = stage.reconcile();
    assert!(number(&north, "accepted") >= COUNT / 4 && number(&south, "accepted") > COUNT, "{north:#}\n{south:#}");
}
