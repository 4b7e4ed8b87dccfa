//! Public JSON of one version with its notes, files and digests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::extension::VersionBody;

/// One version of an extension with all details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VersionMetadata)]
pub struct MetadataBody {
    /// Name as its backend spells it.
    #[schema(example = "aws")]
    pub name: String,
    /// `provider`, `taskserv` or `cluster`.
    #[schema(example = "provider")]
    pub r#type: String,
    /// The version, whose fields stand beside the others.
    #[serde(flatten)]
    pub version: VersionBody,
    /// Description, by the publisher.
    pub description: Option<String>,
    /// Author, as the publisher gives it.
    pub author: Option<String>,
    /// URL of the source repository.
    pub repository: Option<String>,
    /// Keywords, as the publisher gives them.
    pub keywords: Vec<String>,
    /// SPDX expression, as the publisher gives it.
    pub license: Option<String>,
    /// Release notes as the publisher wrote them, mostly Markdown, at most 64 KiB; `null` also
    /// while the backend is unavailable.
    pub notes: Option<String>,
    /// Digest of the object that the tag points at, if the backend has one: in OCI, of the
    /// manifest; in Gitea, of the manifest among the files.
    pub manifest_digest: Option<String>,
    /// `known`; `unknown` if no digest is published and the archive was not downloaded yet;
    /// `unverified` if the archive has a checksum file that cannot be read: `/health` reports the
    /// reason.
    #[schema(example = "known")]
    pub digest_status: String,
    /// Change of the archive since it was first downloaded; `null` without a change.
    pub change: Option<ChangeBody>,
    /// The archive as it was first downloaded; `null` before that, and for a tag that is not a
    /// version.
    pub pin: Option<PinBody>,
    /// All files of the version that can be downloaded individually, including the archive.
    pub assets: Vec<AssetBody>,
}

/// A version whose archive now differs from the one first downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeBody {
    /// Digest of the archive that was downloaded first.
    pub first_digest: String,
    /// Digest of the archive that the backend has now; `null` if the backend reports none and the
    /// archive was not downloaded yet.
    pub current_digest: Option<String>,
}

/// The file that was downloaded first. Other bytes in its place are a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Pin)]
pub struct PinBody {
    /// File name from the publisher; null in state of version 0.1.
    pub file: Option<String>,
    /// Digest of the file.
    pub digest: String,
    /// Who stated the digest: `registry`, `checksum` (a checksum file beside the archive), `manifest`
    /// or `first_download`; null for a pin of older state.
    #[schema(example = "registry")]
    pub origin: Option<String>,
    /// Time of the first download; null for a pin of older state. RFC 3339, UTC, in whole seconds.
    #[schema(format = DateTime)]
    pub since: Option<String>,
}

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Asset)]
pub struct AssetBody {
    /// Value for `?asset=`.
    pub id: String,
    /// File name from the publisher; not checked to be safe as a local file name.
    pub name: String,
    /// Length in bytes; `null` for an external file that was not downloaded yet.
    pub size: Option<u64>,
    /// `sha256:` and the digest of the file, if known.
    pub digest: Option<String>,
    /// Path of the file at this service; requires no credentials of a backend.
    pub href: String,
}
