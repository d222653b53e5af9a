//! Whether an account may submit a message that came by HTTP, as `admission` says it of what comes by SMPP: policy, validity, route
//! and limits, for all of its segments together.

use crate::config::{Accept, CarrierId, UnrequestedReceipts};
use crate::engine::account::Account;
use crate::engine::admission::is_expiring;
use crate::engine::context::Context;
use crate::engine::event::SubmitError;
use crate::engine::limits::Leave;
use crate::engine::message::{Course, Outcome, SubmitInfo};
use crate::engine::parts::Part;
use crate::engine::policy;
use crate::engine::relay::{Origin, Submit};
use crate::engine::router::{Query, RouteChoice, significant};
use crate::engine::slab::Key;
use crate::engine::submit::hash_digits;
use crate::engine::time::Instant;
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

use super::Message;
use super::record::Record;
use super::submission::{Place, Submissions};

/// What a message's segments have in common.
#[derive(Clone, Copy)]
struct Admitted {
    choice: RouteChoice,
    course: Course,
    leave: Leave,
    late_at: Instant,
}

impl Submissions {
    /// The carrier through which alone this is to go, when its request named one.
    pub(in crate::engine) fn meant_for(&self, origin: Origin) -> Option<CarrierId> {
        let Origin::Web(place) = origin else { return None };
        self.open.get(place.submission)?.by
    }
}

impl Account {
    pub(super) fn take_message(
        &mut self,
        at: (Key, usize),
        message: Message,
        cx: &mut Context<'_>,
    ) -> Result<(), SubmitError> {
        if cx.is_draining {
            return Err(SubmitError::Draining);
        }
        if !cx.has_room {
            return Err(SubmitError::StoreFull);
        }
        let first = message.segments.first().cloned().unwrap_or_default();
        let view = SmView::submit(&first).map_err(SubmitError::Malformed)?;
        let open = self.submissions.open.get(at.0).ok_or(SubmitError::Withdrawn)?;
        let (deadline, ids, by) = (open.deadline, open.intended(at.1), open.by);
        match ids.and_then(|ids| self.admit_message((&message, ids, by), &view, deadline, cx)) {
            Ok((admitted, ids)) => self.send_message(at, (message, &view), (admitted, ids), deadline, cx),
            Err(error) => {
                self.refused(None, error, &view, cx);
                Err(error)
            }
        }
    }

    fn admit_message(
        &mut self,
        (message, mut ids, by): (&Message, Vec<MessageId>, Option<CarrierId>),
        view: &SmView<'_>,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(Admitted, Vec<MessageId>), SubmitError> {
        let config = cx.config.account(self.id);
        if self.is_disabled {
            return Err(SubmitError::SubmitsDisabled);
        }
        policy::check(config, self.opt_out.as_deref(), view)?;
        if message.tell.hears_of_answer() && !self.has_room_for_event(cx) {
            return Err(SubmitError::QueueFull);
        }
        let count = message.segments.len() as u32;
        self.counts.segments += u64::from(count);
        let course = Course { is_expiring: is_expiring(view, deadline, cx)?, ..Course::default() };
        let affinity = Part::read(view).as_ref().map_or(0, Part::affinity);
        let pick = if affinity == 0 { cx.random.draw() } else { u64::from(affinity) };
        let source = policy::sender(config, view.source).digits;
        let (destination, data_coding) = (view.destination.digits, view.data_coding);
        let query = Query { account: self.id, destination, source, data_coding };
        let choice = match by {
            Some(carrier) => cx.routes.only(carrier),
            None => cx.routes.choose(&query, pick),
        };
        let choice = choice.ok_or(SubmitError::NoRoute)?;
        if ids.is_empty() && !cx.ids.has_any() {
            return Err(SubmitError::NoIds);
        }
        let late_at = cx.late_at(deadline);
        let leave = match &mut self.limits {
            Some(limits) => limits.take(config, destination, count, late_at, cx)?,
            None => Leave::FREE,
        };
        if ids.is_empty() {
            ids = message.segments.iter().map_while(|_| cx.ids.issue(cx.out)).collect();
        }
        // What is held back is stored later, if there is room then.
        let is_stored = config.accept == Accept::Store && !leave.is_held;
        let error = match () {
            () if ids.len() < message.segments.len() => SubmitError::NoIds,
            () if is_stored && !self.has_room_to_store(ids.len(), cx) => SubmitError::QueueFull,
            () => return Ok((Admitted { choice, course, leave, late_at }, ids)),
        };
        if let Some(limits) = &mut self.limits {
            limits.settle(Outcome::Failed(error), leave.cap, count as u16, cx);
        }
        Err(error)
    }

    /// Every segment goes to a carrier, or waits for the rate.
    fn send_message(
        &mut self,
        (submission, at): (Key, usize),
        (mut message, view): (Message, &SmView<'_>),
        (admitted, ids): (Admitted, Vec<MessageId>),
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), SubmitError> {
        let config = cx.config.account(self.id);
        let bodies = std::mem::take(&mut message.segments);
        let addresses = [policy::sender(config, view.source).digits, view.destination.digits];
        let record = Record::new(message, addresses, ids.clone(), cx.unix_seconds()).ok_or(SubmitError::NoIds)?;
        self.message_taken((submission, at), record);
        let Admitted { choice, course, leave, late_at } = admitted;
        let mut cost = bodies.len() as u32;
        for (segment, (body, id)) in bodies.iter().zip(ids).enumerate() {
            let part = SmView::submit(body).ok().and_then(|view| Part::read(&view));
            let info = SubmitInfo {
                account: self.id,
                submit: Key { slot: 0, generation: 0 },
                session: SubmitInfo::WEB,
                id,
                deadline,
                destination: hash_digits(significant(view.destination.digits)),
                affinity: part.as_ref().map_or(0, Part::affinity),
                segments: 1,
                priority: view.priority.min(3),
                wants_receipt: view.wants_receipt() || config.unrequested_receipts == UnrequestedReceipts::Pass,
            };
            let origin = Origin::Web(Place { submission, message: at as u16, segment: segment as u8 });
            let (carrier, cap) = (CarrierId(0), leave.cap);
            let mut submit = Submit {
                origin,
                choice,
                carrier,
                part,
                info,
                course,
                refused: None,
                is_joined: false,
                cap,
                shown: None,
                read_at: cx.now,
            };
            if leave.is_held {
                // The first waits for all, and the others for it.
                self.hold(submit, (std::mem::take(&mut cost), late_at), body, cx);
                continue;
            }
            self.begin_with_others(&mut submit, cx);
            if let Err(error) = self.hand_on(submit, body, cx) {
                self.tell_refused(submit, body, Outcome::Failed(error), cx);
            }
        }
        self.arm_limits(cx);
        Ok(())
    }
}
