//! Requests of this replica to the writer of a backend.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::pins::learned_digest::LearnedDigest;

/// Time for which a caller waits for the writer before this replica asks the backend itself.
pub(crate) const ANSWER_MAX: Duration = Duration::from_millis(800);
/// Pause after which an unanswered webhook is posted again.
const POST_AGAIN: Duration = Duration::from_secs(5);
/// Time after which a request is of no use to its caller.
const OUTDATED: Duration = Duration::from_secs(5);
/// Time for which an answer can get lost with the engine's last writes.
const UNCERTAIN: Duration = Duration::from_mins(1);
/// Maximum wait of a webhook for an attempt to post it. A call to the engine takes 40 ms at most.
const POST_MAX: Duration = Duration::from_secs(1);
/// Maximum number of requests in memory.
const REQUESTS_MAX: usize = 10_000;

/// Name of a request: random, so that no two replicas give the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// What a replica asks the writer for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequestSubject {
    /// A read of an extension, because a webhook names it or this replica has other content. It is
    /// posted until it is answered.
    Notice(ExtensionId),
    /// A read of an extension that a caller waits for; `true` within the budget of lookups.
    Lookup(ExtensionId, bool),
    /// A read of an extension unless it was read lately.
    Stale(ExtensionId),
    /// That all replicas show the digest of a file of an extension. It is posted until it is answered.
    Learned(ExtensionId, LearnedDigest),
    /// A cycle.
    Cycle,
    /// A snapshot.
    Snapshot,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestAnswer {
    /// The log has what the backend said after the request.
    Read,
    /// The budget of lookups is used up.
    OverBudget,
}

/// The requests that are not answered yet.
#[derive(Default)]
pub(crate) struct RequestBook {
    inner: Mutex<Requests>,
    changed: Notify,
}

#[derive(Default)]
struct Requests {
    open: BTreeMap<RequestId, OpenRequest>,
    /// Requests that another caller with the same subject can join.
    joinable: BTreeMap<RequestSubject, RequestId>,
    /// Webhooks whose answer may be lost, with the time of the answer.
    uncertain: Vec<(Instant, RequestId, ExtensionId)>,
    /// Webhooks answered shortly before entries were missing.
    lost: Vec<(RequestId, ExtensionId)>,
}

struct OpenRequest {
    subject: RequestSubject,
    made: Instant,
    posted: Option<Instant>,
    /// True if it could not be posted the last time, and this replica has read the name instead.
    has_failed: bool,
    /// True for a webhook in the state directory.
    is_kept: bool,
    waiting: Vec<oneshot::Sender<RequestAnswer>>,
    /// Callers that wait for the end of the next attempt to post it; `true` if the engine has it.
    watching: Vec<oneshot::Sender<bool>>,
}

impl OpenRequest {
    fn of(subject: RequestSubject) -> Self {
        Self {
            subject,
            made: Instant::now(),
            posted: None,
            has_failed: false,
            is_kept: false,
            waiting: Vec::new(),
            watching: Vec::new(),
        }
    }

    fn tell_watchers(&mut self, is_posted: bool) {
        for caller in self.watching.drain(..) {
            // A caller that left needs no answer.
            let _ = caller.send(is_posted);
        }
    }
}

impl Requests {
    /// Forgets a request if there are too many, but none that the state directory has.
    fn make_room(&mut self) {
        if self.open.len() >= REQUESTS_MAX {
            let mut others = self.open.iter().filter(|(_, one)| !one.is_kept);
            let other = others.next().map(|(id, _)| *id);
            other.and_then(|id| self.open.remove(&id));
        }
    }
}

impl RequestSubject {
    /// Returns true for a request that is posted until it is answered.
    const fn is_repeated(&self) -> bool {
        matches!(self, Self::Notice(_) | Self::Learned(..))
    }

    /// Returns true for a request that can be joined after it was posted: a read that has begun then
    /// serves as well.
    const fn is_joinable_later(&self) -> bool {
        matches!(self, Self::Stale(_) | Self::Snapshot | Self::Learned(..))
    }
}

impl RequestBook {
    /// Asks for a read of an extension that has to happen. Returns the request.
    pub(crate) fn notice(&self, id: ExtensionId) -> RequestId {
        self.add(RequestSubject::Notice(id), None)
    }

    /// Asks for something that nothing waits for.
    pub(crate) fn hint(&self, subject: RequestSubject) {
        self.add(subject, None);
    }

    /// Asks, and waits for the answer; `None` if there is none in time.
    pub(crate) async fn ask(
        &self,
        subject: RequestSubject,
        wait: Duration,
    ) -> Option<RequestAnswer> {
        let (sender, answer) = oneshot::channel();
        self.add(subject, Some(sender));
        timeout(wait, answer).await.ok()?.ok()
    }

