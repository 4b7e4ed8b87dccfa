//! Manifests of registries that show none: made of the metadata, as `publish` makes them.

use registry_core::models::artifact::{archive_ending, is_archive_name};
use registry_core::models::digest::Digest;
use registry_packing::{ArchiveLayer, Sheet, manifest_of};
use registry_public::metadata::MetadataBody;
use registry_public::paths::Target;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::Registry;
use crate::mirror::source::WantedVersion;

use crate::question::Question;
use crate::resolve::metadata;

/// Media type of a README at the registry.
const MARKDOWN: &str = "text/markdown";

/// What the registry says about a version.
#[derive(Debug)]
pub(crate) struct DescribedVersion {
    metadata: MetadataBody,
    readme: Option<String>,
}

impl DescribedVersion {
    /// Reads the metadata and the README: two requests.
    pub(crate) async fn read(registry: &Registry, wanted: &WantedVersion) -> Result<Self> {
        let question = Question::default();
        let metadata = metadata(registry, &wanted.id, &wanted.tag, &question).await?;
        let readme = Target::new(format!("/extensions/{}/readme", wanted.id));
        let readme = readme.with("version", wanted.tag.as_str());
        let readme = match registry.text(&readme, MARKDOWN).await {
            Ok(text) => Some(text),
            Err(failure) if failure.kind() == FailureKind::NotFound => None,
            Err(failure) => return Err(failure),
        };
        Ok(Self { metadata, readme })
    }

    /// Returns the length of the archive in bytes, if known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.metadata.version.size
    }

    /// Returns the digest of the archive, if known.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.metadata.version.digest.as_deref()?.parse().ok()
    }

    /// Returns the README.
    pub(crate) fn readme(&self) -> Option<&str> {
        self.readme.as_deref()
    }

    /// Makes the manifest: equal metadata makes equal bytes.
    pub(crate) fn manifest(
        &self,
        wanted: &WantedVersion,
        digest: &Digest,
        size: u64,
    ) -> Result<Vec<u8>> {
        let ending = self.ending(digest);
        let title = format!("{}-{}{ending}", wanted.id.name, wanted.version.replace('/', "-"));
        let MetadataBody { description, author, repository, keywords, license, notes, .. } =
            &self.metadata;
        let sheet = Sheet {
            description: description.clone(),
            authors: author.clone(),
            source: repository.clone(),
            license: license.clone(),
            keywords: keywords.clone(),
            ..Sheet::default()
        };
        let created = self.metadata.version.published_at.as_deref().unwrap_or_default();
        let notes = notes.as_deref().unwrap_or_default();
        let annotations = sheet.annotations(&wanted.version, created, notes);
        let archive = ArchiveLayer { title: &title, digest, size };
        let readme = self.readme.as_deref().map(str::as_bytes);
        manifest_of(archive, readme, annotations).ok_or_else(|| {
            ClientFailure::failed(format!("{} {} has no archive", wanted.id, wanted.version))
        })
    }

    /// Returns the ending of the archive's name: that of the file with its digest, else of the only one.
    fn ending(&self, digest: &Digest) -> &'static str {
        let digest = digest.to_string();
        let archives: Vec<_> =
            self.metadata.assets.iter().filter(|asset| is_archive_name(&asset.name)).collect();
        let same = archives.iter().find(|asset| asset.digest.as_deref() == Some(&*digest));
        let chosen = same.or_else(|| archives.first());
        chosen.and_then(|asset| archive_ending(&asset.name)).unwrap_or(".tar.gz")
    }
}
