//! Which submits are relayed where, and what those are answered that are not.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use crate::carrier::Carrier;
use crate::gateway::{Gateway, free_address};
use crate::peer::{ROK, body, plain};
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
