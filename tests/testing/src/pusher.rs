//! Filling a registry over its API, as a client that pushes.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::registry_store::{Held, OCI_INDEX, Store};

/// A client of one registry.
pub struct Pusher {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: Option<String>,
}

impl Pusher {
    /// A client of the registry at this address, with this `Authorization`.
    pub fn new(base: &str, authorization: Option<&str>) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: base.to_owned(),
            authorization: authorization.map(ToOwned::to_owned),
        }
    }

    /// One exchange; a path or a whole address.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let address = if target.starts_with('/') {
            format!("{}{target}", self.base)
        } else {
            target.to_owned()
        };
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(address.parse::<Uri>().unwrap())
            .body(Full::new(body.into()))
            .unwrap();
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    }

    /// Pushes a blob in two requests.
    pub async fn blob(&self, repository: &str, digest: &str, bytes: &Bytes) {
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let (status, headers, _) = self.send(Method::POST, &uploads, &[], Bytes::new()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{repository}");
        let location = headers[LOCATION].to_str().unwrap();
        let mark = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{mark}digest={digest}");
        let octets = [(CONTENT_TYPE.as_str(), "application/octet-stream")];
        let (status, ..) = self.send(Method::PUT, &target, &octets, bytes.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{repository} {digest}");
    }

    /// Pushes a manifest or index under a tag or its digest.
    pub async fn manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let headers = [(CONTENT_TYPE.as_str(), media_type)];
        let (status, _, body) = self.send(Method::PUT, &target, &headers, bytes.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{repository}:{reference} {body:?}");
    }

    /// Pushes one repository whole.
    pub async fn repository(&self, name: &str, held: &Held) {
        for (digest, bytes) in &held.blobs {
            if !held.manifests.contains_key(digest) {
                self.blob(name, digest, bytes).await;
            }
        }
        let indexes_last = |(_, media_type): &(&String, &String)| *media_type == OCI_INDEX;
        let mut manifests: Vec<_> = held.manifests.iter().collect();
        manifests.sort_by_key(indexes_last);
        for (digest, media_type) in manifests {
            self.manifest(name, digest, media_type, &held.blobs[digest]).await;
        }
        for (tag, digest) in &held.tags {
            self.manifest(name, tag, &held.manifests[digest], &held.blobs[digest]).await;
        }
    }

    /// Pushes everything.
    pub async fn store(&self, store: &Store) {
        for (name, held) in &store.repositories {
            self.repository(name, held).await;
        }
    }
}
