//! Who comes in: the client's token, its share of requests, and whether there is room.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::auth::{Auth, Refusal};
use crate::api::client_address::{TrustedProxies, network_of};
use crate::api::limits::{Crowded, Place, Room, is_large};
use crate::api::problem::Problem;
use crate::api::rate_limit::{ClientKey, RateLimiter, Verdict};
use crate::api::seats::Seats;
use crate::metrics::Metrics;

/// Where orchestrators look: open, unlimited, and answered however full the service is.
const HEALTH: [&str; 3] = ["/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready"];
/// Where backends tell of changes: open to whoever signs with the backend's secret.
const SIGNED: &str = "/api/v1/webhooks/";
/// What watches the service needs no room: it is wanted most when there is none.
const WATCHED: &str = "/api/v1/metrics";
/// Requests answered at once unless configured.
const ROOM: usize = 5000;

/// Who is let in.
pub struct Admission {
    /// Whose tokens are asked for; `None`: nobody's.
    pub auth: Option<Arc<Auth>>,
    /// How often each client may ask; `None`: as often as it likes.
    pub rate: Option<RateLimiter>,
    /// How many requests of one client are answered at once; `None`: as many as there is room for.
    pub seats: Option<Seats>,
    /// Who may say where a request comes from.
    pub proxies: TrustedProxies,
    /// How many requests are answered at once.
    pub room: Room,
}

impl Default for Admission {
    fn default() -> Self {
        let proxies = TrustedProxies::default();
        Self { auth: None, rate: None, seats: None, proxies, room: Room::of(ROOM) }
    }
}

/// The name of the client whose token a request carried.
#[derive(Clone, Debug)]
pub struct ClientName(pub Arc<str>);

/// Marks a question for health by somebody who may see nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Stranger;

/// What was decided of a request.
struct Entered {
    /// What its client is told of its share.
    verdict: Option<Verdict>,
    inside: Result<Inside, Refused>,
}

/// A request that is let in.
struct Inside {
    place: Option<Place>,
    client: Option<ClientName>,
    stranger: Option<Stranger>,
}

/// Why a request does not come in.
enum Refused {
    /// Its client is over its share; the next request passes after this time.
    Rate(Duration),
    /// As many requests of its client as may be are under way.
    Seats,
    /// It carries no token that is accepted.
    Token(Refusal),
    /// All places are taken.
    Room,
}

impl Admission {
    /// Lets a request pass to what answers it, or answers 401, 429 or 503.
    pub async fn admit<F: Future<Output = Response>>(
        &self,
        metrics: &Metrics,
        mut request: Request,
        answer: impl FnOnce(Request) -> F,
    ) -> Response {
        let Entered { verdict, inside } = self.enter(&request);
        let mut response = match inside {
            Ok(Inside { place, client, stranger }) => {
                if let Some(stranger) = stranger {
                    request.extensions_mut().insert(stranger);
                }
                let response = named(client, answer(request).await);
                match place {
                    Some(place) => kept_for(place, response, metrics).unwrap_or_else(refusal),
                    None => response,
                }
            }
            Err(refused) => refused.counted(metrics).into_response(),
        };
        self.tell(verdict, &mut response);
        response
    }

    /// The same for an answer that is there already: it needs a place, and takes none up unless it
    /// is large. `dressed` gives a refusal what surrounds other answers.
    pub fn admit_at_once(
        &self,
        metrics: &Metrics,
        request: &Request,
        answer: impl FnOnce() -> Response,
        dressed: impl FnOnce(Response) -> Response,
    ) -> Response {
        let Entered { verdict, inside } = self.enter(request);
        let mut response = match inside {
            Ok(Inside { client, place, .. }) => {
                let response = named(client, answer());
                match place.filter(|_| is_large(&response)) {
                    Some(place) => kept_for(place, response, metrics)
                        .unwrap_or_else(|refused| dressed(refusal(refused))),
                    None => response,
                }
            }
            Err(refused) => dressed(refused.counted(metrics).into_response()),
        };
        self.tell(verdict, &mut response);
        response
    }

    /// Requests without a valid token count against the share of their address before they are
    /// refused, so that guessing is as limited as asking.
    fn enter(&self, request: &Request) -> Entered {
        if HEALTH.contains(&request.uri().path()) {
            return Entered { verdict: None, inside: Ok(self.watching(request)) };
        }
        let client = self.client(request);
        let key = self.key(&client, request);
        let verdict = self.take(key.as_ref());
        let over = verdict.and_then(|verdict| verdict.retry_after).map(Refused::Rate);
        let inside = match over {
            Some(refused) => Err(refused),
            None => client.and_then(|client| {
                let place = self.place(request, key)?;
                Ok(Inside { place, client, stranger: None })
            }),
        };
        Entered { verdict, inside }
    }

