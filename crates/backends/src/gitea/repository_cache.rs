//! Cache of listed repositories, which halves the requests of a sweep.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;

use crate::gitea::repository::GiteaRepository;

/// Maximum number of cached repositories, including those that the last listing lacks.
const REMEMBERED_MAX: usize = 200_000;

/// Maximum number of cached sizes of external files.
const SIZES_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct RepositoryCache(Mutex<CacheState>);

#[derive(Default)]
struct CacheState {
    repositories: HashMap<ExtensionId, CachedRepository>,
    extensions: HashMap<i64, ExtensionId>,
    /// Keywords by repository number, of the topics fetched since the last sweep began.
    keywords: HashMap<i64, Arc<[Box<str>]>>,
    /// Sizes of external files by uuid, as of their last download.
    sizes: HashMap<Box<str>, u64>,
    /// Lists behind the latest cursors, the newest last.
    rosters: Vec<Arc<Roster>>,
}

struct CachedRepository {
    repository: Arc<GiteaRepository>,
    /// True from a listing until the next read, which may use the entry once.
    fresh: bool,
}

/// Snapshot of a list of repositories: name and fingerprint by number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Roster(HashMap<i64, (ExtensionId, u64)>);

impl Roster {
    pub(super) fn of(repositories: &[GiteaRepository], before: Option<&Self>) -> Self {
        let mut all = before.map(|before| before.0.clone()).unwrap_or_default();
        for one in repositories {
            all.insert(one.number, (one.extension.clone(), one.fingerprint));
        }
        Self(all)
    }

    /// Returns a hash of the snapshot that is stable across restarts.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut rows: Vec<_> = self.0.iter().map(|(number, (_, print))| (number, print)).collect();
        // The order of a hash map differs between runs.
        rows.sort_unstable();
        let mut hasher = DefaultHasher::new();
        rows.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns the extensions that differ between two snapshots, under all their names.
    pub(super) fn differences(&self, before: &Self) -> BTreeSet<ExtensionId> {
        let mut differ = BTreeSet::new();
        // Both directions, so that a rename reports the old name too.
        for (one, other) in [(self, before), (before, self)] {
            let changed = one.0.iter().filter(|(number, row)| other.0.get(number) != Some(row));
            differ.extend(changed.map(|(_, (id, _))| id.clone()));
        }
        differ
    }
}

impl RepositoryCache {
    /// A complete listing replaces all entries, a partial one only if the cache is full.
    pub(super) fn listed(&self, repositories: Vec<GiteaRepository>, complete: bool) {
        let mut state = self.0.lock();
        if complete || state.repositories.len() + repositories.len() > REMEMBERED_MAX {
            state.repositories.clear();
            state.extensions.clear();
        }
        for repository in repositories {
            state.learn(Arc::new(repository), true);
        }
    }

    pub(super) fn forget_keywords(&self) {
        self.0.lock().keywords.clear();
    }

    pub(super) fn keywords_of(&self, number: i64) -> Option<Arc<[Box<str>]>> {
        self.0.lock().keywords.get(&number).cloned()
    }

    pub(super) fn learn_keywords(&self, number: i64, keywords: Box<[Box<str>]>) -> Arc<[Box<str>]> {
        let keywords: Arc<[Box<str>]> = keywords.into();
        let mut state = self.0.lock();
        if state.keywords.len() < REMEMBERED_MAX {
            state.keywords.insert(number, Arc::clone(&keywords));
        }
        keywords
    }

    pub(super) fn size_of(&self, uuid: &str) -> Option<u64> {
        self.0.lock().sizes.get(uuid).copied()
    }

    pub(super) fn learn_size(&self, uuid: &str, size: u64) {
        let mut state = self.0.lock();
        if state.sizes.len() < SIZES_MAX {
            state.sizes.insert(uuid.into(), size);
        }
    }

    pub(super) fn roster(&self, fingerprint: u64) -> Option<Arc<Roster>> {
        let state = self.0.lock();
        state.rosters.iter().find(|one| one.fingerprint() == fingerprint).cloned()
    }

    /// Keeps the previous snapshot too: its cursor is used again if a read of changes fails.
    pub(super) fn learn_roster(&self, roster: Roster, before: Option<Arc<Roster>>) {
        let mut state = self.0.lock();
        state.rosters = before.into_iter().chain([Arc::new(roster)]).collect();
    }

    pub(super) fn read(&self, repository: Arc<GiteaRepository>) -> Arc<GiteaRepository> {
        self.0.lock().learn(Arc::clone(&repository), false);
        repository
    }

    /// Returns the repository from the last listing, once.
    pub(super) fn take_fresh(&self, id: &ExtensionId) -> Option<Arc<GiteaRepository>> {
        let mut state = self.0.lock();
        let entry = state.repositories.get_mut(id).filter(|entry| entry.fresh)?;
        entry.fresh = false;
        Some(Arc::clone(&entry.repository))
    }

    pub(super) fn remembered(&self, id: &ExtensionId) -> Option<Arc<GiteaRepository>> {
        self.0.lock().repositories.get(id).map(|entry| Arc::clone(&entry.repository))
    }

    pub(super) fn any_number(&self) -> Option<i64> {
        self.0.lock().extensions.keys().next().copied()
    }

    pub(super) fn extension_of(&self, number: i64) -> Option<ExtensionId> {
        self.0.lock().extensions.get(&number).cloned()
    }

    pub(super) fn forget(&self, id: &ExtensionId) {
        self.0.lock().repositories.remove(id);
    }
}

impl CacheState {
    fn learn(&mut self, repository: Arc<GiteaRepository>, fresh: bool) {
        let id = repository.extension.clone();
        self.extensions.insert(repository.number, id.clone());
        self.repositories.insert(id, CachedRepository { repository, fresh });
    }
}
