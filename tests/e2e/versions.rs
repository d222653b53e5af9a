//! SMPP 3.3, 3.4 and 5.0 through real sockets: what each is told, alerts that are passed, and an ESME that is called.

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::congestion::congestion_state;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::{SmView, tag};

use crate::carrier::{Carrier, receipt, resp};
use crate::peer::{Pdu, Peer, ROK, bind_octets, body, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::{Scripted, World};

const ALERT: &[u8] = b"\x01\x014915100000001\0\x03\x0012345\0\x04\x22\0\x01\0";

fn says(link: &mut Peer, command: CommandId, sequence: u32, body: &[u8]) {
    link.send_pdu(&Pdu::new(command, ROK, sequence, body));
}

#[test]
fn a_bind_is_answered_with_the_version_it_speaks() {
    let world = World::new();
    let version: [(u8, &[u8]); 6] = [
        (0x00, b""),
        (0x33, b""),
        (0x34, b"\x02\x10\0\x01\x34"),
        (0x4F, b"\x02\x10\0\x01\x34"),
        (0x50, b"\x02\x10\0\x01\x50"),
        (0xFF, b"\x02\x10\0\x01\x50"),
    ];
    for (said, tlv) in version {
        for mode in [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver] {
            let mut acme = world.connect();
            let told = acme.bind_as(said, mode, "acme", "secret");
            assert_eq!(told, [&b"trunkline\0"[..], tlv].concat(), "{said:#x} {mode:?}");
            acme.request(CommandId::UNBIND, b"");
            acme.expect(CommandId::UNBIND_RESP);
            acme.expect_close();
        }
    }
}

#[test]
fn a_session_of_3_3_has_ids_of_eight_digits_and_reads_its_receipts_without_tlvs() {
    let mut stage = Scripted::with("message_id: decimal", "", "");
    stage.acme = stage.gateway.connect();
    stage.acme.bind_as(0x33, BindMode::Transceiver, "acme", "secret");
    let first = stage.accepted(&with_receipt("one"), "c1");
    assert!(first.len() == 8 && u32::from_str_radix(&first, 16).is_ok(), "{first}");
    says(stage.link(), CommandId::DELIVER_SM, 1, &receipt("c1", "DELIVRD"));
    let delivery = stage.acme.receive();
    assert_eq!((id_of_receipt(&delivery), SmView::deliver(&delivery.body).unwrap().optional.len()), (first, 0));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);

    // One of TLVs alone, and none is passed.
    let second = stage.accepted(&with_receipt("two"), "c2");
    let tlvs: [(u16, &[u8]); 3] =
        [(tag::RECEIPTED_MESSAGE_ID, b"c2\0"), (tag::MESSAGE_STATE, &[5]), (tag::NETWORK_ERROR_CODE, &[3, 0, 11])];
    let of_tlvs = body("4915100000001", "1000", b"", |message| (message.esm_class, message.tlvs) = (4, &tlvs));
    says(stage.link(), CommandId::DELIVER_SM, 2, &of_tlvs);
    let delivery = stage.acme.receive();
    let view = SmView::deliver(&delivery.body).unwrap();
    let text = String::from_utf8_lossy(view.short_message);
    assert!(text.starts_with(&format!("id:{second} sub:001 dlvrd:000 submit date:")), "{text}");
    assert!(text.contains(" stat:UNDELIV err:011 ") && view.optional.is_empty(), "{text}");
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 2);

    // What it sends is read as anybody's: many say 3.3 and mean 3.4.
    let dlt = body("1000", "4915100000001", b"", |message| {
        message.tlvs = &[(0x1400, b"dlt"), (tag::MESSAGE_PAYLOAD, b"text")];
    });
    let (sequence, submit) = stage.submit(&dlt);
    assert_eq!(submit.body, dlt);
    stage.link().send_pdu(&resp(&submit, "c3"));
    assert_eq!(stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).body.len(), 9);
}

