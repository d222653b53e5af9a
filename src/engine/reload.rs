//! Another configuration while everything runs, in three steps, each taken by every shard before any takes the next. First they get to
//! know what is new, which nobody may use yet; then each takes up the new settings; then carriers that went are let go. So no shard
//! ever hears of an account or a carrier that it does not know, and what comes back from a carrier that went finds the new routes,
//! although the shards do not change at one moment.
//!
//! Who has kept his settings notices nothing. How links change is in `renewal`.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::carrier::Carrier;
use super::context::Context;
use super::effects::Effects;
use super::orders::Order;
use super::placement::Placement;
use super::router::RouteTable;
use super::session::SessionState;
use super::shard::{Shard, context};
use super::slab::Key;
use super::time::Instant;
use super::ways;
use crate::config::{self, AccountId, CarrierId, Config};
use crate::metrics::BindRefusal;

impl Shard {
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The first step: `config` is what runs, and what is new as if it had gone (`config::extended`).
    pub fn prepare(&mut self, config: Arc<Config>, placement: Placement) {
        for index in self.accounts.len()..config.accounts.len() {
            let id = AccountId(index as u32);
            let is_home = placement.home_of_account(id) == self.id;
            self.accounts.push(is_home.then(|| Box::new(Account::new(id, config.account(id)))));
        }
        for index in self.carriers.len()..config.carriers.len() {
            let id = CarrierId(index as u16);
            let keys = std::array::from_fn(|_| self.random.draw());
            let is_home = placement.home_of_carrier(id) == self.id;
            self.carriers.push(is_home.then(|| Box::new(Carrier::new(id, config.carrier(id), keys))));
        }
        self.loads.configure(&config);
        (self.config, self.placement) = (config, placement);
    }

    /// The second: these settings from now on.
    pub fn reload(&mut self, config: Arc<Config>, routes: Arc<RouteTable>, now: Instant, out: &mut Effects) {
        let before = std::mem::replace(&mut self.config, config);
        self.routes = routes;
        self.loads.configure(&self.config);
        let has_other_routes = before.routes != self.config.routes;
        for account in self.accounts.iter_mut().flatten() {
            account.configure(before.account(account.id), context!(self, now, out));
            if has_other_routes && !account.backlog.is_empty() {
                account.backlog.hurry(now);
                account.arm(context!(self, now, out));
            }
        }
        let is_rerouted = before.mo != self.config.mo;
        for carrier in self.carriers.iter_mut().flatten() {
            carrier.configure(before.carrier(carrier.id), context!(self, now, out));
            if is_rerouted {
                carrier.route_unrouted(context!(self, now, out));
            }
        }
    }

    /// The third: nobody sends to carriers that went any more.
    pub fn finish_reload(&mut self, now: Instant, out: &mut Effects) {
        for carrier in self.carriers.iter_mut().flatten() {
            if self.config.carrier(carrier.id).is_gone {
                carrier.counts.links_configured = 0;
                carrier.order(None, Order::Drain { within: Some(Duration::ZERO) }, context!(self, now, out));
            }
        }
    }
}

impl Account {
    /// Takes up what differs from the settings before.
    fn configure(&mut self, before: &config::Account, cx: &mut Context<'_>) {
        let config = cx.config.account(self.id);
        if config == before {
            return;
        }
        self.counts.window = u64::from(config.window);
        if before.opt_out != config.opt_out {
            self.opt_out = config.opt_out.as_ref().map(|list| Arc::clone(&list.numbers));
        }
        if config.outbind.is_some() {
            self.calling.get_or_insert_default();
        }
        self.configure_limits(before, cx);
        self.deliveries.replay.configure(config, cx.now);
        for (_, session) in self.sessions.iter_mut() {
            session.window.set_limit(usize::from(config.delivery_window.get()));
        }
        self.end_unwanted(cx);
        self.share_room(cx);
        self.pump_deliveries(cx);
        self.pump_posts(cx);
        self.call_if_awaited(cx);
        self.arm(cx);
    }

    /// Sessions that would not be let in any more for where they come from, or for whose they are, go when what they submitted is
    /// answered. Another password, or another way to come, is asked of the next bind.
    fn end_unwanted(&mut self, cx: &mut Context<'_>) {
        let config = cx.config.account(self.id);
        let is_unwanted = |session: &super::session::Session| {
            let may = ways::check(config, session.address, None);
            let is_over = matches!(may, Err(BindRefusal::Disabled | BindRefusal::Address));
            is_over && session.state == SessionState::Open
        };
        let unwanted: Vec<Key> =
            self.sessions.iter().filter(|(_, session)| is_unwanted(session)).map(|(key, _)| key).collect();
        for key in unwanted {
            self.ask_to_leave(key, cx);
        }
    }
}
