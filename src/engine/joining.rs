//! Long messages whose parts' receipts are told of together, at their account's home: which parts were accepted under which ids, and
//! what is known of each.
//!
//! A message is named by the id of the first of its parts that was sent. It is whole when every part was accepted. One that is not
//! is closed some time after the last part was: what is missing was refused, or never came. What is known of a message is told
//!
//! - with `receipts: all`, when it is whole or closed and every part that asked for a receipt has its final one;
//! - with `receipts: last`, when the last of the parts that asked has its own;
//! - at the end of retention, whatever is known then.
//!
//! Parts that did not ask are not waited for; when none did, the message is told of to those alone who want receipts that nobody
//! asked for (`unrequested_receipts: pass`). Then all of its parts are waited for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use ahash::AHashMap;

use super::parts::Messages;
use super::time::Instant;
use crate::config::{CarrierId, ReceiptsOfParts};
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::MessageState;

pub mod kept;
#[cfg(test)]
mod tests;

#[derive(Debug, Default)]
pub struct Joining {
    messages: AHashMap<MessageId, Message>,
    /// The message of each part.
    of_part: AHashMap<MessageId, MessageId>,
    /// When messages that are not whole are looked at.
    closings: BinaryHeap<Reverse<(Instant, u64)>>,
    /// In the order they came: what is beyond retention is in front.
    by_age: VecDeque<(u32, MessageId)>,
    held: usize,
    /// To which messages stored parts belong, in the order they came.
    pub(super) stored: Messages,
}

#[derive(Debug)]
pub struct Message {
    pub total: u8,
    /// By number.
    pub parts: Vec<Part>,
    /// When a part was accepted last.
    pub heard: Instant,
    pub is_closed: bool,
    /// It was told of while more of its parts might come.
    pub is_told: bool,
    /// A carrier's receipt for all parts it has, while more of them may come.
    pub whole_receipt: Option<Box<WholeReceipt>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub number: u8,
    pub id: MessageId,
    /// What took it; `None` when that is configured no more.
    pub carrier: Option<CarrierId>,
    pub asks: bool,
    /// The customer has its answer, or will not get one.
    pub is_answered: bool,
    /// Unix seconds.
    pub accepted: u32,
    /// What it is kept under, once it is.
    pub key: Option<u64>,
    pub state: PartState,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartState {
    Awaited,
    /// Its receipt is held back.
    Final(MessageState),
    /// Its message has been told of without it.
    Told,
}

/// One receipt of a carrier that sends one for a whole message.
#[derive(Clone, Debug)]
pub struct WholeReceipt {
    pub carrier: CarrierId,
    pub state: MessageState,
    pub body: Vec<u8>,
}

/// What is to be done about a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    Wait,
    /// Nobody wants to hear of it.
    Forget,
    /// This part's receipt tells of it.
    Part(MessageId),
    /// One under this part's id tells of all.
    All(MessageId),
}

/// What the customer wants to hear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wants {
    pub receipts: ReceiptsOfParts,
    /// Receipts that were not asked for, too.
    pub unrequested: bool,
}

