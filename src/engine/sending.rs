//! What waits at a carrier and how it leaves: the queue, the rate and the choice of a link.
//!
//! A submit leaves at once when the rate allows and a link has room, else it waits in the queue, else it goes back to its
//! account for the next carrier.

use std::time::Duration;

use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::event::SubmitError;
use super::link::{Link, LinkState};
use super::message::{Outcome, ReturnReason, Standing, SubmitInfo};
use super::slab::Key;
use super::time::Instant;
use super::timers::Owner;
use super::validity;
use crate::config::{AccountId, CarrierState};
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame;

impl Carrier {
    /// Submits that go to one link before the next has its turn: one write carries many.
    const RUN: u32 = 16;

    /// Takes a submit from its account's home.
    pub fn submit(&mut self, info: SubmitInfo, standing: Standing, body: &[u8], cx: &mut Context<'_>) {
        let config = cx.config.carrier(self.id);
        if config.state != CarrierState::Active || !self.links.iter().any(Link::may_submit) {
            return self.give_back(&info, (ReturnReason::NotBound, standing), body, cx);
        }
        if !cx.has_room {
            return self.give_back(&info, (ReturnReason::QueueFull, standing), body, cx);
        }
        let segments = u32::from(info.segments);
        let sender_wait = self.queue.wait_for_sender(body, segments, cx.now);
        if self.queue.is_idle()
            && sender_wait.is_zero()
            && let Some(link) = self.link_with_room(info.affinity)
            && self.pace.take(segments, cx.now).is_ok()
        {
            let pending = self.pending(info, standing, body, cx);
            return self.forward(link, pending, cx);
        }
        let fits = self.queue.len() < config.queue as usize
            && sender_wait <= config.queue_wait
            && self.pace.fits(self.queue.segments(), segments, config.queue_wait);
        if !fits {
            return self.give_back(&info, (ReturnReason::QueueFull, standing), body, cx);
        }
        let mut pending = self.pending(info, standing, body, cx);
        pending.queued_until = cx.now + config.queue_wait;
        self.look_at = self.look_at.min(pending.give_up_at());
        self.queue.push(pending);
        self.pump(cx);
    }

