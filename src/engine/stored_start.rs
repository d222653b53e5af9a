//! Stored submits after a start: those that were never written wait again. Of those that may have been, one that is correlated was
//! accepted; any other is in doubt, and what its carrier is set to decides.

use ahash::{AHashMap, AHashSet};

use super::account::Account;
use super::context::Context;
use super::event::HoldingKind;
use super::failures::{Failure, sent_as};
use super::message::Course;
use super::parts::Part;
use super::stored_record::{SentMark, StoredSubmit};
use crate::config::{CarrierId, InDoubt};
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

impl Account {
    /// Takes up what an earlier process left. `accepted` are ids that a carrier's home knows by now.
    pub(super) fn start_stored(&mut self, accepted: &AHashSet<MessageId>, cx: &mut Context<'_>) {
        let marks = self.restored_marks(cx);
        let keys: Vec<u64> = self.holdings.of_kind(HoldingKind::Stored).map(|(key, _)| key).collect();
        for key in keys {
            let mark = marks.get(&key).copied();
            self.restore_stored(key, mark, accepted, cx);
        }
        for lane in self.backlog.lanes() {
            self.offer_lane(lane, cx);
        }
        self.arm(cx);
    }

    fn restore_stored(&mut self, key: u64, mark: Option<Mark>, accepted: &AHashSet<MessageId>, cx: &mut Context<'_>) {
        let Some(holding) = self.holdings.get(key) else { return };
        let id = holding.id;
        let Some(stored) = StoredSubmit::read(&holding.body) else { return };
        let Ok(view) = SmView::submit(stored.body) else { return };
        let choice = self.route(&view, Part::read(&view).as_ref(), cx);
        // Without a rule it waits for one, until its validity ends.
        self.join_backlog(key, choice.map_or(u32::MAX, |choice| choice.rule()), cx);
        let Some(mark) = mark else { return };
        self.backlog.set_mark(key, Some(mark.key));
        if accepted.contains(&id) {
            self.counts.stored_accepted += 1;
            self.start_accepted(key, mark.carrier, cx);
        } else if mark.is_retried {
            self.backlog.set_course(key, Course { is_doubtful: true, tries: 1, ..Course::default() });
        } else {
            self.fail_stored(key, Failure::InDoubt, cx);
        }
    }

    /// A carrier accepted it, and this home did not hear of that: what it would have noted then is noted now.
    fn start_accepted(&mut self, key: u64, carrier: Option<CarrierId>, cx: &mut Context<'_>) {
        let Some(holding) = self.forget_stored(key, cx) else { return };
        let id = holding.id;
        if self.web_accepted(id, carrier, cx) {
            return;
        }
        let Some(carrier) = carrier else { return };
        let keeps_state = cx.config.account(self.id).status.is_some() && self.state(id).is_none();
        if keeps_state && let Some(sent) = sent_as(&holding) {
            self.keep_state(id, carrier, &sent, cx);
        }
        self.part_has_carrier(id, carrier, cx);
    }

    /// The newest mark of each submit. One whose submit is gone is of no use.
    fn restored_marks(&mut self, cx: &mut Context<'_>) -> AHashMap<u64, Mark> {
        let mut marks = AHashMap::new();
        let mut useless = Vec::new();
        for (key, holding) in self.holdings.of_kind(HoldingKind::Sent) {
            let Some(mark) = SentMark::read(&holding.body) else { continue };
            let carrier = cx.config.carriers.iter().position(|carrier| carrier.name == mark.carrier);
            let carrier = carrier.map(|at| CarrierId(at as u16));
            let is_retried = carrier.is_some_and(|carrier| cx.config.carrier(carrier).in_doubt == InDoubt::Retry);
            if self.holdings.get(mark.stored).is_none() {
                useless.push(key);
            } else if let Some(older) = marks.insert(mark.stored, Mark { key, carrier, is_retried }) {
                useless.push(older.key);
            }
        }
        for key in useless {
            self.holdings.forget(key, cx);
        }
        marks
    }
}

#[derive(Clone, Copy)]
struct Mark {
    key: u64,
    /// `None` when that is configured no more.
    carrier: Option<CarrierId>,
    /// It is set so that what is in doubt is sent again.
    is_retried: bool,
}
