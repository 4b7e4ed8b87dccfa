//! The running program tells its secrets to nobody but whom they are for. Whatever goes in or out
//! of it passes `registry_testing::canary`, which ends the run of all tests; here is traffic of every kind.

use std::collections::BTreeSet;
use std::path::Path;

use registry_core::models::digest::Digest;
use registry_testing::canary::{CLIENT, WEBHOOK, secret_for, shown_in};
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use reqwest::Method;

use crate::support::program::{Running, run};

/// Questions of clients: known, unknown, malformed, and about the service itself.
const PATHS: [&str; 18] = [
    "/extensions",
    "/extensions?type=nope",
    "/extensions/search?q=x",
    "/extensions/provider/x",
    "/extensions/provider/x/versions",
    "/extensions/provider/x/1.0.0",
    "/extensions/provider/x/1.0.0/metadata",
    "/extensions/provider/x/readme",
    "/extensions/taskserv/redis/1.0.0",
    "/extensions/taskserv/redis/1.0.0/metadata",
    "/extensions/taskserv/redis/resolve?constraint=*",
    "/extensions/provider/unknown",
    "/extensions/provider/%2e%2e",
    "/nowhere",
    "/openapi.json",
    "/health",
    "/cache/stats",
    "/metrics",
];

/// A registry that wants a token of its own token server, and sends its archives from elsewhere.
async fn registry(storage: String) -> ScriptedRegistry {
    let mut store = Store::default();
    store.push("provisioning/redis-taskserv", "1.0.0", b"redis bytes");
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    ScriptedRegistry::start(move |seen: &Seen| {
        let host = seen.header("host").unwrap();
        if seen.path() == "/token" {
            return Reply::json(format!(r#"{{"token":"{}"}}"#, secret_for(host, "issued")));
        }
        if seen.header("authorization").is_none() {
            let realm = format!("Bearer realm=\"http://{host}/token\"");
            return Reply::new(401).header("www-authenticate", realm);
        }
        if seen.path().contains("/blobs/") && seen.header("range").is_none() {
            return Reply::new(307).header("location", format!("{storage}/signed"));
        }
        played.answer(seen)
    })
    .await
}

fn configure(dir: &Path, gitea: &FakeGitea, registry: &ScriptedRegistry) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write("gitea-token", &secret_for(gitea.url().as_str(), "<read>"));
    write("registry-token", &format!("reader:{}", secret_for(&registry.url(), "password")));
    write("secret", WEBHOOK);
    write("clients", &format!("ci {}\n", Digest::sha256(CLIENT.as_bytes()).hex()));
    let config = format!(
        "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\ntoken_path = \"gitea-token\"\n\
         webhook_secret_path = \"secret\"\nallow_private_redirects = true\n\
         [oci]\nregistry = \"{}\"\nnamespace = \"provisioning\"\n\
         auth_token_path = \"registry-token\"\nwebhook_secret_path = \"secret\"\n\
         allow_private_redirects = true\n[auth]\ntokens_path = \"clients\"\n\
         [cache]\nstate_dir = \"state\"\nttl_seconds = 1\n",
        gitea.url(),
        registry.url()
    );
    write("config.toml", &config);
}

/// Asks everything with a good token, a wrong one and none, and notifies with and without the
/// secret; the statuses that came.
async fn play(running: &Running) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::new();
    let good = format!("Bearer {CLIENT}");
    let wrong = format!("Bearer {CLIENT}-wrong");
    for path in PATHS {
        for headers in [
            &[("authorization", good.as_str()), ("origin", "https://ui.example")][..],
            &[("authorization", &good), ("accept", "application/problem+json, */*;q=0.1")],
            &[("authorization", &wrong)],
            &[],
        ] {
            for method in [Method::GET, Method::HEAD, Method::DELETE] {
                statuses.insert(running.send(method, path, headers, "").await.status.as_u16());
            }
        }
    }
    for backend in ["gitea", "oci"] {
        let path = format!("/webhooks/{backend}");
        for headers in [
            &[("authorization", format!("Bearer {WEBHOOK}"))][..],
            &[("x-gitea-event", "release".to_owned()), ("x-gitea-signature", "0".repeat(64))],
            &[("authorization", format!("Basic {WEBHOOK}"))],
        ] {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let got = running.send(Method::POST, &path, &headers, "{}").await;
            statuses.insert(got.status.as_u16());
        }
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_leaves_the_running_program_whatever_it_is_asked_and_whatever_fails() {
    let dir = tempfile::tempdir().unwrap();
    let storage = ScriptedRegistry::start(|_| Reply::new(200).bytes("redis bytes")).await;
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    state.store = Some(storage.url());
    let gitea = FakeGitea::start(state).await;
    let registry = registry(storage.url()).await;
    configure(dir.path(), &gitea, &registry);
    let arguments = ["--host", "127.0.0.1", "--log-level", "trace"];
    let running = Running::start(dir.path(), &arguments);
    let mut statuses = play(&running).await;
    for status in [401, 403, 429, 500, 302] {
        let location = vec![("Location", format!("{}/elsewhere", storage.url()))];
        gitea.heal();
        gitea.fault("/", Fault::Answer(status, location, b"no".to_vec()));
        statuses.extend(play(&running).await);
    }
    for status in [200, 400, 401, 404, 405] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
    for arguments in [&["config", "show"][..], &["config", "check"], &["doctor", "-o", "json"]] {
        run(dir.path(), &[arguments, &["--port", "0"]].concat());
    }
    running.signal("-TERM");
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(0));
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
    assert!(log.iter().any(|line| line.contains(r#""level":"TRACE""#)), "{log:#?}");
    shown_in(&dir.path().join("state"));
    assert!(std::fs::read_dir(dir.path().join("state")).unwrap().count() > 0);
    // Each secret was used where it belongs, and strangers were asked without any.
    let shown = |seen: &[Seen]| seen.iter().any(|seen| seen.header("authorization").is_some());
    assert!(gitea.take_seen().iter().any(|seen| seen.headers.contains_key("authorization")));
    assert!(shown(&registry.seen()) && registry.count("/token") > 0);
    assert!(!storage.seen().is_empty() && !shown(&storage.seen()));
}
