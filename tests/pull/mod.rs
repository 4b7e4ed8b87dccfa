//! The OCI pull API as clients see it.

mod access;
mod chains;
mod endpoints;
mod made;
mod owners;
mod passed;
mod published;
mod stock;

use reqwest::Method;

use crate::support::served::{Got, Served};

/// The repository of the provider `aws`.
const REPOSITORY: &str = "/v2/extensions/aws-provider";

/// Status and code of an error.
fn code(got: &Got) -> (u16, String) {
    let error = &got.json()["errors"][0];
    assert!(error["message"].as_str().is_some(), "{} {}", got.status, got.text());
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    (got.status.as_u16(), error["code"].as_str().unwrap().to_owned())
}

/// Sends a request over the network with this method.
async fn send(served: &Served, method: Method, path: &str) -> Got {
    let client = registry_testing::http::client_builder().build().unwrap();
    let url = format!("{}{path}", served.base);
    Got::read(client.request(method, url).send().await.unwrap()).await
}

/// Sends a request without a socket, so that a thousand of them take no connection.
async fn head(served: &Served, method: Method, path: &str) -> Got {
    let request = axum::http::Request::builder().method(method).uri(path).header("host", "x");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let (head, body) = served.router.answer(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Got::of(head.status, head.headers, body)
}
