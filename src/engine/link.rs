//! A link: one bind to a carrier, from the dial to the goodbye, and what the carrier says on it.
//!
//! Links dial, bind, keep a window, answer and send enquire_link, and come back with jittered back-off. When one is lost, what
//! was never written goes to another; what was written is in doubt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::effects::Effects;
use super::event::EndReason;
use super::message::{ReturnReason, SubmitInfo};
use super::orders::Standing;
use super::passed::{self, Asked};
use super::session::{Check, Liveness, Session};
use super::slab::Key;
use super::time::Instant;
use super::window::Window;
use crate::config::{self, Connect, Timers};
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::congestion::congestion_state;
use crate::smpp::frame::Frame;
use crate::smpp::pdu::{self, BindMode};

#[cfg(test)]
mod tests;

#[derive(Debug)]
pub struct Link {
    pub mode: BindMode,
    pub address: Arc<str>,
    pub state: LinkState,
    pub standing: Standing,
    /// What it is to be once what is out on it is settled.
    pub change: Option<Change>,
    pub backoff: Backoff,
    /// Submits the customer was told the outcome of is unknown, whose answer may still come.
    pub late: VecDeque<LateSubmit>,
    /// Why it was down last, and when it came to be.
    pub last_down: Option<(EndReason, Instant)>,
}

/// What a reload makes of a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// It is to be bound there, or as somebody else; and its standing when it began to drain for that.
    Replaced { mode: BindMode, address: Arc<str>, standing: Option<Standing> },
    /// The carrier has fewer of them.
    Surplus,
}

/// Each state holds exactly what that state needs.
#[derive(Debug)]
pub enum LinkState {
    Backoff {
        retry_at: Instant,
    },
    Connecting {
        connection: Key,
    },
    Binding {
        connection: Key,
        give_up_at: Instant,
    },
    Bound(Box<Bound>),
    Unbinding {
        connection: Key,
        give_up_at: Instant,
    },
    /// Closed by us; dialled again after this wait, or never.
    Closing {
        connection: Key,
        retry_after: Option<Duration>,
    },
    /// Not wanted.
    Off,
}

#[derive(Debug)]
pub struct Bound {
    pub connection: Key,
    pub since: Instant,
    pub window: Window<Pending>,
    pub(super) liveness: Liveness,
    /// No deadline in the window is before this.
    pub look_at: Instant,
    /// What was asked of messages it has, the oldest first.
    pub(super) asked: Vec<Asked>,
    /// Answers that stayed out, one after another.
    pub unanswered_in_a_row: u32,
}

/// A submit we gave up waiting for.
#[derive(Debug)]
pub struct LateSubmit {
    pub sequence: SequenceNumber,
    pub info: SubmitInfo,
    until: Instant,
}

impl Link {
    const LATE_KEPT: usize = 4096;

    /// The links a carrier should have, none dialled yet.
    #[must_use]
    pub fn all(config: &config::Carrier) -> Vec<Self> {
        let pairs = match &config.connect {
            Connect::Transceiver(address) => vec![(BindMode::Transceiver, address)],
            Connect::TransmitterReceiver { transmitter, receiver } => {
                vec![(BindMode::Transmitter, transmitter), (BindMode::Receiver, receiver)]
            }
        };
        let standing = if config.is_gone { Standing::Stopped } else { Standing::configured(config.state) };
        let state = || match standing {
            Standing::Stopped => LinkState::Off,
            Standing::Active | Standing::Paused | Standing::Draining { .. } => {
                LinkState::Backoff { retry_at: Instant::ZERO }
            }
        };
        let link = |(mode, address): &(BindMode, &String)| Self {
            mode: *mode,
            address: Arc::from(address.as_str()),
            state: state(),
            standing,
            change: None,
            backoff: Backoff::default(),
            late: VecDeque::new(),
            last_down: None,
        };
        (0..config.links.get()).flat_map(|_| pairs.iter().map(link)).collect()
    }

    /// Whether the carrier is to have it no more.
    #[must_use]
    pub fn is_surplus(&self) -> bool {
        self.change == Some(Change::Surplus)
    }

    #[must_use]
    pub fn is_bound(&self) -> bool {
        matches!(self.state, LinkState::Bound(_))
    }

    #[must_use]
    pub fn may_submit(&self) -> bool {
        self.mode.may_submit() && self.standing == Standing::Active && self.is_bound()
    }

    #[must_use]
    pub fn has_room(&self) -> bool {
        match &self.state {
            LinkState::Bound(bound) => {
                self.mode.may_submit() && self.standing == Standing::Active && !bound.window.is_full()
            }
            LinkState::Backoff { .. }
            | LinkState::Connecting { .. }
            | LinkState::Binding { .. }
            | LinkState::Unbinding { .. }
            | LinkState::Closing { .. }
            | LinkState::Off => false,
        }
    }

