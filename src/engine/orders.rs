//! What an operator orders a carrier's links while they run: pause, drain, resume; and the drain of them all at the end.

use std::time::Duration;

use super::carrier::Carrier;
use super::context::Context;
use super::event::{Action, EndReason, SubmitError};
use super::link::{Change, LinkState};
use super::message::Outcome;
use super::time::Instant;
use crate::config::CarrierState;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Stay bound and receive, submit nothing.
    Pause,
    /// Submit nothing, receive what is outstanding, at most for this long; then unbind and stay so.
    Drain { within: Option<Duration> },
    /// Bind and submit again, at once.
    Resume,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Active,
    /// It is bound and receives; nothing is submitted.
    Paused,
    /// It receives what is outstanding, no longer than until then.
    Draining {
        until: Instant,
    },
    /// It is not bound until it is resumed.
    Stopped,
}

impl Standing {
    /// What the configuration says.
    #[must_use]
    pub fn configured(state: CarrierState) -> Self {
        match state {
            CarrierState::Active => Self::Active,
            CarrierState::Drain => Self::Paused,
            CarrierState::Off => Self::Stopped,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Draining { .. } => "draining",
            Self::Stopped => "stopped",
        }
    }
}

impl Carrier {
    /// How often a link that drains is looked at.
    const DRAIN_LOOK: Duration = Duration::from_millis(200);

    /// Applies an order to one link, or to all of them.
    pub fn order(&mut self, link: Option<u16>, order: Order, cx: &mut Context<'_>) {
        // One that went is drained, whatever somebody still meant for it.
        let may = !cx.config.carrier(self.id).is_gone || matches!(order, Order::Drain { .. });
        if cx.is_draining || !may {
            return;
        }
        let chosen = link.map_or(0..self.links.len(), |link| usize::from(link)..usize::from(link) + 1);
        for at in chosen {
            if self.links.get(at).is_some_and(|link| !link.is_surplus()) {
                self.order_link(at, order, cx);
            }
        }
        self.go_on_draining_links(cx);
        self.return_queue(cx);
        self.pump(cx);
        self.arm(cx);
    }

    /// Whether nothing is to be submitted by order: waiting for a link would be in vain.
    pub(super) fn is_withheld(&self) -> bool {
        self.links.iter().all(|link| link.standing != Standing::Active)
    }

    pub(super) fn order_link(&mut self, at: usize, order: Order, cx: &mut Context<'_>) {
        if let Some(Change::Replaced { standing, .. }) = &mut self.links[at].change {
            // What it was before it was to be replaced is of no account any more.
            *standing = None;
        }
        let standing = &mut self.links[at].standing;
        match order {
            Order::Pause => *standing = Standing::Paused,
            Order::Drain { .. } if *standing == Standing::Stopped => return,
            Order::Drain { within } => {
                let until = within.map_or(Instant::NEVER, |within| cx.now + within);
                *standing = Standing::Draining { until };
                return;
            }
            Order::Resume => {
                *standing = Standing::Active;
                // Whoever says so has mended what the carrier refused.
                self.access.granted();
            }
        }
        // What is being closed is dialled again once it is.
        let state = &mut self.links[at].state;
        let is_waiting = matches!(state, LinkState::Backoff { .. }) && order == Order::Resume;
        if is_waiting || matches!(state, LinkState::Off) {
            *state = LinkState::Backoff { retry_at: cx.now };
        }
    }

    /// Refuses what waits, and says goodbye on every link whose window is empty. True once no link is left.
    pub fn drain(&mut self, cx: &mut Context<'_>) -> bool {
        for pending in self.queue.take(cx.now, |_| true) {
            self.give_up(pending, Outcome::Failed(SubmitError::Draining), cx);
        }
        for link in 0..self.links.len() {
            match &self.links[link].state {
                LinkState::Bound(bound) if bound.window.outstanding() == 0 && self.in_hand.is_empty() => {
                    self.unbind_link(link, cx);
                }
                LinkState::Backoff { .. } => self.links[link].state = LinkState::Off,
                // A dial may take long to fail, and nothing depends on how it ends.
                LinkState::Connecting { connection } => {
                    cx.out.act(Action::Close { connection: *connection });
                    self.links[link].state = LinkState::Off;
                }
                LinkState::Binding { .. } => self.close_link(link, EndReason::Drained, cx),
                LinkState::Bound(_) | LinkState::Unbinding { .. } | LinkState::Closing { .. } | LinkState::Off => {}
            }
        }
        // What came behind our unbind is still on its way to its account.
        self.in_hand.is_empty() && self.links.iter().all(|link| matches!(link.state, LinkState::Off))
    }

    /// Says goodbye on links that have drained.
    pub(super) fn go_on_draining_links(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.links.len() {
            let Standing::Draining { until } = self.links[at].standing else { continue };
            if !self.has_drained(at, until, cx.now) {
                continue;
            }
            self.links[at].standing = Standing::Stopped;
            match &self.links[at].state {
                LinkState::Bound(_) => self.unbind_link(at, cx),
                LinkState::Backoff { .. } => self.links[at].state = LinkState::Off,
                LinkState::Connecting { connection } => {
                    cx.out.act(Action::Close { connection: *connection });
                    self.links[at].state = LinkState::Off;
                }
                LinkState::Binding { .. } => self.close_link(at, EndReason::Drained, cx),
                LinkState::Unbinding { .. } | LinkState::Closing { .. } | LinkState::Off => {}
            }
        }
    }

    /// When a link that drains is looked at next.
    pub(super) fn look_at_drain(&self, cx: &Context<'_>) -> Instant {
        let is_draining = |standing: Standing| matches!(standing, Standing::Draining { .. });
        let is_changing = |change: &Option<Change>| matches!(change, Some(Change::Replaced { .. }));
        let any = self.links.iter().any(|link| is_draining(link.standing) || is_changing(&link.change));
        if any { cx.now + Self::DRAIN_LOOK } else { Instant::NEVER }
    }

    /// Submits end by their own deadline. Receipts may come on any link that receives, so the last such one waits for them.
    fn has_drained(&self, at: usize, until: Instant, now: Instant) -> bool {
        let link = &self.links[at];
        let is_in_hand = self.in_hand.iter().any(|(_, in_hand)| in_hand.came_on(link.connection()));
        if link.outstanding() > 0 || is_in_hand {
            return false;
        }
        let stays = |standing| matches!(standing, Standing::Active | Standing::Paused);
        let receives_elsewhere = self.links.iter().any(|link| link.mode.may_receive() && stays(link.standing));
        // The submits of the other links have receipts to come as well.
        let is_quiet = self.correlations.is_empty() && self.links.iter().all(|link| link.outstanding() == 0);
        !link.mode.may_receive() || receives_elsewhere || is_quiet || now >= until
    }
}
