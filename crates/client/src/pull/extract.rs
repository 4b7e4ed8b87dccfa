//! Unpacking of archives: into a temporary sibling, which takes its place only when it is complete.

mod links;
mod names;
mod tree;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use registry_archives::{Bounds, Error, visit};
use registry_core::models::naming::ExtensionId;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::pull::extract::tree::{AddError, ExtractedTree};
use crate::pull::mark::DirectoryMark;

/// Largest content of an archive, in bytes.
const UNPACKED_MAX: u64 = 4 << 30;
/// Longest target of a link, in bytes.
const LINK_MAX: usize = 4096;

/// Unpacks an archive into `DIR/{type}/{name}`. Returns false if the directory is of this archive
/// already. Blocks.
pub(crate) fn unpack(
    archive: &Path,
    directory: &Path,
    id: &ExtensionId,
    mark: &DirectoryMark,
    forces: bool,
) -> Result<bool> {
    let parent = directory.join(id.extension_type.as_str());
    let target = parent.join(id.name.as_str());
    let failed = |error: &io::Error| {
        ClientFailure::failed(format!("{} cannot be unpacked: {error}", target.display()))
    };
    match DirectoryMark::read(&target)? {
        Some(there) if !forces && there.digest == mark.digest && there.id == mark.id => {
            return Ok(false);
        }
        Some(_) => {}
        None if forces || !target.exists() => {}
        None => {
            let message = format!("{} exists, and was not made by extreg", target.display());
            return Err(ClientFailure::new(FailureKind::Conflict, message)
                .hint("move it away, or replace it with --force"));
        }
    }
    std::fs::create_dir_all(&parent).map_err(|error| failed(&error))?;
    let temporary = |what: &str| {
        let prefix = format!(".{}.{what}-", id.name);
        tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent).map_err(|error| failed(&error))
    };
    let new = temporary("unpack")?;
    let root = new.path().join("files");
    let files = unpack_into(archive, &root, id).map_err(|error| match error {
        AddError::Refused(failure) => failure,
        AddError::Disk(error) => failed(&error),
    })?;
    DirectoryMark { files, ..mark.clone() }.write(&root).map_err(|error| failed(&error))?;
    // The old directory goes only after the new one is in its place.
    let old = temporary("old")?;
    swap(&root, &target, &old.path().join("files")).map_err(|error| failed(&error))?;
    Ok(true)
}

fn unpack_into(
    archive: &Path,
    root: &Path,
    id: &ExtensionId,
) -> Result<std::collections::BTreeMap<String, String>, AddError> {
    let file = File::open(archive)?;
    let mut tree = ExtractedTree::new(root.to_owned(), id)?;
    let mut stopped = None;
    let read = visit(file, &bounds(), &mut |member| match tree.add(member) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(AddError::Refused(failure)) => {
            stopped = Some(AddError::Refused(failure));
            Ok(ControlFlow::Break(()))
        }
        Err(AddError::Disk(error)) => Err(Error::Write(error)),
    });
    match read {
        Ok(()) => stopped.map_or(Ok(()), Err)?,
        Err(Error::Write(error) | Error::Read(error)) => return Err(AddError::Disk(error)),
        Err(Error::TooLarge(bound)) => {
            return Err(refused(id, &format!("it is larger than {bound}")).into());
        }
        Err(error) => return Err(refused(id, &error.to_string()).into()),
    }
    tree.finish()
}

fn bounds() -> Bounds {
    Bounds { packed: UNPACKED_MAX, unpacked: UNPACKED_MAX, path: LINK_MAX, ..Bounds::default() }
}

/// Describes an archive that is not unpacked.
fn refused(id: &ExtensionId, reason: &str) -> ClientFailure {
    let message = format!("the archive of {id} is not safe to unpack: {reason}");
    ClientFailure::new(FailureKind::Integrity, message)
        .hint("the archive itself is kept; tell its publisher")
}

fn swap(new: &Path, target: &PathBuf, old: &Path) -> io::Result<()> {
    match std::fs::rename(target, old) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::rename(new, target).inspect_err(|_| {
        // The old directory returns to its place; if that fails too, the first error is told.
        let _ = std::fs::rename(old, target);
    })
}

#[cfg(test)]
mod tests;
