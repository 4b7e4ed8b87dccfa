//! The files: one for each artifact, named by its digest, complete or not there.

use std::fs::{File, FileTimes, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use parking_lot::Mutex;
use rustix::fs::FileType;
use tracing::warn;

use crate::cache::artifacts::shelf::Stamp;
use crate::files;
use crate::files::folder::{Folder, Identity};
use crate::files::unfinished::Unfinished;
use crate::models::digest::{Algorithm, Digest, DigestHasher};

/// The folder of files that are still being written, emptied at each start.
const UNFINISHED: &str = "unfinished";
/// The folder of files that were not what their name says, emptied at each start.
const DAMAGED: &str = "damaged";
const READ_SIZE: usize = 256 * 1024;
/// Uses are noted this many seconds apart at least.
const USED_WITHIN: i64 = 60;

/// One directory of artifacts. Opened anew for each use, so that one that was made again, or whose
/// mount came back, is the new one.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    /// The directory that was last listed.
    listed: Arc<Mutex<Option<Identity>>>,
}

/// A stored file as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// When it was last read or written, in seconds and nanoseconds.
    pub(super) used: (i64, i64),
}

impl Disk {
    pub(super) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), listed: Arc::default() }
    }

    /// Makes the folders, removes what a crash left unfinished, and lists what is stored, the
    /// longest unused first. Whatever else is there is left alone; beside the list, what of it is in
    /// the way, for operators.
    ///
    /// # Errors
    /// The directory is not there and cannot be made, or is a link.
    pub(super) fn open(&self) -> io::Result<(Vec<Found>, Vec<String>)> {
        files::private_directory(&self.dir)?;
        let root = self.root()?;
        let mut told = Vec::new();
        for folder in [UNFINISHED, DAMAGED] {
            // Nothing that is wrong with them costs what is stored.
            match root.made(folder).and_then(|(folder, _)| emptied(&folder)) {
                Ok(foreign) => told.extend(foreign),
                Err(error) => told.push(error.to_string()),
            }
        }
        Ok((self.list(&root)?, told))
    }

    /// Lists what is stored if the directory is another one than when it was last listed.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn renewed(&self) -> io::Result<Option<Vec<Found>>> {
        let root = self.root()?;
        let same = *self.listed.lock() == Some(root.identity()?);
        if same { Ok(None) } else { self.list(&root).map(Some) }
    }

    fn root(&self) -> io::Result<Folder> {
        Folder::itself(&self.dir).inspect_err(|_| *self.listed.lock() = None)
    }

    fn list(&self, root: &Folder) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            match root.folder(algorithm.as_str()) {
                Ok(folder) => found.extend(listed(algorithm, &folder)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => warn!("the artifact store cannot be used: {error}"),
            }
        }
        found.sort_by_key(|found| found.used);
        *self.listed.lock() = Some(root.identity()?);
        Ok(found)
    }

    /// A new file to write to, which is removed unless it is kept.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn begin(&self) -> io::Result<(File, Unfinished)> {
        let (folder, _) = self.root()?.made(UNFINISHED)?;
        Unfinished::begin(folder, ".tmp")
    }

    /// Puts a complete and verified file in its place, on disk as well as in name.
    ///
    /// # Errors
    /// The disk failed, or is full.
    pub(super) fn keep(
        &self,
        file: &File,
        unfinished: Unfinished,
        digest: &Digest,
    ) -> io::Result<Stamp> {
        let [algorithm, folder, name] = place(digest);
        let (parent, _) = self.root()?.made(algorithm)?;
        let (folder, is_new) = parent.made(folder)?;
        if is_new {
            parent.sync()?;
        }
        unfinished.finish(file, &folder, name)?;
        file.metadata().map(|metadata| stamp(&metadata))
    }

    /// Opens a stored file for a reader; `None` if there is none. Beside it, how it was found, and
    /// how it is after a note on disk that it was used, for the order after a restart.
    ///
    /// # Errors
    /// It is there and cannot be read, or is no file.
    pub(super) fn stored(&self, digest: &Digest) -> io::Result<Option<Stored>> {
        let (file, metadata) = match self.folder_of(digest).and_then(|dir| dir.file(digest.hex())) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = Timestamp::now().as_second();
        let found = stamp(&metadata);
        let mut noted = found;
        if metadata.atime() < now - USED_WITHIN {
            let now = UNIX_EPOCH + Duration::from_secs(now.unsigned_abs());
            // A file system without such times orders by age instead.
            let _ = file.set_times(FileTimes::new().set_accessed(now));
            noted = stamp(&file.metadata()?);
        }
        Ok(Some(Stored { file, found, noted }))
    }

    /// Moves a file aside that is not what its name says, where people can look at it until the
    /// next start.
    pub(super) fn set_aside(&self, digest: &Digest) -> io::Result<PathBuf> {
        let (aside, _) = self.root()?.made(DAMAGED)?;
        self.folder_of(digest)?.rename(digest.hex(), &aside, digest.hex())?;
        Ok(aside.path().join(digest.hex()))
    }

    /// Removes a stored file. Who reads it reads on.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
        self.folder_of(digest)?.remove(digest.hex())
    }

    fn folder_of(&self, digest: &Digest) -> io::Result<Folder> {
        let [algorithm, folder, _] = place(digest);
        self.root()?.folder(algorithm)?.folder(folder)
    }
}

/// A stored file that is open.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) file: File,
    /// As it was found.
    pub(super) found: Stamp,
    /// As it is since its use was noted.
    pub(super) noted: Stamp,
}

/// The folders of a digest's file, and its name.
fn place(digest: &Digest) -> [&str; 3] {
    let hex = digest.hex();
    [digest.algorithm().as_str(), hex.get(..2).unwrap_or(hex), hex]
}

/// Removes the files of a folder. What is no file is nothing of ours: it stays, and is named.
fn emptied(folder: &Folder) -> io::Result<Vec<String>> {
    let (files, foreign) = folder.files()?;
    for name in files {
        folder.remove(name)?;
    }
    Ok(foreign)
}

/// The digest of a file's content.
///
/// # Errors
/// It cannot be read.
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

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

/// The files of an algorithm's folder whose names are digests, each in the folder of its digest.
fn listed(algorithm: Algorithm, parent: &Folder) -> Vec<Found> {
    let folders = parent.entries().unwrap_or_default().into_iter();
    let folders = folders.filter(|(_, kind)| *kind == FileType::Directory);
    let folders = folders.filter_map(|(name, _)| parent.folder(name.to_str()?).ok());
    folders.flat_map(|folder| stored_in(algorithm, &folder)).collect()
}

fn stored_in(algorithm: Algorithm, folder: &Folder) -> Vec<Found> {
    let (names, _) = folder.files().unwrap_or_default();
    let found = names.iter().filter_map(|name| {
        let name = name.to_str()?;
        let is_its_folder = folder.path().file_name()?.to_str() == name.get(..2);
        let digest = format!("{}:{name}", algorithm.as_str()).parse().ok()?;
        let (_, metadata) = folder.file(name).ok().filter(|_| is_its_folder)?;
        let times =
            [(metadata.atime(), metadata.atime_nsec()), (metadata.mtime(), metadata.mtime_nsec())];
        let used = times.into_iter().max()?;
        Some(Found { digest, size: metadata.size(), used })
    });
    found.collect()
}
