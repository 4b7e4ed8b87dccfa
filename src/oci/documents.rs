//! What a manifest carries for people to read. Shared by registries and image layouts; no I/O.

use std::sync::Arc;

use crate::models::notes::release_notes;
use crate::oci::artifact::Claims;

/// Where a publisher puts release notes: OCI has no annotation for them, Artifact Hub's is the
/// known one.
const NOTES: &str = "io.artifacthub.package.changes";

/// What has changed, as the nearest place that says anything says it.
#[must_use]
pub fn notes(claims: &Claims<'_>) -> Option<Arc<str>> {
    claims.annotations.iter().find_map(|annotations| release_notes(annotations.get(NOTES)?))
}
