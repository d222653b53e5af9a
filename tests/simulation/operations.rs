//! query_sm, cancel_sm and replace_sm: asked by simulated ESMEs, and answered by simulated carriers, well or badly.

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::operations::{Operation, QueryAnswer, replaced};
use trunkline::smpp::pdu;
use trunkline::smpp::view::SmView;

use crate::ledger::Ledger;
use crate::net::{Toward, WireId};
use crate::sim::{Event, Sim};
use crate::text::ODD_PROFILE;

/// A status, and the body behind it.
pub(crate) type Answer = (CommandStatus, Vec<u8>);

/// How a carrier answers what it is asked of a message.
#[derive(Clone, Debug)]
pub(crate) struct AskedHabit {
    pub(crate) status: CommandStatus,
    /// What a query is told.
    pub(crate) state: u8,
    pub(crate) latency_ms: (u64, u64),
    pub(crate) silent: u64,
    pub(crate) nacked: u64,
    /// Answers a second time.
    pub(crate) twice: u64,
}

impl Default for AskedHabit {
    fn default() -> Self {
        let (status, state) = (CommandStatus::ROK, 1);
        Self { status, state, latency_ms: (5, 20), silent: 0, nacked: 0, twice: 0 }
    }
}

impl AskedHabit {
    /// Anything may happen.
    pub(crate) fn wild() -> Self {
        Self { latency_ms: (0, 9_000), silent: 100, nacked: 100, twice: 100, ..Self::default() }
    }
}

/// A profile of what may be asked, behind `odd`.
pub(crate) const ASKING: &str = "  asking: { like: odd, operations: { query: pass, cancel: pass, replace: pass } }\n";

const SOURCE: &[u8] = b"\x05\0ACME\0";

pub(crate) fn query(id: &[u8]) -> Vec<u8> {
    [id, b"\0", SOURCE].concat()
}

/// Of one message, or, without an id, of all to this number.
pub(crate) fn cancel(id: &[u8], destination: &str) -> Vec<u8> {
    let kind: &[u8] = if destination.is_empty() { b"\0\0" } else { b"\x01\x01" };
    [b"\0", id, b"\0", SOURCE, kind, destination.as_bytes(), b"\0"].concat()
}

pub(crate) fn replace(id: &[u8], validity: &str, text: &str) -> Vec<u8> {
    let behind = [1, 0, text.len() as u8];
    [id, b"\0", SOURCE, b"\0", validity.as_bytes(), b"\0", &behind, text.as_bytes()].concat()
}

impl Ledger {
    /// What a carrier is to be sent of this submit from now on.
    pub(crate) fn was_replaced(&mut self, tag: u32, body: &[u8]) {
        let Ok(Operation::Replace(replace)) = Operation::read(CommandId::REPLACE_SM, body) else { return };
        let Some(submit) = self.submits.get_mut(&tag) else { return };
        if let Ok(view) = SmView::submit(&submit.body) {
            submit.body = replaced(&view, &replace);
        }
    }
}

impl Sim {
    /// Asks, and returns the number the answer will have.
    pub(crate) fn esme_asks(&mut self, at: usize, command: CommandId, body: &[u8]) -> u32 {
        let sequence = self.esmes[at].take_sequence();
        self.esmes[at].asked.insert(sequence.0, None);
        let mut out = Vec::new();
        Frame { command, status: CommandStatus::ROK, sequence, body }.write(&mut out);
        self.esme_sends(at, &out);
        sequence.0
    }

    /// Asks anything of anything. What is stored is not cancelled: the books would wonder.
    pub(crate) fn esme_asks_any(&mut self, at: usize) {
        let esme = &self.esmes[at];
        let known: Vec<Vec<u8>> = esme.answers.values().map(|(_, id)| id.clone()).collect();
        let id =
            if known.is_empty() { b"4711".to_vec() } else { self.rng.pick(&known.iter().collect::<Vec<_>>()).clone() };
        let stores = self.ledger.storing.contains(&self.esmes[at].account);
        match self.rng.below(if stores { 1 } else { 3 }) {
            0 => self.esme_asks(at, CommandId::QUERY_SM, &query(&id)),
            1 => self.esme_asks(at, CommandId::CANCEL_SM, &cancel(&id, "")),
            _ => self.esme_asks(at, CommandId::REPLACE_SM, &replace(&id, "", "other")),
        };
    }

    pub(crate) fn esme_answered(&mut self, at: usize, frame: &Frame<'_>) {
        match self.esmes[at].asked.get_mut(&frame.sequence.0) {
            Some(answer @ None) => *answer = Some((frame.status, frame.body.to_vec())),
            Some(Some(_)) => self.fail(&format!("{:?} {} was answered twice", frame.command, frame.sequence.0)),
            None => self.fail(&format!("an answer to {:?} that was never asked", frame.command)),
        }
    }

    pub(crate) fn smsc_asked(&mut self, carrier: usize, wire: WireId, frame: &Frame<'_>) {
        let Ok(operation) = Operation::read(frame.command, frame.body) else {
            self.fail(&format!("a carrier was asked what cannot be read: {frame:?}"))
        };
        self.smscs[carrier].asked.push((frame.command, frame.body.to_vec()));
        let habit = self.smscs[carrier].habit.asked.clone();
        if self.rng.chance(habit.silent) {
            return;
        }
        let mut out = Vec::new();
        if self.rng.chance(habit.nacked) {
            pdu::write_control(CommandId::GENERIC_NACK, CommandStatus::RINVCMDID, frame.sequence, &mut out);
        } else {
            let mut body = Vec::new();
            if frame.command == CommandId::QUERY_SM && habit.status.is_ok() {
                let (id, message_state) = (operation.id(), habit.state);
                QueryAnswer { id, final_date: b"", message_state, error_code: 9 }.write(&mut body);
            }
            let (command, status, sequence) = (frame.command.response(), habit.status, frame.sequence);
            Frame { command, status, sequence, body: &body }.write(&mut out);
        }
        if self.rng.chance(habit.twice) {
            self.plan_ms(habit.latency_ms, Event::PeerSends(wire, out.clone()));
        }
        self.plan_ms(habit.latency_ms, Event::PeerSends(wire, out));
    }

    /// An answer nobody waits for.
    pub(crate) fn smsc_says(&mut self, carrier: usize, command: CommandId, sequence: u32) {
        let Some(wire) = self.smscs[carrier].links.first().map(|link| link.wire) else { return };
        let mut out = Vec::new();
        pdu::write_control(command, CommandStatus::ROK, SequenceNumber(sequence), &mut out);
        self.send(wire, Toward::Proxy, &out);
    }
}

/// Every account keeps states, the first for shorter than the storm lasts; every odd carrier may be asked.
pub(crate) fn with_states(config: &str) -> String {
    let mut text =
        config.replace("profile: odd", "profile: asking").replace(ODD_PROFILE, &format!("{ODD_PROFILE}{ASKING}"));
    for (at, status) in [(0, "30s"), (1, "24h"), (2, "1h")] {
        let head = format!("  a{at}: {{ password: secret");
        text = text.replace(&head, &format!("{head}, status: {status}"));
    }
    text
}
