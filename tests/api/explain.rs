//! Who answers for a name, why, and what every backend has of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use registry_catalog::Merge;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_public::explanation::{ExplanationBody, OtherOrderBody};
use registry_testing::ids::id;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use crate::support::served::{Served, Setup};

const AWS: &str = "/extensions/provider/aws/explain";

fn gitea() -> Arc<dyn Backend> {
    memory(BackendId::GITEA, &["provider/aws:1.0.0", "provider/only-gitea:1.0.0"])
}

fn oci() -> Arc<dyn Backend> {
    memory(BackendId::OCI, &["provider/AWS:9.0.0", "provider/AWS:1.0.0", "provider/only-oci:1.0.0"])
}

async fn synced(backends: Vec<Arc<dyn Backend>>, setup: Setup) -> Served {
    let served = Served::with(backends, setup).await;
    let _ = served.catalog.syncer.sync(Scope::All).await;
    served
}

async fn explained(served: &Served, path: &str) -> ExplanationBody {
    let got = served.call(path, &[]).await;
    assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text());
    serde_json::from_value(got.json()).unwrap()
}

/// State, owner and rule.
fn decision(explained: &ExplanationBody) -> (&str, Option<&str>, &str) {
    (&explained.state, explained.owner.as_deref(), &explained.rule)
}

/// What each backend has, and its latest version.
fn has(explained: &ExplanationBody) -> Vec<(&str, Option<bool>, Option<&str>)> {
    let backends = explained.backends.iter();
    backends.map(|one| (one.backend.as_str(), one.has, one.latest.as_deref())).collect()
}

fn order(backends: &[&str], owner: &str) -> OtherOrderBody {
    let order = backends.iter().map(|&backend| backend.to_owned()).collect();
    OtherOrderBody { order, owner: owner.to_owned() }
}

#[tokio::test]
async fn the_owner_is_the_first_that_has_a_name_and_the_others_are_told() {
    let local: Arc<dyn Backend> = memory(BackendId::LOCAL, &["provider/aws:3.0.0"]);
    let served = synced(vec![gitea(), oci(), local], Setup::default()).await;
    let got = served.get("/extensions/provider/AWS/explain").await;
    assert_eq!(got.json()["id"], "provider/aws", "spelled as its owner does");
    assert_eq!(got.header("cache-control"), "public, no-cache");
    assert_eq!(got.header("cache-status"), "extension-registry; fwd=miss");
    assert!(got.header("etag").starts_with("W/"));
    let aws = explained(&served, AWS).await;
    assert_eq!(decision(&aws), ("owned", Some("gitea"), "first in catalog.order that has it"));
    let latest = [Some("1.0.0"), Some("9.0.0"), Some("3.0.0")];
    let expected: Vec<_> = ["gitea", "oci", "local"]
        .into_iter()
        .zip(latest)
        .map(|(of, at)| (of, Some(true), at))
        .collect();
    assert_eq!(has(&aws), expected);
    let others =
        [order(&["oci", "gitea", "local"], "oci"), order(&["local", "gitea", "oci"], "local")];
    assert_eq!((aws.other_orders.as_slice(), aws.pins.len()), (&others[..], 0));
    for report in &aws.backends {
        assert_eq!((&report.kind, &report.last_error), (&report.backend, &None));
        for time in [&report.checked_at, &report.last_asked_at] {
            let time: Timestamp = time.as_ref().unwrap().parse().unwrap();
            assert_eq!(time.subsec_nanosecond(), 0);
        }
    }
    let only = explained(&served, "/extensions/provider/only-oci/explain").await;
    assert_eq!(decision(&only), ("owned", Some("oci"), "first in catalog.order that has it"));
    let expected = [("gitea", Some(false), None), ("oci", Some(true), Some("1.0.0"))];
    assert_eq!(&has(&only)[..2], expected);
    assert!(only.backends[0].checked_at.is_some(), "its complete list lacks it");
    assert_eq!(only.other_orders, []);
}

#[tokio::test]
async fn the_rule_of_a_union_says_so() {
    let setup = Setup { merge: Merge::Union, ..Setup::default() };
    let aws = explained(&synced(vec![gitea(), oci()], setup).await, AWS).await;
    assert_eq!((aws.state.as_str(), aws.owner.as_deref()), ("owned", Some("gitea")));
    assert!(aws.rule.starts_with("merge = union: "), "{}", aws.rule);
    assert_eq!(aws.other_orders, [order(&["oci", "gitea"], "oci")]);
}

