//! The version of a page: one that its address names, or the latest.

use std::sync::Arc;

use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::tag::Tag;

use crate::answers::page_data::PageData;
use crate::api::params::bad_request;
use crate::edge::problem::Problem;
use crate::pages::archive_tree::{cached_index, count};
use crate::pages::extension_head::ShownVersion;
use crate::pages::extension_path::ExtensionPath;
use crate::pages::page_state::Pages;

const LATEST: &str = "latest";

/// Finds one version of an extension, by default the latest.
///
/// # Errors
///
/// 404 if there is no such extension or version; the other errors of reads.
pub async fn find_version(
    pages: &Pages,
    ExtensionPath { id, scope }: ExtensionPath,
    tag: Option<Tag>,
) -> Result<(PageData, ShownVersion), Problem> {
    let (data, entry) = pages.api.answers.extension_data(&id, scope, false).await?;
    let is_pinned = tag.is_some();
    let named = tag.map_or_else(|| LATEST.parse().map_err(bad_request), Ok)?;
    let known = entry.extension.find(&named).cloned();
    // A version that is not known, or not read yet, is requested from its backend.
    let release = match known.filter(|one| one.artifact != ArtifactChoice::Unread) {
        Some(release) => release,
        None => pages.catalog().reader.find_release(&id, &named, scope).await?.1,
    };
    let view = Arc::clone(&data.view);
    let mut shown = ShownVersion { view, entry, release, scope, is_pinned, files: None };
    shown.files = cached_index(pages, &shown.release).as_ref().map(count);
    Ok((data, shown))
}
