//! A carrier at its home: what waits for it, its rate, and how each submit is settled.
//!
//! Exactly one `SubmitDone` or `SubmitReturned` follows each `Submit`. How submits leave is in `sending`, links are in `link`,
//! what comes back in `receipts`.

use std::time::Duration;

use ahash::AHashSet;

use super::context::Context;
use super::correlation::Correlations;
use super::early::{Early, EarlyReceipts, Unanswered};
use super::event::{Action, EndReason, SubmitError};
use super::link::{Link, LinkState};
use super::message::{Outcome, ReturnReason, ShardMessage, Standing, SubmitInfo};
use super::pace::Pace;
use super::queue::SubmitQueue;
use super::receipts::{InHand, Refused};
use super::slab::Slab;
use super::time::Instant;
use super::timers::{Armed, Owner};
use crate::config::{self, CarrierId};
use crate::metrics::CarrierCounts;
use crate::smpp::command::CommandStatus;

#[derive(Debug)]
pub struct Carrier {
    pub id: CarrierId,
    pub links: Vec<Link>,
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
    pub(super) current_link: usize,
    pub(super) stay: u32,
    next_sweep: Instant,
    /// Nothing that waits is to be given up before this.
    pub(super) look_at: Instant,
    pub(super) spare: Vec<Vec<u8>>,
    pub(super) armed: Armed,
    pub counts: CarrierCounts,
}

/// A submit at its carrier: queued, or outstanding on a link.
#[derive(Debug)]
pub struct Pending {
    pub info: SubmitInfo,
    pub standing: Standing,
    /// Its session ended while it was outstanding: nobody waits for another sending.
    pub is_withdrawn: bool,
    pub body: Vec<u8>,
    /// It waits no longer than this.
    pub queued_until: Instant,
    /// Where in the link's stream its first octet lies.
    pub stream_at: u64,
    /// Its number among the receipt-requesting submits written to this carrier.
    pub written: u64,
    /// Since which decrease of the pace it is under way.
    pub pace_epoch: u32,
    /// Its sender's line gave it to the queue.
    pub is_called: bool,
    /// How often it was sent here again: after a wait, and because it was too much.
    pub agains: u8,
    pub slowed: u8,
    /// What the customer is told if nobody takes it, once this carrier has refused it.
    pub refused: Option<CommandStatus>,
    /// Its validity ends then, if that is before its deadline.
    pub leave_by: Instant,
}

impl Pending {
    #[must_use]
    pub fn new(info: SubmitInfo, standing: Standing, body: Vec<u8>) -> Self {
        Self {
            info,
            standing,
            is_withdrawn: false,
            body,
            queued_until: Instant::ZERO,
            stream_at: 0,
            written: 0,
            pace_epoch: 0,
            is_called: false,
            agains: 0,
            slowed: 0,
            refused: None,
            leave_by: Instant::NEVER,
        }
    }

    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.refused.is_some() || self.standing.tries > 0
    }

    pub(super) fn give_up_at(&self) -> Instant {
        self.queued_until.min(self.expires_at())
    }

    /// It is not sent after this.
    pub(super) fn expires_at(&self) -> Instant {
        self.leave_by.min(self.info.deadline)
    }

    /// Its time is over.
    pub(super) fn expired(&self) -> Outcome {
        Outcome::Failed(SubmitError::Expired).after(self.refused)
    }
}

impl Carrier {
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
            queue: SubmitQueue::new(config.source_rate, keys),
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

    /// Tells the account's home what became of a submit, behind whatever record its answer needs.
    pub fn settle(&mut self, pending: Pending, outcome: Outcome, cx: &mut Context<'_>) {
        let (account, submit) = (pending.info.account, pending.info.submit);
        let outcome = outcome.given(pending.standing.is_doubtful);
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
        let reason = match (reason, pending.refused) {
            (ReturnReason::NotBound | ReturnReason::QueueFull, Some(status)) => ReturnReason::Refused(status),
            _ => reason,
        };
        self.give_back(&pending.info, (reason, pending.standing), &pending.body, cx);
        self.recycle(pending.body);
    }

    pub fn on_timeout(&mut self, fired: Instant, cx: &mut Context<'_>) {
        if !self.armed.fired(fired) {
            return;
        }
        for link in 0..self.links.len() {
            self.link_timeout(link, cx);
        }
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

    /// Makes sure `on_timeout` is called for whatever comes next.
    pub fn arm(&mut self, cx: &mut Context<'_>) {
        let mut at = self.next_sweep;
        for link in &mut self.links {
            at = at.min(link.next_timeout(&cx.config.smpp.timers, cx.out));
        }
        if let Some(refused) = self.refused.first() {
            at = at.min(refused.retry_at);
        }
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, at.min(self.look_at).min(self.queue.next_release()));
    }

    /// Refuses what waits, and says goodbye on every link whose window is empty. True once no link is left.
    pub fn drain(&mut self, cx: &mut Context<'_>) -> bool {
        for pending in self.queue.take_all(cx.now) {
            self.settle(pending, Outcome::Failed(SubmitError::Draining), cx);
        }
        for link in 0..self.links.len() {
            match &self.links[link].state {
                LinkState::Bound(bound) if bound.window.outstanding() == 0 && self.in_hand.is_empty() => {
                    self.unbind_link(link, cx);
                }
                LinkState::Backoff { .. } => self.links[link].state = LinkState::Off,
                // A dial may take long to fail, and nothing depends on how it ends.
                LinkState::Connecting { connection } => {
                    cx.out.act(Action::Close { connection: *connection });
                    self.links[link].state = LinkState::Off;
                }
                LinkState::Binding { .. } => self.close_link(link, EndReason::Drained, cx),
                LinkState::Bound(_) | LinkState::Unbinding { .. } | LinkState::Closing { .. } | LinkState::Off => {}
            }
        }
        // What came behind our unbind is still on its way to its account.
        self.in_hand.is_empty() && self.links.iter().all(|link| matches!(link.state, LinkState::Off))
    }

    /// Copies what is a level rather than a count into the counts.
    pub fn measure(&mut self) {
        self.counts.links_bound = self.links.iter().filter(|link| link.is_bound()).count() as u64;
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

    pub(super) fn give_back(
        &mut self,
        info: &SubmitInfo,
        why: (ReturnReason, Standing),
        body: &[u8],
        cx: &mut Context<'_>,
    ) {
        let (reason, standing) = why;
        let (account, submit, deadline) = (info.account, info.submit, info.deadline);
        let batch = &mut cx.out.prompt[cx.placement.home_of_account(account).index()];
        let body = batch.add(body);
        batch.messages.push(ShardMessage::SubmitReturned { account, submit, deadline, reason, standing, body });
    }
}
