//! Admission of requests: client token, rate limit, and permits for concurrent requests.

use std::future::pending;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use registry_core::token_bucket::Rate;
use registry_fleet::buckets::{Buckets, SharedLimit};
use tokio::time::Instant;

use crate::edge::auth::{ClientAuth, Refusal};
use crate::edge::cache_policy::CachePolicy;
use crate::edge::client_address::{TrustedProxies, network_of};
use crate::edge::client_concurrency::{ClientConcurrency, Share};
use crate::edge::framing::one_reading;
use crate::edge::peer::ConnectedPeer;
use crate::edge::problem::Problem;
use crate::edge::rate_limit::{ClientKey, RateDecision, RateLimiter};
use crate::edge::request_limit::{RequestLimit, RequestPermit, bound_head, is_large};
use crate::edge::shared_limit::share;
use crate::edge::surface::{Surface, is_health, is_metrics, on_surface};
use crate::metrics::Metrics;
use crate::urls::{STATUS, SystemRoute, is_asset, is_oci, is_oci_check, is_page, is_webhook};

const REQUESTS_MAX: usize = 5000;
const GUESSES: Rate =
    Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(100).unwrap() };

/// Admission control, with all limits.
pub struct Admission {
    /// Accepted client tokens; `None` if no token is required.
    pub auth: Option<Arc<ClientAuth>>,
    /// Rate limit on wrong tokens per address.
    pub guesses: RateLimiter,
    /// Rate limit per client; `None` for no limit.
    pub rate: Option<RateLimiter>,
    /// Maximum number of concurrent requests per client; `None` for no limit but `requests`.
    pub concurrency: Option<ClientConcurrency>,
    /// Maximum number of concurrent requests per address; `None` for no limit but `requests`.
    pub share: Option<Share>,
    /// Proxies whose forwarding headers are trusted.
    pub proxies: TrustedProxies,
    /// Maximum number of concurrent requests.
    pub requests: RequestLimit,
}

impl Default for Admission {
    fn default() -> Self {
        let (proxies, requests) = (TrustedProxies::default(), RequestLimit::of(REQUESTS_MAX));
        let guesses = guesses(None);
        Self { auth: None, guesses, rate: None, concurrency: None, share: None, proxies, requests }
    }
}

/// Creates the limit on wrong tokens, which is never looser than this rate of requests.
#[must_use]
pub fn guesses(rate: Option<Rate>) -> RateLimiter {
    let rate = rate.unwrap_or(GUESSES);
    RateLimiter::new(Rate {
        per_second: rate.per_second.min(GUESSES.per_second),
        burst: rate.burst.min(GUESSES.burst),
    })
}

/// Name of the client that owns the token of a request.
#[derive(Clone, Debug)]
pub struct ClientName(pub Arc<str>);

/// Address of the sender of a webhook; `None` for a trusted proxy, which forwards webhooks of
/// several senders.
#[derive(Clone, Copy, Debug)]
pub struct Sender(pub Option<IpAddr>);

/// Marks a health request without a valid token, which gets no details.
#[derive(Clone, Copy, Debug)]
pub struct Unauthenticated;

pub(crate) struct Admitted {
    /// Address of the client.
    pub(crate) address: IpAddr,
    verdict: Option<RateDecision>,
    inside: Result<Inside, Rejected>,
}

#[derive(Default)]
struct Inside {
    /// `None` for a request that needs no permit.
    seat: Option<Seat>,
    client: Option<ClientName>,
    stranger: Option<Unauthenticated>,
    sender: Option<Sender>,
}

/// The owners of a request's permit, which was free when the request entered.
struct Seat {
    key: Option<ClientKey>,
    address: IpAddr,
}

enum Rejected {
    Head(Problem),
    /// The next request passes after this time.
    Rate(Duration),
    ClientConcurrency,
    Token(Refusal, AuthChallenge),
    RequestLimit,
}

/// The authentication that a refused client is asked for.
#[derive(Clone, Copy)]
enum AuthChallenge {
    /// For programs: browsers show no dialog.
    Bearer,
    /// For pages and OCI clients: browsers ask for a name and a password, which is the token, and
    /// OCI clients send that of their login.
    Basic,
}

impl Admitted {
    pub(crate) const fn is_let_in(&self) -> bool {
        self.inside.is_ok()
    }
}

impl Admission {
    /// `dressed` adds the common headers to a refusal.
    pub(crate) async fn admit<F: Future<Output = Response>>(
        &self,
        metrics: &Metrics,
        Admitted { verdict, inside, .. }: Admitted,
        mut request: Request,
        answer: impl FnOnce(Request) -> F,
        dressed: impl FnOnce(Response) -> Response,
    ) -> Response {
        let inside = inside.and_then(|mut inside| Ok((self.permit(inside.seat.take())?, inside)));
        let mut response = match inside {
            Ok((permit, Inside { client, stranger, sender, .. })) => {
                let said = request.extensions_mut();
                if let Some(stranger) = stranger {
                    said.insert(stranger);
                }
                if let Some(sender) = sender {
                    said.insert(sender);
                }
                let response = named(client, answer(request).await);
                match permit {
                    Some(permit) => kept_for(permit, response, metrics, dressed),
                    None => response,
                }
            }
            Err(refused) => dressed(refused.counted(metrics).into_response()),
        };
        self.tell(verdict, &mut response);
        response
    }

