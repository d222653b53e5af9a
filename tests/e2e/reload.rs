//! Another configuration while everything runs: what the file changes changes, everything else goes on, and a bad file changes nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt, resp};
use crate::gateway::Gateway;
use crate::peer::{PATIENCE, Pdu, Peer, ROK, plain, with_receipt};
use crate::processes::{Load, Smsc};
use crate::receipts::id_of_receipt;
use crate::world::{Scripted, World};

const RTHROTTLED: u32 = 0x58;
const RINVDSTADR: u32 = 0x0B;
const RINVPASWD: u32 = 0x0E;
const HUP: i32 = 1;

/// What a reload that was carried out said.
pub fn done(answer: &str) -> Value {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

pub fn list(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect()
}

/// Until something has changed that nobody is told of.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "never came to be: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn settings_change_under_a_session_that_stays() {
    let mut world = World::with("rate: 1000, burst: 1000,", "");
    let mut acme = world.acme();
    assert_eq!(acme.submit(&plain("before")).status, ROK);

    let said = done(&world.gateway.reload("rate: 1000, burst: 1000,", "rate: 1, burst: 1,"));
    assert_eq!((list(&said["changed"]), list(&said["added"])), (vec!["accounts.acme.rate"], vec![]));
    let statuses: Vec<_> = (0..4).map(|_| acme.submit(&plain("fast")).status).collect();
    assert!(statuses.contains(&RTHROTTLED), "{statuses:x?}");

    done(&world.gateway.reload("rate: 1, burst: 1,", ""));
    for _ in 0..20 {
        assert_eq!(acme.submit(&plain("unlimited")).status, ROK);
    }
    let said = done(&world.gateway.reload("destination: \"4*\"", "destination: \"5*\""));
    assert_eq!(list(&said["changed"]), ["routes"]);
    acme.refused(&plain("no route any more"), RINVDSTADR);
    done(&world.gateway.reload("destination: \"5*\"", "destination: \"4*\""));

    done(&world.gateway.reload("acme: { password: secret", "acme: { password: other"));
    assert_eq!(acme.submit(&plain("still bound")).status, ROK);
    assert_eq!(world.connect().bind(BindMode::Transceiver, "acme", "secret").status, RINVPASWD);
    assert_eq!(world.connect().bind(BindMode::Transceiver, "acme", "other").status, ROK);
    world.is_well();
    let log = world.gateway.log();
    assert!(log.contains("changed=\"accounts.acme.password\"") && !log.contains("password: other"), "{log}");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let mut world = World::new();
    let mut acme = world.acme();
    let answer = world.gateway.reload("password: beside, shard: 0", "password: beside, shard: 0, rat: 5, window: none");
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    for problem in ["accounts.other.rat", "accounts.other.window"] {
        assert!(answer.contains(problem), "{answer}");
    }
    assert_eq!(acme.submit(&plain("as before")).status, ROK);
    world.gateway.rewrite("rat: 5, window: none", "tls: required");
    world.gateway.rewrite("routes:", "smpp: { tls: [] }\nroutes:");
    world.gateway.signal(HUP);
    wait_until("the refusal is logged", || world.gateway.log().matches("configuration not reloaded").count() == 2);
    world.is_well();
    assert_eq!(world.connect().bind(BindMode::Transceiver, "other", "beside").status, ROK);
}

#[test]
fn what_is_read_at_the_start_alone_waits_and_is_named() {
    let mut world = World::new();
    let said = done(&world.gateway.reload("password: secret, shard: 1", "password: secret, shard: 0"));
    assert_eq!((list(&said["waits_for_restart"]), list(&said["changed"])), (vec!["accounts.acme.shard"], vec![]));
    let said = done(&world.gateway.reload("shards: 2", "shards: 1\nnode: 7"));
    assert_eq!(list(&said["waits_for_restart"]), ["node", "shards", "accounts.acme.shard"]);
    assert!(world.gateway.log().contains("restart for them"));
    world.acme();
    world.is_well();
}

