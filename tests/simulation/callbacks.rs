//! Customers' callbacks: what they do with calls, and what must hold of what they are told. The customers never crash: what one of
//! them has taken stays taken, whether the gateway hears of it or not.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::engine::event::{HoldingKind, Record};
use trunkline::engine::web::{Event as Told, Post, Posted, What};
use trunkline::smpp::segment::segment_ref;
use trunkline::smpp::view::SmView;
use trunkline::store::record::Entry;
use trunkline::store::recovered::Recovered;

use crate::ledger::Ledger;
use crate::sim::Sim;
use crate::web_habits::Callbacks;

/// Tries at once per account.
const AT_ONCE: usize = 8;

/// What is known of calls.
#[derive(Default)]
pub(crate) struct CallbackBook {
    /// Every call, as it was made: when, and to whom.
    pub(crate) calls: Vec<(u64, usize, Post)>,
    /// Events that were told, by account and their own id.
    events: BTreeMap<(usize, u64), Known>,
    /// Events that are durable, or will be.
    durable: BTreeSet<u64>,
    waiting: BTreeMap<usize, Vec<u64>>,
    committing: BTreeMap<(usize, u64), Vec<u64>>,
}

#[derive(Debug)]
struct Known {
    event: Told,
    is_taken: bool,
}

impl CallbackBook {
    pub(crate) fn appended(&mut self, shard: usize, records: &[Record]) {
        let event = |record: &Record| {
            let Record::Holding { kind: HoldingKind::Event, id, .. } = record else { return None };
            Some(id.bits())
        };
        self.waiting.entry(shard).or_default().extend(records.iter().filter_map(event));
    }

    pub(crate) fn committing(&mut self, shard: usize, through: u64) {
        let waiting = self.waiting.remove(&shard).unwrap_or_default();
        self.committing.insert((shard, through), waiting);
    }

    pub(crate) fn durable(&mut self, shard: usize, through: u64) {
        self.durable.extend(self.committing.remove(&(shard, through)).unwrap_or_default());
    }

    /// What a start found is durable, and nothing that the process before knew is known.
    pub(crate) fn recovered(&mut self, recovered: &Recovered) {
        self.waiting.clear();
        self.committing.clear();
        for live in recovered.all() {
            if let Entry::Holding { kind: HoldingKind::Event, id, .. } = live.entry {
                self.durable.insert(id.bits());
            }
        }
    }

    /// Events an account was told and took, in the order in which it first heard of them.
    pub(crate) fn taken(&self, account: usize) -> Vec<&Told> {
        let mut seen = BTreeSet::new();
        let of_account = self.calls.iter().filter(|(_, called, _)| *called == account);
        let events = of_account.flat_map(|(_, _, post)| &post.events);
        let known =
            events.filter(|event| seen.insert(event.id.bits())).map(|event| &self.events[&(account, event.id.bits())]);
        known.filter(|known| known.is_taken).map(|known| &known.event).collect()
    }

    /// When all is quiet.
    pub(crate) fn audit(&self, ledger: &Ledger) {
        for ((account, id), known) in &self.events {
            if !known.is_taken {
                ledger.fail(&format!("event {id:x} of account {account} was told of and never taken: {known:?}"));
            }
        }
    }
}

impl Sim {
    /// What a customer does with a call, and what the shell then says of it, if anything.
    pub(crate) fn customer_says(&mut self, account: usize, habit: &Callbacks, events: Vec<Told>) -> Option<Posted> {
        if self.now < habit.down_until || self.rng.chance(habit.fail) {
            return Some(Posted::Failed);
        }
        if self.rng.chance(habit.refuse) {
            return Some(Posted::Refused);
        }
        let is_forgotten = self.rng.chance(habit.forget);
        if is_forgotten && self.rng.chance(500) {
            return None;
        }
        self.customer_takes(account, events);
        let outcome = if self.rng.chance(habit.lose) { Posted::Failed } else { Posted::Taken };
        (!is_forgotten).then_some(outcome)
    }

    fn customer_takes(&mut self, account: usize, events: Vec<Told>) {
        for event in events {
            if let Some(known) = self.web.book.events.get_mut(&(account, event.id.bits())) {
                known.is_taken = true;
            }
            self.ledger_hears(account, &event);
            self.web.told.push((account, event));
        }
    }

    /// A call is made, whatever comes of it.
    pub(crate) fn check_call(&mut self, account: usize, post: &Post) {
        let config = &self.base.accounts[account];
        let most = config.callback.as_ref().map_or(1, |callback| callback.batch);
        if post.events.is_empty() || post.events.len() > most {
            self.fail(&format!("{} events in one call, {most} allowed", post.events.len()));
        }
        let mut messages = BTreeSet::new();
        for event in &post.events {
            let (id, key) = (event.id.bits(), (account, event.id.bits()));
            if !self.web.book.durable.contains(&id) && !self.ledger.outcomes_only {
                self.fail(&format!("event {id:x} was told of before it was durable"));
            }
            if self.web.book.events.keys().any(|(other, known)| *known == id && *other != account) {
                self.fail(&format!("A7: event {id:x} reached account {account}"));
            }
            let event = event.clone();
            let known =
                self.web.book.events.entry(key).or_insert_with(|| Known { event: event.clone(), is_taken: false });
            if known.event != event {
                self.fail(&format!("event {id:x} is not what it was: {event:?}"));
            }
            let What::Receipt { status, .. } = &event.what else { continue };
            if !messages.insert(status.id.bits()) {
                self.fail("two events of one message at once");
            }
        }
        self.web.book.calls.push((self.now, account, post.clone()));
    }

    /// A customer has an event: so he has the MO in it.
    fn ledger_hears(&mut self, account: usize, event: &Told) {
        let What::Message { parts, total } = &event.what else { return };
        let mut last = None;
        for body in parts {
            self.ledger.reached(account, body, true);
            let part = SmView::deliver(body).ok().and_then(|view| segment_ref(&view));
            let said = part.map(|part| (part.total, part.number));
            if said.map_or(1, |(total, _)| total) != *total || last.is_some_and(|last| Some(last) >= said) {
                self.fail(&format!("parts of {total} in another order: {last:?}, {said:?}"));
            }
            last = said;
        }
    }

    /// So many tries at once, and no more than there is room for.
    pub(crate) fn check_callbacks(&mut self, at: usize) {
        let config = self.config.clone();
        for account in self.nodes[at].shard.accounts() {
            let (out, name) = (account.posts.outstanding(), &config.account(account.id).name);
            if out > AT_ONCE {
                self.ledger.fail(&format!("{name}: {out} tries at once"));
            }
        }
    }
}
