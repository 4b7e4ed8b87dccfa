//! Both backends down in each of eight ways: what is known is answered as before, at once and
//! without a question, also after a restart; what is not known is an error, and never absent.

use std::time::Duration;

use axum::http::StatusCode;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::chaos::Way;
use tokio::time::Instant;

use super::rig::{Names, Rig, Service, TTL, detail_paths, known_paths};

const UNKNOWN: &str = "/extensions/provider/nonexistent";
/// Another one, which nobody has asked for before.
const NEW: &str = "/extensions/provider/another";

/// The answers about what is known: each 200, none after a wait or a question.
async fn known(rig: &Rig, service: &Service) -> Vec<(String, String)> {
    answers(rig, service, known_paths()).await
}

async fn answers(rig: &Rig, service: &Service, paths: Vec<String>) -> Vec<(String, String)> {
    rig.calls.take();
    rig.arrived();
    tokio::time::pause();
    let begun = Instant::now();
    let mut answers = Vec::new();
    for path in paths {
        let got = service.get(&path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.body);
        assert_eq!((rig.calls.take(), rig.arrived()), (0, 0), "{path}: nothing was asked");
        assert_eq!(begun.elapsed(), Duration::ZERO, "{path}: nobody waited");
        assert!(got.header("age").parse::<u64>().is_ok(), "{path}: {:?}", got.headers);
        answers.push((path, got.body));
    }
    tokio::time::resume();
    answers
}

/// A service that has read everything, and what it answers.
async fn read(rig: &Rig) -> (Service, Vec<(String, String)>) {
    let service = rig.service();
    service.catalog.syncer.sync(Scope::All).await.unwrap();
    // What was never asked for is read now: the versions of a registry.
    for (path, got) in service.known().await {
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.body);
    }
    rig.keep(&service).await;
    let answers = known(rig, &service).await;
    (service, answers)
}

