//! Public JSON of one version in full: its notes, its files, their digests.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::{VersionView, asset_href};
use crate::catalog::index::Entry;
use crate::models::artifact::Artifact;
use crate::models::extension::Release;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;

/// One version of an extension in full.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VersionMetadata)]
pub struct MetadataView<'a> {
    /// Spelled as its backend does.
    #[schema(example = "aws")]
    name: &'a str,
    /// `provider`, `taskserv` or `cluster`.
    #[schema(example = "provider")]
    r#type: &'static str,
    #[serde(flatten)]
    version: VersionView<'a>,
    description: Option<&'a str>,
    author: Option<&'a str>,
    /// Where its source is kept.
    repository: Option<&'a str>,
    keywords: &'a [Box<str>],
    /// SPDX expression, as the publisher gives it.
    license: Option<&'a str>,
    /// Release notes as the publisher wrote them, mostly Markdown, at most 64 KiB; `null` also
    /// while the backend does not answer.
    notes: Option<&'a str>,
    /// The digest of what the tag points at, where the backend has one: in OCI the manifest's.
    manifest_digest: Option<String>,
    /// `known`; `unknown` where nothing states the digest and nobody downloaded the archive yet;
    /// `unverified` where a checksum lies beside the archive and cannot be read: `/health` says why.
    #[schema(example = "known")]
    digest_status: &'static str,
    /// How the archive changed since it was first downloaded; `null` if it did not.
    change: Option<ChangeView>,
    /// Every file of the version that can be downloaded by itself, the archive among them.
    assets: Vec<AssetView<'a>>,
}

/// A version whose archive is another one now than the one first downloaded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeView {
    /// The digest of the archive that was downloaded first.
    first_digest: String,
    /// The digest of the archive that the backend has now; unknown until it was downloaded, where
    /// the backend tells none.
    current_digest: Option<String>,
}

/// One file of a version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Asset)]
pub struct AssetView<'a> {
    /// What `?asset=` takes.
    id: &'a str,
    /// As the publisher named it; not checked to be a safe name of a file.
    name: &'a str,
    /// Length in bytes; `null` for a file elsewhere that nobody downloaded yet.
    size: Option<u64>,
    /// `sha256:` and the digest of the file, where it is known.
    digest: Option<String>,
    /// Path of the file here; needs no backend's credentials.
    href: String,
}

impl<'a> MetadataView<'a> {
    /// A release of an entry; `asked` and `public_url` as for
    /// [`ExtensionView::of`](crate::api::views::ExtensionView::of).
    #[must_use]
    pub fn of(
        entry: &'a Entry,
        release: &'a Release,
        asked: Scope,
        public_url: Option<&PublicUrl>,
    ) -> Self {
        let (id, about) = (entry.id(), &release.about);
        let asset = |file: &'a Artifact| AssetView {
            id: file.key.as_str(),
            name: &file.file_name,
            size: file.known_size(),
            digest: file.digest.as_ref().map(ToString::to_string),
            href: asset_href(entry, release, asked, &file.key),
        };
        Self {
            name: id.name.as_str(),
            r#type: id.extension_type.as_str(),
            version: VersionView::of(entry, release, asked, public_url),
            description: about.description.as_deref(),
            author: about.author.as_deref(),
            repository: about.repository.as_deref(),
            keywords: &about.keywords,
            license: about.license.as_deref(),
            notes: release.notes.as_deref(),
            manifest_digest: release.manifest_digest.as_ref().map(ToString::to_string),
            digest_status: digest_status(release),
            change: release.change.as_ref().map(|change| ChangeView {
                first_digest: change.first.to_string(),
                current_digest: change.now.as_ref().map(ToString::to_string),
            }),
            assets: release.assets.iter().map(|file| asset(file)).collect(),
        }
    }
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
