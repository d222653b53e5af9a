//! What must hold after every turn of a shard, whatever happens: limits, bounds, and books that balance.

use std::num::NonZeroU32;

use trunkline::config::{self, Accept, AccountId, CarrierId, DeliverMo, OverRate, Rate};
use trunkline::engine::account::Account;
use trunkline::engine::carrier::Carrier;
use trunkline::metrics::RefusedReason;

use crate::net::WireId;
use crate::node::Node;
use crate::sim::Sim;

const SECOND: u64 = 1_000_000_000;

/// Submits in doubt on one link whose answers may still come.
const LATE_MAX: usize = 4_096;

/// Destinations of one submit_multi.
const MULTI_MAX: usize = 255;

/// Octets that may wait for one connection: what backs it up, and what one read and a window add to that.
const UNWRITTEN_MAX: usize = 512 << 10;

/// What a rate is set for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rated {
    /// Submits of an account.
    Account(usize),
    /// Submits to a carrier.
    Carrier(usize),
    /// What an account is sent again of what waited while it was away.
    Replay(usize),
}

impl Sim {
    pub(crate) fn check(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        let config = node.shard.config().clone();
        let mut problem = None;
        let mut passed = Vec::new();
        let most_segments = self.web.most_segments;
        for account in node.shard.accounts() {
            problem = problem.or(account_problem(account, config.account(account.id), most_segments));
            // What was refused before the rate was asked does not count against it.
            let reasons = [
                RefusedReason::Throttled,
                RefusedReason::Window,
                RefusedReason::Draining,
                RefusedReason::NotAllowed,
                RefusedReason::StoreFull,
                RefusedReason::Quota,
                RefusedReason::Cap,
                RefusedReason::OptedOut,
                RefusedReason::Sender,
            ];
            let mut refused: u64 = reasons.iter().map(|reason| account.counts.refused[*reason as usize]).sum();
            if most_segments > 0 && config.account(account.id).accept == Accept::Store {
                // A message by HTTP that would find no room is refused first.
                refused += account.counts.refused[RefusedReason::QueueFull as usize];
            }
            if let Some(rate) = config.account(account.id).rate {
                // What was held back and went with its session was never taken; what was under way then is forgiven with it.
                let delays = config.account(account.id).over_rate == OverRate::Delay;
                let withdrawn = if delays { account.counts.withdrawn } else { 0 };
                let refusing = account.refusing as u64;
                let taken = account.counts.submits - refused - refusing - account.counts.held_back - withdrawn;
                passed.push((Rated::Account(account.id.index()), taken, rate));
            }
            if let Some(rate) = replay_rate(config.account(account.id)) {
                passed.push((Rated::Replay(account.id.index()), account.counts.deliveries_replayed, rate));
            }
        }
        for carrier in node.shard.carriers() {
            problem = problem.or(carrier_problem(carrier, config.carrier(carrier.id)));
            if let Some(rate) = config.carrier(carrier.id).rate {
                passed.push((Rated::Carrier(carrier.id.index()), carrier.counts.submits_sent, rate));
            }
        }
        for slot in node.sockets.keys() {
            let waiting = node.out.outbox(*slot).unwritten().len();
            if waiting > UNWRITTEN_MAX {
                problem = problem.or(Some(format!("{waiting} octets wait to be written")));
            }
        }
        for (whose, total, rate) in passed {
            let mut allowed = u64::from(rate.per_second.get()) + u64::from(rate.burst.get()) + 1;
            let is_written_later = match whose {
                Rated::Account(_) => config.cdr.is_some(),
                Rated::Carrier(_) => !self.ledger.storing.is_empty(),
                Rated::Replay(_) => false,
            };
            if is_written_later {
                // What is stored, or refused behind its line, counts a commit after its token was spent, or two of them: that
                // differs by 400 ms at most.
                allowed += (u64::from(rate.per_second.get()) * 4).div_ceil(10);
            }
            if matches!(whose, Rated::Account(_)) {
                // A message goes whole, or not at all.
                allowed += self.web.most_segments as u64;
            }
            let in_a_second = count_in_a_second(node, whose, total, now);
            if in_a_second > allowed {
                let name = match whose {
                    Rated::Account(at) | Rated::Replay(at) => &config.account(AccountId(at as u32)).name,
                    Rated::Carrier(at) => &config.carrier(CarrierId(at as u16)).name,
                };
                problem = problem.or(Some(format!("{whose:?} {name}: {in_a_second} in a second, allowed {allowed}")));
            }
        }
        node.is_recounted = false;
        if let Some(problem) = problem {
            self.fail(&problem);
        }
        self.check_callbacks(at);
    }

