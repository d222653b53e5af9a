//! Carriers that are down, refuse, fall silent, hang up, or talk nonsense: what was not accepted goes elsewhere or is refused, what
//! may have been is in doubt, and the link comes back.

use std::io::Write;
use std::time::Duration;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt, resp};
use crate::gateway::{Gateway, free_address};
use crate::peer::{PATIENCE, Pdu, Peer, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::Scripted;

const IN_DOUBT: u32 = 0xFF;

/// Two carriers, the first at `north`; `acme` bound.
fn two_carriers(north: std::net::SocketAddr, south: std::net::SocketAddr) -> (Gateway, Peer) {
    two_carriers_with(north, south, "fail")
}

/// The same, with what becomes of submits in doubt at the first.
fn two_carriers_with(north: std::net::SocketAddr, south: std::net::SocketAddr, in_doubt: &str) -> (Gateway, Peer) {
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers:
  north: {{ connect: "{north}", system_id: us, password: secret, links: 1, in_doubt: {in_doubt}, shard: 0 }}
  south: {{ connect: "{south}", system_id: us, password: secret, links: 1, shard: 1 }}
routes: [{{ to: [north, south] }}]
"#
    ));
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    (gateway, acme)
}

#[test]
fn the_second_carrier_takes_over_while_the_first_is_down() {
    let south = Carrier::listen().run();
    let (_gateway, mut acme) = two_carriers(free_address(), south.address);
    let answer = acme.submit_when_up(&with_receipt("hi"));
    assert_eq!(answer.status, ROK);
    assert_eq!(id_of_receipt(&acme.receive()), answer.id());
}

#[test]
fn the_second_carrier_gets_what_the_first_refuses_for_passing_trouble_and_nothing_else() {
    let (north, south) = (Carrier::listen(), Carrier::listen());
    let (_gateway, mut acme) = two_carriers(north.address(), south.address());
    let (mut first, mut second) = (north.accept(), south.accept());
    first.expect_quiet();
    second.expect_quiet();
    for (status, moves_on) in [(0x08, true), (0x64, true), (0x0B, false), (0x45, false)] {
        let sequence = acme.request(CommandId::SUBMIT_SM, &with_receipt("hi"));
        let refused = first.expect(CommandId::SUBMIT_SM);
        first.answer(&refused, status, b"");
        if !moves_on {
            acme.expect_answer(CommandId::SUBMIT_SM_RESP, status, sequence);
            second.expect_quiet();
            continue;
        }
        let submit = second.expect(CommandId::SUBMIT_SM);
        assert_eq!(submit.body, refused.body);
        second.send_pdu(&resp(&submit, "s1"));
        let answer = acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
        second.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 1, &receipt("s1", "DELIVRD")));
        assert_eq!(id_of_receipt(&acme.receive()), answer.id());
        second.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
    }
    // When both refuse, the last word is passed on.
    let sequence = acme.request(CommandId::SUBMIT_SM, &plain("hi"));
    for link in [&mut first, &mut second] {
        let submit = link.expect(CommandId::SUBMIT_SM);
        link.answer(&submit, 0x08, b"");
    }
    acme.expect_answer(CommandId::SUBMIT_SM_RESP, 0x08, sequence);
}

#[test]
fn a_link_that_is_lost_comes_back_and_what_was_out_is_in_doubt() {
    let mut stage = Scripted::with("", "", "");
    let (sequence, _unanswered) = stage.submit(&plain("lost with its link"));
    stage.link().shutdown();
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, IN_DOUBT, sequence);
    stage.acme.refused(&plain("no link"), 0x08);
    stage.links = vec![stage.carrier.accept()];
    stage.link().expect_quiet();
    stage.accepted(&with_receipt("again"), "1");
}

#[test]
fn what_was_out_on_a_lost_link_goes_to_the_next_carrier_where_the_file_says_retry() {
    let (north, south) = (Carrier::listen(), Carrier::listen());
    let (gateway, mut acme) = two_carriers_with(north.address(), south.address(), "retry");
    let (mut first, mut second) = (north.accept(), south.accept());
    first.expect_quiet();
    second.expect_quiet();
    for (status, told) in [(ROK, ROK), (0x0B, IN_DOUBT)] {
        let sequence = acme.request(CommandId::SUBMIT_SM, &with_receipt("sent twice"));
        let unanswered = first.expect(CommandId::SUBMIT_SM);
        first.shutdown();
        let again = second.expect(CommandId::SUBMIT_SM);
        assert_eq!(again.body, unanswered.body);
        second.answer(&again, status, if status == ROK { b"77\0" } else { b"" });
        acme.expect_answer(CommandId::SUBMIT_SM_RESP, told, sequence);
        first = north.accept();
        first.expect_quiet();
    }
    let retried = "trunkline_carrier_retried_in_doubt_total{carrier=\"north\"}";
    gateway.wait_for_metric(retried, |count| count == 2.0);
}

