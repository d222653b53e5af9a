//! Names of accounts and carriers: their indexes inside one segment, and one list of them all for recovery.
//!
//! Run-time numbers are never stored: the next process may number differently, and an account may be gone whose receipts
//! are still kept.

use ahash::AHashMap;

use super::record::{NameIndex, NameKind};

/// Gives the names of the segment being filled their indexes.
#[derive(Debug, Default)]
pub struct Interner {
    accounts: AHashMap<Box<str>, NameIndex>,
    carriers: AHashMap<Box<str>, NameIndex>,
}

impl Interner {
    /// The name's index, and whether it is new: then a `Name` record must go first.
    pub fn index(&mut self, kind: NameKind, name: &str) -> (NameIndex, bool) {
        let next = NameIndex((self.accounts.len() + self.carriers.len()) as u32);
        let known = match kind {
            NameKind::Account => &mut self.accounts,
            NameKind::Carrier => &mut self.carriers,
        };
        if let Some(index) = known.get(name) {
            return (*index, false);
        }
        known.insert(name.into(), next);
        (next, true)
    }

    /// A new segment begins.
    pub fn clear(&mut self) {
        self.accounts.clear();
        self.carriers.clear();
    }
}

/// A name of any segment. Accounts and carriers are numbered together.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NameId(pub u32);

/// Every name that recovery met.
#[derive(Debug, Default)]
pub struct Names {
    list: Vec<(NameKind, Box<str>)>,
    known: AHashMap<(NameKind, Box<str>), NameId>,
}

impl Names {
    pub fn add(&mut self, kind: NameKind, name: &str) -> NameId {
        let next = NameId(self.list.len() as u32);
        let id = *self.known.entry((kind, name.into())).or_insert(next);
        if id == next {
            self.list.push((kind, name.into()));
        }
        id
    }

    #[must_use]
    pub fn name(&self, id: NameId) -> &str {
        &self.list[id.0 as usize].1
    }

    #[must_use]
    pub fn kind(&self, id: NameId) -> NameKind {
        self.list[id.0 as usize].0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once_in_a_segment_and_an_account_is_no_carrier() {
        let mut interner = Interner::default();
        assert_eq!(interner.index(NameKind::Account, "acme"), (NameIndex(0), true));
        assert_eq!(interner.index(NameKind::Carrier, "acme"), (NameIndex(1), true));
        assert_eq!(interner.index(NameKind::Account, "acme"), (NameIndex(0), false));
        interner.clear();
        assert_eq!(interner.index(NameKind::Carrier, "acme"), (NameIndex(0), true));
    }

    #[test]
    fn names_of_several_segments_are_listed_once() {
        let mut names = Names::default();
        let account = names.add(NameKind::Account, "acme");
        assert_ne!(names.add(NameKind::Carrier, "acme"), account);
        assert_eq!(names.add(NameKind::Account, "acme"), account);
        assert_eq!((names.len(), names.name(account), names.kind(account)), (2, "acme", NameKind::Account));
    }
}
