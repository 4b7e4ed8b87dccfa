//! Authentication at a registry: the credentials to send, the reaction to a refusal, and the time
//! of the last success.
//!
//! A request is sent with the credentials that worked last. A refusal is answered as its challenge
//! demands: with a token first, and with a password if that fails. A refusal without a challenge
//! may be due to the credentials themselves (GHCR and zot respond to a stale token this way). The
//! request is then sent once without credentials, to get a challenge.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, WWW_AUTHENTICATE};
use parking_lot::Mutex;
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, Result};

use crate::http::answer::Answered;
use crate::http::request::{self, Request};
use crate::http::upstream::UpstreamClient;
use crate::oci::address::RegistryAddress;
use crate::oci::auth_state::{AuthMethod, AuthState};
use crate::oci::challenge::{BearerChallenge, Challenge, challenges};
use crate::oci::credentials::Credentials;
use crate::oci::labels;
use crate::oci::realm::TokenHost;
use crate::oci::token::{BearerToken, TokenServer, credentials_header};

/// Maximum size of a response to a ping, in bytes.
const PING_MAX: usize = 64 * 1024;

/// Authentication state for one registry.
pub struct RegistryAuth {
    context: Arc<AuthContext>,
    /// Shared with token requests, which outlive their callers.
    state: Arc<Mutex<AuthState>>,
    fetching: SingleFlight<BearerChallenge, BearerToken>,
}

struct AuthContext {
    http: UpstreamClient,
    registry: RegistryAddress,
    /// Token servers that may receive credentials, in addition to the registry's own.
    token_hosts: Vec<TokenHost>,
}

#[derive(Default)]
struct Tried {
    /// True if a token was fetched for this request. It is not fetched a second time.
    fetched: bool,
    /// Failure to get a token, if a password is tried instead.
    no_token: Option<Error>,
}

#[derive(Clone)]
enum Access {
    Bare,
    Password,
    Configured,
    Fetched(BearerChallenge, BearerToken),
}

impl RegistryAuth {
    /// Creates the state for these credentials, which servers at `token_hosts` may receive too.
    #[must_use]
    pub fn new(
        http: UpstreamClient,
        registry: RegistryAddress,
        credentials: Credentials,
        token_hosts: Vec<TokenHost>,
    ) -> Self {
        let context = Arc::new(AuthContext { http, registry, token_hosts });
        let state = Arc::new(Mutex::new(AuthState::new(credentials)));
        Self { context, state, fetching: SingleFlight::default() }
    }

    /// Replaces the credentials, and drops all tokens and challenges of the previous ones.
    pub fn renew(&self, credentials: Credentials) {
        *self.state.lock() = AuthState::new(credentials);
    }

    /// Returns true if the registry accepted the current credentials within this time.
    #[must_use]
    pub fn worked_within(&self, span: Duration) -> bool {
        self.state.lock().worked_within(span)
    }

    /// Sends a request until it is accepted or finally refused, at most four times.
    ///
    /// `subject` is the scope of a token: a repository, or the catalog.
    ///
    /// # Errors
    /// Returns the errors of sending, and `BackendRefused` if a token server refuses the
    /// credentials. A refusal by the registry itself is returned as a response.
    pub async fn through<A, F>(
        &self,
        subject: &str,
        send: impl Fn(Option<request::AuthorizationHeader>) -> F,
    ) -> Result<A>
    where
        A: Answered,
        F: Future<Output = Result<A>>,
    {
        let mut tried = Tried::default();
        let mut shown = self.opening(subject, &mut tried).await?;
        loop {
            let answer = send(self.header(&shown)?).await?;
            // The target of a redirect is no authority on our credentials and could name any token
            // server. Its refusal is final, and nothing is learned from it.
            if answer.left_home() {
                return Ok(answer);
            }
            if !answer.is_refusal() {
                self.accepted(&shown, answer.status());
                return Ok(answer);
            }
            // The next step waits for other requests, beside which no large body may be held.
            let answer = answer.without_body();
            match self.after_refusal(subject, &shown, answer.headers(), &mut tried).await? {
                Some(next) => shown = next,
                None => return tried.no_token.map_or(Ok(answer), Err),
            }
            tried.fetched |= matches!(shown, Access::Fetched(..));
        }
    }

    async fn opening(&self, subject: &str, tried: &mut Tried) -> Result<Access> {
        let (credentials, method) = {
            let mut state = self.state.lock();
            (Arc::clone(&state.credentials), state.method(subject))
        };
        let takes_password = method.as_ref().is_some_and(|method| method.takes_password);
        match (&*credentials, method.map(|method| method.challenge)) {
            (Credentials::Token(_), _) => Ok(Access::Configured),
            (_, Some(Challenge::Bearer(challenge))) => match self.fetched(challenge).await {
                Err(error) => {
                    // The registry may use another token server by now; the next request gets a new
                    // challenge.
                    self.state.lock().forget_method(subject);
                    self.in_place_of_a_token(subject, takes_password, error, tried)
                }
                access => access,
            },
            (_, Some(Challenge::Basic)) => Ok(Access::Password),
            (Credentials::Password { .. }, None) if self.wants_password().await? => {
                Ok(Access::Password)
            }
            _ => Ok(Access::Bare),
        }
    }

    /// Falls back to the password if the registry accepts one, or returns the token's error.
    fn in_place_of_a_token(
        &self,
        subject: &str,
        takes_password: bool,
        error: Error,
        tried: &mut Tried,
    ) -> Result<Access> {
        if !takes_password || !self.has_password() {
            return Err(error);
        }
        tried.no_token = Some(error);
        self.remember(subject, Challenge::Basic, true);
        Ok(Access::Password)
    }

