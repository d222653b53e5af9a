//! HTTP customers: what they ask of their account's home, what they were told, and their callbacks.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::config::AccountId;
use trunkline::engine::event::SubmitError;
use trunkline::engine::message::ShardId;
use trunkline::engine::slab::Key;
use trunkline::engine::web::{Caller, Event as Told, Fate, Post, Posted, Reply, Request, Submitted, Tell, What};
use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::message_id::MessageId;
use trunkline::smpp::view::SmView;

use crate::callbacks::CallbackBook;
use crate::ledger::{Ledger, Submit};
use crate::net::WireId;
use crate::node::In;
use crate::plants::Plant;
use crate::sim::{Event, Sim};
use crate::text::submit_tag;
use crate::web_habits::{Callbacks, Keyed, WebHabit};

/// Where no ESME is connected.
pub(crate) const NO_WIRE: WireId = WireId::MAX;

/// An account by its number, and an Idempotency-Key of it.
type AccountKey = (usize, Box<[u8]>);

/// What happened on the HTTP side so far.
#[derive(Default)]
pub(crate) struct Web {
    pub(crate) asked: u32,
    /// Tags of what was to go through one carrier alone, and its name.
    pub(crate) meant: BTreeMap<u32, String>,
    requests: BTreeMap<u32, Asked>,
    pub(crate) replies: Vec<(u32, Reply)>,
    /// Tries that nothing has been said of yet.
    pub(crate) posts: Vec<(usize, Post)>,
    pub(crate) habits: Vec<WebHabit>,
    pub(crate) callbacks: Callbacks,
    pub(crate) book: CallbackBook,
    /// What callbacks took, with the account.
    pub(crate) told: Vec<(usize, Told)>,
    pub(crate) keyed: Vec<Keyed>,
    /// Of each account's keys, what something was sent under is answered with, and since when.
    answers: BTreeMap<AccountKey, (u64, Vec<Submitted>)>,
    /// Requests that were told what an earlier one was told.
    pub(crate) told_again: usize,
    /// The most segments a message had.
    pub(crate) most_segments: usize,
}

/// A request, and its messages by the tags of their segments.
struct Asked {
    account: usize,
    at: u64,
    messages: Vec<Vec<u32>>,
    tells: Vec<Tell>,
    key: Option<Box<[u8]>>,
    fate: Known,
    submitted: Vec<Submitted>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    Open,
    Replied,
    /// Its process ended first.
    Lost,
}

/// A message whose request was replied to, and that has an id.
pub(crate) struct Replied {
    pub(crate) account: usize,
    pub(crate) id: MessageId,
    pub(crate) fate: Fate,
    pub(crate) tags: Vec<u32>,
    pub(crate) tell: Tell,
}

impl Sim {
    /// A connection of shard 0 asks this of an account; its reply is found by the number returned.
    pub(crate) fn ask_web(&mut self, account: AccountId, request: Request) -> u32 {
        self.web.asked += 1;
        let number = self.web.asked;
        let (mut messages, mut tells, mut key) = (Vec::new(), Vec::new(), None);
        let by = if let Request::SubmitBy(carrier, _) = &request { Some(*carrier) } else { None };
        if let Request::Submit(submission) | Request::SubmitBy(_, submission) = &request {
            key = submission.key.as_ref().map(|key| key.key.clone());
            for message in &submission.messages {
                let tags: Vec<u32> =
                    message.segments.iter().filter_map(|body| self.ledger_takes(account, body)).collect();
                let by = by.map(|carrier| self.config.carrier(carrier).name.clone());
                self.web.meant.extend(by.iter().flat_map(|name| tags.iter().map(|tag| (*tag, name.clone()))));
                messages.push(tags);
                tells.push(message.tell.clone());
                self.web.most_segments = self.web.most_segments.max(message.segments.len());
            }
        }
        let (account_at, at, fate) = (account.index(), self.now, Known::Open);
        let asked = Asked { account: account_at, at, messages, tells, key, fate, submitted: Vec::new() };
        self.web.requests.insert(number, asked);
        let caller = Caller { shard: ShardId(0), request: Key { slot: number, generation: 0 } };
        let name = &self.base.account(account).name;
        let present = self.config.accounts.iter().position(|known| known.name == *name && !known.is_gone);
        let Some(present) = present.map(|at| AccountId(at as u32)).filter(|_| !self.is_down()) else {
            // Nobody is there to take it.
            self.web.lose(number, &mut self.ledger);
            return number;
        };
        let at = self.placement.home_of_account(present).index();
        let now = self.instant();
        let node = &mut self.nodes[at];
        node.shard.ask(present, (caller, request), now, &mut node.out);
        self.wake(at, self.now);
        number
    }

