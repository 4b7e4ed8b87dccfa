//! The three caches named by the specification, and the reads that go through them.

pub mod extension;
pub mod release;
pub mod response_cache;
pub mod rules;

use std::sync::Arc;

use crate::answers::list_cache::{self, ListCache};
use crate::answers::provenance::Provenance;
use crate::answers::readmes::{self, Readmes};
use crate::answers::response_caches::response_cache::{
    Computed, Generation, ResponseCache, Validate, generation,
};
use crate::answers::response_caches::rules::{ResponseCacheRules, scope_key};
use crate::catalog::Catalog;
use crate::catalog::index::{Entry, View};
use crate::catalog::lookups::Deadline;
use crate::edge::rendered::Rendered;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;

/// Names of the caches in metrics.
pub const CACHES: [&str; 4] = ["list", "metadata", "versions", "artifact"];

/// Maximum size of all caches, in bytes: four lists of each scope, four caches per extension, README
/// texts. The scopes are all backends, three kinds, and each of `siblings`, the backends that share
/// their kind with others.
#[must_use]
pub const fn bytes_max(siblings: usize) -> usize {
    (4 + siblings) * 4 * list_cache::BYTES_MAX + 4 * rules::BYTES_MAX + readmes::BYTES_MAX
}

/// Caches of lists, metadata and versions.
pub struct ResponseCaches {
    /// Key `list:{type}:{scope}`; a fill is of one revision of the view.
    pub lists: ResponseCache<Arc<ListCache>, u64>,
    /// Key `{type}/{name}`.
    pub metadata: ResponseCache<CachedResponse, Generation>,
    /// Key `{type}/{name}/versions`.
    pub versions: ResponseCache<CachedResponse, Generation>,
    /// Key `{type}/{name}/{version}/metadata` or `{type}/{name}/resolve?{constraint}&{prerelease}`.
    pub releases: ResponseCache<CachedResponse, Generation>,
    /// READMEs by version, and their texts by identity; also in addition to the specification.
    pub readmes: Readmes,
    rules: ResponseCacheRules,
    public_url: Option<PublicUrl>,
}

/// A response made from one entry of the catalog.
#[derive(Clone, Debug)]
pub struct CachedResponse {
    entry: Arc<Entry>,
    asked: Scope,
    rendered: Rendered,
}

impl Validate for CachedResponse {
    fn is_current(&self, view: &View) -> bool {
        view.get(self.entry.id(), self.asked).is_some_and(|now| Arc::ptr_eq(now, &self.entry))
    }

    fn weight(&self) -> usize {
        self.rendered.weight()
    }
}

impl ResponseCaches {
    /// Creates empty caches. Cached responses contain URLs below `public_url`, or only paths.
    #[must_use]
    pub fn new(
        rules: ResponseCacheRules,
        public_url: Option<PublicUrl>,
        metrics: &Metrics,
    ) -> Self {
        let bounds = rules.bounds();
        Self {
            lists: ResponseCache::new(bounds, rules.ttl, metrics.cache("list")),
            metadata: ResponseCache::new(bounds, rules.ttl, metrics.cache("metadata")),
            versions: ResponseCache::new(bounds, rules.ttl, metrics.cache("versions")),
            releases: ResponseCache::new(bounds, rules.ttl, metrics.our_cache("releases")),
            readmes: Readmes::new(rules, metrics.our_cache("readmes")),
            rules,
            public_url,
        }
    }

    /// Returns the public URL of the service, if known.
    #[must_use]
    pub const fn public_url(&self) -> Option<&PublicUrl> {
        self.public_url.as_ref()
    }

    /// Returns a list from the cache or the catalog. Fails if a backend's state is unknown.
    pub async fn list(
        &self,
        catalog: &Arc<Catalog>,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> Result<(Arc<ListCache>, Provenance)> {
        // Without a cache the backends are refreshed first, so that the list is current.
        if !self.rules.lists {
            let deadline = Deadline::of_a_read();
            let lacking = catalog.force_refresh(scope, deadline).await;
            let view = catalog.ready_by(scope, deadline).await?;
            let list = ListCache::new(&view, extension_type, scope, self.public_url.clone());
            let list = Arc::new(list);
            return Ok((list, Provenance::asked(catalog, scope, None, lacking)));
        }
        let view = catalog.ready(scope).await?;
        let key = list_key(extension_type, scope);
        if let Some(hit) = self.lists.get(&key, &view) {
            return Ok((hit.value, Provenance::kept(catalog, scope, None, hit.age)));
        }
        let (revision, public_url) = (view.revision, self.public_url.clone());
        let filled = self.lists.fill(catalog, key, revision, || async move {
            let value = Arc::new(ListCache::new(&view, extension_type, scope, public_url));
            Ok(Computed { value, whole: true, lacking: Vec::new() })
        });
        let filled = filled.await?;
        Ok((filled.value, Provenance::asked(catalog, scope, None, filled.lacking)))
    }

    async fn through<Q: CachedQuery>(
        &self,
        caches: &ResponseCache<CachedResponse, Generation>,
        catalog: &Arc<Catalog>,
        question: &Q,
    ) -> Result<(Rendered, Provenance)> {
        let (id, scope) = question.subject();
        if !self.rules.metadata {
            let deadline = Deadline::of_a_read();
            let failing = catalog.force_refresh_one(id, scope, deadline).await;
            let (question, public_url) = (question.clone(), self.public_url.clone());
            let mut filled = question.answer(Arc::clone(catalog), public_url, deadline).await?;
            filled.lacking.extend(failing);
            let provenance = Provenance::asked(catalog, scope, Some(id), filled.lacking);
            return Ok((filled.value.rendered, provenance));
        }
        let (key, view) = (question.key(), catalog.view());
        if let Some(hit) = caches.get(&key, &view) {
            // A cached response must not outlive the time for which data of a failed backend is
            // served.
            catalog.still_answers(&hit.value.entry, scope)?;
            return Ok((hit.value.rendered, Provenance::kept(catalog, scope, Some(id), hit.age)));
        }
        // Taken before the read: a change during the read then keeps its result out of the cache.
        let generation = generation(&view, id, scope);
        let (question, public_url) = (question.clone(), self.public_url.clone());
        let filled = caches.fill(catalog, key, generation, || {
            question.answer(Arc::clone(catalog), public_url, Deadline::of_a_read())
        });
        let filled = filled.await?;
        Ok((filled.value.rendered, Provenance::asked(catalog, scope, Some(id), filled.lacking)))
    }
}

pub(crate) trait CachedQuery: Clone + Send {
    fn subject(&self) -> (&ExtensionId, Scope);

    fn key(&self) -> String;

    fn answer(
        self,
        catalog: Arc<Catalog>,
        public_url: Option<PublicUrl>,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Computed<CachedResponse>>> + Send + 'static;
}

fn list_key(extension_type: Option<ExtensionType>, scope: Scope) -> String {
    let extension_type = extension_type.map_or("all", ExtensionType::as_str);
    format!("list:{extension_type}:{}", scope_key(scope))
}
