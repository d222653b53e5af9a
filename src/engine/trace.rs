//! A trace of one account for a while: every PDU of its sessions, and what becomes of its submits, as an operator follows them. It is
//! bounded in time and in events, shows no text, and masks numbers.
//!
//! What is written is read out of the outboxes at the end of a turn, so that nothing on the way of a message asks for a trace.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::AHashMap;

use super::account::Account;
use super::audit::masked;
use super::effects::Effects;
use super::message::{DeliveryKind, Outcome};
use super::shard::Shard;
use super::slab::Key;
use super::time::Instant;
use crate::config::{AccountId, CarrierId};
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::Frame;
use crate::smpp::message_id::MessageId;
use crate::smpp::pdu;
use crate::smpp::view::SmView;

#[derive(Debug)]
pub struct Trace {
    until: Instant,
    events: VecDeque<Event>,
    /// The number of the first of them.
    first: u64,
    /// How far each connection's octets were looked at.
    seen: AHashMap<Key, u64>,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub at: Instant,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A PDU of a session, read from the ESME or written to it.
    Pdu {
        session: Key,
        is_read: bool,
        pdu: Pdu,
    },
    /// Octets that left before they could be looked at.
    Unseen {
        session: Key,
    },
    /// A submit was handed to a carrier's home.
    Handed {
        id: MessageId,
        carrier: CarrierId,
    },
    Settled {
        id: MessageId,
        outcome: Outcome,
    },
    /// A receipt or MO came from a carrier.
    Came {
        id: MessageId,
        carrier: CarrierId,
        kind: DeliveryKind,
    },
}

/// What is told of a PDU.
#[derive(Clone, Debug)]
pub struct Pdu {
    pub command: CommandId,
    pub status: CommandStatus,
    pub sequence: SequenceNumber,
    pub octets: usize,
    /// Masked; of submits and deliveries.
    pub addresses: Option<[String; 2]>,
    /// Of answers to submits.
    pub id: Option<String>,
}

/// What an operator is given of a trace.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    pub events: Vec<Event>,
    /// The number of the first of them; those below that were asked for are lost.
    pub first: u64,
    pub is_over: bool,
}

impl Trace {
    pub const LONGEST: Duration = Duration::from_secs(600);
    const MOST_EVENTS: usize = 10_000;
    /// Given to an operator at once.
    const MOST_TOLD: usize = 1_000;
    /// What was traced can be asked for so much longer.
    const KEPT: Duration = Duration::from_secs(60);

    /// Sessions that are there by now are traced from here on.
    fn new(until: Instant, account: &Account, out: &Effects) -> Self {
        let sessions = account.sessions.iter().map(|(_, session)| session.connection);
        let seen = sessions.map(|connection| (connection, out.outbox(connection.slot).total_queued())).collect();
        Self { until, events: VecDeque::new(), first: 0, seen }
    }

    fn add(&mut self, what: What, now: Instant) {
        if now >= self.until {
            return;
        }
        if self.events.len() == Self::MOST_EVENTS {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(Event { at: now, what });
    }

    fn told(&self, after: u64, now: Instant) -> Traced {
        let from = after.max(self.first);
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let events: Vec<_> = self.events.iter().skip(skipped).take(Self::MOST_TOLD).cloned().collect();
        let is_all = skipped.saturating_add(events.len()) >= self.events.len();
        Traced { events, first: from, is_over: is_all && now >= self.until }
    }

    /// What was written to a session since it was looked at last.
    fn written(&mut self, (session, connection): (Key, Key), out: &Effects, now: Instant) {
        let outbox = out.outbox(connection.slot);
        let seen = self.seen.insert(connection, outbox.total_queued()).unwrap_or(0);
        let Some(skipped) = seen.checked_sub(outbox.written_before) else {
            return self.add(What::Unseen { session }, now);
        };
        let mut rest = outbox.bytes.get(usize::try_from(skipped).unwrap_or(usize::MAX)..).unwrap_or_default();
        while let Ok(Some(frame)) = Frame::cut(rest, usize::MAX) {
            self.add(What::Pdu { session, is_read: false, pdu: Pdu::of(&frame) }, now);
            rest = &rest[frame.len()..];
        }
    }
}

impl Pdu {
    fn of(frame: &Frame<'_>) -> Self {
        let view = match frame.command {
            CommandId::SUBMIT_SM => SmView::submit(frame.body).ok(),
            CommandId::DELIVER_SM => SmView::deliver(frame.body).ok(),
            _ => None,
        };
        let has_id = frame.command == CommandId::SUBMIT_SM_RESP && frame.status.is_ok();
        Self {
            command: frame.command,
            status: frame.status,
            sequence: frame.sequence,
            octets: frame.len(),
            addresses: view.map(|view| [masked(view.source.digits), masked(view.destination.digits)]),
            id: has_id.then(|| String::from_utf8_lossy(pdu::submit_sm_resp_id(frame.body)).into_owned()),
        }
    }
}

impl Account {
    #[cold]
    pub(super) fn trace(&mut self, what: What, now: Instant) {
        if let Some(trace) = &mut self.traced {
            trace.add(what, now);
        }
    }

