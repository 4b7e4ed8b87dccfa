//! `versions` and `resolve`.

use registry_core::models::constraint::{Constraint, Side};
use registry_core::models::version::Version;
use registry_public::extension::VersionBody;
use registry_public::paths::Target;

use crate::cli::arguments::{ResolveArgs, VersionsArgs};
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::output::print_rows;
use crate::question::Question;
use crate::reference::Wanted;
use crate::resolve::{find_id, resolve_all};
use crate::rows::{ReleaseLine, VersionLine};

/// Prints the versions of an extension.
pub(super) async fn list(args: &VersionsArgs, context: &Context) -> Result<()> {
    let id = find_id(&context.registry, &args.reference).await?;
    let range = match (&args.range, &args.reference.wanted) {
        (Some(range), _) | (None, Wanted::Range(range)) => Some(range),
        _ => None,
    };
    let target = Target::new(format!("/extensions/{id}/versions")).with_all(args.scope.pairs());
    let all: Vec<VersionBody> = context.registry.get(&target).await?;
    let (shown, prereleases): (Vec<VersionBody>, Vec<VersionBody>) = all
        .into_iter()
        .filter(|version| range.is_none_or(|range| is_within(version, range)))
        .partition(|version| args.pre || !version.prerelease);
    if !prereleases.is_empty() {
        context.tell(&format!("{} pre-releases are left out; --pre lists them", prereleases.len()));
    }
    if shown.is_empty()
        && let Some(range) = range
    {
        let message = format!("{id} has no version that matches {range}");
        return Err(ClientFailure::new(FailureKind::NotFound, message)
            .hint(format!("extreg versions {id}")));
    }
    let rows: Vec<VersionLine> =
        shown.into_iter().map(|version| VersionLine { id: id.clone(), version }).collect();
    print_rows(&rows, context.display)
}

fn is_within(version: &VersionBody, range: &Constraint) -> bool {
    let version = version.version.parse::<Version>();
    version.is_ok_and(|version| range.side_of(&version) == Some(Side::Within))
}

/// Prints the releases of references.
pub(super) async fn resolve(args: &ResolveArgs, context: &Context) -> Result<()> {
    let question = Question { scope: args.scope.clone(), admits_prereleases: args.pre };
    let releases = resolve_all(&context.registry, &args.references, &question).await?;
    for release in &releases {
        if let Some(range) = &release.read_as {
            let chosen = &release.version.version;
            context.tell(&format!("{}: read as {range}, chose {chosen}", release.id));
        }
    }
    let rows: Vec<ReleaseLine> = releases.iter().map(ReleaseLine::from).collect();
    print_rows(&rows, context.display)
}
