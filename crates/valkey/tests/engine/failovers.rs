//! Sentinels that name the primary, and failovers.

use std::time::Duration;

use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::AwayReason;
use registry_fleet::log::{Cursor, SharedLog as _};
use registry_testing::engine_proxy::Way;
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fleet::conformance::snapshot;
use registry_testing::sentinels::{SENTINEL_NAME, WatchedServers};
use registry_valkey::check::{Check, examine};
use registry_valkey::passwords::EnginePasswords;
use registry_valkey::sentinels::Sentinels;
use registry_valkey::settings::EngineSettings;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::engine::rig::{Replica, config, secrets};

/// The servers of both products that are installed here.
async fn watched() -> Vec<WatchedServers> {
    let mut found = Vec::new();
    for product in Product::ALL {
        found.extend(WatchedServers::start(product).await);
    }
    found
}

/// Settings that lead to the primary through sentinels alone.
fn sentinel_settings(sentinels: &[&EngineServer], username: Option<&str>) -> EngineSettings {
    let addresses = sentinels.iter().map(|one| one.proxy.address.to_string().parse().unwrap());
    let (name, username) = (SENTINEL_NAME.parse().unwrap(), username.map(str::to_owned));
    let sentinels = Sentinels::new(addresses.collect(), name, username).unwrap();
    EngineSettings {
        address: "redis://unused.invalid/0".parse().unwrap(),
        sentinels: Some(sentinels),
        name: "a".parse().unwrap(),
        username: None,
        ca: None,
    }
}

fn through(watched: &WatchedServers) -> EngineSettings {
    sentinel_settings(&watched.sentinels.each_ref(), None)
}

fn port(server: &EngineServer) -> String {
    server.proxy.address.port().to_string()
}

async fn connected(watched: &WatchedServers) -> Replica {
    let replica = Replica::new(through(watched), None, secrets("s"));
    replica.connected().await;
    replica
}

#[tokio::test]
async fn every_connection_follows_a_failover_and_the_old_primary_changes_nothing() {
    let mut checks = JoinSet::new();
    for watched in watched().await {
        checks.spawn(fail_over(watched));
    }
    checks.join_all().await;
}

async fn fail_over(watched: WatchedServers) {
    let topic = "topic".parse().unwrap();
    let replica = connected(&watched).await;
    let one = replica.named("one");
    let mut following = one.following(&topic);
    let before = one.append_all(&topic, &["1"]).await;
    following.until(before[0].position).await;
    let stored = snapshot(before[0].position, &[b"before"]);
    assert!(one.write(&topic, &stored).await);
    watched.are_equal().await;

    watched.servers[0].signal("-STOP");
    watched.all_name(1).await;
    replica.taken().await;
    let after = one.append_all(&topic, &["2"]).await;
    following.until(after[0].position).await;
    assert_eq!(one.read(&topic, LogPosition::START).await, Some(stored));

    // The old primary does not know yet that it is none, and takes writes of those who ask it alone.
    watched.servers[0].signal("-CONT");
    let late = Replica::of(&watched.servers[0], "a").await;
    late.named("one").append_all(&topic, &["late"]).await;
    watched.is_replica(0).await;
    late.away(AwayReason::ReadOnly).await;
    let next = one.append_all(&topic, &["3"]).await;
    assert_eq!(following.until(next[0].position).await, next, "the late entry is gone");
    assert!(replica.link.state().report().failure().is_none());
}

#[tokio::test]
async fn a_killed_primary_is_left_and_no_call_waits_for_the_failover() {
    for mut watched in watched().await {
        let replica = connected(&watched).await;
        replica.taken().await;
        watched.servers[0].kill().await;
        replica.away(AwayReason::Unreachable).await;
        replica.calls.take();
        let mut cursor = Cursor::default();
        // Calls of every kind go on while the sentinels have no new primary.
        while replica.link.state().report().failure().is_some() {
            let _ = replica.take().await;
            let _ = replica.log.follow(&mut cursor).await;
            sleep(Duration::from_millis(5)).await;
        }
        let calls = replica.calls.take();
        let failed: Vec<_> = calls.iter().filter(|call| call.failure.is_some()).collect();
        let waits: Duration = failed.iter().map(|call| call.duration).sum();
        assert!(!failed.is_empty() && waits < Duration::from_millis(200), "{waits:?}: {failed:?}");
        replica.taken().await;
    }
}

