//! Public JSON of an extension and of its versions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One extension, described by its latest version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Extension)]
pub struct ExtensionBody {
    /// Unique within its type, ignoring case; spelled as its backend does.
    #[schema(example = "aws")]
    pub name: String,
    /// `provider`, `taskserv` or `cluster`.
    #[schema(example = "provider")]
    pub r#type: String,
    /// Latest version: the highest stable version, else the highest pre-release, else the newest
    /// tag.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// Description of the latest version, by its publisher.
    pub description: Option<String>,
    /// Author, as the publisher gives it.
    pub author: Option<String>,
    /// URL of the source repository.
    pub repository: Option<String>,
    /// Kind of the backend that answers for it: `gitea`, `oci` or `local`.
    #[schema(example = "local")]
    pub source: String,
    /// Name of the backend that answers for it.
    #[schema(example = "local")]
    pub backend: String,
    /// RFC 3339, UTC, in whole seconds.
    #[schema(format = DateTime)]
    pub published_at: Option<String>,
    /// URL of the archive at its backend; may require credentials of the backend. For local files
    /// equal to `href`, absolute if `server.public_url` is set.
    pub download_url: Option<String>,
    /// Length of the archive in bytes.
    pub size: Option<u64>,
    /// Tag as the backend spells it.
    pub tag: String,
    /// True for a pre-release.
    pub prerelease: bool,
    /// `sha256:` and the digest of the archive, if known.
    pub digest: Option<String>,
    /// Keywords, as the publisher gives them.
    pub keywords: Vec<String>,
    /// SPDX expression, as the publisher gives it.
    pub license: Option<String>,
    /// Kinds of the backends that have it, in the order of ownership.
    pub sources: Vec<String>,
    /// Names of the backends that have it, in the order of ownership.
    pub backends: Vec<String>,
    /// Path of the archive at this service; requires no credentials of a backend.
    pub href: String,
}

/// One version of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Version)]
pub struct VersionBody {
    /// The tag without its `v`, or the tag itself if it is not a version.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// RFC 3339, UTC, in whole seconds.
    #[schema(format = DateTime)]
    pub published_at: Option<String>,
    /// URL of the archive at its backend; for local files equal to `href`, absolute if
    /// `server.public_url` is set.
    pub download_url: Option<String>,
    /// Length of the archive in bytes.
    pub size: Option<u64>,
    /// Tag as the backend spells it.
    pub tag: String,
    /// True for a pre-release.
    pub prerelease: bool,
    /// `sha256:` and the digest of the archive, if known.
    pub digest: Option<String>,
    /// Kind of the backend that has it.
    pub source: String,
    /// Name of the backend that has it.
    pub backend: String,
    /// Path of the archive at this service; requires no credentials of a backend.
    pub href: String,
}
