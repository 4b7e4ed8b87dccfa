//! Reads of one release: by name, by range, in full, and for a download.

use std::sync::Arc;

use registry_core::error::Result;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;

use crate::errors::no_version;
use crate::index::entry::Entry;
use crate::index::view::View;
use crate::read::negative_cache::{LookupKey, LookupSubject};
use crate::read::version_range::{VersionRange, pick};
use crate::read::{Details, Read, Reader};
use crate::retagged::is_retagged;

impl Reader {
    /// Returns one release in full. An unknown version is requested from the backend.
    ///
    /// # Errors
    ///
    /// As [`Reader::find`]; `NotFound` also if the extension has no such version.
    pub async fn find_release(
        &self,
        id: &ExtensionId,
        version: &Tag,
        read: impl Into<Read>,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        let read = read.into();
        let (entry, mut release) = self.find_named(id, version, read).await?;
        // A listing may name tags without their content, which costs a request for each tag.
        if release.artifact == ArtifactChoice::Unread {
            release = self.read_release(entry.id(), &release, read).await?;
        }
        Ok((entry, release))
    }

    /// Returns one release with notes and digest; the cached release while the backend fails.
    ///
    /// # Errors
    ///
    /// As [`Reader::find_release`].
    pub async fn find_details(
        &self,
        id: &ExtensionId,
        version: &Tag,
        read: impl Into<Read>,
    ) -> Result<Details> {
        let read = read.into();
        let (entry, known) = self.find_named(id, version, read).await?;
        self.details(entry, known, read).await
    }

    /// Returns one release to download. If the archive's digest is unknown and other files lie
    /// beside it, reads the release again, because these may include a checksum.
    ///
    /// # Errors
    ///
    /// As [`Reader::find_release`].
    pub async fn find_download(
        &self,
        id: &ExtensionId,
        version: &Tag,
        read: impl Into<Read>,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        let read = read.into();
        let (entry, release) = self.find_release(id, version, read).await?;
        let unknown = release.artifact.chosen().is_some_and(|file| file.digest.is_none());
        // A single asset is the archive itself, so there is no checksum file to look for.
        if !unknown || release.assets.len() < 2 {
            return Ok((entry, release));
        }
        let Details { entry, release, .. } = self.details(entry, release, read).await?;
        // Stored in the index, so that the next download need not read the checksum again.
        if release.artifact.chosen().is_some_and(|file| file.digest.is_some()) {
            self.pins.amend(release.backend, entry.id());
        }
        Ok((entry, release))
    }

    /// Returns the highest listed version in a range, with its digest if the backend has one. If no
    /// cached version matches, the extension is read again first.
    ///
    /// # Errors
    ///
    /// As [`Reader::find`]; `NotFound` also if no version lies in the range. The message names the
    /// nearest version.
    pub async fn resolve(
        &self,
        id: &ExtensionId,
        range: &VersionRange,
        read: impl Into<Read>,
    ) -> Result<Details> {
        let read = read.into();
        let VersionRange { constraint, prereleases } = range;
        let subject = LookupSubject::Range(format!("{constraint}&{prereleases}"));
        let entry = self.find(id, read).await?;
        let entry = self.updated(entry, subject, read, |one| pick(one, range).is_ok()).await?;
        let known = Arc::clone(pick(&entry.extension, range)?);
        match self.with_digest(entry, known, read).await {
            // The picked version was listed without content and turned out to hold no archive. The
            // next ones may hold none either, so every release is read.
            Err(error) if error.is_not_found() => {
                let entry = self.find_whole(id, read).await?;
                let known = Arc::clone(pick(&entry.extension, range)?);
                self.with_digest(entry, known, read).await
            }
            found => found,
        }
    }

