//! Calling an ESME that is not there: when something waits for it, its address is dialled and told with an outbind to bind
//! (SMPP 3.4, sections 2.2.1 and 4.1.7).
//!
//! What is dialled is then a connection before its bind, as if it had come in: the ESME's bind is checked, counted and timed as any,
//! but on this connection only the account that was called may bind, and only to receive.

use std::net::IpAddr;
use std::time::Duration;

use super::account::Account;
use super::backoff::Backoff;
use super::context::Context;
use super::event::{Action, Notice};
use super::message::{ShardId, ShardMessage};
use super::shard::Connection;
use super::slab::Key;
use super::time::Instant;
use super::unbound::Unbound;
use crate::config::Reconnect;
use crate::smpp::command::SequenceNumber;
use crate::smpp::pdu;

/// Where calls of one account stand.
#[derive(Debug)]
pub struct Calling {
    /// Dialled, and neither bound nor given up yet.
    is_out: bool,
    backoff: Backoff,
    not_before: Instant,
    /// Deliveries acknowledged before somebody came.
    acknowledged: u64,
    /// When a call that has to wait is due.
    pub(super) due: Instant,
}

impl Default for Calling {
    fn default() -> Self {
        let (not_before, due) = (Instant::ZERO, Instant::NEVER);
        Self { is_out: false, backoff: Backoff::default(), not_before, acknowledged: 0, due }
    }
}

impl Calling {
    /// Half of each wait is random.
    const WAITS: Reconnect = Reconnect { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

    fn wait(&mut self, cx: &mut Context<'_>) -> Duration {
        let wait = self.backoff.after_failure(Self::WAITS, cx.random.draw());
        self.not_before = cx.now + wait;
        wait
    }
}

impl Account {
    /// Calls when something waits and nobody is bound to take it.
    pub(super) fn call_if_awaited(&mut self, cx: &mut Context<'_>) {
        let Some(calling) = &mut self.calling else { return };
        calling.due = Instant::NEVER;
        let config = cx.config.account(self.id);
        let Some(outbind) = config.outbind.as_ref().filter(|_| config.enabled && !self.is_disabled && !cx.is_draining)
        else {
            return;
        };
        let is_anybody_there = self.sessions.iter().any(|(_, session)| session.mode.may_receive());
        if calling.is_out || is_anybody_there || self.deliveries.is_empty() {
            return;
        }
        if cx.now < calling.not_before {
            calling.due = calling.not_before;
            return self.arm(cx);
        }
        calling.is_out = true;
        self.counts.outbinds += 1;
        let (account, address) = (self.id, outbind.connect.as_str().into());
        let connection = cx.connections.insert(Connection::Called { account });
        cx.out.open(connection);
        cx.out.act(Action::Call { connection, account, address });
    }

    /// The dialled connection stands.
    pub(super) fn call_answered(&self, connection: Key, address: IpAddr, cx: &mut Context<'_>) -> Unbound {
        cx.out.tell(ShardId(0), ShardMessage::Called { address });
        if let Some(outbind) = &cx.config.account(self.id).outbind {
            let password = outbind.password.as_ref().map_or(&b""[..], |secret| secret.expose());
            let out = cx.out.write(connection);
            pdu::write_outbind(outbind.system_id.as_bytes(), password, SequenceNumber::FIRST, out);
        }
        let mut unbound = Unbound::new(address, false, connection, cx);
        unbound.called = Some(self.id);
        unbound
    }

    /// Nobody answered the call, or who did has not bound.
    pub(super) fn call_failed(&mut self, cx: &mut Context<'_>) {
        let Some(calling) = &mut self.calling else { return };
        calling.is_out = false;
        let retry_in_ms = calling.wait(cx).as_millis() as u64;
        cx.out.notice(Notice::CallFailed { account: self.id, retry_in_ms });
        self.call_if_awaited(cx);
    }

    /// Somebody is there, called or not.
    pub(super) fn receiver_came(&mut self, was_called: bool) {
        let acknowledged = self.acknowledged();
        let Some(calling) = &mut self.calling else { return };
        calling.acknowledged = acknowledged;
        if was_called {
            calling.is_out = false;
            self.counts.outbinds_bound += 1;
        }
    }

    /// Nobody is there any more. Who took something did what he was called for, however soon he left.
    pub(super) fn receivers_left(&mut self, cx: &mut Context<'_>) {
        let (acknowledged, is_all_taken) = (self.acknowledged(), self.deliveries.is_empty());
        let Some(calling) = &mut self.calling else { return };
        if is_all_taken || acknowledged > calling.acknowledged {
            calling.backoff = Backoff::default();
        }
        calling.wait(cx);
    }

    fn acknowledged(&self) -> u64 {
        self.counts.receipts_delivered + self.counts.mo_delivered
    }
}
