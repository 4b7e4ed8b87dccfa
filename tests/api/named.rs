//! Two backends of each kind: scopes, ownership among them, outage, webhooks, health and metrics
//! by name (contract §8).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_catalog::Merge;
use registry_core::backend::Backend;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::served::{Served, Setup};

fn named(kind: BackendKind, name: &str) -> BackendId {
    BackendId::new(name.parse().unwrap(), kind)
}

fn gitea(name: &str, releases: &[&str]) -> Arc<dyn Backend> {
    memory(named(BackendKind::Gitea, name), releases)
}

fn oci(name: &str, releases: &[&str]) -> Arc<dyn Backend> {
    memory(named(BackendKind::Oci, name), releases)
}

/// Every name ends in the backends that have it, in the order public, internal, dc1, dc2, usb.
fn backends() -> Vec<Arc<dyn Backend>> {
    vec![
        gitea("public", &["provider/aws:1.0.0", "provider/public:1.0.0"]),
        gitea("internal", &["provider/aws:3.0.0", "provider/internal:1.0.0"]),
        oci("dc1", &["provider/aws:5.0.0", "provider/registry:1.0.0"]),
        oci("dc2", &["provider/registry:2.0.0", "provider/dc2:1.0.0"]),
        memory(named(BackendKind::Local, "usb"), &["provider/aws:7.0.0"]),
    ]
}

#[tokio::test]
async fn a_kind_and_a_name_are_asked_in_order() {
    let served = Served::over(backends()).await;
    let list = served.get("/extensions").await;
    assert_eq!(list.column("name"), ["aws", "dc2", "internal", "public", "registry"]);
    assert_eq!(list.column("backend"), ["public", "dc2", "internal", "public", "dc1"]);
    assert_eq!(list.column("source"), ["gitea", "oci", "gitea", "gitea", "oci"]);
    for (query, versions, backends) in [
        (
            "source=gitea",
            ["1.0.0", "1.0.0", "1.0.0"].as_slice(),
            ["public", "internal", "public"].as_slice(),
        ),
        ("source=oci", &["5.0.0", "1.0.0", "1.0.0"], &["dc1", "dc2", "dc1"]),
        ("source=local", &["7.0.0"], &["usb"]),
        ("backend=internal", &["3.0.0", "1.0.0"], &["internal", "internal"]),
        ("backend=internal&source=gitea", &["3.0.0", "1.0.0"], &["internal", "internal"]),
        ("backend=dc2", &["1.0.0", "2.0.0"], &["dc2", "dc2"]),
        ("backend=usb", &["7.0.0"], &["usb"]),
        ("backend=gitea", &[], &[]),
        ("backend=nowhere&source=oci", &[], &[]),
    ] {
        for path in ["/extensions?", "/extensions/search?q=provider&"] {
            let got = served.get(&format!("{path}{query}")).await;
            let mut found: Vec<_> =
                got.column("version").into_iter().zip(got.column("backend")).collect();
            let mut expected: Vec<_> = versions.iter().zip(backends).collect();
            // A search has an order of its own.
            found.sort();
            expected.sort();
            assert_eq!(got.header("x-total-count"), expected.len().to_string(), "{path}{query}");
            let expected: Vec<_> =
                expected.into_iter().map(|(v, b)| ((*v).to_owned(), (*b).to_owned())).collect();
            assert_eq!(found, expected, "{path}{query}");
        }
    }
    for (query, said) in [
        ("backend=dc1&source=gitea", "backend dc1 is of the kind oci, not gitea"),
        ("backend=No", "backend must be 1 to 32 of a-z"),
        ("backend=", "backend must be 1 to 32 of a-z"),
        ("backend=a_b", "backend must be 1 to 32 of a-z"),
        ("backend=%00", "backend must be 1 to 32 of a-z"),
        ("source=internal", "source must be one of gitea, oci, local"),
    ] {
        for path in ["/extensions", "/extensions/provider/aws", "/extensions/provider/aws/latest"] {
            let got = served.get(&format!("{path}?{query}")).await;
            assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}?{query}");
            assert!(got.text().contains(said), "{query}: {}", got.text());
        }
    }
}