    /// A carrier that always answers in time never sees more than its window.
    pub(crate) fn check_link_window(&mut self, carrier: usize, wire: WireId) {
        let response_ms = self.config.smpp.timers.response.as_millis();
        let smsc = &mut self.smscs[carrier];
        let habit = &smsc.habit;
        smsc.was_slow |= habit.lies.keep_windows_full()
            || habit.silent > 0
            || habit.stall_ms.is_some()
            || u128::from(habit.latency_ms.1) * 4 > response_ms;
        if smsc.was_slow || self.wires[wire].was_reset {
            return;
        }
        let window = usize::from(self.base.carriers[carrier].window.get());
        let unanswered = self.smscs[carrier].link(wire).map_or(0, |link| link.unanswered.len());
        if unanswered > window {
            self.fail(&format!("a link of carrier {carrier} has {unanswered} outstanding, window {window}"));
        }
    }

    /// What is still under way; `None` when all is quiet.
    pub(crate) fn busy(&mut self) -> Option<String> {
        if self.is_down() {
            return Some("between two processes".to_owned());
        }
        for smsc in &self.smscs {
            if let Some(number) = smsc.undelivered.first() {
                return Some(format!("carrier {} waits for the answer to #{number}: {:?}", smsc.at, smsc.links));
            }
        }
        for (tag, submit) in &self.ledger.submits {
            if submit.answer.is_none() && !submit.is_lost {
                return Some(format!("T{tag} is not answered: {submit:?}"));
            }
        }
        if let Some(number) = self.web.open() {
            return Some(format!("request {number} is not replied to"));
        }
        let is_told = self.web.callbacks.within_ms.is_some();
        for account in self.nodes.iter_mut().flat_map(|node| node.shard.accounts()) {
            if is_told && !account.posts.is_empty() {
                return Some(format!(
                    "account {}: {} events {:?}",
                    account.id.0,
                    account.posts.events(),
                    account.posts
                ));
            }
            if !account.backlog.is_empty() {
                let (stored, under_way) = (account.backlog.len(), account.backlog.under_way());
                return Some(format!("account {}: {stored} stored, {under_way} of them under way", account.id.0));
            }
        }
        self.busy_inside()
    }

    /// What a drain waits for.
    pub(crate) fn undrained(&mut self) -> String {
        let mut left = Vec::new();
        for node in &mut self.nodes {
            let (at, is_durable) = (node.shard.id.index(), node.out.is_all_durable());
            let lines = node.shard.cdr().map_or(0, |cdr| cdr.waiting());
            left.push(format!("shard {at}: all durable {is_durable}, {lines} lines for a file"));
            for account in node.shard.accounts() {
                let sessions: Vec<_> =
                    account.sessions.iter().map(|(_, it)| (it.state, it.outstanding, it.asked)).collect();
                let posts = account.posts.outstanding();
                left.push(format!("account {}: {sessions:?}, {posts} calls", account.id.0));
            }
        }
        left.join("; ")
    }

    /// The same of the gateway alone: a carrier may keep what it could not deliver.
    pub(crate) fn busy_inside(&mut self) -> Option<String> {
        if self.mesh.iter().flatten().any(|batches| !batches.is_empty()) {
            return Some("batches between shards".to_owned());
        }
        for node in &mut self.nodes {
            // Removals that nobody waits for are written in a moment.
            if node.store.is_committing() || !node.inbox.is_empty() || !node.out.records.is_empty() {
                return Some("a commit, or inputs".to_owned());
            }
            for account in node.shard.accounts() {
                if !account.deliveries.is_empty() || !account.submits.is_empty() || account.counts.held_back > 0 {
                    let (deliveries, submits) = (account.deliveries.len(), account.submits.len());
                    return Some(format!("account {}: {deliveries} deliveries, {submits} submits", account.id.0));
                }
            }
            for carrier in node.shard.carriers() {
                if carrier.unanswered.oldest().is_some() || !carrier.finals_in_hand.is_empty() {
                    let (unanswered, finals) = (carrier.unanswered.oldest(), carrier.finals_in_hand.len());
                    return Some(format!("carrier {}: {unanswered:?} unanswered, {finals} in hand", carrier.id.0));
                }
                let counts = [
                    carrier.early.len(),
                    carrier.in_hand.len(),
                    carrier.refused.len(),
                    carrier.unrouted.len(),
                    carrier.queue.len(),
                    carrier.counts.outstanding as usize,
                ];
                if counts != [0; 6] {
                    let what = "early, in hand, refused, unrouted, queued, sent";
                    return Some(format!("carrier {}: {what} {counts:?}", carrier.id.0));
                }
            }
        }
        None
    }
}

/// `delivery_rate`, or half of the account's rate; a tenth of it at once.
fn replay_rate(config: &config::Account) -> Option<Rate> {
    let per_second = match (config.delivery_rate, config.rate) {
        (Some(rate), _) => rate.get(),
        (None, Some(rate)) => rate.per_second.get() / 2,
        (None, None) => return None,
    };
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Some(Rate { per_second: at_least_one(per_second), burst: at_least_one(per_second / 10) })
}

