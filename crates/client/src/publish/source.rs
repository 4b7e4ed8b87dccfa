//! What is published: a directory, which is packed first, or an archive that is there.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use registry_archives::{Bounds, Kind, visit};
use registry_core::models::artifact::archive_ending;
use registry_core::models::digest::Digest;
use registry_core::models::readme::README_MAX;
use registry_packing::limits::UNPACKED_MAX;
use registry_packing::{
    Exclusions, HashingWriter, PackError, PackedArchive, README, SHEET, Sheet, pack_directory,
};

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::publish::shared_file::SharedFile;
use crate::publish::sheet_file::{self, SHEET_MAX};

/// An archive to publish, and the texts in it.
#[derive(Debug)]
pub(crate) struct PublishSource {
    pub(crate) file: Arc<File>,
    pub(crate) digest: Digest,
    /// Length in bytes.
    pub(crate) size: u64,
    /// File ending, such as `.tar.gz`.
    pub(crate) ending: &'static str,
    pub(crate) sheet: Sheet,
    pub(crate) readme: Option<Vec<u8>>,
}

impl PublishSource {
    /// Packs a directory into a temporary file without a name. Blocks. `own_archive` is the name of
    /// the archive, which an earlier `pack` may have left in the directory.
    pub(crate) fn pack(directory: &Path, sheet: Sheet, own_archive: &str) -> Result<Self> {
        let temporary = tempfile::tempfile().map_err(|error| unwritten(&error))?;
        let mut out = io::BufWriter::new(temporary);
        let exclusions = exclusions(&sheet)?.and_path(own_archive);
        let packed =
            pack_directory(directory, &exclusions, &mut out).map_err(|error| not_packed(&error))?;
        let file = out.into_inner().map_err(|error| unwritten(error.error()))?;
        let file = Arc::new(file);
        // The file is read again below: only then a reader of the archive sees what a client will.
        let readme = texts(&file, "the archive")?.readme;
        let PackedArchive { digest, size, .. } = packed;
        Ok(Self { file, digest, size, ending: ".tar.gz", sheet, readme })
    }

    /// Opens an archive and reads it to the end: one that is damaged is not published. Blocks.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let Some(ending) = path.file_name().and_then(|name| archive_ending(name.to_str()?)) else {
            let message = format!("{name} is neither a directory nor named as an archive");
            return Err(ClientFailure::usage(message).hint("archives end with .tar.gz, .zip, …"));
        };
        let unreadable =
            |error: io::Error| ClientFailure::usage(format!("{name} cannot be read: {error}"));
        let file = Arc::new(File::open(path).map_err(unreadable)?);
        // The service does not open the others either.
        let is_readable = !["xz", "txz", "bz2", "tbz2"].iter().any(|other| ending.ends_with(other));
        // Both passes over a large archive take their time.
        let (hashed, texts) = std::thread::scope(|scope| {
            let hashed = scope.spawn(|| hash(&file));
            let texts = if is_readable { texts(&file, &name) } else { Ok(ArchiveTexts::default()) };
            (hashed.join(), texts)
        });
        let hashed = hashed.map_err(|_| ClientFailure::failed("a thread of the program failed"))?;
        let ((digest, size), texts) = (hashed.map_err(unreadable)?, texts?);
        let sheet = match texts.sheet {
            Some(bytes) => sheet_file::parse(&bytes, &format!("{name}: {SHEET}"))?,
            None => Sheet::default(),
        };
        Ok(Self { file, digest, size, ending, sheet, readme: texts.readme })
    }
}

/// Returns what the sheet leaves out.
pub(crate) fn exclusions(sheet: &Sheet) -> Result<Exclusions> {
    Exclusions::parse(&sheet.exclude)
        .map_err(|error| ClientFailure::usage(format!("{SHEET}: {error}")))
}

/// Turns an error of packing into a failure.
pub(crate) fn not_packed(error: &PackError) -> ClientFailure {
    let message = error.to_string();
    match error {
        PackError::Refused { .. } => ClientFailure::usage(message)
            .hint(format!("remove it, or leave it out with exclude in {SHEET}")),
        PackError::Changed(_) => ClientFailure::failed(message)
            .hint("run it again when no other program writes to the directory"),
        PackError::Read { .. } => ClientFailure::usage(message),
        PackError::Write(_) => ClientFailure::failed(message),
    }
}

fn unwritten(error: &io::Error) -> ClientFailure {
    ClientFailure::failed(format!(
        "the archive cannot be written to the temporary directory: {error}"
    ))
}

fn hash(file: &Arc<File>) -> io::Result<(Digest, u64)> {
    let mut out = HashingWriter::new(io::sink());
    io::copy(&mut SharedFile::new(Arc::clone(file)), &mut out)?;
    let (_, digest, size) = out.finish();
    Ok((digest, size))
}

#[derive(Default)]
struct ArchiveTexts {
    sheet: Option<Vec<u8>>,
    readme: Option<Vec<u8>>,
}

/// Reads an archive to its end, and keeps the sheet and the README at its root.
fn texts(file: &Arc<File>, name: &str) -> Result<ArchiveTexts> {
    let bounds = Bounds { packed: UNPACKED_MAX, unpacked: UNPACKED_MAX, ..Bounds::default() };
    let mut texts = ArchiveTexts::default();
    let read = visit(SharedFile::new(Arc::clone(file)), &bounds, &mut |member| {
        let path = member.path().strip_prefix(b"./").unwrap_or(member.path());
        let (text, max) = match path {
            _ if member.kind() != Kind::File => return Ok(ControlFlow::Continue(())),
            path if path == README.as_bytes() => (&mut texts.readme, README_MAX),
            path if path == SHEET.as_bytes() => (&mut texts.sheet, SHEET_MAX),
            _ => return Ok(ControlFlow::Continue(())),
        };
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let count = member.read(&mut buffer)?;
            bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if count == 0 || bytes.len() as u64 > max {
                break;
            }
        }
        // A longer one is a file as any other.
        *text = (bytes.len() as u64 <= max).then_some(bytes);
        Ok(ControlFlow::Continue(()))
    });
    match read {
        Ok(()) => Ok(texts),
        Err(error) => {
            let message = format!("{name} is not an archive that clients unpack: {error}");
            Err(ClientFailure::new(FailureKind::Integrity, message))
        }
    }
}
