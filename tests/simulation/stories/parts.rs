//! Long messages: their parts keep together on one carrier and one link, and what becomes of them when that one fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use trunkline::engine::orders::Order;
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::segment::Mark;

use super::*;
use crate::net::WireId;
use crate::sim::Event;
use crate::text::Part;

const MARKS: [Mark; 3] = [Mark::Udh8, Mark::Udh16, Mark::Sar];
const WEIGHTED: &str = "  - to: [{ carrier: c0, weight: 60 }, { carrier: c1, weight: 40 }]";
const ALL: [u8; 3] = [1, 2, 3];

/// Customers that send long messages over two sessions each, in any order, among single ones.
struct Crowd {
    sim: Sim,
    sessions: Vec<[usize; 2]>,
    /// The tags of each message.
    messages: Vec<Vec<u32>>,
}

impl Crowd {
    fn new(accounts: usize, carrier: &str) -> Self {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
        let mut config = "shards: 3\naccounts:\n".to_owned();
        for at in 0..accounts {
            config.push_str(&format!("  a{at}: {{ password: secret, shard: {} }}\n", at % 3));
        }
        config.push_str("carriers:\n");
        for at in 0..2 {
            let connect = format!("connect: \"c{at}:1\", system_id: us, password: secret, shard: {at}");
            config.push_str(&format!("  c{at}: {{ {connect}{carrier} }}\n"));
        }
        config.push_str(&format!("routes:\n{WEIGHTED}\n{}", mo_routes(2)));
        let mut sim = Sim::new(seed, 3, &config);
        sim.run_for(Duration::from_millis(200));
        let session = |sim: &mut Sim, at: usize| sim.bound(&format!("a{at}"), BindMode::Transceiver);
        let sessions = (0..accounts).map(|at| [session(&mut sim, at), session(&mut sim, at)]).collect();
        Self { sim, sessions, messages: Vec::new() }
    }

    /// Each customer sends a message of three parts, and as many single ones.
    fn send_round(&mut self, round: usize) {
        let mut parts = Vec::new();
        for (at, sessions) in self.sessions.iter().enumerate() {
            let message = self.messages.len() + at;
            for number in ALL {
                parts.push((message, sessions[self.sim.rng.below(2) as usize], at, number, self.sim.rng.below(1_000)));
            }
        }
        parts.sort_by_key(|(.., order)| *order);
        self.messages.resize_with(self.messages.len() + self.sessions.len(), Vec::new);
        for (message, esme, at, number, _) in parts {
            // Every account to the same few handsets, with the same references.
            let destination = format!("491700000{:02}", at % 7);
            let part = Part { mark: MARKS[(at + round) % 3], reference: round as u16, total: 3, number };
            let tag = self.sim.submit_part(esme, &destination, part);
            self.messages[message].push(tag);
            self.sim.submit(esme, &destination, true);
            let pause = self.sim.rng.below(2_000);
            self.sim.run_for(Duration::from_micros(pause));
        }
    }

    fn statuses(&self, message: &[u32]) -> Vec<Option<CommandStatus>> {
        let answer = |tag: &u32| self.sim.esmes.iter().find_map(|esme| esme.answers.get(tag)).map(|answer| answer.0);
        message.iter().map(answer).collect()
    }
}

impl Sim {
    fn submit_part(&mut self, esme: usize, destination: &str, part: Part) -> u32 {
        self.submit_as(esme, destination, true, 0, 10, Some(part))
    }

    fn submit_parts(&mut self, esme: usize, reference: u16, numbers: &[u8]) -> Vec<u32> {
        let part = |number| Part { mark: Mark::Udh8, reference, total: 3, number };
        numbers.iter().map(|number| self.submit_part(esme, "4917000001", part(*number))).collect()
    }

    /// Where each tag was seen: carrier and link.
    fn ways(&self) -> BTreeMap<u32, BTreeSet<(usize, WireId)>> {
        let mut ways: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for smsc in &self.smscs {
            for (_, wire, tag) in &smsc.submits {
                ways.entry(*tag).or_default().insert((smsc.at, *wire));
            }
        }
        ways
    }

    fn carrier_leaves(&mut self, carrier: usize) {
        self.smscs[carrier].is_up = false;
        for wire in self.smscs[carrier].links.iter().map(|link| link.wire).collect::<Vec<_>>() {
            self.smsc_breaks(carrier, wire);
        }
        self.run_for(Duration::from_millis(50));
    }
}

/// How many ways the parts of a message went.
fn count<T: Ord>(
    message: &[u32],
    ways: &BTreeMap<u32, BTreeSet<(usize, WireId)>>,
    of: impl Fn((usize, WireId)) -> T,
) -> usize {
    let seen = message.iter().filter_map(|tag| ways.get(tag)).flatten();
    seen.map(|way| of(*way)).collect::<BTreeSet<_>>().len()
}

