//! Merges the token buckets of this replica with those that all replicas share.
//!
//! A request is decided by the local bucket alone, so that it waits for nothing. What was given out is
//! told afterwards, and the answer says what all replicas gave out.

use std::time::Duration;

use registry_fleet::buckets::{BUCKETS_MAX, Buckets, SharedLimit};
use tokio::time::{Instant, sleep, timeout};

use crate::edge::rate_limit::RateLimiter;

/// Time between two merges, after the pause.
const MERGE_EVERY: Duration = Duration::from_millis(90);
/// Minimum time between two merges, however many new clients there are.
const PAUSE: Duration = Duration::from_millis(10);

/// Merges the buckets of a limiter without end.
pub(super) async fn share(limiter: &RateLimiter, limit: SharedLimit, buckets: &dyn Buckets) {
    let Some(unshared) = limiter.unshared() else { return };
    loop {
        // A client that is new here may have used up its share elsewhere.
        let _ = timeout(MERGE_EVERY, unshared.new_client()).await;
        merge(limiter, limit, buckets).await;
        sleep(PAUSE).await;
    }
}

async fn merge(limiter: &RateLimiter, limit: SharedLimit, buckets: &dyn Buckets) {
    let Some(unshared) = limiter.unshared() else { return };
    let used = unshared.remove_all();
    for some in used.chunks(BUCKETS_MAX) {
        let uses: Vec<_> =
            some.iter().map(|(client, tokens)| limiter.use_of(client, *tokens)).collect();
        // A failed call may have been carried out: told again, the tokens could count twice. The
        // local buckets hold without it.
        let Ok(until_full) = buckets.take(limit, &uses, limiter.capacity()).await else { return };
        let now = Instant::now();
        for ((client, _), until_full) in some.iter().zip(until_full) {
            limiter.raise(client.clone(), until_full, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use registry_core::token_bucket::Rate;
    use registry_testing::fleet::buckets::MemoryBuckets;
    use tokio::task::JoinSet;

    use super::*;
    use crate::edge::rate_limit::ClientKey;

    const CLIENT: ClientKey = ClientKey::Network(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn limiter(per_second: u32, burst: u32) -> Arc<RateLimiter> {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        Arc::new(RateLimiter::new(Rate { per_second, burst }).shared())
    }

    /// Sends `demand` requests a second to random replicas for a minute. Returns how many pass,
    /// relative to what one replica lets pass.
    async fn passed(replicas: usize, rate: (u32, u32), demand: u32, buckets: MemoryBuckets) -> f64 {
        let mut random = fastrand::Rng::with_seed(u64::from(demand) + replicas as u64);
        let (per_second, burst) = rate;
        let limiters: Vec<_> = (0..replicas).map(|_| limiter(per_second, burst)).collect();
        let buckets = Arc::new(buckets);
        let mut tasks = JoinSet::new();
        for limiter in &limiters {
            let (limiter, buckets) = (Arc::clone(limiter), Arc::clone(&buckets));
            let late = Duration::from_millis(random.u64(0..100));
            tasks.spawn(async move {
                sleep(late).await;
                share(&limiter, SharedLimit::Requests, &*buckets).await;
            });
        }
        let mut passed = 0;
        for _ in 0..60 * demand {
            sleep(Duration::from_secs(1) / demand).await;
            let limiter = random.choice(&limiters).unwrap();
            passed += u32::from(limiter.take(CLIENT, Instant::now()).retry_after.is_none());
        }
        f64::from(passed) / f64::from(per_second * 60 + burst)
    }

    #[tokio::test(start_paused = true)]
    async fn three_replicas_let_as_much_pass_as_one() {
        for (rate, demand) in [((50, 100), 500), ((10, 20), 50), ((100, 100), 1000)] {
            let share = passed(3, rate, demand, MemoryBuckets::default()).await;
            assert!((0.95..=1.1).contains(&share), "{share} of {rate:?} at {demand}/s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn thirty_replicas_let_little_more_pass_than_one() {
        let share = passed(30, (50, 100), 500, MemoryBuckets::default()).await;
        assert!((0.95..=1.1).contains(&share), "{share}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_engine_each_replica_holds_its_own_limit() {
        let share = passed(3, (50, 100), 500, MemoryBuckets::away()).await;
        assert!((2.9..=3.0).contains(&share), "{share}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_used_up_its_share_elsewhere_is_held_up_after_one_request() {
        let buckets = Arc::new(MemoryBuckets::default());
        let [one, other] = [limiter(1, 10), limiter(1, 10)];
        let now = Instant::now();
        while one.take(CLIENT, now).retry_after.is_none() {}
        merge(&one, SharedLimit::Requests, &*buckets).await;
        assert!(other.take(CLIENT, now).retry_after.is_none());
        let task = tokio::spawn({
            let (other, buckets) = (Arc::clone(&other), Arc::clone(&buckets));
            async move { share(&other, SharedLimit::Requests, &*buckets).await }
        });
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(other.take(CLIENT, now).retry_after.is_some(), "merged at once");
        assert_eq!(buckets.calls(), 2);
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_forged_answer_holds_a_client_up_for_twice_its_capacity_at_most() {
        let limiter = limiter(1, 10);
        let now = Instant::now();
        limiter.raise(CLIENT, Duration::MAX, now);
        assert_eq!(limiter.wait(&CLIENT, now), Some(Duration::from_secs(11)));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_of_many_clients_are_merged_in_calls_of_a_bounded_size() {
        let (limiter, buckets) = (limiter(1, 10), MemoryBuckets::default());
        for number in 0..1200_u32 {
            limiter.take(ClientKey::Network(IpAddr::V4(number.into())), Instant::now());
        }
        merge(&limiter, SharedLimit::Requests, &buckets).await;
        assert_eq!((buckets.calls(), buckets.largest_call()), (3, BUCKETS_MAX));
        merge(&limiter, SharedLimit::Requests, &buckets).await;
        assert_eq!(buckets.calls(), 3, "nothing is told twice, and nothing is no call");
    }
}
