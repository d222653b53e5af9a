//! The tools against the gateway: `load` on one side, `smsc` on the other, everything accounted for.

use serde_json::Value;

use crate::gateway::{Gateway, run};
use crate::processes::Smsc;

const COUNT: u64 = 5_000;

/// Runs the load through the gateway against a carrier with these flags; the load's report.
fn load_through(smsc_flags: &[&str], north: &str, load_flags: &[&str]) -> (Value, Value) {
    let smsc = Smsc::start(smsc_flags);
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1, max_binds: 8, window: 400, delivery_window: 100 }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 2, queue: 10000, shard: 0, {north} }} }}
routes: [{{ to: north }}]
"#,
        smsc.address
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound == 2.0);
    let (connect, count) = (gateway.smpp.to_string(), COUNT.to_string());
    let fixed = ["load", "--connect", &connect, "--count", &count, "--dlr", "--json", "--binds", "4"];
    let (code, stdout, stderr) = run(&[&fixed[..], load_flags].concat());
    assert_eq!(code, 0, "{stderr}\n{stdout}\n{}", gateway.log());
    let report: Value = serde_json::from_str(&stdout).unwrap();
    for nothing in [
        "unanswered",
        "late_answers",
        "repeated_ids",
        "receipts_missing",
        "receipts_duplicate",
        "receipts_unknown",
        "receipts_misrouted",
        "receipts_unreadable",
        "receipts_before_answer",
        "disconnects",
        "protocol_errors",
    ] {
        assert_eq!(report[nothing], 0, "{nothing} in {report:#}");
    }
    assert_eq!(report["submitted"], COUNT, "{report:#}");
    assert_eq!(report["receipts_matched"], report["accepted"], "{report:#}");
    drop(gateway);
    (report, smsc.end())
}

fn is_whole(smsc_flags: &[&str], north: &str, load_flags: &[&str]) {
    let (load, smsc) = load_through(smsc_flags, north, load_flags);
    assert_eq!(load["accepted"], COUNT, "{load:#}");
    assert_eq!(smsc["receipts_unacknowledged"], 0, "{smsc:#}");
    assert_eq!(smsc["protocol_errors"], 0, "{smsc:#}");
}

#[test]
fn every_version_is_brought_its_receipts_whether_they_speak_in_text_or_in_tlvs() {
    for version in ["3.3", "5.0"] {
        for told in ["text", "tlv"] {
            is_whole(&["--receipt-id-in", told], "", &["--version", version]);
        }
    }
}

#[test]
fn the_parts_of_a_long_message_come_on_one_connection() {
    for concat in ["udh8", "udh16", "sar"] {
        let flags = ["--parts", "3", "--concat", concat];
        let (load, smsc) = load_through(&[], "window: 10", &flags);
        assert_eq!(load["accepted"], COUNT, "{load:#}");
        let long = [("parts", COUNT), ("messages", COUNT.div_ceil(3)), ("messages_split", 0)];
        for (what, count) in long {
            assert_eq!(smsc["long"][what], count, "{concat}: {smsc:#}");
        }
        // The last message is cut short by the count.
        assert_eq!(smsc["long"]["messages_incomplete"], 1, "{concat}: {smsc:#}");
    }
}

#[test]
fn receipts_before_their_answers_all_come_back() {
    is_whole(&["--receipts", "before"], "", &[]);
}

#[test]
fn receipts_on_another_link_all_come_back() {
    is_whole(&["--receipt-link", "other"], "", &["--mode", "split"]);
}

#[test]
fn receipts_as_data_sm_all_come_back() {
    is_whole(&["--receipts-as", "data_sm", "--receipts", "0..20ms"], "", &[]);
}

#[test]
fn hex_answers_and_decimal_receipts_all_meet() {
    let formats = ["--id-format", "hex", "--receipt-id-format", "counter-decimal"];
    is_whole(&formats, "message_id: { response: hex, receipt: decimal }", &[]);
}

#[test]
fn of_a_carrier_that_refuses_some_every_answer_and_every_receipt_is_passed_on() {
    let (load, smsc) = load_through(&["--errors", "ESME_RINVDSTADR=3,0x400=2", "--latency", "1ms..5ms"], "", &[]);
    let refused = |status: &str| load["refused"][status].as_u64().unwrap_or(0);
    let (by_address, by_vendor) = (refused("ESME_RINVDSTADR"), refused("0x00000400"));
    assert!(by_address > 50 && by_vendor > 30, "{load:#}");
    assert_eq!(load["accepted"].as_u64().unwrap() + by_address + by_vendor, COUNT, "{load:#}");
    assert_eq!(smsc["protocol_errors"], 0, "{smsc:#}");
}

#[test]
fn the_demo_loses_nothing() {
    let (code, stdout, stderr) = run(&["demo", "--count", "5000", "--json"]);
    assert_eq!(code, 0, "{stderr}\n{stdout}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["load"]["accepted"], &report["load"]["receipts_matched"]), (&5000.into(), &5000.into()));
}