#[test]
fn parts_of_one_message_leave_on_one_link_under_load() {
    let mut crowd = Crowd::new(20, ", links: 4, window: 3");
    for round in 0..30 {
        crowd.send_round(round);
    }
    crowd.sim.end();
    let ways = crowd.sim.ways();
    for message in &crowd.messages {
        assert_eq!(crowd.statuses(message), [Some(CommandStatus::ROK); 3]);
        assert_eq!(count(message, &ways, |way| way), 1, "{message:?}");
    }
    // Both carriers and all their links had their share.
    let used: BTreeSet<_> = crowd.messages.iter().filter_map(|message| ways[&message[0]].first()).collect();
    assert_eq!(used.len(), 8);
}

#[test]
fn parts_of_one_message_stay_on_one_carrier_while_links_flap() {
    let mut crowd = Crowd::new(12, ", links: 4, window: 5");
    for at in 0..2 {
        crowd.sim.smscs[at].habit.drop_ms = Some((300, 900));
        crowd.sim.plan(0, Event::SmscDrops(at));
    }
    for round in 0..40 {
        crowd.send_round(round);
    }
    for at in 0..2 {
        crowd.sim.smscs[at].habit.drop_ms = None;
    }
    crowd.sim.end();
    let ways = crowd.sim.ways();
    let split = crowd.messages.iter().filter(|message| count(message, &ways, |(carrier, _)| carrier) > 1).count();
    // All four links may be down at once, with a part written and in doubt.
    assert!(split * 100 <= crowd.messages.len(), "{split} of {} over two carriers", crowd.messages.len());
    let over_links = crowd.messages.iter().filter(|message| count(message, &ways, |way| way) > 1).count();
    assert!(over_links * 10 < crowd.messages.len(), "{over_links} of {} over two links", crowd.messages.len());
}

#[test]
fn overload_takes_no_message_apart() {
    let mut crowd = Crowd::new(8, ", links: 2, rate: 150, burst: 10, queue: 40, queue_wait: 1s");
    for round in 0..60 {
        crowd.send_round(round);
    }
    crowd.sim.end();
    let ways = crowd.sim.ways();
    let (mut whole, mut none) = (0, 0);
    for message in &crowd.messages {
        assert!(count(message, &ways, |(carrier, _)| carrier) <= 1, "{message:?}");
        let accepted = crowd.statuses(message).iter().filter(|status| **status == Some(CommandStatus::ROK)).count();
        whole += usize::from(accepted == 3);
        none += usize::from(accepted == 0);
    }
    assert!(whole > 50 && none > 20, "{whole} accepted, {none} refused");
}

#[test]
fn a_message_of_which_nothing_was_accepted_moves_as_a_whole() {
    let mut sim = gateway("", ", links: 1, window: 1", BOTH);
    sim.smscs[0].habit.silent = 1_000;
    let esme = sim.bound("a0", BindMode::Transceiver);
    // It holds the only place of the window, and is in doubt when the link is lost.
    sim.submit(esme, "4917000009", true);
    let first = sim.submit_parts(esme, 1, &[2, 3]);
    sim.run_for(Duration::from_millis(100));
    assert_eq!(sim.seen_by(0).len(), 1);
    sim.carrier_leaves(0);
    let last = sim.submit_parts(esme, 1, &[1]);
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!(sim.seen_by(1), [first, last].concat());
}

#[test]
fn the_rest_of_a_message_waits_for_the_carrier_that_accepted_a_part() {
    let mut sim = gateway("", ", links: 1", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.submit_parts(esme, 1, &[2]);
    sim.run_for(Duration::from_millis(100));
    sim.carrier_leaves(0);
    let rest = sim.submit_parts(esme, 1, &[3, 1]);
    let other = sim.submit(esme, "4917000009", true);
    sim.run_for(Duration::from_millis(200));
    // Only the message waits.
    assert_eq!(sim.seen_by(1), [other]);
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!(sim.seen_by(0), [first, rest.clone()].concat());
    assert_eq!(sim.statuses(esme, &rest), [Some(CommandStatus::ROK); 2]);
}

#[test]
fn parts_whose_carrier_stays_away_go_elsewhere_rather_than_be_refused() {
    let mut sim = gateway("", ", links: 1, queue_wait: 3s", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_parts(esme, 1, &[2]);
    sim.run_for(Duration::from_millis(100));
    sim.carrier_leaves(0);
    let rest = sim.submit_parts(esme, 1, &[3, 1]);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.seen_by(1), [0; 0]);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.seen_by(1), rest);
    sim.smscs[0].is_up = true;
    sim.end();
    assert_eq!(sim.statuses(esme, &rest), [Some(CommandStatus::ROK); 2]);
}

