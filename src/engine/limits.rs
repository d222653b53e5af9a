//! How much an account may submit: its caps per destination, its quotas and its rate, asked in this order, and nothing is spent unless
//! all three allow it. What a submit spent of caps and quotas is given back when it comes to nothing: whoever is told that
//! his message was not accepted has not used any of them up. The rate is not: it bounds what we have to deal with.

use super::account::Account;
use super::caps::Caps;
use super::context::Context;
use super::event::{HoldingKind, SubmitError};
use super::held::Held;
use super::message::Outcome;
use super::throttle::Throttle;
use super::time::Instant;
use super::usage::Usage;
use crate::config::{self, OverRate, Quota};
use crate::smpp::message_id::MessageId;

#[derive(Debug)]
pub struct Limits {
    pub(super) throttle: Option<Throttle>,
    pub usage: Option<Usage>,
    caps: Option<Caps>,
    /// Over the rate, with `over_rate: delay`.
    pub held: Held,
}

/// How a submit may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leave {
    /// The cap it is under.
    pub cap: Option<u16>,
    /// It has to wait for the rate.
    pub is_held: bool,
}

impl Leave {
    /// What no limit is set for.
    pub const FREE: Self = Self { cap: None, is_held: false };
}

impl Limits {
    /// `None` when none is set.
    #[must_use]
    pub fn new(config: &config::Account) -> Option<Box<Self>> {
        let usage = (config.quota != Quota::default()).then(|| Usage::new(config.quota));
        let caps = Caps::new(&config.destination_caps);
        let has_any = config.rate.is_some() || usage.is_some() || caps.is_some();
        let throttle = config.rate.map(Throttle::new);
        has_any.then(|| Box::new(Self { throttle, usage, caps, held: Held::default() }))
    }

    /// Other limits from now on; what was taken under those before still counts where they are set again.
    fn configure(&mut self, before: &config::Account, config: &config::Account, now: Instant) {
        match (&mut self.throttle, config.rate) {
            (Some(throttle), Some(rate)) => throttle.configure(rate, now),
            (throttle, rate) => *throttle = rate.map(Throttle::new),
        }
        match &mut self.usage {
            Some(usage) => usage.set_quota(config.quota),
            None => self.usage = (config.quota != Quota::default()).then(|| Usage::new(config.quota)),
        }
        if before.destination_caps != config.destination_caps {
            self.caps = Caps::new(&config.destination_caps);
        }
    }

    /// Takes what a submit needs, or says why not. What would wait beyond `late_at` is not held.
    pub fn take(
        &mut self,
        config: &config::Account,
        destination: &[u8],
        segments: u32,
        late_at: Instant,
        cx: &Context<'_>,
    ) -> Result<Leave, SubmitError> {
        let caps = self.caps.as_mut();
        let cap = caps.and_then(|caps| caps.find(&config.destination_caps, destination, segments, cx.now));
        if cap.is_some_and(|(_, has_room)| !has_room) {
            return Err(SubmitError::OverCap);
        }
        let unix_seconds = cx.unix_seconds();
        if self.usage.as_ref().is_some_and(|usage| !usage.has_room(segments, unix_seconds)) {
            return Err(SubmitError::OverQuota);
        }
        let is_held = self.wait_for_rate(config, segments, late_at, cx.now)?;
        if let Some(usage) = &mut self.usage {
            usage.spend(segments, unix_seconds, cx.now);
        }
        let cap = cap.map(|(cap, _)| cap);
        if let (Some(cap), Some(caps)) = (cap, &mut self.caps) {
            caps.spend(cap, segments, cx.now);
        }
        Ok(Leave { cap, is_held })
    }

    /// Whether it has to be held back.
    fn wait_for_rate(
        &mut self,
        config: &config::Account,
        segments: u32,
        late_at: Instant,
        now: Instant,
    ) -> Result<bool, SubmitError> {
        let (Some(throttle), Some(rate)) = (&mut self.throttle, config.rate) else { return Ok(false) };
        // Nothing overtakes what is held.
        if self.held.is_empty() && throttle.take(segments, now).is_ok() {
            return Ok(false);
        }
        let fits = self.held.len() < rate.burst.get() as usize
            && throttle.queued_until(self.held.segments(), segments, now) < late_at;
        if config.over_rate == OverRate::Delay && fits { Ok(true) } else { Err(SubmitError::OverRate) }
    }

