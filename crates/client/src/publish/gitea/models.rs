//! JSON of Gitea and Forgejo, as far as a publisher reads it. Unknown, missing and null fields are accepted.

use serde::Deserialize;

/// A repository.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Repository {
    /// Name as the server spells it.
    pub(super) name: String,
    /// True if it has no commit.
    #[serde(default)]
    pub(super) empty: bool,
    #[serde(default)]
    pub(super) archived: bool,
    /// Missing in some answers of old servers.
    pub(super) permissions: Option<Permissions>,
    /// False if releases are switched off.
    pub(super) has_releases: Option<bool>,
}

/// What the token may do in a repository.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Permissions {
    #[serde(default)]
    pub(super) push: bool,
}

/// A release or a draft.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct GiteaRelease {
    pub(super) id: i64,
    pub(super) tag_name: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) draft: bool,
    #[serde(default)]
    pub(super) prerelease: bool,
    #[serde(default)]
    pub(super) assets: Vec<GiteaAsset>,
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct GiteaAsset {
    pub(super) id: i64,
    pub(super) name: String,
    /// Length in bytes.
    #[serde(default)]
    pub(super) size: u64,
    /// Identity of the content.
    pub(super) uuid: String,
}
