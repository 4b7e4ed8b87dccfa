//! Metrics as Prometheus's own tool sees them, and the document made of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::played_registry::PlayedRegistry;
use registry_testing::scripted_registry::ScriptedRegistry;

use crate::commands::sums::SECTION;
use crate::contracts::sampled_metrics;
use crate::support::committed::assert_committed;
use crate::support::program::Running;
use crate::support::served::Got;

/// Labels whose values are too many, or differ from build to build.
const OPEN: [&str; 6] = ["commit", "le", "method", "route", "status", "version"];

/// What `promtool check metrics` complains of; `None` where there is no promtool.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no configuration")]
fn complaints(text: &str) -> Option<String> {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        assert!(std::env::var_os("CI").is_none(), "promtool is missing");
        eprintln!("skipped: promtool is missing (Debian package prometheus)");
        return None;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    Some(format!("{said}{}", if output.status.success() { "" } else { "(it failed)" }))
}

#[tokio::test]
async fn promtool_finds_nothing_after_traffic_of_every_kind() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    for path in [
        "/extensions",
        "/extensions?limit=1001",
        "/extensions/search?q=kubernetes",
        "/extensions/provider/aws",
        "/extensions/provider/aws/versions",
        "/extensions/provider/aws/latest",
        "/extensions/provider/aws/latest/metadata",
        "/extensions/provider/aws/readme",
        "/extensions/provider/none",
        "/nowhere",
        "/health",
        "/metrics",
    ] {
        running.get(path).await;
    }
    let text = running.get("/metrics").await.text();
    assert!(text.contains(r#"route="unmatched",status="404"} 1"#), "{text}");
    if let Some(said) = complaints(&text) {
        assert_eq!(said, "");
    }
}

#[tokio::test]
async fn callers_with_methods_of_their_own_make_one_series() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &["--demo"]);
    let url = format!("http://{}/api/v1/extensions", running.address);
    let client = registry_testing::http::client_builder().build().unwrap();
    let methods = (0..20).map(|number| format!("BREW{number}")).chain(["PUT".to_owned()]);
    for method in methods {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(client.request(method, &url).send().await.unwrap().status(), 405);
    }
    let text = running.get("/metrics").await.text();
    let series = text.lines().filter(|line| line.starts_with("http_requests_total{"));
    let refused: Vec<&str> = series.filter(|line| line.contains("status=\"405\"")).collect();
    let route = "/api/v1/extensions";
    let expected =
        format!(r#"http_requests_total{{method="OTHER",route="{route}",status="405"}} 21"#);
    assert_eq!(refused, [expected]);
}

/// The names and labels of everything that is measured, but for requests, whose status is open.
fn series(scrape: &str) -> BTreeSet<String> {
    let lines = scrape.lines().filter(|line| !line.starts_with(['#', 'h']));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_series_but_those_of_requests_is_there_before_anything_is_asked() {
    let mut state = State::empty();
    state.create_released("aws_prov", "1.0.0", b"bytes");
    let gitea = FakeGitea::start(state).await;
    let registry = ScriptedRegistry::start(|seen| PlayedRegistry::zot().answer(seen)).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "hidden").unwrap();
    let config = format!(
        "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\n\
         webhook_secret_path = \"secret\"\n\
         [oci]\nregistry = \"{}\"\nnamespace = \"provisioning\"\n",
        gitea.url(),
        registry.url(),
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    let before = series(&running.get("/metrics").await.text());
    for series in [
        r#"extension_registry_webhook_deliveries_total{backend="gitea",outcome="replayed"}"#,
        r#"extension_registry_upstream_request_duration_seconds_count{backend="oci",operation="tags"}"#,
        r#"extension_registry_upstream_requests_total{backend="gitea",outcome="timeout"}"#,
        r#"extension_registry_refused_requests_total{reason="overload"}"#,
    ] {
        assert!(before.contains(series), "{series}");
    }
    let is_listed = |got: &Got| got.status == 200 && !got.column("href").is_empty();
    let list = running.get_until("/extensions?source=oci", is_listed).await.json();
    let name = list[0]["href"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
    for path in [
        "/extensions/provider/aws/1.0.0",
        "/extensions/provider/aws/1.0.0/metadata",
        "/extensions/provider/aws/readme",
        "/extensions/provider/none/1.0.0",
        "/extensions/provider/none/resolve?constraint=1",
        &format!("{name}/metadata"),
        name,
    ] {
        running.get(path).await;
    }
    let url = format!("http://{}/api/v1/webhooks/gitea", running.address);
    let client = registry_testing::http::client_builder().build().unwrap();
    assert_eq!(client.post(url).body("{}").send().await.unwrap().status(), 401);
    let asked =
        |line: &&str| line.contains("duration_seconds_count{backend") && !line.ends_with(" 0");
    // Calls of the first cycles may still run.
    let after = running.get_until("/metrics", |got| got.text().lines().filter(asked).count() > 6);
    let after = after.await.text();
    let new: Vec<String> = series(&after).difference(&before).cloned().collect();
    assert_eq!(new, Vec::<String>::new());
}

#[test]
fn promtool_finds_nothing_with_every_family_sampled_metrics() {
    if let Some(said) = complaints(&sampled_metrics()) {
        assert_eq!(said, "");
    }
    if let Some(said) = complaints("# TYPE wrong_total gauge\nwrong_total 1\n") {
        assert_ne!(said, "", "promtool complains of what is wrong");
    }
}

/// One row of the document for a family: name, type, labels with their values, meaning.
fn row(text: &str, name: &str, kind: &str) -> String {
    let help = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
    let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.split_once('}'));
    let mut labels: Vec<(String, BTreeSet<String>)> = Vec::new();
    for (inside, _) in samples {
        let Some((_, inside)) = inside.split_once('{') else { continue };
        for pair in inside.split("\",") {
            let (label, value) = pair.split_once("=\"").unwrap();
            let value = value.trim_end_matches('"').to_owned();
            match labels.iter_mut().find(|(known, _)| known == label) {
                Some((_, values)) => drop(values.insert(value)),
                None => labels.push((label.to_owned(), [value].into())),
            }
        }
    }
    labels.retain(|(label, _)| label != "le");
    let labels: Vec<String> = labels
        .into_iter()
        .map(|(label, values)| {
            let values: Vec<String> = values.into_iter().collect();
            let open = OPEN.contains(&label.as_str());
            if open { format!("`{label}`") } else { format!("`{label}`: {}", values.join(", ")) }
        })
        .collect();
    format!("| `{name}` | {kind} | {} | {} |\n", labels.join("; "), help.unwrap())
}

#[test]
fn the_document_of_the_metrics_is_current() {
    let text = sampled_metrics();
    let mut document = "# Metrics\n\n\
        `GET /api/v1/metrics`, in Prometheus's text format 0.0.4. This page is made of the metrics\n\
        themselves; [operations.md](operations.md#metrics) says what to make of them. The series of\n\
        known labels exist, at 0, from the start. `backend` is the name of a backend, by default its kind;\n\
        `route` is a template such as `/api/v1/extensions/{type}/{name}`, or `unmatched`, never a\n\
        path; `method` is `OTHER` for whatever this API does not know. So callers cannot make series.\n\n\
        | metric | type | labels | meaning |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        write!(document, "{}", row(&text, name, kind)).unwrap();
    }
    document.push_str(SECTION);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    assert_committed(&path, &document);
}