    #[cold]
    pub(super) fn trace_read(&mut self, session: Key, frame: &Frame<'_>, now: Instant) {
        self.trace(What::Pdu { session, is_read: true, pdu: Pdu::of(frame) }, now);
    }
}

impl Shard {
    /// Traces the account for so long; not at all ends it. `None` when it is not at home here.
    pub fn start_trace(&mut self, account: AccountId, span: Duration, now: Instant, out: &Effects) -> Option<()> {
        let account = self.accounts.get_mut(account.index())?.as_mut()?;
        let trace = (!span.is_zero()).then(|| Trace::new(now + span.min(Trace::LONGEST), account, out));
        self.traced -= usize::from(account.traced.is_some());
        self.traced += usize::from(trace.is_some());
        account.traced = trace.map(Box::new);
        Some(())
    }

    /// What was traced, from this number on. Nothing, and over, where there is no trace.
    #[must_use]
    pub fn traced(&self, account: AccountId, after: u64, now: Instant) -> Option<Traced> {
        let account = self.accounts.get(account.index())?.as_ref()?;
        let none = || Traced { is_over: true, ..Traced::default() };
        Some(account.traced.as_ref().map_or_else(none, |trace| trace.told(after, now)))
    }

    /// Looks at what this turn wrote to sessions that are traced.
    pub(super) fn trace_written(&mut self, now: Instant, out: &Effects) {
        if self.traced == 0 {
            return;
        }
        for account in self.accounts.iter_mut().flatten() {
            let Some(trace) = &mut account.traced else { continue };
            if now >= trace.until + Trace::KEPT {
                account.traced = None;
                self.traced -= 1;
                continue;
            }
            for (key, session) in account.sessions.iter() {
                trace.written((key, session.connection), out, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn event(id: u64) -> What {
        What::Settled { id: MessageId::new(id), outcome: Outcome::Accepted }
    }

    fn trace() -> Trace {
        Trace { until: at(1_000), events: VecDeque::new(), first: 0, seen: AHashMap::new() }
    }

    #[test]
    fn a_trace_is_told_from_where_it_was_left_and_is_over_when_its_time_is_and_all_is_told() {
        let mut trace = trace();
        for id in 0..1_500 {
            trace.add(event(id), at(id / 10));
        }
        trace.add(event(7), at(1_000));
        let first = trace.told(0, at(2_000));
        assert_eq!((first.events.len(), first.first, first.is_over), (Trace::MOST_TOLD, 0, false));
        let rest = trace.told(1_000, at(2_000));
        assert_eq!((rest.events.len(), rest.first, rest.is_over), (500, 1_000, true));
        assert!(!trace.told(1_500, at(999)).is_over && trace.told(1_500, at(1_000)).is_over);
    }

    #[test]
    fn a_trace_keeps_the_last_events_and_says_where_they_begin() {
        let mut trace = trace();
        let more = 5;
        for id in 0..(Trace::MOST_EVENTS + more) as u64 {
            trace.add(event(id), at(0));
        }
        let told = trace.told(0, at(0));
        assert_eq!((trace.events.len(), told.first), (Trace::MOST_EVENTS, more as u64));
        let What::Settled { id, .. } = told.events[0].what else { panic!("{told:?}") };
        assert_eq!(id, MessageId::new(more as u64));
    }

    #[test]
    fn what_is_written_is_read_from_the_outbox_once_each_and_without_text() {
        let (session, connection) = (Key { slot: 0, generation: 0 }, Key { slot: 3, generation: 1 });
        let mut out = Effects::new(super::super::message::ShardId(0), 1);
        out.open(connection);
        let mut trace = trace();
        pdu::write_control(CommandId::ENQUIRE_LINK, CommandStatus::ROK, SequenceNumber(1), out.write(connection));
        trace.written((session, connection), &out, at(1));
        let body = b"\0\x01\x01447700900001\0\x05\0ACME\0\0\0\0\0\0\0\0\0\0\x06secret";
        let deliver = Frame {
            command: CommandId::DELIVER_SM,
            status: CommandStatus::ROK,
            sequence: SequenceNumber(2),
            body: &body[..],
        };
        deliver.write(out.write(connection));
        trace.written((session, connection), &out, at(2));
        trace.written((session, connection), &out, at(3));
        let told = |event: &Event| {
            let What::Pdu { pdu, is_read: false, .. } = &event.what else { panic!("{event:?}") };
            (pdu.command, pdu.sequence.0, pdu.addresses.clone())
        };
        let commands: Vec<_> = trace.events.iter().map(told).collect();
        let addresses = ["44770*******".to_owned(), "ACME".to_owned()];
        assert_eq!(commands, [(CommandId::ENQUIRE_LINK, 1, None), (CommandId::DELIVER_SM, 2, Some(addresses))]);
        assert!(!format!("{:?}", trace.events).contains("secret"));
        // The kernel took what nobody looked at.
        pdu::write_control(CommandId::ENQUIRE_LINK, CommandStatus::ROK, SequenceNumber(3), out.write(connection));
        let octets = out.outbox(connection.slot).unwritten().len();
        out.outbox_mut(connection.slot).took(octets);
        trace.written((session, connection), &out, at(4));
        assert!(matches!(trace.events.back().map(|event| &event.what), Some(What::Unseen { .. })));
    }
}
