//! The outbox: names whose content differs from what the log says, and answers that it lacks.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;
use registry_fleet::log::StreamPlace;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::index::delta::BackendDelta;
use crate::share::requests::{RequestAnswer, RequestId};

/// Names that the log lacks. The writer publishes them; any other replica asks the writer to read
/// them. So what a replica read by itself never stays different from what the others have.
#[derive(Default)]
pub(crate) struct Outbox {
    inner: Mutex<OutboxState>,
    changed: Notify,
}

#[derive(Default)]
struct OutboxState {
    /// Number of notes so far.
    notes: u64,
    extensions: BTreeMap<ExtensionId, Noted>,
    owners: BTreeMap<ExtensionId, u64>,
    answered: Vec<AnsweredRequest>,
    /// True while this replica is the writer.
    publishes: bool,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    note: u64,
    since: Instant,
    /// Request to the writer about the name.
    request: Option<RequestId>,
}

/// A request of a replica with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnsweredRequest {
    pub(crate) place: StreamPlace,
    pub(crate) request: RequestId,
    pub(crate) answer: RequestAnswer,
}

/// A part of the outbox that is published together.
#[derive(Debug, Default)]
pub(crate) struct OutboxBatch {
    extensions: Vec<(ExtensionId, u64)>,
    owners: Vec<(ExtensionId, u64)>,
    pub(crate) answered: Vec<AnsweredRequest>,
    /// True if it has all that was noted so far.
    pub(crate) is_all: bool,
}

impl OutboxBatch {
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &ExtensionId> {
        self.extensions.iter().map(|(id, _)| id)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = &ExtensionId> {
        self.owners.iter().map(|(id, _)| id)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.extensions.is_empty() && self.owners.is_empty() && self.answered.is_empty()
    }
}

impl Outbox {
    /// Notes the names that a change makes different from what the log says.
    pub(crate) fn note(&self, change: &BackendDelta) {
        let mut state = self.inner.lock();
        match change {
            BackendDelta::Put(extensions) => {
                for (extension, _) in extensions {
                    state.note(extension.id());
                }
            }
            BackendDelta::Removed(id) => state.note(id),
            // Learned by a read of details, which each replica makes for itself.
            BackendDelta::Amended(extension) if state.publishes => state.note(extension.id()),
            BackendDelta::Amended(_)
            | BackendDelta::Listed
            | BackendDelta::Read(..)
            | BackendDelta::Missing(..)
            | BackendDelta::Refused(_) => return,
        }
        self.changed.notify_one();
    }

    /// Notes that the owner of a name changed. Only the writer decides owners for all.
    pub(crate) fn note_owner(&self, id: &ExtensionId) {
        let mut state = self.inner.lock();
        if state.publishes {
            state.notes += 1;
            let note = state.notes;
            state.owners.insert(id.clone(), note);
            self.changed.notify_one();
        }
    }

    /// Notes that requests are answered by the present content of a name.
    pub(crate) fn answer(&self, id: Option<&ExtensionId>, answered: Vec<AnsweredRequest>) {
        if answered.is_empty() {
            return;
        }
        let mut state = self.inner.lock();
        if let Some(id) = id {
            state.note(id);
        }
        state.answered.extend(answered);
        self.changed.notify_one();
    }

    /// Removes a name again: each replica reads such details for itself.
    pub(crate) fn forget(&self, id: &ExtensionId) {
        self.inner.lock().extensions.remove(id);
    }

    pub(crate) fn publishes(&self, publishes: bool) {
        self.inner.lock().publishes = publishes;
        self.changed.notify_one();
    }

    /// Waits until something is noted, or returns at once if it was since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.lock().extensions.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let state = self.inner.lock();
        state.extensions.is_empty() && state.owners.is_empty() && state.answered.is_empty()
    }

    pub(crate) fn has(&self, id: &ExtensionId) -> bool {
        self.inner.lock().extensions.contains_key(id)
    }

