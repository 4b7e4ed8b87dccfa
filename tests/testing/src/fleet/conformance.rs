//! What every engine does, whoever used it before.

mod leases;
mod log;
mod snapshots;

use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_fleet::buckets::{BUCKETS_MAX, BucketUse, Buckets, SharedLimit};
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};

pub use self::leases::{lease_ends, leases};
pub use self::log::{entry, first, large_payloads, log};
pub use self::snapshots::{snapshot, snapshots};
use crate::ids::{id, unique};

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

/// Checks [`PinLedger`], through two replicas of one fleet.
pub async fn pins(one: &dyn PinLedger, other: &dyn PinLedger) {
    let key = PinKey {
        backend: BackendId::OCI,
        extension: id("provider/aws"),
        version: "1.0.0".to_owned(),
        file_name: unique("a b:c.tar.gz"),
    };
    let offer = |bytes: &[u8], confirmed| SharedPin {
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        confirmed,
    };
    let first = offer(b"first", false);
    assert_eq!(one.pin(&key, &first).await.unwrap(), first);
    assert_eq!(other.pin(&key, &offer(b"second", false)).await.unwrap(), first);
    // Another part of the key is another pin, also where the parts together are the same text.
    let name = &key.file_name;
    for another in [
        PinKey { backend: BackendId::GITEA, ..key.clone() },
        PinKey { extension: id("provider/gcp"), ..key.clone() },
        PinKey { version: "1.0.0 ".to_owned(), ..key.clone() },
        PinKey { version: "1.0.0 a".to_owned(), file_name: name[2..].to_owned(), ..key.clone() },
        PinKey { version: String::new(), file_name: format!("1.0.0 {name}"), ..key.clone() },
        PinKey { file_name: format!("{name}\n\0é{}", "x".repeat(1000)), ..key.clone() },
    ] {
        let second = offer(b"second", false);
        assert_eq!(other.pin(&another, &second).await.unwrap(), second, "{another:?}");
    }
    let certain = offer(b"third", true);
    assert_eq!(other.pin(&key, &certain).await.unwrap(), certain, "a confirmed pin is better");
    for late in [offer(b"first", true), offer(b"first", false)] {
        assert_eq!(one.pin(&key, &late).await.unwrap(), certain);
    }
}
