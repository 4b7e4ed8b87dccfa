//! Which repositories are to be read again, and when: at once after a notice, and by a schedule
//! while their release still lacks its archive, since uploads follow without a word.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
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

/// A repository of which notice follows upon notice is read this often: each of them is followed by
/// a read, and a storm of them is not a storm of reads.
const BREATH: Duration = Duration::from_secs(1);
/// When a backend that could not be asked is asked again.
const PUT_OFF: Duration = Duration::from_secs(30);

/// The repositories of one backend that are to be read again, each once.
#[derive(Debug, Default)]
pub struct Dirty {
    waiting: BTreeMap<ExtensionId, Due>,
    /// The same by time.
    queue: BTreeSet<(Instant, ExtensionId)>,
    /// Those that are being read now; what comes up meanwhile waits for its end.
    reading: BTreeMap<ExtensionId, Due>,
}

/// When one of them is to be read, and how often it was since its notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: Instant,
    notice: Instant,
    reads: usize,
    /// When it was last taken to be read, if it was.
    taken: Option<Instant>,
}

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is there.
    Whole,
    /// Something is still missing.
    Lacking,
    /// The backend said that it is gone; from this moment on another answer confirms that.
    Doubted(Instant),
    /// The backend could not be asked.
    Failed,
}

impl Due {
    const fn first(now: Instant) -> Self {
        Self { at: now, notice: now, reads: 0, taken: None }
    }

    /// Whether it is read again whatever the answer was: some registries tell of a tag a moment
    /// before it is there.
    const fn is_fresh(self) -> bool {
        self.reads < 2
    }

    const fn is_scheduled(self) -> bool {
        self.reads < SCHEDULE.len()
    }
}

impl Dirty {
    /// A notice says that this one changed: it is read at once, and by the schedule from now on.
    pub fn noticed(&mut self, id: ExtensionId, now: Instant) {
        let before = self.waiting.remove(&id);
        if let Some(before) = before {
            self.queue.remove(&(before.at, id.clone()));
        }
        let taken = self.reading.get(&id).copied().or(before).and_then(|due| due.taken);
        let at = taken.map_or(now, |taken| now.max(taken + BREATH));
        self.wait(id, Due { at, notice: at, reads: 0, taken });
    }

    /// This one is old: it is read at once, and only once, unless it is to be read anyway.
    pub fn aged(&mut self, id: ExtensionId, now: Instant) {
        if !self.reading.contains_key(&id) {
            self.wait(id, Due { reads: SCHEDULE.len(), ..Due::first(now) });
        }
    }

    /// Something of this one was missing when it was read just now: it is read again by the
    /// schedule, unless it is to be read anyway.
    pub fn lacking(&mut self, id: ExtensionId, now: Instant) {
        self.again(id, Due::first(now), None);
    }

    /// The backend just said that this one is gone: it is read again by the schedule, and at the
    /// moment from which an answer confirms that.
    pub fn doubted(&mut self, id: ExtensionId, confirmed_from: Instant, now: Instant) {
        if let Some(due) = self.waiting.get(&id).filter(|due| due.at > confirmed_from).copied() {
            self.queue.remove(&(due.at, id.clone()));
            self.waiting.remove(&id);
        }
        self.again(id, Due::first(now), Some(confirmed_from));
    }

    /// One that was taken has been read: it is read once more while something is missing, until the
    /// schedule ends. What a notice said is not given up because the backend was away.
    pub fn done(&mut self, id: ExtensionId, outcome: Outcome, now: Instant) {
        let Some(due) = self.reading.remove(&id) else { return };
        if let Outcome::Doubted(confirmed_from) = outcome {
            self.again(id, due, Some(confirmed_from));
        } else if due.is_fresh() || outcome == Outcome::Lacking {
            self.again(id, due, None);
        } else if outcome == Outcome::Failed && due.is_scheduled() {
            self.wait(id, Due { at: now + PUT_OFF, ..due });
        }
    }

    /// Waits for the next time of the schedule, and no longer than until `at_latest`.
    fn again(&mut self, id: ExtensionId, due: Due, at_latest: Option<Instant>) {
        let scheduled = SCHEDULE.get(due.reads).map(|delay| due.notice + *delay);
        // A schedule that just misses the moment would leave what is gone for its next step.
        match (scheduled, at_latest) {
            (Some(at), Some(latest)) if latest < at => self.wait(id, Due { at: latest, ..due }),
            (Some(at), _) => self.wait(id, Due { at, reads: due.reads + 1, ..due }),
            (None, Some(at)) => self.wait(id, Due { at, ..due }),
            (None, None) => {}
        }
    }

