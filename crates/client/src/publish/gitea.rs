//! Publishes to Gitea and Forgejo: a draft with its files, checked, and then published at once.

mod connection;
mod draft;
mod existing;
mod form;
mod mark;
mod models;
mod organization;
mod plan;
mod refusal;
mod releases;

use registry_core::models::naming::ExtensionId;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::output::size;
use crate::publish::gitea::connection::GiteaConnection;
use crate::publish::gitea::draft::Draft;
use crate::publish::gitea::existing::{ExistingRelease, look};
use crate::publish::gitea::models::Repository;
use crate::publish::gitea::organization::GiteaOrganization;
use crate::publish::gitea::plan::ReleasePlan;
use crate::publish::gitea::refusal::{REPOSITORY_SCOPE, empty};
use crate::publish::gitea::releases::RepositoryReleases;
use crate::publish::job::{PublishJob, PublishOutcome};
use crate::publish::publication::Publication;
use crate::publish::target::GiteaTarget;
use crate::settings::is_private;

/// Publishes a version as a release. Nobody sees the release before it is whole.
pub(super) async fn publish(
    publication: &Publication,
    target: &GiteaTarget,
    job: &PublishJob<'_>,
) -> Result<PublishOutcome> {
    check_token(target, job)?;
    let settings = &job.context.settings;
    let connection = GiteaConnection::new(target, job.token.as_ref(), &settings.connection)?;
    let organization = GiteaOrganization { connection: &connection, name: &target.organization };
    let name = publication.id.gitea_repository();
    let found = usable_repository(&organization, &name, job).await?;
    let releases = RepositoryReleases {
        connection: &connection,
        organization: &target.organization,
        repository: found.as_ref().map_or(&name, |found| &found.name),
    };
    let existing = match found {
        Some(_) => look(releases, &publication.tag, &publication.archive).await?,
        None => ExistingRelease::Nothing,
    };
    let mut tag = publication.tag.to_string();
    let mut former = None;
    match existing {
        ExistingRelease::Nothing => {}
        ExistingRelease::Same => return Ok(PublishOutcome::Unchanged),
        ExistingRelease::LeftBehind(draft) => {
            if job.may(&format!("delete the draft of {tag} that an earlier run left behind")) {
                releases.delete(draft.id).await?;
            }
        }
        ExistingRelease::Other(release, digest) => {
            let digest = digest.map_or_else(|| "other files".to_owned(), |it| it.to_string());
            job.replace(&format!("{} {}", releases.full_name(), release.tag_name), &digest)?;
            tag.clone_from(&release.tag_name);
            former = Some(release);
        }
    }
    let plan = ReleasePlan::new(publication, releases.repository, &tag);
    if !announce(&plan, releases, former.is_some(), job) {
        return Ok(PublishOutcome::Planned);
    }
    // From here on Ctrl-C ends in the removal of what was made.
    let hold = job.context.interrupts.hold();
    let mut draft = match former {
        None => Draft::create(releases, &plan).await?,
        Some(former) => Draft::hide(releases, &plan, former).await?,
    };
    match draft.complete(&hold).await {
        Ok(()) => Ok(job.done()),
        Err(failure) => Err(draft.roll_back(failure).await),
    }
}

fn check_token(target: &GiteaTarget, job: &PublishJob<'_>) -> Result<()> {
    if job.token.is_none() {
        let message = format!("publishing to {target} needs a token");
        return Err(ClientFailure::new(FailureKind::Denied, message)
            .hint(format!("use --token-file FILE; the scope is {REPOSITORY_SCOPE}")));
    }
    if is_private(&target.base) {
        return Ok(());
    }
    let message = format!("a token is not sent to {target} over plain HTTP");
    Err(ClientFailure::usage(message).hint("use gitea://, for an address with TLS"))
}

/// Announces the writes. Returns false in a dry run.
fn announce(
    plan: &ReleasePlan,
    releases: RepositoryReleases<'_>,
    replaces: bool,
    job: &PublishJob<'_>,
) -> bool {
    let (tag, place) = (&plan.tag, releases.full_name());
    let begin = if replaces {
        format!("make the release {tag} of {place} a draft")
    } else {
        format!("create a draft of {tag} in {place}")
    };
    let mut writes = vec![begin];
    let files = plan.files.iter();
    writes.extend(files.map(|file| format!("upload {} ({})", file.name, size(file.size))));
    if replaces {
        writes.push(format!("delete the former files of {tag}"));
    }
    writes.push(format!("publish the draft of {tag}, which makes its tag"));
    let allowed: Vec<bool> = writes.iter().map(|write| job.may(write)).collect();
    !allowed.contains(&false)
}

/// Finds the repository of an extension that can have releases, or creates it. Returns `None` if a dry
/// run did not create it.
async fn usable_repository(
    organization: &GiteaOrganization<'_>,
    name: &str,
    job: &PublishJob<'_>,
) -> Result<Option<Repository>> {
    let creates = job.rules.creates_repository;
    let place = organization.full_name(name);
    let Some(repository) = organization.repository(name).await? else {
        if !creates {
            return Err(missing(organization, &place).await?);
        }
        if !job.may(&format!("create the private repository {place}")) {
            return Ok(None);
        }
        return match organization.create(name).await {
            Err(failure) if failure.kind() == FailureKind::NotFound => {
                Err(missing(organization, &place).await?)
            }
            created => created.map(Some),
        };
    };
    let (wanted, found) = (ExtensionId::from_gitea_repository(name), &repository.name);
    if ExtensionId::from_gitea_repository(found) != wanted {
        let message = format!("{place} was renamed to {found}, which is another extension");
        return Err(ClientFailure::usage(message).hint("publish under the new name"));
    }
    let denied = |reason: &str, hint: &str| {
        let message = format!("{place} {reason}");
        Err(ClientFailure::new(FailureKind::Denied, message).hint(hint))
    };
    if repository.archived {
        return denied("is archived", "unarchive the repository");
    }
    if repository.permissions.as_ref().is_some_and(|may| !may.push) {
        let hint =
            "use a token of an account that may write there, with the scope write:repository";
        return denied("may not be written to with this token", hint);
    }
    if repository.has_releases == Some(false) {
        return denied("has no releases", "switch releases on in the settings of the repository");
    }
    if repository.empty {
        if !creates {
            return Err(empty(&place));
        }
        if job.may(&format!("make a first commit in {place}")) {
            organization.make_first_commit(&repository.name).await?;
        }
    }
    Ok(Some(repository))
}

async fn missing(organization: &GiteaOrganization<'_>, place: &str) -> Result<ClientFailure> {
    let server = organization.connection.server();
    let new = |message: String| ClientFailure::new(FailureKind::NotFound, message);
    Ok(match organization.exists().await? {
        Some(false) => new(format!("{server} has no organization {}", organization.name))
            .hint("create the organization, or correct the end of --to"),
        _ => new(format!("{server} has no repository {place}, or the token may not see it"))
            .hint("use --create-repository, or a token of an account that may see it"),
    })
}
