//! Files under construction, which have a temporary name until they are complete.

use std::fs::File;
use std::io;

use crate::files::folder::Folder;

/// A temporary file that is removed on drop unless it was renamed.
#[derive(Debug)]
pub struct Unfinished {
    folder: Folder,
    name: Option<String>,
}

impl Unfinished {
    /// Creates a file with a random name that begins with `prefix`. Fails without write access.
    pub fn begin(folder: Folder, prefix: &str) -> io::Result<(File, Self)> {
        let name = format!("{prefix}{:016x}", fastrand::u64(..));
        let file = folder.create(&name)?;
        Ok((file, Self { folder, name: Some(name) }))
    }

    /// Flushes the file and renames it over an existing entry. It is removed if the disk fails.
    pub fn finish(mut self, file: &File, folder: &Folder, name: &str) -> io::Result<()> {
        // The content is on disk before the name: a crash never leaves a partial file under it.
        file.sync_all()?;
        if let Some(unfinished) = &self.name {
            self.folder.rename(unfinished, folder, name)?;
            self.name = None;
        }
        // A rename survives a crash only after the directory itself is flushed.
        folder.sync()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // A file that cannot be removed here is removed at the next start.
            let _ = self.folder.remove(name);
        }
    }
}
