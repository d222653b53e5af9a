//! Rows of the table before the bind: who may connect, framing, greetings of other protocols, time.

use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use super::peers::{is_nacked_and_closed, quiet, resident_kib};
use super::{Settings, Stage};
use crate::corpus::greetings;
use crate::peer::{PATIENCE, Pdu, ROK, bind_octets, plain};

fn over_the_cap(limits: &str, status: &str) {
    let stage = Stage::with(&Settings { more: &format!("limits: {{ {limits} }}"), ..Settings::default() });
    let strangers: Vec<_> = (0..3).map(|_| quiet(stage.connect())).collect();
    stage.connect().expect_close();
    let series = format!("trunkline_connections_refused_total{{shard=\"0\",status=\"{status}\"}}");
    stage.gateway.wait_for_metric(&series, |count| count == 1.0);
    strangers.into_iter().map(quiet).for_each(drop);
    stage.nobody_noticed();
}

#[test]
fn over_the_global_connection_cap_closes_without_an_answer() {
    over_the_cap("connections: 4", "total");
}

#[test]
fn over_the_per_address_cap_closes_without_an_answer() {
    over_the_cap("unbound_per_address: 3", "per_address");
}

#[test]
fn over_the_pre_bind_cap_closes_without_an_answer() {
    over_the_cap("unbound: 3", "unbound");
}

#[test]
fn an_address_in_no_allow_list_is_closed_at_accept_and_counted() {
    let lists = Settings {
        acme: "allow_from: [\"192.0.2.0/24\"]",
        other: "allow_from: [\"127.0.0.1/32\"]",
        ..Settings::default()
    };
    let stage = Stage::with(&lists);
    stage.connect_from(2).expect_close();
    let series = "trunkline_connections_refused_total{shard=\"0\",status=\"address\"}";
    stage.gateway.wait_for_metric(series, |count| count == 1.0);
    stage.nobody_noticed();
}

#[test]
fn a_command_length_below_16_is_nacked_and_closed() {
    let stage = Stage::new();
    for length in [0_u32, 1, 4, 15] {
        is_nacked_and_closed(&mut stage.connect(), &length.to_be_bytes());
        is_nacked_and_closed(&mut stage.acme(), &[&length.to_be_bytes()[..], &[0; 12]].concat());
    }
    stage.nobody_noticed();
}

#[test]
fn a_command_length_over_512_before_the_bind_is_nacked_and_closed() {
    let stage = Stage::new();
    for length in [513, 65_536, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF_u32] {
        is_nacked_and_closed(&mut stage.connect(), &length.to_be_bytes());
    }
    stage.nobody_noticed();
}

#[test]
fn greetings_of_known_protocols_are_closed_without_an_answer() {
    let stage = Stage::new();
    for (what, greeting) in greetings().into_iter().filter(|(what, _)| !what.starts_with('~')) {
        let mut stranger = stage.connect();
        stranger.send(&greeting);
        assert_eq!(stranger.read(), None, "{what}");
    }
    stage.nobody_noticed();
}

#[test]
fn greetings_of_other_protocols_are_nacked_and_closed() {
    let stage = Stage::new();
    for (_, greeting) in greetings().into_iter().filter(|(what, _)| what.starts_with('~')) {
        is_nacked_and_closed(&mut stage.connect(), &greeting);
    }
    stage.nobody_noticed();
}

#[test]
fn a_command_length_over_max_pdu_after_the_bind_is_nacked_and_closed() {
    let stage = Stage::with(&Settings { more: "smpp: { LISTEN, max_pdu: 2KiB }", ..Settings::default() });
    for length in [2_049, 0x7FFF_FFFF, 0xFFFF_FFFF_u32] {
        is_nacked_and_closed(&mut stage.acme(), &length.to_be_bytes());
    }
    stage.nobody_noticed();
}

#[test]
fn nothing_is_allocated_from_a_declared_length() {
    let stage = Stage::with(&Settings { acme: "max_binds: 250", ..Settings::default() });
    let mut sessions: Vec<_> = (0..200).map(|_| stage.acme()).collect();
    sessions.iter_mut().for_each(|session| stage.stays(session));
    let before = resident_kib(&stage.gateway);
    for session in &mut sessions {
        // All but the last octets of the largest PDU there may be.
        session.send(&65_536_u32.to_be_bytes());
        session.send(&Pdu::new(CommandId::SUBMIT_SM, ROK, 1, b"").octets()[4..]);
    }
    quiet(stage.connect());
    let after = resident_kib(&stage.gateway);
    // 200 times 64 KiB would be 12,800.
    assert!(after < before + 4_096, "{before} KiB before, {after} KiB after");
    stage.nobody_noticed();
}

