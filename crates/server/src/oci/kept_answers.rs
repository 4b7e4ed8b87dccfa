//! Responses that are kept while the catalog's data is the same: manifests and pages of lists.

use std::sync::Arc;

use axum::http::Uri;
use registry_catalog::Catalog;
use registry_catalog::index::entry::Entry;
use registry_catalog::index::view::View;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

use crate::answers::entry::{AnswerContent, CachedAnswer, MadeFrom};
use crate::answers::expiring_lru::Hit;
use crate::answers::response_cache::ResponseCache;
use crate::oci::target::OciRoute;

/// Maximum length of a target whose response is kept, in bytes.
const TARGET_MAX: usize = 512;

/// Responses by their targets.
pub struct KeptAnswers(ResponseCache);

impl KeptAnswers {
    /// Creates an empty collection over this cache.
    #[must_use]
    pub const fn new(cache: ResponseCache) -> Self {
        Self(cache)
    }

    /// Returns the response to a target that is valid `now`. Counts a hit.
    #[must_use]
    pub fn get(
        &self,
        route: OciRoute,
        uri: &Uri,
        view: &View,
        now: Instant,
    ) -> Option<Hit<AnswerContent>> {
        let hit = self.0.peek(key(route, uri)?, view, now)?;
        self.0.counters().hit();
        Some(hit)
    }

    /// Keeps a response that was made from an extension.
    pub fn put(
        &self,
        catalog: &Catalog,
        target: (OciRoute, &Uri),
        entry: &Arc<Entry>,
        content: &AnswerContent,
    ) {
        let made_from = MadeFrom::Extension(Arc::clone(entry), Scope::All);
        self.keep(catalog, target, made_from, content);
    }

    /// Keeps a response that was made from all extensions of a view.
    pub fn put_list(
        &self,
        catalog: &Catalog,
        target: (OciRoute, &Uri),
        revision: u64,
        content: &AnswerContent,
    ) {
        self.keep(catalog, target, MadeFrom::Revision(revision), content);
    }

    fn keep(
        &self,
        catalog: &Catalog,
        (route, uri): (OciRoute, &Uri),
        made_from: MadeFrom,
        content: &AnswerContent,
    ) {
        if let Some(key) = key(route, uri) {
            self.0.counters().miss();
            self.0.put(catalog, key.to_owned(), CachedAnswer::new(made_from, content.clone()));
        }
    }
}

/// Returns what a response depends on of a target; `None` if it is not kept.
fn key(route: OciRoute, uri: &Uri) -> Option<&str> {
    let key = match route {
        // Parameters, such as those of mirrors, change no manifest.
        OciRoute::Manifests => uri.path(),
        OciRoute::Catalog | OciRoute::Tags => uri.path_and_query()?.as_str(),
        OciRoute::Base | OciRoute::Blobs | OciRoute::Referrers => return None,
    };
    (key.len() <= TARGET_MAX).then_some(key)
}
