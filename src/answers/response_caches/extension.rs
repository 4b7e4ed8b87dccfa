//! Cached responses about one extension: its latest version, or all versions.

use std::sync::Arc;

use crate::answers::provenance::Provenance;
use crate::answers::response_caches::response_cache::{Computed, Generation, ResponseCache};
use crate::answers::response_caches::rules::entry_key;
use crate::answers::response_caches::{CachedQuery, CachedResponse, ResponseCaches};
use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::catalog::lookups::Deadline;
use crate::edge::coding::Coding;
use crate::edge::rendered::Rendered;
use crate::error::Result;
use crate::metrics::caches::CacheCounters;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;
use crate::public::views::{ExtensionView, VersionView};

/// Kind of response about an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    /// Latest version.
    Metadata,
    /// All versions.
    Versions,
}

/// A request for [`ResponseCaches::extension`].
#[derive(Clone, Debug)]
pub struct ExtensionQuery {
    /// Extension.
    pub id: ExtensionId,
    /// Backend, or `None` for the owner.
    pub scope: Scope,
    /// Kind of response.
    pub facet: Facet,
}

impl CachedQuery for ExtensionQuery {
    fn subject(&self) -> (&ExtensionId, Scope) {
        (&self.id, self.scope)
    }

    fn key(&self) -> String {
        match self.facet {
            Facet::Metadata => entry_key(&self.id, "", self.scope),
            Facet::Versions => entry_key(&self.id, "/versions", self.scope),
        }
    }

    async fn answer(
        self,
        catalog: Arc<Catalog>,
        public_url: Option<PublicUrl>,
        deadline: Deadline,
    ) -> Result<Computed<CachedResponse>> {
        let Self { id, scope, facet } = self;
        let entry = match facet {
            Facet::Metadata => catalog.find_by(&id, scope, deadline).await?,
            Facet::Versions => catalog.find_whole(&id, scope, deadline).await?,
        };
        let rendered = render(&entry, scope, facet, public_url.as_ref())?;
        // An incomplete response is marked and not cached: the rest may arrive in a moment.
        let lacking: Vec<BackendId> = match facet {
            Facet::Metadata => Vec::new(),
            Facet::Versions => entry.extension.unread().map(|release| release.backend).collect(),
        };
        let value = CachedResponse { entry, asked: scope, rendered };
        Ok(Computed { value, whole: lacking.is_empty(), lacking })
    }
}

fn render(
    entry: &Entry,
    scope: Scope,
    facet: Facet,
    public_url: Option<&PublicUrl>,
) -> Result<Rendered> {
    match facet {
        Facet::Metadata => Rendered::json(&ExtensionView::of(entry, scope, public_url)),
        Facet::Versions => {
            let releases = entry.extension.releases().iter();
            let views = releases.map(|one| VersionView::of(entry, one, scope, public_url));
            let views: Vec<_> = views.collect();
            Rendered::json(&views)
        }
    }
}

/// A cached response.
pub struct CachedHit<'a> {
    rendered: Rendered,
    provenance: Provenance,
    counters: &'a CacheCounters,
}

impl CachedHit<'_> {
    /// Returns true if the response is available in a coding without further work.
    #[must_use]
    pub fn is_at_hand(&self, coding: Coding) -> bool {
        self.rendered.is_at_hand(coding)
    }

    /// Returns the response and counts a cache hit.
    #[must_use]
    pub fn taken(self) -> (Rendered, Provenance) {
        self.counters.hit();
        (self.rendered, self.provenance)
    }
}

impl ResponseCaches {
    /// Returns an extension's latest version or all versions. Fails as [`Catalog::find`].
    pub async fn extension(
        &self,
        catalog: &Arc<Catalog>,
        question: &ExtensionQuery,
    ) -> Result<(Rendered, Provenance)> {
        self.through(self.of(question.facet), catalog, question).await
    }

    /// Returns the valid cached response for this key. It counts as a hit only when taken.
    #[must_use]
    pub fn kept(
        &self,
        catalog: &Catalog,
        question: &ExtensionQuery,
        key: &str,
    ) -> Option<CachedHit<'_>> {
        let caches = self.of(question.facet);
        let hit = self.rules.metadata.then(|| caches.peek(key, &catalog.view())).flatten()?;
        catalog.still_answers(&hit.value.entry, question.scope).ok()?;
        let provenance = Provenance::kept(catalog, question.scope, Some(&question.id), hit.age);
        Some(CachedHit { rendered: hit.value.rendered, provenance, counters: caches.counters() })
    }

    const fn of(&self, facet: Facet) -> &ResponseCache<CachedResponse, Generation> {
        match facet {
            Facet::Metadata => &self.metadata,
            Facet::Versions => &self.versions,
        }
    }
}
