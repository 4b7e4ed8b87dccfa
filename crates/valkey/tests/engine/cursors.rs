//! Cursors whose places in the log are gone.

use bytes::Bytes;
use registry_fleet::log::{Cursor, Heard, SharedLog as _};
use registry_fleet::topic::Topic;
use registry_testing::fleet::conformance::snapshot;

use crate::engine::rig::{Replica, servers};

fn topic(text: &str) -> Topic {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_cursor_whose_entry_was_trimmed_reads_the_log_from_its_beginning() {
    let [one_topic, other_topic] = ["one", "other"].map(topic);
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut early = Cursor::default();
        let ours = one.append_all(&one_topic, &["1", "2"]).await;
        assert_eq!(replica.heard(&mut early).await.entries, ours);
        let theirs = one.append_all(&other_topic, &["3"]).await;
        let tail = ours[1].position;
        assert!(one.write(&one_topic, &snapshot(tail, &[b"state"])).await);
        let all = [&ours[..], &theirs[..]].concat();
        assert_eq!(
            replica.heard(&mut Cursor::default()).await.entries,
            all,
            "a topic has no snapshot"
        );
        let mut late = early;
        assert_eq!(replica.heard(&mut late).await.entries, theirs);
        assert!(one.write(&other_topic, &snapshot(theirs[0].position, &[b"state"])).await);
        // The last entry stays: whoever has read it has missed nothing.
        assert_eq!(replica.heard(&mut Cursor::default()).await.entries, theirs);
        let more = one.append_all(&one_topic, &["4"]).await;
        assert_eq!(replica.heard(&mut late).await.entries, more);
        assert_eq!(replica.heard(&mut early).await.entries, [&theirs[..], &more[..]].concat());
        // The topic with the earlier snapshot needs what came since.
        let last = one.append_all(&other_topic, &["5"]).await;
        assert!(one.write(&other_topic, &snapshot(last[0].position, &[b"state"])).await);
        let kept = [theirs, more, last].concat();
        assert_eq!(replica.heard(&mut Cursor::default()).await.entries, kept);
        for forged in ["", "words", "9", "99999999999999999999-0", "9-9999999999999999999999"] {
            server.command(&["HSET", "er:{a}:marks", "other", forged]).await;
            assert!(one.write(&one_topic, &snapshot(kept[1].position, &[b"state"])).await);
            assert_eq!(replica.heard(&mut Cursor::default()).await.entries, kept, "{forged}");
        }
    }
}

#[tokio::test]
async fn a_cursor_reads_both_streams_from_their_beginning_after_a_flush() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        one.post(&topic, b"before").await;
        one.append_all(&topic, &["1", "2"]).await;
        replica.heard(&mut cursor).await;
        // The clock of the server may have gone back, too.
        let ahead = ["9999999999999-1", "9999999999999-2"];
        for (stream, id) in ["er:{a}:log", "er:{a}:requests"].into_iter().zip(ahead) {
            server.command(&["XADD", stream, id, "name", "value"]).await;
        }
        assert_eq!(replica.log.follow(&mut cursor).await.unwrap(), Heard::default());
        assert_eq!(cursor.entries.map(|place| place.millis), Some(9_999_999_999_999));
        server.command(&["FLUSHALL"]).await;
        let again = one.append_all(&topic, &["3"]).await;
        one.post(&topic, b"after").await;
        let heard = replica.heard(&mut cursor).await;
        assert_eq!(heard.entries, again);
        assert_eq!(heard.requests.first().map(|r| r.payload.clone()), Some(Bytes::from("after")));
        // A stream of requests that ends before the cursor is another one.
        server.command(&["DEL", "er:{a}:requests"]).await;
        server.command(&["XADD", "er:{a}:requests", "5-0", "name", "value"]).await;
        assert_eq!(replica.log.follow(&mut cursor).await.unwrap(), Heard::default());
        assert_eq!(cursor.requests.map(|place| place.millis), Some(5));
        assert!(cursor.entries.is_some_and(|place| place.millis > 5), "the log is the same");
    }
}
