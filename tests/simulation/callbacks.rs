//! Customers' callbacks: what they do with calls, and what must hold of what they are told. The customers never crash: what one of
//! them has taken stays taken, whether the gateway hears of it or not.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::engine::event::{HoldingKind, Record};
use trunkline::engine::web::{Event as Told, Post, Posted, Reply, What};
use trunkline::smpp::message_id::MessageId;
use trunkline::smpp::segment::segment_ref;
use trunkline::smpp::view::SmView;
use trunkline::store::record::Entry;
use trunkline::store::recovered::Recovered;

use crate::ledger::Ledger;
use crate::node::In;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::text::item_number;

/// Tries at once per account.
const AT_ONCE: usize = 8;

/// What a callback does with a call. Shares are in a thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallbackHabit {
    pub(crate) refuses: u64,
    /// The call fails; half of those that do have reached the customer all the same.
    pub(crate) fails: u64,
    /// The shell says nothing of it, ever; half of these have reached the customer.
    pub(crate) forgotten: u64,
    pub(crate) answer_ms: (u64, u64),
    /// All of it fails until then.
    pub(crate) down_until: u64,
}

impl Default for CallbackHabit {
    fn default() -> Self {
        Self { refuses: 0, fails: 0, forgotten: 0, answer_ms: (1, 5), down_until: 0 }
    }
}

impl CallbackHabit {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            refuses: rng.pick(&[0, 50, 300]),
            fails: rng.pick(&[0, 100, 500]),
            forgotten: rng.pick(&[0, 0, 30]),
            answer_ms: rng.pick(&[(1, 5), (5, 500), (1_000, 20_000)]),
            down_until: rng.pick(&[0, 0, 20, 60]) * 1_000_000_000,
        }
    }
}

/// What is known of callbacks.
#[derive(Default)]
pub(crate) struct Callbacks {
    /// By account; one that is not here is calm.
    pub(crate) habits: BTreeMap<usize, CallbackHabit>,
    /// Every call, as it was made: when, and to whom.
    pub(crate) calls: Vec<(u64, usize, Post)>,
    /// Events that were told, by account and their own id.
    told: BTreeMap<(usize, u64), Known>,
    /// Ids of messages whose requests were replied to, and of events that are durable.
    replied: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    waiting: BTreeMap<usize, Vec<u64>>,
    committing: BTreeMap<(usize, u64), Vec<u64>>,
    out: BTreeMap<(usize, u64), BTreeSet<(u32, u32)>>,
}

#[derive(Debug)]
struct Known {
    event: Told,
    is_taken: bool,
}

impl Callbacks {
    pub(crate) fn appended(&mut self, shard: usize, records: &[Record]) {
        let event = |record: &Record| match record {
            Record::Holding { kind: HoldingKind::Event, id, .. } => Some(id.bits()),
            _ => None,
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
        self.out.clear();
        for live in recovered.all() {
            if let Entry::Holding { kind: HoldingKind::Event, id, .. } = live.entry {
                self.durable.insert(id.bits());
            }
        }
    }

    pub(crate) fn replied(&mut self, reply: &Reply) {
        if let Reply::Submitted(submitted) = reply {
            self.replied.extend(submitted.iter().filter_map(|one| one.id).map(MessageId::bits));
        }
    }

    /// Events an account was told and took, in the order in which it first heard of them.
    pub(crate) fn taken(&self, account: usize) -> Vec<&Told> {
        let mut seen = BTreeSet::new();
        let of_account = self.calls.iter().filter(|(_, called, _)| *called == account);
        let events = of_account.flat_map(|(_, _, post)| &post.events);
        let known = events.filter(|event| seen.insert(event.id.bits())).map(|event| &self.told[&(account, event.id.bits())]);
        known.filter(|known| known.is_taken).map(|known| &known.event).collect()
    }

    /// The one that an MO came in, or that its part did.
    pub(crate) fn events_with(&self, item: u32) -> Vec<&Told> {
        let has = |event: &Told| match &event.what {
            What::Message { parts, .. } => parts.iter().any(|part| item_number(part) == Some(item)),
            What::Receipt { .. } => false,
        };
        self.told.values().map(|known| &known.event).filter(|event| has(event)).collect()
    }

    /// When all is quiet.
    pub(crate) fn audit(&self, ledger: &Ledger) {
        for ((account, id), known) in &self.told {
            if !known.is_taken {
                ledger.fail(&format!("event {id:x} of account {account} was told of and never taken: {known:?}"));
            }
        }
    }
}

impl Sim {
    /// The shell calls a callback.
    pub(crate) fn call_back(&mut self, shard: usize, post: Post) {
        let name = &self.config.account(post.account).name;
        let Some(account) = self.base.accounts.iter().position(|base| base.name == *name) else {
            self.fail("a call for an account there never was")
        };
        self.check_call(account, &post);
        let now = self.now;
        let habit = self.web.callbacks.habits.get(&account).copied().unwrap_or_default();
        let is_forgotten = self.rng.chance(habit.forgotten);
        let fails = now < habit.down_until || self.rng.chance(habit.fails);
        let (outcome, is_taken) = if is_forgotten || fails {
            (Posted::Failed, now >= habit.down_until && self.rng.chance(500))
        } else if self.rng.chance(habit.refuses) {
            (Posted::Refused, false)
        } else {
            (Posted::Taken, true)
        };
        if is_taken {
            for event in &post.events {
                self.ledger_hears(account, event);
                if let Some(known) = self.web.callbacks.told.get_mut(&(account, event.id.bits())) {
                    known.is_taken = true;
                }
            }
        }
        if !is_forgotten {
            let answer = Event::Input(shard, In::Posted(post.account, post.post, outcome));
            self.plan_ms(habit.answer_ms, answer);
        }
        self.web.callbacks.calls.push((now, account, post));
    }

    fn check_call(&mut self, account: usize, post: &Post) {
        let config = &self.base.accounts[account];
        let most = config.callback.as_ref().map_or(1, |callback| callback.batch);
        if post.events.is_empty() || post.events.len() > most {
            self.fail(&format!("{} events in one call, {most} allowed", post.events.len()));
        }
        let mut messages = BTreeSet::new();
        for event in &post.events {
            let (id, key) = (event.id.bits(), (account, event.id.bits()));
            if !self.web.callbacks.durable.contains(&id) && !self.ledger.outcomes_only {
                self.fail(&format!("event {id:x} was told of before it was durable"));
            }
            if self.web.callbacks.told.keys().any(|(other, known)| *known == id && *other != account) {
                self.fail(&format!("A7: event {id:x} reached account {account}"));
            }
            let event = event.clone();
            let known = self.web.callbacks.told.entry(key).or_insert_with(|| Known { event: event.clone(), is_taken: false });
            if known.event != event {
                self.fail(&format!("event {id:x} is not what it was: {event:?}"));
            }
            let What::Receipt { status, .. } = &event.what else { continue };
            if !messages.insert(status.id.bits()) {
                self.fail("two events of one message at once");
            }
            // A crash may have come before the reply.
            if self.life == 0 && !self.web.callbacks.replied.contains(&status.id.bits()) {
                self.fail(&format!("A6: event {id:x} was told of before its request was replied to"));
            }
        }
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
