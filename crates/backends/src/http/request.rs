//! Requests to an upstream, and their credentials.

use std::fmt;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use registry_core::error::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Origin, Url};

use crate::http::request_body::RequestBody;

/// A request that is not sent yet.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own, with a setter")]
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) credentials: Option<AuthorizationHeader>,
    /// Origin that the credentials are for. `None` stands for the configured address.
    pub(super) audience: Option<Origin>,
    pub(super) redirects: Redirects,
    pub(super) body: RequestBody,
    pub(super) trusted: bool,
    pub(super) probe: bool,
    pub(super) aside: bool,
    pub(super) whole: bool,
    pub(super) guessed: bool,
}

/// Policy for redirects. At most five are followed, and none from `https` to `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// Follows no redirect; the redirect itself is the response.
    Never,
    /// Follows redirects within the requested origin; others are an error.
    SameOrigin,
    /// Follows redirects to any public address. Credentials stay with their origin.
    Anywhere,
}

impl Request {
    /// Creates a `GET` within its origin. `operation`, a constant, labels it in metrics and logs.
    #[must_use]
    pub fn get(operation: &'static str, url: Url) -> Self {
        Self::new(operation, Method::GET, url)
    }

    /// Creates a `HEAD`, otherwise like [`Request::get`].
    #[must_use]
    pub fn head(operation: &'static str, url: Url) -> Self {
        Self::new(operation, Method::HEAD, url)
    }

    /// Creates a request of any method, otherwise like [`Request::get`]. Without a body it is empty.
    #[must_use]
    pub fn new(operation: &'static str, method: Method, url: Url) -> Self {
        let (headers, redirects) = (HeaderMap::new(), Redirects::SameOrigin);
        let (credentials, audience, body) = (None, None, RequestBody::default());
        let (trusted, probe, aside, whole, guessed) = (false, false, false, false, false);
        Self {
            operation,
            method,
            url,
            headers,
            credentials,
            audience,
            redirects,
            body,
            trusted,
            probe,
            aside,
            whole,
            guessed,
        }
    }

    /// Creates a `POST` of an encoded form. It follows no redirect.
    #[must_use]
    pub fn post_form(operation: &'static str, url: Url, form: String) -> Self {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self::new(operation, Method::POST, url)
            .with_body(RequestBody::bytes(form))
            .header(CONTENT_TYPE, form_type)
            .follow(Redirects::Never)
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// Sets a header and replaces other values of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds credentials for the configured origin. A request to any other origin fails unsent.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Option<AuthorizationHeader>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Adds credentials for another server, whose address the caller must have validated.
    #[must_use]
    pub fn with_credentials_for(
        mut self,
        server: &Url,
        credentials: Option<AuthorizationHeader>,
    ) -> Self {
        self.audience = Some(server.origin());
        self.with_credentials(credentials)
    }

    /// Marks the target as chosen by the operator, so that its address may be private.
    #[must_use]
    pub const fn on_configured_host(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// Marks a health probe: it waits for no permit, and at most five seconds for a response.
    #[must_use]
    pub const fn probe(mut self) -> Self {
        self.probe = true;
        self
    }

    /// Marks an auxiliary server, such as a token server. Only its failures count for health.
    #[must_use]
    pub const fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// Marks a request whose target a caller may have made up, so that status 500 does not tell that
    /// the backend fails.
    #[must_use]
    pub const fn guessed(mut self) -> Self {
        self.guessed = true;
        self
    }

    /// Sets the policy for redirects.
    #[must_use]
    pub const fn follow(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Returns true if a second request means the same as one (RFC 9110, 9.2.2) and can be sent.
    pub(super) fn can_retry(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::PUT) && self.body.can_repeat()
    }

    /// Returns the policy for a response. Only 307 and 308 repeat other methods than `GET` and
    /// `HEAD`, and the body has to be there again.
    pub(super) fn redirects_after(&self, status: StatusCode) -> Redirects {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        let repeats =
            matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if reads || (repeats && self.body.can_repeat()) { self.redirects } else { Redirects::Never }
    }
}

/// Value of an `Authorization` header. `Debug` hides it.
#[derive(Clone)]
pub struct AuthorizationHeader(HeaderValue);

impl AuthorizationHeader {
    /// Creates the value `{scheme} {secret}`. Fails if it is not valid in a header.
    pub fn new(scheme: &str, secret: &SecretString) -> Result<Self> {
        let mut value = HeaderValue::try_from(format!("{scheme} {}", secret.expose_secret()))
            .map_err(|_| Error::new(ErrorKind::Invalid, "A secret cannot be sent in a header"))?;
        // Hides the value in the debug output of a `HeaderMap`.
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for AuthorizationHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationHeader(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[test]
    fn a_body_is_repeated_only_if_it_is_there_again() {
        let url: Url = "https://a.example/".parse().unwrap();
        let stream = || futures_util::stream::empty().boxed();
        for (method, body, retries, followed) in [
            (Method::GET, RequestBody::default(), true, [true; 2]),
            (Method::HEAD, RequestBody::default(), true, [true; 2]),
            (Method::PUT, RequestBody::bytes("a"), true, [false, true]),
            (Method::PUT, RequestBody::again(stream, None), true, [false, true]),
            (Method::PUT, RequestBody::once(stream(), None), false, [false; 2]),
            (Method::POST, RequestBody::bytes("a"), false, [false, true]),
            (Method::PATCH, RequestBody::bytes("a"), false, [false, true]),
        ] {
            let request = Request::new("x", method.clone(), url.clone()).with_body(body);
            assert_eq!(request.can_retry(), retries, "{method}");
            let found = [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT]
                .map(|status| request.redirects_after(status) != Redirects::Never);
            assert_eq!(found, followed, "{method}");
        }
    }

    #[test]
    fn credentials_never_show() {
        let credentials = AuthorizationHeader::new("token", &"canary".to_owned().into()).unwrap();
        assert_eq!(credentials.header(), "token canary");
        let request = Request::get("x", "https://a.example/".parse().unwrap())
            .with_credentials(Some(credentials));
        assert!(!format!("{request:?}").contains("canary"));
        assert!(AuthorizationHeader::new("token", &"a\nb".to_owned().into()).is_err());
    }
}
