//! Lists of referrers, read at most once per time to live.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::backend::oci_content::StoredManifest;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::Result;
use registry_core::models::digest::Digest;
use tokio::time::Instant;

use crate::oci::client::{Client, referrers};
use crate::oci::referrers_index::referrers_index;
use crate::oci::repository::OciRepository;

/// Bounds of the cached lists.
const LISTS: LruBounds = LruBounds::new(16 * 1024, 8 * 1024 * 1024);
/// Fixed memory per cached list, in bytes, beside its content.
const LIST_COST: usize = 512;

type ReferrersKey = (OciRepository, Digest);

/// A list, and the time when it was requested.
type CachedList = (Instant, StoredManifest);

pub(super) struct ReferrersCache {
    client: Client,
    ttl: Duration,
    lists: Arc<Mutex<BoundedLru<ReferrersKey, CachedList>>>,
    requests: SingleFlight<ReferrersKey, StoredManifest>,
}

impl ReferrersCache {
    pub(super) fn new(client: Client, ttl: Duration) -> Self {
        let lists = Arc::new(Mutex::new(BoundedLru::new(LISTS)));
        Self { client, ttl, lists, requests: SingleFlight::default() }
    }

    /// Returns the index of the referrers of a digest. A failure is not cached.
    pub(super) async fn of(
        &self,
        repository: OciRepository,
        subject: &Digest,
    ) -> Result<StoredManifest> {
        let key = (repository, subject.clone());
        let known = self.lists.lock().get(&key).cloned();
        if let Some((asked, list)) = known
            && asked.elapsed() < self.ttl
        {
            return Ok(list);
        }
        let (client, lists) = (self.client.clone(), Arc::clone(&self.lists));
        let (repository, subject) = key.clone();
        let request = async move {
            let asked = Instant::now();
            let found = referrers(&client, &repository, &subject).await?;
            let list = referrers_index(found);
            let weight = list.bytes.len() + repository.as_str().len() + LIST_COST;
            lists.lock().put((repository, subject), weight as u64, (asked, list.clone()));
            Ok(list)
        };
        self.requests.ask(&key, || request).await
    }
}
