//! MO that no rule sends to an account: kept through crashes and moves, for an account named later.

use std::time::Duration;

use trunkline::smpp::pdu::BindMode;

use super::*;
use crate::variants::{vary, without_mo_rules};

impl Sim {
    fn next_life(&mut self, text: String, is_power: bool) {
        self.next_config = Some(text);
        self.crash(is_power);
        while self.is_down() {
            self.run_for(Duration::from_millis(10));
        }
        self.run_for(Duration::from_secs(2));
    }

    fn kept_mo(&mut self) -> usize {
        let carriers = self.nodes.iter_mut().flat_map(|node| node.shard.carriers());
        carriers.map(|carrier| carrier.unrouted.len()).sum()
    }
}

#[test]
fn mo_nobody_is_named_for_are_kept_through_crashes_and_moves_until_somebody_is() {
    for is_power in [false, true] {
        let mut sim = gateway("", "", BOTH);
        let text = sim.text.clone();
        sim.next_life(without_mo_rules(&text), is_power);
        for at in 0..40 {
            sim.smscs[at % 2].habit.data_sm = if at % 3 == 0 { 1_000 } else { 0 };
            sim.send_mo(at % 2, at / 20);
            sim.run_for(Duration::from_millis(50));
        }
        sim.run_for(Duration::from_secs(2));
        let undelivered = |sim: &Sim| sim.smscs.iter().map(|smsc| smsc.undelivered.len()).sum::<usize>();
        assert_eq!((undelivered(&sim), sim.kept_mo(), sim.books.held()), (0, 40, 40));
        // Other shards, other homes, and one life without the carrier of half of them.
        for (shards, without) in [(4, &[][..]), (1, &["c0"]), (3, &[])] {
            let mut pins = 0;
            let varied = vary(&text, shards, without, || {
                pins += 1;
                Some(pins % shards)
            });
            sim.next_life(without_mo_rules(&varied), is_power);
            assert_eq!((sim.kept_mo(), sim.books.held()), (if without.is_empty() { 40 } else { 20 }, 40));
        }
        sim.next_life(text, is_power);
        let receivers = [sim.bound("a0", BindMode::Receiver), sim.bound("a1", BindMode::Receiver)];
        sim.end();
        assert_eq!(receivers.map(|esme| sim.esmes[esme].deliveries.len()), [20, 20]);
        assert_eq!(sim.kept_mo(), 0);
        sim.audit_holdings();
    }
}

#[test]
fn mo_nobody_is_ever_named_for_are_given_up_after_the_retention_and_counted() {
    let mut sim = gateway("", "", ONE);
    let text = sim.text.clone();
    sim.next_life(without_mo_rules(&text), false);
    sim.send_mo(0, 0);
    sim.run_for(Duration::from_secs(71 * 3_600));
    assert_eq!(sim.kept_mo(), 1);
    sim.run_for(Duration::from_secs(3 * 3_600));
    let expired: u64 = sim.nodes[1].shard.carriers().map(|carrier| carrier.counts.mo_expired).sum();
    assert_eq!((sim.kept_mo(), expired, sim.books.held()), (0, 1, 0));
}

#[test]
fn segments_with_kept_mo_are_emptied_of_them_and_go() {
    let mut sim = gateway("", "", ONE);
    let text = sim.text.clone();
    sim.next_life(without_mo_rules(&text), false);
    let esme = sim.bound("a0", BindMode::Transceiver);
    for at in 0..10 {
        sim.send_mo(0, 0);
        sim.submit_many(esme, 400);
        sim.run_for(Duration::from_secs(4));
        assert_eq!(sim.kept_mo(), at + 1);
    }
    for node in &mut sim.nodes {
        node.store.measure(&mut node.shard);
        let counts = &node.shard.counts;
        assert!(
            counts.store_octets <= 2 * counts.store_live + 4 * crate::sim::SEGMENT_OCTETS,
            "{}",
            counts.store_octets
        );
    }
    sim.next_life(text, true);
    sim.end();
    assert_eq!(sim.kept_mo(), 0);
    sim.audit_holdings();
}
