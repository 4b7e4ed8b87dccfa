//! The writer is killed, paused, or does not reach its backend: another replica takes over.

use registry_testing::engine_server::Product;

use crate::shared::fleet::{EXTENSIONS, Fleet};
use crate::shared::load::Load;

#[tokio::test(flavor = "multi_thread")]
async fn row_49_the_next_writer_answers_the_webhook_that_came_while_there_was_none() {
    let Some(mut fleet) = Fleet::of_three(Product::Redis).await else { return };
    let killed = fleet.writer().await;
    let load = Load::of(&fleet, (0..3).filter(|place| *place != killed));
    fleet.replicas[killed].kill();
    fleet.publish(4, "2.0.0");
    fleet.deliver((killed + 1) % 3, 4).await;
    fleet.writer_other_than(Some(killed)).await;
    fleet.show((0..3).filter(|place| *place != killed), 4, "2.0.0").await;
    load.goes_on().await;
    fleet.replicas[killed].restart();
    fleet.all_show(4, "2.0.0").await;
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);
    load.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_49_a_writer_that_was_paused_past_its_lease_steps_down() {
    let Some(fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let (paused, held) = (fleet.writer().await, fleet.lease().await);
    let load = Load::of(&fleet, (0..3).filter(|place| *place != paused));
    let pause = fleet.replicas[paused].pause();
    let next = fleet.writer_other_than(Some(paused)).await;
    fleet.publish(5, "2.0.0");
    fleet.deliver(next, 5).await;
    fleet.show((0..3).filter(|place| *place != paused), 5, "2.0.0").await;
    drop(pause);
    fleet.all_show(5, "2.0.0").await;
    // Exactly one is the writer, in a later epoch.
    fleet.agree().await;
    assert_ne!(fleet.lease().await, held);
    load.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_50_a_writer_that_does_not_reach_the_backend_gives_way() {
    let Some(fleet) = Fleet::of_three(Product::Redis).await else { return };
    let cut_off = fleet.writer().await;
    let load = Load::of(&fleet, 0..3);
    fleet.gitea.cut_off(&fleet.replicas[cut_off].token);
    fleet.publish(6, "2.0.0");
    fleet.deliver((cut_off + 1) % 3, 6).await;
    fleet.all_show(6, "2.0.0").await;
    fleet.agree().await;
    assert_ne!(fleet.writer().await, cut_off);
    load.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_49_a_writer_that_is_told_to_stop_gives_its_lease_back() {
    let Some(mut fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let (writer, held) = (fleet.writer().await, fleet.lease().await);
    assert!(!held.is_empty());
    let stopped = fleet.replicas.remove(writer);
    stopped.running.signal("-TERM");
    let (status, _) = stopped.running.wait();
    assert!(status.success(), "{status}");
    // Its lease would last for seven seconds or more: it was renewed within the last three.
    assert_ne!(fleet.lease().await, held, "the lease is still that of the replica that ended");
    fleet.publish(1, "1.1.0");
    fleet.deliver(0, 1).await;
    fleet.all_show(1, "1.1.0").await;
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);
}
