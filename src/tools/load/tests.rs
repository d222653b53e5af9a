//! The load against the simulator over loopback, without a gateway between them.

mod ledgers;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;

use super::*;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::Frame;
use crate::tools::from_flags;
use crate::tools::smsc::{SmscArgs, SmscReport, smsc};

fn load_args(flags: &str) -> LoadArgs {
    from_flags(flags).unwrap()
}

/// Runs both to their ends; the simulator on a free port.
fn run_both(smsc_flags: &str, load_flags: &str) -> (Result<LoadReport, String>, SmscReport) {
    let smsc_args: SmscArgs = from_flags(&format!("--listen 127.0.0.1:0 {smsc_flags}")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (bound, addresses) = mpsc::channel();
    let simulator = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || smsc(&smsc_args, &stop, &bound))
    };
    let mut args = load_args(load_flags);
    args.connect = addresses.recv().unwrap();
    let report = load(&args, &Arc::default(), &Arc::default());
    stop.store(true, Ordering::Relaxed);
    (report, simulator.join().unwrap().unwrap())
}

/// Every submit accepted and every receipt matched, whatever the simulator's habits.
fn expect_clean(smsc_flags: &str, load_flags: &str) -> (LoadReport, SmscReport) {
    let (report, smsc_report) = run_both(smsc_flags, load_flags);
    let report = report.unwrap();
    assert!(report.is_clean(), "{smsc_flags}: {report:#?}");
    assert_eq!((report.accepted, report.receipts_matched), (2_000, 2_000), "{smsc_flags}");
    assert_eq!((smsc_report.receipts_sent, smsc_report.receipts_unacknowledged), (2_000, 0), "{smsc_flags}");
    assert_eq!(smsc_report.protocol_errors, 0, "{smsc_flags}");
    (report, smsc_report)
}

#[test]
fn every_receipt_is_matched_when_it_follows_its_answer_at_once_or_later() {
    for flags in
        ["", "--receipts 5ms..20ms --latency 1ms..3ms", "--receipt-id-in text --delivery-window 7 --id-format uuid"]
    {
        let (report, _) = expect_clean(flags, "--count 2000 --dlr");
        assert_eq!((report.answer_latency.count, report.receipt_latency.count), (2_000, 2_000));
    }
}

#[test]
fn a_receipt_on_another_link_is_matched_in_both_modes() {
    expect_clean("--receipt-link other", "--count 2000 --dlr");
    expect_clean("--receipt-link other --receipts before", "--count 2000 --dlr --mode split --threads 2");
}

#[test]
fn a_receipt_before_its_answer_is_matched_and_told() {
    let (report, _) = run_both("--receipts before", "--count 2000 --dlr");
    let report = report.unwrap();
    assert_eq!((report.receipts_matched, report.receipts_missing, report.receipts_unknown), (2_000, 0, 0));
    assert_eq!(report.receipts_before_answer, 2_000);
    assert!(!report.is_clean());
}

#[test]
fn a_receipt_in_another_spelling_of_the_id_is_unknown_and_its_submit_missing() {
    let flags = "--id-format hex --receipt-id-format decimal --id-start 100000";
    let (report, smsc_report) = run_both(flags, "--count 2000 --dlr --dlr-timeout 200ms");
    let report = report.unwrap();
    assert_eq!((report.receipts_matched, report.receipts_missing, report.receipts_unknown), (0, 2_000, 2_000));
    assert_eq!(smsc_report.receipts_acknowledged, 2_000);
}

#[test]
fn intermediate_receipts_and_mobile_originated_messages_are_counted_apart() {
    let (report, smsc_report) = expect_clean("--intermediate --mo-rate 5000 --receipts 20ms", "--count 2000 --dlr");
    assert_eq!(report.receipts_intermediate, 2_000);
    assert!(report.mo > 0 && report.mo <= smsc_report.mo_sent);
}

#[test]
fn refusals_are_counted_by_status_and_the_same_seed_refuses_as_many() {
    let run = || {
        let (report, smsc_report) = run_both("--errors ESME_RSYSERR=10,0x400=5 --seed 3", "--count 2000 --dlr");
        let report = report.unwrap();
        assert!(report.is_clean());
        assert_eq!(report.refused, smsc_report.refused);
        assert_eq!(report.accepted + report.refused.total(), 2_000);
        (report.refused.of(CommandStatus::RSYSERR), report.refused.of(CommandStatus(0x400)))
    };
    let (system_errors, vendor_errors) = run();
    assert!((150..250).contains(&system_errors) && (60..140).contains(&vendor_errors));
    assert_eq!(run(), (system_errors, vendor_errors));
}

