//! Parts of long MO until the others are there, at their account's home. The carrier may bring them in any order, and one of them
//! more than once; a sender may use a reference again for another message.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ahash::AHashMap;

use crate::engine::time::Instant;
use crate::smpp::segment::{Mark, SegmentRef};
use crate::smpp::view::SmView;

#[derive(Debug, Default)]
pub(super) struct Parts {
    waiting: AHashMap<Name, Gathered>,
    /// When those that are not whole are told of as they are, with the key of the part that came first.
    ends: BTreeMap<(Instant, u64), Name>,
    kept: usize,
    /// What was told of lately, so that a part of it that comes again is known.
    told: AHashMap<Name, (Instant, Vec<(u8, u64)>)>,
    told_in_order: VecDeque<(Instant, Name)>,
}

/// What all parts of one message share.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Name {
    source: Box<[u8]>,
    destination: Box<[u8]>,
    mark: Mark,
    reference: u16,
    pub(super) total: u8,
}

#[derive(Debug)]
struct Gathered {
    parts: BTreeMap<u8, Part>,
    end: (Instant, u64),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Part {
    /// What it is kept under.
    pub(super) key: u64,
    pub(super) digest: u64,
}

/// What a part that came is to those that are here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Came {
    /// The carrier's repetition.
    Again,
    /// Of another message: one with this number and another text is here.
    Other,
    /// The first of its message.
    First,
    More,
    Last,
}

impl Parts {
    /// How long the others are waited for.
    pub(super) const WAIT: Duration = Duration::from_secs(600);
    /// And after a start, for those that carriers bring once they are bound again.
    pub(super) const LEAST_WAIT: Duration = Duration::from_secs(60);
    /// A repetition that begins as late waits as long.
    const TOLD_FOR: Duration = Duration::from_secs(2 * 600);
    const TOLD: usize = 4_096;

    /// Parts that wait.
    pub(super) fn len(&self) -> usize {
        self.kept
    }
    pub(super) fn look(&self, name: &Name, number: u8, digest: u64) -> Came {
        let Some(gathered) = self.waiting.get(name) else { return Came::First };
        match gathered.parts.get(&number) {
            Some(part) if part.digest == digest => Came::Again,
            Some(_) => Came::Other,
            None if gathered.parts.len() + 1 == usize::from(name.total) => Came::Last,
            None => Came::More,
        }
    }

    /// Adds a part that is here for the first time. Its message ends `until` then, if it is the first of it.
    pub(super) fn insert(&mut self, name: Name, number: u8, part: Part, until: Instant) {
        let gathered = self.waiting.entry(name).or_insert_with_key(|name| {
            self.ends.insert((until, part.key), name.clone());
            Gathered { parts: BTreeMap::new(), end: (until, part.key) }
        });
        gathered.parts.insert(number, part);
        self.kept += 1;
    }

    /// Takes a message away, its parts by number.
    pub(super) fn remove(&mut self, name: &Name) -> BTreeMap<u8, Part> {
        let Some(gathered) = self.waiting.remove(name) else { return BTreeMap::new() };
        self.ends.remove(&gathered.end);
        self.kept -= gathered.parts.len();
        gathered.parts
    }

    /// A message that was waited for as long as any is.
    pub(super) fn overdue(&self, now: Instant) -> Option<Name> {
        self.ends.first_key_value().filter(|((until, _), _)| *until <= now).map(|(_, name)| name.clone())
    }
    pub(super) fn next_end(&self) -> Instant {
        self.ends.first_key_value().map_or(Instant::NEVER, |((until, _), _)| *until)
    }

    /// It cannot be told of now.
    pub(super) fn postpone(&mut self, name: &Name, until: Instant) {
        let Some(gathered) = self.waiting.get_mut(name) else { return };
        self.ends.remove(&gathered.end);
        gathered.end.0 = until;
        self.ends.insert(gathered.end, name.clone());
    }

    /// These parts were told of.
    pub(super) fn remember(&mut self, name: Name, parts: Vec<(u8, u64)>, now: Instant) {
        while let Some((since, _)) = self.told_in_order.front()
            && (self.told_in_order.len() >= Self::TOLD || now.since(*since) >= Self::TOLD_FOR)
            && let Some((since, name)) = self.told_in_order.pop_front()
        {
            // Another message of that name may have been told of since.
            if self.told.get(&name).is_some_and(|(last, _)| *last == since) {
                self.told.remove(&name);
            }
        }
        self.told_in_order.push_back((now, name.clone()));
        self.told.insert(name, (now, parts));
    }

