//! The JSON API as the middleware sees it: its cached answers and the form of errors.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use tokio::time::Instant;

use crate::api::errors;
use crate::api::state::ApiState;
use crate::api::targets::Target;
use crate::edge::coding::Coding;
use crate::edge::face::Face;
use crate::edge::headers::Heads;
use crate::edge::problem::{FailedRequest, Problem, ProblemRenderer};
use crate::edge::representation::Representation;
use crate::metrics::RouteCounters;

/// The JSON API.
pub struct JsonApi(pub Arc<ApiState>);

impl ProblemRenderer for JsonApi {
    fn render(&self, problem: &Problem, request: &FailedRequest) -> (HeaderMap, Bytes) {
        let (media_type, body) = errors::render(problem, &request.accept);
        (HeaderMap::from_iter([(CONTENT_TYPE, media_type)]), body)
    }
}

impl Face for JsonApi {
    type Target = Target;

    fn resolve(&self, uri: &Uri) -> Option<Arc<Target>> {
        self.0.targets.resolve(uri, self.0.answers.catalog())
    }

    fn learn(&self, uri: &Uri, target: Arc<Target>) {
        self.0.targets.learn(uri, target);
    }

    fn cached(
        &self,
        target: &Target,
        request: &HeaderMap,
        coding: Option<Coding>,
        heads: &Heads,
        now: Instant,
    ) -> Option<Representation> {
        let answers = &self.0.answers;
        let query = target.query().negotiated(request)?;
        let hit = answers.cached(&query, target.key(), now)?;
        // An encoding that takes milliseconds is made elsewhere.
        if coding.is_some_and(|coding| !hit.answer.content.rendered.is_at_hand(coding)) {
            return None;
        }
        let answer = hit.take();
        let metrics = &self.0.metrics;
        metrics.extensions_served(answer.content.served);
        for backend in &answer.provenance.freshness.degraded {
            metrics.backends.stale_answer(backend.as_str());
        }
        Some(answer.represent(heads))
    }

    fn counters<'a>(&self, target: &'a Target) -> &'a RouteCounters {
        target.counters()
    }
}
