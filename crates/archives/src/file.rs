//! Contents of one file of an archive.

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use crate::bounds::Bounds;
use crate::entry::{Entry, Kind};
use crate::error::{Error, Location, Result};
use crate::escape::escape;
use crate::index::ArchiveIndex;
use crate::member::Member;
use crate::meter::Meter;
use crate::path;
use crate::raw_type;
use crate::walk::{BUFFER, walk};

/// Content of a file, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// Text. Bytes that are not UTF-8 are replaced by U+FFFD.
    Text(String),
    /// Bytes that are no text: a zero byte is among the first 8 KiB.
    Binary,
    /// More bytes than [`Bounds::shown`]. The archive was not read.
    TooLong,
}

/// Reads a file of an archive by its escaped path. The archive is read up to the file, and must be
/// the one of the index.
pub fn read_file<R: Read + Seek>(
    archive: R,
    index: &ArchiveIndex,
    path: &str,
    bounds: &Bounds,
) -> Result<FileContent> {
    let contents = read_files(archive, index, &[path], bounds)?;
    Ok(contents.into_iter().next().unwrap_or(FileContent::TooLong))
}

/// Reads several files as [`read_file`] does, in one pass. The paths differ; the contents have their
/// order.
pub fn read_files<R: Read + Seek>(
    archive: R,
    index: &ArchiveIndex,
    paths: &[&str],
    bounds: &Bounds,
) -> Result<Vec<FileContent>> {
    let mut contents = vec![FileContent::TooLong; paths.len()];
    let mut wanted = BTreeMap::new();
    for (path, content) in paths.iter().zip(&mut contents) {
        let entry = find_file(index, path)?;
        if entry.size <= bounds.shown {
            wanted.insert(entry.position, (entry, content));
        }
    }
    if wanted.is_empty() {
        return Ok(contents);
    }
    walk(archive, &Meter::new(bounds), &mut |member| {
        if let Some((entry, content)) = wanted.remove(&member.header.position) {
            let mut bytes = Vec::new();
            copy_member(member, entry, &mut bytes)?;
            *content = content_of(bytes);
        }
        Ok(if wanted.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let missing = wanted.into_values().next().map(|(entry, _)| other_archive(entry));
    missing.map_or(Ok(contents), Err)
}

fn content_of(bytes: Vec<u8>) -> FileContent {
    if raw_type::is_binary(&bytes) {
        return FileContent::Binary;
    }
    let text = String::from_utf8(bytes);
    let text = text.unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    FileContent::Text(text)
}

/// Writes the raw bytes of a file to a receiver, in pieces of at most 64 KiB. Returns their number.
///
/// The hash is known only after the last piece. If it differs from that of the index, the result is
/// `OtherArchive`, and the receiver must not pass the file on as complete.
pub fn copy_file<R: Read + Seek>(
    archive: R,
    index: &ArchiveIndex,
    path: &str,
    bounds: &Bounds,
    receiver: &mut dyn Write,
) -> Result<u64> {
    let entry = find_file(index, path)?;
    copy_entry(archive, entry, bounds, receiver)?;
    Ok(entry.size)
}

fn find_file<'a>(index: &'a ArchiveIndex, path: &str) -> Result<&'a Entry> {
    let entry = index.entry(path).ok_or_else(|| Error::NoSuchEntry(path.to_owned()))?;
    match entry.kind {
        Kind::File => Ok(entry),
        kind => Err(Error::NotAFile { path: path.to_owned(), kind }),
    }
}

fn copy_entry<R: Read + Seek>(
    archive: R,
    entry: &Entry,
    bounds: &Bounds,
    receiver: &mut dyn Write,
) -> Result<()> {
    let mut is_found = false;
    walk(archive, &Meter::new(bounds), &mut |member| {
        if member.header.position < entry.position {
            return Ok(ControlFlow::Continue(()));
        }
        is_found = true;
        copy_member(member, entry, receiver)?;
        Ok(ControlFlow::Break(()))
    })?;
    if is_found { Ok(()) } else { Err(other_archive(entry)) }
}

fn copy_member(member: &mut Member<'_>, entry: &Entry, receiver: &mut dyn Write) -> Result<()> {
    let path = escape(&path::normalize(&member.header.path));
    if *path != *entry.path || member.header.kind != Kind::File {
        return Err(other_archive(entry));
    }
    let (mut buffer, mut hasher, mut left) = (vec![0; BUFFER], Sha256::new(), entry.size);
    loop {
        let length = member.read(&mut buffer)?;
        let piece = buffer.get(..length).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        left = left.checked_sub(length as u64).ok_or_else(|| other_archive(entry))?;
        hasher.update(piece);
        receiver.write_all(piece).map_err(Error::Write)?;
    }
    if left > 0 || entry.sha256 != Some(hasher.finalize().into()) {
        return Err(other_archive(entry));
    }
    Ok(())
}

fn other_archive(entry: &Entry) -> Error {
    let path = Some(entry.path.to_string());
    Error::OtherArchive(Location::Entry { number: entry.position + 1, path })
}

#[cfg(test)]
mod tests;