    /// Who asks for health, which is answered to everybody. A token is looked at as often as its
    /// share allows, so that nobody guesses tokens here who could not elsewhere.
    fn watching(&self, request: &Request) -> Inside {
        let stranger = self.auth.as_ref().map(|_| Stranger);
        let unknown = Inside { place: None, client: None, stranger };
        if stranger.is_none() || !request.headers().contains_key(AUTHORIZATION) {
            return unknown;
        }
        let client = self.client(request);
        let verdict = self.take(self.key(&client, request).as_ref());
        let over = verdict.is_some_and(|verdict| verdict.retry_after.is_some());
        match client {
            Ok(client) if !over => Inside { client, stranger: None, ..unknown },
            _ => unknown,
        }
    }

    fn tell(&self, verdict: Option<Verdict>, response: &mut Response) {
        if let (Some(rate), Some(verdict)) = (&self.rate, &verdict) {
            rate.tell(verdict, response.headers_mut());
        }
    }

    /// Whose token the request carries; `None` where none is asked for.
    fn client(&self, request: &Request) -> Result<Option<ClientName>, Refused> {
        let auth = self.auth.as_ref().filter(|_| !request.uri().path().starts_with(SIGNED));
        let client = auth.map(|auth| auth.client(request.headers(), Timestamp::now()));
        client.transpose().map(|name| name.map(ClientName)).map_err(Refused::Token)
    }

    /// A request's place, if it needs one.
    fn place(&self, request: &Request, key: Option<ClientKey>) -> Result<Option<Place>, Refused> {
        if request.uri().path() == WATCHED {
            return Ok(None);
        }
        if request.extensions().get::<Crowded>().is_some() {
            return Err(Refused::Room);
        }
        let seats = self.seats.as_ref().zip(key);
        let seat = seats.map(|(seats, key)| seats.take(key).ok_or(Refused::Seats)).transpose()?;
        self.room.enter().map(|place| Some(place.with(seat))).ok_or(Refused::Room)
    }

    /// Whose share a request is of; `None` where shares are nobody's.
    fn key(
        &self,
        client: &Result<Option<ClientName>, Refused>,
        request: &Request,
    ) -> Option<ClientKey> {
        if self.rate.is_none() && self.seats.is_none() {
            return None;
        }
        Some(match client {
            Ok(Some(ClientName(name))) => ClientKey::Named(Arc::clone(name)),
            _ => ClientKey::Network(network_of(self.address(request))),
        })
    }

    fn take(&self, key: Option<&ClientKey>) -> Option<Verdict> {
        let (rate, key) = self.rate.as_ref().zip(key)?;
        Some(rate.take(key.clone(), Instant::now()))
    }

    /// Where a request comes from, as far as anyone who is believed says.
    pub(super) fn address(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        // The listener always says where a connection comes from; whoever else calls the router
        // shares one address.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        self.proxies.client_of(peer, request.headers())
    }
}

/// The answer with its place, if there is room for it.
fn kept_for(place: Place, response: Response, metrics: &Metrics) -> Result<Response, Refused> {
    place.keep_for(response).ok_or_else(|| Refused::Room.counted(metrics))
}

fn refusal(refused: Refused) -> Response {
    refused.into_response()
}

/// Says on an answer for whom it is.
fn named(client: Option<ClientName>, mut response: Response) -> Response {
    client.into_iter().for_each(|name| drop(response.extensions_mut().insert(name)));
    response
}

impl Refused {
    fn counted(self, metrics: &Metrics) -> Self {
        metrics.refused(self.reason());
        self
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::Rate(_) => "rate_limit",
            Self::Seats => "concurrent",
            Self::Token(_) => "token",
            Self::Room => "overload",
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let challenge = match self {
            Self::Rate(retry_after) => return Problem::rate_limited(retry_after).into_response(),
            Self::Seats => return Problem::crowding().into_response(),
            Self::Room => return Problem::overloaded().into_response(),
            Self::Token(Refusal::Missing) => "Bearer realm=\"extension-registry\"",
            Self::Token(Refusal::Wrong) => {
                "Bearer realm=\"extension-registry\", error=\"invalid_token\""
            }
        };
        let message = "A valid client token is needed: Authorization: Bearer TOKEN";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, message).into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}
