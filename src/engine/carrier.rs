//! A carrier at its home: what waits for it, its rate, and how each submit is settled.
//!
//! Exactly one `SubmitDone` or `SubmitReturned` follows each `Submit`. How submits leave is in `sending`, links are in `link`,
//! what comes back in `receipts`.

use std::time::Duration;

use ahash::AHashMap;

use super::backoff::Access;
use super::context::Context;
use super::correlation::Correlations;
use super::early::{Early, EarlyReceipts, Unanswered};
use super::event::SubmitError;
use super::link::Link;
use super::message::{Course, Octets, Outcome, ReturnReason, ShardMessage, SubmitInfo};
use super::mo::PartOwners;
use super::orders::Standing;
use super::outgoing::{Outgoing, Readdressed};
use super::pace::Pace;
use super::part_links::{PartLinks, part_links};
use super::parts::Claim;
use super::passed;
use super::queue::SubmitQueue;
use super::receipts::{InHand, Refused};
use super::references::References;
use super::shown::ShownIds;
use super::slab::Slab;
use super::throttle::Throttle;
use super::time::Instant;
use super::timers::{Armed, Owner};
use super::unrouted::UnroutedMo;
use super::whole::PartsById;
use crate::config::{self, CarrierId};
use crate::metrics::{CarrierCounts, Refusals, WaitReason};
use crate::smpp::command::CommandStatus;

#[derive(Debug)]
pub struct Carrier {
    pub id: CarrierId,
    pub links: Vec<Link>,
    pub(super) access: Access,
    pub queue: SubmitQueue,
    pub part_links: PartLinks,
    /// With `remap_references`.
    pub references: Option<Box<References>>,
    pub pace: Pace,
    /// How often it may be asked of a message it has.
    pub(super) asks: Throttle,
    pub correlations: Correlations,
    pub readdressed: Readdressed,
    /// With `per: message`.
    pub parts_by_id: PartsById,
    pub shown: ShownIds,
    pub early: EarlyReceipts,
    /// Early receipts of an earlier process that may belong to an account missing from the configuration; and whether any can.
    pub strangers: Vec<Early>,
    pub has_strangers: bool,
    pub unanswered: Unanswered,
    /// Receipts and MO handed to their account and not yet durable there.
    pub in_hand: Slab<InHand>,
    /// How many final receipts are in hand under an id, by its fingerprint: correlated no more, and not yet durable at their
    /// account's home.
    pub finals_in_hand: AHashMap<u64, u32>,
    /// Receipts acknowledged to the carrier that their account had no room for.
    pub refused: Vec<Refused>,
    pub unrouted: UnroutedMo,
    pub mo_parts: PartOwners,
    pub has_hinted: bool,
    /// Which link is being filled, and with how many more before the next one's turn.
    pub(super) current_link: usize,
    pub(super) stay: u32,
    next_sweep: Instant,
    /// Nothing that waits is to be given up before this.
    pub(super) look_at: Instant,
    pub(super) spare: Vec<Vec<u8>>,
    pub(super) armed: Armed,
    /// What the queue's head waited for last.
    pub(super) waits_for: WaitReason,
    pub refusals: Refusals,
    pub counts: CarrierCounts,
}

