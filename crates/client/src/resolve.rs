//! From references to releases: the id, and the version that is meant.

use futures_util::future::join_all;
use registry_core::models::constraint::Constraint;
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;
use registry_public::extension::{ExtensionBody, VersionBody};
use registry_public::metadata::MetadataBody;
use registry_public::paths::Target;

use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::http::Registry;
use crate::question::Question;
use crate::reference::{ExtensionReference, Wanted};

/// Names that a message offers.
const NEAR_MAX: usize = 3;

/// A release that a reference means.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedRelease {
    pub(crate) id: ExtensionId,
    pub(crate) version: VersionBody,
    /// Range by which a bare version was read, because no release has that name.
    pub(crate) read_as: Option<Constraint>,
}

/// Finds the releases of several references at once, or joins the failures.
pub(crate) async fn resolve_all(
    registry: &Registry,
    references: &[ExtensionReference],
    question: &Question,
) -> Result<Vec<ResolvedRelease>> {
    let releases = references.iter().map(|reference| resolve(registry, reference, question));
    all(join_all(releases).await)
}

/// Finds the release of a reference.
pub(crate) async fn resolve(
    registry: &Registry,
    reference: &ExtensionReference,
    question: &Question,
) -> Result<ResolvedRelease> {
    let id = find_id(registry, reference).await?;
    let found = find_release(registry, &id, &reference.wanted, question).await;
    match found {
        Err(failure) if failure.kind() == FailureKind::NotFound => {
            Err(suggest(registry, &id, failure).await)
        }
        found => found,
    }
}

/// Finds the id of a reference. Without a type, the name must be unique.
pub(crate) async fn find_id(
    registry: &Registry,
    reference: &ExtensionReference,
) -> Result<ExtensionId> {
    if let Some(id) = reference.id() {
        return Ok(id);
    }
    let name = &reference.name;
    let rows = search(registry, name.as_str()).await?;
    let (same, near): (Vec<ExtensionId>, Vec<ExtensionId>) =
        rows.iter().filter_map(id_of).partition(|id| id.name == *name);
    match same.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let message = format!("nothing is called {name}");
            Err(with_near(ClientFailure::new(FailureKind::NotFound, message), &near))
        }
        several => {
            let names = joined(several);
            let failure = ClientFailure::usage(format!("{name} is not unique: {names}"));
            Err(failure.hint("write the type before the name"))
        }
    }
}

/// Finds the release of an extension that is wanted.
pub(crate) async fn find_release(
    registry: &Registry,
    id: &ExtensionId,
    wanted: &Wanted,
    question: &Question,
) -> Result<ResolvedRelease> {
    let (version, read_as) = match wanted {
        Wanted::Latest => (metadata(registry, id, "latest", question).await?.version, None),
        Wanted::Range(range) => (in_range(registry, id, range, question).await?, None),
        Wanted::Bare(tag) => bare(registry, id, tag, question).await?,
    };
    Ok(ResolvedRelease { id: id.clone(), version, read_as })
}

/// A bare version is a release of that name, else a range.
async fn bare(
    registry: &Registry,
    id: &ExtensionId,
    tag: &Tag,
    question: &Question,
) -> Result<(VersionBody, Option<Constraint>)> {
    let missing = match metadata(registry, id, tag.as_str(), question).await {
        Ok(metadata) => return Ok((metadata.version, None)),
        Err(failure) if failure.kind() == FailureKind::NotFound => failure,
        Err(failure) => return Err(failure),
    };
    let Ok(range) = tag.as_str().parse::<Constraint>() else { return Err(missing) };
    let version = in_range(registry, id, &range, question).await?;
    Ok((version, Some(range)))
}

async fn in_range(
    registry: &Registry,
    id: &ExtensionId,
    range: &Constraint,
    question: &Question,
) -> Result<VersionBody> {
    let target = Target::new(format!("/extensions/{id}/resolve"));
    let target = target.with("constraint", range.to_string());
    let admits = question.admits_prereleases.then(|| ("prerelease", "true".to_owned()));
    registry.get(&target.with_all(admits).with_all(question.scope.pairs())).await
}

/// Reads one version in full.
pub(crate) async fn metadata(
    registry: &Registry,
    id: &ExtensionId,
    tag: &str,
    question: &Question,
) -> Result<MetadataBody> {
    let release = match tag {
        "latest" => Target::new(format!("/extensions/{id}/latest")),
        tag => Target::release(&id.to_string(), tag),
    };
    registry.get(&release.below("/metadata").with_all(question.scope.pairs())).await
}

/// Adds what exists near a name or version that was not found.
async fn suggest(registry: &Registry, id: &ExtensionId, failure: ClientFailure) -> ClientFailure {
    let rows = search(registry, id.name.as_str()).await.unwrap_or_default();
    let found: Vec<ExtensionId> = rows.iter().filter_map(id_of).collect();
    if found.contains(id) {
        return failure.hint(format!("extreg versions {id}"));
    }
    with_near(failure, &found)
}

async fn search(registry: &Registry, name: &str) -> Result<Vec<ExtensionBody>> {
    registry.get(&Target::new("/extensions/search").with("q", name)).await
}

fn with_near(failure: ClientFailure, near: &[ExtensionId]) -> ClientFailure {
    match near.get(..near.len().min(NEAR_MAX)) {
        Some(near @ [_, ..]) => {
            let message = format!("{failure}; near: {}", joined(near));
            ClientFailure::new(failure.kind(), message)
        }
        _ => failure.hint("extreg list"),
    }
}

fn joined(ids: &[ExtensionId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns the id of a row; `None` if a server sent a name outside the grammar.
pub(crate) fn id_of(row: &ExtensionBody) -> Option<ExtensionId> {
    Some(ExtensionId { name: row.name.parse().ok()?, extension_type: row.r#type.parse().ok()? })
}
