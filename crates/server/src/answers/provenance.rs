//! Age and origin of a response.

use std::time::Duration;

use registry_catalog::Catalog;
use registry_catalog::health::Freshness;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

/// Age and origin of a response.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// Freshness of the backends involved.
    pub freshness: Freshness,
    /// Age of the cache entry, if the response comes from the cache.
    pub cached: Option<Duration>,
}

impl Provenance {
    /// Creates the provenance of a new response. The part of the backends in `lacking` is missing.
    #[must_use]
    pub fn asked(
        catalog: &Catalog,
        scope: Scope,
        of: Option<&ExtensionId>,
        lacking: Vec<BackendId>,
    ) -> Self {
        let mut freshness = catalog.health.freshness(scope, of, Instant::now());
        freshness.lacks(lacking);
        Self { freshness, cached: None }
    }

    /// Creates the provenance of a cached response of this age.
    #[must_use]
    pub fn kept(
        catalog: &Catalog,
        scope: Scope,
        of: Option<&ExtensionId>,
        age: Duration,
        now: Instant,
    ) -> Self {
        Self { freshness: catalog.health.freshness(scope, of, now), cached: Some(age) }
    }
}
