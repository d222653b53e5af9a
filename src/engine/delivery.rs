//! Receipts and MO on their last leg: made durable, sent on a bound session with room, forgotten when acknowledged.
//!
//! A receipt whose submit was answered moments ago must not reach the kernel before that answer does (GUARANTEES A6). Such a
//! fresh one is sent a turn later than it came, and never past a session that still has an unwritten answer.

use super::account::Account;
use super::cdr::GivenUp;
use super::context::Context;
use super::deliveries::{Deliveries, Delivery, Kept};
use super::event::{EndReason, HoldingKind, Record};
use super::joined::Joined;
use super::message::{DeliveryKind, ShardMessage};
use super::session::{Late, Session, SessionState};
use super::slab::Key;
use super::time::Instant;
use super::timers::Owner;
use super::trace::What;
use crate::config::{CarrierId, Deliver, DeliverMo};
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::data_sm;
use crate::smpp::frame::{self, Frame};
use crate::smpp::message_id::{MessageId, MessageIdFormat};
use crate::smpp::without_tlvs::{self, Told};

/// A delivery as a carrier's home hands it over.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub carrier: CarrierId,
    pub in_hand: Key,
    pub kind: DeliveryKind,
    /// Its submit was answered less than a minute ago.
    pub is_fresh: bool,
    /// It was put behind its submit's answer, which waits for a record.
    pub is_behind: bool,
    pub id: MessageId,
}

impl Account {
    const LATE_KEPT: usize = 1024;

    /// Takes a delivery from a carrier's home; it is told once that is durable.
    pub fn deliver(&mut self, incoming: Incoming, body: &[u8], cx: &mut Context<'_>) {
        let home = cx.placement.home_of_carrier(incoming.carrier);
        let (carrier, in_hand) = (incoming.carrier, incoming.in_hand);
        if self.traced.is_some() && !incoming.is_behind {
            self.trace(What::Came { id: incoming.id, carrier, kind: incoming.kind }, cx.now);
        }
        if incoming.kind == DeliveryKind::Mo && cx.config.account(self.id).deliver == DeliverMo::Http {
            if !self.take_web_mo(body, cx) {
                return self.refuse_delivery(&incoming, cx);
            }
            let done = ShardMessage::DeliverDone { carrier, in_hand, is_kept: true };
            return cx.out.after_records(home).messages.push(done);
        }
        if !cx.has_room {
            return self.refuse_delivery(&incoming, cx);
        }
        if incoming.kind != DeliveryKind::Mo && self.has_web_messages() {
            match self.take_web_receipt(&incoming, body, cx) {
                Joined::Done => {
                    let done = ShardMessage::DeliverDone { carrier, in_hand, is_kept: true };
                    return cx.out.after_records(home).messages.push(done);
                }
                Joined::Refused => return self.refuse_delivery(&incoming, cx),
                Joined::PassedOn => {}
            }
        }
        if self.kept_deliveries() >= cx.config.account(self.id).delivery_queue as usize {
            return self.refuse_delivery(&incoming, cx);
        }
        let is_of_part = !self.joining.is_empty() && incoming.kind != DeliveryKind::Mo;
        if is_of_part && self.joining.part(incoming.id).is_some_and(|part| !part.is_answered) {
            return self.offer_again(&incoming, body, cx);
        }
        if incoming.kind != DeliveryKind::Mo && cx.config.account(self.id).status.is_some() {
            if incoming.is_fresh && !incoming.is_behind {
                return self.put_behind_answer(incoming, body, cx);
            }
            self.receipt_tells((incoming.id, incoming.kind), carrier, body, cx);
        }
        match if is_of_part { self.join_receipt(&incoming, body, cx) } else { Joined::PassedOn } {
            Joined::Done => {}
            Joined::Refused => return self.refuse_delivery(&incoming, cx),
            Joined::PassedOn => {
                let behind_turn = incoming.is_fresh.then_some(cx.turn);
                let delivery = self.keep(incoming.kind, incoming.id, body, behind_turn, cx);
                if !self.multis.is_empty() {
                    self.hold_receipt(incoming.id, delivery);
                }
            }
        }
        let done = ShardMessage::DeliverDone { carrier, in_hand, is_kept: true };
        cx.out.after_records(home).messages.push(done);
        self.arm(cx);
        self.pump_deliveries(cx);
    }

    fn refuse_delivery(&mut self, incoming: &Incoming, cx: &mut Context<'_>) {
        self.counts.deliveries_refused += 1;
        let (carrier, in_hand) = (incoming.carrier, incoming.in_hand);
        let home = cx.placement.home_of_carrier(carrier);
        cx.out.tell(home, ShardMessage::DeliverDone { carrier, in_hand, is_kept: false });
    }

    /// An account that keeps states answers a submit once its state is durable: its receipt waits for as long.
    fn put_behind_answer(&mut self, incoming: Incoming, body: &[u8], cx: &mut Context<'_>) {
        let Incoming { carrier, in_hand, kind, is_fresh, id, .. } = incoming;
        let own = cx.out.own();
        let batch = cx.out.after_records(own);
        let body = batch.add(body);
        let account = self.id;
        let behind = ShardMessage::Deliver { account, carrier, in_hand, kind, is_fresh, is_behind: true, id, body };
        batch.messages.push(behind);
    }

