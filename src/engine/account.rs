//! An account at its home: its sessions, the submits they wait for, its window and rate.
//!
//! A submit is checked, given its message_id and sent to its carrier's home; it is settled there, and the answer is written
//! here. What goes the other way, receipts and MO, is in `delivery`.

use std::sync::Arc;

use super::audit::Audit;
use super::backlog::Backlog;
use super::context::Context;
use super::deliveries::Deliveries;
use super::drain::Goodbyes;
use super::event::{Action, AdmittedBind, EndReason, Notice};
use super::flood::Flood;
use super::gate::Was;
use super::holdings::Holdings;
use super::joining::Joining;
use super::limits::Limits;
use super::message::{ShardId, ShardMessage};
use super::multi::Multis;
use super::outbind::Calling;
use super::parts::Messages;
use super::relay::Submit;
use super::replay::Replay;
use super::session::{ErrorBudget, Liveness, Session, SessionState};
use super::slab::{Key, Slab};
use super::states::States;
use super::time::Instant;
use super::timers::Armed;
use super::trace::Trace;
use super::web;
use super::window::Window;
use crate::config::{self, AccountId, NumberSet};
use crate::metrics::{AccountCounts, BindRefusal, Settled};
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::pdu::{self, BindMode};
use crate::smpp::version::Version;

#[derive(Debug)]
pub struct Account {
    pub id: AccountId,
    pub sessions: Slab<Session>,
    pub submits: Slab<Submit>,
    pub multis: Multis,
    pub messages: Messages,
    /// Rate, quotas and caps, when any is set.
    pub limits: Option<Box<Limits>>,
    /// By an operator's order.
    pub(super) is_disabled: bool,
    /// What an operator follows.
    pub(super) traced: Option<Box<Trace>>,
    /// Numbers that nothing is sent to.
    pub(super) opt_out: Option<Arc<NumberSet>>,
    pub(super) audit: Audit,
    /// Sessions that are not read until the window has room.
    paused: Vec<Key>,
    /// How many sessions are not read for a while, because of what they sent.
    pub(super) resting: usize,
    pub deliveries: Deliveries,
    pub holdings: Holdings,
    /// When it has an address to be called at.
    pub(super) calling: Option<Box<Calling>>,
    /// Parts whose receipts are told of together.
    pub joining: Joining,
    pub states: States,
    /// What came by HTTP: requests that wait for their reply, and messages.
    pub(super) submissions: web::Submissions,
    pub(super) web_messages: web::Messages,
    /// What its callbacks are to be told.
    pub posts: web::Posts,
    pub(super) keys: web::Keys,
    /// When all that waits may be looked through again for a cancel_sm without an id.
    pub(super) next_scan: Instant,
    pub backlog: Backlog,
    /// Submits that are answered when they are durable here.
    pub(super) storing: usize,
    /// Submits refused as they came, whose answer waits for a line of the call detail records.
    pub refusing: usize,
    /// Receipts of ours that wait for their record.
    pub(super) failing: usize,
    /// Sessions the kernel takes nothing more for; a fresh receipt must not overtake an answer that waits there.
    pub blocked: Vec<Key>,
    /// Where the search for a session with room goes on.
    pub next_receiver: usize,
    /// When deliveries that waited too long are looked for.
    pub next_sweep: Instant,
    pub armed: Armed,
    pub settled: Settled,
    pub counts: AccountCounts,
}

impl Account {
    #[must_use]
    pub fn new(id: AccountId, config: &config::Account) -> Self {
        Self {
            id,
            sessions: Slab::default(),
            submits: Slab::default(),
            multis: Multis::default(),
            messages: Messages::default(),
            limits: Limits::new(config),
            is_disabled: false,
            traced: None,
            opt_out: config.opt_out.as_ref().map(|list| Arc::clone(&list.numbers)),
            audit: Audit::default(),
            paused: Vec::new(),
            resting: 0,
            deliveries: Deliveries::new(Replay::new(config)),
            holdings: Holdings::new(id),
            calling: config.outbind.as_ref().map(|_| Box::default()),
            joining: Joining::default(),
            states: States::default(),
            submissions: web::Submissions::default(),
            web_messages: web::Messages::default(),
            posts: web::Posts::default(),
            keys: web::Keys::default(),
            next_scan: Instant::ZERO,
            backlog: Backlog::default(),
            storing: 0,
            refusing: 0,
            failing: 0,
            blocked: Vec::new(),
            next_receiver: 0,
            next_sweep: Instant::ZERO,
            armed: Armed::default(),
            settled: Settled::default(),
            counts: AccountCounts { window: u64::from(config.window), ..AccountCounts::default() },
        }
    }

