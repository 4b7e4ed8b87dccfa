//! Panics before the response head are a 500; panics within the body abort the connection.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tracing::error;

use crate::edge::problem::Problem;
use crate::metrics::Metrics;

// Log filters name this target (docs/operations.md), so it outlives the former module name.
const LOG_TARGET: &str = "extension_registry::api::panics";

pub(crate) fn failure(panic: &(dyn Any + Send), metrics: &Metrics) -> Response {
    // The panic message is only logged, not sent to the client.
    metrics.process.panicked();
    let mut problem = Problem::bare(StatusCode::INTERNAL_SERVER_ERROR);
    problem.report = Some(format!("panic: {}", text_of(panic)));
    problem.into_response()
}

pub(crate) fn watch_body(response: Response, metrics: &Metrics) -> Response {
    // Bodies in memory only copy bytes and need no watch.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(Watched { body, metrics: metrics.clone() }))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown")
}

struct Watched {
    body: Body,
    metrics: Metrics,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled =
            catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.body).poll_frame(context)));
        polled.unwrap_or_else(|panic| {
            self.metrics.process.panicked();
            error!(target: LOG_TARGET, "handler panicked while streaming; connection closed: {}", text_of(&*panic));
            // After a panic its state is undefined, so it is not polled again.
            self.body = Body::empty();
            Poll::Ready(Some(Err(axum::Error::new("a panic"))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
