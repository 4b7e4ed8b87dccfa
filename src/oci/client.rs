//! The read half of the distribution API (OCI distribution-spec 1.1 and what came before it).
//!
//! Statuses decide, never the error code in a body, which half of the registries leave out.

mod blob;
mod gathered;
mod listing;
mod manifest;
mod names;
mod referrers;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::watch;
use url::Url;

use crate::backend::contact::Contact;
use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::answer::{Answer, Streamed};
use crate::http::request::{Redirects, Request};
use crate::http::room::Room;
use crate::oci::address::RegistryAddress;
use crate::oci::auth::{Auth, Refusable as _};
use crate::oci::credentials::Credentials;
use crate::oci::operations;
use crate::oci::realm::TokenHost;
use crate::oci::repository::Repository;

pub use crate::oci::client::listing::Names;
pub use crate::oci::client::manifest::{Manifest, Reference, object};

/// What needs a token of its own and is no repository.
const REGISTRY: &str = "";

/// A client of one registry. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: HttpClient,
    registry: RegistryAddress,
    auth: Arc<Auth>,
}

/// One question to the registry, before anyone knows what must be shown with it.
struct Question<'a> {
    /// A label for metrics and logs.
    operation: &'static str,
    method: Method,
    /// What may need a token of its own.
    subject: &'a str,
    url: Url,
    accept: HeaderValue,
    range: Option<HeaderValue>,
}

impl<'a> Question<'a> {
    fn get(operation: &'static str, subject: &'a str, url: Url, accept: &'static str) -> Self {
        let accept = HeaderValue::from_static(accept);
        Self { operation, method: Method::GET, subject, url, accept, range: None }
    }

    /// How far redirects are followed. Registries keep manifests and blobs elsewhere, whose
    /// digests tell whether they are the right ones; a list is only the registry's own word.
    fn redirects(&self) -> Redirects {
        match self.operation {
            operations::MANIFEST | operations::BLOB => Redirects::Anywhere,
            _ => Redirects::SameOrigin,
        }
    }

    fn request(&self) -> Request {
        let build = if self.method == Method::HEAD { Request::head } else { Request::get };
        let request = build(self.operation, self.url.clone())
            .header(ACCEPT, self.accept.clone())
            // A blob decoded on its way would have another digest.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .follow(self.redirects());
        let request = if self.operation == operations::PING { request.probe() } else { request };
        match &self.range {
            Some(range) => request.header(hyper::header::RANGE, range.clone()),
            None => request,
        }
    }
}

impl Client {
    /// A client that has not asked anything yet. `http` must have the registry as its base.
    #[must_use]
    pub fn new(http: HttpClient, registry: RegistryAddress, credentials: Credentials) -> Self {
        Self::trusting(http, registry, credentials, Vec::new())
    }

    /// The same where token servers at these hosts may be told the credentials as well.
    #[must_use]
    pub fn trusting(
        http: HttpClient,
        registry: RegistryAddress,
        credentials: Credentials,
        token_hosts: Vec<TokenHost>,
    ) -> Self {
        let auth = Auth::new(http.clone(), registry.clone(), credentials, token_hosts);
        Self { http, registry, auth: Arc::new(auth) }
    }

    /// Uses other credentials from now on.
    pub fn renew_credentials(&self, credentials: Credentials) {
        self.auth.renew(credentials);
    }

    /// Whether the registry accepted the present credentials within this time.
    #[must_use]
    pub fn worked_within(&self, span: Duration) -> bool {
        self.auth.worked_within(span)
    }

    /// How contact with the registry stands.
    #[must_use]
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.http.contact()
    }

    /// Where the registry is.
    #[must_use]
    pub const fn registry(&self) -> &RegistryAddress {
        &self.registry
    }

    /// Whether a registry answers there that accepts our credentials.
    ///
    /// # Errors
    /// `BackendRefused`, `BackendFaulty` if it is no registry, and what sending can bring.
    pub async fn ping(&self) -> Result<()> {
        let url = self.registry.endpoint("");
        let question = Question::get(operations::PING, REGISTRY, url, "application/json");
        let answer = self.fetch(&question, 64 * 1024, Room::Much).await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                Err(Error::faulty("The address is not that of an OCI registry"))
            }
            _ => Err(answer.failure()),
        }
    }

    fn in_repository(&self, repository: &Repository, path: &str) -> Url {
        self.registry.endpoint(&format!("{repository}/{path}"))
    }

    /// Answers a question of several answers in little room, or else in much.
    ///
    /// # Errors
    /// The question's own.
    pub async fn roomy<T, F>(&self, question: impl Fn(Room) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.http.roomy(question).await
    }

    async fn fetch(&self, question: &Question<'_>, max_bytes: usize, room: Room) -> Result<Answer> {
        let send = |credentials| {
            self.http.fetch(question.request().with_credentials(credentials), max_bytes, room)
        };
        self.auth.through(question.subject, send).await
    }

    async fn stream(&self, question: &Question<'_>) -> Result<Streamed> {
        let send = |credentials| self.http.stream(question.request().with_credentials(credentials));
        self.auth.through(question.subject, send).await
    }

    /// Like [`Answer::failure`], told apart for what a repository can lack: a refusal of
    /// credentials that serve elsewhere, and plain absence.
    fn failure(answer: &Answer, missing: impl Into<String>) -> Error {
        match answer.status {
            status if answer.left_home && is_no(status) => elsewhere(status),
            StatusCode::NOT_FOUND | StatusCode::GONE => Error::not_found(missing),
            _ if answer.is_refusal() => {
                let message = "The registry refused our credentials, or has no such repository";
                Error::new(ErrorKind::BackendRefused, message)
            }
            _ => answer.failure(),
        }
    }
}

/// Whether a status says that something is not there, or not for us.
fn is_no(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 404 | 410)
}

/// A "no" of a server that the registry redirected to. That it lacks or refuses what the registry
/// has is no absence, nor a word on our credentials, which it never saw.
fn elsewhere(status: StatusCode) -> Error {
    let status = status.as_u16();
    Error::faulty(format!("The registry redirects to a server that answers with status {status}"))
}
