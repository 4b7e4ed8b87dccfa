//! Directory of the artifact store: one file per artifact, named by its digest, complete or absent.

use std::fs::{File, FileTimes, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::files;
use registry_core::files::folder::{FileIdentity, Folder};
use registry_core::files::unfinished::Unfinished;
use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use rustix::fs::FileType;
use tracing::warn;

use crate::artifacts::LOG_TARGET;
use crate::artifacts::blobs::{BlobEntry, BlobStamp};

/// Subdirectory for files being written; emptied at startup.
const UNFINISHED: &str = "unfinished";
/// Subdirectory for files that do not match their digest; emptied at startup.
const DAMAGED: &str = "damaged";
const READ_SIZE: usize = 256 * 1024;
/// Minimum time between two updates of a file's access time, in seconds.
const USED_WITHIN: i64 = 60;

/// A directory, opened anew for each use, so that a recreated or remounted one is recognized.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    listed: Arc<Mutex<Option<FileIdentity>>>,
}

impl Disk {
    pub(super) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), listed: Arc::default() }
    }

    /// Creates the subdirectories, and lists the stored files, least recently used first. The
    /// second list names foreign files that are in the way.
    pub(super) fn open(&self) -> io::Result<(Vec<BlobEntry>, Vec<String>)> {
        files::private_directory(&self.dir)?;
        let root = self.root()?;
        let mut told = Vec::new();
        for folder in [UNFINISHED, DAMAGED] {
            // A problem with these two must not make the stored artifacts unavailable.
            match root.made(folder).and_then(|(folder, _)| emptied(&folder)) {
                Ok(foreign) => told.extend(foreign),
                Err(error) => told.push(error.to_string()),
            }
        }
        Ok((self.list(&root)?, told))
    }

    /// Lists the files again if the directory is not the one that was listed last.
    pub(super) fn renewed(&self) -> io::Result<Option<Vec<BlobEntry>>> {
        let root = self.root()?;
        let same = *self.listed.lock() == Some(root.identity()?);
        if same { Ok(None) } else { self.list(&root).map(Some) }
    }

    fn root(&self) -> io::Result<Folder> {
        // Forgotten on failure: a mount that comes back may have the same identity.
        Folder::itself(&self.dir).inspect_err(|_| *self.listed.lock() = None)
    }

    fn list(&self, root: &Folder) -> io::Result<Vec<BlobEntry>> {
        let mut found = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            match root.folder(algorithm.as_str()) {
                Ok(folder) => found.extend(listed(algorithm, &folder)),
                // Expected: the subdirectory of an algorithm is created with its first artifact.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    warn!(target: LOG_TARGET, "the artifact store cannot be used: {error}");
                }
            }
        }
        found.sort_by_key(|(used, _)| *used);
        *self.listed.lock() = Some(root.identity()?);
        Ok(found.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Creates a temporary file, which is removed unless it is kept.
    pub(super) fn begin(&self) -> io::Result<(File, Unfinished)> {
        let (folder, _) = self.root()?.made(UNFINISHED)?;
        Unfinished::begin(folder, ".tmp")
    }

    /// Moves a complete and verified file to its place, and syncs file and directory.
    pub(super) fn keep(
        &self,
        file: &File,
        unfinished: Unfinished,
        digest: &Digest,
    ) -> io::Result<BlobStamp> {
        let [algorithm, folder, name] = place(digest);
        let (parent, _) = self.root()?.made(algorithm)?;
        let (folder, is_new) = parent.made(folder)?;
        // Without this sync, a crash could lose the new directory and the file in it.
        if is_new {
            parent.sync()?;
        }
        unfinished.finish(file, &folder, name)?;
        file.metadata().map(|metadata| stamp(&metadata))
    }

    /// Opens a stored file, and updates its access time, which orders the files after a restart.
    pub(super) fn stored(&self, digest: &Digest) -> io::Result<Option<DiskFile>> {
        let (file, metadata) = match self.folder_of(digest).and_then(|dir| dir.file(digest.hex())) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = Timestamp::now().as_second();
        let found = stamp(&metadata);
        let mut noted = found;
        // Explicit, because most file systems are mounted with `relatime` or `noatime`.
        if metadata.atime() < now - USED_WITHIN {
            let now = UNIX_EPOCH + Duration::from_secs(now.unsigned_abs());
            // Ignored: without access times the order after a restart follows the write times.
            let _ = file.set_times(FileTimes::new().set_accessed(now));
            // The update changes the `ctime`, which would look like a modification of the file.
            noted = stamp(&file.metadata()?);
        }
        Ok(Some(DiskFile { file, found, noted }))
    }

    /// Moves a damaged file aside, where operators can inspect it until the next start.
    pub(super) fn set_aside(&self, digest: &Digest) -> io::Result<PathBuf> {
        let (aside, _) = self.root()?.made(DAMAGED)?;
        self.folder_of(digest)?.rename(digest.hex(), &aside, digest.hex())?;
        Ok(aside.path().join(digest.hex()))
    }

    /// Removes a stored file. Open readers are not affected.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
        self.folder_of(digest)?.remove(digest.hex())
    }

    fn folder_of(&self, digest: &Digest) -> io::Result<Folder> {
        let [algorithm, folder, _] = place(digest);
        self.root()?.folder(algorithm)?.folder(folder)
    }
}

