//! Change notices over HTTP: who may send them, and what they set off.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_core::backend::Backend;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_testing::canary::WEBHOOK as SECRET;
use registry_testing::ids::{about, id, tag};
use registry_testing::log::Lines;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use sha2::Sha256;

use crate::support::served::{Served, Setup};

const RELEASE: &str = r#"{"action":"published","release":{"id":1,"tag_name":"1.1.0"},"repository":{"id":1,"name":"aws_prov","full_name":"ext/aws_prov","owner":{"login":"ext"}}}"#;

fn signature(body: &str) -> String {
    signature_with(SECRET, body)
}

pub fn signature_with(secret: &str, body: &str) -> String {
    let key = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let code = key.chain_update(body).finalize().into_bytes();
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn served(backend: Arc<dyn Backend>) -> Served {
    let organization = "ext".parse().unwrap();
    let receiver = GiteaWebhooks::new(&SECRET.to_owned().into(), organization).unwrap();
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> =
        vec![(BackendId::GITEA, Arc::new(receiver))];
    let setup = Setup { receivers, ..Setup::default() };
    let served = Served::with(vec![backend], setup).await;
    served.get("/extensions").await;
    served
}

async fn deliver(served: &Served, path: &str, signature: &str, body: &str) -> StatusCode {
    let headers = [("x-gitea-event", "release"), ("x-gitea-signature", signature)];
    let got = served.send_body(Method::POST, path, &headers, body.as_bytes().to_vec()).await;
    if got.status.is_client_error() {
        assert!(got.json()["message"].is_string());
    }
    got.status
}

#[tokio::test]
async fn a_signed_notice_is_taken_and_what_it_names_is_read() {
    let backend = memory(BackendId::GITEA, &["provider/aws:1.0.0"]);
    let served = served(backend.clone()).await;
    backend.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "new");
    let status = deliver(&served, "/webhooks/gitea", &signature(RELEASE), RELEASE).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    // The read runs behind the answer; each turn lets it go on.
    while served.get("/extensions/provider/aws").await.json()["version"] != "1.1.0" {
        tokio::task::yield_now().await;
    }
    let metrics = served.get("/metrics").await.text();
    let line =
        r#"extension_registry_webhook_deliveries_total{backend="gitea",outcome="changed"} 1"#;
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

#[tokio::test]
async fn a_notice_that_is_not_signed_by_us_is_refused() {
    let served = served(memory(BackendId::GITEA, &[])).await;
    for wrong in ["", "00", &signature("other"), &signature(RELEASE).to_uppercase()[..10]] {
        let status = deliver(&served, "/webhooks/gitea", wrong, RELEASE).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_notice_that_cannot_be_read_is_refused_after_its_signature() {
    let served = served(memory(BackendId::GITEA, &[])).await;
    let status = deliver(&served, "/webhooks/gitea", &signature("{"), "{").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_backend_without_a_secret_takes_no_notices() {
    let served = served(memory(BackendId::GITEA, &[])).await;
    for path in ["/webhooks/oci", "/webhooks/local", "/webhooks/x"] {
        let status = deliver(&served, path, &signature(RELEASE), RELEASE).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let got = served.get("/webhooks/gitea").await;
    assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(got.header("allow"), "POST");
}

#[tokio::test]
async fn a_notice_of_more_than_a_mebibyte_is_not_read() {
    let served = served(memory(BackendId::GITEA, &[])).await;
    let body = "x".repeat(1024 * 1024 + 1);
    let status = deliver(&served, "/webhooks/gitea", &signature(&body), &body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn ten_thousand_deliveries_are_a_line_each_and_hardly_a_question() {
    let (lines, _guard) = Lines::capture(tracing::Level::INFO);
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/aws:1.0.0"]));
    let served = served(backend.clone()).await;
    let begun = tokio::time::Instant::now();
    let before = backend.asked().extensions;
    lines.take();
    backend.inner.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "new");
    for number in 0..10_000 {
        let body = RELEASE.replace(r#""id":1,"tag_name""#, &format!(r#""id":{number},"tag_name""#));
        let status = deliver(&served, "/webhooks/gitea", &signature(&body), &body).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    assert_eq!(served.get("/extensions/provider/aws").await.json()["version"], "1.1.0");
    let reads = backend.asked().extensions - before;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 2).contains(&reads), "{reads} reads in {seconds} s: one a second");
    let log = lines.take();
    let delivered = log.lines().filter(|line| line.contains("/webhooks/")).count();
    assert_eq!(delivered, 10_000);
    assert_eq!(log.lines().count(), 10_001, "and the one that reads");
}
