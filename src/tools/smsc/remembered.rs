//! The messages the simulated carrier remembers, to be asked of: query_sm, cancel_sm and replace_sm.
//!
//! Read by hand here, so that the gateway's own reading hides no mistake of its writing.

use std::collections::{HashMap, VecDeque};

use super::carrier::Carrier;
use super::peer::Peer;
use super::receipt::{Date, State};
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::Frame;
use crate::smpp::view::SmView;

#[derive(Default)]
pub(super) struct Remembered {
    /// By the id as it was given out.
    messages: HashMap<Vec<u8>, Message>,
    /// In the order they came.
    ids: VecDeque<Vec<u8>>,
}

struct Message {
    number: u64,
    submit: Vec<u8>,
    state: State,
    finished: Option<Date>,
    /// A final receipt is owed, and has not left.
    owes_receipt: bool,
    is_cancelled: bool,
}

/// An id, and the source address's digits behind it.
fn id_and_source(command: CommandId, body: &[u8]) -> (&[u8], &[u8]) {
    const TON_NPI: usize = 2;
    let until_nul = |octets: &'_ [u8]| octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let service_type = if command == CommandId::CANCEL_SM { until_nul(body) + 1 } else { 0 };
    let rest = body.get(service_type..).unwrap_or_default();
    let id = &rest[..until_nul(rest)];
    let source = rest.get(id.len() + 1 + TON_NPI..).unwrap_or_default();
    (id, &source[..until_nul(source)])
}

impl Carrier {
    /// Forgets the oldest when there are too many.
    pub(super) fn remember(&mut self, number: u64, submit: &[u8], owed: Option<State>) {
        if self.args.remember == 0 {
            return;
        }
        if self.remembered.ids.len() >= self.args.remember
            && let Some(oldest) = self.remembered.ids.pop_front()
        {
            self.remembered.messages.remove(&oldest);
        }
        let mut id = Vec::new();
        self.args.id_format.write(number, &mut id);
        let message = Message {
            number,
            submit: submit.to_vec(),
            state: State::Enroute,
            finished: None,
            owes_receipt: owed.is_some(),
            is_cancelled: false,
        };
        self.remembered.ids.push_back(id.clone());
        self.remembered.messages.insert(id, message);
    }

    /// A final receipt is about to leave; false when its message was cancelled before.
    pub(super) fn may_finish(&mut self, number: u64, state: State) -> bool {
        if self.args.remember == 0 {
            return true;
        }
        let mut id = Vec::new();
        self.args.id_format.write(number, &mut id);
        let date = self.date;
        let Some(message) = self.remembered.messages.get_mut(&id) else { return true };
        if message.is_cancelled && state != State::Deleted {
            return false;
        }
        (message.state, message.finished, message.owes_receipt) = (state, Some(date), false);
        true
    }

    /// The answer to a request about a message: its status, and its body.
    pub(super) fn asked(&mut self, peer: &Peer, frame: &Frame<'_>, now: u64) -> (CommandStatus, Vec<u8>) {
        self.counts.asked += 1;
        let (id, source) = id_and_source(frame.command, frame.body);
        let refusal = match frame.command {
            CommandId::QUERY_SM => CommandStatus::RQUERYFAIL,
            CommandId::CANCEL_SM => CommandStatus::RCANCELFAIL,
            _ => CommandStatus::RREPLACEFAIL,
        };
        let found = self.remembered.messages.get_mut(id).filter(|message| {
            let view = SmView::submit(&message.submit);
            view.is_ok_and(|view| view.source.digits == source)
        });
        let Some(message) = found else { return (refusal, Vec::new()) };
        if frame.command == CommandId::QUERY_SM {
            let date = message.finished.map_or(Vec::new(), |date| [&date.0[..], b"00000+"].concat());
            let body = [id, b"\0", &date[..], b"\0", &[message.state.number(), 0]].concat();
            return (CommandStatus::ROK, body);
        }
        if message.finished.is_some() {
            return (refusal, Vec::new());
        }
        if frame.command == CommandId::CANCEL_SM {
            let (number, submit, owes) = (message.number, message.submit.clone(), message.owes_receipt);
            (message.is_cancelled, message.state, message.finished) = (true, State::Deleted, Some(self.date));
            if owes {
                self.send_deleted(peer, number, &submit, now);
            }
        }
        (CommandStatus::ROK, Vec::new())
    }
}