    /// Copies a part with at most `most` names. It stays in the outbox until it is confirmed.
    pub(crate) fn batch(&self, most: usize) -> OutboxBatch {
        let state = self.inner.lock();
        let extensions = state.extensions.iter().take(most);
        let owners = state.owners.iter().take(most);
        OutboxBatch {
            extensions: extensions.map(|(id, noted)| (id.clone(), noted.note)).collect(),
            owners: owners.map(|(id, note)| (id.clone(), *note)).collect(),
            answered: state.answered.iter().take(most).copied().collect(),
            is_all: state.extensions.len() <= most
                && state.owners.len() <= most
                && state.answered.len() <= most,
        }
    }

    /// Removes a part that the log has, but for names that were noted again since.
    pub(crate) fn confirm(&self, batch: &OutboxBatch) {
        let mut state = self.inner.lock();
        for (id, note) in &batch.extensions {
            if state.extensions.get(id).is_some_and(|noted| noted.note == *note) {
                state.extensions.remove(id);
            }
        }
        for (id, note) in &batch.owners {
            if state.owners.get(id) == Some(note) {
                state.owners.remove(id);
            }
        }
        let published: BTreeSet<StreamPlace> = batch.answered.iter().map(|one| one.place).collect();
        state.answered.retain(|one| !published.contains(&one.place));
    }

    /// Empties the outbox.
    pub(crate) fn clear(&self) {
        let mut state = self.inner.lock();
        state.owners.clear();
        state.answered.clear();
        state.extensions.clear();
    }

    /// Returns names noted before `before` that no request is about, with a new request for each.
    pub(crate) fn unrequested(
        &self,
        before: Instant,
        mut request: impl FnMut(&ExtensionId) -> RequestId,
    ) {
        let mut state = self.inner.lock();
        let due = state.extensions.iter_mut();
        for (id, noted) in due.filter(|(_, noted)| noted.request.is_none() && noted.since <= before)
        {
            noted.request = Some(request(id));
        }
    }

    /// Removes names whose request is answered: the log has their content now.
    pub(crate) fn answered(&self, request: RequestId) {
        self.inner.lock().extensions.retain(|_, noted| noted.request != Some(request));
    }
}

impl OutboxState {
    fn note(&mut self, id: &ExtensionId) {
        self.notes += 1;
        let noted = Noted { note: self.notes, since: Instant::now(), request: None };
        self.extensions.insert(id.clone(), noted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExtensionId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_changes_while_it_is_published_stays_until_it_is_published_again() {
        let outbox = Outbox::default();
        let [one, other] = [id("provider/one"), id("provider/other")];
        outbox.note(&BackendDelta::Removed(one.clone()));
        outbox.note(&BackendDelta::Removed(other.clone()));
        let part = outbox.batch(1);
        assert_eq!(part.extensions().collect::<Vec<_>>(), [&one]);
        assert!(!part.is_all);
        let all = outbox.batch(2);
        assert!(all.is_all);
        outbox.note(&BackendDelta::Removed(one.clone()));
        outbox.confirm(&all);
        assert!(outbox.has(&one) && !outbox.has(&other));
        outbox.confirm(&outbox.batch(2));
        assert!(outbox.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_to_the_own_request_removes_a_name() {
        let outbox = Outbox::default();
        let one = id("provider/one");
        outbox.note(&BackendDelta::Removed(one.clone()));
        let mut requested = Vec::new();
        outbox.unrequested(Instant::now(), |id| {
            requested.push(id.clone());
            RequestId(7)
        });
        outbox.unrequested(Instant::now(), |_| unreachable!("it is requested"));
        assert_eq!(requested, std::slice::from_ref(&one));
        outbox.answered(RequestId(8));
        assert!(outbox.has(&one));
        outbox.answered(RequestId(7));
        assert!(outbox.is_empty());
    }
}