    /// Whether all of these were told of before: the carrier repeated some parts of what it had brought whole.
    pub(super) fn is_told(&self, name: &Name, parts: &BTreeMap<u8, Part>) -> bool {
        let told = self.told.get(name);
        told.is_some_and(|(_, told)| parts.iter().all(|(number, part)| told.contains(&(*number, part.digest))))
    }
}

impl Name {
    pub(super) fn of(view: &SmView<'_>, part: &SegmentRef) -> Self {
        let SegmentRef { mark, reference, total, .. } = *part;
        Self { source: view.source.digits.into(), destination: view.destination.digits.into(), mark, reference, total }
    }
}

/// What tells a part from another one with its number.
pub(super) fn digest(view: &SmView<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (view.data_coding, view.text()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(source: &[u8], total: u8) -> Name {
        Name { source: source.into(), destination: (*b"1000").into(), mark: Mark::Udh8, reference: 7, total }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn parts_are_told_apart_by_sender_number_and_text() {
        let mut parts = Parts::default();
        let (one, other) = (name(b"491", 3), name(b"492", 3));
        assert_eq!(parts.look(&one, 2, 20), Came::First);
        parts.insert(one.clone(), 2, Part { key: 1, digest: 20 }, at(600));
        assert_eq!((parts.look(&one, 2, 20), parts.look(&one, 2, 21)), (Came::Again, Came::Other));
        assert_eq!((parts.look(&one, 1, 20), parts.look(&other, 1, 20)), (Came::More, Came::First));
        parts.insert(one.clone(), 3, Part { key: 2, digest: 30 }, at(601));
        assert_eq!((parts.look(&one, 1, 10), parts.len()), (Came::Last, 2));
        assert_eq!(parts.remove(&one).into_keys().collect::<Vec<_>>(), [2, 3]);
        assert_eq!((parts.len(), parts.next_end()), (0, Instant::NEVER));
    }

    #[test]
    fn a_message_ends_with_the_time_of_its_first_part_or_later_when_it_must() {
        let mut parts = Parts::default();
        let (one, other) = (name(b"491", 3), name(b"492", 3));
        parts.insert(one.clone(), 2, Part { key: 1, digest: 20 }, at(600));
        parts.insert(one.clone(), 1, Part { key: 2, digest: 10 }, at(610));
        parts.insert(other.clone(), 1, Part { key: 3, digest: 10 }, at(605));
        assert_eq!((parts.overdue(at(599)), parts.overdue(at(600))), (None, Some(one.clone())));
        parts.postpone(&one, at(620));
        assert_eq!(parts.overdue(at(619)), Some(other.clone()));
        parts.remove(&other);
        assert_eq!((parts.overdue(at(619)), parts.next_end()), (None, at(620)));
    }

    #[test]
    fn some_parts_of_what_was_told_of_are_known_for_a_while_and_for_so_many_messages() {
        let mut parts = Parts::default();
        let come = |number, digest| BTreeMap::from([(number, Part { key: 9, digest })]);
        let one = name(b"491", 2);
        parts.remember(one.clone(), vec![(1, 10), (2, 20)], at(0));
        assert!(parts.is_told(&one, &come(1, 10)) && !parts.is_told(&one, &come(1, 11)));
        assert!(!parts.is_told(&name(b"492", 2), &come(1, 10)));
        parts.remember(name(b"493", 2), vec![(1, 10)], at(1_200));
        assert!(!parts.is_told(&one, &come(1, 10)));
        for number in 0..Parts::TOLD as u64 {
            parts.remember(name(&number.to_be_bytes(), 2), vec![(1, 10)], at(1_200));
        }
        assert_eq!((parts.told.len(), parts.told_in_order.len()), (Parts::TOLD, Parts::TOLD));
        assert!(!parts.is_told(&name(b"493", 2), &come(1, 10)));
    }

    #[test]
    fn a_message_with_the_reference_of_an_earlier_one_is_known_for_as_long() {
        let mut parts = Parts::default();
        let come = |number, digest| BTreeMap::from([(number, Part { key: 9, digest })]);
        let one = name(b"491", 2);
        parts.remember(one.clone(), vec![(1, 10), (2, 20)], at(0));
        parts.remember(one.clone(), vec![(1, 11), (2, 21)], at(1_000));
        parts.remember(name(b"492", 2), vec![(1, 10)], at(1_200));
        assert!(parts.is_told(&one, &come(1, 11)), "the earlier one's time is over, and not this one's");
        parts.remember(name(b"493", 2), vec![(1, 10)], at(2_200));
        assert!(!parts.is_told(&one, &come(1, 11)));
    }
}
