//! What is known of messages that came by HTTP: kept durably before their requests are replied to, kept anew with each receipt, and
//! forgotten a day after the last change, or when the account's `status` says.
//!
//! As many are known at once as of states; beyond that the oldest final one goes first.

use std::collections::BTreeSet;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};

use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::event::HoldingKind;
use crate::engine::states::States;
use crate::engine::submit::hash_octets;
use crate::smpp::message_id::MessageId;

use super::record::Record;
use super::{SegmentStatus, Status};

#[derive(Debug, Default)]
pub struct Messages {
    /// The holdings that have them.
    kept: States,
    /// Of each segment behind a first one: its message, and its place there.
    segments: AHashMap<MessageId, (MessageId, u8)>,
    /// By the hashes of their references, then when they were submitted.
    by_reference: BTreeSet<(u64, u32, u64)>,
}

impl Messages {
    /// For who does not say by `status`.
    const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
    /// A query by reference finds so many, and looks at not many more.
    pub const MOST_FOUND: usize = 100;
    const MOST_LOOKED_AT: usize = 1_000;

    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Where a segment is: the key of its message, and its place there.
    pub(super) fn find(&self, segment: MessageId) -> Option<(u64, usize)> {
        if let Some(key) = self.kept.key(segment) {
            return Some((key, 0));
        }
        let (message, place) = self.segments.get(&segment)?;
        Some((self.kept.key(*message)?, usize::from(*place)))
    }

    /// The key of what this replaces.
    fn add(&mut self, record: &Record, key: u64) -> Option<u64> {
        let id = record.status.id;
        for (place, segment) in record.ids.iter().enumerate().skip(1) {
            self.segments.insert(*segment, (id, place as u8));
        }
        self.by_reference.extend(of_reference(&record.status));
        self.kept.add(id, key, record.status.finished > 0)
    }

    fn remove(&mut self, record: &Record) {
        self.kept.remove(record.status.id);
        for segment in &record.ids {
            self.segments.remove(segment);
        }
        if let Some(place) = of_reference(&record.status) {
            self.by_reference.remove(&place);
        }
    }
}

fn of_reference(status: &Status) -> Option<(u64, u32, u64)> {
    let reference = status.reference.as_deref()?;
    Some((hash_octets(reference.as_bytes()), status.submitted, status.id.bits()))
}

impl Account {
    /// Finds again what an earlier process kept. `accepted` are ids that a carrier's home knows by now.
    pub(in crate::engine) fn start_messages(&mut self, accepted: &AHashSet<MessageId>, cx: &mut Context<'_>) {
        let (mut unwanted, mut open) = (Vec::new(), Vec::new());
        for (key, holding) in self.holdings.of_kind(HoldingKind::Message) {
            let Some(record) = Record::read(&holding.body) else {
                unwanted.push(key);
                continue;
            };
            if record.is_open {
                open.push(holding.id);
            }
            // The same id twice: the process ended between the two records of a change, and the later counts.
            unwanted.extend(self.web_messages.add(&record, key));
        }
        for key in unwanted {
            self.holdings.forget(key, cx);
        }
        for id in open {
            let Some(mut record) = self.kept_record(id) else { continue };
            if record.close(accepted, cx.unix_seconds()) {
                self.put_record(&record, cx);
                self.tell_of_end(&record, cx);
            }
        }
    }

    /// Keeps it, and forgets what it takes the place of. One commit has both.
    pub(super) fn put_record(&mut self, record: &Record, cx: &mut Context<'_>) {
        let key = self.holdings.keep(HoldingKind::Message, record.status.id, &record.write(), cx);
        if let Some(replaced) = self.web_messages.add(record, key) {
            self.holdings.forget(replaced, cx);
        }
        while self.web_messages.len() > States::MOST
            && let Some(oldest) = self.web_messages.kept.take_oldest(&self.holdings)
        {
            self.forget_record(oldest, cx);
        }
        self.arm(cx);
    }

    fn forget_record(&mut self, key: u64, cx: &mut Context<'_>) {
        if let Some(holding) = self.holdings.forget(key, cx)
            && self.web_messages.kept.key(holding.id) == Some(key)
            && let Some(record) = Record::read(&holding.body)
        {
            self.web_messages.remove(&record);
        }
    }

    /// Forgets some of what has not changed for long.
    pub(in crate::engine) fn sweep_messages(&mut self, cx: &mut Context<'_>) {
        if self.web_messages.is_empty() {
            return;
        }
        let kept_for = cx.config.account(self.id).status.unwrap_or(Messages::KEPT_FOR);
        if let Some(oldest) = cx.wall.oldest_kept(kept_for, cx.now) {
            for key in self.web_messages.kept.take_expired(oldest, &self.holdings) {
                match self.holdings.get(key).and_then(|holding| Record::read(&holding.body)) {
                    // It is stored, and may be for longer.
                    Some(record) if record.waits() || self.is_to_be_told(&record, cx) => self.put_record(&record, cx),
                    Some(_) | None => self.forget_record(key, cx),
                }
            }
        }
        self.web_messages.kept.tidy(&self.holdings);
    }

    /// Whether a receipt of it may come that a callback is to be told of: as long as a carrier's home knows of a segment.
    fn is_to_be_told(&self, record: &Record, cx: &Context<'_>) -> bool {
        let Some(oldest) = cx.wall.oldest_kept(cx.config.store.retention, cx.now) else { return true };
        let may_come = |segment: &SegmentStatus| segment.finished == 0 && segment.accepted >= oldest;
        record.status.segments.iter().any(may_come) && self.target(record, cx).is_some()
    }

    /// What is kept of a message, by its id.
    pub(super) fn kept_record(&self, id: MessageId) -> Option<Record> {
        let key = self.web_messages.kept.key(id)?;
        Record::read(&self.holdings.get(key)?.body)
    }

    /// How a message stands, by its id or one of its segments', however it came.
    pub(in crate::engine) fn known_status(&self, id: MessageId) -> Option<Status> {
        let key = self.web_messages.find(id).map(|(key, _)| key);
        let record = key.and_then(|key| Record::read(&self.holdings.get(key)?.body));
        record.map(|record| record.status).or_else(|| self.smpp_status(id))
    }

    pub(super) fn message_status(&self, id: MessageId) -> Option<Status> {
        self.kept_record(id).map(|record| record.status).or_else(|| self.smpp_status(id))
    }

    /// Those with this reference, the newest first.
    pub(super) fn find_messages(&self, reference: &str) -> Vec<Status> {
        let hash = hash_octets(reference.as_bytes());
        let places = self.web_messages.by_reference.range((hash, 0, 0)..=(hash, u32::MAX, u64::MAX)).rev();
        let statuses =
            places.take(Messages::MOST_LOOKED_AT).filter_map(|(_, _, id)| self.message_status(MessageId::new(*id)));
        let has_it = |status: &Status| status.reference.as_deref() == Some(reference);
        statuses.filter(has_it).take(Messages::MOST_FOUND).collect()
    }
}
