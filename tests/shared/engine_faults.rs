//! Three replicas whose engine fails, for all of them or for one.

use std::time::Duration;

use registry_testing::engine_proxy::Way;
use registry_testing::engine_server::Product;

use crate::shared::fleet::{EXTENSIONS, Fleet};
use crate::shared::load::Load;

/// Changes the backend twice and tells one replica, which is alone.
async fn change_alone(fleet: &Fleet, versions: [&str; 2]) {
    for replica in &fleet.replicas {
        replica.loses_engine().await;
    }
    for version in versions {
        fleet.publish(2, version);
        fleet.deliver(1, 2).await;
        fleet.show([1], 2, version).await;
    }
}

/// Waits until all show the change again, and nothing was refused meanwhile.
async fn change_reaches_all(fleet: &Fleet, load: &Load, version: &str) {
    load.goes_on().await;
    fleet.all_show(2, version).await;
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);
    load.goes_on().await;
}

async fn lose_the_engine_and_serve(product: Product) {
    let Some(mut fleet) = Fleet::of_three(product).await else { return };
    let load = Load::of(&fleet, 0..3);

    fleet.engine.kill().await;
    change_alone(&fleet, ["2.0.0", "2.0.1"]).await;
    load.goes_on().await;
    fleet.engine.restart().await;
    change_reaches_all(&fleet, &load, "2.0.1").await;

    fleet.engine.signal("-STOP");
    change_alone(&fleet, ["2.1.0", "2.1.1"]).await;
    load.goes_on().await;
    fleet.engine.signal("-CONT");
    change_reaches_all(&fleet, &load, "2.1.1").await;

    fleet.set_ways(Way::Slow(Duration::from_millis(300)));
    change_alone(&fleet, ["2.2.0", "2.2.1"]).await;
    load.goes_on().await;
    fleet.set_ways(Way::Open);
    change_reaches_all(&fleet, &load, "2.2.1").await;

    fleet.engine.command(&["FLUSHALL"]).await;
    fleet.publish(2, "2.3.0");
    fleet.deliver(1, 2).await;
    change_reaches_all(&fleet, &load, "2.3.0").await;

    fleet.engine.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    fleet.publish(2, "2.4.0");
    fleet.deliver(1, 2).await;
    fleet.show([1], 2, "2.4.0").await;
    load.goes_on().await;
    fleet.engine.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    change_reaches_all(&fleet, &load, "2.4.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_37_three_replicas_lose_redis_and_are_equal_again() {
    lose_the_engine_and_serve(Product::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_37_three_replicas_lose_valkey_and_are_equal_again() {
    lose_the_engine_and_serve(Product::Valkey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_37_a_replica_that_is_cut_off_from_the_engine_serves_and_catches_up() {
    let Some(fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let load = Load::of(&fleet, 0..3);
    let writer = fleet.writer().await;
    let follower = (writer + 1) % 3;
    fleet.replicas[follower].proxy.set(Way::Cut);
    fleet.replicas[follower].loses_engine().await;
    fleet.publish(3, "2.0.0");
    fleet.deliver(writer, 3).await;
    fleet.agree_without(Some(follower)).await;
    fleet.show((0..3).filter(|place| *place != follower), 3, "2.0.0").await;
    assert_eq!(fleet.replicas[follower].version(3).await, "1.0.0");
    load.goes_on().await;
    fleet.replicas[follower].proxy.set(Way::Open);
    fleet.all_show(3, "2.0.0").await;
    fleet.agree().await;

    fleet.replicas[writer].proxy.set(Way::Cut);
    let next = fleet.writer_other_than(Some(writer)).await;
    fleet.publish(3, "2.1.0");
    fleet.deliver(next, 3).await;
    fleet.show((0..3).filter(|place| *place != writer), 3, "2.1.0").await;
    load.goes_on().await;
    fleet.replicas[writer].proxy.set(Way::Open);
    fleet.all_show(3, "2.1.0").await;
    fleet.agree().await;
    load.goes_on().await;
}
