//! Rates, windows, queues and caps: what is over them is refused or waits, and nobody else pays.

use std::io::Write;
use std::time::Duration;

use socket2::SockRef;
use trunkline::smpp::command::CommandId;

use crate::carrier::resp;
use crate::peer::{Pdu, Peer, ROK, plain};
use crate::world::{Scripted, World};

const RTHROTTLED: u32 = 0x58;
const RMSGQFUL: u32 = 0x14;

fn submits(count: u32) -> Vec<u8> {
    (1..=count).flat_map(|sequence| Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("many")).octets()).collect()
}

fn answers(esme: &mut Peer, count: u32) -> Vec<(u32, u32)> {
    (0..count)
        .map(|_| {
            let answer = esme.expect(CommandId::SUBMIT_SM_RESP);
            (answer.sequence, answer.status)
        })
        .collect()
}

#[test]
fn what_is_over_the_rate_is_throttled_and_the_burst_is_not() {
    let mut world = World::with("rate: 1, burst: 5", "");
    let mut acme = world.acme();
    acme.send(&submits(30));
    let answers = answers(&mut acme, 30);
    let of = |status| answers.iter().filter(|(_, answered)| *answered == status).count();
    assert!((5..=8).contains(&of(ROK)), "{answers:?}");
    assert_eq!(of(ROK) + of(RTHROTTLED), 30, "{answers:?}");
    assert!(answers[..5].iter().all(|(_, status)| *status == RTHROTTLED || *status == ROK));
    acme.expect_quiet();
    world.is_well();
}

#[test]
fn a_long_message_counts_its_segments() {
    let mut world = World::with("rate: 1, burst: 4", "");
    let mut acme = world.acme();
    let payload = [b'x'; 500];
    let long = crate::peer::body("1000", "4915", b"", |message| message.tlvs = &[(0x0424, &[b'x'; 500])]);
    assert!(long.windows(500).any(|window| window == payload));
    assert_eq!(acme.submit(&long).status, ROK);
    acme.refused(&plain("over"), RTHROTTLED);
    world.is_well();
}

#[test]
fn a_full_account_window_stops_the_reading_and_everything_is_answered_in_the_end() {
    let mut stage = Scripted::with("window: 5", "window: 100", "");
    stage.acme.send(&submits(60));
    let mut outstanding = Vec::new();
    for answered in 0..60_u32 {
        while outstanding.len() < 5.min(60 - answered as usize) {
            outstanding.push(stage.link().expect(CommandId::SUBMIT_SM));
        }
        if answered % 10 == 0 {
            stage.link().expect_quiet();
        }
        let submit = outstanding.remove(outstanding.len() / 2);
        stage.link().send_pdu(&resp(&submit, "1"));
    }
    let mut sequences: Vec<_> = answers(&mut stage.acme, 60).into_iter().map(|(sequence, _)| sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=60).collect::<Vec<_>>());
    stage.acme.expect_quiet();
}

#[test]
fn a_carriers_link_never_holds_more_than_its_window() {
    let mut stage = Scripted::with("window: 1000", "window: 3, queue: 100", "");
    stage.acme.send(&submits(30));
    for _ in 0..10 {
        let three: Vec<_> = (0..3).map(|_| stage.link().expect(CommandId::SUBMIT_SM)).collect();
        stage.link().expect_quiet();
        for submit in three {
            stage.link().send_pdu(&resp(&submit, "1"));
        }
    }
    assert!(answers(&mut stage.acme, 30).iter().all(|(_, status)| *status == ROK));
}

