//! A carrier at its home: what waits for it, its rate, and how each submit is settled.
//!
//! A submit leaves on a link with room when the rate allows, else it waits, else it goes back for the next carrier. Exactly
//! one `SubmitDone` or `SubmitReturned` follows each `Submit`. Links are in `link`, what comes back in `receipts`.

use std::time::Duration;

use ahash::AHashSet;

use super::backoff::Access;
use super::context::Context;
use super::correlation::Correlations;
use super::early::{Early, EarlyReceipts, Unanswered};
use super::event::SubmitError;
use super::link::{Link, LinkState};
use super::message::{Outcome, ReturnReason, ShardMessage, SubmitInfo};
use super::orders::Standing;
use super::queue::SubmitQueue;
use super::receipts::{InHand, Refused};
use super::slab::{Key, Slab};
use super::throttle::Pace;
use super::time::Instant;
use super::timers::{Armed, Owner};
use crate::config::{self, AccountId, CarrierId};
use crate::metrics::CarrierCounts;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame;

#[derive(Debug)]
pub struct Carrier {
    pub id: CarrierId,
    pub links: Vec<Link>,
    pub(super) access: Access,
    pub queue: SubmitQueue,
    pub pace: Pace,
    pub correlations: Correlations,
    pub early: EarlyReceipts,
    /// Early receipts of an earlier process that may belong to an account missing from the configuration; and whether any can.
    pub strangers: Vec<Early>,
    pub has_strangers: bool,
    pub unanswered: Unanswered,
    /// Receipts and MO handed to their account and not yet durable there.
    pub in_hand: Slab<InHand>,
    /// Ids of final receipts in hand, by fingerprint: correlated no more, and not yet durable at their account's home.
    pub finals_in_hand: AHashSet<u64>,
    /// Receipts acknowledged to the carrier that their account had no room for.
    pub refused: Vec<Refused>,
    pub has_hinted: bool,
    /// Which link is being filled, and with how many more before the next one's turn.
    current_link: usize,
    stay: u32,
    next_sweep: Instant,
    /// Nothing that waits is to be given up before this.
    look_at: Instant,
    spare: Vec<Vec<u8>>,
    armed: Armed,
    pub counts: CarrierCounts,
}

/// A submit at its carrier: queued, or outstanding on a link.
#[derive(Debug)]
pub struct Pending {
    pub info: SubmitInfo,
    /// An earlier sending may have been accepted: its link was lost before the answer came.
    pub is_doubtful: bool,
    /// Its session ended while it was outstanding: nobody waits for another sending.
    pub is_withdrawn: bool,
    pub body: Vec<u8>,
    /// It waits no longer than this.
    pub queued_until: Instant,
    /// Where in the link's stream its first octet lies.
    pub stream_at: u64,
    /// Its number among the receipt-requesting submits written to this carrier.
    pub written: u64,
}

impl Pending {
    fn give_up_at(&self) -> Instant {
        self.queued_until.min(self.info.deadline)
    }
}

impl Carrier {
    /// Submits that go to one link before the next has its turn: one write carries many.
    const RUN: u32 = 16;
    const SPARE_BODIES: usize = 4096;
    /// Looking for what is overdue goes through all that waits: what is due meanwhile is found together.
    pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

    #[must_use]
    pub fn new(id: CarrierId, config: &config::Carrier, keys: [u64; 4]) -> Self {
        let links = Link::all(config);
        let counts = CarrierCounts { links_configured: links.len() as u64, ..CarrierCounts::default() };
        Self {
            id,
            links,
            access: Access::default(),
            queue: SubmitQueue::default(),
            pace: Pace::new(config.rate),
            correlations: Correlations::new(keys),
            early: EarlyReceipts::default(),
            strangers: Vec::new(),
            has_strangers: false,
            unanswered: Unanswered::default(),
            in_hand: Slab::default(),
            finals_in_hand: AHashSet::new(),
            refused: Vec::new(),
            has_hinted: false,
            current_link: 0,
            stay: 0,
            next_sweep: Instant::ZERO,
            look_at: Instant::NEVER,
            spare: Vec::new(),
            armed: Armed::default(),
            counts,
        }
    }

