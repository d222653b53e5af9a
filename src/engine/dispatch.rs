//! Finding who an input is for: a connection's owner, a message's account or carrier, a deadline's owner.

use std::net::IpAddr;

use super::context::Context;
use super::delivery::Incoming;
use super::drain::{Drain, Goodbyes};
use super::effects::Effects;
use super::event::{Action, EndReason};
use super::gate::Was;
use super::message::{Batch, Outcome, ShardId, ShardMessage};
use super::shard::{Connection, Shard, context};
use super::slab::Key;
use super::stored::Ask;
use super::time::Instant;
use super::timers::Owner;
use super::unbound::{self, Unbound};
use crate::config::{AccountId, CarrierId};
use crate::smpp::command::CommandStatus;
use crate::smpp::frame::Fault;

impl Shard {
    pub(super) fn handle_fault(&mut self, connection: Key, fault: Fault, now: Instant, out: &mut Effects) {
        match self.connections.get(connection) {
            Some(Connection::Session { account, session }) => {
                let (account, session) = (*account, *session);
                let cx = context!(self, now, out);
                cx.counts.protocol_errors += 1;
                unbound::write_fault(connection, fault, cx);
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.end_session(session, EndReason::LostFraming, cx);
                }
            }
            Some(Connection::Link { carrier, link }) => {
                let (carrier, link) = (*carrier, usize::from(*link));
                let cx = context!(self, now, out);
                cx.counts.protocol_errors += 1;
                unbound::write_fault(connection, fault, cx);
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.close_link(link, EndReason::LostFraming, cx);
                }
            }
            Some(Connection::Unbound(_)) => {
                self.with_unbound(connection, now, out, |unbound, cx| unbound.handle_fault(connection, fault, cx));
            }
            Some(Connection::Moving { .. } | Connection::Called { .. }) | None => {}
        }
    }

    /// A connection dialled for an ESME stands: it waits for a bind as if it had come in.
    pub(super) fn handle_called(&mut self, connection: Key, address: IpAddr, now: Instant, out: &mut Effects) {
        let Some(Connection::Called { account }) = self.connections.get(connection) else { return };
        let Some(account) = &self.accounts[account.index()] else { return };
        if self.drain.is_begun() {
            return out.act(Action::Close { connection });
        }
        let unbound = account.call_answered(connection, address, context!(self, now, out));
        if let Some(connection) = self.connections.get_mut(connection) {
            *connection = Connection::Unbound(unbound);
        }
    }

    fn call_failed(&mut self, account: AccountId, now: Instant, out: &mut Effects) {
        if let Some(account) = &mut self.accounts[account.index()] {
            account.call_failed(context!(self, now, out));
        }
    }

    pub(super) fn handle_closed(&mut self, connection: Key, now: Instant, out: &mut Effects) {
        match self.connections.remove(connection) {
            Some(Connection::Session { account, session }) => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.session_closed(session, context!(self, now, out));
                }
            }
            Some(Connection::Link { carrier, link }) => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.link_closed(usize::from(link), connection, context!(self, now, out));
                }
            }
            Some(Connection::Unbound(unbound)) => {
                let address = unbound.address;
                let was = if unbound.was_counted_bound() { Was::Bound } else { Was::Unbound };
                self.counts.handshakes_failed += u64::from(unbound.is_handshaking());
                out.tell(ShardId(0), ShardMessage::Ended { address, was });
                if let Some(account) = unbound.called {
                    self.call_failed(account, now, out);
                }
            }
            Some(Connection::Moving { address, called }) => {
                out.tell(ShardId(0), ShardMessage::Ended { address, was: Was::Unbound });
                if let Some(account) = called {
                    self.call_failed(account, now, out);
                }
            }
            Some(Connection::Called { account }) => self.call_failed(account, now, out),
            None => {}
        }
        out.release(connection);
    }

    pub(super) fn handle_blocked(&mut self, connection: Key, now: Instant, out: &mut Effects) {
        match self.connections.get(connection) {
            Some(Connection::Session { account, session }) => {
                let session = *session;
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.session_blocked(session, context!(self, now, out));
                }
            }
            Some(Connection::Link { carrier, .. }) => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.arm(context!(self, now, out));
                }
            }
            Some(Connection::Unbound(_)) => {
                self.with_unbound(connection, now, out, |unbound, cx| unbound.blocked(connection, cx));
            }
            Some(Connection::Moving { .. } | Connection::Called { .. }) | None => {}
        }
    }

    pub(super) fn handle_unblocked(&mut self, connection: Key, now: Instant, out: &mut Effects) {
        match self.connections.get(connection) {
            Some(Connection::Session { account, .. }) => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.pump_deliveries(context!(self, now, out));
                }
            }
            // It may have been read no further while too much waited for it.
            Some(Connection::Link { .. } | Connection::Unbound(_)) => out.act(Action::Resume { connection }),
            Some(Connection::Moving { .. } | Connection::Called { .. }) | None => {}
        }
    }

    pub(super) fn handle_batch(&mut self, batch: &Batch, now: Instant, out: &mut Effects) {
        for message in &batch.messages {
            self.handle_message(message, batch, now, out);
        }
    }

    pub(super) fn handle_message(&mut self, message: &ShardMessage, batch: &Batch, now: Instant, out: &mut Effects) {
        match *message {
            ShardMessage::Submit { carrier, ref info, claim, course, body } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.submit(*info, claim, course, batch.octets(body), context!(self, now, out));
                }
            }
            ShardMessage::Shown { carrier, id, shown } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.shown.announce(id, shown);
                }
            }
            ShardMessage::SubmitDone { account, submit, outcome, is_over, at, sent } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    let said = (is_over, batch.octets(sent));
                    account.submit_done(submit, (outcome, at), said, context!(self, now, out));
                }
            }
            ShardMessage::StateKept { account, submit } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.answer_submit(submit, Outcome::Accepted, context!(self, now, out));
                }
            }
            ShardMessage::WebIntended { account, submission } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.begin_submission(submission, context!(self, now, out));
                }
            }
            ShardMessage::WebKept { account, submission } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.web_kept(submission, context!(self, now, out));
                }
            }
            ShardMessage::EventKept { account, key } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.event_kept(key, context!(self, now, out));
                }
            }
            ShardMessage::Ask { carrier, request, body } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.ask(request, batch.octets(body), context!(self, now, out));
                }
            }
            ShardMessage::Answered { request, status, body } => {
                if let Some(account) = &mut self.accounts[request.account.index()] {
                    account.answered(request, status, batch.octets(body), context!(self, now, out));
                }
            }
            ShardMessage::SubmitReturned { account, submit, deadline, reason, course, body } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    let body = batch.octets(body);
                    account.submit_returned(submit, deadline, (reason, course), body, context!(self, now, out));
                }
            }
            ShardMessage::StoredDone { account, submit, stored } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.stored_done(submit, stored, context!(self, now, out));
                }
            }
            ShardMessage::StoredFailed { account, id, kept, body } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.stored_failed(id, kept, batch.octets(body), context!(self, now, out));
                }
            }
            ShardMessage::AskSend { account, submit, carrier, link, connection, sequence } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    let ask = Ask { submit, carrier, link, connection, sequence };
                    account.ask_send(ask, context!(self, now, out));
                }
            }
            ShardMessage::MaySend { carrier, link, connection, sequence } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.may_send(usize::from(link), connection, sequence, context!(self, now, out));
                }
            }
            ShardMessage::Withdraw { carrier, account, session } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.withdraw(account, session, context!(self, now, out));
                }
            }
            ShardMessage::Deliver { account, carrier, in_hand, kind, is_fresh, is_behind, id, body } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    let incoming = Incoming { carrier, in_hand, kind, is_fresh, is_behind, id };
                    account.deliver(incoming, batch.octets(body), context!(self, now, out));
                }
            }
            ShardMessage::DeliverDone { carrier, in_hand, is_kept } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.deliver_done(in_hand, is_kept, context!(self, now, out));
                }
            }
            ShardMessage::PartFailed { account, id } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.part_failed(id, context!(self, now, out));
                }
            }
            ShardMessage::Refused { account, session, command, sequence, error } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.refusal_kept(session, (command, sequence), error, context!(self, now, out));
                }
            }
            ShardMessage::SubmitRefused { account, submit, outcome } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.answer_submit(submit, outcome, context!(self, now, out));
                }
            }
            ShardMessage::MultiKept { account, multi } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.multi_kept(multi, context!(self, now, out));
                }
            }
            ShardMessage::Settled { carrier, id, state } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.settled((id, state), context!(self, now, out));
                }
            }
            ShardMessage::Alert { account, body } => {
                if let Some(account) = &mut self.accounts[account.index()] {
                    account.alert(batch.octets(body), context!(self, now, out));
                }
            }
            ShardMessage::Acknowledge { carrier, request } => {
                if let Some(carrier) = &mut self.carriers[carrier.index()] {
                    carrier.answer(request, CommandStatus::ROK, context!(self, now, out));
                }
            }
            ShardMessage::Bound { address } => self.gate.bound(address),
            ShardMessage::Called { address } => self.gate.called(address),
            ShardMessage::Ended { address, was } => self.gate.ended(address, was),
            ShardMessage::WrongPassword { address, pair } => {
                let banned = self.bans.wrong_password(address, pair, now).map(|until| (pair, until));
                // Whoever comes through a proxy is not known at accept.
                let all = self.bans.address_ban(address, now).map(|until| (self.bans.all_of(address), until));
                for (pair, until) in banned.into_iter().chain(all) {
                    for shard in &mut out.prompt {
                        shard.messages.push(ShardMessage::Banned { pair, until });
                    }
                }
            }
            ShardMessage::Banned { pair, until } => self.bans.ban(pair, until, now),
        }
    }

    pub(super) fn handle_timeouts(&mut self, now: Instant, out: &mut Effects) {
        while let Some((owner, fired)) = self.timers.pop_due(now) {
            match owner {
                Owner::Connection(connection) => self.connection_timeout(connection, fired, now, out),
                Owner::Carrier(carrier) => {
                    if let Some(carrier) = &mut self.carriers[carrier.index()] {
                        carrier.on_timeout(fired, context!(self, now, out));
                    }
                }
                Owner::Account(account) => {
                    if let Some(account) = &mut self.accounts[account.index()]
                        && account.armed.fired(fired)
                    {
                        account.on_timeout(context!(self, now, out));
                    }
                }
            }
        }
    }

    pub(super) fn connection_timeout(&mut self, connection: Key, fired: Instant, now: Instant, out: &mut Effects) {
        match self.connections.get(connection) {
            Some(Connection::Session { account, session }) => {
                let at = *session;
                let Some(account) = &mut self.accounts[account.index()] else { return };
                if account.sessions.get_mut(at).is_some_and(|session| session.armed.fired(fired)) {
                    account.session_timeout(at, context!(self, now, out));
                }
            }
            Some(Connection::Unbound(_)) => {
                self.with_unbound(connection, now, out, |unbound, cx| {
                    if unbound.armed.fired(fired) {
                        unbound.on_timeout(connection, cx);
                    }
                });
            }
            Some(Connection::Link { .. } | Connection::Moving { .. } | Connection::Called { .. }) | None => {}
        }
    }

    /// Takes an unbound connection out while it decides, since the context holds the table it lies in.
    pub(super) fn with_unbound<T>(
        &mut self,
        connection: Key,
        now: Instant,
        out: &mut Effects,
        decide: impl FnOnce(&mut Unbound, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let placeholder = Connection::Link { carrier: CarrierId(0), link: 0 };
        let taken = std::mem::replace(self.connections.get_mut(connection)?, placeholder);
        let Connection::Unbound(mut unbound) = taken else { return None };
        let decided = decide(&mut unbound, context!(self, now, out));
        if let Some(connection) = self.connections.get_mut(connection) {
            *connection = Connection::Unbound(unbound);
        }
        Some(decided)
    }

    /// How the sessions of this shard are to leave, from now on.
    pub(super) fn goodbyes(&self, now: Instant) -> Goodbyes {
        let began = match self.drain {
            Drain::Carriers { began } | Drain::CarriersDone { began } => began,
            Drain::No | Drain::Sessions { .. } | Drain::Writing { .. } | Drain::Done => now,
        };
        let sessions = self.accounts.iter().flatten().map(|account| account.sessions.len()).sum();
        Goodbyes::new(sessions, began, self.config.drain, now)
    }

    fn end_drain(&mut self, out: &mut Effects) {
        let Drain::Writing { record, line } = self.drain else { return };
        // A removal that is not durable would have its receipt sent again after the next start.
        if out.is_durable(record) && self.cdr.as_ref().is_none_or(|cdr| cdr.is_written(line)) {
            self.drain = Drain::Done;
            out.act(Action::SessionsDrained);
        }
    }

    pub(super) fn go_on_draining(&mut self, now: Instant, out: &mut Effects) {
        match self.drain {
            Drain::No | Drain::CarriersDone { .. } | Drain::Done => {}
            Drain::Carriers { began } => {
                for account in self.accounts.iter_mut().flatten() {
                    account.pump_held(context!(self, now, out));
                    account.pump_requests(context!(self, now, out));
                }
                let mut is_done = true;
                for carrier in self.carriers.iter_mut().flatten() {
                    is_done &= carrier.drain(context!(self, now, out));
                }
                if is_done {
                    self.drain = Drain::CarriersDone { began };
                    out.act(Action::CarriersDrained);
                }
            }
            Drain::Sessions { mut goodbyes } => {
                goodbyes.begin_look();
                let mut is_done = true;
                for account in self.accounts.iter_mut().flatten() {
                    is_done &= account.drain(&mut goodbyes, context!(self, now, out));
                }
                self.drain = Drain::Sessions { goodbyes };
                if is_done {
                    let line = self.cdr.as_ref().map_or(0, |cdr| cdr.last());
                    self.drain = Drain::Writing { record: out.appended(), line };
                    self.end_drain(out);
                }
            }
            Drain::Writing { .. } => self.end_drain(out),
        }
    }
}
