//! All APIs and the pages as the middleware sees them: cached answers, and errors in the form of each.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use tokio::time::Instant;

use crate::api::face::JsonApi;
use crate::api::targets::Target;
use crate::edge::accept::names_html;
use crate::edge::coding::Coding;
use crate::edge::face::Face;
use crate::edge::headers::Heads;
use crate::edge::problem::{FailedRequest, Problem, ProblemRenderer};
use crate::edge::representation::Representation;
use crate::metrics::RouteCounters;
use crate::oci::code;
use crate::oci::pull::OciPull;
use crate::pages::error_page;
use crate::pages::page_state::Pages;
use crate::urls::{is_oci, is_page};

/// The API and the pages.
pub struct ApiAndPages {
    /// The API.
    pub api: JsonApi,
    /// The pages; `None` if they are switched off.
    pub pages: Option<Pages>,
    /// The OCI pull API; `None` if it is switched off.
    pub oci: Option<Arc<OciPull>>,
}

impl ProblemRenderer for ApiAndPages {
    fn render(&self, problem: &Problem, request: &FailedRequest) -> (HeaderMap, Bytes) {
        if self.oci.is_some() && is_oci(request.target.path()) {
            return code::render(problem);
        }
        let is_read = is_page(request.target.path()) && names_html(&request.accept);
        let pages = self.pages.as_ref().filter(|_| is_read);
        let page = pages.and_then(|pages| error_page::render(pages, problem, request));
        page.unwrap_or_else(|| self.api.render(problem, request))
    }
}

impl Face for ApiAndPages {
    type Target = Target;

    fn resolve(&self, uri: &Uri) -> Option<Arc<Target>> {
        self.api.resolve(uri)
    }

    fn learn(&self, uri: &Uri, target: Arc<Target>) {
        self.api.learn(uri, target);
    }

    fn cached(
        &self,
        target: &Target,
        request: &HeaderMap,
        coding: Option<Coding>,
        heads: &Heads,
        now: Instant,
    ) -> Option<Representation> {
        self.api.cached(target, request, coding, heads, now)
    }

    fn known(
        &self,
        head: &Parts,
        coding: Option<Coding>,
        heads: &Heads,
        now: Instant,
    ) -> Option<(Representation, Arc<RouteCounters>)> {
        if is_oci(head.uri.path()) {
            return self.oci.as_ref()?.known(head, coding, heads, now);
        }
        self.pages.as_ref()?.known(head, coding, heads, now)
    }

    fn counters<'a>(&self, target: &'a Target) -> &'a RouteCounters {
        self.api.counters(target)
    }
}
