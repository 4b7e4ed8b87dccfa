//! The unpacked files of one archive. Links are made last, so that no file is written through one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use registry_archives::{Error, Kind, Member};
use registry_core::models::digest::{Algorithm, DigestHasher};
use registry_core::models::naming::ExtensionId;

use crate::failure::ClientFailure;
use crate::pull::extract::links::ArchiveLinks;
use crate::pull::extract::names::{EntryNames, parts};
use crate::pull::extract::refused;
use crate::pull::mark;

/// Bits of a mode that run a file as its owner or group.
const SET_ID: u32 = 0o6000;
const EXECUTE: u32 = 0o111;
const BUFFER: usize = 64 * 1024;

/// Reason why an entry is not unpacked.
#[derive(Debug)]
pub(super) enum AddError {
    /// It is not safe.
    Refused(ClientFailure),
    /// It cannot be written.
    Disk(io::Error),
}

impl From<ClientFailure> for AddError {
    fn from(failure: ClientFailure) -> Self {
        Self::Refused(failure)
    }
}

impl From<io::Error> for AddError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Files below a new directory.
pub(super) struct ExtractedTree<'a> {
    root: PathBuf,
    id: &'a ExtensionId,
    names: EntryNames,
    links: ArchiveLinks,
    /// SHA-256 of each file by its path.
    files: BTreeMap<String, String>,
    buffer: Vec<u8>,
}

impl<'a> ExtractedTree<'a> {
    /// Makes the directory.
    pub(super) fn new(root: PathBuf, id: &'a ExtensionId) -> io::Result<Self> {
        std::fs::create_dir(&root)?;
        let (names, links, files) =
            (EntryNames::default(), ArchiveLinks::default(), BTreeMap::new());
        Ok(Self { root, id, names, links, files, buffer: vec![0; BUFFER] })
    }

    /// Unpacks an entry, or notes a link.
    pub(super) fn add(&mut self, member: &mut Member<'_>) -> Result<(), AddError> {
        let shown = member.shown_path();
        let refuse = |reason: &str| refused(self.id, &format!("{shown}: {reason}"));
        let bytes = member.path().to_vec();
        let parts = parts(&bytes).map_err(refuse)?;
        if parts.is_empty() || parts == [mark::NAME] {
            return Ok(());
        }
        let kind = member.kind();
        self.names.claim(&parts, kind == Kind::Directory).map_err(|reason| refuse(&reason))?;
        let (path, place) = (parts.join("/"), self.place(&parts));
        match kind {
            Kind::Directory => std::fs::create_dir_all(&place)?,
            Kind::File if member.mode().is_some_and(|mode| mode & SET_ID != 0) => {
                return Err(refuse("it is set-uid or set-gid").into());
            }
            Kind::File => {
                let hash = self.write(member, &place)?;
                self.files.insert(path, hash);
            }
            Kind::Symlink => {
                let target = member.link().and_then(|target| str::from_utf8(target).ok());
                let target = target.filter(|target| !target.chars().any(char::is_control));
                let target = target.ok_or_else(|| refuse("its target is no plain text"))?;
                self.links.add(path, target.to_owned());
            }
            Kind::Hardlink => {
                let target = member.link().unwrap_or_default().to_vec();
                let target = self::parts(&target).map_err(refuse)?;
                let hash = self.files.get(&target.join("/")).cloned();
                let hash = hash.ok_or_else(|| refuse("it is a hard link to no file before it"))?;
                make_parent(&place)?;
                std::fs::hard_link(self.place(&target), &place)?;
                self.files.insert(path, hash);
            }
            Kind::Other(name) => return Err(refuse(&format!("it is a {name}")).into()),
        }
        Ok(())
    }

    /// Makes the links, and returns the SHA-256 of each file.
    pub(super) fn finish(self) -> Result<BTreeMap<String, String>, AddError> {
        for link in self.links.all() {
            if !self.links.stays_inside(link) {
                let reason = format!("{}: it is a link out of the archive", link.path);
                return Err(refused(self.id, &reason).into());
            }
        }
        for link in self.links.all() {
            let place = self.place(&link.path.split('/').collect::<Vec<_>>());
            make_parent(&place)?;
            make_link(&link.target, &place)?;
        }
        Ok(self.files)
    }

    fn place(&self, parts: &[&str]) -> PathBuf {
        parts.iter().fold(self.root.clone(), |path, part| path.join(part))
    }

    fn write(&mut self, member: &mut Member<'_>, place: &Path) -> Result<String, AddError> {
        make_parent(place)?;
        let mut file = File::create_new(place)?;
        let mut hasher = DigestHasher::new(Algorithm::Sha256);
        loop {
            let count = match member.read(&mut self.buffer) {
                Ok(count) => count,
                Err(Error::Read(error) | Error::Write(error)) => return Err(error.into()),
                Err(Error::TooLarge(bound)) => {
                    return Err(refused(self.id, &format!("it is larger than {bound}")).into());
                }
                Err(error) => return Err(refused(self.id, &error.to_string()).into()),
            };
            let piece = self.buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            hasher.update(piece);
            file.write_all(piece)?;
        }
        set_mode(&file, member.mode().is_some_and(|mode| mode & EXECUTE != 0))?;
        Ok(hasher.finish().hex().to_owned())
    }
}

fn make_parent(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), std::fs::create_dir_all)
}

#[cfg(unix)]
fn set_mode(file: &File, is_program: bool) -> io::Result<()> {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    file.set_permissions(Permissions::from_mode(if is_program { 0o755 } else { 0o644 }))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn make_link(target: &str, place: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}

#[cfg(not(unix))]
fn make_link(_: &str, place: &Path) -> io::Result<()> {
    let message = format!("{} is a symbolic link, which is not made here", place.display());
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}
