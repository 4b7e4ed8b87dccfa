//! The files: one for each artifact, named by its digest, complete or not there.

use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use tempfile::{NamedTempFile, TempPath};

use crate::cache::artifacts::shelf::Stamp;
use crate::models::digest::{Algorithm, Digest, DigestHasher};

/// The folder of files that are still being written, emptied at each start.
const UNFINISHED: &str = "unfinished";
/// The folder of files that were not what their name says, emptied at each start.
const DAMAGED: &str = "damaged";
const READ_SIZE: usize = 256 * 1024;
/// Uses are noted this many seconds apart at least.
const USED_WITHIN: i64 = 60;

/// One directory of artifacts.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    dir: PathBuf,
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
        Self { dir: dir.into() }
    }

    /// Makes the folders, removes what a crash left unfinished, and lists what is stored, the
    /// longest unused first. Files with other names are left alone and not listed.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn open(&self) -> io::Result<Vec<Found>> {
        for folder in [UNFINISHED, DAMAGED] {
            let folder = self.dir.join(folder);
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(&folder)? {
                fs::remove_file(entry?.path())?;
            }
        }
        let mut found = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for folder in folders(&self.dir.join(algorithm.as_str())) {
                found.extend(files(&folder).filter_map(|path| read_name(algorithm, &path)));
            }
        }
        found.sort_by_key(|found| found.used);
        Ok(found)
    }

    /// A new file to write to, which is removed unless it is kept.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn begin(&self) -> io::Result<(File, TempPath)> {
        let file = NamedTempFile::new_in(self.dir.join(UNFINISHED))?;
        Ok(file.into_parts())
    }

    /// Puts a complete and verified file in its place, on disk as well as in name.
    ///
    /// # Errors
    /// The disk failed, or is full.
    pub(super) fn keep(&self, file: &File, path: TempPath, digest: &Digest) -> io::Result<Stamp> {
        file.sync_all()?;
        let place = self.place(digest);
        let folder = place.parent().unwrap_or(&self.dir);
        if !folder.is_dir() {
            fs::create_dir_all(folder)?;
            File::open(self.dir.join(digest.algorithm().as_str()))?.sync_all()?;
        }
        path.persist(&place)?;
        // The new name is on disk only when its directory is.
        File::open(folder)?.sync_all()?;
        file.metadata().map(|metadata| stamp(&metadata))
    }

    /// Opens a stored file for a reader; `None` if there is none.
    ///
    /// Takes note on disk that it was used, for the order after a restart. The time of its last
    /// change stays: by that it is told whether it was tampered with.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(super) fn stored(&self, digest: &Digest) -> io::Result<Option<(File, Stamp)>> {
        let file = match File::open(self.place(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let now = Timestamp::now().as_second();
        if metadata.atime() < now - USED_WITHIN {
            let now = UNIX_EPOCH + Duration::from_secs(now.unsigned_abs());
            // A file system without such times orders by age instead.
            let _ = file.set_times(FileTimes::new().set_accessed(now));
        }
        let stamp = stamp(&metadata);
        Ok(Some((file, stamp)))
    }

    /// Moves a file aside that is not what its name says, where people can look at it until the
    /// next start.
    pub(super) fn set_aside(&self, digest: &Digest) -> io::Result<PathBuf> {
        let aside = self.dir.join(DAMAGED).join(digest.hex());
        fs::rename(self.place(digest), &aside)?;
        Ok(aside)
    }

    /// Removes a stored file. Who reads it reads on.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
        fs::remove_file(self.place(digest))
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = hex.get(..2).unwrap_or(hex);
        self.dir.join(digest.algorithm().as_str()).join(folder).join(hex)
    }
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
    Stamp { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
}

fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path())
}

/// Regular files alone: a link may lead anywhere.
fn files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|e| e.path())
}

/// A file whose name is a digest, in the folder of that digest.
fn read_name(algorithm: Algorithm, path: &Path) -> Option<Found> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    let digest = format!("{}:{name}", algorithm.as_str()).parse().ok()?;
    let metadata = path.metadata().ok().filter(|_| name.get(..2) == Some(folder))?;
    let times =
        [(metadata.atime(), metadata.atime_nsec()), (metadata.mtime(), metadata.mtime_nsec())];
    let used = times.into_iter().max()?;
    Some(Found { digest, size: metadata.size(), used })
}
