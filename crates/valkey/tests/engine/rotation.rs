//! Secrets and passwords that are replaced while replicas run.

use registry_fleet::failure::AwayReason;
use registry_fleet::state::EnginePresence;
use registry_valkey::secrets::FleetSecrets;

use crate::engine::rig::{Replica, secrets, servers, settings};

#[tokio::test]
async fn replicas_know_each_other_while_the_secret_is_replaced() {
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let both = |first: &str, second: &str| {
        FleetSecrets::parse(&format!("{first}\n{second}").into()).unwrap()
    };
    for server in servers("").await {
        let replicas = [(); 2].map(|()| Replica::new(settings(&server, "a"), None, secrets("o")));
        for replica in &replicas {
            replica.connected().await;
        }
        let two = EnginePresence { replicas: 2, ..EnginePresence::default() };
        replicas[0].presence("one").await;
        assert_eq!(replicas[1].presence("two").await, two);
        // Step by step: the new secret is known to all before it signs, and the old one goes last.
        for step in [both(&old, &new), both(&new, &old), secrets("n")] {
            server.command(&["DEL", "er:{a}:members"]).await;
            replicas[1].presence("two").await;
            replicas[0].link.replace_secrets(step.clone());
            assert_eq!(replicas[0].presence("one").await, two);
            assert_eq!(replicas[1].presence("two").await, two);
            replicas[1].link.replace_secrets(step);
        }
    }
}

#[tokio::test]
async fn a_replaced_password_is_used_without_a_restart() {
    for server in servers("--requirepass first-word").await {
        let replica = Replica::new(settings(&server, "a"), Some("second-word"), secrets("s"));
        replica.away(AwayReason::Refused).await;
        replica.passwords.replace_server("first-word".into());
        replica.taken().await;
    }
}
