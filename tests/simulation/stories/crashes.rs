//! What a crash leaves, what the next process makes of it, and what a disk may refuse.

use std::time::Duration;

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::pdu::BindMode;
use trunkline::store::segment::SegmentName;

use super::*;
use crate::text::item_number;
use crate::variants::vary;

impl Sim {
    /// Ends the process and runs until the next one serves.
    pub(super) fn crash_and_restart(&mut self, is_power: bool) {
        self.crash(is_power);
        self.run_until_true(Duration::from_secs(10), |sim| !sim.is_down());
    }

    pub(super) fn run_until_true(&mut self, at_most: Duration, is_true: impl Fn(&mut Self) -> bool) {
        let end = self.now + at_most.as_nanos() as u64;
        while !is_true(self) {
            assert!(self.now < end, "SEED={}: not within {at_most:?}", self.ledger.seed);
            self.run_for(Duration::from_micros(100));
        }
    }

    fn segments(&self) -> Vec<SegmentName> {
        self.disk.names().filter_map(SegmentName::parse).collect()
    }

    fn items_at(&self, esme: usize) -> Vec<u32> {
        self.esmes[esme].deliveries.iter().filter_map(|body| item_number(body)).collect()
    }

    fn was_told(&self, carrier: usize, status: CommandStatus) -> bool {
        let wanted = (CommandId::DELIVER_SM_RESP, status);
        self.smscs[carrier].received.iter().any(|(_, command, status)| (*command, *status) == wanted)
    }
}

#[test]
fn the_receipts_of_an_absent_customer_survive_a_kill_and_come_oldest_first() {
    for is_power in [false, true] {
        let mut sim = gateway("", "", ONE);
        let transmitter = sim.bound("a0", BindMode::Transmitter);
        for _ in 0..8 {
            sim.submit(transmitter, "491700000001", true);
            sim.run_for(Duration::from_millis(300));
        }
        sim.run_for(Duration::from_secs(5));
        assert_eq!(sim.smscs[0].undelivered.len(), 0, "the carrier was acknowledged");
        sim.crash_and_restart(is_power);
        sim.run_for(Duration::from_secs(3_600));
        let receiver = sim.bound("a0", BindMode::Receiver);
        sim.end();
        assert_eq!(sim.items_at(receiver), (1..=8).collect::<Vec<_>>());
    }
}

#[test]
fn an_early_receipt_whose_answer_was_recorded_is_joined_before_anything_is_served() {
    let mut sim = gateway("", ", links: 2", ONE);
    let habit = &mut sim.smscs[0].habit;
    (habit.early, habit.other_link, habit.latency_ms) = (1_000, 1_000, (200, 300));
    // The account's home needs so long that nothing it is told becomes durable there.
    sim.habit.mesh_us = (500_000, 500_000);
    let esme = sim.esme("a0", crate::habits::EsmeHabit::calm(BindMode::Transceiver));
    sim.run_for(Duration::from_secs(5));
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_until_true(Duration::from_secs(5), |sim| sim.books.correlations().len() == 1 && sim.books.is_all_durable());
    assert_eq!((sim.books.held(), sim.smscs[0].undelivered.len()), (1, 0), "parked, and the carrier told so");
    sim.crash_and_restart(true);
    let early = |sim: &mut Sim| sim.nodes[1].shard.carriers().map(|carrier| carrier.early.len()).sum::<usize>();
    assert_eq!((early(&mut sim), sim.esmes[esme].is_bound), (0, false));
    sim.end();
    assert_eq!((sim.status(esme, tag), sim.items_at(esme)), (None, vec![1]));
    sim.audit_holdings();
}

#[test]
fn a_store_moved_to_other_homes_keeps_every_entry_and_leaves_no_old_segment() {
    let mut sim = gateway("", "", BOTH);
    sim.smscs[0].habit.receipt_ms = (0, 20_000);
    let transmitters = [sim.bound("a0", BindMode::Transmitter), sim.bound("a1", BindMode::Transmitter)];
    for transmitter in transmitters {
        sim.submit_many(transmitter, 40);
    }
    sim.run_for(Duration::from_secs(10));
    for shards in [4, 1, 3, 2] {
        let before = sim.segments();
        let mut homes = 0;
        let pin = || {
            homes += 1;
            Some(homes % shards)
        };
        sim.next_config = Some(vary(&sim.text, shards, &[], pin));
        sim.crash_and_restart(shards % 2 == 0);
        assert_eq!(sim.nodes.len(), shards);
        let after = sim.segments();
        assert!(!before.is_empty() && !after.is_empty() && before.iter().all(|old| !after.contains(old)), "{after:?}");
        assert!(after.iter().all(|segment| usize::from(segment.journal) < shards));
        sim.run_for(Duration::from_secs(1));
    }
    let receivers = [sim.bound("a0", BindMode::Receiver), sim.bound("a1", BindMode::Receiver)];
    sim.run_for(Duration::from_secs(30));
    sim.end();
    assert_eq!(receivers.map(|receiver| sim.items_at(receiver).len()), [40, 40]);
    sim.audit_holdings();
}

#[test]
fn a_move_that_is_cut_short_anywhere_is_done_again() {
    for steps in 0..40 {
        let mut sim = gateway("", "", ONE);
        let transmitter = sim.bound("a0", BindMode::Transmitter);
        sim.submit_many(transmitter, 20);
        sim.run_for(Duration::from_secs(5));
        sim.next_config = Some(vary(&sim.text, 3, &[], || Some(2)));
        sim.crash_next_start_after(steps);
        sim.crash_and_restart(steps % 2 == 0);
        let receiver = sim.bound("a0", BindMode::Receiver);
        sim.end();
        assert_eq!(sim.items_at(receiver).len(), 20);
        sim.audit_holdings();
    }
}

