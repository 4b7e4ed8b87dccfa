//! Cached answers: the catalog's data, rendered once and valid while the catalog is unchanged.

pub mod answer;
pub mod bodies;
pub mod downloads;
pub mod entry;
pub mod expiring_lru;
pub mod explanations;
pub mod make;
pub mod markdown;
pub mod page_data;
pub mod paging;
pub mod provenance;
pub mod query;
pub mod readmes;
pub mod renderer;
pub mod response_cache;
pub mod rules;

use std::sync::Arc;

use registry_catalog::Catalog;
use registry_catalog::deadline::Deadline;
use registry_catalog::index::view::View;
use registry_catalog::read::Read;
use registry_core::caching::single_flight::Same;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::public_url::PublicUrl;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

use crate::answers::answer::{Answer, CachedHit};
use crate::answers::entry::{AnswerContent, CachedAnswer, Computed};
use crate::answers::expiring_lru::Hit;
use crate::answers::explanations::explained;
use crate::answers::make::Maker;
use crate::answers::provenance::Provenance;
use crate::answers::query::Query;
use crate::answers::readmes::Readmes;
use crate::answers::renderer::Renderer;
use crate::answers::response_cache::ResponseCache;
use crate::answers::rules::ResponseCacheRules;
use crate::edge::rendered::Rendered;
use crate::metrics::Metrics;

/// Names of the caches in metrics.
pub const CACHES: [&str; 4] = ["list", "metadata", "versions", "artifact"];

/// Maximum size of all caches, in bytes.
pub const BYTES_MAX: usize = rules::LISTS_BYTES_MAX
    + rules::SEARCHES_BYTES_MAX
    + rules::PAGES_BYTES_MAX
    + rules::MANIFESTS_BYTES_MAX
    + 4 * rules::BYTES_MAX
    + readmes::BYTES_MAX;

/// Answers queries from the caches, or else from the catalog.
pub struct Answers {
    maker: Maker,
    rules: ResponseCacheRules,
    /// Pages of lists.
    pub lists: ResponseCache,
    /// Pages of searches.
    pub searches: ResponseCache,
    /// Extensions.
    pub metadata: ResponseCache,
    /// Version lists.
    pub versions: ResponseCache,
    /// Metadata of versions, and versions that ranges select.
    pub releases: ResponseCache,
    /// READMEs by version, and their texts by identity.
    pub readmes: Readmes,
    /// Pages for browsers.
    pub pages: ResponseCache,
}

