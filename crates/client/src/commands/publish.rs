//! `publish`: packs a directory, or takes an archive, and publishes it.

use std::path::Path;

use registry_core::models::notes::NOTES_MAX;
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::cli::arguments::PublishArgs;
use crate::commands::pack::archive_name;
use crate::context::Context;
use crate::failure::{ClientFailure, Result};
use crate::form::OutputForm;
use crate::output::{OutputRow, print_rows, size};
use crate::publish::created::created;
use crate::publish::job::{PublishJob, PublishOutcome, PublishRules};
use crate::publish::publication::{ArchiveFile, Publication};
use crate::publish::source::PublishSource;
use crate::publish::{publish, sheet_file, visible_at};
use crate::settings::read_token;

/// A version that was published.
#[derive(Serialize)]
struct PublishedRow {
    id: String,
    tag: String,
    target: String,
    digest: String,
    size: u64,
    manifest: String,
    changed: bool,
}

impl OutputRow for PublishedRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "VERSION", "TARGET", "SIZE", "DIGEST"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.tag.clone(),
            self.target.clone(),
            size(self.size),
            self.digest.clone(),
        ]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.tag)
    }
}

/// Publishes a version.
pub(super) async fn run(args: &PublishArgs, context: &Context) -> Result<()> {
    if context.settings.is_offline && !args.to.is_local() {
        let message = format!("--offline sends no request to {}", args.to);
        return Err(ClientFailure::usage(message).hint("run it without --offline"));
    }
    let publication = prepare(args, context).await?;
    let job = PublishJob {
        rules: PublishRules {
            replaces: args.replace,
            is_dry_run: args.dry_run,
            creates_repository: args.create_repository,
        },
        token: args.token_file.as_deref().map(read_token).transpose()?,
        token_hosts: args.token_host.clone(),
        context,
    };
    let outcome = publish(&publication, &args.to, &job).await?;
    let Publication { id, tag, archive, .. } = &publication;
    let short = archive.digest.hex().get(..12).unwrap_or_default();
    let sized = size(archive.size);
    context.tell(&match outcome {
        PublishOutcome::Published => {
            format!("published {id} {tag}  {sized}  sha256:{short} to {}", args.to)
        }
        PublishOutcome::Unchanged => format!("{id} {tag} is already published to {}", args.to),
        PublishOutcome::Planned => format!("nothing was written to {}", args.to),
    });
    if outcome != PublishOutcome::Planned && !args.no_wait {
        visible_at::wait(&publication, context).await?;
    }
    if context.display.form == OutputForm::Table {
        return Ok(());
    }
    let row = PublishedRow {
        id: id.to_string(),
        tag: tag.to_string(),
        target: args.to.to_string(),
        digest: archive.digest.to_string(),
        size: archive.size,
        manifest: publication.manifest_digest().to_string(),
        changed: outcome == PublishOutcome::Published,
    };
    print_rows(&[row], context.display)
}

async fn prepare(args: &PublishArgs, context: &Context) -> Result<Publication> {
    let path = args.source.clone();
    let directory = path.is_dir().then_some(path.as_path());
    let source = if let Some(directory) = directory {
        let sheet = sheet_file::read(directory)?;
        let id = sheet_file::identity(&args.identity, &sheet)?;
        let tag = sheet_file::tag(args.tag.as_ref(), &args.identity, &sheet)?;
        let own = archive_name(&id, &tag, ".tar.gz");
        let directory = directory.to_owned();
        spawn_blocking(move || PublishSource::pack(&directory, sheet, &own)).await
    } else {
        let path = path.clone();
        spawn_blocking(move || PublishSource::open(&path)).await
    };
    let source = source.map_err(|error| ClientFailure::failed(error.to_string()))??;
    let sheet = &source.sheet;
    let id = sheet_file::identity(&args.identity, sheet)?;
    let tag = sheet_file::tag(args.tag.as_ref(), &args.identity, sheet)?;
    let release = sheet.release(tag.as_str());
    let notes = match &args.notes {
        Some(path) => read_notes(path)?,
        None => release.and_then(|release| release.notes.clone()).unwrap_or_default(),
    };
    let of_sheet = release.and_then(|release| release.created.as_deref());
    let created = created(args.created, of_sheet, directory, context).await?;
    let annotations = sheet.annotations(tag.as_str(), &created.to_string(), &notes);
    let archive = ArchiveFile {
        file: source.file,
        title: archive_name(&id, &tag, source.ending),
        digest: source.digest,
        size: source.size,
    };
    Publication::new(id, tag, archive, source.readme, annotations, notes)
}

fn read_notes(path: &Path) -> Result<String> {
    let wrong = |reason: String| ClientFailure::usage(format!("{}: {reason}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > NOTES_MAX {
        return Err(wrong(format!("notes have at most {NOTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))
}
