//! Buckets: replicas fill them together.

use std::time::Duration;

use registry_fleet::buckets::{BUCKETS_MAX, BucketUse, Buckets, SharedLimit};
use registry_fleet::failure::Away;
use tokio::time::Instant;

use crate::fleet::connected::answered;
use crate::ids::unique;

const LIMIT: SharedLimit = SharedLimit::Requests;
const SECOND: Duration = Duration::from_secs(1);
const CAPACITY: Duration = Duration::from_secs(20);
/// The server's clock may be set while a check runs.
const SLACK: Duration = Duration::from_millis(100);

/// Checks [`Buckets`], through two replicas of one fleet. A call without an answer may have taken its
/// tokens, so each part begins again with new clients.
pub async fn buckets(one: &dyn Buckets, other: &dyn Buckets) {
    answered(|| replicas_take_together(one, other)).await;
    answered(|| any_text_is_a_client(one)).await;
    answered(|| any_number_is_taken(one)).await;
}

async fn replicas_take_together(one: &dyn Buckets, other: &dyn Buckets) -> Result<(), Away> {
    let begun = Instant::now();
    let [client, second] = [unique("client"), unique("client")];
    let took = one.take(LIMIT, &[bucket(&client, 5 * SECOND)], CAPACITY).await?;
    assert_near(took[0], 5 * SECOND, begun);
    let uses = [bucket(&second, 2 * SECOND), bucket(&client, 3 * SECOND)];
    let took = other.take(LIMIT, &uses, CAPACITY).await?;
    assert_eq!(took.len(), 2);
    assert_near(took[0], 2 * SECOND, begun);
    assert_near(took[1], 8 * SECOND, begun);
    let took = one.take(SharedLimit::WrongTokens, &[bucket(&client, SECOND)], CAPACITY).await?;
    assert_near(took[0], SECOND, begun);
    let took = one.take(LIMIT, &[bucket(&client, 3600 * SECOND)], CAPACITY).await?;
    assert_near(took[0], 2 * CAPACITY, begun);
    Ok(())
}

/// Spaces, separators of keys, other alphabets, hundreds of bytes.
async fn any_text_is_a_client(one: &dyn Buckets) -> Result<(), Away> {
    let begun = Instant::now();
    let long = "x".repeat(1000);
    let odd = ["", " ", "a b", "a:b", "{a}", "é\n\0", "*", &long].map(ToOwned::to_owned);
    let uses: Vec<_> = odd.iter().map(|text| bucket(&unique(text), 4 * SECOND)).collect();
    for until_full in one.take(LIMIT, &uses, CAPACITY).await? {
        assert_near(until_full, 4 * SECOND, begun);
    }
    Ok(())
}

async fn any_number_is_taken(one: &dyn Buckets) -> Result<(), Away> {
    let many: Vec<_> =
        (0..BUCKETS_MAX).map(|_| bucket(&unique("client"), Duration::from_micros(1))).collect();
    assert_eq!(one.take(LIMIT, &many, CAPACITY).await?.len(), BUCKETS_MAX);
    assert!(one.take(LIMIT, &[], CAPACITY).await?.is_empty());
    let nothing = bucket(&unique("client"), Duration::ZERO);
    assert_eq!(one.take(LIMIT, &[nothing], CAPACITY).await?, [Duration::ZERO]);
    Ok(())
}

fn bucket(client: &str, used: Duration) -> BucketUse {
    BucketUse { client: client.to_owned(), used }
}

/// Tokens return while a check runs, which takes as long as the machine is busy.
fn assert_near(until_full: Duration, expected: Duration, begun: Instant) {
    let least = expected.saturating_sub(begun.elapsed() + SLACK);
    assert!((least..=expected).contains(&until_full), "{until_full:?}, not {expected:?}");
}
