//! Client for the Gitea API: its few requests, and its error responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use parking_lot::RwLock;
use registry_core::backend::contact::Contact;
use registry_core::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;
use url::Url;

use crate::gitea::labels;
use crate::gitea::models::{ApiSettings, Complaint};
use crate::gitea::settings::{GiteaSettings, GiteaToken};
use crate::gitea::urls::Urls;
use crate::http::answer::{Streamed, UpstreamResponse};
use crate::http::memory_permit::ListMemory;
use crate::http::metrics::UpstreamMetrics;
use crate::http::request::{AuthorizationHeader, Redirects, Request};
use crate::http::upstream::{HttpSettings, UpstreamClient};

/// Maximum size of a response, in bytes; a page of fifty releases with long notes is smaller.
const ANSWER_MAX: usize = 8 * 1024 * 1024;
/// Page size for servers that do not report one.
const PAGE_SIZE: usize = 50;

pub(super) struct GiteaClient {
    http: UpstreamClient,
    pub(super) urls: Urls,
    credentials: RwLock<Option<AuthorizationHeader>>,
    page_size: OnceCell<Option<usize>>,
    /// True if the token was verified to read repositories.
    proven: AtomicBool,
    pub(super) concurrency: usize,
}

pub(super) enum GiteaReply<T> {
    Found(T),
    /// An authoritative 404: the resource does not exist or is hidden from the account.
    Absent,
    /// The account lacks the right to a part of the repository, or that part is switched off.
    Forbidden(Error),
}

impl<T> GiteaReply<T> {
    /// Returns the resource, or `None` if it is absent. Fails with a refusal, which proves neither.
    pub(super) fn granted(self) -> Result<Option<T>> {
        match self {
            Self::Found(found) => Ok(Some(found)),
            Self::Absent => Ok(None),
            Self::Forbidden(refusal) => Err(refusal),
        }
    }

    /// Returns the resource, or the reply without one for a caller that passes it on.
    pub(super) fn found<U>(self) -> Result<T, GiteaReply<U>> {
        match self {
            Self::Found(found) => Ok(found),
            Self::Absent => Err(GiteaReply::Absent),
            Self::Forbidden(refusal) => Err(GiteaReply::Forbidden(refusal)),
        }
    }
}

impl GiteaClient {
    pub(super) fn new(settings: &GiteaSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let credentials = RwLock::new(credentials_of(settings.token.as_ref())?);
        let http = HttpSettings {
            peer: settings.id.into(),
            base: settings.url.clone(),
            upstream: settings.upstream.clone(),
        };
        Ok(Self {
            http: UpstreamClient::new(http, metrics)?,
            urls: Urls::new(settings.url.clone(), settings.organization.clone())?,
            credentials,
            page_size: OnceCell::new(),
            proven: AtomicBool::new(false),
            concurrency: settings.upstream.max_concurrency.max(1),
        })
    }

