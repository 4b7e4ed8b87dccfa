//! JSON models of the Gitea API. They are lenient, because servers of many versions respond.

use serde::{Deserialize, Deserializer};

/// Reads `null` like a missing field: server versions differ in which one they send.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a missing field as `None`, and `null` as the default value.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    lenient(deserializer).map(Some)
}

pub(super) trait ListedRow: for<'de> Deserialize<'de> + Send {
    fn id(&self) -> i64;
}

#[derive(Debug, Deserialize)]
pub(super) struct ApiSettings {
    pub(super) max_response_items: usize,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Account {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RepositoryRow {
    pub(super) id: i64,
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) owner: Account,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) description: String,
    /// Topics. Gitea before 1.23 omits the field; Forgejo sends `null` for an empty list.
    #[serde(default, deserialize_with = "present")]
    pub(super) topics: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) licenses: Vec<String>,
    pub(super) has_releases: Option<bool>,
    pub(super) release_counter: Option<i64>,
    pub(super) updated_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Topics {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) topics: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReleaseRow {
    pub(super) id: i64,
    pub(super) tag_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) draft: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) prerelease: bool,
    pub(super) created_at: Option<String>,
    pub(super) published_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) body: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) author: Account,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) assets: Vec<AssetRow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AssetRow {
    pub(super) uuid: String,
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) size: u64,
    /// Forgejo's type. `external` is a link to any address, not a file of the server.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) browser_download_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TagRow {
    pub(super) commit: CommitRow,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommitRow {
    pub(super) sha: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct FileRow {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) sha: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) size: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActivityRow {
    pub(super) id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) op_type: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) repo_id: i64,
    pub(super) repo: Option<ActivityRepository>,
    pub(super) created: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActivityRepository {
    pub(super) name: String,
}

/// Error message of the API. It is for the log and `/health`, never for callers.
#[derive(Debug, Deserialize)]
pub(super) struct Complaint {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: String,
}

/// Body of a webhook delivery, reduced to the common fields of all events.
#[derive(Debug, Deserialize)]
pub(super) struct WebhookBody {
    pub(super) repository: Option<NoticeRepository>,
    pub(super) ref_type: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NoticeRepository {
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) owner: Account,
}

impl ListedRow for RepositoryRow {
    fn id(&self) -> i64 {
        self.id
    }
}

impl ListedRow for ReleaseRow {
    fn id(&self) -> i64 {
        self.id
    }
}

impl ListedRow for ActivityRow {
    fn id(&self) -> i64 {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_null_and_unknown_fields_are_borne() {
        let bare: ReleaseRow = serde_json::from_str(r#"{"id":1,"tag_name":"1.0.0"}"#).unwrap();
        assert!(!bare.draft && bare.assets.is_empty());
        let null = r#"{"id":1,"tag_name":"1.0.0","assets":null,"author":null,"draft":null,
            "published_at":null,"new":{"a":[1]}}"#;
        assert_eq!(serde_json::from_str::<ReleaseRow>(null).unwrap().author.login, "");
        assert!(serde_json::from_str::<ReleaseRow>(r#"{"id":1}"#).is_err());
    }
}
