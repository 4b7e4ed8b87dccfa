//! Public JSON made from entries of the catalog.

use registry_catalog::index::entry::Entry;
use registry_catalog::pins::pinned_file::PinnedFile;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::extension::{About, Release};
use registry_core::models::public_url::PublicUrl;
use registry_core::models::scope::Scope;

use crate::answers::explanations::pinned;
use crate::urls::{ReleaseRoute, Route as _};
use registry_public::extension::{ExtensionBody, VersionBody};
use registry_public::metadata::{AssetBody, ChangeBody, MetadataBody};

/// Makes public JSON for requests of one scope.
#[derive(Clone, Copy, Debug)]
pub struct Bodies<'a> {
    /// Backends that are asked; links ask them too.
    pub scope: Scope,
    /// Public URL of the service, if known: else links are relative.
    pub public_url: Option<&'a PublicUrl>,
    /// Path before all relative links; empty for the root.
    pub base_path: &'a str,
}

impl Bodies<'_> {
    /// Describes an extension by its latest version; `None` without a release.
    #[must_use]
    pub fn extension(&self, entry: &Entry) -> Option<ExtensionBody> {
        let release = entry.extension.latest()?;
        let About { description, author, repository, keywords, license, .. } = &*release.about;
        let VersionBody {
            version,
            published_at,
            download_url,
            size,
            tag,
            prerelease,
            digest,
            source,
            backend,
            href,
        } = self.version(entry, release);
        Some(ExtensionBody {
            name: entry.id().name.as_str().to_owned(),
            r#type: entry.id().extension_type.as_str().to_owned(),
            version,
            description: owned(description.as_deref()),
            author: owned(author.as_deref()),
            repository: owned(repository.as_deref()),
            source,
            backend,
            published_at,
            download_url,
            size,
            tag,
            prerelease,
            digest,
            keywords: keywords.iter().map(ToString::to_string).collect(),
            license: owned(license.as_deref()),
            sources: kinds(entry),
            backends: entry.backends().map(ToString::to_string).collect(),
            href,
        })
    }

    /// Describes a release.
    #[must_use]
    pub fn version(&self, entry: &Entry, release: &Release) -> VersionBody {
        let route = self.route(entry, release, None);
        let href = format!("{}{}", self.base_path, route.relative());
        let artifact = release.artifact.chosen();
        let download_url =
            artifact.map(|artifact| match (artifact.url.as_deref(), self.public_url) {
                (Some(url), _) => url.to_owned(),
                (None, Some(public_url)) => route.absolute(public_url),
                (None, None) => href.clone(),
            });
        VersionBody {
            version: release.version.as_str().to_owned(),
            // Fractions of a second affect the order of releases but are not shown.
            published_at: release.published_at.map(|at| format!("{at:.0}")),
            download_url,
            size: artifact.and_then(|artifact| artifact.known_size()),
            tag: release.tag.as_str().to_owned(),
            prerelease: release.is_prerelease(),
            digest: artifact.and_then(|artifact| artifact.digest.as_ref()).map(ToString::to_string),
            source: release.backend.kind().as_str().to_owned(),
            backend: release.backend.as_str().to_owned(),
            href,
        }
    }

    /// Describes a release with its notes, files and digests.
    #[must_use]
    pub fn metadata(
        &self,
        entry: &Entry,
        release: &Release,
        pin: Option<&PinnedFile>,
    ) -> MetadataBody {
        let About { description, author, repository, keywords, license, .. } = &*release.about;
        let assets = release.assets.iter().map(|file| AssetBody {
            id: file.key.as_str().to_owned(),
            name: file.file_name.to_string(),
            size: file.known_size(),
            digest: file.digest.as_ref().map(ToString::to_string),
            href: format!(
                "{}{}",
                self.base_path,
                self.route(entry, release, Some(&file.key)).relative()
            ),
        });
        MetadataBody {
            name: entry.id().name.as_str().to_owned(),
            r#type: entry.id().extension_type.as_str().to_owned(),
            version: self.version(entry, release),
            description: owned(description.as_deref()),
            author: owned(author.as_deref()),
            repository: owned(repository.as_deref()),
            keywords: keywords.iter().map(ToString::to_string).collect(),
            license: owned(license.as_deref()),
            notes: owned(release.notes.as_deref()),
            manifest_digest: release.manifest_digest.as_ref().map(ToString::to_string),
            digest_status: digest_status(release).to_owned(),
            change: release.change.as_ref().map(|change| ChangeBody {
                first_digest: change.first.to_string(),
                current_digest: change.now.as_ref().map(ToString::to_string),
            }),
            pin: pin.map(pinned),
            assets: assets.collect(),
        }
    }

    fn route<'a>(
        &self,
        entry: &'a Entry,
        release: &'a Release,
        asset: Option<&'a ArtifactKey>,
    ) -> ReleaseRoute<'a> {
        let version = entry.extension.name_of(release);
        ReleaseRoute { id: entry.id(), version, scope: self.scope, asset }
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn kinds(entry: &Entry) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for backend in entry.backends() {
        let kind = backend.kind().as_str();
        if !kinds.iter().any(|known| known == kind) {
            kinds.push(kind.to_owned());
        }
    }
    kinds
}

fn digest_status(release: &Release) -> &'static str {
    let archive = release.artifact.chosen();
    if release.checksum_fault.is_some() {
        "unverified"
    } else if archive.is_some_and(|file| file.digest.is_some()) {
        "known"
    } else {
        "unknown"
    }
}
