//! Responses of an upstream, and the errors that their statuses stand for.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, LINK};
use hyper::{Response, StatusCode};
use registry_core::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::json::JsonSize;
use crate::http::load::{Load, WAIT_DEFAULT, load_of, told_to_wait};
use crate::http::memory_permit::MemoryPermit;
use crate::http::peer::Peer;
use crate::http::redirect::Hop;
use crate::http::{json, link};

/// A complete response. A large one holds the memory permit of its backend: parse it, keep a part, and
/// drop it before another request.
#[derive(Debug)]
pub struct UpstreamResponse {
    /// Server that was asked.
    pub peer: Peer,
    /// Status of the response, success or not.
    pub status: StatusCode,
    /// Headers as received.
    pub headers: HeaderMap,
    /// Complete body.
    pub body: Bytes,
    /// URL of the response, after redirects.
    pub url: Url,
    /// Status of the first redirect, if any.
    pub moved: Option<StatusCode>,
    /// True if a redirect left the configured server, so that the response is not authoritative.
    pub left_home: bool,
    pub(super) memory: Option<MemoryPermit>,
    /// Size of the body as JSON, from its arrival.
    pub(super) json_size: JsonSize,
}

/// A response whose body is still arriving.
pub struct Streamed {
    /// Server that was asked.
    pub peer: Peer,
    /// Status of the response, success or not.
    pub status: StatusCode,
    /// Headers as received.
    pub headers: HeaderMap,
    /// Body as the backend sends it. The stream ends after an error.
    pub bytes: BoxStream<'static, Result<Bytes>>,
    /// True if a redirect left the configured server, so that the response is not authoritative.
    pub left_home: bool,
}

/// A response after all redirects, before its body is read.
pub(super) struct FinalHop {
    pub(super) response: Response<Incoming>,
    pub(super) hop: Hop,
}

/// A response, whole or with its body still to come.
pub trait Answered: Sized {
    /// Returns the status.
    fn status(&self) -> StatusCode;

    /// Returns the headers.
    fn headers(&self) -> &HeaderMap;

    /// Returns true if a redirect left the configured server.
    fn left_home(&self) -> bool;

    /// Drops the body, as far as it was read, and the permit that belongs to it.
    #[must_use]
    fn without_body(self) -> Self {
        self
    }

    /// Returns true for 401 and 403.
    fn is_refusal(&self) -> bool {
        matches!(self.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }
}

impl Answered for UpstreamResponse {
    fn without_body(self) -> Self {
        Self { body: Bytes::new(), memory: None, ..self }
    }

    fn status(&self) -> StatusCode {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn left_home(&self) -> bool {
        self.left_home
    }
}

impl Answered for Streamed {
    fn without_body(self) -> Self {
        Self { bytes: stream::empty().boxed(), ..self }
    }

    fn status(&self) -> StatusCode {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn left_home(&self) -> bool {
        self.left_home
    }
}

impl Answered for FinalHop {
    fn status(&self) -> StatusCode {
        self.response.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    fn left_home(&self) -> bool {
        !self.hop.at_home
    }
}

impl UpstreamResponse {
    /// Parses the body as JSON.
    ///
    /// # Errors
    /// `BackendFaulty` for another content type (a login page), bad JSON, or too many values.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        self.check_json()?;
        json::document_of(&self.body, &self.json_size)
    }

    /// Calls `take` with each row of a JSON array.
    ///
    /// # Errors
    /// `BackendFaulty` without a JSON array, or the first error of `take`.
    pub fn each_row(&self, take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.check_json()?;
        json::each_row_of(&self.body, &self.json_size, take)
    }

    /// Returns true if the response holds the memory permit.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.memory.is_some()
    }

    /// Returns the target of the link with the relation `next`, as the server wrote it.
    #[must_use]
    pub fn next_link(&self) -> Option<&str> {
        let lines = self.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        lines.into_iter().find_map(link::next)
    }

    /// Fails with `BackendFaulty` if the content type is not JSON, for callers that parse it.
    pub fn check_json(&self) -> Result<()> {
        if says_json(&self.headers) {
            return Ok(());
        }
        let message = format!("The {} did not return JSON", self.peer);
        Err(Error::faulty(message))
    }

    /// Returns the error for a status that the caller does not handle itself.
    #[must_use]
    pub fn failure(&self) -> Error {
        failure_of(&self.peer, self.status, &self.headers)
    }
}

impl Streamed {
    /// Returns the error for a status that the caller does not handle itself.
    #[must_use]
    pub fn failure(&self) -> Error {
        failure_of(&self.peer, self.status, &self.headers)
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let tail = essence.len().checked_sub("/json".len()).and_then(|at| essence.get(at..));
    tail.is_some_and(|tail| ["/json", "+json"].iter().any(|one| one.eq_ignore_ascii_case(tail)))
}

fn failure_of(peer: &Peer, status: StatusCode, headers: &HeaderMap) -> Error {
    // Before the status, because 403 and 503 can be rate limits too.
    if let Some(Load::Limited(pause)) = load_of(status, headers) {
        return Error::unavailable(format!("The {peer} limits the request rate"), pause);
    }
    match status.as_u16() {
        401 => Error::new(ErrorKind::BackendRefused, format!("The {peer} refused the credentials")),
        403 => Error::new(ErrorKind::BackendRefused, format!("The {peer} denies access to this")),
        500.. => Error::unavailable(
            format!("The {peer} answered with status {}", status.as_u16()),
            told_to_wait(headers).unwrap_or(WAIT_DEFAULT),
        ),
        other => Error::faulty(format!("The {peer} answered with the unexpected status {other}")),
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::backend_id::BackendId;

    use super::*;

    fn answer(
        status: u16,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> UpstreamResponse {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        UpstreamResponse {
            peer: BackendId::GITEA.into(),
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Bytes::from_static(body.as_bytes()),
            url: "https://git.example/".parse().unwrap(),
            moved: None,
            left_home: false,
            memory: None,
            json_size: JsonSize::of(body.as_bytes()),
        }
    }

    #[test]
    fn only_json_that_says_so_is_json() {
        for (content_type, body, good) in [
            ("application/json;charset=utf-8", "[1]", true),
            ("application/vnd.oci.image.manifest.v1+json", "[1]", true),
            ("text/html; charset=utf-8", "[1]", false),
            ("text/plain", "[1]", false),
            ("application/json", "[1", false),
            ("é", "[1]", false),
        ] {
            let read = answer(200, &[("content-type", content_type)], body).json::<Vec<u8>>();
            assert_eq!(read.is_ok(), good, "{content_type} {body}");
        }
    }

    #[test]
    fn deep_json_is_refused_not_followed() {
        let body: &'static str = Box::leak("[".repeat(100_000).into_boxed_str());
        let read = answer(200, &[("content-type", "application/json")], body);
        assert!(read.json::<serde_json::Value>().is_err());
    }

    #[test]
    fn statuses_mean_what_the_contract_says() {
        let kind = |status| answer(status, &[], "").failure().kind();
        assert_eq!(kind(401), ErrorKind::BackendRefused);
        assert_eq!(kind(403), ErrorKind::BackendRefused);
        assert_eq!(kind(418), ErrorKind::BackendFaulty);
        for down in [429, 500, 502, 503, 504] {
            assert_eq!(kind(down), ErrorKind::BackendUnavailable { retry_after: WAIT_DEFAULT });
        }
    }
}
