//! Messages that wait in their requests until the account's window has room for all of their segments, as a session would not be
//! read: one of each request in turn, at most until it would be sent too late. What is more than the window holds goes alone.
//!
//! Sessions that wait for room as well and requests take turns: after a message was taken while a session waits, the next room is the
//! sessions', until one of them has submitted something or let it be for a moment; while it is the requests' turn no session is read.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::event::SubmitError;
use crate::engine::slab::Key;
use crate::engine::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Line {
    /// Requests of which a message waits, the next one's in front. Those that were refused meanwhile are skipped.
    requests: VecDeque<Key>,
    /// The same requests in the order they came, with when each has waited too long.
    by_age: VecDeque<(Instant, Key)>,
    /// Messages that wait, and the octets of their segments.
    messages: usize,
    octets: usize,
    turn: Turn,
    is_pumped: bool,
}

/// Whose is the next room in the window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Turn {
    #[default]
    Requests,
    Sessions {
        /// They are read, and there is room; `None` while there is none.
        until: Option<Instant>,
    },
}

impl Line {
    /// Octets that may wait; a request that finds others waiting has to fit.
    const MOST_OCTETS: usize = 8 << 20;
    const MOST_MESSAGES: usize = 10_000;
    /// How long a session that is read again may take to submit something.
    const MOMENT: Duration = Duration::from_millis(10);

    /// Whether sessions are not to be read because a request has its turn.
    pub(super) fn has_turn(&self) -> bool {
        self.messages > 0 && self.turn == Turn::Requests
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether so much more may wait.
    pub(super) fn has_room(&self, messages: usize, octets: usize) -> bool {
        self.is_empty() || self.messages + messages <= Self::MOST_MESSAGES && self.octets + octets <= Self::MOST_OCTETS
    }

    /// A request's messages wait from now on.
    pub(super) fn push(&mut self, request: Key, messages: usize, octets: usize, late_at: Instant) {
        self.requests.push_back(request);
        self.by_age.push_back((late_at, request));
        self.messages += messages;
        self.octets += octets;
    }

    /// These wait no more.
    pub(super) fn left(&mut self, messages: usize, octets: usize) {
        self.messages -= messages;
        self.octets -= octets;
        if self.messages == 0 {
            // Whatever is left of them is of requests that have nothing waiting.
            self.requests.clear();
            self.by_age.clear();
            self.turn = Turn::Requests;
        }
    }

    /// When it is to be looked at even if nothing else happens.
    pub(super) fn next(&self) -> Instant {
        let oldest = self.by_age.front().map_or(Instant::NEVER, |(late_at, _)| *late_at);
        match self.turn {
            Turn::Sessions { until: Some(until) } => oldest.min(until),
            Turn::Sessions { until: None } | Turn::Requests => oldest,
        }
    }
}

impl Account {
    /// Takes what waits, as far as there is room; refuses what has waited too long.
    pub(in crate::engine) fn pump_requests(&mut self, cx: &mut Context<'_>) {
        // A message that fails at once has us come here again.
        if self.submissions.line.is_empty() || std::mem::replace(&mut self.submissions.line.is_pumped, true) {
            return;
        }
        self.refuse_late(cx);
        while let Some(submission) = self.next_request(cx) {
            self.take_next(submission, cx);
            if !self.has_nobody_paused() {
                self.submissions.line.yield_turn();
            }
        }
        self.submissions.line.is_pumped = false;
        if !self.submissions.line.has_turn() {
            self.resume_paused(cx);
        }
        self.arm(cx);
    }

    /// A session submitted something: the next room is the requests'.
    #[cold]
    pub(in crate::engine) fn session_had_its_turn(&mut self, cx: &mut Context<'_>) {
        self.submissions.line.turn = Turn::Requests;
        self.pump_requests(cx);
    }

    /// The request whose message is to be taken now.
    fn next_request(&mut self, cx: &Context<'_>) -> Option<Key> {
        let (open, window) = (self.unanswered(), cx.config.account(self.id).window as usize);
        let line = &mut self.submissions.line;
        if let Turn::Sessions { until } = &mut line.turn {
            if open < window && *until.get_or_insert(cx.now + Line::MOMENT) <= cx.now {
                line.turn = Turn::Requests;
            } else {
                return None;
            }
        }
        while let Some(submission) = line.requests.pop_front() {
            let Some(segments) = self.submissions.open.get(submission).and_then(|open| open.next_segments()) else {
                continue;
            };
            if open > 0 && open + segments > window {
                line.requests.push_front(submission);
                return None;
            }
            line.requests.push_back(submission);
            return Some(submission);
        }
        None
    }

    /// Refuses every message of requests that have waited for too long, or all in a drain.
    fn refuse_late(&mut self, cx: &mut Context<'_>) {
        while let Some((late_at, submission)) = self.submissions.line.by_age.front().copied() {
            let has_next = |open: &super::submission::Open| open.next_segments().is_some();
            if !self.submissions.open.get(submission).is_some_and(has_next) {
                self.submissions.line.by_age.pop_front();
                continue;
            }
            let error = match cx.is_draining {
                true => SubmitError::Draining,
                false if late_at <= cx.now => SubmitError::WindowFull,
                false => return,
            };
            self.submissions.line.by_age.pop_front();
            self.refuse_rest(submission, error, cx);
        }
    }
}

impl Line {
    fn yield_turn(&mut self) {
        if self.messages > 0 {
            self.turn = Turn::Sessions { until: None };
        }
    }
}
