//! Publishes a version to the extension's image layout.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::EMPTY_CONFIG;
use registry_packing::layout::{LayoutWriter, read_blob, tagged};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::output::size;
use crate::publish::job::{PublishJob, PublishOutcome};
use crate::publish::publication::Publication;
use crate::publish::shared_file::SharedFile;

/// Largest manifest that is compared, in bytes.
const MANIFEST_MAX: u64 = 4 << 20;

/// Publishes a version. The layout is made if it is missing.
pub(super) async fn publish(
    publication: &Publication,
    root: &Path,
    job: &PublishJob<'_>,
) -> Result<PublishOutcome> {
    let tag = publication.oci_tag()?;
    let name = publication.id.oci_repository();
    if let Some(other) = spelled_otherwise(root, &name) {
        let message =
            format!("{} has {other}, which differs from {name} in case only", root.display());
        return Err(ClientFailure::new(FailureKind::Conflict, message)
            .hint("publish under the name that is there"));
    }
    let directory = root.join(name);
    // A dry run makes no directory and waits for no lock.
    let layout = if job.rules.is_dry_run { None } else { Some(open(directory.clone()).await?) };
    let place = format!("{}:{tag}", directory.display());
    let there = tagged(&directory, &tag).map_err(|error| failure(&directory, &error))?;
    if let Some(descriptor) = there {
        let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or_default();
        let parsed: Option<Digest> = digest.parse().ok();
        let manifest = parsed.and_then(|digest| read_blob(&directory, &digest, MANIFEST_MAX).ok());
        if manifest.is_some_and(|manifest| publication.has_archive_of(&manifest)) {
            return Ok(PublishOutcome::Unchanged);
        }
        job.replace(&place, digest)?;
    }
    let archive = &publication.archive;
    let sized = format!("{} ({})", archive.title, size(archive.size));
    job.may(&format!("write {sized} to {}", directory.display()));
    if publication.readme.is_some() {
        job.may("write README.md");
    }
    job.may(&format!("write the manifest {}", publication.manifest_digest()));
    job.may(&format!("add the tag {tag} to {}", directory.join("index.json").display()));
    let Some(layout) = layout else { return Ok(job.done()) };
    let contents = LayoutContents {
        archive: (archive.digest.clone(), Arc::clone(&archive.file)),
        readme: publication.readme.clone(),
        manifest: publication.manifest.clone(),
        tag,
    };
    let written = spawn_blocking(move || contents.write(layout)).await;
    written
        .map_err(|error| ClientFailure::failed(error.to_string()))?
        .map_err(|error| failure(&directory, &error))?;
    Ok(job.done())
}

/// Returns the layout of the same extension under another spelling: names do not differ in case.
fn spelled_otherwise(root: &Path, name: &str) -> Option<String> {
    let entries = std::fs::read_dir(root).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.into_iter().find(|other| other != name && other.eq_ignore_ascii_case(name))
}

async fn open(directory: PathBuf) -> Result<LayoutWriter> {
    let opened = {
        let directory = directory.clone();
        spawn_blocking(move || LayoutWriter::open(directory)).await
    };
    opened
        .map_err(|error| ClientFailure::failed(error.to_string()))?
        .map_err(|error| failure(&directory, &error))
}

fn failure(directory: &Path, error: &io::Error) -> ClientFailure {
    let message = format!("{} cannot be written: {error}", directory.display());
    match error.kind() {
        io::ErrorKind::InvalidData => ClientFailure::new(FailureKind::Conflict, message)
            .hint("name a directory whose subdirectories are image layouts, or a new one"),
        _ => ClientFailure::failed(message),
    }
}

struct LayoutContents {
    archive: (Digest, Arc<File>),
    readme: Option<Vec<u8>>,
    manifest: Vec<u8>,
    tag: String,
}

impl LayoutContents {
    fn write(self, mut layout: LayoutWriter) -> io::Result<()> {
        let (digest, file) = self.archive;
        layout.blob_from(&digest, SharedFile::new(file))?;
        layout.blob(EMPTY_CONFIG)?;
        if let Some(readme) = self.readme {
            layout.blob(&readme)?;
        }
        layout.manifest(&self.manifest, Some(&self.tag))?;
        layout.finish()
    }
}
