//! What `doctor` finds.

use registry_fleet::config_digest::ConfigDigest;
use registry_valkey::check::{Check, examine};
use registry_valkey::commands::{COMMANDS, acl};
use registry_valkey::settings::EngineSettings;

use registry_testing::engine_server::EngineServer;

use crate::engine::rig::{Replica, config, passwords, secrets, servers, settings};

async fn found(server: &EngineServer) -> Vec<Check> {
    examine(settings(server, "a"), passwords(None), secrets("s"), config()).await
}

fn problem<'a>(checks: &'a [Check], step: &str) -> &'a Check {
    let check = checks.iter().find(|check| check.step == step && check.fix.is_some());
    check.unwrap_or_else(|| panic!("{step}: {checks:?}"))
}

#[tokio::test]
async fn a_good_server_has_no_problem_and_the_check_is_no_replica() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.presence("one").await;
        for _ in 0..2 {
            let checks = found(&server).await;
            assert!(checks.iter().all(|check| check.fix.is_none()), "{checks:?}");
            assert!(
                checks.iter().any(|check| check.what == "1 replica(s) of a are there"),
                "{checks:?}"
            );
        }
    }
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_told_with_what_to_do() {
    for mut server in servers("--maxmemory 100mb --maxmemory-policy volatile-ttl").await {
        let checks = found(&server).await;
        assert!(problem(&checks, "memory").is_note);
        assert!(problem(&checks, "memory").what.contains("volatile-ttl"));
        let foreign = Replica::new(settings(&server, "a"), None, secrets("f"));
        foreign.connected().await;
        foreign.presence("other").await;
        let checks = found(&server).await;
        let replicas = problem(&checks, "replicas");
        assert!(replicas.what.contains("another secret") && !replicas.is_note, "{replicas:?}");
        let differing = Replica::of(&server, "a").await;
        differing.presence_with("two", ConfigDigest::of("other")).await;
        let checks = found(&server).await;
        let told: Vec<_> = checks.iter().filter(|check| check.step == "replicas").collect();
        assert_eq!(told.len(), 2, "the secret is still told: {checks:?}");
        assert!(told[1].is_note && told[1].what.starts_with("1 of 1 replica(s) of a have other"));
        assert!(told[1].fix.as_ref().unwrap().contains("catalog.order"), "{told:?}");
        let command = acl("weak", &"a".parse().unwrap()).replace("PASSWORD", "word");
        server.command(&command.split(' ').collect::<Vec<_>>()).await;
        // Without one of these there is no usable connection, or no need: scripts are loaded, and the
        // database is the first one.
        let others = ["auth", "info", "ping", "script|load", "select", "time"];
        for right in COMMANDS.into_iter().filter(|right| !others.contains(right)) {
            server.command(&["ACL", "SETUSER", "weak", &format!("-{right}")]).await;
            let username = Some("weak".to_owned());
            let weak = EngineSettings { username, ..settings(&server, "a") };
            let checks = examine(weak, passwords(Some("word")), secrets("s"), config()).await;
            let rights = problem(&checks, "rights");
            assert!(rights.what.contains("lacks a right"), "{right}: {rights:?}");
            assert!(
                rights.fix.as_ref().unwrap().contains("ACL SETUSER weak on >PASSWORD"),
                "{rights:?}"
            );
            server.command(&["ACL", "SETUSER", "weak", &format!("+{right}")]).await;
        }
        server.kill().await;
        let checks = found(&server).await;
        assert_eq!(checks.len(), 1, "{checks:?}");
        assert!(problem(&checks, "connection").what.contains("unreachable"));
    }
}
