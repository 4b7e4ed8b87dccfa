//! Nothing that a backend names makes us dial a private address: no redirect, no token server, no
//! next page.

use std::sync::Arc;

use parking_lot::Mutex;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::credentials::Credentials;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::artifact::Artifact;
use registry_testing::canary::secret_for;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::tls::{Flaw, acceptor};
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::ids::{id, tag};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};

use super::addresses::{Canary, PRIVATE};

const REPOSITORY: &str = "provisioning/aws-provider";

/// A registry with one release that answers some requests with what the address makes of them.
async fn registry(
    meant: impl Fn(&Seen) -> bool + Send + Sync + 'static,
    answer: impl Fn(&str, Reply) -> Reply + Send + Sync + 'static,
) -> (ScriptedRegistry, Arc<Mutex<String>>) {
    let address = Arc::new(Mutex::new(String::new()));
    let named = Arc::clone(&address);
    let mut store = Store::default();
    store.push(REPOSITORY, "1.0.0", b"archive");
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let registry = ScriptedRegistry::start(move |seen| {
        let named = named.lock().clone();
        let reply = played.answer(seen);
        if meant(seen) && !named.is_empty() { answer(&named, reply) } else { reply }
    });
    (registry.await, address)
}

/// A backend with a password, which a registry on this machine is told.
fn oci(url: &str) -> OciBackend {
    let password = secret_for(url, "password").into();
    let settings = OciSettings {
        credentials: Credentials::Password { user: "user".to_owned(), password },
        ..OciSettings::new(url.parse().unwrap(), "provisioning".parse().unwrap())
    };
    OciBackend::new(settings, Arc::new(())).unwrap()
}

async fn artifact(backend: &OciBackend) -> Arc<Artifact> {
    let release = backend.version(&id("provider/aws"), &tag("1.0.0")).await.unwrap();
    Arc::clone(release.artifact.chosen().unwrap())
}

#[tokio::test]
async fn row_16_redirects_to_private_addresses_are_refused_before_anybody_is_dialed() {
    let canary = Canary::listen();
    let redirect = |to: &str, _| Reply::new(307).header("location", to);
    let (registry, address) = registry(|seen| seen.path().contains("/blobs/"), redirect).await;
    let backend = oci(&registry.url());
    let artifact = artifact(&backend).await;
    for private in PRIVATE {
        *address.lock() = canary.at(private);
        let refused = backend.open(&id("provider/aws"), &artifact, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{private}: {}", refused.report());
        assert!(!canary.heard(), "{private}");
    }
}

#[tokio::test]
async fn a_private_address_behind_a_redirect_at_home_is_refused_as_well() {
    let canary = Canary::listen();
    let away = canary.at("http://127.0.0.1:PORT/");
    let redirect = move |to: &str, _| Reply::new(307).header("location", to);
    let (registry, address) = registry(|seen| seen.path().contains("/blobs/"), redirect).await;
    let hop = ScriptedRegistry::start(move |_| Reply::new(302).header("location", &away)).await;
    let backend = oci(&registry.url());
    let artifact = artifact(&backend).await;
    for first in ["/v2/provisioning/aws-provider/blobs/again", &hop.url()] {
        first.clone_into(&mut address.lock());
        let refused = backend.open(&id("provider/aws"), &artifact, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{}", refused.report());
    }
    assert_eq!((canary.heard(), hop.take().len()), (false, 0), "the hop is private itself");
}

#[tokio::test]
async fn downloads_of_gitea_lead_to_no_private_address() {
    let canary = Canary::listen();
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let settings = GiteaSettings { token: Some(fake.token("<read>")), ..settings };
    let backend = GiteaBackend::new(settings, Arc::new(())).unwrap();
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    let artifact = extension.latest().unwrap().artifact.chosen().unwrap().clone();
    for private in PRIVATE.into_iter().filter(|private| private.is_ascii()) {
        let location = vec![("Location", canary.at(private))];
        fake.heal();
        fake.fault("/attachments/", Fault::Answer(303, location, Vec::new()));
        let refused = backend.open(&id("provider/x"), &artifact, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{private}: {}", refused.report());
        assert!(!canary.heard(), "{private}");
    }
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused_even_where_private_addresses_are_allowed() {
    let canary = Canary::listen();
    let (acceptor, authority) = acceptor(Flaw::Nothing);
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start_tls(state, acceptor).await;
    let settings = GiteaSettings {
        token: Some(fake.token("<read>")),
        upstream: UpstreamSettings {
            ca_file: Some(authority.path().to_owned()),
            allow_private_redirects: true,
            ..UpstreamSettings::default()
        },
        ..GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap())
    };
    let backend = GiteaBackend::new(settings, Arc::new(())).unwrap();
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    let artifact = extension.latest().unwrap().artifact.chosen().unwrap().clone();
    let location = vec![("Location", canary.at("http://127.0.0.1:PORT/"))];
    fake.fault("/attachments/", Fault::Answer(302, location, Vec::new()));
    let refused = backend.open(&id("provider/x"), &artifact, None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{}", refused.report());
    assert!(refused.report().contains("from HTTPS to plain HTTP"), "{}", refused.report());
    assert!(!canary.heard());
}

#[tokio::test]
async fn no_token_server_is_asked_at_a_private_address_away_from_home() {
    let canary = Canary::listen();
    let challenge = |realm: &str, _| {
        Reply::new(401).header("www-authenticate", format!("Bearer realm=\"{realm}\""))
    };
    let (registry, address) = registry(|_| true, challenge).await;
    // Its own host is where a registry may have its token server: this one's is localhost.
    let url = registry.url().replace("127.0.0.1", "localhost");
    let settings = OciSettings::new(url.parse().unwrap(), "provisioning".parse().unwrap());
    let anonymous = OciBackend::new(settings, Arc::new(())).unwrap();
    let elsewhere =
        PRIVATE.into_iter().filter(|at| !at.eq_ignore_ascii_case("http://localhost:PORT/"));
    for private in elsewhere.filter(|private| private.is_ascii()) {
        for scheme in ["http:", "https:"] {
            let realm = canary.at(private).replacen("http:", scheme, 1);
            address.lock().clone_from(&realm);
            // With a password nobody of another domain is asked, without one whoever is public.
            for backend in [&oci(&url), &anonymous] {
                let refused = backend.listing().await.unwrap_err();
                let report = refused.report();
                assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{realm}: {report}");
                assert!(!canary.heard(), "{realm}");
            }
        }
    }
}

#[tokio::test]
async fn no_next_page_is_asked_for_elsewhere() {
    let canary = Canary::listen();
    let linked = |to: &str, reply: Reply| reply.header("link", format!("<{to}>; rel=\"next\""));
    let (registry, address) = registry(|seen| seen.path() == "/v2/_catalog", linked).await;
    let backend = oci(&registry.url());
    for private in PRIVATE.into_iter().filter(|private| private.is_ascii()) {
        *address.lock() = canary.at(private);
        let listing = backend.listing().await.unwrap();
        assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (1, false), "{private}");
        assert!(!canary.heard(), "{private}");
    }
}