    pub(crate) fn admit_at_once(
        &self,
        metrics: &Metrics,
        Admitted { verdict, inside, .. }: Admitted,
        many: bool,
        response: Response,
        dressed: impl FnOnce(Response) -> Response,
    ) -> Response {
        let Inside { client, seat, .. } = inside.unwrap_or_default();
        let response = named(client, response);
        // A permit is needed only if the response may wait: large, or one of many on a connection.
        let mut response = match self.permit(seat.filter(|_| many || is_large(&response))) {
            Ok(Some(permit)) => kept_for(permit, response, metrics, dressed),
            Ok(None) => response,
            Err(refused) => dressed(refused.counted(metrics).into_response()),
        };
        self.tell(verdict, &mut response);
        response
    }

    /// Counts a request without a valid token against its address. A CORS preflight has no token.
    pub(crate) fn enter(&self, head: &Parts, peer: ConnectedPeer, preflight: bool) -> Admitted {
        let address = self.proxies.client_of(peer.address, &head.headers);
        // First of all: an ambiguous head must not reach the token check under one of two readings.
        let checked = bound_head(head).and_then(|()| one_reading(head));
        if let Err(problem) = checked.and_then(|()| on_surface(head, peer.surface)) {
            return Admitted { address, verdict: None, inside: Err(Rejected::Head(problem)) };
        }
        let path = head.uri.path();
        let route = SystemRoute::at(path);
        if is_health(route) {
            return Admitted { address, verdict: None, inside: Ok(self.watching(head, address)) };
        }
        // The token is checked before the rate limit, because it determines whose limit applies.
        let client = if preflight { Ok(None) } else { self.client(head, address) };
        let (client, stranger) = match client {
            // The status page shows such a client as little as health does.
            Err(Rejected::Token(..)) if path == STATUS => (Ok(None), Some(Unauthenticated)),
            client => (client, None),
        };
        let key = self.key(&client, address);
        let verdict = self.take(key.as_ref());
        let over = verdict.and_then(|verdict| verdict.retry_after).map(Rejected::Rate);
        let inside = match over {
            Some(refused) => Err(refused),
            None => client.and_then(|client| {
                // OCI clients send it before each command, and it costs nothing.
                let needs_seat = !(is_metrics(route) || is_oci_check(path));
                let seat = needs_seat.then(|| self.seat(peer.surface, key, address));
                let seat = seat.transpose()?;
                let sender = is_webhook(path).then(|| self.sender(address));
                Ok(Inside { seat, client, stranger, sender })
            }),
        };
        Admitted { address, verdict, inside }
    }

    fn watching(&self, head: &Parts, address: IpAddr) -> Inside {
        // The token check is rate limited, so that health is no way around the limit on guesses.
        let stranger = self.auth.as_ref().map(|_| Unauthenticated);
        let unknown = Inside { stranger, ..Inside::default() };
        if stranger.is_none() || !head.headers.contains_key(AUTHORIZATION) {
            return unknown;
        }
        let client = self.client(head, address);
        let verdict = self.take(self.key(&client, address).as_ref());
        let over = verdict.is_some_and(|verdict| verdict.retry_after.is_some());
        match client {
            Ok(client) if !over => Inside { client, stranger: None, ..unknown },
            _ => unknown,
        }
    }

    fn tell(&self, verdict: Option<RateDecision>, response: &mut Response) {
        let shared = self.auth.is_none() && CachePolicy::is_kept_unasked(response);
        if let (Some(rate), Some(verdict)) = (&self.rate, verdict.filter(|_| !shared)) {
            rate.tell(&verdict, response.headers_mut());
        }
    }

    /// `None` if no token is required. After too many wrong ones, even a correct guess is refused.
    fn client(&self, head: &Parts, address: IpAddr) -> Result<Option<ClientName>, Rejected> {
        let (path, headers) = (head.uri.path(), &head.headers);
        let Some(auth) = &self.auth else { return Ok(None) };
        if is_webhook(path) || is_asset(path) {
            return Ok(None);
        }
        let key = ClientKey::Network(network_of(address));
        if headers.contains_key(AUTHORIZATION)
            && let Some(wait) = self.guesses.wait(&key, Instant::now())
        {
            return Err(Rejected::Rate(wait));
        }
        let client = auth.client(headers, Timestamp::now());
        if client == Err(Refusal::Wrong) {
            self.guesses.take(key, Instant::now());
        }
        let has_logins = is_page(path) || is_oci(path);
        let challenge = if has_logins { AuthChallenge::Basic } else { AuthChallenge::Bearer };
        client
            .map(|name| Some(ClientName(name)))
            .map_err(|refusal| Rejected::Token(refusal, challenge))
    }

