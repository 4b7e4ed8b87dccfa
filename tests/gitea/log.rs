//! The log: one quiet line for each call that fails, and no secret in any of them.

use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::settings::UpstreamSettings;
use registry_core::backend::Backend as _;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::log::Lines;

use super::{backend_of, failure_of, settings};

#[tokio::test]
async fn each_call_that_fails_names_backend_and_cause_and_holds_no_secret() {
    let (lines, _guard) = Lines::capture(tracing::Level::TRACE);

    let fake = FakeGitea::start(State::recorded()).await;
    let token = Some(fake.token("unknown"));
    let settings = GiteaSettings {
        token,
        upstream: UpstreamSettings { retries: 0, ..UpstreamSettings::default() },
        ..settings(&fake)
    };
    assert!(!format!("{settings:?}").contains("canary"));
    let backend = backend_of(settings);
    let mut reports = vec![backend.probe().await.unwrap_err().report()];
    for fault in [Fault::html(200), Fault::Answer(503, Vec::new(), Vec::new()), Fault::Cut(1)] {
        fake.fault("/repos/", fault);
        reports.push(failure_of(&backend, "provider/aws").await.report());
        fake.heal();
    }
    let log = lines.take();
    for text in reports.iter().chain([&log]) {
        assert!(!text.contains("canary"), "{text}");
    }
    let calls = |line: &&str| line.contains("upstream call failed");
    let failures: Vec<&str> = log.lines().filter(calls).collect();
    // A bare 503 may be a limit, and is asked once more.
    let causes = ["401", "503", "503", "cut off"];
    assert_eq!(failures.len(), causes.len(), "a page with a success is its reader's\n{log}");
    for (line, cause) in failures.iter().zip(causes) {
        assert!(line.contains("backend=gitea") && line.contains(cause), "{line}");
    }
    // Whether the backend as a whole fails is for the catalog to say, once.
    assert!(!log.contains(" WARN "), "{log}");
}
