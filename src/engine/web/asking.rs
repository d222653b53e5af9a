//! What the shell brings a shard from HTTP: what requests ask, and what came of calling customers back.

use crate::config::AccountId;
use crate::engine::effects::Effects;
use crate::engine::message::ShardId;
use crate::engine::shard::{Shard, context};
use crate::engine::slab::Key;
use crate::engine::time::Instant;

use super::{Caller, Posted, Request};

impl Shard {
    /// A request asks this of an account at home here; `Action::Reply` follows, now or later.
    pub fn ask(&mut self, account: AccountId, asked: (Caller, Request), now: Instant, out: &mut Effects) {
        let (caller, request) = asked;
        if let Some(account) = &mut self.accounts[account.index()] {
            account.ask(caller, request, context!(self, now, out));
        }
    }

    pub(in crate::engine) fn handle_posted(
        &mut self,
        account: AccountId,
        (post, outcome): (Key, Posted),
        now: Instant,
        out: &mut Effects,
    ) {
        if let Some(account) = &mut self.accounts[account.index()] {
            account.posted(post, outcome, context!(self, now, out));
        }
    }

    #[must_use]
    pub fn home_of_account(&self, account: AccountId) -> ShardId {
        self.placement.home_of_account(account)
    }
}
