//! Kept MO, told without a network: acknowledged when durable, bounded, handed over when a rule names an account, and forgotten.

use super::*;
use crate::config::{AccountId, CarrierId};
use crate::engine::effects::Effects;
use crate::engine::event::{HoldingKind, Input};
use crate::engine::message::ShardId;
use crate::engine::receipts::tests::{CARRIER, World, deliver, shard};
use crate::engine::restore::Restored;
use crate::engine::rewrite::RewriteCursor;
use crate::engine::shard::Shard;
use crate::smpp::command::CommandId;

const PROFILE: &str = "profiles: { odd: {} }\n";
const ROK: CommandStatus = CommandStatus::ROK;
const RX_T_APPN: CommandStatus = CommandStatus::RX_T_APPN;

/// A shard whose configuration goes on with this.
fn world(more: &str) -> World {
    World::of(&format!("{PROFILE}{CARRIER}{more}"))
}

/// A shard of a later process, with so many MO of an earlier one.
fn restored(more: &str, count: u64) -> (Shard, Effects) {
    let (mut shard, mut out) = shard(&format!("{PROFILE}{CARRIER}{more}"));
    for key in (0..count).rev() {
        let body = deliver(0, format!("mo {key}").as_bytes());
        let entry = Restored::Unrouted { carrier: CarrierId(0), key, born: 0, body: &body };
        shard.restore(&entry, Some(Place { segment: 3, octets: 50 }), Instant::ZERO, &mut out);
    }
    (shard, out)
}

fn kept(shard: &mut Shard) -> usize {
    shard.carriers().map(|carrier| carrier.unrouted.len()).sum()
}

fn at(shard: &mut Shard, out: &mut Effects, seconds: u64) {
    let now = Instant::ZERO + Duration::from_secs(seconds);
    shard.handle(Input::Timeout, now, out);
    shard.settle(now, out);
}

/// Everything recorded becomes durable. Returns what was.
fn commit(shard: &mut Shard, out: &mut Effects) -> Vec<Record> {
    let through = out.start_commit();
    let records = std::mem::take(&mut out.records);
    out.record_bytes.clear();
    if let Some(through) = through {
        shard.handle(Input::Durable { through }, Instant::ZERO, out);
    }
    shard.settle(Instant::ZERO, out);
    records
}

#[test]
fn an_mo_without_a_rule_is_acknowledged_when_it_is_durable() {
    let mut world = world("");
    world.says(CommandId::DELIVER_SM, 1, &deliver(0, b"hello"));
    assert_eq!(world.answers(), []);
    world.commit();
    assert_eq!((world.answers(), kept(&mut world.shard)), (vec![(ROK, 1)], 1));
    assert_eq!((world.counts().mo, world.counts().mo_unrouted, world.counts().mo_kept), (1, 1, 1));
}

#[test]
fn it_is_refused_for_good_where_the_configuration_says_so() {
    let mut world = world("unrouted_mo: refuse");
    world.says(CommandId::DELIVER_SM, 1, &deliver(0, b"hello"));
    assert_eq!((world.answers(), kept(&mut world.shard)), (vec![(CommandStatus::RX_R_APPN, 1)], 0));
}

#[test]
fn without_room_the_carrier_is_asked_to_keep_it() {
    let mut world = world("");
    world.shard.handle(Input::StoreRoom { has_room: false }, Instant::ZERO, &mut world.out);
    world.says(CommandId::DELIVER_SM, 1, &deliver(0, b"hello"));
    assert_eq!(world.answers(), [(RX_T_APPN, 1)]);
    let (shard, out) = restored("", UnroutedMo::MAX as u64);
    let mut world = World::around(shard, out);
    world.says(CommandId::DELIVER_SM, 1, &deliver(0, b"hello"));
    assert_eq!((world.answers(), kept(&mut world.shard)), (vec![(RX_T_APPN, 1)], UnroutedMo::MAX));
}

#[test]
fn what_has_a_rule_in_a_later_process_goes_to_its_account_in_order_and_is_forgotten() {
    let (mut shard, mut out) = restored("mo: { to: acme }", 2_500);
    shard.start(Instant::ZERO, &mut out);
    shard.settle(Instant::ZERO, &mut out);
    assert_eq!(kept(&mut shard), 2_500, "nothing is forgotten before its account has it");
    let in_hand = |shard: &mut Shard| shard.carriers().map(|carrier| carrier.in_hand.len()).sum::<usize>();
    assert_eq!(in_hand(&mut shard), UnroutedMo::AT_ONCE);
    let mut records = Vec::new();
    while !out.records.is_empty() {
        records.extend(commit(&mut shard, &mut out));
    }
    let gone = records.iter().filter(|record| matches!(record, Record::UnroutedGone { .. })).count();
    assert_eq!((gone, kept(&mut shard), in_hand(&mut shard)), (2_500, 0, 0));
    let account = shard.accounts().next().unwrap();
    let first = account.deliveries.front(Instant::ZERO).unwrap().1.body.clone();
    assert_eq!((first, account.deliveries.len()), (deliver(0, b"mo 0"), 2_500));
}