    /// How much of the burst is used up, in hundredths.
    #[must_use]
    pub fn rate_used(&self, now: Instant) -> u8 {
        if self.held.is_empty() { self.throttle.as_ref().map_or(0, |throttle| throttle.used(now)) } else { 100 }
    }

    /// When to look at what is held, or to keep what was used.
    #[must_use]
    pub fn next(&self) -> Instant {
        let held = self.throttle.as_ref().map_or(Instant::NEVER, |throttle| self.held.next(throttle));
        held.min(self.usage.as_ref().map_or(Instant::NEVER, |usage| usage.keep_at))
    }

    /// A submit that was taken came to this.
    pub fn settle(&mut self, outcome: Outcome, cap: Option<u16>, segments: u16, cx: &Context<'_>) {
        match outcome {
            Outcome::Accepted | Outcome::InDoubt => {}
            Outcome::Refused(_) | Outcome::Failed(_) => {
                let segments = u32::from(segments);
                if let Some(usage) = &mut self.usage {
                    usage.give_back(segments, cx.unix_seconds(), cx.now);
                }
                if let (Some(cap), Some(caps)) = (cap, &mut self.caps) {
                    caps.give_back(cap, segments, cx.now);
                }
            }
        }
    }
}

impl Account {
    /// Other limits from now on; what is held may leave by them.
    pub(super) fn configure_limits(&mut self, before: &config::Account, cx: &mut Context<'_>) {
        let config = cx.config.account(self.id);
        match &mut self.limits {
            Some(limits) => limits.configure(before, config, cx.now),
            None => self.limits = Limits::new(config),
        }
        self.pump_held(cx);
    }

    /// Goes on from what an earlier process kept, before anything is submitted.
    pub(super) fn restore_usage(&mut self, cx: &mut Context<'_>) {
        let kept: Vec<u64> = self.holdings.of_kind(HoldingKind::Usage).map(|(key, _)| key).collect();
        let Some((newest, older)) = kept.split_last() else { return };
        // The process ended between keeping one and forgetting the one before.
        for key in older {
            self.holdings.forget(*key, cx);
        }
        match (self.limits.as_mut().and_then(|limits| limits.usage.as_mut()), self.holdings.get(*newest)) {
            (Some(usage), Some(holding)) => usage.restore(*newest, &holding.body),
            // Without a quota nobody asks.
            (Some(_) | None, _) => drop(self.holdings.forget(*newest, cx)),
        }
    }

    /// Keeps what was used, if that changed.
    pub(super) fn keep_usage(&mut self, cx: &mut Context<'_>) {
        let Some(usage) = self.limits.as_mut().and_then(|limits| limits.usage.as_mut()) else { return };
        if usage.keep_at == Instant::NEVER {
            return;
        }
        usage.keep_at = Instant::NEVER;
        let key = self.holdings.keep(HoldingKind::Usage, MessageId::new(0), &usage.body(), cx);
        if let Some(before) = usage.key.replace(key) {
            self.holdings.forget(before, cx);
        }
    }

    /// Makes sure that what was used is kept in time.
    pub(super) fn arm_limits(&mut self, cx: &mut Context<'_>) {
        if self.limits.as_ref().is_some_and(|limits| limits.usage.is_some()) {
            self.arm(cx);
        }
    }

    /// What is held, kept or told by the account's timer.
    pub(super) fn limits_timeout(&mut self, cx: &mut Context<'_>) {
        self.pump_held(cx);
        let keep_at = self.limits.as_ref().and_then(|limits| limits.usage.as_ref()).map(|usage| usage.keep_at);
        if keep_at.is_some_and(|at| at <= cx.now) {
            self.keep_usage(cx);
        }
        self.tell_audited(cx);
    }
}
