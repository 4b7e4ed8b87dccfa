//! The inbox of a writer: requests of all replicas that are not answered yet.

use std::collections::BTreeMap;
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

/// A request in the engine.
pub(crate) type Received = (StreamPlace, RequestId);

/// Requests about extensions, each until a read that began after it has ended.
#[derive(Default)]
pub(crate) struct Inbox(Mutex<OpenRequests>);

#[derive(Default)]
struct OpenRequests {
    open: BTreeMap<ExtensionId, Vec<Received>>,
    answered: BTreeMap<RequestId, Instant>,
}

impl Inbox {
    /// Takes a request. Returns false if it was answered before.
    pub(crate) fn receive(&self, id: &ExtensionId, (place, request): Received) -> bool {
        let mut inner = self.0.lock();
        inner.answered.retain(|_, at| at.elapsed() < REMEMBERED);
        if inner.answered.contains_key(&request) {
            return false;
        }
        let open = inner.open.entry(id.clone()).or_default();
        if !open.contains(&(place, request)) {
            open.push((place, request));
        }
        true
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
        let now = Instant::now();
        let answers = answered.into_iter().map(|(place, request)| {
            inner.answered.insert(request, now);
            AnsweredRequest { place, request, answer: RequestAnswer::Read }
        });
        answers.collect()
    }

    /// Forgets every request: the next writer receives them.
    pub(crate) fn clear(&self) {
        *self.0.lock() = OpenRequests::default();
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
        assert!(inbox.receive(&id, (place(1), RequestId(1))));
        assert!(inbox.receive(&id, (place(2), RequestId(2))));
        let read = inbox.begin_read(&id);
        assert!(inbox.receive(&id, (place(3), RequestId(3))));
        let answered = inbox.answer(&id, &read);
        assert_eq!(answered.iter().map(|one| one.request.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(inbox.answer(&id, &read), [], "they are answered");
        assert!(!inbox.receive(&id, (place(4), RequestId(1))), "it was posted again");
        assert_eq!(inbox.begin_read(&id), [(place(3), RequestId(3))]);
        tokio::time::advance(REMEMBERED).await;
        assert!(inbox.receive(&id, (place(5), RequestId(1))));
        inbox.clear();
        assert_eq!(inbox.begin_read(&id), []);
    }
}