    /// The tag of a segment; `None` when it was submitted before, by a request that this one repeats.
    fn ledger_takes(&mut self, account: AccountId, body: &[u8]) -> Option<u32> {
        let Some(tag) = submit_tag(body) else { self.fail("a message without a tag") };
        if let Some(known) = self.ledger.submits.get_mut(&tag) {
            // What its carrier refused may be sent in earnest by a repeated request, also when another segment's fate was told.
            if known.answer.is_some() || known.is_lost {
                known.attempts.iter_mut().for_each(|attempt| attempt.may_follow |= attempt.was_refused);
            }
            let was_refused =
                |(status, _): &(CommandStatus, Vec<u8>)| !status.is_ok() && *status != CommandStatus::RUNKNOWNERR;
            return known.answer.take_if(|answer| was_refused(answer)).map(|_| tag);
        }
        let wants_receipt = SmView::submit(body).is_ok_and(|view| view.wants_receipt());
        let submit = Submit {
            account: account.index(),
            wire: NO_WIRE,
            body: body.to_vec(),
            wants_receipt,
            read_at: Some(self.now),
            answer: None,
            handed_id: None,
            is_lost: false,
            attempts: Vec::new(),
            accepted_by: Vec::new(),
            told: BTreeSet::new(),
        };
        self.ledger.submitted(tag, tag, submit);
        Some(tag)
    }

    /// What a request was told, once.
    pub(crate) fn web_reply(&mut self, number: u32) -> Option<Reply> {
        let at = self.web.replies.iter().position(|(asked, _)| *asked == number)?;
        Some(self.web.replies.remove(at).1)
    }

    /// The gateway replies.
    pub(crate) fn web_replied(&mut self, number: u32, reply: Reply) {
        let Some(asked) = self.web.requests.get_mut(&number) else { self.fail("a reply to what nobody asked") };
        if std::mem::replace(&mut asked.fate, Known::Replied) != Known::Open {
            self.fail(&format!("request {number} was replied to twice: {reply:?}"));
        }
        let (account, messages, took) = (asked.account, asked.messages.clone(), self.now - asked.at);
        let key = asked.key.clone().map(|key| (account, key));
        if let Reply::Submitted(submitted) = &reply {
            asked.submitted.clone_from(submitted);
            if let Some(key) = key {
                self.web_answered_again(key, submitted);
            }
            if submitted.len() != messages.len() {
                self.fail(&format!("request {number} of {} messages: {submitted:?}", messages.len()));
            }
            if took > self.ledger.answer_within {
                self.fail(&format!("request {number} was replied to {} ms after it came", took / 1_000_000));
            }
            let format = self.base.account(AccountId(account as u32)).message_id;
            for (tags, submitted) in messages.iter().zip(submitted) {
                let id = submitted.id.map(|id| id.text(format).as_bytes().to_vec());
                self.ledger.web_answered(tags, submitted, &id.unwrap_or_default());
            }
        } else {
            messages.iter().flatten().for_each(|tag| self.ledger.web_lost(*tag));
        }
        self.web.replies.push((number, reply));
    }

    /// Once something may have been sent under a key, its answer is the same for a day.
    fn web_answered_again(&mut self, key: (usize, Box<[u8]>), submitted: &[Submitted]) {
        let may_have_left = |one: &Submitted| matches!(one.fate, Fate::Accepted | Fate::Stored | Fate::InDoubt);
        let has_left = submitted.iter().any(may_have_left);
        const DAY: u64 = 24 * 3_600 * 1_000_000_000;
        match self.web.answers.get(&key).filter(|(at, _)| self.now - at < DAY) {
            Some((_, first)) if first != submitted => self.fail(&format!("{key:?}: {first:?}, then {submitted:?}")),
            Some(_) => self.web.told_again += 1,
            None if has_left => drop(self.web.answers.insert(key, (self.now, submitted.to_vec()))),
            None => {}
        }
    }

