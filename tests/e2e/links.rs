//! Links under an operator's hand and a carrier's habits: paused, drained and resumed over the admin listener, bound from an
//! address of ours, and patient when refused.

use std::time::{Duration, Instant};

use serde_json::Value;
use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt, resp};
use crate::gateway::{Gateway, http, http_with};
use crate::peer::{PATIENCE, Pdu, Peer, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;

/// Carriers `north`, with these after its other fields, and `south`; `acme` bound, and both have a link.
struct Stage {
    gateway: Gateway,
    acme: Peer,
    north: Carrier,
    first: Peer,
    second: Peer,
}

impl Stage {
    fn new(north_fields: &str) -> Self {
        let (north, south) = (Carrier::listen(), Carrier::listen());
        let gateway = Gateway::start(&format!(
            r#"
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0, {north_fields} }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 1 }}
routes: [{{ to: [north, south] }}]
"#,
            north.address(),
            south.address()
        ));
        let mut acme = gateway.connect();
        assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
        let (mut first, mut second) = (north.accept(), south.accept());
        first.expect_quiet();
        second.expect_quiet();
        Self { gateway, acme, north, first, second }
    }

    fn post(&self, path: &str) -> String {
        http_with(self.gateway.admin, "POST", path, "").unwrap()
    }

    /// What `GET` answers, as JSON.
    fn get(&self, path: &str) -> Value {
        let answer = http(self.gateway.admin, path).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("application/json"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn wait_for(&self, path: &str, pointer: &str, value: &str) {
        let give_up = Instant::now() + PATIENCE;
        while self.get(path).pointer(pointer) != Some(&Value::from(value)) {
            assert!(Instant::now() < give_up, "{:#}", self.get(path));
        }
    }
}

/// `acme` submits, and this link sees it and accepts; our id.
fn accepted(acme: &mut Peer, link: &mut Peer, id: &str) -> String {
    let sequence = acme.request(CommandId::SUBMIT_SM, &with_receipt(id));
    let submit = link.expect(CommandId::SUBMIT_SM);
    link.send_pdu(&resp(&submit, id));
    acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id()
}

/// The link sends a receipt for it, which reaches `acme`.
fn receipted(acme: &mut Peer, link: &mut Peer, id: &str, ours: &str) {
    link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 77, &receipt(id, "DELIVRD")));
    assert_eq!(id_of_receipt(&acme.receive()), ours);
    link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 77);
}

#[test]
fn a_carrier_is_paused_drained_and_resumed_over_the_admin_listener() {
    let mut stage = Stage::new("");
    let one = accepted(&mut stage.acme, &mut stage.first, "n1");
    let two = accepted(&mut stage.acme, &mut stage.first, "n2");
    let answer = stage.post("/carriers/north/pause");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"order\": \"paused\""), "{answer}");
    accepted(&mut stage.acme, &mut stage.second, "s1");
    receipted(&mut stage.acme, &mut stage.first, "n1", &one);
    let north = stage.get("/carriers/north");
    assert_eq!((&north["carrier"], &north["order"], &north["rate"]), (&"north".into(), &"paused".into(), &Value::Null));
    assert_eq!((&north["receipts_outstanding"], &north["queued"]), (&1.into(), &0.into()));
    let link = &north["links"][0];
    assert_eq!((&link["link"], &link["state"], &link["bind"]), (&0.into(), &"bound".into(), &"transceiver".into()));
    assert_eq!((&link["outstanding"], &link["address"]), (&0.into(), &stage.north.address().to_string().into()));
    assert!(link["bound_since"].as_u64().is_some_and(|since| since > 1_600_000_000), "{link}");
    stage.gateway.wait_for_metric("trunkline_links_withheld{carrier=\"north\"}", |withheld| withheld == 1.0);

    assert!(stage.post("/carriers/north/resume").contains("\"order\": \"active\""));
    let three = accepted(&mut stage.acme, &mut stage.first, "n3");

    assert!(stage.post("/carriers/north/drain").contains("\"order\": \"draining\""));
    accepted(&mut stage.acme, &mut stage.second, "s2");
    stage.first.expect_quiet();
    receipted(&mut stage.acme, &mut stage.first, "n2", &two);
    receipted(&mut stage.acme, &mut stage.first, "n3", &three);
    let goodbye = stage.first.expect(CommandId::UNBIND);
    stage.first.answer(&goodbye, ROK, b"");
    stage.first.expect_close();
    stage.wait_for("/carriers", "/0/links/0/state", "off");
    assert_eq!(stage.get("/carriers")[0]["order"], "stopped");
    assert_eq!(stage.get("/carriers")[1]["order"], "active");

    stage.post("/carriers/north/links/0/resume");
    stage.first = stage.north.accept();
    stage.first.expect_quiet();
    accepted(&mut stage.acme, &mut stage.first, "n4");

    let log = stage.gateway.log();
    let audit: Vec<_> = log.lines().filter(|line| line.contains(" audit: ")).collect();
    assert_eq!(audit.len(), 4, "{audit:?}");
    assert!(audit.iter().all(|line| line.contains("carrier=\"north\"") && line.contains("from=\"127.0.0.1\"")));
    for (line, word) in audit.iter().zip(["pause", "resume", "drain", "resume"]) {
        assert!(line.contains(word), "{line}");
    }
    assert!(audit[3].contains("link=0") && !audit[0].contains("link="), "{audit:?}");
}

