//! Which news of a message its customer is to be told, and where. A callback is told once, when the last segment's state is final;
//! Kannel's users what their dlr-mask asks for.

use crate::config::UnrequestedReceipts;
use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::slab::Key;

use super::record::Record;
use super::{SegmentStatus, State, Status, Target, Tell, What};

/// What is told of, as the bits of Kannel's dlr-mask.
pub mod dlr {
    pub const DELIVERED: u8 = 1;
    pub const UNDELIVERED: u8 = 2;
    pub const BUFFERED: u8 = 4;
    pub const ACCEPTED: u8 = 8;
    pub const REFUSED: u8 = 16;
}

impl Tell {
    /// Whether what carriers answer is news.
    pub(super) fn hears_of_answer(&self) -> bool {
        matches!(self, Self::Kannel { mask, .. } if mask & (dlr::ACCEPTED | dlr::REFUSED | dlr::UNDELIVERED) != 0)
    }
}

impl Status {
    /// Which of Kannel's types tells of a message that stands so.
    #[must_use]
    pub fn dlr_type(&self) -> u8 {
        match self.state {
            State::Queued | State::Accepted => dlr::ACCEPTED,
            State::Enroute => dlr::BUFFERED,
            State::Delivered => dlr::DELIVERED,
            State::Rejected if self.was_refused() => dlr::REFUSED,
            State::Rejected | State::Undeliverable | State::Expired | State::Deleted | State::Unknown => {
                dlr::UNDELIVERED
            }
        }
    }

    /// Whether a segment was refused before it was on its way.
    fn was_refused(&self) -> bool {
        self.segments.iter().any(|segment| segment.state == State::Rejected && segment.accepted == 0)
    }

    /// Whether every segment's state is final, and a receipt said so of one at least.
    fn is_over(&self) -> bool {
        self.finished > 0 && self.segments.iter().any(|segment| segment.accepted > 0)
    }
}

/// How a message stood before a receipt came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    state: State,
    is_final: bool,
}

impl Before {
    const BEGUN: Self = Self { state: State::Queued, is_final: false };

    pub(super) fn of(status: &Status) -> Self {
        Self { state: status.state, is_final: status.finished > 0 }
    }

    /// Whether a receipt that has it stand otherwise is news for its customer.
    pub(super) fn is_news(self, record: &Record) -> bool {
        let status = &record.status;
        let has_ended = !self.is_final && status.finished > 0;
        match record.tell {
            // Who was refused by the carrier was told when that was known.
            Tell::Kannel { mask, .. } if has_ended => mask & status.dlr_type() & !dlr::REFUSED != 0,
            Tell::Kannel { mask, .. } => {
                let is_buffered = status.state == State::Enroute && self.state != State::Enroute;
                is_buffered && mask & dlr::BUFFERED != 0
            }
            Tell::Nobody | Tell::Account | Tell::Url(_) => has_ended,
        }
    }
}

impl Account {
    /// Where news of this message goes, if anywhere.
    pub(super) fn target(&self, record: &Record, cx: &Context<'_>) -> Option<Target> {
        let config = cx.config.account(self.id);
        let has_callback = config.callback.is_some();
        match &record.tell {
            Tell::Nobody if config.unrequested_receipts == UnrequestedReceipts::Drop => None,
            Tell::Nobody | Tell::Account => has_callback.then_some(Target::Account),
            Tell::Url(url) => Some(Target::Url(url.clone())),
            Tell::Kannel { url, .. } => Some(Target::Kannel(url.clone())),
        }
    }

    pub(super) fn tell_news(
        &mut self,
        target: Target,
        status: Status,
        text: &[u8],
        behind: Option<Key>,
        cx: &mut Context<'_>,
    ) {
        self.keep_event(target, What::Receipt { status, text: text.into() }, behind, cx);
    }

    /// Every segment is settled, and its request is about to be replied to; `text` is of the last receipt that came before.
    pub(super) fn tell_of_settling(&mut self, record: &Record, text: &[u8], submission: Key, cx: &mut Context<'_>) {
        let Some(target) = self.target(record, cx) else { return };
        let status = &record.status;
        if let Tell::Kannel { mask, .. } = record.tell {
            // Of our own refusals the reply tells.
            let is_carriers = |segment: &SegmentStatus| segment.accepted == 0 && segment.error != 0;
            let is_refused = status.was_refused() && status.segments.iter().any(is_carriers);
            let was_accepted = status.segments.iter().all(|segment| segment.accepted > 0);
            // Kannel tells of refusals also whoever asks for failures.
            if is_refused && mask & (dlr::REFUSED | dlr::UNDELIVERED) != 0 {
                let status = Status { state: State::Rejected, ..status.clone() };
                self.tell_news(target.clone(), status, b"", Some(submission), cx);
            } else if was_accepted && mask & dlr::ACCEPTED != 0 {
                let status = Status { state: State::Accepted, ..status.clone() };
                self.tell_news(target.clone(), status, b"", Some(submission), cx);
            }
        }
        // What receipts said before is told now. Without any, the reply tells all.
        if (status.finished == 0 || status.is_over()) && Before::BEGUN.is_news(record) {
            self.tell_news(target, status.clone(), text, Some(submission), cx);
        }
    }

    /// No segment of a stored message waits here any more: each has gone to a carrier, or ended.
    pub(super) fn tell_of_leaving(&mut self, record: &Record, cx: &mut Context<'_>) {
        let status = &record.status;
        let state = match record.tell {
            Tell::Kannel { .. } if status.was_refused() => State::Rejected,
            Tell::Nobody | Tell::Account | Tell::Url(_) | Tell::Kannel { .. } => status.state,
        };
        let status = Status { state, ..status.clone() };
        let is_news = match record.tell {
            Tell::Kannel { mask, .. } if status.was_refused() => mask & (dlr::REFUSED | dlr::UNDELIVERED) != 0,
            Tell::Kannel { mask, .. } => mask & status.dlr_type() != 0,
            Tell::Nobody | Tell::Account | Tell::Url(_) => status.finished > 0,
        };
        if let Some(target) = self.target(record, cx).filter(|_| is_news) {
            self.tell_news(target, status, b"", None, cx);
        }
    }

    /// The process ended before its request was replied to, and a receipt had come: nothing more will.
    pub(super) fn tell_of_end(&mut self, record: &Record, cx: &mut Context<'_>) {
        let is_news = record.status.is_over() && Before::BEGUN.is_news(record);
        if let Some(target) = self.target(record, cx).filter(|_| is_news) {
            self.tell_news(target, record.status.clone(), b"", None, cx);
        }
    }
}
