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
    use super::*;

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
}
