//! Rate limit of each client: one token bucket per client, in bounded memory.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::token_bucket::{Rate, TokenBucket};
use registry_fleet::buckets::BucketUse;
use tokio::time::Instant;

use crate::edge::unshared_uses::UnsharedUses;

/// Remaining share of a client (draft-ietf-httpapi-ratelimit-headers-10).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Header with the size of the limit.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
// About 100 bytes each. The least recently used is dropped: forged addresses displace idle ones.
const CLIENTS_MAX: usize = 100_000;

/// Key of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// All requests with a token of this client.
    Named(Arc<str>),
    /// All requests from this network.
    Network(IpAddr),
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "client {name}"),
            Self::Network(address) => write!(f, "network {address}"),
        }
    }
}

/// Token buckets of all clients. A full bucket is removed: it equals a new one.
pub struct RateLimiter {
    rate: Rate,
    policy: HeaderValue,
    buckets: Mutex<BoundedLru<ClientKey, TokenBucket>>,
    /// `None` if the buckets belong to this replica alone.
    unshared: Option<UnsharedUses<ClientKey>>,
}

/// Result of the rate limit for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateDecision {
    /// Time after which the next request would pass, if this one exceeds the limit.
    pub retry_after: Option<Duration>,
    /// Number of requests that would pass immediately.
    pub remaining: u32,
    /// Time until the bucket is full.
    pub reset: Duration,
}

impl RateLimiter {
    /// Creates a full bucket for every client.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let (burst, window) = (rate.burst, rate.burst.get().div_ceil(rate.per_second.get()));
        let policy = format!("\"client\";q={burst};w={window}");
        let policy = HeaderValue::from_str(&policy)
            .unwrap_or_else(|_| HeaderValue::from_static("\"client\""));
        let buckets = Mutex::new(BoundedLru::new(LruBounds::entries(CLIENTS_MAX)));
        Self { rate, policy, buckets, unshared: None }
    }

    /// Collects the tokens that are given out, for buckets shared by several replicas.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { unshared: Some(UnsharedUses::new(CLIENTS_MAX)), ..self }
    }

    /// Takes a token for a request of this client.
    pub fn take(&self, client: ClientKey, now: Instant) -> RateDecision {
        let mut buckets = self.buckets.lock();
        let known = buckets.get(&client).copied();
        let mut bucket = known.unwrap_or_default();
        let retry_after = bucket.take(self.rate, now).err();
        if retry_after.is_none() {
            if let Some(unshared) = &self.unshared {
                unshared.add(&client, known.is_none());
            }
            buckets.put(client, 0, bucket);
            // Two for each new one, so that idle clients are removed without a walk over all.
            for _ in 0..2 {
                buckets.remove_oldest_if(|bucket| bucket.until_full(now).is_zero());
            }
        }
        let remaining = bucket.tokens(self.rate, now);
        RateDecision { retry_after, remaining, reset: bucket.until_full(now) }
    }

    /// Returns the time until the next request of this client passes; `None` for now.
    pub fn wait(&self, client: &ClientKey, now: Instant) -> Option<Duration> {
        self.buckets.lock().peek(client)?.wait(self.rate, now)
    }

    /// Returns the tokens that no other replica knows of, if the buckets are shared.
    pub(super) const fn unshared(&self) -> Option<&UnsharedUses<ClientKey>> {
        self.unshared.as_ref()
    }

    /// Returns the time in which an empty bucket fills.
    pub(super) fn capacity(&self) -> Duration {
        self.rate.fill_time()
    }

    /// Returns what the shared bucket of a client has to be told.
    pub(super) fn use_of(&self, client: &ClientKey, tokens: u32) -> BucketUse {
        BucketUse { client: client.to_string(), used: self.rate.interval() * tokens }
    }

    /// Takes tokens that other replicas gave out: the shared bucket is full after this time.
    pub(super) fn raise(&self, client: ClientKey, until_full: Duration, now: Instant) {
        // An engine that is not trusted can hold up a client for that long at most.
        let until_full = until_full.min(self.capacity() * 2);
        let mut buckets = self.buckets.lock();
        let mut bucket = buckets.get(&client).copied().unwrap_or_default();
        let later = self.unshared.as_ref().map_or(0, |unshared| unshared.tokens(&client));
        bucket.raise(until_full + self.rate.interval() * later, now);
        buckets.put(client, 0, bucket);
    }

    /// Writes the rate limit headers.
    pub fn tell(&self, verdict: &RateDecision, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        let RateDecision { remaining, reset, .. } = verdict;
        let left = format!("\"client\";r={remaining};t={}", reset.as_secs_f64().ceil());
        if let Ok(left) = HeaderValue::from_str(&left) {
            headers.insert(RATE_LIMIT, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limiter(per_second: u32, burst: u32) -> RateLimiter {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        RateLimiter::new(Rate { per_second, burst })
    }

    fn network(number: u32) -> ClientKey {
        ClientKey::Network(IpAddr::V4(number.into()))
    }

    #[test]
    fn each_client_has_its_own_bucket() {
        let limiter = limiter(2, 3);
        let now = Instant::now();
        assert_eq!([2, 1, 0].map(|_| limiter.take(network(1), now).remaining), [2, 1, 0]);
        let over = limiter.take(network(1), now);
        assert_eq!((over.retry_after, over.remaining), (Some(Duration::from_millis(500)), 0));
        assert_eq!(over.reset, Duration::from_millis(1500));
        assert_eq!(limiter.wait(&network(1), now), over.retry_after);
        assert_eq!(limiter.take(network(2), now).remaining, 2);
        assert_eq!(limiter.wait(&network(3), now), None);
    }

    #[test]
    fn idle_clients_are_forgotten_and_their_number_is_bounded() {
        let limiter = limiter(1, 1);
        let begun = Instant::now();
        for number in 0..1000 {
            limiter.take(network(number), begun);
        }
        assert_eq!(limiter.buckets.lock().count(), 1000);
        for number in 0..1000 {
            limiter.take(network(5000 + number), begun + Duration::from_secs(2));
        }
        assert_eq!(limiter.buckets.lock().count(), 1000, "the idle ones have gone");
        for number in 0..u32::try_from(CLIENTS_MAX + 5000).unwrap() {
            limiter.take(network(10_000 + number), begun + Duration::from_secs(2));
        }
        assert_eq!(limiter.buckets.lock().count(), CLIENTS_MAX);
    }

    #[test]
    fn the_headers_are_those_of_the_draft() {
        let limiter = limiter(2, 5);
        let now = Instant::now();
        let verdict = limiter.take(network(1), now);
        let mut headers = HeaderMap::new();
        limiter.tell(&verdict, &mut headers);
        assert_eq!(headers["ratelimit-policy"], r#""client";q=5;w=3"#);
        assert_eq!(headers["ratelimit"], r#""client";r=4;t=1"#);
    }
}
