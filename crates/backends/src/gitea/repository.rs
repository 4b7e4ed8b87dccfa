//! A repository of the organization, and the extension that it stands for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use registry_core::models::extension::About;
use registry_core::models::naming::ExtensionId;

use crate::gitea::models::RepositoryRow;
use crate::gitea::rows::KeptRow;
use crate::gitea::texts::{clean, keywords};
use crate::gitea::urls::Urls;

#[derive(Clone, Debug)]
pub(super) struct GiteaRepository {
    pub(super) number: i64,
    pub(super) owner: i64,
    pub(super) owner_login: String,
    pub(super) name: String,
    pub(super) extension: ExtensionId,
    pub(super) has_releases: bool,
    /// True if its row contains the topics. Otherwise they are fetched.
    pub(super) tells_topics: bool,
    pub(super) has_none: bool,
    /// Hash of the fields that are used here; it differs after a change.
    pub(super) fingerprint: u64,
    pub(super) about: About,
}

impl GiteaRepository {
    pub(super) fn is_of(&self, owner: &str) -> bool {
        self.owner_login.eq_ignore_ascii_case(owner)
    }

    /// Converts a row. `None` if the name does not belong to an extension.
    pub(super) fn from_row(row: RepositoryRow, urls: &Urls) -> Option<Self> {
        let extension = ExtensionId::from_gitea_repository(&row.name)?;
        let fingerprint = fingerprint(&row);
        let about = About {
            description: clean(&row.description),
            author: None,
            repository: Some(urls.page(&row.name).as_str().into()),
            keywords: keywords(row.topics.as_deref().unwrap_or_default()),
            license: match row.licenses.as_slice() {
                // Several licenses are alternatives or parts, and the row does not tell which.
                [only] => clean(only),
                _ => None,
            },
        };
        Some(Self {
            number: row.id,
            owner: row.owner.id,
            owner_login: row.owner.login,
            has_releases: row.has_releases.unwrap_or(true),
            tells_topics: row.topics.is_some(),
            has_none: row.release_counter == Some(0),
            fingerprint,
            name: row.name,
            extension,
            about,
        })
    }

    pub(super) fn with_keywords(self: &Arc<Self>, keywords: &[Box<str>]) -> Arc<Self> {
        let about = About { keywords: keywords.into(), ..self.about.clone() };
        Arc::new(Self { about, ..Self::clone(self) })
    }
}

/// Hashes what a publisher can change. Edits of existing releases and files are invisible.
fn fingerprint(row: &RepositoryRow) -> u64 {
    let mut hasher = DefaultHasher::new();
    let RepositoryRow { id, name, description, topics, licenses, .. } = row;
    (id, name, row.owner.id, description, topics, licenses).hash(&mut hasher);
    (row.has_releases, row.release_counter, &row.updated_at).hash(&mut hasher);
    hasher.finish()
}

impl KeptRow for GiteaRepository {
    fn weight(&self) -> usize {
        let names = self.owner_login.len() + 2 * self.name.len();
        size_of::<Self>() + names + self.about.weight()
    }
}
