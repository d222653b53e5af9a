//! What waits at a carrier and how it leaves: the queue, the rate and the choice of a link.
//!
//! A submit leaves at once when the rate allows and a link has room, else it waits in the queue, else it goes back to its
//! account for the next carrier.

use std::time::Duration;

use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::event::SubmitError;
use super::link::{Link, LinkState};
use super::message::{Course, Outcome, ReturnReason, SubmitInfo};
use super::outgoing::Outgoing;
use super::part_links::Way;
use super::parts::Claim;
use super::slab::Key;
use super::time::Instant;
use super::timers::Owner;
use super::validity;
use crate::config::AccountId;
use crate::metrics::WaitReason;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::{self, HEADER_LEN};

impl Carrier {
    /// Submits that go to one link before the next has its turn: one write carries many.
    const RUN: u32 = 16;

    /// Takes a submit from its account's home.
    pub fn submit(&mut self, mut info: SubmitInfo, claim: Claim, course: Course, body: &[u8], cx: &mut Context<'_>) {
        let config = cx.config.carrier(self.id);
        let is_bound = self.links.iter().any(Link::may_submit);
        if !is_bound && (claim != Claim::Held || self.is_withheld() || cx.is_draining) {
            return self.give_back(&info, (ReturnReason::NotBound, course), body, cx);
        }
        if !cx.has_room {
            return self.give_back(&info, (ReturnReason::QueueFull, course), body, cx);
        }
        let outgoing = match self.outgoing(body, &mut info, cx) {
            Ok(outgoing) => outgoing,
            Err(status) => {
                // Another carrier may take it as it is.
                self.counts.unfit += 1;
                return self.give_back(&info, (ReturnReason::Refused(status), course), body, cx);
            }
        };
        let segments = u32::from(info.segments);
        let sender_wait = self.queue.wait_for_sender(outgoing.sent(body), segments, cx.now);
        let windows = usize::from(config.window.get()) * self.links.len();
        let most = config.queue as usize + windows;
        // What waits for its sender alone leaves the way free, and what is throttled is put back beyond the bound: together they
        // would fill the queue without end.
        if self.queue.is_idle()
            && self.queue.len() < most
            && sender_wait.is_zero()
            && let Way::Link(link) = self.way(&info, cx.now)
            && self.pace.take(segments, cx.now).is_ok()
        {
            let pending = self.pending(info, claim, course, (body, outgoing), cx);
            return self.forward(link, pending, cx);
        }
        let fits = match claim {
            Claim::None => {
                self.has_room(&info, config.queue as usize)
                    && sender_wait <= config.queue_wait
                    && self.pace.fits(self.queue.ahead_of(info.account), segments, config.queue_wait)
            }
            Claim::Begun | Claim::Held => self.queue.len() < most,
        };
        if !fits {
            self.recycle(outgoing.body);
            return self.give_back(&info, (ReturnReason::QueueFull, course), body, cx);
        }
        let mut pending = self.pending(info, claim, course, (body, outgoing), cx);
        pending.queued_until = cx.now + config.queue_wait;
        if !is_bound {
            // There must be time left to try another carrier.
            let half = cx.config.smpp.timers.response / 2;
            pending.queued_until = pending.queued_until.min(cx.now + info.deadline.since(cx.now + half));
        }
        self.look_at = self.look_at.min(pending.give_up_at());
        let before = self.queue.len();
        self.queue.push(pending);
        self.pump(cx);
        if self.queue.len() > before {
            self.counts.count_wait(if sender_wait.is_zero() { self.waits_for } else { WaitReason::Sender });
        }
    }