#[test]
fn a_drain_ends_when_it_was_told_to_though_receipts_are_out() {
    let mut stage = Stage::new("");
    accepted(&mut stage.acme, &mut stage.first, "n1");
    stage.post("/carriers/north/drain");
    stage.first.expect_quiet();
    stage.post("/carriers/north/drain?within=0s");
    stage.first.expect(CommandId::UNBIND);
}

#[test]
fn orders_that_are_not_understood_or_not_allowed_change_nothing() {
    let mut stage = Stage::new("");
    let said = |method: &str, path: &str, headers: &str| {
        http_with(stage.gateway.admin, method, path, headers).unwrap().to_lowercase()
    };
    for (method, path, headers, status, also) in [
        ("POST", "/carriers/west/pause", "", 404, "there is no carrier \"west\""),
        ("POST", "/carriers/north/links/1/pause", "", 404, "has 0 to 0"),
        ("POST", "/carriers/north/stop", "", 404, "pause, drain and resume"),
        ("GET", "/carriers/north/pause", "", 405, "allow: post"),
        ("POST", "/carriers", "", 405, "allow: get"),
        ("POST", "/carriers/north/drain?within=soon", "", 400, "within: must be"),
        ("POST", "/carriers/north/pause", "Origin: https://evil.example\r\n", 403, "web pages"),
    ] {
        let answer = said(method, path, headers);
        assert!(
            answer.starts_with(&format!("http/1.1 {status} ")) && answer.contains(also),
            "{method} {path}: {answer}"
        );
    }
    accepted(&mut stage.acme, &mut stage.first, "n1");
}

#[test]
fn a_carrier_in_state_drain_is_bound_and_receives_and_is_submitted_nothing() {
    let mut stage = Stage::new("state: drain");
    accepted(&mut stage.acme, &mut stage.second, "s1");
    stage.first.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 5, &receipt("of-yesterday", "DELIVRD")));
    stage.first.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 5);
    stage.first.expect_quiet();
    assert_eq!(stage.get("/carriers/north")["order"], "paused");
    stage.post("/carriers/north/resume");
    accepted(&mut stage.acme, &mut stage.first, "n1");
}

#[test]
fn a_link_comes_from_the_address_it_is_told_to() {
    let stage = Stage::new("source_address: 127.0.0.9");
    assert_eq!(stage.first.stream.peer_addr().unwrap().ip().to_string(), "127.0.0.9");
    assert_eq!(stage.second.stream.peer_addr().unwrap().ip().to_string(), "127.0.0.1");
}

#[test]
fn after_a_refused_password_one_link_asks_again_and_the_others_follow_once_it_is_bound() {
    let carrier = Carrier::listen();
    let _gateway = Gateway::start(&format!(
        r#"
profiles: {{ strict: {{ links: {{ refused: 1s, interface_version: 3.3, address_range: "^49" }} }} }}
accounts: {{ acme: {{ password: secret }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 3, profile: strict }} }}
routes: [{{ to: north }}]
"#,
        carrier.address()
    ));
    let mut before = None;
    for wait in [0, 1, 2] {
        let (mut link, bind) = carrier.accept_unbound();
        assert_eq!(bind.body, b"us\0secret\0\0\x33\0\0^49\0");
        let waited = before.map(|before: Instant| before.elapsed());
        assert!(waited.is_none_or(|waited| waited >= Duration::from_secs(wait)), "{waited:?}");
        before = Some(Instant::now());
        link.answer(&bind, 0x0E, b"");
        link.expect_close();
    }
    let mut links: Vec<_> = (0..3).map(|_| carrier.accept()).collect();
    for link in &mut links {
        link.expect_quiet();
    }
}

#[test]
fn a_submit_refused_by_a_paused_carrier_alone_says_that_nobody_takes_it() {
    let carrier = Carrier::listen();
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 1 }} }}
routes: [{{ to: north }}]
"#,
        carrier.address()
    ));
    let mut link = carrier.accept();
    link.expect_quiet();
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    http_with(gateway.admin, "POST", "/carriers/north/pause", "").unwrap();
    acme.refused(&plain("not now"), 0x08);
    link.expect_quiet();
}
