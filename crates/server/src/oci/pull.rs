//! State of the OCI pull API, and its responses that are at hand.

use std::sync::Arc;

use axum::http::Method;
use axum::http::header::{ORIGIN, VIA};
use axum::http::request::Parts;
use registry_catalog::Rules;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

use crate::answers::entry::AnswerContent;
use crate::answers::provenance::Provenance;
use crate::answers::response_cache::ResponseCache;
use crate::api::state::ApiState;
use crate::archives::places::ArchivePlaces;
use crate::edge::cache_policy::CachePolicy;
use crate::edge::coding::Coding;
use crate::edge::headers::Heads;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::metrics::RouteCounters;
use crate::oci::kept_answers::KeptAnswers;
use crate::oci::lists::Repositories;
use crate::oci::manifests::Manifests;
use crate::oci::referrers::{Referrers, ReferrersRules};
use crate::oci::response::represent;
use crate::oci::settings::PullSettings;
use crate::oci::target::{OciRoute, PullTarget};

/// The OCI pull API.
pub struct OciPull {
    /// State of the JSON API, whose reads and downloads it uses.
    pub api: Arc<ApiState>,
    /// Settings.
    pub settings: PullSettings,
    /// Response to the check of the API version.
    pub base: AnswerContent,
    /// Repositories.
    pub repositories: Arc<Repositories>,
    /// Manifests.
    pub manifests: Manifests,
    /// Manifests that refer to others.
    pub referrers: Referrers,
    /// Responses that are kept.
    pub kept: KeptAnswers,
    counters: [Arc<RouteCounters>; OciRoute::ALL.len()],
}

impl OciPull {
    /// Creates the API over this cache of responses.
    #[must_use]
    pub fn new(
        api: Arc<ApiState>,
        settings: PullSettings,
        repositories: Arc<Repositories>,
        cache: ResponseCache,
        places: ArchivePlaces,
    ) -> Self {
        let counters = OciRoute::ALL.map(|route| Arc::new(api.metrics.route(route.label())));
        let (catalog, downloads) = (Arc::clone(api.answers.catalog()), Arc::clone(&api.downloads));
        let Rules { ttl, stale_if_error, .. } = catalog.rules;
        let manifests = Manifests::new(catalog, downloads, places, settings.patience);
        Self {
            api,
            base: AnswerContent::of(Rendered::bytes(bytes::Bytes::from_static(b"{}")), 0),
            repositories,
            manifests,
            referrers: Referrers::new(ReferrersRules { ttl, stale_if_error }),
            kept: KeptAnswers::new(cache),
            settings,
            counters,
        }
    }

    /// Returns a kept response and the route's counters. Does not wait.
    #[must_use]
    pub fn known(
        &self,
        head: &Parts,
        coding: Option<Coding>,
        heads: &Heads,
        now: Instant,
    ) -> Option<(Representation, Arc<RouteCounters>)> {
        // Other registries are checked first.
        let is_plain = [ORIGIN, VIA].iter().all(|name| !head.headers.contains_key(name));
        if head.method != Method::GET || !is_plain {
            return None;
        }
        let route = OciRoute::of(head.uri.path())?;
        let counters = Arc::clone(self.counters.get(route as usize)?);
        if route == OciRoute::Base {
            return Some((self.version_check(heads), counters));
        }
        let catalog = self.api.answers.catalog();
        let view = match route {
            OciRoute::Catalog => catalog.reader.ready_at_once(Scope::All, now)?,
            _ => catalog.store.view(),
        };
        let hit = self.kept.get(route, &head.uri, &view, now)?;
        if coding.is_some_and(|coding| !hit.value.rendered.is_at_hand(coding)) {
            return None;
        }
        let target = PullTarget::parse(head.uri.path())?;
        let id = match route {
            OciRoute::Catalog => None,
            _ => Some(self.settings.namespace.extension_at(&target.repository.parse().ok()?)?),
        };
        let provenance = Provenance::kept(catalog, Scope::All, id.as_ref(), hit.age, now);
        let entry = id.as_ref().map(|id| view.get(id, Scope::All));
        // A kept response must not outlive the time for which data of a failed backend is served.
        if !provenance.freshness.degraded.is_empty()
            && let Some(entry) = entry
        {
            catalog.reader.still_answers(entry?, Scope::All, &view, now).ok()?;
        }
        let provenance = (!target.is_by_digest()).then_some(&provenance);
        Some((represent(hit.value, provenance, heads), counters))
    }

    /// Returns the response to the check of the API version.
    #[must_use]
    pub fn version_check(&self, heads: &Heads) -> Representation {
        let mut response = represent(self.base.clone(), None, heads);
        response.policy = CachePolicy::Revalidate;
        response
    }
}
