//! A map that remembers its latest changes, so that they can be undone.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::time::Duration;

use tokio::time::Instant;

/// Age up to which changes can be undone.
pub(super) const UNDONE_MAX: Duration = Duration::from_secs(5);

/// Ordered values, and the changes of the last [`UNDONE_MAX`].
pub(super) struct JournaledMap<K, V> {
    values: BTreeMap<K, V>,
    /// Time, key and value before each change, in order.
    journal: VecDeque<(Instant, K, Option<V>)>,
}

impl<K, V> Default for JournaledMap<K, V> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), journal: VecDeque::new() }
    }
}

impl<K, V> Deref for JournaledMap<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.values
    }
}

impl<K: Ord + Clone, V> JournaledMap<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        let before = self.values.insert(key.clone(), value);
        self.note(key, before);
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(before) = self.values.remove(key) {
            self.note(key.clone(), Some(before));
        }
    }

    /// Removes every value.
    pub(super) fn clear(&mut self) {
        while let Some((key, before)) = self.values.pop_first() {
            self.note(key, Some(before));
        }
    }

    /// Undoes the changes that are not older than this.
    pub(super) fn undo(&mut self, age: Duration) {
        let now = Instant::now();
        while let Some((_, key, before)) = self.journal.pop_back_if(|(at, ..)| now - *at <= age) {
            match before {
                Some(before) => drop(self.values.insert(key, before)),
                None => drop(self.values.remove(&key)),
            }
        }
    }

    fn note(&mut self, key: K, before: Option<V>) {
        let now = Instant::now();
        self.journal.push_back((now, key, before));
        while self.journal.front().is_some_and(|(at, ..)| now - *at > UNDONE_MAX) {
            self.journal.pop_front();
        }
    }
}
