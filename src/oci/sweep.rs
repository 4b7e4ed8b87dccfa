//! One extension at the least cost: which of its manifests are read, and which only named.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::Result;
use crate::models::artifact::ArtifactChoice;
use crate::models::extension::{Extension, Release, ReleaseVersion};
use crate::models::source::Source;
use crate::models::tag::Tag;
use crate::oci::reading::{Place, Reader, Reading, is_lasting};

/// Requests under way for one extension.
pub const AT_ONCE: usize = 8;
/// Manifests read beyond the newest version's, while none holds an archive.
const FURTHER_MAX: usize = 5;
/// Manifests read where there is no version: only their dates can order them.
const UNVERSIONED_MAX: usize = 20;
/// Releases read when all are asked for; older ones stay named. A repository of more is a log.
const RELEASES_MAX: usize = 1_000;

/// The releases of one extension while they are found.
pub struct Sweep<'a> {
    reader: &'a Reader,
    place: &'a Place,
    releases: BTreeMap<Tag, Release>,
    faults: Vec<String>,
}

impl<'a> Sweep<'a> {
    /// Begins with what the tags alone tell, and what was read of them before.
    #[must_use]
    pub fn new(reader: &'a Reader, place: &'a Place, tags: Vec<Tag>) -> Self {
        let mut sweep = Self { reader, place, releases: BTreeMap::new(), faults: Vec::new() };
        for tag in tags.into_iter().filter(|tag| !tag.is_housekeeping()) {
            let unread = Release {
                artifact: ArtifactChoice::Unread,
                ..Release::of_tag(Source::Oci, tag.clone())
            };
            let known = reader.remembered(place, &tag).map(|reading| reading.release);
            sweep.releases.insert(tag, known.unwrap_or(unread));
        }
        sweep
    }

    /// The newest release in full, and the digests that tell which tags float to another.
    ///
    /// # Errors
    /// A failure that may pass; what is wrong with a single release is a fault of the extension.
    pub async fn newest(mut self) -> Result<Extension> {
        self.resolve_floating().await?;
        let versioned = |release: &Release| matches!(release.version, ReleaseVersion::Version(_));
        if self.releases.values().any(versioned) {
            self.read_latest().await?;
        } else {
            self.read_some(UNVERSIONED_MAX).await?;
        }
        Ok(self.extension())
    }

    /// Every release in full.
    ///
    /// # Errors
    /// A failure that may pass.
    pub async fn all(mut self) -> Result<Extension> {
        self.read_some(RELEASES_MAX).await?;
        Ok(self.extension())
    }

    fn extension(self) -> Extension {
        let releases = self.releases.into_values().collect();
        Extension::new(self.place.id.clone(), releases).with_faults(self.faults)
    }

    fn so_far(&self) -> Extension {
        Extension::new(self.place.id.clone(), self.releases.values().cloned().collect())
    }

    /// Asks what each `v?N` and `v?N.N` stands for.
    async fn resolve_floating(&mut self) -> Result<()> {
        let tags: Vec<Tag> = self.releases.keys().filter(|tag| tag.may_float()).cloned().collect();
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
            if let Some(release) = self.releases.get_mut(&tag) {
                release.manifest_digest = digest;
            }
        }
        Ok(())
    }

    /// Reads what is the latest as far as is known, until that holds an archive and cannot be an
    /// alias of a version not read yet.
    async fn read_latest(&mut self) -> Result<()> {
        let mut read = Vec::new();
        while read.len() <= FURTHER_MAX {
            let so_far = self.so_far();
            let Some(latest) = so_far.latest() else { return Ok(()) };
            let next = if !read.contains(&latest.tag) {
                latest.tag.clone()
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

    async fn read_some(&mut self, max: usize) -> Result<()> {
        let mut order: Vec<&Release> = self.releases.values().collect();
        order.sort_by(|a, b| a.cmp_listed(b));
        let tags: Vec<Tag> = order.into_iter().take(max).map(|r| r.tag.clone()).collect();
        let (reader, place) = (self.reader, self.place);
        let mut readings = stream::iter(tags)
            .map(|tag| async move { (reader.read(place, &tag).await, tag) })
            .buffer_unordered(AT_ONCE);
        while let Some((reading, tag)) = readings.next().await {
            self.take(&tag, reading)?;
        }
        Ok(())
    }

    /// Keeps a reading. A release that cannot be read for good is not listed, and a fault.
    fn take(&mut self, tag: &Tag, reading: Result<Reading>) -> Result<()> {
        match reading {
            Ok(Reading { release, faults }) => {
                self.releases.insert(tag.clone(), release);
                self.faults.extend(faults);
            }
            Err(error) if is_lasting(&error) => {
                self.releases.remove(tag);
                self.faults.push(format!("tag {tag}: {}", error.report()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Of a latest tag that may float, the newest unread version that it may float to.
fn unread_target(extension: &Extension, latest: &Tag) -> Option<Tag> {
    if !latest.may_float() {
        return None;
    }
    let target = extension
        .releases()
        .iter()
        .find(|release| release.artifact == ArtifactChoice::Unread && !release.tag.may_float())?;
    Some(target.tag.clone())
}
