//! Puts files in place: those that are there, those of the cache, and those of the registry.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, stream};
use registry_core::models::digest::{Algorithm, Digest};
use tokio::task::spawn_blocking;

use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::http::Registry;
use crate::output::size;
use crate::pull::cache::Cache;
use crate::pull::existing::{Existing, look};
use crate::pull::fetch::{FetchedFile, fetch};
use crate::pull::item::{Item, Pulled};
use crate::pull::part::PartFile;
use crate::pull::progress::Progress;
use crate::pull::writer::copy;

/// Digits of a digest in a line for people.
const DIGITS: usize = 12;

/// Puts files into one directory.
pub(crate) struct Puller<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) directory: PathBuf,
    pub(crate) cache: Option<Cache>,
    /// True if other files may be replaced.
    pub(crate) forces: bool,
    pub(crate) is_offline: bool,
    pub(crate) progress: Progress,
}

impl Puller<'_> {
    /// Puts all files in place, the largest first, this many at once. Every file is tried.
    pub(crate) async fn pull_all(&self, items: &[Item], jobs: usize) -> Result<Vec<Pulled>> {
        std::fs::create_dir_all(&self.directory).map_err(|error| {
            ClientFailure::failed(format!("{} cannot be made: {error}", self.directory.display()))
        })?;
        let mut order: Vec<(usize, &Item)> = items.iter().enumerate().collect();
        order.sort_by_key(|(_, item)| std::cmp::Reverse(item.size));
        let pulls =
            order.into_iter().map(|(place, item)| async move { (place, self.pull(item).await) });
        let mut pulled: Vec<_> = stream::iter(pulls).buffer_unordered(jobs).collect().await;
        self.progress.end();
        pulled.sort_by_key(|(place, _)| *place);
        all(pulled.into_iter().map(|(_, result)| result))
    }

    /// Says what would become of a file. Fetches nothing.
    pub(crate) async fn plan(&self, item: &Item) -> Result<Pulled> {
        let path = self.directory.join(&item.file);
        let is_there = self.is_there(item, &path).await?;
        Ok(pulled(item, path, item.digest.clone(), item.size, !is_there, false))
    }

    async fn pull(&self, item: &Item) -> Result<Pulled> {
        let path = self.directory.join(&item.file);
        if self.is_there(item, &path).await? {
            self.progress.finished(&format!("unchanged {} {}", item.id, item.version));
            return Ok(pulled(item, path, item.digest.clone(), item.size, false, false));
        }
        let (fetched, from) = match self.take_cached(item, &path).await? {
            Some(fetched) => (fetched, "the cache"),
            None => (self.download(item, &path).await?, item.backend.as_str()),
        };
        self.keep(&fetched.digest, &path);
        let short = fetched.digest.hex().get(..DIGITS).unwrap_or_default();
        let algorithm = fetched.digest.algorithm().as_str();
        let (id, version, length) = (&item.id, &item.version, size(fetched.size));
        self.progress
            .finished(&format!("pulled {id} {version}  {length}  {algorithm}:{short} from {from}"));
        let digest = Some(fetched.digest);
        Ok(pulled(item, path, digest, Some(fetched.size), true, fetched.resumed))
    }

    /// Returns true if the file is there. Fails if another one is in its place that must stay.
    async fn is_there(&self, item: &Item, path: &Path) -> Result<bool> {
        let algorithm = item.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let existing = look(path, algorithm).await;
        let existing = existing.map_err(|error| {
            ClientFailure::failed(format!("{} cannot be read: {error}", path.display()))
        })?;
        let found = match existing {
            Existing::Nothing => return Ok(false),
            Existing::File(digest, _) if item.digest.as_ref() == Some(&digest) => {
                self.keep(&digest, path);
                return Ok(true);
            }
            Existing::File(digest, _) if item.replaces.as_ref() == Some(&digest) => {
                return Ok(false);
            }
            Existing::File(..) if self.forces => return Ok(false),
            Existing::File(digest, _) => format!("it has the digest {digest}"),
            Existing::Other => "it is no regular file".to_owned(),
        };
        let (place, Item { id, version, .. }) = (path.display(), item);
        let message =
            format!("{place} is in the place of {id} {version}, and is another file: {found}");
        Err(ClientFailure::new(FailureKind::Conflict, message)
            .hint("move it away, choose another directory with --to, or replace it with --force"))
    }

    async fn take_cached(&self, item: &Item, path: &Path) -> Result<Option<FetchedFile>> {
        let Some((cache, expected)) = self.cache.as_ref().zip(item.digest.as_ref()) else {
            return Ok(None);
        };
        let Some(file) = cache.open(expected) else { return Ok(None) };
        let algorithm = expected.algorithm();
        let mut part = self.part(item)?;
        let (copied, part) = spawn_blocking(move || {
            let copied = copy(&file, &mut part.file, algorithm);
            (copied.and_then(|digest| Ok((digest, part.file.metadata()?.len()))), part)
        })
        .await
        .map_err(|error| ClientFailure::failed(error.to_string()))?;
        let (digest, size) = copied.map_err(|error| unplaced(&part.path, &error))?;
        if digest != *expected {
            // Another program wrote through a hard link.
            cache.remove(expected);
            part.remove();
            return Ok(None);
        }
        put(&part, path)?;
        Ok(Some(FetchedFile { digest, size, resumed: false }))
    }

    async fn download(&self, item: &Item, path: &Path) -> Result<FetchedFile> {
        if self.is_offline {
            let Item { id, version, .. } = item;
            let message = format!("{id} {version} is neither in the directory nor in the cache");
            return Err(ClientFailure::new(FailureKind::Unavailable, message)
                .hint("run it once without --offline"));
        }
        loop {
            let part = self.part(item)?;
            let progress = self.progress.file(&item.file, item.size);
            let fetched = fetch(self.registry, item, &part, &progress).await;
            drop(progress);
            let fetched = fetched.inspect_err(|failure| {
                if failure.kind() == FailureKind::Integrity {
                    part.remove();
                }
            })?;
            match &item.digest {
                Some(expected) if *expected != fetched.digest => {
                    part.remove();
                    // The part of an earlier run may be damaged; a fresh one tells.
                    if !fetched.resumed {
                        return Err(item.mismatch(&fetched.digest, expected));
                    }
                }
                _ => {
                    put(&part, path)?;
                    return Ok(fetched);
                }
            }
        }
    }

    fn part(&self, item: &Item) -> Result<PartFile> {
        let part = PartFile::open(&self.directory, &item.file, item.digest.as_ref());
        part.map_err(|error| unplaced(&self.directory.join(&item.file), &error))
    }

    /// Adds a file to the cache. Without it the next pull takes longer, so a failure is no failure.
    fn keep(&self, digest: &Digest, path: &Path) {
        if let Some(cache) = self.cache.as_ref().filter(|cache| cache.open(digest).is_none()) {
            let _ = cache.add(digest, path);
        }
    }
}

fn pulled(
    item: &Item,
    path: PathBuf,
    digest: Option<Digest>,
    size: Option<u64>,
    changed: bool,
    resumed: bool,
) -> Pulled {
    Pulled {
        id: item.id.to_string(),
        version: item.version.clone(),
        tag: item.tag.clone(),
        source: item.source.clone(),
        backend: item.backend.clone(),
        digest: digest.map(|digest| digest.to_string()),
        size,
        path,
        changed,
        resumed,
    }
}

fn put(part: &PartFile, path: &Path) -> Result<()> {
    std::fs::rename(&part.path, path).map_err(|error| unplaced(path, &error))
}

fn unplaced(path: &Path, error: &io::Error) -> ClientFailure {
    ClientFailure::failed(format!("{} cannot be written: {error}", path.display()))
}
