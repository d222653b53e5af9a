//! How a link comes to be: the dial, the bind, and what the carrier says to it.
//!
//! While no link of a carrier is bound, one tries at a time, and the others follow once it is: a carrier that is down or restarts
//! is not stormed, and one that locks who is wrong too often is asked once.

use std::time::Duration;

use super::backoff::{at_least, part_of};
use super::carrier::Carrier;
use super::context::Context;
use super::event::{Action, EndReason, Notice};
use super::link::{Bound, LinkState};
use super::session::Liveness;
use super::shard::Connection;
use super::slab::Key;
use super::time::Instant;
use super::window::Window;
use crate::config::{LinkHabits, Timers};
use crate::smpp::command::{CommandStatus, SequenceNumber};
use crate::smpp::pdu::{self, Bind};

impl Carrier {
    /// The links that follow the first one bound are spread over this much each.
    const SPREAD: Duration = Duration::from_millis(10);

    pub(super) fn habits<'a>(&self, cx: &Context<'a>) -> &'a LinkHabits {
        &cx.config.carrier(self.id).profile.links
    }

    /// The timers of this carrier's links.
    pub(super) fn timers(&self, cx: &Context<'_>) -> Timers {
        self.habits(cx).timers(&cx.config.smpp.timers)
    }

    /// Whether a link that is due waits for another's try.
    pub(super) fn is_trying(&self) -> bool {
        let is_trying = |state: &LinkState| matches!(state, LinkState::Connecting { .. } | LinkState::Binding { .. });
        self.links.iter().any(|link| is_trying(&link.state)) && !self.links.iter().any(|link| link.is_bound())
    }

    pub(super) fn dial(&mut self, at: usize, cx: &mut Context<'_>) {
        if cx.is_draining {
            // A reload that was under way brought it.
            self.links[at].state = LinkState::Off;
            return;
        }
        if self.is_trying() {
            return;
        }
        if cx.now < self.access.not_before {
            self.links[at].state = LinkState::Backoff { retry_at: self.access.not_before };
            return;
        }
        let link = u16::try_from(at).unwrap_or(u16::MAX);
        let connection = cx.connections.insert(Connection::Link { carrier: self.id, link });
        cx.out.open(connection);
        let address = self.links[at].address.clone();
        cx.out.act(Action::Connect { connection, carrier: self.id, link, address });
        self.links[at].state = LinkState::Connecting { connection };
    }

    /// The dialled connection stands: bind.
    pub fn link_connected(&mut self, at: usize, connection: Key, cx: &mut Context<'_>) {
        if !matches!(self.links[at].state, LinkState::Connecting { connection: dialled } if dialled == connection) {
            return;
        }
        let (config, habits) = (cx.config.carrier(self.id), self.habits(cx));
        let bind = Bind {
            mode: self.links[at].mode,
            system_id: config.system_id.clone().into_bytes(),
            password: config.password.expose().to_vec(),
            system_type: config.system_type.clone().into_bytes(),
            interface_version: habits.interface_version,
            address_ton: habits.address_ton,
            address_npi: habits.address_npi,
            address_range: habits.address_range.clone().into_bytes(),
        };
        pdu::write_bind(&bind, SequenceNumber::FIRST, cx.out.write(connection));
        let give_up_at = cx.now + self.timers(cx).response;
        self.links[at].state = LinkState::Binding { connection, give_up_at };
        self.arm(cx);
    }

    pub(super) fn handle_bind_resp(&mut self, at: usize, connection: Key, status: CommandStatus, cx: &mut Context<'_>) {
        if status.is_ok() {
            return self.link_bound(at, connection, cx);
        }
        self.counts.link_failures += 1;
        cx.out.notice(Notice::LinkBindRefused { carrier: self.id, link: at, status });
        let (habits, random) = (self.habits(cx), cx.random.draw());
        let wait = match status {
            CommandStatus::RINVPASWD | CommandStatus::RINVSYSID => self.access.refused(habits.refused, random, cx.now),
            // The session before is not dead yet, and trying may even keep it alive.
            CommandStatus::RALYBND => at_least(habits.already_bound, random),
            _ => self.links[at].backoff.after_failure(habits.reconnect, random),
        };
        self.close_link_for(at, Some(wait), EndReason::BindRefused, cx);
    }

    /// How long a link waits that failed.
    pub(super) fn wait_after_failure(&mut self, at: usize, cx: &mut Context<'_>) -> Duration {
        let (habits, random) = (self.habits(cx), cx.random.draw());
        self.links[at].backoff.after_failure(habits.reconnect, random)
    }

    fn link_bound(&mut self, at: usize, connection: Key, cx: &mut Context<'_>) {
        let was_none_bound = !self.links.iter().any(|link| link.is_bound());
        let mut window = Window::new(usize::from(cx.config.carrier(self.id).window.get()));
        // The bind took the first number.
        window.control_number();
        let (liveness, look_at) = (Liveness::new(cx.now), Instant::NEVER);
        let bound =
            Bound { connection, since: cx.now, window, liveness, look_at, asked: Vec::new(), unanswered_in_a_row: 0 };
        self.links[at].state = LinkState::Bound(Box::new(bound));
        self.counts.link_ups += 1;
        cx.out.notice(Notice::LinkBound { carrier: self.id, link: at });
        if was_none_bound {
            self.call_followers(cx);
        }
        self.pump(cx);
        self.arm(cx);
    }

    /// The first link is bound: those that waited for it, or for the carrier to take our password, try now.
    fn call_followers(&mut self, cx: &mut Context<'_>) {
        let was_refused = self.access.granted();
        let spread = Self::SPREAD * u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        for link in &mut self.links {
            if let LinkState::Backoff { retry_at } = &mut link.state
                && (was_refused || *retry_at <= cx.now)
            {
                *retry_at = cx.now + part_of(spread, cx.random.draw());
            }
        }
    }
}
