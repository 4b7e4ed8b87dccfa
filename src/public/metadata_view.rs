//! Public JSON of one version with its notes, files and digests.

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::index::Entry;
use crate::models::extension::Release;
use crate::models::public_url::PublicUrl;
use crate::models::scope::Scope;
use crate::public::views::{VersionView, asset_href};

/// One version of an extension with all details.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VersionMetadata)]
pub struct MetadataView<'a> {
    /// Name as its backend spells it.
    #[schema(example = "aws")]
    name: &'a str,
    /// `provider`, `taskserv` or `cluster`.
    #[schema(example = "provider")]
    r#type: &'static str,
    #[serde(flatten)]
    version: VersionView<'a>,
    description: Option<&'a str>,
    author: Option<&'a str>,
    /// URL of the source repository.
    repository: Option<&'a str>,
    keywords: &'a [Box<str>],
    /// SPDX expression, as the publisher gives it.
    license: Option<&'a str>,
    /// Release notes as the publisher wrote them, mostly Markdown, at most 64 KiB; `null` also
    /// while the backend is unavailable.
    notes: Option<&'a str>,
    /// Digest of the object that the tag points at, if the backend has one: in OCI, of the
    /// manifest.
    manifest_digest: Option<String>,
    /// `known`; `unknown` if no digest is published and the archive was not downloaded yet;
    /// `unverified` if the archive has a checksum file that cannot be read: `/health` reports the
    /// reason.
    #[schema(example = "known")]
    digest_status: &'static str,
    /// Change of the archive since it was first downloaded; `null` without a change.
    change: Option<ChangeView>,
    /// All files of the version that can be downloaded individually, including the archive.
    assets: Vec<AssetView<'a>>,
}

/// A version whose archive now differs from the one first downloaded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeView {
    /// Digest of the archive that was downloaded first.
    first_digest: String,
    /// Digest of the archive that the backend has now; `null` if the backend reports none and the
    /// archive was not downloaded yet.
    current_digest: Option<String>,
}

/// One file of a version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Asset)]
pub struct AssetView<'a> {
    /// Value for `?asset=`.
    id: &'a str,
    /// File name from the publisher; not checked to be safe as a local file name.
    name: &'a str,
    /// Length in bytes; `null` for an external file that was not downloaded yet.
    size: Option<u64>,
    /// `sha256:` and the digest of the file, if known.
    digest: Option<String>,
    /// Path of the file at this service; requires no credentials of a backend.
    href: String,
}

impl<'a> MetadataView<'a> {
    /// Creates the view of a release; `asked` and `public_url` as for `ExtensionView::of`.
    #[must_use]
    pub fn of(
        entry: &'a Entry,
        release: &'a Release,
        asked: Scope,
        public_url: Option<&PublicUrl>,
    ) -> Self {
        let (id, about) = (entry.id(), &release.about);
        let assets = release.assets.iter().map(|file| AssetView {
            id: file.key.as_str(),
            name: &file.file_name,
            size: file.known_size(),
            digest: file.digest.as_ref().map(ToString::to_string),
            href: asset_href(entry, release, asked, &file.key),
        });
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
            assets: assets.collect(),
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
