//! Names whose content came with the latest entries of the log.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

/// Time for which a name is kept: an engine that fails over loses seconds of the log, and a replica
/// that was stopped for as long may then be the next writer.
const KEPT: Duration = Duration::from_mins(1);
/// Maximum number of names.
const NAMES_MAX: usize = 500;

/// The names of the latest entries. After a loss of entries the next writer may lack their content.
#[derive(Default)]
pub(crate) struct RecentNames(Mutex<VecDeque<(Instant, ExtensionId)>>);

impl RecentNames {
    /// Adds names of an entry that this replica has published or applied.
    pub(crate) fn add<'a>(&self, names: impl Iterator<Item = &'a ExtensionId>) {
        let (mut recent, now) = (self.0.lock(), Instant::now());
        recent.extend(names.map(|id| (now, id.clone())));
        let excess = recent.len().saturating_sub(NAMES_MAX);
        recent.drain(..excess);
        while recent.pop_front_if(|(at, _)| at.elapsed() >= KEPT).is_some() {}
    }

    /// Returns the names of the last minute.
    pub(crate) fn all(&self) -> BTreeSet<ExtensionId> {
        let recent = self.0.lock();
        let recent = recent.iter().filter(|(at, _)| at.elapsed() < KEPT);
        recent.map(|(_, id)| id.clone()).collect()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn names_are_kept_for_a_minute_and_only_the_latest_ones() {
        let recent = RecentNames::default();
        let id = |number: usize| format!("provider/e{number}").parse::<ExtensionId>().unwrap();
        let ids: Vec<ExtensionId> = (0..=NAMES_MAX).map(id).collect();
        recent.add(ids.iter());
        assert_eq!(recent.all().len(), NAMES_MAX);
        assert!(!recent.all().contains(&id(0)));
        tokio::time::advance(KEPT).await;
        assert_eq!(recent.all(), BTreeSet::new());
        recent.add([&id(7)].into_iter());
        assert_eq!(recent.all(), BTreeSet::from([id(7)]));
    }
}
