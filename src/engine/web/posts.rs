//! Events on their way to callbacks: made durable, told, and forgotten when the customer has taken them.
//!
//! Each has an id of its own, the same at every try and after every crash. It is kept as a holding, whose key is its place in the
//! queue; it is told once that is durable, again when nobody took it, and given up at the end of retention alone.

mod circuit;
mod mo;
mod parts;
mod queue;
mod record;

use std::time::Duration;

use crate::engine::account::Account;
use crate::engine::cdr::GivenUp;
use crate::engine::context::Context;
use crate::engine::event::{Action, HoldingKind};
use crate::engine::message::ShardMessage;
use crate::engine::slab::Key;
use crate::engine::time::Instant;
use crate::smpp::message_id::MessageId;

use super::{Event, Post, Posted, Target, What};
use parts::Parts;
use queue::{Allowed, Lane, Queue};

/// What an account is to be told by callbacks, and parts of MO that will be.
#[derive(Debug, Default)]
pub struct Posts {
    queue: Queue,
    parts: Parts,
}

impl Posts {
    /// Events and parts that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len() + self.parts.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events that nobody has taken.
    #[must_use]
    pub fn events(&self) -> usize {
        self.queue.len()
    }

    /// Tries that are not answered.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.queue.out()
    }

    #[must_use]
    pub fn next(&self) -> Instant {
        self.queue.next_due().min(self.parts.next_end())
    }
}

impl Account {
    /// A drain awaits tries that are out for so long; what they tell is durable.
    const POSTS_END_WITHIN: Duration = Duration::from_secs(5);

    /// Receipts and MO that are kept or about to be, however they are to go out: what `delivery_queue` bounds.
    pub(in crate::engine) fn kept_deliveries(&self) -> usize {
        self.deliveries.len() + self.posts.len() + self.submissions.owed
    }

    /// Whether one more event may be kept now. Where there is no room, whatever brought it is refused to whom it came from.
    #[must_use]
    pub fn has_room_for_event(&self, cx: &Context<'_>) -> bool {
        let most = cx.config.account(self.id).delivery_queue as usize;
        cx.has_room && cx.ids.has_any() && self.kept_deliveries() < most
    }

    /// Keeps an event, durable when the records appended so far are, and tells it then; with `behind`, not before that submission
    /// was replied to, which `release_events` says. Room was asked for before, and whether the account has a callback, when that is
    /// its target. False when it cannot have an id, which asking for room would have told.
    pub fn keep_event(&mut self, target: Target, what: What, behind: Option<Key>, cx: &mut Context<'_>) -> bool {
        let own = match &what {
            // The ids may have run out since room was asked for. Its message's will do then: what is acknowledged is not discarded.
            What::Receipt { status, .. } => Some(status.id),
            What::Message { .. } => None,
        };
        let Some(id) = cx.ids.issue(cx.out).or(own) else {
            self.counts.events_refused += 1;
            return false;
        };
        let octets = record::write(&target, cx.unix_seconds(), &what);
        let key = self.holdings.keep(HoldingKind::Event, id, &octets, cx);
        let born = cx.unix_seconds();
        self.posts.queue.push(key, (Lane::of(&target), message_of(&what)), born, behind, false);
        let (account, own) = (self.id, cx.out.own());
        cx.out.after_records(own).messages.push(ShardMessage::EventKept { account, key });
        self.arm(cx);
        true
    }

    /// What was kept is durable.
    pub fn event_kept(&mut self, key: u64, cx: &mut Context<'_>) {
        self.posts.queue.durable(key);
        // With all that became durable with it.
        cx.out.call_next_turn(self.id);
    }

    /// This submission was replied to, or never will be: what waited behind it may be told.
    pub fn release_events(&mut self, submission: Key, cx: &mut Context<'_>) {
        if self.posts.queue.release(submission) {
            // The reply goes first.
            cx.out.call_next_turn(self.id);
        }
    }

    /// Begins tries. None is begun when the process ends: all are kept for the next.
    pub(in crate::engine) fn pump_posts(&mut self, cx: &mut Context<'_>) {
        if self.posts.queue.is_empty() || cx.is_draining {
            return;
        }
        let config = cx.config.account(self.id);
        let own = config.callback.as_ref().map_or(0, |callback| callback.batch);
        let allowed = Allowed { own, elsewhere: config.callback_override };
        while let Some((post, keys)) = self.posts.queue.next(allowed, cx.now) {
            let read: Vec<_> = keys.iter().filter_map(|key| self.read_event(*key)).collect();
            let target = read.first().map_or(Target::Account, |(target, _)| target.clone());
            let events = read.into_iter().map(|(_, event)| event).collect();
            cx.out.act(Action::Post(Box::new(Post { account: self.id, post, target, events })));
        }
        self.arm(cx);
    }