    /// Unless it waits already.
    fn wait(&mut self, id: ExtensionId, due: Due) {
        if let Entry::Vacant(place) = self.waiting.entry(id.clone()) {
            place.insert(due);
            self.queue.insert((due.at, id));
        }
    }

    /// Those that are read by the schedule, not once for their age alone; ordered.
    pub fn scheduled(&self) -> impl Iterator<Item = &ExtensionId> {
        let all: BTreeMap<_, _> = self.reading.iter().chain(&self.waiting).collect();
        all.into_iter().filter(|(_, due)| due.is_scheduled()).map(|(id, _)| id)
    }

    /// When the next one is to be read.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.free().map(|(at, _)| *at)
    }

    /// Takes one that is to be read now, the one due first; it is [`Dirty::done`] when it is read.
    pub fn take_due(&mut self, now: Instant) -> Option<ExtensionId> {
        let next = self.free().filter(|(at, _)| *at <= now)?.clone();
        self.queue.remove(&next);
        let (_, id) = next;
        let due = self.waiting.remove(&id)?;
        self.reading.insert(id.clone(), Due { taken: Some(now), ..due });
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

    /// The seconds at which one repository is read while every read ends like this; ten at most.
    fn reads(dirty: &mut Dirty, begun: Instant, outcome: Outcome) -> Vec<u64> {
        let mut seconds = Vec::new();
        while let Some(at) = dirty.next().filter(|_| seconds.len() < 10) {
            seconds.push((at - begun).as_secs());
            let id = dirty.take_due(at).unwrap();
            assert_eq!(dirty.next(), None, "it is not read twice at once");
            dirty.done(id, outcome, at);
        }
        seconds
    }

    #[test]
    fn a_notice_is_followed_at_once_and_by_the_schedule() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        dirty.noticed(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now, Outcome::Lacking), [0, 1, 3, 10, 60, 300]);
        dirty.noticed(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now, Outcome::Whole), [0, 1, 3]);
    }

    #[test]
    fn a_notice_is_not_given_up_while_the_backend_is_away() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        dirty.noticed(id("a-provider"), now);
        let away = reads(&mut dirty, now, Outcome::Failed);
        assert_eq!(away, [0, 1, 3, 33, 63, 93, 123, 153, 183, 213]);
        assert_eq!(dirty.scheduled().count(), 1);
        assert_eq!(reads(&mut dirty, now, Outcome::Whole), [243]);
        dirty.aged(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now, Outcome::Failed), [0], "the next reader asks again");
    }

    #[test]
    fn what_is_old_is_read_once_and_what_lacks_something_by_the_schedule() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        dirty.aged(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now, Outcome::Lacking), [0]);
        dirty.lacking(id("a-provider"), now);
        assert_eq!(reads(&mut dirty, now, Outcome::Lacking), [1, 3, 10, 60, 300]);
    }

    #[test]
    fn a_deletion_is_confirmed_as_soon_as_it_can_be() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        let answer_takes = Duration::from_millis(20);
        let confirmed_from = now + answer_takes + Duration::from_secs(10);
        dirty.noticed(id("a-provider"), now);
        let mut reads = Vec::new();
        while let Some(at) = dirty.next() {
            reads.push(at - now);
            let id = dirty.take_due(at).unwrap();
            if at >= confirmed_from {
                break;
            }
            dirty.done(id, Outcome::Doubted(confirmed_from), at + answer_takes);
        }
        let expected = [0, 1000, 3000, 10_000, 10_020].map(Duration::from_millis);
        assert_eq!(reads, expected);
    }

    #[test]
    fn any_number_of_notices_is_one_read() {
        let (mut dirty, now) = (Dirty::default(), Instant::now());
        for _ in 0..10_000 {
            dirty.noticed(id("a-provider"), now);
            dirty.aged(id("A-provider"), now);
        }
        let taken = dirty.take_due(now).unwrap();
        assert_eq!(dirty.next(), None);
        dirty.aged(id("a-provider"), now);
        assert_eq!(dirty.next(), None, "it is being read");
        dirty.noticed(id("a-provider"), now);
        assert_eq!(dirty.next(), None, "it waits for the end of that read");
        dirty.done(taken, Outcome::Whole, now);
        assert_eq!(dirty.next(), Some(now + BREATH), "it was read just now");
        let later = now + BREATH * 2;
        dirty.noticed(id("a-provider"), later);
        assert_eq!(dirty.next(), Some(later));
    }
}