#[test]
fn what_its_account_has_no_room_for_is_kept_and_offered_again() {
    let (mut shard, mut out) = restored("mo: { to: acme }", 1);
    let (account, id, kind) =
        (AccountId(0), crate::smpp::message_id::MessageId::new(0), crate::engine::message::DeliveryKind::Mo);
    let delivery = Restored::Holding { account, id, key: 9, kind: HoldingKind::Delivery(kind), born: 0, body: b"" };
    shard.restore(&delivery, Some(Place { segment: 3, octets: 21 }), Instant::ZERO, &mut out);
    let config = std::sync::Arc::make_mut(&mut shard.config);
    config.accounts[0].delivery_queue = 1;
    shard.start(Instant::ZERO, &mut out);
    shard.settle(Instant::ZERO, &mut out);
    let refused = |shard: &mut Shard| shard.accounts().map(|account| account.counts.deliveries_refused).sum::<u64>();
    assert_eq!((refused(&mut shard), kept(&mut shard)), (1, 1));
    at(&mut shard, &mut out, 4);
    assert_eq!(refused(&mut shard), 1);
    at(&mut shard, &mut out, 5);
    assert_eq!((refused(&mut shard), kept(&mut shard)), (2, 1));
    let config = std::sync::Arc::make_mut(&mut shard.config);
    config.accounts[0].delivery_queue = 2;
    at(&mut shard, &mut out, 10);
    commit(&mut shard, &mut out);
    assert_eq!((refused(&mut shard), kept(&mut shard)), (2, 0));
}

#[test]
fn what_nobody_is_named_for_within_retention_is_forgotten_and_counted() {
    let (mut shard, mut out) = restored("", 3);
    shard.start(Instant::ZERO, &mut out);
    let end = Instant::ZERO + Duration::from_secs(73 * 3_600);
    while let Some(at) = shard.next_timeout().filter(|at| *at < end) {
        shard.handle(Input::Timeout, at, &mut out);
    }
    let carrier = shard.carriers().next().unwrap();
    assert_eq!((carrier.counts.mo_expired, carrier.unrouted.len(), carrier.unrouted.octets), (3, 0, 0));
    assert_eq!(out.records.iter().filter(|record| matches!(record, Record::UnroutedGone { .. })).count(), 3);
}

#[test]
fn a_segment_is_emptied_of_them_a_few_at_once() {
    let (mut shard, mut out) = restored("", 100);
    out.segment = 4;
    let mut cursor = RewriteCursor::default();
    let mut steps = 0;
    while !shard.rewrite_held(3, &mut cursor, 30, Instant::ZERO, &mut out) {
        steps += 1;
        assert!(out.records.len() <= 30 * steps && steps < 10);
    }
    assert_eq!((out.records.len(), out.left.len()), (100, 100));
    let mut again = RewriteCursor::default();
    assert!(shard.rewrite_held(3, &mut again, 1_000, Instant::ZERO, &mut out));
    assert_eq!(out.records.len(), 100, "each lies elsewhere now");
    assert_eq!(out.own(), ShardId(0));
}

#[test]
fn long_deliveries_are_recorded_again_a_few_at_once() {
    let (mut shard, mut out) = restored("", 0);
    let (account, id, kind) =
        (AccountId(0), crate::smpp::message_id::MessageId::new(0), crate::engine::message::DeliveryKind::Mo);
    let body = [0; 60_000];
    for key in 0..400 {
        let delivery = Restored::Holding { account, id, key, kind: HoldingKind::Delivery(kind), born: 0, body: &body };
        shard.restore(&delivery, Some(Place { segment: 3, octets: 60_021 }), Instant::ZERO, &mut out);
    }
    out.segment = 4;
    let (mut cursor, mut commits) = (RewriteCursor::default(), Vec::new());
    while !shard.rewrite_held(3, &mut cursor, 20_000, Instant::ZERO, &mut out) {
        commits.push(out.records.len());
        out.records.clear();
        out.record_bytes.clear();
    }
    assert_eq!((commits, out.records.len()), (vec![140, 140], 120));
}

#[test]
fn a_keyword_finds_its_account_and_the_parts_behind_it_follow() {
    let rules = "mo: [{ when: { keyword: [join, win*] }, to: acme }]";
    let mut world = world(rules);
    let texts: [&[u8]; 4] = [b"JOIN now", b"winner", b"joined", b"please join"];
    for (sequence, text) in (1..).zip(texts) {
        world.says(CommandId::DELIVER_SM, sequence, &deliver(0, text));
    }
    let part = |number: u8, text: &[u8]| deliver(0x40, &[&[5, 0, 3, 0x2A, 3, number], text].concat());
    // The third part outruns the first, and nobody knows whose it is till then.
    for (sequence, number, text) in [(5, 3, &b" you"[..]), (6, 1, b"join the"), (7, 2, b" club"), (8, 3, b" you")] {
        world.says(CommandId::DELIVER_SM, sequence, &part(number, text));
    }
    world.commit();
    assert_eq!(world.answers().len(), 8);
    let told: Vec<_> = world
        .delivered()
        .iter()
        .map(|text| text.trim_start_matches(|c: char| c < ' ' || c == '*').to_owned())
        .collect();
    assert_eq!(told, ["JOIN now", "winner", "join the", " you", " club", " you"]);
    assert_eq!(kept(&mut world.shard), 2);
    // These belong to one that asked for nothing.
    for (sequence, number, text) in [(9, 1, &b"hello"[..]), (10, 2, b" there"), (11, 1, b"join")] {
        let body = deliver(0x40, &[&[5, 0, 3, 0x2B, 3, number], text].concat());
        world.says(CommandId::DELIVER_SM, sequence, &body);
    }
    world.commit();
    assert_eq!((world.delivered().len(), kept(&mut world.shard)), (7, 4));
}
