//! What the buckets of every engine do, whoever used them before.

use std::time::Duration;

use registry_fleet::buckets::{BUCKETS_MAX, BucketUse, Buckets, SharedLimit};

use crate::ids::unique;

const SECOND: Duration = Duration::from_secs(1);
/// More than a slow machine needs between two calls, less than a token in the checks.
const SLACK: Duration = Duration::from_millis(900);

fn bucket(client: &str, used: Duration) -> BucketUse {
    BucketUse { client: client.to_owned(), used }
}

fn assert_near(until_full: Duration, expected: Duration) {
    let least = expected.saturating_sub(SLACK);
    assert!((least..=expected).contains(&until_full), "{until_full:?}, not {expected:?}");
}

/// Checks [`Buckets`], through two replicas of one fleet.
pub async fn buckets(one: &dyn Buckets, other: &dyn Buckets) {
    let (limit, capacity) = (SharedLimit::Requests, 20 * SECOND);
    let [client, second] = [unique("client"), unique("client")];
    let took = one.take(limit, &[bucket(&client, 5 * SECOND)], capacity).await.unwrap();
    assert_near(took[0], 5 * SECOND);
    let uses = [bucket(&second, 2 * SECOND), bucket(&client, 3 * SECOND)];
    let took = other.take(limit, &uses, capacity).await.unwrap();
    assert_eq!(took.len(), 2);
    assert_near(took[0], 2 * SECOND);
    assert_near(took[1], 8 * SECOND);
    let apart = SharedLimit::WrongTokens;
    let took = one.take(apart, &[bucket(&client, SECOND)], capacity).await.unwrap();
    assert_near(took[0], SECOND);
    let took = one.take(limit, &[bucket(&client, 3600 * SECOND)], capacity).await.unwrap();
    assert_near(took[0], 2 * capacity);
    // Any text is a client: spaces, separators of keys, other alphabets, hundreds of bytes.
    let long = "x".repeat(1000);
    let odd = ["", " ", "a b", "a:b", "{a}", "é\n\0", "*", &long].map(ToOwned::to_owned);
    let uses: Vec<_> = odd.iter().map(|text| bucket(&unique(text), 4 * SECOND)).collect();
    for until_full in one.take(limit, &uses, capacity).await.unwrap() {
        assert_near(until_full, 4 * SECOND);
    }
    let many: Vec<_> =
        (0..BUCKETS_MAX).map(|_| bucket(&unique("client"), Duration::from_micros(1))).collect();
    assert_eq!(one.take(limit, &many, capacity).await.unwrap().len(), BUCKETS_MAX);
    assert!(one.take(limit, &[], capacity).await.unwrap().is_empty());
    let brief = one.take(limit, &[bucket(&unique("client"), Duration::ZERO)], capacity).await;
    assert_eq!(brief.unwrap(), [Duration::ZERO]);
}
