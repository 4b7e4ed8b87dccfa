//! Single flight: concurrent callers with equal keys share one request.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::trace;

type Answer<V> = Shared<BoxFuture<'static, Result<V>>>;

/// Requests in flight by key. Results are not cached.
pub struct Coalesced<K, V> {
    under_way: Arc<Mutex<HashMap<K, Answer<V>>>>,
}

impl<K, V> Default for Coalesced<K, V> {
    fn default() -> Self {
        Self { under_way: Arc::default() }
    }
}

impl<K, V> Coalesced<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Returns the result of the request in flight for this key, or starts `question`.
    ///
    /// A dropped future does not cancel the request: other callers and later ones still share it.
    ///
    /// # Errors
    /// The request's own failure, for each caller.
    pub async fn ask<F>(&self, key: &K, question: impl FnOnce() -> F) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let answer = {
            let mut under_way = self.under_way.lock();
            under_way.get(key).cloned().unwrap_or_else(|| {
                let answer = self.begin(key, question());
                under_way.insert(key.clone(), answer.clone());
                answer
            })
        };
        answer.await
    }

    /// Starts a request in a separate task, which continues when every caller has left.
    fn begin(
        &self,
        key: &K,
        question: impl Future<Output = Result<V>> + Send + 'static,
    ) -> Answer<V> {
        let end = End { under_way: Arc::clone(&self.under_way), key: key.clone() };
        // The trace of the caller that starts the request is used; those that join it have their
        // own.
        let task = tokio::spawn(trace::carried(trace::current(), async move {
            let answer = question.await;
            // Removed before the result is visible, so that no later caller joins a finished
            // request.
            drop(end);
            answer
        }));
        let answered = async move {
            task.await.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Internal, "A shared request was aborted").because(error))
            })
        };
        answered.boxed().shared()
    }
}

/// Removes a request from the table on completion, and on a panic while no caller waits.
struct End<K: Eq + Hash, V> {
    under_way: Arc<Mutex<HashMap<K, Answer<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for End<K, V> {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.key);
    }
}

/// A key component that is equal only to the same allocation: after a value is replaced, callers do
/// not join a request that was made for the old value.
#[derive(Debug)]
pub struct Same<T>(pub Arc<T>);

impl<T> Clone for Same<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Same<T> {}

impl<T> Hash for Same<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_question() {
        let (asked, callers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let counts = Arc::new((asked, callers));
        let questions: Coalesced<&str, usize> = Coalesced::default();
        let question = || {
            let counts = Arc::clone(&counts);
            async move {
                while counts.1.load(Ordering::SeqCst) < 50 {
                    tokio::task::yield_now().await;
                }
                Ok(counts.0.fetch_add(1, Ordering::SeqCst))
            }
        };
        let call = async || {
            counts.1.fetch_add(1, Ordering::SeqCst);
            questions.ask(&"a", question).await.unwrap()
        };
        assert_eq!(join_all((0..50).map(|_| call())).await, [0; 50]);
        assert_eq!(questions.ask(&"a", question).await.unwrap(), 1);
        assert_eq!(questions.ask(&"b", question).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_question_goes_on_without_its_callers_and_may_break() {
        let questions: Coalesced<(), u8> = Coalesced::default();
        let (go, gone) = tokio::sync::oneshot::channel::<u8>();
        let asked = questions.ask(&(), || async { Ok(gone.await.unwrap()) });
        assert!(asked.now_or_never().is_none(), "its only caller leaves");
        let again = questions.ask(&(), || async { Ok(0) });
        go.send(7).unwrap();
        assert_eq!(again.await.unwrap(), 7);
        let broken = questions.ask(&(), || async { panic!("a bug") }).await.unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::Internal);
        let unheard = questions.ask(&(), || async { panic!("a bug") });
        assert!(unheard.now_or_never().is_none(), "its only caller leaves");
        tokio::task::yield_now().await;
        assert_eq!(questions.ask(&(), || async { Ok(1) }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn everyone_gets_the_failure_and_the_next_asks_again() {
        let questions: Coalesced<(), ()> = Coalesced::default();
        let fail = || async { Err(Error::faulty("no sense").because("line 1")) };
        for answer in join_all((0..3).map(|_| questions.ask(&(), fail))).await {
            assert_eq!(answer.unwrap_err().report(), "no sense: line 1");
        }
        assert!(questions.ask(&(), || async { Ok(()) }).await.is_ok());
    }
}
