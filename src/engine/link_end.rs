//! How a link ends, and what becomes of what it had outstanding: sent elsewhere when its first octet was not written; else in
//! doubt, or sent again when the carrier is set so (`in_doubt: retry`).

use std::time::Duration;

use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::event::{Action, EndReason, Notice};
use super::link::{Bound, LinkState};
use super::message::{Course, Outcome};
use super::orders::Standing;
use super::passed;
use super::sending::must_not_leave;
use super::slab::Key;
use crate::config::InDoubt;
use crate::smpp::frame::HEADER_LEN;

impl Carrier {
    /// Closes a link by our decision; it is dialled again unless we are done with it.
    pub fn close_link(&mut self, at: usize, why: EndReason, cx: &mut Context<'_>) {
        if let LinkState::Bound(bound) = &self.links[at].state {
            let lasted = cx.now.since(bound.since);
            self.links[at].backoff.lasted(lasted);
        }
        let wait = (why != EndReason::Drained).then(|| self.wait_after_failure(at, cx));
        self.close_link_for(at, wait, why, cx);
    }

    /// The connection is no more, or never came to be.
    pub fn link_closed(&mut self, at: usize, connection: Key, cx: &mut Context<'_>) {
        if self.links[at].connection() != Some(connection) {
            // It was given up while it was dialled; the link may be on its next one.
            return;
        }
        let written = cx.out.outbox(connection.slot).total_written();
        let state = std::mem::replace(&mut self.links[at].state, LinkState::Off);
        let wait = match state {
            LinkState::Closing { retry_after, .. } => retry_after,
            LinkState::Bound(bound) => {
                self.links[at].backoff.lasted(cx.now.since(bound.since));
                let wait = self.wait_after_failure(at, cx);
                self.counts.link_failures += 1;
                self.lose(at, *bound, written, EndReason::PeerClosed, Some(wait), cx);
                Some(wait)
            }
            LinkState::Connecting { .. } | LinkState::Binding { .. } => {
                self.counts.link_failures += 1;
                let wait = self.wait_after_failure(at, cx);
                self.notice_down(at, EndReason::PeerClosed, 0, Some(wait), cx);
                Some(wait)
            }
            LinkState::Unbinding { .. } | LinkState::Backoff { .. } | LinkState::Off => None,
        };
        if !cx.is_draining && self.links[at].standing != Standing::Stopped {
            // One that we closed for good is wanted again.
            let wait = wait.unwrap_or_default();
            self.links[at].state = LinkState::Backoff { retry_at: (cx.now + wait).max(self.access.not_before) };
        }
        self.return_queue(cx);
        self.arm(cx);
    }

    pub(super) fn close_link_for(&mut self, at: usize, wait: Option<Duration>, why: EndReason, cx: &mut Context<'_>) {
        let Some(connection) = self.links[at].connection() else { return };
        cx.out.act(Action::Close { connection });
        let written = cx.out.outbox(connection.slot).total_written();
        let closing = LinkState::Closing { connection, retry_after: wait };
        match std::mem::replace(&mut self.links[at].state, closing) {
            LinkState::Bound(bound) => self.lose(at, *bound, written, why, wait, cx),
            LinkState::Closing { retry_after, .. } => {
                self.links[at].state = LinkState::Closing { connection, retry_after };
            }
            LinkState::Backoff { .. }
            | LinkState::Connecting { .. }
            | LinkState::Binding { .. }
            | LinkState::Unbinding { .. }
            | LinkState::Off => self.notice_down(at, why, 0, wait, cx),
        }
    }

    /// Settles or puts back what a lost link had outstanding.
    fn lose(
        &mut self,
        at: usize,
        mut bound: Bound,
        written: u64,
        why: EndReason,
        wait: Option<Duration>,
        cx: &mut Context<'_>,
    ) {
        let (in_doubt, mut unsent): (Vec<_>, Vec<_>) =
            bound.window.drain().into_iter().partition(|pending| pending.stream_at < written);
        self.notice_down(at, why, in_doubt.len(), wait, cx);
        passed::refuse(std::mem::take(&mut bound.asked), cx);
        // The next connection counts from 1 again: its answers are not theirs.
        self.links[at].late.clear();
        // They were behind what was on its way.
        self.queue.gather(at);
        let retries = cx.config.carrier(self.id).in_doubt == InDoubt::Retry;
        let (again, in_doubt): (Vec<_>, Vec<_>) = in_doubt.into_iter().partition(|pending| {
            retries && !pending.is_withdrawn && may_go_again(pending) && !must_not_leave(pending, cx)
        });
        for pending in in_doubt {
            self.doubt(pending, cx);
        }
        let is_still_written = matches!(self.links[at].state, LinkState::Closing { .. });
        // Where they lie in the stream is not always the order of their numbers.
        unsent.sort_by_key(|pending| pending.stream_at);
        for pending in unsent.into_iter().rev() {
            if pending.is_unwritten() {
                self.put_back(pending, cx);
                continue;
            }
            if is_still_written {
                // What waits is written before the connection closes: a submit that goes elsewhere must not be.
                let outbox = cx.out.outbox_mut(bound.connection.slot);
                outbox.take_back(pending.stream_at, HEADER_LEN + pending.sent().len());
            }
            if pending.info.wants_receipt {
                self.unanswered.answered(pending.written);
            }
            self.put_back(pending, cx);
        }
        // Last, because they were first: they go back to the head.
        for pending in again.into_iter().rev() {
            self.send_again(pending, cx);
        }
        self.drop_unclaimed(cx);
        self.return_queue(cx);
        self.pump(cx);
    }

    /// Puts back what may have been accepted. Its next sending has another number among the unanswered: the answer to this one
    /// will never come, so an early receipt of it belongs to nobody, and must not wait for the other's answer.
    fn send_again(&mut self, mut pending: Pending, cx: &mut Context<'_>) {
        self.counts.retried_in_doubt += 1;
        pending.course = in_doubt(pending.course);
        if pending.info.wants_receipt {
            self.unanswered.answered(pending.written);
        }
        self.put_back(pending, cx);
    }

    pub(super) fn doubt(&mut self, pending: Pending, cx: &mut Context<'_>) {
        if pending.info.wants_receipt && self.unanswered.answered(pending.written) {
            self.drop_unclaimed(cx);
        }
        self.settle(pending, Outcome::InDoubt, cx);
    }

    fn notice_down(
        &mut self,
        link: usize,
        why: EndReason,
        in_doubt: usize,
        wait: Option<Duration>,
        cx: &mut Context<'_>,
    ) {
        self.links[link].last_down = Some((why, cx.now));
        self.counts.count_link_end(why);
        let retry_in_ms = wait.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        cx.out.notice(Notice::LinkDown { carrier: self.id, link, why, in_doubt, retry_in_ms });
    }
}

/// Whether what was lost with its link may be sent once more: it may be what makes the carrier hang up.
fn may_go_again(pending: &Pending) -> bool {
    in_doubt(pending.course).may_go_on()
}

/// How a submit stands after a sending that may have been accepted.
fn in_doubt(course: Course) -> Course {
    Course { is_doubtful: true, tries: course.tries + 1, ..course }
}