#[tokio::test]
async fn an_owner_is_undetermined_while_an_earlier_backend_was_not_listed() {
    let served = synced(vec![Scripted::down(BackendId::GITEA), oci()], Setup::default()).await;
    let aws = explained(&served, AWS).await;
    let rule =
        "gitea comes first in catalog.order and was not listed yet, or exceeds catalog.max_bytes";
    assert_eq!(decision(&aws), ("undetermined", None, rule));
    let [first, second] = aws.backends.as_slice() else { panic!("{:?}", aws.backends) };
    assert_eq!((first.has, &first.checked_at), (None, &None));
    assert!(first.last_error.is_some() && first.last_asked_at.is_some(), "{first:?}");
    assert_eq!(second.has, Some(true));
    assert_eq!(aws.other_orders, [order(&["oci", "gitea"], "oci")]);
    let unknown = explained(&served, "/extensions/provider/unknown/explain").await;
    let rule = "no backend that was listed has it; gitea was not listed yet, or exceeds \
                catalog.max_bytes";
    assert_eq!(decision(&unknown), ("undetermined", None, rule));
    assert_eq!(has(&unknown), [("gitea", None, None), ("oci", Some(false), None)]);
    let got = served.call(AWS, &[]).await;
    assert_eq!(got.header("extension-registry-degraded"), "gitea");
}

#[tokio::test(start_paused = true)]
async fn a_lost_name_is_orphaned_whether_another_backend_has_it_or_not() {
    let first =
        memory(BackendId::GITEA, &["provider/aws:1.0.0", "provider/b:1.0.0", "provider/c:1.0.0"]);
    let served = synced(vec![first.clone(), oci()], Setup::default()).await;
    let lost = [id("provider/aws"), id("provider/b")];
    for id in &lost {
        first.remove(id);
    }
    for _ in 0..2 {
        for id in &lost {
            served.catalog.reader.refresh(id, Scope::All).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(11)).await;
    }
    let aws = explained(&served, AWS).await;
    let rule = "owner remembered; catalog.allow_takeover is off";
    assert_eq!(decision(&aws), ("orphaned", Some("gitea"), rule));
    assert_eq!(has(&aws), [("gitea", Some(false), None), ("oci", Some(true), Some("9.0.0"))]);
    assert_eq!(aws.id, "provider/AWS", "spelled as the one that has it does");
    assert_eq!(aws.other_orders, [order(&["oci", "gitea"], "oci")]);
    let gone = explained(&served, "/extensions/provider/b/explain").await;
    let rule = "owner remembered; no backend has it any longer";
    assert_eq!(decision(&gone), ("orphaned", Some("gitea"), rule));
    assert_eq!(has(&gone), [("gitea", Some(false), None), ("oci", Some(false), None)]);
}

#[tokio::test]
async fn a_name_that_no_backend_ever_had_is_not_found() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.create(&id("cluster/void"));
    let served = synced(vec![backend], Setup::default()).await;
    for (path, message) in [
        ("/extensions/provider/nonexistent/explain", "Extension provider/nonexistent not found"),
        ("/extensions/cluster/void/explain", "Extension cluster/void has no release"),
    ] {
        let got = served.get(path).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.json(), json!({"error": "not_found", "message": message}));
    }
}

#[tokio::test(start_paused = true)]
async fn no_backend_is_asked_and_none_is_waited_for() {
    let silent = Scripted::new(BackendId::GITEA, &["provider/aws:1.0.0"]);
    silent.silent.store(true, Ordering::SeqCst);
    let known = Arc::new(Scripted::new(BackendId::OCI, &["provider/aws:2.0.0"]));
    let served = Served::over(vec![Arc::new(silent), known.clone()]).await;
    served.catalog.syncer.sync(BackendId::OCI.into()).await.unwrap();
    let (asked, begun) = (known.asked(), Instant::now());
    for path in [AWS, "/extensions/provider/unknown/explain"] {
        assert_eq!(explained(&served, path).await.state, "undetermined");
    }
    assert_eq!((known.asked(), begun.elapsed()), (asked, Duration::ZERO));
}

#[tokio::test]
async fn the_pins_of_every_backend_are_listed_newest_version_first() {
    let served = synced(vec![gitea(), oci()], Setup::default()).await;
    for path in ["1.0.0", "1.0.0?source=oci", "9.0.0?source=oci"] {
        let got = served.get(&format!("/extensions/provider/aws/{path}")).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
    }
    let pins = explained(&served, AWS).await.pins;
    let named: Vec<_> =
        pins.iter().map(|one| (one.backend.as_str(), one.version.as_str())).collect();
    assert_eq!(named, [("gitea", "1.0.0"), ("oci", "9.0.0"), ("oci", "1.0.0")]);
    let last = &pins[1].pin;
    assert_eq!(last.digest, Digest::sha256(b"provider/AWS:9.0.0@oci").to_string());
    assert_eq!(last.file.as_deref(), Some("AWS.tar.gz"));
    assert_eq!(last.origin.as_deref(), Some("registry"));
    let since: Timestamp = last.since.as_ref().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(since).as_secs() < 3600, "{since}");
}

#[tokio::test]
async fn a_tag_with_the_name_of_the_path_has_an_href() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:explain"]);
    let served = synced(vec![backend], Setup::default()).await;
    let href = "/api/v1/extensions/provider/aws/latest?tag=explain";
    assert_eq!(served.get("/extensions/provider/aws").await.json()["href"], href);
    let got = served.get("/extensions/provider/aws/latest?tag=explain").await;
    assert_eq!(got.text(), "provider/aws:explain@local");
    assert_eq!(explained(&served, AWS).await.backends[0].latest.as_deref(), Some("explain"));
}
