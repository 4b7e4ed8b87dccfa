//! Who comes in: the client's token, its share of requests, and whether there is room.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::auth::{Auth, Refusal};
use crate::api::cache_policy::CachePolicy;
use crate::api::client_address::{TrustedProxies, network_of};
use crate::api::framing::one_reading;
use crate::api::limits::{Crowded, Place, Room, bound_head, is_large};
use crate::api::notices::Sender;
use crate::api::problem::Problem;
use crate::api::rate_limit::{ClientKey, Rate, RateLimiter, Verdict};
use crate::api::seats::{Seats, Share};
use crate::metrics::Metrics;

/// Where orchestrators look: open, unlimited, and answered however full the service is.
const HEALTH: [&str; 3] = ["/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready"];
/// Where backends tell of changes: open to whoever signs with the backend's secret.
const SIGNED: &str = "/api/v1/webhooks/";
/// What watches the service needs no room: it is wanted most when there is none.
const WATCHED: &str = "/api/v1/metrics";
/// Requests answered at once unless configured.
const ROOM: usize = 5000;
/// Wrong tokens of one address that are judged at most: at once, and each second from then on.
const GUESSES: Rate =
    Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(100).unwrap() };

/// Who is let in.
pub struct Admission {
    /// Whose tokens are asked for; `None`: nobody's.
    pub auth: Option<Arc<Auth>>,
    /// How many wrong tokens of each address are judged.
    pub guesses: RateLimiter,
    /// How often each client may ask; `None`: as often as it likes.
    pub rate: Option<RateLimiter>,
    /// How many requests of one client are answered at once; `None`: as many as there is room for.
    pub seats: Option<Seats>,
    /// How many requests of one address are answered at once; `None`: as many as there is room for.
    pub share: Option<Share>,
    /// Who may say where a request comes from.
    pub proxies: TrustedProxies,
    /// How many requests are answered at once.
    pub room: Room,
}

impl Default for Admission {
    fn default() -> Self {
        let (proxies, room) = (TrustedProxies::default(), Room::of(ROOM));
        let guesses = guesses(None);
        Self { auth: None, guesses, rate: None, seats: None, share: None, proxies, room }
    }
}

/// The bound of wrong tokens beside this rate of requests, which is never lower.
#[must_use]
pub fn guesses(rate: Option<Rate>) -> RateLimiter {
    let rate = rate.unwrap_or(GUESSES);
    RateLimiter::new(Rate {
        per_second: rate.per_second.min(GUESSES.per_second),
        burst: rate.burst.min(GUESSES.burst),
    })
}

/// The name of the client whose token a request carried.
#[derive(Clone, Debug)]
pub struct ClientName(pub Arc<str>);

/// Marks a question for health by somebody who may see nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Stranger;

/// What was decided of a request before anything was looked up for it.
pub(super) struct Entered {
    /// What its client is told of its share.
    verdict: Option<Verdict>,
    inside: Result<Inside, Refused>,
}

/// A request that is let in.
#[derive(Default)]
struct Inside {
    place: Option<Place>,
    client: Option<ClientName>,
    stranger: Option<Stranger>,
    /// Of a notice: who sends it.
    sender: Option<Sender>,
}

/// Why a request does not come in.
enum Refused {
    /// Its head is too large, or can be read in two ways.
    Head(Problem),
    /// Its client is over its share; the next request passes after this time.
    Rate(Duration),
    /// As many requests of its client as may be are under way.
    Seats,
    /// It carries no token that is accepted.
    Token(Refusal),
    /// All places are taken.
    Room,
}

impl Entered {
    /// Whether the request is let in.
    pub(super) const fn is_let_in(&self) -> bool {
        self.inside.is_ok()
    }
}

impl Admission {
    /// Passes a request that was let in to what answers it, and answers any other. `dressed` gives a
    /// refusal what surrounds other answers.
    pub(super) async fn admit<F: Future<Output = Response>>(
        &self,
        metrics: &Metrics,
        Entered { verdict, inside }: Entered,
        mut request: Request,
        answer: impl FnOnce(Request) -> F,
        dressed: impl FnOnce(Response) -> Response,
    ) -> Response {
        let mut response = match inside {
            Ok(Inside { place, client, stranger, sender }) => {
                let said = request.extensions_mut();
                if let Some(stranger) = stranger {
                    said.insert(stranger);
                }
                if let Some(sender) = sender {
                    said.insert(sender);
                }
                let response = named(client, answer(request).await);
                match place {
                    Some(place) => kept_for(place, response, metrics, dressed),
                    None => response,
                }
            }
            Err(refused) => dressed(refused.counted(metrics).into_response()),
        };
        self.tell(verdict, &mut response);
        response
    }

    /// The same for an answer that is there already to a request that was let in: it takes a place up
    /// only if it may lie somewhere, because it is large or one of many on a connection.
    pub(super) fn admit_at_once(
        &self,
        metrics: &Metrics,
        Entered { verdict, inside }: Entered,
        many: bool,
        answer: impl FnOnce() -> Response,
        dressed: impl FnOnce(Response) -> Response,
    ) -> Response {
        let Inside { client, place, .. } = inside.unwrap_or_default();
        let response = named(client, answer());
        let mut response = match place.filter(|_| many || is_large(&response)) {
            Some(place) => kept_for(place, response, metrics, dressed),
            None => response,
        };
        self.tell(verdict, &mut response);
        response
    }

