//! A table of what was in use lately, bounded in number and in time: what was touched longest ago goes first.
//!
//! Entries are chained in the order they were touched, so what is to go is always at one end: nothing is searched and no timer
//! runs. The caller takes out what has had its time before it adds something.

use std::hash::Hash;
use std::time::Duration;

use ahash::AHashMap;

use super::time::Instant;

#[derive(Debug)]
pub struct Recent<K, V> {
    places: AHashMap<K, u32>,
    entries: Vec<Entry<K, V>>,
    free: Vec<u32>,
    /// Touched last, and longest ago.
    newest: u32,
    oldest: u32,
    most: usize,
    idle: Duration,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    touched: Instant,
    newer: u32,
    older: u32,
}

/// The end of the chain.
const NONE: u32 = u32::MAX;

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    /// At most so many, each until it was not touched for so long.
    #[must_use]
    pub fn new(most: usize, idle: Duration) -> Self {
        Self {
            places: AHashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            most: most.clamp(1, NONE as usize),
            idle,
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What is here and has not had its time.
    #[must_use]
    pub fn get(&self, key: &K, now: Instant) -> Option<&V> {
        let entry = &self.entries[*self.places.get(key)? as usize];
        (now.since(entry.touched) < self.idle).then_some(&entry.value)
    }

    /// The same, and it begins its time again.
    pub fn touch(&mut self, key: &K, now: Instant) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        if now.since(self.entries[place as usize].touched) >= self.idle {
            return None;
        }
        self.unchain(place);
        self.chain(place);
        let entry = &mut self.entries[place as usize];
        entry.touched = now;
        Some(&mut entry.value)
    }

    /// When it was touched last.
    #[must_use]
    pub fn touched(&self, key: &K) -> Option<Instant> {
        Some(self.entries[*self.places.get(key)? as usize].touched)
    }

    /// Takes out one that has had its time, or has to make room for another. Called until there is none, it makes room.
    pub fn pop_old(&mut self, now: Instant) -> Option<(K, V)> {
        let oldest = self.entries.get(self.oldest as usize)?;
        let is_over = now.since(oldest.touched) >= self.idle || self.places.len() >= self.most;
        let key = oldest.key;
        if is_over { Some((key, self.remove(&key)?)) } else { None }
    }

    /// Adds one, or replaces it; one that has to make room for it is dropped.
    pub fn insert(&mut self, key: K, value: V, now: Instant) {
        self.remove(&key);
        if self.places.len() >= self.most {
            let oldest = self.entries[self.oldest as usize].key;
            self.remove(&oldest);
        }
        let entry = Entry { key, value, touched: now, newer: NONE, older: NONE };
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place as usize] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.places.insert(key, place);
        self.chain(place);
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        self.unchain(place);
        self.free.push(place);
        Some(self.entries[place as usize].value)
    }

    /// Puts it at the end of those touched last.
    fn chain(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        (entry.newer, entry.older) = (NONE, self.newest);
        match self.entries.get_mut(self.newest as usize) {
            Some(second) => second.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unchain(&mut self, place: u32) {
        let Entry { newer, older, .. } = self.entries[place as usize];
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_touched_longest_ago_makes_room() {
        let mut recent = Recent::new(2, Duration::from_secs(60));
        recent.insert("a", 1, at(0));
        recent.insert("b", 2, at(1));
        assert_eq!(recent.touch(&"a", at(2)), Some(&mut 1));
        recent.insert("c", 3, at(3));
        assert_eq!(
            (recent.get(&"a", at(3)), recent.get(&"b", at(3)), recent.get(&"c", at(3))),
            (Some(&1), None, Some(&3))
        );
        assert_eq!(recent.len(), 2);
        assert_eq!(recent.pop_old(at(3)), Some(("a", 1)));
        assert_eq!(recent.pop_old(at(3)), None);
    }

    #[test]
    fn what_was_not_touched_for_its_time_is_gone() {
        let mut recent = Recent::new(10, Duration::from_secs(60));
        recent.insert("a", 1, at(0));
        recent.insert("b", 2, at(30));
        assert_eq!(recent.get(&"a", at(59)), Some(&1));
        assert_eq!(recent.get(&"a", at(60)), None);
        assert_eq!(recent.touch(&"a", at(60)), None);
        assert_eq!(recent.pop_old(at(60)), Some(("a", 1)));
        assert_eq!(recent.pop_old(at(60)), None);
        assert_eq!(recent.get(&"b", at(60)), Some(&2));
    }

    proptest! {
        #[test]
        fn it_is_a_list_in_the_order_of_touching(most in 1usize..6, steps in prop::collection::vec((0u8..4, 0u8..8), 0..200)) {
            let mut recent = Recent::new(most, Duration::from_secs(20));
            let mut list: Vec<(u8, u64, u64)> = Vec::new();
            for (now, (step, key)) in (0..).zip(steps) {
                let is_over = |touched: u64| now - touched >= 20;
                match step {
                    0 => {
                        recent.insert(key, now, at(now));
                        list.retain(|(other, ..)| *other != key);
                        if list.len() == most {
                            list.remove(0);
                        }
                        list.push((key, now, now));
                    }
                    1 => {
                        let found = list.iter().position(|(other, _, touched)| *other == key && !is_over(*touched));
                        let touched = found.map(|place| list.remove(place)).map(|(key, value, _)| (key, value, now));
                        prop_assert_eq!(recent.touch(&key, at(now)).copied(), touched.map(|(_, value, _)| value));
                        list.extend(touched);
                    }
                    2 => {
                        let found = list.iter().position(|(other, ..)| *other == key);
                        prop_assert_eq!(recent.remove(&key), found.map(|place| list.remove(place).1));
                    }
                    _ => {
                        let goes = list.first().is_some_and(|(_, _, touched)| is_over(*touched)) || list.len() == most;
                        let gone = goes.then(|| list.remove(0)).map(|(key, value, _)| (key, value));
                        prop_assert_eq!(recent.pop_old(at(now)), gone);
                    }
                }
                prop_assert_eq!(recent.len(), list.len());
            }
        }
    }
}
