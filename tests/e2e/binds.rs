//! Before the bind, and at it: who is let in, what a stranger is answered, and when he is shown the door.

use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::peer::{PATIENCE, Pdu, Peer, ROK, bind_octets, plain};
use crate::world::World;

fn is_nacked_and_closed(peer: &mut Peer, octets: &[u8]) {
    peer.send(octets);
    peer.expect_answer(CommandId::GENERIC_NACK, 0x02, 0);
    peer.expect_close();
}

#[test]
fn a_length_below_a_header_ends_the_connection_with_a_nack_before_and_after_the_bind() {
    let mut world = World::new();
    is_nacked_and_closed(&mut world.connect(), &[0, 0, 0, 15]);
    is_nacked_and_closed(&mut world.connect(), &[0; 16]);
    is_nacked_and_closed(&mut world.acme(), &[0, 0, 0, 8, 0, 0, 0, 4]);
    world.is_well();
}

#[test]
fn before_the_bind_512_octets_are_the_limit_and_after_it_max_pdu() {
    let mut world = World::with("", "smpp: { LISTEN, max_pdu: 2KiB }");
    is_nacked_and_closed(&mut world.connect(), &513_u32.to_be_bytes());
    let mut acme = world.acme();
    let text = [b'x'; 254];
    let big = crate::peer::body("1000", "4915", &text, |message| message.tlvs = &[(0x1400, &[7; 900])]);
    assert_eq!(acme.submit(&big).status, ROK);
    is_nacked_and_closed(&mut acme, &2049_u32.to_be_bytes());
    is_nacked_and_closed(&mut world.acme(), &0x7FFF_FFFF_u32.to_be_bytes());
    world.is_well();
}

#[test]
fn a_greeting_of_another_protocol_is_closed_without_a_word() {
    let mut world = World::new();
    let greetings: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"AMQP\x00\x00\x09\x01",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    ];
    for greeting in greetings {
        let mut stranger = world.connect();
        stranger.send(greeting);
        stranger.expect_close();
    }
    world.is_well();
}

#[test]
fn who_does_not_bind_in_time_is_closed_and_enquire_links_do_not_help() {
    let mut world = World::with("", "smpp: { LISTEN, session_init: 1s }");
    let started = Instant::now();
    let (mut silent, mut busy) = (world.connect(), world.connect());
    busy.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while started.elapsed() < Duration::from_millis(700) {
        busy.expect_quiet();
    }
    silent.expect_close();
    busy.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    busy.expect_close();
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(5), "{waited:?}");
    world.is_well();
}

#[test]
fn any_other_request_before_the_bind_is_refused_and_the_connection_closed() {
    let mut world = World::new();
    for (command, answer) in [
        (CommandId::SUBMIT_SM, CommandId::SUBMIT_SM_RESP),
        (CommandId::DELIVER_SM, CommandId::DELIVER_SM_RESP),
        (CommandId::DATA_SM, CommandId::DATA_SM_RESP),
        (CommandId::UNBIND, CommandId::UNBIND_RESP),
        (CommandId(0x0000_7777), CommandId::GENERIC_NACK),
    ] {
        let mut stranger = world.connect();
        stranger.send_pdu(&Pdu::new(command, ROK, 77, &plain("too early")));
        stranger.expect_answer(answer, 0x04, 77);
        stranger.expect_close();
    }
    world.is_well();
}

#[test]
fn a_wrong_password_and_an_unknown_name_look_the_same_and_are_answered_late() {
    let mut world = World::new();
    let mut answers = Vec::new();
    for (system_id, password) in [("acme", "wrong"), ("nobody", "secret"), ("acme", ""), ("", "")] {
        for mode in [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver] {
            let mut stranger = world.connect();
            let started = Instant::now();
            stranger.send(&bind_octets(mode, system_id, password, 5));
            answers.push((stranger, mode, started));
        }
    }
    for (mut stranger, mode, started) in answers {
        let answer = stranger.expect_answer(mode.command().response(), 0x0E, 5);
        assert!(answer.body.is_empty(), "{answer:x?}");
        assert!(started.elapsed() >= Duration::from_millis(500));
        stranger.expect_close();
        assert!(started.elapsed() < Duration::from_secs(4));
    }
    world.is_well();
}

#[test]
fn a_bind_that_the_account_may_not_make_fails_at_once() {
    let accounts = r#"
  disabled: { password: secret, enabled: false }
  elsewhere: { password: secret, allow_from: ["192.0.2.0/24"] }
  nowhere: { password: secret, allow_from: [] }
  sender: { password: secret, binds: [transmitter] }
  single: { password: secret, max_binds: 1, shard: 1 }"#;
    let mut world = World::with_accounts("", accounts, "");
    let fails = |mode: BindMode, system_id: &str| {
        let mut stranger = world.connect();
        let answer = stranger.bind(mode, system_id, "secret");
        assert_eq!((answer.status, answer.body.len()), (0x0D, 0), "{system_id}");
        stranger.expect_close();
    };
    for system_id in ["disabled", "elsewhere", "nowhere", "sender"] {
        fails(BindMode::Transceiver, system_id);
    }
    fails(BindMode::Receiver, "sender");
    let mut sender = world.connect();
    assert_eq!(sender.bind(BindMode::Transmitter, "sender", "secret").status, ROK);
    let mut single = world.connect();
    assert_eq!(single.bind(BindMode::Transceiver, "single", "secret").status, ROK);
    fails(BindMode::Transceiver, "single");
    single.expect_quiet();
    world.is_well();
}

#[test]
fn a_freed_bind_can_be_taken_again() {
    let mut world = World::with("max_binds: 1", "");
    for _ in 0..3 {
        let mut acme = world.acme();
        let sequence = acme.request(CommandId::UNBIND, b"");
        acme.expect_answer(CommandId::UNBIND_RESP, ROK, sequence);
        acme.expect_close();
    }
    world.is_well();
}

#[test]
fn bind_resp_names_the_gateway_and_tells_its_version_to_those_who_know_versions() {
    let mut world = World::with("", "smpp: { LISTEN, system_id: hub }");
    let mut modern = world.connect();
    let answer = modern.bind(BindMode::Transmitter, "acme", "secret");
    assert_eq!(answer.body, b"hub\0\x02\x10\x00\x01\x34");
    let mut old = world.connect();
    let mut octets = bind_octets(BindMode::Transmitter, "acme", "secret", 3);
    let version_at = octets.len() - 4;
    assert_eq!(octets[version_at], 0x34);
    octets[version_at] = 0x33;
    old.send(&octets);
    assert_eq!(old.expect_answer(CommandId::BIND_TRANSMITTER_RESP, ROK, 3).body, b"hub\0");
    world.is_well();
}
