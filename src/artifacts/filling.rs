//! Fetches into the store, from the first reader to the stored file.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::artifacts::buffers::Allowance;
use crate::artifacts::disk::Disk;
use crate::artifacts::eviction::FileStamp;
use crate::artifacts::fetch::{Fetched, Filed, Space, Writer, fetch};
use crate::artifacts::fill::{Fill, FillEnd};
use crate::artifacts::reader::FillReader;
use crate::artifacts::{ArtifactRequest, Artifacts, ContentIdentity, DownloadOrigin, algorithm_of};
use crate::files::unfinished::Unfinished;
use crate::models::digest::Digest;

struct FillSpace {
    artifacts: Arc<Artifacts>,
    taken: AtomicU64,
}

impl Space for FillSpace {
    fn take(&self, bytes: u64) -> bool {
        let Some(left) = self.artifacts.shelf.lock().arrive(bytes) else { return false };
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        self.artifacts.remove(left);
        true
    }
}

type FilledFile = (Digest, FileStamp);

impl Artifacts {
    /// Joins the fetch in progress, or starts one; `None` if the store does not take the artifact.
    pub(super) fn join(
        self: &Arc<Self>,
        wanted: &ArtifactRequest,
        part: Range<u64>,
        allowance: &Arc<Allowance>,
    ) -> Option<(FillReader, DownloadOrigin)> {
        let disk = self.disk.clone()?;
        let size = wanted.artifact.size;
        // An unknown size is `u64::MAX`, so an artifact without one is always streamed.
        if !self.shelf.lock().takes(size) {
            return None;
        }
        let identity = ContentIdentity::of(wanted);
        let mut fills = self.fills.lock();
        // The announced sizes differ if the file was replaced in between.
        let under_way = fills.get(&identity).filter(|fill| fill.size == size);
        if let Some(reader) = under_way.and_then(|f| f.join(part.clone(), Arc::clone(allowance))) {
            return Some((reader, DownloadOrigin::Shared));
        }
        let fill = Fill::new(size);
        // Registered before the lock is released, or two requests would start two fetches.
        let reader = fill.join(part, Arc::clone(allowance))?;
        fills.insert(identity.clone(), Arc::clone(&fill));
        drop(fills);
        self.begin(disk, fill, identity, wanted.clone());
        Some((reader, DownloadOrigin::Backend))
    }

    /// Fetches in a separate task, which continues when the first reader leaves.
    fn begin(
        self: &Arc<Self>,
        disk: Disk,
        fill: Arc<Fill>,
        identity: ContentIdentity,
        wanted: ArtifactRequest,
    ) {
        self.busy.send_modify(|busy| *busy += 1);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let room = FillSpace { artifacts: Arc::clone(&this), taken: AtomicU64::new(0) };
            let kept = this.run(disk, &fill, &wanted, &room).await;
            let mut shelf = this.shelf.lock();
            shelf.ended(room.taken.into_inner());
            let left = kept.map(|(digest, stamp)| shelf.put(digest, fill.size, Some(stamp)));
            drop(shelf);
            // Removed only after `put`: a request in between finds the fetch or the file.
            let mut fills = this.fills.lock();
            // A later fetch may have taken the place, if this one was closed to new readers.
            if fills.get(&identity).is_some_and(|now| Arc::ptr_eq(now, &fill)) {
                fills.remove(&identity);
            }
            drop(fills);
            this.remove(left.unwrap_or_default());
            this.count();
            this.busy.send_modify(|busy| *busy -= 1);
        });
    }

    async fn run(
        &self,
        disk: Disk,
        fill: &Arc<Fill>,
        wanted: &ArtifactRequest,
        room: &FillSpace,
    ) -> Option<FilledFile> {
        let beginning = disk.clone();
        let begun = self.lane.run(move || Ok((beginning.renewed()?, beginning.begin()?))).await;
        let begun = begun.flatten().map(|(renewed, begun)| {
            // The directory was replaced or remounted, so the shelf lists files that are not there.
            renewed.into_iter().for_each(|found| self.restock(found));
            begun
        });
        let Ok((file, unfinished)) = begun.inspect_err(|error| self.failed(error)) else {
            fill.finish(FillEnd::Unstorable);
            return None;
        };
        let file = Arc::clone(fill.file.get_or_init(|| Arc::new(file)));
        let writer = Writer::new(fill, file, algorithm_of(&wanted.artifact), room);
        let fetched = tokio::select! {
            fetched = fetch(writer, &wanted.upstream) => fetched,
            () = fill.deserted() => return None,
        };
        let judged = fetched.and_then(|all| self.judge(wanted, &all.digest).map(|()| all));
        match judged {
            Ok(fetched) => {
                (wanted.witness)(&fetched.digest);
                // Before the file is synced: readers need not wait for the disk.
                fill.finish(FillEnd::Verified);
                self.keep(disk, fill, unfinished, fetched).await
            }
            Err(error) => {
                fill.finish(FillEnd::Failed(error));
                None
            }
        }
    }

    async fn keep(
        &self,
        disk: Disk,
        fill: &Arc<Fill>,
        unfinished: Unfinished,
        fetched: Fetched,
    ) -> Option<FilledFile> {
        let file = Arc::clone(fill.file.get()?);
        match fetched.filed {
            Filed::Whole => {}
            // Other fetches have the room. This is not a failure, and the next request tries again.
            Filed::NoRoom => return None,
            Filed::Failed(error) => {
                self.failed(&error);
                return None;
            }
        }
        let kept = blocking(move || {
            let stamp = disk.keep(&file, unfinished, &fetched.digest)?;
            Ok((fetched.digest, stamp))
        });
        let kept = kept.await;
        match &kept {
            Ok(_) => self.recovered(),
            Err(error) => self.failed(error),
        }
        kept.ok()
    }

    /// Waits until every fetch has ended, so that complete artifacts are stored at shutdown.
    pub async fn settle(&self) {
        // Never an error: `self` holds the sender, so the wait ends with the last fetch.
        let _ = self.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