    /// Takes a submit from its account's home.
    pub fn submit(&mut self, info: SubmitInfo, is_doubtful: bool, body: &[u8], cx: &mut Context<'_>) {
        let config = cx.config.carrier(self.id);
        if !self.links.iter().any(Link::may_submit) {
            return self.give_back(&info, (ReturnReason::NotBound, is_doubtful), body, cx);
        }
        if !cx.has_room {
            return self.give_back(&info, (ReturnReason::QueueFull, is_doubtful), body, cx);
        }
        if self.queue.is_empty()
            && let Some(link) = self.link_with_room(info.affinity)
            && self.pace.take(u32::from(info.segments), cx.now).is_ok()
        {
            let pending = self.pending(info, is_doubtful, body, cx.now);
            return self.forward(link, pending, cx);
        }
        let fits = self.queue.len() < config.queue as usize
            && self.pace.fits(self.queue.segments(), u32::from(info.segments), config.queue_wait);
        if !fits {
            return self.give_back(&info, (ReturnReason::QueueFull, is_doubtful), body, cx);
        }
        let pending = self.pending(info, is_doubtful, body, cx.now + config.queue_wait);
        self.look_at = self.look_at.min(pending.give_up_at());
        self.queue.push(pending);
        self.pump(cx);
    }

    /// Sends what waits, as far as rate and windows go.
    pub fn pump(&mut self, cx: &mut Context<'_>) {
        while let Some(head) = self.queue.head() {
            let (segments, affinity) = (u32::from(head.info.segments), head.info.affinity);
            let is_late = must_not_leave(&head.info, cx);
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
            cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, self.look_at);
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
        for pending in self.queue.withdraw(account, session) {
            self.settle(pending, Outcome::Failed(SubmitError::Withdrawn), cx);
        }
    }

    /// Tells the account's home what became of a submit, behind whatever record its answer needs.
    pub fn settle(&mut self, pending: Pending, outcome: Outcome, cx: &mut Context<'_>) {
        let (account, submit) = (pending.info.account, pending.info.submit);
        let outcome = outcome.given(pending.is_doubtful);
        self.counts.in_doubt += u64::from(outcome == Outcome::InDoubt);
        let home = cx.placement.home_of_account(account);
        let done = ShardMessage::SubmitDone { account, submit, outcome };
        // Only an acceptance has promised anything, and only when a receipt is to follow.
        if outcome == Outcome::Accepted && pending.info.wants_receipt {
            cx.out.after_records(home).messages.push(done);
        } else {
            cx.out.tell(home, done);
        }
        self.recycle(pending.body);
    }

    /// Hands a submit back unsent, or refused in a way that another carrier may mend.
    pub fn return_pending(&mut self, pending: Pending, reason: ReturnReason, cx: &mut Context<'_>) {
        self.counts.rerouted += 1;
        self.give_back(&pending.info, (reason, pending.is_doubtful), &pending.body, cx);
        self.recycle(pending.body);
    }

    /// The carrier could not take it just now: it waits at the head. When no link is left, `return_queue` follows.
    pub fn put_back(&mut self, mut pending: Pending, cx: &mut Context<'_>) {
        if pending.is_withdrawn {
            self.settle(pending, Outcome::Failed(SubmitError::Withdrawn), cx);
        } else if must_not_leave(&pending.info, cx) {
            self.return_pending(pending, ReturnReason::Refused(CommandStatus::RTHROTTLED), cx);
        } else {
            pending.queued_until = pending.queued_until.max(cx.now + cx.config.carrier(self.id).queue_wait);
            self.look_at = self.look_at.min(pending.give_up_at());
            self.queue.push_front(pending);
        }
    }

    /// No link is left: what waits goes to other carriers.
    pub fn return_queue(&mut self, cx: &mut Context<'_>) {
        if self.links.iter().any(Link::may_submit) {
            return;
        }
        while let Some(pending) = self.queue.pop() {
            self.return_pending(pending, ReturnReason::NotBound, cx);
        }
    }

    pub fn on_timeout(&mut self, fired: Instant, cx: &mut Context<'_>) {
        if !self.armed.fired(fired) {
            return;
        }
        for link in 0..self.links.len() {
            self.link_timeout(link, cx);
        }
        self.go_on_draining_links(cx);
        let now = cx.now;
        if self.look_at <= now {
            self.give_up_overdue(cx);
        }
        self.retry_refused(cx);
        if self.next_sweep <= now {
            self.next_sweep = now + Correlations::SWEEP_EVERY;
            if let Some(oldest) = cx.wall.oldest_kept(cx.config.store.retention, now) {
                let left = &mut cx.out.left;
                self.counts.correlations_expired += self.correlations.sweep(oldest, |place| left.push(place)) as u64;
                for early in self.strangers.extract_if(.., |early| early.born < oldest).collect::<Vec<_>>() {
                    self.drop_early(early, cx);
                }
            }
        }
        self.pump(cx);
        self.arm(cx);
    }

