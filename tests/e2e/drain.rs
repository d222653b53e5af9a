//! The end: SIGTERM empties the windows, says goodbye to everybody and exits 0; a second signal waits for nothing.

use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::resp;
use crate::gateway::http;
use crate::peer::{PATIENCE, Pdu, ROK, RSYSERR, body, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::{Scripted, World};

const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;
const RINVDSTADR: u32 = 0x0B;

#[test]
fn a_drain_under_load_answers_everything_delivers_every_receipt_and_exits_0() {
    let mut world = World::new();
    let mut acme = world.acme();
    let octets: Vec<_> =
        (1..=3_000).flat_map(|at| Pdu::new(CommandId::SUBMIT_SM, ROK, at, &with_receipt("load")).octets()).collect();
    let mut sender = acme.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        // What the gateway no longer reads is not its to answer.
        let _ = std::io::Write::write_all(&mut sender, &octets);
    });
    let (mut answered, mut accepted, mut receipts, mut asked) = (Vec::new(), Vec::new(), Vec::new(), false);
    while let Some(pdu) = acme.read() {
        match pdu.command {
            CommandId::SUBMIT_SM_RESP => {
                assert!(pdu.status == ROK || (asked && pdu.status == RSYSERR), "{pdu:x?}");
                answered.push(pdu.sequence);
                if pdu.status == ROK {
                    accepted.push(pdu.id());
                }
            }
            CommandId::DELIVER_SM => {
                acme.answer(&pdu, ROK, b"\0");
                receipts.push(id_of_receipt(&pdu));
            }
            CommandId::UNBIND => acme.answer(&pdu, ROK, b""),
            _ => panic!("{pdu:x?}"),
        }
        if answered.len() == 300 && !asked {
            asked = true;
            world.gateway.signal(SIGTERM);
        }
    }
    // The bystander is told goodbye as well.
    let goodbye = world.other.expect(CommandId::UNBIND);
    world.other.answer(&goodbye, ROK, b"");
    world.other.expect_close();
    assert_eq!(world.gateway.exit_code(PATIENCE), 0, "{}", world.gateway.log());
    sending.join().unwrap();
    assert_eq!(answered.len(), 3_000, "every submit is answered");
    answered.sort_unstable();
    answered.dedup();
    assert_eq!(answered.len(), 3_000, "and once");
    accepted.sort();
    receipts.sort();
    assert_eq!(accepted, receipts);
}

#[test]
fn a_drain_waits_for_the_carrier_refuses_what_is_new_and_says_goodbye_to_everybody() {
    let mut stage = Scripted::new();
    let (sequence, submit) = stage.submit(&with_receipt("in flight"));
    stage.gateway.signal(SIGTERM);
    let give_up = Instant::now() + PATIENCE;
    while http(stage.gateway.admin, "/readyz").unwrap().starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < give_up, "still ready");
    }
    assert!(http(stage.gateway.admin, "/livez").unwrap().starts_with("HTTP/1.1 200"));
    // The shards look up ten times a second; until then this one only misses a route.
    let nowhere = body("1000", "33", b"nowhere", |_| {});
    while stage.acme.submit(&nowhere).status == RINVDSTADR {}
    stage.acme.refused(&plain("too late"), RSYSERR);
    let mut late = stage.gateway.connect();
    let answer = late.bind(BindMode::Transceiver, "acme", "secret");
    assert_eq!((answer.status, answer.body.len()), (RSYSERR, 0));
    late.expect_close();
    stage.link().send_pdu(&resp(&submit, "1"));
    let answer = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    let goodbye = stage.link().expect(CommandId::UNBIND);
    // Receipts are taken until the goodbye is answered.
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 5, &crate::carrier::receipt("1", "DELIVRD")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 5);
    stage.link().answer(&goodbye, ROK, b"");
    stage.link().expect_close();
    assert_eq!(id_of_receipt(&stage.acme.receive()), answer.id());
    let goodbye = stage.acme.expect(CommandId::UNBIND);
    stage.acme.answer(&goodbye, ROK, b"");
    stage.acme.expect_close();
    assert_eq!(stage.gateway.exit_code(PATIENCE), 0, "{}", stage.gateway.log());
}

#[test]
fn a_drain_that_cannot_finish_ends_at_its_deadline_with_1() {
    let mut stage = Scripted::with("", "", "drain: 1s");
    let _unanswered = stage.submit(&plain("never answered"));
    let started = Instant::now();
    stage.gateway.signal(SIGTERM);
    assert_eq!(stage.gateway.exit_code(PATIENCE), 1);
    assert!(started.elapsed() >= Duration::from_secs(1));
    let told = "the drain did not finish within its deadline: links are open";
    assert!(stage.gateway.log().contains(told), "{}", stage.gateway.log());
}

#[test]
fn customers_who_take_nothing_do_not_hold_up_a_drain_and_lose_nothing_by_it() {
    let mut stage = Scripted::with("", "", "drain: 10s");
    let (sequence, submit) = stage.submit(&with_receipt("told later"));
    stage.link().send_pdu(&resp(&submit, "1"));
    let answer = stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 5, &crate::carrier::receipt("1", "DELIVRD")));
    stage.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 5);
    stage.acme.expect(CommandId::DELIVER_SM);
    stage.gateway.signal(SIGTERM);
    let goodbye = stage.link().expect(CommandId::UNBIND);
    stage.link().answer(&goodbye, ROK, b"");
    // Neither the receipt nor the goodbye is ever answered.
    stage.acme.expect(CommandId::UNBIND);
    stage.acme.expect_close();
    assert_eq!(stage.gateway.exit_code(PATIENCE), 0, "{}", stage.gateway.log());
    stage.gateway.restart();
    let mut acme = stage.gateway.connect();
    assert_eq!(acme.bind(BindMode::Receiver, "acme", "secret").status, ROK);
    assert_eq!(id_of_receipt(&acme.receive()), answer.id());
}

#[test]
fn who_comes_when_only_goodbyes_are_left_is_refused_the_connection() {
    let mut stage = Scripted::with("", "", "drain: 10s");
    stage.gateway.signal(SIGTERM);
    let goodbye = stage.link().expect(CommandId::UNBIND);
    stage.link().answer(&goodbye, ROK, b"");
    let goodbye = stage.acme.expect(CommandId::UNBIND);
    let refused = std::net::TcpStream::connect(stage.gateway.smpp).map_err(|error| error.kind());
    assert_eq!(refused.err(), Some(std::io::ErrorKind::ConnectionRefused));
    stage.acme.answer(&goodbye, ROK, b"");
    stage.acme.expect_close();
    assert_eq!(stage.gateway.exit_code(PATIENCE), 0, "{}", stage.gateway.log());
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let mut stage = Scripted::with("", "", "drain: 60s");
    let _unanswered = stage.submit(&plain("never answered"));
    stage.gateway.signal(SIGTERM);
    while http(stage.gateway.admin, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {}
    stage.gateway.signal(SIGINT);
    assert_eq!(stage.gateway.exit_code(Duration::from_secs(10)), 1);
}

#[test]
fn an_idle_gateway_drains_at_once() {
    let mut world = World::new();
    world.other.shutdown();
    let started = Instant::now();
    world.gateway.signal(SIGINT);
    assert_eq!(world.gateway.exit_code(PATIENCE), 0);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}