#[test]
fn parts_whose_references_are_remapped_are_refused_rather_than_go_elsewhere() {
    let mut sim = gateway("", ", links: 1, queue_wait: 3s, remap_references: true", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_parts(esme, 1, &[2]);
    sim.run_for(Duration::from_millis(100));
    sim.carrier_leaves(0);
    let rest = sim.submit_parts(esme, 1, &[3, 1]);
    sim.run_for(Duration::from_secs(4));
    assert_eq!(sim.statuses(esme, &rest), [Some(CommandStatus::RMSGQFUL); 2]);
    sim.smscs[0].is_up = true;
    sim.run_for(Duration::from_secs(10));
    let again = sim.submit_parts(esme, 1, &[3, 1]);
    sim.end();
    assert_eq!((sim.statuses(esme, &again), sim.seen_by(1).len()), (vec![Some(CommandStatus::ROK); 2], 0));
}

#[test]
fn a_part_refused_for_now_goes_elsewhere_and_the_others_stay() {
    let mut sim = gateway("", ", links: 1", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.submit_parts(esme, 1, &[1]);
    sim.run_for(Duration::from_millis(100));
    sim.smscs[0].habit.rsyserr = 1_000;
    let second = sim.submit_parts(esme, 1, &[2]);
    sim.run_for(Duration::from_millis(200));
    sim.smscs[0].habit.rsyserr = 0;
    let third = sim.submit_parts(esme, 1, &[3]);
    sim.end();
    assert_eq!(sim.seen_by(0), [first, second.clone(), third].concat());
    assert_eq!(sim.seen_by(1), second);
}

#[test]
fn a_part_that_waits_for_its_link_holds_up_nothing_else() {
    let mut sim = gateway("", ", links: 2, window: 2", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.submit_parts(esme, 1, &[1]);
    sim.run_for(Duration::from_millis(100));
    let wire = sim.smscs[0].submits[0].1;
    let until = sim.now + 2_000_000_000;
    for link in sim.smscs[0].links.iter_mut().filter(|link| link.wire == wire) {
        link.stalled_until = until;
    }
    // Its link is full, and says nothing for two seconds.
    let others = sim.submit_parts(esme, 2, &[1, 2, 3]);
    let fill = sim.submit_many(esme, 4);
    sim.run_for(Duration::from_millis(100));
    let rest = sim.submit_parts(esme, 1, &[2, 3]);
    let singles = sim.submit_many(esme, 30);
    sim.run_for(Duration::from_millis(900));
    assert_eq!(sim.count(esme, &singles, CommandStatus::ROK), 30);
    assert_eq!(sim.statuses(esme, &rest), [None; 2]);
    sim.plan(2_000_000_000, Event::PeerReads(wire));
    sim.end();
    for tags in [&first, &others, &fill, &rest] {
        assert_eq!(sim.count(esme, tags, CommandStatus::ROK), tags.len());
    }
    assert_eq!(count(&[first, rest].concat(), &sim.ways(), |way| way), 1);
}

#[test]
fn parts_whose_link_has_no_room_for_too_long_take_another_of_the_same_carrier() {
    let mut sim = gateway("", ", links: 2, window: 2, queue_wait: 2s", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.submit_parts(esme, 1, &[1]);
    sim.run_for(Duration::from_millis(100));
    let wire = sim.smscs[0].submits[0].1;
    let until = sim.now + 10_000_000_000;
    for link in sim.smscs[0].links.iter_mut().filter(|link| link.wire == wire) {
        link.stalled_until = until;
    }
    sim.submit_many(esme, 4);
    sim.run_for(Duration::from_millis(100));
    let rest = sim.submit_parts(esme, 1, &[2, 3]);
    sim.run_for(Duration::from_millis(1_800));
    assert_eq!(sim.statuses(esme, &rest), [None; 2]);
    sim.run_for(Duration::from_millis(300));
    assert_eq!(sim.statuses(esme, &rest), [Some(CommandStatus::ROK); 2]);
    assert_eq!(sim.seen_by(1), [0; 0]);
    sim.plan(10_000_000_000, Event::PeerReads(wire));
    sim.end();
}

/// Waiting for a link that is not to be used would be in vain.
#[test]
fn parts_of_a_message_begun_on_a_carrier_that_is_paused_go_elsewhere_at_once() {
    let mut sim = gateway("", "", BOTH);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let first = sim.submit_parts(esme, 9, &[1]);
    sim.run_for(Duration::from_millis(200));
    sim.order(0, None, Order::Pause);
    let rest = sim.submit_parts(esme, 9, &[2, 3]);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.count(esme, &rest, CommandStatus::ROK), 2);
    sim.end();
    assert_eq!((sim.seen_by(0), sim.seen_by(1)), (first, rest));
}

#[test]
fn parts_that_wait_for_their_link_are_no_faster_than_the_turns_of_their_account() {
    let mut sim = gateway("", ", links: 1, window: 5", ONE);
    sim.smscs[0].habit.latency_ms = (200, 200);
    let (long, single) = (sim.bound("a0", BindMode::Transceiver), sim.bound("a1", BindMode::Transceiver));
    let part = |number| Part { mark: Mark::Udh16, reference: 7, total: 200, number };
    (1..=200).for_each(|number| _ = sim.submit_part(long, "4917000001", part(number)));
    sim.run_for(Duration::from_millis(200));
    let tag = sim.submit(single, "4917000002", true);
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.status(single, tag), Some(CommandStatus::ROK), "others have their turn");
    sim.end();
}
