//! Faults are state, and health is not the last question that happened to work.

use std::time::Duration;

use registry_core::error::{Error, ErrorKind};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;
use registry_testing::ids::{about, id, tag};

use super::{TTL, error_of, faults, gitea, health, list, pass, scripted, served, set};
use crate::support::served::Served;

#[tokio::test(start_paused = true)]
async fn o08_a_fault_ends_with_the_first_read_that_finds_it_mended() {
    // By a notice, by a question of a caller, by a change round.
    for way in 0..3 {
        let backend = scripted(BackendId::OCI, &["provider/a:1.0.0", "provider/b:1.0.0"]);
        let served = served(backend.clone()).await;
        list(&served).await;
        *backend.faulty.lock() = Some(id("provider/a"));
        served.catalog.syncer.notice(BackendId::OCI, vec![id("provider/a")]);
        pass(Duration::from_secs(1)).await;
        assert_eq!(faults(&served, "oci").await, ["provider/a: no sense"], "{way}");
        *backend.faulty.lock() = None;
        match way {
            0 => served.catalog.syncer.notice(BackendId::OCI, vec![id("provider/a")]),
            1 => served.catalog.reader.refresh(&id("provider/a"), Scope::All).await.unwrap(),
            _ => {
                backend.inner.publish(&id("provider/a"), tag("1.1.0"), about("d", &[]), "a");
                served.catalog.syncer.sync(Scope::All).await.unwrap();
            }
        }
        pass(Duration::from_secs(1)).await;
        assert_eq!(faults(&served, "oci").await, Vec::<String>::new(), "{way}");
    }
}

#[tokio::test]
async fn o08b_a_fault_of_a_download_ends_with_a_good_download_and_not_with_a_read() {
    let digest = Digest::sha256(b"good");
    let sums = format!("{}  x_prov.tar.gz\n", digest.hex());
    let mut state = State::empty();
    state.create("x_prov", "made for a test");
    let files = [("x_prov.tar.gz", b"evil".as_slice()), ("SHA256SUMS", sums.as_bytes())];
    let uuid = state.publish("x_prov", "1.0.0", &files).remove(0);
    let fake = FakeGitea::start(state).await;
    let served = Served::over(vec![gitea(&fake)]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let faults = async || served.get("/health").await.json()["backends"]["gitea"]["faults"].clone();
    assert_eq!(served.get("/extensions/provider/x/1.0.0").await.status, 502);
    served.catalog.reader.refresh(&id("provider/x"), Scope::All).await.unwrap();
    let fault = faults().await[0].clone();
    assert_eq!(fault["subject"], "download 1.0.0", "{fault}");
    fake.edit(|state| state.files.insert(uuid, b"good".to_vec()));
    assert_eq!(served.get("/extensions/provider/x/1.0.0").await.text(), "good");
    assert_eq!(faults().await, serde_json::json!([]));
}

#[tokio::test(start_paused = true)]
async fn o07b_what_matches_the_naming_and_is_not_listed_has_a_reason() {
    let backend = scripted(BackendId::OCI, &["provider/a:1.0.0"]);
    backend.inner.create(&id("provider/empty"));
    let served = served(backend.clone()).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned()], String::new()));
    assert_eq!(faults(&served, "oci").await, ["provider/empty: it has no release"]);
    backend.inner.publish(&id("provider/empty"), tag("1.0.0"), about("d", &[]), "e");
    assert_eq!(served.call("/extensions/provider/empty", &[]).await.status, 200);
    assert_eq!(faults(&served, "oci").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn g10_a_list_whose_members_cannot_be_read_is_no_answer() {
    let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    *backend.refused.lock() = vec![id("provider/a"), id("provider/b")];
    let served = served(backend.clone()).await;
    for minute in 0..3 {
        let got = served.call("/extensions", &[]).await;
        assert_eq!(error_of(&got), "502 No current data from gitea (lacks the unit Releases)");
        let health = health(&served, "gitea").await;
        assert_eq!(health["healthy"], false, "minute {minute}: {health}");
        assert!(health["last_error"].as_str().unwrap().contains("unit Releases"), "{health}");
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(served.call("/health/ready", &[]).await.status, 503);
    backend.refused.lock().clear();
    pass(Duration::from_mins(1)).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned(), "b".to_owned()], String::new()));
    assert_eq!(health(&served, "gitea").await["healthy"], true);
}

