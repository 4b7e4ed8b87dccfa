//! One extension at the least cost: which of its manifests are read, and which only named.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Semaphore;

use crate::error::Result;
use crate::http::room::Room;
use crate::models::artifact::ArtifactChoice;
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::extension::{Extension, Release, ReleaseVersion};
use crate::models::tag::Tag;
use crate::oci::newest::keep_newest;
use crate::oci::reading::{Place, Reader, Reading, broken, is_lasting};

/// Requests under way for one extension.
pub const AT_ONCE: usize = 8;
/// Manifests read beyond the newest version's, while none holds an archive.
const FURTHER_MAX: usize = 5;
/// Manifests read where there is no version: only their dates can order them.
const UNVERSIONED_MAX: usize = 20;
/// Releases read when all are asked for; older ones stay named. A repository of more is a log.
const RELEASES_MAX: usize = 1_000;
/// Releases that could not be read before and are read again.
const BROKEN_MAX: usize = 20;
/// Tags that may float of which is asked what they stand for, the newest ones.
const FLOATING_MAX: usize = 100;

/// The releases of one extension while they are found.
pub struct Sweep<'a> {
    reader: &'a Reader,
    place: &'a Place,
    room: Room,
    readings: BTreeMap<Tag, Reading>,
}

impl<'a> Sweep<'a> {
    /// Begins with what the tags alone tell, and what was read of them before.
    #[must_use]
    pub fn new(reader: &'a Reader, place: &'a Place, tags: Vec<Tag>, room: Room) -> Self {
        let shown = tags.into_iter().filter(|tag| !tag.is_housekeeping());
        let known = |tag: Tag| {
            let known = reader.remembered(place, &tag);
            (tag.clone(), known.unwrap_or_else(|| unread(place.backend, tag, None)))
        };
        Self { reader, place, room, readings: shown.map(known).collect() }
    }

    /// The newest release in full, and the digests that tell which tags float to another.
    ///
    /// What was read before is confirmed, however old it is: nothing of it is older than this call.
    ///
    /// # Errors
    /// A failure that may pass; what is wrong with a single release is a fault of the extension.
    pub async fn newest(mut self) -> Result<Extension> {
        self.resolve_floating().await?;
        self.forget_moved().await?;
        self.read_broken().await?;
        let is_version = |r: &Reading| matches!(r.release.version, ReleaseVersion::Version(_));
        if self.readings.values().any(is_version) {
            self.read_latest().await?;
        } else {
            self.read_some(UNVERSIONED_MAX, &Semaphore::new(AT_ONCE)).await?;
        }
        self.resolve_targets().await?;
        Ok(self.extension())
    }

