//! `outdated`: locked extensions of which newer versions exist.

use futures_util::future::{join_all, try_join};
use serde::Serialize;

use crate::cli::arguments::OutdatedArgs;
use crate::commands::project::Project;
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::lock::manifest::Requirement;
use crate::output::{OutputRow, print_rows};
use crate::reference::Wanted;
use crate::resolve::find_release;

/// A locked extension, and the versions that exist.
#[derive(Serialize)]
struct OutdatedRow {
    id: String,
    requested: String,
    locked: Option<String>,
    /// Newest version within the range.
    wanted: String,
    latest: String,
}

impl OutdatedRow {
    fn is_outdated(&self) -> bool {
        let locked = self.locked.as_deref();
        locked != Some(self.wanted.as_str()) || locked != Some(self.latest.as_str())
    }
}

impl OutputRow for OutdatedRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "REQUESTED", "LOCKED", "WANTED", "LATEST"];

    fn cells(&self) -> Vec<String> {
        let locked = self.locked.clone().unwrap_or_else(|| "-".to_owned());
        let Self { id, requested, wanted, latest, .. } = self;
        vec![id.clone(), requested.clone(), locked, wanted.clone(), latest.clone()]
    }

    fn name(&self) -> String {
        format!("{}@{}", self.id, self.wanted)
    }
}

/// Prints the outdated extensions.
pub(super) async fn run(args: &OutdatedArgs, context: &Context) -> Result<()> {
    let project = Project::required(context)?;
    let rows = project.manifest.requirements().iter();
    let rows = all(join_all(rows.map(|one| row(one, &project, context))).await)?;
    let outdated: Vec<OutdatedRow> = rows.into_iter().filter(OutdatedRow::is_outdated).collect();
    print_rows(&outdated, context.display)?;
    if args.exit_code && !outdated.is_empty() {
        let message = format!("{} of the locked extensions are outdated", outdated.len());
        return Err(ClientFailure::new(FailureKind::Outdated, message).hint("extreg update"));
    }
    Ok(())
}

async fn row(
    requirement: &Requirement,
    project: &Project,
    context: &Context,
) -> Result<OutdatedRow> {
    let Requirement { id, requested, wanted, question } = requirement;
    let wanted = find_release(&context.registry, id, wanted, question);
    let latest = find_release(&context.registry, id, &Wanted::Latest, question);
    let (wanted, latest) = try_join(wanted, latest).await?;
    Ok(OutdatedRow {
        id: id.to_string(),
        requested: requested.clone(),
        locked: project.lock.entry(id).map(|entry| entry.version.clone()),
        wanted: wanted.version.version,
        latest: latest.version.version,
    })
}
