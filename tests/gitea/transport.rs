//! What goes over the wire: certificates, redirects, headers, and what is counted of it.

use std::sync::Arc;

use parking_lot::Mutex;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_backends::http::outcome::CallOutcome;
use registry_backends::http::settings::UpstreamSettings;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::backend_id::BackendId;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::tls::{Flaw, acceptor};
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::{backend, backend_of, download, kind_of, settings, versions_of};

fn one() -> State {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    state
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    for (flaw, cause) in [
        (Flaw::Nothing, ""),
        (Flaw::SelfSignedButTrusted, ""),
        (Flaw::SelfSigned, "UnknownIssuer"),
        (Flaw::Expired, "expired"),
        (Flaw::WrongName, "not valid for name"),
    ] {
        let (acceptor, ca_file) = acceptor(flaw);
        let fake = FakeGitea::start_tls(one(), acceptor).await;
        let trusting = |ca: bool, verify_ssl: bool| {
            let ca_file = ca.then(|| ca_file.path().to_owned());
            let upstream = UpstreamSettings { ca_file, verify_ssl, ..UpstreamSettings::default() };
            backend_of(GiteaSettings { upstream, ..settings(&fake) })
        };
        let private = trusting(true, true);
        if cause.is_empty() {
            assert_eq!(download(&private, "provider/x").await.unwrap(), b"bytes");
            assert!(trusting(false, true).probe().await.is_err(), "a private authority is unknown");
        } else {
            let error = private.probe().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{flaw:?}");
            assert!(error.report().contains(cause), "{flaw:?}: {}", error.report());
        }
        let blind = trusting(false, false);
        assert_eq!(download(&blind, "provider/x").await.unwrap(), b"bytes", "{flaw:?}");
    }
}

#[tokio::test]
async fn a_missing_ca_file_is_an_error_at_start() {
    let fake = FakeGitea::start(one()).await;
    let mut settings = settings(&fake);
    settings.upstream.ca_file = Some("/nonexistent/ca.pem".into());
    let error = GiteaBackend::new(settings, Arc::new(()));
    assert!(error.err().unwrap().message().contains("/nonexistent/ca.pem"));
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let fake = FakeGitea::start(one()).await;
    let backend = backend(&fake);
    assert_eq!(versions_of(&backend, "provider/x").await, ["1.0.0"]);
    let settings = settings(&fake);
    drop(fake);
    let error = backend_of(settings).probe().await.unwrap_err();
    assert_eq!(error.message(), "The gitea backend cannot be reached");
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }));
}

#[tokio::test]
async fn row_15_redirects_end_and_stay_at_home() {
    let fake = FakeGitea::start(one()).await;
    let other = FakeGitea::start(one()).await;
    let backend = backend(&fake);
    for to in [
        "/api/v1/repos/provisioning-extensions/x_prov".to_owned(),
        format!("{}api/v1/repos/provisioning-extensions/x_prov", other.url()),
        "file:///etc/passwd".to_owned(),
        "http://[".to_owned(),
    ] {
        fake.fault("/x_prov", Fault::Answer(301, vec![("Location", to.clone())], Vec::new()));
        fake.take_seen();
        assert_eq!(kind_of(&backend, "provider/x").await, ErrorKind::BackendFaulty, "{to}");
        assert!(fake.take_seen().len() <= 6, "{to}");
        fake.heal();
    }
    assert_eq!(other.take_seen().len(), 0, "no other server is asked");
}

#[tokio::test]
async fn we_say_who_we_are_and_nothing_else() {
    let fake = FakeGitea::start(one()).await;
    download(&backend(&fake), "provider/x").await.unwrap();
    let ours = concat!("extension-registry/", env!("CARGO_PKG_VERSION"));
    for seen in fake.take_seen() {
        assert_eq!(seen.headers["user-agent"], ours);
        assert_eq!(seen.method, "GET");
        assert!(!seen.target.contains("token="), "{}", seen.target);
        for absent in ["cookie", "referer"] {
            assert!(!seen.headers.contains_key(absent), "{absent}");
        }
        if seen.target.starts_with("/attachments/") {
            assert_eq!(seen.headers["accept-encoding"], "identity");
        }
    }
}

#[derive(Default)]
struct Ledger(Mutex<Vec<UpstreamCall>>);

impl UpstreamMetrics for Ledger {
    fn record(&self, call: &UpstreamCall) {
        self.0.lock().push(*call);
    }
}

#[tokio::test]
async fn every_call_is_counted_with_its_outcome() {
    let fake = FakeGitea::start(one()).await;
    let ledger = Arc::new(Ledger::default());
    let metrics: Arc<dyn UpstreamMetrics> = Arc::clone(&ledger) as _;
    let backend = GiteaBackend::new(settings(&fake), metrics).unwrap();
    download(&backend, "provider/x").await.unwrap();
    kind_of(&backend, "provider/absent").await;
    fake.fault("/attachments/", Fault::Cut(1));
    download(&backend, "provider/x").await.unwrap_err();
    let calls = std::mem::take(&mut *ledger.0.lock());
    assert!(calls.iter().all(|call| call.peer == BackendId::GITEA.into()));
    let calls: Vec<(&str, CallOutcome)> = calls.iter().map(|c| (c.operation, c.outcome)).collect();
    assert_eq!(
        calls,
        [
            ("repository", CallOutcome::Ok),
            ("settings", CallOutcome::Ok),
            ("releases", CallOutcome::Ok),
            ("download", CallOutcome::Ok),
            ("repository", CallOutcome::Absent),
            ("repository", CallOutcome::Ok),
            ("releases", CallOutcome::Ok),
            ("download", CallOutcome::Ok),
            ("download", CallOutcome::Unreachable),
        ]
    );
}
