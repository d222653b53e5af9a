//! What is known of messages that came by HTTP: kept durably from their acceptance on, changed by their receipts, and forgotten a
//! day after the last change, or when the account's `status` says.

use ahash::AHashMap;

use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::delivery::Incoming;
use crate::engine::event::HoldingKind;
use crate::engine::slab::Key;
use crate::smpp::message_id::MessageId;

use super::Status;
use super::record;

#[derive(Debug, Default)]
pub struct Messages {
    /// The holding and the place in it of each segment.
    of: AHashMap<MessageId, (u64, u8)>,
}

impl Account {
    /// Keeps what is known of a message whose segments are all settled, unless none went out.
    pub(super) fn keep_message(&mut self, submission: Key, message: usize, cx: &mut Context<'_>) {
        let Some(under) = self.under_way(submission, message) else { return };
        let Some(status) = record::of_settled(under, cx.unix_seconds()) else { return };
        let octets = record::write(&status, &under.message.tell);
        let ids = under.ids.clone();
        let key = self.holdings.keep(HoldingKind::Message, status.id, &octets, cx);
        for (place, id) in ids.into_iter().enumerate() {
            self.web_messages.of.insert(id, (key, place as u8));
        }
    }

    /// Takes a receipt of a message that came by HTTP. False when it is of none.
    pub(in crate::engine) fn take_web_receipt(
        &mut self,
        incoming: &Incoming,
        _body: &[u8],
        _cx: &mut Context<'_>,
    ) -> bool {
        self.web_messages.of.contains_key(&incoming.id)
    }

    pub(super) fn message_status(&self, id: MessageId) -> Option<Status> {
        let (key, _) = self.web_messages.of.get(&id).filter(|(_, place)| *place == 0)?;
        record::read(&self.holdings.get(*key)?.body).map(|(status, _)| status)
    }

    /// Those with this reference, the newest first.
    pub(super) fn find_messages(&self, reference: &str) -> Vec<Status> {
        let of_kind = self.holdings.of_kind(HoldingKind::Message);
        let mut found: Vec<_> = of_kind
            .filter_map(|(_, holding)| record::read(&holding.body))
            .map(|(status, _)| status)
            .filter(|status| status.reference.as_deref() == Some(reference))
            .collect();
        found.reverse();
        found
    }
}
