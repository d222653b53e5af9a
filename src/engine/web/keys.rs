//! Idempotency-Keys at their account's home: a request that is repeated is told what the first was told, and sends nothing.
//!
//! What a request with a key is about to send is recorded first, with the ids of its messages and their segments: the intent. None
//! of it leaves before that is durable. When every message is settled the answer takes the intent's place, in one commit with what is
//! kept of the messages, durable before the reply. From then on, for `KEPT_FOR`:
//!
//! - the same key and body are answered as the first time, also by a later process;
//! - the same key with another body is refused, and so is one whose first request is still open.
//!
//! An intent that a start finds without an answer is in doubt, and nothing of it is sent again; but messages whose every segment is
//! known to have been accepted, by correlations, are. Either way they have their records, under the ids of the intent.
//!
//! A key is given back when a retry is to be a real one: nothing of its request can have been sent, and not all of it was refused
//! by carriers for good. So a batch of which anything was sent is answered in the same way again, also for those that were throttled:
//! they go out under another key. Where accounts store (`accept: store`) nothing leaves before everything is durable, and in the same
//! commit the key with its answer: no intent is needed. What was refused before it got here never had a key.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};

use crate::config::{self, NumberSet};
use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::event::{HoldingKind, SubmitError};
use crate::engine::holdings::Holdings;
use crate::engine::message::Outcome;
use crate::engine::policy;
use crate::engine::slab::Key;
use crate::smpp::command::CommandStatus;
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

use super::key_record::{Intended, KeyRecord, Standing};
use super::record::Record;
use super::submission::Under;
use super::{Fate, IdempotencyKey, Message, Reply, SegmentStatus, Submitted};

#[derive(Debug, Default)]
pub struct Keys {
    of: AHashMap<Box<[u8]>, Known>,
    /// Records of answers, in the order they were kept. Some are kept no more.
    settled: VecDeque<u64>,
}

#[derive(Debug)]
enum Known {
    /// Its request is not replied to; the record of what it sends, then of its answer, while that is not durable.
    Open { digest: [u8; 32], record: Option<u64> },
    /// The record of its answer.
    Settled(u64),
}

impl Keys {
    /// How long an answer is repeated.
    const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
    /// Keys an account may have at once: beyond that the oldest answer is forgotten sooner.
    const MOST: usize = 1_000_000;
    /// Looked at in one sweep: these, and a part of all.
    const SLICE: usize = 1_024;
    const SLICES: usize = 16;

    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// What a request with this key is told at once; `None` when it is the first, which has the key then.
    fn claim(&mut self, asked: &IdempotencyKey, holdings: &Holdings) -> Option<Reply> {
        match self.of.get(&asked.key) {
            Some(Known::Open { digest, .. }) if *digest == asked.digest => return Some(Reply::KeyBusy),
            Some(Known::Open { .. }) => return Some(Reply::KeyReused),
            Some(Known::Settled(record)) => {
                let record = holdings.get(*record).and_then(|holding| KeyRecord::read(&holding.body));
                match record.map(|record| (*record.digest == asked.digest, record.standing)) {
                    Some((true, Standing::Settled(answer))) => return Some(Reply::Submitted(answer)),
                    Some((false, _)) => return Some(Reply::KeyReused),
                    Some((true, Standing::Open(_))) | None => {}
                }
            }
            None => {}
        }
        self.of.insert(asked.key.clone(), Known::Open { digest: asked.digest, record: None });
        None
    }

    /// What is kept of it from now on while its request is open: the intent, then the answer, or nothing more when the key is given
    /// back. Returns what was.
    fn keep(&mut self, key: &[u8], now: Option<u64>) -> Option<u64> {
        match self.of.get_mut(key) {
            Some(Known::Open { record, .. }) => std::mem::replace(record, now),
            Some(Known::Settled(_)) | None => None,
        }
    }

    /// Its request is replied to.
    fn close(&mut self, key: &[u8]) {
        match self.of.remove(key) {
            Some(Known::Open { record: Some(record), .. }) => drop(self.settle(key, record)),
            Some(Known::Open { record: None, .. } | Known::Settled(_)) | None => {}
        }
    }

    /// Its answer is repeated from now on. Returns the record of another one.
    fn settle(&mut self, key: &[u8], record: u64) -> Option<u64> {
        self.settled.push_back(record);
        match self.of.insert(key.into(), Known::Settled(record)) {
            Some(Known::Settled(older)) => Some(older),
            Some(Known::Open { .. }) | None => None,
        }
    }

