//! The releases of one repository, and their files.

use registry_core::models::digest::{Algorithm, Digest};
use reqwest::Method;
use serde_json::Value;

use crate::failure::Result;
use crate::publish::gitea::connection::{GiteaCall, GiteaConnection};
use crate::publish::gitea::form::UploadForm;
use crate::publish::gitea::models::{GiteaAsset, GiteaRelease};
use crate::publish::gitea::refusal::REPOSITORY_SCOPE;

/// The releases of one repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct RepositoryReleases<'a> {
    pub(super) connection: &'a GiteaConnection,
    pub(super) organization: &'a str,
    pub(super) repository: &'a str,
}

impl RepositoryReleases<'_> {
    /// Finds the release or draft of a tag. Gitea ignores the case of the tag.
    pub(super) async fn of_tag(&self, tag: &str) -> Result<Option<GiteaRelease>> {
        let segments = self.below(&["tags", tag]);
        let subject = self.subject(&format!("the release {tag}"));
        self.connection.find(&segments, &subject, REPOSITORY_SCOPE).await
    }

    /// Reads a release or a draft.
    pub(super) async fn read(&self, id: i64) -> Result<Option<GiteaRelease>> {
        let id = id.to_string();
        let subject = self.subject(&format!("the release {id}"));
        self.connection.find(&self.below(&[&id]), &subject, REPOSITORY_SCOPE).await
    }

    /// Creates a release.
    pub(super) async fn create(&self, body: &Value) -> Result<GiteaRelease> {
        let subject = self.subject("a new release");
        self.connection.change(call(&Method::POST, &self.below(&[]), body, &subject)).await
    }

    /// Changes a release. Gitea ignores empty texts.
    pub(super) async fn edit(&self, id: i64, body: &Value) -> Result<GiteaRelease> {
        let id = id.to_string();
        let subject = self.subject(&format!("the release {id}"));
        self.connection.change(call(&Method::PATCH, &self.below(&[&id]), body, &subject)).await
    }

    /// Deletes a release with its files, but not its tag.
    pub(super) async fn delete(&self, id: i64) -> Result<()> {
        let id = id.to_string();
        let subject = self.subject(&format!("the release {id}"));
        self.connection.delete(&self.below(&[&id]), &subject).await
    }

    /// Uploads a file to a release. Gitea takes several files of one name.
    pub(super) async fn upload(&self, release: i64, form: &UploadForm) -> Result<GiteaAsset> {
        let subject = self.subject(&format!("the file {}", form.name));
        let release = release.to_string();
        self.connection.upload(&self.below(&[&release, "assets"]), form, &subject).await
    }

    /// Deletes a file of a release.
    pub(super) async fn delete_asset(&self, release: i64, asset: &GiteaAsset) -> Result<()> {
        let (release, id) = (release.to_string(), asset.id.to_string());
        let subject = self.subject(&format!("the file {}", asset.name));
        self.connection.delete(&self.below(&[&release, "assets", &id]), &subject).await
    }

    /// Computes the digest of a file.
    pub(super) async fn digest_of(
        &self,
        asset: &GiteaAsset,
        algorithm: Algorithm,
    ) -> Result<Digest> {
        self.connection.digest_of(&asset.uuid, algorithm).await
    }

    /// Reads a small file. Bytes beyond `max` are left out.
    pub(super) async fn content_of(&self, asset: &GiteaAsset, max: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut take = |piece: &[u8]| {
            let room = max.saturating_sub(bytes.len()).min(piece.len());
            bytes.extend_from_slice(piece.get(..room).unwrap_or_default());
        };
        self.connection.read_file(&asset.uuid, &mut take).await?;
        Ok(bytes)
    }

    /// Returns `organization/repository`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.organization, self.repository)
    }

    fn subject(&self, what: &str) -> String {
        format!("{what} of {}", self.full_name())
    }

    fn below<'s>(&'s self, rest: &[&'s str]) -> Vec<&'s str> {
        let front = ["repos", self.organization, self.repository, "releases"];
        front.into_iter().chain(rest.iter().copied()).collect()
    }
}

fn call<'a>(
    method: &'a Method,
    segments: &'a [&'a str],
    body: &'a Value,
    subject: &'a str,
) -> GiteaCall<'a> {
    GiteaCall { method, segments, body: Some(body), subject, scope: REPOSITORY_SCOPE }
}
