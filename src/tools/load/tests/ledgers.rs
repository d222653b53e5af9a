//! Runs that keep ledgers and lose connections, held against each other by the reconciliation.
#![allow(clippy::disallowed_methods, reason = "these tests read and write the files under test")]

use std::path::{Path, PathBuf};

use super::{Arc, AtomicBool, Mode, expect_pdu, load, load_args, run_both, write_pdu};
use crate::smpp::command::CommandId;
use crate::tools::from_flags;
use crate::tools::reconcile::{ReconcileArgs, Verdict, reconcile};

/// A directory of this test alone, removed with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trunkline-ledgers-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn flag(&self, name: &str) -> String {
        format!("--ledger {}", self.0.join(name).display())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn verdict(directory: &Path, flags: &str) -> Verdict {
    let (load, smsc) = (directory.join("load"), directory.join("smsc"));
    let args: ReconcileArgs =
        from_flags(&format!("--load {} --smsc {} {flags}", load.display(), smsc.display())).unwrap();
    reconcile(&args).unwrap()
}

#[test]
fn a_quiet_run_reconciles_with_every_habit_of_a_carrier() {
    let directory = Directory::new("quiet");
    for (smsc_flags, load_flags) in [
        ("--receipts 5ms..20ms --receipt-link other --intermediate", "--binds 4 --account one:1 --account two:2"),
        ("--errors ESME_RSYSERR=5 --receipt-states UNDELIV=30,EXPIRED=10", "--mode split --threads 2"),
        ("--receipt-id-in text --id-format uuid --latency 1ms..3ms", "--text 20"),
    ] {
        let smsc_flags = format!("{smsc_flags} {}", directory.flag("smsc"));
        let (report, _) = run_both(&smsc_flags, &format!("--count 2000 --dlr {load_flags} {}", directory.flag("load")));
        let (report, verdict) = (report.unwrap(), verdict(&directory.0, ""));
        assert!(report.is_clean() && verdict.is_clean(), "{smsc_flags}:\n{}", verdict.table());
        assert_eq!((verdict.submitted, verdict.acknowledged), (2_000, report.accepted), "{smsc_flags}");
    }
}

#[test]
fn a_load_that_reconnects_goes_on_to_its_count_and_what_its_connections_lost_is_in_doubt() {
    let directory = Directory::new("reconnect");
    let smsc_flags = format!("--close-after 150 {}", directory.flag("smsc"));
    let flags = format!("--count 2000 --dlr --reconnect --binds 2 --window 20 {}", directory.flag("load"));
    let (report, smsc_report) = run_both(&smsc_flags, &flags);
    let report = report.unwrap();
    assert_eq!((report.submitted, report.receipts_missing), (2_000, 0), "{report:?}");
    assert!(report.disconnects >= 10 && report.in_doubt > 0 && report.unanswered == report.in_doubt, "{report:?}");
    assert!(smsc_report.receipts_resent > 0, "{smsc_report:?}");
    let flags = format!("--crashes {} --window 20 --delivery-window 0", report.disconnects);
    let verdict = verdict(&directory.0, &flags);
    assert!(verdict.is_clean(), "{}", verdict.table());
    assert_eq!((verdict.submitted, verdict.in_doubt), (2_000, report.in_doubt));
}

#[test]
fn receipts_of_a_load_that_only_submits_come_to_one_that_only_receives() {
    let directory = Directory::new("absent");
    let smsc = format!("--receipts 20ms {}", directory.flag("smsc"));
    let args: crate::tools::smsc::SmscArgs = from_flags(&format!("--listen 127.0.0.1:0 {smsc}")).unwrap();
    let (stop, (bound, addresses)) = (Arc::new(AtomicBool::new(false)), std::sync::mpsc::channel());
    let simulator = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || crate::tools::smsc::smsc(&args, &stop, &bound))
    };
    let address = addresses.recv().unwrap();
    let run = |flags: &str, name: &str| {
        let mut args = load_args(&format!("--dlr-timeout 300ms {flags} {}", directory.flag(name)));
        args.connect = address;
        load(&args, &Arc::default(), &Arc::default()).unwrap()
    };
    let submitter = run("--mode transmitter --count 300 --dlr", "load");
    assert!(submitter.is_clean() && submitter.receipts_expected == 0, "{submitter:?}");
    let receiver = run("--mode receiver --binds 2", "receiver");
    assert!(receiver.is_clean() && receiver.receipts_unknown == 300, "{receiver:?}");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    simulator.join().unwrap().unwrap();
    let alone = verdict(&directory.0, "");
    assert!(!alone.is_clean(), "without the receiver's ledger all receipts are missing");
    let both = verdict(&directory.0, &format!("--load {}", directory.0.join("receiver").display()));
    assert!(both.is_clean(), "{}", both.table());
}

#[test]
fn what_is_unanswered_at_the_end_is_in_doubt_in_the_ledger_even_if_the_peer_is_mute() {
    let directory = Directory::new("mute");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let flags = format!("--count 5 --binds 1 --response-timeout 0 {}", directory.flag("load"));
    let mut args = load_args(&flags);
    assert_eq!(args.mode, Mode::Transceiver);
    args.connect = listener.local_addr().unwrap();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        expect_pdu(&mut stream, CommandId::BIND_TRANSCEIVER);
        write_pdu(&mut stream, CommandId::BIND_TRANSCEIVER_RESP, 1, b"x\0");
        // Says nothing more, not even to the unbind.
        let _ = wait.recv();
    });
    let report = load(&args, &Arc::default(), &Arc::default()).unwrap();
    drop(done);
    peer.join().unwrap();
    assert_eq!((report.submitted, report.unanswered), (5, 5), "{report:?}");
    let ledger = std::fs::read_to_string(directory.0.join("load")).unwrap();
    let count = |letter| ledger.lines().filter(|line| line.starts_with(letter)).count();
    assert_eq!((count("S "), count("D "), count("end")), (5, 5, 1), "{ledger}");
    assert!(ledger.ends_with("end\n"));
}

#[test]
fn a_ledger_without_its_end_is_refused() {
    let directory = Directory::new("cut");
    let write = |name: &str, text: &str| std::fs::write(directory.0.join(name), text).unwrap();
    write("smsc", "end\n");
    for (text, error) in [("", "no `end` line"), ("+ 1 acme transceiver 5\n", "no `end` line"), ("+ 1 ac", "cut short")]
    {
        write("load", text);
        let (load, smsc) = (directory.0.join("load"), directory.0.join("smsc"));
        let args: ReconcileArgs = from_flags(&format!("--load {} --smsc {}", load.display(), smsc.display())).unwrap();
        let refused = reconcile(&args).unwrap_err();
        assert!(refused.contains(error), "{refused}");
    }
}