#[test]
fn new_accounts_and_carriers_are_served_at_once() {
    let mut world = World::new();
    let south = Carrier::listen();
    let carrier =
        format!("carriers:\n  south: {{ connect: \"{}\", system_id: us, password: p, links: 1 }}", south.address());
    world.gateway.rewrite("carriers:", &carrier);
    world.gateway.rewrite("accounts:", "accounts:\n  late: { password: comer }");
    let routes =
        "routes:\n  - { when: { account: late }, to: south }\n  - { when: { destination: \"4*\" }, to: north }";
    let said = done(&world.gateway.reload("routes:\n  - { when: { destination: \"4*\" }, to: north }", routes));
    assert_eq!(list(&said["added"]), ["accounts.late", "carriers.south"]);
    let mut link = south.accept();
    link.expect_quiet();
    let mut late = world.connect();
    assert_eq!(late.bind(BindMode::Transceiver, "late", "comer").status, ROK);
    let sequence = late.request(CommandId::SUBMIT_SM, &with_receipt("new"));
    let submit = link.expect(CommandId::SUBMIT_SM);
    link.send_pdu(&resp(&submit, "s1"));
    let ours = late.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence).id();
    link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 9, &receipt("s1", "DELIVRD")));
    assert_eq!(id_of_receipt(&late.receive()), ours);
    link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 9);
    world.gateway.wait_for_metric("trunkline_sessions_bound{account=\"late\"}", |bound| bound == 1.0);
    world.gateway.wait_for_metric("trunkline_links_bound{carrier=\"south\"}", |bound| bound == 1.0);
    world.is_well();
}

#[test]
fn an_account_that_went_is_told_goodbye_and_finds_its_receipts_when_it_comes_back() {
    let mut stage = Scripted::with("", "", "");
    let ours = stage.accepted(&with_receipt("kept"), "n1");
    // One is out while it goes: it is answered before the goodbye.
    let (sequence, submit) = stage.submit(&plain("last"));
    let account = "acme: { password: secret, shard: 1,  }";
    let said = done(&stage.gateway.reload(account, "beta: { password: b }"));
    assert_eq!((list(&said["added"]), list(&said["removed"])), (vec!["accounts.beta"], vec!["accounts.acme"]));
    stage.acme.refused(&plain("too late"), 8);
    stage.links[0].send_pdu(&resp(&submit, "n2"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    let goodbye = stage.acme.expect(CommandId::UNBIND);
    stage.acme.answer(&goodbye, ROK, b"");
    stage.acme.expect_close();
    assert_eq!(stage.gateway.connect().bind(BindMode::Transceiver, "acme", "secret").status, RINVPASWD);
    // Its receipt is kept for it.
    stage.links[0].send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 3, &receipt("n1", "DELIVRD")));
    stage.links[0].expect_answer(CommandId::DELIVER_SM_RESP, ROK, 3);

    done(&stage.gateway.reload("beta: { password: b }", account));
    let mut acme = stage.gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    assert_eq!(id_of_receipt(&acme.receive()), ours);
}

#[test]
fn sessions_from_an_address_that_is_allowed_no_more_end_and_others_stay() {
    let mut world = World::new();
    let mut acme = world.acme();
    done(&world.gateway.reload("password: secret, shard: 1", "password: secret, allow_from: [10.0.0.0/8], shard: 1"));
    acme.expect(CommandId::UNBIND);
    world.is_well();
}

