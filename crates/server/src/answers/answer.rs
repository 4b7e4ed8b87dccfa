//! The answer to a query, and the headers that describe it.

use std::cell::RefCell;

use axum::http::header::{AGE, CONTENT_SECURITY_POLICY, LINK, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue};

use crate::answers::entry::{AnswerContent, PageHeaders};
use crate::answers::provenance::Provenance;
use crate::edge::accept::AcceptedForm;
use crate::edge::cache_policy::CachePolicy;
use crate::edge::headers::{CACHE_STATUS, DEGRADED, Heads, TOTAL_COUNT};
use crate::edge::representation::Representation;
use crate::metrics::caches::CacheCounters;

/// Value of [`CACHE_STATUS`] for current data from the cache.
const HIT: HeaderValue = HeaderValue::from_static("extension-registry; hit");
// Browsers run no scripts of a README, and load only its pictures.
const README_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src https:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; sandbox",
);

/// An answer to a query.
#[derive(Debug)]
pub struct Answer {
    /// The response.
    pub content: AnswerContent,
    /// Age and origin of the response.
    pub provenance: Provenance,
    /// Negotiated form, if there are several.
    pub form: Option<AcceptedForm>,
}

/// A cached answer that is not yet counted.
#[derive(Debug)]
pub struct CachedHit<'a> {
    /// The answer.
    pub answer: Answer,
    /// Counters of the cache.
    pub counters: &'a CacheCounters,
}

impl CachedHit<'_> {
    /// Returns the answer, and counts a hit.
    #[must_use]
    pub fn take(self) -> Answer {
        self.counters.hit();
        self.answer
    }
}

impl Answer {
    /// Returns the response, whose headers are one of `heads` and those for body, freshness, page
    /// and form.
    #[must_use]
    pub fn represent(self, heads: &Heads) -> Representation {
        let rendered = &self.content.rendered;
        let mut headers = if heads.are_final {
            rendered.head(|| self.head(heads)).clone()
        } else {
            self.head(heads)
        };
        self.provenance.describe(&mut headers);
        let policy = CachePolicy::Revalidate;
        Representation { rendered: self.content.rendered, headers, policy }
    }

    /// Returns the headers of all responses with this content.
    fn head(&self, heads: &Heads) -> HeaderMap {
        let mut headers =
            if self.form.is_some() { heads.negotiated.clone() } else { heads.plain.clone() };
        self.content.rendered.describe(&mut headers);
        headers.insert(CACHE_STATUS, HIT);
        if let Some(PageHeaders { total, links }) = &self.content.page {
            headers.insert(TOTAL_COUNT, total.clone());
            if let Some(links) = &links {
                headers.insert(LINK, links.clone());
            }
        }
        if self.form == Some(AcceptedForm::Html) {
            headers.insert(CONTENT_SECURITY_POLICY, README_POLICY);
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        headers
    }
}

/// Returns the value of `Age`. Most responses of one second have the same.
fn age_value(seconds: u64) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(u64, HeaderValue)> =
            const { RefCell::new((0, HeaderValue::from_static("0"))) };
    }
    LAST.with_borrow_mut(|(last, value)| {
        if *last != seconds {
            (*last, *value) = (seconds, seconds.into());
        }
        value.clone()
    })
}

impl Provenance {
    /// Adds the headers that tell age and origin.
    pub fn describe(&self, headers: &mut HeaderMap) {
        let Self { freshness, cached } = self;
        // The response is as old as its oldest part: the cache entry or the catalog's data.
        let age = cached.map_or(freshness.age, |cached| cached.max(freshness.age));
        headers.insert(AGE, age_value(age.as_secs()));
        let status = match (cached.is_some(), freshness.degraded.is_empty()) {
            // The head has it.
            (true, true) => return,
            (true, false) => "extension-registry; hit; detail=stale",
            (false, true) => "extension-registry; fwd=miss",
            (false, false) => "extension-registry; fwd=miss; detail=stale",
        };
        headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
        if !freshness.degraded.is_empty() {
            let names: Vec<&str> = freshness
                .degraded
                .iter()
                .map(registry_core::models::backend_id::BackendId::as_str)
                .collect();
            let names = HeaderValue::from_str(&names.join(", "));
            if let Ok(names) = names {
                headers.insert(DEGRADED, names);
            }
        }
    }
}
