//! Which submits are relayed where, and what those are answered that are not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use crate::carrier::{Carrier, resp};
use crate::gateway::{Directory, Gateway, free_address};
use crate::peer::{PATIENCE, Pdu, Peer, ROK, body, plain};
use crate::world::World;

#[test]
fn a_destination_without_a_route_is_refused_as_a_wrong_one() {
    let mut world = World::new();
    let mut acme = world.acme();
    acme.refused(&body("1000", "33600000001", b"hi", |_| {}), 0x0B);
    acme.refused(&body("1000", "", b"hi", |_| {}), 0x0B);
    assert_eq!(acme.submit(&body("1000", "+4915", b"hi", |_| {})).status, ROK);
    assert_eq!(acme.submit(&body("1000", "004915", b"hi", |_| {})).status, ROK);
    world.is_well();
}

#[test]
fn senders_and_destinations_that_are_not_allowed_are_refused() {
    let mut world = World::with(r#"senders: ["ACME", "4477*"], destinations: ["49*"]"#, "");
    let mut acme = world.acme();
    for (source, destination, status) in [
        ("ACME", "4915", ROK),
        ("acme", "4915", ROK),
        ("+447712", "4915", ROK),
        ("ACMEX", "4915", 0x0A),
        ("", "4915", 0x0A),
        ("4478", "4915", 0x0A),
        ("ACME", "4400", 0x0B),
    ] {
        let answer = acme.submit(&body(source, destination, b"hi", |_| {}));
        assert_eq!(answer.status, status, "{source} to {destination}");
    }
    // None of these costs the session anything, however many.
    for _ in 0..30 {
        acme.refused(&body("EVIL", "4915", b"hi", |_| {}), 0x0A);
    }
    world.is_well();
}

#[test]
fn an_account_that_may_not_submit_keeps_its_bind() {
    let mut world = World::with("submit: false", "");
    let mut acme = world.acme();
    acme.refused(&plain("hi"), 0x45);
    acme.expect_quiet();
    world.is_well();
}

#[test]
fn a_forced_sender_is_what_the_carrier_sees() {
    let mut world = World::with("force_sender: ACME", "");
    let mut acme = world.acme();
    assert_eq!(acme.submit(&plain("hi")).status, ROK);
    let seen = world.carrier.submits();
    let view = SmView::submit(seen.last().unwrap()).unwrap();
    assert_eq!((view.source.ton, view.source.npi, view.source.digits), (5, 0, &b"ACME"[..]));
    assert_eq!((view.destination.digits, view.text()), (&b"4915100000001"[..], &b"hi"[..]));
    world.is_well();
}

#[test]
fn without_a_carrier_that_is_up_a_submit_is_refused_as_passing_trouble() {
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret }} }}
carriers: {{ down: {{ connect: "{}", system_id: us, password: secret }} }}
routes: [{{ to: down }}]
"#,
        free_address()
    ));
    let mut acme = gateway.connect();
    acme.bind(BindMode::Transceiver, "acme", "secret");
    acme.refused(&plain("hi"), 0x08);
    acme.expect_quiet();
}

#[test]
fn the_first_route_that_matches_decides_for_each_account_and_address() {
    let carriers: Vec<_> = (0..3).map(|_| Carrier::listen().run()).collect();
    let gateway = Gateway::start(&format!(
        r#"
accounts:
  acme: {{ password: secret, shard: 0 }}
  globex: {{ password: secret, shard: 1 }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, shard: 1 }}
  south: {{ connect: "{}", system_id: us, password: secret, shard: 0 }}
  west: {{ connect: "{}", system_id: us, password: secret, shard: 1 }}
routes:
  - {{ when: {{ destination: "49*", account: acme }}, to: north }}
  - {{ when: {{ source: "VIP*" }}, to: west }}
  - to: south
"#,
        carriers[0].address, carriers[1].address, carriers[2].address
    ));
    let count = || [0, 1, 2].map(|at: usize| carriers[at].submits().len());
    for (account, source, destination, taken_by) in [
        ("acme", "1", "4915", 0),
        ("acme", "VIP", "4915", 0),
        ("globex", "1", "4915", 1),
        ("globex", "VIP1", "4915", 2),
        ("acme", "vip", "33", 2),
        ("acme", "1", "33", 1),
    ] {
        let mut esme = gateway.connect();
        assert_eq!(esme.bind(BindMode::Transmitter, account, "secret").status, ROK);
        let before = count();
        let answer = esme.submit_when_up(&body(source, destination, b"hi", |_| {}));
        assert_eq!((answer.command, answer.status), (CommandId::SUBMIT_SM_RESP, ROK));
        let mut expected = before;
        expected[taken_by] += 1;
        assert_eq!(count(), expected, "{account} {source} {destination}");
    }
}

