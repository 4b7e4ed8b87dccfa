//! Conversion of Gitea's releases and assets to the domain model.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, ArtifactKey, FILES_MAX};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{About, Release};
use registry_core::models::notes::release_notes;
use registry_core::models::tag::Tag;

use crate::gitea::assets;
use crate::gitea::models::{AssetRow, ReleaseRow};
use crate::gitea::repository::GiteaRepository;
use crate::gitea::repository_cache::RepositoryCache;
use crate::gitea::rows::KeptRow;
use crate::gitea::texts::clean;
use crate::gitea::urls::Urls;

/// Maximum lengths of a file name and of the identity that a server gives it, in bytes.
const FILE_NAME_MAX: usize = 255;
const UUID_MAX: usize = 64;
/// Forgejo's type of assets that are links to other servers.
const EXTERNAL: &str = "external";
/// Upper bound for "never", which is the epoch in the server's zone, or the year 1.
const NEVER_UNTIL: i64 = 24 * 60 * 60;

impl KeptRow for Release {
    fn weight(&self) -> usize {
        self.bare_weight()
    }
}

pub(super) struct ReleaseReader<'a> {
    backend: BackendId,
    repository: &'a GiteaRepository,
    urls: &'a Urls,
    external_hosts: &'a [String],
    known: Option<&'a RepositoryCache>,
    notes: bool,
    abouts: Mutex<HashMap<Option<Box<str>>, Arc<About>>>,
}

impl<'a> ReleaseReader<'a> {
    pub(super) fn new(
        backend: BackendId,
        repository: &'a GiteaRepository,
        urls: &'a Urls,
        external_hosts: &'a [String],
    ) -> Self {
        let (known, abouts) = (None, Mutex::default());
        Self { backend, repository, urls, external_hosts, known, notes: false, abouts }
    }

    pub(super) const fn with_known(mut self, known: &'a RepositoryCache) -> Self {
        self.known = Some(known);
        self
    }

    pub(super) const fn with_notes(mut self) -> Self {
        self.notes = true;
        self
    }

    /// Converts a row. `None` for a draft or an invalid tag; an error if it has too many files.
    pub(super) fn read(&self, row: ReleaseRow) -> Result<Option<Release>> {
        let Some(tag) = row.tag_name.parse().ok().filter(|_| !row.draft) else { return Ok(None) };
        if row.assets.len() > FILES_MAX {
            return Err(Error::faulty(format!("release {tag} has more than {FILES_MAX} files")));
        }
        let release = Release::of_tag(self.backend, tag);
        let assets = self.assets(&release.tag, &row.assets);
        let repository = self.repository;
        let choice = assets::choose(
            &repository.name,
            repository.extension.name.as_str(),
            release.version.as_str(),
            &assets,
        );
        Ok(Some(Release {
            marked_prerelease: row.prerelease,
            published_at: row.published_at.or(row.created_at).as_deref().and_then(instant),
            artifact: choice,
            assets,
            about: self.about(clean(&row.author.login)),
            notes: if self.notes { release_notes(&row.body) } else { None },
            ..release
        }))
    }

    fn about(&self, author: Option<Box<str>>) -> Arc<About> {
        // Most releases have one author, so that they share one allocation.
        let mut abouts = self.abouts.lock();
        let shared = abouts.entry(author).or_insert_with_key(|author| {
            Arc::new(About { author: author.clone(), ..self.repository.about.clone() })
        });
        Arc::clone(shared)
    }

    fn assets(&self, tag: &Tag, rows: &[AssetRow]) -> Box<[Arc<Artifact>]> {
        let served = rows.iter().filter(|row| {
            row.name.len() <= FILE_NAME_MAX && row.uuid.len() <= UUID_MAX && self.is_served(row)
        });
        let assets = served.map(|row| {
            let url = self.urls.download(&self.repository.name, tag.as_str(), &row.name);
            Arc::new(Artifact {
                key: ArtifactKey::new(row.uuid.as_str()),
                file_name: row.name.as_str().into(),
                size: self.size_of(row),
                digest: None,
                url: Some(url.as_str().into()),
            })
        });
        assets.collect()
    }

    /// Returns the size of an asset. Servers report 0 for external files.
    fn size_of(&self, row: &AssetRow) -> u64 {
        if row.kind.as_deref() != Some(EXTERNAL) || row.size > 0 {
            return row.size;
        }
        let learned = self.known.and_then(|known| known.size_of(&row.uuid));
        learned.unwrap_or(Artifact::UNKNOWN_SIZE)
    }

    /// Allows only configured hosts for external assets, whose targets the publisher chooses.
    fn is_served(&self, row: &AssetRow) -> bool {
        if row.kind.as_deref() != Some(EXTERNAL) {
            return true;
        }
        let address =
            row.browser_download_url.as_deref().and_then(|text| text.parse::<url::Url>().ok());
        let host = address.as_ref().and_then(url::Url::host_str);
        host.is_some_and(|host| {
            self.external_hosts.iter().any(|one| one.eq_ignore_ascii_case(host))
        })
    }
}

/// Parses an RFC 3339 timestamp in any zone. `None` for both of Gitea's forms of "never".
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let instant: Timestamp = text.parse().ok()?;
    (instant.as_second() > NEVER_UNTIL).then_some(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_zone_are_read_and_never_is_none() {
        for text in ["2026-11-23T18:04:10Z", "2026-11-24T03:04:10+09:00"] {
            assert_eq!(instant(text).unwrap().to_string(), "2026-11-23T18:04:10Z");
        }
        for never in [
            "1970-01-01T00:00:00Z",
            "1970-01-01T09:00:00+09:00",
            "0001-01-01T00:00:00Z",
            "",
            "soon",
        ] {
            assert_eq!(instant(never), None, "{never}");
        }
    }
}
