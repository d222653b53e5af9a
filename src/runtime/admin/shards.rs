//! Asking the shards, and waiting for what they answer: no longer than `PATIENCE`, for one that has not answered by then hangs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future;
use glommio::timer::Timer;

use crate::config::Config;
use crate::engine::snapshot::Snapshot;
use crate::runtime::live::Current;
use crate::runtime::mailbox::{Answer, Mailboxes, Question};

/// A shard answers at its next upkeep.
const PATIENCE: Duration = Duration::from_secs(5);
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

    /// Asks every shard for what it has; `None` when one of them does not answer.
    pub async fn all<T>(&self, question: impl Fn(Answer<Vec<T>>) -> Question) -> Option<Vec<T>> {
        let asked = self.mailboxes.ask(question)?.into_iter().map(Some).collect();
        let answers = gather(asked, PATIENCE).await.into_iter().collect::<Option<Vec<_>>>()?;
        Some(answers.into_iter().flatten().collect())
    }
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