    pub(super) fn replace_token(&self, token: Option<&GiteaToken>) -> Result<()> {
        *self.credentials.write() = credentials_of(token)?;
        // The scopes of the new token are unknown.
        self.proven.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Checks once per token that it can read repositories, not only list. Ignores other failures.
    pub(super) async fn check_scope(&self, operation: &'static str, name: &str) -> Result<()> {
        if self.credentials().is_none() || self.proven.load(Ordering::Relaxed) {
            return Ok(());
        }
        let url = self.urls.repository(name);
        match self.ask(operation, url).await {
            Err(error) if error.kind() == ErrorKind::BackendRefused => Err(error),
            Err(_) => Ok(()),
            Ok(_) => {
                self.proven.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    pub(super) fn contact(&self) -> watch::Receiver<Contact> {
        self.http.contact()
    }

    pub(super) fn hold(&self, until: Option<Instant>) {
        self.http.hold(until);
    }

    fn credentials(&self) -> Option<AuthorizationHeader> {
        self.credentials.read().clone()
    }

    /// Takes with `read` what is needed of a response, and drops the rest.
    pub(super) async fn find<T>(
        &self,
        operation: &'static str,
        url: &Url,
        read: impl FnOnce(&UpstreamResponse) -> Result<T> + Send,
    ) -> Result<GiteaReply<T>> {
        Ok(match self.ask(operation, url.clone()).await?.found() {
            Ok(answer) => GiteaReply::Found(read(&answer)?),
            Err(missing) => missing,
        })
    }

    pub(super) async fn document<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        url: &Url,
    ) -> Result<GiteaReply<T>> {
        self.find(operation, url, UpstreamResponse::json).await
    }

    /// Sends a request. A response other than JSON is a failure with any status.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        url: Url,
    ) -> Result<GiteaReply<UpstreamResponse>> {
        let request = Request::get(operation, url)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .with_credentials(self.credentials());
        let request = if operation == labels::PROBE { request.probe() } else { request };
        let answer = self.http.fetch(request, ANSWER_MAX).await?;
        match answer.status {
            status if status.is_success() => Ok(GiteaReply::Found(answer)),
            // Only the API's own 404 is authoritative: a proxy or a wrong sub path sends a page.
            StatusCode::NOT_FOUND => {
                answer.json::<Complaint>().map_err(|_| wrong_address())?;
                Ok(GiteaReply::Absent)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(operation, &answer),
            _ => Err(answer.failure()),
        }
    }

    /// Fetches a small file of a repository. `None` if absent; an HTML page is a failure.
    pub(super) async fn file(&self, url: Url, max_bytes: usize) -> Result<Option<Bytes>> {
        let request = Request::get(labels::FILE, url).with_credentials(self.credentials());
        let answer = self.http.fetch(request, max_bytes).await?;
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            // A login page comes with status 200 and would be served as the README.
            StatusCode::OK if !kind.is_some_and(|kind| kind.starts_with("text/html")) => {
                Ok(Some(answer.body))
            }
            StatusCode::OK => Err(wrong_address()),
            StatusCode::FORBIDDEN => refused::<Bytes>(labels::FILE, &answer)?.granted(),
            _ => Err(answer.failure()),
        }
    }

    /// Starts the download of an asset. Redirects may lead to an object store, which gets no token.
    pub(super) async fn bytes(&self, request: Request) -> Result<Streamed> {
        let request = request.with_credentials(self.credentials()).follow(Redirects::Anywhere);
        self.http.stream(request).await
    }

    pub(super) fn list_memory(&self) -> ListMemory {
        self.http.list_memory()
    }

    /// Returns the page size, and true if the server reported it. It is requested once.
    pub(super) async fn page_size(&self) -> Result<(usize, bool)> {
        let confirmed = self.page_size.get_or_try_init(|| self.ask_page_size()).await?;
        let size = confirmed.unwrap_or(PAGE_SIZE).clamp(1, PAGE_SIZE);
        Ok((size, confirmed.is_some()))
    }

    async fn ask_page_size(&self) -> Result<Option<usize>> {
        let url = self.urls.settings();
        let settings = self.document::<ApiSettings>(labels::SETTINGS, &url).await?;
        Ok(settings.granted()?.map(|settings| settings.max_response_items))
    }
}

fn credentials_of(token: Option<&GiteaToken>) -> Result<Option<AuthorizationHeader>> {
    token.map(|token| AuthorizationHeader::new("token", token.secret())).transpose()
}

/// Maps a 401 or 403 of one part of a repository or of the whole token; names the missing right.
fn refused<T>(operation: &str, answer: &UpstreamResponse) -> Result<GiteaReply<T>> {
    let said = answer.json::<Complaint>()?.message;
    // Gitea reports a missing right on one unit in these words; other 403s concern the whole token.
    if answer.status == StatusCode::FORBIDDEN && said.contains("specific read permission") {
        let message = match permission(operation) {
            Some(unit) => {
                format!("Gitea denies access: the team of the account lacks the permission {unit}")
            }
            None => "Gitea denies access to this".to_owned(),
        };
        return Ok(GiteaReply::Forbidden(Error::new(ErrorKind::BackendRefused, message)));
    }
    let message = if said.contains("limited to public") {
        "The Gitea token is limited to public repositories: create one with access to all"
            .to_owned()
    } else if said.contains("scope") {
        format!("The Gitea token lacks the scope {}", missing_scope(&said))
    } else if said.contains("Only signed in user") {
        "Gitea requires a token here".to_owned()
    } else {
        return Err(answer.failure());
    };
    Err(Error::new(ErrorKind::BackendRefused, message))
}

/// Returns Gitea's name for the requested part of a repository, as on the page of a team.
fn permission(operation: &str) -> Option<&'static str> {
    match operation {
        labels::RELEASE | labels::RELEASES => Some("Releases"),
        labels::CONTENTS | labels::FILE | labels::TAG => Some("Code"),
        _ => None,
    }
}

/// Returns the scopes that an error message requires, without those that the token has.
fn missing_scope(message: &str) -> String {
    // Some versions list the token's own scopes as well.
    let (front, back) = message.split_once("token scope=").unwrap_or((message, ""));
    let back = back.split_once("required").map_or("", |(_, required)| required);
    let words = [front, back].into_iter().flat_map(|text| {
        text.split(|c: char| !c.is_ascii_lowercase() && !matches!(c, ':' | '_' | '-'))
    });
    let scopes: Vec<&str> = words.filter(|word| is_scope(word)).take(4).collect();
    if scopes.is_empty() { "that it needs".to_owned() } else { scopes.join(",") }
}

fn is_scope(word: &str) -> bool {
    let (verb, area) = word.split_once(':').unwrap_or_default();
    matches!(verb, "read" | "write") && (1..30).contains(&area.len())
}

fn wrong_address() -> Error {
    let message = "The URL does not point at a Gitea API; check the URL and its sub-path";
    Error::faulty(message)
}
