//! Change notices that nobody should believe, or that never come.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_backends::oci::webhook::OciWebhooks;
use registry_core::backend::Backend;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::canary::WEBHOOK as SECRET;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use sha2::Sha256;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use crate::support::liveness::lives_at_once;
use crate::support::raw::{connect, head, rest};
use crate::support::served::{Served, Setup};

/// A signature of the right form.
const MADE_UP: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Begins a notice whose body does not come.
async fn begin(served: &Served, backend: &str, headers: &str) -> TcpStream {
    let mut stream = connect(served).await;
    let request = format!(
        "POST /api/v1/webhooks/{backend} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n{headers}\r\nabc"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_nobody_wants_or_that_shows_nothing_is_refused_before_its_body() {
    let served = served_with_webhooks(memory(BackendId::GITEA, &[])).await;
    let begun = Instant::now();
    for (backend, headers, status) in [
        ("oci", "Authorization: x\r\n", 404),
        ("nobody", "X-Gitea-Signature: 00\r\n", 404),
        ("gitea", "", 401),
        ("gitea", "X-Gitea-Event: release\r\n", 401),
        ("gitea", "X-Gitea-Signature: 00\r\n", 401),
        ("gitea", "X-Gitea-Signature:\r\n", 401),
        ("gitea", "Authorization: x\r\n", 401),
    ] {
        let head = head(&mut begin(&served, backend, headers).await).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{backend} {headers}: {head}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "no body was waited for");
}

#[tokio::test(start_paused = true)]
async fn s13b_a_registrys_notice_with_a_wrong_secret_is_refused_before_its_body() {
    let receiver = OciWebhooks::new(&SECRET.to_owned().into(), "ns".parse().unwrap()).unwrap();
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> =
        vec![(BackendId::OCI, Arc::new(receiver))];
    let setup = Setup { receivers, ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::OCI, &[])], setup).await;
    let begun = Instant::now();
    for headers in
        ["", "Authorization: x\r\n", "Authorization: Bearer x\r\n", "Authorization: \r\n"]
    {
        let head = head(&mut begin(&served, "oci", headers).await).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{headers}: {head}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "a body was waited for");
    // The right one gets the three seconds that a body may take.
    let right = format!("Authorization: Bearer {SECRET}\r\n");
    let head = head(&mut begin(&served, "oci", &right).await).await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert_eq!(begun.elapsed().as_secs(), 3);
}

