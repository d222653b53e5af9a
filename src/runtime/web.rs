//! What HTTP requests ask of accounts, from the shard their connection was dealt to, and what they are told.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::config::AccountId;
use crate::engine::message::ShardId;
use crate::engine::slab::{Key, Slab};
use crate::engine::web::{Caller, Reply, Request};
use crate::http::References;
use crate::runtime::clock;
use crate::runtime::control::Shared;
use crate::runtime::mesh::{Asked, MeshMessage};
use crate::runtime::shard_loop::ShardLoop;

/// What this shard marks the segments of long messages with: others than those before a restart.
pub(super) fn references(shard: ShardId, shared: &Shared) -> References {
    let first = clock::since_unix_epoch().as_secs() as u16;
    References::new(shard.0, shared.control.shards() as u16, first)
}

/// Requests of this shard's connections that wait for a reply.
#[derive(Default)]
pub struct Callers {
    waiting: RefCell<Slab<Waiting>>,
}

struct Waiting {
    reply: Option<Reply>,
    waker: Waker,
}

impl Callers {
    /// One that is gone is told in vain.
    pub fn replied(&self, request: Key, reply: Reply) {
        if let Some(waiting) = self.waiting.borrow_mut().get_mut(request) {
            waiting.reply = Some(reply);
            waiting.waker.wake_by_ref();
        }
    }
}

/// A request's place among those that wait, given back when its connection goes away first.
struct Place<'a> {
    callers: &'a Callers,
    key: Key,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.callers.waiting.borrow_mut().remove(self.key);
    }
}

impl ShardLoop {
    /// Asks an account's home. Whoever stops waiting for the reply has still asked.
    pub(super) async fn ask_account(self: &Rc<Self>, account: AccountId, request: Request) -> Reply {
        let waiting = Waiting { reply: None, waker: Waker::noop().clone() };
        let key = self.callers.waiting.borrow_mut().insert(waiting);
        let place = Place { callers: &self.callers, key };
        let asked = Asked { account, caller: Caller { shard: self.id, request: key }, request };
        let home = self.in_engine(|engine, _| engine.shard.home_of_account(account));
        if home == self.id {
            self.asked(asked);
        } else {
            self.send(home.index(), MeshMessage::Asked(Box::new(asked)));
        }
        poll_fn(|cx| {
            let mut waiting = place.callers.waiting.borrow_mut();
            let Some(waiting) = waiting.get_mut(key) else { return Poll::Pending };
            match waiting.reply.take() {
                Some(reply) => Poll::Ready(reply),
                None => {
                    waiting.waker.clone_from(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Asks the engine here, whose account it is.
    pub(super) fn asked(&self, asked: Asked) {
        let Asked { account, caller, request } = asked;
        self.in_engine(|engine, now| engine.shard.ask(account, (caller, request), now, &mut engine.out));
    }

    pub(super) fn reply(&self, caller: Caller, reply: Reply) {
        if caller.shard == self.id {
            self.callers.replied(caller.request, reply);
        } else {
            self.send(caller.shard.index(), MeshMessage::Replied(Box::new((caller.request, reply))));
        }
    }
}
