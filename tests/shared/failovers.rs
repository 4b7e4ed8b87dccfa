//! Three replicas whose server is replaced by one of its own replicas.

use std::mem::replace;
use std::time::Duration;

use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::sentinels::catches_up;
use tokio::time::sleep;

use crate::shared::fleet::{EXTENSIONS, Fleet};
use crate::shared::load::Load;

#[tokio::test(flavor = "multi_thread")]
async fn row_53_replicas_follow_sentinels_to_the_next_primary() {
    let Some(fleet) = Fleet::with_sentinels(Product::Redis).await else { return };
    let load = Load::of(&fleet, 0..3);
    fleet.engine.servers[0].signal("-STOP");
    for replica in &fleet.replicas {
        replica.loses_engine().await;
    }
    fleet.publish(2, "2.0.0");
    fleet.deliver(1, 2).await;
    load.goes_on().await;
    fleet.engine.all_name(1).await;
    fleet.all_show(2, "2.0.0").await;
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);

    // The old primary does not know yet that it is none, and takes a write.
    fleet.engine.servers[0].signal("-CONT");
    assert_eq!(fleet.engine.servers[0].command(&["FLUSHALL"]).await, "+OK");
    fleet.engine.is_replica(0).await;
    fleet.publish(3, "2.0.0");
    fleet.deliver(0, 3).await;
    fleet.all_show(3, "2.0.0").await;
    fleet.all_show(2, "2.0.0").await;
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);
    load.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_53_a_failover_that_loses_the_last_writes_shows_nothing_older() {
    let Some(mut fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let Some(next) = EngineServer::start(Product::Valkey, "").await else { return };
    let port = fleet.engine.proxy.address.port().to_string();
    next.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    catches_up(&next, &fleet.engine).await;
    next.command(&["REPLICAOF", "NO", "ONE"]).await;
    // The next server never gets these.
    for (number, version) in [(2, "2.0.0"), (3, "2.0.0"), (2, "2.1.0")] {
        fleet.publish(number, version);
        fleet.deliver(1, number).await;
        fleet.all_show(number, version).await;
    }
    let load = Load::of(&fleet, 0..3);
    for replica in &fleet.replicas {
        next.takes_over(&replica.proxy);
    }
    replace(&mut fleet.engine, next).kill().await;
    for replica in &fleet.replicas {
        replica.loses_engine().await;
    }
    tokio::select! {
        biased;
        () = keep(&fleet, [(2, "2.1.0"), (3, "2.0.0")]) => {}
        agreed = fleet.agree() => assert_eq!(agreed.len(), EXTENSIONS),
    }
    fleet.publish(3, "2.2.0");
    fleet.deliver(2, 3).await;
    fleet.all_show(3, "2.2.0").await;
    fleet.agree().await;
    // A replica without state gets everything from the next server.
    let fresh = fleet.add().await;
    fleet.agree().await;
    fleet.show([fresh], 2, "2.1.0").await;
    load.goes_on().await;
}

/// Fails as soon as a replica shows another version. Never ends otherwise.
async fn keep(fleet: &Fleet, shown: [(usize, &str); 2]) {
    loop {
        for (place, replica) in fleet.replicas.iter().enumerate() {
            for (number, version) in shown {
                assert_eq!(replica.version(number).await, version, "replica {place}");
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
}
