//! What can be asked of an upstream, and with whose rights.

use std::fmt;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Origin, Url};

use crate::error::{Error, ErrorKind, Result};

/// One question, not sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) credentials: Option<Credentials>,
    /// Whose the credentials are; `None`: the configured address's.
    pub(super) audience: Option<Origin>,
    pub(super) redirects: Redirects,
    pub(super) body: Bytes,
    pub(super) trusted: bool,
    pub(super) probe: bool,
    pub(super) aside: bool,
    /// Whether the answer is read whole before anybody sees it.
    pub(super) whole: bool,
}

/// How far redirects are followed; never more than five, never from `https` to `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// Not at all: the redirect is the answer.
    Never,
    /// Within the origin that was asked; elsewhere is an error.
    SameOrigin,
    /// Anywhere public. Credentials stay with the origin they were meant for.
    Anywhere,
}

impl Request {
    /// A `GET` that follows redirects within its origin. `operation` labels it in metrics and
    /// logs: one of a few words, never data.
    #[must_use]
    pub fn get(operation: &'static str, url: Url) -> Self {
        Self::new(operation, Method::GET, url)
    }

    /// The same as a `HEAD`.
    #[must_use]
    pub fn head(operation: &'static str, url: Url) -> Self {
        Self::new(operation, Method::HEAD, url)
    }

    fn new(operation: &'static str, method: Method, url: Url) -> Self {
        let (headers, redirects) = (HeaderMap::new(), Redirects::SameOrigin);
        let (credentials, audience, body) = (None, None, Bytes::new());
        let (trusted, probe, aside, whole) = (false, false, false, false);
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
        }
    }

    /// A `POST` of a form that is already encoded; it follows no redirect.
    #[must_use]
    pub fn post_form(operation: &'static str, url: Url, form: String) -> Self {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let body = form.into();
        Self { body, ..Self::new(operation, Method::POST, url) }
            .header(CONTENT_TYPE, form_type)
            .follow(Redirects::Never)
    }

    /// The same with a header, in place of any other of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same with credentials, which only the origin of the configured address will see: a
    /// request for any other is not sent.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Option<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same with credentials for this server instead, which the caller has checked: a token
    /// server.
    #[must_use]
    pub fn with_credentials_for(mut self, server: &Url, credentials: Option<Credentials>) -> Self {
        self.audience = Some(server.origin());
        self.with_credentials(credentials)
    }

    /// The same to a server that the operator chose beside the configured address, such as another
    /// port of its host: it may be private.
    #[must_use]
    pub const fn on_configured_host(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// The same to learn whether the backend is there: it waits for no turn, and five seconds at
    /// most for its answer.
    #[must_use]
    pub const fn probe(mut self) -> Self {
        self.probe = true;
        self
    }

    /// The same to a server that the backend cannot do without, but is not: that it answers says
    /// nothing of the backend.
    #[must_use]
    pub const fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// The same following redirects this far.
    #[must_use]
    pub const fn follow(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }
}

/// The value of an `Authorization` header. Shows nothing of itself.
#[derive(Clone)]
pub struct Credentials(HeaderValue);

impl Credentials {
    /// `{scheme} {secret}`.
    ///
    /// # Errors
    /// A secret that no header can carry, such as one with a line break.
    pub fn new(scheme: &str, secret: &SecretString) -> Result<Self> {
        let mut value = HeaderValue::try_from(format!("{scheme} {}", secret.expose_secret()))
            .map_err(|_| Error::new(ErrorKind::Invalid, "A secret cannot be sent in a header"))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_show() {
        let credentials = Credentials::new("token", &"canary".to_owned().into()).unwrap();
        assert_eq!(credentials.header(), "token canary");
        let request = Request::get("x", "https://a.example/".parse().unwrap())
            .with_credentials(Some(credentials));
        assert!(!format!("{request:?}").contains("canary"));
        assert!(Credentials::new("token", &"a\nb".to_owned().into()).is_err());
    }
}
