//! A carrier's answers to submits: accepted, to be tried elsewhere, to be slowed down for, or final.
//!
//! An acceptance whose receipt will follow is correlated first: (carrier, its id) to (account, our id). The customer's answer
//! waits for that record.

use std::time::Duration;

use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::correlation::Correlation;
use super::event::Record;
use super::link::LinkState;
use super::message::{Outcome, ReturnReason, SubmitInfo};
use crate::config::Then;
use crate::metrics::AnswerClass;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::congestion::congestion_state;
use crate::smpp::frame::Frame;
use crate::smpp::message_id::{self, MessageId};
use crate::smpp::pdu;

impl Carrier {
    /// Settles the submit this answers.
    pub(super) fn handle_submit_resp(&mut self, at: usize, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let LinkState::Bound(bound) = &mut self.links[at].state else { return };
        let Some(pending) = bound.window.close(frame.sequence) else {
            self.handle_late_resp(at, frame, cx);
            return;
        };
        if pending.is_unwritten() {
            // It answers what it was never sent.
            self.put_back(pending, cx);
            return self.pump(cx);
        }
        bound.unanswered_in_a_row = 0;
        self.counts.answered.observe(cx.now.since(pending.since));
        let was_oldest = pending.info.wants_receipt && self.unanswered.answered(pending.written);
        // A nack is a refusal whatever its status says; ESME_ROK would tell the customer that it was accepted.
        let is_empty_nack = frame.command == CommandId::GENERIC_NACK && frame.status.is_ok();
        let (segments, epoch) = (u32::from(pending.info.segments), pending.pace_epoch);
        let id = pdu::submit_sm_resp_id(frame.body);
        match if is_empty_nack { CommandStatus::RSUBMITFAIL } else { frame.status } {
            CommandStatus::ROK => {
                self.counts.count_answer(AnswerClass::Ok);
                self.pace.answered(segments, epoch, cx.now);
                if pending.info.wants_receipt && !id.is_empty() {
                    self.accept_with_receipt(pending, id, cx);
                } else {
                    self.settle_as(pending, Outcome::Accepted, id, cx);
                }
            }
            status => self.refuse(pending, status, cx),
        }
        // Behind the text of an id, or alone, may be TLVs.
        if let Some(state) = frame.body.get(id.len() + 1..).and_then(congestion_state) {
            self.pace.congestion(state, epoch);
        }
        if was_oldest {
            self.drop_unclaimed(cx);
        }
        if !self.queue.is_empty() {
            self.pump(cx);
        }
    }

    /// What follows a refusal, as the profile says: once more here, the next carrier, or the customer is told.
    fn refuse(&mut self, mut pending: Pending, status: CommandStatus, cx: &mut Context<'_>) {
        let statuses = &cx.config.carrier(self.id).profile.statuses;
        let (then, told) = (statuses.then(status), statuses.told(status));
        let (segments, epoch) = (u32::from(pending.info.segments), pending.pace_epoch);
        pending.refused = Some(told);
        self.refusals.count(status.0);
        if then == Then::Slow {
            self.counts.count_answer(AnswerClass::Throttled);
            self.pace.refused(segments, epoch, cx.now);
            let is_about_speed = status == CommandStatus::RTHROTTLED;
            let wait = if is_about_speed { Duration::ZERO } else { wait_after(pending.slowed) };
            pending.slowed = pending.slowed.saturating_add(1);
            if let Some(pending) = self.put_back_after(wait, pending, cx) {
                self.return_pending(pending, ReturnReason::Refused(told), cx);
            }
            return;
        }
        self.pace.answered(segments, epoch, cx.now);
        if then == Then::Final {
            self.counts.count_answer(AnswerClass::Error);
            return self.settle(pending, Outcome::Refused(told), cx);
        }
        self.counts.count_answer(AnswerClass::Temporary);
        pending.course.tries += 1;
        let back = match then {
            Then::Again { after, times } if pending.agains < times && pending.course.may_go_on() => {
                pending.agains += 1;
                self.put_back_after(after, pending, cx)
            }
            Then::Again { .. } | Then::Next | Then::Slow | Then::Final => Some(pending),
        };
        if let Some(pending) = back {
            self.return_pending(pending, ReturnReason::Refused(told), cx);
        }
    }

    /// Remembers whose receipt will come under this id; the customer is answered once that is durable.
    fn accept_with_receipt(&mut self, pending: Pending, id: &[u8], cx: &mut Context<'_>) {
        let (info, written) = (pending.info, pending.written);
        let shown = self.shown.take_coming(info.id);
        // Destinations of one id are told apart by their addresses alone, so the customer gets his own back.
        let addresses = if shown.is_some() { pending.addresses() } else { pending.readdressed() };
        let entry = self.correlate(&info, id, (addresses, shown), false, cx);
        self.settle_as(pending, Outcome::Accepted, id, cx);
        if !self.early.is_empty() {
            for early in self.early.take(entry.fingerprint, written) {
                self.join_early(early, entry, cx);
            }
        }
    }

    fn correlate(
        &mut self,
        info: &SubmitInfo,
        id: &[u8],
        (addresses, shown): (&[u8], Option<MessageId>),
        is_muted: bool,
        cx: &mut Context<'_>,
    ) -> Correlation {
        let format = cx.config.carrier(self.id).message_id.response;
        let fingerprint = self.correlations.fingerprint(message_id::normalize(id, format));
        let carrier_id = cx.out.record_bytes.add(id);
        self.readdressed.insert(info.id, addresses);
        self.shown.insert(info.id, shown);
        let addresses = cx.out.record_bytes.add(addresses);
        let (carrier, account, id, destination, born) =
            (self.id, info.account, info.id, info.destination, cx.unix_seconds());
        let place = cx.out.append(Record::Correlation {
            carrier,
            account,
            id,
            destination,
            born,
            is_muted,
            carrier_id,
            addresses,
            shown,
        });
        let entry = Correlation::new(fingerprint, id, destination, born, account, is_muted).at(place);
        self.correlations.insert(entry);
        if info.affinity != 0 {
            self.parts_by_id.insert(id, fingerprint, cx.config.carrier(self.id));
        }
        entry
    }

    /// The customer was told the outcome is unknown; what a late acceptance brings is acknowledged and dropped.
    fn handle_late_resp(&mut self, at: usize, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let late = &mut self.links[at].late;
        let Some(place) = late.iter().position(|late| late.sequence == frame.sequence) else { return };
        let Some(late) = late.remove(place) else { return };
        self.counts.late_answers += 1;
        let id = pdu::submit_sm_resp_id(frame.body);
        let is_accepted = frame.command == CommandId::SUBMIT_SM_RESP && frame.status.is_ok();
        if is_accepted && late.info.wants_receipt && !id.is_empty() {
            // Its receipts reach nobody.
            self.correlate(&late.info, id, (b"", None), true, cx);
        }
    }
}

/// The first time it is back at the head at once. A carrier that refuses it still may mean this one alone (ESME_RMSGQFUL: its
/// queue for one subscriber), and others go on meanwhile.
fn wait_after(slowed: u8) -> Duration {
    if slowed == 0 { Duration::ZERO } else { Duration::from_millis(50 << slowed.min(5)) }
}
