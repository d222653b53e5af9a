//! Asking the shards, and waiting for what they answer: no longer than `PATIENCE`, for one that has not answered by then hangs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future;
use glommio::timer::Timer;
use hyper::StatusCode;

use crate::config::Config;
use crate::engine::snapshot::Snapshot;
use crate::runtime::admin::answer::{Refusal, refusal};
use crate::runtime::live::Current;
use crate::runtime::mailbox::{Answer, Mailboxes, Question};

/// A shard answers at its next upkeep.
const PATIENCE: Duration = Duration::from_secs(5);
/// And a submit's when its carrier has answered, or could have; no longer than the listener waits with its own answer.
const SUBMIT_PATIENCE: Duration = Duration::from_secs(25);
/// What is looked at every second is told of a shard that hangs sooner.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Shards {
    current: Arc<Current>,
    mailboxes: Arc<Mailboxes>,
}

impl Shards {
    #[must_use]
    pub fn new(current: Arc<Current>, mailboxes: Arc<Mailboxes>) -> Self {
        Self { current, mailboxes }
    }

    /// As the last reload left it.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.current.get()
    }

    /// How each shard stands, in their order; `None` for one that does not answer.
    pub async fn snapshots(&self) -> Vec<Option<Snapshot>> {
        let asked = self.mailboxes.ask_each(|answer| Question::Snapshot { answer });
        gather(asked, STATUS_PATIENCE).await
    }

    /// Asks every shard for what it has of something.
    pub async fn all<T>(&self, question: impl Fn(Answer<Vec<T>>) -> Question) -> Result<Vec<T>, Refusal> {
        Ok(self.all_of(question).await?.into_iter().flatten().collect())
    }

    /// What each of them answers.
    pub async fn all_of<T>(&self, question: impl Fn(Answer<T>) -> Question) -> Result<Vec<T>, Refusal> {
        let answers = self.ask(question, PATIENCE).await?;
        answers.into_iter().collect::<Option<_>>().ok_or_else(does_not_answer)
    }

    /// Asks the one that it concerns, whichever that is.
    pub async fn one<T>(&self, question: impl Fn(Answer<Option<T>>) -> Question) -> Result<T, Refusal> {
        let answers = self.ask(question, PATIENCE).await?;
        answers.into_iter().flatten().flatten().next().ok_or_else(does_not_answer)
    }

    /// The same of what takes as long as a carrier's answer.
    pub async fn one_soon<T>(&self, question: impl Fn(Answer<Option<T>>) -> Question) -> Result<T, Refusal> {
        let answers = self.ask(question, SUBMIT_PATIENCE).await?;
        answers.into_iter().flatten().flatten().next().ok_or_else(does_not_answer)
    }

    async fn ask<T>(
        &self,
        question: impl Fn(Answer<T>) -> Question,
        patience: Duration,
    ) -> Result<Vec<Option<T>>, Refusal> {
        let asked = self.mailboxes.ask(question).ok_or_else(does_not_answer)?;
        Ok(gather(asked.into_iter().map(Some).collect(), patience).await)
    }
}

fn does_not_answer() -> Refusal {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "a shard does not answer")
}

async fn gather<T>(asked: Vec<Option<Answer<T>>>, patience: Duration) -> Vec<Option<T>> {
    let mut late = pin!(Timer::new(patience));
    let mut answers = Vec::new();
    for answer in asked {
        let given = async { Some(answer?.take().await) };
        // What was given is taken also when it is late by now.
        let too_late = async {
            late.as_mut().await;
            None
        };
        answers.push(future::or(given, too_late).await);
    }
    answers
}
