//! Publishes a version to a repository of an OCI registry.

use crate::failure::{ClientFailure, Result};
use crate::publish::job::{PublishJob, PublishOutcome};
use crate::publish::publication::Publication;
use crate::publish::target::OciTarget;

/// Publishes a version.
pub(super) async fn publish(
    publication: &Publication,
    target: &OciTarget,
    _job: &PublishJob<'_>,
) -> Result<PublishOutcome> {
    let message = format!("{} cannot be published to {target} yet", publication.id);
    Err(ClientFailure::usage(message))
}
