//! The cache of archives: files by their digest, filled by hard links.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use registry_core::models::digest::Digest;

/// Archives by digest, in a directory of the user.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache below a directory, which may not exist yet.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Opens an archive. Whoever reads it verifies it: a hard link to it may have been written to.
    pub(crate) fn open(&self, digest: &Digest) -> Option<File> {
        File::open(self.path(digest)).ok()
    }

    /// Removes an archive with other bytes.
    pub(crate) fn remove(&self, digest: &Digest) {
        // One that cannot be removed is found again, and fetched each time.
        let _ = std::fs::remove_file(self.path(digest));
    }

    /// Adds a complete file, as a hard link if the file system allows it, else as a copy.
    pub(crate) fn add(&self, digest: &Digest, file: &Path) -> io::Result<()> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(folder)?;
        let temporary = tempfile::Builder::new().prefix(".new").tempdir_in(folder)?;
        let new = temporary.path().join("archive");
        std::fs::hard_link(file, &new).or_else(|_| std::fs::copy(file, &new).map(|_| ()))?;
        std::fs::rename(&new, &path)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = self.directory.join(digest.algorithm().as_str());
        folder.join(hex.get(..2).unwrap_or_default()).join(hex)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn archives_are_found_by_their_digest() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.tar.gz");
        std::fs::write(&file, "bytes").unwrap();
        let (cache, digest) = (Cache::new(&dir.path().join("cache")), Digest::sha256(b"bytes"));
        assert!(cache.open(&digest).is_none());
        cache.add(&digest, &file).unwrap();
        cache.add(&digest, &file).unwrap();
        let mut text = String::new();
        cache.open(&digest).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "bytes");
        let folder = dir.path().join("cache/sha256").join(&digest.hex()[..2]);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing temporary stays");
    }
}
