//! Which repositories are to be read again, and when: at once after a notice, and by a schedule
//! while their release still lacks its archive, since uploads follow without a word.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::models::naming::ExtensionId;

/// After a notice a repository is read again this long after it, while something is missing.
const SCHEDULE: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// The repositories of one backend that are to be read again, each once.
#[derive(Debug, Default)]
pub struct Dirty(BTreeMap<ExtensionId, Due>);

/// When one of them is to be read, and how often it was since its notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    at: Instant,
    notice: Instant,
    reads: usize,
}

impl Due {
    /// Whether it is read again whatever the answer was: some registries tell of a tag a moment
    /// before it is there.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.reads < 2
    }
}

impl Dirty {
    /// A notice says that this one changed: it is read at once, and by the schedule from now on.
    pub fn noticed(&mut self, id: ExtensionId, now: Instant) {
        self.0.insert(id, Due { at: now, notice: now, reads: 0 });
    }

    /// This one is old: it is read at once, and only once, unless it is to be read anyway.
    pub fn aged(&mut self, id: ExtensionId, now: Instant) {
        self.0.entry(id).or_insert(Due { at: now, notice: now, reads: SCHEDULE.len() });
    }

    /// Something of this one was missing when it was read just now: it is read again by the
    /// schedule, unless it is to be read anyway.
    pub fn lacking(&mut self, id: ExtensionId, now: Instant) {
        let first = Due { at: now, notice: now, reads: 0 };
        self.again(id, first);
    }

    /// Something was still missing when this one was read for that reason: it is read once more,
    /// until the schedule ends.
    pub fn again(&mut self, id: ExtensionId, due: Due) {
        if let Some(delay) = SCHEDULE.get(due.reads) {
            let next = Due { at: due.notice + *delay, reads: due.reads + 1, ..due };
            self.0.entry(id).or_insert(next);
        }
    }

    /// When the next one is to be read.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.values().map(|due| due.at).min()
    }

    /// Takes those that are to be read now.
    pub fn take_due(&mut self, now: Instant) -> Vec<(ExtensionId, Due)> {
        let due: Vec<_> = self.0.extract_if(.., |_, due| due.at <= now).collect();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExtensionId {
        ExtensionId::from_oci_repository(name).unwrap()
    }

    /// The seconds at which one repository is read while something stays missing.
    fn reads(dirty: &mut Dirty, begun: Instant) -> Vec<u64> {
        let mut seconds = Vec::new();
        while let Some(at) = dirty.next() {
            for (id, due) in dirty.take_due(at) {
                seconds.push((at - begun).as_secs());
                dirty.again(id, due);
            }
        }
        seconds
    }

    #[test]
    fn a_notice_is_followed_at_once_and_by_the_schedule() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        dirty.noticed(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now), [0, 1, 3, 10, 60, 300]);
    }

    #[test]
    fn what_is_old_is_read_once_and_what_lacks_something_by_the_schedule() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        dirty.aged(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now), [0]);
        dirty.lacking(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now), [1, 3, 10, 60, 300]);
    }

    #[test]
    fn any_number_of_notices_is_one_read() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        for _ in 0..10_000 {
            dirty.noticed(id("a-provider"), now);
            dirty.aged(id("A-provider"), now);
        }
        assert_eq!(dirty.take_due(now).len(), 1);
        assert_eq!(dirty.next(), None);
    }
}