    /// Returns one release as it is cached; its content may be unread.
    async fn find_named(
        &self,
        id: &ExtensionId,
        version: &Tag,
        read: Read,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        let entry = self.find(id, read).await?;
        if let Some(release) = entry.extension.find(version).cloned() {
            return Ok((entry, release));
        }
        if let Some(release) = self.find_by_tag(&entry, version, read).await? {
            return Ok((entry, release));
        }
        let subject = LookupSubject::Version(version.clone());
        let entry = self.updated(entry, subject, read, |one| one.find(version).is_some()).await?;
        let release = entry.extension.find(version).cloned();
        let release = release.ok_or_else(|| no_version(id, version))?;
        Ok((entry, release))
    }

    /// Reads the release of a tag that the cached list lacks; `None` if the list lacks nothing,
    /// `NotFound` if the backend does not have it. A list can be too long to keep, or have a part
    /// that cannot be read, so before a 404 such a version is read by its tag.
    async fn find_by_tag(
        &self,
        entry: &Entry,
        tag: &Tag,
        read: Read,
    ) -> Result<Option<Arc<Release>>> {
        let backend = entry.backends().copied().find(|backend| read.scope.includes(*backend));
        // Hidden tags stay hidden, and a tag such as `1.2` may be an alias that moves.
        let is_hidden = tag.is_housekeeping() || tag.may_float();
        let is_listed = entry.extension.is_whole() || is_hidden;
        let Some(backend) = backend.filter(|_| !is_listed) else { return Ok(None) };
        let (id, scope) = (entry.id(), Scope::from(backend));
        let key = LookupKey { id: id.clone(), subject: LookupSubject::Tag(tag.clone()), scope };
        if self.negative.has(&key) {
            return Err(no_version(id, tag));
        }
        let found =
            Read { scope, ..read }.wait(&self.health, self.lookup.tag(id, tag, backend)).await;
        match found {
            Ok(release) if release.artifact.is_usable() => Ok(Some(release)),
            Err(error) if !error.is_not_found() => Err(error),
            _ => {
                self.negative.put(key);
                Err(no_version(id, tag))
            }
        }
    }

    /// Reads a release again if the backend is healthy or the content is unknown.
    async fn details(&self, entry: Arc<Entry>, known: Arc<Release>, read: Read) -> Result<Details> {
        let readable = known.artifact != ArtifactChoice::Unread;
        // With the content cached, a request does not wait for a backend that may be down.
        if readable && !self.health.is_healthy(known.backend) {
            return Ok(Details { entry, release: known, whole: false });
        }
        match self.read_release(entry.id(), &known, read).await {
            Ok(release) => {
                let entry = current_entry(&self.store.view(), entry, &known, &release, read.scope);
                Ok(Details { entry, release, whole: true })
            }
            // The cached content is still correct; it only lacks what a fresh read would add.
            Err(_) if readable => Ok(Details { entry, release: known, whole: false }),
            Err(error) => Err(error),
        }
    }

    /// Only a missing digest makes a resolution read the release.
    async fn with_digest(
        &self,
        entry: Arc<Entry>,
        known: Arc<Release>,
        read: Read,
    ) -> Result<Details> {
        if known.artifact.chosen().is_some_and(|archive| archive.digest.is_some()) {
            return Ok(Details { entry, release: known, whole: true });
        }
        self.details(entry, known, read).await
    }

    async fn read_release(
        &self,
        id: &ExtensionId,
        release: &Arc<Release>,
        read: Read,
    ) -> Result<Arc<Release>> {
        let scope = release.backend.into();
        Read { scope, ..read }.wait(&self.health, self.lookup.release(id, release)).await
    }
}

/// Returns the present entry if the read of the release is what changed it, else the one that the
/// request found: a later change may be newer than the response.
fn current_entry(
    view: &View,
    entry: Arc<Entry>,
    known: &Release,
    read: &Release,
    scope: Scope,
) -> Arc<Entry> {
    let now = view.get(entry.id(), scope).filter(|now| {
        let release = now.extension.all_releases().find(|release| release.tag == read.tag);
        release.is_some_and(|release| release.manifest_digest == read.manifest_digest)
    });
    match now.filter(|_| is_retagged(known, read)) {
        Some(now) => Arc::clone(now),
        None => entry,
    }
}
