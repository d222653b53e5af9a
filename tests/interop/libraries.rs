//! Customers and a carrier made with the libraries people use: what they are told and what they receive must agree.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use crate::carrier::{AutoCarrier, Carrier};
use crate::gateway::Gateway;
use crate::peer::{ROK, plain};
use crate::peers::{self, script, skipped};

const COUNT: usize = 50;

fn gateway(carrier: SocketAddr) -> Gateway {
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }}, probe: {{ password: secret }} }}
carriers: {{ north: {{ connect: "{carrier}", system_id: us, password: secret, links: 2, shard: 0 }} }}
routes: [{{ to: north }}]
"#
    ));
    let mut probe = gateway.connect();
    assert_eq!(probe.bind(BindMode::Transmitter, "probe", "secret").status, ROK);
    probe.submit_when_up(&plain("up"));
    gateway
}

/// Runs a customer's script to its end; how many messages it had accepted, each with its receipt.
fn customer_is_content(mut program: Command, name: &str, gateway: &Gateway, mode: &str) -> usize {
    let (port, count) = (gateway.smpp.port().to_string(), COUNT.to_string());
    program.arg(script(name)).args(["127.0.0.1", &port, "acme", "secret", mode, &count]);
    let output = program.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {mode}: {errors}\n{}", gateway.log());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let ids = |key: &str| {
        let mut ids: Vec<_> = told[key].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let expected = told["expected"].as_u64().unwrap() as usize;
    assert_eq!(told["statuses"], serde_json::json!([0]), "{told}");
    assert_eq!(ids("told").len(), expected, "{told}");
    assert_eq!(ids("told"), ids("receipts"), "{name} {mode}");
    let mut distinct = ids("told");
    distinct.dedup();
    assert_eq!(distinct.len(), expected);
    expected
}

/// The parts of long messages that reached the carrier, in order.
fn parts(carrier: &AutoCarrier) -> Vec<Vec<u8>> {
    let submits = carrier.submits();
    let views = submits.iter().map(|body| SmView::submit(body).unwrap());
    views.filter(SmView::has_udh).map(|view| view.short_message.to_vec()).collect()
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn smpplib_as_customer() {
    if let Err(why) = peers::python() {
        return skipped(&why);
    }
    for mode in ["transceiver", "split"] {
        let carrier = Carrier::listen().run();
        let gateway = gateway(carrier.address);
        let accepted = customer_is_content(peers::python().unwrap(), "customer.py", &gateway, mode);
        let parts = parts(&carrier);
        assert_eq!(parts.len(), accepted - COUNT);
        let text: Vec<u8> = parts.iter().flat_map(|part| part[6..].to_vec()).collect();
        assert!(text.starts_with(b"A long message is split by the library"), "{text:?}");
    }
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn npm_smpp_as_customer() {
    if let Err(why) = peers::node() {
        return skipped(&why);
    }
    for mode in ["transceiver", "split"] {
        let carrier = Carrier::listen().run();
        let gateway = gateway(carrier.address);
        let accepted = customer_is_content(peers::node().unwrap(), "customer.js", &gateway, mode);
        assert_eq!(accepted, COUNT + 4);
        let parts = parts(&carrier);
        assert_eq!(
            parts.iter().map(|part| part[..6].to_vec()).collect::<Vec<_>>(),
            [[5, 0, 3, 0xAA, 2, 1], [5, 0, 3, 0xAA, 2, 2]]
        );
        assert!(parts[0].ends_with(b"part 1") && parts[1].ends_with(b"part 2"), "{parts:?}");
    }
}

/// npm's smpp as the carrier, ended with the test.
struct NodeCarrier {
    child: Child,
    address: SocketAddr,
}

impl NodeCarrier {
    fn start(mut program: Command) -> Self {
        let mut child = program.arg(script("carrier.js")).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap())) }
    }
}

impl Drop for NodeCarrier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn npm_smpp_as_carrier_and_both_libraries_as_its_customers() {
    let carrier = match peers::node() {
        Ok(program) => NodeCarrier::start(program),
        Err(why) => return skipped(&why),
    };
    let mut gateway = gateway(carrier.address);
    for mode in ["transceiver", "split"] {
        customer_is_content(peers::node().unwrap(), "customer.js", &gateway, mode);
        match peers::python() {
            Ok(program) => drop(customer_is_content(program, "customer.py", &gateway, mode)),
            Err(why) => skipped(&why),
        }
    }
    // Their carrier understands our goodbye.
    gateway.signal(15);
    assert_eq!(gateway.exit_code(crate::peer::PATIENCE), 0, "{}", gateway.log());
}
