//! Single flight: concurrent callers with the same key share one request.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tracing::Instrument as _;

use crate::error::{Error, ErrorKind, Result};
use crate::trace;

type Flight<V> = Shared<BoxFuture<'static, Result<V>>>;

/// Requests in flight by key. A result is not kept once it is returned.
pub struct SingleFlight<K, V> {
    in_flight: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self { in_flight: Arc::default() }
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the request under this key, or starts this one, which continues when callers leave.
    ///
    /// # Errors
    /// Each caller gets the error of the request. `Internal` if the request panicked.
    pub async fn ask<F>(&self, key: &K, request: impl FnOnce() -> F) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let flight = {
            let mut in_flight = self.in_flight.lock();
            in_flight.get(key).cloned().unwrap_or_else(|| {
                let flight = self.start(key, request());
                in_flight.insert(key.clone(), flight.clone());
                flight
            })
        };
        flight.await
    }

    /// Runs a request in its own task, so that it continues when its callers leave.
    fn start(
        &self,
        key: &K,
        request: impl Future<Output = Result<V>> + Send + 'static,
    ) -> Flight<V> {
        let landing = Landing { in_flight: Arc::clone(&self.in_flight), key: key.clone() };
        // Logs name the caller that started the request.
        let work = trace::carried(trace::current(), async move {
            let result = request.await;
            drop(landing);
            result
        });
        let task = tokio::spawn(work.in_current_span());
        let result = async move {
            task.await.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Internal, "A shared request was aborted").because(error))
            })
        };
        result.boxed().shared()
    }
}

/// Guard that removes a request when it ends, even by a panic without a waiting caller.
struct Landing<K: Eq + Hash, V> {
    in_flight: Arc<Mutex<HashMap<K, Flight<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.key);
    }
}

/// Part of a key that equals only the same allocation: a caller that saw a newer value does not
/// join a request for the old one.
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
        let questions: SingleFlight<&str, usize> = SingleFlight::default();
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
        let questions: SingleFlight<(), u8> = SingleFlight::default();
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
        let questions: SingleFlight<(), ()> = SingleFlight::default();
        let fail = || async { Err(Error::faulty("no sense").because("line 1")) };
        for answer in join_all((0..3).map(|_| questions.ask(&(), fail))).await {
            assert_eq!(answer.unwrap_err().report(), "no sense: line 1");
        }
        assert!(questions.ask(&(), || async { Ok(()) }).await.is_ok());
    }
}
