//! Files that are there already.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use registry_core::models::digest::{Algorithm, Digest};
use tokio::task::spawn_blocking;

pub(crate) use crate::pull::writer::digest_of;

/// What is in the place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Nothing.
    Nothing,
    /// A regular file with this digest and length.
    File(Digest, u64),
    /// Something else: a directory, a link, a device.
    Other,
}

/// Looks at a place. Hashes a regular file.
pub(crate) async fn look(path: &Path, algorithm: Algorithm) -> io::Result<Existing> {
    let path = path.to_owned();
    spawn_blocking(move || look_now(&path, algorithm)).await.map_err(io::Error::other)?
}

/// Looks at a place. Blocks while it hashes a regular file.
pub(crate) fn look_now(path: &Path, algorithm: Algorithm) -> io::Result<Existing> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Existing::Nothing),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_file() => {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            digest_of(&mut file, algorithm).map(|digest| Existing::File(digest, length))
        }
        Ok(_) => Ok(Existing::Other),
    }
}
