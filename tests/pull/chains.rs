//! Registries that read from registries, and those that would read from themselves.

use std::sync::Arc;

use registry_backends::http::settings::UpstreamSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_core::via::Via;
use registry_server::oci::settings::PullSettings;
use registry_testing::memory::memory;
use reqwest::StatusCode;

use crate::pull::{REPOSITORY, code};
use crate::support::served::{Served, Setup};

async fn named(via: &Via, backend: Arc<dyn Backend>) -> Served {
    let oci = PullSettings { via: via.clone(), ..PullSettings::default() };
    Served::with(vec![backend], Setup { oci, ..Setup::default() }).await
}

fn reading_from(other: &Served, via: &Via) -> Arc<dyn Backend> {
    let upstream = UpstreamSettings { via: via.clone(), retries: 0, ..UpstreamSettings::default() };
    let (registry, namespace) = (other.base.parse().unwrap(), "extensions".parse().unwrap());
    let settings = OciSettings { upstream, ..OciSettings::new(registry, namespace) };
    Arc::new(OciBackend::new(settings, Arc::new(())).unwrap())
}

fn shelf() -> Arc<dyn Backend> {
    memory(BackendId::GITEA, &["provider/aws:1.0.0"])
}

#[tokio::test]
async fn a_second_instance_serves_what_the_first_one_has() {
    let (one, two) = (Via::of("one"), Via::of("two"));
    let first = named(&one, shelf()).await;
    let second = named(&two, reading_from(&first, &two)).await;
    second.catalog.syncer.sync(Scope::All).await.unwrap();
    for reference in ["1.0.0", "latest"] {
        let path = format!("{REPOSITORY}/manifests/{reference}");
        let [original, passed] = [first.visit(&path).await, second.visit(&path).await];
        assert_eq!(original.status, StatusCode::OK);
        assert_eq!(original.header("via"), "", "clients are not told");
        let layer = |got: &crate::support::served::Got| got.json()["layers"][0]["digest"].clone();
        assert_eq!(layer(&passed), layer(&original));
    }
    let got = second.get("/extensions/provider/aws/1.0.0").await;
    assert_eq!(got.text(), "provider/aws:1.0.0@gitea");
}

#[tokio::test]
async fn a_registry_that_reads_from_itself_is_refused_and_named() {
    let via = Via::of("one");
    let first = named(&via, shelf()).await;
    // A replica with the same configuration.
    let replica = named(&via, reading_from(&first, &via)).await;
    let error = replica.catalog.syncer.sync(Scope::All).await.unwrap_err();
    assert!(error.message().contains("is this service itself"), "{}", error.message());
    let health = replica.get("/health").await;
    assert!(health.text().contains("is this service itself"), "{}", health.text());
}

#[tokio::test]
async fn of_two_that_name_each_other_the_later_one_is_refused() {
    let (one, two) = (Via::of("one"), Via::of("two"));
    let first = named(&one, shelf()).await;
    let second = named(&two, reading_from(&first, &two)).await;
    second.catalog.syncer.sync(Scope::All).await.unwrap();
    let asks = async |via: &str| {
        let path = format!("{REPOSITORY}/tags/list");
        second.visit_with(&path, &[("host", "x"), ("via", via)]).await
    };
    let refused = asks(&one.value().unwrap()).await;
    assert_eq!(code(&refused), (508, "UNKNOWN".to_owned()));
    assert_eq!(refused.header("via"), two.value().unwrap());
    for other in ["1.1 proxy.example.com", &Via::of("three").value().unwrap()] {
        assert_eq!(asks(other).await.status, StatusCode::OK, "{other}");
    }
}