    /// Admits a bind whose password was right, or says why not. The bind_resp is written either way.
    pub fn admit(&mut self, connection: Key, bind: &AdmittedBind, cx: &mut Context<'_>) -> Result<Key, BindRefusal> {
        let config = cx.config.account(self.id);
        let allowed = match bind.mode {
            BindMode::Transmitter => config.binds.transmitter,
            BindMode::Receiver => config.binds.receiver,
            BindMode::Transceiver => config.binds.transceiver,
        };
        let refusal = if cx.is_draining {
            Some(BindRefusal::Unavailable)
        } else if self.is_disabled {
            Some(BindRefusal::Disabled)
        } else if !allowed {
            Some(BindRefusal::Mode)
        } else if self.sessions.len() >= config.max_binds as usize {
            Some(BindRefusal::TooManyBinds)
        } else {
            None
        };
        let status = refusal.map_or(CommandStatus::ROK, CommandStatus::from);
        let (version, system_id) = (Version::of(bind.interface_version), &cx.config.smpp.system_id);
        let ours = version.sc_interface_version();
        pdu::write_bind_resp(bind.mode, status, bind.sequence, system_id, ours, cx.out.write(connection));
        if let Some(refusal) = refusal {
            if bind.was_called {
                self.call_failed(cx);
            }
            return Err(refusal);
        }
        let session = self.sessions.insert(Session {
            connection,
            address: bind.address,
            mode: bind.mode,
            version,
            since: cx.now,
            window: Window::new(usize::from(config.delivery_window.get())),
            late: Default::default(),
            outstanding: 0,
            asked: 0,
            state: SessionState::Open,
            is_paused: false,
            rests_until: None,
            flood: Flood::new(cx.now),
            liveness: Liveness::new(cx.now),
            errors: ErrorBudget::new(),
            rebinds: 0,
            armed: Armed::default(),
        });
        self.counts.binds += 1;
        cx.out.notice(Notice::SessionBound { account: self.id, mode: bind.mode, address: bind.address });
        self.arm_session(session, cx);
        if bind.mode.may_receive() {
            self.deliveries.replay.customer_came();
            self.receiver_came(bind.was_called);
        }
        self.pump_deliveries(cx);
        Ok(session)
    }

    /// Whether the next PDU of this session may be taken; when not, the session is read again once the window has room, or
    /// once it has rested.
    pub fn is_ready(&mut self, session: Key, window: u32) -> bool {
        let has_room = self.unanswered() < window as usize;
        let has_room = has_room && !self.submissions.has_turn();
        if has_room && self.resting == 0 {
            return true;
        }
        let Some(paused) = self.sessions.get_mut(session) else { return false };
        if paused.rests_until.is_some() {
            return false;
        }
        if has_room || !paused.mode.may_submit() {
            // A receiver's answers to receipts do not wait for what transmitters send.
            return true;
        }
        if !paused.is_paused {
            paused.is_paused = true;
            self.counts.window_waits += 1;
            self.paused.push(session);
        }
        false
    }

    /// Submits that were read and not answered yet.
    pub(super) fn unanswered(&self) -> usize {
        let held = self.limits.as_ref().map_or(0, |limits| limits.held.len());
        self.submits.len() + held + self.refusing - self.backlog.under_way()
    }

    /// Ends a session by our decision: what is written leaves first.
    pub fn end_session(&mut self, session: Key, why: EndReason, cx: &mut Context<'_>) {
        let Some(ending) = self.sessions.get_mut(session) else { return };
        if ending.state == SessionState::Closing {
            return;
        }
        ending.state = SessionState::Closing;
        self.counts.count_session_end(why);
        cx.out.act(Action::Close { connection: ending.connection });
        cx.out.notice(Notice::SessionEnded { account: self.id, address: ending.address, why });
    }

    /// The connection is gone: its deliveries go elsewhere, its queued submits are withdrawn.
    pub fn session_closed(&mut self, at: Key, cx: &mut Context<'_>) {
        let Some(mut session) = self.sessions.remove(at) else { return };
        if session.state != SessionState::Closing {
            let why = EndReason::PeerClosed;
            self.counts.count_session_end(why);
            cx.out.notice(Notice::SessionEnded { account: self.id, address: session.address, why });
        }
        if !self.sessions.iter().any(|(_, session)| session.mode.may_receive()) {
            self.deliveries.customer_left();
            if session.mode.may_receive() {
                self.receivers_left(cx);
            }
        }
        // Put back newest first, so that the oldest stands at the head.
        for delivery in session.window.drain().into_iter().rev() {
            self.deliveries.unsent(delivery);
        }
        self.paused.retain(|paused| *paused != at);
        self.blocked.retain(|blocked| *blocked != at);
        self.resting -= usize::from(session.rests_until.is_some());
        if session.outstanding > 0 {
            self.withdraw_held(at, cx);
            self.withdraw(at, cx);
        }
        cx.out.tell(ShardId(0), ShardMessage::Ended { address: session.address, was: Was::Bound });
        self.pump_deliveries(cx);
    }