    /// Returns true if the registry requires a password with every request. A registry with public
    /// content responds to anonymous requests with less content instead of a challenge.
    async fn wants_password(&self) -> Result<bool> {
        let known = self.state.lock().basic;
        if let Some(known) = known {
            return Ok(known);
        }
        let ping = Request::get(labels::PING, self.context.registry.endpoint("")).probe();
        let answer = self.context.http.fetch(ping, PING_MAX).await?;
        // A failing registry sends no challenge, so that this response must not be cached.
        if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(answer.failure());
        }
        let basic = offered(&answer.headers) == [Challenge::Basic];
        self.state.lock().basic = Some(basic);
        Ok(basic)
    }

    /// Returns the next credentials, or `None` if the refusal is final. Sends none twice.
    async fn after_refusal(
        &self,
        subject: &str,
        shown: &Access,
        headers: &HeaderMap,
        tried: &mut Tried,
    ) -> Result<Option<Access>> {
        self.forget(subject, shown);
        let offered = offered(headers);
        let takes_password = offered.contains(&Challenge::Basic);
        let bearer = offered.iter().find(|offer| matches!(offer, Challenge::Bearer(_)));
        if let (Some(Challenge::Bearer(challenge)), false) = (bearer, tried.fetched)
            && matches!(shown, Access::Bare | Access::Fetched(..))
        {
            let access = match self.fetched(challenge.clone()).await {
                Ok(access) => access,
                Err(error) => {
                    return self
                        .in_place_of_a_token(subject, takes_password, error, tried)
                        .map(Some);
                }
            };
            // Stored only after a token was issued: requests for made-up names must not fill the
            // cache.
            self.remember(subject, Challenge::Bearer(challenge.clone()), takes_password);
            return Ok(Some(access));
        }
        Ok(match shown {
            Access::Bare | Access::Fetched(..) if takes_password && self.has_password() => {
                self.remember(subject, Challenge::Basic, true);
                Some(Access::Password)
            }
            // GHCR and zot refuse a stale token without a challenge; an anonymous request gets one.
            Access::Configured | Access::Fetched(..) if offered.is_empty() && !tried.fetched => {
                Some(Access::Bare)
            }
            _ => None,
        })
    }

    fn remember(&self, subject: &str, challenge: Challenge, takes_password: bool) {
        let method = AuthMethod { challenge, takes_password };
        self.state.lock().keep_method(subject.to_owned(), method);
    }

    fn has_password(&self) -> bool {
        let state = self.state.lock();
        matches!(*state.credentials, Credentials::Password { .. } | Credentials::Identity(_))
    }

    /// Returns a valid token for a challenge, cached or fetched (single flight).
    async fn fetched(&self, challenge: BearerChallenge) -> Result<Access> {
        if let Some(token) = self.state.lock().good_token(&challenge) {
            return Ok(Access::Fetched(challenge, token));
        }
        let token = self.fetching.ask(&challenge, || {
            fetch(Arc::clone(&self.context), Arc::clone(&self.state), challenge.clone())
        });
        let token = token.await?;
        Ok(Access::Fetched(challenge, token))
    }

    /// Drops a refused token, unless another request has already replaced it.
    fn forget(&self, subject: &str, shown: &Access) {
        let Access::Fetched(challenge, refused) = shown else { return };
        let mut state = self.state.lock();
        // A newer token of another request must stay.
        if state.forget_token(challenge, refused) {
            state.forget_method(subject);
        }
    }

    fn header(&self, access: &Access) -> Result<Option<request::AuthorizationHeader>> {
        let credentials = Arc::clone(&self.state.lock().credentials);
        let token = match (access, &*credentials) {
            (Access::Bare, _) => return Ok(None),
            (Access::Fetched(_, token), _) => token.secret(),
            (Access::Configured, Credentials::Token(token)) => token,
            (Access::Password | Access::Configured, credentials) => {
                return credentials_header(credentials);
            }
        };
        request::AuthorizationHeader::new("Bearer", token).map(Some)
    }

    fn accepted(&self, shown: &Access, status: StatusCode) {
        let mut state = self.state.lock();
        // Public content proves nothing about our credentials.
        let shows_us =
            !matches!(shown, Access::Bare) || matches!(*state.credentials, Credentials::Anonymous);
        if status.is_success() && shows_us {
            state.accepted();
        }
    }
}

/// Caches the token within the single flight: other requests find the flight or the token.
async fn fetch(
    context: Arc<AuthContext>,
    state: Arc<Mutex<AuthState>>,
    challenge: BearerChallenge,
) -> Result<BearerToken> {
    let credentials = {
        let mut state = state.lock();
        if let Some(token) = state.good_token(&challenge) {
            return Ok(token);
        }
        Arc::clone(&state.credentials)
    };
    let (registry, hosts) = (context.registry.base(), &context.token_hosts);
    let server = TokenServer::of(&challenge, registry, hosts, &context.http, &credentials)?;
    let token = server.token(&challenge).await?;
    let mut state = state.lock();
    // The credentials may have been replaced during the request.
    if Arc::ptr_eq(&state.credentials, &credentials) {
        state.keep_token(challenge, token.clone());
    }
    Ok(token)
}

fn offered(headers: &HeaderMap) -> Vec<Challenge> {
    challenges(headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()))
}
