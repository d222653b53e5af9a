//! What is relayed keeps every octet, there and back, but for the one id.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::resp;
use crate::peer::{Pdu, ROK, body};
use crate::world::{Scripted, World};

/// Submits with everything that a gateway that decodes and encodes would lose.
fn odd_submits() -> Vec<Vec<u8>> {
    let fields = |source: &[u8], esm_class: u8, registered: u8, coding: u8, text: &[u8], optional: &[u8]| {
        let mut body = b"WAP\0\x05\x00".to_vec();
        body.extend_from_slice(source);
        body.extend_from_slice(b"\0\x01\x014915100000001\0");
        body.extend_from_slice(&[esm_class, 0x7F, 3]);
        body.extend_from_slice(b"000001000000000R\x00991231120000000+\0");
        body.extend_from_slice(&[registered, 1, coding, 9, text.len() as u8]);
        [&body[..], text, optional].concat()
    };
    let all_octets: Vec<u8> = (0..=253).collect();
    vec![
        // A sender in Latin-1.
        fields(b"Caf\xE9 \xDCber", 0, 1, 3, b"gr\xFC\xDFe", b""),
        // data_coding reserved and vendor's; every octet as text.
        fields(b"ACME", 0, 1, 0xF7, &all_octets, b""),
        // Unknown and vendors' TLVs, one empty, a known one twice, in no order.
        fields(
            b"ACME",
            0,
            1,
            8,
            b"\0h\0i",
            b"\x14\x01\x00\x03abc\x13\x00\x00\x00\x02\x04\x00\x02\x00\x07\x02\x04\x00\x02\x00\x08\x00\x05\x00\x01\x01",
        ),
        // A part with a user data header, and SAR TLVs that say otherwise.
        fields(
            b"ACME",
            0x40,
            1,
            0,
            b"\x05\x00\x03\xAA\x02\x01part",
            b"\x02\x0C\x00\x02\x00\x01\x02\x0E\x00\x01\x02\x02\x0F\x00\x01\x01",
        ),
        // message_payload, and an sm_length of 0.
        fields(b"ACME", 0, 1, 0, b"", &[&b"\x04\x24\x01\x00"[..], &[b'p'; 256]].concat()),
        // Stray octets behind everything.
        fields(b"ACME", 0, 1, 0, b"hi", b"\0\0\0\0\0\0"),
        fields(b"ACME", 0, 1, 0, b"hi", b"\x01\x02\x03"),
        // registered_delivery and esm_class with bits nobody reads.
        fields(b"ACME", 0x82, 0xE1, 0, b"hi", b""),
    ]
}

#[test]
fn a_submit_reaches_the_carrier_octet_by_octet_on_either_placement() {
    for (acme_home, north_home) in [(0, 0), (1, 0), (0, 1)] {
        let mut stage = Scripted::at_homes(acme_home, north_home);
        for (at, body) in odd_submits().into_iter().enumerate() {
            let (sequence, submit) = stage.submit(&body);
            assert_eq!(submit.body, body, "submit {at}");
            assert_eq!(submit.status, ROK);
            stage.link().send_pdu(&resp(&submit, &format!("{at}")));
            stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
        }
    }
}

#[test]
fn a_receipt_keeps_every_octet_but_the_id_s() {
    let mut stage = Scripted::new();
    let id = stage.accepted(&body("1000", "4915100000001", b"hi", |message| message.registered_delivery = 1), "00A7");
    let odd = |id: &str| {
        let text = format!(
            "ID:{id} sub:1 dlvrd:0  submit date:260101 done date:2601011201 stat:undeliv err:0x2A Text:\u{1}gr"
        );
        let mut body = b"\0\x01\x014915100000001\0\x05\x00Caf\xE9\0\x44\x7F\x03\0\0\0\0\x11\x09".to_vec();
        body.push(text.len() as u8);
        body.extend_from_slice(text.as_bytes());
        body.extend_from_slice(b"\x14\x01\x00\x03abc\x04\x23\x00\x03\x03\x00\x2A\x00\x1E");
        body.extend_from_slice(&(id.len() as u16 + 1).to_be_bytes());
        body.extend_from_slice(id.as_bytes());
        body.extend_from_slice(b"\0\x04\x27\x00\x01\x05");
        body
    };
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 3, &odd("00A7")));
    let delivery = stage.acme.receive();
    assert_eq!(String::from_utf8_lossy(&delivery.body), String::from_utf8_lossy(&odd(&id)));
    assert_eq!(delivery.body, odd(&id));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 3);
}

#[test]
fn an_mo_message_goes_to_its_account_octet_by_octet_and_an_unrouted_one_is_kept() {
    let mut stage = Scripted::with("", "", r#"mo: [{ when: { destination: "12345" }, to: acme }]"#);
    let mo = |destination: &str| {
        let mut body = b"\0\x01\x01447700900001\0\x00\x01".to_vec();
        body.extend_from_slice(destination.as_bytes());
        body.extend_from_slice(
            b"\0\x40\x00\x00\0\0\0\0\xF5\x00\x0A\x05\x00\x03\xAA\x02\x01\xE9\xFF\0!\x14\x02\x00\x01z",
        );
        body
    };
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 0x7FFF_FFFF, &mo("12345")));
    assert_eq!(stage.acme.receive().body, mo("12345"));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 0x7FFF_FFFF);
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 9, &mo("54321")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 9);
    stage.gateway.wait_for_metric("trunkline_carrier_mo_kept{carrier=\"north\"}", |kept| kept == 1.0);
    stage.acme.expect_quiet();
}

#[test]
fn a_vendors_status_of_the_carrier_reaches_the_customer_as_it_is() {
    let mut stage = Scripted::new();
    for (status, with_body) in [(0x0B, false), (0x45, true), (0x400, false), (0x4FF, true), (0x1234_5678, false)] {
        let (sequence, submit) = stage.submit(&body("1000", "4915", b"hi", |_| {}));
        stage.link().answer(&submit, status, if with_body { b"ignored\0" } else { b"" });
        let answer = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, status, sequence);
        assert!(answer.body.is_empty(), "{answer:x?}");
    }
}

#[test]
fn ids_are_sixteen_hex_digits_or_decimal_and_never_repeat() {
    let mut world = World::with("message_id: decimal", "");
    let (mut acme, mut ids) = (world.acme_as(BindMode::Transmitter), Vec::new());
    for _ in 0..50 {
        let id = acme.submit(&crate::peer::plain("hi")).id();
        assert!(id.parse::<u64>().is_ok_and(|number| number < 1 << 63), "{id}");
        ids.push(id);
    }
    for _ in 0..50 {
        let id = world.other.submit(&crate::peer::plain("hi")).id();
        assert!(id.len() == 16 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit)), "{id}");
        ids.push(u64::from_str_radix(&id, 16).unwrap().to_string());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}
