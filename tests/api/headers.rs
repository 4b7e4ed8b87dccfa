//! What stands beside every answer.

use registry_core::models::backend_id::BackendId;
use registry_server::api::routes::templates;
use registry_server::edge::middleware::HttpRules;
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};

use crate::support::served::{Served, Setup};

async fn served() -> Served {
    let names: Vec<String> = (0..50).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Served::over(vec![memory(BackendId::LOCAL, &names)]).await
}

const JSON: [&str; 7] = [
    "/extensions",
    "/extensions/search?q=p1",
    "/extensions/provider/p1",
    "/extensions/provider/p1/versions",
    "/extensions/provider/p1/1.0.0/metadata",
    "/extensions/provider/p1/resolve?constraint=*",
    "/openapi.json",
];

#[tokio::test]
async fn json_is_revalidated_by_weak_tags() {
    let served = served().await;
    for path in JSON {
        let first = served.get(path).await;
        assert_eq!(first.status, StatusCode::OK, "{path}");
        assert_eq!(first.header("content-type"), "application/json", "{path}");
        assert_eq!(first.header("cache-control"), "public, no-cache", "{path}");
        assert_eq!(first.header("x-content-type-options"), "nosniff");
        let etag = first.header("etag");
        assert!(etag.starts_with("W/\""), "{path}: {etag}");
        let second = served.get_with(path, &[("if-none-match", etag)]).await;
        assert_eq!((second.status, second.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(second.header("etag"), etag);
        assert_eq!(second.header("cache-control"), "public, no-cache");
        let other = served.get_with(path, &[("if-none-match", "W/\"other\"")]).await;
        assert_eq!(other.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let served = served().await;
    for path in JSON.into_iter().chain(["/health", "/metrics", "/cache/stats"]) {
        let get = served.get(path).await;
        let head = served.send(Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn live_answers_and_failures_are_never_kept() {
    let served = served().await;
    for path in ["/health", "/metrics", "/cache/stats", "/health/live", "/nope"] {
        assert_eq!(served.get(path).await.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let served = served().await;
    let made = served.get("/extensions").await;
    assert_eq!(made.header("x-request-id").len(), 32);
    let taken = served.get_with("/nope", &[("x-request-id", "trace-1.a_B")]).await;
    assert_eq!(taken.header("x-request-id"), "trace-1.a_B");
    let long = "x".repeat(129);
    for insane in ["a b", "a\"b", "<script>", "", &long] {
        let got = served.get_with("/health", &[("x-request-id", insane)]).await;
        assert_ne!(got.header("x-request-id"), insane);
        assert_eq!(got.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn json_is_compressed_for_who_accepts_it() {
    let served = served().await;
    let plain = served.get("/extensions").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.header("vary"), "accept-encoding");
    for encoding in ["br", "zstd", "gzip"] {
        let packed = served.get_with("/extensions", &[("accept-encoding", encoding)]).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert!(packed.body.len() < plain.body.len() / 2, "{encoding}");
        let accept = [("accept-encoding", encoding)];
        let archive = served.get_with("/extensions/provider/p1/1.0.0", &accept).await;
        assert_eq!(archive.header("content-encoding"), "", "archives stay as they are");
    }
    let gzip = served.get_with("/extensions", &[("accept-encoding", "gzip")]).await;
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(gzip.body.as_slice()),
        &mut unpacked,
    )
    .unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn other_origins_may_read_what_is_configured() {
    let served = served().await;
    let origin = ("origin", "https://ui.example.com");
    let got = served.get_with("/extensions", &[origin]).await;
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert_eq!(got.header("access-control-expose-headers"), "*", "without credentials: all");
    let wish = ("access-control-request-method", "GET");
    let preflight = served.send(Method::OPTIONS, "/extensions", &[origin, wish]).await;
    assert_eq!(preflight.status, StatusCode::OK);
    assert!(preflight.header("access-control-allow-methods").contains("GET"));
    assert_eq!(
        served.get_with("/nope", &[origin]).await.header("access-control-allow-origin"),
        "*"
    );
}

#[tokio::test]
async fn what_is_switched_off_is_off() {
    let http = HttpRules::default();
    let setup = Setup { http, ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await;
    let headers = [("origin", "https://ui.example.com"), ("accept-encoding", "gzip, br")];
    let got = served.get_with("/openapi.json", &headers).await;
    assert_eq!(got.header("content-encoding"), "");
    assert_eq!(got.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn browsers_may_run_and_load_nothing_of_any_answer() {
    let served = served().await;
    let mut paths: Vec<String> = templates()
        .iter()
        .map(|template| template.strip_prefix("/api/v1").unwrap())
        .map(|path| path.replace("{type}", "provider").replace("{name}", "p1"))
        .map(|path| path.replace("{version}", "1.0.0").replace("{backend}", "gitea"))
        .collect();
    paths.extend(["/nope", "/extensions?limit=x", "/extensions/provider/none"].map(String::from));
    for path in paths {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let got = served.send(method.clone(), &path, &[]).await;
            assert_eq!(got.header("x-content-type-options"), "nosniff", "{method} {path}");
            let policy = got.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none';"), "{method} {path}: {policy}");
            let archive = got.header("content-type") == "application/octet-stream";
            let disposition = got.header("content-disposition");
            assert_eq!(disposition.starts_with("attachment;"), archive, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_header_of_a_client_is_part_of_what_others_are_answered() {
    let served = served().await;
    let hostile = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-original-url", "/evil"),
        ("x-http-method-override", "DELETE"),
        ("cookie", "a=evil"),
        ("authorization", "Bearer evil"),
        ("accept-language", "evil"),
        ("range", "bytes=0-1"),
    ];
    for path in &JSON[..6] {
        let first = served.get_with(path, &hostile).await;
        let second = served.get(path).await;
        assert_eq!(first.status, StatusCode::OK, "{path}");
        assert_eq!((&first.body, first.header("etag")), (&second.body, second.header("etag")));
        assert!(!format!("{second:?}").contains("evil"), "{path}");
        assert!(!first.text().contains("evil"), "{path}");
    }
}
