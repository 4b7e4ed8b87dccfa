//! Number of questions that backends were asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::contents::Name;

/// What a backend is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    Listing,
    Changes,
    Extension,
    Version,
    Content,
    Probe,
}

impl QuestionKind {
    const ALL: [(Self, &str); 6] = [
        (Self::Listing, "listings"),
        (Self::Changes, "changes"),
        (Self::Extension, "extensions"),
        (Self::Version, "versions"),
        (Self::Content, "contents"),
        (Self::Probe, "probes"),
    ];
}

/// Counts of the questions of all replicas that reached a backend.
#[derive(Debug, Default)]
pub struct QuestionCounts {
    counts: [AtomicUsize; QuestionKind::ALL.len()],
    /// Time of the last read of each extension.
    read: Mutex<BTreeMap<Name, Instant>>,
}

impl QuestionCounts {
    pub fn count(&self, question: QuestionKind) {
        self.counts[question as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that an extension is read now.
    pub fn reads(&self, name: Name) {
        self.read.lock().insert(name, Instant::now());
    }

    /// Returns the time at which the last read of an extension began.
    pub fn read_at(&self, name: &Name) -> Option<Instant> {
        self.read.lock().get(name).copied()
    }

    pub fn of(&self, question: QuestionKind) -> usize {
        self.counts[question as usize].load(Ordering::Relaxed)
    }

    pub fn all(&self) -> usize {
        QuestionKind::ALL.iter().map(|(question, _)| self.of(*question)).sum()
    }
}

impl fmt::Display for QuestionCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} questions", self.all())?;
        let mut asked = QuestionKind::ALL.iter().filter(|(question, _)| self.of(*question) > 0);
        asked.try_for_each(|(question, name)| write!(f, ", {} {name}", self.of(*question)))
    }
}