    /// The gateway calls a callback.
    pub(crate) fn web_posted(&mut self, at: usize, mut post: Post) {
        if self.plant == Plant::OtherCallback {
            post.account.0 ^= 1;
        }
        let name = &self.config.account(post.account).name;
        let account = self.base.accounts.iter().position(|known| known.name == *name).unwrap_or(usize::MAX);
        for event in &post.events {
            let What::Receipt { status, .. } = &event.what else { continue };
            let of_account = |asked: &&Asked| asked.account == account;
            let mut requests = self.web.requests.values().filter(of_account);
            let is_replied = requests.clone().any(|asked| asked.submitted.iter().any(|it| it.id == Some(status.id)));
            if !is_replied && !requests.any(|asked| asked.fate == Known::Lost) {
                self.fail(&format!("A6: {:?} was told of before its request was replied to", status.id));
            }
        }
        self.check_call(account, &post);
        let callbacks = self.web.callbacks.clone();
        let Some(within) = callbacks.within_ms else { return self.web.posts.push((at, post)) };
        if self.plant == Plant::CallUnmade {
            return self.plan_ms(within, Event::Input(at, In::Posted(post.account, post.post, Posted::Taken)));
        }
        if let Some(outcome) = self.customer_says(account, &callbacks, post.events) {
            self.plan_ms(within, Event::Input(at, In::Posted(post.account, post.post, outcome)));
        }
    }
}

impl Web {
    /// Requests that are open are not replied to any more.
    pub(crate) fn crashed(&mut self, ledger: &mut Ledger) {
        let open = self.requests.iter().filter(|(_, asked)| asked.fate == Known::Open);
        for number in open.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.lose(number, ledger);
        }
        self.posts.clear();
    }

    fn lose(&mut self, number: u32, ledger: &mut Ledger) {
        let Some(asked) = self.requests.get_mut(&number) else { return };
        asked.fate = Known::Lost;
        asked.messages.iter().flatten().for_each(|tag| ledger.web_lost(*tag));
    }

    /// A request that is not replied to.
    pub(crate) fn open(&self) -> Option<u32> {
        self.requests.iter().find(|(_, asked)| asked.fate == Known::Open).map(|(number, _)| *number)
    }

    /// Messages that have ids; of requests that were repeated only the first.
    pub(crate) fn replied(&self) -> Vec<Replied> {
        let mut replied = Vec::new();
        for asked in self.requests.values() {
            let messages = asked.submitted.iter().zip(&asked.messages).zip(&asked.tells);
            for ((submitted, tags), tell) in messages.filter(|((_, tags), _)| !tags.is_empty()) {
                let Some(id) = submitted.id else { continue };
                let (account, fate, tags, tell) = (asked.account, submitted.fate, tags.clone(), tell.clone());
                replied.push(Replied { account, id, fate, tags, tell });
            }
        }
        replied
    }
}

impl Ledger {
    /// Nobody will be told what became of it.
    fn web_lost(&mut self, tag: u32) {
        if let Some(submit) = self.submits.get_mut(&tag) {
            submit.is_lost = true;
        }
    }

    /// What a reply says of the segments of a message.
    fn web_answered(&mut self, tags: &[u32], submitted: &Submitted, id: &[u8]) {
        let status = match submitted.fate {
            Fate::Accepted | Fate::Stored => CommandStatus::ROK,
            Fate::Refused(status) => status,
            Fate::Failed(error) => error.into(),
            Fate::InDoubt => CommandStatus::RUNKNOWNERR,
        };
        let was_taken = submitted.id.is_some();
        if status.is_ok() {
            let Some(id) = submitted.id.filter(|_| !tags.is_empty()) else { return };
            if !self.durable_messages.contains(&id.bits()) && !self.outcomes_only {
                self.fail(&format!("A1: {tags:?} were answered before what is known of them was durable"));
            }
            let wants_receipt = self.submits[&tags[0]].wants_receipt && submitted.fate == Fate::Accepted;
            if wants_receipt && !self.durable_ids.contains_key(&id.bits()) && !self.outcomes_only {
                self.fail(&format!("A1: T{} was answered before its correlation was durable", tags[0]));
            }
        }
        for (at, tag) in tags.iter().enumerate() {
            if !status.is_ok() && was_taken && tags.len() > 1 {
                // Of one segment at least it is true.
                self.web_lost(*tag);
            } else if let Some(submit) = self.submits.get_mut(tag) {
                // The others have ids that nobody is told.
                submit.answer = Some((status, if at == 0 { id.to_vec() } else { Vec::new() }));
            }
        }
        if submitted.fate == Fate::Failed(SubmitError::Withdrawn) {
            self.fail(&format!("{tags:?} were withdrawn"));
        }
    }
}
