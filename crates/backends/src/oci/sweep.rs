//! Cheap read of one extension: few manifests are read, and the other releases are only named.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use registry_core::error::Result;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Extension, Release, ReleaseVersion};
use registry_core::models::tag::Tag;
use tokio::sync::Semaphore;

use crate::oci::failures::is_lasting;
use crate::oci::newest::keep_newest;
use crate::oci::reading::{ManifestReader, Reading, RepositoryRef, broken};

/// Concurrent requests for one extension.
pub const AT_ONCE: usize = 8;
/// Manifests read in addition to the newest version's, while none has an archive.
const FURTHER_MAX: usize = 5;
/// Manifests read if there is no version, because only their dates give an order.
const UNVERSIONED_MAX: usize = 20;
/// Releases read for a complete list; older ones are only named. A repository with more is a log.
const RELEASES_MAX: usize = 1_000;
/// Maximum number of unreadable releases that are read again.
const BROKEN_MAX: usize = 20;
/// Maximum number of floating tags that are resolved, the newest first.
const FLOATING_MAX: usize = 100;

/// State of the read of one extension.
pub struct Sweep<'a> {
    reader: &'a ManifestReader,
    place: &'a RepositoryRef,
    readings: BTreeMap<Tag, Reading>,
}

impl<'a> Sweep<'a> {
    /// Starts with the tags and their cached readings.
    #[must_use]
    pub fn new(reader: &'a ManifestReader, place: &'a RepositoryRef, tags: Vec<Tag>) -> Self {
        let shown = tags.into_iter().filter(|tag| !tag.is_housekeeping());
        let readings = shown.map(|tag| {
            let known = reader.remembered(place, &tag);
            (tag.clone(), known.unwrap_or_else(|| unread(place.backend, tag, None)))
        });
        Self { reader, place, readings: readings.collect() }
    }

    /// Reads the newest release in full, and the digests of floating tags. Cached readings are
    /// revalidated. Only temporary failures are errors; a release's problem is a fault.
    pub async fn newest(mut self) -> Result<Extension> {
        self.resolve_floating().await?;
        self.forget_moved().await?;
        self.read_broken().await?;
        let mut versions = self.readings.values().map(|reading| &reading.release.version);
        if versions.any(|version| matches!(version, ReleaseVersion::Version(_))) {
            self.read_latest().await?;
        } else {
            self.read_some(UNVERSIONED_MAX, &Semaphore::new(AT_ONCE)).await?;
        }
        self.resolve_targets().await?;
        Ok(self.extension())
    }

    /// Reads every release in full, each with one of the permits. Fails for temporary reasons only.
    pub async fn all(mut self, permits: &Semaphore) -> Result<Extension> {
        // Releases beyond the bound must be named only, not carry an outdated reading.
        for (tag, reading) in &mut self.readings {
            *reading = unread(self.place.backend, tag.clone(), None);
        }
        self.read_some(RELEASES_MAX, permits).await?;
        Ok(self.extension())
    }

    fn extension(&self) -> Extension {
        let releases = self.readings.values().map(|reading| reading.release.clone()).collect();
        let faults = self.readings.values().flat_map(|reading| reading.faults.clone()).collect();
        Extension::new(self.place.id.clone(), releases).with_faults(faults)
    }

