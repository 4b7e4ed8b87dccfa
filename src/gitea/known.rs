//! What earlier answers told of the organization's repositories.
//!
//! A listing already describes every repository, so the read that follows it need not ask again:
//! that halves the questions of a sweep.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::gitea::convert::Repository;
use crate::models::naming::ExtensionId;

/// Repositories that are remembered though the last listing lacks them, those that it has among them.
const REMEMBERED_MAX: usize = 200_000;

/// External files whose sizes are remembered.
const SIZES_MAX: usize = 10_000;

/// Shared by everything that learns of repositories.
#[derive(Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    repositories: HashMap<ExtensionId, Entry>,
    extensions: HashMap<i64, ExtensionId>,
    /// Topics by the number of the repository, asked for since the last sweep began.
    topics: HashMap<i64, Arc<[String]>>,
    /// Sizes of external files by their uuid, as they were when they were last opened.
    sizes: HashMap<Box<str>, u64>,
    /// Those that a cursor was made of, the latest last.
    rosters: Vec<Arc<Roster>>,
}

struct Entry {
    repository: Arc<Repository>,
    /// Listed since it was last read; true for one read only.
    fresh: bool,
}

/// A list of repositories as it was: the name and the fingerprint of each, by its number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Roster(HashMap<i64, (ExtensionId, u64)>);

impl Roster {
    /// The repositories of a list. A list that lacks some goes on with those of the one before it.
    pub(super) fn of(repositories: &[Repository], before: Option<&Self>) -> Self {
        let mut all = before.map(|before| before.0.clone()).unwrap_or_default();
        let row = |one: &Repository| (one.number, (one.extension.clone(), one.fingerprint));
        all.extend(repositories.iter().map(row));
        Self(all)
    }

    /// The same value for the same list, also after a restart.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut rows: Vec<_> = self.0.iter().map(|(number, (_, print))| (number, print)).collect();
        rows.sort_unstable();
        let mut hasher = DefaultHasher::new();
        rows.hash(&mut hasher);
        hasher.finish()
    }

    /// The extensions that differ between two lists, under each name that they have in one of them.
    pub(super) fn differences(&self, before: &Self) -> BTreeSet<ExtensionId> {
        let mut differ = BTreeSet::new();
        for (one, other) in [(self, before), (before, self)] {
            let changed = one.0.iter().filter(|(number, row)| other.0.get(number) != Some(row));
            differ.extend(changed.map(|(_, (id, _))| id.clone()));
        }
        differ
    }
}

impl Known {
    /// Takes in a listing; a complete one forgets what it lacks, and so does one that names others
    /// than the ones before it until there are too many.
    pub(super) fn listed(&self, repositories: Vec<Repository>, complete: bool) {
        let mut state = self.0.lock();
        if complete || state.repositories.len() + repositories.len() > REMEMBERED_MAX {
            state.repositories.clear();
            state.extensions.clear();
        }
        for repository in repositories {
            state.learn(Arc::new(repository), true);
        }
    }

    /// A sweep begins: topics are asked for anew.
    pub(super) fn forget_topics(&self) {
        self.0.lock().topics.clear();
    }

    /// The topics of a repository, where they were asked for in this sweep.
    pub(super) fn topics_of(&self, number: i64) -> Option<Arc<[String]>> {
        self.0.lock().topics.get(&number).cloned()
    }

    /// Takes in the topics of a repository.
    pub(super) fn learn_topics(&self, number: i64, topics: Vec<String>) -> Arc<[String]> {
        let topics: Arc<[String]> = topics.into();
        let mut state = self.0.lock();
        if state.topics.len() < REMEMBERED_MAX {
            state.topics.insert(number, Arc::clone(&topics));
        }
        topics
    }

    /// The size of an external file, if it was opened before.
    pub(super) fn size_of(&self, uuid: &str) -> Option<u64> {
        self.0.lock().sizes.get(uuid).copied()
    }

    /// Takes in the size of an external file.
    pub(super) fn learn_size(&self, uuid: &str, size: u64) {
        let mut state = self.0.lock();
        if state.sizes.len() < SIZES_MAX {
            state.sizes.insert(uuid.into(), size);
        }
    }

    /// The list of repositories of this fingerprint, if a cursor was made of it lately.
    pub(super) fn roster(&self, fingerprint: u64) -> Option<Arc<Roster>> {
        let state = self.0.lock();
        state.rosters.iter().find(|one| one.fingerprint() == fingerprint).cloned()
    }

    /// Takes in the list that a cursor is made of. The one before it is kept: its cursor may be
    /// shown again, if what changed could not be read.
    pub(super) fn learn_roster(&self, roster: Roster, before: Option<Arc<Roster>>) {
        let mut state = self.0.lock();
        state.rosters = before.into_iter().chain([Arc::new(roster)]).collect();
    }

    /// Takes in a repository that was asked for by itself.
    pub(super) fn read(&self, repository: Arc<Repository>) -> Arc<Repository> {
        self.0.lock().learn(Arc::clone(&repository), false);
        repository
    }

    /// What the last listing said of it, once.
    pub(super) fn take_fresh(&self, id: &ExtensionId) -> Option<Arc<Repository>> {
        let mut state = self.0.lock();
        let entry = state.repositories.get_mut(id).filter(|entry| entry.fresh)?;
        entry.fresh = false;
        Some(Arc::clone(&entry.repository))
    }

    /// What is remembered of it, however old.
    pub(super) fn remembered(&self, id: &ExtensionId) -> Option<Arc<Repository>> {
        self.0.lock().repositories.get(id).map(|entry| Arc::clone(&entry.repository))
    }

    /// The number of any repository that is remembered.
    pub(super) fn any_number(&self) -> Option<i64> {
        self.0.lock().extensions.keys().next().copied()
    }

    /// Under which name the repository of this number was last seen.
    pub(super) fn extension_of(&self, number: i64) -> Option<ExtensionId> {
        self.0.lock().extensions.get(&number).cloned()
    }

    /// It is not there any more.
    pub(super) fn forget(&self, id: &ExtensionId) {
        self.0.lock().repositories.remove(id);
    }
}

impl State {
    fn learn(&mut self, repository: Arc<Repository>, fresh: bool) {
        let id = repository.extension.clone();
        self.extensions.insert(repository.number, id.clone());
        self.repositories.insert(id, Entry { repository, fresh });
    }
}
