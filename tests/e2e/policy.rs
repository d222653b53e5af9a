//! What an account's settings allow and change: how much, from whom, to whom; and what its operator is told of the rest.

use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use crate::carrier::{receipt, receipt_text, resp};
use crate::gateway::{Directory, run};
use crate::peer::{PATIENCE, Pdu, ROK, body, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::{Scripted, World};

const RINVSRCADR: u32 = 0x0A;
const RINVDSTADR: u32 = 0x0B;
const RMSGQFUL: u32 = 0x14;
const RINVESMCLASS: u32 = 0x43;
const RSUBMITFAIL: u32 = 0x45;
const RTHROTTLED: u32 = 0x58;

fn to(destination: &str) -> Vec<u8> {
    body("1000", destination, b"hello", |_| {})
}

fn submits(count: u32) -> Vec<u8> {
    (1..=count).flat_map(|sequence| Pdu::new(CommandId::SUBMIT_SM, ROK, sequence, &plain("many")).octets()).collect()
}

#[test]
fn what_is_over_the_rate_is_answered_late_and_in_order_and_what_is_over_the_burst_too_is_throttled() {
    let mut world = World::with("rate: 20, burst: 10, over_rate: delay", "");
    let mut acme = world.acme();
    let start = Instant::now();
    acme.send(&submits(30));
    let answers: Vec<_> = (0..30).map(|_| acme.expect(CommandId::SUBMIT_SM_RESP)).collect();
    let throttled: Vec<_> = answers.iter().filter(|answer| answer.status == RTHROTTLED).collect();
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == ROK).map(|answer| answer.sequence).collect();
    // As many may have been paid off while the flood was read as a busy machine took for that.
    assert!((1..=10).contains(&throttled.len()), "{answers:?}");
    assert_eq!(accepted.len() + throttled.len(), 30);
    assert!(accepted.is_sorted(), "{accepted:?}");
    // Ten beyond the burst at twenty a second.
    let least = Duration::from_millis(50 * (accepted.len() as u64 - 11));
    assert!(start.elapsed() >= least, "{:?} for {} submits", start.elapsed(), accepted.len());
    world.gateway.wait_for_metric("trunkline_submits_held_back{account=\"acme\"}", |count| count == 0.0);
    acme.expect_quiet();
    world.is_well();
}