#[test]
fn an_mo_in_a_payload_is_the_short_message_of_3_3_and_is_cut_when_it_is_too_long() {
    let mut stage = Scripted::with("", "", "mo: { to: acme }");
    stage.acme.request(CommandId::UNBIND, b"");
    stage.acme.expect(CommandId::UNBIND_RESP);
    stage.acme = stage.gateway.connect();
    stage.acme.bind_as(0x33, BindMode::Receiver, "acme", "secret");
    let text = [b'x'; 300];
    for (sequence, len, kept) in [(1, 200, 200), (2, 300, 254)] {
        let mo = body("4915100000001", "12345", b"", |message| {
            message.tlvs = if len == 200 { &[(tag::MESSAGE_PAYLOAD, &[b'x'; 200])] } else { &[] };
            message.text = if len == 200 { b"" } else { &text };
        });
        says(stage.link(), CommandId::DELIVER_SM, sequence, &mo);
        let delivery = stage.acme.receive();
        let view = SmView::deliver(&delivery.body).unwrap();
        assert_eq!((view.short_message, view.optional), (&text[..kept], &b""[..]));
        stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence);
    }
    stage.gateway.wait_for_metric("trunkline_deliveries_cut_total{account=\"acme\"}", |cut| cut == 1.0);
}

#[test]
fn a_session_of_5_0_is_told_how_congested_we_are_and_one_of_3_4_is_not() {
    let mut world = World::with("window: 10, rate: 1000, burst: 20", "");
    let (mut five, mut four) = (world.connect(), world.acme());
    five.bind_as(0x50, BindMode::Transmitter, "acme", "secret");
    let answer = five.submit(&plain("five"));
    let optional = &answer.body[answer.id().len() + 1..];
    assert!(congestion_state(optional).is_some_and(|state| state <= 20), "{optional:x?}");
    assert_eq!((answer.id().len(), optional.len()), (16, 5));
    let answer = four.submit(&plain("four"));
    assert_eq!(answer.body.len(), answer.id().len() + 1);
    // A refusal says enough by its status.
    five.refused(&body("1000", "33", b"no route", |_| {}), 0x0B);
    world.is_well();
}

#[test]
fn an_alert_goes_to_the_account_its_number_belongs_to_and_costs_nothing_when_it_belongs_to_none() {
    let accounts = "}\n  globex: { password: secret";
    let rules = r#"mo: [{ when: { destination: "12345" }, to: globex }, { when: { destination: "1*" }, to: acme }]"#;
    let mut stage = Scripted::with(accounts, "", rules);
    let mut globex = stage.gateway.connect();
    assert_eq!(globex.bind(BindMode::Receiver, "globex", "secret").status, ROK);
    says(stage.link(), CommandId::ALERT_NOTIFICATION, 1, ALERT);
    assert_eq!(globex.expect(CommandId::ALERT_NOTIFICATION).body, ALERT);
    says(stage.link(), CommandId::ALERT_NOTIFICATION, 2, b"\x01\x01491\0\x03\x00777\0");
    says(stage.link(), CommandId::ALERT_NOTIFICATION, 3, b"\x01\x01no end");
    stage.link().expect_quiet();
    globex.expect_quiet();
    stage.acme.expect_quiet();
    let gateway = &stage.gateway;
    gateway.wait_for_metric("trunkline_alerts_total{account=\"globex\"}", |count| count == 1.0);
    gateway.wait_for_metric("trunkline_carrier_alerts_unrouted_total{carrier=\"north\"}", |count| count == 1.0);
    // No customer has one to send.
    let sequence = globex.request(CommandId::ALERT_NOTIFICATION, ALERT);
    globex.expect_answer(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID.0, sequence);
}

