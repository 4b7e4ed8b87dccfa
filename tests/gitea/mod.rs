//! Gitea as a backend, against a fake that is held to recorded answers.

mod bad_input;
mod cases_of_bytes;
mod cases_of_failures;
mod cases_of_hooks;
mod cases_of_listing;
mod cases_of_releases;
mod counted;
mod fake_is_true;
mod feed;
mod field_changes;
mod field_checksums;
mod field_external;
mod field_identity;
mod field_names;
mod field_paging;
mod field_permissions;
mod field_rows;
mod limited;
mod log;
mod organization;
mod prereleases;
mod published;
mod raw_answers;
mod readme;
mod transport;
mod visible;

use std::sync::Arc;

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_core::backend::{Backend as _, Listing};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::artifact::Artifact;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::ORGANIZATION;

/// The settings for a fake, with a token that reads everything.
fn settings(fake: &FakeGitea) -> GiteaSettings {
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    GiteaSettings { token: Some(fake.token("<read>")), ..settings }
}

/// A backend that reads everything of a fake.
fn backend(fake: &FakeGitea) -> GiteaBackend {
    backend_of(settings(fake))
}

fn backend_of(settings: GiteaSettings) -> GiteaBackend {
    GiteaBackend::new(settings, Arc::new(())).unwrap()
}

/// Whether absence from it means anything.
fn is_complete(listing: &Listing) -> bool {
    listing.coverage.is_complete()
}

/// The id in a text like `provider/aws`.
fn id(text: &str) -> ExtensionId {
    let (extension_type, name) = text.split_once('/').unwrap();
    ExtensionId { name: name.parse().unwrap(), extension_type: extension_type.parse().unwrap() }
}

async fn listed(backend: &GiteaBackend) -> Vec<String> {
    backend.listing().await.unwrap().ids.iter().map(ToString::to_string).collect()
}

fn versions(extension: &Extension) -> Vec<String> {
    extension.releases().iter().map(|release| release.version.as_str().to_owned()).collect()
}

async fn versions_of(backend: &GiteaBackend, extension: &str) -> Vec<String> {
    versions(&backend.extension(&id(extension)).await.unwrap())
}

async fn kind_of(backend: &GiteaBackend, extension: &str) -> ErrorKind {
    failure_of(backend, extension).await.kind()
}

async fn failure_of(backend: &GiteaBackend, extension: &str) -> Error {
    backend.extension(&id(extension)).await.unwrap_err()
}

fn archive(release: &Release) -> &Artifact {
    release.artifact.chosen().unwrap()
}

/// The archive of the latest version, and its bytes.
async fn download(backend: &GiteaBackend, extension: &str) -> Result<Vec<u8>, Error> {
    let extension = backend.extension(&id(extension)).await?;
    let artifact = archive(extension.latest().unwrap()).clone();
    let bytes = backend.open(extension.id(), &artifact, None).await?.collect().await?;
    Ok(bytes.to_vec())
}

/// How often a part of an address was asked for since the last look.
fn asked(fake: &FakeGitea, holding: &str) -> usize {
    fake.take_seen().iter().filter(|seen| seen.target.contains(holding)).count()
}