    fn add(
        &self,
        subject: RequestSubject,
        waiting: Option<oneshot::Sender<RequestAnswer>>,
    ) -> RequestId {
        let mut requests = self.inner.lock();
        if let Some(id) = requests.joinable.get(&subject).copied()
            && let Some(one) = requests.open.get_mut(&id)
        {
            one.waiting.extend(waiting);
            // While the engine is away, a read for the earlier request may have begun, too.
            if std::mem::take(&mut one.has_failed) {
                self.changed.notify_one();
            }
            return id;
        }
        requests.make_room();
        let id = RequestId(fastrand::u64(..));
        requests.joinable.insert(subject.clone(), id);
        let waiting = waiting.into_iter().collect();
        requests.open.insert(id, OpenRequest { waiting, ..OpenRequest::of(subject) });
        drop(requests);
        self.changed.notify_one();
        id
    }

    /// Makes a request of a webhook that was kept before a restart.
    pub(crate) fn restore(&self, id: RequestId, extension: ExtensionId) {
        let mut requests = self.inner.lock();
        let subject = RequestSubject::Notice(extension);
        requests.joinable.insert(subject.clone(), id);
        requests.open.insert(id, OpenRequest { is_kept: true, ..OpenRequest::of(subject) });
        drop(requests);
        self.changed.notify_one();
    }

    /// Waits for the next attempt to post a webhook. Returns true if the engine has it then.
    pub(crate) async fn is_posted(&self, id: RequestId) -> bool {
        let (sender, is_posted) = oneshot::channel();
        match self.inner.lock().open.get_mut(&id) {
            Some(one) if one.posted.is_none() => one.watching.push(sender),
            // Posted, and perhaps answered.
            _ => return true,
        }
        self.changed.notify_one();
        timeout(POST_MAX, is_posted).await.is_ok_and(Result::unwrap_or_default)
    }

    /// Notes that the state directory is to have these webhooks until they are answered. Returns false
    /// if there is no room for so many more.
    pub(crate) fn keep(&self, ids: &[RequestId], room: usize) -> bool {
        let mut requests = self.inner.lock();
        let is_new = |id: &&RequestId| requests.open.get(id).is_some_and(|one| !one.is_kept);
        if ids.iter().filter(is_new).count() > room {
            return false;
        }
        for id in ids {
            if let Some(one) = requests.open.get_mut(id) {
                one.is_kept = true;
            }
        }
        true
    }

    /// Returns the webhooks that the state directory is to have.
    pub(crate) fn kept(&self) -> Vec<(RequestId, ExtensionId)> {
        let requests = self.inner.lock();
        let kept = requests.open.iter().filter(|(_, one)| one.is_kept);
        let kept = kept.filter_map(|(id, one)| match &one.subject {
            RequestSubject::Notice(extension) => Some((*id, extension.clone())),
            _ => None,
        });
        kept.collect()
    }

    /// Returns the requests to post now, and forgets those that are of no use any more.
    pub(crate) fn due(&self) -> Vec<(RequestId, RequestSubject)> {
        let now = Instant::now();
        let mut requests = self.inner.lock();
        requests.open.retain(|_, one| one.subject.is_repeated() || one.made + OUTDATED > now);
        let Requests { open, joinable, .. } = &mut *requests;
        joinable.retain(|_, id| open.contains_key(id));
        requests.uncertain.retain(|(at, ..)| *at + UNCERTAIN > now);
        let due = requests.open.iter_mut().filter(|(_, one)| match one.posted {
            None => true,
            Some(at) => one.subject.is_repeated() && at + POST_AGAIN <= now,
        });
        due.map(|(id, one)| (*id, one.subject.clone())).collect()
    }

    /// Notes that a request is sent to the engine, which may have it even if the call fails.
    pub(crate) fn sent(&self, id: RequestId) {
        let mut requests = self.inner.lock();
        let Requests { open, joinable, .. } = &mut *requests;
        // The read may begin before the next caller asks.
        if let Some(one) = open.get(&id).filter(|one| !one.subject.is_joinable_later()) {
            joinable.remove(&one.subject);
        }
    }

    /// Notes that the engine has a request.
    pub(crate) fn posted(&self, id: RequestId) {
        if let Some(one) = self.inner.lock().open.get_mut(&id) {
            one.posted = Some(Instant::now());
            one.has_failed = false;
            one.tell_watchers(true);
        }
    }

    /// Notes that a request could not be posted.
    pub(crate) fn not_posted(&self, id: RequestId) {
        if let Some(one) = self.inner.lock().open.get_mut(&id) {
            one.tell_watchers(false);
        }
    }

    /// Notes that this replica reads a name by itself, since it cannot post the request. Returns true for
    /// the first time since it was made or posted.
    pub(crate) fn is_first_failure(&self, id: RequestId) -> bool {
        let mut requests = self.inner.lock();
        let one = requests.open.get_mut(&id);
        one.is_some_and(|one| !std::mem::replace(&mut one.has_failed, true))
    }

