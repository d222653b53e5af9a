//! The last step of a stored submit at its carrier's home: it has its place in a link's window, and is written once its account's
//! home has made durable that it may have been sent. Its token of the carrier's rate was spent when it asked: a commit that is
//! slower than others lets so much more leave behind it.

use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::link::LinkState;
use super::message::{ReturnReason, ShardMessage, SubmitInfo};
use super::sending::must_not_leave;
use super::slab::Key;
use super::timers::Owner;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame;

impl Pending {
    /// The place in the stream of what has its place in the window alone.
    const UNWRITTEN: u64 = u64::MAX;

    /// Whether none of its octets was put into the stream.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.stream_at == Self::UNWRITTEN
    }
}

impl Carrier {
    /// Whether the queue has room for a submit. What is stored waits at home just as well: half is left to what has to be answered
    /// soon, save that no account keeps another from its share.
    pub(super) fn has_room(&self, info: &SubmitInfo, queue: usize) -> bool {
        let waiting = self.queue.len();
        if !info.is_stored() {
            return waiting < queue;
        }
        let (half, most) = ((queue / 2).max(1), (queue - queue / 4).max(1));
        waiting < half || waiting < most && self.queue.share_taken(info.account) < half as u64
    }

    /// Asks its account's home for a submit that would be written now.
    pub(super) fn ask_to_send(&mut self, at: usize, mut pending: Pending, cx: &mut Context<'_>) {
        let LinkState::Bound(bound) = &mut self.links[at].state else { return };
        let (info, connection) = (pending.info, bound.connection);
        pending.stream_at = Pending::UNWRITTEN;
        pending.pace_epoch = self.pace.epoch();
        bound.look_at = bound.look_at.min(info.deadline);
        // There was a free place, so the window cannot refuse.
        let Ok(sequence) = bound.window.open(pending) else { return };
        if info.affinity != 0 {
            self.part_left(&info, at, connection, cx.now);
        }
        let (account, submit, carrier, link) = (info.account, info.submit, self.id, at as u16);
        let home = cx.placement.home_of_account(account);
        cx.out.tell(home, ShardMessage::AskSend { account, submit, carrier, link, connection, sequence });
        cx.timers.arm(Owner::Carrier(self.id), &mut self.armed, info.deadline);
    }

    /// The mark is durable. A link that is gone has given back what it had.
    pub fn may_send(&mut self, at: usize, connection: Key, sequence: SequenceNumber, cx: &mut Context<'_>) {
        let LinkState::Bound(bound) = &mut self.links[at].state else { return };
        if bound.connection != connection {
            return;
        }
        let Some(pending) = bound.window.get_mut(sequence).filter(|pending| pending.is_unwritten()) else { return };
        if must_not_leave(pending, cx) {
            if let Some(pending) = bound.window.close(sequence) {
                self.return_pending(pending, ReturnReason::QueueFull, cx);
            }
            return self.pump(cx);
        }
        pending.stream_at = cx.out.outbox(connection.slot).total_queued();
        if pending.info.wants_receipt {
            pending.written = self.unanswered.written();
        }
        let info = pending.info;
        self.counts.queued_for.observe(cx.now.since(pending.since));
        pending.since = cx.now;
        let out = cx.out.write(connection);
        frame::write_header(out, CommandId::SUBMIT_SM, CommandStatus::ROK, sequence, pending.sent().len());
        let body_at = out.len();
        out.extend_from_slice(pending.sent());
        if info.affinity != 0
            && let Some(references) = &mut self.references
        {
            references.rewrite(info.account, &mut out[body_at..], cx.now);
        }
        self.counts.submits_sent += 1;
    }
}
