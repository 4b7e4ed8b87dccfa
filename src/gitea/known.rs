//! What earlier answers told of the organisation and its repositories.
//!
//! A listing already describes every repository, so the read that follows it need not ask again:
//! that halves the questions of a sweep.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::gitea::convert::Repository;
use crate::models::naming::ExtensionId;

/// Repositories that are remembered though the last listing lacks them, those that it has among them.
const REMEMBERED_MAX: usize = 200_000;

/// Shared by everything that learns of repositories.
#[derive(Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    organization: Option<i64>,
    repositories: HashMap<ExtensionId, Entry>,
    extensions: HashMap<i64, ExtensionId>,
}

struct Entry {
    repository: Arc<Repository>,
    /// Listed since it was last read; true for one read only.
    fresh: bool,
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
            state.organization = Some(repository.owner);
            state.learn(Arc::new(repository), true);
        }
    }

    /// Takes in a repository that was asked for by itself.
    pub(super) fn read(&self, repository: Repository) -> Arc<Repository> {
        let repository = Arc::new(repository);
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

    /// Under which name the repository of this number was last seen.
    pub(super) fn extension_of(&self, number: i64) -> Option<ExtensionId> {
        self.0.lock().extensions.get(&number).cloned()
    }

    /// Whether this account is the organisation, by the number that a rename does not change.
    pub(super) fn is_organization(&self, number: i64) -> bool {
        self.0.lock().organization == Some(number)
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
