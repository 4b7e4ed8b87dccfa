//! Names that stop to resolve while the program runs, and resolve again: in a namespace of mounts
//! where the test holds the files that the system looks names up in.

use std::path::Path;
use std::process::Command;

use axum::http::StatusCode;
use registry_testing::chaos::{Chaos, Way};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use serde_json::Value;

use crate::support::program::{Running, program};

const NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--mount"];
/// Puts the test's files in the place of the system's, and becomes the program.
const MOUNTED: &str = "mount --bind hosts /etc/hosts && \
    mount --bind resolv.conf /etc/resolv.conf && exec \"$0\" \"$@\"";

/// The program where `hosts` in its directory is all that names are looked up in; `None`, and why
/// in the output, where the system gives nobody a namespace. Under `CI=true` it must.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no configuration")]
fn start(dir: &Path) -> Option<Running> {
    let allowed = Command::new("unshare").args(NAMESPACE).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no namespaces of mounts");
        eprintln!("skipped: unshare {} is not allowed", NAMESPACE.join(" "));
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(NAMESPACE).args(["sh", "-c", MOUNTED]).arg(program(dir).get_program());
    command.current_dir(dir).args(["--host", "127.0.0.1"]);
    Some(Running::of(command))
}

async fn json(running: &Running, path: &str) -> Value {
    running.get(path).await.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_a_name_that_is_lost_while_we_run_costs_nobody_anything() {
    let mut state = State::empty();
    state.create_released("hello_prov", "1.0.0", b"hello bytes");
    let fake = FakeGitea::start(state).await;
    let way = Chaos::to(fake.url().authority(), false).await;
    let url = way.url().replace("127.0.0.1", "upstream.test");
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 upstream.test\n").unwrap();
    // Nobody listens there.
    std::fs::write(dir.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let config =
        format!("[gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\nretries = 0\n");
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let Some(running) = start(dir.path()) else { return };
    let paths =
        ["/extensions", "/extensions/provider/hello", "/extensions/provider/hello/versions"];
    let mut before = Vec::new();
    for path in paths {
        before.push(json(&running, path).await);
    }
    assert_eq!(before[0].as_array().unwrap().len(), 1);

    std::fs::write(&hosts, "\n").unwrap();
    // No connection of before is left; the server itself is well.
    way.set(Way::Refuses).await;
    way.set(Way::Passes).await;
    way.take_arrived();
    let unknown = running.get("/extensions/provider/unknown").await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE);
    for (path, before) in paths.into_iter().zip(&before) {
        assert_eq!(json(&running, path).await, *before, "{path}");
    }
    let health = json(&running, "/health").await;
    assert_eq!(health["status"], "degraded", "{health}");
    let error = health["backends"]["gitea"]["last_error"].as_str().unwrap();
    assert!(error.contains("dns error"), "{error}");
    assert_eq!(way.take_arrived(), 0, "nobody came by without the name");

    std::fs::write(&hosts, "127.0.0.1 upstream.test\n").unwrap();
    let unknown = running.get("/extensions/provider/another").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "it is asked again");
    assert_eq!(json(&running, "/health").await["status"], "healthy");
}
