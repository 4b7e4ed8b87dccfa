//! Cached responses about one release, in addition to the three caches of the specification.

use std::sync::Arc;

use crate::answers::provenance::Provenance;
use crate::answers::response_caches::response_cache::Computed;
use crate::answers::response_caches::rules::entry_key;
use crate::answers::response_caches::{CachedQuery, CachedResponse, ResponseCaches};
use crate::catalog::Catalog;
use crate::catalog::details::Details;
use crate::catalog::lookups::Deadline;
use crate::catalog::resolve::VersionRange;
use crate::edge::rendered::Rendered;
use crate::error::Result;
use crate::models::naming::ExtensionId;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;
use crate::models::tag::Tag;
use crate::public::metadata_view::MetadataView;
use crate::public::views::VersionView;

/// Kind of request for a release.
#[derive(Clone, Debug)]
pub enum ReleaseQuery {
    /// All metadata of a version.
    Metadata(Tag),
    /// The version selected by a range.
    Resolve(VersionRange),
}

impl ReleaseQuery {
    async fn ask(
        &self,
        catalog: &Arc<Catalog>,
        id: &ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Details> {
        match self {
            Self::Metadata(version) => catalog.find_details(id, version, scope, deadline).await,
            Self::Resolve(wanted) => catalog.resolve(id, wanted, scope, deadline).await,
        }
    }

    fn render(
        &self,
        found: &Details,
        scope: Scope,
        public_url: Option<&PublicUrl>,
    ) -> Result<Rendered> {
        let Details { entry, release, .. } = found;
        match self {
            Self::Metadata(_) => {
                Rendered::json(&MetadataView::of(entry, release, scope, public_url))
            }
            Self::Resolve(_) => Rendered::json(&VersionView::of(entry, release, scope, public_url)),
        }
    }
}

#[derive(Clone)]
struct OfRelease {
    id: ExtensionId,
    scope: Scope,
    question: ReleaseQuery,
}

impl CachedQuery for OfRelease {
    fn subject(&self) -> (&ExtensionId, Scope) {
        (&self.id, self.scope)
    }

    fn key(&self) -> String {
        let what = match &self.question {
            ReleaseQuery::Metadata(version) => format!("/{version}/metadata"),
            ReleaseQuery::Resolve(VersionRange { constraint, prereleases }) => {
                format!("/resolve?{constraint}&{prereleases}")
            }
        };
        entry_key(&self.id, &what, self.scope)
    }

    async fn answer(
        self,
        catalog: Arc<Catalog>,
        public_url: Option<PublicUrl>,
        deadline: Deadline,
    ) -> Result<Computed<CachedResponse>> {
        let Self { id, scope, question } = self;
        let found = question.ask(&catalog, &id, scope, deadline).await?;
        let rendered = question.render(&found, scope, public_url.as_ref())?;
        let lacking = if found.whole { Vec::new() } else { vec![found.release.backend] };
        let value = CachedResponse { entry: found.entry, asked: scope, rendered };
        Ok(Computed { value, whole: found.whole, lacking })
    }
}

impl ResponseCaches {
    /// Returns one release from the cache or its backend. Incomplete responses are not cached.
    /// Fails as [`Catalog::find_details`] and [`Catalog::resolve`].
    pub async fn release(
        &self,
        catalog: &Arc<Catalog>,
        id: ExtensionId,
        question: ReleaseQuery,
        scope: Scope,
    ) -> Result<(Rendered, Provenance)> {
        let asked = OfRelease { id, scope, question };
        self.through(&self.releases, catalog, &asked).await
    }
}
