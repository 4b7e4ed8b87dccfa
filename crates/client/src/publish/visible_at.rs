//! Waiting until a registry shows the version that was published.

use std::time::Duration;

use registry_public::metadata::MetadataBody;
use registry_public::paths::Target;
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::publish::publication::Publication;
use crate::settings::Chosen;

/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks the registry of `--server` until it shows the version. Without the flag nothing is asked.
pub(crate) async fn wait(publication: &Publication, context: &Context) -> Result<()> {
    let server = context.registry.server();
    if server.chosen != Chosen::Flag {
        return Ok(());
    }
    let (id, tag) = (&publication.id, &publication.tag);
    let target = Target::release(&id.to_string(), tag.as_str()).below("/metadata");
    let end = Instant::now() + PATIENCE;
    loop {
        let last = match context.registry.get::<MetadataBody>(&target).await {
            Ok(shown)
                if shown
                    .version
                    .digest
                    .as_ref()
                    .is_none_or(|digest| *digest == publication.archive.digest.to_string()) =>
            {
                context.tell(&format!("{} shows {id} {tag}", server.url));
                return Ok(());
            }
            Ok(_) => "it shows another archive of this version".to_owned(),
            Err(failure) if is_passing(failure.kind()) => failure.to_string(),
            Err(failure) => return Err(failure),
        };
        if Instant::now() >= end {
            let message = format!(
                "{id} {tag} is published, but {} does not show it after {} seconds: {last}",
                server.url,
                PATIENCE.as_secs()
            );
            return Err(ClientFailure::new(FailureKind::Unavailable, message)
                .hint("check that it reads this target; --no-wait does not ask"));
        }
        sleep(PAUSE).await;
    }
}

fn is_passing(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::NotFound | FailureKind::Unavailable | FailureKind::Integrity)
}
