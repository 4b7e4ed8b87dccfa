//! Hashes everything in a mirror. Sends no request.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use registry_core::models::digest::Digest;
use serde::Serialize;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::mirror::stored::{StoredDescriptor, StoredLayout, unread};
use crate::output::OutputRow;
use crate::pull::existing::digest_of;

/// One tagged or untagged manifest of a layout, and how it compares with its digests.
#[derive(Debug, Serialize)]
pub(crate) struct VerifiedManifest {
    layout: String,
    tag: Option<String>,
    manifest: String,
    state: &'static str,
    #[serde(skip)]
    pub(crate) failure: Option<ClientFailure>,
}

impl OutputRow for VerifiedManifest {
    const COLUMNS: &'static [&'static str] = &["LAYOUT", "TAG", "STATE", "MANIFEST"];

    fn cells(&self) -> Vec<String> {
        let tag = self.tag.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.layout.clone(), tag, self.state.to_owned(), self.manifest.clone()]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.layout, self.tag.as_deref().unwrap_or(&self.manifest))
    }
}

/// Hashes every file of every layout below a directory. A layout that cannot be read is a row too.
pub(crate) fn verify(directory: &Path) -> Result<Vec<VerifiedManifest>> {
    let entries = std::fs::read_dir(directory).map_err(|error| unread(directory, &error))?;
    let mut layouts: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        // Programs use a leading dot for what is unfinished.
        .filter(|path| path.is_dir() && !name_of(path).starts_with('.'))
        .collect();
    layouts.sort();
    Ok(layouts.iter().flat_map(|layout| verify_layout(layout)).collect())
}

fn verify_layout(directory: &Path) -> Vec<VerifiedManifest> {
    let layout = match StoredLayout::read(directory) {
        Ok(Some(layout)) => layout,
        Ok(None) => {
            let missing = std::io::ErrorKind::NotFound.into();
            return vec![row(
                directory,
                None,
                Err(unread(&directory.join("index.json"), &missing)),
            )];
        }
        Err(failure) => return vec![row(directory, None, Err(failure))],
    };
    let mut verified = BTreeSet::new();
    let rows = layout.roots().iter().map(|root| {
        let result = verify_document(&layout, root, &mut verified);
        row(directory, Some(root), result)
    });
    rows.collect()
}

fn row(directory: &Path, root: Option<&StoredDescriptor>, result: Result<()>) -> VerifiedManifest {
    let failure = result.err();
    let state = match failure.as_ref().map(ClientFailure::kind) {
        None => "verified",
        Some(FailureKind::NotFound) => "missing",
        Some(_) => "damaged",
    };
    VerifiedManifest {
        layout: name_of(directory),
        tag: root.and_then(StoredDescriptor::tag).map(str::to_owned),
        manifest: root.map(|root| root.digest.clone()).unwrap_or_default(),
        state,
        failure,
    }
}

/// Verifies a manifest or an index with everything below it. Files of several versions are hashed once.
fn verify_document(
    layout: &StoredLayout,
    root: &StoredDescriptor,
    verified: &mut BTreeSet<String>,
) -> Result<()> {
    let mut pending = vec![root.clone()];
    while let Some(next) = pending.pop() {
        verify_blob(layout, &next, verified)?;
        let document = layout.document(&next)?;
        for file in document.files() {
            verify_blob(layout, file, verified)?;
        }
        pending.extend(document.manifests);
    }
    Ok(())
}

fn verify_blob(
    layout: &StoredLayout,
    blob: &StoredDescriptor,
    verified: &mut BTreeSet<String>,
) -> Result<()> {
    if verified.contains(&blob.digest) {
        return Ok(());
    }
    let damaged = |reason: String| ClientFailure::new(FailureKind::Integrity, reason);
    let expected: Digest =
        blob.digest.parse().map_err(|_| damaged(format!("{:?} is no digest", blob.digest)))?;
    let Some(path) = layout.path_of(blob) else {
        return Err(damaged(format!("{:?} is no digest", blob.digest)));
    };
    let mut file = File::open(&path).map_err(|error| unread(&path, &error))?;
    let found =
        digest_of(&mut file, expected.algorithm()).map_err(|error| unread(&path, &error))?;
    if found != expected {
        let message = format!("{}: the digest is {found}", path.display());
        return Err(damaged(message).hint("remove the file, and mirror it again"));
    }
    verified.insert(blob.digest.clone());
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
