//! Parts: files of downloads that are not complete, beside their target.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use registry_core::models::digest::Digest;
use same_file::Handle;

/// Digits of a digest in the name of a part.
const DIGITS: usize = 12;
/// Attempts to open the part while another program completes it.
const ATTEMPTS: usize = 8;

/// An open part. No other program has it open as a part.
#[derive(Debug)]
pub(crate) struct PartFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    /// Bytes that are there from an earlier run.
    pub(crate) start: u64,
}

impl PartFile {
    /// Opens the part of a file. That of a known digest is continued, others begin anew. While another
    /// program has it open, a part of this process alone is used.
    pub(crate) fn open(directory: &Path, name: &str, digest: Option<&Digest>) -> io::Result<Self> {
        let suffix = digest.and_then(|digest| digest.hex().get(..DIGITS)).unwrap_or("unknown");
        let path = directory.join(format!(".{name}.part-{suffix}"));
        for _ in 0..ATTEMPTS {
            let file = options().open(&path)?;
            if file.try_lock().is_err() {
                break;
            }
            // The other program may have renamed the part between our opening and our lock: then the
            // open file is its complete target.
            if !is_at(&file, &path)? {
                continue;
            }
            if digest.is_none() {
                file.set_len(0)?;
            }
            let start = file.metadata()?.len();
            return Ok(Self { file, path, start });
        }
        let path = directory.join(format!(".{name}.part-{suffix}-{}", std::process::id()));
        let file = options().truncate(true).open(&path)?;
        Ok(Self { file, path, start: 0 })
    }

    /// Removes the part.
    pub(crate) fn remove(&self) {
        // What cannot be removed is found by the next run, whose digest decides.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn options() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    // A link in the place of a part would lead the bytes elsewhere.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
    );
    options
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match Handle::from_path(path) {
        Ok(there) => Ok(Handle::from_file(file.try_clone()?)? == there),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_part_is_continued_by_its_digest_and_never_shared() {
        let dir = tempfile::tempdir().unwrap();
        let digest = Digest::sha256(b"x");
        let mut first = PartFile::open(dir.path(), "a", Some(&digest)).unwrap();
        first.file.write_all(b"12345").unwrap();
        let beside = PartFile::open(dir.path(), "a", Some(&digest)).unwrap();
        assert!(beside.path != first.path && beside.start == 0);
        drop(first);
        assert_eq!(PartFile::open(dir.path(), "a", Some(&digest)).unwrap().start, 5);
        let other = PartFile::open(dir.path(), "a", Some(&Digest::sha256(b"y"))).unwrap();
        assert_eq!(other.start, 0);
        let mut unknown = PartFile::open(dir.path(), "a", None).unwrap();
        unknown.file.write_all(b"123").unwrap();
        drop(unknown);
        assert_eq!(PartFile::open(dir.path(), "a", None).unwrap().start, 0, "fetched anew");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_part_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join(".a.part-unknown")).unwrap();
        assert!(PartFile::open(dir.path(), "a", None).is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
