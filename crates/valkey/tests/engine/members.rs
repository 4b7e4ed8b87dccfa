//! The replicas that report themselves.

use hmac::{Hmac, KeyInit as _, Mac as _};
use registry_fleet::config_digest::ConfigDigest;
use registry_fleet::state::EnginePresence;
use registry_testing::engine_server::EngineServer;
use sha2::Sha256;

use crate::engine::rig::{Replica, config, secrets, servers, settings};

const KEY: &str = "er:{a}:members";

/// Adds a member past the script, at the server's present time.
async fn add(server: &EngineServer, member: &str) {
    let now = server.command(&["TIME"]).await;
    let seconds: u64 = now.lines().nth(2).unwrap().trim().parse().unwrap();
    server.command(&["ZADD", KEY, &(seconds * 1000).to_string(), member]).await;
}

/// Signs a report as a replica with the secret `s` does.
fn signed(report: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&[b's'; 32]).unwrap();
    mac.update(&(KEY.len() as u64).to_be_bytes());
    mac.update(KEY.as_bytes());
    mac.update(report.as_bytes());
    let bytes = mac.finalize().into_bytes();
    let digits: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{report} {digits}")
}

#[tokio::test]
async fn members_are_counted_by_name_and_secret() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        let foreign = Replica::new(settings(&server, "a"), None, secrets("f"));
        foreign.connected().await;
        let apart = Replica::of(&server, "b").await;
        let of = |replicas, foreign| EnginePresence { replicas, differing: 0, foreign };
        assert_eq!(one.presence("one").await, of(1, 0));
        assert_eq!(one.presence("one").await, of(1, 0), "a replica counts once");
        assert_eq!(other.presence("two").await, of(2, 0));
        assert_eq!(one.presence("one").await, of(2, 0));
        assert_eq!(foreign.presence("three").await, of(1, 2));
        assert_eq!(one.presence("one").await, of(2, 1));
        assert_eq!(apart.presence("four").await, of(1, 0), "another name is another fleet");
    }
}

#[tokio::test]
async fn replicas_with_another_configuration_count_and_are_told_apart() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let (alike, other) = (config(), ConfigDigest::of("other"));
        let of = |replicas, differing| EnginePresence { replicas, differing, foreign: 0 };
        assert_eq!(replica.presence_with("one", alike.clone()).await, of(1, 0));
        assert_eq!(replica.presence_with("two", alike.clone()).await, of(2, 0));
        assert_eq!(replica.presence_with("three", other).await, of(3, 2), "two differ from it");
        assert_eq!(replica.presence_with("one", alike.clone()).await, of(3, 1));
        // As in a rolling change: each new process has another name.
        server.command(&["DEL", KEY]).await;
        assert_eq!(replica.presence_with("four", alike).await, of(1, 0));
    }
}

#[tokio::test]
async fn a_replica_that_reports_no_configuration_counts_as_one_that_is_configured_alike() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        add(&server, &signed("old")).await;
        let of = |replicas, differing, foreign| EnginePresence { replicas, differing, foreign };
        assert_eq!(replica.presence("one").await, of(2, 0, 0));
        add(&server, &signed("new 0123456789abcdef")).await;
        assert_eq!(replica.presence("one").await, of(3, 1, 0), "signatures here are valid");
        add(&server, &signed("no name")).await;
        add(&server, &signed("no/name")).await;
        assert_eq!(replica.presence("one").await, of(4, 2, 1));
    }
}

#[tokio::test]
async fn the_configuration_of_a_member_cannot_be_changed_by_others() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.presence("one").await;
        let held = server.command(&["ZRANGE", KEY, "0", "-1"]).await;
        let member = held.lines().last().unwrap().trim().to_owned();
        assert!(member.starts_with(&format!("one {} ", config().as_str())), "{member}");
        let words: Vec<&str> = member.split(' ').collect();
        let forged = [
            member.replace(words[1], ConfigDigest::of("other").as_str()),
            format!("{} {}", words[0], words[2]),
            format!("{member} {}", words[2]),
        ];
        for forged in &forged {
            add(&server, forged).await;
        }
        let expected = EnginePresence { replicas: 1, differing: 0, foreign: forged.len() };
        assert_eq!(replica.presence("one").await, expected);
    }
}