    /// Decides of a request by its head alone. Requests without a valid token count against the share of
    /// their address before they are refused. A preflight, which carries no token, needs none.
    pub(super) fn enter(&self, request: &Request, preflight: bool) -> Entered {
        if let Err(problem) = bound_head(request).and_then(|()| one_reading(request)) {
            return Entered { verdict: None, inside: Err(Refused::Head(problem)) };
        }
        let address = self.address(request);
        if HEALTH.contains(&request.uri().path()) {
            return Entered { verdict: None, inside: Ok(self.watching(request, address)) };
        }
        let client = if preflight { Ok(None) } else { self.client(request, address) };
        let key = self.key(&client, address);
        let verdict = self.take(key.as_ref());
        let over = verdict.and_then(|verdict| verdict.retry_after).map(Refused::Rate);
        let inside = match over {
            Some(refused) => Err(refused),
            None => client.and_then(|client| {
                let place = self.place(request, key, address)?;
                let signed = request.uri().path().starts_with(SIGNED);
                let sender = signed.then(|| self.sender(address));
                Ok(Inside { place, client, sender, stranger: None })
            }),
        };
        Entered { verdict, inside }
    }

    /// Who asks for health, which is answered to everybody. A token is looked at as often as its
    /// share allows, so that nobody guesses tokens here who could not elsewhere.
    fn watching(&self, request: &Request, address: IpAddr) -> Inside {
        let stranger = self.auth.as_ref().map(|_| Stranger);
        let unknown = Inside { stranger, ..Inside::default() };
        if stranger.is_none() || !request.headers().contains_key(AUTHORIZATION) {
            return unknown;
        }
        let client = self.client(request, address);
        let verdict = self.take(self.key(&client, address).as_ref());
        let over = verdict.is_some_and(|verdict| verdict.retry_after.is_some());
        match client {
            Ok(client) if !over => Inside { client, stranger: None, ..unknown },
            _ => unknown,
        }
    }

    /// Tells a client of its share, unless others may be given the same answer.
    fn tell(&self, verdict: Option<Verdict>, response: &mut Response) {
        let shared = self.auth.is_none() && CachePolicy::is_kept_unasked(response);
        if let (Some(rate), Some(verdict)) = (&self.rate, verdict.filter(|_| !shared)) {
            rate.tell(&verdict, response.headers_mut());
        }
    }

    /// Whose token the request carries; `None` where none is asked for. After too many wrong ones of an
    /// address none is judged, be it right: nobody learns that a guess was.
    fn client(&self, request: &Request, address: IpAddr) -> Result<Option<ClientName>, Refused> {
        let signed = request.uri().path().starts_with(SIGNED);
        let Some(auth) = self.auth.as_ref().filter(|_| !signed) else { return Ok(None) };
        let key = ClientKey::Network(network_of(address));
        if request.headers().contains_key(AUTHORIZATION)
            && let Some(wait) = self.guesses.wait(&key, Instant::now())
        {
            return Err(Refused::Rate(wait));
        }
        let client = auth.client(request.headers(), Timestamp::now());
        if client == Err(Refusal::Wrong) {
            self.guesses.take(key, Instant::now());
        }
        client.map(|name| Some(ClientName(name))).map_err(Refused::Token)
    }

    /// A request's place, if it needs one.
    fn place(
        &self,
        request: &Request,
        key: Option<ClientKey>,
        address: IpAddr,
    ) -> Result<Option<Place>, Refused> {
        if request.uri().path() == WATCHED {
            return Ok(None);
        }
        if request.extensions().get::<Crowded>().is_some() {
            return Err(Refused::Room);
        }
        let seats = self.seats.as_ref().zip(key);
        let seat = seats.map(|(seats, key)| seats.take(key).ok_or(Refused::Seats)).transpose()?;
        let share = self.share.as_ref().map(|share| share.take(address, &self.proxies));
        let share = share.transpose().map_err(|_| Refused::Seats)?.flatten();
        self.room.enter().map(|place| Some(place.with([seat, share]))).ok_or(Refused::Room)
    }

    /// Whose share a request is of; `None` where shares are nobody's.
    fn key(
        &self,
        client: &Result<Option<ClientName>, Refused>,
        address: IpAddr,
    ) -> Option<ClientKey> {
        if self.rate.is_none() && self.seats.is_none() {
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

/// The answer with its place; a refusal if there is no room for it.
fn kept_for(
    place: Place,
    response: Response,
    metrics: &Metrics,
    dressed: impl FnOnce(Response) -> Response,
) -> Response {
    let kept = place.keep_for(response);
    kept.unwrap_or_else(|| dressed(Refused::Room.counted(metrics).into_response()))
}

/// Says on an answer for whom it is.
fn named(client: Option<ClientName>, mut response: Response) -> Response {
    client.into_iter().for_each(|name| drop(response.extensions_mut().insert(name)));
    response
}

impl Refused {
    fn counted(self, metrics: &Metrics) -> Self {
        self.reason().into_iter().for_each(|reason| metrics.refused(reason));
        self
    }

    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Head(_) => None,
            Self::Rate(_) => Some("rate_limit"),
            Self::Seats => Some("concurrent"),
            Self::Token(_) => Some("token"),
            Self::Room => Some("overload"),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let challenge = match self {
            Self::Head(problem) => return problem.into_response(),
            Self::Rate(retry_after) => return Problem::rate_limited(retry_after).into_response(),
            Self::Seats => return Problem::crowding().into_response(),
            Self::Room => return Problem::overloaded().into_response(),
            Self::Token(Refusal::Missing) => "Bearer realm=\"extension-registry\"",
            Self::Token(Refusal::Wrong) => {
                "Bearer realm=\"extension-registry\", error=\"invalid_token\""
            }
        };
        let message = "A valid client token is required: Authorization: Bearer TOKEN";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, message).into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}