#[test]
fn an_open_loop_submits_by_the_clock_and_what_is_over_the_rate_is_throttled() {
    let (report, _) = run_both("--rate 1000 --receipts none", "--rate 4000 --duration 500ms --binds 3");
    let report = report.unwrap();
    assert_eq!(report.submitted, 2_000);
    assert!((0.45..2.0).contains(&report.elapsed_seconds), "{}", report.elapsed_seconds);
    assert!(report.refused.of(CommandStatus::RTHROTTLED) >= 500, "{report:?}");
}

#[test]
fn what_is_never_answered_is_told() {
    let flags = "--count 500 --response-timeout 300ms --window 1000";
    let (report, smsc_report) = run_both("--no-answer 10", flags);
    let report = report.unwrap();
    assert!(report.unanswered > 20 && report.unanswered == smsc_report.not_answered, "{report:?}");
    assert!(!report.is_clean());
}

#[test]
fn a_carrier_that_hangs_up_costs_what_was_outstanding() {
    let (report, _) = run_both("--close-after 100", "--count 2000 --binds 2");
    let report = report.unwrap();
    assert_eq!(report.disconnects, 2);
    assert!(report.unanswered > 0 && report.submitted < 2_000, "{report:?}");
}

#[test]
fn a_wrong_password_ends_the_run_with_the_carriers_reason() {
    let (report, smsc_report) = run_both("--system-id acme --password other", "--count 10");
    assert_eq!(report.unwrap_err(), "acme: bind refused: ESME_RINVPASWD (0x0E)");
    assert_eq!(smsc_report.binds, 0);
}

#[test]
fn accounts_are_spread_over_the_binds_and_receipts_come_to_their_own() {
    let flags = "--count 2000 --dlr --binds 4 --account one:1 --account two:2";
    expect_clean("--receipt-link other --receipts 2ms", flags);
}

#[test]
fn a_session_asked_to_unbind_submits_no_more_and_goes_when_all_is_answered() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut args = load_args("--count 1000 --binds 1 --window 10 --dlr-timeout 200ms");
    args.connect = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        expect_pdu(&mut stream, CommandId::BIND_TRANSCEIVER);
        write_pdu(&mut stream, CommandId::BIND_TRANSCEIVER_RESP, 1, b"x\0");
        let submits: Vec<u32> = (0..10).map(|_| expect_pdu(&mut stream, CommandId::SUBMIT_SM)).collect();
        write_pdu(&mut stream, CommandId::UNBIND, 77, b"");
        for sequence in submits {
            write_pdu(&mut stream, CommandId::SUBMIT_SM_RESP, sequence, b"id\0");
        }
        assert_eq!(expect_pdu(&mut stream, CommandId::UNBIND_RESP), 77);
    });
    let report = load(&args, &Arc::default(), &Arc::default()).unwrap();
    peer.join().unwrap();
    assert_eq!((report.submitted, report.accepted, report.unanswered), (10, 10, 0), "{report:?}");
}

fn write_pdu(stream: &mut TcpStream, command: CommandId, sequence: u32, body: &[u8]) {
    let mut out = Vec::new();
    Frame { command, status: CommandStatus::ROK, sequence: SequenceNumber(sequence), body }.write(&mut out);
    stream.write_all(&out).unwrap();
}

/// The next PDU must be this command; its sequence number.
fn expect_pdu(stream: &mut TcpStream, command: CommandId) -> u32 {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut octets = vec![0; u32::from_be_bytes(length) as usize];
    octets[..4].copy_from_slice(&length);
    stream.read_exact(&mut octets[4..]).unwrap();
    let frame = Frame::cut(&octets, 1 << 16).unwrap().unwrap();
    assert_eq!(frame.command, command);
    frame.sequence.0
}

#[test]
fn a_run_is_as_long_as_its_count_or_its_schedule() {
    assert_eq!(load_args("").submits(), COUNT_DEFAULT);
    assert_eq!(load_args("--rate 100 --duration 3s").submits(), 300);
    assert_eq!(load_args("--rate 100 --duration 3s --count 7").submits(), 7);
    assert_eq!(load_args("--duration 3s").submits(), u64::MAX);
    assert!(from_flags::<LoadArgs>("--text 5").is_err(), "no room for the tag");
}
