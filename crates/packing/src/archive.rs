//! Reproducible archives: equal files make equal bytes, on every machine and at any time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use registry_core::models::digest::Digest;
use tar::{Builder, EntryType, Header};

use crate::directory::{SourceContent, SourceEntry, scan};
use crate::error::{PackError, Result};
use crate::exclusion::Exclusions;
use crate::hashing_writer::HashingWriter;
use crate::limits::{RATIO_AFTER, RATIO_MAX};
use crate::stamp::FileStamp;

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedArchive {
    /// SHA-256 of the archive.
    pub digest: Digest,
    /// Length of the archive in bytes.
    pub size: u64,
    /// Its files and links, in their order.
    pub entries: Vec<SourceEntry>,
}

/// Packs a directory into a gzipped tar: entries sorted, owned by root, without times; files that their
/// owner may execute, and scripts, have mode 755, others 644. Memory does not grow with the files.
///
/// # Errors
///
/// Those of [`scan`], and a file that changes meanwhile.
pub fn pack_directory(
    root: &Path,
    exclusions: &Exclusions,
    out: impl Write,
) -> Result<PackedArchive> {
    let mut entries = scan(root, exclusions)?;
    let mut scripts = Vec::new();
    let mut archive = ArchiveWriter::new(out);
    for (index, entry) in entries.iter().enumerate() {
        match &entry.content {
            SourceContent::Link(target) => archive.link(&entry.path, target)?,
            SourceContent::File { size, is_executable, stamp } => {
                let path = root.join(&entry.path);
                let mut file = open(&path, *stamp)?;
                unchanged(&path, &file, *stamp)?;
                if archive.file(&path, &entry.path, *size, *is_executable, &mut file)? {
                    scripts.push(index);
                }
                unchanged(&path, &file, *stamp)?;
            }
        }
    }
    // Files that were packed early may have been written later, and new ones may be there.
    if let Some(path) = first_difference(&entries, &scan(root, exclusions)?) {
        return Err(PackError::Changed(root.join(path)));
    }
    for index in scripts {
        if let Some(SourceContent::File { is_executable, .. }) =
            entries.get_mut(index).map(|entry| &mut entry.content)
        {
            *is_executable = true;
        }
    }
    let (digest, size) = archive.finish().map_err(PackError::Write)?;
    let unpacked: u64 = entries.iter().map(SourceEntry::size).sum();
    if unpacked > RATIO_AFTER && unpacked / RATIO_MAX > size {
        let reason = format!(
            "unpacks to more than {RATIO_MAX} bytes for each packed one, which no client does"
        );
        return Err(PackError::refused(root, reason));
    }
    Ok(PackedArchive { digest, size, entries })
}

/// Packs files of the memory in the same way. Fails only if a path does not fit into an archive.
pub fn pack_files(files: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let mut archive = ArchiveWriter::new(&mut packed);
    for (path, bytes) in files {
        let mut content = bytes.as_slice();
        archive
            .file(Path::new(path), path, bytes.len() as u64, false, &mut content)
            .map_err(io::Error::other)?;
    }
    archive.finish()?;
    Ok(packed)
}

fn open(path: &Path, stamp: FileStamp) -> Result<File> {
    #[cfg(unix)]
    let opened = registry_core::files::open_named(path).map(|(file, _)| file);
    #[cfg(not(unix))]
    let opened = File::open(path);
    opened.map_err(|error| {
        let now = path.symlink_metadata().ok().map(|metadata| FileStamp::of(&metadata));
        if now == Some(stamp) {
            PackError::read(path, error)
        } else {
            PackError::Changed(path.to_owned())
        }
    })
}

fn unchanged(path: &Path, file: &File, stamp: FileStamp) -> Result<()> {
    let metadata = file.metadata().map_err(|error| PackError::read(path, error))?;
    if FileStamp::of(&metadata) == stamp {
        Ok(())
    } else {
        Err(PackError::Changed(path.to_owned()))
    }
}

fn first_difference<'a>(one: &'a [SourceEntry], other: &'a [SourceEntry]) -> Option<&'a str> {
    let pair = one.iter().zip(other).find(|(one, other)| one != other).map(|(one, _)| one);
    let longer = || one.get(other.len()).or_else(|| other.get(one.len()));
    pair.or_else(longer).map(|entry| entry.path.as_str())
}

/// An archive under construction.
struct ArchiveWriter<W: Write> {
    tar: Builder<GzEncoder<HashingWriter<W>>>,
}

impl<W: Write> ArchiveWriter<W> {
    fn new(out: W) -> Self {
        // A time stamp would give equal content another digest in every build.
        let gzip = GzBuilder::new().mtime(0).write(HashingWriter::new(out), Compression::best());
        Self { tar: Builder::new(gzip) }
    }

    /// Adds a file. Returns true if it is stored as executable.
    fn file(
        &mut self,
        place: &Path,
        path: &str,
        size: u64,
        is_executable: bool,
        content: &mut impl Read,
    ) -> Result<bool> {
        let mut content = Content { inner: content, read: 0, error: None };
        let mut head = Vec::with_capacity(2);
        let start = content.by_ref().take(2).read_to_end(&mut head);
        start.map_err(|error| PackError::read(place, error))?;
        let mut header = Header::new_ustar();
        header.set_size(size);
        let is_executable = is_executable || head == b"#!";
        header.set_mode(if is_executable { 0o755 } else { 0o644 });
        let rest = size.saturating_sub(head.len() as u64);
        let bytes = head.as_slice().chain(content.by_ref().take(rest));
        let appended = self.tar.append_data(&mut header, path, bytes);
        let (read, unreadable) = (content.read, content.error);
        match (appended, unreadable) {
            (_, Some(error)) => Err(PackError::read(place, error)),
            (Err(error), None) => Err(PackError::Write(error)),
            (Ok(()), None) if read != size => Err(PackError::Changed(place.to_owned())),
            (Ok(()), None) => Ok(is_executable),
        }
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        self.tar.append_link(&mut header, path, target).map_err(PackError::Write)
    }

    fn finish(self) -> io::Result<(Digest, u64)> {
        let (mut out, digest, size) = self.tar.into_inner()?.finish()?.finish();
        out.flush()?;
        Ok((digest, size))
    }
}

/// Content of a file: its bytes are counted, and a failed read is told from a failed write.
struct Content<'a, R> {
    inner: &'a mut R,
    read: u64,
    error: Option<io::Error>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.read += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.error = Some(error);
                Err(kind.into())
            }
        }
    }
}

#[cfg(test)]
mod tests;