    /// Answers that were kept before `oldest`, as many as one sweep takes, and those that are too many.
    fn take_old(&mut self, oldest: Option<u32>, holdings: &Holdings) -> Vec<u64> {
        let mut slice = Self::SLICE + self.of.len() / Self::SLICES;
        let mut taken = Vec::new();
        while slice > 0
            && let Some(record) = self.settled.front()
        {
            let is_over = |born: u32| oldest.is_some_and(|oldest| born < oldest);
            match holdings.get(*record) {
                Some(holding) if is_over(holding.born) || self.of.len() - taken.len() > Self::MOST => {
                    taken.push(*record);
                }
                Some(_) => break,
                None => {}
            }
            self.settled.pop_front();
            slice -= 1;
        }
        taken
    }
}

impl Account {
    /// What a request with this key is told at once; `None` when it is to go on, and has the key.
    pub(super) fn claim_key(&mut self, asked: &IdempotencyKey) -> Option<Reply> {
        self.keys.claim(asked, &self.holdings)
    }

    /// Gives each message of a request with a key its ids, and keeps what is about to be sent. False when that is nothing.
    pub(super) fn intend(&mut self, submission: Key, cx: &mut Context<'_>) -> bool {
        let (config, now) = (cx.config.account(self.id), cx.unix_seconds());
        let Some(open) = self.submissions.open.get_mut(submission) else { return false };
        let Some(key) = &open.key else { return false };
        let why_not = match () {
            () if cx.is_draining => Some(SubmitError::Draining),
            () if !cx.has_room => Some(SubmitError::StoreFull),
            () => None,
        };
        let mut messages = Vec::with_capacity(open.messages.len());
        for under in &open.messages {
            let (record, intended) = match why_not {
                Some(error) => Err(error),
                None => under.intend((config, self.opt_out.as_deref()), now, cx),
            }
            .map_or_else(
                |error| (Intended::Refused(error), Err(error)),
                |record| (Intended::Sent { ids: record.ids.clone(), message: record.write().into() }, Ok(record.ids)),
            );
            open.intended.push(intended);
            messages.push(record);
        }
        if open.intended.iter().all(Result::is_err) {
            return false;
        }
        let octets = KeyRecord::open(key, &messages);
        let record = self.holdings.keep(HoldingKind::Keyed, MessageId::new(0), &octets, cx);
        self.keys.keep(&key.key, Some(record));
        true
    }

    /// A request's every message is settled: the answer is kept in the intent's place, or the key given back. One commit has both,
    /// and what is kept of the messages; whoever is told waits for it.
    pub(super) fn settle_key(&mut self, submission: Key, cx: &mut Context<'_>) {
        let Some(open) = self.submissions.open.get(submission) else { return };
        let Some(key) = open.key.clone() else { return };
        let (is_kept, answer) = (is_repeated(&open.messages), open.answer());
        self.put_answer(&key, is_kept.then_some(&answer), cx);
    }

    fn put_answer(&mut self, key: &IdempotencyKey, answer: Option<&Vec<Submitted>>, cx: &mut Context<'_>) {
        let record = answer.map(|answer| {
            let octets = KeyRecord::settled(key, answer);
            self.holdings.keep(HoldingKind::Keyed, MessageId::new(0), &octets, cx)
        });
        if let Some(intent) = self.keys.keep(&key.key, record) {
            self.holdings.forget(intent, cx);
            // Found again after a crash it would be in doubt.
            cx.out.await_removals();
        }
        self.arm(cx);
    }

    /// A request is replied to: its key is free for others, with its answer if that was kept.
    pub(super) fn close_key(&mut self, key: &IdempotencyKey, cx: &mut Context<'_>) {
        self.keys.close(&key.key);
        self.forget_old_keys(None, cx);
    }

    /// Finds again what an earlier process kept. `accepted` are ids that a carrier's home knows by now.
    pub(in crate::engine) fn start_keys(&mut self, accepted: &AHashSet<MessageId>, cx: &mut Context<'_>) {
        let (mut intents, mut useless) = (Vec::new(), Vec::new());
        for (at, holding) in self.holdings.of_kind(HoldingKind::Keyed) {
            let Some(record) = KeyRecord::read(&holding.body) else { continue };
            match record.standing {
                Standing::Settled(_) => {
                    // One that was read twice: the process ended between the two records of a change, and the later counts.
                    useless.extend(self.keys.settle(record.key, at));
                }
                Standing::Open(_) => intents.push(at),
            }
        }
        for at in useless {
            self.holdings.forget(at, cx);
        }
        for at in intents {
            self.end_intent(at, accepted, cx);
        }
    }

