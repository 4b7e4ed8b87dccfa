//! The manifest of a tag.

use std::sync::Arc;

use registry_catalog::index::entry::Entry;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::extension::Release;
use registry_core::models::scope::Scope;
use serde_json::json;

use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::oci::code::OciCode;
use crate::oci::manifest::PullManifest;
use crate::oci::manifests::Manifests;
use crate::oci::tags::{find, spellings};

/// Finds manifests by tag.
pub struct Tagged<'a> {
    /// State of the API.
    pub api: &'a ApiState,
    /// Manifests.
    pub manifests: &'a Manifests,
}

impl Tagged<'_> {
    /// Returns the manifest of a tag.
    ///
    /// # Errors
    ///
    /// 404 if there is no such version, if it has no single archive, or if its archive was replaced and
    /// the first one is not stored; the errors of [`Manifests::of_release`].
    pub async fn manifest(&self, entry: &Entry, tag: &str) -> Result<Arc<PullManifest>, Problem> {
        let release = match find(&entry.extension, tag) {
            Some(release) if release.artifact != ArtifactChoice::Unread => Arc::clone(release),
            _ => match self.looked_up(entry, tag).await? {
                Some(release) => release,
                None => return self.hidden(entry, tag).await,
            },
        };
        if let Some(problem) = self.replaced(entry, &release) {
            return Err(problem);
        }
        let manifest = self.manifests.of_release(entry.id(), &release).await;
        manifest.map_err(|error| OciCode::ManifestUnknown.of_missing(error))
    }

    /// Returns a version that the catalog has not read, or not yet; `None` if it is missing.
    async fn looked_up(&self, entry: &Entry, tag: &str) -> Result<Option<Arc<Release>>, Problem> {
        let reader = &self.api.answers.catalog().reader;
        for version in spellings(tag).filter(|version| !version.is_housekeeping()) {
            match reader.find_release(entry.id(), &version, Scope::All).await {
                Ok((_, release)) => return Ok(Some(release)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Returns the manifest of a tag that is no version, such as those with which old clients find
    /// signatures.
    async fn hidden(&self, entry: &Entry, tag: &str) -> Result<Arc<PullManifest>, Problem> {
        let id = entry.id();
        if spellings(tag).any(|tag| tag.is_housekeeping() && tag.as_str() != "latest") {
            for content in self.manifests.storing(entry) {
                match self.manifests.stored.by_tag(&content, id, tag).await {
                    Ok(manifest) => return Ok(manifest),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(OciCode::ManifestUnknown.missing(format!("{id} has no version {tag}")))
    }

    /// Returns the error of a version whose first archive is gone: another one has its place.
    fn replaced(&self, entry: &Entry, release: &Release) -> Option<Problem> {
        let change = release.change.as_deref().filter(|change| change.in_place)?;
        let served = release.artifact.chosen()?.digest.as_ref();
        // With `on_change = "accept"` the new archive is served.
        if served != Some(&change.first) || self.api.artifacts.holds(&change.first) {
            return None;
        }
        let (id, version) = (entry.id(), release.version.as_str());
        let message = format!(
            "The archive of {id} {version} was replaced, and the first one is not stored; publish a \
             new version, or set downloads.on_change = \"accept\""
        );
        let now = change.now.as_ref().map(ToString::to_string);
        let detail = json!({"first": change.first.to_string(), "now": now});
        Some(OciCode::ManifestUnknown.missing(message).detailed(detail))
    }
}