#[test]
fn a_quota_survives_a_restart_and_the_drain_before_it_keeps_the_last_of_it() {
    let mut stage = Scripted::with("quota: { day: 5 }", "", "");
    for at in 0..3 {
        stage.accepted(&plain("counted"), &at.to_string());
    }
    stage.gateway.signal(15);
    // Each end says goodbye first.
    let unbind = stage.link().expect(CommandId::UNBIND);
    stage.link().answer(&unbind, ROK, b"");
    let unbind = stage.acme.expect(CommandId::UNBIND);
    stage.acme.answer(&unbind, ROK, b"");
    stage.gateway.restart();
    stage.links = vec![stage.carrier.accept()];
    stage.link().expect_quiet();
    stage.acme = stage.gateway.connect();
    assert_eq!(stage.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    for at in 3..5 {
        stage.accepted(&plain("counted"), &at.to_string());
    }
    // The day may have ended meanwhile, by a chance of one in thousands: then a new one began.
    stage.acme.refused(&plain("over"), RMSGQFUL);
    let refused = "trunkline_submits_refused_total{account=\"acme\",status=\"quota\"}";
    stage.gateway.wait_for_metric(refused, |count| count == 1.0);
}

#[test]
fn a_cap_holds_for_its_destinations_and_the_operator_is_told_without_the_number() {
    let mut world = World::with("destination_caps: [{ destination: \"4988*\", segments: 2, per: 1h }]", "");
    let mut acme = world.acme();
    for _ in 0..2 {
        assert_eq!(acme.submit(&to("498812345678")).status, ROK);
    }
    for _ in 0..3 {
        acme.refused(&to("+498812345678"), RSUBMITFAIL);
    }
    assert_eq!(acme.submit(&to("491701234567")).status, ROK);
    let told = told(&world, "over a cap");
    assert_eq!(told.len(), 1, "the first at once, the rest in a minute: {told:?}");
    assert!(told[0].contains("account=\"acme\"") && told[0].contains("+49881*******"), "{told:?}");
    assert!(!world.gateway.log().contains("498812345678"));
    world.is_well();
}

fn told(world: &World, words: &str) -> Vec<String> {
    let log = world.gateway.log();
    log.lines().filter(|line| line.contains("audit") && line.contains(words)).map(str::to_owned).collect()
}

#[test]
fn nothing_is_sent_to_who_opted_out_and_the_list_is_read_again_when_it_changes() {
    let lists = Directory::new();
    let list = lists.write("list", "# asked not to be called\n+491700000001\n");
    let mut world = World::with(&format!("opt_out: \"{}\"", list.display()), "");
    let mut acme = world.acme();
    acme.refused(&to("491700000001"), RINVDSTADR);
    assert_eq!(acme.submit(&to("491700000002")).status, ROK);
    lists.write("list", "491700000001\nno number\n");
    let give_up = Instant::now() + PATIENCE;
    while !world.gateway.log().contains("line 2") {
        assert!(Instant::now() < give_up, "the wrong list was not told of:\n{}", world.gateway.log());
        acme.expect_quiet();
        std::thread::park_timeout(Duration::from_millis(50));
    }
    acme.refused(&to("491700000001"), RINVDSTADR);
    // As it should be done: written beside, and moved into its place.
    std::fs::rename(lists.write("new", "491700000002\n"), &list).unwrap();
    while acme.submit(&to("491700000002")).status != RINVDSTADR {
        assert!(Instant::now() < give_up + PATIENCE, "the new list was not taken:\n{}", world.gateway.log());
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert_eq!(acme.submit(&to("491700000001")).status, ROK);
    let refused = "trunkline_submits_refused_total{account=\"acme\",status=\"opted_out\"}";
    world.gateway.wait_for_metric(refused, |count| count >= 3.0);
    world.is_well();
}

#[test]
fn a_list_that_is_wrong_or_missing_is_told_before_anything_is_served() {
    let lists = Directory::new();
    lists.write("list", "491700000001\n4917x\n");
    for (name, message) in [("list", "line 2: \"4917x\" is no number"), ("missing", "No such file")] {
        let yaml = format!("accounts: {{ acme: {{ password: secret, opt_out: {name} }} }}\n");
        lists.write("trunkline.yaml", &yaml);
        let (code, _, said) = run(&["check", "--config", lists.0.join("trunkline.yaml").to_str().unwrap()]);
        assert_eq!(code, 78, "{said}");
        assert!(said.contains("accounts.acme.opt_out") && said.contains(message), "{said}");
    }
}

#[test]
fn a_forced_sender_reaches_the_carrier_and_the_receipt_comes_back_to_the_one_that_was_sent() {
    for (setting, sent, leaves_as) in [
        ("force_sender: Shop", "1000", (5, 0, "Shop")),
        ("force_sender: \"447700900001\"", "Me", (1, 1, "447700900001")),
        ("default_sender: \"12345\"", "", (3, 0, "12345")),
        ("default_sender: Shop", "1000", (1, 1, "1000")),
    ] {
        let mut stage = Scripted::with(setting, "", "");
        let submit = body(sent, "4915100000001", b"hello", |message| message.registered_delivery = 1);
        let (sequence, seen) = stage.submit(&submit);
        let source = SmView::submit(&seen.body).unwrap().source;
        assert_eq!((source.ton, source.npi, source.digits), (leaves_as.0, leaves_as.1, leaves_as.2.as_bytes()));
        stage.link().send_pdu(&resp(&seen, "77"));
        stage.acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
        let text = receipt_text("77", "DELIVRD");
        let told = body("4915100000001", leaves_as.2, text.as_bytes(), |message| message.esm_class = 4);
        stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 7, &told));
        let received = stage.acme.receive();
        let destination = SmView::deliver(&received.body).unwrap().destination;
        assert_eq!((destination.ton, destination.digits), (1, sent.as_bytes()), "{setting}");
    }
}