    #[must_use]
    pub fn outstanding(&self) -> usize {
        match &self.state {
            LinkState::Bound(bound) => bound.window.outstanding(),
            LinkState::Backoff { .. }
            | LinkState::Connecting { .. }
            | LinkState::Binding { .. }
            | LinkState::Unbinding { .. }
            | LinkState::Closing { .. }
            | LinkState::Off => 0,
        }
    }

    /// How many may be outstanding on it now.
    #[must_use]
    pub fn window(&self) -> usize {
        match &self.state {
            LinkState::Bound(bound) => bound.window.limit(),
            LinkState::Backoff { .. }
            | LinkState::Connecting { .. }
            | LinkState::Binding { .. }
            | LinkState::Unbinding { .. }
            | LinkState::Closing { .. }
            | LinkState::Off => 0,
        }
    }

    /// The connection this link writes to, when it stands.
    #[must_use]
    pub fn connection(&self) -> Option<Key> {
        match &self.state {
            LinkState::Bound(bound) => Some(bound.connection),
            LinkState::Connecting { connection }
            | LinkState::Binding { connection, .. }
            | LinkState::Unbinding { connection, .. }
            | LinkState::Closing { connection, .. } => Some(*connection),
            LinkState::Backoff { .. } | LinkState::Off => None,
        }
    }

    /// When it is to be looked at next. One that waits for another's dial is looked at when that has ended.
    pub(super) fn next_timeout(&self, timers: &Timers, is_held: bool, out: &Effects) -> Instant {
        match &self.state {
            LinkState::Backoff { .. } if is_held => Instant::NEVER,
            LinkState::Backoff { retry_at } => *retry_at,
            LinkState::Binding { give_up_at, .. } | LinkState::Unbinding { give_up_at, .. } => *give_up_at,
            LinkState::Bound(bound) => {
                let blocked = out.outbox(bound.connection.slot).blocked_since;
                let stalled = blocked.map_or(Instant::NEVER, |since| since + Session::MAX_BLOCKED);
                let asked = bound.asked.first().map_or(Instant::NEVER, |asked| asked.give_up_at);
                bound.liveness.next_timeout(timers).min(bound.look_at).min(stalled).min(asked)
            }
            LinkState::Connecting { .. } | LinkState::Closing { .. } | LinkState::Off => Instant::NEVER,
        }
    }
}

impl Bound {
    /// Takes out what should have been answered by now. Deadlines are not in the order of the numbers: a submit that
    /// comes from another carrier, or goes a second time, has less time left than those before it.
    fn take_overdue(&mut self, now: Instant) -> Vec<(SequenceNumber, Pending)> {
        let is_overdue = |pending: &Pending| pending.info.deadline <= now;
        let mut numbers: Vec<_> =
            self.window.iter().filter(|(_, pending)| is_overdue(pending)).map(|(sequence, _)| sequence).collect();
        numbers.sort_unstable_by_key(|sequence| sequence.0);
        let overdue =
            numbers.into_iter().filter_map(|sequence| Some((sequence, self.window.close(sequence)?))).collect();
        let next = self.window.iter().map(|(_, pending)| pending.info.deadline).min().unwrap_or(Instant::NEVER);
        self.look_at = next.max(now + Carrier::LOOK_EVERY);
        overdue
    }
}

impl Carrier {
    /// Takes one PDU of a link.
    pub fn handle_frame(&mut self, at: usize, connection: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let bind_resp = self.links[at].mode.command().response();
        match &mut self.links[at].state {
            LinkState::Bound(bound) => bound.liveness.heard(cx.now),
            LinkState::Binding { .. } if frame.command == bind_resp => {
                return self.handle_bind_resp(at, connection, frame.status, cx);
            }
            LinkState::Binding { .. } if frame.command == CommandId::GENERIC_NACK => {
                // A nack is a refusal whatever its status says.
                let status = if frame.status.is_ok() { CommandStatus::RBINDFAIL } else { frame.status };
                return self.handle_bind_resp(at, connection, status, cx);
            }
            LinkState::Unbinding { .. } if frame.command == CommandId::UNBIND_RESP => {
                return self.close_link(at, EndReason::Drained, cx);
            }
            LinkState::Binding { .. } | LinkState::Unbinding { .. } => {}
            LinkState::Backoff { .. } | LinkState::Connecting { .. } | LinkState::Closing { .. } | LinkState::Off => {
                return;
            }
        }
        match frame.command {
            CommandId::QUERY_SM_RESP | CommandId::CANCEL_SM_RESP | CommandId::REPLACE_SM_RESP => {
                self.handle_asked_resp(at, frame, cx);
            }
            CommandId::GENERIC_NACK if self.handle_asked_resp(at, frame, cx) => {}
            CommandId::SUBMIT_SM_RESP | CommandId::GENERIC_NACK => self.handle_submit_resp(at, frame, cx),
            CommandId::DELIVER_SM | CommandId::DATA_SM => self.handle_deliver(at, connection, frame, cx),
            CommandId::ENQUIRE_LINK => {
                let out = cx.out.write(connection);
                pdu::write_control(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK, frame.sequence, out);
            }
            CommandId::UNBIND => {
                let out = cx.out.write(connection);
                pdu::write_control(CommandId::UNBIND_RESP, CommandStatus::ROK, frame.sequence, out);
                self.close_link(at, EndReason::PeerUnbound, cx);
            }
            CommandId::ENQUIRE_LINK_RESP => {
                if let Some(state) = congestion_state(frame.body) {
                    self.pace.congestion(state, self.pace.epoch());
                }
            }
            // A carrier is never cut off for what it says: counting is enough.
            command if command.is_response() => {}
            CommandId::ALERT_NOTIFICATION => self.handle_alert(frame, cx),
            _ => {
                cx.counts.protocol_errors += 1;
                let out = cx.out.write(connection);
                pdu::write_control(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID, frame.sequence, out);
            }
        }
    }

