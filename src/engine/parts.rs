//! The parts of one message, at their account's home: they go to one carrier, whichever session and order they come in.
//!
//! The handset puts a message together by sender, reference and total. Two carriers may change either on the way, and one may
//! be minutes slower; so the first part seen chooses by route and the others follow, also to a carrier that a new message
//! would not go to any more. What happens when the carrier cannot take one of them:
//!
//! - **Nothing of the message was accepted there.** Without a link bound, the message moves: what comes back follows the first
//!   that did. A part that found no room while others are under way there is offered once more: they may have been let in
//!   because of it. One that is refused goes on alone: the others may be accepted yet.
//! - **A part was accepted there** (or may have been). For want of a link or of room the rest waits there for `queue_wait`,
//!   which bridges a reconnect. A part that the carrier refuses is not offered again: more of the same rarely helps.
//! - **Then it goes elsewhere rather than be refused.** A refusal costs the customer the message: he sends all of it again,
//!   pays twice, and may put two of them on the handset. Over two carriers that keep sender and reference it arrives whole. Only
//!   where either of the two remaps references (`remap_references`) can it never be put together: then the part is refused, and
//!   finds its carrier when it is sent again.
//!
//! A message is forgotten when all its parts were accepted, or a minute after the last was heard of: its reference may then be
//! another message's. A part number seen again begins a new message, unless that part was refused or is in doubt. What is begun
//! there is let into a carrier's queue beyond its bound, by at most the carrier's windows: or overload would take messages apart.

use std::time::Duration;

use super::context::Context;
use super::message::{Outcome, ReturnReason};
use super::recent::Recent;
use super::router::RouteChoice;
use super::submit::hash_octets;
use super::time::Instant;
use crate::config::CarrierId;
use crate::smpp::message_id::MessageId;
use crate::smpp::segment;
use crate::smpp::view::SmView;

/// A submit that is a part of a message, kept with it until it is settled.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Account (by the table it is in), source, destination, mark, reference and total in one.
    key: u64,
    pub total: u8,
    pub number: u8,
    /// Which of the messages that had this key.
    birth: u32,
    /// What names its message: the id of the first of its parts that was sent. Its own, until that is known.
    pub message: MessageId,
    /// Whether a receipt will tell what became of it.
    pub asks: bool,
    at: CarrierId,
    /// Counted among those at the message's carrier.
    is_counted: bool,
    has_waited: bool,
}

/// What a part may ask of its carrier because of others of its message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// It is the first there, or no part.
    None,
    /// Others are on their way there: it is let into a full queue.
    Begun,
    /// Others were accepted there: it also waits for a link.
    Held,
}

/// Messages of which a part was seen lately.
#[derive(Debug)]
pub struct Messages {
    recent: Recent<u64, Message>,
    births: u32,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    birth: u32,
    name: MessageId,
    carrier: CarrierId,
    /// Part numbers seen and not refused.
    seen: [u64; 4],
    accepted: u8,
    /// Parts at `carrier` and not settled.
    at_carrier: u8,
    /// A part was accepted there, or may have been.
    is_held: bool,
}

/// What a part that came back does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Waits,
    /// The message is at another carrier by now.
    Follows(CarrierId),
    /// With the message.
    Moves,
    Alone,
    /// Others were accepted where it comes from.
    Leaves,
}

impl Part {
    #[must_use]
    pub fn read(view: &SmView<'_>) -> Option<Self> {
        let segment = segment::segment_ref(view)?;
        let mark = [segment.mark as u64, segment.reference.into(), segment.total.into()];
        let mark = (mark[0] << 32) | (mark[1] << 8) | mark[2];
        let addresses = hash_octets(view.source.digits) ^ hash_octets(view.destination.digits).rotate_left(32);
        let key = hash_octets(&(addresses ^ mark.rotate_left(20)).to_le_bytes());
        let (total, number, at) = (segment.total, segment.number, CarrierId(0));
        // Of its success and its failure: who asks for one of the two may never have a receipt.
        let asks = view.registered_delivery & 0b11 == 0b01;
        let message = MessageId::new(0);
        Some(Self { key, total, number, birth: 0, message, asks, at, is_counted: false, has_waited: false })
    }

    /// What the parts of one message have in common, and other messages of the account hardly ever; never 0.
    #[must_use]
    pub fn affinity(&self) -> u32 {
        ((self.key >> 32) as u32 ^ self.key as u32).max(1)
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self { recent: Recent::new(Self::MOST, Self::IDLE), births: 0 }
    }
}

impl Messages {
    const MOST: usize = 1 << 14;
    pub const IDLE: Duration = Duration::from_secs(60);

    #[must_use]
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// The carrier that other parts of its message went to.
    #[must_use]
    pub fn carrier(&self, part: &Part, now: Instant) -> Option<CarrierId> {
        let message = self.recent.get(&part.key, now)?;
        (!message.has_seen(part.number)).then_some(message.carrier)
    }

