//! Rate limiting per client with a bucket that fills at a constant rate.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Header with the remaining requests of a client (draft-ietf-httpapi-ratelimit-headers-10).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Header with the size of the limit.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Maximum number of buckets in memory, about 100 bytes each. Beyond it the least recently used one
/// is dropped, so that forged addresses only displace the buckets of idle clients.
const CLIENTS_MAX: usize = 100_000;

/// Key of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// All requests with a token of this client.
    Named(Arc<str>),
    /// All requests from this network.
    Network(IpAddr),
}

/// Rate limit of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Number of requests added to the bucket per second.
    pub per_second: NonZeroU32,
    /// Capacity of the bucket, in requests.
    pub burst: NonZeroU32,
}

/// Buckets of all clients.
///
/// A bucket is stored as the time when it will be full, the only state that the algorithm (GCRA)
/// needs. A full bucket equals a missing one and is dropped.
pub struct RateLimiter {
    rate: Rate,
    policy: HeaderValue,
    full_at: Mutex<LruCache<ClientKey, Instant>>,
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
    /// Creates a limiter in which every client has a full bucket.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let (burst, window) = (rate.burst, rate.burst.get().div_ceil(rate.per_second.get()));
        let policy = format!("\"client\";q={burst};w={window}");
        let policy = HeaderValue::from_str(&policy)
            .unwrap_or_else(|_| HeaderValue::from_static("\"client\""));
        Self { rate, policy, full_at: Mutex::new(LruCache::unbounded()) }
    }

    /// Takes one request out of the client's bucket, if the bucket is not empty.
    pub fn take(&self, client: ClientKey, now: Instant) -> RateDecision {
        let each = Duration::from_secs(1) / self.rate.per_second.get();
        let whole = each * self.rate.burst.get();
        let mut clients = self.full_at.lock();
        let full_at = clients.get(&client).map_or(now, |full_at| now.max(*full_at));
        let filling = full_at + each - now;
        if let Some(over) = filling.checked_sub(whole).filter(|over| !over.is_zero()) {
            // A refused request takes nothing, or a client that retries too early would never pass
            // again.
            return RateDecision { retry_after: Some(over), remaining: 0, reset: full_at - now };
        }
        clients.put(client, now + filling);
        forget(&mut clients, now);
        let remaining = (whole - filling).as_nanos() / each.as_nanos();
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        RateDecision { retry_after: None, remaining, reset: filling }
    }

    /// Returns the time after which the next request of this client would pass; `None` if
    /// immediately.
    pub fn wait(&self, client: &ClientKey, now: Instant) -> Option<Duration> {
        let each = Duration::from_secs(1) / self.rate.per_second.get();
        let whole = each * self.rate.burst.get();
        let full_at = self.full_at.lock().peek(client).map_or(now, |full_at| now.max(*full_at));
        (full_at + each - now).checked_sub(whole).filter(|over| !over.is_zero())
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

/// Drops up to two buckets per request, so that the cost of cleanup is spread evenly.
fn forget(clients: &mut LruCache<ClientKey, Instant>, now: Instant) {
    for _ in 0..2 {
        let idle = clients.peek_lru().is_some_and(|(_, full_at)| *full_at <= now);
        if idle || clients.len() > CLIENTS_MAX {
            clients.pop_lru();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: u32, burst: u32) -> RateLimiter {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        RateLimiter::new(Rate { per_second, burst })
    }

    fn network(number: u32) -> ClientKey {
        ClientKey::Network(IpAddr::V4(number.into()))
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limiter = limiter(2, 3);
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let left = |ms| limiter.take(network(1), at(ms)).remaining;
        assert_eq!([left(0), left(0), left(0)], [2, 1, 0]);
        let over = limiter.take(network(1), at(0));
        assert_eq!(over.retry_after, Some(Duration::from_millis(500)));
        assert_eq!(over.reset, Duration::from_millis(1500));
        assert!(limiter.take(network(1), at(499)).retry_after.is_some());
        assert_eq!(limiter.take(network(1), at(500)).retry_after, None);
        assert!(limiter.take(network(1), at(500)).retry_after.is_some(), "a refusal costs nothing");
        assert_eq!(limiter.take(network(2), at(500)).remaining, 2, "each client has its own");
        assert_eq!(left(60_000), 2, "no more than a full bucket");
    }

    #[test]
    fn as_many_pass_as_the_rate_says() {
        let limiter = limiter(50, 10);
        let begun = Instant::now();
        let asks = (0..10_000).map(|ms| begun + Duration::from_millis(ms));
        let passed = asks.filter(|now| limiter.take(network(1), *now).retry_after.is_none());
        assert_eq!(passed.count(), 50 * 10 + 9);
    }

    #[test]
    fn idle_clients_are_forgotten_and_their_number_is_bounded() {
        let limiter = limiter(1, 1);
        let begun = Instant::now();
        for number in 0..1000 {
            limiter.take(network(number), begun);
        }
        assert_eq!(limiter.full_at.lock().len(), 1000);
        for number in 0..1000 {
            limiter.take(network(5000 + number), begun + Duration::from_secs(2));
        }
        assert_eq!(limiter.full_at.lock().len(), 1000, "the idle ones have gone");
        for number in 0..(CLIENTS_MAX as u32 + 5000) {
            limiter.take(network(10_000 + number), begun + Duration::from_secs(2));
        }
        assert_eq!(limiter.full_at.lock().len(), CLIENTS_MAX);
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
