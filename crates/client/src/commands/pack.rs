//! `pack`: the archive of a directory.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;
use registry_packing::{PackedArchive, SourceContent, SourceEntry, pack_directory};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::cli::arguments::PackArgs;
use crate::context::Context;
use crate::failure::{ClientFailure, Result};
use crate::output::{OutputRow, print_rows, size};
use crate::publish::sheet_file;
use crate::publish::source::{exclusions, not_packed};

/// An archive that was written.
#[derive(Serialize)]
struct PackedRow {
    path: PathBuf,
    size: u64,
    digest: String,
}

impl OutputRow for PackedRow {
    const COLUMNS: &'static [&'static str] = &["PATH", "SIZE", "DIGEST"];

    fn cells(&self) -> Vec<String> {
        vec![self.name(), size(self.size), self.digest.clone()]
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// An entry of an archive.
#[derive(Serialize)]
struct PackedEntryRow {
    path: String,
    kind: &'static str,
    size: Option<u64>,
    mode: &'static str,
    link: Option<String>,
}

impl OutputRow for PackedEntryRow {
    const COLUMNS: &'static [&'static str] = &["PATH", "KIND", "SIZE", "MODE", "LINK"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.path.clone(),
            self.kind.to_owned(),
            self.size.map(size).unwrap_or_default(),
            self.mode.to_owned(),
            self.link.clone().unwrap_or_default(),
        ]
    }

    fn name(&self) -> String {
        self.path.clone()
    }
}

/// Writes the archive. It appears in its place only when it is complete.
pub(super) async fn run(args: &PackArgs, context: &Context) -> Result<()> {
    let sheet = sheet_file::read(&args.directory)?;
    let mut exclusions = exclusions(&sheet)?;
    let named = sheet_file::identity(&args.identity, &sheet).and_then(|id| {
        let tag = sheet_file::tag(None, &args.identity, &sheet)?;
        Ok(archive_name(&id, &tag, ".tar.gz"))
    });
    // An archive that is already in the directory must not become a part of itself.
    if let Ok(name) = &named {
        exclusions = exclusions.and_path(name);
    }
    let path = args.file.clone().map_or_else(|| named.map(PathBuf::from), Ok)?;
    if let Some(inside) = path_inside(&args.directory, &path) {
        exclusions = exclusions.and_path(inside);
    }
    let ends = Arc::new(AtomicBool::new(false));
    let _guard = EndOnDrop(Arc::clone(&ends));
    let packed = {
        let (directory, path) = (args.directory.clone(), path.clone());
        spawn_blocking(move || {
            let temporary = temporary(&path)?;
            let mut out = Interruptible { out: BufWriter::new(temporary), ends };
            let packed = pack_directory(&directory, &exclusions, &mut out);
            let packed = packed.map_err(|error| not_packed(&error))?;
            let place = out.out.into_inner().map_err(io::IntoInnerError::into_error);
            let placed = place.and_then(|file| {
                file.as_file().sync_all()?;
                file.persist(&path).map(drop).map_err(io::Error::from)
            });
            placed.map_err(|error| unwritten(&path, &error))?;
            Ok(packed)
        })
    };
    let PackedArchive { digest, size, entries } =
        packed.await.map_err(|error| ClientFailure::failed(error.to_string()))??;
    if args.list {
        let rows: Vec<PackedEntryRow> = entries.into_iter().map(row).collect();
        return print_rows(&rows, context.display);
    }
    print_rows(&[PackedRow { path, size, digest: digest.to_string() }], context.display)
}

/// Returns the name of the archive of a version.
pub(crate) fn archive_name(id: &ExtensionId, tag: &Tag, ending: &str) -> String {
    // Git allows slashes in tags.
    format!("{}-{}{ending}", id.name, tag.as_str().replace('/', "-"))
}

fn path_inside(directory: &Path, path: &Path) -> Option<String> {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok();
    let place = parent.or_else(|| absolute(path.parent()?))?.join(path.file_name()?);
    let inside = place.strip_prefix(directory.canonicalize().ok()?).ok()?;
    inside.to_str().map(ToOwned::to_owned)
}

fn temporary(path: &Path) -> Result<tempfile::NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().display().to_string();
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let prefix = format!(".{name}.part-");
    let file = builder.prefix(&prefix).tempfile_in(directory.unwrap_or(Path::new(".")));
    file.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> ClientFailure {
    ClientFailure::failed(format!("{} cannot be written: {error}", path.display()))
}

fn row(entry: SourceEntry) -> PackedEntryRow {
    let path = entry.path;
    match entry.content {
        SourceContent::File { size, is_executable, .. } => {
            let mode = if is_executable { "0755" } else { "0644" };
            PackedEntryRow { path, kind: "file", size: Some(size), mode, link: None }
        }
        SourceContent::Link(target) => {
            PackedEntryRow { path, kind: "link", size: None, mode: "0777", link: Some(target) }
        }
    }
}

/// Ends the packing when the command is interrupted, so that its temporary file is removed.
struct EndOnDrop(Arc<AtomicBool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Interruptible<W> {
    out: W,
    ends: Arc<AtomicBool>,
}

impl<W: Write> Write for Interruptible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.ends.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
