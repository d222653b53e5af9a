//! The malformed corpus through real sockets, before the bind and after it: each PDU has its documented answer, no connection panics, and
//! the good session beside notices nothing. `tests/malformed` holds the corpus and the judge, and sends all of it through the engine.

use std::io::Write;

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;

use super::{Settings, Stage};
use crate::corpus;
use crate::judge::Judge;
use crate::peer::{Pdu, Peer, ROK, bind_octets};

/// A request behind each PDU: when it is answered, that one has been.
const FENCE: u32 = 0x00AB_CDEF;

type Answer = (CommandId, CommandStatus, u32);

fn stage() -> Stage {
    // Nobody is asked anything or refused for his many binds meanwhile.
    let smpp = "smpp: { LISTEN, enquire_link: 10m, inactivity: 20m }";
    Stage::with(&Settings { acme: "max_binds: 1000", more: smpp, ..Settings::default() })
}

/// Sends one thing and a fence behind it; what was answered before the fence, and whether the connection ended instead.
fn ask(peer: &mut Peer, octets: &[u8]) -> (Vec<Answer>, bool) {
    let fence = Pdu::new(CommandId::ENQUIRE_LINK, ROK, FENCE, b"").octets();
    // It may be closed already, by what was sent before or by the first octets of this.
    let _ = peer.stream.write_all(&[octets, &fence].concat());
    let mut answers = Vec::new();
    while let Some(pdu) = peer.read() {
        match pdu.command {
            CommandId::ENQUIRE_LINK_RESP if pdu.sequence == FENCE => return (answers, false),
            CommandId::DELIVER_SM => peer.answer(&pdu, ROK, b"\0"),
            command => answers.push((command, CommandStatus(pdu.status), pdu.sequence)),
        }
    }
    (answers, true)
}

/// Every variant of every PDU that keeps its framing.
fn variants() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    corpus::sound().into_iter().flat_map(|(what, pdu)| {
        let all: Vec<_> = corpus::cut(&pdu).chain(corpus::changed(&pdu)).collect();
        all.into_iter().map(move |variant| (what, variant))
    })
}

#[test]
fn after_the_bind_every_pdu_cut_and_changed_at_every_octet_has_its_answer() {
    let stage = stage();
    let (mut acme, mut judge) = (stage.acme(), Judge::default());
    for (what, variant) in variants() {
        let (mut answers, is_closed) = ask(&mut acme, &variant);
        // What other shards or the carrier are asked for is answered when they have, perhaps behind the fence.
        if variant[4] & 0x80 == 0 && answers.is_empty() && !is_closed {
            let answer = std::iter::from_fn(|| acme.read()).find(|pdu| pdu.command != CommandId::DELIVER_SM).unwrap();
            answers.push((answer.command, CommandStatus(answer.status), answer.sequence));
        }
        judge.look(what, &variant, &answers, is_closed);
        if is_closed {
            judge = judge.of_next_session();
            acme = stage.acme();
        }
    }
    assert!(judge.seen.len() > 15, "{:x?}", judge.seen);
    stage.nobody_noticed();
}

#[test]
fn before_the_bind_every_pdu_cut_and_changed_at_every_octet_has_its_answer() {
    let stage = stage();
    let mut late = Vec::new();
    for (what, variant) in variants() {
        let command = CommandId(u32::from_be_bytes(variant[4..8].try_into().unwrap()));
        let mut stranger = stage.connect();
        if BindMode::from_command(command).is_some() {
            // A wrong password is answered late: all of them are waited for at once.
            stranger.send(&variant);
            late.push((what, variant, stranger));
            if late.len() == 100 {
                late.drain(..).for_each(is_bound_or_refused);
            }
            continue;
        }
        let (answers, is_closed) = ask(&mut stranger, &variant);
        let told = format!("{what}: {variant:02x?} was answered {answers:x?}");
        match command {
            CommandId::ENQUIRE_LINK => assert!(!is_closed && answers.len() == 1, "{told}"),
            command if command.is_response() => assert!(is_closed && answers.is_empty(), "{told}"),
            _ => assert!(is_closed && answers.len() == 1 && answers[0].1 == CommandStatus::RINVBNDSTS, "{told}"),
        }
    }
    late.into_iter().for_each(is_bound_or_refused);
    stage.nobody_noticed();
}

fn is_bound_or_refused((what, variant, mut stranger): (&'static str, Vec<u8>, Peer)) {
    let answer = stranger.read().unwrap_or_else(|| panic!("{what}: {variant:02x?} was closed"));
    let refusals = [0x01, 0x0D, 0x0E, 0x0F, 0x53];
    assert!(answer.status == ROK || refusals.contains(&answer.status), "{what}: {variant:02x?} {answer:x?}");
    if answer.status != ROK {
        stranger.expect_close();
    }
}

#[test]
fn a_command_length_that_lies_is_waited_for_or_nacked_and_ends_the_connection() {
    let stage = stage();
    let sound = corpus::sound();
    for (what, pdu) in sound.iter().filter(|(what, _)| ["submit_sm", "unbind", "deliver_sm_resp"].contains(what)) {
        for lie in corpus::lies(pdu) {
            for is_bound in [false, true] {
                let mut peer = stage.connect();
                let bind = bind_octets(BindMode::Transceiver, "acme", "secret", 1);
                if is_bound {
                    peer.send(&bind);
                    peer.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
                }
                let _ = peer.stream.write_all(&lie);
                let length = u32::from_be_bytes(lie[..4].try_into().unwrap());
                let is_foreign = length >> 16 == 0x0300;
                if length < 16 || length > if is_bound { 65_536 } else { 512 } {
                    // Receipts of what was sound come before it.
                    let told: Vec<_> = std::iter::from_fn(|| peer.read())
                        .filter(|pdu| pdu.command != CommandId::DELIVER_SM)
                        .map(|pdu| (pdu.command, pdu.status, pdu.sequence))
                        .collect();
                    let nack = [(CommandId::GENERIC_NACK, 0x02, 0)];
                    assert_eq!(told, nack[usize::from(is_foreign)..], "{what}, bound {is_bound}: {lie:02x?}");
                }
                peer.shutdown();
            }
        }
    }
    stage.nobody_noticed();
}

#[test]
fn greetings_after_the_bind_end_the_session() {
    let stage = stage();
    for (what, greeting) in corpus::greetings() {
        let mut acme = stage.acme();
        acme.send(&greeting);
        let answer = acme.read();
        assert_eq!(answer.is_some(), what.starts_with('~'), "{what}: {answer:x?}");
        if answer.is_some() {
            acme.expect_close();
        }
    }
    stage.nobody_noticed();
}

#[test]
fn every_pdu_cut_at_every_octet_and_closed_leaves_nothing_behind() {
    let stage = stage();
    for (_, pdu) in corpus::sound() {
        for cut in (1..pdu.len()).step_by(3) {
            let mut stranger = stage.connect();
            stranger.send(&pdu[..cut]);
            stranger.shutdown();
            let mut acme = stage.connect();
            let bind = bind_octets(BindMode::Transceiver, "acme", "secret", 1);
            acme.send(&[&bind[..], &pdu[..cut]].concat());
            acme.shutdown();
        }
    }
    stage.gateway.wait_for_metric("trunkline_connections{shard=\"0\"}", |count| count == 1.0);
    stage.nobody_noticed();
}
