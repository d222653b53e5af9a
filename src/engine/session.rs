//! One bound connection of an ESME: its liveness, its deliveries outstanding, and how much nonsense it may send.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::context::Context;
use super::event::EndReason;
use super::flood::Flood;
use super::slab::Key;
use super::time::Instant;
use super::timers::{Armed, Owner};
use super::window::Window;
use crate::config::Timers as Intervals;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::pdu::{self, BindMode};
use crate::smpp::version::Version;

#[derive(Debug)]
pub struct Session {
    pub connection: Key,
    pub address: IpAddr,
    pub mode: BindMode,
    pub version: Version,
    pub since: Instant,
    /// deliver_sm sent and not yet acknowledged, by the delivery's key.
    pub window: Window<Key>,
    /// deliver_sm unanswered in time, whose answer may still come.
    pub late: VecDeque<Late>,
    /// Submits read and not yet answered.
    pub outstanding: u32,
    /// The same of what it asked of its messages.
    pub asked: u32,
    pub state: SessionState,
    /// The account's window is full and this session is not read.
    pub is_paused: bool,
    /// It is not read until then, because of what it sent.
    pub rests_until: Option<Instant>,
    pub flood: Flood,
    pub liveness: Liveness,
    pub errors: ErrorBudget,
    pub rebinds: u8,
    pub armed: Armed,
}

/// A deliver_sm we gave up waiting for.
#[derive(Clone, Copy, Debug)]
pub struct Late {
    pub sequence: SequenceNumber,
    pub delivery: Key,
    pub until: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionState {
    Open,
    /// The ESME said goodbye: answered once its submits are.
    Unbinding {
        sequence: SequenceNumber,
    },
    /// It is to go: we say goodbye once its submits are answered, or then.
    Leaving {
        until: Instant,
    },
    /// We said goodbye, and wait for its answer until then.
    AwaitingUnbindResp {
        until: Instant,
    },
    /// Nothing more is read or sent; the connection is being closed.
    Closing,
}

impl Session {
    /// Unwritten octets that end a session whose peer does not read.
    pub const MAX_UNWRITTEN: usize = 256 << 10;
    /// How long a peer may read nothing while we have something for it.
    pub const MAX_BLOCKED: Duration = Duration::from_secs(30);

    /// How long a late answer still finds its request.
    pub const LATE_ANSWERS: Duration = Duration::from_secs(600);

    #[must_use]
    pub fn may_receive(&self) -> bool {
        self.mode.may_receive() && matches!(self.state, SessionState::Open)
    }

    /// Whether we take what it sends; when not, its silence says nothing about the peer.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.is_paused && self.rests_until.is_none()
    }

    /// Sends what the timers ask for; says why the session must end, if it must.
    pub fn on_timeout(&mut self, cx: &mut Context<'_>) -> Option<EndReason> {
        if let SessionState::AwaitingUnbindResp { until } = self.state
            && cx.now >= until
        {
            return Some(EndReason::Drained);
        }
        let blocked_since = cx.out.outbox(self.connection.slot).blocked_since;
        if blocked_since.is_some_and(|since| cx.now.since(since) >= Self::MAX_BLOCKED) {
            return Some(EndReason::Stalled);
        }
        if !self.is_read() {
            self.liveness.heard(cx.now);
            return None;
        }
        match self.liveness.on_timeout(&cx.config.smpp.timers, cx.now) {
            Check::Quiet => None,
            Check::Ask => {
                let sequence = self.window.control_number();
                let out = cx.out.write(self.connection);
                pdu::write_control(CommandId::ENQUIRE_LINK, CommandStatus::ROK, sequence, out);
                None
            }
            Check::Dead(why) => Some(why),
        }
    }

    /// Makes sure `on_timeout` is called in time, given when the oldest delivery was sent.
    pub fn arm(&mut self, oldest_sent: Option<Instant>, cx: &mut Context<'_>) {
        let timers = &cx.config.smpp.timers;
        let mut at = self.liveness.next_timeout(timers);
        if let Some(sent) = oldest_sent {
            at = at.min(sent + timers.response);
        }
        if let Some(since) = cx.out.outbox(self.connection.slot).blocked_since {
            at = at.min(since + Self::MAX_BLOCKED);
        }
        if let SessionState::AwaitingUnbindResp { until } | SessionState::Leaving { until } = self.state {
            at = at.min(until);
        }
        at = at.min(self.rests_until.unwrap_or(Instant::NEVER));
        cx.timers.arm(Owner::Connection(self.connection), &mut self.armed, at);
    }
}

/// Whether the peer is still there (SMPP 3.4, section 7.2: enquire_link and inactivity timers).
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    last_heard: Instant,
    asked_at: Option<Instant>,
    asked: u8,
}

/// What a look at the timers says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    Quiet,
    /// Send an enquire_link.
    Ask,
    Dead(EndReason),
}