#[test]
fn what_has_no_place_in_a_state_is_answered_as_the_specification_says() {
    let mut world = World::new();
    let mut receiver = world.acme_as(BindMode::Receiver);
    let of_transmitters = [
        CommandId::SUBMIT_SM,
        CommandId::SUBMIT_MULTI,
        CommandId::DATA_SM,
        CommandId::QUERY_SM,
        CommandId::CANCEL_SM,
        CommandId::REPLACE_SM,
    ];
    for command in of_transmitters {
        let sequence = receiver.request(command, b"");
        receiver.expect_answer(command.response(), CommandStatus::RINVBNDSTS.0, sequence);
        let mut unbound = world.connect();
        let sequence = unbound.request(command, b"");
        unbound.expect_answer(command.response(), CommandStatus::RINVBNDSTS.0, sequence);
        unbound.expect_close();
    }
    // broadcast_sm and its kin of 5.0, and an outbind, which a customer has nobody to send to.
    let mut five = world.connect();
    five.bind_as(0x50, BindMode::Transceiver, "acme", "secret");
    for command in [CommandId(0x111), CommandId(0x112), CommandId(0x113), CommandId::OUTBIND] {
        let sequence = five.request(command, b"us\0secret\0");
        five.expect_answer(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID.0, sequence);
    }
    five.expect_quiet();
    world.is_well();
}

#[test]
fn an_esme_that_is_not_there_is_called_and_brought_what_waits() {
    let esme = Carrier::listen();
    let outbind = format!("outbind: {{ connect: \"{}\", system_id: us, password: ours }}", esme.address());
    let mut stage = Scripted::with(&outbind, "", "");
    let ours = stage.accepted(&with_receipt("call me"), "c1");
    stage.acme.request(CommandId::UNBIND, b"");
    stage.acme.expect(CommandId::UNBIND_RESP);
    stage.acme.expect_close();
    says(stage.link(), CommandId::DELIVER_SM, 1, &receipt("c1", "DELIVRD"));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);

    let called = || {
        let mut called = Peer::over(esme.listener.accept().expect("nobody called").0);
        let outbind = called.expect(CommandId::OUTBIND);
        assert_eq!((outbind.status, outbind.body), (ROK, b"us\0ours\0".to_vec()));
        called
    };
    // A wrong password is answered as ever, and it is called again.
    let mut wrong = called();
    assert_eq!(wrong.bind(BindMode::Receiver, "acme", "wrong").status, CommandStatus::RINVPASWD.0);
    wrong.expect_close();
    let mut called = called();
    called.send(&bind_octets(BindMode::Receiver, "acme", "secret", 7));
    called.expect_answer(CommandId::BIND_RECEIVER_RESP, ROK, 7);
    assert_eq!(id_of_receipt(&called.receive()), ours);
    called.expect_quiet();
    let gateway = &stage.gateway;
    gateway.wait_for_metric("trunkline_outbinds_bound_total{account=\"acme\"}", |count| count == 1.0);
    gateway.wait_for_metric("trunkline_sessions_bound{account=\"acme\"}", |count| count == 1.0);
    gateway.wait_for_metric("trunkline_connections_unbound{shard=\"0\"}", |count| count == 0.0);
}

#[test]
fn submit_multi_and_data_sm_are_answered_in_the_version_of_their_session() {
    let world = World::new();
    let multi = b"\0\x01\x01100\0\x02\x01\x01\x014915100000001\0\x01\x01\x014915100000002\0\0\0\0\0\0\0\0\0\0\x02hi";
    let data = b"\0\x01\x01100\0\x01\x014915100000001\0\0\0\0\x04\x24\0\x02hi";
    for (version, id_len, is_told) in [(0x33, 8, false), (0x34, 16, false), (0x50, 16, true)] {
        let mut acme = world.connect();
        acme.bind_as(version, BindMode::Transmitter, "acme", "secret");
        for (command, body, behind_id) in
            [(CommandId::SUBMIT_MULTI, &multi[..], &[0][..]), (CommandId::DATA_SM, &data[..], &[][..])]
        {
            let sequence = acme.request(command, body);
            let answer = acme.expect_answer(command.response(), ROK, sequence);
            assert_eq!(answer.id().len(), id_len, "{command:x?}");
            let optional = answer.body[id_len + 1..].strip_prefix(behind_id).unwrap();
            assert_eq!(congestion_state(optional).is_some(), is_told, "{command:x?} in {version:#x}: {optional:x?}");
            assert_eq!(optional.is_empty(), !is_told);
        }
    }
}
