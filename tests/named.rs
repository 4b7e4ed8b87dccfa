//! The program with two Gitea organizations, two registries and two directories at once: its
//! commands, the API, an outage, webhooks and the variables of one entry.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::ids::id;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::registry_store::release;
use registry_testing::scripted_registry::ScriptedRegistry;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::api::webhooks::signature_with;
use crate::support::layouts::publish;
use crate::support::program::{Running, run, stderr};

const NAMES: [&str; 6] = ["public", "internal", "dc1", "dc2", "disk", "usb"];

struct World {
    dir: tempfile::TempDir,
    public: FakeGitea,
    internal: FakeGitea,
    registries: Vec<(ScriptedRegistry, Arc<Mutex<Store>>)>,
}

/// Every backend has `provider/aws` in a version of its own, and one extension named after itself.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let [public, internal] = [("public", "1.0.0"), ("internal", "2.0.0")].map(|(name, version)| {
        let mut state = State::empty();
        state.create_released("aws_prov", version, b"archive");
        state.create_released(&format!("{name}_taskserv"), "1.0.0", b"archive");
        state
    });
    let (public, internal) = (FakeGitea::start(public).await, FakeGitea::start(internal).await);
    let mut registries = Vec::new();
    for (name, version) in [("dc1", "3.0.0"), ("dc2", "4.0.0")] {
        let mut store = release("provisioning/aws-provider", version, "described", b"archive");
        let own = release(&format!("provisioning/{name}-taskserv"), "1.0.0", "described", b"own");
        store.repositories.extend(own.repositories);
        let store = Arc::new(Mutex::new(store));
        let played = Arc::clone(&store);
        let server = ScriptedRegistry::start(move |seen| {
            PlayedRegistry::new(Dialect::Zot, played.lock().clone()).answer(seen)
        })
        .await;
        registries.push((server, store));
    }
    for (name, version) in [("disk", "5.0.0"), ("usb", "6.0.0")] {
        let root = dir.path().join(name);
        fs::create_dir(&root).unwrap();
        publish(&root, &id("provider/aws"), version, "described", b"archive");
        publish(&root, &id(&format!("taskserv/{name}")), "1.0.0", "described", b"own");
    }
    for name in ["public", "internal"] {
        let path = dir.path().join(format!("{name}-secret"));
        fs::write(&path, format!("secret-of-{name}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let world = World { dir, public, internal, registries };
    fs::write(world.dir.path().join("config.toml"), world.config()).unwrap();
    world
}

impl World {
    fn config(&self) -> String {
        let gitea = |name: &str, fake: &FakeGitea| {
            format!(
                "[[gitea]]\nname = \"{name}\"\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\n\
                 webhook_secret_path = \"{name}-secret\"\ntimeout_seconds = 2\nretries = 0\n\n",
                fake.url()
            )
        };
        let mut text = gitea("public", &self.public) + &gitea("internal", &self.internal);
        for (name, (server, _)) in ["dc1", "dc2"].into_iter().zip(&self.registries) {
            let url = server.url();
            text += &format!(
                "[[oci]]\nname = \"{name}\"\nregistry = \"{url}\"\nnamespace = \"provisioning\"\n\n"
            );
        }
        for name in ["disk", "usb"] {
            text += &format!("[[local]]\nname = \"{name}\"\npath = \"{name}\"\n\n");
        }
        text + "[cache]\nttl_seconds = 1\nnegative_ttl_seconds = 0\n"
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }
}

async fn row(running: &Running, path: &str) -> Value {
    running.get(path).await.json()
}

async fn wait_until_listed(running: &Running) {
    for name in NAMES {
        let path = format!("/extensions?backend={name}");
        while running.get(&path).await.json().as_array().is_none_or(|rows| rows.len() != 2) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn six_backends_are_served_by_name() {
    let world = world().await;
    let running = Running::start(world.dir(), &["--host", "127.0.0.1"]);
    wait_until_listed(&running).await;
    let aws = row(&running, "/extensions/provider/aws").await;
    assert_eq!((&aws["version"], &aws["backend"]), (&"1.0.0".into(), &"public".into()));
    assert_eq!(aws["backends"], serde_json::json!(NAMES));
    assert_eq!(aws["sources"], serde_json::json!(["gitea", "oci", "local"]));
    for (query, version, backend) in [
        ("source=oci", "3.0.0", "dc1"),
        ("source=local", "5.0.0", "disk"),
        ("backend=internal", "2.0.0", "internal"),
        ("backend=dc2", "4.0.0", "dc2"),
        ("backend=usb", "6.0.0", "usb"),
    ] {
        let aws = row(&running, &format!("/extensions/provider/aws?{query}")).await;
        assert_eq!((&aws["version"], &aws["backend"]), (&version.into(), &backend.into()));
        let href = aws["href"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
        assert_eq!(running.get(href).await.status, StatusCode::OK, "{href}");
    }
    for name in NAMES {
        let own = row(&running, &format!("/extensions/taskserv/{name}")).await;
        assert_eq!(own["backend"], name);
    }
    let health = row(&running, "/health").await;
    for (name, kind) in NAMES.into_iter().zip(["gitea", "gitea", "oci", "oci", "local", "local"]) {
        let backend = &health["backends"][name];
        assert_eq!((&backend["kind"], &backend["healthy"]), (&kind.into(), &true.into()));
    }
    for kind in ["gitea", "oci", "local"] {
        assert_eq!(health["backends"][kind]["extensions"], 4, "{health}");
    }
    let metrics = running.get("/metrics").await.text();
    for name in NAMES {
        let line = format!("extension_registry_backend_healthy{{backend=\"{name}\"}} 1");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
    assert!(
        metrics.contains("extension_registry_upstream_requests_total{backend=\"dc2\""),
        "{metrics}"
    );

    // One organization fails: it alone is degraded.
    world.public.fault("/api/v1", Fault::html(500));
    while row(&running, "/health").await["backends"]["public"]["healthy"] != false {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let health = row(&running, "/health").await;
    assert_eq!(health["backends"]["internal"]["healthy"], true);
    assert_eq!(health["backends"]["gitea"]["healthy"], false);
    let internal = running.get("/extensions?backend=internal").await;
    assert_eq!(internal.header("extension-registry-degraded"), "");
    assert_eq!(internal.column("name"), ["aws", "internal"]);
}

#[tokio::test]
async fn a_notice_reaches_the_backend_that_it_names_alone() {
    let world = world().await;
    let config = world.config().replace("ttl_seconds = 1\n", "ttl_seconds = 3600\n");
    fs::write(world.dir().join("config.toml"), config).unwrap();
    let running = Running::start(world.dir(), &["--host", "127.0.0.1"]);
    wait_until_listed(&running).await;
    for fake in [&world.public, &world.internal] {
        fake.edit(|state| state.publish("aws_prov", "9.0.0", &[("aws_prov.tar.gz", b"new")]));
    }
    let body = format!(
        r#"{{"action":"published","repository":{{"id":1,"name":"aws_prov","owner":{{"id":1,"login":"{ORGANIZATION}"}}}}}}"#
    );
    for (name, secret, status) in [
        ("gitea", "secret-of-public", StatusCode::NOT_FOUND),
        ("dc1", "secret-of-public", StatusCode::NOT_FOUND),
        ("internal", "secret-of-public", StatusCode::UNAUTHORIZED),
        ("internal", "secret-of-internal", StatusCode::ACCEPTED),
    ] {
        let signature = signature_with(secret, &body);
        let headers = [("x-gitea-event", "release"), ("x-gitea-signature", signature.as_str())];
        let got = running.send(Method::POST, &format!("/webhooks/{name}"), &headers, &body).await;
        assert_eq!(got.status, status, "{name}: {}", got.text());
    }
    while row(&running, "/extensions/provider/aws?backend=internal").await["version"] != "9.0.0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let public = row(&running, "/extensions/provider/aws?backend=public").await;
    assert_eq!(public["version"], "1.0.0");
}

#[tokio::test]
async fn the_commands_name_entries() {
    let world = world().await;
    assert!(run(world.dir(), &["config", "check"]).status.success());
    let shown = run(world.dir(), &["config", "show"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for name in NAMES {
        assert!(shown.contains(&format!("name = \"{name}\"")), "{name} in\n{shown}");
    }
    fs::remove_dir_all(world.dir().join("usb")).unwrap();
    world.registries[1].1.lock().repositories.clear();
    let doctor = run(world.dir(), &["doctor", "-o", "json", "--port", "0"]);
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let entries = report["entries"].as_array().unwrap();
    for (about, state) in [
        ("gitea.public", "ok"),
        ("gitea.internal", "ok"),
        ("oci.dc1", "ok"),
        ("oci.dc2", "problem"),
        ("local.disk", "ok"),
        ("local.usb", "problem"),
    ] {
        let mut found = entries.iter().filter(|entry| entry["about"] == about);
        assert!(found.any(|entry| entry["state"] == state), "{about} {state}: {entries:#?}");
    }
    // A variable of one entry; of an entry that is not there.
    let mut command = crate::support::program::program(world.dir());
    let output = command
        .args(["config", "check"])
        .env("EXTENSION_REGISTRY__GITEA__PARTNER__URL", "https://git.example")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("EXTENSION_REGISTRY__GITEA__PARTNER__URL"), "{said}");
    assert!(said.contains("PUBLIC") && said.contains("INTERNAL"), "{said}");
}