    fn read_event(&self, key: u64) -> Option<(Target, Event)> {
        let holding = self.holdings.get(key)?;
        let (target, at, what) = record::read(&holding.body)?;
        Some((target, Event { id: holding.id, at, what }))
    }

    /// What came of a try.
    pub fn posted(&mut self, post: Key, outcome: Posted, cx: &mut Context<'_>) {
        let Some(settled) = self.posts.queue.settle(post, outcome, cx.now, cx.random) else {
            self.counts.late_answers += 1;
            return;
        };
        for key in settled.taken {
            self.posts.queue.remove(key);
            let Some(holding) = self.holdings.forget(key, cx) else { continue };
            self.counts.events_told += 1;
            match record::read(&holding.body) {
                Some((_, _, What::Message { .. })) => self.counts.mo_delivered += 1,
                Some((_, _, What::Receipt { .. })) | None => self.counts.receipts_delivered += 1,
            }
        }
        self.counts.events_retried += settled.retried as u64;
        self.counts.breakers_opened += u64::from(settled.has_opened);
        self.pump_posts(cx);
        self.arm(cx);
    }

    /// Tries may be due again, or were never answered; parts may have been waited for in vain.
    pub(in crate::engine) fn posts_timeout(&mut self, cx: &mut Context<'_>) {
        self.posts.queue.take_due(cx.now);
        while let Some(post) = self.posts.queue.overdue(cx.now) {
            self.posted(post, Posted::Failed, cx);
        }
        self.tell_overdue_parts(cx);
        self.pump_posts(cx);
    }

    /// Gives up what was born before `oldest` and nobody has taken.
    pub(in crate::engine) fn expire_events(&mut self, oldest: u32, cx: &mut Context<'_>) {
        for key in self.posts.queue.over(oldest) {
            self.counts.events_expired += 1;
            self.give_event_up(key, GivenUp::Retention, cx);
        }
    }

    /// Gives up some of what was born until then and nobody has taken; returns how many.
    pub(in crate::engine) fn purge_events(&mut self, until: u32, cx: &mut Context<'_>) -> u64 {
        let over = self.posts.queue.over(until.saturating_add(1));
        for key in &over {
            self.give_event_up(*key, GivenUp::Purged, cx);
        }
        over.len() as u64
    }

    fn give_event_up(&mut self, key: u64, why: GivenUp, cx: &mut Context<'_>) {
        if cx.keeps_cdr()
            && let Some((_, event)) = self.read_event(key)
        {
            self.line_of_untold(&event.what, why, cx);
        }
        self.posts.queue.remove(key);
        self.holdings.forget(key, cx);
    }

    /// Takes back what an earlier process kept: every event with its id, in order.
    pub(in crate::engine) fn start_posts(&mut self, cx: &mut Context<'_>) {
        let kept: Vec<u64> = self.holdings.of_kind(HoldingKind::Event).map(|(key, _)| key).collect();
        for key in kept {
            let Some((born, (target, event))) = self.holdings.get(key).map(|it| it.born).zip(self.read_event(key))
            else {
                // Another version wrote it.
                self.counts.events_expired += 1;
                self.holdings.forget(key, cx);
                continue;
            };
            self.remember_told(&event.what, cx);
            self.posts.queue.push(key, (Lane::of(&target), message_of(&event.what)), born, None, true);
        }
        self.start_parts(cx);
        cx.out.call_next_turn(self.id);
        self.arm(cx);
    }

    /// The process ends. True once no try is out.
    pub(in crate::engine) fn drain_posts(&mut self, cx: &mut Context<'_>) -> bool {
        if self.posts.outstanding() > 0 {
            self.posts.queue.hasten(cx.now + Self::POSTS_END_WITHIN);
            self.arm(cx);
        }
        self.posts.outstanding() == 0
    }
}

/// Events of one message are told one after the other.
fn message_of(what: &What) -> MessageId {
    match what {
        What::Receipt { status, .. } => status.id,
        What::Message { .. } => MessageId::new(0),
    }
}