    /// Delivers what can be delivered in time, then says goodbye to every session whose submits are all answered.
    /// True once no session is left, every request is replied to, and no try at a callback is out.
    pub fn drain(&mut self, goodbyes: &mut Goodbyes, cx: &mut Context<'_>) -> bool {
        self.deliveries.replay.stop();
        self.keep_usage(cx);
        self.pump_deliveries(cx);
        let has_receiver = self.sessions.iter().any(|(_, session)| session.may_receive());
        let is_delivering = has_receiver && (self.deliveries.has_waiting() || self.deliveries.outstanding() > 0);
        if !is_delivering || !goodbyes.may_deliver(cx.now) {
            self.unbind_all(goodbyes, cx);
        }
        let is_posted = self.drain_posts(cx);
        is_posted && self.sessions.is_empty() && self.submissions.is_empty()
    }

    /// Whether no session waits for room in the window.
    pub(super) fn has_nobody_paused(&self) -> bool {
        self.paused.is_empty()
    }

    fn unbind_all(&mut self, goodbyes: &mut Goodbyes, cx: &mut Context<'_>) {
        let keys: Vec<Key> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(session) = self.sessions.get(key) else { continue };
            let is_there = matches!(session.state, SessionState::Open | SessionState::Leaving { .. });
            if !is_there || session.outstanding > 0 || session.asked > 0 {
                continue;
            }
            if !goodbyes.take(cx.now) {
                return;
            }
            self.say_goodbye(key, goodbyes.answer_until(cx.now, cx.config.smpp.timers.session_init), cx);
        }
    }

    /// The ESME has until then to answer.
    pub(super) fn say_goodbye(&mut self, at: Key, until: Instant, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        let sequence = session.window.control_number();
        session.state = SessionState::AwaitingUnbindResp { until };
        let out = cx.out.write(session.connection);
        pdu::write_control(CommandId::UNBIND, CommandStatus::ROK, sequence, out);
        self.arm_session(at, cx);
    }

    /// Copies what is a level rather than a count into the counts.
    pub fn measure(&mut self) {
        self.counts.sessions_bound = self.sessions.len() as u64;
        self.counts.outstanding = self.unanswered() as u64;
        self.counts.storing = self.submissions.to_store() as u64;
        self.counts.keys = self.keys.len() as u64;
        self.counts.held_back = self.limits.as_ref().map_or(0, |limits| limits.held.len() as u64);
        self.counts.stored_waiting = self.backlog.len() as u64;
        self.counts.states = self.states.len() as u64;
        self.counts.deliveries_queued = (self.deliveries.len() - self.deliveries.outstanding()) as u64;
        self.counts.deliveries_outstanding = self.deliveries.outstanding() as u64;
        self.counts.receipts_held = self.joining.held() as u64;
        self.counts.events_queued = (self.posts.events()) as u64;
        self.counts.mo_parts = (self.posts.len() - self.posts.events()) as u64;
        self.counts.posts_outstanding = self.posts.outstanding() as u64;
    }

    /// Answers an ESME's unbind once its submits are, and what it asked; or says ours.
    pub fn finish_unbind(&mut self, at: Key, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get(at) else { return };
        if matches!(session.state, SessionState::Leaving { .. }) && session.asked == 0 {
            return self.say_goodbye(at, cx.now + cx.config.smpp.timers.session_init, cx);
        }
        if let SessionState::Unbinding { sequence } = session.state
            && session.asked == 0
        {
            let out = cx.out.write(session.connection);
            let resp = CommandId::UNBIND_RESP;
            pdu::write_control(resp, CommandStatus::ROK, sequence, out);
            self.end_session(at, EndReason::PeerUnbound, cx);
        }
    }

    pub fn arm_session(&mut self, at: Key, cx: &mut Context<'_>) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        let oldest = session.window.oldest().map(|(_, delivery)| *delivery);
        // An answer that we do not read cannot be late.
        let oldest_sent = oldest.filter(|_| session.is_read()).and_then(|key| self.deliveries.sent_at(key));
        session.arm(oldest_sent, cx);
    }

    /// The window may have room: whoever waits for some has a turn.
    pub(in crate::engine) fn share_room(&mut self, cx: &mut Context<'_>) {
        if self.submissions.has_waiting() {
            self.pump_requests(cx);
        } else {
            self.resume_paused(cx);
        }
    }

    pub(super) fn resume_paused(&mut self, cx: &mut Context<'_>) {
        // Whoever was first, and so had the room there was, is last this time.
        if self.paused.len() > 1 {
            self.paused.rotate_left(1);
        }
        for key in self.paused.drain(..) {
            if let Some(session) = self.sessions.get_mut(key) {
                session.is_paused = false;
                cx.out.act(Action::Resume { connection: session.connection });
            }
        }
    }
}
