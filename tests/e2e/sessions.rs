//! What a bound customer may say, and what each thing he may not say is answered.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::receipt;
use crate::peer::{Pdu, ROK, bind_octets, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::World;

#[test]
fn a_second_bind_is_refused_and_the_third_of_them_ends_the_session() {
    let mut world = World::new();
    let mut acme = world.acme();
    for sequence in [11, 12] {
        acme.send(&bind_octets(BindMode::Transmitter, "acme", "secret", sequence));
        acme.expect_answer(CommandId::BIND_TRANSMITTER_RESP, 0x05, sequence);
        assert_eq!(acme.submit(&plain("still bound")).status, ROK);
    }
    acme.send(&bind_octets(BindMode::Transceiver, "acme", "secret", 13));
    acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, 0x05, 13);
    acme.expect_close();
    world.is_well();
}

#[test]
fn a_receiver_may_not_submit_and_a_transmitter_receives_nothing() {
    let mut world = World::new();
    let mut receiver = world.acme_as(BindMode::Receiver);
    let mut transmitter = world.acme_as(BindMode::Transmitter);
    receiver.refused(&with_receipt("wrong direction"), 0x04);
    let answer = transmitter.submit(&with_receipt("right direction"));
    assert_eq!(id_of_receipt(&receiver.receive()), answer.id());
    transmitter.expect_quiet();
    receiver.expect_quiet();
    world.is_well();
}

#[test]
fn what_only_a_carrier_may_send_is_refused_in_kind_and_the_session_stays() {
    let mut world = World::new();
    let mut acme = world.acme();
    let sequence = acme.request(CommandId::DELIVER_SM, &receipt("n1", "DELIVRD"));
    acme.expect_answer(CommandId::DELIVER_SM_RESP, 0x04, sequence);
    assert_eq!(acme.submit(&plain("goes on")).status, ROK);
    world.is_well();
}

#[test]
fn an_unknown_command_is_nacked_under_its_number_and_the_session_stays() {
    let mut world = World::new();
    let mut acme = world.acme();
    for command in [0x0000_0000, 0x0000_0077, 0x0001_0200, 0x7FFF_FFFF] {
        let sequence = acme.request(CommandId(command), b"whatever");
        acme.expect_answer(CommandId::GENERIC_NACK, 0x03, sequence);
    }
    assert_eq!(acme.submit(&plain("goes on")).status, ROK);
    world.is_well();
}

#[test]
fn answers_to_nothing_are_ignored_up_to_a_hundred_a_minute() {
    let mut world = World::new();
    let mut acme = world.acme();
    let responses = [
        CommandId::DELIVER_SM_RESP,
        CommandId::ENQUIRE_LINK_RESP,
        CommandId::SUBMIT_SM_RESP,
        CommandId::UNBIND_RESP,
        CommandId::GENERIC_NACK,
    ];
    for command in responses {
        acme.send_pdu(&Pdu::new(command, ROK, 4_711, b""));
    }
    acme.expect_quiet();
    let mut flooder = world.acme();
    let flood: Vec<_> =
        (0..202).flat_map(|at| Pdu::new(CommandId::DELIVER_SM_RESP, ROK, 5_000 + at, b"\0").octets()).collect();
    flooder.send(&flood);
    flooder.expect_close();
    assert_eq!(acme.submit(&plain("goes on")).status, ROK);
    world.is_well();
}

#[test]
fn submits_behind_an_unbind_are_not_taken() {
    let mut world = World::new();
    let mut acme = world.acme();
    let mut octets = Pdu::new(CommandId::UNBIND, ROK, 1, b"").octets();
    octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, 2, &plain("too late")).octets());
    acme.send(&octets);
    acme.expect_answer(CommandId::UNBIND_RESP, ROK, 1);
    acme.expect_close();
    assert!(!world.carrier.submits().contains(&plain("too late")));
    world.is_well();
}

#[test]
fn a_silent_customer_is_asked_and_one_who_does_not_answer_twice_is_closed() {
    let world = World::with("", "smpp: { LISTEN, enquire_link: 1s, response: 2s, inactivity: 30s }");
    let (mut lively, mut dead) = (world.acme(), world.acme());
    let first = lively.expect(CommandId::ENQUIRE_LINK);
    lively.answer(&first, ROK, b"");
    dead.expect(CommandId::ENQUIRE_LINK);
    dead.expect(CommandId::ENQUIRE_LINK);
    let second = lively.expect(CommandId::ENQUIRE_LINK);
    lively.answer(&second, ROK, b"");
    dead.expect_close();
    let third = lively.expect(CommandId::ENQUIRE_LINK);
    lively.answer(&third, ROK, b"");
    assert_eq!(lively.submit(&plain("alive")).status, ROK);
}