#[tokio::test(start_paused = true)]
async fn g10b_rights_lost_while_running_are_seen_and_stay_seen() {
    let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    *backend.refused.lock() = vec![id("provider/a"), id("provider/b")];
    backend.inner.publish(&id("provider/a"), tag("1.1.0"), about("d", &[]), "a");
    pass(TTL).await;
    for _ in 0..3 {
        assert_eq!(health(&served, "gitea").await["healthy"], false);
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(list(&served).await.0, ["a", "b"], "the known stays");
    backend.refused.lock().clear();
    pass(TTL).await;
    assert_eq!(health(&served, "gitea").await["healthy"], true);
}

#[tokio::test(start_paused = true)]
async fn g17b_a_list_that_fails_is_not_healthy_for_a_contact_that_works() {
    for kind in [ErrorKind::BackendRefused, ErrorKind::BackendFaulty] {
        let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0"]);
        *backend.listing_fails.lock() = Some(kind);
        let served = served(backend.clone()).await;
        for _ in 0..4 {
            pass(Duration::from_secs(20)).await;
            let health = health(&served, "gitea").await;
            assert_eq!(health["healthy"], false, "{kind:?}: {health}");
            assert_ne!(health["last_error"], serde_json::Value::Null, "{kind:?}");
        }
        *backend.listing_fails.lock() = None;
        pass(Duration::from_secs(31)).await;
        assert_eq!(health(&served, "gitea").await["healthy"], true, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g23_the_reason_does_not_depend_on_a_budget() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let backend = scripted(BackendId::GITEA, &["provider/known:1.0.0"]);
    for name in names {
        backend.inner.create(&id(&format!("provider/{name}")));
    }
    let served = served(backend.clone()).await;
    list(&served).await;
    for name in names {
        let got = served.call(&format!("/extensions/provider/{name}"), &[]).await;
        let message = error_of(&got);
        let expected = format!("404 Extension provider/{name} has no release");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[tokio::test]
async fn g23b_nor_do_the_reasons_of_a_version_and_of_an_archive() {
    let mut state = State::empty();
    for number in 0..8 {
        state.create(&format!("p{number}_prov"), "made for a test");
        state.publish(&format!("p{number}_prov"), "1.0.0", &[("notes.txt", b"no archive")]);
    }
    let fake = FakeGitea::start(state).await;
    let served = Served::over(vec![gitea(&fake)]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    for number in 0..8 {
        for tail in ["", "/versions", "/1.0.0", "/1.0.0/metadata"] {
            let got = served.get(&format!("/extensions/provider/p{number}{tail}")).await;
            let expected = format!("404 Extension provider/p{number} has no release");
            assert!(error_of(&got).starts_with(&expected), "{tail}: {}", got.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o08c_a_passing_failure_of_a_caller_is_no_lasting_fault() {
    let backend = scripted(BackendId::OCI, &["provider/a:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    set(&backend.reads_fail, true);
    assert!(served.catalog.reader.refresh(&id("provider/a"), Scope::All).await.is_err());
    assert_eq!(faults(&served, "oci").await, Vec::<String>::new(), "an outage is the backend's");
    set(&backend.reads_fail, false);
    pass(TTL).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned()], String::new()));
    *backend.fails_once.lock() = Some((id("provider/a"), Error::faulty("a page")));
    assert!(served.catalog.reader.refresh(&id("provider/a"), Scope::All).await.is_err());
    assert_eq!(faults(&served, "oci").await, ["provider/a: a page"]);
    assert_eq!(served.call("/extensions/provider/a/versions", &[]).await.status, 200);
    served.catalog.reader.refresh(&id("provider/a"), Scope::All).await.unwrap();
    assert_eq!(faults(&served, "oci").await, Vec::<String>::new());
}
