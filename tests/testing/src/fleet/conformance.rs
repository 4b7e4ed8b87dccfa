//! What every engine does, whoever used it before.

mod buckets;
mod fetch_locks;
mod leases;
mod log;
mod snapshots;

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};

pub use self::buckets::buckets;
pub use self::fetch_locks::{fetch_lock_ends, fetch_locks};
pub use self::leases::{lease_ends, leases};
pub use self::log::{entry, first, large_payloads, log};
pub use self::snapshots::{snapshot, snapshots};
use crate::fleet::connected::answered;
use crate::ids::{id, unique};

/// Checks [`PinLedger`], through two replicas of one fleet. An offer that is made again changes nothing.
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
    assert_eq!(answered(|| one.pin(&key, &first)).await, first);
    let second = offer(b"second", false);
    assert_eq!(answered(|| other.pin(&key, &second)).await, first);
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
        assert_eq!(answered(|| other.pin(&another, &second)).await, second, "{another:?}");
    }
    let certain = offer(b"third", true);
    assert_eq!(answered(|| other.pin(&key, &certain)).await, certain, "a confirmed pin is better");
    for late in [offer(b"first", true), offer(b"first", false)] {
        assert_eq!(answered(|| one.pin(&key, &late)).await, certain);
    }
}
