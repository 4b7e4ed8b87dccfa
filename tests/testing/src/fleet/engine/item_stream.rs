//! A stream: items in the order of their places.

use std::ops::{Bound, Deref};
use std::time::Duration;

use registry_fleet::log::StreamPlace;

use super::journaled_map::JournaledMap;

/// Items, and the last place that was given out.
pub(super) struct ItemStream<T> {
    items: JournaledMap<StreamPlace, T>,
    last: JournaledMap<(), StreamPlace>,
}

impl<T> Default for ItemStream<T> {
    fn default() -> Self {
        Self { items: JournaledMap::default(), last: JournaledMap::default() }
    }
}

impl<T> Deref for ItemStream<T> {
    type Target = JournaledMap<StreamPlace, T>;

    fn deref(&self) -> &JournaledMap<StreamPlace, T> {
        &self.items
    }
}

impl<T> ItemStream<T> {
    /// Adds an item at the engine's time. The place is above the last one also if the clock is not.
    pub(super) fn push(&mut self, millis: u64, item: impl FnOnce(StreamPlace) -> T) {
        let first = StreamPlace { millis, number: 0 };
        let place = match self.last_place() {
            Some(last) if last >= first => StreamPlace { number: last.number + 1, ..last },
            _ => first,
        };
        self.last.insert((), place);
        self.items.insert(place, item(place));
    }

    /// Removes an item.
    pub(super) fn remove(&mut self, place: &StreamPlace) {
        self.items.remove(place);
    }

    /// Removes the items before this place.
    pub(super) fn trim(&mut self, first: StreamPlace) {
        while let Some((&place, _)) = self.items.first_key_value().filter(|(at, _)| **at < first) {
            self.items.remove(&place);
        }
    }

    /// Removes the first items of more than this number.
    pub(super) fn keep_last(&mut self, count: usize) {
        while self.items.len() > count
            && let Some((&place, _)) = self.items.first_key_value()
        {
            self.items.remove(&place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.last.clear();
    }

    /// Undoes the changes that are not older than this.
    pub(super) fn undo(&mut self, age: Duration) {
        self.items.undo(age);
        self.last.undo(age);
    }

    /// Returns the last place that was given out, also if its item is gone.
    pub(super) fn last_place(&self) -> Option<StreamPlace> {
        self.last.get(&()).copied()
    }

    /// Returns the items after a place.
    pub(super) fn after(
        &self,
        place: Option<StreamPlace>,
    ) -> impl Iterator<Item = (&StreamPlace, &T)> {
        let start = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.items.range((start, Bound::Unbounded))
    }
}
