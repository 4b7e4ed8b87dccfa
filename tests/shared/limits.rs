//! The rate limit of several replicas.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::shared::rig::{Replica, servers};

const BURST: u32 = 60;

/// Sends three times the burst to the replicas in turn. Returns how many pass, and in how many seconds.
async fn passed(replicas: &[Replica]) -> (u32, u64) {
    let begun = Instant::now();
    let mut passed = 0;
    for turn in 0..BURST * 3 {
        let replica = &replicas[turn as usize % replicas.len()];
        passed += u32::from(replica.is_let_in().await);
        // Twenty or so requests between two merges of a replica.
        sleep(Duration::from_millis(5)).await;
    }
    (passed, begun.elapsed().as_secs() + 1)
}

#[tokio::test]
async fn three_replicas_share_a_limit_and_hold_their_own_without_the_engine() {
    for mut server in servers().await {
        let mut replicas = Vec::new();
        for _ in 0..3 {
            replicas.push(Replica::start(&server, 's', BURST).await);
        }
        for replica in &replicas {
            replica.until(|shared| shared["replicas"] == 3).await;
        }
        let (passed_together, seconds) = passed(&replicas).await;
        let most = f64::from(BURST) * 1.1 + 1.1 * seconds as f64 + 1.0;
        assert!(f64::from(passed_together) <= most, "{passed_together} in {seconds} s");
        server.kill().await;
        for replica in &replicas {
            // What they knew of each other holds on; then each has its own bucket.
            replica.until(|shared| shared["healthy"] == false).await;
        }
        let (passed_alone, seconds) = passed(&replicas).await;
        let most = 3 * (BURST + u32::try_from(seconds).unwrap());
        assert!(passed_alone <= most, "{passed_alone} in {seconds} s");
    }
}
