//! Indexes of archives.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::mem;
use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use crate::bounds::Bounds;
use crate::entry::{Entry, Kind};
use crate::error::Result;
use crate::escape::escape;
use crate::format::Format;
use crate::member::Member;
use crate::meter::Meter;
use crate::path;
use crate::walk::{BUFFER, walk};

/// List of an archive's entries, in the order of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveIndex {
    /// Format of the archive.
    pub format: Format,
    /// Entries with unique paths. Of several entries with one path the last counts, as it does when
    /// unpacking; it stands in the place of the first.
    pub entries: Vec<Entry>,
    /// True if entries are missing: those beyond the bounds of number, path and memory.
    pub truncated: bool,
    /// True if a tar goes on behind its end marker. `tar` ignores that without `--ignore-zeros`.
    pub trailing_data: bool,
}

impl ArchiveIndex {
    /// Returns the entry of an escaped path.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.path == path)
    }

    /// Returns the directory that holds everything else, if there is one.
    #[must_use]
    pub fn top_directory(&self) -> Option<&str> {
        let mut entries = self.entries.iter().filter(|entry| &*entry.path != ".");
        let (top, _) = entries.find_map(|entry| entry.path.split_once('/'))?;
        let is_inside = |entry: &Entry| {
            !entry.unsafe_path
                && match entry.path.strip_prefix(top) {
                    Some("") => entry.kind == Kind::Directory,
                    Some(rest) => rest.starts_with('/'),
                    None => &*entry.path == ".",
                }
        };
        self.entries.iter().all(is_inside).then_some(top)
    }

    /// Returns the memory of the index in bytes.
    pub fn memory_bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(Entry::memory_bytes).sum();
        let spare = self.entries.capacity() - self.entries.len();
        mem::size_of::<Self>() + entries + spare * mem::size_of::<Entry>()
    }
}

/// Lists an archive in one pass. The format is detected by the content. Contents of files are hashed
/// as they pass; memory stays within the bounds of the index and of the zstd window, and buffers of
/// 64 KiB.
pub fn index<R: Read + Seek>(archive: R, bounds: &Bounds) -> Result<ArchiveIndex> {
    index_metered(archive, &Meter::new(bounds))
}

fn index_metered<R: Read + Seek>(archive: R, meter: &Meter) -> Result<ArchiveIndex> {
    let mut builder = IndexBuilder::new(meter.bounds());
    let walked = walk(archive, meter, &mut |member| builder.add(member))?;
    let mut entries = builder.entries;
    entries.shrink_to_fit();
    Ok(ArchiveIndex {
        format: walked.format,
        entries,
        truncated: builder.truncated,
        trailing_data: walked.trailing_data,
    })
}

struct IndexBuilder<'a> {
    bounds: &'a Bounds,
    entries: Vec<Entry>,
    places: HashMap<Box<str>, usize>,
    memory: usize,
    truncated: bool,
    buffer: Vec<u8>,
}

impl<'a> IndexBuilder<'a> {
    fn new(bounds: &'a Bounds) -> Self {
        Self {
            bounds,
            entries: Vec::new(),
            places: HashMap::new(),
            memory: 0,
            truncated: false,
            buffer: vec![0; BUFFER],
        }
    }

    fn add(&mut self, member: &mut Member<'_>) -> Result<ControlFlow<()>> {
        let header = member.header;
        if header.position >= self.bounds.entries {
            self.truncated = true;
            return Ok(ControlFlow::Break(()));
        }
        let is_long = |name: &[u8]| name.len() > self.bounds.path;
        if is_long(&path::normalize(&header.path)) || header.link.as_deref().is_some_and(is_long) {
            self.truncated = true;
            return Ok(ControlFlow::Continue(()));
        }
        let mut entry = entry(member);
        self.memory += entry.memory_bytes();
        if self.memory > self.bounds.index {
            self.truncated = true;
            return Ok(ControlFlow::Break(()));
        }
        if entry.kind == Kind::File {
            (entry.size, entry.sha256) = self.hash(member)?;
        }
        self.insert(entry);
        Ok(ControlFlow::Continue(()))
    }

    fn hash(&mut self, member: &mut Member<'_>) -> Result<(u64, Option<[u8; 32]>)> {
        let (mut size, mut hasher) = (0, Sha256::new());
        loop {
            let length = member.read(&mut self.buffer)?;
            if length == 0 {
                return Ok((size, Some(hasher.finalize().into())));
            }
            hasher.update(self.buffer.get(..length).unwrap_or_default());
            size += length as u64;
        }
    }

    fn insert(&mut self, mut entry: Entry) {
        let place = self.places.get(&entry.path).copied();
        if let Some(earlier) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.replaced = earlier.replaced.saturating_add(1);
            *earlier = entry;
        } else {
            self.places.insert(entry.path.clone(), self.entries.len());
            self.entries.push(entry);
        }
    }
}

/// Returns the entry of a member, still without its content.
fn entry(member: &Member<'_>) -> Entry {
    let header = member.header;
    let path = path::normalize(&header.path);
    let link = header.link.as_deref().map(|link| match header.kind {
        Kind::Hardlink => path::normalize(link),
        _ => link.into(),
    });
    let unsafe_link = link.as_deref().is_some_and(|target| match header.kind {
        Kind::Hardlink => path::is_unsafe(target),
        _ => path::leaves_archive(&path, target),
    });
    Entry {
        kind: header.kind,
        size: 0,
        mode: header.mode,
        sha256: None,
        link: link.map(|link| escape(&link).into()),
        position: header.position,
        replaced: 0,
        unsafe_path: path::is_unsafe(&path),
        unsafe_link,
        path: escape(&path).into(),
    }
}

#[cfg(test)]
mod tests;