/// An unknown name is one of these errors, at once where the breaker is open.
async fn unknown(rig: &Rig, service: &Service, expected: &[u16]) {
    let got = service.get(UNKNOWN).await;
    assert!(expected.contains(&got.status.as_u16()), "{}: {}", got.status, got.body);
    if got.status == StatusCode::SERVICE_UNAVAILABLE {
        assert!(got.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    rig.calls.take();
}

/// With both breakers open nobody waits, nothing is asked, and the answer says when to ask again.
async fn refused_at_once(rig: &Rig, service: &Service) {
    tokio::time::pause();
    service.until_open().await;
    rig.calls.take();
    rig.arrived();
    let begun = Instant::now();
    for path in [NEW, "/extensions/provider/hello/9.9.9", "/extensions/taskserv/redis/9.9.9"] {
        let got = service.get(path).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", got.body);
        assert!(got.header("retry-after").parse::<u64>().unwrap() >= 1, "{path}");
        assert_eq!(got.json()["error"], "backend_unavailable", "{path}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited");
    assert_eq!((rig.calls.take(), rig.arrived()), (0, 0), "nothing was asked");
    tokio::time::resume();
}

/// Once the ways pass again, so does everything, after 31 seconds at the latest.
async fn recovers(rig: &Rig, service: &Service) {
    rig.set(Way::Passes).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    service.catalog.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(service.get(UNKNOWN).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/health").await.json()["status"], "healthy");
}

/// The whole story of an outage that opens the breakers.
async fn outage(way: Way) {
    let rig = Rig::new(way == Way::Expired).await;
    let (service, before) = read(&rig).await;
    rig.set(way).await;
    assert_eq!(known(&rig, &service).await, before, "{way:?}: before anybody noticed");
    // Before the breaker opens a question may take its time, but no longer than a read waits. Where
    // nothing is ever said only time can end it.
    if way == Way::Hangs {
        tokio::time::pause();
    }
    let begun = Instant::now();
    unknown(&rig, &service, &[502, 503, 504]).await;
    if way == Way::Hangs {
        assert!(begun.elapsed() <= Duration::from_millis(2600), "{:?}", begun.elapsed());
        tokio::time::resume();
    } else {
        // With their own voices, so that the pause of a 429 is heard.
        for source in [BackendId::GITEA, BackendId::OCI] {
            service.catalog.syncer.sync(source.into()).await.unwrap_err();
        }
    }
    refused_at_once(&rig, &service).await;
    assert_eq!(known(&rig, &service).await, before, "{way:?}: with open breakers");
    answers(&rig, &service, detail_paths()).await;
    let health = service.get("/health").await.json();
    assert_eq!(health["status"], "degraded", "{health}");
    for backend in ["gitea", "oci"] {
        assert_eq!(health["backends"][backend]["healthy"], false, "{health}");
        assert_ne!(health["backends"][backend]["breaker"], "closed", "{health}");
        let error = health["backends"][backend]["last_error"].as_str().unwrap();
        assert!(!error.contains("not asked"), "the cause stays: {error}");
    }
    let restarted = rig.restarted(Names::Resolve, 60).await;
    assert_eq!(known(&rig, &restarted).await, before, "{way:?}: after a restart");
    refused_at_once(&rig, &restarted).await;
    assert_eq!(known(&rig, &restarted).await, before, "{way:?}: after a restart, breakers open");
    answers(&rig, &restarted, detail_paths()).await;
    recovers(&rig, &restarted).await;
    recovers(&rig, &service).await;
}

#[tokio::test]
async fn row_01_backends_that_refuse_connections_cost_nobody_anything() {
    outage(Way::Refuses).await;
}

#[tokio::test]
async fn row_03_backends_that_hang_cost_nobody_anything() {
    outage(Way::Hangs).await;
}

#[tokio::test]
async fn row_05_backends_that_fail_cost_nobody_anything() {
    outage(Way::Answers(500, "")).await;
    outage(Way::Answers(503, "")).await;
}

#[tokio::test]
async fn row_05_backends_that_reset_connections_cost_nobody_anything() {
    outage(Way::Resets).await;
}

#[tokio::test]
async fn row_06_backends_that_limit_us_cost_nobody_anything() {
    outage(Way::Answers(429, "retry-after: 7\r\n")).await;
    outage(Way::Answers(429, "")).await;
}

/// Asks both backends every tenth of a second until something arrives at one; after how long.
async fn silence(rig: &Rig, service: &Service) -> Duration {
    let begun = Instant::now();
    while rig.arrived() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(400), "nothing is asked any more");
        tokio::time::advance(Duration::from_millis(100)).await;
        for source in [BackendId::GITEA, BackendId::OCI] {
            drop(service.catalog.syncer.sync(source.into()).await);
        }
    }
    begun.elapsed()
}

/// The breaker alone would ask again within a second.
#[tokio::test]
async fn row_06_nothing_arrives_within_the_time_that_both_backends_name() {
    for (lines, seconds) in [
        ("retry-after: 7\r\n", 7),
        ("retry-after: Tue, 01 Jan 2999 00:00:00 GMT\r\n", 300),
        ("retry-after: 1000000000000\r\n", 300),
    ] {
        let rig = Rig::new(false).await;
        let (service, _) = read(&rig).await;
        rig.set(Way::Answers(429, lines)).await;
        tokio::time::pause();
        let begun = Instant::now();
        let round = |backend: BackendId| service.catalog.syncer.sync(backend.into());
        let (gitea, oci) = tokio::join!(round(BackendId::GITEA), round(BackendId::OCI));
        assert!(gitea.is_err() && oci.is_err());
        // What was answered before is asked again in its turn, twice, where the pause is short.
        let times = if seconds > 30 { 1 } else { 3 };
        assert_eq!(rig.arrived(), 2 * times);
        assert!(
            begun.elapsed() >= Duration::from_secs(seconds) * u32::try_from(times - 1).unwrap()
        );
        let begun = Instant::now();
        let (silent, named) = (silence(&rig, &service).await, Duration::from_secs(seconds));
        assert!(begun.elapsed() + Duration::from_secs(1) >= named, "{lines}: {silent:?}");
        assert!(silent <= named + Duration::from_secs(2), "{lines}: {silent:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn row_11_backends_with_wrong_certificates_cost_nobody_anything() {
    outage(Way::Expired).await;
}

#[tokio::test]
async fn row_10_names_that_do_not_resolve_cost_nobody_anything() {
    let rig = Rig::new(false).await;
    let (_, before) = read(&rig).await;
    let service = rig.restarted(Names::Unknown, 60).await;
    assert_eq!(known(&rig, &service).await, before, "before anybody noticed");
    unknown(&rig, &service, &[502, 503, 504]).await;
    refused_at_once(&rig, &service).await;
    assert_eq!(known(&rig, &service).await, before, "with open breakers");
}

/// A refusal of credentials opens no breaker: it takes no time, and many registries answer so to
/// names that they do not have. What is known stays, and nothing becomes absent.
#[tokio::test]
async fn row_14_backends_that_refuse_our_credentials_cost_nobody_anything() {
    for lines in ["www-authenticate: Basic realm=\"x\"\r\n", ""] {
        for status in [401, 403] {
            let rig = Rig::new(false).await;
            let (service, before) = read(&rig).await;
            rig.set(Way::Answers(status, lines)).await;
            let restarted = rig.restarted(Names::Resolve, 60).await;
            for service in [&service, &restarted] {
                assert_eq!(known(&rig, service).await, before);
                unknown(&rig, service, &[502]).await;
                for source in [BackendId::GITEA, BackendId::OCI] {
                    service.catalog.syncer.sync(source.into()).await.unwrap_err();
                }
                assert_eq!(known(&rig, service).await, before, "after failed rounds");
                let health = service.get("/health").await.json();
                assert_eq!(health["backends"]["oci"]["healthy"], false, "{health}");
                assert_eq!(health["backends"]["gitea"]["breaker"], "closed", "{health}");
            }
            recovers(&rig, &service).await;
        }
    }
}

#[tokio::test]
async fn row_01_an_outage_longer_than_the_time_to_live_is_told_in_every_answer() {
    let rig = Rig::new(false).await;
    let (_, before) = read(&rig).await;
    rig.oci.set(Way::Refuses).await;
    let age = i64::try_from(TTL.as_secs()).unwrap() * 2 + 1;
    let service = rig.restarted(Names::Resolve, age).await;
    service.catalog.syncer.sync(BackendId::GITEA.into()).await.unwrap();
    for ((path, got), (_, body)) in service.known().await.into_iter().zip(before) {
        assert_eq!((got.status, &got.body), (StatusCode::OK, &body), "{path}");
        let of_oci = path.starts_with("/extensions/taskserv") || !path.contains("provider");
        if got.header("extension-registry-degraded").is_empty() {
            assert!(!of_oci, "{path}: {:?}", got.headers);
            continue;
        }
        assert_eq!(got.header("extension-registry-degraded"), "oci", "{path}");
        assert!(got.header("cache-status").ends_with("; detail=stale"), "{path}");
        assert!(got.header("age").parse::<i64>().unwrap() >= age, "{path}");
    }
    let health = service.get("/health").await.json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["backends"]["gitea"]["stale"], false, "{health}");
    assert_eq!(health["backends"]["oci"]["stale"], true, "{health}");
    assert!(health["backends"]["oci"]["age"].as_i64().unwrap() >= age, "{health}");
    let metrics = service.get("/metrics").await.body;
    assert!(metrics.contains("extension_registry_stale_answers_total{backend=\"gitea\"} 0"));
    let line = "extension_registry_catalogue_age_seconds{backend=\"oci\"} ";
    let line = metrics.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    assert!(line.parse::<f64>().unwrap() >= 601.0, "{line}");
}

#[tokio::test]
async fn row_01_what_is_older_than_stale_if_error_answers_no_more() {
    let rig = Rig::new(false).await;
    read(&rig).await;
    rig.set(Way::Refuses).await;
    let service = rig.restarted(Names::Resolve, 86_401).await;
    for source in [BackendId::GITEA, BackendId::OCI] {
        service.catalog.syncer.sync(source.into()).await.unwrap_err();
    }
    for path in ["/extensions", "/extensions/provider/hello", "/extensions/taskserv/redis/1.0.0"] {
        let got = service.get(path).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", got.body);
    }
    assert_eq!(service.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    recovers(&rig, &service).await;
    assert_eq!(service.get("/extensions/provider/hello").await.status, StatusCode::OK);
}
