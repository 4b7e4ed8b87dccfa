//! Lookup of stored files. A file is verified once per process, and again after it changed.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use tracing::warn;

use crate::artifacts::Artifacts;
use crate::artifacts::disk::{Disk, DiskFile, digest_of};
use crate::artifacts::filling::blocking;
use crate::error::{Error, ErrorKind};
use crate::models::artifact::Artifact;
use crate::models::digest::Digest;

impl Artifacts {
    /// Returns true if the shelf lists the artifact. Does not access the disk.
    #[must_use]
    pub fn holds(&self, digest: &Digest) -> bool {
        self.shelf.lock().get(digest).is_some()
    }

    pub(super) async fn find(
        self: &Arc<Self>,
        artifact: &Artifact,
        part: Range<u64>,
    ) -> Option<(File, Range<u64>)> {
        let (digest, disk) = (artifact.digest.as_ref()?, self.disk.as_ref()?);
        let verified = self.shelf.lock().get(digest)?;
        let DiskFile { file, found, noted } = self.open_file(disk, digest).await?;
        // The stamp has the `ctime`, which only the system sets, so every modification shows.
        let known = verified == Some(found);
        // Only this service's update of the access time changed the stamp.
        if known && noted != found {
            self.shelf.lock().verified(digest, noted);
        }
        let good = known || self.verify(disk, digest).await;
        // The size comes from the backend's metadata and may be wrong even if the digest is right.
        if !good || found.size != artifact.size {
            return None;
        }
        Some((file, part))
    }

    async fn open_file(&self, disk: &Disk, digest: &Digest) -> Option<DiskFile> {
        let (disk, wanted) = (disk.clone(), digest.clone());
        let opened = self.lane.run(move || disk.stored(&wanted)).await.flatten();
        match opened {
            Ok(Some(opened)) => Some(opened),
            Ok(None) => {
                // Removed by an operator, for example; the next request fetches it again.
                self.shelf.lock().remove(digest);
                self.count();
                None
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    /// Verifies a stored file. One that does not match its digest is moved aside.
    async fn verify(self: &Arc<Self>, disk: &Disk, digest: &Digest) -> bool {
        let (this, disk, wanted) = (Arc::clone(self), disk.clone(), digest.clone());
        let verified = self.verifying.ask(digest, || async move {
            // Opened again: a shared verification may outlive the request whose file it would use.
            let found = blocking(move || {
                let Some(DiskFile { file, noted, .. }) = disk.stored(&wanted)? else {
                    return Ok(None);
                };
                let found = digest_of(&file, wanted.algorithm())?;
                let aside = if found == wanted { None } else { Some(disk.set_aside(&wanted)?) };
                Ok(Some((wanted, noted, aside)))
            });
            let found = found.await.map_err(|error| {
                Error::new(ErrorKind::Internal, "A stored artifact cannot be read").because(error)
            })?;
            Ok(found.is_some_and(|(digest, stamp, aside)| match aside {
                None => {
                    this.shelf.lock().verified(&digest, stamp);
                    true
                }
                Some(aside) => {
                    warn!(%digest, aside = %aside.display(), "a stored artifact is damaged and moved aside");
                    this.shelf.lock().remove(&digest);
                    this.counters.failed();
                    this.count();
                    false
                }
            }))
        });
        verified.await.unwrap_or_else(|error| {
            self.failed(&error.report());
            false
        })
    }

    pub(super) fn remove(&self, left: Vec<Digest>) {
        let Some(disk) = self.disk.clone().filter(|_| !left.is_empty()) else { return };
        tokio::task::spawn_blocking(move || {
            for digest in left {
                if let Err(error) = disk.remove(&digest) {
                    warn!(%digest, "cannot remove a stored artifact: {error}");
                }
            }
        });
    }
}
