//! Items of the log, leases and tails that no replica wrote.

use bytes::Bytes;
use registry_fleet::epoch::{Epoch, Position};
use registry_fleet::failure::AwayReason;
use registry_fleet::leases::{LeaseState, Leases as _};
use registry_fleet::log::{Cursor, Log as _, LogEntry};
use registry_fleet::topic::Topic;
use registry_testing::engine_server::EngineServer;
use registry_testing::fleet::conformance::{entry, first};
use registry_testing::log::Lines;
use tracing::Level;

use crate::engine::rig::{Replica, secrets, servers, settings};

const LOG: &str = "er:{a}:log";
const REQUESTS: &str = "er:{a}:requests";

/// Names and values of the fields of a stream's last item.
async fn last_fields(server: &EngineServer, stream: &str) -> Vec<String> {
    let item = server.command(&["XREVRANGE", stream, "+", "-", "COUNT", "1"]).await;
    let values = item.lines().filter(|line| !line.starts_with(['*', '$', ':']));
    // The first one is the id.
    values.skip(1).map(str::to_owned).collect()
}

async fn add(server: &EngineServer, stream: &str, fields: &[String]) {
    let fields = fields.iter().map(String::as_str);
    let command: Vec<&str> = ["XADD", stream, "*"].into_iter().chain(fields).collect();
    let id = server.command(&command).await;
    assert!(id.starts_with('$'), "{id}");
}

/// The fields with another value of one of them.
fn with(fields: &[String], name: &str, value: &str) -> Vec<String> {
    let mut changed = fields.to_vec();
    let at = fields.iter().position(|field| field == name).unwrap();
    value.clone_into(&mut changed[at + 1]);
    changed
}

#[tokio::test]
async fn forged_changed_and_moved_entries_are_left_out_and_told_once() {
    for server in servers("").await {
        let (lines, _guard) = Lines::capture(Level::WARN);
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let topic: Topic = "topic".parse().unwrap();
        let (epoch, tail) = one.hold(&topic).await;
        let start = first(&topic, epoch, tail, "first");
        assert!(one.append(&start, &[]).await);
        let ours = last_fields(&server, LOG).await;
        let mut forged = vec![
            with(&ours, "topic", "other"),
            with(&ours, "topic", "no topic"),
            with(&ours, "position", "1.0007.2"),
            with(&ours, "position", "words"),
            with(&ours, "previous", "0.0000.1"),
            with(&ours, "payload", "forged"),
            with(&ours, "mac", &"0".repeat(32)),
            with(&ours, "mac", ""),
            with(&ours, "mac", "é"),
            ours[..8].to_vec(),
            [&ours[2..], &ours[..2]].concat(),
            [&ours[..], &ours[..2]].concat(),
            vec!["x".to_owned(), "x".repeat(1_000_000)],
        ];
        // A request with the signature of an entry, and an entry with that of a request.
        one.post(&topic, b"first").await;
        let request = last_fields(&server, REQUESTS).await;
        forged.push(with(&ours, "mac", &request[5]));
        forged.push(request.clone());
        for fields in &forged {
            add(&server, LOG, fields).await;
        }
        let foreign = Replica::new(settings(&server, "a"), None, secrets("f"));
        foreign.connected().await;
        let theirs: Topic = "theirs".parse().unwrap();
        let (their_epoch, tail) = foreign.named("three").hold(&theirs).await;
        let foreign_entry = first(&theirs, their_epoch, tail, "theirs");
        assert!(foreign.named("three").append(&foreign_entry, &[]).await);
        let second = entry(&topic, start.position, "second");
        assert!(one.append(&second, &[]).await);
        lines.take();
        let mut cursor = Cursor::default();
        let heard = replica.log.follow(&mut cursor).await.unwrap();
        assert_eq!(heard.entries, [start, second.clone()]);
        assert_eq!(heard.requests.len(), 1);
        let told = lines.take();
        let count = format!("left out {} items", forged.len() + 1);
        assert!(told.contains(&count) && told.contains("shared.secret_path"), "{told}");
        // The cursor is behind them, and more of them are not told at once.
        add(&server, LOG, &forged[0]).await;
        let third = entry(&topic, second.position, "third");
        assert!(one.append(&third, &[]).await);
        let heard = replica.log.follow(&mut cursor).await.unwrap();
        assert_eq!((heard.entries, lines.take()), (vec![third], String::new()));
    }
}

#[tokio::test]
async fn forged_changed_and_moved_requests_are_left_out() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let topic: Topic = "topic".parse().unwrap();
        replica.named("one").post(&topic, b"ours").await;
        let ours = last_fields(&server, REQUESTS).await;
        for forged in [
            with(&ours, "topic", "other"),
            with(&ours, "topic", ""),
            with(&ours, "payload", "forged"),
            with(&ours, "mac", &ours[5].to_uppercase()),
            ours[..4].to_vec(),
            [&ours[4..], &ours[..4]].concat(),
        ] {
            add(&server, REQUESTS, &forged).await;
        }
        let heard = replica.log.follow(&mut Cursor::default()).await.unwrap();
        assert!(heard.entries.is_empty());
        let payloads: Vec<&Bytes> = heard.requests.iter().map(|r| &r.payload).collect();
        assert_eq!(payloads, ["ours"]);
    }
}