impl Joining {
    const GONE_KEPT: usize = 1_024;

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Parts that are known, or messages when there are more of these.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of_part.len().max(self.messages.len())
    }

    /// Receipts that are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// A part was accepted. The one that had its number is returned, and belongs to no message any more.
    pub fn insert(&mut self, name: MessageId, total: u8, part: Part, now: Instant, closes_at: Instant) -> Option<Part> {
        // Those that are gone stay in it until their turn, but not too many.
        if self.by_age.len() > 2 * self.messages.len() + Self::GONE_KEPT {
            let messages = &self.messages;
            self.by_age.retain(|(_, name)| messages.contains_key(name));
        }
        let message = self.messages.entry(name).or_insert_with(|| {
            self.closings.push(Reverse((closes_at, name.bits())));
            self.by_age.push_back((part.accepted, name));
            Message { total, parts: Vec::new(), heard: now, is_closed: false, is_told: false, whole_receipt: None }
        });
        message.heard = now;
        self.held += usize::from(matches!(part.state, PartState::Final(_)));
        self.of_part.insert(part.id, name);
        let replaced = match message.parts.binary_search_by_key(&part.number, |other| other.number) {
            Ok(at) => Some(std::mem::replace(&mut message.parts[at], part)),
            Err(at) => {
                message.parts.insert(at, part);
                None
            }
        }?;
        self.of_part.remove(&replaced.id);
        self.held -= usize::from(matches!(replaced.state, PartState::Final(_)));
        Some(replaced)
    }

    /// The message a part belongs to.
    #[must_use]
    pub fn message_of(&self, part: MessageId) -> Option<MessageId> {
        self.of_part.get(&part).copied()
    }

    #[must_use]
    pub fn message(&self, name: MessageId) -> Option<&Message> {
        self.messages.get(&name)
    }

    pub fn message_mut(&mut self, name: MessageId) -> Option<&mut Message> {
        self.messages.get_mut(&name)
    }

    #[must_use]
    pub fn part(&self, id: MessageId) -> Option<&Part> {
        self.messages.get(self.of_part.get(&id)?)?.parts.iter().find(|part| part.id == id)
    }

    pub fn part_mut(&mut self, id: MessageId) -> Option<&mut Part> {
        self.messages.get_mut(self.of_part.get(&id)?)?.parts.iter_mut().find(|part| part.id == id)
    }

    pub fn set_state(&mut self, id: MessageId, state: PartState) {
        let Some(part) = self.part_mut(id) else { return };
        let before = std::mem::replace(&mut part.state, state);
        self.held += usize::from(matches!(state, PartState::Final(_)));
        self.held -= usize::from(matches!(before, PartState::Final(_)));
    }

    /// Nothing more is to be known of a part; with the last of them its message goes, unless more may come.
    pub fn remove_part(&mut self, id: MessageId) -> Option<Part> {
        let name = self.of_part.remove(&id)?;
        let message = self.messages.get_mut(&name)?;
        let at = message.parts.iter().position(|part| part.id == id)?;
        let part = message.parts.remove(at);
        self.held -= usize::from(matches!(part.state, PartState::Final(_)));
        let may_matter = message.is_told || message.whole_receipt.is_some();
        if message.parts.is_empty() && (message.is_closed || !may_matter) {
            self.messages.remove(&name);
        }
        Some(part)
    }

    /// Forgets a message all of whose parts are gone.
    pub fn remove(&mut self, name: MessageId) {
        self.messages.remove(&name);
    }

    pub fn next(&self, name: MessageId, wants: Wants) -> Next {
        self.messages.get(&name).map_or(Next::Wait, |message| message.next(wants))
    }

    /// The next message that no part was accepted of for so long, closed now unless it is whole.
    pub fn close_next(&mut self, now: Instant, after: std::time::Duration) -> Option<MessageId> {
        while let Some(Reverse((_, bits))) = self.closings.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.closings.pop();
            let name = MessageId::new(bits);
            let Some(message) = self.messages.get_mut(&name).filter(|message| !message.is_closed) else { continue };
            let closes_at = message.heard + after;
            if closes_at > now {
                self.closings.push(Reverse((closes_at, bits)));
                continue;
            }
            (message.is_closed, message.whole_receipt) = (true, None);
            if message.parts.is_empty() {
                self.messages.remove(&name);
                continue;
            }
            return Some(name);
        }
        None
    }

    /// Looks at a message again later, for it could not be told of now.
    pub fn close_again_at(&mut self, name: MessageId, at: Instant) {
        if let Some(message) = self.messages.get_mut(&name) {
            message.is_closed = false;
            self.closings.push(Reverse((at, name.bits())));
        }
    }

    /// The oldest message, when it began before `oldest`. It is to be removed, or it is returned again.
    pub fn first_before(&mut self, oldest: u32) -> Option<MessageId> {
        while let Some((_, name)) = self.by_age.front().copied().filter(|(born, _)| *born < oldest) {
            if self.messages.contains_key(&name) {
                return Some(name);
            }
            self.by_age.pop_front();
        }
        None
    }

    /// The messages there are.
    pub fn names(&self) -> impl Iterator<Item = MessageId> {
        self.messages.keys().copied()
    }
}

impl Message {
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts.len() == usize::from(self.total)
    }

    /// Whether more of its parts may have to be told what one receipt said of all.
    #[must_use]
    pub fn may_grow(&self) -> bool {
        !(self.is_closed || self.is_whole() && self.parts.iter().all(|part| part.is_answered))
    }

    /// Parts that were never accepted.
    #[must_use]
    pub fn missing(&self) -> u8 {
        // Their numbers are different and none is above the total.
        self.total - self.parts.len().min(usize::from(self.total)) as u8
    }

    /// Those whose receipts decide, by number.
    pub fn awaited(&self, wants: Wants) -> impl Iterator<Item = &Part> {
        let has_asked = self.parts.iter().any(|part| part.asks);
        self.parts.iter().filter(move |part| part.asks || !has_asked && wants.unrequested)
    }

    fn next(&self, wants: Wants) -> Next {
        if self.is_told || self.parts.iter().any(|part| part.state == PartState::Told) {
            return Next::Wait;
        }
        let may_grow = !self.is_whole() && !self.is_closed;
        let Some(last) = self.awaited(wants).last() else {
            return if may_grow { Next::Wait } else { Next::Forget };
        };
        let is_final = |part: &Part| matches!(part.state, PartState::Final(_));
        match wants.receipts {
            // Each was told of by itself.
            ReceiptsOfParts::Each => Next::Wait,
            ReceiptsOfParts::Last if may_grow && last.number < self.total => Next::Wait,
            ReceiptsOfParts::Last if is_final(last) => Next::Part(last.id),
            ReceiptsOfParts::All if !may_grow && self.awaited(wants).all(is_final) => Next::All(last.id),
            ReceiptsOfParts::Last | ReceiptsOfParts::All => Next::Wait,
        }
    }
}
