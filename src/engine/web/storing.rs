//! Messages that came by HTTP for accounts that store (`accept: store`): every segment of a request, what is known of its messages and
//! its key are durable in one commit, which the reply waits for. Then each segment goes to carriers as any stored submit does, and
//! what becomes of it there is kept with its message, and told as a receipt's news would be.

use crate::config::CarrierId;
use crate::engine::account::Account;
use crate::engine::cdr::Line;
use crate::engine::context::Context;
use crate::engine::event::SubmitError;
use crate::engine::failures::Failure;
use crate::engine::joined::is_per_message;
use crate::engine::message::{Outcome, ShardMessage};
use crate::engine::relay::Submit;
use crate::smpp::message_id::MessageId;

use super::record::Record;
use super::submission::Place;
use super::{SegmentStatus, State};

/// A segment that may be stored, and is once all of its request's are.
#[derive(Debug)]
pub(super) struct Ready {
    submit: Submit,
    body: Box<[u8]>,
    /// What it is kept under.
    key: u64,
}

impl Account {
    /// A segment may be stored.
    pub(in crate::engine) fn segment_ready(&mut self, place: Place, submit: Submit, body: &[u8], cx: &mut Context<'_>) {
        let Some(taken) = self.submissions.taken(place) else { return };
        taken.outcomes[usize::from(place.segment)] = Some(Outcome::Accepted);
        taken.ready.push(Ready { submit, body: body.into(), key: 0 });
        (self.submissions.to_store, self.storing) = (self.submissions.to_store + 1, self.storing + 1);
        self.one_settled(place.submission, cx);
        // It is in the window no more, where it was when it was held back.
        self.share_room(cx);
    }

    /// Stores a message of which every segment is ready, or nothing of it.
    pub(super) fn store_message(&mut self, place: Place, cx: &mut Context<'_>) {
        let Some(taken) = self.submissions.taken(place) else { return };
        if taken.ready.is_empty() {
            return;
        }
        let failed = taken.outcomes.iter().flatten().find_map(|outcome| match outcome {
            Outcome::Failed(error) => Some(*error),
            Outcome::Accepted | Outcome::Refused(_) | Outcome::InDoubt => None,
        });
        let mut ready = std::mem::take(&mut taken.ready);
        let error = match () {
            () if failed.is_some() => failed,
            () if !cx.has_room => Some(SubmitError::StoreFull),
            () if !self.has_room_to_store(0, cx) => Some(SubmitError::QueueFull),
            () => None,
        };
        if let Some(error) = error {
            return self.give_up(place, (&ready, error), cx);
        }
        for segment in &mut ready {
            self.line_of_storing(&segment.submit, &segment.body, cx);
            let kept = self.keep_stored((segment.submit.info.id, None), &segment.body, cx);
            segment.key = kept.unwrap_or_default();
            segment.body = Box::default();
        }
        if let Some(taken) = self.submissions.taken(place) {
            taken.ready = ready;
            taken.is_stored = true;
        }
    }

    /// Of one that is not stored, no segment is.
    fn give_up(&mut self, place: Place, (ready, error): (&[Ready], SubmitError), cx: &mut Context<'_>) {
        let (outcome, now) = (Outcome::Failed(error), cx.unix_seconds());
        for Ready { submit, body, .. } in ready {
            self.line_of_error(Line::of_submit(body).by_http(), error, cx);
            if let Some(limits) = &mut self.limits {
                limits.settle(outcome, submit.cap, submit.info.segments, cx);
            }
            (self.submissions.to_store, self.storing) = (self.submissions.to_store - 1, self.storing - 1);
            self.count_outcome(outcome);
        }
        let Some(taken) = self.submissions.taken(place) else { return };
        for segment in 0..taken.outcomes.len() {
            if taken.outcomes[segment] == Some(Outcome::Accepted) {
                taken.outcomes[segment] = Some(outcome);
                taken.record.set(segment, SegmentStatus::of(outcome, now), now);
            }
        }
    }

    /// It is durable, and replied to: its segments wait for carriers.
    pub(super) fn message_stored(&mut self, ready: &[Ready], cx: &mut Context<'_>) {
        for Ready { submit, key, .. } in ready {
            (self.submissions.to_store, self.storing) = (self.submissions.to_store - 1, self.storing - 1);
            self.count_outcome(Outcome::Accepted);
            self.await_turn(*key, submit.choice.rule(), cx);
        }
    }

    /// A carrier accepted a stored segment; `None` when that is configured no more. False when it is of no message that came by HTTP.
    pub(in crate::engine) fn web_accepted(
        &mut self,
        id: MessageId,
        carrier: Option<CarrierId>,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some((mut record, segment)) = self.find_stored_segment(id) else { return false };
        let now = cx.unix_seconds();
        if record.status.segments[segment].state != State::Queued {
            return true;
        }
        record.set(segment, SegmentStatus::of(Outcome::Accepted, now), now);
        if let Some(carrier) = carrier.filter(|carrier| is_per_message(*carrier, cx)) {
            let name = &cx.config.carrier(carrier).name;
            record.set_carrier(segment, name);
            // One receipt is there for all of them, and may have come.
            let told = record.at_carrier(name).map(|other| record.status.segments[other]).find(|it| it.finished > 0);
            let standing =
                told.and_then(|told| record.status.segments[segment].told(told.state, told.error, true, now));
            if let Some(standing) = standing {
                record.set(segment, standing, now);
                let home = cx.placement.home_of_carrier(carrier);
                cx.out.after_records(home).messages.push(ShardMessage::Settled {
                    carrier,
                    id,
                    state: standing.state.into(),
                });
            }
        }
        self.put_changed(&record, cx);
        true
    }

    /// A stored segment ended here. False when it is of no message that came by HTTP.
    pub(in crate::engine) fn web_failed(&mut self, id: MessageId, why: Failure, cx: &mut Context<'_>) -> bool {
        let Some((mut record, segment)) = self.find_stored_segment(id) else { return false };
        let now = cx.unix_seconds();
        let standing =
            SegmentStatus { state: why.state().into(), error: why.error(), accepted: 0, finished: now.max(1) };
        record.set(segment, standing, now);
        self.put_changed(&record, cx);
        true
    }

    /// One segment less of it waits here.
    fn put_changed(&mut self, record: &Record, cx: &mut Context<'_>) {
        self.put_record(record, cx);
        if !record.waits() {
            self.tell_of_leaving(record, cx);
        }
    }

    /// Whether this is a segment of a message that came by HTTP, and was replied to.
    pub(in crate::engine) fn is_web_segment(&self, id: MessageId) -> bool {
        !self.web_messages.is_empty() && self.web_messages.find(id).is_some()
    }

    fn find_stored_segment(&self, id: MessageId) -> Option<(Record, usize)> {
        let (key, segment) = self.web_messages.find(id)?;
        Some((Record::read(&self.holdings.get(key)?.body)?, segment))
    }
}