/// A submit at its carrier: queued, or outstanding on a link.
#[derive(Debug)]
pub struct Pending {
    pub info: SubmitInfo,
    pub claim: Claim,
    pub course: Course,
    /// Its session ended while it was outstanding: nobody waits for another sending.
    pub is_withdrawn: bool,
    /// As the customer sent it, for the next carrier.
    pub body: Vec<u8>,
    /// As this carrier is sent it.
    pub outgoing: Outgoing,
    /// It waits no longer than this.
    pub queued_until: Instant,
    pub came_at: Instant,
    /// Since when it waits, or is out.
    pub since: Instant,
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
    pub fn new(info: SubmitInfo, claim: Claim, course: Course, body: Vec<u8>, outgoing: Outgoing) -> Self {
        Self {
            info,
            claim,
            course,
            is_withdrawn: false,
            body,
            outgoing,
            queued_until: Instant::ZERO,
            came_at: Instant::ZERO,
            since: Instant::ZERO,
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
        self.refused.is_some() || self.course.tries > 0
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
        let outcome = Outcome::Failed(SubmitError::Expired);
        // What is stored may be tried again, whatever it was told once.
        if self.info.is_stored() { outcome } else { outcome.after(self.refused) }
    }
}

impl Carrier {
    const SPARE_BODIES: usize = 4096;
    /// A longer body's memory is given back: so many of the longest would be a quarter of a gigabyte.
    const LONGEST_SPARE: usize = 4096;
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
            queue: SubmitQueue::new(config.source_rate, keys),
            part_links: part_links(),
            references: config.remap_references.then(|| Box::new(References::new(keys))),
            pace: Pace::new(config.rate),
            asks: passed::throttle(config),
            correlations: Correlations::new(keys),
            readdressed: Readdressed::default(),
            parts_by_id: PartsById::default(),
            shown: ShownIds::default(),
            early: EarlyReceipts::default(),
            strangers: Vec::new(),
            has_strangers: false,
            unanswered: Unanswered::default(),
            in_hand: Slab::default(),
            finals_in_hand: AHashMap::new(),
            refused: Vec::new(),
            unrouted: UnroutedMo::default(),
            mo_parts: PartOwners::default(),
            has_hinted: false,
            current_link: 0,
            stay: 0,
            next_sweep: Instant::ZERO,
            look_at: Instant::NEVER,
            spare: Vec::new(),
            armed: Armed::default(),
            waits_for: WaitReason::Window,
            refusals: Refusals::default(),
            counts,
        }
    }

    /// Tells the account's home what became of a submit, behind whatever record its answer needs.
    pub fn settle(&mut self, pending: Pending, outcome: Outcome, cx: &mut Context<'_>) {
        self.settle_as(pending, outcome, b"", cx);
    }

    /// The same, of a submit that the carrier gave this id.
    pub(super) fn settle_as(&mut self, pending: Pending, outcome: Outcome, carrier_id: &[u8], cx: &mut Context<'_>) {
        let (account, submit) = (pending.info.account, pending.info.submit);
        let shown = self.shown.take_coming(pending.info.id);
        let outcome = outcome.given(pending.course.is_doubtful);
        self.counts.in_doubt += u64::from(outcome == Outcome::InDoubt);
        let home = cx.placement.home_of_account(account);
        let is_accepted = outcome == Outcome::Accepted;
        if is_accepted {
            self.line_of_acceptance(&pending, carrier_id, shown, cx);
        }
        let is_asked_of = if is_accepted { cx.config.account(account).status.is_some() } else { cx.keeps_cdr() };
        // Only an acceptance has promised anything, and only when a receipt is to follow or a line says so.
        let batch = if is_accepted && (pending.info.wants_receipt || cx.keeps_cdr()) {
            cx.out.after_records(home)
        } else {
            &mut cx.out.prompt[home.index()]
        };
        // Without an id of the carrier's no receipt is known for its own.
        let is_over = is_accepted && carrier_id.is_empty();
        let sent = if is_asked_of { pending.sent_as(carrier_id, batch) } else { Octets::NONE };
        batch.messages.push(ShardMessage::SubmitDone { account, submit, outcome, is_over, at: cx.now, sent });
        self.recycle(pending.body);
        self.recycle(pending.outgoing.body);
    }

    /// It leaves no more. What is stored and may be sent again goes on from its account: that no answer came is no last word.
    pub(super) fn give_up(&mut self, pending: Pending, outcome: Outcome, cx: &mut Context<'_>) {
        if pending.info.is_stored() && pending.course.is_doubtful {
            return self.return_pending(pending, ReturnReason::QueueFull, cx);
        }
        self.settle(pending, outcome, cx);
    }

    /// Hands a submit back unsent, or refused in a way that another carrier may mend.
    pub fn return_pending(&mut self, pending: Pending, reason: ReturnReason, cx: &mut Context<'_>) {
        self.counts.rerouted += 1;
        let reason = match (reason, pending.refused) {
            (ReturnReason::NotBound | ReturnReason::QueueFull, Some(status)) => ReturnReason::Refused(status),
            _ => reason,
        };
        self.give_back(&pending.info, (reason, pending.course), &pending.body, cx);
        self.recycle(pending.body);
        self.recycle(pending.outgoing.body);
    }

    pub fn on_timeout(&mut self, fired: Instant, cx: &mut Context<'_>) {
        if !self.armed.fired(fired) {
            return;
        }
        for link in 0..self.links.len() {
            self.link_timeout(link, cx);
        }
        self.go_on_draining_links(cx);
        self.go_on_changing_links(cx);
        let now = cx.now;
        if self.look_at <= now {
            self.give_up_overdue(cx);
        }
        self.retry_refused(cx);
        self.retry_unrouted(cx);
        if self.next_sweep <= now {
            self.next_sweep = now + Correlations::SWEEP_EVERY;
            if let Some(oldest) = cx.wall.oldest_kept(cx.config.store.retention, now) {
                self.expire_correlations(oldest, cx);
                for early in self.strangers.extract_if(.., |early| early.born < oldest).collect::<Vec<_>>() {
                    self.drop_early(early, cx);
                }
                self.expire_unrouted(oldest, cx);
            }
        }
        self.pump(cx);
        self.arm(cx);
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
        at = at.min(self.unrouted.next_retry()).min(self.queue.next_release());
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, at.min(self.look_at));
    }

    /// Copies what is a level rather than a count into the counts.
    pub fn measure(&mut self) {
        self.counts.links_bound = self.links.iter().filter(|link| link.is_bound()).count() as u64;
        let is_there = self.counts.links_configured > 0;
        let is_withheld = |link: &&Link| is_there && link.standing != Standing::Active && !link.is_surplus();
        self.counts.links_withheld = self.links.iter().filter(is_withheld).count() as u64;
        self.counts.queued = self.queue.len() as u64;
        self.counts.outstanding = self.links.iter().map(|link| link.outstanding() as u64).sum();
        self.counts.window = self.links.iter().map(|link| link.window() as u64).sum();
        self.counts.correlations = self.correlations.len() as u64;
        self.counts.early_receipts = (self.early.len() + self.strangers.len()) as u64;
        self.counts.mo_kept = self.unrouted.len() as u64;
        self.counts.rate = self.pace.current().unwrap_or(0.0) as u64;
    }

    pub fn recycle(&mut self, mut body: Vec<u8>) {
        if (1..=Self::LONGEST_SPARE).contains(&body.capacity()) && self.spare.len() < Self::SPARE_BODIES {
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
        why: (ReturnReason, Course),
        body: &[u8],
        cx: &mut Context<'_>,
    ) {
        let (reason, course) = why;
        let (account, submit, deadline) = (info.account, info.submit, info.deadline);
        self.shown.take_coming(info.id);
        let batch = &mut cx.out.prompt[cx.placement.home_of_account(account).index()];
        let body = batch.add(body);
        batch.messages.push(ShardMessage::SubmitReturned { account, submit, deadline, reason, course, body });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[test]
    fn the_memory_of_long_bodies_is_not_kept() {
        let text = "carriers: { c: { connect: 'c:1', system_id: us, password: secret } }";
        let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
        let config = config::parse(text, &surroundings).unwrap().config;
        let mut carrier = Carrier::new(CarrierId(0), config.carrier(CarrierId(0)), [1, 2, 3, 4]);
        for _ in 0..2 * Carrier::SPARE_BODIES {
            carrier.recycle(Vec::with_capacity(64 << 10));
            carrier.recycle(Vec::with_capacity(300));
        }
        let kept: usize = carrier.spare.iter().map(Vec::capacity).sum();
        assert_eq!((carrier.spare.len(), kept), (Carrier::SPARE_BODIES, 300 * Carrier::SPARE_BODIES));
    }
}
