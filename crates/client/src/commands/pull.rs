//! `pull`: the archives of references, or of the manifest and its lock.

use std::path::Path;

use futures_util::future::join_all;
use registry_core::models::naming::ExtensionId;
use tokio::task::spawn_blocking;

use crate::cli::arguments::PullArgs;
use crate::commands::add::requested;
use crate::commands::lock::locked;
use crate::commands::project::Project;
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::form::OutputForm;
use crate::lock::answer::answer_all;
use crate::lock::changes::describe;
use crate::lock::file::Lock;
use crate::lock::freshness::stale;
use crate::lock::manifest::{Requirement, wanted};
use crate::lock::relock::relock;
use crate::output::print_rows;
use crate::pull::cache::Cache;
use crate::pull::extract::unpack;
use crate::pull::item::{Item, Pulled, separate};
use crate::pull::mark::DirectoryMark;
use crate::pull::progress::Progress;
use crate::pull::puller::Puller;
use crate::question::Question;
use crate::resolve::resolve_all;

/// Fetches archives. All are known before the first byte is fetched.
pub(super) async fn run(args: &PullArgs, context: &Context) -> Result<()> {
    let mut items = match (&args.lock, args.references.is_empty()) {
        (_, true) => of_manifest(args, context).await?,
        (Some(path), false) => of_lock_file(path, args, context).await?,
        (None, false) => of_references(args, context).await?,
    };
    separate(&mut items);
    let fetcher = Puller {
        registry: &context.registry,
        directory: args.to.clone(),
        cache: context.settings.cache_directory.as_deref().map(Cache::new),
        forces: args.force,
        is_offline: context.settings.is_offline,
        progress: Progress::begin(items.len(), context.display),
    };
    if args.dry_run {
        let planned = all(join_all(items.iter().map(|item| fetcher.plan(item))).await)?;
        return print_rows(&planned, context.display);
    }
    let pulled = fetcher.pull_all(&items, args.jobs.into()).await?;
    if let Some(directory) = &args.extract {
        for (item, pulled) in items.iter().zip(&pulled) {
            extract(item, pulled, directory, args.force, context).await?;
        }
    }
    match context.display.form {
        OutputForm::Table => Ok(()),
        _ => print_rows(&pulled, context.display),
    }
}

/// The archives of the manifest: as they are locked, and new ones after the lock was written.
async fn of_manifest(args: &PullArgs, context: &Context) -> Result<Vec<Item>> {
    let project = Project::required(context)?;
    let requirements = project.manifest.requirements();
    let uses_lock_as_it_is =
        args.locked || context.settings.is_locked || context.settings.is_offline;
    let lock = if uses_lock_as_it_is {
        stale(requirements, &project.lock).map_or(Ok(()), Err)?;
        project.lock.clone()
    } else {
        let lock = locked(&project, &[], args.accept_source, context).await?;
        project.write(&lock, args.dry_run, context)?;
        lock
    };
    Ok(items_of(&lock, &project.lock, requirements))
}

/// The archives of references, recorded in a lock without a manifest.
async fn of_lock_file(path: &Path, args: &PullArgs, context: &Context) -> Result<Vec<Item>> {
    let old = Lock::read(path)?.unwrap_or_default();
    let question = Question { scope: args.scope.clone(), admits_prereleases: args.pre };
    let releases = resolve_all(&context.registry, &args.references, &question).await?;
    let requirements = args.references.iter().zip(&releases).map(|(reference, release)| {
        let requested = requested(&reference.wanted, release);
        let wanted = wanted(&requested).unwrap_or_else(|| reference.wanted.clone());
        Requirement { id: release.id.clone(), requested, wanted, question: question.clone() }
    });
    let requirements: Vec<Requirement> = requirements.collect();
    let asked: Vec<&Requirement> = requirements.iter().collect();
    let answers = answer_all(&context.registry, &asked).await?;
    let new = relock(&requirements, &old, answers, args.accept_source)?;
    let items = items_of(&new, &old, &requirements);
    let others = old.entries().iter().filter(|entry| new.entry(&entry.id).is_none());
    let entries = others.chain(new.entries()).cloned().collect();
    let new = old.with_entries(entries);
    for line in describe(&old, &new) {
        context.tell(&line);
    }
    if !args.dry_run {
        new.write(path)?;
    }
    Ok(items)
}

/// The archives of references. Those that a lock names must have its digests.
async fn of_references(args: &PullArgs, context: &Context) -> Result<Vec<Item>> {
    let project = Project::find(context)?;
    if args.locked || context.settings.is_offline {
        return of_locked_references(args, project.as_ref());
    }
    let question = Question { scope: args.scope.clone(), admits_prereleases: args.pre };
    let releases = resolve_all(&context.registry, &args.references, &question).await?;
    for release in releases.iter().filter(|release| release.read_as.is_some()) {
        context.tell(&format!("{}: chose {}", release.id, release.version.version));
    }
    let asset = args.asset.as_deref();
    let items = releases
        .iter()
        .map(|release| Item::of_release(&context.registry, release, asset, &question));
    let items = all(join_all(items).await)?;
    if args.asset.is_some() {
        return Ok(items);
    }
    all(items.into_iter().map(|item| checked(item, project.as_ref())))
}

fn of_locked_references(args: &PullArgs, project: Option<&Project>) -> Result<Vec<Item>> {
    let entries = project.map(|project| project.lock.entries()).unwrap_or_default();
    all(args.references.iter().map(|reference| {
        let entry = entries.iter().find(|entry| reference.means(&entry.id));
        entry.map(|entry| Item::of_entry(entry, &Question::default())).ok_or_else(|| {
            let message = format!("{} is not in the lock", reference.name);
            ClientFailure::new(FailureKind::Outdated, message).hint("extreg add, or pull it online")
        })
    }))
}

fn checked(item: Item, project: Option<&Project>) -> Result<Item> {
    let entry = project.and_then(|project| project.lock.entry(&item.id));
    let Some(entry) = entry.filter(|entry| entry.version == item.version) else {
        return Ok(item);
    };
    match &item.digest {
        Some(told) if *told != entry.digest => Err(item.mismatch(told, &entry.digest)),
        _ => Ok(Item { digest: Some(entry.digest.clone()), ..item }),
    }
}

fn items_of(lock: &Lock, old: &Lock, requirements: &[Requirement]) -> Vec<Item> {
    let question = |id: &ExtensionId| {
        let requirement = requirements.iter().find(|requirement| requirement.id == *id);
        requirement.map(|requirement| requirement.question.clone()).unwrap_or_default()
    };
    let items = lock.entries().iter().map(|entry| Item {
        replaces: old.entry(&entry.id).map(|before| before.digest.clone()),
        ..Item::of_entry(entry, &question(&entry.id))
    });
    items.collect()
}

async fn extract(
    item: &Item,
    pulled: &Pulled,
    directory: &Path,
    forces: bool,
    context: &Context,
) -> Result<()> {
    let mark = DirectoryMark {
        id: pulled.id.clone(),
        version: pulled.version.clone(),
        digest: pulled.digest.clone().unwrap_or_default(),
        source: pulled.source.clone(),
        backend: pulled.backend.clone(),
        files: std::collections::BTreeMap::new(),
    };
    let (archive, directory) = (pulled.path.clone(), directory.to_owned());
    let id = item.id.clone();
    let unpacked = spawn_blocking(move || unpack(&archive, &directory, &id, &mark, forces)).await;
    if unpacked.map_err(|error| ClientFailure::failed(error.to_string()))?? {
        context.tell(&format!("unpacked {} {}", pulled.id, pulled.version));
    }
    Ok(())
}
