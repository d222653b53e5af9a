//! What an operator orders an account: it is disabled and enabled, and what waits for it is purged, while everything else goes on.

use std::time::Duration;

use trunkline::config::AccountId;
use trunkline::engine::account_orders::AccountOrder;
use trunkline::engine::event::SubmitError;
use trunkline::engine::history::{Fact, Search};
use trunkline::engine::web::Fate;
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::message_id::MessageId;
use trunkline::smpp::pdu::BindMode;

use super::web::A0;
use super::*;

impl Sim {
    /// How many sessions were told to go.
    fn order_account(&mut self, account: AccountId, order: AccountOrder) -> usize {
        let (home, now) = (self.placement.home_of_account(account).index(), self.instant());
        let node = &mut self.nodes[home];
        let told = node.shard.order_account(account, order, now, &mut node.out);
        self.wake(home, self.now + 1);
        told.expect("it is at home there")
    }

    /// How many receipts and MO were forgotten.
    pub(super) fn purge(&mut self, account: AccountId) -> u64 {
        let (home, now) = (self.placement.home_of_account(account).index(), self.instant());
        let (mut next, mut gone) = (Some(0), 0);
        while let Some(from) = next {
            let node = &mut self.nodes[home];
            let purged = node.shard.purge(account, (from, u32::MAX - 1), now, &mut node.out);
            let purged = purged.expect("it is at home there");
            (next, gone) = (purged.next, gone + purged.gone);
        }
        self.wake(home, self.now + 1);
        gone
    }

    fn facts(&self, id: MessageId) -> Vec<Fact> {
        let of_node = |node: &crate::node::Node| {
            let mut search = Search::new(vec![id]);
            while search.step(&node.shard) {}
            search.found(&node.shard).facts
        };
        self.nodes.iter().flat_map(of_node).map(|(_, fact)| fact).collect()
    }
}

const WITHIN_A_WHILE: Duration = Duration::from_secs(3);

#[test]
fn a_disabled_account_has_its_submits_answered_and_nothing_more_taken_until_it_is_enabled() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.latency_ms = (1_000, 1_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    let tags = sim.submit_many(esme, 5);
    sim.run_for(Duration::from_millis(200));
    assert_eq!(sim.order_account(A0, AccountOrder::Disable), 1);
    assert_eq!(sim.order_account(A0, AccountOrder::Disable), 0, "it is leaving already");
    let refused = sim.send_segments(&[1]);
    sim.run_for(WITHIN_A_WHILE);
    assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 5, "what was taken is answered");
    assert_eq!(sim.fates(refused), Some(vec![Fate::Failed(SubmitError::SubmitsDisabled)]));
    sim.order_account(A0, AccountOrder::Enable);
    let taken = sim.send_segments(&[1]);
    sim.run_for(WITHIN_A_WHILE);
    assert_eq!(sim.fates(taken), Some(vec![Fate::Accepted]));
    sim.end();
}

#[test]
fn what_waits_is_purged_once_and_what_comes_later_is_brought() {
    let mut sim = gateway("", "", ONE);
    let transmitter = sim.bound("a0", BindMode::Transmitter);
    for _ in 0..20 {
        sim.submit_many(transmitter, 500);
        sim.run_for(Duration::from_secs(30));
    }
    let queued = |sim: &mut Sim| sim.nodes[0].shard.accounts().map(|account| account.deliveries.len()).sum::<usize>();
    let waiting = queued(&mut sim);
    assert!(waiting > 5_000, "more than one step looks at: {waiting}");
    assert_eq!((sim.purge(A0), sim.purge(A0)), (waiting as u64, 0));
    assert_eq!(queued(&mut sim), 0);
    sim.submit_many(transmitter, 3);
    let receiver = sim.bound("a0", BindMode::Receiver);
    // Not to the end: the books know nothing of receipts that are forgotten by order.
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.esmes[receiver].deliveries.len(), 3);
}

#[test]
fn a_message_is_found_while_it_is_under_way_awaited_and_over() {
    let mut sim = gateway("", "", ONE);
    sim.smscs[0].habit.latency_ms = (500, 500);
    sim.smscs[0].habit.receipt_ms = (60_000, 60_000);
    let esme = sim.bound("a0", BindMode::Transceiver);
    // Others, so that there is something to look through.
    for _ in 0..20 {
        sim.submit_many(esme, 500);
        sim.run_for(Duration::from_secs(2));
    }
    let asked = sim.send_segments(&[1]);
    sim.run_for(Duration::from_secs(1));
    let id = sim.submitted(asked).unwrap()[0].id.unwrap();
    let facts = sim.facts(id);
    let [Fact::Stands { status, .. }, Fact::AwaitsReceipt { account, is_muted: false, .. }] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert_eq!((status.id, *account), (id, A0));
    assert!(sim.facts(MessageId::new(id.bits() ^ 1)).is_empty());
    sim.end();
    let facts = sim.facts(id);
    assert!(matches!(&facts[..], [Fact::Stands { status, .. }] if status.finished > 0), "{facts:?}");
}
