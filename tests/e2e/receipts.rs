//! Delivery receipts: every one reaches the customer whose submit it is for, under the id he was told, however the carrier spells
//! and times it.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::{SmView, tag};

use crate::carrier::{Carrier, receipt, receipt_text, resp};
use crate::gateway::Gateway;
use crate::peer::{Pdu, Peer, ROK, body, plain, with_receipt};
use crate::world::{Scripted, World};

/// The id in a receipt's text.
pub fn id_of_receipt(delivery: &Pdu) -> String {
    let view = SmView::deliver(&delivery.body).unwrap();
    let text = String::from_utf8_lossy(view.text()).into_owned();
    let id = text.strip_prefix("id:").unwrap_or_else(|| panic!("no receipt: {text}"));
    id.split(' ').next().unwrap().to_owned()
}

fn deliver(link: &mut Peer, sequence: u32, body: &[u8]) {
    link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, sequence, body));
}

fn acknowledged(link: &mut Peer, sequence: u32) {
    assert_eq!(link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence).body, b"\0");
}

#[test]
fn ids_in_answers_are_the_ids_in_receipts_for_many_at_once() {
    let mut world = World::new();
    let mut acme = world.acme();
    let octets: Vec<_> =
        (1..=500).flat_map(|at| Pdu::new(CommandId::SUBMIT_SM, ROK, at, &with_receipt("hi")).octets()).collect();
    acme.send(&octets);
    let (mut told, mut receipts) = (Vec::new(), Vec::new());
    while told.len() < 500 || receipts.len() < 500 {
        let pdu = acme.read().expect("500 answers and 500 receipts");
        if pdu.command == CommandId::DELIVER_SM {
            acme.answer(&pdu, ROK, b"\0");
            let id = id_of_receipt(&pdu);
            assert!(told.contains(&id), "a receipt before its answer");
            receipts.push(id);
        } else {
            assert_eq!((pdu.command, pdu.status), (CommandId::SUBMIT_SM_RESP, ROK));
            told.push(pdu.id());
        }
    }
    told.sort();
    receipts.sort();
    told.dedup();
    assert_eq!((told.len(), &told), (500, &receipts));
    acme.expect_quiet();
    world.is_well();
}

#[test]
fn the_id_is_replaced_wherever_the_carrier_puts_it() {
    let mut stage = Scripted::new();
    let text = |id: &str| receipt_text(id, "DELIVRD").into_bytes();
    let nul = |id: &str| [id.as_bytes(), b"\0"].concat();
    for round in 0..5_u32 {
        let theirs = format!("c{round}");
        let ours = stage.accepted(&with_receipt("hi"), &theirs);
        let build = |id: &str| -> Vec<u8> {
            let (text, nul) = (text(id), nul(id));
            let state: (u16, &[u8]) = (tag::MESSAGE_STATE, &[2]);
            let (bare, ended) = ((tag::RECEIPTED_MESSAGE_ID, id.as_bytes()), (tag::RECEIPTED_MESSAGE_ID, &nul[..]));
            let payload = (tag::MESSAGE_PAYLOAD, &text[..]);
            let (short_message, tlvs): (&[u8], Vec<(u16, &[u8])>) = match round {
                0 => (&text, vec![]),
                1 => (b"", vec![payload]),
                2 => (&text, vec![ended, state]),
                3 => (&text, vec![state, bare]),
                _ => (b"", vec![ended, state]),
            };
            body("4915100000001", "1000", short_message, |message| (message.esm_class, message.tlvs) = (4, &tlvs))
        };
        deliver(stage.link(), round, &build(&theirs));
        assert_eq!(stage.acme.receive().body, build(&ours), "round {round}");
        acknowledged(stage.link(), round);
    }
}

#[test]
fn hex_answers_and_decimal_receipts_meet() {
    let mut stage = Scripted::with("", "message_id: { response: hex, receipt: decimal }", "");
    for (at, (answered, receipted)) in
        [("1F", "31"), ("000000ff", "0000000255"), ("DEADBEEF01", "956397711105"), ("a-b", "a-b")]
            .into_iter()
            .enumerate()
    {
        let ours = stage.accepted(&with_receipt("hi"), answered);
        deliver(stage.link(), at as u32, &receipt(receipted, "DELIVRD"));
        assert_eq!(id_of_receipt(&stage.acme.receive()), ours, "{answered} and {receipted}");
        acknowledged(stage.link(), at as u32);
    }
}

#[test]
fn a_receipt_before_its_answer_is_kept_and_delivered_behind_it() {
    let mut stage = Scripted::with("", "links: 2", "");
    for other_link in [false, true] {
        let sequence = stage.acme.request(CommandId::SUBMIT_SM, &with_receipt("early"));
        let at = stage.links.iter_mut().position(has_octets).unwrap();
        let submit = stage.links[at].expect(CommandId::SUBMIT_SM);
        let receiving = if other_link { 1 - at } else { at };
        deliver(&mut stage.links[receiving], 1, &receipt("e7", "DELIVRD"));
        acknowledged(&mut stage.links[receiving], 1);
        stage.acme.expect_quiet();
        stage.links[at].send_pdu(&resp(&submit, "e7"));
        let answer = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
        assert_eq!(id_of_receipt(&stage.acme.receive()), answer.id());
        stage.acme.expect_quiet();
    }
}

/// Waits until one of two links has something; true for the one that has.
fn has_octets(link: &mut Peer) -> bool {
    link.stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let has = link.stream.peek(&mut [0]).is_ok_and(|count| count > 0);
    link.stream.set_read_timeout(Some(crate::peer::PATIENCE)).unwrap();
    has
}

