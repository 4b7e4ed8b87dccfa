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
    /// True if the log had other content after the own read: which one is older is unknown.
    is_contested: bool,
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

    /// Returns the requests that it answers.
    pub(crate) fn answers(&self) -> Vec<(RequestId, RequestAnswer)> {
        self.answered.iter().map(|one| (one.request, one.answer)).collect()
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
            // The content is as before, and newer than that of the log now.
            BackendDelta::Read(id, _) if state.is_contested(id) => state.note(id),
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

    /// Returns true if the content of the log becomes that of a name. Own content that differs stays: it
    /// may be newer, and readers must not see an older one after it.
    pub(crate) fn takes(&self, id: &ExtensionId, is_equal: impl FnOnce() -> bool) -> bool {
        let mut state = self.inner.lock();
        let Some(noted) = state.extensions.get_mut(id) else { return true };
        if is_equal() {
            state.extensions.remove(id);
            return true;
        }
        noted.is_contested = true;
        false
    }

    /// Keeps the own content of a name although the log has other content.
    pub(crate) fn keep(&self, id: &ExtensionId) {
        let mut state = self.inner.lock();
        state.note(id);
        if let Some(noted) = state.extensions.get_mut(id) {
            noted.is_contested = true;
        }
    }

    /// Returns the names that a writer has to read before it may publish them.
    pub(crate) fn contested(&self) -> Vec<ExtensionId> {
        let state = self.inner.lock();
        let contested = state.extensions.iter().filter(|(_, noted)| noted.is_contested);
        contested.map(|(id, _)| id.clone()).collect()
    }

    /// Returns true if a writer has to read a name before it may publish it.
    pub(crate) fn is_contested(&self, id: &ExtensionId) -> bool {
        self.inner.lock().is_contested(id)
    }

    /// Publishes the own content of a name that cannot be read.
    pub(crate) fn give_up_reading(&self, id: &ExtensionId) {
        let mut state = self.inner.lock();
        if state.is_contested(id) {
            state.note(id);
            self.changed.notify_one();
        }
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

    /// Returns true if one batch has everything that can be published.
    pub(crate) fn fits(&self, most: usize) -> bool {
        self.inner.lock().fits(most)
    }

    /// Copies a part with at most `most` names. It stays in the outbox until it is confirmed.
    pub(crate) fn batch(&self, most: usize) -> OutboxBatch {
        let state = self.inner.lock();
        let extensions = state.publishable().take(most);
        let owners = state.owners.iter().take(most);
        // Never before the content that they stand for.
        let answered = if state.publishable().count() <= most { most } else { 0 };
        OutboxBatch {
            extensions: extensions.map(|(id, noted)| (id.clone(), noted.note)).collect(),
            owners: owners.map(|(id, note)| (id.clone(), *note)).collect(),
            answered: state.answered.iter().take(answered).copied().collect(),
            is_all: state.fits(most),
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

    /// Makes a request for each name without one that was noted before `before`, or of which the log
    /// has other content.
    pub(crate) fn unrequested(
        &self,
        before: Instant,
        mut request: impl FnMut(&ExtensionId) -> RequestId,
    ) {
        let mut state = self.inner.lock();
        let due = state.extensions.iter_mut();
        let is_due = |noted: &Noted| noted.is_contested || noted.since <= before;
        for (id, noted) in due.filter(|(_, noted)| noted.request.is_none() && is_due(noted)) {
            noted.request = Some(request(id));
        }
    }

    /// Removes names whose requests are answered: what the log has is no older than the own content.
    pub(crate) fn answered(&self, answered: &[(RequestId, RequestAnswer)]) {
        let is_answered = |request| answered.iter().any(|(one, _)| Some(*one) == request);
        let mut state = self.inner.lock();
        state.extensions.retain(|_, noted| noted.request.is_none() || !is_answered(noted.request));
    }
}

impl OutboxState {
    fn note(&mut self, id: &ExtensionId) {
        self.notes += 1;
        let (note, since) = (self.notes, Instant::now());
        let noted = Noted { note, since, request: None, is_contested: false };
        self.extensions.insert(id.clone(), noted);
    }

    fn is_contested(&self, id: &ExtensionId) -> bool {
        self.extensions.get(id).is_some_and(|noted| noted.is_contested)
    }

    /// Returns the names that a writer may publish.
    fn publishable(&self) -> impl Iterator<Item = (&ExtensionId, &Noted)> {
        self.extensions.iter().filter(|(_, noted)| !noted.is_contested)
    }

    fn fits(&self, most: usize) -> bool {
        self.publishable().count() <= most
            && self.owners.len() <= most
            && self.answered.len() <= most
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
        assert_eq!(outbox.batch(2).extensions().collect::<Vec<_>>(), [&one]);
        outbox.confirm(&outbox.batch(2));
        assert!(outbox.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_the_log_has_too_is_published_only_after_another_read() {
        let outbox = Outbox::default();
        let [one, other] = [id("provider/one"), id("provider/other")];
        assert!(outbox.takes(&one, || false), "it is as in the log");
        outbox.note(&BackendDelta::Removed(one.clone()));
        outbox.note(&BackendDelta::Removed(other.clone()));
        assert!(!outbox.takes(&one, || false));
        outbox.keep(&other);
        assert_eq!(outbox.contested(), [one.clone(), other.clone()]);
        assert!(outbox.batch(2).is_empty() && !outbox.is_empty());
        let now = Instant::now().into();
        outbox.note(&BackendDelta::Read(one.clone(), now));
        assert_eq!(outbox.batch(2).extensions().collect::<Vec<_>>(), [&one], "it is as it was");
        outbox.confirm(&outbox.batch(2));
        outbox.note(&BackendDelta::Read(one, now));
        assert!(outbox.batch(2).is_empty(), "the log has it");
        outbox.give_up_reading(&other);
        assert_eq!(outbox.batch(2).extensions().collect::<Vec<_>>(), [&other]);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_come_with_the_last_names_and_not_before_their_content() {
        let outbox = Outbox::default();
        let place = StreamPlace { millis: 1, number: 0 };
        let answered =
            AnsweredRequest { place, request: RequestId(7), answer: RequestAnswer::Read };
        outbox.note(&BackendDelta::Removed(id("provider/one")));
        outbox.answer(Some(&id("provider/other")), vec![answered]);
        let first = outbox.batch(1);
        assert_eq!((first.answers(), first.is_all), (Vec::new(), false));
        outbox.confirm(&first);
        let last = outbox.batch(1);
        assert_eq!((last.answered, last.is_all), (vec![answered], true));
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
        outbox.answered(&[(RequestId(8), RequestAnswer::Read)]);
        assert!(!outbox.is_empty());
        outbox.answered(&[(RequestId(7), RequestAnswer::Read)]);
        assert!(outbox.is_empty());
    }
}
