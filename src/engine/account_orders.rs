//! What an operator orders an account while it runs: nothing more of it for a while, sessions away, its delivery queue emptied. Held
//! until the next order or the end of the process; the file is not changed, and a reload changes nothing of it.

use super::account::Account;
use super::cdr::GivenUp;
use super::context::Context;
use super::effects::Effects;
use super::session::SessionState;
use super::shard::{Shard, context};
use super::slab::Key;
use super::time::Instant;
use crate::config::AccountId;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccountOrder {
    /// Its sessions go, and neither binds nor submits of it are taken. What was accepted goes on, and what waits for it waits.
    Disable,
    Enable,
    /// One of its sessions goes, or all of them; it may bind again.
    Unbind {
        session: Option<Key>,
    },
}

/// How far a purge has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Purged {
    /// Receipts and MO that were forgotten.
    pub gone: u64,
    /// Where it goes on; `None` when it is done.
    pub next: Option<usize>,
}

impl Shard {
    /// How many sessions were told to go; `None` when the account is not at home here.
    pub fn order_account(
        &mut self,
        account: AccountId,
        order: AccountOrder,
        now: Instant,
        out: &mut Effects,
    ) -> Option<usize> {
        let account = self.accounts.get_mut(account.index())?.as_mut()?;
        Some(account.order(order, context!(self, now, out)))
    }

    /// Forgets some of what waits for the account and came until then, in Unix seconds, from a place on.
    pub fn purge(
        &mut self,
        account: AccountId,
        (from, until): (usize, u32),
        now: Instant,
        out: &mut Effects,
    ) -> Option<Purged> {
        let account = self.accounts.get_mut(account.index())?.as_mut()?;
        Some(account.purge(from, until, context!(self, now, out)))
    }
}

impl Account {
    fn order(&mut self, order: AccountOrder, cx: &mut Context<'_>) -> usize {
        let session = match order {
            AccountOrder::Enable => {
                self.is_disabled = false;
                self.call_if_awaited(cx);
                return 0;
            }
            AccountOrder::Disable => {
                self.is_disabled = true;
                None
            }
            AccountOrder::Unbind { session } => session,
        };
        let is_meant = |key: &Key| session.is_none_or(|session| session == *key);
        let open = self.sessions.iter().filter(|(_, session)| session.state == SessionState::Open);
        let leaving: Vec<Key> = open.map(|(key, _)| key).filter(is_meant).collect();
        for key in &leaving {
            self.ask_to_leave(*key, cx);
        }
        leaving.len()
    }

    /// Says goodbye once what the session submitted is answered, or when that can be waited for no longer.
    pub(super) fn ask_to_leave(&mut self, at: Key, cx: &mut Context<'_>) {
        let until = cx.now + cx.config.smpp.timers.response;
        let Some(session) = self.sessions.get_mut(at).filter(|session| session.state == SessionState::Open) else {
            return;
        };
        if session.outstanding == 0 && session.asked == 0 {
            return self.say_goodbye(at, cx.now + cx.config.smpp.timers.session_init, cx);
        }
        session.state = SessionState::Leaving { until };
        self.arm_session(at, cx);
    }

    /// What was sent and may yet be acknowledged stays.
    fn purge(&mut self, from: usize, until: u32, cx: &mut Context<'_>) -> Purged {
        let (over, next) = self.deliveries.waiting_since(from, until);
        let slots = self.deliveries.slots();
        let of_deliveries = over.len() as u64;
        for key in over {
            self.line_of_undelivered(key, GivenUp::Purged, cx);
            if let Some((_, kept)) = self.deliveries.done(key) {
                self.forget(kept, cx);
            }
        }
        // Callbacks' events are few at a time.
        let events = self.purge_events(until, cx);
        let gone = of_deliveries + events;
        self.counts.deliveries_purged += gone;
        self.pump_deliveries(cx);
        self.arm(cx);
        Purged { gone, next: next.or((events > 0).then_some(slots)) }
    }
}
