//! Publishes a version as a release of Gitea or Forgejo.

use crate::failure::{ClientFailure, Result};
use crate::publish::job::{PublishJob, PublishOutcome};
use crate::publish::publication::Publication;
use crate::publish::target::GiteaTarget;

/// Publishes a version.
pub(super) async fn publish(
    publication: &Publication,
    target: &GiteaTarget,
    _job: &PublishJob<'_>,
) -> Result<PublishOutcome> {
    let message = format!("{} cannot be published to {target} yet", publication.id);
    Err(ClientFailure::usage(message))
}
