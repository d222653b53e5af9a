//! query_sm, cancel_sm and replace_sm passed to the carrier that has the message: each with a number of its own beside the window,
//! and answered in time or refused.
//!
//! They take no segment of the carrier's rate, which submits wait for, but have one of their own: as many a second, and at most
//! `MOST_A_SECOND`. What is over it, or over `MOST_OUTSTANDING` on every link, is refused at once; nothing waits and nothing is
//! asked twice.

use std::num::NonZeroU32;

use super::carrier::Carrier;
use super::context::Context;
use super::link::LinkState;
use super::message::{Octets, ShardMessage};
use super::operations::refusal;
use super::slab::Key;
use super::throttle::Throttle;
use super::time::Instant;
use super::timers::Owner;
use crate::config::{self, AccountId, Rate};
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::Frame;
use crate::smpp::message_id::MessageId;

/// An ESME's request about a message.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub account: AccountId,
    /// Where it came from, and its number there.
    pub session: Key,
    pub sequence: SequenceNumber,
    pub command: CommandId,
    pub id: MessageId,
}

/// One the carrier has not answered.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its number on the link.
    sequence: SequenceNumber,
    request: Request,
    pub(super) give_up_at: Instant,
}

/// How many of them a second.
#[must_use]
pub fn throttle(config: &config::Carrier) -> Throttle {
    const MOST_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
    let per_second = config.rate.map_or(MOST_A_SECOND, |rate| rate.per_second.min(MOST_A_SECOND));
    Throttle::new(Rate { per_second, burst: per_second })
}

impl Carrier {
    /// Requests outstanding on a link.
    const MOST_OUTSTANDING: usize = 100;

    /// Asks the carrier; `body` has its own id and addresses already.
    pub fn ask(&mut self, request: Request, body: &[u8], cx: &mut Context<'_>) {
        let links = self.links.iter_mut().filter(|link| link.may_submit()).filter_map(|link| {
            let LinkState::Bound(bound) = &mut link.state else { return None };
            (bound.asked.len() < Self::MOST_OUTSTANDING).then_some(bound)
        });
        let free = links.min_by_key(|bound| bound.asked.len()).filter(|_| !cx.is_draining);
        let Some(bound) = free.filter(|_| self.asks.take(1, cx.now).is_ok()) else {
            return tell(request, refusal(request.command), b"", cx);
        };
        let sequence = bound.window.control_number();
        let give_up_at = cx.now + cx.config.smpp.timers.response;
        bound.asked.push(Asked { sequence, request, give_up_at });
        let out = cx.out.write(bound.connection);
        Frame { command: request.command, status: CommandStatus::ROK, sequence, body }.write(out);
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, give_up_at);
    }

    /// False when this answers no such request. An answer that came late, or that fits none, changes nothing.
    pub(super) fn handle_asked_resp(&mut self, at: usize, frame: &Frame<'_>, cx: &mut Context<'_>) -> bool {
        let LinkState::Bound(bound) = &mut self.links[at].state else { return false };
        let is_nack = frame.command == CommandId::GENERIC_NACK;
        let answers = |asked: &Asked| {
            asked.sequence == frame.sequence && (is_nack || frame.command == asked.request.command.response())
        };
        let Some(place) = bound.asked.iter().position(answers) else { return false };
        let request = bound.asked.remove(place).request;
        // A nack says nothing of the message.
        let status = if is_nack { refusal(request.command) } else { frame.status };
        tell(request, status, frame.body, cx);
        true
    }
}

/// No answer came in time, or none will.
pub(super) fn refuse(asked: impl IntoIterator<Item = Asked>, cx: &mut Context<'_>) {
    for asked in asked {
        tell(asked.request, refusal(asked.request.command), b"", cx);
    }
}

fn tell(request: Request, status: CommandStatus, body: &[u8], cx: &mut Context<'_>) {
    let batch = &mut cx.out.prompt[cx.placement.home_of_account(request.account).index()];
    // Only a query's answer says anything, and that is short.
    let body = if status.is_ok() && request.command == CommandId::QUERY_SM { batch.add(body) } else { Octets::NONE };
    batch.messages.push(ShardMessage::Answered { request, status, body });
}
