//! What a customer hears of a long message, as his account asks for it: a receipt of each part, of the last, or one for all; and how it
//! is written.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::view::{SmView, esm_class, tag};

use crate::carrier::{receipt, receipt_text};
use crate::peer::{Pdu, ROK, body, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::Scripted;

/// A part of three that asks for a receipt.
fn part(reference: u8, number: u8) -> Vec<u8> {
    let text = [&[5, 0, 3, reference, 3, number][..], b"hello"].concat();
    body("1000", "4915100000001", &text, |message| {
        (message.registered_delivery, message.esm_class) = (1, esm_class::UDHI);
    })
}

/// The ids of three parts, which the carrier calls by their reference and number.
fn submitted(stage: &mut Scripted, reference: u8) -> [String; 3] {
    [1, 2, 3].map(|number| stage.accepted(&part(reference, number), &format!("r{reference}n{number}")))
}

/// The carrier tells what became of one of them, and is acknowledged.
fn tell(stage: &mut Scripted, sequence: u32, id: &str, state: &str) {
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, sequence, &receipt(id, state)));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence);
}

fn text_of(delivery: &Pdu) -> String {
    String::from_utf8_lossy(SmView::deliver(&delivery.body).unwrap().short_message).into_owned()
}

#[test]
fn one_receipt_tells_of_all_parts_when_the_last_of_them_is_known() {
    let mut stage = Scripted::with("receipts: all", "", "");
    let ids = submitted(&mut stage, 1);
    tell(&mut stage, 1, "r1n3", "DELIVRD");
    tell(&mut stage, 2, "r1n1", "DELIVRD");
    stage.acme.expect_quiet();
    stage.gateway.wait_for_metric("trunkline_receipts_held{account=\"acme\"}", |held| held == 2.0);
    tell(&mut stage, 3, "r1n2", "EXPIRED");
    let told = stage.acme.receive();
    let counts = "sub:003 dlvrd:002 submit date:2601011200 done date:2601011201 stat:EXPIRED err:000 text:hello";
    assert_eq!(text_of(&told), format!("id:{} {counts}", ids[2]));
    let view = SmView::deliver(&told.body).unwrap();
    assert_eq!(view.tlv(tag::RECEIPTED_MESSAGE_ID), Some(&[ids[2].as_bytes(), b"\0"].concat()[..]));
    stage.gateway.wait_for_metric("trunkline_receipts_held{account=\"acme\"}", |held| held == 0.0);
    // A message of one part is told of as ever.
    let single = stage.accepted(&with_receipt("hi"), "s");
    tell(&mut stage, 4, "s", "DELIVRD");
    assert_eq!(id_of_receipt(&stage.acme.receive()), single);
    stage.acme.expect_quiet();
}

#[test]
fn the_last_parts_receipt_stands_for_its_message() {
    let mut stage = Scripted::with("receipts: last", "", "");
    let ids = submitted(&mut stage, 1);
    tell(&mut stage, 1, "r1n1", "EXPIRED");
    tell(&mut stage, 2, "r1n3", "DELIVRD");
    let expected = receipt_text(&ids[2], "DELIVRD");
    assert_eq!(text_of(&stage.acme.receive()), expected);
    tell(&mut stage, 3, "r1n2", "DELIVRD");
    stage.acme.expect_quiet();
}

#[test]
fn one_receipt_of_a_carrier_tells_of_every_part() {
    let profile = "profiles: { whole: { receipts: { per: message } } }";
    for (receipts, count) in [("each", 3), ("all", 1)] {
        let mut stage = Scripted::with(&format!("receipts: {receipts}"), "profile: whole", profile);
        let ids = submitted(&mut stage, 1);
        tell(&mut stage, 1, "r1n3", "DELIVRD");
        let mut told: Vec<_> = (0..count).map(|_| id_of_receipt(&stage.acme.receive())).collect();
        told.sort();
        let mut expected = ids[3 - count..].to_vec();
        expected.sort();
        assert_eq!(told, expected, "{receipts}");
        stage.acme.expect_quiet();
        stage.gateway.wait_for_metric("trunkline_correlations{carrier=\"north\"}", |live| live == 0.0);
    }
}

#[test]
fn a_receipt_is_written_anew_when_the_account_wants_the_standard_one() {
    let mut stage = Scripted::with("receipt_text: standard", "", "");
    let ours = stage.accepted(&with_receipt("hi"), "c1");
    let odd = body("4915100000001", "1000", b"Id:c1 Stat:undeliverable err: 0x2A done date:260101120155", |message| {
        (message.esm_class, message.data_coding) = (4, 3);
    });
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 1, &odd));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
    let told = stage.acme.receive();
    let text = text_of(&told);
    let (head, rest) = text.split_once(" submit date:").unwrap();
    assert_eq!(head, format!("id:{ours} sub:001 dlvrd:000"));
    assert_eq!(&rest[10..], " done date:2601011201 stat:UNDELIV err:042 text:");
    let view = SmView::deliver(&told.body).unwrap();
    assert_eq!((view.data_coding, view.tlv(tag::MESSAGE_STATE)), (0, Some(&[5][..])));
}
