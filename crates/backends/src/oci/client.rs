//! Client for the read part of the distribution API (OCI distribution-spec 1.1 and earlier).
//!
//! Only the status of a response decides. Half of the registries omit the error code in the body.

mod blob;
mod listing;
mod manifest;
mod names;
mod page;
mod referrers;
mod stored_blob;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use hyper::{Method, StatusCode};
use registry_core::backend::contact::Contact;
use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::http::answer::{Answered as _, Streamed, UpstreamResponse};
use crate::http::memory_permit::ListMemory;
use crate::http::request::{Redirects, Request};
use crate::http::upstream::UpstreamClient;
use crate::oci::address::RegistryAddress;
use crate::oci::auth::RegistryAuth;
use crate::oci::credentials::Credentials;
use crate::oci::labels;
use crate::oci::realm::TokenHost;
use crate::oci::repository::OciRepository;

pub use crate::oci::client::blob::LayerReader;
pub use crate::oci::client::listing::Lister;
pub use crate::oci::client::manifest::{Manifest, ManifestClient, ManifestReference, parse};
pub use crate::oci::client::names::Names;
pub use crate::oci::client::referrers::referrers;
pub use crate::oci::client::stored_blob::stored_blob;

/// Subject of requests that concern the whole registry.
const REGISTRY: &str = "";

/// Client for one registry. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: UpstreamClient,
    registry: RegistryAddress,
    auth: Arc<RegistryAuth>,
}

struct RegistryRequest<'a> {
    operation: &'static str,
    method: Method,
    /// Scope of the token that the request may need.
    subject: &'a str,
    url: Url,
    accept: HeaderValue,
    range: Option<HeaderValue>,
    /// True if a caller may have made up the digest.
    guessed: bool,
}

impl<'a> RegistryRequest<'a> {
    fn get(operation: &'static str, subject: &'a str, url: Url, accept: &'static str) -> Self {
        let accept = HeaderValue::from_static(accept);
        Self { operation, method: Method::GET, subject, url, accept, range: None, guessed: false }
    }

    /// Manifests and blobs may lie on other servers, because digests verify them; lists may not.
    fn redirects(&self) -> Redirects {
        match self.operation {
            labels::MANIFEST | labels::BLOB => Redirects::Anywhere,
            _ => Redirects::SameOrigin,
        }
    }

    fn request(&self) -> Request {
        let build = if self.method == Method::HEAD { Request::head } else { Request::get };
        let request = build(self.operation, self.url.clone())
            .header(ACCEPT, self.accept.clone())
            // A decoded blob would not match its digest.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .follow(self.redirects());
        let request = if self.operation == labels::PING { request.probe() } else { request };
        let request = if self.guessed { request.guessed() } else { request };
        match &self.range {
            Some(range) => request.header(hyper::header::RANGE, range.clone()),
            None => request,
        }
    }
}

impl Client {
    /// Creates a client without sending a request. `http` must have the registry as its base.
    #[must_use]
    pub fn new(http: UpstreamClient, registry: RegistryAddress, credentials: Credentials) -> Self {
        Self::trusting(http, registry, credentials, Vec::new())
    }

    /// Creates a client that may also send the credentials to token servers at these hosts.
    #[must_use]
    pub fn trusting(
        http: UpstreamClient,
        registry: RegistryAddress,
        credentials: Credentials,
        token_hosts: Vec<TokenHost>,
    ) -> Self {
        let auth = RegistryAuth::new(http.clone(), registry.clone(), credentials, token_hosts);
        Self { http, registry, auth: Arc::new(auth) }
    }

    /// Replaces the credentials for all further requests.
    pub fn renew_credentials(&self, credentials: Credentials) {
        self.auth.renew(credentials);
    }

    /// Returns true if the registry accepted the current credentials within this time.
    #[must_use]
    pub fn worked_within(&self, span: Duration) -> bool {
        self.auth.worked_within(span)
    }

    /// Returns a receiver of the registry's contact state.
    #[must_use]
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.http.contact()
    }

    /// Sends the registry no request before this time.
    pub fn hold(&self, until: Option<Instant>) {
        self.http.hold(until);
    }

    /// Returns the address of the registry.
    #[must_use]
    pub const fn registry(&self) -> &RegistryAddress {
        &self.registry
    }

    /// Checks that a registry responds at the address and accepts the configured credentials.
    ///
    /// # Errors
    /// `BackendRefused` if the credentials are refused, `BackendFaulty` if it is not a registry,
    /// and the errors of sending.
    pub async fn ping(&self) -> Result<()> {
        let url = self.registry.endpoint("");
        let question = RegistryRequest::get(labels::PING, REGISTRY, url, "application/json");
        let answer = self.fetch(&question, 64 * 1024).await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                Err(Error::faulty("The address does not point to an OCI registry"))
            }
            _ => Err(answer.failure()),
        }
    }

    fn in_repository(&self, repository: &OciRepository, path: &str) -> Url {
        self.registry.endpoint(&format!("{repository}/{path}"))
    }

    /// Returns the reader of the registry's listings.
    #[must_use]
    pub const fn lister(&self) -> Lister<'_> {
        Lister::new(self)
    }

    /// Returns the reader of manifests and indexes.
    #[must_use]
    pub const fn manifests(&self) -> ManifestClient<'_> {
        ManifestClient::new(self)
    }

    /// Returns the reader of blobs.
    #[must_use]
    pub const fn blobs(&self) -> LayerReader<'_> {
        LayerReader::new(self)
    }

    fn list_memory(&self) -> ListMemory {
        self.http.list_memory()
    }

    async fn fetch(
        &self,
        question: &RegistryRequest<'_>,
        max_bytes: usize,
    ) -> Result<UpstreamResponse> {
        let answer = self.auth.through(question.subject, |credentials| {
            self.http.fetch(question.request().with_credentials(credentials), max_bytes)
        });
        answer.await
    }

    async fn stream(&self, question: &RegistryRequest<'_>) -> Result<Streamed> {
        let answer = self.auth.through(question.subject, |credentials| {
            self.http.stream(question.request().with_credentials(credentials))
        });
        answer.await
    }
}

/// Like [`UpstreamResponse::failure`], but absence and refusal concern one repository.
fn failure(answer: &UpstreamResponse, missing: impl Into<String>) -> Error {
    match answer.status {
        status if answer.left_home && is_no(status) => elsewhere(status),
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::not_found(missing),
        _ if answer.is_refusal() => {
            let message = "The registry refused the credentials, or has no such repository";
            Error::new(ErrorKind::BackendRefused, message)
        }
        _ => answer.failure(),
    }
}

fn is_no(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 404 | 410)
}

/// Returns an error that proves no absence: the target of a redirect got no credentials.
fn elsewhere(status: StatusCode) -> Error {
    let status = status.as_u16();
    Error::faulty(format!("The registry redirects to a server that answers with status {status}"))
}
