//! submit_multi, and data_sm in both directions: one id for all destinations, an answer that says who was not reached, and receipts
//! that say which destination they tell of.

use std::collections::BTreeMap;
use std::fs;

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::multi::read_resp;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::{SmView, tag};

use crate::carrier::{Carrier, receipt_text, resp};
use crate::gateway::Gateway;
use crate::peer::{Pdu, Peer, ROK, body, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::{Scripted, World};

/// From "1000", of `registered_delivery` 1, to these destinations, each a whole dest_address, with `tail` behind its text.
fn multi(destinations: &[Vec<u8>], text: &[u8], tail: &[u8]) -> Vec<u8> {
    let head = [b"\0\x01\x011000\0", &[destinations.len() as u8][..]].concat();
    let fields = [b"\0\0\0\0\0\x01\0\0\0", &[text.len() as u8][..], text, tail].concat();
    [head, destinations.concat(), fields].concat()
}

fn sme(digits: &str) -> Vec<u8> {
    [b"\x01\x01\x01", digits.as_bytes(), b"\0"].concat()
}

fn list(name: &str) -> Vec<u8> {
    [b"\x02", name.as_bytes(), b"\0"].concat()
}

/// Submits and waits for the answer: the id, and who was not reached.
fn submit(acme: &mut Peer, body: &[u8]) -> (String, Vec<(String, u32)>) {
    let sequence = acme.request(CommandId::SUBMIT_MULTI, body);
    outcome(&acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, ROK, sequence))
}

fn outcome(answer: &Pdu) -> (String, Vec<(String, u32)>) {
    let (id, listed) = read_resp(&answer.body).expect("an answer with its body");
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (text(id), listed.iter().map(|(address, status)| (text(address.digits), status.0)).collect())
}

/// A receipt of this destination, whose address the carrier writes with this TON and NPI.
fn receipt_from(kind: &[u8; 2], digits: &str, id: &str) -> Vec<u8> {
    let text = receipt_text(id, "DELIVRD");
    let fields = [&b"\x04\0\0\0\0\0\0\0\0"[..], &[text.len() as u8], text.as_bytes()].concat();
    [b"\0", &kind[..], digits.as_bytes(), b"\0\x01\x011000\0", &fields].concat()
}

fn says(link: &mut Peer, sequence: u32, body: &[u8]) {
    link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, sequence, body));
}

#[test]
fn each_destination_is_sent_the_message_and_its_receipt_has_the_one_id_and_the_customers_address() {
    let mut stage = Scripted::new();
    let to = ["4915100000001", "4915100000002", "4915100000003"];
    let dlt = b"\x14\x00\0\x03dlt";
    let sequence = stage.acme.request(CommandId::SUBMIT_MULTI, &multi(&to.map(sme), b"hi", dlt));
    let submits: Vec<_> = to.iter().map(|_| stage.link().expect(CommandId::SUBMIT_SM)).collect();
    for (submit, digits) in submits.iter().zip(to) {
        let alone = body("1000", digits, b"hi", |message| {
            message.registered_delivery = 1;
            message.tlvs = &[(0x1400, b"dlt")];
        });
        assert_eq!(submit.body, alone);
    }
    // One's receipt comes before its answer, and nothing reaches the customer before the last answer has come.
    says(stage.link(), 50, &receipt_from(b"\0\0", "4915100000003", "m2"));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 50);
    for at in [2, 0] {
        let answer = resp(&submits[at], &format!("m{at}"));
        stage.link().send_pdu(&answer);
    }
    says(stage.link(), 51, &receipt_from(b"\x02\x01", "15100000001", "m0"));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 51);
    stage.acme.expect_quiet();
    stage.links[0].answer(&submits[1], 0x0B, b"");
    let (id, listed) = outcome(&stage.acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, ROK, sequence));
    assert_eq!((id.len(), listed), (16, vec![("4915100000002".to_owned(), 0x0B)]));
    let mut told = BTreeMap::new();
    for _ in 0..2 {
        let delivery = stage.acme.receive();
        let view = SmView::deliver(&delivery.body).unwrap();
        assert_eq!((view.source.ton, view.source.npi), (1, 1));
        told.insert(view.source.digits.to_vec(), id_of_receipt(&delivery));
    }
    let expected = [to[0], to[2]].map(|digits| (digits.as_bytes().to_vec(), id.clone()));
    assert_eq!(told, BTreeMap::from(expected));
    stage.acme.expect_quiet();
}

