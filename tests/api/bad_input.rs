//! Every question that is wrong in itself, and the shape of every failure.

use registry_core::models::backend_id::BackendId;
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::served::Served;

async fn served() -> Served {
    Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await
}

const TYPE: &str = "type must be one of provider, taskserv, cluster";
const SOURCE: &str = "source must be one of gitea, oci, local";
const LIMIT: &str = "limit must be a whole number from 0 to 1000";
const OFFSET: &str = "offset must be a whole number, 0 or more";
const QUERY: &str = "q is required: 1 to 200 characters, not blank";
const NAME: &str = "name must be 1 to 100 of A-Z a-z 0-9 . _ - and begin with a letter or digit";
const CONSTRAINT: &str = "constraint is required: 1 to 200 characters, a range as Cargo writes it, \
                          such as ^1.2, ~1.2.3, 1.2.*, =1.2.3, =1.2.3.4, \
                          or >=1.2, <2";
const SORT: &str = "sort must be one of name, published";
const KEYWORD: &str = "keyword must be 1 to 200 characters, not blank, at most 32 times";
const PRERELEASE: &str = "prerelease must be true or false";
const VERSION: &str = "version must be 1 to 255 of A-Z a-z 0-9 . _ + / - and begin with a letter \
                       or digit, without a .. segment";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn what_is_wrong_in_itself_is_named_with_its_bound() {
    let served = served().await;
    let long_name = format!("/extensions/provider/{}", "a".repeat(101));
    let long_version = format!("/extensions/provider/aws/{}", "1".repeat(256));
    let long_keyword = format!("/extensions?keyword=a&keyword={}", "a".repeat(201));
    let many_keywords = format!("/extensions?{}", "keyword=a&".repeat(33));
    let many = ">0,".repeat(67);
    let long_constraint = format!("/extensions/provider/aws/resolve?constraint={many}");
    let long_query = format!("/extensions/search?q={}", "a".repeat(201));
    for (path, message) in [
        ("/extensions?type=providers", TYPE),
        ("/extensions?type=", TYPE),
        ("/extensions/Provider/aws", TYPE),
        ("/extensions/search?q=a&type=x", TYPE),
        ("/extensions?source=github", SOURCE),
        ("/extensions/provider/aws?source=x", SOURCE),
        ("/extensions/provider/aws/versions?source=x", SOURCE),
        ("/extensions/provider/aws/1.0.0?source=x", SOURCE),
        ("/extensions/provider/aws/1.0.0/metadata?source=x", SOURCE),
        ("/extensions?limit=1001", LIMIT),
        ("/extensions?limit=-1", LIMIT),
        ("/extensions?limit=ten", LIMIT),
        ("/extensions?limit=", LIMIT),
        ("/extensions?limit=1e2", LIMIT),
        ("/extensions?limit=%2B5", LIMIT),
        ("/extensions?limit=99999999999999999999999", LIMIT),
        ("/extensions?offset=-1", OFFSET),
        ("/extensions?offset=1.5", OFFSET),
        ("/extensions?sort=", SORT),
        ("/extensions?sort=Name", SORT),
        ("/extensions?sort=published_at", SORT),
        ("/extensions?keyword=", KEYWORD),
        ("/extensions?keyword=aws&keyword=%20", KEYWORD),
        (&long_keyword, KEYWORD),
        (&many_keywords, KEYWORD),
        ("/extensions/search", QUERY),
        ("/extensions/search?q=", QUERY),
        ("/extensions/search?q=%20%09", QUERY),
        (&long_query, QUERY),
        ("/extensions/provider/aws/resolve", CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=", CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=%20", CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=latest", CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=1.2.3.4", CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=^1%20%7C%7C%20^2", CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=^99999999999999999999", CONSTRAINT),
        (&long_constraint, CONSTRAINT),
        ("/extensions/provider/aws/resolve?constraint=*&prerelease=yes", PRERELEASE),
        ("/extensions/provider/aws/resolve?constraint=*&prerelease=", PRERELEASE),
        ("/extensions/provider/aws/resolve?constraint=*&source=x", SOURCE),
        ("/extensions/provider/..%2Fetc/resolve?constraint=*", NAME),
        ("/extensions/provider/..%2Fetc/explain", NAME),
        ("/extensions/providers/aws/explain", TYPE),
        ("/extensions/provider/aws/readme?source=x", SOURCE),
        ("/extensions/provider/aws/readme?version=..", VERSION),
        ("/extensions/provider/aws/readme?version=", VERSION),
        ("/extensions/provider/aws/readme?version=1%00", VERSION),
        ("/extensions/provider/..%2Fetc/readme", NAME),
        ("/extensions/provider/..%2Fetc", NAME),
        ("/extensions/provider/a%00b", NAME),
        ("/extensions/provider/a%2fb", NAME),
        ("/extensions/provider/a%252fb", NAME),
        ("/extensions/provider/-a", NAME),
        ("/extensions/provider/%E2%80%AEswa", NAME),
        ("/extensions/provider/a%20b/versions", NAME),
        (&long_name, NAME),
        ("/extensions/provider/aws/%2e%2e%2fx", VERSION),
        ("/extensions/provider/aws/1%2F..%2F2", VERSION),
        ("/extensions/provider/aws/1.0.0%00", VERSION),
        ("/extensions/provider/aws/1.0.0%0d%0aX-Evil:1", VERSION),
        ("/extensions/provider/aws/1%5C2", VERSION),
        ("/extensions/provider/aws/latest?tag=..", VERSION),
        ("/extensions/provider/aws/latest/metadata?tag=..", VERSION),
        ("/extensions/provider/aws/1%2F..%2F2/metadata", VERSION),
        ("/extensions/provider/a%00b/1.0.0/metadata", NAME),
        (&long_version, VERSION),
    ] {
        let got = served.get(path).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(got.json(), json!({"error": "bad_request", "message": message}), "{path}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let served = served().await;
    let got = served.get("/extensions/provider/%ff%fe").await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert_eq!(got.json()["error"], "bad_request");
    let got = served.get("/extensions/search?q=%ff").await;
    assert!(got.status == StatusCode::OK || got.status == StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_large_but_right_is_answered() {
    let served = served().await;
    let beyond = served.get("/extensions?offset=99999999999999999999999").await;
    assert_eq!((beyond.status, beyond.text().as_str()), (StatusCode::OK, "[]"));
    assert_eq!(served.get("/extensions?limit=1000").await.status, StatusCode::OK);
    let longest = format!("/extensions/search?q={}", "ä".repeat(200));
    assert_eq!(served.get(&longest).await.status, StatusCode::OK);
    let unknown = served.get("/extensions?color=blue&type=provider").await;
    assert_eq!(unknown.column("name"), ["aws"], "unknown parameters are ignored");
}

#[tokio::test]
async fn every_path_fails_in_the_same_shape() {
    let served = served().await;
    let message = "No resource at this path; /api/v1/openapi.json describes every path";
    for path in ["/nope", "/extensions/provider/aws/1.0.0/x/y", "/extensions//"] {
        let got = served.get(path).await;
        let body = json!({"error": "not_found", "message": message});
        assert_eq!((got.status, got.json()), (StatusCode::NOT_FOUND, body), "{path}");
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!(got.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let served = served().await;
    for path in ["/extensions", "/extensions/provider/aws/1.0.0", "/health", "/metrics"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let got = served.send(method, path, &[]).await;
            assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(got.header("allow"), "GET,HEAD", "{path}");
            assert_eq!(got.json()["error"], "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn problem_details_are_given_to_who_asks_for_them() {
    let served = served().await;
    let accept = [("accept", "application/problem+json, application/json;q=0.5")];
    let got = served.get_with("/extensions/provider/nonexistent", &accept).await;
    assert_eq!(got.header("content-type"), "application/problem+json");
    assert_eq!(
        got.json(),
        json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "Extension provider/nonexistent not found",
            "error": "not_found",
        })
    );
}

#[tokio::test]
async fn a_failure_to_head_has_no_body() {
    let got = served().await.send(Method::HEAD, "/nope", &[]).await;
    assert_eq!((got.status, got.body.len()), (StatusCode::NOT_FOUND, 0));
}
