//! The inbox of a writer: requests of all replicas that are not answered yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;
use registry_fleet::log::StreamPlace;
use tokio::time::Instant;

use crate::share::outbox::AnsweredRequest;
use crate::share::requests::{RequestAnswer, RequestId};

/// Time for which a writer knows which requests it has answered: a replica posts a request again while
/// the answer is on its way.
const REMEMBERED: Duration = Duration::from_mins(1);

/// Maximum number of such requests.
const REMEMBERED_MAX: usize = 10_000;

/// A request in the engine.
pub(crate) type Received = (StreamPlace, RequestId);

/// State of a request when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestState {
    /// It came for the first time.
    New,
    /// It came before.
    Open,
    /// It was answered.
    Answered,
}

/// Requests about extensions, each until a read that began after it has ended.
#[derive(Default)]
pub(crate) struct Inbox(Mutex<OpenRequests>);

#[derive(Default)]
struct OpenRequests {
    open: BTreeMap<ExtensionId, Vec<Received>>,
    answered: AnsweredRequests,
}

/// The requests that were answered lately.
#[derive(Default)]
struct AnsweredRequests {
    ids: BTreeSet<RequestId>,
    /// In the order of their answers.
    times: VecDeque<(Instant, RequestId)>,
}

impl Inbox {
    /// Takes a request.
    pub(crate) fn receive(&self, id: &ExtensionId, (place, request): Received) -> RequestState {
        let mut inner = self.0.lock();
        inner.answered.forget_old();
        if inner.answered.ids.contains(&request) {
            return RequestState::Answered;
        }
        let open = inner.open.entry(id.clone()).or_default();
        let is_known = open.iter().any(|(_, known)| *known == request);
        if !open.contains(&(place, request)) {
            open.push((place, request));
        }
        if is_known { RequestState::Open } else { RequestState::New }
    }

    /// Returns true if a request about an extension is open.
    pub(crate) fn has(&self, id: &ExtensionId) -> bool {
        self.0.lock().open.contains_key(id)
    }

    /// Returns the requests that a read of an extension which begins now will answer.
    pub(crate) fn begin_read(&self, id: &ExtensionId) -> Vec<Received> {
        self.0.lock().open.get(id).cloned().unwrap_or_default()
    }

    /// Notes that requests are answered. Returns the answers to publish.
    pub(crate) fn answer(&self, id: &ExtensionId, received: &[Received]) -> Vec<AnsweredRequest> {
        if received.is_empty() {
            return Vec::new();
        }
        let mut inner = self.0.lock();
        let Some(open) = inner.open.get_mut(id) else { return Vec::new() };
        let answered: Vec<Received> =
            open.iter().filter(|one| received.contains(one)).copied().collect();
        open.retain(|one| !received.contains(one));
        if open.is_empty() {
            inner.open.remove(id);
        }
        let answers = answered.into_iter().map(|(place, request)| {
            inner.answered.add(request);
            AnsweredRequest { place, request, answer: RequestAnswer::Read }
        });
        answers.collect()
    }

    /// Notes requests that the log answers. Any replica does: it may be the next writer.
    pub(crate) fn remember(&self, answered: &[(RequestId, RequestAnswer)]) {
        let mut inner = self.0.lock();
        for (request, _) in answered.iter().filter(|(_, answer)| *answer == RequestAnswer::Read) {
            inner.answered.add(*request);
        }
    }

    /// Returns the requests that were answered lately.
    pub(crate) fn answered(&self) -> Vec<(RequestId, RequestAnswer)> {
        let mut inner = self.0.lock();
        inner.answered.forget_old();
        inner.answered.ids.iter().map(|request| (*request, RequestAnswer::Read)).collect()
    }

    /// Forgets the open requests: the next writer receives them.
    pub(crate) fn clear(&self) {
        self.0.lock().open.clear();
    }
}

impl AnsweredRequests {
    fn add(&mut self, request: RequestId) {
        if self.ids.insert(request) {
            self.times.push_back((Instant::now(), request));
        }
        if self.ids.len() > REMEMBERED_MAX
            && let Some((_, first)) = self.times.pop_front()
        {
            self.ids.remove(&first);
        }
    }

    fn forget_old(&mut self) {
        while let Some((_, old)) = self.times.pop_front_if(|(at, _)| at.elapsed() >= REMEMBERED) {
            self.ids.remove(&old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_answers_the_requests_before_it_and_each_once() {
        let inbox = Inbox::default();
        let id: ExtensionId = "provider/one".parse().unwrap();
        let place = |millis| StreamPlace { millis, number: 0 };
        let receive = |millis, request| inbox.receive(&id, (place(millis), RequestId(request)));
        assert_eq!(receive(1, 1), RequestState::New);
        assert_eq!(receive(2, 2), RequestState::New);
        let read = inbox.begin_read(&id);
        assert_eq!(receive(3, 3), RequestState::New);
        assert_eq!(receive(3, 3), RequestState::Open);
        let answered = inbox.answer(&id, &read);
        assert_eq!(answered.iter().map(|one| one.request.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(inbox.answer(&id, &read), [], "they are answered");
        assert_eq!(receive(4, 1), RequestState::Answered, "it was posted again");
        assert_eq!(inbox.begin_read(&id), [(place(3), RequestId(3))]);
        inbox.clear();
        assert_eq!(inbox.begin_read(&id), []);
        assert_eq!(receive(5, 1), RequestState::Answered, "it may be the writer again");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(inbox.answered(), []);
        assert_eq!(receive(6, 1), RequestState::New);
        inbox.remember(&[
            (RequestId(4), RequestAnswer::Read),
            (RequestId(5), RequestAnswer::OverBudget),
        ]);
        assert_eq!(
            inbox.answered(),
            [(RequestId(4), RequestAnswer::Read)],
            "only reads hold for all"
        );
    }
}
