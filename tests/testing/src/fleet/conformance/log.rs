//! What the log of every engine does.

use bytes::Bytes;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::leases::LeaseState;
use registry_fleet::log::{LogEntry, PAYLOAD_MAX};
use registry_fleet::topic::Topic;
use tokio::join;

use crate::fleet::connected::Connected;
use crate::ids::unique;

/// An entry that follows a position of the same epoch.
pub fn entry(topic: &Topic, previous: LogPosition, payload: impl Into<Bytes>) -> LogEntry {
    LogEntry { topic: topic.clone(), position: previous.next(), previous, payload: payload.into() }
}

/// The first entry of an epoch, behind the last one of before.
pub fn first(
    topic: &Topic,
    epoch: Epoch,
    tail: LogPosition,
    payload: impl Into<Bytes>,
) -> LogEntry {
    LogEntry { previous: tail, ..entry(topic, LogPosition::first_of(epoch), payload) }
}

/// Checks [`SharedLog`](registry_fleet::log::SharedLog), through two replicas of one fleet.
pub async fn log(one: &Connected<'_>, other: &Connected<'_>) {
    entries_come_in_order(one, other).await;
    only_the_holder_appends_behind_the_tail(one, other).await;
    requests_stay_until_they_are_answered(one, other).await;
}

async fn entries_come_in_order(one: &Connected<'_>, other: &Connected<'_>) {
    let [topic, apart]: [Topic; 2] = [(); 2].map(|()| unique("topic").parse().unwrap());
    let (epoch, tail) = one.hold(&topic).await;
    let (apart_epoch, _) = other.hold(&apart).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut entries = vec![first(&topic, epoch, tail, every_byte)];
    for payload in ["", "\r\n$-1\r\n", "é"] {
        entries.push(entry(&topic, entries.last().unwrap().position, payload));
    }
    let theirs = first(&apart, apart_epoch, LogPosition::START, "theirs");
    assert!(one.append(&entries[0], &[]).await && other.append(&theirs, &[]).await);
    assert!(one.append(&entries[1], &[]).await && one.append(&entries[2], &[]).await);
    let mut following = other.following(&topic);
    assert_eq!(following.until(entries[2].position).await, entries[..3]);
    // The next one comes to whoever waits for it, and the ones before do not come again.
    let (heard, is_appended) =
        join!(following.until(entries[3].position), one.append(&entries[3], &[]));
    assert!(is_appended);
    assert_eq!(heard, entries[3..]);
    let again = other.following(&topic).until(entries[3].position).await;
    assert_eq!(again, entries, "a new cursor is before everything");
    assert_eq!(one.following(&apart).until(theirs.position).await, [theirs]);
    let seen = one.take(&topic, Epoch::default(), 0).await;
    assert_eq!(seen, LeaseState::Held { epoch, tail: entries[3].position });
}

async fn only_the_holder_appends_behind_the_tail(one: &Connected<'_>, other: &Connected<'_>) {
    let topic: Topic = unique("topic").parse().unwrap();
    let unheld = first(&topic, Epoch { number: 1, nonce: 7 }, LogPosition::START, "unheld");
    assert!(!one.append(&unheld, &[]).await, "without a lease");
    let (epoch, tail) = one.hold(&topic).await;
    let start = first(&topic, epoch, tail, "first");
    assert!(!other.append(&start, &[]).await, "another replica holds it");
    for wrong in
        [Epoch { nonce: epoch.nonce + 1, ..epoch }, Epoch { number: epoch.number + 1, ..epoch }]
    {
        assert!(!one.append(&first(&topic, wrong, tail, "wrong"), &[]).await, "{wrong}");
    }
    assert!(one.append(&start, &[]).await);
    let second = entry(&topic, start.position, "second");
    let beyond = entry(&topic, second.position, "beyond");
    for wrong in [
        &start,
        &beyond,
        &LogEntry { position: start.position, ..second.clone() },
        &LogEntry { position: LogPosition::first_of(epoch), ..second.clone() },
        &LogEntry { previous: LogPosition::START, ..second.clone() },
    ] {
        assert!(!one.append(wrong, &[]).await, "{} behind {}", wrong.position, wrong.previous);
    }
    assert!(one.append(&second, &[]).await);
    one.release(&topic, epoch).await;
    assert!(!one.append(&beyond, &[]).await, "the lease has ended");
    let (later, tail) = other.hold(&topic).await;
    assert!(later.number > epoch.number && tail == second.position, "{later} {tail}");
    assert!(!one.append(&beyond, &[]).await, "the lease is another's");
    let third = first(&topic, later, tail, "third");
    assert!(other.append(&third, &[]).await);
    let heard = one.following(&topic).until(third.position).await;
    assert_eq!(heard, [start, second, third], "refused entries leave nothing");
}

async fn requests_stay_until_they_are_answered(one: &Connected<'_>, other: &Connected<'_>) {
    let topic: Topic = unique("topic").parse().unwrap();
    let (epoch, tail) = one.hold(&topic).await;
    let mut following = one.following(&topic);
    other.post(&topic, b"asked \0\xff").await;
    let asked = following.until_request(b"asked \0\xff").await;
    one.post(&topic, b"").await;
    let empty = following.until_request(b"").await;
    assert!(asked.iter().max() < empty.iter().min(), "in order");
    let start = first(&topic, epoch, tail, "answer");
    let fenced = LogEntry { previous: LogPosition::first_of(epoch), ..start.clone() };
    assert!(!one.append(&fenced, &asked).await);
    other.following(&topic).until_request(b"asked \0\xff").await;
    assert!(one.append(&start, &asked).await);
    let mut later = other.following(&topic);
    later.until_request(b"").await;
    assert!(later.requests.iter().all(|request| request.payload.is_empty()), "{later:?}");
    // Answered twice, and never posted.
    let unknown = registry_fleet::log::StreamPlace { millis: 1, number: 1 };
    let places = [asked, empty, vec![unknown]].concat();
    let second = entry(&topic, start.position, "second");
    assert!(one.append(&second, &places).await);
    let heard = following.requests.len();
    assert_eq!(following.until(second.position).await, [start, second]);
    // The place of the last request is gone, and those that come are behind it nevertheless.
    other.post(&topic, b"next").await;
    following.until_request(b"next").await;
    assert!(following.requests[heard..].iter().all(|r| r.payload == b"next"[..]), "{following:?}");
}

/// Checks payloads near [`PAYLOAD_MAX`].
pub async fn large_payloads(one: &Connected<'_>, other: &Connected<'_>) {
    let topic: Topic = unique("topic").parse().unwrap();
    let (epoch, tail) = one.hold(&topic).await;
    let mut mixed = Vec::with_capacity(PAYLOAD_MAX);
    mixed.extend((0..PAYLOAD_MAX * 3 / 4).map(|at| (at * 31 % 251) as u8));
    let start = first(&topic, epoch, tail, mixed);
    let second = entry(&topic, start.position, "small");
    assert!(one.append(&start, &[]).await && one.append(&second, &[]).await);
    let heard = other.following(&topic).until(second.position).await;
    assert!(heard == [start, second], "{} entries", heard.len());
}