#[test]
fn a_full_disk_refuses_and_resumes() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.receipt_ms = (3_000, 3_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let spell = Duration::from_secs(30);
    sim.disk.full_until = sim.now + spell.as_nanos() as u64;
    let until = sim.disk.full_until;
    let (mut tags, mut refused) = (Vec::new(), 0);
    while sim.now < until {
        tags.extend(sim.submit_many(esme, 10));
        sim.run_for(Duration::from_millis(100));
        refused = sim.count(esme, &tags, CommandStatus::RMSGQFUL);
    }
    assert!(refused > 1_000 && sim.was_told(0, CommandStatus::RX_T_APPN), "{refused} refused");
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK) + refused, tags.len());
    sim.run_for(Duration::from_secs(1));
    let again = sim.submit_many(esme, 10);
    sim.end();
    assert_eq!(sim.count(esme, &again, CommandStatus::ROK), 10);
    assert_eq!(sim.items_at(esme).len(), tags.len() - refused + 10);
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_ends_the_process() {
    let mut sim = gateway("", "", ONE);
    let esme = sim.bound("a0", BindMode::Transceiver);
    sim.crashes.sync_fails = 1_000;
    let tags = sim.submit_many(esme, 10);
    sim.send_mo(0, 0);
    sim.run_until_true(Duration::from_secs(1), Sim::is_down_now);
    sim.run_until_true(Duration::from_secs(5), |sim| !sim.is_down());
    assert_eq!(sim.statuses(esme, &tags), [None; 10]);
    assert!(!sim.was_told(0, CommandStatus::ROK));
    sim.crashes.sync_fails = 0;
    sim.end();
    assert!(sim.was_told(0, CommandStatus::ROK), "the carrier sends again what was not acknowledged");
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_alone_is_not_built_upon() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed, 2, &gateway("", "", ONE).text);
        // What lives keeps the segment.
        sim.smscs[0].habit.sends_receipts = false;
        sim.run_for(Duration::from_millis(200));
        let esme = sim.bound("a0", BindMode::Transceiver);
        sim.crashes.sync_fails = 1_000;
        sim.submit_many(esme, 10);
        sim.run_until_true(Duration::from_secs(1), Sim::is_down_now);
        sim.crashes.sync_fails = 0;
        // One process more, when the first sees that the disk holds less.
        sim.run_until_true(Duration::from_secs(10), |sim| !sim.is_down());
        sim.run_for(Duration::from_secs(10));
        // What is recorded now says how many batches the segment before has.
        let before = sim.books.correlations().len();
        sim.submit_many(esme, 1);
        sim.run_until_true(Duration::from_secs(5), |sim| {
            sim.books.correlations().len() > before && sim.books.is_all_durable()
        });
        sim.crash_and_restart(true);
        sim.end();
    }
}

#[test]
fn what_is_kept_for_an_account_that_is_missing_for_one_life_is_there_in_the_next() {
    for is_moved in [false, true] {
        let mut sim = gateway("", "", ONE);
        sim.smscs[0].habit.receipt_ms = (0, 40_000);
        let transmitter = sim.bound("a0", BindMode::Transmitter);
        sim.submit_many(transmitter, 30);
        sim.run_for(Duration::from_secs(10));
        assert!(sim.books.correlations().len() > 3 && sim.books.held() > 3);
        // Its receipts wait at the carrier, which could not tell whose they are either.
        sim.smscs[0].is_up = false;
        let mut shard = 0;
        let pin = || {
            shard = 1 - shard;
            Some(if is_moved { 1 } else { shard })
        };
        sim.next_config = Some(vary(&sim.text, 2, &["a0"], pin));
        sim.crash_and_restart(true);
        sim.run_for(Duration::from_secs(10));
        sim.next_config = Some(sim.text.clone());
        sim.crash_and_restart(true);
        sim.smscs[0].is_up = true;
        let receiver = sim.bound("a0", BindMode::Receiver);
        sim.run_for(Duration::from_secs(60));
        sim.end();
        assert_eq!(sim.items_at(receiver).len(), 30);
        sim.audit_holdings();
    }
}

#[test]
fn an_early_receipt_of_a_submit_told_to_be_in_doubt_is_not_delivered_after_a_crash() {
    let mut sim = gateway_with("response: 4s", "", "", ONE);
    let habit = &mut sim.smscs[0].habit;
    (habit.latency_ms, habit.receipt_ms, habit.sends_receipts) = ((5_000, 5_000), (0, 0), false);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tag = sim.submit(esme, "491700000001", true);
    sim.run_for(Duration::from_secs(3));
    // As far as anybody knows it may be this one's.
    sim.submit(esme, "491700000002", true);
    sim.run_for(Duration::from_millis(200));
    let (body, number) = (sim.ledger.submits[&tag].body.clone(), sim.smscs[0].habit.first_id);
    sim.plan_receipts(0, tag, number, 0, &body);
    // The late answer says whose it is.
    sim.run_for(Duration::from_millis(2_300));
    assert_eq!(sim.status(esme, tag), Some(CommandStatus::RUNKNOWNERR));
    assert_eq!((sim.books.correlations().len(), sim.books.held()), (1, 1));
    sim.crash_and_restart(false);
    sim.end();
    assert_eq!(sim.items_at(esme).len(), 0);
}