impl Liveness {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { last_heard: now, asked_at: None, asked: 0 }
    }

    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    pub fn on_timeout(&mut self, timers: &Intervals, now: Instant) -> Check {
        if self.asked_at.is_some_and(|asked| self.last_heard > asked) {
            (self.asked_at, self.asked) = (None, 0);
        }
        if now < self.next_timeout(timers) {
            return Check::Quiet;
        }
        if now.since(self.last_heard) >= timers.inactivity {
            return Check::Dead(EndReason::Inactive);
        }
        if self.asked >= 2 {
            return Check::Dead(EndReason::EnquireLink);
        }
        (self.asked_at, self.asked) = (Some(now), self.asked + 1);
        Check::Ask
    }

    /// Asks now, whatever was heard: the peer answers nothing else. Not while it is asked already, or it would never be dead.
    pub fn ask(&mut self, now: Instant) -> Check {
        if self.asked_at.is_some_and(|asked| asked >= self.last_heard) {
            return Check::Quiet;
        }
        (self.asked_at, self.asked) = (Some(now), 1);
        Check::Ask
    }

    #[must_use]
    pub fn next_timeout(&self, timers: &Intervals) -> Instant {
        let ask_at = match self.asked_at {
            Some(asked) if asked >= self.last_heard => asked + timers.response.min(timers.enquire_link),
            Some(_) | None => self.last_heard + timers.enquire_link,
        };
        ask_at.min(self.last_heard + timers.inactivity)
    }
}

/// Malformed, misdirected and unknown PDUs cost a token, ten a minute; unsolicited answers a hundred.
#[derive(Clone, Copy, Debug)]
pub struct ErrorBudget {
    minute: u64,
    errors: u16,
    unsolicited: u16,
}

impl ErrorBudget {
    const ERRORS: u16 = 10;
    const UNSOLICITED: u16 = 100;

    #[must_use]
    pub fn new() -> Self {
        Self { minute: 0, errors: 0, unsolicited: 0 }
    }

    /// False when the session has to be closed.
    pub fn spend_error(&mut self, now: Instant) -> bool {
        self.roll(now);
        self.errors += 1;
        self.errors <= Self::ERRORS
    }

    /// False when the session has to be closed.
    pub fn spend_unsolicited(&mut self, now: Instant) -> bool {
        self.roll(now);
        self.unsolicited += 1;
        self.unsolicited <= Self::UNSOLICITED
    }

    fn roll(&mut self, now: Instant) {
        let minute = now.as_nanos() / 60_000_000_000;
        if minute != self.minute {
            *self = Self { minute, errors: 0, unsolicited: 0 };
        }
    }
}

impl Default for ErrorBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: Intervals = Intervals {
        session_init: Duration::from_secs(5),
        enquire_link: Duration::from_secs(30),
        inactivity: Duration::from_secs(300),
        response: Duration::from_secs(20),
    };

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn traffic_postpones_the_enquire_link() {
        let mut liveness = Liveness::new(at(0));
        liveness.heard(at(29));
        assert_eq!(liveness.on_timeout(&TIMERS, at(30)), Check::Quiet);
        assert_eq!(liveness.next_timeout(&TIMERS), at(59));
        assert_eq!(liveness.on_timeout(&TIMERS, at(59)), Check::Ask);
    }

    #[test]
    fn who_answers_nothing_is_asked_once_however_often_there_is_reason_to() {
        let mut liveness = Liveness::new(at(0));
        assert_eq!(liveness.ask(at(1)), Check::Ask);
        for second in 2..=10 {
            assert_eq!(liveness.ask(at(second)), Check::Quiet);
        }
        assert_eq!(liveness.on_timeout(&TIMERS, at(21)), Check::Ask);
        assert_eq!(liveness.ask(at(30)), Check::Quiet);
        assert_eq!(liveness.on_timeout(&TIMERS, at(41)), Check::Dead(EndReason::EnquireLink));
        liveness.heard(at(42));
        assert_eq!(liveness.ask(at(43)), Check::Ask);
    }

    #[test]
    fn two_missed_enquire_links_are_the_end_and_any_answer_is_not() {
        let mut liveness = Liveness::new(at(0));
        assert_eq!(liveness.on_timeout(&TIMERS, at(30)), Check::Ask);
        assert_eq!(liveness.on_timeout(&TIMERS, at(50)), Check::Ask);
        let mut answered = liveness;
        answered.heard(at(60));
        assert_eq!(answered.on_timeout(&TIMERS, at(70)), Check::Quiet);
        assert_eq!(liveness.on_timeout(&TIMERS, at(70)), Check::Dead(EndReason::EnquireLink));
    }

    #[test]
    fn the_eleventh_error_of_a_minute_is_one_too_many() {
        let mut budget = ErrorBudget::new();
        assert!((0..10).all(|_| budget.spend_error(at(61))));
        assert!(!budget.spend_error(at(61)));
        assert!(budget.spend_error(at(121)));
    }
}