#[tokio::test]
async fn sentinels_that_are_down_silent_or_wrong_are_passed_over() {
    for mut watched in watched().await {
        let stranger = EngineServer::start(Product::Redis, "").await;
        watched.sentinels[0].kill().await;
        watched.sentinels[1].proxy.set(Way::Held);
        let [down, silent, good] = watched.sentinels.each_ref();
        let all = stranger.iter().chain([down, silent, good]).collect::<Vec<_>>();
        let replica = Replica::new(sentinel_settings(&all, None), None, secrets("s"));
        replica.taken().await;

        let replica = Replica::new(sentinel_settings(&[down], None), None, secrets("s"));
        let away = replica.away(AwayReason::Unreachable).await;
        assert!(away.detail.starts_with(&down.proxy.address.to_string()), "{away}");
        let replica = Replica::new(sentinel_settings(&[silent], None), None, secrets("s"));
        let away = replica.away(AwayReason::Late).await;
        assert!(away.detail.contains("within 1000 ms"), "{away}");
        if let Some(stranger) = &stranger {
            let settings = sentinel_settings(&[stranger], None);
            let replica = Replica::new(settings, None, secrets("s"));
            let away = replica.away(AwayReason::Refused).await;
            assert!(away.detail.contains("no sentinel"), "{away}");
        }
        let mut settings = sentinel_settings(&[good], None);
        let addresses = settings.sentinels.unwrap().addresses().to_vec();
        let other = Sentinels::new(addresses, "other".parse().unwrap(), None);
        settings.sentinels = other.ok();
        let away = Replica::new(settings, None, secrets("s")).away(AwayReason::Refused).await;
        assert!(away.detail.contains("no primary of the name other"), "{away}");
    }
}

