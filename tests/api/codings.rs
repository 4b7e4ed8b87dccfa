//! Compressed answers: the same answer in fewer bytes, made once.

use std::io::Read as _;

use registry_core::models::backend_id::BackendId;
use registry_server::edge::middleware::HttpRules;
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};

use crate::support::served::{Got, Served, Setup};

const CODINGS: [&str; 3] = ["br", "zstd", "gzip"];

const PATHS: [&str; 7] = [
    "/extensions",
    "/extensions?limit=7&offset=3",
    "/extensions/search?q=p1",
    "/extensions/provider/p1",
    "/extensions/provider/p1/versions",
    "/extensions/provider/p1/1.0.0/metadata",
    "/openapi.json",
];

async fn served(compression: bool) -> Served {
    let names: Vec<String> =
        (0..50).flat_map(|n| (0..3).map(move |v| format!("provider/p{n}:1.{v}.0"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let setup =
        Setup { http: HttpRules { compression, ..Setup::default().http }, ..Setup::default() };
    Served::with(vec![memory(BackendId::LOCAL, &names)], setup).await
}

fn plain(got: &Got) -> Vec<u8> {
    let mut plain = Vec::new();
    let body = &got.body[..];
    match got.header("content-encoding") {
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        "zstd" => zstd::Decoder::new(body).unwrap().read_to_end(&mut plain),
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        other => panic!("{other:?}"),
    }
    .unwrap();
    plain
}

#[tokio::test]
async fn each_coding_holds_the_same_answer() {
    let served = served(true).await;
    for path in PATHS {
        let bare = served.get(path).await;
        assert_eq!(bare.header("content-encoding"), "", "{path}");
        for coding in CODINGS {
            let accept = ("accept-encoding", coding);
            let got = served.get_with(path, &[accept]).await;
            assert_eq!((got.status, got.header("content-encoding")), (StatusCode::OK, coding));
            assert!(got.body.len() < bare.body.len(), "{path} {coding}");
            assert_eq!(plain(&got), bare.body, "{path} {coding}");
            let length = got.body.len().to_string();
            assert_eq!(
                (got.header("content-length"), got.header("etag")),
                (&*length, bare.header("etag"))
            );
            let head = served.send(Method::HEAD, path, &[accept]).await;
            assert_eq!(head.header("content-encoding"), coding, "{path}");
            assert_eq!((head.header("content-length"), head.body.len()), (&*length, 0));
            let has = [accept, ("if-none-match", bare.header("etag"))];
            let has = served.get_with(path, &has).await;
            assert_eq!(
                (has.status, has.header("content-encoding")),
                (StatusCode::NOT_MODIFIED, "")
            );
            for answer in [&bare, &got, &head, &has] {
                let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
                let codings = |vary: &&&reqwest::header::HeaderValue| {
                    vary.to_str().unwrap().contains("accept-encoding")
                };
                assert_eq!(vary.iter().filter(codings).count(), 1, "{path} {coding}: {vary:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_would_not_be_shorter_stays_as_it_is() {
    let served = served(true).await;
    let got = served.get_with("/extensions?limit=0", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!((got.text().as_str(), got.header("content-encoding")), ("[]", ""));
}

#[tokio::test]
async fn compression_can_be_switched_off() {
    let served = served(false).await;
    for path in PATHS.into_iter().chain(["/health", "/cache/stats"]) {
        let got = served.get_with(path, &[("accept-encoding", "br, zstd, gzip")]).await;
        assert_eq!((got.status, got.header("content-encoding")), (StatusCode::OK, ""), "{path}");
        got.json();
    }
}