#[tokio::test]
async fn a_forged_lease_counts_as_none_or_ends_like_any_other() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let key = "er:{a}:lease:topic";
        for forged in [
            &["SET", key, ""][..],
            &["SET", key, "words"],
            &["SET", key, "stranger "],
            &["SET", key, "stranger 1"],
            &["SET", key, "stranger 1.1"],
            &["SET", key, "stranger 1.zzzz"],
            &["SET", key, "stranger -1.0000"],
            &["SET", key, "stranger 1e3.0000"],
            &["SET", key, "stranger nan.0000"],
            &["SET", key, "stranger 9999999999999999.0000"],
            &["SET", key, "stranger 99999999999999999999999999.0000"],
            &["SET", key, "stranger 5.0000 5.0000"],
            &["SET", key, "\u{e9} 0.0000"],
            &["LPUSH", key, "stranger 5.0000"],
            &["HSET", key, "stranger", "5.0000"],
        ] {
            server.command(&["FLUSHALL"]).await;
            server.command(forged).await;
            assert_eq!(one.hold(&topic).await.0, Epoch { number: 1, nonce: 7 }, "{forged:?}");
        }
        server.command(&["FLUSHALL"]).await;
        // One in the right form keeps the writers out, not longer than a lease lasts.
        for forged in
            [&["SET", key, "stranger 5.0000"][..], &["SET", key, "stranger 5.0000", "PX", "900000"]]
        {
            server.command(forged).await;
            let state = one.take(&topic, Epoch::default(), 1).await;
            assert_eq!(state, LeaseState::Taken { epoch: Epoch { number: 5, nonce: 0 } });
            let left = server.command(&["PTTL", key]).await;
            let left: u64 = left.trim_start_matches(':').parse().unwrap();
            assert!((1..=10_000).contains(&left), "{left}");
        }
    }
}

#[tokio::test]
async fn forged_tails_and_counters_stop_no_writer() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        for forged in [
            "",
            "words",
            "1",
            "-1.0000.0",
            "1.0.0",
            "1e9.0000.0",
            "inf",
            "0x10.0000.1",
            "nan.0000.nan",
            "18446744073709551615.ffff.18446744073709551615",
        ] {
            server.command(&["FLUSHALL"]).await;
            server.command(&["HSET", "er:{a}:tails", "topic", forged]).await;
            server.command(&["HSET", "er:{a}:epochs", "topic", forged]).await;
            let (epoch, tail) = one.hold(&topic).await;
            // A single digit is a good counter.
            let number = if forged == "1" { 2 } else { 1 };
            assert_eq!((epoch.number, tail), (number, Position::START), "{forged}");
            assert!(one.append(&first(&topic, epoch, tail, "first"), &[]).await, "{forged}");
        }
        server.command(&["FLUSHALL"]).await;
        server.command(&["HSET", "er:{a}:tails", "topic", "41.00ff.6"]).await;
        let (epoch, tail) = one.hold(&topic).await;
        assert_eq!((epoch.number, tail), (42, "41.00ff.6".parse().unwrap()));
        // A key of another type fails the calls that need it, and no others.
        for key in ["er:{a}:tails", "er:{a}:epochs", LOG] {
            server.command(&["FLUSHALL"]).await;
            server.command(&["SET", key, "words"]).await;
            let taken = replica.leases.take(&topic, &one.replica, Epoch::default(), 0).await;
            let failed = match taken {
                Ok(_) => {
                    let entry = LogEntry {
                        topic: topic.clone(),
                        ..first(&topic, Epoch { number: 1, nonce: 0 }, Position::START, "")
                    };
                    replica.log.append(&one.replica, &entry, &[]).await.unwrap_err().to_string()
                }
                Err(away) => away.to_string(),
            };
            assert!(failed.starts_with(AwayReason::Refused.as_str()), "{key}: {failed}");
            replica.take().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_epoch_rises_after_the_counter_or_everything_was_lost() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let (epoch, tail) = one.hold(&topic).await;
        let start = first(&topic, epoch, tail, "first");
        assert!(one.append(&start, &[]).await);
        server.command(&["DEL", "er:{a}:epochs", "er:{a}:lease:topic"]).await;
        let (later, tail) = one.hold(&topic).await;
        assert_eq!((later.number, tail), (2, start.position), "above the last entry");
        server.command(&["FLUSHALL"]).await;
        let state = one.take(&topic, later, 3).await;
        let again = Epoch { number: 3, nonce: 3 };
        assert_eq!(state, LeaseState::Held { epoch: again, tail: Position::START });
        assert!(!one.append(&first(&topic, later, start.position, "late"), &[]).await);
        let restart = first(&topic, again, Position::START, "first");
        assert!(one.append(&restart, &[]).await);
        assert_eq!(one.following(&topic).until(restart.position).await, [restart]);
    }
}
