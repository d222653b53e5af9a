//! The ids that customers know submits by, where those are not the submits' own: all destinations of a submit_multi share one,
//! while each is a submit by itself, with an id of its own for what is kept of it.

use ahash::AHashMap;

use crate::smpp::message_id::MessageId;

/// Of one carrier's submits. Nothing is kept of those that have one id.
#[derive(Debug, Default)]
pub struct ShownIds {
    /// Of submits that are here and not accepted.
    coming: AHashMap<MessageId, MessageId>,
    /// Of submits whose receipts are awaited: each lives as long as its correlation. By some bits of the id, so that none of
    /// these grows for long; none before the first entry.
    kept: Vec<AHashMap<MessageId, MessageId>>,
}

impl ShownIds {
    const TABLES: usize = 64;

    /// A submit with this id is about to come.
    pub fn announce(&mut self, id: MessageId, shown: MessageId) {
        self.coming.insert(id, shown);
    }

    /// The submit is here no more, or was accepted.
    pub fn take_coming(&mut self, id: MessageId) -> Option<MessageId> {
        if self.coming.is_empty() { None } else { self.coming.remove(&id) }
    }

    pub fn insert(&mut self, id: MessageId, shown: Option<MessageId>) {
        let Some(shown) = shown else { return };
        if self.kept.is_empty() {
            self.kept.resize_with(Self::TABLES, AHashMap::default);
        }
        self.kept[Self::table(id)].insert(id, shown);
    }

    pub fn remove(&mut self, id: MessageId) {
        if let Some(table) = self.kept.get_mut(Self::table(id)) {
            table.remove(&id);
        }
    }

    /// What its receipts show instead of its own id.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<MessageId> {
        self.kept.get(Self::table(id))?.get(&id).copied()
    }

    /// How many are kept, and how many are on their way.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.kept.iter().map(|table| table.len()).sum(), self.coming.len())
    }

    fn table(id: MessageId) -> usize {
        id.bits() as usize % Self::TABLES
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{AccountId, CarrierId};
    use crate::engine::event::Input;
    use crate::engine::receipts::tests::{CARRIER, World, deliver, shard};
    use crate::engine::restore::Restored;
    use crate::engine::router::significant;
    use crate::engine::submit::hash_digits;
    use crate::engine::time::Instant;
    use crate::smpp::command::CommandId;

    #[test]
    fn what_is_shown_is_known_while_the_submit_or_its_correlation_is_here() {
        let (own, shown) = (MessageId::new(70), MessageId::new(9));
        let mut ids = ShownIds::default();
        assert_eq!((ids.get(own), ids.take_coming(own)), (None, None));
        ids.insert(own, None);
        ids.remove(own);
        ids.announce(own, shown);
        assert_eq!((ids.get(own), ids.sizes()), (None, (0, 1)));
        let coming = ids.take_coming(own);
        ids.insert(own, coming);
        assert_eq!((ids.get(own), ids.sizes()), (Some(shown), (1, 0)));
        ids.remove(own);
        assert_eq!((ids.get(own), ids.sizes()), (None, (0, 0)));
    }

    #[test]
    fn a_parked_receipt_that_outlives_its_correlation_shows_what_its_customer_knows() {
        let (mut shard, mut out) = shard(&format!("profiles: {{ odd: {{}} }}\n{CARRIER}"));
        let (carrier, account, now) = (CarrierId(0), AccountId(0), Instant::ZERO);
        let correlation = Restored::Correlation {
            carrier,
            account,
            id: MessageId::new(1),
            destination: hash_digits(significant(b"491700")),
            born: 0,
            is_muted: false,
            carrier_id: b"abc",
            addresses: b"\x05\0ACME\0\x01\x01491700\0",
            shown: Some(MessageId::new(9)),
        };
        let body = deliver(0x04, b"id:abc stat:ENROUTE");
        for entry in [correlation, Restored::Early { carrier, key: 7, born: 0, body: &body }] {
            shard.restore(&entry, None, now, &mut out);
        }
        // There is no room for the parked one, until there is for the last.
        shard.handle(Input::StoreRoom { has_room: false }, now, &mut out);
        let mut world = World::around(shard, out);
        world.commit();
        world.shard.handle(Input::StoreRoom { has_room: true }, now, &mut world.out);
        world.says(CommandId::DELIVER_SM, 1, &deliver(0x04, b"id:abc stat:DELIVRD"));
        world.commit();
        assert_eq!(world.shard.carriers().next().unwrap().correlations.len(), 0);
        world.shard.handle(Input::Timeout, now + Duration::from_secs(2), &mut world.out);
        world.shard.settle(now, &mut world.out);
        assert_eq!(world.delivered(), ["id:00000009 stat:DELIVRD", "id:00000009 stat:ENROUTE"]);
    }
}