    /// Fails if no permit is free. Takes none: most cached responses are sent at once.
    fn seat(
        &self,
        surface: Surface,
        key: Option<ClientKey>,
        address: IpAddr,
    ) -> Result<Seat, Rejected> {
        if surface == Surface::Overflow {
            return Err(Rejected::RequestLimit);
        }
        let mut concurrency = self.concurrency.iter().zip(&key);
        if concurrency.any(|(concurrency, key)| !concurrency.has_room(key)) {
            return Err(Rejected::ClientConcurrency);
        }
        let share = self.share.as_ref().map(|share| share.check(address, &self.proxies));
        share.transpose().map_err(|_| Rejected::ClientConcurrency)?;
        if !self.requests.has_room() {
            return Err(Rejected::RequestLimit);
        }
        Ok(Seat { key, address })
    }

    /// Takes the permit. Fails if others took the last one meanwhile.
    fn permit(&self, seat: Option<Seat>) -> Result<Option<RequestPermit>, Rejected> {
        let Some(Seat { key, address }) = seat else { return Ok(None) };
        // The client's own limits first: a client over its limit takes no permit from others.
        let concurrency = self.concurrency.as_ref().zip(key);
        let permit = concurrency
            .map(|(concurrency, key)| concurrency.take(key).ok_or(Rejected::ClientConcurrency))
            .transpose()?;
        let share = self.share.as_ref().map(|share| share.take(address, &self.proxies));
        let share = share.transpose().map_err(|_| Rejected::ClientConcurrency)?.flatten();
        self.requests
            .enter()
            .map(|request| Some(request.with([permit, share])))
            .ok_or(Rejected::RequestLimit)
    }

    fn key(
        &self,
        client: &Result<Option<ClientName>, Rejected>,
        address: IpAddr,
    ) -> Option<ClientKey> {
        if self.rate.is_none() && self.concurrency.is_none() {
            return None;
        }
        Some(match client {
            Ok(Some(ClientName(name))) => ClientKey::Named(Arc::clone(name)),
            _ => ClientKey::Network(network_of(address)),
        })
    }

    fn sender(&self, address: IpAddr) -> Sender {
        Sender((!self.proxies.trusts(address)).then(|| network_of(address)))
    }

    /// Shares the limits with other replicas, without end. Only limiters made
    /// [`shared`](RateLimiter::shared) take part.
    pub async fn share(&self, buckets: &dyn Buckets) {
        let requests = async {
            match &self.rate {
                Some(rate) => share(rate, SharedLimit::Requests, buckets).await,
                None => pending().await,
            }
        };
        tokio::join!(requests, share(&self.guesses, SharedLimit::WrongTokens, buckets));
    }

    fn take(&self, key: Option<&ClientKey>) -> Option<RateDecision> {
        let (rate, key) = self.rate.as_ref().zip(key)?;
        Some(rate.take(key.clone(), Instant::now()))
    }

    /// Returns true if the peer is a trusted proxy.
    pub(crate) fn is_proxy(&self, peer: ConnectedPeer) -> bool {
        self.proxies.trusts(peer.address.to_canonical())
    }
}

fn kept_for(
    permit: RequestPermit,
    response: Response,
    metrics: &Metrics,
    dressed: impl FnOnce(Response) -> Response,
) -> Response {
    let kept = permit.keep_for(response);
    kept.unwrap_or_else(|| dressed(Rejected::RequestLimit.counted(metrics).into_response()))
}

fn named(client: Option<ClientName>, mut response: Response) -> Response {
    if let Some(name) = client {
        response.extensions_mut().insert(name);
    }
    response
}

impl Rejected {
    fn counted(self, metrics: &Metrics) -> Self {
        self.reason().into_iter().for_each(|reason| metrics.refused(reason));
        self
    }

    const fn reason(&self) -> Option<&'static str> {
        // A refused head is counted with its status alone, as any other malformed request.
        match self {
            Self::Head(_) => None,
            Self::Rate(_) => Some("rate_limit"),
            Self::ClientConcurrency => Some("concurrent"),
            Self::Token(..) => Some("token"),
            Self::RequestLimit => Some("overload"),
        }
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        let challenge = match self {
            Self::Head(problem) => return problem.into_response(),
            Self::Rate(retry_after) => return Problem::rate_limited(retry_after).into_response(),
            Self::ClientConcurrency => return Problem::crowding().into_response(),
            Self::RequestLimit => return Problem::overloaded().into_response(),
            Self::Token(_, AuthChallenge::Basic) => "Basic realm=\"extension-registry\"",
            Self::Token(Refusal::Missing, _) => "Bearer realm=\"extension-registry\"",
            Self::Token(Refusal::Wrong, _) => {
                "Bearer realm=\"extension-registry\", error=\"invalid_token\""
            }
        };
        // One text for every face, so that it does not tell which paths exist.
        let message = "A valid client token is required: Authorization: Bearer TOKEN, or the password of a login";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, message).into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}
