//! Files that are still being written: under a name of their own, until they get the one they are for.

use std::fs::File;
use std::io;

use crate::files::folder::Folder;

/// A file that is removed unless it is given its name.
#[derive(Debug)]
pub struct Unfinished {
    folder: Folder,
    name: Option<String>,
}

impl Unfinished {
    /// Begins a file whose name begins so.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn begin(folder: Folder, prefix: &str) -> io::Result<(File, Self)> {
        let name = format!("{prefix}{:016x}", fastrand::u64(..));
        let file = folder.create(&name)?;
        Ok((file, Self { folder, name: Some(name) }))
    }

    /// Gives it its name in this directory, on disk too, in the place of what has it.
    ///
    /// # Errors
    /// The disk failed, or is full; the file is removed then.
    pub fn finish(mut self, file: &File, folder: &Folder, name: &str) -> io::Result<()> {
        file.sync_all()?;
        if let Some(unfinished) = &self.name {
            self.folder.rename(unfinished, folder, name)?;
            self.name = None;
        }
        // The new name is on disk only when its directory is.
        folder.sync()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // What stays is removed at the next start.
            let _ = self.folder.remove(name);
        }
    }
}