impl Answers {
    /// Creates empty caches. Answers contain URLs below `public_url`, or only paths.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        rules: ResponseCacheRules,
        public_url: Option<PublicUrl>,
        metrics: &Metrics,
    ) -> Self {
        let (ttl, bounds) = (rules.ttl, rules.bounds(rules::BYTES_MAX));
        let [lists, searches, pages] =
            [rules::LISTS_BYTES_MAX, rules::SEARCHES_BYTES_MAX, rules::PAGES_BYTES_MAX]
                .map(|bytes| rules.bounds(bytes));
        Self {
            lists: ResponseCache::new(lists, ttl, metrics.cache("list")),
            searches: ResponseCache::new(searches, ttl, metrics.our_cache("searches")),
            metadata: ResponseCache::new(bounds, ttl, metrics.cache("metadata")),
            versions: ResponseCache::new(bounds, ttl, metrics.cache("versions")),
            releases: ResponseCache::new(bounds, ttl, metrics.our_cache("releases")),
            readmes: Readmes::new(rules, metrics.our_cache("readmes")),
            pages: ResponseCache::new(pages, ttl, metrics.our_cache("pages")),
            maker: Maker {
                catalog,
                public_url,
                base_path: Arc::default(),
                renderer: Renderer::default(),
            },
            rules,
        }
    }

    /// Returns answers whose relative links begin with this path.
    #[must_use]
    pub fn below(mut self, base_path: &str) -> Self {
        self.maker.base_path = base_path.into();
        self
    }

    /// Creates a cache of responses with manifests, with the rules of the others.
    #[must_use]
    pub fn manifests(&self, metrics: &Metrics) -> ResponseCache {
        let bounds = self.rules.bounds(rules::MANIFESTS_BYTES_MAX);
        ResponseCache::new(bounds, self.rules.ttl, metrics.our_cache("manifests"))
    }

    /// Returns the catalog that the answers are made from.
    #[must_use]
    pub const fn catalog(&self) -> &Arc<Catalog> {
        &self.maker.catalog
    }

    /// Returns the public URL of the service, if known.
    #[must_use]
    pub const fn public_url(&self) -> Option<&PublicUrl> {
        self.maker.public_url.as_ref()
    }

    /// Returns the cached answer under the key of this query that is valid `now`, without waiting.
    /// It counts as a hit only when taken.
    #[must_use]
    pub fn cached(&self, query: &Query, key: &str, now: Instant) -> Option<CachedHit<'_>> {
        let cache = match query {
            Query::List(..) => &self.lists,
            Query::Search(..) => &self.searches,
            Query::Latest(..) => &self.metadata,
            Query::Versions(..) => &self.versions,
            Query::Release(..) | Query::Resolve(..) => &self.releases,
            Query::Readme(wanted, form) => {
                return self.readmes.cached(self.catalog(), wanted, *form, now);
            }
        };
        if !self.uses_cache(query) {
            return None;
        }
        let catalog = self.catalog();
        let view = match query.id() {
            Some(_) => catalog.store.view(),
            // Before the first sync cycles end, a list waits for them elsewhere.
            None => catalog.reader.ready_at_once(query.scope(), now)?,
        };
        let hit = cache.peek(key, &view, now)?;
        let answer = self.hit(query, hit, &view, now).ok()?;
        Some(CachedHit { answer, counters: cache.counters() })
    }

    /// Returns the answer, from a cache or the catalog. Fails as the reads of the catalog.
    pub async fn answer(&self, query: &Query) -> Result<Answer> {
        let maker = self.maker.clone();
        match query.clone() {
            Query::List(filter, order, page) => {
                let cache = &self.lists;
                self.page(cache, query, |view| maker.list(view, filter, order, page)).await
            }
            Query::Search(words, filter, page) => {
                let cache = &self.searches;
                self.page(cache, query, |view| maker.search(view, words, filter, page)).await
            }
            Query::Latest(id, scope) => {
                self.about(&self.metadata, query, |by| maker.latest(id, scope, by)).await
            }
            Query::Versions(id, scope) => {
                self.about(&self.versions, query, |by| maker.versions(id, scope, by)).await
            }
            Query::Release(id, version, scope) => {
                self.about(&self.releases, query, |by| maker.release(id, version, scope, by)).await
            }
            Query::Resolve(id, range, scope) => {
                self.about(&self.releases, query, |by| maker.resolve(id, range, scope, by)).await
            }
            Query::Readme(wanted, form) => self.readmes.readme(self.catalog(), wanted, form).await,
        }
    }

    /// Explains who answers for a name, from the catalog as it is. The answer changes with time and is
    /// not cached.
    pub fn explanation(&self, id: &ExtensionId) -> Result<Answer> {
        let catalog = self.catalog();
        let body = explained(&catalog.explainer.explain(id)?);
        let content = AnswerContent::of(Rendered::json(&body)?, 1);
        let provenance = Provenance::asked(catalog, Scope::All, Some(id), Vec::new());
        Ok(Answer { content, provenance, form: None })
    }

    /// Answers with a page of a list or search.
    async fn page<F>(
        &self,
        cache: &ResponseCache,
        query: &Query,
        make: impl FnOnce(Arc<View>) -> F,
    ) -> Result<Answer>
    where
        F: Future<Output = Result<CachedAnswer>>,
    {
        let (catalog, deadline) = (self.catalog(), Deadline::of_a_read());
        if !self.uses_cache(query) {
            let failing = self.refresh(query, deadline).await;
            let view = catalog.reader.ready(Read { scope: query.scope(), deadline }).await?;
            return Ok(self.made(query, make(view).await?, failing));
        }
        // Waits for the first sync cycles of the backends.
        let view = catalog.reader.ready(Read { scope: query.scope(), deadline }).await?;
        let (key, now) = (query.key(), Instant::now());
        if let Some(hit) = cache.get(&key, &view, now) {
            return self.hit(query, hit, &view, now);
        }
        let answer = make(view).await?;
        cache.put(catalog, key, answer.clone());
        Ok(self.made(query, answer, Vec::new()))
    }

    /// Answers with data of one extension.
    async fn about<F>(
        &self,
        cache: &ResponseCache,
        query: &Query,
        make: impl FnOnce(Deadline) -> F,
    ) -> Result<Answer>
    where
        F: Future<Output = Result<Computed>> + Send + 'static,
    {
        let (catalog, deadline) = (self.catalog(), Deadline::of_a_read());
        if !self.uses_cache(query) {
            let failing = self.refresh(query, deadline).await;
            let mut computed = make(deadline).await?;
            computed.missing.extend(failing);
            return Ok(self.made(query, computed.answer, computed.missing));
        }
        let (key, view, now) = (query.key(), catalog.store.view(), Instant::now());
        if let Some(hit) = cache.get(&key, &view, now) {
            return self.hit(query, hit, &view, now);
        }
        // Taken before the read: a change during the read then keeps its result out of the cache.
        let generation = query.id().and_then(|id| view.get(id, query.scope()).cloned().map(Same));
        let computed = cache.fill(catalog, key, generation, || make(deadline)).await?;
        Ok(self.made(query, computed.answer, computed.missing))
    }

    const fn uses_cache(&self, query: &Query) -> bool {
        match query {
            Query::List(..) | Query::Search(..) => self.rules.lists,
            _ => self.rules.metadata,
        }
    }

    /// Without a cache the backends are asked first, so that the answer is current. Returns those
    /// that fail.
    async fn refresh(&self, query: &Query, deadline: Deadline) -> Vec<BackendId> {
        let (catalog, scope) = (self.catalog(), query.scope());
        match query {
            // Their number is unbounded, and so would be the requests to backends.
            Query::Search(..) => Vec::new(),
            _ => match query.id() {
                Some(id) => catalog.syncer.force_refresh(id, scope, deadline).await,
                None => catalog.syncer.force_sync(scope, deadline).await,
            },
        }
    }

    fn hit(
        &self,
        query: &Query,
        hit: Hit<AnswerContent>,
        view: &View,
        now: Instant,
    ) -> Result<Answer> {
        let (scope, id) = (query.scope(), query.id());
        let provenance = Provenance::kept(self.catalog(), scope, id, hit.age, now);
        // Data without a staleness mark is young enough.
        if !provenance.freshness.degraded.is_empty() {
            self.may_serve(query, view, now)?;
        }
        Ok(Answer { content: hit.value, provenance, form: None })
    }

    /// A cached answer must not outlive the time for which data of a failed backend is served.
    fn may_serve(&self, query: &Query, view: &View, now: Instant) -> Result<()> {
        let scope = query.scope();
        match query.id().and_then(|id| view.get(id, scope)) {
            Some(entry) => self.catalog().reader.still_answers(entry, scope, view, now),
            None => Ok(()),
        }
    }

    fn made(&self, query: &Query, answer: CachedAnswer, missing: Vec<BackendId>) -> Answer {
        let provenance = Provenance::asked(self.catalog(), query.scope(), query.id(), missing);
        Answer { content: answer.content, provenance, form: None }
    }
}
