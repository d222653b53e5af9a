//! A carrier that runs gets other settings: rate, windows and queue at once, links one after the other.
//!
//! A link is replaced when its address, its mode, or who we are on it has changed: it submits nothing more, says goodbye once what is
//! out on it is answered, and is dialled anew. The next follows when that one is bound, so a carrier is never without all of its
//! links, and keeps the others when the new address does not answer. Receipts that are still to come arrive on any link.

use std::sync::Arc;
use std::time::Duration;

use super::carrier::Carrier;
use super::context::Context;
use super::link::{Change, Link, LinkState};
use super::orders::{Order, Standing};
use super::passed;
use super::references::References;
use crate::config::{self, CarrierState};

impl Carrier {
    /// Takes up what differs from the settings before.
    pub(super) fn configure(&mut self, before: &config::Carrier, cx: &mut Context<'_>) {
        let config = cx.config.carrier(self.id);
        // What went is let go once nobody sends there.
        if config == before || config.is_gone {
            return;
        }
        if before.rate != config.rate {
            self.pace.configure(config.rate, cx.now);
            self.asks = passed::throttle(config);
        }
        if before.source_rate != config.source_rate {
            let keys = std::array::from_fn(|_| cx.random.draw());
            self.queue.set_source_rate(config.source_rate, keys, cx.now);
        }
        if before.remap_references != config.remap_references {
            let keys = std::array::from_fn(|_| cx.random.draw());
            self.references = config.remap_references.then(|| Box::new(References::new(keys)));
        }
        for link in &mut self.links {
            if let LinkState::Bound(bound) = &mut link.state {
                bound.window.set_limit(usize::from(config.window.get()));
            }
        }
        self.change_links(before, config, cx);
        self.change_state(before, config, cx);
        self.go_on_draining_links(cx);
        self.go_on_changing_links(cx);
        self.return_queue(cx);
        self.pump(cx);
        self.arm(cx);
    }

    /// Says what is to become of each link, and adds those that are missing.
    fn change_links(&mut self, before: &config::Carrier, config: &config::Carrier, cx: &Context<'_>) {
        let is_other = is_other_on_links(before, config);
        if is_other || before.password != config.password {
            // What the carrier refused may be mended.
            self.access.granted();
            for link in &mut self.links {
                if let LinkState::Backoff { retry_at } = &mut link.state {
                    *retry_at = cx.now;
                }
            }
        }
        let mut wanted = Link::all(config);
        self.counts.links_configured = wanted.len() as u64;
        for (link, wanted) in self.links.iter_mut().zip(&wanted) {
            let (mode, address) = (wanted.mode, Arc::clone(&wanted.address));
            let pending = match link.change.take() {
                Some(Change::Replaced { standing, .. }) => Some(standing),
                Some(Change::Surplus) => {
                    link.standing = wanted.standing;
                    Some(None)
                }
                None => None,
            };
            if is_other || pending.is_some() || link.mode != mode || link.address != address {
                link.change = Some(Change::Replaced { mode, address, standing: pending.flatten() });
            }
        }
        if self.links.len() < wanted.len() {
            self.links.extend(wanted.drain(self.links.len()..));
        }
        for link in self.links.iter_mut().skip(usize::try_from(self.counts.links_configured).unwrap_or(usize::MAX)) {
            link.change = Some(Change::Surplus);
            if link.standing != Standing::Stopped {
                link.standing = Standing::Draining { until: cx.now };
            }
        }
    }

    /// An operator's orders hold until the file says something else.
    fn change_state(&mut self, before: &config::Carrier, config: &config::Carrier, cx: &mut Context<'_>) {
        let state = |config: &config::Carrier| if config.is_gone { CarrierState::Off } else { config.state };
        if state(before) == state(config) || cx.is_draining {
            return;
        }
        for at in 0..self.links.len() {
            if self.links[at].is_surplus() {
                continue;
            }
            match state(config) {
                CarrierState::Active => self.order_link(at, Order::Resume, cx),
                CarrierState::Drain => self.order_link(at, Order::Pause, cx),
                CarrierState::Off => {
                    self.order_link(at, Order::Drain { within: Some(Duration::ZERO) }, cx);
                }
            }
        }
    }

    /// Takes links that are to be replaced a step further.
    pub(super) fn go_on_changing_links(&mut self, cx: &mut Context<'_>) {
        if cx.is_draining || self.links.iter().all(|link| link.change.is_none()) {
            return;
        }
        for at in 0..self.links.len() {
            let Some(Change::Replaced { mode, address, standing }) = self.links[at].change.clone() else { continue };
            let others_stand = self.links.iter().enumerate().all(|(other, link)| other == at || link.is_steady());
            let link = &mut self.links[at];
            match &link.state {
                LinkState::Off | LinkState::Backoff { .. } => {
                    (link.mode, link.address, link.change) = (mode, address, None);
                    link.standing = standing.unwrap_or(link.standing);
                    if link.standing != Standing::Stopped {
                        link.state = LinkState::Backoff { retry_at: cx.now.max(self.access.not_before) };
                    }
                }
                LinkState::Bound(_) if others_stand && matches!(link.standing, Standing::Active | Standing::Paused) => {
                    link.change = Some(Change::Replaced { mode, address, standing: Some(link.standing) });
                    link.standing = Standing::Draining { until: cx.now };
                }
                // How it goes on is known soon.
                LinkState::Bound(_)
                | LinkState::Connecting { .. }
                | LinkState::Binding { .. }
                | LinkState::Unbinding { .. }
                | LinkState::Closing { .. } => {}
            }
        }
        self.go_on_draining_links(cx);
    }
}

impl Link {
    /// Whether it is bound, and not about to leave, or is not to be bound at all.
    fn is_steady(&self) -> bool {
        match &self.state {
            LinkState::Bound(_) => !matches!(self.standing, Standing::Draining { .. }) || self.is_surplus(),
            LinkState::Off => self.change.is_none() || self.is_surplus(),
            LinkState::Backoff { .. }
            | LinkState::Connecting { .. }
            | LinkState::Binding { .. }
            | LinkState::Unbinding { .. }
            | LinkState::Closing { .. } => self.is_surplus(),
        }
    }
}

/// Whether the carrier would see somebody else on a link, or on another way. A password is shown at the next bind.
fn is_other_on_links(before: &config::Carrier, config: &config::Carrier) -> bool {
    let bind = |carrier: &config::Carrier| {
        let habits = &carrier.profile.links;
        let address = (habits.address_ton, habits.address_npi, habits.address_range.clone());
        (carrier.system_id.clone(), carrier.system_type.clone(), habits.interface_version, address)
    };
    let way = |carrier: &config::Carrier| (carrier.tls.clone(), carrier.source_address);
    bind(before) != bind(config) || way(before) != way(config)
}
