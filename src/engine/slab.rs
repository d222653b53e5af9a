//! Values under keys that are never mistaken for one another: a slot number and how often that slot was used.
//!
//! A key that outlives its value finds nothing, so a late answer cannot reach the next tenant of the slot.

/// Names one value of a `Slab`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    pub slot: u32,
    pub generation: u32,
}

#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.entries[slot as usize];
            entry.value = Some(value);
            return Key { slot, generation: entry.generation };
        }
        let slot = u32::try_from(self.entries.len()).expect("every user of a slab bounds it far below 2^32");
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Key { slot, generation: 0 }
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.slot as usize)?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().enumerate().filter_map(|(slot, entry)| {
            let key = Key { slot: u32::try_from(slot).ok()?, generation: entry.generation };
            Some((key, entry.value.as_ref()?))
        })
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(slot, entry)| {
            let key = Key { slot: u32::try_from(slot).ok()?, generation: entry.generation };
            Some((key, entry.value.as_mut()?))
        })
    }

    /// Slots there are, used or free: `at` knows those below.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// The value in a slot, with its key.
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<(Key, &T)> {
        let entry = self.entries.get(slot)?;
        Some((Key { slot: u32::try_from(slot).ok()?, generation: entry.generation }, entry.value.as_ref()?))
    }

    pub fn at_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.entries.get_mut(slot)?.value.as_mut()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_outlives_its_value_finds_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!(first.slot, second.slot);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&"b")));
        assert_eq!(slab.remove(first), None);
        assert_eq!((slab.len(), slab.iter().count()), (1, 1));
    }
}