    /// A part goes to its first carrier.
    pub fn send(&mut self, part: &mut Part, carrier: CarrierId, now: Instant) -> Claim {
        let known = self.recent.touch(&part.key, now).filter(|message| !message.has_seen(part.number));
        let message = match known {
            Some(message) => message,
            None => {
                while self.recent.pop_old(now).is_some() {}
                self.births = self.births.wrapping_add(1);
                let (birth, name, seen) = (self.births, part.message, [0; 4]);
                let message = Message { birth, name, carrier, seen, accepted: 0, at_carrier: 0, is_held: false };
                self.recent.insert(part.key, message, now);
                let Some(message) = self.recent.touch(&part.key, now) else { return Claim::None };
                message
            }
        };
        (part.birth, part.message) = (message.birth, message.name);
        message.set_seen(part.number, true);
        // Another than the others', when the route does not name theirs any more.
        let moves = message.carrier != carrier;
        message.go(part, carrier, moves)
    }

    /// Where a part goes that its carrier gave back; `None` when it is to be refused.
    pub fn next_carrier(
        &mut self,
        part: &mut Part,
        choice: &mut RouteChoice,
        reason: ReturnReason,
        cx: &Context<'_>,
    ) -> Option<(CarrierId, Claim)> {
        let from = part.at;
        let next = self.returned(part, reason, cx.now);
        let carrier = match next {
            Next::Waits => from,
            Next::Follows(carrier) => follow(choice, carrier, cx)?,
            Next::Moves | Next::Alone => cx.routes.next_carrier(choice, cx.loads, cx.now)?,
            Next::Leaves => {
                let keeps = |carrier: &CarrierId| !cx.config.carrier(*carrier).remap_references;
                cx.routes.next_carrier(choice, cx.loads, cx.now).filter(|next| keeps(next) && keeps(&from))?
            }
        };
        Some((carrier, self.go(part, carrier, next == Next::Moves, cx.now)))
    }

    /// A part has its answer.
    pub fn settled(&mut self, part: &Part, outcome: Outcome, now: Instant) {
        let Some(message) = self.live(part, now) else { return };
        let is_there = message.carrier == part.at;
        message.at_carrier -= u8::from(is_there && part.is_counted).min(message.at_carrier);
        match outcome {
            Outcome::Accepted => {
                message.accepted += 1;
                message.is_held |= is_there;
            }
            Outcome::InDoubt => {
                message.set_seen(part.number, false);
                message.is_held |= is_there;
            }
            Outcome::Refused(_) | Outcome::Failed(_) => message.set_seen(part.number, false),
        }
        let is_whole = message.accepted == part.total;
        let is_nowhere = !message.is_held && message.seen == [0; 4];
        if is_whole || is_nowhere {
            self.recent.remove(&part.key);
        }
    }

    fn returned(&mut self, part: &mut Part, reason: ReturnReason, now: Instant) -> Next {
        let Some(message) = self.live(part, now) else { return Next::Alone };
        if message.carrier != part.at {
            return Next::Follows(message.carrier);
        }
        message.at_carrier -= u8::from(part.is_counted).min(message.at_carrier);
        part.is_counted = false;
        let has_others = message.at_carrier > 0;
        let may_wait = match reason {
            ReturnReason::NotBound => message.is_held,
            // What came behind it may have been let in because of it.
            ReturnReason::QueueFull => message.is_held || has_others,
            ReturnReason::Refused(_) => false,
        };
        match reason {
            _ if may_wait && !part.has_waited => {
                part.has_waited = true;
                Next::Waits
            }
            _ if message.is_held => Next::Leaves,
            ReturnReason::QueueFull | ReturnReason::Refused(_) if has_others => Next::Alone,
            ReturnReason::NotBound | ReturnReason::QueueFull | ReturnReason::Refused(_) => Next::Moves,
        }
    }

    fn go(&mut self, part: &mut Part, carrier: CarrierId, moves: bool, now: Instant) -> Claim {
        match self.live(part, now) {
            Some(message) => message.go(part, carrier, moves),
            None => {
                (part.at, part.is_counted) = (carrier, false);
                Claim::None
            }
        }
    }

    /// Its message, when that is still known.
    fn live(&mut self, part: &Part, now: Instant) -> Option<&mut Message> {
        self.recent.touch(&part.key, now).filter(|message| message.birth == part.birth)
    }
}

impl Message {
    fn go(&mut self, part: &mut Part, carrier: CarrierId, moves: bool) -> Claim {
        if moves && carrier != self.carrier {
            (self.carrier, self.at_carrier, self.is_held) = (carrier, 0, false);
        }
        part.at = carrier;
        part.is_counted = carrier == self.carrier;
        if !part.is_counted {
            return Claim::None;
        }
        let claim = match (self.is_held, self.at_carrier) {
            (true, _) => Claim::Held,
            (false, 0) => Claim::None,
            (false, _) => Claim::Begun,
        };
        part.has_waited |= claim == Claim::Held;
        self.at_carrier = self.at_carrier.saturating_add(1);
        claim
    }

    fn has_seen(&self, number: u8) -> bool {
        self.seen[usize::from(number / 64)] & Self::bit(number) != 0
    }

    fn set_seen(&mut self, number: u8, is_seen: bool) {
        let word = &mut self.seen[usize::from(number / 64)];
        *word = if is_seen { *word | Self::bit(number) } else { *word & !Self::bit(number) };
    }

    fn bit(number: u8) -> u64 {
        1 << (number % 64)
    }
}

/// The rest of the part's way begins with this carrier, when it has not been there.
fn follow(choice: &mut RouteChoice, carrier: CarrierId, cx: &Context<'_>) -> Option<CarrierId> {
    if cx.routes.take(choice, carrier) { Some(carrier) } else { cx.routes.next_carrier(choice, cx.loads, cx.now) }
}

#[cfg(test)]
mod tests;