#[test]
fn what_neither_window_nor_queue_can_take_is_refused_as_queue_full() {
    let mut stage = Scripted::with("", "window: 2, queue: 3", "");
    stage.acme.send(&submits(9));
    let refused = answers(&mut stage.acme, 4);
    assert_eq!(refused, [(6, RMSGQFUL), (7, RMSGQFUL), (8, RMSGQFUL), (9, RMSGQFUL)]);
    for _ in 0..5 {
        let submit = stage.link().expect(CommandId::SUBMIT_SM);
        stage.link().send_pdu(&resp(&submit, "1"));
    }
    assert_eq!(answers(&mut stage.acme, 5), [(1, ROK), (2, ROK), (3, ROK), (4, ROK), (5, ROK)]);
}

#[test]
fn what_the_carriers_rate_cannot_send_in_time_is_refused_at_once() {
    let mut stage = Scripted::with("", "rate: 4, burst: 1, queue_wait: 1s", "");
    stage.acme.send(&submits(20));
    let refused = answers(&mut stage.acme, 15);
    assert!(refused.iter().all(|(_, status)| *status == RMSGQFUL), "{refused:?}");
    for _ in 0..3 {
        let submit = stage.link().expect(CommandId::SUBMIT_SM);
        stage.link().send_pdu(&resp(&submit, "1"));
        assert_eq!(stage.acme.expect(CommandId::SUBMIT_SM_RESP).status, ROK);
    }
}

#[test]
fn a_throttling_carrier_is_slowed_down_for_and_its_submit_sent_again() {
    let mut stage = Scripted::new();
    let (sequence, first) = stage.submit(&plain("too fast"));
    stage.link().answer(&first, RTHROTTLED, b"");
    let again = stage.link().expect(CommandId::SUBMIT_SM);
    assert_eq!(again.body, first.body);
    stage.link().send_pdu(&resp(&again, "1"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
}

#[test]
fn connections_over_a_cap_are_closed_without_a_word_and_freed_places_are_taken_again() {
    for limits in ["connections: 4", "unbound: 3", "unbound_per_address: 3"] {
        let mut world = World::with("", &format!("limits: {{ {limits} }}"));
        let strangers: Vec<_> = (0..3).map(|_| world.connect()).collect();
        let mut strangers: Vec<_> = strangers.into_iter().map(quiet).collect();
        world.connect().expect_close();
        world.is_well();
        drop(strangers.pop());
        world.gateway.wait_for_metric("trunkline_connections_unbound{shard=\"0\"}", |count| count == 2.0);
        quiet(world.connect());
    }
}

fn quiet(mut peer: Peer) -> Peer {
    peer.expect_quiet();
    peer
}

#[test]
fn a_customer_who_does_not_read_is_closed_and_the_others_go_on() {
    let mut world = World::new();
    let mut deaf = world.acme();
    SockRef::from(&deaf.stream).set_recv_buffer_size(4096).unwrap();
    deaf.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Each is refused, for there is no route. It would be read no further that soon for enquire_links.
    let nowhere = crate::peer::body("1000", "7", b"", |_| {});
    let flood: Vec<_> = (0..4096).flat_map(|at| Pdu::new(CommandId::SUBMIT_SM, ROK, at, &nowhere).octets()).collect();
    // As many as both kernels' buffers can hold, and then some.
    let mut sent = 0;
    while sent < 64 << 20 {
        match deaf.stream.write(&flood[sent % flood.len()..]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
        if sent % (1 << 20) < flood.len() {
            world.is_well();
        }
    }
    world.gateway.wait_for_metric("trunkline_sessions_bound{account=\"acme\"}", |count| count == 0.0);
    world.is_well();
}

/// Nobody need know a password for this.
#[test]
fn a_connection_that_has_not_bound_and_does_not_read_is_read_no_further() {
    let mut world = World::new();
    let deaf = world.connect();
    deaf.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let flood = Pdu::new(CommandId::ENQUIRE_LINK, ROK, 1, b"").octets().repeat(4096);
    let mut sent = 0;
    while let Ok(count) = (&deaf.stream).write(&flood[sent % flood.len()..]) {
        sent += count;
        assert!(sent < 64 << 20, "{sent} octets were taken");
    }
    world.is_well();
}