/// Begins one from another address of this machine.
async fn begin_at(served: &Served, address: &str, backend: &str, headers: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    let mut stream = socket.connect(served.address()).await.unwrap();
    let request = format!(
        "POST /api/v1/webhooks/{backend} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n{headers}\r\nabc"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(start_paused = true)]
async fn s13_made_up_signatures_with_slow_bodies_keep_no_true_notice_out() {
    let served = served_with_webhooks(memory(BackendId::GITEA, &[])).await;
    for signed in ["X-Gitea-Signature: ", "X-Forgejo-Signature: ", "X-Hub-Signature-256: sha256="] {
        let signed = format!("{signed}{MADE_UP}\r\n");
        let mut held = Vec::new();
        for _ in 0..16 {
            held.push(begin_at(&served, "127.0.0.2:0", "gitea", &signed).await);
        }
        // Each is read, and taken or not by what it says.
        for number in 0..20 {
            let body = notice(&format!("published{number}"));
            assert_eq!(deliver(&served, &signature(&body), &body).await, StatusCode::ACCEPTED);
            let other = served
                .send_body(Method::POST, "/webhooks/oci", &[("authorization", "x")], vec![1])
                .await;
            assert_eq!(other.status, StatusCode::NOT_FOUND);
        }
        lives_at_once(&served, "as many notices as are read at once");
        let begun = Instant::now();
        let mut told = Vec::new();
        for mut stream in held {
            told.push(head(&mut stream).await[9..12].to_owned());
        }
        // The first eight at once, the others when these have gone or not at all.
        assert!(begun.elapsed() <= Duration::from_secs(7), "{:?}", begun.elapsed());
        assert!(told.iter().all(|status| ["408", "503"].contains(&status.as_str())), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_31_a_slow_body_is_not_waited_for() {
    let served = served_with_webhooks(memory(BackendId::GITEA, &[])).await;
    let signed = format!("X-Gitea-Signature: {MADE_UP}\r\n");
    let mut stream = begin(&served, "gitea", &signed).await;
    let begun = Instant::now();
    let answer = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains(r#"{"error":"request_timeout""#), "{answer}");
    assert_eq!(begun.elapsed().as_secs(), 3);
}

async fn served_with_webhooks(backend: Arc<dyn Backend>) -> Served {
    let receiver = GiteaWebhooks::new(&SECRET.to_owned().into(), "ext".parse().unwrap()).unwrap();
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> =
        vec![(BackendId::GITEA, Arc::new(receiver))];
    Served::with(vec![backend], Setup { receivers, ..Setup::default() }).await
}

fn signature(body: &str) -> String {
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let code = key.chain_update(body).finalize().into_bytes();
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn notice(action: &str) -> String {
    format!(
        r#"{{"action":"{action}","release":{{"id":1,"tag_name":"1.1.0"}},"repository":{{"id":1,"name":"aws_prov","full_name":"ext/aws_prov","owner":{{"login":"ext"}}}}}}"#
    )
}

async fn deliver(served: &Served, signature: &str, body: &str) -> StatusCode {
    let headers = [("x-gitea-event", "release"), ("x-gitea-signature", signature)];
    let path = "/webhooks/gitea";
    served.send_body(Method::POST, path, &headers, body.as_bytes().to_vec()).await.status
}

#[tokio::test]
async fn row_38_forged_huge_replayed_and_disordered_notices_change_nothing_but_when_is_read() {
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/aws:1.0.0"]));
    let served = served_with_webhooks(Arc::clone(&backend) as _).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let before = backend.asked();
    let body = notice("published");
    let good = signature(&body);
    let cut = &good[..62];
    for forged in ["", "x", cut, &signature("other"), &format!("{good}00"), &"0".repeat(64)] {
        assert_eq!(deliver(&served, forged, &body).await, StatusCode::UNAUTHORIZED, "{forged}");
    }
    let huge = "x".repeat((1 << 20) + 1);
    assert_eq!(deliver(&served, &signature(&huge), &huge).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(backend.asked(), before, "nobody was asked on the word of a stranger");
    // Late news of a deletion, which is not so, and the same notice again and again.
    for body in [notice("deleted"), body.clone(), body.clone(), body] {
        assert_eq!(deliver(&served, &signature(&body), &body).await, StatusCode::ACCEPTED);
    }
    let got = served.get("/extensions/provider/aws").await;
    assert_eq!((got.status, &got.json()["version"]), (StatusCode::OK, &"1.0.0".into()));
    let metrics = served.get("/metrics").await.text();
    for (outcome, count) in [("refused", 6), ("changed", 2), ("replayed", 2)] {
        let line = format!(
            "extension_registry_webhook_deliveries_total{{backend=\"gitea\",outcome=\"{outcome}\"}} {count}"
        );
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_39_without_a_notice_news_are_seen_within_the_time_to_live() {
    let backend = memory(BackendId::GITEA, &["provider/aws:1.0.0"]);
    let ttl = Duration::from_mins(5);
    let served = Served::with(vec![backend.clone()], Setup { ttl, ..Setup::default() }).await;
    let version = async || served.get("/extensions/provider/aws").await.json()["version"].clone();
    assert_eq!(version().await, "1.0.0");
    backend.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "new");
    sleep(ttl + Duration::from_secs(1)).await;
    assert_eq!(version().await, "1.1.0");
}
