//! `lock` and `update`.

use crate::cli::arguments::{LockArgs, UpdateArgs};
use crate::commands::project::Project;
use crate::context::Context;
use crate::failure::{Result, all};
use crate::lock::answer::answer_all;
use crate::lock::file::Lock;
use crate::lock::freshness::unanswered;
use crate::lock::manifest::Requirement;
use crate::lock::relock::relock;

/// Makes the lock: locked versions stay while the manifest requests the same.
pub(super) async fn lock(args: &LockArgs, context: &Context) -> Result<()> {
    let project = Project::required(context)?;
    let new = locked(&project, &[], args.accept_source, context).await?;
    if new == project.lock {
        context.tell("the lock is current");
    }
    project.write(&new, args.dry_run, context)
}

/// Moves locked versions to the newest within their ranges.
pub(super) async fn update(args: &UpdateArgs, context: &Context) -> Result<()> {
    let project = Project::required(context)?;
    let renewed: Vec<&Requirement> = if args.names.is_empty() {
        project.manifest.requirements().iter().collect()
    } else {
        all(args.names.iter().map(|name| project.requirement(name)))?
    };
    let new = locked(&project, &renewed, args.accept_source, context).await?;
    if new == project.lock {
        context.tell("nothing to update");
    }
    project.write(&new, args.dry_run, context)
}

/// Makes the lock of a project. Asks for what it lacks, and for these requirements.
pub(super) async fn locked(
    project: &Project,
    renewed: &[&Requirement],
    accepts_sources: bool,
    context: &Context,
) -> Result<Lock> {
    let requirements = project.manifest.requirements();
    let mut open = unanswered(requirements, &project.lock);
    let others = renewed.iter().filter(|one| open.iter().all(|other| other.id != one.id));
    let others: Vec<&Requirement> = others.copied().collect();
    open.extend(others);
    let answers = answer_all(&context.registry, &open).await?;
    relock(requirements, &project.lock, answers, accepts_sources)
}
