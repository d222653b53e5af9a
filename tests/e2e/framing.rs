//! PDUs as TCP brings them: split, coalesced, pipelined, cut off; and sequence numbers of every kind.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt, resp};
use crate::gateway::Gateway;
use crate::peer::{Pdu, ROK, bind_octets, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::World;

#[test]
fn pdus_split_at_every_octet_are_answered_as_if_whole() {
    let mut world = World::new();
    let submit = |sequence| Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("split")).octets();
    let whole = bind_octets(BindMode::Transceiver, "acme", "secret", 1);
    for cut in (0..whole.len()).step_by(5) {
        let mut acme = world.connect();
        acme.send(&whole[..cut]);
        acme.send(&whole[cut..]);
        acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
        acme.shutdown();
    }
    let mut acme = world.acme();
    for cut in 1..submit(0).len() {
        let octets = submit(cut as u32);
        acme.send(&octets[..cut]);
        acme.send(&octets[cut..]);
        acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, cut as u32);
    }
    for octet in submit(1_000) {
        acme.send(&[octet]);
    }
    acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, 1_000);
    world.is_well();
}

#[test]
fn coalesced_pdus_are_all_answered_in_order() {
    let mut world = World::new();
    let mut acme = world.acme();
    let mut octets = Vec::new();
    for sequence in 1..=300 {
        octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("one of many")).octets());
    }
    // The last one arrives in two pieces, the first of them behind all the others.
    let (most, rest) = octets.split_at(octets.len() - 7);
    acme.send(most);
    acme.send(rest);
    for sequence in 1..=300 {
        acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    }
    world.is_well();
}

#[test]
fn what_is_pipelined_behind_the_bind_is_handled_behind_it_on_either_shard() {
    let mut world = World::new();
    // Connections are dealt round robin: some are at home already, some have to move.
    for (system_id, password) in [("acme", "secret"), ("other", "beside")].repeat(3) {
        let mut esme = world.connect();
        let mut octets = bind_octets(BindMode::Transceiver, system_id, password, 1);
        octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, 2, &plain("behind the bind")).octets());
        octets.extend(Pdu::new(CommandId::ENQUIRE_LINK, ROK, 3, b"").octets());
        octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, 4, &plain("and in two pieces")).octets());
        let (first, rest) = octets.split_at(octets.len() - 9);
        esme.send(first);
        esme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
        esme.send(rest);
        let mut sequences: Vec<_> = (0..3).map(|_| esme.read().unwrap().sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, [2, 3, 4]);
        esme.shutdown();
    }
    world.is_well();
}

#[test]
fn an_unbind_pipelined_behind_submits_is_answered_behind_them() {
    let mut world = World::new();
    let mut acme = world.acme();
    let mut octets = Vec::new();
    for sequence in 1..=50 {
        octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("before the goodbye")).octets());
    }
    octets.extend(Pdu::new(CommandId::UNBIND, ROK, 51, b"").octets());
    acme.send(&octets);
    for sequence in 1..=50 {
        acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    }
    acme.expect_answer(CommandId::UNBIND_RESP, ROK, 51);
    acme.expect_close();
    world.is_well();
}

#[test]
fn sequence_numbers_come_back_as_they_were() {
    let mut world = World::new();
    for sequence in [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] {
        let mut acme = world.connect();
        acme.send(&bind_octets(BindMode::Transceiver, "acme", "secret", sequence));
        acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, sequence);
        for (command, status) in [(CommandId::SUBMIT_SM, ROK), (CommandId::ENQUIRE_LINK, ROK), (CommandId(0x99), 0x03)]
        {
            acme.send_pdu(&Pdu::new(command, ROK, sequence, if status == ROK { b"" } else { b"?" }));
            let (answer, status) = match command {
                CommandId::SUBMIT_SM => (CommandId::SUBMIT_SM_RESP, 0x15),
                CommandId::ENQUIRE_LINK => (CommandId::ENQUIRE_LINK_RESP, ROK),
                _ => (CommandId::GENERIC_NACK, status),
            };
            acme.expect_answer(answer, status, sequence);
        }
        acme.send_pdu(&Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("sound")));
        acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    }
    world.is_well();
}

#[test]
fn every_pdu_cut_at_every_octet_and_closed_harms_nobody() {
    let mut world = World::new();
    let bind = bind_octets(BindMode::Transceiver, "acme", "secret", 1);
    let pdus = [
        Pdu::new(CommandId::SUBMIT_SM, ROK, 2, &with_receipt("cut")).octets(),
        Pdu::new(CommandId::DELIVER_SM_RESP, ROK, 1, b"\0").octets(),
        Pdu::new(CommandId::ENQUIRE_LINK, ROK, 2, b"").octets(),
        Pdu::new(CommandId::UNBIND, ROK, 2, b"").octets(),
    ];
    for cut in 0..bind.len() {
        let mut stranger = world.connect();
        stranger.send(&bind[..cut]);
        stranger.shutdown();
    }
    for pdu in pdus {
        for cut in (1..pdu.len()).step_by(3) {
            let mut acme = world.connect();
            acme.send(&[&bind[..], &pdu[..cut]].concat());
            if cut % 2 == 0 {
                acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
            }
            acme.shutdown();
        }
    }
    world.is_well();
    world.gateway.wait_for_metric("trunkline_connections{shard=\"0\"}", |count| count == 1.0);
    world.gateway.wait_for_metric("trunkline_connections_unbound{shard=\"0\"}", |count| count == 0.0);
    let panics = world.gateway.wait_for_metric("trunkline_panics_total{shard=\"0\"}", |_| true);
    assert_eq!(panics, 0.0);
}

#[test]
fn a_deliver_sm_in_the_segment_of_the_carriers_bind_resp_is_taken() {
    let carrier = Carrier::listen();
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 2, shard: 0 }} }}
routes: [{{ to: north }}]
"#,
        carrier.address()
    ));
    let mut first = carrier.accept();
    let mut acme = gateway.connect();
    acme.bind(BindMode::Transceiver, "acme", "secret");
    // The other link binds while a receipt waits for it.
    let (mut second, bind) = carrier.accept_unbound();
    let sequence = acme.request(CommandId::SUBMIT_SM, &with_receipt("hello"));
    let submit = first.expect(CommandId::SUBMIT_SM);
    first.send_pdu(&resp(&submit, "77"));
    let answer = acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    let mut octets = Pdu::new(bind.command.response(), ROK, bind.sequence, b"smsc\0").octets();
    octets.extend(Pdu::new(CommandId::DELIVER_SM, ROK, 5, &receipt("77", "DELIVRD")).octets());
    second.send(&octets);
    second.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 5);
    assert_eq!(id_of_receipt(&acme.receive()), answer.id());
}
