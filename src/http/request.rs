//! Requests to an upstream, and their credentials.

use std::fmt;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Origin, Url};

use crate::error::{Error, ErrorKind, Result};

/// A request that is not sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) credentials: Option<Credentials>,
    /// Origin that the credentials are for. `None` stands for the configured address.
    pub(super) audience: Option<Origin>,
    pub(super) redirects: Redirects,
    pub(super) body: Bytes,
    pub(super) trusted: bool,
    pub(super) probe: bool,
    pub(super) aside: bool,
    pub(super) whole: bool,
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

    /// Creates a `POST` of an encoded form. It follows no redirect.
    #[must_use]
    pub fn post_form(operation: &'static str, url: Url, form: String) -> Self {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let body = form.into();
        Self { body, ..Self::new(operation, Method::POST, url) }
            .header(CONTENT_TYPE, form_type)
            .follow(Redirects::Never)
    }

    /// Sets a header and replaces other values of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds credentials for the configured origin. A request to any other origin fails unsent.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Option<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Adds credentials for another server, whose address the caller must have validated.
    #[must_use]
    pub fn with_credentials_for(mut self, server: &Url, credentials: Option<Credentials>) -> Self {
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

    /// Sets the policy for redirects.
    #[must_use]
    pub const fn follow(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }
}

/// Value of an `Authorization` header. `Debug` hides it.
#[derive(Clone)]
pub struct Credentials(HeaderValue);

impl Credentials {
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