    /// Sends what waits, as far as rate and windows go.
    pub fn pump(&mut self, cx: &mut Context<'_>) {
        self.queue.release(cx.now);
        loop {
            let aside = self.next_aside();
            let next = match aside {
                Some(link) => self.queue.head_aside(link),
                None => self.queue.head(),
            };
            let Some((info, is_late)) = next.map(|pending| (pending.info, must_not_leave(pending, cx))) else { break };
            if !is_late && self.queue.turn_away(aside, cx.now) {
                continue;
            }
            let link = match aside.map_or_else(|| self.way(&info, cx.now), Way::Link) {
                Way::Link(link) => link,
                Way::WaitsFor(link) => {
                    self.waits_for = WaitReason::Link;
                    self.queue.set_aside(link);
                    continue;
                }
                Way::None => {
                    self.waits_for = WaitReason::Window;
                    break;
                }
            };
            let segments = u32::from(info.segments);
            if !is_late && let Err(ready) = self.pace.take(segments, cx.now) {
                cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, ready);
                self.waits_for = WaitReason::Rate;
                break;
            }
            let next = if let Some(link) = aside { self.queue.pop_aside(link) } else { self.queue.pop() };
            let Some(pending) = next else { break };
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
            pending.since = cx.now;
            pending.queued_until = pending.queued_until.max(cx.now + cx.config.carrier(self.id).queue_wait);
            self.look_at = self.look_at.min(pending.give_up_at());
            self.queue.push_front(pending);
        }
    }

    /// The same after a wait, in which others go on; gives it back when its time or the queue's room does not allow that, or
    /// nothing is sent here any more.
    pub fn put_back_after(&mut self, wait: Duration, mut pending: Pending, cx: &mut Context<'_>) -> Option<Pending> {
        if pending.is_withdrawn {
            self.put_back(pending, cx);
            return None;
        }
        let until = cx.now + wait;
        let config = cx.config.carrier(self.id);
        let has_room = wait.is_zero() || self.queue.len() < config.queue as usize;
        let is_over = cx.is_draining || !self.links.iter().any(Link::may_submit);
        if cx.is_late(pending.info.deadline, until) || until >= pending.leave_by || !has_room || is_over {
            return Some(pending);
        }
        if wait.is_zero() {
            self.put_back(pending, cx);
        } else {
            pending.since = cx.now;
            pending.queued_until = until + config.queue_wait;
            self.look_at = self.look_at.min(pending.give_up_at());
            self.queue.hold(pending, until);
        }
        None
    }

    /// No link is left: what waits goes to other carriers, save for parts of which others were accepted here.
    pub fn return_queue(&mut self, cx: &mut Context<'_>) {
        if self.links.iter().any(Link::may_submit) {
            return;
        }
        let is_withheld = self.is_withheld();
        for pending in self.queue.take(cx.now, |pending| is_withheld || pending.claim != Claim::Held) {
            self.return_pending(pending, ReturnReason::NotBound, cx);
        }
    }

    pub(super) fn give_up_overdue(&mut self, cx: &mut Context<'_>) {
        for pending in self.queue.take(cx.now, |pending| pending.give_up_at() <= cx.now) {
            if pending.expires_at() <= cx.now {
                let outcome = pending.expired();
                self.give_up(pending, outcome, cx);
            } else if !must_not_leave(&pending, cx)
                && self.queue.may_leave(&pending, cx.now)
                && let Some(link) = self.way_out(&pending.info, cx.now)
            {
                self.forward(link, pending, cx);
            } else {
                self.return_pending(pending, ReturnReason::QueueFull, cx);
            }
        }
        let next = self.queue.iter().map(Pending::give_up_at).min().unwrap_or(Instant::NEVER);
        self.look_at = next.max(cx.now + Self::LOOK_EVERY);
    }

    fn pending(
        &mut self,
        info: SubmitInfo,
        claim: Claim,
        course: Course,
        (body, outgoing): (&[u8], Outgoing),
        cx: &Context<'_>,
    ) -> Pending {
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.extend_from_slice(body);
        let mut pending = Pending::new(info, claim, course, octets, outgoing);
        (pending.came_at, pending.since) = (cx.now, cx.now);
        if course.is_expiring {
            pending.leave_by = validity::end_of(body, &info, cx);
        }
        pending
    }

    fn forward(&mut self, link: usize, mut pending: Pending, cx: &mut Context<'_>) {
        if must_not_leave(&pending, cx) {
            self.queue.gone(&mut pending, cx.now);
            let outcome = pending.expired();
            return self.give_up(pending, outcome, cx);
        }
        self.queue.left(&mut pending, cx.now);
        if pending.info.is_stored() {
            return self.ask_to_send(link, pending, cx);
        }
        let LinkState::Bound(bound) = &mut self.links[link].state else { return };
        pending.stream_at = cx.out.outbox(bound.connection.slot).total_queued();
        if pending.info.wants_receipt {
            pending.written = self.unanswered.written();
        }
        let (info, connection) = (pending.info, bound.connection);
        let deadline = info.deadline;
        self.counts.queued_for.observe(cx.now.since(pending.since));
        pending.since = cx.now;
        pending.pace_epoch = self.pace.epoch();
        bound.look_at = bound.look_at.min(deadline);
        let out = cx.out.write(bound.connection);
        let header_at = out.len();
        let none = crate::smpp::command::SequenceNumber(0);
        frame::write_header(out, CommandId::SUBMIT_SM, CommandStatus::ROK, none, pending.sent().len());
        out.extend_from_slice(pending.sent());
        if info.affinity != 0
            && let Some(references) = &mut self.references
        {
            references.rewrite(info.account, &mut out[header_at + HEADER_LEN..], cx.now);
        }
        // `link_with_room` saw a free place, so the window cannot refuse.
        if let Ok(sequence) = bound.window.open(pending) {
            out[header_at + 12..header_at + 16].copy_from_slice(&sequence.0.to_be_bytes());
        }
        if info.affinity != 0 {
            self.part_left(&info, link, connection, cx.now);
        }
        self.counts.submits_sent += 1;
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, deadline);
    }

    /// Runs of submits stay on one link.
    pub(super) fn link_with_room(&mut self) -> Option<usize> {
        let count = self.links.len();
        if self.stay > 0 && self.links[self.current_link].has_room() {
            self.stay -= 1;
            return Some(self.current_link);
        }
        let found = (1..=count).map(|step| (self.current_link + step) % count).find(|at| self.links[*at].has_room())?;
        (self.current_link, self.stay) = (found, Self::RUN - 1);
        Some(found)
    }
}

/// Nothing is forwarded when it is late, nor after its validity.
pub(super) fn must_not_leave(pending: &Pending, cx: &Context<'_>) -> bool {
    cx.is_late(pending.info.deadline, cx.now) || pending.leave_by <= cx.now
}