    /// Says goodbye; receipts are taken until the answer.
    pub fn unbind_link(&mut self, at: usize, cx: &mut Context<'_>) {
        let LinkState::Bound(bound) = &mut self.links[at].state else { return };
        let (connection, sequence) = (bound.connection, bound.window.control_number());
        pdu::write_control(CommandId::UNBIND, CommandStatus::ROK, sequence, cx.out.write(connection));
        passed::refuse(std::mem::take(&mut bound.asked), cx);
        let give_up_at = cx.now + self.timers(cx).session_init;
        self.links[at].state = LinkState::Unbinding { connection, give_up_at };
        self.arm(cx);
    }

    pub fn link_timeout(&mut self, at: usize, cx: &mut Context<'_>) {
        match &mut self.links[at].state {
            LinkState::Backoff { retry_at } if *retry_at <= cx.now => self.dial(at, cx),
            LinkState::Binding { give_up_at, .. } if *give_up_at <= cx.now => {
                self.close_link(at, EndReason::SessionInit, cx);
            }
            LinkState::Unbinding { give_up_at, .. } if *give_up_at <= cx.now => {
                self.close_link(at, EndReason::Drained, cx);
            }
            LinkState::Bound(_) => self.bound_timeout(at, cx),
            LinkState::Backoff { .. }
            | LinkState::Binding { .. }
            | LinkState::Unbinding { .. }
            | LinkState::Connecting { .. }
            | LinkState::Closing { .. }
            | LinkState::Off => {}
        }
    }

    fn bound_timeout(&mut self, at: usize, cx: &mut Context<'_>) {
        let timers = self.timers(cx);
        let link = &mut self.links[at];
        let LinkState::Bound(bound) = &mut link.state else { return };
        let overdue = if bound.look_at <= cx.now { bound.take_overdue(cx.now) } else { Vec::new() };
        for (sequence, pending) in overdue.iter().filter(|(_, pending)| !pending.is_unwritten()) {
            bound.unanswered_in_a_row += 1;
            if link.late.len() == Link::LATE_KEPT || link.late.front().is_some_and(|late| late.until <= cx.now) {
                link.late.pop_front();
            }
            let until = cx.now + Session::LATE_ANSWERS;
            link.late.push_back(LateSubmit { sequence: *sequence, info: pending.info, until });
        }
        let late = bound.asked.iter().take_while(|asked| asked.give_up_at <= cx.now).count();
        passed::refuse(bound.asked.drain(..late), cx);
        if cx.out.outbox(bound.connection.slot).is_backed_up() {
            // Not read by our choice: silence says nothing about the peer.
            bound.liveness.heard(cx.now);
        }
        let mut check = bound.liveness.on_timeout(&timers, cx.now);
        if bound.unanswered_in_a_row >= 3 && check == Check::Quiet {
            bound.unanswered_in_a_row = 0;
            check = bound.liveness.ask(cx.now);
        }
        if cx
            .out
            .outbox(bound.connection.slot)
            .blocked_since
            .is_some_and(|since| cx.now.since(since) >= Session::MAX_BLOCKED)
        {
            check = Check::Dead(EndReason::Stalled);
        }
        match check {
            Check::Quiet => {}
            Check::Ask => {
                let sequence = bound.window.control_number();
                let out = cx.out.write(bound.connection);
                pdu::write_control(CommandId::ENQUIRE_LINK, CommandStatus::ROK, sequence, out);
            }
            Check::Dead(why) => self.close_link(at, why, cx),
        }
        for (_, pending) in overdue {
            if pending.is_unwritten() {
                self.return_pending(pending, ReturnReason::QueueFull, cx);
            } else {
                self.counts.timeouts += 1;
                self.doubt(pending, cx);
            }
        }
    }
}