#[test]
fn one_pdu_reaches_255_destinations_and_the_customer_beside_notices_nothing() {
    let mut world = World::new();
    let mut acme = world.acme();
    let to: Vec<_> = (0..255).map(|at| format!("49152{at:08}")).collect();
    let destinations: Vec<_> = to.iter().map(|digits| sme(digits)).collect();
    let (id, listed) = submit(&mut acme, &multi(&destinations, &[b'x'; 160], b""));
    assert_eq!(listed, []);
    for _ in &to {
        assert_eq!(id_of_receipt(&acme.receive()), id);
    }
    let mut reached: Vec<_> = world.carrier.submits().iter().map(|body| destination(body)).collect();
    reached.retain(|digits| to.contains(digits));
    reached.sort();
    assert_eq!(reached, to);
    acme.expect_quiet();
    world.is_well();
}

fn destination(body: &[u8]) -> String {
    String::from_utf8_lossy(SmView::submit(body).unwrap().destination.digits).into_owned()
}

#[test]
fn each_malformed_part_has_its_status_and_the_session_goes_on() {
    let mut world = World::new();
    let mut acme = world.acme();
    let sound = || vec![sme("4915100000001"), sme("4915100000002")];
    let counted = |count: u8| {
        let mut body = multi(&sound(), b"hi", b"");
        body[b"\0\x01\x011000\0".len()] = count;
        body
    };
    let long = "1".repeat(21);
    let cases = [
        ("an empty body", Vec::new(), 0x15),
        ("source too long", [b"\0\x01\x01", long.as_bytes(), b"\0\x01"].concat(), 0x0A),
        ("no destinations", counted(0), 0x33),
        ("fewer destinations than it says", b"\0\x01\x011000\0\x02\x01\x01\x0149\0".to_vec(), 0x33),
        ("one more than there are", counted(3), 0x40),
        ("dest_flag 3", multi(&[b"\x03x\0".to_vec()], b"hi", b""), 0x40),
        ("a destination too long", multi(&[sme("49"), sme(&long)], b"hi", b""), 0x0B),
        ("a list without a name", multi(&[list("")], b"hi", b""), 0x34),
        ("a list's name too long", multi(&[list(&long)], b"hi", b""), 0x34),
        ("sm_length beyond the body", multi(&sound(), b"", b"")[..].split_last().unwrap().1.to_vec(), 0x01),
        ("a TLV past the end", multi(&sound(), b"hi", b"\x14\x00\0\x09x"), 0xC0),
        ("short_message and message_payload", multi(&sound(), b"hi", b"\x04\x24\0\x02ho"), 0xC1),
    ];
    for (at, (what, body, status)) in cases.into_iter().enumerate() {
        if at % 10 == 9 {
            // Ten a minute are borne with.
            acme = world.acme();
        }
        let sequence = acme.request(CommandId::SUBMIT_MULTI, &body);
        let answer = acme.expect(CommandId::SUBMIT_MULTI_RESP);
        assert_eq!((answer.status, answer.sequence, answer.body.len()), (status, sequence, 0), "{what}");
        assert_eq!(acme.submit(&plain("sound")).status, ROK, "after {what}");
    }
    let mut bits = multi(&sound(), b"id:1 stat:DELIVRD", b"");
    let esm_class = b"\0\x01\x011000\0\x01".len() + sound().concat().len();
    bits[esm_class] = 0x04;
    let sequence = acme.request(CommandId::SUBMIT_MULTI, &bits);
    acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, 0x43, sequence);
    let mut receiver = world.acme_as(BindMode::Receiver);
    for (command, body) in
        [(CommandId::SUBMIT_MULTI, multi(&sound(), b"hi", b"")), (CommandId::DATA_SM, data("49", b"x"))]
    {
        let sequence = receiver.request(command, &body);
        assert_eq!(receiver.expect_answer(command.response(), 0x04, sequence).body, b"");
    }
    world.is_well();
}

