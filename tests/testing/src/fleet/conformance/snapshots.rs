//! What the snapshots of every engine do.

use bytes::Bytes;
use registry_fleet::epoch::LogPosition;
use registry_fleet::snapshots::{SEGMENT_MAX, TopicSnapshot};
use registry_fleet::topic::Topic;

use super::log::{entry, first};
use crate::fleet::connected::Connected;
use crate::ids::unique;

/// A snapshot with these segments.
pub fn snapshot(position: LogPosition, segments: &[&[u8]]) -> TopicSnapshot {
    let segments = segments.iter().map(|segment| Bytes::copy_from_slice(segment)).collect();
    TopicSnapshot { position, segments }
}

/// Checks [`Snapshots`](registry_fleet::snapshots::Snapshots), through two replicas of one fleet.
pub async fn snapshots(one: &Connected<'_>, other: &Connected<'_>) {
    a_snapshot_of_the_tail_is_read_by_all(one, other).await;
    a_snapshot_begins_an_epoch(one, other).await;
    segments_have_any_content(one, other).await;
}

async fn a_snapshot_of_the_tail_is_read_by_all(one: &Connected<'_>, other: &Connected<'_>) {
    let [topic, apart]: [Topic; 2] = [(); 2].map(|()| unique("topic").parse().unwrap());
    assert_eq!(other.read(&topic, LogPosition::START).await, None, "there is none");
    let (epoch, tail) = one.hold(&topic).await;
    let start = first(&topic, epoch, tail, "first");
    assert!(one.append(&start, &[]).await);
    let of_first = snapshot(start.position, &[b"one", b"two"]);
    assert!(!other.write(&topic, &of_first).await, "another replica has the lease");
    for wrong in [start.position.next(), LogPosition { sequence: 7, ..start.position }] {
        assert!(!one.write(&topic, &snapshot(wrong, &[])).await, "{wrong} is not the tail");
    }
    assert_eq!(other.read(&topic, LogPosition::START).await, None, "a refused one leaves nothing");
    assert!(one.write(&topic, &of_first).await);
    assert_eq!(other.read(&topic, LogPosition::START).await, Some(of_first.clone()));
    assert_eq!(one.read(&topic, tail).await, Some(of_first.clone()));
    assert_eq!(other.read(&topic, start.position).await, None, "it is known");
    assert_eq!(other.read(&topic, start.position.next()).await, None, "more is known");
    assert_eq!(other.read(&apart, LogPosition::START).await, None, "another topic has none");
    let second = entry(&topic, start.position, "second");
    assert!(one.append(&second, &[]).await);
    assert!(!one.write(&topic, &of_first).await, "the log went on");
    assert_eq!(other.read(&topic, LogPosition::START).await, Some(of_first), "it stays");
    let of_second = snapshot(second.position, &[b"two", b"three"]);
    assert!(one.write(&topic, &of_second).await);
    assert_eq!(other.read(&topic, start.position).await, Some(of_second));
}

async fn a_snapshot_begins_an_epoch(one: &Connected<'_>, other: &Connected<'_>) {
    let topic: Topic = unique("topic").parse().unwrap();
    let (epoch, _) = one.hold(&topic).await;
    let begin = LogPosition::first_of(epoch);
    assert!(one.write(&topic, &snapshot(begin, &[b"state"])).await);
    let unconnected = first(&topic, epoch, LogPosition::START, "unconnected");
    assert!(!one.append(&unconnected, &[]).await, "the snapshot is before it");
    let start = entry(&topic, begin, "first");
    assert!(one.append(&start, &[]).await);
    one.release(&topic, epoch).await;
    let (later, tail) = other.hold(&topic).await;
    assert_eq!(tail, start.position);
    let again = snapshot(LogPosition::first_of(later), &[b"other state"]);
    assert!(!one.write(&topic, &again).await, "the epoch is another's");
    assert!(other.write(&topic, &again).await, "whatever came before");
    assert_eq!(one.read(&topic, start.position).await, Some(again.clone()));
    let (_, tail) = other.hold(&topic).await;
    assert_eq!(tail, again.position);
    let next = entry(&topic, again.position, "next");
    assert!(other.append(&next, &[]).await);
    let mut following = one.following(&topic);
    assert_eq!(following.until(next.position).await.last(), Some(&next));
}

async fn segments_have_any_content(one: &Connected<'_>, other: &Connected<'_>) {
    let [topic, apart]: [Topic; 2] = [(); 2].map(|()| unique("topic").parse().unwrap());
    let every_byte: Vec<u8> = (0..=255).collect();
    let largest = vec![0xa5; SEGMENT_MAX];
    for topic in [&topic, &apart] {
        let (epoch, _) = one.hold(topic).await;
        let begin = LogPosition::first_of(epoch);
        for segments in [&[][..], &[b"".as_slice()], &[&every_byte, &largest, &every_byte]] {
            let written = snapshot(begin, segments);
            assert!(one.write(topic, &written).await, "written again before the first entry");
            assert!(other.read(topic, LogPosition::START).await == Some(written));
        }
    }
}
