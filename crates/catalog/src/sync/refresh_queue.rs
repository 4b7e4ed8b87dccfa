//! Refresh queue of one backend: extensions to read again, at once after a webhook, and by a
//! schedule while a release lacks its archive, since uploads follow without a further webhook.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

/// Delays after a webhook at which an extension is read again while something is missing.
const SCHEDULE: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

/// Minimum time between two reads of one extension, also under a flood of webhooks.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Extensions of one backend to read again, each listed once.
#[derive(Debug, Default)]
pub struct RefreshQueue {
    waiting: BTreeMap<ExtensionId, QueuedRefresh>,
    queue: BTreeSet<(Instant, ExtensionId)>,
    /// Extensions being read now. A webhook during the read waits for its end.
    reading: BTreeMap<ExtensionId, QueuedRefresh>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueuedRefresh {
    at: Instant,
    notice: Instant,
    reads: usize,
    taken: Option<Instant>,
}

/// The outcome of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// Every release has its archive.
    Complete,
    /// A release still lacks its archive.
    Incomplete,
    /// The backend reported it as gone; a second response from this time on confirms that.
    Doubted(Instant),
    /// The backend could not be reached.
    Failed,
}

impl QueuedRefresh {
    const fn first(now: Instant) -> Self {
        Self { at: now, notice: now, reads: 0, taken: None }
    }

    /// Read again whatever the outcome: some registries announce a tag before they serve it.
    const fn is_fresh(self) -> bool {
        self.reads < 2
    }

    const fn is_scheduled(self) -> bool {
        self.reads < SCHEDULE.len()
    }
}

impl RefreshQueue {
    /// Records a webhook: the extension is read at once, and by the schedule from now on.
    pub fn enqueue_notice(&mut self, id: ExtensionId, now: Instant) {
        let before = self.waiting.remove(&id);
        if let Some(before) = before {
            self.queue.remove(&(before.at, id.clone()));
        }
        // The time of the last read survives the replacement, or each webhook would cause a read.
        let taken = self.reading.get(&id).copied().or(before).and_then(|due| due.taken);
        let at = taken.map_or(now, |taken| now.max(taken + MIN_INTERVAL));
        self.wait(id, QueuedRefresh { at, notice: at, reads: 0, taken });
    }

    /// Schedules a single read of an outdated extension, at once, unless one is scheduled already.
    pub fn enqueue_stale(&mut self, id: ExtensionId, now: Instant) {
        // The read in progress brings the present state.
        if !self.reading.contains_key(&id) {
            self.wait(id, QueuedRefresh { reads: SCHEDULE.len(), ..QueuedRefresh::first(now) });
        }
    }

    /// Schedules reads of an extension that lacked something, unless one is scheduled.
    pub fn enqueue_incomplete(&mut self, id: ExtensionId, now: Instant) {
        self.again(id, QueuedRefresh::first(now), None);
    }

    /// Schedules reads of an extension that was just reported as gone: by the schedule, and at the
    /// time from which a second report confirms it.
    pub fn doubted(&mut self, id: ExtensionId, confirmed_from: Instant, now: Instant) {
        // A later read that waits already would keep the extension listed for longer than needed.
        if let Some(due) = self.waiting.get(&id).filter(|due| due.at > confirmed_from).copied() {
            self.queue.remove(&(due.at, id.clone()));
            self.waiting.remove(&id);
        }
        self.again(id, QueuedRefresh::first(now), Some(confirmed_from));
    }

    /// Records the end of a read. The extension is read again while something is missing, until the
    /// schedule ends. A failed read does not end the schedule.
    pub fn done(&mut self, id: ExtensionId, outcome: RefreshOutcome, now: Instant) {
        // A webhook during the read has its own entry in `waiting`, which `wait` keeps.
        let Some(due) = self.reading.remove(&id) else { return };
        if let RefreshOutcome::Doubted(confirmed_from) = outcome {
            self.again(id, due, Some(confirmed_from));
        } else if due.is_fresh() || outcome == RefreshOutcome::Incomplete {
            self.again(id, due, None);
        } else if outcome == RefreshOutcome::Failed && due.is_scheduled() {
            self.wait(id, QueuedRefresh { at: now + RETRY_AFTER, ..due });
        }
    }

    fn again(&mut self, id: ExtensionId, due: QueuedRefresh, at_latest: Option<Instant>) {
        let scheduled = SCHEDULE.get(due.reads).map(|delay| due.notice + *delay);
        // A schedule that just misses the confirmation would delay the removal to its next step.
        match (scheduled, at_latest) {
            (Some(at), Some(latest)) if latest < at => {
                self.wait(id, QueuedRefresh { at: latest, ..due });
            }
            (Some(at), _) => self.wait(id, QueuedRefresh { at, reads: due.reads + 1, ..due }),
            (None, Some(at)) => self.wait(id, QueuedRefresh { at, ..due }),
            (None, None) => {}
        }
    }

    fn wait(&mut self, id: ExtensionId, due: QueuedRefresh) {
        if let Entry::Vacant(place) = self.waiting.entry(id.clone()) {
            place.insert(due);
            self.queue.insert((due.at, id));
        }
    }

    /// Removes an extension, also if it is being read.
    pub fn forget(&mut self, id: &ExtensionId) {
        self.reading.remove(id);
        if let Some(due) = self.waiting.remove(id) {
            self.queue.remove(&(due.at, id.clone()));
        }
    }

