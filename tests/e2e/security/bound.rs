//! Rows of the table on a bound session: nonsense, each piece with its own status.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use super::Stage;
use super::peers::is_audited;
use crate::carrier::receipt;
use crate::malformed::malformed;
use crate::peer::{Pdu, Peer, ROK, body, plain, with_receipt};

/// Malformed, misdirected and unknown PDUs that are borne with in a minute.
const BORNE: usize = 10;

/// Each body of these is refused with its status, and the session stays.
fn each_is_refused(stage: &Stage, cases: &[(&'static str, Vec<u8>, u32)]) {
    assert!(!cases.is_empty());
    for some in cases.chunks(BORNE) {
        let mut acme = stage.acme();
        for (what, body, status) in some {
            let sequence = acme.request(CommandId::SUBMIT_SM, body);
            let answer = acme.expect(CommandId::SUBMIT_SM_RESP);
            assert_eq!((answer.status, answer.sequence, answer.body.len()), (*status, sequence, 0), "{what}");
            stage.stays(&mut acme);
        }
    }
}

#[test]
fn a_submit_on_a_receiver_is_refused_and_the_session_stays() {
    let stage = Stage::new();
    let mut receiver = stage.bound(BindMode::Receiver, "acme");
    receiver.refused(&with_receipt("wrong direction"), 0x04);
    receiver.expect_quiet();
    stage.nobody_noticed();
}

#[test]
fn a_deliver_sm_from_a_customer_is_refused_in_kind_and_the_session_stays() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    let sequence = acme.request(CommandId::DELIVER_SM, &receipt("n1", "DELIVRD"));
    acme.expect_answer(CommandId::DELIVER_SM_RESP, 0x04, sequence);
    stage.stays(&mut acme);
    stage.nobody_noticed();
}

#[test]
fn receipt_bits_in_esm_class_are_refused_and_audited_and_the_session_stays() {
    let stage = Stage::new();
    let with = |bits: u8| body("1000", "4915", b"id:1 stat:DELIVRD", |message| message.esm_class = bits);
    let cases = [0x04, 0x20, 0x24, 0x44, 0x64].map(|bits| ("receipt bits", with(bits), 0x43));
    each_is_refused(&stage, &cases);
    let reached = stage.carrier.submits().iter().filter(|body| body.windows(5).any(|five| five == b"stat:")).count();
    assert_eq!(reached, 0, "a receipt went out");
    is_audited(&stage.gateway, "a submit marked as a receipt");
    stage.nobody_noticed();
}

#[test]
fn an_unknown_command_is_nacked_under_its_number_and_the_session_stays() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    for command in [0x0000_0000, 0x0000_0077, 0x0001_0200, 0x7FFF_FFFF] {
        let sequence = acme.request(CommandId(command), b"whatever");
        acme.expect_answer(CommandId::GENERIC_NACK, 0x03, sequence);
        stage.stays(&mut acme);
    }
    stage.nobody_noticed();
}

#[test]
fn a_field_that_cannot_be_read_has_its_specific_status_and_the_session_stays() {
    let stage = Stage::new();
    let mut cases = malformed();
    cases.retain(|(_, _, status)| *status < 0xC0 && *status != 0x43);
    each_is_refused(&stage, &cases);
    stage.nobody_noticed();
}

#[test]
fn a_bad_tlv_and_two_texts_have_their_status_and_the_session_stays() {
    let stage = Stage::new();
    let mut cases = malformed();
    cases.retain(|(_, _, status)| *status >= 0xC0);
    each_is_refused(&stage, &cases);
    stage.nobody_noticed();
}

#[test]
fn the_eleventh_piece_of_nonsense_in_a_minute_ends_the_session() {
    let stage = Stage::new();
    let kinds = [CommandId::SUBMIT_SM, CommandId(0x77), CommandId::DELIVER_SM];
    for kind in kinds {
        let mut acme = stage.acme();
        // A minute may begin in between, so the end comes with the eleventh in one minute or the other.
        let mut answered = 0;
        while answered <= 2 * BORNE + 2 {
            // The gateway may have closed already.
            let _ = std::io::Write::write_all(&mut acme.stream, &Pdu::new(kind, ROK, 1, b"\xFF").octets());
            let Some(answer) = acme.read() else { break };
            assert_ne!(answer.status, ROK);
            answered += 1;
        }
        assert!((BORNE + 1..=2 * BORNE + 1).contains(&answered), "{kind:?}: {answered} were answered");
    }
    stage.nobody_noticed();
}

