//! query_sm, cancel_sm and replace_sm through real sockets, against the simulated carrier.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::gateway::Gateway;
use crate::peer::{Pdu, Peer, ROK, with_receipt};
use crate::processes::Smsc;
use crate::receipts::id_of_receipt;

const RQUERYFAIL: u32 = 0x67;
const RCANCELFAIL: u32 = 0x11;
const RREPLACEFAIL: u32 = 0x13;
/// As `with_receipt` writes it.
const SOURCE: &[u8] = b"\x01\x011000\0";

fn stage(smsc_flags: &[&str], account: &str) -> (Gateway, Smsc, Peer) {
    let smsc = Smsc::start(smsc_flags);
    let gateway = Gateway::start(&format!(
        r#"
accounts:
  acme: {{ password: secret, shard: 1, {account} }}
  other: {{ password: secret, shard: 0 }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0, message_id: {{ response: hex, receipt: decimal }}, profile: asking }}
profiles:
  asking:
    operations: {{ query: pass, cancel: pass, replace: pass }}
    submits: {{ destination: {{ format: plus }} }}
routes: [{{ to: north }}]
"#,
        smsc.address
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound == 1.0);
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    (gateway, smsc, acme)
}

fn ask(peer: &mut Peer, command: CommandId, body: &[&[u8]]) -> Pdu {
    let sequence = peer.request(command, &body.concat());
    let answer = peer.expect(command.response());
    assert_eq!(answer.sequence, sequence);
    answer
}

fn query(peer: &mut Peer, id: &str) -> Pdu {
    ask(peer, CommandId::QUERY_SM, &[id.as_bytes(), b"\0", SOURCE])
}

fn cancel(peer: &mut Peer, id: &str) -> u32 {
    ask(peer, CommandId::CANCEL_SM, &[b"\0", id.as_bytes(), b"\0", SOURCE, b"\0\0\0"]).status
}

fn replace(peer: &mut Peer, id: &str) -> u32 {
    ask(peer, CommandId::REPLACE_SM, &[id.as_bytes(), b"\0", SOURCE, b"\0\0\x01\0\x05other"]).status
}

/// The number of a message_state, behind our id and a date that is there when the state is final.
fn state(answer: &Pdu, id: &str) -> u8 {
    let rest = answer.body.strip_prefix(format!("{id}\0").as_bytes()).expect("our id");
    let date = rest.iter().position(|octet| *octet == 0).expect("a final_date");
    let [state, _error] = rest[date + 1..] else { panic!("{answer:?}") };
    assert_eq!(date, if state == 1 { 0 } else { 16 }, "{answer:?}");
    state
}

const HEX_THEN_DECIMAL: [&str; 6] =
    ["--id-format", "hex:8", "--receipt-id-format", "counter-decimal", "--remember", "100"];

#[test]
fn a_carrier_is_asked_about_what_it_has_and_nobody_about_what_another_sent() {
    let flags = [&HEX_THEN_DECIMAL[..], &["--receipts", "30s", "--id-start", "200"]].concat();
    let (gateway, _smsc, mut acme) = stage(&flags, "status: 24h");
    let id = acme.submit(&with_receipt("hello")).id();
    assert_eq!(state(&query(&mut acme, &id), &id), 1);
    let mut other = gateway.connect();
    assert_eq!(other.bind(BindMode::Transceiver, "other", "secret").status, ROK);
    for stranger in [&id, "7"] {
        assert_eq!(query(&mut other, stranger).status, RQUERYFAIL);
        assert_eq!((cancel(&mut other, stranger), replace(&mut other, stranger)), (RCANCELFAIL, RREPLACEFAIL));
    }
    assert_eq!(replace(&mut acme, &id), ROK);
    // The receipt may come before the answer.
    acme.request(CommandId::CANCEL_SM, &[b"\0", id.as_bytes(), b"\0", SOURCE, b"\0\0\0"].concat());
    let (mut receipt, mut answer) = (None, None);
    while receipt.is_none() || answer.is_none() {
        let pdu = acme.read().expect("a receipt and an answer");
        match pdu.command {
            CommandId::DELIVER_SM => {
                acme.answer(&pdu, ROK, b"\0");
                receipt = Some(pdu);
            }
            CommandId::CANCEL_SM_RESP => answer = Some(pdu),
            other => panic!("{other:?}"),
        }
    }
    let receipt = receipt.unwrap();
    assert_eq!((id_of_receipt(&receipt), answer.unwrap().status), (id.clone(), ROK));
    assert!(receipt.body.windows(12).any(|window| window == b"stat:DELETED"));
    assert_eq!(state(&query(&mut acme, &id), &id), 4);
    assert_eq!((cancel(&mut acme, &id), replace(&mut acme, &id)), (RCANCELFAIL, RREPLACEFAIL));
    gateway.wait_for_metric("trunkline_operations_passed_total{account=\"acme\"}", |passed| passed == 3.0);
    gateway.wait_for_metric("trunkline_operations_total{account=\"acme\",status=\"query_ok\"}", |ok| ok == 2.0);
    gateway.wait_for_metric("trunkline_states{account=\"acme\"}", |states| states == 1.0);
}

#[test]
fn the_state_of_a_message_outlives_the_process() {
    let (mut gateway, _smsc, mut acme) = stage(&HEX_THEN_DECIMAL, "status: 24h, message_id: decimal");
    let id = acme.submit(&with_receipt("hello")).id();
    assert_eq!(id_of_receipt(&acme.receive()), id);
    assert_eq!(state(&query(&mut acme, &id), &id), 2);
    gateway.signal(9);
    gateway.restart();
    // As a receiver it might get the receipt again: its answer was on its way to the disk.
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transmitter, "acme", "secret").status, ROK);
    assert_eq!(state(&query(&mut acme, &id), &id), 2);
}

#[test]
fn without_states_nothing_is_known_and_nothing_is_asked() {
    let (gateway, _smsc, mut acme) = stage(&[&HEX_THEN_DECIMAL[..], &["--receipts", "30s"]].concat(), "window: 10");
    let id = acme.submit(&with_receipt("hello")).id();
    assert_eq!(query(&mut acme, &id).status, RQUERYFAIL);
    assert_eq!((cancel(&mut acme, &id), replace(&mut acme, &id)), (RCANCELFAIL, RREPLACEFAIL));
    gateway.wait_for_metric("trunkline_operations_passed_total{account=\"acme\"}", |passed| passed == 0.0);
    acme.request(CommandId::UNBIND, b"");
    acme.expect(CommandId::UNBIND_RESP);
}