    fn give_up_overdue(&mut self, cx: &mut Context<'_>) {
        for pending in self.queue.expire(|pending| pending.give_up_at() <= cx.now) {
            if pending.info.deadline <= cx.now {
                self.settle(pending, Outcome::Failed(SubmitError::Expired), cx);
            } else {
                self.return_pending(pending, ReturnReason::QueueFull, cx);
            }
        }
        let next = self.queue.iter().map(Pending::give_up_at).min().unwrap_or(Instant::NEVER);
        self.look_at = next.max(cx.now + Self::LOOK_EVERY);
    }

    /// Makes sure `on_timeout` is called for whatever comes next.
    pub fn arm(&mut self, cx: &mut Context<'_>) {
        let mut at = self.next_sweep.min(self.look_at_drain(cx));
        let (timers, is_held) = (self.timers(cx), self.is_trying());
        for link in &self.links {
            at = at.min(link.next_timeout(&timers, is_held, cx.out));
        }
        if let Some(refused) = self.refused.first() {
            at = at.min(refused.retry_at);
        }
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, at.min(self.look_at));
    }

    /// Copies what is a level rather than a count into the counts.
    pub fn measure(&mut self) {
        self.counts.links_bound = self.links.iter().filter(|link| link.is_bound()).count() as u64;
        let is_submitting = |link: &&Link| link.standing == Standing::Active;
        self.counts.links_withheld = (self.links.len() - self.links.iter().filter(is_submitting).count()) as u64;
        self.counts.queued = self.queue.len() as u64;
        self.counts.outstanding = self.links.iter().map(|link| link.outstanding() as u64).sum();
        self.counts.correlations = self.correlations.len() as u64;
        self.counts.early_receipts = (self.early.len() + self.strangers.len()) as u64;
        self.counts.rate = self.pace.current().unwrap_or(0.0) as u64;
    }

    pub fn recycle(&mut self, mut body: Vec<u8>) {
        if self.spare.len() < Self::SPARE_BODIES {
            body.clear();
            self.spare.push(body);
        }
    }

    /// Whether a correlation is so young that its answer may still be unwritten at the account's home.
    #[must_use]
    pub fn is_fresh(born: u32, cx: &Context<'_>) -> bool {
        cx.unix_seconds().saturating_sub(born) < 60 || !cx.wall.is_steady(cx.now)
    }

    fn pending(&mut self, info: SubmitInfo, is_doubtful: bool, body: &[u8], queued_until: Instant) -> Pending {
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.extend_from_slice(body);
        Pending { info, is_doubtful, is_withdrawn: false, body: octets, queued_until, stream_at: 0, written: 0 }
    }

    fn forward(&mut self, link: usize, mut pending: Pending, cx: &mut Context<'_>) {
        if must_not_leave(&pending.info, cx) {
            return self.settle(pending, Outcome::Failed(SubmitError::Expired), cx);
        }
        let LinkState::Bound(bound) = &mut self.links[link].state else { return };
        pending.stream_at = cx.out.outbox(bound.connection.slot).total_queued();
        if pending.info.wants_receipt {
            pending.written = self.unanswered.written();
        }
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

    fn give_back(&mut self, info: &SubmitInfo, why: (ReturnReason, bool), body: &[u8], cx: &mut Context<'_>) {
        let (reason, is_doubtful) = why;
        let (account, submit, deadline) = (info.account, info.submit, info.deadline);
        let batch = &mut cx.out.prompt[cx.placement.home_of_account(account).index()];
        let body = batch.add(body);
        batch.messages.push(ShardMessage::SubmitReturned { account, submit, deadline, reason, is_doubtful, body });
    }
}

/// Nothing is forwarded with less than a quarter of its time left: the answer would come after the customer was told.
pub(super) fn must_not_leave(info: &SubmitInfo, cx: &Context<'_>) -> bool {
    info.deadline.since(cx.now) < cx.config.smpp.timers.response / 4
}