#[test]
fn what_an_account_may_not_is_refused_told_of_and_costs_nobody_else_anything() {
    let mut world = World::with("senders: [\"10*\", ACME], destinations: [\"49*\"]", "");
    let mut acme = world.acme();
    for _ in 0..20 {
        acme.refused(&body("2000", "4915100000001", b"x", |_| {}), RINVSRCADR);
        acme.refused(&to("447700900001"), RINVDSTADR);
    }
    let as_receipt = body("1000", "4915100000001", b"id:1 stat:DELIVRD", |message| message.esm_class = 4);
    acme.refused(&as_receipt, RINVESMCLASS);
    assert_eq!(acme.submit(&plain("allowed")).status, ROK);
    for words in ["a sender that is not", "a destination that is not", "marked as a receipt"] {
        assert_eq!(told(&world, words).len(), 1, "{words}:\n{}", world.gateway.log());
    }
    assert!(!world.gateway.log().contains("447700900001"));
    world.is_well();
}

#[test]
fn who_may_not_submit_keeps_his_bind_and_his_receipts() {
    let mut stage = Scripted::new();
    let id = stage.accepted(&with_receipt("before"), "9");
    stage
        .restart_with(|yaml| yaml.replace("password: secret, shard: 1,", "password: secret, shard: 1, submit: false,"));
    stage.links = vec![stage.carrier.accept()];
    stage.acme = stage.gateway.connect();
    assert_eq!(stage.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    stage.acme.refused(&plain("now"), RSUBMITFAIL);
    stage.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 7, &receipt("9", "DELIVRD")));
    assert_eq!(id_of_receipt(&stage.acme.receive()), id);
}

#[test]
fn each_way_to_bind_is_open_only_to_whom_it_is_allowed() {
    const RBINDFAIL: u32 = 0x0D;
    let modes = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver];
    let accounts = modes.map(|mode| format!("\n  {0}: {{ password: secret, binds: {0} }}", mode.name())).concat();
    let world = World::with_accounts("", &accounts, "");
    for allowed in modes {
        for mode in modes {
            let status = world.connect().bind(mode, allowed.name(), "secret").status;
            assert_eq!(status, if mode == allowed { ROK } else { RBINDFAIL }, "{mode:?} as {allowed:?}");
        }
    }
}

#[test]
fn enquire_links_without_a_pause_are_all_answered_and_cost_their_session_alone() {
    let mut world = World::new();
    let mut acme = world.acme();
    let flood: Vec<_> = (1..=2_500).flat_map(|at| Pdu::new(CommandId::ENQUIRE_LINK, ROK, at, b"").octets()).collect();
    let start = Instant::now();
    acme.send(&flood);
    world.is_well();
    for sequence in 1..=2_500 {
        acme.expect_answer(CommandId::ENQUIRE_LINK_RESP, ROK, sequence);
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "it was read no further twice: {:?}", start.elapsed());
    assert_eq!(told(&world, "a flood").len(), 1, "{}", world.gateway.log());
    assert_eq!(acme.submit(&plain("after")).status, ROK);
    world.is_well();
}

#[test]
fn all_sessions_of_an_account_share_its_rate() {
    let world = World::with("rate: 1, burst: 1", "");
    let (mut one, mut other) = (world.acme(), world.acme());
    assert_eq!(one.submit(&plain("first")).status, ROK);
    other.refused(&plain("second"), RTHROTTLED);
    other.expect_quiet();
}
