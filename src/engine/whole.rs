//! Carriers that send one receipt for a whole message (`per: message`): the correlations of its other parts are found by our ids, and
//! go when their account's home says that they were told of.

use ahash::AHashMap;

use super::carrier::Carrier;
use super::context::Context;
use crate::config;
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{MessageState, Per};

/// The fingerprints of correlated parts by our ids. Nothing is kept here of carriers that send a receipt for each.
#[derive(Debug, Default)]
pub struct PartsById(AHashMap<MessageId, u64>);

impl PartsById {
    pub fn insert(&mut self, id: MessageId, fingerprint: u64, config: &config::Carrier) {
        if config.profile.receipts.per == Per::Message {
            self.0.insert(id, fingerprint);
        }
    }

    pub fn remove(&mut self, id: MessageId) -> Option<u64> {
        if self.0.is_empty() { None } else { self.0.remove(&id) }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Carrier {
    /// Another part's receipt told of this one: none of its own will come.
    pub(super) fn settled(&mut self, (id, state): (MessageId, MessageState), cx: &mut Context<'_>) {
        let Some(fingerprint) = self.parts_by_id.remove(id) else { return };
        let entry = self.correlations.find_only(fingerprint, |entry| entry.id == id);
        if let Some(entry) = entry.and_then(|entry| self.correlations.remove(&entry)) {
            self.line_of_settling(&entry, state, cx);
            self.forget_correlation(&entry, cx);
        }
    }
}