#[test]
fn the_status_of_what_is_in_doubt_is_the_accounts_choice() {
    let mut stage = Scripted::with("in_doubt_status: 0x45", "", "");
    let (sequence, _unanswered) = stage.submit(&plain("lost with its link"));
    stage.link().shutdown();
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, 0x45, sequence);
}

#[test]
fn a_carriers_goodbye_is_answered_and_the_link_dialled_again() {
    let mut stage = Scripted::new();
    let sequence = stage.link().request(CommandId::UNBIND, b"");
    stage.link().expect_answer(CommandId::UNBIND_RESP, ROK, sequence);
    stage.link().expect_close();
    stage.links = vec![stage.carrier.accept()];
    stage.link().expect_quiet();
    stage.accepted(&plain("again"), "1");
}

#[test]
fn a_refused_bind_is_tried_again_and_carries_what_the_file_says() {
    let carrier = Carrier::listen();
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret }} }}
carriers:
  north: {{ connect: "{}", system_id: our-name, password: longer-than-eight, system_type: VMA, links: 1 }}
routes: [{{ to: north }}]
"#,
        carrier.address()
    ));
    for status in [0x0D, 0x08] {
        let (mut link, bind) = carrier.accept_unbound();
        assert_eq!(bind.command, CommandId::BIND_TRANSCEIVER);
        assert_eq!(bind.body, b"our-name\0longer-than-eight\0VMA\0\x34\0\0\0");
        link.answer(&bind, status, b"");
        link.expect_close();
    }
    let mut link = carrier.accept();
    link.expect_quiet();
    drop(gateway);
}

#[test]
fn an_answer_that_stays_out_is_in_doubt_and_its_late_receipt_goes_to_nobody() {
    let mut stage = Scripted::with("", "", "smpp: { LISTEN, response: 1s }");
    let (sequence, submit) = stage.submit(&with_receipt("slow"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, IN_DOUBT, sequence);
    stage.link().send_pdu(&resp(&submit, "late"));
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 4, &receipt("late", "DELIVRD")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 4);
    stage.acme.expect_quiet();
    stage.accepted(&with_receipt("quick"), "2");
}

#[test]
fn what_waits_for_a_customer_who_left_is_never_sent() {
    let mut stage = Scripted::with("", "window: 1", "");
    let (_, first) = stage.submit(&plain("sent"));
    let octets: Vec<_> =
        (2..=9).flat_map(|at| Pdu::new(CommandId::SUBMIT_SM, ROK, at, &plain("queued")).octets()).collect();
    stage.acme.send(&octets);
    stage.acme.expect_quiet();
    stage.acme.shutdown();
    let withdrawn = "trunkline_submits_withdrawn_total{account=\"acme\"}";
    stage.gateway.wait_for_metric(withdrawn, |count| count == 8.0);
    stage.link().send_pdu(&resp(&first, "1"));
    stage.link().expect_quiet();
    stage.gateway.wait_for_metric(withdrawn, |count| count == 9.0);
}

#[test]
fn nonsense_from_a_carrier_costs_its_link_at_most_when_the_length_is_wrong() {
    let mut stage = Scripted::new();
    for at in 0..30 {
        for command in [CommandId::SUBMIT_SM_RESP, CommandId::ENQUIRE_LINK_RESP, CommandId::GENERIC_NACK] {
            stage.link().send_pdu(&Pdu::new(command, 0x45, 7_000 + at, b"?"));
        }
        stage.link().send_pdu(&Pdu::new(CommandId(0x0001_0001), ROK, at, b"vendor"));
        stage.link().expect_answer(CommandId::GENERIC_NACK, 0x03, at);
        stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, at, b"\0\x01\x01447"));
        assert_ne!(stage.link().expect(CommandId::DELIVER_SM_RESP).status, ROK);
    }
    stage.accepted(&with_receipt("still bound"), "1");
    stage.link().send(&[0xFF; 16]);
    stage.link().expect_answer(CommandId::GENERIC_NACK, 0x02, 0);
    stage.link().expect_close();
    stage.links = vec![stage.carrier.accept()];
    stage.link().expect_quiet();
    stage.accepted(&with_receipt("bound again"), "2");
}

