//! Items of the log that no replica wrote.

use bytes::Bytes;
use registry_fleet::log::{Cursor, SharedLog as _};
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