    /// Queues a delivery, with its record.
    pub(super) fn keep(
        &mut self,
        kind: DeliveryKind,
        id: MessageId,
        body: &[u8],
        behind_turn: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Key {
        let (account, key, born) = (self.id, cx.issue_key(), cx.unix_seconds());
        let octets = cx.out.record_bytes.add(body);
        let place =
            cx.out.append(Record::Holding { account, id, key, kind: HoldingKind::Delivery(kind), born, body: octets });
        let pushed = self.deliveries.push(kind, id, body, behind_turn, Kept { key, born, place });
        if let Some(superseded) = pushed.superseded {
            self.forget(superseded, cx);
        }
        pushed.key
    }

    pub(super) fn forget(&self, kept: Kept, cx: &mut Context<'_>) {
        cx.out.append(Record::HoldingGone { account: self.id, key: kept.key, place: kept.place });
    }

    /// Sends what waits to sessions that have room.
    pub fn pump_deliveries(&mut self, cx: &mut Context<'_>) {
        self.call_if_awaited(cx);
        if !self.blocked.is_empty() {
            let (sessions, out) = (&self.sessions, &cx.out);
            self.blocked.retain(|key| {
                sessions.get(*key).is_some_and(|session| out.outbox(session.connection.slot).blocked_since.is_some())
            });
        }
        while let Some((key, delivery)) = self.deliveries.front(cx.now) {
            // One session is its own order; with several, the answer may lie in another's outbox.
            if let Some(turn) = delivery.behind_turn.filter(|_| self.sessions.len() > 1) {
                if turn == cx.turn {
                    cx.out.call_next_turn(self.id);
                    return;
                }
                if !self.blocked.is_empty() {
                    return;
                }
            }
            let Some(at) = self.receiver_with_room() else { return };
            self.send(at, key, cx);
        }
        if let Some(at) = self.deliveries.replay.look_at(cx.now) {
            cx.timers.arm(Owner::Account(self.id), &mut self.armed, at);
        }
    }

    /// The customer answered a deliver_sm.
    pub fn handle_deliver_resp(&mut self, at: Key, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        let delivery = match session.window.close(frame.sequence) {
            Some(delivery) => delivery,
            None => {
                let Some(late) = session.late.iter().position(|late| late.sequence == frame.sequence) else {
                    if !session.window.was_issued(frame.sequence) {
                        self.unsolicited(at, cx);
                    }
                    return;
                };
                self.counts.late_answers += 1;
                // A late refusal changes nothing: it is being tried again already.
                let Some(late) = session.late.remove(late).filter(|_| frame.status.is_ok()) else { return };
                late.delivery
            }
        };
        match frame.status {
            CommandStatus::RX_T_APPN | CommandStatus::RTHROTTLED | CommandStatus::RMSGQFUL | CommandStatus::RSYSERR => {
                self.counts.receipts_retried += 1;
                self.deliveries.retry_later(delivery, cx.now);
                self.arm(cx);
            }
            // Any other error is the customer's last word: repeating it would poison the queue.
            status => {
                if let Some(sent) = self.deliveries.sent_at(delivery) {
                    self.counts.acknowledged.observe(cx.now.since(sent));
                }
                if !status.is_ok() {
                    self.line_of_undelivered(delivery, GivenUp::Refused(status), cx);
                }
                // One that was acknowledged late may be answered again.
                if let Some((kind, kept)) = self.deliveries.done(delivery) {
                    self.forget(kept, cx);
                    match kind {
                        _ if !status.is_ok() => self.counts.deliveries_rejected += 1,
                        DeliveryKind::Mo => self.counts.mo_delivered += 1,
                        DeliveryKind::FinalReceipt | DeliveryKind::IntermediateReceipt => {
                            self.counts.receipts_delivered += 1;
                        }
                    }
                }
            }
        }
        self.pump_deliveries(cx);
    }

    /// A deadline of this session may have come.
    pub fn session_timeout(&mut self, at: Key, cx: &mut Context<'_>) {
        let response = cx.config.smpp.timers.response;
        self.end_rest(at, cx);
        let Some(session) = self.sessions.get_mut(at) else { return };
        while let Some((sequence, delivery)) = session.window.oldest().map(|(sequence, key)| (sequence, *key)) {
            if !session.is_read() || self.deliveries.sent_at(delivery).is_some_and(|sent| cx.now.since(sent) < response)
            {
                break;
            }
            session.window.close(sequence);
            if session.late.len() == Self::LATE_KEPT || session.late.front().is_some_and(|late| late.until <= cx.now) {
                session.late.pop_front();
            }
            session.late.push_back(Late { sequence, delivery, until: cx.now + Session::LATE_ANSWERS });
            self.counts.receipts_retried += 1;
            self.deliveries.retry_later(delivery, cx.now);
        }
        if matches!(session.state, SessionState::Leaving { until } if until <= cx.now) {
            return self.say_goodbye(at, cx.now + cx.config.smpp.timers.session_init, cx);
        }
        match session.on_timeout(cx) {
            Some(why) => self.end_session(at, why, cx),
            None => self.arm_session(at, cx),
        }
        self.arm(cx);
        self.pump_deliveries(cx);
    }

    /// Deliveries refused for now may be due again, or more of the backlog; others have waited too long.
    pub fn on_timeout(&mut self, cx: &mut Context<'_>) {
        if self.next_sweep <= cx.now {
            self.next_sweep = cx.now + Deliveries::SWEEP_EVERY;
            if let Some(oldest) = cx.wall.oldest_kept(cx.config.store.retention, cx.now) {
                for key in self.deliveries.over(oldest) {
                    self.line_of_undelivered(key, GivenUp::Retention, cx);
                    if let Some((_, kept)) = self.deliveries.done(key) {
                        self.counts.deliveries_expired += 1;
                        self.forget(kept, cx);
                    }
                }
                self.expire_events(oldest, cx);
            }
            self.look_at_messages(cx);
            self.sweep_states(cx);
            self.sweep_messages(cx);
            self.sweep_keys(cx);
        }
        self.deliveries.take_due(cx.now);
        self.limits_timeout(cx);
        self.pump_requests(cx);
        self.stored_timeout(cx);
        self.posts_timeout(cx);
        self.pump_deliveries(cx);
        self.arm(cx);
    }

    /// The kernel takes nothing more for this session.
    pub fn session_blocked(&mut self, at: Key, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get(at) else { return };
        if cx.out.outbox(session.connection.slot).unwritten().len() > Session::MAX_UNWRITTEN {
            self.end_session(at, EndReason::Stalled, cx);
            return;
        }
        if !self.blocked.contains(&at) {
            self.blocked.push(at);
        }
        self.arm_session(at, cx);
    }

    /// Makes sure `on_timeout` is called for whatever comes next.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>) {
        let retry = self.deliveries.next_retry().unwrap_or(Instant::NEVER);
        let has_aging = self.kept_deliveries() > 0
            || !self.joining.is_empty()
            || !self.states.is_empty()
            || !self.web_messages.is_empty()
            || !self.keys.is_empty();
        let sweep = if has_aging { self.next_sweep } else { Instant::NEVER };
        let limits = self.limits.as_ref().map_or(Instant::NEVER, |limits| limits.next());
        let call = self.calling.as_ref().map_or(Instant::NEVER, |calling| calling.due);
        let at = retry.min(sweep).min(call).min(self.next_stored_look(cx.now)).min(limits).min(self.audit.next());
        let at = at.min(self.submissions.next_look()).min(self.posts.next());
        cx.timers.arm(Owner::Account(self.id), &mut self.armed, at);
    }

