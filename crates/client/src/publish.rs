//! `publish`: one version, to image layouts, an OCI registry or Gitea.

pub(crate) mod created;
mod gitea;
pub(crate) mod job;
mod layout;
mod oci;
pub(crate) mod publication;
mod shared_file;
pub(crate) mod sheet_file;
pub(crate) mod source;
pub mod target;
pub(crate) mod visible_at;

use crate::failure::Result;
use crate::publish::job::{PublishJob, PublishOutcome};
use crate::publish::publication::Publication;
use crate::publish::target::PublishTarget;

/// Publishes a version. Readers of the target see the whole version or nothing.
pub(crate) async fn publish(
    publication: &Publication,
    target: &PublishTarget,
    job: &PublishJob<'_>,
) -> Result<PublishOutcome> {
    match target {
        PublishTarget::Layouts(root) => layout::publish(publication, root, job).await,
        PublishTarget::Oci(target) => oci::publish(publication, target, job).await,
        PublishTarget::Gitea(target) => gitea::publish(publication, target, job).await,
    }
}
