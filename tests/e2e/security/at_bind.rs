//! Rows of the table at the bind: passwords, what an account allows, and who guesses.

use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use super::{Settings, Stage};
use crate::peer::{Peer, ROK, bind_octets};

const RBINDFAIL: u32 = 0x0D;
const RINVPASWD: u32 = 0x0E;

/// All are told so in a body-less bind_resp, and closed.
fn are_refused(binds: Vec<(Peer, BindMode)>, status: u32) {
    for (mut stranger, mode) in binds {
        let answer = stranger.expect_answer(mode.command().response(), status, 5);
        assert!(answer.body.is_empty(), "{answer:x?}");
        stranger.expect_close();
    }
}

fn try_bind(mut stranger: Peer, mode: BindMode, system_id: &str, password: &str) -> (Peer, BindMode) {
    stranger.send(&bind_octets(mode, system_id, password, 5));
    (stranger, mode)
}

const MODES: [BindMode; 3] = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver];

#[test]
fn a_wrong_system_id_or_password_is_answered_the_same_and_late_and_closed() {
    let stage = Stage::new();
    let started = Instant::now();
    let mut binds = Vec::new();
    for (system_id, password) in [("acme", "wrong"), ("nobody", "secret"), ("acme", ""), ("", "")] {
        binds.extend(MODES.map(|mode| try_bind(stage.connect(), mode, system_id, password)));
    }
    let (first, last) = (binds.remove(0), binds.pop().unwrap());
    are_refused(vec![first], RINVPASWD);
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
    are_refused(binds, RINVPASWD);
    are_refused(vec![last], RINVPASWD);
    stage.nobody_noticed();
}

#[test]
fn a_disabled_account_a_wrong_address_missing_tls_and_too_many_binds_fail_to_bind() {
    let accounts = r#"
  disabled: { password: secret, enabled: false }
  elsewhere: { password: secret, allow_from: ["192.0.2.0/24"] }
  nowhere: { password: secret, allow_from: [] }
  sender: { password: secret, binds: [transmitter] }
  private: { password: secret, tls: required }
  single: { password: secret, max_binds: 1, shard: 1 }"#;
    let stage = Stage::with(&Settings { accounts, ..Settings::default() });
    for system_id in ["disabled", "elsewhere", "nowhere", "private"] {
        are_refused(MODES.map(|mode| try_bind(stage.connect(), mode, system_id, "secret")).into(), RBINDFAIL);
    }
    are_refused(vec![try_bind(stage.connect(), BindMode::Receiver, "sender", "secret")], RBINDFAIL);
    let mut single = stage.bound(BindMode::Transceiver, "single");
    are_refused(vec![try_bind(stage.connect(), BindMode::Transceiver, "single", "secret")], RBINDFAIL);
    stage.stays(&mut single);
    stage.nobody_noticed();
}

#[test]
fn a_malformed_bind_is_answered_with_the_status_of_its_field_and_closed() {
    let stage = Stage::new();
    let name = [b'a'; 70];
    let cases: [(&[u8], u32); 6] = [
        (b"acme", 0x0F),
        (&name, 0x0F),
        (b"acme\0secret", 0x0E),
        (b"acme\0secret\0VMA", 0x53),
        (b"acme\0secret\0VMA\0\x34", 0x01),
        (b"acme\0secret\0VMA\0\x34\0\0nothing", 0x0D),
    ];
    for mode in MODES {
        for (body, status) in cases {
            let mut stranger = stage.connect();
            stranger.send_pdu(&crate::peer::Pdu::new(mode.command(), ROK, 5, body));
            stranger.expect_answer(mode.command().response(), status, 5);
            stranger.expect_close();
        }
    }
    stage.nobody_noticed();
}

#[test]
fn five_wrong_passwords_ban_the_pair_of_address_and_name_and_lock_nobody_else_out() {
    let stage = Stage::with(&Settings { more: "limits: { ban_exempt: [] }", ..Settings::default() });
    let wrong = (0..5).map(|_| try_bind(stage.connect_from(2), BindMode::Transceiver, "acme", "wrong"));
    are_refused(wrong.collect(), RINVPASWD);
    // Unchecked: the right password does not help, and nothing is waited for. The news of the ban has a way to go.
    let give_up = Instant::now() + crate::peer::PATIENCE;
    loop {
        let mut stranger = stage.connect_from(2);
        let status = stranger.bind(BindMode::Transceiver, "acme", "secret").status;
        if status == RBINDFAIL {
            stranger.expect_close();
            break;
        }
        assert!(Instant::now() < give_up, "never banned");
    }
    for mode in MODES {
        are_refused(vec![try_bind(stage.connect_from(2), mode, "acme", "secret")], RBINDFAIL);
    }
    // The account from elsewhere, and others from there, are not locked.
    let mut elsewhere = stage.connect_from(3);
    assert_eq!(elsewhere.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    let mut neighbour = stage.connect_from(2);
    assert_eq!(neighbour.bind(BindMode::Transmitter, "other", "beside").status, ROK);
    stage.stays(&mut elsewhere);
    stage.nobody_noticed();
}

#[test]
fn an_address_with_a_hundred_wrong_passwords_is_closed_at_accept() {
    let stage = Stage::with(&Settings { more: "limits: { ban_exempt: [] }", ..Settings::default() });
    let guess = |at: u32| try_bind(stage.connect_from(2), BindMode::Receiver, &format!("name{at}"), "guess");
    are_refused((0..100).map(guess).collect(), RINVPASWD);
    let series = "trunkline_connections_refused_total{shard=\"0\",status=\"banned\"}";
    let mut banned = stage.connect_from(2);
    banned.expect_close();
    stage.gateway.wait_for_metric(series, |count| count >= 1.0);
    stage.acme().expect_quiet();
    stage.nobody_noticed();
}

#[test]
fn an_exempt_address_is_never_banned() {
    let stage = Stage::new();
    for _ in 0..2 {
        let wrong = (0..60).map(|_| try_bind(stage.connect(), BindMode::Transceiver, "acme", "wrong"));
        are_refused(wrong.collect(), RINVPASWD);
    }
    stage.acme().expect_quiet();
    stage.nobody_noticed();
}

#[test]
fn a_bind_on_a_bound_session_is_refused_as_already_bound_and_the_third_closes() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    for (sequence, mode) in [(11, BindMode::Transmitter), (12, BindMode::Receiver)] {
        acme.send(&bind_octets(mode, "acme", "secret", sequence));
        acme.expect_answer(mode.command().response(), 0x05, sequence);
        stage.stays(&mut acme);
    }
    acme.send(&bind_octets(BindMode::Transceiver, "other", "beside", 13));
    acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, 0x05, 13);
    acme.expect_close();
    stage.nobody_noticed();
}