    /// Goes round the sessions, so that none starves; skips those that do not read.
    fn receiver_with_room(&mut self) -> Option<Key> {
        let blocked = &self.blocked;
        let has_room =
            |key: &Key, session: &Session| session.may_receive() && !session.window.is_full() && !blocked.contains(key);
        let slots = self.sessions.slots();
        for step in 0..slots {
            let slot = (self.next_receiver + step) % slots;
            if let Some((key, session)) = self.sessions.at(slot)
                && has_room(&key, session)
            {
                // Stay while there is room, so that one write carries many.
                self.next_receiver = slot;
                return Some(key);
            }
        }
        None
    }

    fn send(&mut self, at: Key, key: Key, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        let Ok(sequence) = session.window.open(key) else { return };
        let Some(delivery) = self.deliveries.get(key) else { return };
        let out = cx.out.write(session.connection);
        let config = cx.config.account(self.id);
        if !session.version.has_tlvs() {
            // A data_sm has its text in a TLV.
            if !write_without_tlvs(delivery, sequence, config.message_id, out) {
                self.counts.deliveries_cut += 1;
            }
        } else if config.deliver_as == Deliver::DataSm {
            data_sm::write_delivery(&delivery.body, sequence, out);
        } else {
            frame::write_header(out, CommandId::DELIVER_SM, CommandStatus::ROK, sequence, delivery.body.len());
            out.extend_from_slice(&delivery.body);
        }
        self.counts.deliveries_replayed += u64::from(self.deliveries.sent(at, cx.now));
        session.arm(Some(cx.now), cx);
    }
}

/// For a session of SMPP 3.3. False when the text had to be cut.
fn write_without_tlvs(
    delivery: &Delivery,
    sequence: SequenceNumber,
    format: MessageIdFormat,
    out: &mut Vec<u8>,
) -> bool {
    let (id, came) = (delivery.id.text(format), delivery.kept.born);
    let told = match delivery.kind {
        DeliveryKind::FinalReceipt | DeliveryKind::IntermediateReceipt => Some(Told { id: id.as_bytes(), came }),
        DeliveryKind::Mo => None,
    };
    let mut body = Vec::new();
    let is_whole = without_tlvs::write(&delivery.body, told.as_ref(), &mut body);
    frame::write_header(out, CommandId::DELIVER_SM, CommandStatus::ROK, sequence, body.len());
    out.extend_from_slice(&body);
    is_whole
}
