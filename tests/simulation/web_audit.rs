//! What can be said of messages by HTTP when all is quiet: how each stands, and what callbacks were told.

use std::collections::BTreeSet;

use trunkline::config::AccountId;
use trunkline::engine::web::{Fate, Reply, Request, SegmentStatus, State, Status, Tell, What};

use trunkline::smpp::receipt::MessageState;

use crate::sim::Sim;
use crate::web::Replied;

impl Sim {
    /// Every message that was accepted is known by its id, stands as its receipts say, and was told of.
    pub(crate) fn check_web(&mut self) {
        if let Some(number) = self.web.open() {
            self.fail(&format!("request {number} is not replied to"));
        }
        for message in self.web.replied() {
            if !matches!(message.fate, Fate::Accepted | Fate::Stored) {
                continue;
            }
            let asked = self.ask_web(AccountId(message.account as u32), Request::Status(message.id));
            self.run_for(std::time::Duration::from_millis(1));
            let Some(Reply::Status(Some(status))) = self.web_reply(asked) else {
                let kept_for = self.base.account(AccountId(message.account as u32)).status;
                if kept_for.is_some_and(|kept_for| kept_for < std::time::Duration::from_secs(3_600)) {
                    // It waited for something else of its account's for longer.
                    continue;
                }
                self.fail(&format!("{:?} was accepted and is not known", message.id));
            };
            self.check_status(&message, &status);
            for (tag, segment) in message.tags.iter().zip(&status.segments) {
                if let Some(submit) = self.ledger.submits.get_mut(tag)
                    && segment.state == State::Unknown
                {
                    submit.told.insert(MessageState::Unknown.name());
                }
            }
        }
    }

    fn check_status(&self, message: &Replied, status: &Status) {
        if status.segments.len() != message.tags.len() {
            self.fail(&format!("{:?} of {:?} is {status:?}", message.id, message.tags));
        }
        let mut is_over = true;
        for (tag, segment) in message.tags.iter().zip(&status.segments) {
            let said = self.acknowledged(*tag);
            if message.fate == Fate::Stored && segment.state == State::Queued {
                self.fail(&format!("T{tag} is stored, and nothing became of it"));
            }
            if self.ledger.unpromised.contains(tag) || !self.ledger.submits[tag].wants_receipt {
                is_over = false;
            } else if said.is_empty() && message.fate == Fate::Stored {
                is_over &= segment.finished > 0;
                self.check_stored(*tag, segment);
            } else if said.is_empty() && !self.is_whole() {
                is_over = false;
                if segment.finished > 0 {
                    self.fail(&format!("T{tag} is {:?}, and no receipt said so", segment.state));
                }
            } else if message.fate == Fate::Stored && segment.state == State::Unknown {
                // It was told of so before its carrier answered, and whatever came later is dropped.
            } else if !said.is_empty() && !said.contains(&(segment.state as u8)) {
                self.fail(&format!("A4: the receipt of T{tag} was acknowledged, and it is {:?}", segment.state));
            }
        }
        let has_callback = self.base.account(AccountId(message.account as u32)).callback.is_some();
        let is_to_be_told = message.tell == Tell::Account && has_callback && is_over;
        let was_told = || {
            self.web.told.iter().any(|(account, event)| {
                let What::Receipt { status: told, .. } = &event.what else { return false };
                *account == message.account && told.id == message.id && told.state == status.state && told.finished > 0
            })
        };
        if is_to_be_told && self.web.callbacks.within_ms.is_some() && !was_told() {
            self.fail(&format!("A4: {:?} of {:?} is over, and no callback was told", message.id, message.tags));
        }
    }

    /// A stored one of which no receipt came.
    fn check_stored(&self, tag: u32, segment: &SegmentStatus) {
        let was_accepted = !self.ledger.submits[&tag].accepted_by.is_empty();
        let is_right = match segment.state {
            State::Accepted | State::Enroute => was_accepted,
            State::Unknown => true,
            State::Expired | State::Rejected | State::Deleted => !was_accepted,
            State::Delivered | State::Undeliverable => self.is_whole(),
            State::Queued => false,
        };
        if !is_right {
            self.fail(&format!("T{tag} was stored, is {segment:?}, and accepted: {was_accepted}"));
        }
    }

    /// The states of final receipts of a submit that the carrier saw acknowledged.
    fn acknowledged(&self, tag: u32) -> BTreeSet<u8> {
        let items = self.ledger.items.values().filter(|item| item.acked);
        let shapes = items.filter_map(|item| item.receipt.as_ref()).filter(|(of, _)| *of == tag);
        shapes.filter(|(_, shape)| shape.state.is_final()).map(|(_, shape)| State::from(shape.state) as u8).collect()
    }

    /// Whether one receipt may tell of several segments.
    fn is_whole(&self) -> bool {
        self.smscs.iter().any(|smsc| smsc.habit.one_per_message.is_some())
    }
}