#[test]
fn who_may_not_be_reached_is_listed_and_costs_the_session_nothing() {
    let mut world = World::with("destinations: [\"49*\", \"33*\"], rate: 10, burst: 6", "");
    let mut acme = world.acme();
    let to = [sme("4915100000001"), list("friends"), sme("4815100000001"), sme("3315100000001"), sme("4915100000002")];
    let (id, listed) = submit(&mut acme, &multi(&to, b"hi", b""));
    let expected = [("friends", 0x44), ("4815100000001", 0x0B), ("3315100000001", 0x0B)];
    assert_eq!(listed, expected.map(|(digits, status)| (digits.to_owned(), status)));
    for _ in 0..2 {
        assert_eq!(id_of_receipt(&acme.receive()), id);
    }
    // Some are over the rate; then all are, and there is nothing to list.
    let many: Vec<_> = (0..10).map(|at| sme(&format!("491510000010{at}"))).collect();
    let (_, listed) = submit(&mut acme, &multi(&many, b"hi", b""));
    assert!((3..=6).contains(&listed.len()) && listed.iter().all(|(_, status)| *status == 0x58), "{listed:?}");
    for _ in 0..10 - listed.len() {
        acme.receive();
    }
    for _ in 0..20 {
        let sequence = acme.request(CommandId::SUBMIT_MULTI, &multi(&[list("a"), list("b")], b"hi", b""));
        assert_eq!(acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, 0x44, sequence).body, b"");
    }
    // For different reasons: the list is all there is.
    let sequence = acme.request(CommandId::SUBMIT_MULTI, &multi(&[list("a"), sme("48")], b"hi", b""));
    let answer = acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, CommandStatus::RSUBMITFAIL.0, sequence);
    assert_eq!(outcome(&answer), (String::new(), vec![("a".to_owned(), 0x44), ("48".to_owned(), 0x0B)]));
    acme.expect_quiet();
    world.is_well();
}

#[test]
fn receipts_come_under_the_one_id_after_a_kill_from_two_carriers() {
    let carriers = [Carrier::listen(), Carrier::listen()];
    let mut gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 1 }}
routes: [{{ when: {{ destination: "49*" }}, to: north }}, {{ to: south }}]
"#,
        carriers[0].address(),
        carriers[1].address()
    ));
    let (mut links, mut acme) = bound(&gateway, &carriers);
    let to = ["4915100000001", "4415100000001", "4915100000002"];
    let sequence = acme.request(CommandId::SUBMIT_MULTI, &multi(&to.map(sme), b"hi", b""));
    // Both carriers count alike.
    let counts = [2, 1];
    for (link, count) in links.iter_mut().zip(counts) {
        for at in 0..count {
            let submit = link.expect(CommandId::SUBMIT_SM);
            link.send_pdu(&resp(&submit, &format!("{at}")));
        }
    }
    let (id, listed) = outcome(&acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, ROK, sequence));
    assert_eq!(listed, []);
    gateway.signal(9);
    let (_, told, _) = crate::gateway::run(&["store", "inspect", gateway.directory.0.join("store").to_str().unwrap()]);
    assert!(told.contains("account acme: 3 correlations"), "{told}");
    let file = gateway.directory.0.join("trunkline.yaml");
    let moved = fs::read_to_string(&file).unwrap().replace("shard: 1", "shard: 9").replace("shard: 0", "shard: 1");
    gateway.directory.write("trunkline.yaml", &moved.replace("shard: 9", "shard: 0"));
    gateway.restart();
    (links, acme) = bound(&gateway, &carriers);
    for (link, digits, theirs) in [(1, to[1], "0"), (0, to[2], "1"), (0, to[0], "0")] {
        says(&mut links[link], 9, &receipt_from(b"\x01\x01", digits, theirs));
        let delivery = acme.receive();
        links[link].expect_answer(CommandId::DELIVER_SM_RESP, ROK, 9);
        let source = SmView::deliver(&delivery.body).unwrap().source.digits.to_vec();
        assert_eq!((id_of_receipt(&delivery), source), (id.clone(), digits.as_bytes().to_vec()));
    }
}

fn bound(gateway: &Gateway, carriers: &[Carrier; 2]) -> ([Peer; 2], Peer) {
    let mut links = [carriers[0].accept(), carriers[1].accept()];
    for link in &mut links {
        // Whoever answers an enquire_link has read the bind_resp before it.
        link.expect_quiet();
    }
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    (links, acme)
}

/// A data_sm from "1000" that asks for a receipt.
fn data(digits: &str, tlvs: &[u8]) -> Vec<u8> {
    [b"\0\x01\x011000\0\x01\x01", digits.as_bytes(), b"\0\0\x01\0", tlvs].concat()
}

