//! Who is let in when the password is a hash, TLS is asked for, or strangers come in crowds.

use std::time::Duration;

use trunkline::engine::event::{Input, Notice};
use trunkline::engine::untold::Telling;
use trunkline::metrics::BindRefusal;
use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::habits::EsmeHabit;
use crate::node::In;
use crate::passwords::HASH;

const SECOND: u64 = 1_000_000_000;

fn once(mode: BindMode) -> EsmeHabit {
    EsmeHabit { reconnects: false, ..EsmeHabit::calm(mode) }
}

/// Both accounts have two passwords, one of them a hash; `a0` is at home on shard 0, `a1` on shard 1.
fn hashing(smpp: &str) -> Sim {
    let passwords = format!(", password: [secret, {{ argon2id: \"{HASH}\" }}]");
    gateway_with(smpp, &passwords, "", ONE)
}

/// One that dials with this password.
fn with_password(sim: &mut Sim, account: &str, password: &str, habit: EsmeHabit) -> usize {
    let esme = sim.esme(account, habit);
    sim.esmes[esme].password = password.to_owned();
    esme
}

fn answer(sim: &Sim, esme: usize) -> Option<(u64, CommandStatus)> {
    sim.esmes[esme].received.first().map(|(at, command, status)| {
        assert_eq!(*command, CommandId::BIND_TRANSCEIVER_RESP);
        (*at, *status)
    })
}

