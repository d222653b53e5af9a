//! An operator who pauses, drains and resumes carriers and links, shuts and empties accounts and follows them, while everything else
//! goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use trunkline::config::{Accept, AccountId, CarrierId, ReceiptsOfParts};
use trunkline::engine::account_orders::AccountOrder;
use trunkline::engine::orders::Order;

use crate::node::{In, Node};
use crate::sim::{Event, Sim};
use crate::text::item_number;

impl Sim {
    pub(crate) fn operator_orders(&mut self) {
        let Some(every) = self.habit.orders_ms else { return };
        self.plan_ms(every, Event::OperatorOrders);
        if self.rng.chance(300) {
            return self.order_some_account();
        }
        let carrier = CarrierId(self.rng.below(self.config.carriers.len() as u64) as u16);
        if self.config.carrier(carrier).is_gone {
            // Nobody finds it.
            return;
        }
        let link = self.rng.chance(500).then(|| self.rng.below(4) as u16);
        let within = self.rng.chance(500).then(|| Duration::from_millis(self.rng.below(5_000)));
        let order = self.rng.pick(&[Order::Pause, Order::Drain { within }, Order::Resume, Order::Resume]);
        self.orders(carrier, link, order);
    }

    /// Whatever was paused, drained or disabled is wanted again.
    pub(crate) fn resume_all(&mut self) {
        for carrier in 0..self.config.carriers.len() {
            self.orders(CarrierId(carrier as u16), None, Order::Resume);
        }
        for account in 0..self.config.accounts.len() {
            self.tell_account(AccountId(account as u32), AccountOrder::Enable);
        }
    }

    fn orders(&mut self, carrier: CarrierId, link: Option<u16>, order: Order) {
        let home = self.placement.home_of_carrier(carrier).index();
        if home < self.nodes.len() {
            self.give(home, In::Order(carrier, link, order));
        }
    }

    fn order_some_account(&mut self) {
        let account = AccountId(self.rng.below(self.config.accounts.len() as u64) as u32);
        match self.rng.below(7) {
            0 => self.tell_account(account, AccountOrder::Disable),
            1 | 2 => self.tell_account(account, AccountOrder::Enable),
            3 => self.tell_account(account, AccountOrder::Unbind { session: None }),
            4 => self.purge_account(account),
            _ => self.trace_account(account),
        }
    }

    fn tell_account(&mut self, account: AccountId, order: AccountOrder) {
        let now = self.instant();
        let Some(node) = self.home_of(account) else { return };
        node.shard.order_account(account, order, now, &mut node.out);
    }

    fn trace_account(&mut self, account: AccountId) {
        let (span, now) = (Duration::from_millis(self.rng.below(5_000)), self.instant());
        let Some(node) = self.home_of(account) else { return };
        node.shard.start_trace(account, span, now, &node.out);
    }

    /// Of one whose deliveries are all receipts and MO as they came.
    fn purge_account(&mut self, account: AccountId) {
        let config = self.config.account(account);
        let is_plain = config.accept == Accept::Relay && config.receipts == ReceiptsOfParts::Each;
        if !is_plain || config.callback.is_some() {
            return;
        }
        let now = self.instant();
        let Some(node) = self.home_of(account) else { return };
        let before = held(node, account);
        let mut next = Some(0);
        while let Some(from) = next {
            next = node.shard.purge(account, (from, u32::MAX), now, &mut node.out).and_then(|purged| purged.next);
        }
        let after = held(node, account);
        self.ledger.purged.extend(before.difference(&after));
    }

    fn home_of(&mut self, account: AccountId) -> Option<&mut Node> {
        let home = self.placement.home_of_account(account).index();
        if home < self.nodes.len() {
            self.wake(home, self.now + 1);
        }
        self.nodes.get_mut(home)
    }
}

/// What waits for an account, and what was sent and not acknowledged.
fn held(node: &mut Node, account: AccountId) -> BTreeSet<u32> {
    let mut accounts = node.shard.accounts();
    let Some(account) = accounts.find(|known| known.id == account) else { return BTreeSet::new() };
    let deliveries = &account.deliveries;
    (0..deliveries.slots()).filter_map(|slot| item_number(&deliveries.at(slot)?.body)).collect()
}