#[test]
fn limits_routing_and_capacity_answers_never_end_the_session() {
    let stage = Stage::acme_with("rate: 1, burst: 1, senders: [\"1000\"]");
    let mut acme = stage.acme();
    let no_route = body("1000", "33", b"no route", |_| {});
    let no_sender = body("2000", "49", b"not my name", |_| {});
    for _ in 0..3 * BORNE {
        acme.refused(&no_route, 0x0B);
        acme.refused(&no_sender, 0x0A);
    }
    let throttled = (0..5 * BORNE).filter(|_| acme.submit(&plain("fast")).status == 0x58).count();
    assert!(throttled > BORNE);
    acme.expect_quiet();
    stage.nobody_noticed();
}

#[test]
fn a_query_cancel_or_replace_of_an_unknown_or_anothers_id_is_refused_the_same_and_the_session_stays() {
    let stage = Stage::with(&super::Settings {
        accounts: "\n  third: { password: secret, shard: 0 }",
        ..super::Settings::default()
    });
    let (mut acme, mut third) = (stage.acme(), stage.bound(BindMode::Transceiver, "third"));
    let anothers = third.submit(&plain("mine alone")).id();
    let address = b"\x01\x011000\0";
    for id in [anothers.as_str(), "0000000000000000", "ffffffffffffffff", "", "no id at all"] {
        let id = [id.as_bytes(), b"\0"].concat();
        let query = [&id[..], address].concat();
        let cancel = [b"\0", &id[..], address, b"\x01\x014915100000001\0"].concat();
        let replace = [&id[..], address, b"\0\0\0\0\x02hi"].concat();
        for (command, body, status) in [
            (CommandId::QUERY_SM, query, 0x67),
            (CommandId::CANCEL_SM, cancel, 0x11),
            (CommandId::REPLACE_SM, replace, 0x13),
        ] {
            let sequence = acme.request(command, &body);
            let answer = acme.expect(command.response());
            assert_eq!((answer.status, answer.sequence), (status, sequence), "{command:?} of {id:?}");
        }
    }
    stage.stays(&mut acme);
    stage.nobody_noticed();
}

/// So many that the hundred of a minute is over, whenever the minute began.
fn flood(peer: &mut Peer) {
    let one = |at: u32| Pdu::new(CommandId::DELIVER_SM_RESP, ROK, 5_000 + at, b"\0").octets();
    peer.send(&(0..202).flat_map(one).collect::<Vec<_>>());
}

#[test]
fn a_response_never_asked_for_is_ignored_and_a_hundred_in_a_minute_close() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    for command in [
        CommandId::DELIVER_SM_RESP,
        CommandId::ENQUIRE_LINK_RESP,
        CommandId::SUBMIT_SM_RESP,
        CommandId::UNBIND_RESP,
        CommandId::GENERIC_NACK,
        CommandId::DATA_SM_RESP,
    ] {
        for sequence in [0, 1, 4_711, 0x7FFF_FFFF, 0xFFFF_FFFF] {
            acme.send_pdu(&Pdu::new(command, ROK, sequence, b""));
        }
    }
    stage.stays(&mut acme);
    let mut flooder = stage.acme();
    flood(&mut flooder);
    flooder.expect_close();
    stage.stays(&mut acme);
    stage.nobody_noticed();
}

#[test]
fn sequence_numbers_of_any_kind_and_repeated_while_outstanding_are_each_answered() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    let numbers = [0, 1, 1, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0, 0];
    let submit = |sequence| Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("any number")).octets();
    acme.send(&numbers.into_iter().flat_map(submit).collect::<Vec<_>>());
    let mut ids = Vec::new();
    for sequence in numbers {
        ids.push(acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), numbers.len(), "each is a message of its own");
    stage.stays(&mut acme);
    stage.nobody_noticed();
}
