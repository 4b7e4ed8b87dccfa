//! The OCI backend against scripted, played and real registries.

mod cases;
mod faults;
mod notes;
mod paging;
mod real;
mod recorded;
mod reports;
mod slow;
mod stored;
mod sweep;
mod webhook;

use std::sync::Arc;

use bytes::Bytes;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::client::Client;
use registry_backends::oci::credentials::Credentials;
use registry_backends::oci::realm::TokenHost;
use registry_backends::oci::repository::{Namespace, OciRepository};
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend as _;
use registry_core::backend::download::Download;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Algorithm;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use registry_testing::canary::secret_for;

/// How to talk to the namespace `provisioning` of a registry of this machine.
fn settings(url: &str) -> OciSettings {
    OciSettings::new(url.parse().unwrap(), "provisioning".parse().unwrap())
}

/// The bytes, if they are those of this artifact.
async fn whole(opened: Download, artifact: &Artifact) -> Result<Bytes> {
    let digest = artifact.digest.clone().unwrap();
    let judge = |found| async move {
        if found == digest { Ok(()) } else { Err(Error::faulty("other bytes")) }
    };
    opened.verified(artifact.size, Algorithm::Sha256, judge).collect().await
}

fn backend(url: &str) -> OciBackend {
    backend_with(url, |_| {})
}

fn backend_with(url: &str, change: impl FnOnce(&mut OciSettings)) -> OciBackend {
    let mut settings = settings(url);
    change(&mut settings);
    OciBackend::new(settings, Arc::new(())).unwrap()
}

fn backend_as(url: &str, credentials: &str) -> OciBackend {
    backend_with(url, |settings| settings.credentials = credentials_of(url, credentials))
}

/// Credentials of this form, with a planted secret in place of `SECRET`.
fn credentials_of(url: &str, text: &str) -> Credentials {
    let text = text.replace("SECRET", &secret_for(url, "secret"));
    let namespace: Namespace = "provisioning".parse().unwrap();
    Credentials::parse(&text, &url.parse().unwrap(), &namespace).unwrap()
}

/// The client below the backend, for what the backend does not show.
fn client(url: &str, credentials: Credentials) -> Client {
    client_trusting(url, credentials, Vec::new())
}

/// The same, with token servers that may be told who we are.
fn client_trusting(url: &str, credentials: Credentials, token_hosts: Vec<TokenHost>) -> Client {
    let settings = settings(url);
    let http = HttpSettings {
        peer: BackendId::OCI.into(),
        base: settings.registry.base().clone(),
        upstream: UpstreamSettings {
            max_concurrency: 64,
            allow_private_redirects: true,
            ..settings.upstream
        },
    };
    let http = UpstreamClient::new(http, Arc::new(())).unwrap();
    Client::trusting(http, settings.registry, credentials, token_hosts)
}

fn id(repository: &str) -> ExtensionId {
    ExtensionId::from_oci_repository(repository).unwrap()
}

fn repository(name: &str) -> OciRepository {
    "provisioning".parse::<Namespace>().unwrap().repository_of(&id(name))
}

fn versions(extension: &Extension) -> Vec<String> {
    extension.releases().iter().map(|release| release.version.as_str().to_owned()).collect()
}

/// Everything a backend has, in lines: what callers would see of each extension.
async fn everything(backend: &OciBackend) -> Vec<String> {
    let mut lines = Vec::new();
    for id in backend.listing().await.unwrap().ids {
        let extension = backend.releases(&id).await.unwrap();
        for release in extension.releases() {
            let artifact = release.artifact.chosen();
            lines.push(format!(
                "{id} {} {} {:?} {:?} {:?} {:?} {:?}",
                release.version.as_str(),
                release.tag,
                release.published_at,
                release.manifest_digest,
                artifact.map(|artifact| (&artifact.file_name, artifact.size, &artifact.digest)),
                release.about.description,
                release.about.author,
            ));
        }
    }
    lines
}
