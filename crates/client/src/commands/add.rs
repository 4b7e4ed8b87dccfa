//! `add` and `remove`.

use registry_core::models::constraint::Constraint;

use crate::cli::arguments::{AddArgs, RemoveArgs};
use crate::commands::lock::locked;
use crate::commands::project::Project;
use crate::context::Context;
use crate::failure::{Result, all};
use crate::lock::manifest::ProjectManifest;
use crate::question::Question;
use crate::reference::Wanted;
use crate::resolve::{ResolvedRelease, resolve_all};
use crate::settings::find_manifest;

/// Adds extensions to the manifest and the lock, or changes their versions.
pub(super) async fn add(args: &AddArgs, context: &Context) -> Result<()> {
    let question = Question { scope: args.scope.clone(), admits_prereleases: args.pre };
    let releases = resolve_all(&context.registry, &args.references, &question).await?;
    let manifest = find_manifest(&context.directory)?;
    let mut manifest = manifest.unwrap_or_else(|| ProjectManifest::empty(&context.directory));
    for (reference, release) in args.references.iter().zip(&releases) {
        let requested = requested(&reference.wanted, release);
        let admits_prereleases = question.admits_prereleases || release.version.prerelease;
        let question = Question { admits_prereleases, ..question.clone() };
        manifest = manifest.set(&release.id, &requested, &question)?;
    }
    save(manifest, context).await
}

/// Removes extensions from the manifest and the lock.
pub(super) async fn remove(args: &RemoveArgs, context: &Context) -> Result<()> {
    let project = Project::required(context)?;
    let named = all(args.names.iter().map(|name| project.requirement(name)))?;
    let mut manifest = project.manifest.clone();
    for requirement in named {
        manifest = manifest.remove(&requirement.id)?;
    }
    save(manifest, context).await
}

/// Writes a manifest and its lock. Nothing is written if the lock cannot be made.
async fn save(manifest: ProjectManifest, context: &Context) -> Result<()> {
    let project = Project::of(manifest)?;
    let lock = locked(&project, &[], false, context).await?;
    project.manifest.write()?;
    project.write(&lock, false, context)
}

/// Returns what the manifest requests: a range, or an exact version if the user wrote one.
pub(super) fn requested(wanted: &Wanted, release: &ResolvedRelease) -> String {
    let version = &release.version.version;
    let is_version = version.parse::<Constraint>().is_ok();
    match wanted {
        Wanted::Range(range) => range.to_string(),
        Wanted::Latest if is_version => format!("^{version}"),
        Wanted::Bare(_) if let Some(range) = &release.read_as => range.to_string(),
        Wanted::Bare(_) if is_version => format!("={version}"),
        // No range can name it, but the tag can.
        Wanted::Latest | Wanted::Bare(_) => release.version.tag.clone(),
    }
}
