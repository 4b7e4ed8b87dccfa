//! Large responses of a backend: each is requested once, one is in memory at a time, and no call waits
//! for itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::answer::UpstreamResponse;
use registry_backends::http::request::Request;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend as _;
use registry_core::error::{ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_testing::canary::secret_for;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use tokio::time::timeout;

/// More than a call may hold beside others.
const LARGE: usize = 600 * 1024;
const MOST: usize = 1024 * 1024;

fn client(server: &ScriptedRegistry, max_concurrency: usize) -> UpstreamClient {
    let upstream = UpstreamSettings { max_concurrency, ..UpstreamSettings::default() };
    let base = server.url().parse().unwrap();
    let settings = HttpSettings { peer: BackendId::OCI.into(), base, upstream };
    UpstreamClient::new(settings, Arc::new(())).unwrap()
}

async fn fetch(
    client: &UpstreamClient,
    server: &ScriptedRegistry,
    path: &str,
) -> Result<UpstreamResponse> {
    let url = format!("{}{path}", server.url()).parse().unwrap();
    client.fetch(Request::get("x", url), MOST).await
}

/// Long bodies, short ones, and a short one that takes much memory when it is parsed.
fn sized(seen: &Seen) -> Reply {
    Reply::json(match seen.path() {
        "/small" => "[]".to_owned(),
        "/dense" => format!("[{}{{}}]", "{},".repeat(4_000)),
        _ => format!("\"{}\"", "x".repeat(LARGE)),
    })
}

#[tokio::test]
async fn a_large_response_is_requested_once_and_marked() {
    let server = ScriptedRegistry::start(sized).await;
    let client = client(&server, 8);
    for (path, large) in [("/small", false), ("/dense", true), ("/long", true)] {
        let answer = fetch(&client, &server, path).await.unwrap();
        assert_eq!(answer.is_large(), large, "{path}");
        assert_eq!(server.take().len(), 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_large_response_is_held_at_a_time_and_small_ones_pass() {
    let server = ScriptedRegistry::start(sized).await;
    let client = client(&server, 2);
    let first = fetch(&client, &server, "/long").await.unwrap();
    let mut second = Box::pin(fetch(&client, &server, "/long"));
    assert!(timeout(Duration::from_secs(10), &mut second).await.is_err(), "two at once");
    assert!(!fetch(&client, &server, "/small").await.unwrap().is_large());
    drop(first);
    assert!(second.await.unwrap().is_large());
    assert_eq!(server.count("/long"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_the_deadline_and_says_nothing_about_the_backend() {
    let server = ScriptedRegistry::start(sized).await;
    let client = client(&server, 8);
    let held = fetch(&client, &server, "/long").await.unwrap();
    let begun = tokio::time::Instant::now();
    let waits = (0..8).map(|_| fetch(&client, &server, "/long"));
    for waited in join_all(waits).await {
        let error = waited.unwrap_err();
        assert_eq!((error.kind(), error.was_asked()), (ErrorKind::BackendTimeout, false));
    }
    assert_eq!(begun.elapsed().as_secs(), UpstreamSettings::default().timeout.as_secs());
    // Eight timeouts of the backend would have opened the circuit breaker.
    assert!(client.contact().borrow().breaker.lets_through());
    drop(held);
    assert!(fetch(&client, &server, "/long").await.is_ok());
}

fn id(text: &str) -> ExtensionId {
    text.parse().unwrap()
}

/// A registry whose refusals are long, and whose tokens cost a request of their own.
fn refusing(seen: &Seen) -> Reply {
    if seen.path() == "/token" {
        let token = secret_for(seen.header("host").unwrap(), "token");
        return Reply::json(format!(r#"{{"token":"{token}"}}"#));
    }
    if seen.header("authorization").is_none() {
        let host = seen.header("host").unwrap();
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"x\"");
        return Reply::new(401).header("www-authenticate", challenge).bytes("x".repeat(LARGE));
    }
    if seen.path().ends_with("/tags/list") {
        Reply::json(format!("{{\"name\":\"{}\",\"tags\":[]}}", "x".repeat(LARGE)))
    } else {
        Reply::new(404)
    }
}

#[tokio::test]
async fn no_large_refusal_is_held_while_a_token_is_fetched() {
    let server = ScriptedRegistry::start(refusing).await;
    let registry = server.url().parse().unwrap();
    let mut settings = OciSettings::new(registry, "team".parse().unwrap());
    settings.upstream.max_concurrency = 1;
    settings.upstream.allow_private_redirects = true;
    let backend = OciBackend::new(settings, Arc::new(())).unwrap();
    let reads = (0..4).map(|number| {
        let (backend, id) = (backend.clone(), id(&format!("provider/p{number}")));
        async move { backend.extension(&id).await }
    });
    for read in join_all(reads).await {
        assert!(read.unwrap().releases().is_empty());
    }
}

/// Four repositories, each with twenty pages of releases that keep much.
fn long_lists(seen: &Seen) -> Reply {
    let path = seen.path();
    if path.ends_with("/settings/api") {
        return Reply::json(r#"{"max_response_items":50}"#);
    }
    if path.ends_with("/releases") {
        let page: usize = seen.query("page").unwrap().parse().unwrap();
        let from = page.min(21) * 50;
        let rows: Vec<String> = (from..(from + 50).min(21 * 50)).map(release).collect();
        let reply = Reply::json(format!("[{}]", rows.join(",")));
        let last = page >= 20;
        return if last { reply } else { reply.header("link", "<http://x/?page=2>; rel=\"next\"") };
    }
    let name = path.rsplit('/').next().unwrap();
    Reply::json(format!(
        r#"{{"id":1,"name":"{name}","topics":[],"owner":{{"id":1,"login":"team"}}}}"#
    ))
}

fn release(number: usize) -> String {
    let text = "x".repeat(12 * 1024);
    format!(
        r#"{{"id":{number},"tag_name":"{number}.0.0","body":"{text}","assets":[{{"uuid":"u{number}","name":"a.tar.gz","size":1}}]}}"#
    )
}

#[tokio::test]
async fn long_lists_of_large_pages_end_with_one_permit_for_all() {
    for max_concurrency in [1, 4] {
        let server = ScriptedRegistry::start(long_lists).await;
        let url = server.url().parse().unwrap();
        let mut settings = GiteaSettings::new(url, "team".parse().unwrap());
        settings.upstream.max_concurrency = max_concurrency;
        let backend = Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap());
        let reads = (0..4).map(|number| {
            let (backend, id) = (Arc::clone(&backend), id(&format!("provider/p{number}")));
            async move { backend.extension(&id).await }
        });
        for read in join_all(reads).await {
            let extension = read.unwrap();
            assert_eq!(extension.releases().len(), 1000, "{:?}", extension.faults());
        }
        // Without a total only an empty page is the end.
        assert_eq!(server.count("/releases"), 4 * 21, "each page once");
    }
}
