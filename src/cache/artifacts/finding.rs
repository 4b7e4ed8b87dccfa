//! Stored files as they are asked for: verified once in a process, and again when they changed.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use tracing::warn;

use crate::cache::artifacts::Artifacts;
use crate::cache::artifacts::disk::{Disk, Stored, digest_of};
use crate::cache::artifacts::filling::blocking;
use crate::error::{Error, ErrorKind};
use crate::models::artifact::Artifact;
use crate::models::digest::Digest;

impl Artifacts {
    /// Whether an artifact is stored, as far as is known without a look at it.
    #[must_use]
    pub fn holds(&self, digest: &Digest) -> bool {
        self.shelf.lock().get(digest).is_some()
    }

    /// A part of a stored artifact; `None` if it is not stored, or not as it should be.
    pub(super) async fn find(
        self: &Arc<Self>,
        artifact: &Artifact,
        part: Range<u64>,
    ) -> Option<(File, Range<u64>)> {
        let (digest, disk) = (artifact.digest.as_ref()?, self.disk.as_ref()?);
        let verified = self.shelf.lock().get(digest)?;
        let Stored { file, found, noted } = self.open_file(disk, digest).await?;
        let known = verified == Some(found);
        if known && noted != found {
            self.shelf.lock().verified(digest, noted);
        }
        let good = known || self.verify(disk, digest).await;
        if !good || found.size != artifact.size {
            return None;
        }
        Some((file, part))
    }

    async fn open_file(&self, disk: &Disk, digest: &Digest) -> Option<Stored> {
        let (disk, wanted) = (disk.clone(), digest.clone());
        let opened = self.lane.run(move || disk.stored(&wanted)).await.flatten();
        match opened {
            Ok(Some(opened)) => Some(opened),
            Ok(None) => {
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

    /// Whether a stored file is what its name says; one that is not is set aside.
    async fn verify(self: &Arc<Self>, disk: &Disk, digest: &Digest) -> bool {
        let (this, disk, wanted) = (Arc::clone(self), disk.clone(), digest.clone());
        let question = || async move {
            let found = blocking(move || {
                let Some(Stored { file, noted, .. }) = disk.stored(&wanted)? else {
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
        };
        self.verifying.ask(digest, question).await.unwrap_or_else(|error| {
            self.failed(&error.report());
            false
        })
    }

    /// Removes files that left the shelf, where nobody waits for it.
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
