//! Fetches from their first reader to the file that is kept.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tempfile::TempPath;

use crate::cache::artifacts::disk::Disk;
use crate::cache::artifacts::fetch::{Fetched, fetch};
use crate::cache::artifacts::fill::{End, Fill};
use crate::cache::artifacts::reader::Reader;
use crate::cache::artifacts::shelf::Stamp;
use crate::cache::artifacts::{Artifacts, Identity, Origin, Wanted, algorithm_of};
use crate::models::artifact::Artifact;
use crate::models::digest::Digest;

/// A file that is on disk now, and is as it was verified.
type Kept = (Digest, Stamp);

impl Artifacts {
    /// A reader of the fetch under way, or of one that begins now; `None` if there is no room.
    pub(super) fn join(
        self: &Arc<Self>,
        wanted: &Wanted,
        part: Range<u64>,
    ) -> Option<(Reader, Origin)> {
        let disk = self.disk.clone()?;
        let Artifact { digest, key, size, .. } = &*wanted.artifact;
        let unknown = || Identity::Unknown(wanted.source, key.clone());
        let identity = digest.clone().map_or_else(unknown, Identity::Known);
        let mut fills = self.fills.lock();
        let under_way = fills.get(&identity).filter(|fill| fill.size == *size);
        if let Some(reader) = under_way.and_then(|f| f.join(part.clone(), self.buffers.clone())) {
            return Some((reader, Origin::Shared));
        }
        let left = self.shelf.lock().reserve(*size)?;
        self.remove(left);
        let fill = Fill::new(*size);
        let reader = fill.join(part, self.buffers.clone())?;
        fills.insert(identity.clone(), Arc::clone(&fill));
        drop(fills);
        self.begin(disk, fill, identity, wanted.clone());
        Some((reader, Origin::Backend))
    }

    /// Fetches in a task of its own, which goes on when the first reader leaves.
    fn begin(self: &Arc<Self>, disk: Disk, fill: Arc<Fill>, identity: Identity, wanted: Wanted) {
        self.busy.send_modify(|busy| *busy += 1);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let kept = this.run(disk, &fill, &wanted).await;
            let mut shelf = this.shelf.lock();
            shelf.release(fill.size);
            let left = kept.map(|(digest, stamp)| shelf.put(digest, fill.size, Some(stamp)));
            drop(shelf);
            // Only now: who comes in between finds the fetch, or the file.
            let mut fills = this.fills.lock();
            if fills.get(&identity).is_some_and(|now| Arc::ptr_eq(now, &fill)) {
                fills.remove(&identity);
            }
            drop(fills);
            this.remove(left.unwrap_or_default());
            this.count();
            this.busy.send_modify(|busy| *busy -= 1);
        });
    }

    /// Fetches, verifies and keeps; gives up once nobody reads any more.
    async fn run(&self, disk: Disk, fill: &Arc<Fill>, wanted: &Wanted) -> Option<Kept> {
        let beginning = disk.clone();
        let begun = blocking(move || beginning.begin()).await;
        let Ok((file, path)) = begun.inspect_err(|error| self.failed(error)) else {
            fill.finish(End::Unstorable);
            return None;
        };
        let file = Arc::clone(fill.file.get_or_init(|| Arc::new(file)));
        let algorithm = algorithm_of(&wanted.artifact);
        let fetched = tokio::select! {
            fetched = fetch(fill, file, algorithm, &wanted.upstream) => fetched,
            () = fill.deserted() => return None,
        };
        let judged = fetched.and_then(|all| self.judge(wanted, &all.digest).map(|()| all));
        match judged {
            Ok(fetched) => {
                (wanted.witness)(&fetched.digest);
                fill.finish(End::Verified);
                self.keep(disk, fill, path, fetched).await
            }
            Err(error) => {
                fill.finish(End::Failed(Arc::new(error)));
                None
            }
        }
    }

    async fn keep(
        &self,
        disk: Disk,
        fill: &Arc<Fill>,
        path: TempPath,
        fetched: Fetched,
    ) -> Option<Kept> {
        let file = Arc::clone(fill.file.get()?);
        let kept = blocking(move || {
            fetched.disk?;
            let stamp = disk.keep(&file, path, &fetched.digest)?;
            Ok((fetched.digest, stamp))
        });
        let kept = kept.await;
        match &kept {
            Ok(_) => self.recovered(),
            Err(error) => self.failed(error),
        }
        kept.ok()
    }

    /// Waits until every fetch has ended, so that what is verified is kept.
    pub async fn settle(&self) {
        // The sender is ours: the wait ends with the last fetch alone.
        let _ = self.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }
}

/// Does what may wait for a disk where nobody else waits with it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
