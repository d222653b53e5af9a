//! What the admin listener asks of the shards. It runs on a thread of its own and is not of the mesh: a shard looks into its box at
//! each upkeep, and hands its answer over.

use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glommio::timer::sleep;

use crate::config::{AccountId, CarrierId};
use crate::engine::account_orders::{AccountOrder, Purged};
use crate::engine::event::Input;
use crate::engine::history::{Found, Search};
use crate::engine::orders::Order;
use crate::engine::snapshot::{CarrierStatus, SessionStatus, Snapshot};
use crate::engine::time::Instant;
use crate::engine::trace::Traced;
use crate::engine::web::{Message, Reply, Request, Submission, Submitted, Tell};
use crate::runtime::handover::Handover;
use crate::runtime::reload::Step;
use crate::runtime::shard_loop::ShardLoop;
use crate::smpp::message_id::MessageId;

/// What one shard is asked, with where its answer goes.
pub enum Question {
    /// How everything at home there stands.
    Snapshot { answer: Answer<Snapshot> },
    /// The sessions of one account, or of all at home there.
    Sessions { account: Option<AccountId>, answer: Answer<Vec<SessionStatus>> },
    /// An order, if there is one, and how the carriers at home there stand afterwards.
    Carriers { order: Option<(CarrierId, Option<u16>, Order)>, answer: Answer<Vec<CarrierStatus>> },
    /// An order to an account: how many of its sessions were told to go.
    Account { account: AccountId, order: AccountOrder, answer: Answer<Option<usize>> },
    /// To forget what waits for an account and came until then, in Unix seconds, from a place on.
    Purge { account: AccountId, from: usize, until: u32, answer: Answer<Option<Purged>> },
    /// What is known of messages.
    Find { ids: Vec<MessageId>, answer: Answer<Found> },
    /// To trace an account for so long.
    StartTrace { account: AccountId, span: Duration, answer: Answer<Option<()>> },
    /// What was traced of it, from this number on.
    Trace { account: AccountId, after: u64, answer: Answer<Option<(Traced, Instant)>> },
    /// To submit a message of an account through one carrier: what became of it.
    Send { account: AccountId, carrier: CarrierId, segments: Vec<Box<[u8]>>, answer: Answer<Option<Vec<Submitted>>> },
    /// A step of a reload; it says when it is done.
    Reload { step: Box<Step>, done: Sender<()> },
}

pub type Answer<T> = Arc<Handover<T>>;

type Questions = Mutex<Vec<Question>>;

/// One box for each shard.
pub struct Mailboxes {
    boxes: Box<[Questions]>,
}

impl Mailboxes {
    /// As many as the admin listener has connections; a shard that hangs empties no box.
    const ROOM: usize = 64;

    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self { boxes: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Asks every shard. `None` when one of them has let too many questions pile up.
    #[must_use]
    pub fn ask<T>(&self, question: impl Fn(Answer<T>) -> Question) -> Option<Vec<Answer<T>>> {
        if self.boxes.iter().any(|questions| lock(questions).len() >= Self::ROOM) {
            return None;
        }
        Some(self.boxes.iter().map(|questions| put(questions, &question)).collect())
    }

    /// Asks every shard that takes a question.
    #[must_use]
    pub fn ask_each<T>(&self, question: impl Fn(Answer<T>) -> Question) -> Vec<Option<Answer<T>>> {
        let put = |questions: &Questions| {
            let has_room = lock(questions).len() < Self::ROOM;
            has_room.then(|| put(questions, &question))
        };
        self.boxes.iter().map(put).collect()
    }

    /// Has every shard do something. How many there are; `None` when one of them has let too many questions pile up.
    #[must_use]
    pub fn tell(&self, question: impl Fn() -> Question) -> Option<usize> {
        if self.boxes.iter().any(|questions| lock(questions).len() >= Self::ROOM) {
            return None;
        }
        self.boxes.iter().for_each(|questions| lock(questions).push(question()));
        Some(self.boxes.len())
    }

    #[must_use]
    pub fn take(&self, shard: usize) -> Vec<Question> {
        std::mem::take(&mut *lock(&self.boxes[shard]))
    }
}

fn put<T>(questions: &Questions, question: impl Fn(Answer<T>) -> Question) -> Answer<T> {
    let answer = Handover::new();
    lock(questions).push(question(Arc::clone(&answer)));
    answer
}

fn lock<T>(questions: &Mutex<T>) -> MutexGuard<'_, T> {
    questions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ShardLoop {
    /// Does what the admin listener asked for since the last look.
    pub fn read_mail(self: &Rc<Self>) {
        for question in self.shared.mailboxes.take(self.id.index()) {
            match question {
                Question::Snapshot { answer } => {
                    answer.give(self.in_engine(|engine, now| engine.shard.snapshot(now, &mut engine.out)));
                }
                Question::Sessions { account, answer } => {
                    answer.give(self.in_engine(|engine, _| engine.shard.session_statuses(account)));
                }
                Question::Account { account, order, answer } => answer.give(
                    self.in_engine(|engine, now| engine.shard.order_account(account, order, now, &mut engine.out)),
                ),
                Question::Purge { account, from, until, answer } => answer.give(
                    self.in_engine(|engine, now| engine.shard.purge(account, (from, until), now, &mut engine.out)),
                ),
                Question::Find { ids, answer } => {
                    glommio::spawn_local(Rc::clone(self).find(ids, answer)).detach();
                }
                Question::StartTrace { account, span, answer } => {
                    answer
                        .give(self.in_engine(|engine, now| engine.shard.start_trace(account, span, now, &engine.out)));
                }
                Question::Trace { account, after, answer } => {
                    answer.give(self.in_engine(|engine, now| Some((engine.shard.traced(account, after, now)?, now))))
                }
                Question::Send { account, carrier, segments, answer } => {
                    glommio::spawn_local(Rc::clone(self).send_test((account, carrier), segments, answer)).detach();
                }
                Question::Reload { step, done } => {
                    self.take_step(*step);
                    // Who asked may have given up.
                    let _ = done.send(());
                }
                Question::Carriers { order, answer } => answer.give(self.in_engine(|engine, now| {
                    if let Some((carrier, link, order)) = order {
                        engine.shard.handle(Input::Order { carrier, link, order }, now, &mut engine.out);
                    }
                    engine.shard.carrier_statuses(now, &mut engine.out)
                })),
            }
        }
    }

    /// Looks step by step, so that nothing else waits for it.
    async fn find(self: Rc<Self>, ids: Vec<MessageId>, answer: Answer<Found>) {
        const PAUSE: Duration = Duration::from_millis(1);
        let mut search = Search::new(ids);
        while self.in_engine(|engine, _| search.step(&engine.shard)) {
            sleep(PAUSE).await;
        }
        answer.give(self.in_engine(|engine, _| search.found(&engine.shard)));
    }

    /// Submits at the account's home.
    async fn send_test(
        self: Rc<Self>,
        (account, carrier): (AccountId, CarrierId),
        segments: Vec<Box<[u8]>>,
        answer: Answer<Option<Vec<Submitted>>>,
    ) {
        if self.in_engine(|engine, _| engine.shard.home_of_account(account)) != self.id {
            return answer.give(None);
        }
        let messages = vec![Message { segments, reference: None, tell: Tell::Nobody }];
        let request = Request::SubmitBy(carrier, Submission { messages, key: None });
        answer.give(match self.ask_account(account, request).await {
            Reply::Submitted(submitted) => Some(submitted),
            Reply::KeyReused | Reply::KeyBusy | Reply::Status(_) | Reply::Found(_) => None,
        });
    }
}
