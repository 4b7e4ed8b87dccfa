//! Locks of fetches that no replica took.

use registry_core::models::digest::Digest;
use registry_fleet::fetch_locks::FetchLocks as _;

use crate::engine::rig::{Replica, servers};

#[tokio::test]
async fn a_forged_lock_counts_as_none_or_ends_like_any_other() {
    let archive = Digest::sha256(b"archive");
    let key = format!("er:{{a}}:fetch:sha256:{}", archive.hex());
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let locks = replica.fetch_locks("one");
        for forged in [
            &["SET", &key, "stranger"][..],
            &["SET", &key, "stranger", "PX", "900000"],
            &["LPUSH", &key, "stranger"],
            &["HSET", &key, "stranger", "1"],
        ] {
            server.command(&["DEL", &key]).await;
            server.command(forged).await;
            assert!(locks.take(&archive).await.unwrap(), "{forged:?}");
        }
        server.command(&["SET", &key, "stranger", "PX", "9000"]).await;
        assert!(!locks.take(&archive).await.unwrap(), "it ends within nine seconds");
    }
}
