//! The few questions asked of Gitea's API, and what its refusals mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
use crate::models::backend_kind::BackendKind;

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
    /// Whether the token was let into repositories.
    proven: AtomicBool,
    pub(super) concurrency: usize,
}

/// An answer of the API that is no failure.
pub(super) enum Reply<T> {
    /// What was asked for.
    Found(T),
    /// A "no" in the API's own words: it is not there, or not for us.
    Absent,
    /// The account may not read this part of a repository, or the repository has that part switched
    /// off.
    Forbidden(Error),
}

impl<T> Reply<T> {
    /// What was asked for, where there is one.
    ///
    /// # Errors
    /// The refusal: it says nothing of what is there.
    pub(super) fn granted(self) -> Result<Option<T>> {
        match self {
            Self::Found(found) => Ok(Some(found)),
            Self::Absent => Ok(None),
            Self::Forbidden(refusal) => Err(refusal),
        }
    }
}

impl GiteaClient {
    /// # Errors
    /// An unusable address, certificates that cannot be read, a token that cannot be sent.
    pub(super) fn new(settings: &GiteaSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let credentials = RwLock::new(credentials_of(settings.token.as_ref())?);
        let http = HttpSettings {
            backend: BackendKind::Gitea,
            base: settings.url.clone(),
            upstream: settings.upstream.clone(),
        };
        Ok(Self {
            http: HttpClient::new(http, metrics)?,
            urls: Urls::new(settings.url.clone(), settings.organization.clone())?,
            credentials,
            page_size: OnceCell::new(),
            proven: AtomicBool::new(false),
            concurrency: settings.upstream.max_concurrency.max(1),
        })
    }

    /// From the next question on, asks with this token.
    pub(super) fn replace_token(&self, token: Option<&GiteaToken>) -> Result<()> {
        *self.credentials.write() = credentials_of(token)?;
        self.proven.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the token may read repositories, beside listing them: it may have the scope for one
    /// of both alone. Asked of one repository, once for a token.
    ///
    /// # Errors
    /// The refusal. Other failures say nothing of the token.
    pub(super) async fn check_scope(&self, operation: &'static str, name: &str) -> Result<()> {
        if self.credentials().is_none() || self.proven.load(Ordering::Relaxed) {
            return Ok(());
        }
        let url = self.urls.repository(name);
        match self.ask(operation, url, Room::Much).await {
            Err(error) if error.kind() == ErrorKind::BackendRefused => Err(error),
            Err(_) => Ok(()),
            Ok(_) => {
                self.proven.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
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
                Reply::Forbidden(refusal) => Reply::Forbidden(refusal),
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
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(operation, &answer, room),
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
            StatusCode::FORBIDDEN => {
                refused::<Bytes>(operations::FILE, &answer, Room::Much)?.granted()
            }
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
            Reply::Absent => Ok(None),
            Reply::Forbidden(refusal) => Err(refusal),
        }
    }
}

fn credentials_of(token: Option<&GiteaToken>) -> Result<Option<Credentials>> {
    token.map(|token| Credentials::new("token", token.secret())).transpose()
}

/// Tells a part of a repository that is closed to the account from a token without rights, and
/// names what is missing.
fn refused<T>(operation: &str, answer: &Answer, room: Room) -> Result<Reply<T>> {
    let complaint: Complaint = answer.json(room)?;
    let said = |words: &str| complaint.message.contains(words);
    let refusal =
        |message: String| Error::new(ErrorKind::BackendRefused, message).at(BackendKind::Gitea);
    if answer.status == StatusCode::FORBIDDEN && said("specific read permission") {
        let message = match permission(operation) {
            Some(unit) => format!(
                "The gitea backend denies access to this: the team of our account lacks the \
                 permission {unit}"
            ),
            None => "The gitea backend denies access to this".to_owned(),
        };
        return Ok(Reply::Forbidden(refusal(message)));
    }
    Err(refusal(if said("limited to public") {
        "The token for gitea is limited to what is public: make one with access to all".to_owned()
    } else if said("scope") {
        format!("The token for gitea lacks the scope {}", missing_scope(&complaint.message))
    } else if said("Only signed in user") {
        "The gitea backend answers only with a token".to_owned()
    } else {
        return Err(answer.failure());
    }))
}

/// What Gitea calls the part of a repository that is asked for, on the page of a team.
fn permission(operation: &str) -> Option<&'static str> {
    match operation {
        operations::RELEASE | operations::RELEASES => Some("Releases"),
        operations::CONTENTS | operations::FILE | operations::TAG => Some("Code"),
        _ => None,
    }
}

/// The scopes that a complaint names, whatever its wording, less those that the token has.
fn missing_scope(message: &str) -> String {
    let names_none = |part: &str| part.split_once("token scope=").map(|(front, _)| front.len());
    let owned = names_none(message).unwrap_or(message.len());
    let (front, back) = message.split_at(owned);
    let back = back.split_once("required").map_or("", |(_, required)| required);
    let is_scope = |word: &&str| {
        let (verb, area) = word.split_once(':').unwrap_or_default();
        matches!(verb, "read" | "write") && (1..30).contains(&area.len())
    };
    let words = |text| {
        let plain = |c: char| c.is_ascii_lowercase() || matches!(c, ':' | '_' | '-');
        str::split(text, move |c| !plain(c))
    };
    let scopes: Vec<&str> = words(front).chain(words(back)).filter(is_scope).take(4).collect();
    if scopes.is_empty() { "that it needs".to_owned() } else { scopes.join(",") }
}

fn wrong_address() -> Error {
    let message = "What answers at the address of gitea is not its API: check url and its sub path";
    Error::faulty(message).at(BackendKind::Gitea)
}
