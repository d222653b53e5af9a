//! Rows of the table about limits and capacity: what is over them is refused or waits, and the session stays.

use socket2::SockRef;
use std::io::Write;
use trunkline::smpp::command::CommandId;

use super::peers::{ask_until_closed, is_audited};
use super::{Settings, Stage};
use crate::gateway::free_address;
use crate::peer::{Pdu, Peer, ROK, body, plain};
use crate::world::Scripted;

fn submits(count: u32) -> Vec<u8> {
    (1..=count).flat_map(|sequence| Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("many")).octets()).collect()
}

fn statuses(esme: &mut Peer, count: u32) -> Vec<u32> {
    (0..count).map(|_| esme.expect(CommandId::SUBMIT_SM_RESP).status).collect()
}

#[test]
fn over_the_rate_is_throttled_and_the_session_stays() {
    let stage = Stage::acme_with("rate: 1, burst: 5");
    let mut acme = stage.acme();
    acme.send(&submits(30));
    let statuses = statuses(&mut acme, 30);
    let of = |status| statuses.iter().filter(|answered| **answered == status).count();
    assert!((5..=8).contains(&of(ROK)), "{statuses:?}");
    assert_eq!(of(ROK) + of(0x58), 30, "{statuses:?}");
    acme.expect_quiet();
    stage.nobody_noticed();
}

#[test]
fn a_window_exceeded_is_not_read_until_it_has_room_and_never_drained_is_answered_at_the_deadline() {
    let mut stage =
        Scripted::with("window: 5", "", "smpp: { LISTEN, response: 2s, enquire_link: 1s, inactivity: 20s }");
    stage.acme.send(&submits(12));
    for _ in 0..5 {
        stage.links[0].expect(CommandId::SUBMIT_SM);
    }
    // The carrier answers none of them, and the customer is asked nothing while it is not read.
    let statuses = statuses(&mut stage.acme, 5);
    assert_eq!(statuses, [0xFF; 5], "in doubt");
    let mut answered = 5;
    while answered < 12 {
        let pdu = stage.acme.read().expect("the session stays");
        match pdu.command {
            CommandId::SUBMIT_SM_RESP => answered += 1,
            CommandId::ENQUIRE_LINK => stage.acme.answer(&pdu, ROK, b""),
            _ => panic!("{pdu:x?}"),
        }
    }
    stage.acme.request(CommandId::ENQUIRE_LINK, b"");
    while stage.acme.read().expect("the session stays").command != CommandId::ENQUIRE_LINK_RESP {}
}

#[test]
fn a_full_queue_is_refused_and_the_session_stays() {
    // Nobody answers there, so two are outstanding, three wait, and the rest is refused.
    let mut stage = Scripted::with("", "window: 2, queue: 3", "");
    stage.acme.send(&submits(9));
    assert_eq!(statuses(&mut stage.acme, 4), [0x14; 4]);
    for _ in 0..5 {
        let submit = stage.link().expect(CommandId::SUBMIT_SM);
        stage.link().send_pdu(&crate::carrier::resp(&submit, "1"));
    }
    assert_eq!(statuses(&mut stage.acme, 5), [ROK; 5]);
    stage.acme.expect_quiet();
}

#[test]
fn no_carrier_up_on_the_route_is_a_system_error_and_the_session_stays() {
    let south = format!("}}\n  south: {{ connect: \"{}\", system_id: us, password: secret", free_address());
    let route = "  - { when: { destination: \"88*\" }, to: south }";
    let stage = Stage::with(&Settings { north: &south, more: route, ..Settings::default() });
    let mut acme = stage.acme();
    acme.refused(&body("1000", "88123", b"nobody there", |_| {}), 0x08);
    stage.stays(&mut acme);
    stage.nobody_noticed();
}

#[test]
fn no_route_is_an_invalid_destination_and_the_session_stays() {
    let stage = Stage::new();
    let mut acme = stage.acme();
    for destination in ["33", "", "999999", "ACME"] {
        acme.refused(&body("1000", destination, b"no route", |_| {}), 0x0B);
    }
    stage.stays(&mut acme);
    stage.nobody_noticed();
}

#[test]
fn a_sender_or_destination_not_allowed_has_its_status_is_audited_and_the_session_stays() {
    let stage = Stage::acme_with("senders: [\"1000\"], destinations: [\"49*\"]");
    let mut acme = stage.acme();
    for _ in 0..5 {
        acme.refused(&body("2000", "4915", b"not my name", |_| {}), 0x0A);
        acme.refused(&body("1000", "4415", b"not where I may", |_| {}), 0x0B);
    }
    stage.stays(&mut acme);
    is_audited(&stage.gateway, "a sender that is not allowed");
    is_audited(&stage.gateway, "a destination that is not allowed");
    stage.nobody_noticed();
}

#[test]
fn a_customer_who_does_not_read_is_closed_without_an_answer() {
    let stage = Stage::new();
    let deaf = stage.acme();
    SockRef::from(&deaf.stream).set_recv_buffer_size(4096).unwrap();
    ask_until_closed(&deaf);
    stage.gateway.wait_for_metric("trunkline_sessions_bound{account=\"acme\"}", |count| count == 0.0);
    stage.nobody_noticed();
}

#[test]
fn a_flood_of_enquire_links_is_answered_and_the_session_stays() {
    const COUNT: u32 = 4_000;
    let stage = Stage::new();
    let mut acme = stage.acme();
    let mut sender = acme.stream.try_clone().unwrap();
    let flooding = std::thread::spawn(move || {
        for at in (0..COUNT).step_by(1_000) {
            let some: Vec<_> =
                (at..at + 1_000).flat_map(|at| Pdu::new(CommandId::ENQUIRE_LINK, ROK, at, b"").octets()).collect();
            sender.write_all(&some).unwrap();
        }
    });
    for sequence in 0..COUNT {
        acme.expect_answer(CommandId::ENQUIRE_LINK_RESP, ROK, sequence);
    }
    flooding.join().unwrap();
    stage.stays(&mut acme);
    stage.nobody_noticed();
}