    /// Notes an answer.
    pub(crate) fn answered(&self, id: RequestId, answer: RequestAnswer) {
        let mut requests = self.inner.lock();
        let Some(mut one) = requests.open.remove(&id) else { return };
        if requests.joinable.get(&one.subject) == Some(&id) {
            requests.joinable.remove(&one.subject);
        }
        one.tell_watchers(true);
        if let RequestSubject::Notice(extension) = one.subject {
            requests.uncertain.push((Instant::now(), id, extension));
        }
        for caller in one.waiting {
            // A caller that left needs no answer.
            let _ = caller.send(answer);
        }
    }

    /// Keeps what was answered lately until a snapshot tells which answers hold: entries are missing.
    pub(crate) fn note_gap(&self) {
        let mut requests = self.inner.lock();
        let uncertain = std::mem::take(&mut requests.uncertain);
        requests.lost.extend(uncertain.into_iter().map(|(_, request, id)| (request, id)));
    }

    /// Asks again for webhooks that were answered lately, but for those whose answers a snapshot has.
    pub(crate) fn after_snapshot(&self, answered: &[(RequestId, RequestAnswer)]) {
        let mut requests = self.inner.lock();
        let holds = |request| answered.iter().any(|(one, _)| *one == request);
        let mut lost = std::mem::take(&mut requests.lost);
        lost.retain(|(request, _)| !holds(*request));
        let uncertain = requests.uncertain.extract_if(.., |(_, request, _)| !holds(*request));
        lost.extend(uncertain.map(|(_, request, id)| (request, id)));
        drop(requests);
        for (_, id) in lost {
            self.notice(id);
        }
    }

    /// Waits until a request is made, or returns at once if one was since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExtensionId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_is_posted_until_it_is_answered_and_anything_else_once() {
        let book = RequestBook::default();
        let notice = book.notice(id("provider/one"));
        assert_eq!(book.notice(id("provider/one")), notice, "it is not posted yet");
        book.hint(RequestSubject::Cycle);
        assert_eq!(book.due().len(), 2);
        book.sent(notice);
        assert_ne!(book.notice(id("provider/one")), notice, "the read may have begun");
        book.due().into_iter().for_each(|(id, _)| book.posted(id));
        assert_eq!(book.due(), []);
        tokio::time::advance(POST_AGAIN).await;
        let due = book.due();
        assert_eq!(due.len(), 2, "{due:?}");
        assert!(
            due.iter().all(|(_, subject)| *subject == RequestSubject::Notice(id("provider/one")))
        );
        for (id, _) in due {
            book.answered(id, RequestAnswer::Read);
        }
        assert_eq!(book.due(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_is_posted_again_unless_the_snapshot_after_a_gap_has_its_answer() {
        let book = RequestBook::default();
        let (kept, lost) = (book.notice(id("provider/one")), book.notice(id("provider/other")));
        let open = book.notice(id("provider/open"));
        book.answered(kept, RequestAnswer::Read);
        book.answered(lost, RequestAnswer::Read);
        book.due().into_iter().for_each(|(id, _)| book.posted(id));
        book.note_gap();
        tokio::time::advance(UNCERTAIN).await;
        assert!(book.due().iter().all(|(one, _)| *one == open), "the snapshot is not there yet");
        let answered = [(kept, RequestAnswer::Read)];
        book.after_snapshot(&answered);
        let due = book.due().into_iter().filter(|(one, _)| *one != open);
        let due: Vec<RequestSubject> = due.map(|(_, subject)| subject).collect();
        assert_eq!(due, [RequestSubject::Notice(id("provider/other"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_fails_for_the_first_time_in_each_outage_and_after_each_webhook() {
        let book = RequestBook::default();
        let notice = book.notice(id("provider/one"));
        assert!(book.is_first_failure(notice));
        assert!(!book.is_first_failure(notice));
        assert_eq!(book.notice(id("provider/one")), notice, "it is not posted yet");
        assert!(book.is_first_failure(notice), "the read may have begun before the webhook");
        book.posted(notice);
        assert!(book.is_first_failure(notice), "the engine is away again");
    }

    #[tokio::test(start_paused = true)]
    async fn callers_wait_for_the_answer_and_not_for_ever() {
        let book = RequestBook::default();
        let lookup = RequestSubject::Lookup(id("provider/one"), true);
        let answer = async {
            tokio::task::yield_now().await;
            let due = book.due();
            assert_eq!(due.len(), 1, "callers share a request");
            book.answered(due[0].0, RequestAnswer::OverBudget);
        };
        let (one, other, ()) = tokio::join!(
            book.ask(lookup.clone(), ANSWER_MAX),
            book.ask(lookup.clone(), ANSWER_MAX),
            answer,
        );
        assert_eq!(
            (one, other),
            (Some(RequestAnswer::OverBudget), Some(RequestAnswer::OverBudget))
        );
        let begun = Instant::now();
        assert_eq!(book.ask(lookup, ANSWER_MAX).await, None);
        assert_eq!(begun.elapsed(), ANSWER_MAX);
    }
}