#[test]
fn routes_ask_for_the_group_the_coding_and_the_network() {
    let carriers: Vec<_> = (0..5).map(|_| Carrier::listen().run()).collect();
    let directory = Directory::new();
    let numbers = directory.write(
        "numbers.csv",
        "# from a register\nfrom,to,mcc,mnc,name\n49151000,49151999,262,01,Telekom\n49152000,49152999,262,02,\"Vodafone, D2\"\n",
    );
    let to = |at: usize| {
        format!("{{ connect: \"{}\", system_id: us, password: secret, shard: {} }}", carriers[at].address, at % 2)
    };
    let gateway = Gateway::start(&format!(
        r#"
accounts:
  acme: {{ password: secret, shard: 0, group: retail }}
  globex: {{ password: secret, shard: 1, group: retail }}
  initech: {{ password: secret, shard: 1 }}
numbers: {{ file: "{}" }}
carriers: {{ c0: {}, c1: {}, c2: {}, c3: {}, c4: {} }}
routes:
  - {{ when: {{ group: retail, data_coding: [8, 0x18..0x1F] }}, to: c0 }}
  - {{ when: {{ mcc: 262, mnc: 1 }}, to: c1 }}
  - {{ when: {{ network: "vodafone*", account: [initech, globex] }}, to: c2 }}
  - {{ when: {{ group: retail, destination: "4*" }}, to: c3 }}
  - {{ when: {{ account: initech, mcc: [234, 262] }}, to: c4 }}
"#,
        numbers.display(),
        to(0),
        to(1),
        to(2),
        to(3),
        to(4)
    ));
    let count = || [0, 1, 2, 3, 4].map(|at: usize| carriers[at].submits().len());
    for (account, destination, coding, taken_by) in [
        ("acme", "33", 8, Some(0)),
        ("globex", "49151000", 0x1F, Some(0)),
        ("initech", "+4915155512345", 8, Some(1)),
        ("acme", "004915155512345", 0x20, Some(1)),
        ("initech", "4915212345", 0, Some(2)),
        ("globex", "4915212345", 0, Some(2)),
        ("acme", "4915212345", 0, Some(3)),
        ("globex", "4915312345", 0, Some(3)),
        ("initech", "4915312345", 0, None),
        ("initech", "4915", 8, None),
        ("acme", "33", 0, None),
    ] {
        let mut esme = gateway.connect();
        assert_eq!(esme.bind(BindMode::Transmitter, account, "secret").status, ROK);
        let mut expected = count();
        let body = body("1000", destination, b"hi", |message| message.data_coding = coding);
        let Some(taken_by) = taken_by else {
            esme.refused(&body, 0x0B);
            assert_eq!(count(), expected, "{account} {destination} {coding}");
            continue;
        };
        assert_eq!(esme.submit_when_up(&body).status, ROK);
        expected[taken_by] += 1;
        assert_eq!(count(), expected, "{account} {destination} {coding}");
    }
}

#[test]
fn a_carrier_with_weight_0_takes_nothing_even_when_no_other_is_up() {
    let (draining, carrier) = (Carrier::listen().run(), Carrier::listen().run());
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret }}
  south: {{ connect: "{}", system_id: us, password: secret }}
  down: {{ connect: "{}", system_id: us, password: secret }}