#[test]
fn transmitter_and_receiver_are_two_binds_and_receipts_come_on_the_second() {
    let (sending, receiving) = (Carrier::listen(), Carrier::listen());
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers:
  north:
    connect: {{ transmitter: "{}", receiver: "{}" }}
    bind: transmitter_receiver
    links: 1
    system_id: us
    password: secret
    shard: 0
routes: [{{ to: north }}]
"#,
        sending.address(),
        receiving.address()
    ));
    let (mut transmitter, bind) = sending.accept_unbound();
    assert_eq!(bind.command, CommandId::BIND_TRANSMITTER);
    transmitter.answer(&bind, ROK, b"smsc\0");
    let (mut receiver, bind) = receiving.accept_unbound();
    assert_eq!(bind.command, CommandId::BIND_RECEIVER);
    receiver.answer(&bind, ROK, b"smsc\0");
    transmitter.expect_quiet();
    receiver.expect_quiet();
    let mut acme = gateway.connect();
    acme.bind(BindMode::Transceiver, "acme", "secret");
    let sequence = acme.request(CommandId::SUBMIT_SM, &with_receipt("hi"));
    let submit = transmitter.expect(CommandId::SUBMIT_SM);
    receiver.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 1, &receipt("x1", "DELIVRD")));
    receiver.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
    transmitter.send_pdu(&resp(&submit, "x1"));
    let answer = acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    assert_eq!(id_of_receipt(&acme.receive()), answer.id());
}

#[test]
fn a_silent_carrier_is_asked_and_given_up_after_two_missed_answers() {
    let mut stage = Scripted::with("", "", "smpp: { LISTEN, enquire_link: 1s, response: 1s, inactivity: 60s }");
    let ask = stage.link().expect(CommandId::ENQUIRE_LINK);
    stage.link().answer(&ask, ROK, b"");
    stage.link().expect(CommandId::ENQUIRE_LINK);
    stage.link().expect(CommandId::ENQUIRE_LINK);
    stage.link().expect_close();
    stage.carrier.accept();
}

#[test]
fn one_carrier_that_reads_and_answers_nothing_does_not_slow_the_other() {
    let (north, south) = (Carrier::listen(), Carrier::listen().run());
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1, window: 100 }}, globex: {{ password: secret, shard: 1 }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }}
routes:
  - {{ when: {{ account: acme }}, to: north }}
  - to: south
"#,
        north.address(),
        south.address
    ));
    let _stalled = north.accept();
    let (mut acme, mut globex) = (gateway.connect(), gateway.connect());
    acme.bind(BindMode::Transceiver, "acme", "secret");
    globex.bind(BindMode::Transceiver, "globex", "secret");
    globex.submit_when_up(&plain("up"));
    let octets: Vec<_> =
        (1..=90).flat_map(|at| Pdu::new(CommandId::SUBMIT_SM, ROK, at, &plain("stuck")).octets()).collect();
    acme.send(&octets);
    for _ in 0..200 {
        let answer = globex.submit(&with_receipt("flows"));
        assert_eq!(id_of_receipt(&globex.receive()), answer.id());
    }
}

/// A carrier that sends without reading would otherwise have its answers pile up here until it is taken for dead.
#[test]
fn a_carrier_that_reads_no_answers_is_read_no_further_and_goes_on_where_it_stopped() {
    const CHUNK: usize = 1_000;
    const ENOUGH: usize = 64 << 20;
    let mut scripted = Scripted::new();
    let deliver = Pdu::new(CommandId::DELIVER_SM, ROK, 7, &receipt("nobody", "DELIVRD")).octets();
    let octets = deliver.repeat(CHUNK);
    let link = scripted.link();
    link.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut sent = 0;
    while let Ok(count) = (&link.stream).write(&octets[sent % octets.len()..]) {
        sent += count;
        assert!(sent < ENOUGH, "{sent} octets were taken");
    }
    let rest = (deliver.len() - sent % deliver.len()) % deliver.len();
    let (mut stream, tail) = (link.stream.try_clone().unwrap(), deliver[deliver.len() - rest..].to_vec());
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let sender = std::thread::spawn(move || stream.write_all(&tail).unwrap());
    for _ in 0..(sent + rest) / deliver.len() {
        link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 7);
    }
    sender.join().unwrap();
    link.expect_quiet();
}
