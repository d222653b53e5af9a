//! Telling customers' callbacks: one call each, over within five seconds, whatever the receiver does. Where it may go is decided
//! by the addresses its host has now (`http::destination`), and it goes to one of those; it follows no redirect, for that would be
//! a URL nobody judged.

mod ask;
mod failures;
mod line;

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::FutureExt;

use crate::config::AccountId;
use crate::engine::event::Input;
use crate::engine::web::{Post, Posted};
use crate::http::destination::Destination;
use crate::http::webhook::{self, Outgoing};
use crate::runtime::clock;
use crate::runtime::live::Live;
use crate::runtime::resolve::Resolver;
use crate::runtime::shard_loop::ShardLoop;

use ask::Terms;
use failures::Failures;
use line::Lines;

/// From the first look at the name to the end of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Names looked up at once, each by a thread that a name server may hold for longer than a call lasts.
const MOST_LOOKUPS: usize = 64;

/// The calls of one shard.
pub struct Posting {
    resolver: Resolver,
    /// How long a call may take.
    patience: Duration,
    /// Connections kept for the next call.
    lines: RefCell<Lines>,
    failures: RefCell<Failures>,
}

impl Default for Posting {
    fn default() -> Self {
        let resolver = Resolver::default().at_most(MOST_LOOKUPS);
        Self { resolver, patience: CALL_TIMEOUT, lines: RefCell::default(), failures: RefCell::default() }
    }
}

impl Posting {
    /// Closes connections that no call came for.
    pub fn close_idle(&self) {
        self.lines.borrow_mut().close_idle(clock::monotonic_ns());
    }
}

impl ShardLoop {
    /// One try; the engine is told what came of it, once.
    pub(super) fn post(self: &Rc<Self>, post: Post) {
        let shard = Rc::clone(self);
        let calling = async move {
            let called = AssertUnwindSafe(call(&shard, &post)).catch_unwind().await;
            let outcome = called.unwrap_or_else(|_| {
                shard.count_panic();
                Posted::Failed
            });
            shard.handle(Input::Posted { account: post.account, post: post.post, outcome });
        };
        glommio::spawn_local(calling).detach();
    }
}

async fn call(shard: &ShardLoop, post: &Post) -> Posted {
    let (host, asked) = match outgoing(shard, post) {
        Ok((to, outgoing)) => {
            let live = shard.live();
            let asked = shard.posting.ask(&terms(shard, &live, post.account), &to, &outgoing).await;
            (to.host, asked.map_err(|error| error.to_string()))
        }
        Err(why) => (String::new(), Err(why.to_owned())),
    };
    let (outcome, why) = match asked {
        Ok(status) if status.is_success() => return Posted::Taken,
        Ok(status) => (Posted::Refused, format!("it answered {status}")),
        Err(why) => (Posted::Failed, why),
    };
    if let Some(untold) = shard.posting.failures.borrow_mut().tell(post.account, clock::monotonic_ns()) {
        let live = shard.live();
        let account = &live.config.account(post.account).name;
        tracing::warn!(account, host, why, untold, "callback failed");
    }
    outcome
}

fn outgoing(shard: &ShardLoop, post: &Post) -> Result<(Destination, Outgoing), &'static str> {
    let live = shard.live();
    let account = live.config.account(post.account);
    let outgoing = webhook::compose(post, account, clock::since_unix_epoch().as_secs())
        .ok_or("the account has no callback any more")?;
    Destination::read(&outgoing.url, account.calls.allow_http).map(|to| (to, outgoing))
}

fn terms<'a>(shard: &'a ShardLoop, live: &'a Live, account: AccountId) -> Terms<'a> {
    Terms {
        account,
        allow_private: live.config.account(account).calls.allow_private,
        tls: live.tls.callbacks.get(account.index()).and_then(Option::as_ref),
        listens: &shard.shared.listens,
    }
}