    /// Every release in full, each read with one of these permits.
    ///
    /// # Errors
    /// A failure that may pass.
    pub async fn all(mut self, permits: &Semaphore) -> Result<Extension> {
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

    /// Forgets what was read of tags that stand for something else by now. The latest is asked for
    /// when it is read.
    async fn forget_moved(&mut self) -> Result<()> {
        let latest = self.extension().latest().map(|release| release.tag.clone());
        let is_read = |reading: &Reading| {
            let release = &reading.release;
            release.manifest_digest.is_some() && release.artifact != ArtifactChoice::Unread
        };
        let remembered: Vec<(Tag, Option<Digest>)> = self
            .readings
            .iter()
            .filter(|(tag, reading)| is_read(reading) && latest.as_ref() != Some(tag))
            .map(|(tag, reading)| (tag.clone(), reading.release.manifest_digest.clone()))
            .collect();
        let (reader, place) = (self.reader, self.place);
        let moved: Vec<Option<(Tag, Option<Digest>)>> = stream::iter(remembered)
            .map(|(tag, known)| async move {
                let now = reader.digest_of(place, &tag).await?;
                crate::error::Result::Ok((now != known).then_some((tag, now)))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (tag, now) in moved.into_iter().flatten() {
            // With its digest: that is how it is seen that the release is another one.
            self.readings.insert(tag.clone(), unread(self.place.backend, tag, now));
        }
        Ok(())
    }

    /// Reads again what could not be read before, the newest of it: it may be mended.
    async fn read_broken(&mut self) -> Result<()> {
        let is_broken = |reading: &&Reading| {
            let release = &reading.release;
            release.manifest_digest.is_none() && !release.artifact.is_usable()
        };
        let broken: Vec<&Release> =
            self.readings.values().filter(is_broken).map(|reading| &reading.release).collect();
        let tags = newest_of(broken, BROKEN_MAX);
        self.read_these(tags, &Semaphore::new(AT_ONCE)).await
    }

    /// Asks what each `v?N` and `v?N.N` stands for.
    async fn resolve_floating(&mut self) -> Result<()> {
        let floating = self.readings.keys().filter(|tag| tag.may_float()).cloned();
        let mut tags: Vec<Tag> = floating.collect();
        keep_newest(&mut tags, FLOATING_MAX);
        let (reader, place) = (self.reader, self.place);
        let resolved: Vec<_> = stream::iter(tags)
            .map(|tag| async move {
                let digest = reader.digest_of(place, &tag).await?;
                crate::error::Result::Ok((tag, digest))
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

    /// Reads what is the latest as far as is known, until that holds an archive and cannot be an
    /// alias of a version not read yet.
    async fn read_latest(&mut self) -> Result<()> {
        let mut read = Vec::new();
        while read.len() <= FURTHER_MAX {
            let so_far = self.extension();
            let Some(latest) = so_far.latest() else { return Ok(()) };
            let next = if !read.contains(&latest.tag) {
                // Of tags with the same numbers the shortest stands for all, and is often an alias.
                let target = same_line(&so_far, &latest.tag).filter(|_| read.is_empty());
                target.unwrap_or_else(|| latest.tag.clone())
            } else if let Some(pinned) = unread_target(&so_far, &latest.tag) {
                pinned
            } else {
                return Ok(());
            };
            let reading = self.reader.read(self.place, &next, self.room).await;
            self.take(&next, reading)?;
            read.push(next);
        }
        Ok(())
    }

    /// Asks what the versions stand for to which tags may float that are still listed: of a version
    /// that was not read it is not known yet.
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
        let (reader, place, room) = (self.reader, self.place, self.room);
        let mut readings = stream::iter(tags)
            .map(|tag| async move {
                // Nobody closes it; without a permit nothing would be wrong but the share.
                let _permit = permits.acquire().await;
                (reader.read(place, &tag, room).await, tag)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((reading, tag)) = readings.next().await {
            self.take(&tag, reading)?;
        }
        Ok(())
    }

    /// Keeps a reading. A release that cannot be read for good holds nothing, and is a fault.
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

/// A release that is only named, with what its tag stands for where that is known.
fn unread(backend: BackendId, tag: Tag, manifest_digest: Option<Digest>) -> Reading {
    let artifact = ArtifactChoice::Unread;
    let release = Release { artifact, manifest_digest, ..Release::of_tag(backend, tag) };
    Reading { release, faults: Vec::new() }
}

/// The tags of the newest of these releases.
fn newest_of(mut releases: Vec<&Release>, max: usize) -> Vec<Tag> {
    releases.sort_by(|a, b| a.cmp_listed(b));
    releases.into_iter().take(max).map(|release| release.tag.clone()).collect()
}

/// Of a tag that may float, the newest version of its line, where that was not read. Looked for only
/// where it is known what the tag stands for: of few, however many there are.
fn pinned_by(extension: &Extension, floating: &Release) -> Option<Tag> {
    floating.manifest_digest.as_ref()?;
    let target = extension
        .all_releases()
        .find(|release| !release.is_prerelease() && may_float_to(&floating.tag, release))?;
    target.manifest_digest.is_none().then(|| target.tag.clone())
}

/// Of a latest tag that may float, the newest unread version that it may float to.
fn unread_target(extension: &Extension, latest: &Tag) -> Option<Tag> {
    if !latest.may_float() {
        return None;
    }
    let unread = || {
        let releases = extension.all_releases();
        releases.filter(|one| one.artifact == ArtifactChoice::Unread && !one.tag.may_float())
    };
    same_line(extension, latest).or_else(|| unread().next().map(|release| release.tag.clone()))
}

/// The newest unread version that begins with the numbers of a tag that may float.
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
