//! What a new customer does, with each of the libraries people use: a wrong password first, then a bind, submits short and long with their
//! receipts, MO, a query, an enquire_link, a goodbye, and all of it again. The carrier is `trunkline smsc`.

use std::process::{Command, Stdio};

use serde_json::Value;
use trunkline::smpp::pdu::BindMode;

use crate::gateway::Gateway;
use crate::peer::{ROK, plain};
use crate::peers::{self, script, skipped};
use crate::processes::Smsc;

const COUNT: usize = 50;

/// Statuses that the libraries are told.
const RINVPASWD: u64 = 0x0E;
const RQUERYFAIL: u64 = 0x67;

/// Runs a journey to its end; what it told.
fn travel(program: Result<Command, String>, name: &str) -> Option<Value> {
    let mut program = match program {
        Ok(program) => program,
        Err(why) => {
            skipped(&why);
            return None;
        }
    };
    let carrier = Smsc::start(&["--mo-rate", "20", "--receipts", "0..50ms", "--latency", "0..5ms"]);
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }}, probe: {{ password: secret }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 2, shard: 0 }} }}
routes: [{{ to: north }}]
mo: [{{ to: acme }}]
"#,
        carrier.address
    ));
    let mut probe = gateway.connect();
    assert_eq!(probe.bind(BindMode::Transmitter, "probe", "secret").status, ROK);
    probe.submit_when_up(&plain("up"));
    let (port, count) = (gateway.smpp.port().to_string(), COUNT.to_string());
    program.arg(script(name)).args(["127.0.0.1", &port, "acme", "secret", &count]);
    let output = program.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {errors}\n{}", gateway.log());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    println!(
        "{name}: {} submits, as many receipts, {} MO, wrong password {}, query {}",
        told["expected"], told["mo"], told["wrong_password"], told["query"]
    );
    Some(told)
}

/// Every submit was accepted and brought its receipt, and the rest is as it should be.
fn is_content(told: &Value, query: Option<u64>) {
    let ids = |key: &str| {
        let mut ids: Vec<_> = told[key].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(told["wrong_password"], RINVPASWD, "{told}");
    assert_eq!(told["statuses"], serde_json::json!([0]), "{told}");
    assert_eq!(ids("told").len() as u64, told["expected"].as_u64().unwrap(), "{told}");
    assert_eq!(ids("told"), ids("receipts"), "{told}");
    assert!(told["expected"].as_u64().unwrap() > COUNT as u64 + 1, "{told}");
    assert!(told["mo"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(told["query"].as_u64(), query, "{told}");
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn smpplib_on_its_journey() {
    if let Some(told) = travel(peers::python(), "journey.py") {
        is_content(&told, Some(RQUERYFAIL));
    }
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn aiosmpplib_on_its_journey() {
    if let Some(told) = travel(peers::python_async(), "journey_async.py") {
        assert_eq!(told["errors"], serde_json::json!([]), "{told}");
        is_content(&told, None);
    }
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn npm_smpp_on_its_journey() {
    if let Some(told) = travel(peers::node(), "journey.js") {
        is_content(&told, Some(RQUERYFAIL));
    }
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn net_smpp_on_its_journey() {
    if let Some(told) = travel(peers::perl(), "journey.pl") {
        is_content(&told, Some(RQUERYFAIL));
    }
}