    /// Sends what waits, as far as rate and windows go.
    pub fn pump(&mut self, cx: &mut Context<'_>) {
        self.queue.release(cx.now);
        while let Some(head) = self.queue.head() {
            let (segments, affinity) = (u32::from(head.info.segments), head.info.affinity);
            let is_late = must_not_leave(head, cx);
            if !is_late && self.queue.turn_away_head(cx.now) {
                continue;
            }
            let Some(link) = self.link_with_room(affinity) else { break };
            if !is_late && let Err(ready) = self.pace.take(segments, cx.now) {
                cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, ready);
                break;
            }
            let Some(pending) = self.queue.pop() else { break };
            self.forward(link, pending, cx);
        }
        if !self.queue.is_empty() {
            // What waits must not wait too long, even when nothing else happens.
            let at = self.look_at.min(self.queue.next_release());
            cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, at);
        }
    }

    /// A session ended: what no link was given yet is not sent, and what a link has is not sent again.
    pub fn withdraw(&mut self, account: AccountId, session: Key, cx: &mut Context<'_>) {
        for link in &mut self.links {
            let LinkState::Bound(bound) = &mut link.state else { continue };
            for pending in bound.window.iter_mut() {
                pending.is_withdrawn |= (pending.info.account, pending.info.session) == (account, session);
            }
        }
        for pending in self.queue.withdraw(account, session, cx.now) {
            self.settle(pending, Outcome::Failed(SubmitError::Withdrawn), cx);
        }
    }

    /// The carrier could not take it just now: it waits at the head. When no link is left, `return_queue` follows.
    pub fn put_back(&mut self, mut pending: Pending, cx: &mut Context<'_>) {
        if pending.is_withdrawn {
            self.settle(pending, Outcome::Failed(SubmitError::Withdrawn), cx);
        } else if must_not_leave(&pending, cx) {
            self.return_pending(pending, ReturnReason::Refused(CommandStatus::RTHROTTLED), cx);
        } else {
            pending.queued_until = pending.queued_until.max(cx.now + cx.config.carrier(self.id).queue_wait);
            self.look_at = self.look_at.min(pending.give_up_at());
            self.queue.push_front(pending);
        }
    }

    /// The same after a wait, in which others go on; gives it back when its time or the queue's room does not allow that.
    pub fn put_back_after(&mut self, wait: Duration, mut pending: Pending, cx: &mut Context<'_>) -> Option<Pending> {
        if pending.is_withdrawn {
            self.put_back(pending, cx);
            return None;
        }
        let until = cx.now + wait;
        let last = until + cx.config.smpp.timers.response / 4;
        let config = cx.config.carrier(self.id);
        let has_room = wait.is_zero() || self.queue.len() < config.queue as usize;
        if last > pending.info.deadline || until >= pending.leave_by || !has_room {
            return Some(pending);
        }
        if wait.is_zero() {
            self.put_back(pending, cx);
        } else {
            pending.queued_until = until + config.queue_wait;
            self.look_at = self.look_at.min(pending.give_up_at());
            self.queue.hold(pending, until);
        }
        None
    }

    /// No link is left: what waits goes to other carriers.
    pub fn return_queue(&mut self, cx: &mut Context<'_>) {
        if self.links.iter().any(Link::may_submit) {
            return;
        }
        for pending in self.queue.take_all(cx.now) {
            self.return_pending(pending, ReturnReason::NotBound, cx);
        }
    }

    pub(super) fn give_up_overdue(&mut self, cx: &mut Context<'_>) {
        for pending in self.queue.expire(cx.now, |pending| pending.give_up_at() <= cx.now) {
            if pending.expires_at() <= cx.now {
                let outcome = pending.expired();
                self.settle(pending, outcome, cx);
            } else {
                self.return_pending(pending, ReturnReason::QueueFull, cx);
            }
        }
        let next = self.queue.iter().map(Pending::give_up_at).min().unwrap_or(Instant::NEVER);
        self.look_at = next.max(cx.now + Self::LOOK_EVERY);
    }

    fn pending(&mut self, info: SubmitInfo, standing: Standing, body: &[u8], cx: &Context<'_>) -> Pending {
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.extend_from_slice(body);
        let mut pending = Pending::new(info, standing, octets);
        if standing.is_expiring {
            pending.leave_by = validity::end_of(body, &info, cx);
        }
        pending
    }

    fn forward(&mut self, link: usize, mut pending: Pending, cx: &mut Context<'_>) {
        if must_not_leave(&pending, cx) {
            self.queue.gone(&mut pending, cx.now);
            let outcome = pending.expired();
            return self.settle(pending, outcome, cx);
        }
        self.queue.left(&mut pending, cx.now);
        let LinkState::Bound(bound) = &mut self.links[link].state else { return };
        pending.stream_at = cx.out.outbox(bound.connection.slot).total_queued();
        if pending.info.wants_receipt {
            pending.written = self.unanswered.written();
        }
        pending.pace_epoch = self.pace.epoch();
        let deadline = pending.info.deadline;
        bound.look_at = bound.look_at.min(deadline);
        let out = cx.out.write(bound.connection);
        let header_at = out.len();
        let none = crate::smpp::command::SequenceNumber(0);
        frame::write_header(out, CommandId::SUBMIT_SM, CommandStatus::ROK, none, pending.body.len());
        out.extend_from_slice(&pending.body);
        // `link_with_room` saw a free place, so the window cannot refuse.
        if let Ok(sequence) = bound.window.open(pending) {
            out[header_at + 12..header_at + 16].copy_from_slice(&sequence.0.to_be_bytes());
        }
        self.counts.submits_sent += 1;
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, deadline);
    }

    /// Runs of submits stay on one link; parts of one message stay together while it has room.
    fn link_with_room(&mut self, affinity: u32) -> Option<usize> {
        let count = self.links.len();
        if affinity != 0 {
            let usable = self.links.iter().filter(|link| link.may_submit()).count().max(1);
            let preferred = affinity as usize % usable;
            let mut usable_links = self.links.iter().enumerate().filter(|(_, link)| link.may_submit());
            if let Some((at, link)) = usable_links.nth(preferred)
                && link.has_room()
            {
                return Some(at);
            }
        }
        if self.stay > 0 && self.links[self.current_link].has_room() {
            self.stay -= 1;
            return Some(self.current_link);
        }
        let found = (1..=count).map(|step| (self.current_link + step) % count).find(|at| self.links[*at].has_room())?;
        (self.current_link, self.stay) = (found, Self::RUN - 1);
        Some(found)
    }
}

/// Nothing is forwarded with less than a quarter of its time left, for the answer would come after the customer was told; nor
/// after its validity.
pub(super) fn must_not_leave(pending: &Pending, cx: &Context<'_>) -> bool {
    pending.info.deadline.since(cx.now) < cx.config.smpp.timers.response / 4 || pending.leave_by <= cx.now
}
