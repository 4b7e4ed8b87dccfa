//! The file of a release that a request is about.

use std::sync::Arc;

use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, ArtifactChoice};
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::truncate::first_few;

/// Returns the requested file of a release: its archive, or the asset with this key or name.
///
/// # Errors
///
/// `NotFound`, naming the candidates if there are several.
pub fn file_of<'a>(
    id: &ExtensionId,
    release: &'a Release,
    asset: Option<&str>,
) -> Result<&'a Arc<Artifact>> {
    match asset {
        Some(asset) => asset_of(id, release, asset),
        None => archive_of(id, release),
    }
}

fn asset_of<'a>(id: &ExtensionId, release: &'a Release, asset: &str) -> Result<&'a Arc<Artifact>> {
    // Publishers choose the names of assets, so two files of a release may share one.
    let mut named = release.assets.iter().filter(|one| *one.file_name == *asset);
    let by_name = match (named.next(), named.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    };
    let by_key = release.assets.iter().find(|one| one.key.as_str() == asset);
    by_key.or(by_name).ok_or_else(|| {
        let version = release.version.as_str();
        Error::not_found(format!("Extension {id} {version} has no single asset {asset:?}"))
    })
}

fn archive_of<'a>(id: &ExtensionId, release: &'a Release) -> Result<&'a Arc<Artifact>> {
    let version = release.version.as_str();
    match &release.artifact {
        ArtifactChoice::Chosen(artifact) => Ok(artifact),
        ArtifactChoice::Ambiguous(names) => Err(Error::not_found(format!(
            "Extension {id} {version} has several archives and no rule to choose one; \
             choose one with ?asset=: {}",
            first_few(names.clone()).join(", ")
        ))),
        // Not `Unread`: `find_release` reads a release before its archive is requested.
        ArtifactChoice::Unread | ArtifactChoice::Nothing => {
            Err(Error::not_found(format!("Extension {id} {version} has no archive")))
        }
    }
}
