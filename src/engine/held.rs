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
use crate::config::Accept;

#[derive(Debug, Default)]
pub struct Held {
    waiting: VecDeque<Waiting>,
    segments: u64,
}

#[derive(Debug)]
struct Waiting {
    /// In its account.
    submit: Key,
    segments: u32,
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
        self.segments -= u64::from(first.segments);
        Some(first)
    }

    /// When the first may leave, or has waited too long.
    #[must_use]
    pub fn next(&self, throttle: &Throttle) -> Instant {
        self.waiting.front().map_or(Instant::NEVER, |first| throttle.ready_at(first.segments).min(first.late_at))
    }
}

impl Account {
    /// Holds a checked submit back.
    pub(super) fn hold(&mut self, submit: Submit, late_at: Instant, body: &[u8], cx: &mut Context<'_>) {
        let segments = u32::from(submit.info.segments);
        let submit = self.enter(submit);
        let Some(limits) = &mut self.limits else { return };
        limits.held.waiting.push_back(Waiting { submit, segments, late_at, body: body.into() });
        limits.held.segments += u64::from(segments);
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
            let throttle = limits.throttle.as_mut().filter(|_| refusal.is_none());
            if throttle.is_some_and(|throttle| throttle.take(first.segments, cx.now).is_err()) {
                return;
            }
            let Some(first) = limits.held.pop() else { return };
            match refusal {
                Some(error) => self.answer_submit(first.submit, Outcome::Failed(error), cx),
                None => self.send_held(first.submit, &first.body, cx),
            }
        }
    }

    fn send_held(&mut self, submit: Key, body: &[u8], cx: &mut Context<'_>) {
        if cx.config.account(self.id).accept == Accept::Store {
            return self.store_held(submit, body, cx);
        }
        let Some(entry) = self.submits.get_mut(submit) else { return };
        match cx.routes.next_carrier(&mut entry.choice, cx.loads, cx.now) {
            Some(carrier) => self.send_first(submit, carrier, body, cx),
            None => self.answer_submit(submit, Outcome::Failed(SubmitError::NoRoute), cx),
        }
    }

    /// A session ended: what it waits for here will not be sent.
    pub(super) fn withdraw_held(&mut self, session: Key, cx: &mut Context<'_>) {
        let Some(limits) = &mut self.limits else { return };
        let submits = &self.submits;
        let is_of_it =
            |waiting: &Waiting| submits.get(waiting.submit).is_none_or(|submit| submit.info.session == session);
        let (gone, kept) = std::mem::take(&mut limits.held.waiting).into_iter().partition(is_of_it);
        limits.held.waiting = kept;
        let gone: VecDeque<Waiting> = gone;
        for waiting in gone {
            if let Some(limits) = &mut self.limits {
                limits.held.segments -= u64::from(waiting.segments);
            }
            self.answer_submit(waiting.submit, Outcome::Failed(SubmitError::Withdrawn), cx);
        }
    }
}
