//! One request: the token for its origin, and redirects.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::attempt::RequestAttempt;
use crate::http::connect;
use crate::settings::{Chosen, ConnectionSettings, Server};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Sender of requests.
#[derive(Debug)]
pub(super) struct Transfer {
    client: Client,
    server: Server,
    authorization: Option<HeaderValue>,
    is_verbose: bool,
}

impl Transfer {
    pub(super) fn new(
        connection: &ConnectionSettings,
        server: &Server,
        token: Option<SecretString>,
    ) -> Result<Self> {
        let authorization = token.map(|token| bearer(&token)).transpose()?;
        Ok(Self {
            client: connect::client(connection)?,
            server: server.clone(),
            authorization,
            is_verbose: connection.is_verbose,
        })
    }

    /// Sends a request, and follows redirects. The token goes to the origin of the registry alone.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
    ) -> Result<Response, RequestAttempt> {
        let mut url = self.parse(url)?;
        let origin = url.origin();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = self.client.request(method.clone(), url.clone());
            request = request.headers(headers.clone());
            if let Some(token) = self.authorization.as_ref().filter(|_| url.origin() == origin) {
                request = request.header(AUTHORIZATION, token.clone());
            }
            self.report(&method, &url);
            let response = request.send().await.map_err(|error| self.broken(&error))?;
            let location = response.headers().get(LOCATION).filter(|_| is_redirect(&response));
            let Some(location) = location else { return Ok(response) };
            let location = location.to_str().unwrap_or_default();
            let next = url.join(location).map_err(|_| self.lost(location))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(self.lost(location).into());
            }
            url = next;
        }
        Err(self.lost("more than five places in a row").into())
    }

    /// Describes a connection that failed or broke.
    pub(super) fn broken(&self, error: &reqwest::Error) -> RequestAttempt {
        let reason = connect::cause(error);
        let message = format!("{} does not answer: {reason}", self.server.url);
        let hint = match self.server.chosen {
            Chosen::Default => {
                "name a registry with --server, or start one with: extension-registry --demo"
            }
            _ => "check the address, the network and proxies; try again",
        };
        RequestAttempt::Again(
            ClientFailure::new(FailureKind::Unavailable, message).hint(hint),
            None,
        )
    }

    fn parse(&self, url: &str) -> Result<Url> {
        url.parse().map_err(|error| {
            ClientFailure::usage(format!("{} makes no address: {error}", self.server.url))
        })
    }

    fn lost(&self, location: &str) -> ClientFailure {
        let message = format!("{} redirects to {location}, which is not followed", self.server.url);
        ClientFailure::usage(message).hint("use the address of the registry itself with --server")
    }

    fn report(&self, method: &Method, url: &Url) {
        if self.is_verbose {
            connect::report(method, url.as_str());
        }
    }
}

fn is_redirect(response: &Response) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn bearer(token: &SecretString) -> Result<HeaderValue> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| ClientFailure::usage("the token has control characters"))?;
    value.set_sensitive(true);
    Ok(value)
}
