//! How messages stand that came by SMPP, for those who ask over HTTP: from what is stored and waits for a carrier, and from what an
//! account with `status` keeps. Each has one segment: parts of a long one have ids of their own.
//!
//! Of a submit_multi's id, which stands for several, no more is known than that one of them waits here.

use crate::engine::account::Account;
use crate::engine::stored_record::StoredSubmit;
use crate::smpp::message_id::MessageId;
use crate::smpp::view::SmView;

use super::{SegmentStatus, State, Status};

impl Account {
    pub(super) fn smpp_status(&self, id: MessageId) -> Option<Status> {
        self.waiting_status(id).or_else(|| self.kept_status(id))
    }

    /// Of one that is stored here.
    fn waiting_status(&self, id: MessageId) -> Option<Status> {
        let key = self.backlog.find(id).map(|(key, _)| key).or_else(|| self.backlog.find_shown(id))?;
        let holding = self.holdings.get(key)?;
        let view = SmView::submit(StoredSubmit::read(&holding.body)?.body).ok()?;
        let queued = SegmentStatus { state: State::Queued, error: 0, accepted: 0, finished: 0 };
        Some(of_one(id, [view.source.digits, view.destination.digits], holding.born, queued))
    }

    /// Of one that a carrier accepted, or that ended here.
    fn kept_status(&self, id: MessageId) -> Option<Status> {
        let known = self.state(id)?;
        let progress = known.progress;
        // What no carrier has was accepted by us alone.
        let accepted = if known.carrier.is_empty() { 0 } else { progress.accepted };
        let (state, error, finished) = (progress.state.into(), progress.error.into(), progress.finished);
        let segment = SegmentStatus { state, error, accepted, finished };
        Some(of_one(id, [known.sent.source.digits, known.sent.destination.digits], progress.accepted, segment))
    }
}

fn of_one(id: MessageId, [source, destination]: [&[u8]; 2], submitted: u32, segment: SegmentStatus) -> Status {
    Status {
        id,
        reference: None,
        source: source.into(),
        destination: destination.into(),
        state: segment.state,
        submitted,
        finished: segment.finished,
        segments: vec![segment],
    }
}
