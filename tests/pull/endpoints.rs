//! Every end point, its headers and its errors.

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::pull::{REPOSITORY, code, send};
use crate::support::served::Served;

const BYTES: &[u8] = b"provider/aws:1.2.0@local";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

async fn served() -> Served {
    let releases = [
        "provider/aws:1.2.0",
        "provider/aws:1.10.0",
        "provider/aws:1.0.0_build.1",
        "provider/aws:nightly",
        "taskserv/kube:1.0.0",
        "provider/a..b:1.0.0",
    ];
    Served::over(vec![memory(BackendId::LOCAL, &releases)]).await
}

#[tokio::test]
async fn lists_are_of_what_fits_the_grammar_in_ascii_order() {
    let served = served().await;
    for path in ["/v2", "/v2/"] {
        let got = served.visit(path).await;
        assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, "{}"), "{path}");
    }
    let got = served.visit("/v2/_catalog").await;
    let expected = json!({"repositories": ["extensions/aws-provider", "extensions/kube-taskserv"]});
    assert_eq!(got.json(), expected);
    let got = served.visit("/v2/extensions/aws-provider/tags/list").await;
    let tags = ["1.0.0_build.1", "1.10.0", "1.2.0", "nightly"];
    assert_eq!(got.json(), json!({"name": "extensions/aws-provider", "tags": tags}));
    assert_eq!(got.header("link"), "");
    for _ in 0..2 {
        let first = served.visit("/v2/extensions/aws-provider/tags/list?n=3&ns=x").await;
        assert_eq!(first.json()["tags"], json!(&tags[..3]));
        assert_eq!(
            first.header("link"),
            "</v2/extensions/aws-provider/tags/list?n=3&last=1.2.0>; rel=\"next\""
        );
    }
    let rest = served.visit("/v2/extensions/aws-provider/tags/list?n=3&last=1.2.0").await;
    assert_eq!((rest.json()["tags"].clone(), rest.header("link")), (json!(["nightly"]), ""));
    let none = served.visit("/v2/extensions/aws-provider/tags/list?n=0").await;
    assert_eq!((none.json()["tags"].clone(), none.header("link")), (json!([]), ""));
    let beyond = served.visit("/v2/_catalog?last=zzz").await;
    assert_eq!(beyond.json(), json!({"repositories": []}));
}

#[tokio::test]
async fn a_version_is_pulled_by_tag_and_by_digest() {
    let served = served().await;
    let repository = "/v2/extensions/aws-provider";
    for tag in ["1.2.0", "1.10.0", "latest", "1.0.0_build.1", "nightly"] {
        let got = served.visit(&format!("{repository}/manifests/{tag}")).await;
        assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, MANIFEST_TYPE));
        let digest = Digest::sha256(&got.body).to_string();
        assert_eq!(got.header("docker-content-digest"), digest, "{tag}");
        assert_eq!(got.header("etag"), format!("\"{digest}\""));
        assert_eq!(got.header("cache-control"), "public, no-cache");
        let by_digest = served.visit(&format!("{repository}/manifests/{digest}")).await;
        assert_eq!(by_digest.body, got.body);
        assert_eq!(by_digest.header("cache-control"), "public, max-age=31536000, immutable");
    }
    let manifest: Value = served.visit(&format!("{repository}/manifests/1.2.0")).await.json();
    let layer = &manifest["layers"][0];
    assert_eq!(layer["digest"], Digest::sha256(BYTES).to_string());
    assert_eq!(layer["annotations"]["org.opencontainers.image.title"], "aws-1.2.0.tar.gz");
    for (descriptor, bytes) in [(layer, BYTES), (&manifest["config"], b"{}")] {
        let digest = descriptor["digest"].as_str().unwrap();
        let got = served.visit(&format!("{repository}/blobs/{digest}")).await;
        assert_eq!((got.status, &*got.body), (StatusCode::OK, bytes));
        assert_eq!(descriptor["size"], bytes.len());
        assert_eq!(got.header("docker-content-digest"), digest);
        assert_eq!(got.header("content-type"), "application/octet-stream");
        assert_eq!(got.header("accept-ranges"), "bytes");
    }
}

