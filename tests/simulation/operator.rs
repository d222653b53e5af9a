//! An operator who pauses, drains and resumes carriers and links while everything else goes on.

use std::time::Duration;

use trunkline::config::CarrierId;
use trunkline::engine::orders::Order;

use crate::node::In;
use crate::sim::{Event, Sim};

impl Sim {
    pub(crate) fn operator_orders(&mut self) {
        let Some(every) = self.habit.orders_ms else { return };
        let carrier = CarrierId(self.rng.below(self.config.carriers.len() as u64) as u16);
        if self.config.carrier(carrier).is_gone {
            // Nobody finds it.
            return self.plan_ms(every, Event::OperatorOrders);
        }
        let link = self.rng.chance(500).then(|| self.rng.below(4) as u16);
        let within = self.rng.chance(500).then(|| Duration::from_millis(self.rng.below(5_000)));
        let order = self.rng.pick(&[Order::Pause, Order::Drain { within }, Order::Resume, Order::Resume]);
        self.orders(carrier, link, order);
        self.plan_ms(every, Event::OperatorOrders);
    }

    /// Whatever was paused or drained is wanted again.
    pub(crate) fn resume_all(&mut self) {
        for carrier in 0..self.config.carriers.len() {
            self.orders(CarrierId(carrier as u16), None, Order::Resume);
        }
    }

    fn orders(&mut self, carrier: CarrierId, link: Option<u16>, order: Order) {
        let home = self.placement.home_of_carrier(carrier).index();
        if home < self.nodes.len() {
            self.give(home, In::Order(carrier, link, order));
        }
    }
}