#[derive(Debug)]
pub(super) struct DiskFile {
    pub(super) file: File,
    /// Before the access time was updated.
    pub(super) found: BlobStamp,
    /// After the access time was updated.
    pub(super) noted: BlobStamp,
}

fn place(digest: &Digest) -> [&str; 3] {
    let hex = digest.hex();
    // Two levels keep directories small: some file systems are slow with 200,000 entries in one.
    [digest.algorithm().as_str(), hex.get(..2).unwrap_or(hex), hex]
}

/// Removes the files of a directory. Returns the other entries, which stay.
fn emptied(folder: &Folder) -> io::Result<Vec<String>> {
    let (files, foreign) = folder.files()?;
    for name in files {
        folder.remove(name)?;
    }
    Ok(foreign)
}

pub(super) fn digest_of(mut file: &File, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = DigestHasher::new(algorithm);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

fn stamp(metadata: &Metadata) -> BlobStamp {
    let [modified, changed] =
        [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())];
    // Any owner of the file can set its modification time, but only the system sets the change time.
    let version = [modified.0, modified.1, changed.0, changed.1, metadata.ino().cast_signed()];
    BlobStamp { size: metadata.size(), version }
}

/// Time of the last read or write, in seconds and nanoseconds.
type Used = (i64, i64);

/// Returns the files that are named by a digest and lie in the matching subdirectory.
fn listed(algorithm: Algorithm, parent: &Folder) -> Vec<(Used, BlobEntry)> {
    let folders = parent.entries().unwrap_or_default().into_iter();
    let folders = folders.filter(|(_, kind)| *kind == FileType::Directory);
    let folders = folders.filter_map(|(name, _)| parent.folder(name.to_str()?).ok());
    folders.flat_map(|folder| stored_in(algorithm, &folder)).collect()
}

fn stored_in(algorithm: Algorithm, folder: &Folder) -> Vec<(Used, BlobEntry)> {
    let (names, _) = folder.files().unwrap_or_default();
    let found = names.iter().filter_map(|name| {
        let name = name.to_str()?;
        let is_its_folder = folder.path().file_name()?.to_str() == name.get(..2);
        let digest = format!("{}:{name}", algorithm.as_str()).parse().ok()?;
        let (_, metadata) = folder.file(name).ok().filter(|_| is_its_folder)?;
        // Some mounts do not update access times, so the later of both times counts.
        let times =
            [(metadata.atime(), metadata.atime_nsec()), (metadata.mtime(), metadata.mtime_nsec())];
        let used = times.into_iter().max()?;
        Some((used, BlobEntry { digest, size: metadata.size() }))
    });
    found.collect()
}
