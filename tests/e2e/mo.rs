//! What carriers deliver besides plain receipts: data_sm, MO by keyword, MO nobody is named for, and PDUs that mean nothing here.

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::{SmView, tag};

use crate::carrier::{receipt_text, resp};
use crate::gateway::run;
use crate::peer::{Pdu, Peer, ROK, body, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::Scripted;

/// A data_sm's body, from the handset that `peer::plain` and its kin submit to.
fn data_sm(destination: &str, esm_class: u8, tlvs: &[(u16, &[u8])]) -> Vec<u8> {
    let mut octets = b"\0\x01\x014915100000001\0\x01\x01".to_vec();
    octets.extend_from_slice(destination.as_bytes());
    octets.extend_from_slice(&[0, esm_class, 0, 0]);
    for (tag, value) in tlvs {
        octets.extend_from_slice(&tag.to_be_bytes());
        octets.extend_from_slice(&(value.len() as u16).to_be_bytes());
        octets.extend_from_slice(value);
    }
    octets
}

fn says(link: &mut Peer, command: CommandId, sequence: u32, body: &[u8]) {
    link.send_pdu(&Pdu::new(command, ROK, sequence, body));
}

fn text(delivery: &Pdu) -> String {
    String::from_utf8_lossy(SmView::deliver(&delivery.body).unwrap().text()).into_owned()
}

fn mo(destination: &str, text: &str) -> Vec<u8> {
    body("4915100000001", destination, text.as_bytes(), |_| {})
}

#[test]
fn a_data_sm_brings_receipts_and_mo_and_is_answered_as_one() {
    let mut stage = Scripted::with("", "", r#"mo: [{ when: { destination: "12345" }, to: acme }]"#);
    let (data, answer) = (CommandId::DATA_SM, CommandId::DATA_SM_RESP);
    let ours = stage.accepted(&with_receipt("one"), "d1");
    says(
        stage.link(),
        data,
        1,
        &data_sm("1000", 4, &[(tag::MESSAGE_PAYLOAD, receipt_text("d1", "DELIVRD").as_bytes())]),
    );
    let delivery = stage.acme.receive();
    assert_eq!((id_of_receipt(&delivery), text(&delivery)), (ours.clone(), receipt_text(&ours, "DELIVRD")));
    assert_eq!(stage.link().expect_answer(answer, ROK, 1).body, b"\0");

    // One of TLVs alone, before the answer to its submit.
    let (sequence, submit) = stage.submit(&with_receipt("two"));
    let tlvs: [(u16, &[u8]); 2] = [(tag::RECEIPTED_MESSAGE_ID, b"d2\0"), (tag::MESSAGE_STATE, &[2])];
    says(stage.link(), data, 2, &data_sm("1000", 4, &tlvs));
    stage.link().expect_answer(answer, ROK, 2);
    stage.link().send_pdu(&resp(&submit, "d2"));
    let ours = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id();
    let delivery = stage.acme.receive();
    let view = SmView::deliver(&delivery.body).unwrap();
    assert_eq!(view.tlv(tag::RECEIPTED_MESSAGE_ID), Some(&[ours.as_bytes(), b"\0"].concat()[..]));

    let long = "x".repeat(1_000);
    for (sequence, said) in [(3, "hello"), (4, long.as_str())] {
        says(stage.link(), data, sequence, &data_sm("12345", 0, &[(tag::MESSAGE_PAYLOAD, said.as_bytes())]));
        assert_eq!(text(&stage.acme.receive()), said);
        stage.link().expect_answer(answer, ROK, sequence);
    }
    says(stage.link(), data, 5, b"\0\x01\x01no end");
    stage.link().expect_answer(answer, CommandStatus::RINVSRCADR.0, 5);
    stage.link().expect_quiet();
    stage.acme.expect_quiet();
}

#[test]
fn mo_go_by_their_first_word() {
    let rules = "mo:
  - { when: { keyword: [JOIN, \"win*\", СТОП] }, to: acme }
  - { when: { destination: \"777\" }, to: globex }
unrouted_mo: refuse";
    let accounts = "}\n  globex: { password: secret";
    let mut stage = Scripted::with(accounts, "", rules);
    let mut globex = stage.gateway.connect();
    assert_eq!(globex.bind(BindMode::Receiver, "globex", "secret").status, ROK);
    let wide: Vec<u8> = "Стоп!".replace('!', " !").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let in_ucs_2 = body("4915100000001", "1", &wide, |message| message.data_coding = 8);
    let bodies = [mo("777", "join now"), mo("1", " Winner"), in_ucs_2];
    for (sequence, body) in (1..).zip(&bodies) {
        says(stage.link(), CommandId::DELIVER_SM, sequence, body);
        assert_eq!(stage.acme.receive().body, *body);
        stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence);
    }
    says(stage.link(), CommandId::DELIVER_SM, 8, &mo("777", "joined"));
    assert_eq!(text(&globex.receive()), "joined");
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 8);
    says(stage.link(), CommandId::DELIVER_SM, 9, &mo("1", "joined"));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, CommandStatus::RX_R_APPN.0, 9);
    stage.acme.expect_quiet();
    globex.expect_quiet();
}

#[test]
fn an_mo_nobody_is_named_for_outlives_a_kill_and_waits_for_a_rule() {
    let mut stage = Scripted::with("", "", "mo: []");
    for sequence in 1..=3 {
        says(stage.link(), CommandId::DELIVER_SM, sequence, &mo("12345", &format!("mo {sequence}")));
        stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence);
    }
    stage.gateway.wait_for_metric("trunkline_carrier_mo_kept{carrier=\"north\"}", |kept| kept == 3.0);
    stage.restart_with(str::to_owned);
    stage.gateway.wait_for_metric("trunkline_carrier_mo_kept{carrier=\"north\"}", |kept| kept == 3.0);
    stage.restart_with(|yaml| yaml.replace("mo: []", "mo: { to: acme }"));
    stage.acme = stage.gateway.connect();
    assert_eq!(stage.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    let told: Vec<String> = (0..3).map(|_| text(&stage.acme.receive())).collect();
    assert_eq!(told, ["mo 1", "mo 2", "mo 3"]);
    stage.gateway.wait_for_metric("trunkline_carrier_mo_kept{carrier=\"north\"}", |kept| kept == 0.0);
    stage.acme.expect_quiet();
}

#[test]
fn inspect_counts_the_mo_that_are_kept() {
    let mut stage = Scripted::with("", "", "mo: []");
    says(stage.link(), CommandId::DELIVER_SM, 1, &mo("12345", "kept"));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
    stage.gateway.signal(9);
    stage.gateway.exit_code(crate::peer::PATIENCE);
    let store = stage.gateway.directory.0.join("store");
    let (code, told, _) = run(&["store", "inspect", store.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(told.contains("1 unrouted MO") && told.contains("carrier north: 0 correlations"), "{told}");
    let (_, told, _) = run(&["store", "inspect", "--json", store.to_str().unwrap()]);
    assert!(told.contains("\"unrouted_mo\": 1") || told.contains("\"unrouted_mo\":1"), "{told}");
}

#[test]
fn what_means_nothing_here_costs_a_link_nothing() {
    let mut stage = Scripted::new();
    says(stage.link(), CommandId::ALERT_NOTIFICATION, 1, b"\x01\x0149151\0\x01\x01us\0");
    says(stage.link(), CommandId::ALERT_NOTIFICATION, 0, b"");
    // Answers to what was never asked.
    for command in
        [CommandId::DELIVER_SM_RESP, CommandId::DATA_SM_RESP, CommandId(0x8000_0112), CommandId::SUBMIT_SM_RESP]
    {
        says(stage.link(), command, 77, b"x\0");
    }
    stage.link().expect_quiet();
    // Requests that no carrier should make, one of them a vendor's own: each is refused, however many.
    for (sequence, command) in
        (10..).zip([CommandId::SUBMIT_SM, CommandId::QUERY_SM, CommandId(0x0001_0200)].repeat(10))
    {
        says(stage.link(), command, sequence, b"\0");
        stage.link().expect_answer(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID.0, sequence);
    }
    let ours = stage.accepted(&with_receipt("still here"), "s1");
    says(stage.link(), CommandId::DELIVER_SM, SequenceNumber::FIRST.0, &crate::carrier::receipt("s1", "DELIVRD"));
    assert_eq!(id_of_receipt(&stage.acme.receive()), ours);
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
}