    /// Drops the readings of tags that have moved. The latest is revalidated when it is read.
    async fn forget_moved(&mut self) -> Result<()> {
        let latest = self.extension().latest().map(|release| release.tag.clone());
        let mut remembered: Vec<(Tag, Option<Digest>)> = Vec::new();
        for (tag, Reading { release, .. }) in &self.readings {
            let is_read =
                release.manifest_digest.is_some() && release.artifact != ArtifactChoice::Unread;
            if is_read && latest.as_ref() != Some(tag) {
                remembered.push((tag.clone(), release.manifest_digest.clone()));
            }
        }
        let (reader, place) = (self.reader, self.place);
        let moved: Vec<Option<(Tag, Option<Digest>)>> = stream::iter(remembered)
            .map(|(tag, known)| async move {
                let now = reader.digest_of(place, &tag).await?;
                registry_core::error::Result::Ok((now != known).then_some((tag, now)))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (tag, now) in moved.into_iter().flatten() {
            // The new digest is stored, so that the release is recognized as a different one.
            self.readings.insert(tag.clone(), unread(self.place.backend, tag, now));
        }
        Ok(())
    }

    /// Reads the newest unreadable releases again, since they may have been repaired.
    async fn read_broken(&mut self) -> Result<()> {
        let releases = self.readings.values().map(|reading| &reading.release);
        let broken = releases
            .filter(|release| release.manifest_digest.is_none() && !release.artifact.is_usable());
        let tags = newest_of(broken.collect(), BROKEN_MAX);
        self.read_these(tags, &Semaphore::new(AT_ONCE)).await
    }

    /// Resolves each `v?N` and `v?N.N`.
    async fn resolve_floating(&mut self) -> Result<()> {
        let floating = self.readings.keys().filter(|tag| tag.may_float()).cloned();
        let mut tags: Vec<Tag> = floating.collect();
        keep_newest(&mut tags, FLOATING_MAX);
        let (reader, place) = (self.reader, self.place);
        let resolved: Vec<_> = stream::iter(tags)
            .map(|tag| async move {
                let digest = reader.digest_of(place, &tag).await?;
                registry_core::error::Result::Ok((tag, digest))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (tag, digest) in resolved {
            let Some(reading) = self.readings.get_mut(&tag) else { continue };
            let known = &reading.release.manifest_digest;
            if digest.is_some() && *known != digest {
                *reading = unread(self.place.backend, tag, digest);
            }
        }
        Ok(())
    }

    /// Reads the latest release, and older ones until one holds an archive and cannot be an alias
    /// of an unread version.
    async fn read_latest(&mut self) -> Result<()> {
        let mut read = Vec::new();
        while read.len() <= FURTHER_MAX {
            let so_far = self.extension();
            let Some(latest) = so_far.latest() else { return Ok(()) };
            let next = if !read.contains(&latest.tag) {
                // Among tags with the same numbers, the shortest stands for all and is often an
                // alias.
                let target = same_line(&so_far, &latest.tag).filter(|_| read.is_empty());
                target.unwrap_or_else(|| latest.tag.clone())
            } else if let Some(pinned) = unread_target(&so_far, &latest.tag) {
                pinned
            } else {
                return Ok(());
            };
            let reading = self.reader.read(self.place, &next).await;
            self.take(&next, reading)?;
            read.push(next);
        }
        Ok(())
    }

    /// Resolves the targets of listed floating tags, whose digests are not known yet.
    async fn resolve_targets(&mut self) -> Result<()> {
        let so_far = self.extension();
        let floating = so_far.releases().iter().filter(|r| r.tag.may_float());
        let targets: BTreeSet<Tag> = floating.filter_map(|tag| pinned_by(&so_far, tag)).collect();
        for target in targets {
            let digest = self.reader.digest_of(self.place, &target).await?;
            if let Some(reading) = self.readings.get_mut(&target) {
                reading.release.manifest_digest = digest;
            }
        }
        Ok(())
    }

    async fn read_some(&mut self, max: usize, permits: &Semaphore) -> Result<()> {
        let all = self.readings.values().map(|reading| &reading.release).collect();
        self.read_these(newest_of(all, max), permits).await
    }

    async fn read_these(&mut self, tags: Vec<Tag>, permits: &Semaphore) -> Result<()> {
        let (reader, place) = (self.reader, self.place);
        let mut readings = stream::iter(tags)
            .map(|tag| async move {
                // The semaphore is never closed; even without a permit only the fair share would be
                // lost.
                let _permit = permits.acquire().await;
                (reader.read(place, &tag).await, tag)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((reading, tag)) = readings.next().await {
            self.take(&tag, reading)?;
        }
        Ok(())
    }

    /// Stores a reading. A permanently unreadable release is stored empty, with a fault.
    fn take(&mut self, tag: &Tag, outcome: Result<Reading>) -> Result<()> {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(error) if is_lasting(&error) => broken(self.place.backend, tag, &error),
            Err(error) => return Err(error),
        };
        self.readings.insert(tag.clone(), reading);
        Ok(())
    }
}

fn unread(backend: BackendId, tag: Tag, manifest_digest: Option<Digest>) -> Reading {
    let artifact = ArtifactChoice::Unread;
    let release = Release { artifact, manifest_digest, ..Release::of_tag(backend, tag) };
    Reading { release, faults: Vec::new() }
}

fn newest_of(mut releases: Vec<&Release>, max: usize) -> Vec<Tag> {
    releases.sort_by(|a, b| a.cmp_listed(b));
    releases.into_iter().take(max).map(|release| release.tag.clone()).collect()
}

/// Searched only if the tag's digest is known, which bounds the cost.
fn pinned_by(extension: &Extension, floating: &Release) -> Option<Tag> {
    floating.manifest_digest.as_ref()?;
    let target = extension
        .all_releases()
        .find(|release| !release.is_prerelease() && may_float_to(&floating.tag, release))?;
    target.manifest_digest.is_none().then(|| target.tag.clone())
}

/// Returns the newest unread version that the latest tag may refer to, if that tag may float.
fn unread_target(extension: &Extension, latest: &Tag) -> Option<Tag> {
    if !latest.may_float() {
        return None;
    }
    same_line(extension, latest).or_else(|| {
        let mut releases = extension.all_releases();
        let unread =
            releases.find(|one| one.artifact == ArtifactChoice::Unread && !one.tag.may_float())?;
        Some(unread.tag.clone())
    })
}

/// Returns the newest unread version whose first numbers are those of a floating tag.
fn same_line(extension: &Extension, latest: &Tag) -> Option<Tag> {
    let target = extension.all_releases().find(|release| {
        release.artifact == ArtifactChoice::Unread && may_float_to(latest, release)
    })?;
    Some(target.tag.clone())
}

fn may_float_to(tag: &Tag, release: &Release) -> bool {
    match &release.version {
        ReleaseVersion::Version(version) => tag.may_float_to(version),
        ReleaseVersion::Unversioned(_) => false,
    }
}
