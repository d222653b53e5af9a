//! `over_rate: delay`: what is over an account's rate is held back and goes on, in order, when the rate allows.
//!
//! At most `burst` submits wait, and none that could not leave in time: such are refused at once, as they are with
//! `over_rate: reject`. What is held counts in the account's window and is withdrawn with its session.

use std::collections::VecDeque;

use super::account::Account;
use super::context::Context;
use super::event::SubmitError;
use super::message::Outcome;
use super::relay::Submit;
use super::slab::Key;
use super::throttle::Throttle;
use super::time::Instant;

#[derive(Debug, Default)]
pub struct Held {
    waiting: VecDeque<Waiting>,
    segments: u64,
}

#[derive(Debug)]
struct Waiting {
    submit: Submit,
    /// Segments it waits for: all of its message's, or none when it stands behind another of that.
    cost: u32,
    /// From then on it would be sent too late.
    late_at: Instant,
    body: Box<[u8]>,
}

impl Held {
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
    }

    fn pop(&mut self) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        self.segments -= u64::from(first.cost);
        Some(first)
    }

    /// When the first may leave, or has waited too long.
    #[must_use]
    pub fn next(&self, throttle: &Throttle) -> Instant {
        self.waiting.front().map_or(Instant::NEVER, |first| throttle.ready_at(first.cost).min(first.late_at))
    }
}

impl Account {
    /// Holds a checked submit back until the rate allows so many segments.
    pub(super) fn hold(&mut self, submit: Submit, (cost, late_at): (u32, Instant), body: &[u8], cx: &mut Context<'_>) {
        let Some(limits) = &mut self.limits else { return };
        if let Some(session) = self.sessions.get_mut(submit.info.session) {
            session.outstanding += 1;
        }
        limits.held.segments += u64::from(cost);
        limits.held.waiting.push_back(Waiting { submit, cost, late_at, body: body.into() });
        self.arm(cx);
    }

    /// What is held goes on as far as the rate allows.
    pub(super) fn pump_held(&mut self, cx: &mut Context<'_>) {
        while let Some(limits) = &mut self.limits
            && let Some(first) = limits.held.waiting.front()
        {
            let refusal = if cx.is_draining {
                Some(SubmitError::Draining)
            } else if first.late_at <= cx.now {
                Some(SubmitError::OverRate)
            } else {
                None
            };
            let throttle = limits.throttle.as_mut().filter(|_| refusal.is_none() && first.cost > 0);
            if throttle.is_some_and(|throttle| throttle.take(first.cost, cx.now).is_err()) {
                return;
            }
            let Some(first) = limits.held.pop() else { return };
            match refusal {
                Some(error) => self.tell_refused(first.submit, &first.body, Outcome::Failed(error), cx),
                None => self.let_go(&first, cx),
            }
        }
    }

    /// The rate allows it now.
    fn let_go(&mut self, held: &Waiting, cx: &mut Context<'_>) {
        let mut submit = held.submit;
        self.begin_with_others(&mut submit, cx);
        if let Err(error) = self.hand_on(submit, &held.body, cx) {
            self.tell_refused(held.submit, &held.body, Outcome::Failed(error), cx);
        } else if let Some(session) = self.sessions.get_mut(held.submit.info.session) {
            // It is counted as what it has become.
            session.outstanding -= 1;
        }
    }

    /// A session ended: what it waits for here will not be sent.
    pub(super) fn withdraw_held(&mut self, session: Key, cx: &mut Context<'_>) {
        let Some(limits) = &mut self.limits else { return };
        let held = std::mem::take(&mut limits.held.waiting);
        let is_of_it = |held: &Waiting| held.submit.info.session == session;
        let (gone, kept): (VecDeque<_>, VecDeque<_>) = held.into_iter().partition(is_of_it);
        limits.held.segments = kept.iter().map(|held| u64::from(held.cost)).sum();
        limits.held.waiting = kept;
        for held in gone {
            self.tell_origin(&held.submit, Outcome::Failed(SubmitError::Withdrawn), cx);
        }
    }
}