#[test]
fn links_are_replaced_one_after_the_other_once_they_have_drained() {
    let mut stage = Scripted::with("", "links: 2", "");
    let first = stage.acme.request(CommandId::SUBMIT_SM, &plain("one"));
    // Whichever link it went to has it out.
    let (busy, submit) = out_on(&mut stage.links);
    let elsewhere = Carrier::listen();
    let before = stage.carrier.address().to_string();
    let said = done(&stage.gateway.reload(&before, &elsewhere.address().to_string()));
    assert_eq!(list(&said["changed"]), ["carriers.north.connect"]);
    // The first that has nothing out goes, and the other one stays until the new one is bound.
    stage.links[busy].send_pdu(&resp(&submit, "n1"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, first);
    let goodbye = stage.links[0].expect(CommandId::UNBIND);
    stage.links[0].answer(&goodbye, ROK, b"");
    stage.links[0].expect_close();
    let (mut new, bind) = elsewhere.accept_unbound();
    stage.links[1].expect_quiet();
    let sequence = stage.acme.request(CommandId::SUBMIT_SM, &plain("two"));
    let submit = stage.links[1].expect(CommandId::SUBMIT_SM);
    stage.links[1].send_pdu(&resp(&submit, "n2"));
    stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    new.answer(&bind, ROK, b"smsc\0");
    let goodbye = stage.links[1].expect(CommandId::UNBIND);
    stage.links[1].answer(&goodbye, ROK, b"");
    stage.links[1].expect_close();
    elsewhere.accept().expect_quiet();
    new.expect_quiet();
    stage.acme.expect_quiet();
}

/// Which link has a submit, and that.
fn out_on(links: &mut [Peer]) -> (usize, Pdu) {
    let mut found = None;
    wait_until("a link has it", || {
        for (at, link) in links.iter_mut().enumerate() {
            let sequence = link.request(CommandId::ENQUIRE_LINK, b"");
            let pdu = link.read().expect("an answer");
            if pdu.command == CommandId::SUBMIT_SM {
                link.expect_answer(CommandId::ENQUIRE_LINK_RESP, ROK, sequence);
                found = Some((at, pdu));
                break;
            }
        }
        found.is_some()
    });
    found.expect("what was waited for")
}

#[test]
fn a_carrier_that_went_is_unbound_and_its_submits_go_elsewhere() {
    let (north, south) = (Carrier::listen(), Carrier::listen());
    let line = |name: &str, carrier: &Carrier| {
        format!("  {name}: {{ connect: \"{}\", system_id: us, password: p, links: 1 }}\n", carrier.address())
    };
    let (of_north, of_south) = (line("north", &north), line("south", &south));
    let gateway = Gateway::start(&format!(
        "accounts: {{ acme: {{ password: secret }} }}\ncarriers:\n{of_north}{of_south}routes: [{{ to: [north, south] }}]\n"
    ));
    let (mut first, mut second) = (north.accept(), south.accept());
    first.expect_quiet();
    second.expect_quiet();
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    let sequence = acme.request(CommandId::SUBMIT_SM, &plain("out"));
    let submit = first.expect(CommandId::SUBMIT_SM);
    gateway.rewrite(&of_north, "");
    let said = done(&gateway.reload("[north, south]", "[south]"));
    assert_eq!(list(&said["removed"]), ["carriers.north"]);
    // What is out there is answered from there.
    first.expect_quiet();
    first.send_pdu(&resp(&submit, "n1"));
    acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    let goodbye = first.expect(CommandId::UNBIND);
    first.answer(&goodbye, ROK, b"");
    first.expect_close();
    let sequence = acme.request(CommandId::SUBMIT_SM, &plain("next"));
    let submit = second.expect(CommandId::SUBMIT_SM);
    second.send_pdu(&resp(&submit, "s1"));
    acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
    gateway.rewrite(&of_south, &format!("{of_north}{of_south}"));
    done(&gateway.reload("[south]", "[north, south]"));
    north.accept().expect_quiet();
    second.expect_quiet();
}

#[test]
fn files_good_and_bad_under_load_drop_no_session_and_lose_nothing() {
    let ledger = crate::gateway::Directory::new();
    let smsc = Smsc::with_ledger(&ledger.0.join("smsc"), "--latency 5ms");
    let gateway = Gateway::start(&format!(
        "accounts: {{ one: {{ password: p, window: 200 }}, two: {{ password: p }} }}\n\
         carriers: {{ c: {{ connect: \"{}\", system_id: us, password: p, links: 2, rate: 5000 }} }}\nroutes: [{{ to: c }}]\n",
        smsc.address
    ));
    let flags = "--system-id one --password p --rate 300 --duration 6s";
    let mut load = Load::start(gateway.smpp, &ledger.0.join("load"), flags);
    let files = [
        ("two: { password: p }", "two: { password: q, rate: 9 }"),
        ("routes: [", "routes: [{ when: { account: two }, to: c }, "),
        ("rate: 5000", "rate: 0"),
        ("rate: 0", "rate: 4000"),
        ("two: { password: q, rate: 9 }", "three: { password: p }"),
        ("{ when: { account: two }, to: c }, ", ""),
    ];
    for (part, by) in files {
        gateway.rewrite(part, by);
        gateway.signal(HUP);
        std::thread::park_timeout(Duration::from_millis(700));
    }
    assert!(load.is_running(), "the load ended before the reloads did");
    let report = load.wait();
    assert_eq!(report["errors"].as_u64().unwrap_or(0), 0, "{report:#}");
    let log = gateway.log();
    assert!(log.matches("configuration reloaded").count() >= 3, "{log}");
    assert!(log.matches("configuration not reloaded").count() >= 1, "{log}");
    assert_eq!(log.matches("session bound").count(), log.matches("session ended").count(), "{log}");
    assert!(!log.contains("link down") && !log.contains("link unbound"), "{log}");
    gateway.wait_for_metric("trunkline_submits_outstanding{account=\"one\"}", |out| out == 0.0);
}