routes:
  - {{ when: {{ destination: "1*" }}, to: [{{ carrier: north, weight: 0 }}, {{ carrier: south, weight: 1 }}] }}
  - {{ when: {{ destination: "2*" }}, to: [{{ carrier: north, weight: 0 }}, south], choose: least_loaded }}
  - {{ when: {{ destination: "3*" }}, to: [{{ carrier: north, weight: 0 }}, down] }}
  - {{ when: {{ destination: "4*" }}, to: north }}
"#,
        draining.address,
        carrier.address,
        free_address()
    ));
    let mut acme = gateway.connect();
    acme.bind(BindMode::Transceiver, "acme", "secret");
    assert_eq!(acme.submit_when_up(&plain("draining is up")).status, ROK);
    for destination in ["11", "22"] {
        acme.submit_when_up(&body("1000", destination, b"hi", |_| {}));
        for _ in 0..20 {
            assert_eq!(acme.submit(&body("1000", destination, b"hi", |_| {})).status, ROK);
        }
    }
    acme.refused(&body("1000", "33", b"hi", |_| {}), 0x08);
    assert_eq!((draining.submits().len(), carrier.submits().len()), (1, 42));
}

#[test]
fn the_least_loaded_carrier_takes_the_bulk_while_another_is_slow() {
    const BURST: usize = 20;
    let (slow, fast) = (Carrier::listen(), Carrier::listen().run());
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 0 }} }}
carriers:
  slow: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 1 }}
  fast: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }}
routes: [{{ to: [slow, fast], choose: least_loaded }}]
"#,
        slow.address(),
        fast.address
    ));
    let link = slow.accept();
    for carrier in ["slow", "fast"] {
        gateway.wait_for_metric(&format!("trunkline_links_bound{{carrier=\"{carrier}\"}}"), |bound| bound == 1.0);
    }
    let mut answers = Peer::over(link.stream.try_clone().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let reading = std::thread::spawn({
        let kept = Arc::clone(&kept);
        move || keep_submits(link, &kept)
    });
    let taken = || (kept.lock().unwrap().len(), fast.submits().len());
    let mut acme = gateway.connect();
    acme.bind(BindMode::Transceiver, "acme", "secret");
    let mut answered = 0;
    for sent in 1..=10 {
        for _ in 0..BURST {
            acme.request(CommandId::SUBMIT_SM, &plain("hi"));
        }
        let give_up = Instant::now() + PATIENCE;
        while taken().0 + taken().1 < sent * BURST {
            assert!(Instant::now() < give_up, "slow and fast took {:?} of {}", taken(), sent * BURST);
            std::thread::park_timeout(Duration::from_millis(1));
        }
        while answered < taken().1 {
            assert_eq!(acme.expect(CommandId::SUBMIT_SM_RESP).status, ROK);
            answered += 1;
        }
    }
    // Slow answers nothing, so once it keeps as many as come in one burst it is given no more.
    let (kept_by_slow, by_fast) = taken();
    assert!((1..=BURST).contains(&kept_by_slow), "slow took {kept_by_slow}, fast {by_fast}");
    for submit in kept.lock().unwrap().iter() {
        answers.send_pdu(&resp(submit, &format!("s{}", submit.sequence)));
        assert_eq!(acme.expect(CommandId::SUBMIT_SM_RESP).status, ROK);
    }
    acme.expect_quiet();
    drop(gateway);
    reading.join().unwrap();
}

/// A carrier that reads and keeps what it is given, and never answers a submit.
fn keep_submits(mut link: Peer, kept: &Mutex<Vec<Pdu>>) {
    while let Some(pdu) = link.read() {
        match pdu.command {
            CommandId::SUBMIT_SM => kept.lock().unwrap().push(pdu),
            command => assert!(!command.is_response(), "{pdu:x?}"),
        }
    }
}
