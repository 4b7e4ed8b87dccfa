//! Manifests that refer to a digest: signatures, attestations and lists of components.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use registry_catalog::index::entry::Entry;
use registry_catalog::sync::content::BackendContent;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::INDEX_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::oci::manifests::Manifests;
use crate::oci::stored_manifests::StoredKey;

const MIB: usize = 1024 * 1024;
/// Maximum memory use, in bytes.
pub const BYTES_MAX: usize = 8 * MIB;
const BOUNDS: LruBounds = LruBounds::new(10_000, BYTES_MAX);
/// Approximate memory use of a key, in bytes.
const KEY_BYTES: usize = 320;

/// Lists of referrers, kept for a time.
pub struct Referrers {
    kept: Arc<Mutex<BoundedLru<StoredKey, (Bytes, Instant)>>>,
    flights: SingleFlight<StoredKey, Bytes>,
    rules: ReferrersRules,
}

/// How long lists of referrers are believed.
#[derive(Clone, Copy, Debug)]
pub struct ReferrersRules {
    /// Time for which a list is kept.
    pub ttl: Duration,
    /// Time for which an old list is served while its backend fails.
    pub stale_if_error: Duration,
}

/// The manifests that refer to a digest.
#[derive(Debug, Default)]
pub struct FoundReferrers {
    /// Their descriptors.
    pub manifests: Vec<Value>,
    /// Backends whose list is old because they fail.
    pub stale: Vec<BackendId>,
}

/// An index, of which only the descriptors count.
#[derive(Deserialize)]
struct StoredIndex {
    #[serde(default)]
    manifests: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeptIndex<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: &'a [Value],
}

impl Referrers {
    /// Creates an empty collection.
    #[must_use]
    pub fn new(rules: ReferrersRules) -> Self {
        let kept = Arc::new(Mutex::new(BoundedLru::new(BOUNDS)));
        Self { kept, flights: SingleFlight::default(), rules }
    }

    /// Returns the manifests of an extension's repository that refer to a digest, which may not exist.
    /// Made manifests have no referrers.
    ///
    /// # Errors
    ///
    /// The errors of a backend whose list is not kept.
    pub async fn of(
        &self,
        manifests: &Manifests,
        entry: &Entry,
        subject: &Digest,
    ) -> Result<FoundReferrers> {
        let mut found = FoundReferrers::default();
        for content in manifests.storing(entry) {
            let key = (content.backend(), entry.id().clone(), subject.clone());
            let kept = self.kept.lock().get(&key).cloned();
            let age = kept.as_ref().map(|(_, at)| at.elapsed());
            let is_known = entry.extension.all_releases().any(|release| {
                release.backend == key.0 && release.manifest_digest.as_ref() == Some(subject)
            });
            let index = match kept {
                Some((index, _)) if age.is_some_and(|age| age < self.rules.ttl) => index,
                kept => match self.ask(manifests, &content, &key, is_known).await {
                    Ok(index) => index,
                    Err(error) => {
                        let may_serve = age.is_some_and(|age| age < self.rules.stale_if_error);
                        let (index, _) = kept.filter(|_| may_serve).ok_or(error)?;
                        found.stale.push(key.0);
                        index
                    }
                },
            };
            let index = serde_json::from_slice::<StoredIndex>(&index);
            let index = index.map_err(|error| {
                let message = format!("The {} backend sent no index of referrers", key.0);
                Error::faulty(message).because(error)
            })?;
            found.manifests.extend(index.manifests);
        }
        Ok(found)
    }

    async fn ask(
        &self,
        manifests: &Manifests,
        content: &BackendContent,
        key: &StoredKey,
        is_known: bool,
    ) -> Result<Bytes> {
        // A caller can make up any number of digests, and each one costs the backend a request.
        if !is_known {
            manifests.stored.may_ask(content, key)?;
        }
        self.flights
            .ask(key, || {
                let (content, key, kept) = (content.clone(), key.clone(), Arc::clone(&self.kept));
                async move {
                    let (_, id, subject) = &key;
                    let index = content.referrers(id, subject).await?.bytes;
                    let weight = (index.len() + KEY_BYTES) as u64;
                    kept.lock().put(key, weight, (index.clone(), Instant::now()));
                    Ok(index)
                }
            })
            .await
    }
}

impl FoundReferrers {
    /// Keeps only manifests with this artifact type.
    pub fn retain(&mut self, artifact_type: &str) {
        self.manifests.retain(|descriptor| {
            descriptor.get("artifactType").and_then(Value::as_str) == Some(artifact_type)
        });
    }

    /// Renders the index.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (schema_version, manifests) = (2, self.manifests.as_slice());
        let index = KeptIndex { schema_version, media_type: INDEX_TYPE, manifests };
        // Values that were parsed always have a JSON form.
        serde_json::to_string(&index).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_index_has_the_filtered_descriptors() {
        let empty = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        let mut found = FoundReferrers::default();
        assert_eq!(found.to_json(), empty);
        found.manifests =
            vec![json!({"artifactType": "a"}), json!({"artifactType": "b"}), json!(1)];
        found.retain("b");
        assert!(found.to_json().ends_with(r#""manifests":[{"artifactType":"b"}]}"#));
        found.retain("a");
        assert_eq!(found.to_json(), empty);
    }
}