#[tokio::test]
async fn a_sentinel_that_names_a_replica_is_passed_over() {
    for watched in watched().await {
        let [stale, good, _] = watched.sentinels.each_ref();
        // Ports have as many digits as each other here, or the answer would have another length.
        let ports =
            watched.servers.each_ref().map(|server| server.proxy.address.port().to_string());
        let [primary, replica] = ports;
        if primary.len() != replica.len() {
            continue;
        }
        stale.proxy.says(&primary, &replica);
        let alone = Replica::new(sentinel_settings(&[stale], None), None, secrets("s"));
        let away = alone.away(AwayReason::ReadOnly).await;
        assert!(away.detail.contains("replica of another one"), "{away}");
        assert!(away.detail.contains(&stale.proxy.address.to_string()), "{away}");
        let both = Replica::new(sentinel_settings(&[stale, good], None), None, secrets("s"));
        both.taken().await;

        let checks = examined(sentinel_settings(&[stale, good], None), None).await;
        let told = problem(&checks, "sentinels");
        let named = format!("127.0.0.1:{replica} by {}", stale.proxy.address);
        assert!(!told.is_note && told.what.contains(&named), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_answers_again_is_used_only_if_sentinels_still_name_it() {
    for mut watched in watched().await {
        let Some(next) = EngineServer::start(Product::Redis, "").await else { return };
        // No server can take over, so that the sentinel names what it is made to.
        watched.servers[1].kill().await;
        let [sentinel, ..] = &watched.sentinels;
        let before = &watched.servers[0];
        let settings = sentinel_settings(&[sentinel], None);
        let replica = Replica::new(settings, None, secrets("s"));
        replica.taken().await;
        sentinel.proxy.says(&port(before), &port(&next));
        // It runs, says that it is a primary, and answers again.
        before.proxy.set(Way::Held);
        replica.away(AwayReason::Late).await;
        before.proxy.set(Way::Open);
        replica.connected().await;
        before.command(&["FLUSHALL"]).await;
        replica.taken().await;
        assert_eq!(before.command(&["DBSIZE"]).await, ":0");
        assert_ne!(next.command(&["DBSIZE"]).await, ":0");
    }
}

#[tokio::test]
async fn sentinels_have_credentials_of_their_own() {
    const SERVER: &str = "password-of-servers";
    const SENTINEL: &str = "password-of-sentinels";
    for watched in watched().await {
        for server in &watched.servers {
            allow(server, &format!("on >{SERVER} ~* +@all")).await;
        }
        // Without a password of theirs, sentinels get none: not that of the server.
        let username = Some("registry".to_owned());
        let plain = EngineSettings { username: username.clone(), ..through(&watched) };
        Replica::new(plain.clone(), Some(SERVER), secrets("s")).taken().await;
        for sentinel in &watched.sentinels {
            let rights = "-@all +auth +sentinel|get-master-addr-by-name +sentinel|master";
            allow(sentinel, &format!("on >{SENTINEL} resetchannels {rights}")).await;
            // A sentinel reaches others as their default user.
            sentinel
                .command(&["ACL", "SETUSER", "default", "-sentinel|get-master-addr-by-name"])
                .await;
        }
        let replica = Replica::new(plain, Some(SERVER), secrets("s"));
        let away = replica.away(AwayReason::Refused).await;
        assert!(away.detail.contains("sentinel|get-master-addr-by-name"), "{away}");

        let settings = sentinel_settings(&watched.sentinels.each_ref(), Some("registry"));
        let settings = EngineSettings { username, ..settings };
        let replica = Replica::new(settings.clone(), Some(SERVER), secrets("s"));
        replica.passwords.replace_sentinels("wrong-word".into());
        let away = replica.away(AwayReason::Refused).await;
        assert!(away.detail.contains("shared.sentinel_password_path"), "{away}");
        assert!(!away.detail.contains("wrong-word"), "{away}");
        replica.passwords.replace_sentinels(SENTINEL.into());
        replica.taken().await;
        let checks = examined(settings, Some((SERVER, SENTINEL))).await;
        assert!(checks.iter().all(|check| check.fix.is_none()), "{checks:?}");
    }
}

/// Creates the user `registry`.
async fn allow(server: &EngineServer, rights: &str) {
    let command = format!("ACL SETUSER registry {rights}");
    let answer = server.command(&command.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(answer, "+OK");
}

#[tokio::test]
async fn a_check_tells_which_sentinel_is_down_and_what_a_failover_lacks() {
    for mut watched in watched().await {
        let checks = examined(through(&watched), None).await;
        assert!(checks.iter().all(|check| check.fix.is_none()), "{checks:?}");
        let primary = watched.servers[0].proxy.address.to_string();
        let what = format!("all 3 name {primary} as the primary {SENTINEL_NAME}");
        assert_eq!((checks[0].step, &checks[0].what), ("sentinels", &what));
        assert!(checks[1].what.starts_with(&format!("redis://{primary}/0 is ")), "{checks:?}");

        watched.sentinels[2].kill().await;
        let checks = examined(through(&watched), None).await;
        let told = problem(&checks, "sentinels");
        let down = watched.sentinels[2].proxy.address.to_string();
        assert!(told.is_note && told.what.contains(&down), "{told:?}");

        watched.servers[0].kill().await;
        watched.servers[1].kill().await;
        let checks = examined(through(&watched), None).await;
        let told = problem(&checks, "connection");
        assert!(told.what.contains(SENTINEL_NAME) && !told.is_note, "{told:?}");
    }
}

async fn examined(settings: EngineSettings, words: Option<(&str, &str)>) -> Vec<Check> {
    let (server, sentinels) = words.unzip();
    let passwords = EnginePasswords::new(server.map(Into::into), sentinels.map(Into::into));
    examine(settings, passwords, secrets("s"), config()).await
}

fn problem<'a>(checks: &'a [Check], step: &str) -> &'a Check {
    let check = checks.iter().find(|check| check.step == step && check.fix.is_some());
    check.unwrap_or_else(|| panic!("{step}: {checks:?}"))
}