#[test]
fn a_receipt_nobody_waits_for_is_acknowledged_and_dropped() {
    let mut stage = Scripted::new();
    deliver(stage.link(), 1, &receipt("never-heard-of", "DELIVRD"));
    acknowledged(stage.link(), 1);
    let (sequence, submit) = stage.submit(&plain("no receipt asked for"));
    stage.link().send_pdu(&resp(&submit, "u1"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    deliver(stage.link(), 2, &receipt("u1", "DELIVRD"));
    acknowledged(stage.link(), 2);
    stage.acme.expect_quiet();
}

#[test]
fn intermediate_receipts_come_before_the_final_one_and_after_it_the_id_is_unknown() {
    let mut stage = Scripted::new();
    let ours = stage.accepted(&with_receipt("hi"), "s1");
    for (at, stat) in ["ENROUTE", "ACCEPTD", "DELIVRD"].into_iter().enumerate() {
        deliver(stage.link(), at as u32, &receipt("s1", stat));
        let delivery = stage.acme.receive();
        assert_eq!(delivery.body, receipt(&ours, stat));
        acknowledged(stage.link(), at as u32);
    }
    deliver(stage.link(), 9, &receipt("s1", "DELIVRD"));
    acknowledged(stage.link(), 9);
    stage.acme.expect_quiet();
}

#[test]
fn two_carriers_with_the_same_ids_and_two_accounts_are_never_mixed_up() {
    let (north, south) = (Carrier::listen(), Carrier::listen());
    let gateway = Gateway::start(&format!(
        r#"
accounts:
  acme: {{ password: secret, shard: 1 }}
  globex: {{ password: secret, shard: 0 }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 1 }}
routes:
  - {{ when: {{ destination: "49*" }}, to: north }}
  - to: south
"#,
        north.address(),
        south.address()
    ));
    let mut links = [north.accept(), south.accept()];
    links.iter_mut().for_each(Peer::expect_quiet);
    let mut esmes = ["acme", "globex"].map(|system_id| {
        let mut esme = gateway.connect();
        assert_eq!(esme.bind(BindMode::Transceiver, system_id, "secret").status, ROK);
        esme
    });
    let mut ours = Vec::new();
    for (esme, (link, destination)) in [(0, (0, "4915")), (1, (1, "3315"))] {
        let body = body("1000", destination, b"hi", |message| message.registered_delivery = 1);
        let sequence = esmes[esme].request(CommandId::SUBMIT_SM, &body);
        let submit = links[link].expect(CommandId::SUBMIT_SM);
        links[link].send_pdu(&resp(&submit, "777"));
        ours.push(esmes[esme].expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id());
    }
    assert_ne!(ours[0], ours[1]);
    for (esme, stat) in [(1, "UNDELIV"), (0, "DELIVRD")] {
        deliver(&mut links[esme], 5, &receipt("777", stat));
        assert_eq!(esmes[esme].receive().body, receipt(&ours[esme], stat));
        acknowledged(&mut links[esme], 5);
    }
    esmes.iter_mut().for_each(Peer::expect_quiet);
}

#[test]
fn a_customer_who_was_away_gets_its_receipts_when_it_is_back_in_order() {
    let mut stage = Scripted::new();
    let ours: Vec<_> = (0..20).map(|at| stage.accepted(&with_receipt("hi"), &format!("w{at}"))).collect();
    stage.acme.shutdown();
    stage.gateway.wait_for_metric("trunkline_sessions_bound{account=\"acme\"}", |count| count == 0.0);
    for at in 0..20 {
        deliver(stage.link(), at, &receipt(&format!("w{at}"), "DELIVRD"));
        acknowledged(stage.link(), at);
    }
    let mut transmitter = stage.gateway.connect();
    transmitter.bind(BindMode::Transmitter, "acme", "secret");
    transmitter.expect_quiet();
    let mut receiver = stage.gateway.connect();
    receiver.bind(BindMode::Receiver, "acme", "secret");
    for ours in &ours {
        assert_eq!(id_of_receipt(&receiver.receive()), *ours);
    }
    receiver.expect_quiet();
}

#[test]
fn what_a_session_did_not_acknowledge_goes_to_the_next_one() {
    let mut stage = Scripted::with("delivery_window: 2", "", "");
    let ours: Vec<_> = (0..5).map(|at| stage.accepted(&with_receipt("hi"), &format!("w{at}"))).collect();
    for at in 0..5 {
        deliver(stage.link(), at, &receipt(&format!("w{at}"), "DELIVRD"));
        acknowledged(stage.link(), at);
    }
    // The window is two: the other three wait.
    stage.acme.expect(CommandId::DELIVER_SM);
    stage.acme.expect(CommandId::DELIVER_SM);
    stage.acme.expect_quiet();
    stage.acme.shutdown();
    let mut again = stage.gateway.connect();
    again.bind(BindMode::Transceiver, "acme", "secret");
    for ours in &ours {
        assert_eq!(id_of_receipt(&again.receive()), *ours);
    }
    again.expect_quiet();
}

#[test]
fn a_receipt_refused_for_now_comes_again_and_one_refused_for_good_does_not() {
    let mut stage = Scripted::new();
    for (at, (status, comes_again)) in [(0x64, true), (0x45, false), (0x58, true)].into_iter().enumerate() {
        let theirs = format!("r{at}");
        let ours = stage.accepted(&with_receipt("hi"), &theirs);
        deliver(stage.link(), 1, &receipt(&theirs, "DELIVRD"));
        acknowledged(stage.link(), 1);
        let delivery = stage.acme.expect(CommandId::DELIVER_SM);
        stage.acme.answer(&delivery, status, b"");
        if comes_again {
            assert_eq!(id_of_receipt(&stage.acme.receive()), ours);
        }
        stage.acme.expect_quiet();
    }
}
