//! What was appended to a log.

use std::collections::BTreeMap;

use registry_fleet::epoch::LogPosition;
use registry_fleet::topic::Topic;

/// Number of entries, and of those whose positions do not rise.
#[derive(Default)]
pub(super) struct AppendRecord {
    highest: BTreeMap<Topic, LogPosition>,
    pub(super) entries: usize,
    pub(super) disordered: usize,
}

impl AppendRecord {
    pub(super) fn appended(&mut self, topic: &Topic, position: LogPosition) {
        self.entries += 1;
        let highest = self.highest.entry(topic.clone()).or_default();
        if position <= *highest {
            self.disordered += 1;
        }
        *highest = position.max(*highest);
    }

    /// After a loss of data, positions may begin anywhere.
    pub(super) fn lost_data(&mut self) {
        self.highest.clear();
    }
}