#[test]
fn what_comes_behind_a_bind_waits_while_its_password_is_compared_and_is_all_answered() {
    let mut sim = hashing("");
    sim.habit.cut = 900;
    for (account, password) in [("a0", "hashed"), ("a1", "hashed"), ("a0", "secret"), ("a1", "secret")] {
        let habit = EsmeHabit { pipelined: 30, ..EsmeHabit::calm(BindMode::Transceiver) };
        let esme = with_password(&mut sim, account, password, habit);
        sim.esmes[esme].verify_ms = Some((1_000, 1_000));
        let start = sim.now;
        sim.run_for(Duration::from_millis(900));
        assert_eq!(sim.esmes[esme].answers.len(), if password == "hashed" { 0 } else { 30 });
        sim.run_for(Duration::from_secs(1));
        let (bound_at, status) = answer(&sim, esme).unwrap();
        assert_eq!(status, CommandStatus::ROK);
        assert_eq!(bound_at - start > SECOND, password == "hashed");
        assert_eq!(sim.esmes[esme].answers.len(), 30);
        assert!(sim.esmes[esme].answers.values().all(|(status, _)| status.is_ok()));
    }
    sim.end();
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_answered_alike_whatever_the_account_has() {
    let mut sim = hashing("");
    let start = sim.now;
    let strangers: Vec<_> = ["a0", "a1", "nobody", ""]
        .iter()
        .map(|account| with_password(&mut sim, account, "wrong", once(BindMode::Transceiver)))
        .collect();
    sim.run_for(Duration::from_secs(2));
    for esme in strangers {
        let (at, status) = answer(&sim, esme).unwrap();
        assert_eq!(status, CommandStatus::RINVPASWD);
        assert!((SECOND / 2..SECOND * 11 / 10).contains(&(at - start)), "after {} ns", at - start);
        assert_eq!(sim.esmes[esme].ended_at.len(), 1);
    }
    let refused =
        |why: BindRefusal| sim.nodes.iter().map(|node| node.shard.counts.binds_refused[why as usize]).sum::<u64>();
    assert_eq!((refused(BindRefusal::Password), refused(BindRefusal::Account)), (2, 2));
}

#[test]
fn a_comparison_that_comes_to_nothing_is_given_up_and_told_as_no_fault_of_the_password() {
    let mut sim = hashing("response: 10s");
    let esme = with_password(&mut sim, "a0", "hashed", once(BindMode::Transceiver));
    sim.esmes[esme].verify_ms = None;
    let start = sim.now;
    sim.run_for(Duration::from_secs(11));
    let (at, status) = answer(&sim, esme).unwrap();
    assert_eq!(status, CommandStatus::RSYSERR);
    assert!((10 * SECOND..11 * SECOND).contains(&(at - start)));
    assert_eq!(sim.esmes[esme].ended_at.len(), 1);
}

#[test]
fn whoever_ends_while_the_password_is_compared_leaves_nothing() {
    let mut sim = hashing("");
    // With a reset or a close, drawn; before the comparison is done, and after it.
    for after_ms in [100, 600].repeat(6) {
        let esme = with_password(&mut sim, "a1", "hashed", once(BindMode::Transceiver));
        sim.esmes[esme].verify_ms = Some((500, 500));
        sim.run_for(Duration::from_millis(after_ms));
        assert_eq!(sim.esmes[esme].is_bound, after_ms > 500);
        sim.esme_aborts(esme);
        sim.run_for(Duration::from_secs(3));
        let shard = &mut sim.nodes[0].shard;
        shard.measure();
        assert_eq!((shard.counts.connections, shard.counts.unbound), (0, 0), "{after_ms} ms");
        let sessions = |node: &mut crate::node::Node| node.shard.accounts().map(|it| it.sessions.len()).sum::<usize>();
        assert_eq!(sim.nodes.iter_mut().map(sessions).sum::<usize>(), 0);
    }
}

#[test]
fn nobody_is_taken_in_whose_password_turns_out_right_during_a_drain() {
    let mut sim = hashing("");
    let esme = with_password(&mut sim, "a0", "hashed", once(BindMode::Transceiver));
    sim.esmes[esme].verify_ms = Some((500, 500));
    sim.run_for(Duration::from_millis(100));
    for shard in 0..2 {
        sim.give(shard, In::DrainCarriers);
    }
    sim.run_for(Duration::from_secs(1));
    assert_eq!(answer(&sim, esme).unwrap().1, CommandStatus::RSYSERR);
}

#[test]
fn tls_and_a_certificates_name_are_asked_for_after_the_password() {
    let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let tls = "tls: { certificate: c.pem, key: k.pem, client_ca: ca.pem }";
    for (account, over_tls, password, expected) in [
        ("", None, "secret", CommandStatus::ROK),
        ("", named(&[]), "secret", CommandStatus::ROK),
        (", tls: required", None, "secret", CommandStatus::RBINDFAIL),
        (", tls: required", None, "wrong", CommandStatus::RINVPASWD),
        (", tls: required", named(&[]), "secret", CommandStatus::ROK),
        (", client_certificate: [x.example]", None, "secret", CommandStatus::RBINDFAIL),
        (", client_certificate: [x.example]", named(&[]), "secret", CommandStatus::RBINDFAIL),
        (", client_certificate: [x.example]", named(&["y.example", "X.example"]), "secret", CommandStatus::ROK),
        (", client_certificate: [x.example]", named(&["*.example"]), "secret", CommandStatus::RBINDFAIL),
        (", client_certificate: [x.example]", named(&["x.example"]), "wrong", CommandStatus::RINVPASWD),
    ] {
        let mut sim = gateway_with(tls, account, "", ONE);
        let esme = with_password(&mut sim, "a1", password, once(BindMode::Transceiver));
        sim.esmes[esme].over_tls = over_tls.clone();
        sim.run_for(Duration::from_secs(2));
        assert_eq!(answer(&sim, esme).unwrap().1, expected, "{account} {over_tls:?} {password}");
    }
}

#[test]
fn a_flood_of_refused_binds_does_not_flood_the_log() {
    let mut sim = gateway("", "", ONE);
    for _ in 0..100 {
        with_password(&mut sim, "a0", "wrong", once(BindMode::Transceiver));
    }
    sim.run_for(Duration::from_secs(70));
    for shard in 0..2 {
        let unix_seconds = 1_800_000_000 + sim.now / SECOND;
        sim.handle(shard, Input::Clock { unix_seconds });
        sim.turn(shard);
    }
    let (mut told, mut untold) = (0, 0);
    for notice in sim.nodes.iter().flat_map(|node| &node.notices) {
        if let Notice::BindRefused { .. } = notice {
            told += 1;
        } else if let Notice::RefusedUntold { count } = notice {
            untold += count;
        }
    }
    assert_eq!((told, untold), (2 * u64::from(Telling::MOST), 60));
}