fn account_problem(account: &Account, config: &config::Account, most_segments: usize) -> Option<String> {
    let counts = &account.counts;
    let settled = counts.accepted + counts.refused.iter().sum::<u64>() + counts.withdrawn;
    // Those under way and those held back; what is stored is offered to carriers when it was settled already.
    let (open, storing) = (counts.outstanding as usize, counts.storing);
    if counts.submits != settled + open as u64 + storing {
        let submits = counts.submits;
        let counted = format!("{settled} settled, {open} open and {storing} being stored");
        return Some(format!("{}: {submits} submits are not {counted}", config.name));
    }
    // A submit_multi is taken whole as long as there is any room, and a long message alone.
    let beyond = if counts.multis > 0 { MULTI_MAX - 1 } else { 0 }.max(most_segments.saturating_sub(1));
    if open > config.window as usize + beyond {
        return Some(format!("{}: {open} outstanding, window {}", config.name, config.window));
    }
    if account.backlog.len() > config.submit_queue as usize {
        return Some(format!("{}: {} stored", config.name, account.backlog.len()));
    }
    if account.sessions.len() > config.max_binds as usize {
        return Some(format!("{}: {} sessions", config.name, account.sessions.len()));
    }
    let by_sessions: u64 = account.sessions.iter().map(|(_, session)| u64::from(session.outstanding)).sum();
    if by_sessions > open as u64 {
        return Some(format!("{}: sessions wait for {by_sessions}, {open} open", config.name));
    }
    // Receipts of ours take the place of what was stored.
    let own = if config.accept == Accept::Store { config.submit_queue as usize } else { 0 };
    // As much again is for parts of MO whose message was begun.
    let most = config.delivery_queue as usize * if config.deliver == DeliverMo::Http { 2 } else { 1 };
    let kept = account.deliveries.len() + account.posts.len();
    if kept > most + own {
        return Some(format!("{}: {kept} deliveries", config.name));
    }
    None
}

fn carrier_problem(carrier: &Carrier, config: &config::Carrier) -> Option<String> {
    let counts = &carrier.counts;
    let (timed, answers) = (counts.answered.count(), counts.answers.iter().sum::<u64>());
    if (timed, counts.queued_for.count()) != (answers, counts.submits_sent) {
        let (queued, sent) = (counts.queued_for.count(), counts.submits_sent);
        return Some(format!("{}: of {sent} sent {queued} were timed, of {answers} answers {timed}", config.name));
    }
    let window = usize::from(config.window.get());
    if let Some(link) = carrier.links.iter().find(|link| link.outstanding() > window) {
        return Some(format!("{}: {} outstanding on a link, window {window}", config.name, link.outstanding()));
    }
    if let Some(link) = carrier.links.iter().find(|link| link.late.len() > LATE_MAX) {
        return Some(format!("{}: {} late answers awaited on a link", config.name, link.late.len()));
    }
    // What a carrier throttles, and what a lost link gives back, goes before the queue and is bounded by the windows; so are
    // parts whose message was begun there.
    let most = config.queue as usize + 2 * window * carrier.links.len();
    if carrier.queue.len() > most {
        return Some(format!("{}: {} queued, at most {most}", config.name, carrier.queue.len()));
    }
    if carrier.early.len() + carrier.refused.len() > 1 << 16 || carrier.in_hand.len() > 1 << 16 {
        return Some(format!("{}: too much in hand", config.name));
    }
    // The addresses of a correlation go with it, and its last receipt still needs them.
    let (kept, needed) = (carrier.readdressed.len(), carrier.correlations.len() + carrier.in_hand.len());
    if kept > needed {
        return Some(format!("{}: addresses of {kept} submits, {needed} need them", config.name));
    }
    let (shown, coming) = carrier.shown.sizes();
    if shown > needed
        || coming > carrier.queue.len() + carrier.links.iter().map(|link| link.outstanding()).sum::<usize>()
    {
        return Some(format!("{}: {shown} ids shown, {coming} to be, {needed} needed", config.name));
    }
    if carrier.unrouted.len() > 1 << 16 {
        return Some(format!("{}: too many MO that nobody is named for", config.name));
    }
    None
}

fn count_in_a_second(node: &mut Node, whose: Rated, total: u64, now: u64) -> u64 {
    let seen = node.seen.entry(whose).or_default();
    let recent = node.sent.entry(whose).or_default();
    if node.is_recounted {
        *seen = total;
    }
    if total > *seen {
        recent.push_back((now, total - *seen));
        *seen = total;
    }
    while recent.front().is_some_and(|(at, _)| at + SECOND <= now) {
        recent.pop_front();
    }
    recent.iter().map(|(_, count)| count).sum()
}
