//! The short way to a kept answer. Router and extractors cost several times what the answer does;
//! a target that was asked for before is known for what it means, and passes them by.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tower::{Service, ServiceExt as _};

use crate::api::handlers::extensions::answer_about;
use crate::api::memos::Question;
use crate::api::state::ApiState;
use crate::cache::weighted::{Bounds, Weighted};

/// Longest target that is known, in bytes; longer ones are rare and go the long way.
const TARGET_MAX: usize = 256;
/// Targets that are known: what was asked for the longest ago goes first.
const TARGETS: Bounds = Bounds { entries: NonZeroUsize::new(10_000).unwrap(), bytes: 4 << 20 };

/// The routes with the short way beside them.
#[derive(Clone)]
pub struct Shortcut<S> {
    api: Arc<ApiState>,
    known: Arc<Targets>,
    routes: S,
}

/// What targets mean. A meaning never ends: it says what is asked, not what the answer is.
struct Targets(Mutex<Weighted<Box<str>, Arc<Question>>>);

impl<S> Shortcut<S> {
    /// Past these routes, to the answers of this API.
    #[must_use]
    pub fn new(routes: S, api: Arc<ApiState>) -> Self {
        Self { api, known: Arc::new(Targets(Mutex::new(Weighted::new(TARGETS)))), routes }
    }
}

impl<S> Service<Request> for Shortcut<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.method() != Method::GET {
            return self.routes.clone().oneshot(request).boxed();
        }
        if let Some(question) = target(&request).and_then(|target| self.known.meaning(target)) {
            return answer(Arc::clone(&self.api), question, request).boxed();
        }
        let known = Arc::clone(&self.known);
        let target = target(&request).map(Box::from);
        let routed = self.routes.clone().oneshot(request);
        let learn = move |mut response: Response| {
            let asked = response.extensions_mut().remove::<Question>();
            asked.zip(target).into_iter().for_each(|(asked, target)| known.learn(target, asked));
            response
        };
        routed.map(|response| response.map(learn)).boxed()
    }
}

async fn answer(
    api: Arc<ApiState>,
    question: Arc<Question>,
    request: Request,
) -> Result<Response, Infallible> {
    let answered = answer_about(&api, &question, request.headers()).await;
    Ok(answered.into_response())
}

fn target(request: &Request) -> Option<&str> {
    let target = request.uri().path_and_query()?.as_str();
    (target.len() <= TARGET_MAX).then_some(target)
}

impl Targets {
    fn meaning(&self, target: &str) -> Option<Arc<Question>> {
        self.0.lock().get(target).cloned()
    }

    fn learn(&self, target: Box<str>, question: Question) {
        let weight = 2 * target.len() + size_of::<Question>();
        self.0.lock().put(target, weight, Arc::new(question));
    }
}