#[tokio::test]
async fn errors_have_the_codes_of_the_specification() {
    let served = served().await;
    let absent = Digest::sha256(b"absent");
    for (path, status, expected) in [
        ("extensions/other-provider/tags/list", 404, "NAME_UNKNOWN"),
        ("other/aws-provider/tags/list", 404, "NAME_UNKNOWN"),
        ("extensions/aws/tags/list", 404, "NAME_UNKNOWN"),
        ("extensions/a..b-provider/tags/list", 400, "NAME_INVALID"),
        ("extensions/..%2faws-provider/tags/list", 400, "NAME_INVALID"),
        ("Extensions/aws-provider/tags/list", 400, "NAME_INVALID"),
        ("extensions/aws-provider/manifests/9.9.9", 404, "MANIFEST_UNKNOWN"),
        ("extensions/aws-provider/manifests/1.2.0%2bx", 404, "MANIFEST_UNKNOWN"),
        (&format!("extensions/aws-provider/manifests/{absent}"), 404, "MANIFEST_UNKNOWN"),
        ("extensions/aws-provider/manifests/sha256:abc", 400, "DIGEST_INVALID"),
        ("extensions/aws-provider/blobs/sha256:abc", 400, "DIGEST_INVALID"),
        ("extensions/aws-provider/blobs/abc", 400, "DIGEST_INVALID"),
        (&format!("extensions/aws-provider/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        (&format!("extensions/kube-taskserv/blobs/{}", Digest::sha256(BYTES)), 404, "BLOB_UNKNOWN"),
        ("extensions/aws-provider/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"),
        ("extensions/aws-provider/blobs/uploads/", 404, "UNSUPPORTED"),
        ("extensions/aws-provider", 404, "UNSUPPORTED"),
    ] {
        let got = served.visit(&format!("/v2/{path}")).await;
        assert_eq!(code(&got), (status, expected.to_owned()), "{path}");
        assert_eq!(got.header("docker-distribution-api-version"), "registry/2.0");
        assert_eq!(got.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_other_methods_are_refused() {
    let served = served().await;
    let send = async |method: Method, path: &str| send(&served, method, path).await;
    let repository = REPOSITORY;
    let layer = format!("{repository}/blobs/{}", Digest::sha256(BYTES));
    let config = format!("{repository}/blobs/{}", Digest::sha256(b"{}"));
    let manifest = format!("{repository}/manifests/1.2.0");
    let digest = send(Method::GET, &manifest).await.header("docker-content-digest").to_owned();
    let by_digest = format!("{repository}/manifests/{digest}");
    let tags = format!("{repository}/tags/list?n=1");
    for path in ["/v2/", "/v2/_catalog?n=1", &tags, &manifest, &by_digest, &layer, &config] {
        for _ in 0..2 {
            let [mut get, mut head] =
                [send(Method::GET, path).await, send(Method::HEAD, path).await];
            assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
            assert_eq!(get.header("content-length"), get.body.len().to_string(), "{path}");
            for headers in [&mut get.headers, &mut head.headers] {
                for varies in ["date", "x-request-id", "age", "cache-status"] {
                    headers.remove(varies);
                }
            }
            assert_eq!(get.headers, head.headers, "{path}");
            assert_eq!(get.header("docker-distribution-api-version"), "registry/2.0");
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let got = send(method, path).await;
            assert_eq!(code(&got), (405, "UNSUPPORTED".to_owned()), "{path}");
            assert_eq!(got.header("allow"), "GET,HEAD", "{path}");
        }
    }
}

#[tokio::test]
async fn the_status_page_counts_names_without_a_repository() {
    let served = served().await;
    // The list waits for the first cycle of each backend; the page does not.
    served.visit("/v2/_catalog").await;
    let text = served.visit("/status").await.text();
    let expected = "2 repositories in extensions/; 1 extensions have names that fit none";
    assert!(text.contains(expected), "{text}");
}