#[test]
fn a_data_sm_is_sent_on_as_the_submit_it_stands_for_and_answered_as_one() {
    let mut stage = Scripted::new();
    let sar = b"\x02\x0C\0\x02\0\x07\x02\x0E\0\x01\x02\x02\x0F\0\x01\x01";
    let short = [&b"\x04\x24\0\x02hi"[..], sar].concat();
    let long = [&b"\x04\x24\x01\x2C"[..], &[b'x'; 300], sar].concat();
    for (tlvs, text) in [(&short, &b"hi"[..]), (&long, &[b'x'; 300]), (&Vec::new(), b"")] {
        let sequence = stage.acme.request(CommandId::DATA_SM, &data("4915100000001", tlvs));
        let submit = stage.link().expect(CommandId::SUBMIT_SM);
        let view = SmView::submit(&submit.body).unwrap();
        assert_eq!((view.source.digits, view.registered_delivery, view.text()), (&b"1000"[..], 1, text));
        assert_eq!(view.tlv(tag::SAR_MSG_REF_NUM).is_some(), !tlvs.is_empty());
        let theirs = format!("d{sequence}");
        stage.links[0].send_pdu(&resp(&submit, &theirs));
        let id = stage.acme.expect_answer(CommandId::DATA_SM_RESP, ROK, sequence).id();
        says(stage.link(), 5, &receipt_from(b"\x01\x01", "4915100000001", &theirs));
        assert_eq!(id_of_receipt(&stage.acme.receive()), id);
        stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 5);
    }
    let sequence = stage.acme.request(CommandId::DATA_SM, &data("4915100000001", b""));
    let submit = stage.link().expect(CommandId::SUBMIT_SM);
    stage.links[0].answer(&submit, 0x0B, b"");
    assert_eq!(stage.acme.expect_answer(CommandId::DATA_SM_RESP, 0x0B, sequence).body, b"");
    let refused = [
        (data("33", b""), 0x0B),
        (data(&"4".repeat(21), b""), 0x0B),
        (b"\0\x01\x011000\0".to_vec(), 0x0B),
        (data("4915100000001", b"\x04\x24\0\x09hi"), 0xC0),
        ([b"\0\x01\x011000\0\x01\x0149\0\x04\x01\0", &short[..]].concat(), 0x43),
    ];
    for (body, status) in refused {
        let sequence = stage.acme.request(CommandId::DATA_SM, &body);
        assert_eq!(stage.acme.expect_answer(CommandId::DATA_SM_RESP, status, sequence).body, b"");
    }
    stage.link().expect_quiet();
}

#[test]
fn what_is_delivered_as_data_sm_is_acknowledged_by_either_answer() {
    let mo = r#"mo: [{ when: { destination: "12345" }, to: acme }]"#;
    let mut stage = Scripted::with("deliver_as: data_sm", "", mo);
    for (theirs, answer) in [("a", CommandId::DATA_SM_RESP), ("b", CommandId::DELIVER_SM_RESP)] {
        let id = stage.accepted(&with_receipt("hi"), theirs);
        says(stage.link(), 7, &receipt_from(b"\x01\x01", "4915100000001", theirs));
        let delivery = stage.acme.expect(CommandId::DATA_SM);
        let text = receipt_text(&id, "DELIVRD");
        let head = b"\0\x01\x014915100000001\0\x01\x011000\0\x04\0\0";
        let payload = [&b"\x04\x24\0"[..], &[text.len() as u8], text.as_bytes()].concat();
        assert_eq!(delivery.body, [&head[..], &payload].concat());
        stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 7);
        stage.acme.send_pdu(&Pdu::new(answer, ROK, delivery.sequence, b"\0"));
    }
    let delivered = "trunkline_receipts_delivered_total{account=\"acme\"}";
    stage.gateway.wait_for_metric(delivered, |count| count == 2.0);
    says(stage.link(), 8, &body("4915100000001", "12345", b"hello", |message| message.tlvs = &[(0x1400, b"x")]));
    let delivery = stage.acme.expect(CommandId::DATA_SM);
    assert!(delivery.body.ends_with(b"\x04\x24\0\x05hello\x14\0\0\x01x"), "{delivery:?}");
    // Refused for now, it comes again.
    stage.acme.answer(&delivery, 0x64, b"");
    let again = stage.acme.expect(CommandId::DATA_SM);
    assert_eq!(again.body, delivery.body);
    stage.acme.answer(&again, ROK, b"\0");
    stage.gateway.wait_for_metric("trunkline_mo_delivered_total{account=\"acme\"}", |count| count == 1.0);
    stage.acme.expect_quiet();
}
