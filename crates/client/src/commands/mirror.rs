//! `mirror`: copies extensions into a directory of image layouts, or verifies such a directory.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use registry_core::models::naming::ExtensionId;
use serde::Serialize;

use crate::cli::arguments::MirrorArgs;
use crate::context::Context;
use crate::failure::{ClientFailure, Result, all};
use crate::form::OutputForm;
use crate::mirror::copier::{Copier, change_layout};
use crate::mirror::distribution_api::DistributionApi;
use crate::mirror::plan::{PlannedVersion, of_lock, of_registry};
use crate::mirror::source::WantedVersion;
use crate::mirror::verification::verify;
use crate::output::{OutputRow, print_rows, size};
use crate::pull::progress::Progress;

/// Digits of a digest in a line for people.
const DIGITS: usize = 12;

/// What became of a version.
#[derive(Debug, Serialize)]
struct MirroredRow {
    id: String,
    version: String,
    tag: String,
    source: String,
    backend: String,
    digest: Option<String>,
    manifest: Option<String>,
    /// True if the version was not there before, or was another one.
    changed: bool,
    /// True if the tag was removed.
    removed: bool,
}

impl OutputRow for MirroredRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "VERSION", "STATE", "DIGEST"];

    fn cells(&self) -> Vec<String> {
        let state = match (self.removed, self.changed) {
            (true, _) => "to remove",
            (false, true) => "to copy",
            (false, false) => "unchanged",
        };
        let digest = self.digest.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.id.clone(), self.version.clone(), state.to_owned(), digest]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

/// Mirrors extensions, or verifies a mirror.
pub(super) async fn run(args: &MirrorArgs, context: &Context) -> Result<()> {
    if let Some(directory) = &args.verify {
        return run_verify(directory, context);
    }
    let directory = args.to.as_deref().unwrap_or(Path::new("."));
    let planned = match &args.lock {
        Some(path) => vec![of_lock(path, directory, context)?],
        None => of_registry(args, directory, context).await?,
    };
    let is_new = |planned: &&PlannedVersion| planned.present.is_none();
    let versions: Vec<&PlannedVersion> = planned.iter().flat_map(|one| &one.versions).collect();
    let surplus: Vec<&(ExtensionId, Vec<String>)> =
        planned.iter().filter_map(|one| one.surplus.as_ref()).collect();
    if args.dry_run {
        let rows = versions.iter().map(|planned| row(planned, None, is_new(planned)));
        let removed = surplus.iter().flat_map(|(id, tags)| removed_rows(id, tags));
        return print_rows(&rows.chain(removed).collect::<Vec<_>>(), context.display);
    }
    let rows = copy_all(&versions, args, directory, context).await;
    // Tags are removed even if a copy failed: neither depends on the other.
    let removed = remove_all(&surplus, directory, context).await;
    let (rows, removed) = match (rows, removed) {
        (Ok(rows), Ok(removed)) => (rows, removed),
        (rows, removed) => {
            let failures = rows.err().into_iter().chain(removed.err()).collect();
            return ClientFailure::join(failures).map_or(Ok(()), Err);
        }
    };
    let copied = rows.iter().filter(|row| row.changed).count();
    context.tell(&format!(
        "copied {copied}, unchanged {}, removed {}",
        rows.len() - copied,
        removed.len()
    ));
    match context.display.form {
        OutputForm::Table => Ok(()),
        _ => print_rows(&rows.into_iter().chain(removed).collect::<Vec<_>>(), context.display),
    }
}

fn run_verify(directory: &Path, context: &Context) -> Result<()> {
    let rows = verify(directory)?;
    print_rows(&rows, context.display)?;
    let failures = rows.into_iter().filter_map(|row| row.failure).collect();
    ClientFailure::join(failures).map_or(Ok(()), Err)
}

async fn copy_all(
    versions: &[&PlannedVersion],
    args: &MirrorArgs,
    directory: &Path,
    context: &Context,
) -> Result<Vec<MirroredRow>> {
    let asks = |planned: &&&PlannedVersion| planned.present.is_none() || args.referrers;
    let count = versions.iter().filter(asks).count();
    if count == 0 {
        return Ok(versions.iter().map(|planned| row(planned, None, false)).collect());
    }
    let api = DistributionApi::find(&context.registry).await?;
    let progress = Progress::begin(count, context.display);
    let copier = Copier::new(&context.registry, directory, api, &progress);
    let copies = versions.iter().map(|planned| copy(planned, args.referrers, &copier, &progress));
    let rows: Vec<_> = stream::iter(copies).buffered(args.jobs.into()).collect().await;
    progress.end();
    all(rows)
}

async fn copy(
    planned: &PlannedVersion,
    copies_referrers: bool,
    copier: &Copier<'_>,
    progress: &Progress,
) -> Result<MirroredRow> {
    let PlannedVersion { wanted, tag, present } = planned;
    if let Some(present) = present {
        if copies_referrers {
            copier.copy_referrers(wanted, &present.manifest).await?;
        }
        return Ok(row(planned, None, false));
    }
    let copied = copier.copy(wanted, tag).await?;
    let digest = copied.archive.as_ref().unwrap_or(&copied.manifest);
    let short = digest.hex().get(..DIGITS).unwrap_or_default();
    let (id, version, length) = (&wanted.id, &wanted.version, size(copied.size));
    let algorithm = digest.algorithm().as_str();
    progress.finished(&format!("copied {id} {version}  {length}  {algorithm}:{short}"));
    let archive = copied.archive.map(|digest| digest.to_string());
    Ok(row(planned, Some((archive, copied.manifest.to_string())), true))
}

fn row(
    planned: &PlannedVersion,
    copied: Option<(Option<String>, String)>,
    changed: bool,
) -> MirroredRow {
    let WantedVersion { id, version, source, backend, digest, .. } = &planned.wanted;
    let known = digest.as_ref().map(ToString::to_string);
    let present = planned.present.as_ref().map(|present| present.manifest.to_string());
    let (digest, manifest) = match copied {
        Some((digest, manifest)) => (digest.or(known), Some(manifest)),
        None => (known, present),
    };
    MirroredRow {
        id: id.to_string(),
        version: version.clone(),
        tag: planned.tag.clone(),
        source: source.clone(),
        backend: backend.clone(),
        digest,
        manifest,
        changed,
        removed: false,
    }
}

async fn remove_all(
    surplus: &[&(ExtensionId, Vec<String>)],
    directory: &Path,
    context: &Context,
) -> Result<Vec<MirroredRow>> {
    let mut rows = Vec::new();
    for (id, tags) in surplus.iter().filter(|(_, tags)| !tags.is_empty()) {
        let layout = directory.join(id.oci_repository().to_ascii_lowercase());
        let removed = tags.clone();
        change_layout(&layout, move |writer| {
            for tag in &removed {
                writer.untag(tag);
            }
            Ok(())
        })
        .await?;
        for tag in tags {
            context.tell(&format!("removed {id} {tag}: the registry has it no more"));
        }
        rows.extend(removed_rows(id, tags));
    }
    Ok(rows)
}

fn removed_rows(id: &ExtensionId, tags: &[String]) -> Vec<MirroredRow> {
    let rows = tags.iter().map(|tag| MirroredRow {
        id: id.to_string(),
        version: tag.clone(),
        tag: tag.clone(),
        source: "local".to_owned(),
        backend: "local".to_owned(),
        digest: None,
        manifest: None,
        changed: true,
        removed: true,
    });
    rows.collect()
}