#[test]
fn what_was_kept_of_a_long_pdu_is_not_kept_for_the_session_that_sent_it() {
    let stage = Stage::with(&Settings { acme: "max_binds: 250", ..Settings::default() });
    let mut sessions: Vec<_> = (0..200).map(|_| stage.acme()).collect();
    sessions.iter_mut().for_each(|session| stage.stays(session));
    let before = resident_kib(&stage.gateway);
    let long = Pdu::new(CommandId::ENQUIRE_LINK, ROK, 1, &[0; 60_000]).octets();
    for session in &mut sessions {
        // So that all but the last octet is there when the gateway looks: it answers what came before it.
        let (most, last) = long.split_at(long.len() - 1);
        session.send(&[&Pdu::new(CommandId::ENQUIRE_LINK, ROK, 2, b"").octets(), most].concat());
        session.expect_answer(CommandId::ENQUIRE_LINK_RESP, ROK, 2);
        quiet(stage.connect());
        session.send(last);
        session.expect_answer(CommandId::ENQUIRE_LINK_RESP, ROK, 1);
    }
    let after = resident_kib(&stage.gateway);
    // 200 times 60 KiB would be 12,000.
    assert!(after < before + 6_000, "{before} KiB before, {after} KiB after");
    stage.nobody_noticed();
}

#[test]
fn a_body_incomplete_for_ten_seconds_is_closed_without_an_answer() {
    let stage = Stage::with(&Settings { more: "smpp: { LISTEN, session_init: 60s }", ..Settings::default() });
    let started = Instant::now();
    let (mut acme, mut unbound) = (stage.acme(), stage.connect());
    let submit = Pdu::new(CommandId::SUBMIT_SM, ROK, 9, &plain("cut")).octets();
    acme.send(&submit[..30]);
    unbound.send(&bind_octets(BindMode::Transceiver, "acme", "secret", 1)[..17]);
    // Dripping in, one octet every two seconds, it is incomplete all the same.
    acme.stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    for octet in &submit[30..34] {
        assert!(std::io::Read::read(&mut acme.stream, &mut [0]).is_err(), "still open, and nothing to say");
        acme.send(&[*octet]);
    }
    acme.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    acme.expect_close();
    unbound.expect_close();
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
    stage.nobody_noticed();
}

#[test]
fn no_bind_within_session_init_is_closed_and_enquire_links_are_answered_but_do_not_extend_it() {
    let stage = Stage::with(&Settings { more: "smpp: { LISTEN, session_init: 1s }", ..Settings::default() });
    let started = Instant::now();
    let (mut silent, mut busy) = (stage.connect(), stage.connect());
    let mut answered = 0;
    // It asks until it is closed; what it asked last may find nobody.
    while std::io::Write::write_all(&mut busy.stream, &Pdu::new(CommandId::ENQUIRE_LINK, ROK, 7, b"").octets()).is_ok()
    {
        let Some(answer) = busy.read() else { break };
        assert_eq!((answer.command, answer.status), (CommandId::ENQUIRE_LINK_RESP, ROK));
        answered += 1;
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert!(answered > 0 && started.elapsed() < PATIENCE, "{answered} in {:?}", started.elapsed());
    silent.expect_close();
    assert!(started.elapsed() >= Duration::from_millis(900));
    stage.nobody_noticed();
}

#[test]
fn another_pdu_before_the_bind_is_answered_invalid_bind_status_and_closed() {
    let stage = Stage::new();
    for (command, answer) in [
        (CommandId::SUBMIT_SM, CommandId::SUBMIT_SM_RESP),
        (CommandId::SUBMIT_MULTI, CommandId(0x8000_0021)),
        (CommandId::DATA_SM, CommandId::DATA_SM_RESP),
        (CommandId::QUERY_SM, CommandId(0x8000_0003)),
        (CommandId::CANCEL_SM, CommandId(0x8000_0008)),
        (CommandId::REPLACE_SM, CommandId(0x8000_0007)),
        (CommandId::DELIVER_SM, CommandId::DELIVER_SM_RESP),
        (CommandId::UNBIND, CommandId::UNBIND_RESP),
        (CommandId(0x0000_7777), CommandId::GENERIC_NACK),
    ] {
        let mut stranger = stage.connect();
        stranger.send_pdu(&Pdu::new(command, ROK, 77, &plain("too early")));
        stranger.expect_answer(answer, 0x04, 77);
        stranger.expect_close();
    }
    stage.nobody_noticed();
}

#[test]
fn an_answer_to_nothing_before_the_bind_is_closed_without_one() {
    let stage = Stage::new();
    for command in [CommandId::GENERIC_NACK, CommandId::SUBMIT_SM_RESP, CommandId::BIND_TRANSCEIVER_RESP] {
        let mut stranger = stage.connect();
        stranger.send_pdu(&Pdu::new(command, ROK, 1, b"x\0"));
        stranger.expect_close();
    }
    stage.nobody_noticed();
}