    /// The process that was to settle it is no more.
    fn end_intent(&mut self, at: u64, accepted: &AHashSet<MessageId>, cx: &mut Context<'_>) {
        let Some(octets) = self.holdings.get(at).map(|holding| holding.body.clone()) else { return };
        let Some(KeyRecord { key, digest, standing: Standing::Open(messages) }) = KeyRecord::read(&octets) else {
            return;
        };
        if matches!(self.keys.of.get(key), Some(Known::Settled(_))) {
            self.holdings.forget(at, cx);
            return;
        }
        let answer: Vec<_> = messages.into_iter().map(|message| self.end_intended(message, accepted, cx)).collect();
        let key = IdempotencyKey { key: key.into(), digest: *digest };
        self.keys.of.insert(key.key.clone(), Known::Open { digest: key.digest, record: Some(at) });
        self.put_answer(&key, Some(&answer), cx);
        self.close_key(&key, cx);
    }

    /// What became of one of its messages, which has its record from now on.
    fn end_intended(
        &mut self,
        message: Intended<'_>,
        accepted: &AHashSet<MessageId>,
        cx: &mut Context<'_>,
    ) -> Submitted {
        let (id, message) = match message {
            Intended::Refused(error) => return Submitted { id: None, fate: Fate::Failed(error) },
            Intended::Sent { ids, message } => (ids.first().copied(), message),
        };
        // It has one already when a receipt came before the others were settled.
        let kept = id.and_then(|id| self.kept_record(id));
        let record = kept.or_else(|| {
            let mut record = Record::read(&message)?;
            record.close(accepted, cx.unix_seconds());
            self.put_record(&record, cx);
            Some(record)
        });
        let was_accepted = |segment: &SegmentStatus| segment.accepted > 0;
        let is_accepted = record.is_some_and(|record| record.status.segments.iter().all(was_accepted));
        Submitted { id, fate: if is_accepted { Fate::Accepted } else { Fate::InDoubt } }
    }

    /// Forgets some of the answers that were repeated for long enough.
    pub(in crate::engine) fn sweep_keys(&mut self, cx: &mut Context<'_>) {
        self.forget_old_keys(cx.wall.oldest_kept(Keys::KEPT_FOR, cx.now), cx);
    }

    fn forget_old_keys(&mut self, oldest: Option<u32>, cx: &mut Context<'_>) {
        for at in self.keys.take_old(oldest, &self.holdings) {
            let Some(holding) = self.holdings.forget(at, cx) else { continue };
            let key = KeyRecord::read(&holding.body).map(|record| record.key);
            if let Some(key) = key
                && matches!(self.keys.of.get(key), Some(Known::Settled(known)) if *known == at)
            {
                self.keys.of.remove(key);
            }
        }
    }
}

/// Whether a request is told the same when it is repeated: something of it may have been sent, or carriers refused all of it for good.
fn is_repeated(messages: &[Under]) -> bool {
    let may_have_left = |under: &Under| match under {
        Under::Taken(taken) => taken.may_have_left(),
        Under::Waits(_) | Under::Refused(_) => false,
    };
    let is_refused_for_good = |under: &Under| match under {
        Under::Taken(taken) => taken.outcomes.iter().flatten().any(|outcome| match outcome {
            Outcome::Refused(status) => !may_pass(*status),
            Outcome::Accepted | Outcome::Failed(_) | Outcome::InDoubt => false,
        }),
        Under::Waits(_) | Under::Refused(_) => false,
    };
    messages.iter().any(may_have_left) || messages.iter().all(is_refused_for_good)
}

/// Whether a carrier that refused for this may accept later.
fn may_pass(status: CommandStatus) -> bool {
    matches!(
        status,
        CommandStatus::RTHROTTLED | CommandStatus::RMSGQFUL | CommandStatus::RSYSERR | CommandStatus::RX_T_APPN
    )
}

impl Under {
    /// Its record as it is before anything of it leaves, with ids of its own; or why it will not.
    fn intend(
        &self,
        (config, opt_out): (&config::Account, Option<&NumberSet>),
        now: u32,
        cx: &mut Context<'_>,
    ) -> Result<Record, SubmitError> {
        let Self::Waits(message) = self else { return Err(SubmitError::Withdrawn) };
        let first = message.segments.first().ok_or(SubmitError::NoIds)?;
        let view = SmView::submit(first).map_err(SubmitError::Malformed)?;
        policy::check(config, opt_out, &view)?;
        let ids: Vec<MessageId> = message.segments.iter().map_while(|_| cx.ids.issue(cx.out)).collect();
        if ids.len() < message.segments.len() {
            return Err(SubmitError::NoIds);
        }
        let addresses = [policy::sender(config, view.source).digits, view.destination.digits];
        let (reference, tell) = (message.reference.clone(), message.tell.clone());
        let without_bodies = Message { segments: Vec::new(), reference, tell };
        Record::new(without_bodies, addresses, ids, now).ok_or(SubmitError::NoIds)
    }
}
