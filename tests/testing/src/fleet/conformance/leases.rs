//! What the leases of every engine do.

use std::time::Duration;

use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::leases::{LEASE, LeaseState};
use registry_fleet::topic::Topic;
use tokio::time::{Instant, sleep};

use crate::fleet::connected::Connected;
use crate::ids::unique;

const UNSEEN: Epoch = Epoch { number: 0, nonce: 0 };

fn epoch(number: u64, nonce: u16) -> Epoch {
    Epoch { number, nonce }
}

fn held(number: u64, nonce: u16) -> LeaseState {
    LeaseState::Held { epoch: epoch(number, nonce), tail: LogPosition::START }
}

fn taken(number: u64, nonce: u16) -> LeaseState {
    LeaseState::Taken { epoch: epoch(number, nonce) }
}

/// Checks [`Leases`](registry_fleet::leases::Leases), through two replicas of one fleet.
pub async fn leases(one: &Connected<'_>, other: &Connected<'_>) {
    let topic: Topic = unique("topic").parse().unwrap();
    assert_eq!(one.take(&topic, UNSEEN, 0xff).await, held(1, 0xff));
    assert_eq!(one.take(&topic, UNSEEN, 0xee).await, held(1, 0xff), "a renewal keeps the epoch");
    assert_eq!(other.take(&topic, UNSEEN, 0xdd).await, taken(1, 0xff));
    let apart: Topic = unique("topic").parse().unwrap();
    assert_eq!(other.take(&apart, UNSEEN, 0xffff).await, held(1, 0xffff), "another topic");
    // Neither a replica that does not hold it nor an epoch of before ends it.
    other.release(&topic, epoch(1, 0xff)).await;
    one.release(&topic, epoch(1, 0xfe)).await;
    one.release(&topic, epoch(2, 0xff)).await;
    assert_eq!(other.take(&topic, UNSEEN, 0xdd).await, taken(1, 0xff));
    one.release(&topic, epoch(1, 0xff)).await;
    assert_eq!(other.take(&topic, UNSEEN, 0xdd).await, held(2, 0xdd), "the counter stays");
    other.release(&topic, epoch(2, 0xdd)).await;
    let seen = epoch(40, 3);
    assert_eq!(one.take(&topic, seen, 0).await, held(41, 0), "above what the replica has seen");
    assert_eq!(other.take(&topic, epoch(41, 0), 1).await, taken(41, 0));
    // Followers that have seen a higher epoch ignore the holder of a lower one.
    assert_eq!(other.take(&topic, epoch(41, 1), 1).await, held(42, 1), "a lower lease is void");
    assert_eq!(one.take(&topic, epoch(41, 1), 2).await, taken(42, 1));
    assert_eq!(other.take(&topic, epoch(50, 0), 5).await, held(51, 5), "also the own one");
}

/// Checks that a lease ends [`LEASE`] after its last renewal. Takes that long.
pub async fn lease_ends(one: &Connected<'_>, other: &Connected<'_>) {
    let topic: Topic = unique("topic").parse().unwrap();
    one.take(&topic, UNSEEN, 1).await;
    let renewed = Instant::now();
    assert_eq!(one.take(&topic, UNSEEN, 2).await, held(1, 1));
    while other.take(&topic, UNSEEN, 3).await == taken(1, 1) {
        assert!(renewed.elapsed() < 3 * LEASE, "the lease does not end");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(renewed.elapsed() >= LEASE, "{:?}", renewed.elapsed());
    assert_eq!(other.take(&topic, UNSEEN, 4).await, held(2, 3));
    assert_eq!(one.take(&topic, UNSEEN, 5).await, taken(2, 3));
}
