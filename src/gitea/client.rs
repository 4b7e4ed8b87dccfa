//! The few questions asked of Gitea's API, and what its refusals mean.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, watch};
use url::Url;

use crate::backend::contact::Contact;
use crate::error::{Error, ErrorKind, Result};
use crate::gitea::models::{ApiSettings, Complaint};
use crate::gitea::operations;
use crate::gitea::settings::{GiteaSettings, GiteaToken};
use crate::gitea::urls::Urls;
use crate::http::answer::{Answer, Streamed};
use crate::http::metrics::UpstreamMetrics;
use crate::http::request::{Credentials, Redirects, Request};
use crate::http::room::Room;
use crate::http::{HttpClient, HttpSettings};
use crate::models::source::Source;

/// Largest answer read: a page of fifty releases with long notes stays below.
const ANSWER_MAX: usize = 8 * 1024 * 1024;
/// The page size of a server that does not tell its own.
const PAGE_SIZE: usize = 50;

/// Asks one Gitea as one account.
pub(super) struct GiteaClient {
    http: HttpClient,
    pub(super) urls: Urls,
    credentials: RwLock<Option<Credentials>>,
    page_size: OnceCell<Option<usize>>,
    pub(super) concurrency: usize,
}

/// An answer of the API that is no failure.
pub(super) enum Reply<T> {
    /// What was asked for.
    Found(T),
    /// A "no" in the API's own words: it is not there, or not for us.
    Absent,
    /// The repository has its releases switched off.
    SwitchedOff,
}

impl GiteaClient {
    /// # Errors
    /// An unusable address, certificates that cannot be read, a token that cannot be sent.
    pub(super) fn new(settings: &GiteaSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let credentials = RwLock::new(credentials_of(settings.token.as_ref())?);
        let http = HttpSettings {
            backend: Source::Gitea,
            base: settings.url.clone(),
            timeout: settings.timeout,
            max_concurrency: settings.max_concurrency,
            retries: settings.retries,
            verify_tls: settings.verify_ssl,
            ca_file: settings.ca_file.clone(),
            allow_private_redirects: settings.allow_private_redirects,
        };
        Ok(Self {
            http: HttpClient::new(http, metrics)?,
            urls: Urls::new(settings.url.clone(), settings.organization.clone())?,
            credentials,
            page_size: OnceCell::new(),
            concurrency: settings.max_concurrency.max(1),
        })
    }

    /// From the next question on, asks with this token.
    pub(super) fn replace_token(&self, token: Option<&GiteaToken>) -> Result<()> {
        *self.credentials.write() = credentials_of(token)?;
        Ok(())
    }

    /// How contact with the server stands.
    pub(super) fn contact(&self) -> watch::Receiver<Contact> {
        self.http.contact()
    }

    fn credentials(&self) -> Option<Credentials> {
        self.credentials.read().clone()
    }

    /// One question to the API, and what `read` makes of the answer, in as much room as that takes.
    /// Nothing of the answer itself is held beyond.
    pub(super) async fn find<T>(
        &self,
        operation: &'static str,
        url: &Url,
        read: impl Fn(&Answer, Room) -> Result<T> + Sync,
    ) -> Result<Reply<T>> {
        let read = &read;
        let question = |room| async move {
            Ok(match self.ask(operation, url.clone(), room).await? {
                Reply::Found(answer) => Reply::Found(read(&answer, room)?),
                Reply::Absent => Reply::Absent,
                Reply::SwitchedOff => Reply::SwitchedOff,
            })
        };
        self.roomy(question).await
    }

