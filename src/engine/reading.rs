//! Octets into PDUs: everything one read of a connection brought, handed to whoever the connection belongs to.
//!
//! Who that is, is looked up once per read and not once per PDU. An account whose window is full takes no more; what is left
//! stays with the shell until `Action::Resume`.

use std::net::IpAddr;

use super::counted;
use super::effects::Effects;
use super::event::{Action, Notice, Verdict};
use super::shard::{Connection, Shard, context};
use super::slab::Key;
use super::time::Instant;
use super::unbound::{Next, Unbound};
use crate::config::{AccountId, CarrierId};
use crate::metrics::ConnectionRefusal;
use crate::smpp::frame::{Fault, Frame};

/// How much of the octets was used. What is left is part of a PDU, or waits for the connection to be resumed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    pub taken: usize,
    pub is_paused: bool,
}

impl Shard {
    /// Takes every whole PDU of `octets`. What is not taken has to be handed in again, with more behind it.
    pub fn receive(&mut self, connection: Key, octets: &[u8], now: Instant, out: &mut Effects) -> Received {
        let received = match self.connections.get(connection) {
            Some(Connection::Session { account, session }) => {
                self.receive_session(*account, *session, octets, now, out)
            }
            Some(Connection::Link { carrier, link }) => {
                self.receive_link(*carrier, usize::from(*link), connection, octets, now, out)
            }
            Some(Connection::Unbound(_)) => self.receive_unbound(connection, octets, now, out),
            Some(Connection::Moving { .. } | Connection::Called { .. }) | None => {
                Ok(Received { taken: 0, is_paused: true })
            }
        };
        received.unwrap_or_else(|fault| {
            self.handle_fault(connection, fault, now, out);
            Received { taken: octets.len(), is_paused: false }
        })
    }

    fn receive_session(
        &mut self,
        account: AccountId,
        session: Key,
        octets: &[u8],
        now: Instant,
        out: &mut Effects,
    ) -> Result<Received, Fault> {
        let (window, max_pdu) = (self.config.account(account).window, self.config.smpp.max_pdu);
        let Some(account) = &mut self.accounts[account.index()] else { return Ok(Received::nothing()) };
        let cx = context!(self, now, out);
        let mut taken = 0;
        while taken < octets.len() {
            if !account.is_ready(session, window) {
                return Ok(Received { taken, is_paused: true });
            }
            let Some(frame) = Frame::cut(&octets[taken..], max_pdu)? else { break };
            taken += frame.len();
            cx.counts.count_pdu(counted::command(frame.command));
            account.handle_frame(session, &frame, cx);
        }
        Ok(Received { taken, is_paused: false })
    }

    fn receive_link(
        &mut self,
        carrier: CarrierId,
        link: usize,
        connection: Key,
        octets: &[u8],
        now: Instant,
        out: &mut Effects,
    ) -> Result<Received, Fault> {
        let max_pdu = self.config.smpp.max_pdu;
        let Some(carrier) = &mut self.carriers[carrier.index()] else { return Ok(Received::nothing()) };
        let cx = context!(self, now, out);
        let mut taken = 0;
        loop {
            if cx.out.outbox(connection.slot).is_backed_up() {
                return Ok(Received { taken, is_paused: true });
            }
            let Some(frame) = Frame::cut(&octets[taken..], max_pdu)? else { break };
            taken += frame.len();
            cx.counts.count_pdu(counted::command(frame.command));
            carrier.handle_frame(link, connection, &frame, cx);
        }
        Ok(Received { taken, is_paused: false })
    }

    fn receive_unbound(
        &mut self,
        connection: Key,
        octets: &[u8],
        now: Instant,
        out: &mut Effects,
    ) -> Result<Received, Fault> {
        let max_pdu = Unbound::MAX_PDU.min(self.config.smpp.max_pdu);
        let mut taken = 0;
        loop {
            let is_ready = matches!(self.connections.get(connection), Some(Connection::Unbound(it)) if it.is_ready());
            if !is_ready || out.outbox(connection.slot).is_backed_up() {
                return Ok(Received { taken, is_paused: true });
            }
            let Some(frame) = Frame::cut(&octets[taken..], max_pdu)? else { break };
            taken += frame.len();
            self.counts.count_pdu(counted::command(frame.command));
            let next = self.with_unbound(connection, now, out, |it, cx| it.handle_frame(connection, &frame, cx));
            self.follow(connection, next, out);
        }
        Ok(Received { taken, is_paused: false })
    }

    /// Shard 0 accepted a connection behind a balancer that does not say whom it comes from: it is closed without a word.
    pub fn refuse_header(&mut self, address: IpAddr, why: String, now: Instant, out: &mut Effects) {
        self.counts.count_connection_refused(ConnectionRefusal::ProxyHeader);
        if self.refusals.may_tell(now) {
            out.notice(Notice::ConnectionRefused { address, why });
        }
    }

    pub(super) fn handle_secured(&mut self, connection: Key, names: Vec<String>) {
        if let Some(Connection::Unbound(unbound)) = self.connections.get_mut(connection) {
            unbound.secured(names);
        }
    }

    pub(super) fn handle_failed_handshake(&mut self, connection: Key, why: &str, now: Instant, out: &mut Effects) {
        if let Some(Connection::Unbound(unbound)) = self.connections.get(connection)
            && self.refusals.may_tell(now)
        {
            let why = format!("TLS handshake failed: {why}");
            out.notice(Notice::ConnectionRefused { address: unbound.address, why });
        }
    }

    /// The password of a bind was compared with its account's hashes.
    pub(super) fn handle_verified(&mut self, connection: Key, verdict: Verdict, now: Instant, out: &mut Effects) {
        if !matches!(self.connections.get(connection), Some(Connection::Unbound(_))) {
            return;
        }
        let next = self.with_unbound(connection, now, out, |it, cx| it.verified(connection, verdict, cx));
        self.follow(connection, next, out);
    }

    fn follow(&mut self, connection: Key, next: Option<Next>, out: &mut Effects) {
        if let Some(Next::Move(bind, to)) = next {
            if let Some(moving) = self.connections.get_mut(connection) {
                let called = bind.was_called.then_some(bind.account);
                *moving = Connection::Moving { address: bind.address, called };
            }
            out.act(Action::Move { connection, to, bind });
        }
    }
}

impl Received {
    fn nothing() -> Self {
        Self { taken: 0, is_paused: true }
    }
}
