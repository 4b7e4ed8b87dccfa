//! Plans of a mirror: the versions that a registry or a lock has, compared with the layouts.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use registry_core::models::digest::Algorithm;
use registry_core::models::naming::ExtensionId;
use registry_public::extension::VersionBody;
use registry_public::paths::Target;

use crate::cli::arguments::{MirrorArgs, ScopeArgs};
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::listing::{filtered, pages};
use crate::lock::file::Lock;
use crate::mirror::selection::Selection;
use crate::mirror::source::WantedVersion;
use crate::mirror::stored::{CompleteVersion, StoredLayout};
use crate::resolve::id_of;

/// A version to mirror, and what is there already.
#[derive(Debug)]
pub(crate) struct PlannedVersion {
    pub(crate) wanted: WantedVersion,
    /// Tag in the layout.
    pub(crate) tag: String,
    /// The version, if it is there as the registry has it.
    pub(crate) present: Option<CompleteVersion>,
}

/// Versions of one extension, and the tags that the registry no longer has.
#[derive(Debug, Default)]
pub(crate) struct PlannedExtension {
    pub(crate) versions: Vec<PlannedVersion>,
    pub(crate) surplus: Option<(ExtensionId, Vec<String>)>,
}

/// Plans the versions of a lock, exactly as it has them.
pub(crate) fn of_lock(
    path: &Path,
    directory: &Path,
    context: &Context,
) -> Result<PlannedExtension> {
    let lock = Lock::read(path)?
        .ok_or_else(|| ClientFailure::usage(format!("there is no lock at {}", path.display())))?;
    let versions = lock.entries().iter().map(|entry| {
        let wanted = WantedVersion {
            id: entry.id.clone(),
            version: entry.version.clone(),
            tag: entry.tag.clone(),
            source: entry.source.clone(),
            backend: entry.backend_name().to_owned(),
            digest: Some(entry.digest.clone()),
            is_locked: true,
        };
        let layout = StoredLayout::read(&directory.join(wanted.layout()))?;
        Ok(plan(wanted, layout.as_ref(), context))
    });
    let versions = all(versions)?.into_iter().flatten().collect();
    Ok(PlannedExtension { versions, surplus: None })
}

/// Plans what the registry has now: one request for the list, and one for each extension.
pub(crate) async fn of_registry(
    args: &MirrorArgs,
    directory: &Path,
    context: &Context,
) -> Result<Vec<PlannedExtension>> {
    let selection = Selection {
        extension_type: args.extension_type,
        rules: args.rules.clone(),
        latest: args.latest,
    };
    let target = filtered("/extensions", args.extension_type, &ScopeArgs::default());
    let list = pages(&target, usize::MAX, &context.registry).await?;
    let ids = list.rows.iter().filter_map(id_of).filter(|id| selection.admits(id));
    let ids: Vec<ExtensionId> = ids.collect();
    let plans = ids.iter().map(|id| of_extension(id, &selection, args.prune, directory, context));
    let plans: Vec<_> = stream::iter(plans).buffered(args.jobs.into()).collect().await;
    let mut plans = all(plans)?;
    if args.prune && list.rows.is_empty() {
        let message =
            format!("{} lists nothing: nothing is removed", context.registry.server().url);
        return Err(ClientFailure::new(FailureKind::Conflict, message)
            .hint("check the address; remove the directory yourself if this is meant"));
    }
    if args.prune && list.is_degraded {
        context.tell("nothing is removed: the registry's list is not complete now");
        for plan in &mut plans {
            plan.surplus = None;
        }
    } else if args.prune {
        plans.extend(of_absent(&ids, &selection, directory)?);
    }
    Ok(plans)
}

async fn of_extension(
    id: &ExtensionId,
    selection: &Selection,
    prunes: bool,
    directory: &Path,
    context: &Context,
) -> Result<PlannedExtension> {
    let target = Target::new(format!("/extensions/{id}/versions"));
    let page = match context.registry.page::<VersionBody>(&target).await {
        Ok(page) => page,
        // It was removed since the list was read: the next run sees that.
        Err(failure) if failure.kind() == FailureKind::NotFound => {
            return Ok(PlannedExtension::default());
        }
        Err(failure) => return Err(failure),
    };
    let there: BTreeSet<String> =
        page.rows.iter().filter_map(|row| wanted(id, row).layout_tag()).collect();
    let layout = directory.join(id.oci_repository().to_ascii_lowercase());
    let layout = StoredLayout::read(&layout)?;
    let surplus = layout.as_ref().filter(|_| prunes && !page.is_degraded).map(|layout| {
        let tags = layout.tags().filter(|tag| !there.contains(*tag)).map(str::to_owned);
        (id.clone(), tags.collect())
    });
    let versions = selection.select(id, page.rows);
    let versions =
        versions.iter().filter_map(|row| plan(wanted(id, row), layout.as_ref(), context));
    Ok(PlannedExtension { versions: versions.collect(), surplus })
}

/// Finds layouts of extensions that the registry no longer has.
fn of_absent(
    ids: &[ExtensionId],
    selection: &Selection,
    directory: &Path,
) -> Result<Vec<PlannedExtension>> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(Vec::new()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let absent = names
        .filter_map(|name| Some((ExtensionId::from_oci_repository(&name)?, name)))
        .filter(|(id, _)| selection.admits(id) && !ids.contains(id));
    all(absent.map(|(id, name)| {
        let layout = StoredLayout::read(&directory.join(name))?;
        let tags = layout.iter().flat_map(StoredLayout::tags).map(str::to_owned).collect();
        Ok(PlannedExtension { versions: Vec::new(), surplus: Some((id, tags)) })
    }))
}

fn wanted(id: &ExtensionId, row: &VersionBody) -> WantedVersion {
    WantedVersion {
        id: id.clone(),
        version: row.version.clone(),
        tag: row.tag.clone(),
        source: row.source.clone(),
        backend: row.backend.clone(),
        digest: row.digest.as_deref().and_then(|digest| digest.parse().ok()),
        is_locked: false,
    }
}

/// Compares a version with what is there. `None` if a layout cannot have its tag.
fn plan(
    wanted: WantedVersion,
    layout: Option<&StoredLayout>,
    context: &Context,
) -> Option<PlannedVersion> {
    let Some(tag) = wanted.layout_tag() else {
        let WantedVersion { id, version, .. } = &wanted;
        context.tell(&format!("left out {id} {version}: a layout cannot have such a tag"));
        return None;
    };
    let present = layout.and_then(|layout| layout.complete(&tag)).filter(|present| {
        // Layouts have sha256: another digest of the registry cannot be compared without its bytes.
        let told = wanted.digest.as_ref().filter(|told| told.algorithm() == Algorithm::Sha256);
        told.is_none_or(|told| present.files.contains(told))
    });
    Some(PlannedVersion { wanted, tag, present })
}