    /// The same of a document that is read as it is.
    pub(super) async fn document<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        url: &Url,
    ) -> Result<Reply<T>> {
        self.find(operation, url, Answer::json).await
    }

    /// One question to the API. Any page in place of JSON is a failure, whatever its status.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        url: Url,
        room: Room,
    ) -> Result<Reply<Answer>> {
        let request = Request::get(operation, url)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .with_credentials(self.credentials());
        let request = if operation == operations::PROBE { request.probe() } else { request };
        let answer = self.http.fetch(request, ANSWER_MAX, room).await?;
        match answer.status {
            status if status.is_success() => Ok(Reply::Found(answer)),
            StatusCode::NOT_FOUND => {
                match answer.json::<Complaint>(room) {
                    Err(error) if !error.is_oversized() => return Err(wrong_address()),
                    complaint => drop(complaint?),
                }
                Ok(Reply::Absent)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(&answer, room),
            _ => Err(answer.failure()),
        }
    }

    /// A small file of a repository; `None` where there is none. A page in its place is a failure.
    pub(super) async fn file(&self, url: Url, max_bytes: usize) -> Result<Option<Bytes>> {
        let request = Request::get(operations::FILE, url).with_credentials(self.credentials());
        let answer = self.http.fetch(request, max_bytes, Room::Much).await?;
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK if !kind.is_some_and(|kind| kind.starts_with("text/html")) => {
                Ok(Some(answer.body))
            }
            StatusCode::OK => Err(wrong_address()),
            _ => Err(answer.failure()),
        }
    }

    /// Begins the bytes of an asset; redirects may lead to a store elsewhere, without our token.
    pub(super) async fn bytes(&self, request: Request) -> Result<Streamed> {
        let request = request.with_credentials(self.credentials()).follow(Redirects::Anywhere);
        self.http.stream(request).await
    }

    /// Answers a question of several answers in little room, or else in much.
    pub(super) async fn roomy<T, F>(&self, question: impl Fn(Room) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.http.roomy(question).await
    }

    /// The page size to ask for, and whether the server confirmed it. Asked once.
    pub(super) async fn page_size(&self) -> Result<(usize, bool)> {
        let confirmed = self.page_size.get_or_try_init(|| self.ask_page_size()).await?;
        let size = confirmed.unwrap_or(PAGE_SIZE).clamp(1, PAGE_SIZE);
        Ok((size, confirmed.is_some()))
    }

    /// Old servers have no such answer, which is no reason to fail.
    async fn ask_page_size(&self) -> Result<Option<usize>> {
        // Asked on the way of other questions, which may have much room already.
        match self.ask(operations::SETTINGS, self.urls.settings(), Room::Much).await? {
            Reply::Found(answer) => {
                Ok(Some(answer.json::<ApiSettings>(Room::Little)?.max_response_items))
            }
            Reply::Absent | Reply::SwitchedOff => Ok(None),
        }
    }
}

fn credentials_of(token: Option<&GiteaToken>) -> Result<Option<Credentials>> {
    token.map(|token| Credentials::new("token", token.secret())).transpose()
}

/// Tells a repository without releases from a token without rights, and names what is missing.
fn refused(answer: &Answer, room: Room) -> Result<Reply<Answer>> {
    let complaint: Complaint = answer.json(room)?;
    let said = |words: &str| complaint.message.contains(words);
    if answer.status == StatusCode::FORBIDDEN && said("specific read permission") {
        return Ok(Reply::SwitchedOff);
    }
    let message = if said("scope") {
        format!("The token for gitea lacks the scope {}", missing_scope(&complaint.message))
    } else if said("Only signed in user") {
        "The gitea backend answers only with a token".to_owned()
    } else {
        return Err(answer.failure());
    };
    Err(Error::new(ErrorKind::BackendRefused, message).at(Source::Gitea))
}

/// The scope in `required=[read:repository]`, if it looks like one.
fn missing_scope(message: &str) -> &str {
    let listed = message.split_once("required=[").and_then(|(_, rest)| rest.split_once(']'));
    let plain = |c: char| c.is_ascii_lowercase() || matches!(c, ':' | ',' | '_');
    match listed {
        Some((scope, _)) if !scope.is_empty() && scope.len() < 100 && scope.chars().all(plain) => {
            scope
        }
        _ => "that it needs",
    }
}

fn wrong_address() -> Error {
    let message = "What answers at the address of gitea is not its API: check url and its sub path";
    Error::faulty(message).at(Source::Gitea)
}