#[tokio::test]
async fn links_of_an_answer_lead_back_to_the_backends_that_were_asked() {
    let served = Served::over(backends()).await;
    // A list waits until every backend was listed.
    served.get("/extensions").await;
    for (query, version, parameter) in [
        ("", "1.0.0", ""),
        ("?source=gitea", "1.0.0", "?source=gitea"),
        ("?backend=internal", "3.0.0", "?backend=internal"),
        ("?source=oci", "5.0.0", "?source=oci"),
        // The only backend of its kind has the address of the kind.
        ("?backend=usb", "7.0.0", "?source=local"),
        ("?source=local", "7.0.0", "?source=local"),
    ] {
        let row = served.get(&format!("/extensions/provider/aws{query}")).await.json();
        assert_eq!(row["version"], version, "{query}");
        let href = row["href"].as_str().unwrap();
        assert_eq!(href, format!("/api/v1/extensions/provider/aws/{version}{parameter}"));
        let bytes = served.get(href.strip_prefix("/api/v1").unwrap()).await.text();
        let backend = row["backend"].as_str().unwrap();
        assert_eq!(bytes, format!("provider/aws:{version}@{backend}"));
        assert_eq!(row["backends"], json!(["public", "internal", "dc1", "usb"]));
        assert_eq!(row["sources"], json!(["gitea", "oci", "local"]));
        let metadata = format!("/extensions/provider/aws/{version}/metadata{query}");
        assert_eq!(served.get(&metadata).await.json()["backend"], backend);
    }
    for path in ["", "/versions", "/latest", "/1.0.0/metadata", "/readme"] {
        let got = served.get(&format!("/extensions/provider/aws{path}?backend=nowhere")).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn names_equal_to_a_kind_and_caches_keep_scopes_apart() {
    let served = Served::over(vec![
        gitea("gitea", &["provider/aws:1.0.0"]),
        gitea("internal", &["provider/aws:2.0.0", "provider/mine:1.0.0"]),
    ])
    .await;
    // Twice: the second answers come from the caches.
    for _ in 0..2 {
        for (query, names, href) in [
            ("", ["aws", "mine"].as_slice(), "1.0.0"),
            ("?source=gitea", &["aws", "mine"], "1.0.0?source=gitea"),
            ("?backend=gitea", &["aws"], "1.0.0?backend=gitea"),
            ("?backend=internal", &["aws", "mine"], "2.0.0?backend=internal"),
        ] {
            assert_eq!(served.get(&format!("/extensions{query}")).await.column("name"), names);
            let row = served.get(&format!("/extensions/provider/aws{query}")).await.json();
            assert_eq!(row["href"], format!("/api/v1/extensions/provider/aws/{href}"), "{query}");
        }
    }
}

#[tokio::test]
async fn union_pools_the_backends_of_the_scope_alone() {
    let setup = Setup { merge: Merge::Union, ..Setup::default() };
    let served = Served::with(backends(), setup).await;
    for (query, versions) in [
        ("", ["7.0.0", "5.0.0", "3.0.0", "1.0.0"].as_slice()),
        ("?source=gitea", &["3.0.0", "1.0.0"]),
        ("?source=oci", &["5.0.0"]),
        ("?backend=public", &["1.0.0"]),
    ] {
        let got = served.get(&format!("/extensions/provider/aws/versions{query}")).await;
        assert_eq!(got.column("version"), versions, "{query}");
    }
}

#[tokio::test]
async fn a_name_never_passes_to_another_organization_of_the_same_kind() {
    let public =
        memory(named(BackendKind::Gitea, "public"), &["provider/aws:1.0.0", "provider/b:1.0.0"]);
    let internal = memory(named(BackendKind::Gitea, "internal"), &["provider/aws:2.0.0"]);
    let served = Served::over(vec![public.clone(), internal]).await;
    assert_eq!(served.get("/extensions/provider/aws").await.json()["backend"], "public");
    public.remove(&id("provider/aws"));
    // Two responses at least ten seconds apart make a removal certain.
    tokio::time::pause();
    for _ in 0..2 {
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        tokio::time::advance(std::time::Duration::from_secs(3700)).await;
    }
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    tokio::time::resume();
    for query in ["", "?source=gitea"] {
        let gone = served.get(&format!("/extensions/provider/aws{query}")).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND, "{query}: {}", gone.text());
        assert!(gone.text().contains("removed from public"), "{}", gone.text());
        assert!(gone.text().contains("?backend=internal"), "{}", gone.text());
        assert_eq!(served.get(&format!("/extensions{query}")).await.column("name"), ["b"]);
    }
    let explicit = served.get("/extensions/provider/aws?backend=internal").await;
    assert_eq!(explicit.json()["version"], "2.0.0");
}

#[tokio::test]
async fn the_outage_of_one_backend_is_its_own() {
    let down = Arc::new(Scripted::new(named(BackendKind::Oci, "dc1"), &["provider/a:1.0.0"]));
    down.down.store(true, Ordering::Release);
    let served = Served::over(vec![down, oci("dc2", &["provider/b:1.0.0"])]).await;
    let list = served.get("/extensions").await;
    assert_eq!(list.column("name"), ["b"]);
    assert_eq!(list.header("extension-registry-degraded"), "dc1");
    let own = served.get("/extensions?backend=dc2").await;
    assert_eq!((own.column("name").len(), own.header("extension-registry-degraded")), (1, ""));
    // A name that dc1 may own is not given out from dc2, whatever the kind is asked.
    for query in ["", "?source=oci"] {
        let unsure = served.get(&format!("/extensions/provider/b{query}")).await;
        assert_eq!(unsure.status, StatusCode::SERVICE_UNAVAILABLE, "{query}");
        assert!(unsure.text().contains("?backend=dc2"), "{}", unsure.text());
    }
    assert_eq!(served.get("/extensions/provider/b?backend=dc2").await.status, StatusCode::OK);
    let health = served.get("/health").await.json();
    let backends = &health["backends"];
    assert_eq!(health["status"], "degraded");
    assert_eq!(
        (&backends["dc1"]["healthy"], &backends["dc1"]["kind"]),
        (&json!(false), &json!("oci"))
    );
    assert_eq!(
        (&backends["dc2"]["healthy"], &backends["dc2"]["kind"]),
        (&json!(true), &json!("oci"))
    );
    // The specification's keys sum up their kind.
    assert_eq!(backends["oci"]["enabled"], true);
    assert_eq!(backends["oci"]["healthy"], false);
    assert_eq!(backends["oci"]["extensions"], 1);
    assert_eq!(
        (&backends["gitea"]["enabled"], &backends["gitea"]["kind"]),
        (&json!(false), &json!("gitea"))
    );
    let metrics = served.get("/metrics").await.text();
    for line in [
        r#"extension_registry_backend_healthy{backend="dc1"} 0"#,
        r#"extension_registry_backend_healthy{backend="dc2"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn each_backend_has_webhooks_with_a_secret_of_its_own() {
    let ids = ["public", "internal"].map(|name| named(BackendKind::Gitea, name));
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> = ids
        .into_iter()
        .map(|id| {
            let secret = format!("secret of {id}").replace(' ', "-");
            let receiver = GiteaWebhooks::new(&secret.into(), "ext".parse().unwrap()).unwrap();
            (id, Arc::new(receiver) as Arc<dyn WebhookReceiver>)
        })
        .collect();
    let [public, internal] = ids.map(|id| memory(id, &["provider/aws:1.0.0"]));
    let setup = Setup { receivers, ..Setup::default() };
    let served = Served::with(vec![public, internal.clone()], setup).await;
    served.get("/extensions").await;
    internal.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "new");
    let body = r#"{"action":"published","repository":{"id":1,"name":"aws_prov","owner":{"id":1,"login":"ext"}}}"#;
    for (path, secret, status) in [
        ("public", "secret-of-internal", StatusCode::UNAUTHORIZED),
        ("gitea", "secret-of-internal", StatusCode::NOT_FOUND),
        ("internal", "secret-of-public", StatusCode::UNAUTHORIZED),
        ("internal", "secret-of-internal", StatusCode::ACCEPTED),
    ] {
        let signature = super::webhooks::signature_with(secret, body);
        let headers = [("x-gitea-event", "release"), ("x-gitea-signature", signature.as_str())];
        let path = format!("/webhooks/{path}");
        let got = served.send_body(Method::POST, &path, &headers, body.as_bytes().to_vec()).await;
        assert_eq!(got.status, status, "{path}: {}", got.text());
    }
    while served.get("/extensions/provider/aws?backend=internal").await.json()["version"] != "1.1.0"
    {
        tokio::task::yield_now().await;
    }
}