    /// Returns the extensions that are read by the schedule, without merely old ones; ordered.
    pub fn scheduled(&self) -> impl Iterator<Item = &ExtensionId> {
        let all: BTreeMap<_, _> = self.reading.iter().chain(&self.waiting).collect();
        all.into_iter().filter(|(_, due)| due.is_scheduled()).map(|(id, _)| id)
    }

    /// Returns the time of the next read.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.free().map(|(at, _)| *at)
    }

    /// Takes the first extension that is due. The caller reports the end of the read with
    /// [`RefreshQueue::done`].
    pub fn take_due(&mut self, now: Instant) -> Option<ExtensionId> {
        let next = self.free().filter(|(at, _)| *at <= now)?.clone();
        self.queue.remove(&next);
        let (_, id) = next;
        let due = self.waiting.remove(&id)?;
        self.reading.insert(id.clone(), QueuedRefresh { taken: Some(now), ..due });
        Some(id)
    }

    fn free(&self) -> Option<&(Instant, ExtensionId)> {
        self.queue.iter().find(|(_, id)| !self.reading.contains_key(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExtensionId {
        ExtensionId::from_oci_repository(name).unwrap()
    }

    /// Returns the seconds of the first ten reads if each one ends with `outcome`.
    fn reads(queue: &mut RefreshQueue, begun: Instant, outcome: RefreshOutcome) -> Vec<u64> {
        let mut seconds = Vec::new();
        while let Some(at) = queue.next().filter(|_| seconds.len() < 10) {
            seconds.push((at - begun).as_secs());
            let id = queue.take_due(at).unwrap();
            assert_eq!(queue.next(), None, "it is not read twice at once");
            queue.done(id, outcome, at);
        }
        seconds
    }

    #[test]
    fn a_notice_is_followed_at_once_and_by_the_schedule() {
        let (mut queue, now) = (RefreshQueue::default(), Instant::now());
        queue.enqueue_notice(id("a-provider"), now);
        assert_eq!(reads(&mut queue, now, RefreshOutcome::Incomplete), [0, 1, 3, 10, 60, 300]);
        queue.enqueue_notice(id("a-provider"), now);
        assert_eq!(reads(&mut queue, now, RefreshOutcome::Complete), [0, 1, 3]);
    }

    #[test]
    fn a_notice_is_not_given_up_while_the_backend_is_away() {
        let (mut queue, now) = (RefreshQueue::default(), Instant::now());
        queue.enqueue_notice(id("a-provider"), now);
        let away = reads(&mut queue, now, RefreshOutcome::Failed);
        assert_eq!(away, [0, 1, 3, 33, 63, 93, 123, 153, 183, 213]);
        assert_eq!(queue.scheduled().count(), 1);
        assert_eq!(reads(&mut queue, now, RefreshOutcome::Complete), [243]);
        queue.enqueue_stale(id("a-provider"), now);
        assert_eq!(
            reads(&mut queue, now, RefreshOutcome::Failed),
            [0],
            "the next reader asks again"
        );
    }

    #[test]
    fn what_is_old_is_read_once_and_what_lacks_something_by_the_schedule() {
        let (mut queue, now) = (RefreshQueue::default(), Instant::now());
        queue.enqueue_stale(id("a-provider"), now);
        assert_eq!(reads(&mut queue, now, RefreshOutcome::Incomplete), [0]);
        queue.enqueue_incomplete(id("a-provider"), now);
        assert_eq!(reads(&mut queue, now, RefreshOutcome::Incomplete), [1, 3, 10, 60, 300]);
    }

    #[test]
    fn a_deletion_is_confirmed_as_soon_as_it_can_be() {
        let (mut queue, now) = (RefreshQueue::default(), Instant::now());
        let answer_takes = Duration::from_millis(20);
        let confirmed_from = now + answer_takes + Duration::from_secs(10);
        queue.enqueue_notice(id("a-provider"), now);
        let mut reads = Vec::new();
        while let Some(at) = queue.next() {
            reads.push(at - now);
            let id = queue.take_due(at).unwrap();
            if at >= confirmed_from {
                break;
            }
            queue.done(id, RefreshOutcome::Doubted(confirmed_from), at + answer_takes);
        }
        let expected = [0, 1000, 3000, 10_000, 10_020].map(Duration::from_millis);
        assert_eq!(reads, expected);
    }

    #[test]
    fn any_number_of_notices_is_one_read() {
        let (mut queue, now) = (RefreshQueue::default(), Instant::now());
        for _ in 0..10_000 {
            queue.enqueue_notice(id("a-provider"), now);
            queue.enqueue_stale(id("A-provider"), now);
        }
        let taken = queue.take_due(now).unwrap();
        assert_eq!(queue.next(), None);
        queue.enqueue_stale(id("a-provider"), now);
        assert_eq!(queue.next(), None, "it is being read");
        queue.enqueue_notice(id("a-provider"), now);
        assert_eq!(queue.next(), None, "it waits for the end of that read");
        queue.done(taken, RefreshOutcome::Complete, now);
        assert_eq!(queue.next(), Some(now + MIN_INTERVAL), "it was read just now");
        let later = now + MIN_INTERVAL * 2;
        queue.enqueue_notice(id("a-provider"), later);
        assert_eq!(queue.next(), Some(later));
    }
}
