//! Servers that cannot be used: too old, clusters, replicas, wrong credentials, missing rights.

use registry_fleet::failure::AwayReason;
use registry_fleet::members::Members as _;
use registry_testing::certificates::Authority;
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fleet::conformance;
use registry_valkey::commands::{COMMANDS, acl};
use registry_valkey::settings::EngineSettings;

use crate::engine::rig::{Replica, secrets, servers, settings};

fn replica(server: &EngineServer, username: Option<&str>, password: Option<&str>) -> Replica {
    let username = username.map(str::to_owned);
    let settings = EngineSettings { username, ..settings(server, "a") };
    Replica::new(settings, password, secrets("s"))
}

#[tokio::test]
async fn a_server_of_an_old_version_is_refused_and_told() {
    for server in servers("").await {
        let info = server.command(&["INFO", "server"]).await;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
        let old = format!("redis_version:5{}", &version[1..]);
        server.proxy.says(&format!("redis_version:{version}"), &old);
        let away = replica(&server, None, None).away(AwayReason::Refused).await;
        assert!(away.detail.contains("too old") && away.detail.contains("6.2"), "{away}");
    }
}

#[tokio::test]
async fn a_server_of_a_cluster_is_refused_and_told() {
    // Valkey needs a port for its cluster, where these servers have sockets alone.
    let cluster = EngineServer::start(Product::Redis, "--cluster-enabled yes").await;
    let said = servers("").await.into_iter().inspect(|server| {
        server.proxy.says("cluster_enabled:0", "cluster_enabled:1");
    });
    for server in cluster.into_iter().chain(said) {
        let away = replica(&server, None, None).away(AwayReason::Refused).await;
        assert!(away.detail.contains("cluster"), "{away}");
    }
}

#[tokio::test]
async fn a_replica_of_another_server_is_refused_and_told() {
    for server in servers("--replicaof 127.0.0.1 1").await {
        let away = replica(&server, None, None).away(AwayReason::ReadOnly).await;
        assert!(away.detail.contains("replica"), "{away}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_without_showing_them() {
    const RIGHT: &str = "right-password-of-a-test";
    const WRONG: &str = "wrong-password-of-a-test";
    for server in servers(&format!("--requirepass {RIGHT}")).await {
        replica(&server, None, Some(RIGHT)).taken().await;
        for (username, password) in
            [(None, None), (None, Some(WRONG)), (Some("stranger"), Some(RIGHT))]
        {
            let away = replica(&server, username, password).away(AwayReason::Refused).await;
            assert!(away.detail.contains("password"), "{away}");
            assert!(!away.detail.contains(WRONG) && !away.detail.contains(RIGHT), "{away}");
        }
    }
    for server in servers("").await {
        let away = replica(&server, None, Some(WRONG)).away(AwayReason::Refused).await;
        assert!(away.detail.contains("no password"), "{away}");
    }
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_no_right_is_too_much() {
    for server in servers("").await {
        let command = acl("registry", &"a".parse().unwrap()).replace("PASSWORD", "secret-word");
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(server.command(&words).await, "+OK");
        server.command(&["CONFIG", "RESETSTAT"]).await;
        let member = "replica".parse().unwrap();
        for database in ["0", "3"] {
            let address = format!("redis://{}/{database}", server.proxy.address).parse().unwrap();
            let username = Some("registry".to_owned());
            let settings = EngineSettings { address, username, ..settings(&server, "a") };
            let replica = Replica::new(settings, Some("secret-word"), secrets("s"));
            replica.taken().await;
            // The second time, buckets have a value.
            use_everything(&replica).await;
            replica.presence("replica").await;
        }
        let stats = server.command(&["INFO", "commandstats"]).await;
        let used = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
        let mut used: Vec<_> = used.map(|(command, _)| command).collect();
        // Sent by the test itself, past the link.
        used.retain(|command| *command != "config|resetstat");
        used.sort_unstable();
        assert_eq!(used, COMMANDS);
        for right in ["-evalsha", "-set", "-zadd", "-time"] {
            server.command(&["ACL", "SETUSER", "registry", right]).await;
            let replica = replica(&server, Some("registry"), Some("secret-word"));
            replica.connected().await;
            let members = replica.members();
            let results = [replica.take().await.err(), members.present(&member).await.err()];
            let refused = results.into_iter().flatten().next().unwrap();
            assert_eq!(refused.reason, AwayReason::Refused, "{right}: {refused}");
            assert!(refused.detail.contains("lacks a right"), "{right}: {refused}");
            server.command(&["ACL", "SETUSER", "registry", &right.replace('-', "+")]).await;
        }
    }
}

async fn use_everything(replica: &Replica) {
    conformance::buckets(&replica.buckets, &replica.buckets).await;
    conformance::pins(&replica.pins, &replica.pins).await;
    let (one, other) = (replica.named("one"), replica.named("other"));
    // First of all: the log is trimmed only while every topic in it has a snapshot.
    conformance::snapshots(&one, &other).await;
    conformance::leases(&one, &other).await;
    conformance::log(&one, &other).await;
}

#[tokio::test]
async fn tls_needs_a_certificate_of_the_named_authority() {
    for server in servers("").await {
        let (authority, other) = (Authority::new(), Authority::new());
        server.proxy.speak_tls(authority.acceptor());
        let address = server.url().replace("redis://", "rediss://");
        let secured = |ca: Option<&str>| EngineSettings {
            address: address.parse().unwrap(),
            ca: ca.map(|pem| pem.as_bytes().to_vec()),
            ..settings(&server, "a")
        };
        let replica = Replica::new(secured(Some(authority.pem())), None, secrets("s"));
        replica.taken().await;
        for ca in [Some(other.pem()), None] {
            let replica = Replica::new(secured(ca), None, secrets("s"));
            let away = replica.away(AwayReason::Unreachable).await;
            let is_told = away.detail.to_lowercase().contains("certificate");
            assert!(is_told || away.detail.contains("UnknownIssuer"), "{away}");
        }
        let plain = Replica::new(settings(&server, "a"), None, secrets("s"));
        let away = plain.away(AwayReason::Refused).await;
        assert!(away.detail.contains("rediss://"), "{away}");
    }
}
